"""The tear sheet of a portfolio: one self-contained file, as that of a symbol is."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from jutsu_assets.reports.line_charts import COLOURS, Line, LineChart
from jutsu_assets.reports.portfolio_results import PortfolioResults
from jutsu_assets.reports.sheet_blocks import annual_chart, benchmark_line, shared_blocks, years_beside
from jutsu_assets.reports.template import render
from jutsu_assets.reports.time_charts import Shown, TimeCharts
from jutsu_assets.reports.wording import DASH, Cell, cell, cells, money, percent, plain_times, row_of, tone
from jutsu_core.metrics.catalog import FAMILIES
from jutsu_core.metrics.rhythm import rhythm_of
from jutsu_core.metrics.series import checked_stamps
from jutsu_core.metrics.trades import RoundTrip

_KEY_FIGURES = (
    "total_return",
    "cagr",
    "volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "max_drawdown",
)
_HEADINGS = {
    "summary": ("Return and risk", "Of the whole time"),
    "returns": ("Distribution and ratios", "Of the returns of single periods"),
    "benchmark": ("Beside the benchmark", "Over the periods of the portfolio"),
    "top_trades": ("Trades", "Of closed round trips, after costs"),
    "trades": ("Trades in detail", "Of closed round trips, after costs"),
    "activity": ("Activity", "Of all fills"),
    "market": ("Beside the bars", "How far positions went, and how large they were"),
}
_AT_THE_TOP = ("summary", "top_trades")
_REALISED = {"by_symbol": "Net profit by symbol", "by_side": "Net profit by side", "by_year": "Net profit by year"}
_CASH_FLOWS = {
    "net": ("Paid in, net", money),
    "time_weighted_return": ("Time-weighted return", percent),
    "money_weighted_return": ("Money-weighted return", percent),
    "money_weighted_annual": ("Money-weighted, per year", percent),
}
_CHOICES = {
    "periods": "Periods",
    "periods_per_year": "Periods per year",
    "risk_free_rate": "Risk-free rate",
    "risk_free": "Risk-free per period",
    "ddof": "Delta degrees of freedom",
    "annualisation": "Annualised figures",
    "holes": "Holes",
    "flows": "Cash flows",
    "matching": "Matching of fills",
}
_MOST_TRIPS = 500
_SECONDS_A_DAY = 86_400


def render_portfolio_sheet(results: PortfolioResults, *, source: str, overview_href: str | None = None) -> str:
    """Return the page of one portfolio.

    Args:
        results: What was measured.
        source: Where the prices come from; ``simulator`` puts a warning on top of the page.
        overview_href: Link back to the overview, if there is one.

    Returns:
        A whole HTML document; the same text for the same input.
    """
    report, stamps = results.report, checked_stamps("equity", results.equity)
    grown = results.equity if results.growth is None else results.growth
    values = np.asarray(grown, np.float64)
    rhythm, benchmark = rhythm_of(stamps), benchmark_line(results.benchmark, stamps)
    charts = TimeCharts(results.name, stamps, values)
    course, others = _course(results, charts, benchmark)
    definitions = report["definitions"]
    rolling = charts.rolling(
        rhythm,
        periods_per_year=definitions["periods_per_year"],
        risk_free_rate=definitions["risk_free_rate"],
        benchmark=benchmark,
    )
    years = {int(row["period"]): row["return"] for row in report["periods"]["years"]}
    return render(
        "portfolio_sheet.html.jinja",
        source=source,
        name=results.name,
        report=report,
        notes=_notes(report, benchmark, results),
        span=f"{str(results.equity.index[0])[:10]} to {str(results.equity.index[-1])[:10]}",
        overview_href=overview_href,
        key_figures=cells(report, _KEY_FIGURES, {}),
        charts=course + annual_chart(results.name, years),
        rolling=rolling + others,
        blocks=_blocks(report),
        cash_flows=_cash_flows(report),
        relative_years=years_beside(report["relative_years"]),
        benchmark_name="" if benchmark is None else benchmark.name,
        trips=[_trip(trip) for trip in results.round_trips[-_MOST_TRIPS:]],
        trip_count=len(results.round_trips),
        contributions=_contributions(results),
        effects=[effect.capitalize() for effect in results.beyond_benchmark],
        groups=_groups(results.beyond_benchmark),
        choices=[(title, _chosen(definitions, key)) for key, title in _CHOICES.items() if key in definitions],
        definitions=[(record["title"], record["definition"]) for record in definitions["records"].values()],
        fingerprint=list(report["fingerprint"].items()),
        **shared_blocks(charts, results.name, (values, stamps, rhythm), report["periods"], report["drawdowns"]),
    )


def _course(results: PortfolioResults, charts: TimeCharts, benchmark: Line | None) -> tuple[list[Shown], list[Shown]]:
    """Return the charts of the equity, and those of what was paid in and how much was invested."""
    beside = "" if benchmark is None else f"; {benchmark.name} from the same value"
    others = () if benchmark is None else (benchmark,)
    if results.growth is None:
        shown = charts.course("Equity", f"Total value{beside}", others)
    else:
        shown = charts.course("Growth", f"The first value without what was paid in and out since{beside}", others)
        equity = Line("with what was paid in", np.asarray(results.equity, np.float64))
        note = "With what was paid in and out"
        shown.append(charts.coarse(_chart(results, "Total value", note, (equity,), unit="price")))
    lines = _exposure(results.exposure)
    if not lines:
        return shown, []
    chart = _chart(results, "Exposure", "Share of the equity that is invested, at the end of each period", lines)
    return shown, [charts.coarse(chart)]


def _chart(
    results: PortfolioResults, heading: str, note: str, lines: tuple[Line, ...], unit: str = "percent"
) -> LineChart:
    return LineChart(
        name=heading,
        note=note,
        title=f"{results.name}: {heading.lower()}",
        lines=lines,
        unit="price" if unit == "price" else "percent",
        height=160,
        area=0.1,
    )


def _exposure(told: "pd.Series[float] | pd.DataFrame | None") -> tuple[Line, ...]:
    if told is None:
        return ()
    columns: Iterable[tuple[Any, Any]] = [("invested", told)] if isinstance(told, pd.Series) else told.items()
    return tuple(
        Line(str(name), np.asarray(values, np.float64) * 100, COLOURS[place % len(COLOURS)])
        for place, (name, values) in enumerate(columns)
    )


def _notes(report: Mapping[str, Any], benchmark: Line | None, results: PortfolioResults) -> list[str]:
    notes = [plain_times(note) for note in report["notes"]]
    if any("benchmark" in note for note in notes):
        return notes
    if results.benchmark is None:
        notes.append("There is no benchmark: alpha, beta and what else needs one is left out.")
    elif benchmark is None or not np.isfinite(benchmark.points).all():
        notes.append("The benchmark begins after the portfolio: before that there is nothing to compare.")
    return notes


def _blocks(report: Mapping[str, Any]) -> list[tuple[str, str, list[tuple[Cell, str]]]]:
    """Return every figure of the report by its family, with the reason where there is none."""
    reasons = report["undefined"]
    blocks = []
    for family in FAMILIES:
        heading, note = _HEADINGS.get(family, (family.capitalize(), ""))
        values = report if family in _AT_THE_TOP else report[family]
        names = [record.name for record in FAMILIES[family]]
        if all(values[name] is None for name in names):
            continue
        blocks.append((heading, note, [(cell(name, values[name]), reasons.get(name, "")) for name in names]))
    return blocks


def _cash_flows(report: Mapping[str, Any]) -> list[Cell]:
    told = report["cash_flows"]
    if not told["flows"]:
        return []
    cells = [_signed(told[key], text, title) for key, (title, text) in _CASH_FLOWS.items()]
    # What was paid in or out is neither a gain nor a loss.
    return [cells[0]._replace(tone=""), *cells[1:]]


def _trip(trip: RoundTrip) -> tuple[str, Markup]:
    profit = float(trip.net_profit)
    worth = float(trip.entry_price * trip.quantity)
    share = profit / worth if worth else None
    days = (trip.exit_time - trip.entry_time).total_seconds() / _SECONDS_A_DAY
    plain = [
        trip.side,
        f"{trip.entry_time:%Y-%m-%d}",
        f"{trip.exit_time:%Y-%m-%d}",
        f"{float(trip.quantity):,.10g}",
        money(float(trip.entry_price)),
        money(float(trip.exit_price)),
        money(float(trip.costs)),
    ]
    figures = [
        *(Cell("", text, "") for text in plain),
        _signed(profit, money),
        _signed(share, percent),
        Cell("", f"{days:,.1f}", ""),
    ]
    return trip.symbol, row_of(figures)


def _contributions(results: PortfolioResults) -> list[tuple[str, list[tuple[str, Markup]], Markup]]:
    """Return the tables of what made the return and the profit: heading, parts, and what they add up to."""
    tables = [
        (title, [(name, _share(value)) for name, value in parts.items()], _share(sum(parts.values())))
        for title, parts in results.contributions.items()
    ]
    for key, title in _REALISED.items():
        parts = {name: value for name, value in results.report["attribution"][key].items() if value is not None}
        if parts:
            whole = sum(parts.values())
            tables.append((title, [(name, _amount(value)) for name, value in parts.items()], _amount(whole)))
    return tables


def _groups(effects: Mapping[str, Mapping[str, float]]) -> list[tuple[str, Markup]]:
    """Return a row of each group, with what each effect and all of them added; the last is of all groups."""
    names = dict.fromkeys(name for parts in effects.values() for name in parts)
    rows = {name: [parts.get(name, 0.0) for parts in effects.values()] for name in names}
    if rows:
        rows["In all"] = [sum(column) for column in zip(*rows.values(), strict=True)]
    return [(name, row_of([_part(value) for value in (*values, sum(values))])) for name, values in rows.items()]


def _share(value: float) -> Markup:
    return row_of([_part(value)])


def _part(value: float) -> Cell:
    return _signed(value, partial(percent, digits=3))


def _amount(value: float) -> Markup:
    return row_of([_signed(value, money)])


def _signed(value: float | None, write: Callable[..., str], title: str = "") -> Cell:
    shown = write(value, signed=True)
    return Cell(title, shown, tone(value, shown))


def _chosen(definitions: Mapping[str, Any], key: str) -> str:
    value = definitions[key]
    return percent(value) if key == "risk_free_rate" else DASH if value is None else str(value)
