"""The table of results: which symbols, what is marked, and what is said below it."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from jutsu_assets.reports.results import show_place, show_results
from jutsu_core.errors import NoDataError
from jutsu_core.metrics.periods import symbol_performance


def report(first: str, last: str) -> dict[str, Any]:
    days = pd.bdate_range(first, last, tz="UTC")
    return symbol_performance(
        pd.Series(np.linspace(10.0, 20.0, len(days)), index=days), periods_per_year=252, risk_free_rate=0.0
    )


REPORTS = {"FB": report("2012-05-18", "2013-03-01"), "IBM": report("2010-01-04", "2012-12-31")}


def shown(reports: dict[str, Any], symbols: tuple[str, ...]) -> str:
    console = Console(file=io.StringIO(), width=100)
    show_results(console, reports, symbols=symbols)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def periods(text: str, symbol: str) -> list[str]:
    rows = [[cell.strip() for cell in line.split("\N{BOX DRAWINGS LIGHT VERTICAL}")] for line in text.splitlines()]
    return [row[2] for row in rows if len(row) > 2 and row[1] == symbol]


def test_the_order_is_that_of_the_universe_and_whatever_has_dashes_is_marked() -> None:
    text = shown(REPORTS, ("IBM", "FB"))
    assert text.index("IBM") < text.index("FB")
    assert periods(text, "IBM") == ["2010*", "2011", "2012", "all"]
    assert periods(text, "FB") == ["2012*", "2013*", "all*"]
    assert "* less than a year: nothing is annualised" in text


def test_a_note_explains_only_marks_that_are_there() -> None:
    whole = REPORTS["IBM"] | {"calendar_years": REPORTS["IBM"]["calendar_years"][1:]}
    assert "*" not in shown({"IBM": whole}, ("IBM",))


def test_symbols_that_are_no_longer_followed_are_named_and_not_shown() -> None:
    text = shown(REPORTS, ("IBM",))
    assert periods(text, "FB") == []
    assert "Stored, but no longer in the universe: FB" in text


def test_symbols_without_a_report_are_named() -> None:
    text = shown(REPORTS, ("IBM", "FB", "NVDA"))
    assert "Without a report yet: NVDA" in text
    assert "no longer" not in text


def test_reports_of_other_symbols_only_are_an_error() -> None:
    with pytest.raises(NoDataError, match="not NVDA, only FB, IBM; materialize symbol_performance first"):
        shown(REPORTS, ("NVDA",))


@pytest.mark.parametrize(("is_sample", "said"), [(True, "SAMPLE DATA"), (False, "live, from Schwab")])
def test_the_place_says_what_data_they_are(said: str, *, is_sample: bool) -> None:
    console = Console(file=io.StringIO(), width=40)
    overview = Path("/a/folder/with/a/name/that/is/longer/than/the/line/index.html")
    show_place(console, overview, is_sample=is_sample)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert said in text
    assert str(overview) in text
