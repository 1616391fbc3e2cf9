"""What a store takes from a source: an answer whose every value is exact, sound, and inside its window.

A store keeps integers and instants. What is almost one (a NumPy integer) becomes one here, and
what is none (a float, a Decimal, a naive time) is refused before anything is written, with the
bar named; so are two bars of one time, and bars outside the window, which would rewrite history
unseen. An answer that a later one has overtaken has nothing to say about what that one covers.
"""

import operator
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import NoReturn

from jutsu_core.bars import MAX_MICROS, MAX_VOLUME, PRICE_COLUMNS, Bar, require_aware
from jutsu_core.errors import InvalidInputError
from jutsu_core.ports import CoverageWindow, FetchedBars
from jutsu_core.quality.rules import bar_fault

LONGEST_SYMBOL = 32


def checked_symbol(symbol: object) -> str:
    """Return ``symbol`` if every database can keep it.

    Raises:
        InvalidInputError: It is no text of 1 to 32 printable characters without blanks around it.

    Examples:
        >>> checked_symbol("BRK/B")
        'BRK/B'
    """
    is_sound = isinstance(symbol, str) and symbol.isprintable() and symbol == symbol.strip()
    if not is_sound or not 0 < len(str(symbol)) <= LONGEST_SYMBOL:
        message = f"symbol must be a text of 1 to {LONGEST_SYMBOL} printable characters such as AAPL, was {symbol!r}"
        raise InvalidInputError(message)
    return str(symbol)


def checked_answer(fetched: FetchedBars) -> FetchedBars:
    """Return ``fetched`` with exact integers and UTC instants, if every bar of it can be kept.

    Raises:
        InvalidInputError: A bar breaks a rule; the message names it, what it is and what it must be.
    """
    start, end = require_aware("start", fetched.start), require_aware("end", fetched.end)
    asked_at = require_aware("asked_at", fetched.asked_at)
    if end < start:
        message = f"end must be at or after start {start.isoformat()}, was {end.isoformat()}"
        raise InvalidInputError(message)
    bars = fetched.bars
    if not _all_sound(bars, start, end):
        bars = tuple(_checked_bar(bar, start, end) for bar in bars)
        _refuse_repeated(bars)
    return replace(fetched, start=start, end=end, asked_at=asked_at, bars=bars)


def later_windows(fetched: FetchedBars, coverage: Iterable[CoverageWindow]) -> list[CoverageWindow]:
    """Return the windows that overlap the answer's and were asked for after it."""
    return [
        window
        for window in coverage
        if window.asked_at > fetched.asked_at and window.start < fetched.end and fetched.start < window.end
    ]


def outside(bars: Iterable[Bar], windows: Sequence[CoverageWindow]) -> tuple[Bar, ...]:
    """Return those of ``bars`` that lie in none of ``windows``."""
    return tuple(bar for bar in bars if not any(window.start <= bar.timestamp < window.end for window in windows))


def _all_sound(bars: Sequence[Bar], start: datetime, end: datetime) -> bool:
    """Say whether nothing needs a closer look: by columns, because answers are long and nearly always sound."""
    if not bars:
        return True
    try:
        stamps, opens, highs, lows, closes, volumes = zip(*bars, strict=True)
        if {type(stamp) for stamp in stamps} != {datetime} or {stamp.tzinfo for stamp in stamps} != {UTC}:
            return False
        if not set(map(type, (*opens, *highs, *lows, *closes, *volumes))) <= {int}:
            return False
    except (TypeError, ValueError):
        return False
    return (
        start <= stamps[0]
        and stamps[-1] < end
        and all(map(operator.lt, stamps, stamps[1:]))
        and min(lows) > 0
        and max(highs) <= MAX_MICROS
        and all(map(operator.le, lows, opens))
        and all(map(operator.le, lows, closes))
        and all(map(operator.ge, highs, opens))
        and all(map(operator.ge, highs, closes))
        and 0 <= min(volumes) <= max(volumes) <= MAX_VOLUME
    )


def _checked_bar(bar: Bar, start: datetime, end: datetime) -> Bar:
    stamp = require_aware("timestamp", bar.timestamp)
    if not start <= stamp < end:
        _refuse(bar, f"timestamp must lie in the window {start.isoformat()}..{end.isoformat()} that was asked for")
    values = {name: _integer(bar, name) for name in (*PRICE_COLUMNS, "volume")}
    checked = Bar(stamp, **values)
    fault = bar_fault(checked)
    if fault:
        _refuse(bar, fault)
    return checked


def _integer(bar: Bar, name: str) -> int:
    value: object = getattr(bar, name)
    try:
        number = operator.index(value)  # type: ignore[arg-type] # that is the question
    except TypeError:
        _refuse(bar, f"{name} must be an int (prices in micros), was {value!r} of type {type(value).__name__}")
    if isinstance(value, bool) or abs(number) > MAX_MICROS:
        _refuse(bar, f"{name} must be an int of at most 63 bits, was {value!r}")
    return number


def _refuse_repeated(bars: Sequence[Bar]) -> None:
    for before, after in pairwise(sorted(bars)):
        if before.timestamp == after.timestamp:
            _refuse(after, "timestamp must occur once in an answer, came twice")


def _refuse(bar: Bar, reason: str) -> NoReturn:
    message = f"bar {bar.timestamp}: {reason}; nothing was written"
    raise InvalidInputError(message)
