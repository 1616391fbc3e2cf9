"""The stored performance of the followed symbols as a table in a terminal."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from jutsu_core.errors import NoDataError

_DASH = "-"
_NOTE = "* less than a year: nothing is annualised"


def show_results(console: Console, reports: Mapping[str, Mapping[str, Any]], *, symbols: Iterable[str]) -> None:
    """Print the performance of ``symbols`` by year and in all, and which stored ones are no longer followed.

    Args:
        console: Where to print.
        reports: What ``jutsu_core.metrics.periods.symbol_performance`` returned, by symbol.
        symbols: The symbols of the universe, in the order of the table; those without a report are named below it.

    Raises:
        NoDataError: None of ``symbols`` has a report.
    """
    followed = tuple(symbols)
    shown = [symbol for symbol in followed if symbol in reports]
    absent = [symbol for symbol in followed if symbol not in reports]
    former = [symbol for symbol in reports if symbol not in followed]
    if not shown:
        message = (
            f"no symbol of the universe has a stored report: not {', '.join(absent)}, only {', '.join(former)};"
            " materialize symbol_performance first"
        )
        raise NoDataError(message)
    table = _empty_table()
    rows = [row for symbol in shown for row in _rows(symbol, reports[symbol])]
    for cells, is_last in rows:
        table.add_row(*cells, style="bold" if is_last else None, end_section=is_last)
    console.print(table)
    if any(cells[1].endswith("*") for cells, _ in rows):
        console.print(_NOTE, highlight=False)
    if absent:
        console.print(f"Without a report yet: {', '.join(absent)}", markup=False, highlight=False)
    if former:
        console.print(f"Stored, but no longer in the universe: {', '.join(former)}", markup=False, highlight=False)


def show_place(console: Console, overview: Path, *, is_sample: bool) -> None:
    """Print where the pages are, and whether they are of sample or of live bars."""
    kind = "[bold yellow]SAMPLE DATA[/], from the simulator" if is_sample else "live, from Schwab"
    console.print(f"Data:    {kind}")
    console.print(f"Report:  {overview}", markup=False, highlight=False, soft_wrap=True)


def _empty_table() -> Table:
    table = Table(title="Price performance (split-adjusted, dividends not included)")
    table.add_column("symbol")
    table.add_column("period")
    for heading in ("return", "volatility", "Sharpe", "max drawdown"):
        table.add_column(heading, justify="right")
    return table


def _rows(symbol: str, report: Mapping[str, Any]) -> list[tuple[list[str], bool]]:
    rows = [([symbol, f"{row['year']}{_mark(row)}", *_figures(row)], False) for row in report["calendar_years"]]
    whole = report["since_inception"]
    return [*rows, ([symbol, f"all{_mark(whole)}", *_figures(whole)], True)]


def _mark(row: Mapping[str, Any]) -> str:
    return "*" if row.get("is_partial") or not row["is_annualised"] else ""


def _figures(row: Mapping[str, Any]) -> list[str]:
    percents = [_text(row["total_return"], "{:+.1%}"), _text(row["volatility"], "{:.1%}")]
    return [*percents, _text(row["sharpe_ratio"], "{:.2f}"), _text(row["max_drawdown"], "{:.1%}")]


def _text(value: float | None, form: str) -> str:
    return _DASH if value is None else form.format(value)
