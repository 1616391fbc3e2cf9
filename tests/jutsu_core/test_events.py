"""Events: each field is refused with its name, what it must be and what it was."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from functools import partial
from itertools import product
from typing import Any

import pandas as pd
import pytest

from jutsu_core.bars import Bar, Timeframe, from_micros
from jutsu_core.errors import InvalidInputError
from jutsu_core.events import FillEvent, MarketDataEvent, OrderEvent, SignalEvent
from tests.support.builders import NOON, bar, event


class Nowhere(tzinfo):
    """A timezone that does not know its offset, which makes a time naive."""

    def utcoffset(self, moment: datetime | None) -> None:
        del moment

    dst = utcoffset

    def tzname(self, moment: datetime | None) -> str:
        del moment
        return "nowhere"


def signal(**changes: Any) -> SignalEvent:
    fields: dict[str, Any] = {"symbol": "AAPL", "timestamp": NOON, "direction": "BUY"}
    return SignalEvent(**(fields | changes))


def order(**changes: Any) -> OrderEvent:
    fields: dict[str, Any] = {"symbol": "AAPL", "timestamp": NOON, "direction": "BUY", "quantity": Decimal(100)}
    return OrderEvent(**(fields | changes))


def fill(**changes: Any) -> FillEvent:
    fields: dict[str, Any] = {"symbol": "AAPL", "timestamp": NOON, "direction": "SELL", "quantity": Decimal(100)}
    return FillEvent(**(fields | {"fill_price": Decimal("430.47")} | changes))


def refusal(build: Callable[..., object], **changes: Any) -> str:
    with pytest.raises(InvalidInputError) as caught:
        build(**changes)
    return str(caught.value)


EVERY_EVENT = pytest.mark.parametrize("build", [event, signal, order, fill])
NOT_A_PRICE = [Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), 1.5, 1, "1", None]


@EVERY_EVENT
def test_an_event_cannot_be_changed(build: Callable[..., Any]) -> None:
    one = build()
    with pytest.raises(FrozenInstanceError):
        one.symbol = "MSFT"


@EVERY_EVENT
def test_events_that_say_the_same_are_equal(build: Callable[..., Any]) -> None:
    assert build() == build()
    assert hash(build()) == hash(build())
    assert build() != build(symbol="MSFT")


@EVERY_EVENT
@pytest.mark.parametrize("symbol", ["", "  ", None, 7, b"AAPL"])
def test_a_symbol_is_a_string_that_is_not_empty(build: Callable[..., object], symbol: object) -> None:
    assert refusal(build, symbol=symbol) == f"symbol must be a non-empty string, was {symbol!r}"


@EVERY_EVENT
@pytest.mark.parametrize(
    "timestamp",
    [NOON.replace(tzinfo=None), NOON.replace(tzinfo=Nowhere()), date(2013, 3, 1), "2013-03-01", 0, None, pd.NaT],
)
def test_a_timestamp_is_timezone_aware(build: Callable[..., object], timestamp: object) -> None:
    assert refusal(build, timestamp=timestamp) == f"timestamp must be a timezone-aware datetime, was {timestamp!r}"


@pytest.mark.parametrize("field", ["open", "high", "low", "close"])
@pytest.mark.parametrize("price", NOT_A_PRICE)
def test_a_price_is_a_finite_decimal_above_zero(field: str, price: object) -> None:
    assert refusal(event, **{field: price}) == f"{field} must be a finite Decimal above 0, was {price!r}"


def test_the_high_reaches_open_and_close_and_the_low_goes_no_higher() -> None:
    assert refusal(event, high=Decimal("437.99")) == (
        "high must be at least open 438.00 and close 430.47, was Decimal('437.99')"
    )
    assert refusal(event, low=Decimal("430.48")) == (
        "low must be at most open 438.00 and close 430.47, was Decimal('430.48')"
    )


def test_a_bar_in_which_nothing_moved_or_was_traded_is_sound() -> None:
    flat = dict.fromkeys(("open", "high", "low", "close"), Decimal("0.000001"))
    assert event(**flat, volume=0).high == Decimal("0.000001")


@pytest.mark.parametrize("volume", [-1, 1.0, Decimal(1), "1", None, True])
def test_a_volume_is_a_whole_number_of_shares(volume: object) -> None:
    assert refusal(event, volume=volume) == f"volume must be an integer of at least 0, was {volume!r}"


@pytest.mark.parametrize("timeframe", ["1d", None, 1])
def test_a_timeframe_is_a_timeframe_and_not_its_spelling(timeframe: object) -> None:
    assert refusal(event, timeframe=timeframe) == f"timeframe must be a Timeframe, was {timeframe!r}"


def test_a_bar_is_daily_unless_it_says_otherwise() -> None:
    assert event().timeframe is Timeframe.D1
    assert event(timeframe=Timeframe.M1).timeframe is Timeframe.M1


def test_an_event_of_a_bar_has_its_exact_values() -> None:
    one = Bar(NOON, 438_000_000, 438_179_900, 429_980_000, 430_470_001, 7)
    assert asdict(MarketDataEvent.of_bar("BRK/B", one, Timeframe.M5)) == {
        "symbol": "BRK/B",
        "timestamp": NOON,
        "open": Decimal(438),
        "high": Decimal("438.1799"),
        "low": Decimal("429.98"),
        "close": Decimal("430.470001"),
        "volume": 7,
        "timeframe": Timeframe.M5,
    }


def outcome(build: Callable[[], MarketDataEvent]) -> MarketDataEvent | str:
    try:
        return build()
    except InvalidInputError as error:
        return str(error)


@pytest.mark.parametrize(("symbol", "volume"), [("AAPL", 0), ("AAPL", -1), ("", 0)])
def test_an_event_of_a_bar_is_checked_like_any_other(symbol: str, volume: int) -> None:
    """With every order of four prices, those that are not above 0 included."""
    for open_, high, low, close in product(range(4), repeat=4):
        one = Bar(NOON, open_, high, low, close, volume)
        prices = {name: from_micros(getattr(one, name)) for name in ("open", "high", "low", "close")}
        answer = outcome(partial(MarketDataEvent.of_bar, symbol, one, Timeframe.D1))
        assert answer == outcome(partial(event, symbol=symbol, timestamp=NOON, volume=volume, **prices))


@pytest.mark.parametrize("timestamp", [NOON.replace(tzinfo=None), pd.NaT])
def test_an_event_of_a_bar_without_a_timezone_is_refused(timestamp: Any) -> None:
    broken = bar(datetime(2013, 3, 1, tzinfo=UTC))._replace(timestamp=timestamp)
    with pytest.raises(InvalidInputError, match="timestamp must be a timezone-aware datetime, was"):
        MarketDataEvent.of_bar("AAPL", broken, Timeframe.D1)


@pytest.mark.parametrize("direction", ["BUY", "SELL", "EXIT"])
def test_a_signal_wishes_to_be_long_short_or_out_at_full_strength(direction: str) -> None:
    assert (signal(direction=direction).direction, signal().strength) == (direction, Decimal(1))


@pytest.mark.parametrize("direction", ["buy", "HOLD", "", None])
def test_a_signal_has_one_of_three_directions(direction: object) -> None:
    assert refusal(signal, direction=direction) == f"direction must be BUY, SELL or EXIT, was {direction!r}"


def test_a_signal_is_above_zero_and_at_most_one() -> None:
    assert refusal(signal, strength=Decimal("1.01")) == "strength must be at most 1, was Decimal('1.01')"
    assert refusal(signal, strength=Decimal(0)) == "strength must be a finite Decimal above 0, was Decimal('0')"
    assert signal(strength=Decimal("0.01")).strength == Decimal("0.01")


@pytest.mark.parametrize("build", [order, fill])
@pytest.mark.parametrize("direction", ["EXIT", "buy", None])
def test_orders_and_fills_buy_or_sell(build: Callable[..., object], direction: object) -> None:
    assert refusal(build, direction=direction) == f"direction must be BUY or SELL, was {direction!r}"


@pytest.mark.parametrize("build", [order, fill])
@pytest.mark.parametrize("quantity", NOT_A_PRICE)
def test_a_quantity_is_a_finite_decimal_above_zero(build: Callable[..., object], quantity: object) -> None:
    assert refusal(build, quantity=quantity) == f"quantity must be a finite Decimal above 0, was {quantity!r}"


def test_an_order_has_one_of_four_types() -> None:
    assert order().order_type == "MARKET"
    assert refusal(order, order_type="TRAILING") == (
        "order_type must be one of MARKET, LIMIT, STOP, STOP_LIMIT, was 'TRAILING'"
    )


@pytest.mark.parametrize(
    ("order_type", "needed"),
    [
        ("MARKET", ()),
        ("LIMIT", ("limit_price",)),
        ("STOP", ("stop_price",)),
        ("STOP_LIMIT", ("limit_price", "stop_price")),
    ],
)
def test_an_order_has_the_prices_of_its_type_and_no_others(order_type: str, needed: tuple[str, ...]) -> None:
    prices = dict.fromkeys(needed, Decimal(430))
    assert order(order_type=order_type, **prices).order_type == order_type
    for field in ("limit_price", "stop_price"):
        changed = prices | {field: None if field in needed else Decimal(430)}
        must_be = "a finite Decimal above 0" if field in needed else f"None for a {order_type} order"
        expected = f"{field} must be {must_be}, was {changed[field]!r}"
        assert refusal(order, order_type=order_type, **changed) == expected


@pytest.mark.parametrize("price", NOT_A_PRICE)
def test_a_fill_has_a_price_above_zero(price: object) -> None:
    assert refusal(fill, fill_price=price) == f"fill_price must be a finite Decimal above 0, was {price!r}"


@pytest.mark.parametrize("field", ["commission", "slippage"])
def test_costs_of_a_fill_are_nothing_or_more(field: str) -> None:
    assert getattr(fill(), field) == 0
    assert getattr(fill(**{field: Decimal("0.65")}), field) == Decimal("0.65")
    for cost in (Decimal("-0.01"), Decimal("NaN"), Decimal("Infinity"), 0, None):
        assert refusal(fill, **{field: cost}) == f"{field} must be a finite Decimal of at least 0, was {cost!r}"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"open": None}, "micros must be an integer, was None"),
        ({"close": 1.5}, "micros must be an integer, was 1.5"),
        ({"volume": 1.5}, "volume must be an integer of at least 0, was 1.5"),
        ({"timestamp": "2013-03-01"}, "timestamp must be a timezone-aware datetime, was '2013-03-01'"),
        ({"timestamp": pd.NaT}, "timestamp must be a timezone-aware datetime, was NaT"),
    ],
)
def test_a_bar_that_holds_what_no_bar_holds_makes_no_event(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{problem}$"):
        MarketDataEvent.of_bar("AAPL", bar(date(2013, 3, 1))._replace(**changes), Timeframe.D1)
