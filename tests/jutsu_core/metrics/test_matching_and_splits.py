"""What one round trip is, by choice, and fills on both sides of a split."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.errors import InvalidInputError
from jutsu_core.events import FillEvent
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from jutsu_core.metrics.splits import Split
from jutsu_core.metrics.trades import RoundTrip, round_trips

START = datetime(2014, 6, 2, 15, tzinfo=UTC)
SPLIT = Split(symbol="AAPL", timestamp=datetime(2014, 6, 9, tzinfo=UTC), ratio=Decimal(2))


def fill(day: int, side: Any, quantity: int, price: str, symbol: str = "AAPL", cost: str = "0") -> FillEvent:
    return FillEvent(
        symbol=symbol,
        timestamp=START + timedelta(days=day),
        direction=side,
        quantity=Decimal(quantity),
        fill_price=Decimal(price),
        commission=Decimal(cost),
    )


TWO_LOTS = [
    fill(0, "BUY", 10, "10", cost="1"),
    fill(1, "BUY", 10, "14"),
    fill(2, "SELL", 15, "16", cost="3"),
    fill(3, "SELL", 10, "11", cost="1"),  # five close, five open a short position
    fill(4, "BUY", 5, "9"),
    fill(5, "BUY", 1, "9"),  # still open
]


def brief(trip: RoundTrip) -> tuple[str, int, Decimal, int]:
    return trip.side, int(trip.quantity), trip.net_profit, (trip.exit_time - trip.entry_time).days


def test_each_lot_is_a_round_trip() -> None:
    assert [brief(trip) for trip in round_trips(TWO_LOTS)] == [
        ("long", 10, Decimal(57), 2),  # 60 - 1 - 2
        ("long", 5, Decimal(9), 1),  # 10 - 1
        ("long", 5, Decimal("-15.5"), 2),
        ("short", 5, Decimal("9.5"), 1),
    ]


def test_each_closing_order_is_a_round_trip() -> None:
    trips = round_trips(TWO_LOTS, matching="closing_order")
    assert [brief(trip) for trip in trips] == [
        ("long", 15, Decimal(66), 2),
        ("long", 5, Decimal("-15.5"), 2),
        ("short", 5, Decimal("9.5"), 1),
    ]
    assert trips[0].entry_price == pytest.approx(Decimal(170) / 15)


def test_each_stay_is_a_round_trip() -> None:
    trips = round_trips(TWO_LOTS, matching="flat_to_flat")
    assert [brief(trip) for trip in trips] == [("long", 20, Decimal("50.5"), 3), ("short", 5, Decimal("9.5"), 1)]
    assert (trips[0].entry_price, trips[0].exit_price) == (Decimal(12), Decimal("14.75"))
    assert round_trips(TWO_LOTS[:3], matching="flat_to_flat") == []


orders = st.lists(
    st.tuples(st.sampled_from(["BUY", "SELL"]), st.integers(1, 9), st.integers(100, 999), st.sampled_from(["A", "B"])),
    max_size=20,
)


@given(rows=orders)
def test_no_matching_makes_or_loses_money(rows: list[tuple[Any, int, int, str]]) -> None:
    fills = [
        fill(day, side, quantity, str(price), symbol, "1") for day, (side, quantity, price, symbol) in enumerate(rows)
    ]
    lots, closings = round_trips(fills), round_trips(fills, matching="closing_order")
    for name in ("net_profit", "costs", "quantity"):
        sums = [sum((getattr(trip, name) for trip in trips), Decimal(0)) for trips in (lots, closings)]
        assert abs(sums[0] - sums[1]) < Decimal("1e-20")
    # once all is flat, the stays are the same money too
    for symbol in ("A", "B"):
        held = sum(
            item.quantity if item.direction == "BUY" else -item.quantity for item in fills if item.symbol == symbol
        )
        if held:
            fills.append(fill(len(fills) + 1, "SELL" if held > 0 else "BUY", int(abs(held)), "5", symbol))
    whole = [sum((t.net_profit for t in round_trips(fills, matching=how)), Decimal(0)) for how in MATCHINGS]
    assert max(whole) - min(whole) < Decimal("1e-20")


MATCHINGS: tuple[Any, ...] = ("fifo", "closing_order", "flat_to_flat")


def test_a_split_makes_no_loss_and_no_short_position() -> None:
    across = [fill(0, "BUY", 100, "89"), fill(8, "SELL", 200, "44.50")]
    (lie,) = round_trips(across)
    assert lie.net_profit == Decimal(-4450)
    (trip,) = round_trips(across, splits=[SPLIT])
    assert (trip.net_profit, trip.quantity, trip.entry_price) == (Decimal(0), Decimal(200), Decimal("44.5"))


def test_a_fill_of_the_day_of_the_split_is_of_the_new_shares() -> None:
    (trip,) = round_trips([fill(0, "BUY", 1, "90"), fill(7, "SELL", 2, "50")], splits=[SPLIT])
    assert trip.net_profit == Decimal(10)
    assert round_trips([fill(0, "BUY", 1, "90", "IBM"), fill(8, "SELL", 1, "50", "IBM")], splits=[SPLIT])[
        0
    ].net_profit == Decimal(-40)


def test_a_fill_at_the_moment_of_the_split_is_of_the_new_shares() -> None:
    at = Split(symbol="AAPL", timestamp=START + timedelta(days=7), ratio=Decimal(2))
    (trip,) = round_trips([fill(0, "BUY", 1, "90"), fill(7, "SELL", 2, "50")], splits=[at])
    assert (trip.quantity, trip.net_profit) == (Decimal(2), Decimal(10))


def test_splits_compound_and_thirds_lose_nothing() -> None:
    third = Split(symbol="AAPL", timestamp=datetime(2014, 6, 4, tzinfo=UTC), ratio=Decimal(3))
    (trip,) = round_trips([fill(0, "BUY", 1, "100"), fill(8, "SELL", 6, "20")], splits=[SPLIT, third])
    assert trip.net_profit == pytest.approx(Decimal(20), abs=Decimal("1e-40"))


@pytest.mark.parametrize(
    "fills",
    [
        [fill(0, "BUY", 100, "89"), fill(8, "SELL", 200, "44.50")],
        [fill(0, "BUY", 100, "89"), fill(8, "SELL", 200, "41")],
        [fill(0, "BUY", 100, "644"), fill(8, "SELL", 50, "92")],
        [fill(0, "SELL", 10, "90"), fill(8, "BUY", 30, "30.1")],
        [fill(0, "BUY", 100, "90"), fill(8, "SELL", 150, "65")],
        [fill(0, "BUY", 10, "3200"), fill(8, "SELL", 500, "65")],
        [fill(0, "BUY", 1000, "1"), fill(8, "SELL", 100, "9")],
        [fill(0, "SELL", 1000, "1"), fill(8, "BUY", 40, "23")],
        [fill(0, "BUY", 100, "90"), fill(8, "BUY", 50, "45.2")],
    ],
)
def test_fills_that_look_split_are_named(fills: list[FillEvent]) -> None:
    rows = [{"timestamp": START + timedelta(days=day), "total_value": 1e5} for day in range(10)]
    report = PerformanceAnalyzer().calculate_metrics(fills, rows)
    assert any(finding["rule"] == "no_split_in_fills" for finding in report["findings"])
    assert any("if it was split" in note for note in report["notes"])


def test_a_given_split_is_named_no_more() -> None:
    rows = [{"timestamp": START + timedelta(days=day), "total_value": 1e5} for day in range(10)]
    across = [fill(0, "BUY", 100, "89"), fill(8, "SELL", 200, "44.50")]
    analyzer = PerformanceAnalyzer(splits=[SPLIT])
    report = analyzer.calculate_metrics(across, rows)
    assert (report["findings"], report["net_profit"], report["fills"]) == ([], 0.0, 2)
    assert analyzer.calculate_win_rate(across) == 0.0


def test_a_fall_is_no_split() -> None:
    rows = [{"timestamp": START + timedelta(days=day), "total_value": 1e5} for day in range(10)]
    for fallen in (
        [fill(0, "BUY", 100, "89"), fill(8, "SELL", 100, "38")],
        [fill(0, "BUY", 100, "10"), fill(8, "SELL", 50, "20")],  # half is taken out once it has doubled
        [fill(0, "BUY", 100, "89"), fill(8, "SELL", 200, "80")],  # turned round
        [fill(0, "BUY", 100, "89"), fill(8, "SELL", 150, "85")],
    ):
        assert PerformanceAnalyzer().calculate_metrics(fallen, rows)["findings"] == []


@pytest.mark.parametrize("ratio", [Decimal(1) / 3, Decimal("0.333333"), Decimal("0.3333333333")])
def test_a_third_of_a_share_leaves_nothing_behind(ratio: Decimal) -> None:
    fills = [fill(0, "BUY", 300, "1"), fill(8, "SELL", 100, "4"), fill(9, "BUY", 7, "4"), fill(10, "SELL", 7, "3")]
    split = Split(symbol="AAPL", timestamp=START + timedelta(days=7), ratio=ratio)
    trips = round_trips(fills, splits=[split])
    assert [(trip.quantity, trip.net_profit) for trip in trips] == [
        (Decimal(100), Decimal(100)),
        (Decimal(7), Decimal(-7)),
    ]


@pytest.mark.parametrize("ratio", [Decimal(0), Decimal(-2), Decimal("NaN"), 2, None, "2"])
def test_a_ratio_is_a_decimal_above_zero(ratio: Any) -> None:
    with pytest.raises(InvalidInputError, match="ratio must be a finite Decimal above 0, was"):
        Split(symbol="AAPL", timestamp=START, ratio=ratio)
