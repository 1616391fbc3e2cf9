"""What fills when, at what price, and what it leaves: worked out by hand."""

import csv
import gc
from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_UP, Context, Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

from jutsu_core.backtest.loop import BacktestResult, EventLoop
from jutsu_core.backtest.orders import Order, TargetQuantity, TargetWeight, TradeQuantity
from jutsu_core.backtest.portfolio import TradingCosts
from jutsu_core.backtest.strategy import Strategy, View
from jutsu_core.bars import Timeframe, session_timestamp
from jutsu_core.errors import InvalidInputError, NoDataError
from jutsu_core.events import MarketDataEvent
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from tests.support.builders import NOON
from tests.support.strategies import Calls, Plan
from tests.support.streamed_bars import StreamedBars, UnmergedBars, priced

FRIDAY, MONDAY, TUESDAY, WEDNESDAY = (date(2013, 3, day) for day in (1, 4, 5, 6))
BY_HAND = Path(__file__).with_name("buy_and_hold.csv")
COSTS = TradingCosts(per_share=Decimal("0.005"), minimum=Decimal(1), slippage_rate=Decimal("0.0005"))
NOTHING = Plan({})
Orders = dict[date, list[Order]]


def bars(symbol: str, *prices: tuple[date, str, str]) -> list[MarketDataEvent]:
    return [priced(symbol, day, opened, closed) for day, opened, closed in prices]


A = bars("A", (FRIDAY, "10", "11"), (MONDAY, "12", "13"), (TUESDAY, "14", "15"))
B = bars("B", (FRIDAY, "20", "20"), (TUESDAY, "25", "26"))


def run(*streams: list[MarketDataEvent], orders: Orders, **account: Any) -> BacktestResult:
    return EventLoop(StreamedBars(*streams), Plan(orders), **({"cash": Decimal(1_000)} | account)).run()


def fills_of(result: BacktestResult) -> list[tuple[str, date, str, int, str]]:
    return [(f.symbol, f.timestamp.date(), f.direction, int(f.quantity), str(f.fill_price)) for f in result.fills]


def unfilled_of(result: BacktestResult) -> list[tuple[str, int, str]]:
    return [(one.symbol, int(one.quantity), one.reason) for one in result.unfilled]


@pytest.mark.parametrize(
    ("account", "cash", "total"),
    [({}, "cash", "total_value"), ({"costs": COSTS}, "cash_after_costs", "total_after_costs")],
    ids=["free", "with costs"],
)
def test_buy_and_hold_is_what_was_worked_out_by_hand(account: dict[str, Any], cash: str, total: str) -> None:
    with BY_HAND.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    stream = bars("A", *((date.fromisoformat(row["session"]), row["open"], row["close"]) for row in rows))
    # All of 1,000 at the close of 10.5 are 95 shares; at the open of 11, 90 can be paid.
    result = run(stream, orders={FRIDAY: [TargetWeight("A", Decimal(1))]}, **account)
    assert [
        (row["timestamp"].date().isoformat(), row["cash"], row["positions"].get("A", 0), row["total_value"])
        for row in result.history
    ] == [(row["session"], Decimal(row[cash]), Decimal(row["shares"]), Decimal(row[total])) for row in rows]
    assert fills_of(result) == [("A", MONDAY, "BUY", 90, "11")]
    assert unfilled_of(result) == [("A", 5, "cash")]


def test_commission_and_slippage_of_a_round_trip() -> None:
    costs = TradingCosts(
        per_fill=Decimal("0.35"),
        per_share=Decimal("0.01"),
        commission_rate=Decimal("0.001"),
        minimum=Decimal("0.9"),
        slippage_rate=Decimal("0.0003"),
    )
    orders: Orders = {
        FRIDAY: [TradeQuantity("A", Decimal(7))],
        MONDAY: [TargetQuantity("A", Decimal(0))],
    }
    result = run(A, orders=orders, costs=costs)
    buy, sell = result.fills
    # 0.35 + 0.07 + 0.001 · 84 = 0.504, below the minimum; 0.0003 · 84; 0.35 + 0.07 + 0.098; 0.0003 · 98
    assert [buy.commission, buy.slippage] == [Decimal("0.9"), Decimal("0.0252")]
    assert [sell.commission, sell.slippage] == [Decimal("0.9"), Decimal("0.0294")]
    # 1000 - 84 - 0.9252; + 98 - 0.9294
    assert [row["cash"] for row in result.history] == [1_000, Decimal("915.0748"), Decimal("1012.1454")]
    assert result.history[-1]["total_value"] == Decimal("1012.1454")
    figures = PerformanceAnalyzer().calculate_metrics(result.fills, result.history)
    assert figures["net_profit"] == pytest.approx(12.1454, abs=1e-12)
    assert figures["total_return"] == pytest.approx(0.0121454, abs=1e-15)


def test_costs_are_rounded_to_the_micro_half_to_even() -> None:
    costs = TradingCosts(commission_rate=Decimal("0.0000005"), slippage_rate=Decimal("0.0000015"))
    orders: Orders = {FRIDAY: [TradeQuantity("A", Decimal(1))]}
    fill = run(bars("A", (FRIDAY, "1", "1"), (MONDAY, "1", "1")), orders=orders, costs=costs).fills[0]
    assert (fill.commission, fill.slippage) == (Decimal("0.000000"), Decimal("0.000002"))


def test_an_order_waits_for_the_next_bar_of_its_symbol_which_is_valued_at_its_last_close() -> None:
    result = run(A, B, orders={FRIDAY: [TradeQuantity("A", Decimal(1)), TradeQuantity("B", Decimal(2))], MONDAY: []})
    assert fills_of(result) == [("A", MONDAY, "BUY", 1, "12"), ("B", TUESDAY, "BUY", 2, "25")]
    bought = run(B, A, orders={FRIDAY: [TradeQuantity("A", Decimal(3))]})
    assert [row["positions"] for row in bought.history] == [{}, {"A": 3}, {"A": 3}]
    late = run(
        bars("B", (FRIDAY, "20", "20"), (MONDAY, "20", "21"), (WEDNESDAY, "1", "1")),
        A,
        orders={FRIDAY: [TradeQuantity("B", Decimal(2))]},
    )
    assert [row["total_value"] for row in late.history] == [1_000, 1_002, 1_002, 962]


def test_sales_come_first_and_pay_for_what_is_bought_at_the_same_open() -> None:
    both = bars("B", (FRIDAY, "20", "20"), (MONDAY, "24", "24"), (TUESDAY, "25", "26"))
    orders: Orders = {
        FRIDAY: [TradeQuantity("B", Decimal(41))],
        MONDAY: [TradeQuantity("A", Decimal(70)), TargetQuantity("B", Decimal(0))],
    }
    result = run(A, both, orders=orders)
    # 41 shares at 24 are 984; sold at 25 they bring 1,025 beside the 16 that were left.
    assert fills_of(result) == [
        ("B", MONDAY, "BUY", 41, "24"),
        ("B", TUESDAY, "SELL", 41, "25"),
        ("A", TUESDAY, "BUY", 70, "14"),
    ]
    assert result.history[-1]["cash"] == 1_041 - 980


def test_orders_of_one_symbol_are_netted_and_a_target_takes_their_place() -> None:
    trade = [TradeQuantity("A", Decimal(5)), TradeQuantity("A", Decimal(-2))]
    assert fills_of(run(A, orders={FRIDAY: [*trade]})) == [("A", MONDAY, "BUY", 3, "12")]
    replaced = run(A, orders={FRIDAY: [*trade, TargetQuantity("A", Decimal(7)), TradeQuantity("A", Decimal(1))]})
    assert fills_of(replaced) == [("A", MONDAY, "BUY", 8, "12")]
    assert run(A, orders={FRIDAY: [trade[0], TradeQuantity("A", Decimal(-5))]}).fills == []
    waiting = run(A, B, orders={FRIDAY: [TradeQuantity("B", Decimal(9))], MONDAY: [TargetQuantity("B", Decimal(0))]})
    assert (waiting.fills, waiting.unfilled) == ([], [])


def test_more_than_is_held_is_not_sold_unless_short_is_allowed() -> None:
    orders: Orders = {
        FRIDAY: [TradeQuantity("A", Decimal(2))],
        MONDAY: [TradeQuantity("A", Decimal(-5))],
    }
    result = run(A, orders=orders)
    assert fills_of(result) == [("A", MONDAY, "BUY", 2, "12"), ("A", TUESDAY, "SELL", 2, "14")]
    assert unfilled_of(result) == [("A", -3, "holding")]
    short = run(A, orders=orders, allows_short=True)
    assert short.history[-1]["positions"] == {"A": -3}
    assert short.history[-1]["total_value"] == 1_000 - 2 * 12 + 5 * 14 - 3 * 15
    assert short.unfilled == []


def test_what_is_short_is_covered_twice_over() -> None:
    result = run(A, orders={FRIDAY: [TradeQuantity("A", Decimal(-100))]}, allows_short=True)
    # q sold at 12 bring 12 q and need 24 q of cover: 1,000 + 12 q >= 24 q.
    assert fills_of(result) == [("A", MONDAY, "SELL", 83, "12")]
    assert unfilled_of(result) == [("A", -17, "cash")]


def test_what_is_still_open_at_the_end_is_reported_and_nothing_is_sold() -> None:
    orders: Orders = {
        FRIDAY: [TradeQuantity("A", Decimal(1))],
        TUESDAY: [TargetQuantity("A", Decimal(4))],
    }
    result = run(A, orders=orders)
    assert unfilled_of(result) == [("A", 3, "end")]
    assert (result.unfilled[0].sent_at, result.unfilled[0].ended_at) == (session_timestamp(TUESDAY),) * 2
    assert result.history[-1]["positions"] == {"A": 1}


def test_a_weight_is_of_the_last_close_and_rounded_towards_zero() -> None:
    half = [TargetWeight("A", Decimal("0.5"))]
    assert fills_of(run(A, orders={FRIDAY: [*half]})) == [("A", MONDAY, "BUY", 45, "12")]  # 500 / 11
    down: list[Order] = [TargetWeight("A", Decimal("-0.5"))]
    assert fills_of(run(A, orders={FRIDAY: down}, allows_short=True)) == [("A", MONDAY, "SELL", 45, "12")]
    tenths = run(A, orders={FRIDAY: [*half]}, lot=Decimal("0.1"))
    assert tenths.fills[0].quantity == Decimal("45.4")


def test_whoever_lost_everything_can_hold_nothing() -> None:
    stream = bars("A", (FRIDAY, "10", "10"), (MONDAY, "10", "40"), (TUESDAY, "10", "10"))
    orders: Orders = {
        FRIDAY: [TradeQuantity("A", Decimal(-50))],
        MONDAY: [TargetWeight("A", Decimal("-0.5"))],
    }
    result = run(stream, orders=orders, allows_short=True)
    assert [row["total_value"] for row in result.history] == [1_000, -500, 1_000]
    assert result.history[-1]["positions"] == {}


def test_the_callers_decimal_context_changes_nothing() -> None:
    orders: Orders = {FRIDAY: [TargetWeight("A", Decimal("0.333333"))]}
    plain = run(A, orders=orders, costs=COSTS)
    with localcontext(Context(prec=2, rounding=ROUND_UP)):
        assert run(A, orders=orders, costs=COSTS) == plain


def test_a_loop_runs_again_from_the_start() -> None:
    loop = EventLoop(StreamedBars(A), Plan({FRIDAY: [TradeQuantity("A", Decimal(1))]}), cash=Decimal(100))
    assert loop.run() == loop.run()


WRONG_BARS: dict[str, tuple[list[object], str]] = {
    "twice": ([A[0], A[0]], "bar 1 of the handler must be after A at 2013-03-01"),
    "newest first": ([A[1], A[0]], "bar 1 of the handler must be after A at 2013-03-04"),
    "twice among ties": ([A[0], B[0], A[0]], "bar 2 of the handler must be after B"),
    "ties out of order": ([B[0], A[0]], "bar 1 of the handler must be after B"),
    "of two timeframes": (
        [A[0], replace(A[1], timeframe=Timeframe.W1)],
        "timeframe of bar 1 .* must be 1d",
    ),
    "no bar": ([A[0], 7], "bar 1 of the handler must be a MarketDataEvent, was 7"),
    "a part of a micro": ([priced("A", FRIDAY, "1", "1.0000001")], "close of bar 0 of the handler must be below"),
    "too much": ([priced("A", FRIDAY, "1e15", "1")], "open of bar 0 of the handler must be below"),
}


@pytest.mark.parametrize("name", WRONG_BARS)
def test_wrong_bars_are_refused(name: str) -> None:
    stream, message = WRONG_BARS[name]
    with pytest.raises(InvalidInputError, match=message):
        EventLoop(UnmergedBars(*stream), NOTHING, cash=Decimal(1)).run()


def test_no_bars_are_refused() -> None:
    with pytest.raises(NoDataError, match="handler must have at least one bar"):
        EventLoop(StreamedBars(), NOTHING, cash=Decimal(1)).run()


WRONG_ORDERS: dict[str, tuple[object, str]] = {
    "None": (None, "what the strategy decides at 2013-03-01.* must be a list of orders, was None"),
    "an order": (TradeQuantity("A", Decimal(1)), "must be a list of orders, was TradeQuantity"),
    "a text": ("A", "must be a list of orders, was 'A'"),
    "a number among them": ([7], "order 0 of 2013-03-01.* must be one of TradeQuantity, .*, was 7"),
    "a symbol never seen": ([TradeQuantity("C", Decimal(1))], r"symbol of order 0 .* \(A, B\), was 'C'"),
    "a part of a lot": ([TradeQuantity("A", Decimal("0.5"))], "quantity of A must be whole lots of 1, was 0.5"),
    "a part of a lot to hold": ([TargetQuantity("A", Decimal("0.5"))], "quantity of A must be whole lots of 1"),
}


@pytest.mark.parametrize("name", WRONG_ORDERS)
def test_wrong_orders_are_refused(name: str) -> None:
    decided, message = WRONG_ORDERS[name]
    with pytest.raises(InvalidInputError, match=message):
        EventLoop(StreamedBars(A, B), Calls(lambda _: decided), cash=Decimal(1)).run()


class Watching(Strategy):
    """Notes what it sees, and what can be reached from it."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.latest_reached: list[timedelta] = []
        self.handlers = 0

    def decide(self, view: View) -> list[Order]:
        self.seen.append(
            {
                "now": view.now.date(),
                "symbols": view.symbols,
                "traded": view.traded,
                "closes": view.closes("A", 2),
                "bars": view.bars("A", 1)[0].timestamp.date(),
                "cash": view.cash,
                "positions": view.positions,
                "position": view.position("A"),
                "total_value": view.total_value,
                "open_orders": view.open_orders,
            }
        )
        reached = reachable_from(view)
        bars_reached = [thing.timestamp - view.now for thing in reached if isinstance(thing, MarketDataEvent)]
        self.latest_reached.append(max(bars_reached))
        self.handlers += sum(isinstance(thing, StreamedBars | EventLoop) for thing in reached)
        return [TradeQuantity(symbol, Decimal(2)) for symbol in view.symbols] if view.now.date() == FRIDAY else []


def reachable_from(view: View) -> list[object]:
    """Return every object that can be come at from ``view`` without going through a class or a module."""
    found: dict[int, object] = {id(view): view}
    new: list[object] = [view]
    while new:
        new = [one for one in gc.get_referents(*new) if id(one) not in found and not isinstance(one, type)]
        found |= {id(one): one for one in new}
    return list(found.values())


def test_a_strategy_sees_what_is_known_and_reaches_nothing_later() -> None:
    watching = Watching()
    EventLoop(StreamedBars(A, B), watching, cash=Decimal(1_000)).run()
    assert watching.seen[1] == {
        "now": MONDAY,
        "symbols": ("A", "B"),
        "traded": ("A",),
        "closes": (11, 13),
        "bars": MONDAY,
        "cash": 976,
        "positions": {"A": 2},
        "position": 2,
        "total_value": 976 + 26,
        "open_orders": {"B": 2},
    }
    assert [seen["now"] for seen in watching.seen] == [FRIDAY, MONDAY, TUESDAY]
    assert watching.latest_reached == [timedelta(0)] * 3
    assert watching.handlers == 0


@pytest.mark.parametrize(
    "name", ["now", "symbols", "traded", "cash", "positions", "total_value", "open_orders", "other"]
)
def test_a_view_cannot_be_changed(name: str) -> None:
    refused = []

    def meddle(view: View) -> list[Order]:
        with pytest.raises(AttributeError):
            setattr(view, name, Decimal(1))
        view.positions["A"] = Decimal(9)  # type: ignore[index]  # a copy
        view.open_orders["A"] = Decimal(9)  # type: ignore[index]  # a copy
        refused.append(name)
        return []

    result = EventLoop(StreamedBars(A), Calls(meddle), cash=Decimal(1)).run()
    assert refused == [name] * 3
    assert [row["total_value"] for row in result.history] == [1, 1, 1]
    assert result.fills == []


def test_intraday_bars_fill_at_the_open_of_the_next_one() -> None:
    stream = [
        replace(bar, timestamp=NOON + n * timedelta(minutes=1), timeframe=Timeframe.M1) for n, bar in enumerate(A)
    ]
    result = EventLoop(
        StreamedBars(stream), Calls(lambda view: [TargetQuantity(view.traded[0], Decimal(1))]), cash=Decimal(20)
    ).run()
    assert [(fill.timestamp, fill.fill_price) for fill in result.fills] == [(NOON + timedelta(minutes=1), Decimal(12))]
