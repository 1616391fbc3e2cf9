"""Schwab's candles → bars: exact parsing, and every rule that keeps a candle out.

Nothing that came over the wire is dropped silently: a candle is a bar inside the asked
window, or not asked for (Schwab sends a margin), or rejected with its raw form and a reason.

A reply in which all is well is parsed by columns, everything else candle by candle.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import compress
from typing import Any, NamedTuple

import numpy as np

from jutsu_assets.schwab.grid import Grid, Integers
from jutsu_assets.schwab.server_text import kept, shown_value
from jutsu_core.bars import MICROS_PER_UNIT, PRICE_COLUMNS, Bar, RejectedBar, to_micros
from jutsu_core.errors import InvalidInputError, MalformedResponseError
from jutsu_core.quality.rules import bar_fault

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_STAMP = 253_402_300_799_000
_LARGEST_EXPONENT = 18
"""2⁶³ has 19 digits; a number of a million digits would keep the arithmetic busy for seconds."""

_LONGEST_NUMBER = 60
_LONGEST_RAW = 5_000
"""A candle has a hundred signs; of what is no candle the beginning tells enough."""
_MOST_CANDLES = 100_000
"""Twice what the longest window holds; each that is no candle is kept, and costs a hundred times its bytes."""

_MOST_DIGITS = 15
"""Two decimals of so many digits are never the same float, and a float of one is read back exactly."""


class ParsedCandles(NamedTuple):
    """Sound bars, ascending and unique, and the candles that broke a rule."""

    bars: tuple[Bar, ...]
    rejected: tuple[RejectedBar, ...]


def read_envelope(text: str, symbol: str) -> list[Any]:
    """Return the raw candles of a price-history reply; a number with a point or exponent is its text, as bytes.

    Raises:
        MalformedResponseError: The reply is not the JSON object that price history promises,
            or it is about another symbol.
    """
    try:
        body = json.loads(text, parse_float=str.encode)
    except (ValueError, RecursionError):
        message = f"{symbol}: Schwab's price history must be JSON, was {shown_value(text)}"
        raise MalformedResponseError(message) from None
    candles = body.get("candles") if isinstance(body, dict) else None
    if not isinstance(candles, list):
        message = f"{symbol}: Schwab's price history must hold a list of candles, was {shown_value(text)}"
        raise MalformedResponseError(message)
    if len(candles) > _MOST_CANDLES:
        message = f"{symbol}: Schwab's price history must hold at most {_MOST_CANDLES:,} candles, held {len(candles):,}"
        raise MalformedResponseError(message)
    answered = body.get("symbol", symbol)
    if answered != symbol:
        message = f"{symbol}: Schwab's price history must be about {symbol}, was about {shown_value(answered)}"
        raise MalformedResponseError(message)
    return candles


def parse_candles(candles: Sequence[Any], grid: Grid) -> ParsedCandles:
    """Turn raw candles into bars.

    Args:
        candles: As :func:`read_envelope` returns them.
        grid: Where final bars stand, and which are wanted.
    """
    dated, undated = _split(candles)
    rejected = [
        RejectedBar(_as_text(candle), "datetime must be an integer of milliseconds since 1970") for candle in undated
    ]
    placed = grid.place(np.array([candle["datetime"] for candle in dated], dtype=np.int64))
    for position, fault in placed.faults.items():
        rejected.append(RejectedBar(_as_text(dated[position]), fault, _moment(int(placed.keys[position]))))
    good = placed.wanted.copy()
    good[list(placed.faults)] = False
    wanted, keys = list(compress(dated, good.tolist())), placed.keys[good]
    bars = _all_sound(wanted, keys)
    if bars is None:
        bars, broken = _one_by_one(wanted, [_moment(key) for key in keys.tolist()])
        rejected += broken
    return ParsedCandles(tuple(bars), tuple(rejected))


def _all_sound(candles: Sequence[Mapping[str, Any]], keys: Integers) -> list[Bar] | None:
    """Return the bars of ``candles``, ascending; None where one of them breaks a rule or a key repeats."""
    order = np.argsort(keys, kind="stable")
    if np.any(np.diff(keys[order]) == 0):
        return None
    try:
        prices = [_plain_prices([candle[name] for candle in candles]) for name in PRICE_COLUMNS]
        volumes = [candle["volume"] for candle in candles]
    except (KeyError, _NotPlainError):
        return None
    if not set(map(type, volumes)) <= {int} or (volumes and not 0 <= min(volumes) <= max(volumes) < 2**63):
        return None
    open_, high, low, close = prices
    is_sound = (low > 0) & (low <= np.minimum(open_, close)) & (np.maximum(open_, close) <= high)
    if not is_sound.all():
        return None
    moments = map(_moment, keys[order].tolist())
    columns = [column[order].tolist() for column in (*prices, np.array(volumes, dtype=np.int64))]
    return list(map(Bar, moments, *columns))


class _NotPlainError(Exception):
    """A column holds something else than plain prices."""


def _plain_prices(column: Sequence[bytes | int]) -> Integers:
    kinds = set(map(type, column))
    if not kinds <= {bytes, int}:
        raise _NotPlainError
    texts = column if kinds == {bytes} else [item for item in column if type(item) is bytes]
    if max(map(len, texts), default=0) > _MOST_DIGITS + 1:  # type: ignore[arg-type] # bytes alone
        raise _NotPlainError
    try:
        values = np.array(list(map(float, column)), dtype=np.float64)
    except OverflowError:
        raise _NotPlainError from None  # an integer that is too large even for a float
    micros = np.rint(values * MICROS_PER_UNIT)
    if np.any(np.abs(micros) >= 10**_MOST_DIGITS) or np.any(micros / MICROS_PER_UNIT != values):
        raise _NotPlainError  # too large, or more than six decimals
    return micros.astype(np.int64)


def _one_by_one(candles: Sequence[Mapping[str, Any]], keys: Sequence[datetime]) -> tuple[list[Bar], list[RejectedBar]]:
    sound: dict[datetime, list[tuple[Bar, Mapping[str, Any]]]] = defaultdict(list)
    rejected: list[RejectedBar] = []
    for candle, key in zip(candles, keys, strict=True):
        fault, bar = _judge(candle, key)
        if bar is None:
            rejected.append(RejectedBar(_as_text(candle), fault, key))
        else:
            sound[key].append((bar, candle))
    bars = []
    for key in sorted(sound):
        same = sound[key]
        if len({bar for bar, _ in same}) == 1:
            bars.append(same[0][0])
            again, reason = same[1:], "bar must occur once, repeats an equal candle"
        else:
            again, reason = same, "bar must occur once, came with different values"
        rejected += [RejectedBar(_as_text(candle), reason, key) for _, candle in again]
    return bars, rejected


def _judge(candle: Mapping[str, Any], key: datetime) -> tuple[str, Bar | None]:
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
    if type(value) is not int and type(value) is not bytes:
        message = f"{name} must be a number, was {shown_value(value)}"
        raise InvalidInputError(message)
    text = value.decode() if type(value) is bytes else str(value)
    if len(text) > _LONGEST_NUMBER:
        message = f"{name} must be a number of at most {_LONGEST_NUMBER} signs, was {text[:40]}…"
        raise InvalidInputError(message)
    try:
        number = Decimal(text)
    except ArithmeticError:
        number = Decimal("Infinity")  # an exponent that no Decimal can hold
    if not number.is_finite() or number.adjusted() > _LARGEST_EXPONENT:
        message = f"{name} must fit into 64 bits, was {text[:40]}"
        raise InvalidInputError(message)
    return number


def _split(candles: Sequence[Any]) -> tuple[list[Mapping[str, Any]], list[Any]]:
    """Return the candles with a stamp that a moment can have, and the others."""
    try:
        stamps = [candle["datetime"] for candle in candles]
        if set(map(type, stamps)) <= {int} and (not stamps or 0 <= min(stamps) <= max(stamps) <= _LATEST_STAMP):
            return list(candles), []
    except (KeyError, TypeError, IndexError):
        pass
    dated: list[Mapping[str, Any]] = []
    undated: list[Any] = []
    for candle in candles:
        (dated if _is_dated(candle) else undated).append(candle)
    return dated, undated


def _is_dated(candle: object) -> bool:
    stamp = candle.get("datetime") if isinstance(candle, dict) else None
    return type(stamp) is int and 0 <= stamp <= _LATEST_STAMP


@lru_cache(maxsize=2**14)  # the sessions of one symbol are those of the next
def _moment(key: int) -> datetime:
    return _EPOCH + timedelta(microseconds=key)


def _as_text(candle: object) -> str:
    try:
        return kept(json.dumps(candle, default=bytes.decode, sort_keys=True), _LONGEST_RAW)
    except RecursionError:
        return shown_value(candle)
