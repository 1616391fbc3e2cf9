"""Speed of calculations, as medians beside a straightforward baseline measured in the same run.

No absolute time is asserted: machines differ, ratios much less. ``make bench`` prints the table.
"""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
import talib
from numpy.typing import NDArray

from jutsu_core.bars import Bar, bars_to_frame, session_timestamp
from jutsu_core.indicators.accumulators import Accumulator
from jutsu_core.indicators.catalog import (
    DEFAULT_INDICATORS,
    IndicatorSpec,
    compute_arrays,
    compute_indicators,
    indicator,
)
from jutsu_core.indicators.latest import calculate_bollinger_bands, calculate_rsi, calculate_sma
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from jutsu_core.metrics.periods import symbol_performance


def random_bars(count: int) -> tuple[Bar, ...]:
    walk = np.exp(np.random.default_rng(7).normal(0, 0.01, count).cumsum()) * 100
    closes = (walk * 1_000_000).astype(np.int64) // 100 * 100
    first = date(1990, 1, 1)
    return tuple(
        Bar(session_timestamp(first + timedelta(days=index)), close, close + 10_000, close - 10_000, close, 1_000)
        for index, close in enumerate(closes.tolist())
    )


@pytest.mark.benchmark(group="9 indicators of 5,040 bars")
def test_indicators(benchmark: Any) -> None:
    frame = bars_to_frame("IBM", random_bars(5_040))
    assert len(benchmark(compute_indicators, frame)) == 5_040


@pytest.mark.benchmark(group="9 indicators of 5,040 bars")
def test_indicators_baseline_pandas(benchmark: Any) -> None:
    frame = bars_to_frame("IBM", random_bars(5_040))

    def compute() -> pd.DataFrame:
        close, high, low = frame["close"], frame["high"], frame["low"]
        change = close.diff()
        previous = close.shift()
        fast, slow = close.ewm(span=12, adjust=False).mean(), close.ewm(span=26, adjust=False).mean()
        middle, deviation = close.rolling(20).mean(), close.rolling(20).std(ddof=0)
        gain = change.clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
        loss = (-change).clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
        true_range = pd.concat([high - low, (high - previous).abs(), (low - previous).abs()], axis=1).max(axis=1)
        return frame.assign(
            **{f"sma_{period}": close.rolling(period).mean() for period in (20, 50, 200)},
            ema_12=fast,
            ema_26=slow,
            rsi_14=100 - 100 / (1 + gain / loss),
            upper=middle + 2 * deviation,
            lower=middle - 2 * deviation,
            macd=fast - slow,
            signal=(fast - slow).ewm(span=9, adjust=False).mean(),
            atr_14=true_range.ewm(alpha=1 / 14, adjust=False).mean(),
        )

    assert len(benchmark(compute)) == 5_040


def inputs_of(bars: tuple[Bar, ...]) -> dict[str, NDArray[np.float64]]:
    frame = bars_to_frame("IBM", bars)
    return {name: frame[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low", "close", "volume")}


@pytest.mark.benchmark(group="9 indicators of 5,040 bars")
def test_indicators_of_arrays(benchmark: Any) -> None:
    assert len(benchmark(compute_arrays, inputs_of(random_bars(5_040)))) == 13


@pytest.mark.benchmark(group="9 indicators of 5,040 bars")
def test_indicators_baseline_talib(benchmark: Any) -> None:
    """The bare loop over arrays, nothing checked."""
    inputs = inputs_of(random_bars(5_040))
    high, low, close = inputs["high"], inputs["low"], inputs["close"]

    def compute() -> int:
        averages = [talib.SMA(close, period) for period in (20, 50, 200)] + [talib.EMA(close, p) for p in (12, 26)]
        others = (talib.RSI(close, 14), *talib.BBANDS(close, 20), *talib.MACD(close), talib.ATR(high, low, close, 14))
        return len(averages) + len(others)

    assert benchmark(compute) == 13


@pytest.mark.benchmark(group="one indicator of 1,000 bars")
@pytest.mark.parametrize(
    "spec",
    [indicator("sma", period=20), indicator("ema", period=20), indicator("rsi"), indicator("adx"), indicator("cci")],
    ids=lambda spec: spec.name,
)
def test_one_indicator(benchmark: Any, spec: IndicatorSpec) -> None:
    inputs = inputs_of(random_bars(1_000))
    series = [inputs[name] for name in spec.definition.inputs]
    assert len(np.atleast_2d(benchmark(spec.definition.function, *series, **spec.parameters))[0]) == 1_000


@pytest.mark.benchmark(group="one indicator of 1,000 bars")
@pytest.mark.parametrize("name", ["SMA", "EMA", "RSI", "ADX", "CCI"])
def test_one_indicator_baseline_talib(benchmark: Any, name: str) -> None:
    inputs = inputs_of(random_bars(1_000))
    reads = ("high", "low", "close") if name in {"ADX", "CCI"} else ("close",)
    assert len(benchmark(getattr(talib, name), *(inputs[one] for one in reads), 14)) == 1_000


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
