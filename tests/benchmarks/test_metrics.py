"""Speed of the metrics, beside a straightforward baseline measured in the same run."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jutsu_core.events import FillEvent
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from jutsu_core.metrics.benchmark import beside
from jutsu_core.metrics.figures import Scale, figures_of, period_figures
from jutsu_core.metrics.many import MANY, many_figures
from jutsu_core.metrics.measures import Context, measures_of
from jutsu_core.metrics.rhythm import rhythm_of
from jutsu_core.metrics.rolling import rolling_arrays, rolling_measures
from jutsu_core.metrics.series import FloatArray

DAYS = pd.bdate_range("2010-01-01", periods=2_520, tz="UTC")
EQUITY: FloatArray = np.asarray(
    100_000 * np.cumprod(1 + np.random.default_rng(7).normal(0.0005, 0.01, len(DAYS))), dtype=np.float64
)
RETURNS: FloatArray = EQUITY[1:] / EQUITY[:-1] - 1
OTHER = np.random.default_rng(8).normal(0.0005, 0.01, len(RETURNS))
CONTEXT = Context(RETURNS, EQUITY, 0.0001, 252, 0.025, 3_650)


STAMPS = DAYS.as_unit("us").asi8
SCALE = Scale(periods_per_year=252, risk_free_rate=0.02)
RHYTHM = rhythm_of(STAMPS)


@pytest.mark.benchmark(group="all metrics of 2,520 days")
def test_the_figures_of_a_period(benchmark: Any) -> None:
    assert benchmark(figures_of, "values", EQUITY, STAMPS, SCALE, RHYTHM)["sessions"] == 2_519


@pytest.mark.benchmark(group="all metrics of 2,520 days")
def test_the_return_family(benchmark: Any) -> None:
    assert len(benchmark(measures_of, CONTEXT)) == 27


@pytest.mark.benchmark(group="all metrics of 2,520 days")
def test_the_benchmark_family(benchmark: Any) -> None:
    assert len(benchmark(beside, RETURNS, OTHER, 0.0001, 252, is_annualised=True)) == 12


@pytest.mark.benchmark(group="all metrics of 2,520 days")
def test_eight_of_them_baseline_pandas(benchmark: Any) -> None:
    series = pd.Series(RETURNS, index=DAYS[1:])

    def compute() -> tuple[float, ...]:
        growth = (1 + series).cumprod()
        falls = growth / growth.cummax() - 1
        low = series.quantile(0.05)
        return (
            float(series.skew()),  # type: ignore[arg-type]  # a scalar of one column
            float(series.kurt()),  # type: ignore[arg-type]  # a scalar of one column
            float(low),
            float(series[series <= low].mean()),
            float((falls**2).mean() ** 0.5),
            float(series.quantile(0.95) / low),
            float(series.clip(lower=0).sum() / series.clip(upper=0).sum()),
            float(series.clip(upper=0).pow(2).mean() ** 0.5),
        )

    assert len(benchmark(compute)) == 8


@pytest.mark.benchmark(group="a portfolio of 2,520 days and 1,000 fills")
def test_calculate_metrics(benchmark: Any) -> None:
    rows = [
        {"timestamp": day.to_pydatetime(), "total_value": value}
        for day, value in zip(DAYS, EQUITY.tolist(), strict=True)
    ]
    cents = np.random.default_rng(9).integers(9_000, 11_000, 1_000).tolist()
    fills = [
        FillEvent(
            symbol=f"S{place // 2 % 20}",
            timestamp=DAYS[2 * place].to_pydatetime() + timedelta(hours=15),
            direction="SELL" if place % 2 else "BUY",
            quantity=Decimal(10),
            fill_price=Decimal(price) / 100,
        )
        for place, price in enumerate(cents)
    ]
    assert benchmark(PerformanceAnalyzer().calculate_metrics, fills, rows)["round_trips"] == 500


@pytest.mark.benchmark(group="rolling figures of 2,520 days over 252")
def test_rolling(benchmark: Any) -> None:
    series = pd.Series(RETURNS, index=DAYS[1:])
    frame = benchmark(rolling_measures, series, window=252, risk_free_rate=0.0, periods_per_year=252)
    assert frame["sharpe_ratio"].notna().sum() == len(series) - 251


@pytest.mark.benchmark(group="rolling figures of 2,520 days over 252")
def test_rolling_baseline_pandas_two_of_five(benchmark: Any) -> None:
    series = pd.Series(RETURNS, index=DAYS[1:])

    def compute() -> "pd.Series[float]":
        windows = series.rolling(252)
        return windows.mean() / windows.std()

    assert benchmark(compute).notna().sum() == len(series) - 251


@pytest.mark.benchmark(group="rolling figures of 2,520 days over 252")
def test_rolling_three_of_them_on_arrays(benchmark: Any) -> None:
    names = ("sharpe_ratio", "volatility", "beta")
    options: dict[str, Any] = {"window": 252, "risk_free": 0.0, "periods_per_year": 252}
    found = benchmark(rolling_arrays, RETURNS, benchmark=OTHER, names=names, **options)
    assert np.isfinite(found["beta"]).sum() == len(RETURNS) - 251


PORTFOLIOS = pd.DataFrame(
    100 * np.cumprod(1 + np.random.default_rng(10).normal(0.0005, 0.01, (len(DAYS), 1_000)), axis=0), index=DAYS
)


@pytest.mark.benchmark(group="ten figures of 1,000 portfolios of 2,520 days")
def test_many(benchmark: Any) -> None:
    found = benchmark(many_figures, PORTFOLIOS, periods_per_year=252, risk_free_rate=0.02)
    assert found.shape == (1_000, len(MANY))


@pytest.mark.benchmark(group="ten figures of 1,000 portfolios of 2,520 days")
def test_many_baseline_pandas_as_a_matrix_five_of_ten(benchmark: Any) -> None:
    def compute() -> pd.DataFrame:
        returns = PORTFOLIOS.pct_change().iloc[1:]
        return pd.DataFrame(
            {
                "total_return": PORTFOLIOS.iloc[-1] / PORTFOLIOS.iloc[0] - 1,
                "volatility": returns.std() * 252**0.5,
                "sharpe_ratio": returns.mean() / returns.std() * 252**0.5,
                "sortino_ratio": returns.mean() / returns.clip(upper=0).pow(2).mean() ** 0.5 * 252**0.5,
                "max_drawdown": (PORTFOLIOS / PORTFOLIOS.cummax() - 1).min(),
            }
        )

    assert benchmark(compute).shape == (1_000, 5)


@pytest.mark.benchmark(group="ten figures of 1,000 portfolios of 2,520 days")
def test_many_baseline_one_by_one_a_twentieth(benchmark: Any) -> None:
    def compute() -> int:
        options: dict[str, Any] = {"periods_per_year": 252, "risk_free_rate": 0.02}
        return len([period_figures(PORTFOLIOS[column], **options) for column in range(50)])

    assert benchmark(compute) == 50
