"""Schwab's candles → bars: exact parsing, and every rule that keeps a candle out.

Nothing that came over the wire is dropped silently: a candle is a bar inside the asked
window, or outside it (Schwab sends a margin), or rejected with its raw form and a reason.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from jutsu_core.bars import PRICE_COLUMNS, Bar, RejectedBar, session_timestamp, to_micros
from jutsu_core.errors import InvalidInputError, MalformedResponseError
from jutsu_core.quality.rules import bar_fault

_NEW_YORK = ZoneInfo("America/New_York")
_MILLISECONDS = 1000
_LATEST_STAMP = 253_402_300_799_000
_LARGEST_EXPONENT = 18
"""2⁶³ has 19 digits; a number of a million digits would keep the arithmetic busy for seconds."""


class ParsedCandles(NamedTuple):
    """Sound bars, ascending and unique, and the candles that broke a rule."""

    bars: tuple[Bar, ...]
    rejected: tuple[RejectedBar, ...]


def read_envelope(text: str, symbol: str) -> list[Any]:
    """Return the raw candles of a price-history reply, numbers exact.

    Raises:
        MalformedResponseError: The reply is not the JSON object that price history promises,
            or it is about another symbol.
    """
    try:
        body = json.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        # An exponent that no Decimal can hold, or nesting without end, is no JSON of Schwab's either.
        message = f"{symbol}: Schwab's price history must be JSON, was {text[:60]!r}"
        raise MalformedResponseError(message) from None
    candles = body.get("candles") if isinstance(body, dict) else None
    if not isinstance(candles, list):
        message = f"{symbol}: Schwab's price history must hold a list of candles, was {text[:60]!r}"
        raise MalformedResponseError(message)
    answered = body.get("symbol", symbol)
    if answered != symbol:
        message = f"{symbol}: Schwab's price history must be about {symbol}, was about {answered!r}"
        raise MalformedResponseError(message)
    return candles


def parse_daily(candles: list[Any], start: datetime, end: datetime, sessions: Collection[date]) -> ParsedCandles:
    """Turn raw daily candles into bars keyed by session date.

    The session date is the UTC date of the stamp. A stamp at midnight New York marks a bar
    that is still forming; a final one is stamped at midnight Chicago.

    Args:
        candles: As they came.
        start: First instant asked for.
        end: First instant no longer asked for; candles outside are ignored.
        sessions: The exchange's sessions inside the window.
    """
    sound: dict[datetime, list[tuple[Bar, str]]] = defaultdict(list)
    rejected: list[RejectedBar] = []
    known = frozenset(sessions)
    for candle in candles:
        raw = _as_text(candle)
        stamp = _stamp(candle)
        if stamp is None:
            rejected.append(RejectedBar(raw, "datetime must be an integer of milliseconds since 1970"))
            continue
        key = session_timestamp(stamp.date())
        if not start <= key < end:
            continue
        fault, bar = _judge(candle, stamp, key, known)
        if bar is None:
            rejected.append(RejectedBar(raw, fault, key))
        else:
            sound[key].append((bar, raw))
    bars = []
    for key in sorted(sound):
        same = sound[key]
        if len({bar for bar, _ in same}) == 1:
            bars.append(same[0][0])
            rejected += [
                RejectedBar(raw, "session must occur once, repeats an equal candle", key) for _, raw in same[1:]
            ]
        else:
            reason = "session must occur once, came with different values"
            rejected += [RejectedBar(raw, reason, key) for _, raw in same]
    return ParsedCandles(tuple(bars), tuple(rejected))


def _judge(
    candle: Mapping[str, Any], stamp: datetime, key: datetime, sessions: frozenset[date]
) -> tuple[str, Bar | None]:
    if key.date() not in sessions:
        return "session date must be a session of the exchange", None
    if stamp.astimezone(_NEW_YORK).time() == time(0):
        return "bar must be final, was stamped as still forming", None
    try:
        open_, high, low, close = (to_micros(_number(candle, name)) for name in PRICE_COLUMNS)
        volume = _number(candle, "volume")
    except InvalidInputError as error:
        return str(error), None
    if volume != int(volume):
        return f"volume must be a whole number, was {volume}", None
    bar = Bar(key, open_, high, low, close, int(volume))
    fault = bar_fault(bar)
    return (fault, None) if fault else ("", bar)


def _number(candle: Mapping[str, Any], name: str) -> Decimal:
    value = candle.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        message = f"{name} must be a number, was {value!r}"
        raise InvalidInputError(message)
    number = Decimal(value)
    if not number.is_finite():
        message = f"{name} must be finite, was {value}"
        raise InvalidInputError(message)
    if number.adjusted() > _LARGEST_EXPONENT:
        message = f"{name} must fit into 64 bits, was {number:.3e}"
        raise InvalidInputError(message)
    return number


def _stamp(candle: object) -> datetime | None:
    stamp = candle.get("datetime") if isinstance(candle, dict) else None
    if isinstance(stamp, bool) or not isinstance(stamp, int) or not 0 <= stamp <= _LATEST_STAMP:
        return None
    return datetime.fromtimestamp(stamp / _MILLISECONDS, tz=UTC)


def _as_text(candle: object) -> str:
    return json.dumps(candle, default=str, sort_keys=True)
