"""Pages: the tear sheet of one symbol and the overview of all, each one self-contained file.

A page carries its style and charts inside and loads nothing, so it can be mailed, archived and
opened without a network. Templates decide the looks; what a number looks like is decided here.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from jutsu_assets.reports.page_charts import (
    annual_returns_chart_svg,
    drawdown_chart_svg,
    equity_chart_svg,
    is_logarithmic,
)
from jutsu_assets.reports.template import render
from jutsu_assets.reports.wording import DASH, MINUS, Cell, cell, percent
from jutsu_core.metrics.catalog import CATALOG

_COLUMNS = (
    "total_return",
    "cagr",
    "volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "calmar_ratio",
    "max_drawdown",
    "best_day",
    "worst_day",
    "win_rate",
    "sessions",
)
_OVERVIEW_COLUMNS = tuple(name for name in _COLUMNS if name != "sessions")
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
# A symbol's win rate is one of days, not of trades; and its closes are one more than its returns.
_TITLES = {name: metric.title for name, metric in CATALOG.items()} | {
    "win_rate": "Days up",
    "sessions": "Daily returns",
}
# A year's growth a year is its return, but for a few days: side by side the two would only mislead.
_LONGEST_YEAR_DAYS = 375
# The return at which the heat map's colour is at its fullest.
_FULL_HEAT = 0.6


def render_tear_sheet(
    symbol: str,
    report: Mapping[str, Any],
    closes: "pd.Series[float]",
    *,
    source: str,
    overview_href: str | None = None,
) -> str:
    """Return the page of one symbol.

    Args:
        symbol: Ticker, of any characters.
        report: What ``jutsu_core.metrics.periods.symbol_performance`` returned for ``closes``.
        closes: Closes above 0 with timestamps, oldest first.
        source: Where the prices come from; ``simulator`` puts a warning on top of the page.
        overview_href: Link back to the overview, if there is one.

    Returns:
        A whole HTML document; the same text for the same input.

    Raises:
        InvalidInputError: ``closes`` is empty or breaks the contract of the charts.
    """
    years = list(report["calendar_years"])
    return render(
        "tear_sheet.html.jinja",
        source=source,
        symbol=symbol,
        report=report,
        overview_href=overview_href,
        key_figures=[_cell(name, report["since_inception"]) for name in _KEY_FIGURES],
        charts=_charts(symbol, closes, {row["year"]: row["total_return"] for row in years}),
        heads=[_TITLES[name] for name in _COLUMNS],
        year_heads=[_TITLES[name] for name in _YEAR_COLUMNS],
        years=[(row, _cells(row, _YEAR_COLUMNS)) for row in reversed(years)],
        periods=_periods(report),
        falls=_falls(report),
        choices=_choices(report["definitions"]),
        definitions=[(_TITLES[name], text) for name, text in report["definitions"]["metrics"].items()],
    )


def render_overview(
    reports: Mapping[str, Mapping[str, Any]], *, source: str, hrefs: Mapping[str, str] | None = None
) -> str:
    """Return the index page: key figures of all symbols and their returns by year.

    Args:
        reports: What ``symbol_performance`` returned, by symbol; may be empty.
        source: Where the prices come from; ``simulator`` puts a warning on top of the page.
        hrefs: Link to each symbol's page; a symbol without one is not linked.

    Returns:
        A whole HTML document; the same text for the same input, symbols in alphabetical order.
    """
    symbols = sorted(reports)
    links = hrefs or {}
    annual = {symbol: {row["year"]: row for row in reports[symbol]["calendar_years"]} for symbol in symbols}
    years = sorted({year for rows in annual.values() for year in rows})
    return render(
        "overview.html.jinja",
        source=source,
        heads=[_TITLES[name] for name in _OVERVIEW_COLUMNS],
        rows=[
            (
                symbol,
                links.get(symbol),
                reports[symbol],
                _cells(reports[symbol]["since_inception"], _OVERVIEW_COLUMNS),
            )
            for symbol in symbols
        ],
        years=years,
        heat=[(symbol, links.get(symbol), [_heat(annual[symbol].get(year)) for year in years]) for symbol in symbols],
    )


def _charts(
    symbol: str, closes: "pd.Series[float]", annual: Mapping[int, float | None]
) -> list[tuple[str, str, Markup]]:
    scale = ", on a logarithmic axis" if is_logarithmic(closes) else ""
    charts = [
        ("Price", f"Closing price, split-adjusted{scale}", equity_chart_svg(closes, title=f"{symbol}: price{scale}")),
        ("Drawdown", "Below the highest close so far", drawdown_chart_svg(closes, title=f"{symbol}: drawdown")),
        (
            "Annual returns",
            "By calendar year; partial years included",
            annual_returns_chart_svg(annual, title=f"{symbol}: annual returns"),
        ),
    ]
    # Each chart was made here from numbers alone, so it may stand in the page as it is.
    return [(name, note, Markup(svg)) for name, note, svg in charts]  # noqa: S704


def _cell(name: str, row: Mapping[str, Any]) -> Cell:
    is_told = name != "cagr" or row["elapsed_days"] > _LONGEST_YEAR_DAYS
    return cell(name, row[name] if is_told else None, _TITLES[name])


def _cells(row: Mapping[str, Any], names: tuple[str, ...] = _COLUMNS) -> list[Cell]:
    return [_cell(name, row) for name in names]


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


def _falls(report: Mapping[str, Any]) -> list[dict[str, Any]]:
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


def _heat(row: Mapping[str, Any] | None) -> dict[str, Any]:
    value = None if row is None else row["total_return"]
    if row is None or value is None:
        return {"text": "", "tone": "none", "share": 0, "is_partial": False}
    share = round(8 + 62 * min(abs(value) / _FULL_HEAT, 1.0) ** 0.7)
    tone = "gain" if value >= 0 else "loss"
    text = f"{100 * value:+,.0f}".replace("-", MINUS)
    return {"text": text, "tone": tone, "share": share, "is_partial": row["is_partial"]}
