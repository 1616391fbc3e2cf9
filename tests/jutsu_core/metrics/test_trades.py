"""Round trips: long, short, partial closes, flips, costs, and the figures drawn from them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.errors import InvalidInputError
from jutsu_core.events import FillEvent
from jutsu_core.metrics.trades import (
    average_loss,
    average_win,
    expectancy,
    profit_factor,
    round_trips,
    win_rate,
)

START = datetime(2013, 3, 1, 15, 0, tzinfo=UTC)


def fill(
    hour: int,
    direction: Literal["BUY", "SELL"],
    quantity: int,
    price: str,
    costs: tuple[str, str] = ("0", "0"),
    symbol: str = "AAPL",
) -> FillEvent:
    return FillEvent(
        symbol=symbol,
        timestamp=START + timedelta(hours=hour),
        direction=direction,
        quantity=Decimal(quantity),
        fill_price=Decimal(price),
        commission=Decimal(costs[0]),
        slippage=Decimal(costs[1]),
    )


def profits(*fills: FillEvent) -> list[Decimal]:
    return [trip.net_profit for trip in round_trips(fills)]


def test_a_long_round_trip_with_costs() -> None:
    (trip,) = round_trips([fill(0, "BUY", 10, "5", ("1", "0.5")), fill(1, "SELL", 10, "7", ("1", "0.25"))])
    assert trip.side == "long"
    assert trip.costs == Decimal("2.75")
    assert trip.net_profit == Decimal("17.25")  # (7 - 5) * 10 - 2.75
    assert (trip.entry_time, trip.exit_time) == (START, START + timedelta(hours=1))


def test_a_short_round_trip_with_costs() -> None:
    (trip,) = round_trips([fill(0, "SELL", 10, "7", ("1", "0.5")), fill(1, "BUY", 10, "5", ("1", "0.25"))])
    assert trip.side == "short"
    assert trip.net_profit == Decimal("17.25")  # (7 - 5) * 10 - 2.75
    assert profits(fill(0, "SELL", 10, "5"), fill(1, "BUY", 10, "7")) == [Decimal(-20)]


def test_partial_closes_share_the_entry_costs_by_quantity() -> None:
    trips = round_trips(
        [
            fill(0, "BUY", 30, "10", ("3", "0")),
            fill(1, "SELL", 10, "11", ("1", "0")),
            fill(2, "SELL", 20, "9", ("1", "0")),
        ]
    )
    assert [trip.net_profit for trip in trips] == [Decimal(8), Decimal(-23)]  # 10 - 1 - 1; -20 - 2 - 1
    assert sum(trip.costs for trip in trips) == Decimal(5)


def test_the_oldest_lot_is_closed_first() -> None:
    trips = round_trips([fill(0, "BUY", 10, "10"), fill(1, "BUY", 10, "12"), fill(2, "SELL", 15, "13", ("3", "0"))])
    # 10 * (13 - 10) - 2 and 5 * (13 - 12) - 1; five shares stay open
    assert [(trip.quantity, trip.net_profit) for trip in trips] == [
        (Decimal(10), Decimal(28)),
        (Decimal(5), Decimal(4)),
    ]


def test_one_fill_can_flip_the_position() -> None:
    trips = round_trips(
        [
            fill(0, "BUY", 10, "10"),
            fill(1, "SELL", 30, "12", ("3", "0")),
            fill(2, "BUY", 20, "11", ("2", "0")),
        ]
    )
    assert [trip.side for trip in trips] == ["long", "short"]
    assert [trip.quantity for trip in trips] == [Decimal(10), Decimal(20)]
    # the fill of 30 costs 0.10 a share: 20 - 1, then 20 * (12 - 11) - 2 - 2
    assert [trip.net_profit for trip in trips] == [Decimal(19), Decimal(16)]


def test_costs_that_do_not_divide_evenly_still_add_up() -> None:
    trips = round_trips([fill(0, "BUY", 3, "10", ("1", "0")), *(fill(hour, "SELL", 1, "10") for hour in (1, 2, 3))])
    assert sum(trip.costs for trip in trips) == pytest.approx(Decimal(1), abs=Decimal("1e-27"))


def test_symbols_do_not_close_each_other() -> None:
    assert profits(fill(0, "BUY", 1, "10"), fill(1, "SELL", 1, "12", symbol="IBM")) == []


def test_figures_by_hand() -> None:
    trips = round_trips(
        [
            *(fill(0, "BUY", 10, "10"), fill(1, "SELL", 10, "13")),  # +30
            *(fill(2, "BUY", 10, "10"), fill(3, "SELL", 10, "9")),  # -10
            *(fill(4, "BUY", 10, "10"), fill(5, "SELL", 10, "10")),  # 0: neither won nor lost
            *(fill(6, "SELL", 10, "10"), fill(7, "BUY", 10, "12")),  # -20
        ]
    )
    assert win_rate(trips) == 0.25
    assert profit_factor(trips) == 1.0  # 30 / (10 + 20)
    assert average_win(trips) == Decimal(30)
    assert average_loss(trips) == Decimal(-15)
    assert expectancy(trips) == Decimal(0)


def test_costs_turn_a_gain_into_a_loss() -> None:
    trips = round_trips([fill(0, "BUY", 1, "10"), fill(1, "SELL", 1, "10.5", ("1", "0"))])
    assert win_rate(trips) == 0.0


def test_nothing_closed_has_no_figures() -> None:
    trips = round_trips([fill(0, "BUY", 1, "10")])
    assert trips == []
    for figure in (win_rate, profit_factor, average_win, average_loss, expectancy):
        assert figure(trips) is None


def test_without_a_loss_there_is_no_profit_factor() -> None:
    assert profit_factor(round_trips([fill(0, "BUY", 1, "10"), fill(1, "SELL", 1, "12")])) is None


orders = st.lists(
    st.tuples(
        st.sampled_from(["BUY", "SELL"]),
        st.integers(min_value=1, max_value=50),
        st.integers(min_value=100, max_value=999),
        st.integers(min_value=0, max_value=300),
    ),
    max_size=25,
)


def build(rows: list[tuple[Any, int, int, int]], *, mirrored: bool = False) -> list[FillEvent]:
    other: dict[Any, Any] = {"BUY": "SELL", "SELL": "BUY"}
    return [
        fill(hour, other[side] if mirrored else side, quantity, f"{cents / 100}", (f"{costs / 100}", "0"))
        for hour, (side, quantity, cents, costs) in enumerate(rows)
    ]


@given(rows=orders)
def test_long_and_short_mirror_each_other(rows: list[tuple[Any, int, int, int]]) -> None:
    """Swapping every side swaps every gain before costs, and costs what it cost."""
    plain, mirrored = round_trips(build(rows)), round_trips(build(rows, mirrored=True))
    assert [trip.net_profit + trip.costs for trip in plain] == [-(trip.net_profit + trip.costs) for trip in mirrored]
    assert [trip.costs for trip in plain] == [trip.costs for trip in mirrored]


@given(rows=orders)
def test_profit_equals_cash_once_flat(rows: list[tuple[Any, int, int, int]]) -> None:
    """Closing what is left makes the profits add up to the cash that changed hands."""
    fills = build(rows)
    signed = [item.quantity if item.direction == "BUY" else -item.quantity for item in fills]
    position = sum(signed, Decimal(0))
    if position:
        fills.append(fill(len(rows), "SELL" if position > 0 else "BUY", int(abs(position)), "5"))
    cash = sum(
        (item.fill_price * item.quantity * (1 if item.direction == "SELL" else -1)) - item.commission for item in fills
    )
    total = sum((trip.net_profit for trip in round_trips(fills)), Decimal(0))
    assert abs(total - cash) < Decimal("1e-20")


def test_fills_out_of_order_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"trade 1 must be at or after 2013-03-01T16.*, was .*T15"):
        round_trips([fill(1, "BUY", 1, "10"), fill(0, "SELL", 1, "10")])


def test_only_fills_are_accepted() -> None:
    bad: Any = {"symbol": "AAPL"}
    with pytest.raises(InvalidInputError, match="trade 0 must be a FillEvent, was"):
        round_trips([bad])


@pytest.mark.parametrize("size", ["1e999999", "1e-999999", "1e999999999", "1e1001"])
@pytest.mark.parametrize("field", ["quantity", "fill_price", "commission", "slippage"])
def test_amounts_of_which_no_decimal_can_hold_the_product_are_refused(field: str, size: str) -> None:
    with pytest.raises(
        InvalidInputError, match=rf"^{field} must be 0 or a Decimal of a size from 1e-1000 to 1e1000, was"
    ):
        replace(fill(1, "BUY", 10, "5"), **{field: Decimal(size)})  # type: ignore[arg-type]  # of that field
