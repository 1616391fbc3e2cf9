"""What a backtesting engine passes around: bars, signals, orders and fills.

Events are frozen and checked when they are made, so that an engine never has to ask
whether an event it holds is sound. Prices and quantities are ``Decimal``, times are
timezone-aware.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, NoReturn

from jutsu_core.arguments import refuse, require_type
from jutsu_core.bars import Bar, Timeframe, from_micros

Direction = Literal["BUY", "SELL"]
OrderType = Literal["MARKET", "LIMIT", "STOP", "STOP_LIMIT"]

_DIRECTIONS = ("BUY", "SELL")
_ORDER_TYPES = ("MARKET", "LIMIT", "STOP", "STOP_LIMIT")
_NEEDS_PRICE = ("LIMIT", "STOP_LIMIT")
_NEEDS_STOP = ("STOP", "STOP_LIMIT")
_ZERO = Decimal(0)
_MOST_DIGITS = 1000


def _refuse(field: str, must_be: str, was: object) -> NoReturn:
    refuse(field, must_be, repr(was))


def _check_identity(symbol: object, timestamp: object) -> None:
    if not isinstance(symbol, str) or not symbol.strip():
        _refuse("symbol", "a non-empty string", symbol)
    # pandas' NaT is a datetime whose utcoffset raises; its tzinfo is None.
    if not isinstance(timestamp, datetime) or timestamp.tzinfo is None or timestamp.utcoffset() is None:
        _refuse("timestamp", "a timezone-aware datetime", timestamp)


def _check_choice(field: str, value: object, choices: tuple[str, ...], must_be: str) -> None:
    if not isinstance(value, str) or value not in choices:
        _refuse(field, must_be, value)


def _check_positive(field: str, value: object) -> None:
    if not isinstance(value, Decimal) or not value.is_finite() or value <= 0:
        _refuse(field, "a finite Decimal above 0", value)
    _check_size(field, value)


def _check_not_negative(field: str, value: object) -> None:
    if not isinstance(value, Decimal) or not value.is_finite() or value < 0:
        _refuse(field, "a finite Decimal of at least 0", value)
    _check_size(field, value)


def _check_size(field: str, value: Decimal) -> None:
    # Nobody's money: and products of it would overflow what decimals can hold.
    if value and not -_MOST_DIGITS <= value.adjusted() <= _MOST_DIGITS:
        _refuse(field, f"0 or a Decimal of a size from 1e-{_MOST_DIGITS} to 1e{_MOST_DIGITS}", value)


def _check_volume(value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        _refuse("volume", "an integer of at least 0", value)


def _check_timeframe(value: object) -> None:
    if not isinstance(value, Timeframe):
        _refuse("timeframe", "a Timeframe", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketDataEvent:
    """One complete bar of one symbol.

    Attributes:
        symbol: Ticker as the source spells it, for example ``AAPL`` or ``BRK/B``.
        timestamp: Start of the bar, timezone-aware; 00:00 UTC of the session date for a daily bar.
        open: First price, in quote currency.
        high: Highest price; at least ``max(open, close)``.
        low: Lowest price; at most ``min(open, close)``.
        close: Last price.
        volume: Shares traded, at least 0.
        timeframe: How long the bar lasts.

    Raises:
        InvalidInputError: A field breaks its contract; the message names the field, what it
            must be and what it was.
    """

    symbol: str
    timestamp: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    timeframe: Timeframe = Timeframe.D1

    def __post_init__(self) -> None:
        _check_identity(self.symbol, self.timestamp)
        for field in ("open", "high", "low", "close"):
            _check_positive(field, getattr(self, field))
        if self.high < max(self.open, self.close):
            _refuse("high", f"at least open {self.open} and close {self.close}", self.high)
        if self.low > min(self.open, self.close):
            _refuse("low", f"at most open {self.open} and close {self.close}", self.low)
        _check_volume(self.volume)
        _check_timeframe(self.timeframe)

    @classmethod
    def of_bar(cls, symbol: str, bar: Bar, timeframe: Timeframe) -> "MarketDataEvent":
        """Return ``bar`` as an event, checked in whole numbers: what a store reads by the thousand.

        Args:
            symbol: Ticker, not empty.
            bar: A bar with an aware timestamp.
            timeframe: How long it lasts.

        Raises:
            InvalidInputError: The bar breaks its contract.

        Examples:
            >>> from datetime import UTC
            >>> bar = Bar(datetime(2024, 1, 2, tzinfo=UTC), 187_150_000, 188_440_000, 183_885_000, 185_640_000, 82)
            >>> MarketDataEvent.of_bar("AAPL", bar, Timeframe.D1).close
            Decimal('185.640000')
        """
        if not (type(bar) is Bar and type(symbol) is str and type(timeframe) is Timeframe):
            require_type("bar", bar, Bar, "a Bar")
            require_type("symbol", symbol, str, "a non-empty string")
            _check_timeframe(timeframe)
        timestamp, open_, high, low, close, volume = bar
        try:
            is_sound = 0 < low <= open_ <= high and low <= close <= high and type(volume) is int and volume >= 0
            is_sound = is_sound and timestamp.tzinfo is not None
        except (TypeError, AttributeError):
            is_sound = False
        if not is_sound or not symbol.strip():
            prices = {name: from_micros(getattr(bar, name)) for name in ("open", "high", "low", "close")}
            return cls(symbol=symbol, timestamp=timestamp, **prices, volume=volume, timeframe=timeframe)
        # The fields are sound already: the checks of __post_init__ would cost more than all the rest.
        event = object.__new__(cls)
        place = object.__setattr__
        place(event, "symbol", symbol)
        place(event, "timestamp", timestamp)
        place(event, "open", from_micros(open_))
        place(event, "high", from_micros(high))
        place(event, "low", from_micros(low))
        place(event, "close", from_micros(close))
        place(event, "volume", volume)
        place(event, "timeframe", timeframe)
        return event


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalEvent:
    """A strategy's wish to be long, short or out of a symbol.

    Attributes:
        symbol: Ticker.
        timestamp: When the signal was known, timezone-aware.
        direction: ``BUY`` to become long, ``SELL`` to become short, ``EXIT`` to be flat.
        strength: Share of the strategy's largest position, above 0 and at most 1.
    """

    symbol: str
    timestamp: datetime
    direction: Literal["BUY", "SELL", "EXIT"]
    strength: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        _check_identity(self.symbol, self.timestamp)
        _check_choice("direction", self.direction, (*_DIRECTIONS, "EXIT"), "BUY, SELL or EXIT")
        _check_positive("strength", self.strength)
        if self.strength > 1:
            _refuse("strength", "at most 1", self.strength)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """An order to buy or sell.

    Attributes:
        symbol: Ticker.
        timestamp: When the order was sent, timezone-aware.
        direction: ``BUY`` or ``SELL``.
        quantity: Shares, above 0.
        order_type: ``MARKET``, ``LIMIT``, ``STOP`` or ``STOP_LIMIT``.
        limit_price: Needed by ``LIMIT`` and ``STOP_LIMIT``, refused otherwise.
        stop_price: Needed by ``STOP`` and ``STOP_LIMIT``, refused otherwise.
    """

    symbol: str
    timestamp: datetime
    direction: Direction
    quantity: Decimal
    order_type: OrderType = "MARKET"
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None

    def __post_init__(self) -> None:
        _check_identity(self.symbol, self.timestamp)
        _check_choice("direction", self.direction, _DIRECTIONS, "BUY or SELL")
        _check_positive("quantity", self.quantity)
        _check_choice("order_type", self.order_type, _ORDER_TYPES, f"one of {', '.join(_ORDER_TYPES)}")
        for field, needed_by in (("limit_price", _NEEDS_PRICE), ("stop_price", _NEEDS_STOP)):
            price = getattr(self, field)
            if self.order_type in needed_by:
                _check_positive(field, price)
            elif price is not None:
                _refuse(field, f"None for a {self.order_type} order", price)


@dataclass(frozen=True, slots=True, kw_only=True)
class FillEvent:
    """An executed order, or a part of one.

    Attributes:
        symbol: Ticker.
        timestamp: When it was executed, timezone-aware.
        direction: ``BUY`` or ``SELL``.
        quantity: Shares, above 0.
        fill_price: Price per share, above 0.
        commission: Cost of the whole fill in quote currency, at least 0.
        slippage: Further cost of the whole fill in quote currency that ``fill_price`` does
            not already contain, at least 0.
    """

    symbol: str
    timestamp: datetime
    direction: Direction
    quantity: Decimal
    fill_price: Decimal
    commission: Decimal = _ZERO
    slippage: Decimal = _ZERO

    def __post_init__(self) -> None:
        _check_identity(self.symbol, self.timestamp)
        _check_choice("direction", self.direction, _DIRECTIONS, "BUY or SELL")
        _check_positive("quantity", self.quantity)
        _check_positive("fill_price", self.fill_price)
        _check_not_negative("commission", self.commission)
        _check_not_negative("slippage", self.slippage)
