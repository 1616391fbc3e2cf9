"""Speed, as medians beside a straightforward baseline measured in the same run.

No absolute time is asserted: machines differ, ratios much less. ``make bench`` prints the table.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import BigInteger, String
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from jutsu_assets.store.engine import to_epoch
from jutsu_assets.store.market import MarketDatabase
from jutsu_core.bars import Bar, Timeframe, bars_to_frame, from_micros, session_timestamp
from jutsu_core.events import MarketDataEvent
from jutsu_core.indicators.catalog import compute_indicators
from jutsu_core.indicators.latest import calculate_bollinger_bands, calculate_rsi, calculate_sma
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from jutsu_core.metrics.periods import symbol_performance
from jutsu_core.ports import FetchedBars

EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


def random_bars(count: int) -> tuple[Bar, ...]:
    walk = np.exp(np.random.default_rng(7).normal(0, 0.01, count).cumsum()) * 100
    closes = (walk * 1_000_000).astype(np.int64) // 100 * 100
    first = date(1990, 1, 1)
    return tuple(
        Bar(session_timestamp(first + timedelta(days=index)), close, close + 10_000, close - 10_000, close, 1_000)
        for index, close in enumerate(closes.tolist())
    )


def fetched(bars: tuple[Bar, ...]) -> FetchedBars:
    end = bars[-1].timestamp + timedelta(days=1)
    return FetchedBars(start=bars[0].timestamp, end=end, asked_at=end, bars=bars)


class Base(DeclarativeBase):
    pass


class OrmBar(Base):
    """The bars table as the ORM would have it, for the baseline only."""

    __tablename__ = "bars"
    symbol: Mapped[str] = mapped_column(String, primary_key=True)
    timeframe: Mapped[str] = mapped_column(String, primary_key=True)
    ts: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    open: Mapped[int] = mapped_column(BigInteger)
    high: Mapped[int] = mapped_column(BigInteger)
    low: Mapped[int] = mapped_column(BigInteger)
    close: Mapped[int] = mapped_column(BigInteger)
    volume: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(String)
    recorded_at: Mapped[int] = mapped_column(BigInteger)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[MarketDatabase]:
    database = MarketDatabase(f"sqlite:///{tmp_path / 'bench.db'}", source="simulator")
    database.bars.write("IBM", Timeframe.D1, fetched(random_bars(5_040)))
    yield database
    database.database.close()


@pytest.mark.benchmark(group="latest bar")
def test_latest_bar(benchmark: Any, database: MarketDatabase) -> None:
    assert benchmark(database.get_latest_bar, "IBM").volume == 1_000


@pytest.mark.benchmark(group="1,000 bars as events")
def test_a_thousand_bars(benchmark: Any, database: MarketDatabase) -> None:
    window = (EVER[0], random_bars(1_000)[-1].timestamp + timedelta(days=1))
    assert len(benchmark(database.get_bars_range, "IBM", *window)) == 1_000


@pytest.mark.benchmark(group="1,000 bars as events")
def test_a_thousand_bars_baseline_orm(benchmark: Any, database: MarketDatabase) -> None:
    last = to_epoch(random_bars(1_000)[-1].timestamp)

    def read() -> list[MarketDataEvent]:
        with database.database.reading() as connection, Session(connection) as session:
            rows = session.query(OrmBar).filter(OrmBar.symbol == "IBM", OrmBar.ts <= last).order_by(OrmBar.ts).all()
            return [
                MarketDataEvent(
                    symbol=row.symbol,
                    timestamp=datetime.fromtimestamp(row.ts / 1_000_000, tz=UTC),
                    open=from_micros(row.open),
                    high=from_micros(row.high),
                    low=from_micros(row.low),
                    close=from_micros(row.close),
                    volume=row.volume,
                )
                for row in rows
            ]

    assert len(benchmark(read)) == 1_000


@pytest.mark.benchmark(group="partition of 5,040 bars")
def test_unchanged_partition(benchmark: Any, database: MarketDatabase) -> None:
    bars = fetched(random_bars(5_040))
    assert benchmark(database.bars.write, "IBM", Timeframe.D1, bars).unchanged == 5_040


@pytest.mark.benchmark(group="partition of 5,040 bars")
def test_new_partition(benchmark: Any, database: MarketDatabase) -> None:
    bars = fetched(random_bars(5_040))
    symbols = iter(f"S{number}" for number in range(10_000))
    result = benchmark.pedantic(lambda: database.bars.write(next(symbols), Timeframe.D1, bars), rounds=5)
    assert result.inserted == 5_040


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
