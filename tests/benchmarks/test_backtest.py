"""Speed of the event loop, beside the same rules in plain floats in the same run."""

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from jutsu_core.backtest.loop import EventLoop
from jutsu_core.backtest.strategies import MovingAverageCross
from jutsu_core.bars import Bar, Timeframe, session_timestamp
from jutsu_core.events import MarketDataEvent
from tests.support.streamed_bars import StreamedBars

FAST, SLOW, CASH = 20, 50, 100_000


def walk(symbol: str, count: int, seed: int) -> list[MarketDataEvent]:
    draw, micros, bars = random.Random(seed), 100_000_000, []  # noqa: S311 - the same in every run
    for day in range(count):
        opened = int(micros * draw.uniform(0.99, 1.01))
        micros = int(opened * draw.uniform(0.98, 1.0202))
        stamp = session_timestamp(date(1990, 1, 1) + timedelta(days=day))
        bar = Bar(stamp, opened, max(opened, micros), min(opened, micros), micros, 1_000)
        bars.append(MarketDataEvent.of_bar(symbol, bar, Timeframe.D1))
    return bars


@pytest.mark.benchmark(group="moving-average cross over 5,040 bars")
def test_event_loop(benchmark: Any) -> None:
    loop = EventLoop(StreamedBars(walk("A", 5_040, 0)), MovingAverageCross(fast=FAST, slow=SLOW), cash=Decimal(CASH))
    assert len(benchmark(loop.run).history) == 5_040


@pytest.mark.benchmark(group="moving-average cross over 5,040 bars")
def test_event_loop_baseline_floats(benchmark: Any) -> None:
    bars = walk("A", 5_040, 0)

    def run() -> list[float]:
        cash, held, wanted, was_above = float(CASH), 0, None, None
        closes: list[float] = []
        values = []
        for bar in bars:
            if wanted is not None:
                price = float(bar.open)
                traded = min(wanted - held, int(cash / price))
                cash, held, wanted = cash - traded * price, held + traded, None
            closes.append(float(bar.close))
            values.append(cash + held * closes[-1])
            if len(closes) >= SLOW:
                above = sum(closes[-FAST:]) / FAST > sum(closes[-SLOW:]) / SLOW
                if was_above is not None and above != was_above:
                    wanted = int(values[-1] / closes[-1]) if above else 0
                was_above = above
        return values

    values = benchmark(run)
    loop = EventLoop(StreamedBars(bars), MovingAverageCross(fast=FAST, slow=SLOW), cash=Decimal(CASH))
    assert values == pytest.approx([float(row["total_value"]) for row in loop.run().history], rel=1e-9)
