"""Speed of calculations, as medians beside a straightforward baseline measured in the same run.

No absolute time is asserted: machines differ, ratios much less. ``make bench`` prints the table, and that of
indicators beside their peers (``indicator_peers``).
"""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from jutsu_core.bars import Bar, bars_to_frame, session_timestamp
from jutsu_core.indicators.accumulators import Accumulator
from jutsu_core.indicators.catalog import DEFAULT_INDICATORS
from jutsu_core.indicators.latest import calculate_bollinger_bands, calculate_rsi, calculate_sma
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from jutsu_core.metrics.periods import symbol_performance


def random_bars(count: int, *, seed: int = 7) -> tuple[Bar, ...]:
    walk = np.exp(np.random.default_rng(seed).normal(0, 0.01, count).cumsum()) * 100
    closes = (walk * 1_000_000).astype(np.int64) // 100 * 100
    first = date(1990, 1, 1)
    return tuple(
        Bar(session_timestamp(first + timedelta(days=index)), close, close + 10_000, close - 10_000, close, 1_000)
        for index, close in enumerate(closes.tolist())
    )


def inputs_of(bars: tuple[Bar, ...]) -> dict[str, NDArray[np.float64]]:
    frame = bars_to_frame("IBM", bars)
    return {name: frame[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low", "close", "volume")}


@pytest.mark.benchmark(group="one bar of 9 indicators")
def test_one_bar_of_an_accumulator(benchmark: Any) -> None:
    accumulator = Accumulator(DEFAULT_INDICATORS)
    *history, last = random_bars(400)
    for bar in history:
        accumulator.update(bar)

    def once() -> tuple[float, ...]:
        values = accumulator.update(last)
        accumulator.rollback(1)
        return values

    assert len(benchmark(once)) == 13


@pytest.fixture
def prices() -> "pd.Series[float]":
    return bars_to_frame("IBM", random_bars(1_000))["close"]


@pytest.mark.benchmark(group="last value of 1,000, exact")
def test_latest_sma(benchmark: Any, prices: "pd.Series[float]") -> None:
    assert benchmark(calculate_sma, prices, 20) > 0


@pytest.mark.benchmark(group="last value of 1,000, exact")
def test_latest_rsi(benchmark: Any, prices: "pd.Series[float]") -> None:
    assert 0 <= benchmark(calculate_rsi, prices) <= 100


@pytest.mark.benchmark(group="last value of 1,000, exact")
def test_latest_bollinger_bands(benchmark: Any, prices: "pd.Series[float]") -> None:
    upper, middle, lower = benchmark(calculate_bollinger_bands, prices, 20, 2)
    assert lower < middle < upper


@pytest.mark.benchmark(group="performance")
def test_symbol_performance(benchmark: Any) -> None:
    frame = bars_to_frame("IBM", random_bars(5_040))
    closes = pd.Series(frame["close"].to_numpy(), index=pd.DatetimeIndex(frame["timestamp"]))
    report = benchmark(symbol_performance, closes, periods_per_year=252, risk_free_rate=0.0)
    assert report["closes"] == 5_040


@pytest.mark.benchmark(group="performance")
def test_sharpe_ratio(benchmark: Any, prices: "pd.Series[float]") -> None:
    returns = prices.pct_change().iloc[1:]
    assert isinstance(benchmark(PerformanceAnalyzer().calculate_sharpe_ratio, returns), float)
