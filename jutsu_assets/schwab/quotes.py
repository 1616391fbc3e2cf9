"""Quotes and market hours: what Schwab says about now, exactly, and the daily bar inside a quote."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from jutsu_assets.schwab.server_text import shown, shown_value
from jutsu_core.bars import MAX_VOLUME, Bar, session_timestamp, to_micros
from jutsu_core.errors import InvalidInputError, MalformedResponseError
from jutsu_core.quality.rules import bar_fault

MOST_SYMBOLS = 500
"""How many symbols Schwab takes in one request for quotes."""

_NEW_YORK = ZoneInfo("America/New_York")
_LATEST_STAMP = 253_402_300_799_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a symbol did in its latest session, up to now.

    Attributes:
        symbol: As Schwab spells it.
        session: Date, in New York, of the latest trade in regular hours.
        open: First price of that session.
        high: Highest price.
        low: Lowest price.
        last: Last price in regular hours: the close, once the session is over.
        volume: Shares traded.
        previous_close: Close of the session before, in terms of today's shares. Schwab calls it
            ``closePrice``, which reads like today's.
    """

    symbol: str
    session: date
    open: Decimal
    high: Decimal
    low: Decimal
    last: Decimal
    volume: int
    previous_close: Decimal

    def bar(self) -> Bar | None:
        """Return the daily bar of the session, or None where its prices break a rule of bars.

        It is the final one only after the session has settled.
        """
        try:
            open_, high, low, close = (to_micros(price) for price in (self.open, self.high, self.low, self.last))
        except InvalidInputError:
            return None
        bar = Bar(session_timestamp(self.session), open_, high, low, close, self.volume)
        return None if bar_fault(bar) else bar

    def previous_micros(self) -> int | None:
        """Return the previous close in micros, or None where it cannot be one."""
        try:
            return to_micros(self.previous_close)
        except InvalidInputError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketHours:
    """When the equity market trades on one day; without hours on a closed one.

    Attributes:
        day: The day.
        is_open: Whether there is a session.
        opens_at: Start of regular hours, UTC.
        closes_at: End of regular hours, UTC.
    """

    day: date
    is_open: bool
    opens_at: datetime | None = None
    closes_at: datetime | None = None


def parse_quotes(text: str) -> dict[str, Quote]:
    """Return the quotes in a reply, by symbol.

    A symbol that Schwab does not know, or that has not traded in regular hours, has none.

    Raises:
        MalformedResponseError: The reply is not what quotes promise.
    """
    body = _object(text, "quotes")
    quotes: dict[str, Quote] = {}
    for symbol, content in body.items():
        if symbol == "errors" and isinstance(content, dict) and "quote" not in content:
            continue
        if not isinstance(content, dict):
            message = f"Schwab's quote of {shown(symbol, 20)} must be an object, was {shown_value(content)}"
            raise MalformedResponseError(message)
        quote = _quote(symbol, content)
        if quote is not None:
            quotes[symbol] = quote
    return quotes


def parse_hours(text: str, day: date) -> MarketHours:
    """Return the equity market's hours on ``day``.

    Raises:
        MalformedResponseError: The reply is not what market hours promise, or it is about another day.
    """
    body = _object(text, "market hours")
    try:
        # The inner key is EQ on an open day and equity on a closed one.
        (product,) = body["equity"].values()
        if date.fromisoformat(product["date"]) != day:
            message = f"Schwab's market hours must be of {day}, were of {shown(product['date'], 20)}"
            raise MalformedResponseError(message)
        if product["isOpen"] is False:
            return MarketHours(day=day, is_open=False)
        hours = product["sessionHours"]["regularMarket"]
        return MarketHours(
            day=day,
            is_open=True,
            opens_at=min(datetime.fromisoformat(part["start"]).astimezone(UTC) for part in hours),
            closes_at=max(datetime.fromisoformat(part["end"]).astimezone(UTC) for part in hours),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        message = f"Schwab's market hours of {day} must name the equity market's hours, were {shown_value(text, 80)}"
        raise MalformedResponseError(message) from None


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        body = json.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        body = None
    if not isinstance(body, dict):
        message = f"Schwab's {what} must be a JSON object, were {shown_value(text)}"
        raise MalformedResponseError(message)
    return body


def _quote(symbol: str, content: dict[str, Any]) -> Quote | None:
    now, regular = content.get("quote"), content.get("regular")
    if not isinstance(now, dict) or not isinstance(regular, dict):
        return None
    numbers = [now.get(name) for name in ("openPrice", "highPrice", "lowPrice", "closePrice", "totalVolume")]
    numbers += [regular.get(name) for name in ("regularMarketLastPrice", "regularMarketTradeTime")]
    known = [Decimal(number) for number in numbers if type(number) is int or type(number) is Decimal]
    if len(known) < len(numbers) or min(known) < 0:
        return None
    open_, high, low, previous, volume, last, traded_at = known
    if not 0 < traded_at < _LATEST_STAMP or volume > MAX_VOLUME:
        return None
    return Quote(
        symbol=symbol,
        session=datetime.fromtimestamp(int(traded_at) / 1000, tz=_NEW_YORK).date(),
        open=open_,
        high=high,
        low=low,
        last=last,
        volume=int(volume),
        previous_close=previous,
    )
