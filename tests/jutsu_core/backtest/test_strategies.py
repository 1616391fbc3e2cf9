"""The worked strategy buys and sells on the bars that a hand finds."""

from datetime import date
from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from jutsu_core.backtest.loop import BacktestResult, EventLoop
from jutsu_core.backtest.strategies import MovingAverageCross
from tests.support.builders import days
from tests.support.streamed_bars import StreamedBars, priced

FIRST = date(2013, 3, 1)


def cross(closes: list[int], *, fast: int, slow: int, weight: str = "1", cash: int = 1_000) -> BacktestResult:
    sessions = days(FIRST, len(closes))
    bars = [priced("A", day, str(close), str(close)) for day, close in zip(sessions, closes, strict=True)]
    strategy = MovingAverageCross(fast=fast, slow=slow, weight=Decimal(weight))
    return EventLoop(StreamedBars(bars), strategy, cash=Decimal(cash)).run()


def trades_of(result: BacktestResult) -> list[tuple[int, str, int, int]]:
    return [
        ((fill.timestamp.date() - FIRST).days, fill.direction, int(fill.quantity), int(fill.fill_price))
        for fill in result.fills
    ]


def test_a_crossing_is_traded_at_the_next_open() -> None:
    # Averages of 2 and of 3: day 2: 9.5, 9.67; 3: 10.5, 10.33 (above); 4: 12, 11.33; 5: 10.5, 11 (below)
    result = cross([10, 10, 9, 12, 12, 9, 6], fast=2, slow=3)
    # 1,000 at the close of 12 are 83 shares.
    assert trades_of(result) == [(4, "BUY", 83, 12), (6, "SELL", 83, 6)]
    assert result.unfilled == []


def test_averages_that_meet_are_above_no_more() -> None:
    # Averages of 1 and of 2: day 1: 9, 9.5;  2: 11, 10 (above);  3: 11, 11 (not above)
    assert trades_of(cross([10, 9, 11, 11, 11], fast=1, slow=2)) == [(3, "BUY", 90, 11), (4, "SELL", 90, 11)]


def test_nothing_is_held_before_the_first_crossing() -> None:
    assert cross([1, 2, 3, 4, 5, 6, 7, 8], fast=2, slow=3).fills == []


def test_a_weight_leaves_the_rest_in_cash() -> None:
    result = cross([10, 10, 9, 12, 12], fast=2, slow=3, weight="0.25")
    assert trades_of(result) == [(4, "BUY", 20, 12)]
    assert result.history[-1]["cash"] == 760


@settings(max_examples=50)
@given(closes=st.lists(st.integers(20, 40), min_size=5, max_size=25), fast=st.integers(1, 3), wider=st.integers(1, 3))
def test_it_is_in_the_market_the_day_after_the_average_is_above(closes: list[int], fast: int, wider: int) -> None:
    slow = fast + wider
    # A tenth buys a share after every loss that so many closes can bring, a half at most each time.
    result = cross(closes, fast=fast, slow=slow, weight="0.1", cash=10**9)
    above: list[bool] = []
    for n in range(slow, len(closes) + 1):
        window = closes[n - slow : n]
        above.append(sum(window[-fast:]) / fast - sum(window) / slow > 1e-9)
    is_in, expected = False, [False] * (slow + 1)
    for before, after in pairwise(above):
        is_in = True if after and not before else is_in and after
        expected.append(is_in)
    held = [bool(row["positions"]) for row in result.history]
    assert held == expected[: len(held)]
