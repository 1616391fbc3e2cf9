"""The charts over time of one page: the course, its falls, and rolling figures, which share their times."""

from dataclasses import replace

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from jutsu_assets.reports.embedded import kept_rows, numbers_json
from jutsu_assets.reports.line_charts import COLOURS, Line, LineChart, falls_of, figure, is_logarithmic
from jutsu_core.metrics.kernels import period_returns
from jutsu_core.metrics.rhythm import Rhythm
from jutsu_core.metrics.rolling import rolling_arrays
from jutsu_core.metrics.series import FloatArray, IntArray, risk_free_per_period

Shown = tuple[str, str, Markup]
"""A chart with its heading and what it shows, in a sentence."""

_ROLLING = {
    "sharpe_ratio": ("Rolling Sharpe ratio", "ratio", 1.0),
    "volatility": ("Rolling volatility", "percent", 100.0),
    "beta": ("Rolling beta", "ratio", 1.0),
}


class TimeCharts:
    """Collects charts over the same times, and the numbers that the page's script reads.

    Args:
        name: What the page is about.
        stamps: Times of all values, microseconds since 1970 UTC.
        values: The course that the page is about: of a long one, rows without its extremes are left out.
    """

    def __init__(self, name: str, stamps: IntArray, values: FloatArray) -> None:
        self._name = name
        self._values = values
        self._stamps = stamps
        self._rows = kept_rows(values)
        self._moments: NDArray[np.datetime64] = stamps[self._rows].astype("M8[us]").astype("M8[s]")
        self._lines: list[FloatArray] = []
        self._coarse: list[FloatArray] = []

    def course(self, heading: str, note: str, others: tuple[Line, ...] = ()) -> list[Shown]:
        """Return the chart of the course and of ``others`` beside it, and that of their falls.

        ``others`` are brought to the first value of the course where they begin.
        """
        own = Line(self._name, self._values)
        beside = [Line(other.name, self._based(other.points), other.colour) for other in others]
        lines = tuple(self._kept(item) for item in (own, *beside))
        is_log = bool(lines[0].points.min() > 0) and is_logarithmic(np.concatenate([item.points for item in lines]))
        scale = ", on a logarithmic axis" if is_log else ""
        chart = LineChart(
            name=heading,
            note=f"{note}{scale}",
            title=f"{self._name}: {heading.lower()}{scale}. {self._said(lines[0].points)}",
            lines=lines,
            is_log=is_log,
            area=0.08,
        )
        numbered = tuple(range(len(lines)))
        self._lines.extend(item.points for item in lines)
        fallen = tuple(
            replace(item, points=_falls(item.points), colour="loss" if place == 0 else item.colour)
            for place, item in enumerate(lines)
        )
        deepest = float(np.nanmin(fallen[0].points))
        falls = LineChart(
            name="Drawdown",
            note="Below the highest value so far",
            title=f"{self._name}: drawdown, at most {deepest:.1f} per cent",
            lines=fallen,
            unit="percent",
            height=160,
            area=0.22,
            hangs=True,
            falls_of=numbered,
        )
        return [self._shown(chart, numbered), self._shown(falls, numbered)]

    def coarse(self, chart: LineChart) -> Shown:
        """Return a chart of values of all times, of which three digits are enough."""
        lines = tuple(self._kept(item) for item in chart.lines)
        first = len(self._coarse)
        self._coarse.extend(item.points for item in lines)
        # They are numbered after all courses, which come first.
        numbered = tuple(range(len(self._lines) + first, len(self._lines) + len(self._coarse)))
        return self._shown(replace(chart, lines=lines), numbered)

    def rolling(
        self, rhythm: Rhythm, *, periods_per_year: int, risk_free_rate: float, benchmark: Line | None
    ) -> list[Shown]:
        """Return the charts of Sharpe ratio, volatility and beta over the last year; none of less than a year."""
        kept = np.arange(len(self._values) - 1)
        if rhythm.longest is not None:
            kept = np.flatnonzero(np.diff(self._stamps) <= rhythm.longest)
        if periods_per_year < 2 or len(kept) <= periods_per_year or not (self._values > 0).all():  # noqa: PLR2004
            return []
        first = 0 if benchmark is None else int(np.isfinite(benchmark.points).argmax())
        found = rolling_arrays(
            period_returns(self._values)[kept],
            window=periods_per_year,
            risk_free=risk_free_per_period(risk_free_rate, periods_per_year=periods_per_year),
            periods_per_year=periods_per_year,
            # Before its first value the benchmark has no returns, and no window that reaches there a beta.
            benchmark=None if benchmark is None else np.nan_to_num(period_returns(benchmark.points), nan=0.0)[kept],
            names=tuple(_ROLLING),
        )
        shown = []
        for name, figures in found.items():
            heading, unit, times = _ROLLING[name]
            values = np.full(len(self._values), np.nan)
            values[kept + 1] = figures * times
            if name == "beta" and first:
                values[: first + periods_per_year] = np.nan
            if np.isfinite(values[self._rows]).any():
                beside = f" beside {benchmark.name}" if name == "beta" and benchmark is not None else ""
                chart = LineChart(
                    name=heading,
                    note=f"Of the last {periods_per_year} periods{beside}",
                    title=f"{self._name}: {heading.lower()} of the last {periods_per_year} periods{beside}",
                    lines=(Line(heading, values, COLOURS[0]),),
                    unit="percent" if unit == "percent" else "ratio",
                    height=150,
                )
                shown.append(self.coarse(chart))
        return shown

    def numbers(self) -> Markup:
        """Return the data block of the page."""
        return Markup(numbers_json(self._moments, self._lines, self._coarse))  # noqa: S704 - numbers alone

    def _based(self, values: FloatArray) -> FloatArray:
        first = int(np.isfinite(values).argmax())
        return values * float(self._values[first] / values[first])

    def _kept(self, item: Line) -> Line:
        return replace(item, points=item.points[self._rows])

    def _said(self, values: FloatArray) -> str:
        ends = f"{values[0]:,.6g} on {str(self._moments[0])[:10]}, {values[-1]:,.6g} on {str(self._moments[-1])[:10]}"
        return f"{ends}; lowest {values.min():,.6g}, highest {values.max():,.6g}"

    def _shown(self, chart: LineChart, numbered: tuple[int, ...]) -> Shown:
        # The figure was made here: numbers, and names that were escaped.
        return chart.name, chart.note, Markup(figure(chart, self._moments, numbered))  # noqa: S704


def _falls(values: FloatArray) -> FloatArray:
    first = int(np.isfinite(values).argmax())
    return np.concatenate((values[:first], falls_of(values[first:])))
