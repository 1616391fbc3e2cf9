"""Pages: well-formed, complete, self-contained, escaped, and the same for the same input."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jutsu_assets.reports.tear_sheet import render_overview, render_tear_sheet
from jutsu_assets.reports.wording import percent, ratio
from jutsu_core.metrics.periods import symbol_performance
from tests.jutsu_assets.reports.page import Page

HOSTILE = '<script>alert("x")</script>&'


def closes(first: str = "2009-06-01", last: str = "2012-10-31") -> "pd.Series[float]":
    days = pd.bdate_range(first, last, tz="UTC")
    steps = np.random.default_rng(5).normal(0.0005, 0.012, len(days))
    return pd.Series(80 * np.cumprod(1 + steps), index=days)


def report(values: "pd.Series[float]") -> dict[str, Any]:
    return symbol_performance(values, periods_per_year=252, risk_free_rate=0.01)


def sheet(symbol: str = "AAPL", *, source: str = "schwab", values: "pd.Series[float] | None" = None) -> str:
    prices = closes() if values is None else values
    return render_tear_sheet(symbol, report(prices), prices, source=source, overview_href="index.html")


def rows_of(whole: dict[str, Any]) -> list[dict[str, Any]]:
    trailing = [row for row in whole["trailing"].values() if row]
    return [whole["since_inception"], *trailing, *whole["calendar_years"]]


def test_the_sheet_shows_every_figure() -> None:
    texts = set(Page(sheet()).texts)
    whole = report(closes())
    for row in rows_of(whole):
        for name in ("total_return", "best_day"):
            assert percent(row[name], signed=True) in texts
        for name in ("volatility", "max_drawdown", "win_rate"):
            assert percent(row[name]) in texts
        for name in ("sharpe_ratio", "sortino_ratio", "calmar_ratio"):
            assert ratio(row[name]) in texts
        assert f"{row['sessions']:,}" in texts
    for name in ("max_drawdown_peak", "max_drawdown_trough", "best_day_date", "worst_day_date"):
        assert whole["since_inception"][name] in texts
    for text in (*whole["definitions"]["metrics"].values(), whole["definitions"]["annualisation"]):
        assert text in texts
    assert {"2009", "2012", "partial", "AAPL", "All symbols"} <= texts
    assert any(whole["trailing_unavailable"]["10y"] in text for text in texts)


def tables_of(html: str) -> dict[str, list[list[str]]]:
    """The rows of every table as texts, by the heading above it."""
    sections = re.findall(r"<h2>([^<]*)</h2>(?:(?!<h2>).)*?<table[^>]*>(.*?)</table>", html, flags=re.DOTALL)
    return {
        title: [
            [re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL)]
            for row in re.findall(r"<tr>(.*?)</tr>", body, flags=re.DOTALL)
        ]
        for title, body in sections
    }


def test_growth_a_year_is_told_of_more_than_one_year_only() -> None:
    """For one year it would stand beside a return that differs by a few days' worth."""
    whole, tables = report(closes()), tables_of(sheet())
    assert "CAGR" not in tables["Calendar years"][0]
    assert all(len(row) == len(tables["Calendar years"][0]) for row in tables["Calendar years"])
    place = tables["Trailing periods"][0].index("CAGR")
    told = {row[0]: row[place] for row in tables["Trailing periods"] if len(row) > place}
    assert told["Last year"] == "\N{EM DASH}"
    assert told["Last 3 years"] == percent(whole["trailing"]["3y"]["cagr"], signed=True)
    assert told["Since inception"] == percent(whole["since_inception"]["cagr"], signed=True)
    assert whole["trailing"]["1y"]["cagr"] is not None


def test_closes_and_returns_are_told_apart() -> None:
    """There is one return less than there are closes; neither is called a session."""
    whole, html = report(closes()), sheet()
    assert f"{whole['closes']:,} closes" in html
    place = tables_of(html)["Trailing periods"][0].index("Daily returns")
    since = next(row for row in tables_of(html)["Trailing periods"] if row[0] == "Since inception")
    assert since[place] == f"{whole['closes'] - 1:,}"
    assert "Sessions" not in html


@pytest.mark.parametrize("factor", [2.9, 3.1])
def test_a_logarithmic_axis_is_said_to_be_one(factor: float) -> None:
    days = pd.bdate_range("2010-01-04", periods=300, tz="UTC")
    html = sheet(values=pd.Series(np.linspace(10, 10 * factor, 300), index=days))
    assert ("Closing price, split-adjusted, on a logarithmic axis" in html) is (factor > 3)


def test_a_page_loads_nothing() -> None:
    for html in (sheet(), render_overview({"AAPL": report(closes())}, source="schwab")):
        page = Page(html)
        assert not page.tags & {"script", "link", "img", "iframe"}
        loading = [value for _, name, value in page.attributes if name in ("src", "href", "action")]
        assert all(value.startswith("#") or value == "index.html" for value in loading)
        assert not re.search(r"https?:(?!//www\.w3\.org/2000/svg\")", html)
        assert "@import" not in html
        assert not re.search(r"url\((?!#)", html)


@pytest.mark.parametrize(("source", "is_loud"), [("simulator", True), ("schwab", False)])
def test_sample_data_is_announced(source: str, *, is_loud: bool) -> None:
    for html in (sheet(source=source), render_overview({}, source=source)):
        assert ("Sample data, not live." in html) is is_loud
        assert f"Source: {source}." in html


def test_a_hostile_symbol_is_only_text() -> None:
    page = Page(sheet(HOSTILE))
    assert HOSTILE in page.texts
    assert "script" not in page.tags
    overview = Page(render_overview({HOSTILE: report(closes())}, source=HOSTILE, hrefs={HOSTILE: '"><b>'}))
    assert HOSTILE in overview.texts
    assert not overview.tags & {"script", "b"}


def test_the_same_input_makes_the_same_page() -> None:
    assert sheet() == sheet()
    one, two = report(closes()), report(closes("2011-01-03"))
    assert render_overview({"B": one, "A": two}, source="s") == render_overview({"A": two, "B": one}, source="s")


def test_undefined_figures_are_dashes() -> None:
    html = sheet(values=closes("2012-10-31"))
    assert "None" not in html
    assert "nan" not in Page(html).texts
    assert "—" in Page(html).texts


def test_the_overview_links_symbols_and_shows_years() -> None:
    reports = {"AAPL": report(closes()), "IBM": report(closes("2011-01-03"))}
    page = Page(render_overview(reports, source="schwab", hrefs={"AAPL": "AAPL.html"}))
    assert [value for tag, name, value in page.attributes if (tag, name) == ("a", "href")] == ["AAPL.html"] * 2
    assert {"2009", "2012", "IBM", "2 symbols"} <= set(page.texts)
    for whole in reports.values():
        assert percent(whole["since_inception"]["cagr"], signed=True) in page.texts
        for row in whole["calendar_years"]:
            value = f"{100 * row['total_return']:+,.0f}".replace("-", "\N{MINUS SIGN}")
            assert value in page.texts


def test_an_overview_of_nothing_says_so() -> None:
    assert "No symbol has a report yet." in Page(render_overview({}, source="schwab")).texts


def test_numbers_are_written_one_way() -> None:
    assert percent(-0.0004) == "0.0\N{NO-BREAK SPACE}%"
    assert percent(-0.256) == "\N{MINUS SIGN}25.6\N{NO-BREAK SPACE}%"
    assert percent(12.3456, signed=True) == "+1,234.6\N{NO-BREAK SPACE}%"
    assert (ratio(-1.5), ratio(None)) == ("\N{MINUS SIGN}1.50", "—")


def test_what_is_doubtful_stands_before_the_figures() -> None:
    whole = closes()
    torn = pd.concat([whole[:200], whole[600:]])
    html = sheet(values=torn)
    note = report(torn)["notes"][0]
    assert "no close from" in note
    assert 0 < html.index(note) < html.index("Key figures since inception")
    assert "What to know first" not in sheet()
