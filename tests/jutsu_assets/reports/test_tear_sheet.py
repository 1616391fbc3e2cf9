"""Pages: well-formed, complete, self-contained, escaped, and the same for the same input."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jutsu_assets.reports.tables import MONTHS, heat
from jutsu_assets.reports.tear_sheet import render_tear_sheet
from jutsu_assets.reports.wording import percent, ratio
from jutsu_core.errors import InvalidInputError
from jutsu_core.metrics.benchmark import benchmark_measures
from jutsu_core.metrics.drawdown import worst_drawdowns
from jutsu_core.metrics.periods import symbol_performance
from tests.jutsu_assets.reports.page import HOSTILE, Page, check_that_it_stands_alone


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


def test_a_page_loads_nothing_and_runs_our_scripts_alone() -> None:
    html = sheet()
    check_that_it_stands_alone(html)
    assert Page(html).tags.count("script") == 3


@pytest.mark.parametrize(("source", "is_loud"), [("simulator", True), ("schwab", False)])
def test_sample_data_is_announced(source: str, *, is_loud: bool) -> None:
    html = sheet(source=source)
    assert ("Sample data, not live." in html) is is_loud
    assert f"Source: {source}." in html


def test_a_hostile_symbol_is_only_text() -> None:
    prices = closes()
    html = render_tear_sheet(HOSTILE, report(prices), prices, source=HOSTILE, benchmark=closes().rename(HOSTILE))
    page = Page(html)
    assert HOSTILE in page.texts
    assert page.tags.count("script") == 3
    assert HOSTILE not in html


def test_the_same_input_makes_the_same_page() -> None:
    assert sheet() == sheet()


def test_months_stand_by_year_the_latest_first() -> None:
    table = tables_of(sheet())["Monthly returns"]
    assert table[0] == ["Year", *MONTHS, "Year"]
    assert [row[0] for row in table[1:]] == ["2012", "2011", "2010", "2009"]
    prices = closes()
    may = prices[:"2011-05-31"].iloc[-1] / prices[:"2011-04-30"].iloc[-1] - 1
    assert table[2][5] == heat(float(may), full=0.15, digits=1).text
    assert table[4][1:6] == [""] * 5
    assert table[4][6] == heat(float(prices[:"2009-06-30"].iloc[-1] / prices.iloc[0] - 1), digits=1).text


def test_the_worst_drawdowns_stand_deepest_first() -> None:
    prices = closes()
    table = tables_of(sheet())["Worst drawdowns"][1:]
    worst = worst_drawdowns(prices)
    assert [row[0] for row in table] == [percent(found.depth) for found in worst]
    assert [row[1] for row in table] == [str(found.peak)[:10] for found in worst]


def test_rolling_figures_are_of_a_year_and_need_more_than_one() -> None:
    html = sheet()
    assert "Rolling Sharpe ratio" in html
    assert "Rolling volatility" in html
    assert "Rolling beta" not in html
    assert "Rolling" not in sheet(values=closes("2012-01-03"))


def test_a_benchmark_is_drawn_beside_the_price() -> None:
    prices, other = closes(), closes("2010-01-04").rename("SPY & co")
    html = render_tear_sheet("AAPL", report(prices), prices, source="schwab", benchmark=other)
    assert "SPY &amp; co from the same value" in html
    assert "Of the last 252 periods beside SPY &amp; co" in html
    assert html.count("<figcaption>") == 2
    late = other.copy()
    late.index = late.index + pd.Timedelta(days=9_000)
    unseen = render_tear_sheet("AAPL", report(prices), prices, source="schwab", benchmark=late)
    assert "SPY" not in unseen


def test_figures_beside_a_benchmark_are_shown_where_the_report_has_them() -> None:
    prices = closes()
    figures, _ = benchmark_measures(
        prices.pct_change()[1:], prices.pct_change()[1:] * 2, risk_free_rate=0.0, periods_per_year=252, elapsed_days=900
    )
    beside = {
        "name": HOSTILE,
        "first_session": "2009-06-01",
        "last_session": "2012-10-31",
        **figures,
        "up_capture": None,
        "undefined": {"up_capture": "it never rises"},
        "years": [{"year": 2011, "portfolio": 0.1, "benchmark": -0.2, "relative": 0.375}],
    }
    html = render_tear_sheet("AAPL", report(prices) | {"benchmark": beside}, prices, source="schwab")
    texts = Page(html).texts
    assert {f"Beside {HOSTILE}", "it never rises", ratio(figures["beta"]), "Relative"} <= set(texts)
    assert {percent(0.1, signed=True), percent(-0.2, signed=True), percent(0.375, signed=True)} <= set(texts)
    assert HOSTILE not in html
    apart = beside | {"first_session": None, "last_session": None, "years": []}
    assert "no session in common" in render_tear_sheet(
        "AAPL", report(prices) | {"benchmark": apart}, prices, source="schwab"
    )
    assert "Beside" not in sheet()


@pytest.mark.parametrize("other", [closes() * 0, closes().tz_localize(None), closes()[::-1], [1.0]])
def test_what_is_no_benchmark_is_refused(other: Any) -> None:
    prices = closes()
    with pytest.raises(InvalidInputError, match="benchmark"):
        render_tear_sheet("AAPL", report(prices), prices, source="schwab", benchmark=other)


def test_a_page_of_twenty_years_is_small() -> None:
    days = pd.bdate_range("2005-01-03", periods=5_040, tz="UTC")
    steps = np.random.default_rng(5).normal(0.0005, 0.012, (2, len(days)))
    prices, other = (pd.Series(80 * np.cumprod(1 + row), index=days) for row in steps)
    html = render_tear_sheet("AAPL", report(prices), prices, source="schwab", benchmark=other)
    assert len(html.encode()) < 400_000


def test_undefined_figures_are_dashes() -> None:
    html = sheet(values=closes("2012-10-31"))
    assert "None" not in html
    assert "nan" not in Page(html).texts
    assert "—" in Page(html).texts


def test_numbers_are_written_one_way() -> None:
    assert percent(-0.0004) == "0.0\N{NO-BREAK SPACE}%"
    assert percent(-0.256) == "\N{MINUS SIGN}25.6\N{NO-BREAK SPACE}%"
    assert percent(12.3456, signed=True) == "+1,234.6\N{NO-BREAK SPACE}%"
    assert ratio(-0.001) == "0.00"
    assert (ratio(-1.5), ratio(None)) == ("\N{MINUS SIGN}1.50", "—")


def test_what_is_doubtful_stands_before_the_figures() -> None:
    whole = closes()
    torn = pd.concat([whole[:200], whole[600:]])
    html = sheet(values=torn)
    note = report(torn)["notes"][0]
    assert "no close from" in note
    assert 0 < html.index(note) < html.index("Key figures since inception")
    assert "What to know first" not in sheet()
