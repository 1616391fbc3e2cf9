"""The tear sheet of a portfolio: complete, escaped, small, and the same for the same input."""

from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jutsu_assets.reports.portfolio_results import PortfolioResults
from jutsu_assets.reports.portfolio_sheet import render_portfolio_sheet
from jutsu_assets.reports.wording import money, percent, ratio
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from jutsu_core.metrics.catalog import CATALOG
from tests.jutsu_assets.reports.page import HOSTILE, Page, check_that_it_stands_alone
from tests.jutsu_assets.reports.portfolio import DAYS, portfolio_results

RESULTS = portfolio_results()


@cache
def sheet() -> str:
    return render_portfolio_sheet(RESULTS, source="simulator", overview_href="index.html")


def rendered(**changes: Any) -> str:
    return render_portfolio_sheet(replace(RESULTS, **changes), source="schwab")


def test_the_sheet_shows_every_figure_and_its_definition() -> None:
    texts, report = set(Page(sheet()).texts), RESULTS.report
    for metric in CATALOG.values():
        assert {metric.title, metric.definition} <= texts
    for name in ("total_return", "cagr"):
        assert percent(report[name], signed=True) in texts
    assert {ratio(report["sharpe_ratio"]), ratio(report["benchmark"]["beta"])} <= texts
    assert percent(report["returns"]["var_historical"], digits=2) in texts
    assert money(report["net_profit"], signed=True) in texts
    assert report["undefined"]["deflated_sharpe_ratio"] in texts
    assert report["fingerprint"]["data"] in texts
    headings = ("Equity", "Drawdown", "Annual returns", "Monthly returns", "Rolling Sharpe ratio", "Rolling volatility")
    assert {*headings, "Rolling beta", "Distribution of returns", "Worst drawdowns", "Exposure"} <= texts
    assert {"Attribution", "Round trips", "Definitions", "Sample data, not live.", "Overview"} <= texts


def test_parts_add_up_on_the_page() -> None:
    total = RESULTS.report["total_return"]
    shown = f"{100 * total:+,.3f}\N{NO-BREAK SPACE}%".replace("-", "\N{MINUS SIGN}")
    assert Page(sheet()).texts.count(shown) == 1


def test_every_round_trip_has_a_row_and_of_many_the_last() -> None:
    assert sheet().count('<th scope="row">AAPL</th><td>') == sum(trip.symbol == "AAPL" for trip in RESULTS.round_trips)
    many = [*RESULTS.round_trips] * 40
    html = rendered(round_trips=many)
    assert f"The last 500 of {len(many):,}" in html
    assert len(html) < 1_500_000


def test_it_stands_alone() -> None:
    check_that_it_stands_alone(sheet())


def test_hostile_names_are_only_text() -> None:
    trips = [replace(trip, symbol=HOSTILE) for trip in RESULTS.round_trips]
    exposure = pd.DataFrame({HOSTILE: np.zeros(len(DAYS))}, index=DAYS)
    html = rendered(
        name=HOSTILE,
        benchmark=RESULTS.benchmark.rename(HOSTILE) if RESULTS.benchmark is not None else None,
        exposure=exposure,
        round_trips=trips,
        contributions={HOSTILE: {HOSTILE: 0.1}},
        beyond_benchmark={HOSTILE: {HOSTILE: 0.1}},
        report={**RESULTS.report, "notes": [HOSTILE]},
    )
    page = Page(html)
    assert HOSTILE in page.texts
    assert HOSTILE not in html
    assert page.tags.count("script") == 3


def test_what_is_doubtful_stands_before_the_figures() -> None:
    html = rendered(report={**RESULTS.report, "notes": ["cash and positions are not the total"]}, benchmark=None)
    first = html.index("cash and positions are not the total")
    assert 0 < first < html.index("There is no benchmark") < html.index('aria-label="Key figures"')
    assert "What to know first" not in sheet()


def test_a_benchmark_that_begins_later_is_said_to() -> None:
    assert RESULTS.benchmark is not None
    late = RESULTS.benchmark[300:]
    assert "The benchmark begins after the portfolio" in rendered(benchmark=late)
    beyond = late.copy()
    beyond.index = beyond.index + timedelta(days=9_000)
    assert "The benchmark begins after the portfolio" in rendered(benchmark=beyond)


def test_deposits_are_no_growth() -> None:
    equity = RESULTS.equity + np.where(np.arange(len(DAYS)) > 100, 50_000.0, 0.0)
    html = rendered(equity=equity, growth=RESULTS.equity)
    texts = Page(html).texts
    assert {"Growth", "Total value"} <= set(texts)
    assert "Equity" not in texts


def results_of(values: list[float], **rows: list[float]) -> PortfolioResults:
    days = pd.bdate_range("2012-01-02", periods=len(values), tz="UTC")
    history = [
        {"timestamp": day.to_pydatetime(), "total_value": value, **{name: column[row] for name, column in rows.items()}}
        for row, (day, value) in enumerate(zip(days, values, strict=True))
    ]
    report = PerformanceAnalyzer().calculate_metrics([], history)
    return PortfolioResults(name="P", report=report, equity=pd.Series(values, days))


@pytest.mark.parametrize(
    "values",
    [[100.0], [100.0, 101.0], [100.0, 100.0, 100.0], [100.0, 90.0, -5.0, 20.0], [1e-12, 2e-12], [1e200, 2e200]],
)
def test_few_flat_and_ruined_portfolios_have_a_page(values: list[float]) -> None:
    html = render_portfolio_sheet(results_of(values), source="schwab")
    texts = Page(html).texts
    assert "P" in texts
    assert "nan" not in texts
    assert "None" not in texts


def test_cash_flows_are_told() -> None:
    results = results_of([100.0, 210.0, 220.0], cash_flow=[0.0, 100.0, 0.0])
    texts = Page(render_portfolio_sheet(results, source="schwab")).texts
    assert {"Time-weighted return", "Money-weighted return", "+100.00"} <= set(texts)
    assert '<div class="value">+100.00</div>' in render_portfolio_sheet(results, source="schwab")
    assert "Time-weighted return" not in Page(sheet()).texts


def test_many_rows_are_thinned_and_stay_small() -> None:
    count = 40_000
    times = pd.date_range("2012-01-02", periods=count, freq="min", tz="UTC")
    values = pd.Series(1e5 * np.cumprod(1 + np.random.default_rng(2).normal(0, 1e-4, count)), index=times)
    html = rendered(equity=values, benchmark=None, exposure=None)
    assert len(html) < 1_000_000


def test_the_same_results_make_the_same_page() -> None:
    assert render_portfolio_sheet(portfolio_results(), source="simulator", overview_href="index.html") == sheet()


def test_times_are_written_as_one_reads_them() -> None:
    notes = ["no row from 2010-04-23T00:00:00+00:00 until 2010-06-28T14:30:00+00:00: no period's return"]
    page = render_portfolio_sheet(portfolio_results(report={**portfolio_results().report, "notes": notes}), source="x")
    assert "no row from 2010-04-23 until 2010-06-28 14:30 UTC: no period" in page
    assert "T00:00:00" not in page.split("<script")[0]


def test_what_is_shown_as_nothing_has_no_colour() -> None:
    parts = {"allocation": {"Tech": -1e-9}, "selection": {"Tech": 1e-9}, "trading": {"Tech": -0.02}}
    page = render_portfolio_sheet(portfolio_results(beyond_benchmark=parts), source="x")
    row = page[page.index("Beyond a benchmark of groups") :]
    row = row[row.index("Tech") : row.index("</tr>", row.index("Tech"))]
    assert row.count("<td>0.000") == 2
    assert row.count('<td class="loss">') == 2
