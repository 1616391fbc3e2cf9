"""Speed of pages, beside what the bare numbers of one cost."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from jutsu_assets.reports.overview import render_overview
from jutsu_assets.reports.portfolio_sheet import render_portfolio_sheet
from jutsu_assets.reports.tear_sheet import render_tear_sheet
from jutsu_core.metrics.periods import symbol_performance
from tests.jutsu_assets.reports.portfolio import portfolio_results

DAYS = pd.bdate_range("2005-01-03", periods=5_040, tz="UTC")
STEPS = np.random.default_rng(7).normal(0.0004, 0.018, (2, len(DAYS)))
CLOSES, OTHER = (pd.Series(50 * np.cumprod(1 + steps), index=DAYS) for steps in STEPS)
REPORT = symbol_performance(CLOSES, periods_per_year=252, risk_free_rate=0.02)


@pytest.mark.benchmark(group="a page of 5,040 closes")
def test_a_page(benchmark: Any) -> None:
    html = benchmark(render_tear_sheet, "AAPL", REPORT, CLOSES, source="schwab")
    assert len(html) < 400_000


@pytest.mark.benchmark(group="a page of 5,040 closes")
def test_a_page_beside_a_benchmark(benchmark: Any) -> None:
    html = benchmark(render_tear_sheet, "AAPL", REPORT, CLOSES, source="schwab", benchmark=OTHER)
    assert len(html) < 400_000


@pytest.mark.benchmark(group="a page of 5,040 closes")
def test_a_page_baseline_its_figures_alone(benchmark: Any) -> None:
    assert benchmark(symbol_performance, CLOSES, periods_per_year=252, risk_free_rate=0.02)["closes"] == 5_040


@pytest.mark.benchmark(group="a page of a portfolio, and the overview of 500 symbols")
def test_a_portfolio(benchmark: Any) -> None:
    results = portfolio_results()
    assert len(benchmark(render_portfolio_sheet, results, source="schwab")) < 1_500_000


@pytest.mark.benchmark(group="a page of a portfolio, and the overview of 500 symbols")
def test_an_overview(benchmark: Any) -> None:
    reports = {f"S{row:03d}": REPORT for row in range(500)}
    assert len(benchmark(render_overview, reports, source="schwab")) < 300_000
