"""What the pages of a symbol and of a portfolio have in common: the course, its falls, months and distribution."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from jutsu_assets.reports.bar_charts import annual_returns_chart_svg, distribution_chart_svg, distribution_of
from jutsu_assets.reports.line_charts import COLOURS, Line
from jutsu_assets.reports.tables import MONTHS, months_by_year, worst_falls
from jutsu_assets.reports.time_charts import Shown, TimeCharts
from jutsu_assets.reports.wording import Cell, percent, row_of, tone
from jutsu_core.metrics.kernels import period_returns
from jutsu_core.metrics.rhythm import Rhythm
from jutsu_core.metrics.series import FloatArray, IntArray, checked_stamps, checked_values


def benchmark_line(benchmark: "pd.Series[float] | None", stamps: IntArray) -> Line | None:
    """Return the benchmark's last value at each time; ``None`` where there is none at any.

    Args:
        benchmark: Values above 0 by aware times; its name is shown.
        stamps: Times, microseconds since 1970 UTC.

    Raises:
        InvalidInputError: The benchmark is no series of values above 0 with aware times, oldest first.
    """
    if benchmark is None:
        return None
    values = checked_values("benchmark", benchmark, positive="all")
    places = checked_stamps("benchmark", benchmark).searchsorted(stamps, side="right") - 1
    if places[-1] < 0:
        return None
    name = "benchmark" if benchmark.name is None else str(benchmark.name)
    return Line(name, np.where(places < 0, np.nan, values[np.maximum(places, 0)]), COLOURS[1])


def annual_chart(name: str, returns: Mapping[int, float | None]) -> list[Shown]:
    """Return the chart of returns by calendar year; none where no year has one."""
    if not any(value is not None for value in returns.values()):
        return []
    # Made here, of numbers alone; the name is escaped there.
    svg = Markup(annual_returns_chart_svg(returns, title=f"{name}: annual returns"))  # noqa: S704
    return [("Annual returns", "By calendar year; partial years included", svg)]


def distribution(name: str, values: FloatArray, stamps: IntArray, rhythm: Rhythm) -> tuple[Any, ...]:
    """Return the chart of how often which return was, its note and its ranges; nothing where none varies."""
    if not (values > 0).all():
        return None, "", []
    returns = period_returns(values)
    if rhythm.longest is not None:
        returns = returns[np.diff(stamps) <= rhythm.longest]
    ranges = distribution_of(returns)
    if not ranges:
        return None, "", []
    note = (
        f"{len(returns):,} returns of single periods; dashed, a normal distribution of the same mean and deviation;"
        " what is beyond 5 deviations is counted at the ends"
    )
    svg = distribution_chart_svg(returns, title=f"{name}: distribution of returns")
    return Markup(svg), note, ranges  # noqa: S704 - made here, of numbers alone


def years_beside(rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, Markup]]:
    """Return the rows of the table of what both returned by year, the latest first.

    Args:
        rows: As ``jutsu_core.metrics.benchmark.relative_years`` returned them.
    """
    keys = ("portfolio", "benchmark", "relative")
    return [
        (row["year"], row_of([Cell(key, percent(row[key], signed=True), tone(row[key])) for key in keys]))
        for row in reversed(rows)
    ]


def shared_blocks(
    charts: TimeCharts,
    name: str,
    course: tuple[FloatArray, IntArray, Rhythm],
    periods: Mapping[str, Sequence[Mapping[str, Any]]],
    drawdowns: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return what the templates of both pages show, but for the charts over time, whose numbers must be complete.

    Args:
        charts: The charts over time, every one of them made.
        name: What the page is about.
        course: Values, their times and their rhythm.
        periods: Returns of ``months`` and ``years``, as a portfolio's report has them.
        drawdowns: The worst ones, as there.
    """
    values, stamps, rhythm = course
    return {
        "month_names": MONTHS,
        "months": months_by_year(periods["months"], periods["years"]),
        "distribution": distribution(name, values, stamps, rhythm),
        "falls": worst_falls(drawdowns),
        "numbers": charts.numbers(),
    }
