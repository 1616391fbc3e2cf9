"""The tear sheet of one symbol, one self-contained file.

A page carries its style, charts, numbers and scripts inside and loads nothing, so it can be mailed, archived and
opened without a network. Templates decide the looks; what a number looks like is decided in ``wording``.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from jutsu_assets.reports.sheet_blocks import annual_chart, benchmark_line, shared_blocks, years_beside
from jutsu_assets.reports.template import render
from jutsu_assets.reports.time_charts import TimeCharts
from jutsu_assets.reports.wording import DASH, SYMBOL_COLUMNS, SYMBOL_TITLES, Cell, cell, percent, row_of, told
from jutsu_core.metrics.account import Account
from jutsu_core.metrics.benchmark_records import BENCHMARK_RECORDS
from jutsu_core.metrics.catalog import CATALOG
from jutsu_core.metrics.portfolio_blocks import drawdowns, period_table
from jutsu_core.metrics.rhythm import rhythm_of
from jutsu_core.metrics.series import checked_stamps, checked_values

_COLUMNS = (*SYMBOL_COLUMNS, "sessions")
_YEAR_COLUMNS = tuple(name for name in _COLUMNS if name != "cagr")
_KEY_FIGURES = ("total_return", "cagr", "volatility", "sharpe_ratio", "sortino_ratio", "max_drawdown")
_CHOICES = {
    "returns": "Returns",
    "periods_per_year": "Periods per year",
    "risk_free_rate": "Risk-free rate",
    "risk_free": "Risk-free per period",
    "ddof": "Delta degrees of freedom",
    "annualisation": "Annualised figures",
    "base": "Base",
    "partial_years": "Partial years",
    "drawdown": "Drawdown",
    "holes": "Holes",
    "undefined": "Undefined",
}
# A symbol's closes are one more than its returns.
_TITLES = {
    **{name: metric.title for name, metric in CATALOG.items()},
    **SYMBOL_TITLES,
    "sessions": "Daily returns",
}


def render_tear_sheet(
    symbol: str,
    report: Mapping[str, Any],
    closes: "pd.Series[float]",
    *,
    source: str,
    overview_href: str | None = None,
    benchmark: "pd.Series[float] | None" = None,
) -> str:
    """Return the page of one symbol.

    Args:
        symbol: Ticker, of any characters.
        report: What ``jutsu_core.metrics.periods.symbol_performance`` returned for ``closes``.
        closes: Closes above 0 with timestamps, oldest first.
        source: Where the prices come from; ``simulator`` puts a warning on top of the page.
        overview_href: Link back to the overview, if there is one.
        benchmark: Values above 0 of what the symbol is compared with, whose ``name`` is shown; they may begin
            later and have other times: each close is beside the last value then.

    Returns:
        A whole HTML document; the same text for the same input.

    Raises:
        InvalidInputError: ``closes`` or ``benchmark`` is no series of values above 0 with aware times, oldest first.
    """
    years = list(report["calendar_years"])
    values, stamps = checked_values("closes", closes, positive="all"), checked_stamps("closes", closes)
    account, rhythm, beside = (
        Account(stamps=stamps, equity=values),
        rhythm_of(stamps),
        benchmark_line(benchmark, stamps),
    )
    charts = TimeCharts(symbol, stamps, values)
    note = "Closing price, split-adjusted" + ("" if beside is None else f"; {beside.name} from the same value")
    course = charts.course("Price", note, () if beside is None else (beside,))
    rolling = charts.rolling(
        rhythm,
        periods_per_year=report["definitions"]["periods_per_year"],
        risk_free_rate=report["definitions"]["risk_free_rate"],
        benchmark=beside,
    )
    return render(
        "tear_sheet.html.jinja",
        source=source,
        symbol=symbol,
        report=report,
        overview_href=overview_href,
        key_figures=[_cell(name, report["since_inception"]) for name in _KEY_FIGURES],
        charts=course + annual_chart(symbol, {row["year"]: row["total_return"] for row in years}),
        rolling=rolling,
        **shared_blocks(
            charts,
            symbol,
            (values, stamps, rhythm),
            period_table(account, values, rhythm),
            drawdowns(account, values),
        ),
        beside=_beside(report),
        heads=[_TITLES[name] for name in _COLUMNS],
        year_heads=[_TITLES[name] for name in _YEAR_COLUMNS],
        years=[(row, _cells(row, _YEAR_COLUMNS)) for row in reversed(years)],
        periods=_periods(report),
        extremes=_extremes(report),
        choices=_choices(report["definitions"]),
        definitions=[(_TITLES[name], text) for name, text in report["definitions"]["metrics"].items()],
    )


def _cell(name: str, row: Mapping[str, Any]) -> Cell:
    return cell(name, told(name, row), _TITLES[name])


def _cells(row: Mapping[str, Any], names: tuple[str, ...] = _COLUMNS) -> Markup:
    return row_of([_cell(name, row) for name in names])


def _periods(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    named = {**report["trailing"], "all": report["since_inception"]}
    return [
        {
            "name": "Since inception" if name == "all" else _span_title(name),
            "base_date": row["base_date"] if row else None,
            "cells": _cells(row) if row else None,
            "reason": report["trailing_unavailable"].get(name),
        }
        for name, row in named.items()
    ]


def _beside(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the figures beside the benchmark, and both by year, where the report has them."""
    told = report.get("benchmark")
    if told is None:
        return None
    reasons = told["undefined"]
    return {
        "name": told["name"] or "the benchmark",
        "span": "no session in common"
        if told["first_session"] is None
        else f"{told['first_session']} to {told['last_session']}, over the sessions that both have",
        "figures": [
            (cell(record.name, told[record.name]), reasons.get(record.name, "")) for record in BENCHMARK_RECORDS
        ],
        "years": years_beside(told["years"]),
    }


def _extremes(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    named = {"Since inception": report["since_inception"]}
    named |= {_span_title(name): row for name, row in report["trailing"].items() if row}
    keys = ("max_drawdown_peak", "max_drawdown_trough", "max_drawdown_recovery")
    return [
        {
            "name": name,
            "depth": percent(row["max_drawdown"]),
            "dates": [row[key] or DASH for key in keys],
            "best": (percent(row["best_day"], signed=True), row["best_day_date"] or DASH),
            "worst": (percent(row["worst_day"], signed=True), row["worst_day_date"] or DASH),
        }
        for name, row in named.items()
    ]


def _span_title(name: str) -> str:
    count = int(name.removesuffix("y"))
    return "Last year" if count == 1 else f"Last {count} years"


def _choices(definitions: Mapping[str, Any]) -> list[tuple[str, str]]:
    shown = {**definitions, "risk_free_rate": percent(definitions["risk_free_rate"])}
    return [(title, str(shown[key])) for key, title in _CHOICES.items() if key in shown]
