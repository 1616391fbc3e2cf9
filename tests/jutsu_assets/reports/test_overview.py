"""The overview: every symbol and portfolio, small, and safe for any name."""

import re
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jutsu_assets.reports.overview import render_overview
from jutsu_core.metrics.periods import symbol_performance
from tests.jutsu_assets.reports.page import HOSTILE, Page, check_that_it_stands_alone
from tests.jutsu_assets.reports.portfolio import portfolio_results

MINUS = "\N{MINUS SIGN}"


@cache
def report(first: str = "2009-06-01", last: str = "2012-10-31", seed: int = 5) -> dict[str, Any]:
    days = pd.bdate_range(first, last, tz="UTC")
    steps = np.random.default_rng(seed).normal(0.0005, 0.012, len(days))
    closes = pd.Series(80 * np.cumprod(1 + steps), index=days)
    return symbol_performance(closes, periods_per_year=252, risk_free_rate=0.01)


REPORTS = {"AAPL": report(), "IBM": report("2011-01-03")}


def number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}".replace("-", MINUS)


def test_the_overview_links_symbols_and_shows_their_figures() -> None:
    page = Page(render_overview(REPORTS, source="schwab", hrefs={"AAPL": "AAPL.html"}))
    assert [value for tag, name, value in page.attributes if (tag, name) == ("a", "href")] == ["AAPL.html"]
    assert {"2009", "2012", "IBM", "2 symbols", "CAGR, %", "Sharpe"} <= set(page.texts)
    for whole in REPORTS.values():
        row = whole["since_inception"]
        for name in ("total_return", "cagr", "volatility", "max_drawdown", "best_day", "worst_day", "win_rate"):
            assert number(100 * row[name], 1) in page.texts
        for name in ("sharpe_ratio", "sortino_ratio", "calmar_ratio"):
            assert number(row[name], 2) in page.texts
        for year in whole["calendar_years"]:
            assert f"{100 * year['total_return']:+,.0f}".replace("-", MINUS) in page.texts


def test_portfolios_stand_above_the_symbols() -> None:
    portfolio = portfolio_results()
    html = render_overview(
        REPORTS, source="schwab", portfolios={HOSTILE: portfolio.report}, portfolio_hrefs={HOSTILE: "portfolio@x.html"}
    )
    page = Page(html)
    assert "2 symbols, 1 portfolio" in page.texts
    assert page.texts.index(HOSTILE) < page.texts.index("AAPL")
    assert number(100 * portfolio.report["total_return"], 1) in page.texts
    assert number(portfolio.report["round_trips"], 0) in page.texts
    assert ("a", "href", "portfolio@x.html") in page.attributes
    assert page.tags.count("script") == 1


def test_portfolios_alone_are_an_overview() -> None:
    page = Page(render_overview({}, source="schwab", portfolios={"core": portfolio_results().report}))
    assert {"core", "No symbol has a report yet."} <= set(page.texts)


def test_an_overview_of_nothing_says_so() -> None:
    assert "No symbol has a report yet." in Page(render_overview({}, source="schwab")).texts


def test_it_stands_alone() -> None:
    check_that_it_stands_alone(render_overview(REPORTS, source="schwab", hrefs={"AAPL": "AAPL.html"}))


@pytest.mark.parametrize(("source", "is_loud"), [("simulator", True), ("schwab", False)])
def test_sample_data_is_announced(source: str, *, is_loud: bool) -> None:
    html = render_overview({}, source=source)
    assert ("Sample data, not live." in html) is is_loud
    assert f"Source: {source}." in html


def test_a_hostile_symbol_is_only_text() -> None:
    html = render_overview({HOSTILE: report()}, source=HOSTILE, hrefs={HOSTILE: '"><b>'})
    page = Page(html)
    assert HOSTILE in page.texts
    assert HOSTILE not in html
    assert ("a", "href", '"><b>') in page.attributes
    assert "b" not in page.tags
    assert page.tags.count("script") == 1


def test_the_order_of_the_input_does_not_matter() -> None:
    turned = dict(reversed(REPORTS.items()))
    assert list(turned) != list(REPORTS)
    assert render_overview(REPORTS, source="s") == render_overview(turned, source="s")


def test_what_is_doubtful_is_named_first() -> None:
    days = pd.bdate_range("2009-06-01", "2012-10-31", tz="UTC")
    closes = pd.Series(np.linspace(50.0, 80.0, len(days)), index=days)
    torn = symbol_performance(pd.concat([closes[:200], closes[600:]]), periods_per_year=252, risk_free_rate=0.0)
    html = render_overview(REPORTS | {"TORN": torn}, source="s", hrefs={"TORN": "TORN.html"})
    assert 0 < html.index('<a href="TORN.html">TORN</a>') < html.index("Since inception")
    assert "What to know first" not in render_overview(REPORTS, source="s")


def test_undefined_figures_are_dashes_and_no_year_is_empty() -> None:
    html = render_overview({"NEW": report("2012-10-31")}, source="s")
    texts = Page(html).texts
    assert "None" not in html
    assert "nan" not in texts
    assert texts.count("\N{EM DASH}") >= 8


def test_older_years_are_left_to_the_pages() -> None:
    html = render_overview({"OLD": report("1990-01-02", "2012-10-31")}, source="s")
    assert "1990 to 1997 on the pages of the symbols" in html
    assert '<th scope="col">1998</th>' in html
    assert '<th scope="col">1997</th>' not in html


def test_five_hundred_symbols_of_twenty_five_years_are_less_than_300_kb() -> None:
    every = [report("1985-01-02", "2012-10-31", seed) for seed in range(3)]
    symbols = {f"BRK/B{row:03d}": every[row % 3] for row in range(500)}
    html = render_overview(
        symbols, source="simulator", hrefs={name: f"{name.replace('/', '%252F')}.html" for name in symbols}
    )
    assert len(html.encode()) < 300_000
    assert len(re.findall("<tr>", html)) == 1_002
