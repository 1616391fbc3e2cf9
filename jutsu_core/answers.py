"""What a store takes from a source: an answer whose every value is exact, sound, and inside its window.

A store keeps integers and instants. What is almost one (a NumPy integer) becomes one here, and
what is none (a float, a Decimal, a naive time) is refused before anything is written, with the
bar named; so are two bars of one time, and bars outside the window, which would rewrite history
unseen. An answer that a later one has overtaken has nothing to say about what that one covers.
"""

import operator
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from jutsu_core.arguments import require_items, require_type
from jutsu_core.bars import MAX_MICROS, PRICE_COLUMNS, Bar, require_aware, to_epoch
from jutsu_core.errors import InvalidInputError
from jutsu_core.ports import CoverageWindow, FetchedBars
from jutsu_core.quality.rules import bar_fault

LONGEST_SYMBOL = 32
_NO_COLUMNS: list[tuple[Any, ...]] = [()] * len(Bar._fields)

CLOCK_TOLERANCE = timedelta(days=1)
"""How far clocks may differ. What was recorded further ahead was recorded by a clock that was wrong."""


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


def checked_answer(fetched: FetchedBars) -> tuple[FetchedBars, NDArray[np.int64]]:
    """Return ``fetched`` with exact integers and UTC instants, if every bar of it can be kept; and its values.

    Returns:
        The answer with its bars ascending, and the same bars as an array of shape (n, 6):
        microseconds since 1970 UTC, the four prices in micros, volume.

    Raises:
        InvalidInputError: A bar breaks a rule; the message names it, what it is and what it must be.
    """
    require_type("fetched", fetched, FetchedBars, "what a BarSource fetched")
    start, end = require_aware("start", fetched.start), require_aware("end", fetched.end)
    asked_at = require_aware("asked_at", fetched.asked_at)
    if end < start:
        message = f"end must be at or after start {start.isoformat()}, was {end.isoformat()}"
        raise InvalidInputError(message)
    bars = fetched.bars
    # By columns first, because answers are long and nearly always sound.
    values = _exact_values(bars)
    if values is None or not _are_sound(values, to_epoch(start), to_epoch(end)):
        bars = tuple(sorted(_checked_bar(bar, start, end) for bar in bars))
        _refuse_repeated(bars)
        values = _values(list(zip(*bars, strict=True)))
    return replace(fetched, start=start, end=end, asked_at=asked_at, bars=bars), values


def later_windows(fetched: FetchedBars, coverage: Iterable[CoverageWindow], now: datetime) -> list[CoverageWindow]:
    """Return the windows that overlap the answer's and were asked for after it.

    A window that was asked for more than a day after ``now`` was so by a clock that was ahead; it
    must not silence every answer until then.

    Raises:
        InvalidInputError: An argument is not of its type.
    """
    require_type("fetched", fetched, FetchedBars, "what a BarSource fetched")
    windows, now = require_items("coverage", coverage, CoverageWindow, "a CoverageWindow"), require_aware("now", now)
    return [
        window
        for window in windows
        if fetched.asked_at < window.asked_at <= now + CLOCK_TOLERANCE
        and window.start < fetched.end
        and fetched.start < window.end
    ]


def are_outside(values: NDArray[np.int64], windows: Sequence[CoverageWindow]) -> NDArray[np.bool_]:
    """Return, for each row of ``values``, whether it lies in none of ``windows``.

    Raises:
        InvalidInputError: An argument is not of its type.
    """
    require_type("values", values, np.ndarray, "an array of bars, as checked_answer returns it")
    windows = require_items("windows", windows, CoverageWindow, "a CoverageWindow")
    stamps, outside = values[:, 0], np.ones(len(values), dtype=np.bool_)
    for window in windows:
        outside &= (stamps < to_epoch(window.start)) | (stamps >= to_epoch(window.end))
    return outside


def _exact_values(bars: Sequence[Bar]) -> NDArray[np.int64] | None:
    """Return ``bars`` as an array, or None where a value is not exactly what a bar holds."""
    try:
        columns = list(zip(*bars, strict=True)) or _NO_COLUMNS
        stamps, *numbers = columns
        is_exact = (
            set(map(type, stamps)) <= {datetime}
            and {stamp.tzinfo for stamp in stamps} <= {UTC}
            and all(set(map(type, column)) <= {int} for column in numbers)
        )
        return _values(columns) if is_exact else None
    except (TypeError, ValueError, OverflowError):
        return None


def _values(columns: Sequence[Sequence[Any]]) -> NDArray[np.int64]:
    count = len(columns[0])
    values = np.empty((count, len(columns)), dtype=np.int64)
    values[:, 0] = np.fromiter(map(to_epoch, columns[0]), dtype=np.int64, count=count)
    for index, column in enumerate(columns[1:], start=1):
        values[:, index] = np.fromiter(column, dtype=np.int64, count=count)
    return values


def _are_sound(values: NDArray[np.int64], start: int, end: int) -> bool:
    if not len(values):
        return True
    stamps, opens, highs, lows, closes, volumes = values.T
    return bool(
        start <= stamps[0]
        and stamps[-1] < end
        and (stamps[1:] > stamps[:-1]).all()
        and lows.min() > 0
        and volumes.min() >= 0
        and (lows <= np.minimum(opens, closes)).all()
        and (highs >= np.maximum(opens, closes)).all()
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
    for before, after in pairwise(bars):
        if before.timestamp == after.timestamp:
            _refuse(after, "timestamp must occur once in an answer, came twice")


def _refuse(bar: Bar, reason: str) -> NoReturn:
    message = f"bar {bar.timestamp}: {reason}; nothing was written"
    raise InvalidInputError(message)
