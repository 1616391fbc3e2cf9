"""Laws that hold over random bars and random strategies."""

import random
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jutsu_core.backtest.loop import BacktestResult, EventLoop
from jutsu_core.backtest.portfolio import TradingCosts
from jutsu_core.events import MarketDataEvent
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from tests.support.strategies import Whim
from tests.support.streamed_bars import StreamedBars, priced

BEGIN = date(2013, 1, 1)
SYMBOLS = ("A", "B", "C")
SEEDS = st.integers(0, 10**6)


def random_bars(seed: int, days: int = 30) -> list[list[MarketDataEvent]]:
    """Return bars of three symbols, each with days on which it has none."""
    draw = random.Random(seed)  # noqa: S311 - the same in every run
    streams: list[list[MarketDataEvent]] = [[] for _ in SYMBOLS]
    for symbol, stream in zip(SYMBOLS, streams, strict=True):
        micros = draw.randrange(1_000_000, 90_000_000)
        for day in range(days):
            opened = max(1, micros + draw.randrange(-(micros // 5), micros // 5 + 1))
            micros = max(1, opened + draw.randrange(-(opened // 5), opened // 5 + 1))
            if draw.random() < 0.8:
                prices = (str(Decimal(price).scaleb(-6)) for price in (opened, micros))
                stream.append(priced(symbol, BEGIN + timedelta(days=day), *prices))
    return streams


def random_account(seed: int) -> dict[str, Any]:
    draw = random.Random(seed)  # noqa: S311 - the same in every run
    costs = TradingCosts(
        per_fill=Decimal(draw.choice(["0", "0.35"])),
        per_share=Decimal(draw.choice(["0", "0.0049"])),
        commission_rate=Decimal(draw.choice(["0", "0.00123"])),
        minimum=Decimal(draw.choice(["0", "1"])),
        slippage_rate=Decimal(draw.choice(["0", "0.000777"])),
    )
    return {"cash": Decimal(draw.choice(["1000", "333.333333"])), "costs": costs, "allows_short": draw.random() < 0.5}


def run(streams: list[list[MarketDataEvent]], seed: int) -> BacktestResult:
    return EventLoop(StreamedBars(*streams), Whim(seed), **random_account(seed)).run()


def before(streams: list[list[MarketDataEvent]], cut: date) -> list[list[MarketDataEvent]]:
    return [[bar for bar in stream if bar.timestamp.date() < cut] for stream in streams]


def past_of(result: BacktestResult, cut: date) -> tuple[object, ...]:
    return (
        [fill for fill in result.fills if fill.timestamp.date() < cut],
        [row for row in result.history if row["timestamp"].date() < cut],
        [one for one in result.unfilled if one.ended_at.date() < cut and one.reason != "end"],
    )


@settings(max_examples=50)
@given(seed=SEEDS, days=st.integers(2, 28))
def test_neither_truncating_nor_exchanging_the_future_changes_the_past(seed: int, days: int) -> None:
    streams, cut = random_bars(seed), BEGIN + timedelta(days=days)
    past = before(streams, cut)
    if not any(past):
        return
    other = [
        [*stream, *(bar for bar in future if bar.timestamp.date() >= cut)]
        for stream, future in zip(past, random_bars(seed + 1), strict=True)
    ]
    prefix = past_of(run(past, seed), cut)
    assert prefix == past_of(run(streams, seed), cut)
    assert prefix == past_of(run(other, seed), cut)


@settings(max_examples=50)
@given(seed=SEEDS)
def test_every_row_is_what_the_fills_and_the_bars_say_exactly(seed: int) -> None:
    streams, account = random_bars(seed), random_account(seed)
    result = run(streams, seed)
    bars = {(bar.symbol, bar.timestamp): bar for stream in streams for bar in stream}
    cash = Fraction(account["cash"])
    held: dict[str, Fraction] = {}
    closes: dict[str, Fraction] = {}
    fills = iter([*result.fills, None])
    fill = next(fills)
    for row in result.history:
        while fill is not None and fill.timestamp <= row["timestamp"]:
            assert fill.fill_price == bars[fill.symbol, fill.timestamp].open
            signed = Fraction(fill.quantity) * (1 if fill.direction == "BUY" else -1)
            held[fill.symbol] = held.get(fill.symbol, Fraction(0)) + signed
            cash -= signed * Fraction(fill.fill_price) + Fraction(fill.commission) + Fraction(fill.slippage)
            fill = next(fills)
        closes |= {symbol: Fraction(bar.close) for (symbol, stamp), bar in bars.items() if stamp == row["timestamp"]}
        assert {symbol: shares for symbol, shares in held.items() if shares} == row["positions"]
        assert Fraction(row["cash"]) == cash >= 0
        assert Fraction(row["total_value"]) == cash + sum(closes[symbol] * shares for symbol, shares in held.items())
        assert account["allows_short"] or min(held.values(), default=0) >= 0
    assert fill is None
    figures = PerformanceAnalyzer().calculate_metrics(result.fills, result.history)
    assert figures["fills"] == len(result.fills)


@settings(max_examples=10)
@given(seed=SEEDS)
def test_the_order_in_which_symbols_are_handed_in_does_not_matter(seed: int) -> None:
    streams = random_bars(seed, 15)
    expected = run(streams, seed)
    assert all(run(list(order), seed) == expected for order in permutations(streams))
    assert list(expected.history[-1]["positions"]) == sorted(expected.history[-1]["positions"])


def test_random_strategies_do_trade() -> None:
    """Or the laws above would hold of nothing."""
    results = [run(random_bars(seed), seed) for seed in range(12)]
    assert min(len(result.fills) for result in results) > 5
    reasons = {one.reason for result in results for one in result.unfilled}
    assert reasons == {"cash", "holding", "end"}
    assert any(min(row["positions"].values(), default=0) < 0 for result in results for row in result.history)
