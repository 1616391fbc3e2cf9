"""The questions that price history answers: which are legal, and the fewest that cover a window.

Schwab accepts these combinations, and answers any other with a 400:

===========  ==========================  ====================  =================
period type  period                      frequency type        frequency
===========  ==========================  ====================  =================
day          1, 2, 3, 4, 5, 10           minute                1, 5, 10, 15, 30
month        1, 2, 3, 6                  daily, weekly         1
year         1, 2, 3, 5, 10, 15, 20      daily, weekly,        1
                                         monthly
ytd          1                           daily, weekly         1
===========  ==========================  ====================  =================

Its bounds are not to be relied on: minute bounds act on whole sessions, and whether a bar
stamped at the end is included is not known. So every question asks for a margin on either
side, and what comes is clipped afterwards.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from jutsu_core.bars import Timeframe, require_aware
from jutsu_core.errors import InvalidInputError

PERIODS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"day": (1, 2, 3, 4, 5, 10), "month": (1, 2, 3, 6), "year": (1, 2, 3, 5, 10, 15, 20), "ytd": (1,)}
)
FREQUENCY_TYPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "day": ("minute",),
        "month": ("daily", "weekly"),
        "year": ("daily", "weekly", "monthly"),
        "ytd": ("daily", "weekly"),
    }
)
FREQUENCIES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"minute": (1, 5, 10, 15, 30), "daily": (1,), "weekly": (1,), "monthly": (1,)}
)

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
_SYMBOL = re.compile(r"[A-Z0-9$^./_-]{1,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceHistoryQuestion:
    """One legal request for price history.

    Attributes:
        symbol: As Schwab spells it: ``AAPL``, ``BRK/B``, ``$SPX``.
        period_type: ``day``, ``month``, ``year`` or ``ytd``.
        period: How many of them.
        frequency_type: ``minute``, ``daily``, ``weekly`` or ``monthly``.
        frequency: How many of them make a bar.
        start: First instant asked for, timezone-aware.
        end: Last instant asked for, timezone-aware.
        extended_hours: Whether minutes before the open and after the close are wanted.

    Raises:
        InvalidInputError: Schwab would refuse the combination, or read a bound as another instant.
    """

    symbol: str
    period_type: str
    period: int
    frequency_type: str
    frequency: int
    start: datetime
    end: datetime
    extended_hours: bool = False

    def __post_init__(self) -> None:
        check_symbol(self.symbol)
        _one_of("period_type", self.period_type, tuple(PERIODS))
        _one_of(f"period with period_type {self.period_type}", self.period, PERIODS[self.period_type])
        allowed = FREQUENCY_TYPES[self.period_type]
        _one_of(f"frequency_type with period_type {self.period_type}", self.frequency_type, allowed)
        known = FREQUENCIES[self.frequency_type]
        _one_of(f"frequency with frequency_type {self.frequency_type}", self.frequency, known)
        start, end = require_aware("start", self.start), require_aware("end", self.end)
        if not _EARLIEST <= start < end:
            message = f"end must be after start, and start after 1970, were {start.isoformat()} and {end.isoformat()}"
            raise InvalidInputError(message)


class _Shape(NamedTuple):
    period_type: str
    period: int
    frequency_type: str
    frequency: int
    longest: timedelta | None
    margin: timedelta


_DAY = timedelta(days=1)
# Windows of minutes are as long as keeps a reply, extended hours included, well below the 40,000
# candles beyond which Schwab was seen to drop the oldest without a word.
_SHAPES: Mapping[Timeframe, _Shape] = MappingProxyType(
    {
        Timeframe.M1: _Shape("day", 10, "minute", 1, 10 * _DAY, _DAY),
        Timeframe.M5: _Shape("day", 10, "minute", 5, 60 * _DAY, _DAY),
        Timeframe.M10: _Shape("day", 10, "minute", 10, 120 * _DAY, _DAY),
        Timeframe.M15: _Shape("day", 10, "minute", 15, 180 * _DAY, _DAY),
        Timeframe.M30: _Shape("day", 10, "minute", 30, 360 * _DAY, _DAY),
        Timeframe.D1: _Shape("year", 20, "daily", 1, None, _DAY),
        Timeframe.W1: _Shape("year", 20, "weekly", 1, None, 7 * _DAY),
        Timeframe.MO1: _Shape("year", 20, "monthly", 1, None, 31 * _DAY),
    }
)


class AskedWindow(NamedTuple):
    """A part of what was asked for, ``start ≤ key < end``, and the question that brings it."""

    start: datetime
    end: datetime
    question: PriceHistoryQuestion


def questions(
    symbol: str, timeframe: Timeframe, start: datetime, end: datetime, *, extended_hours: bool = False
) -> list[AskedWindow]:
    """Return the fewest questions that bring the bars with ``start ≤ timestamp < end``, oldest first.

    Args:
        symbol: As Schwab spells it.
        timeframe: Any that Schwab serves.
        start: Timezone-aware.
        end: Timezone-aware, after ``start``.
        extended_hours: Whether minutes before the open and after the close are wanted.

    Raises:
        InvalidInputError: An argument breaks its contract.

    Examples:
        >>> january = datetime(2025, 1, 1, tzinfo=UTC)
        >>> len(questions("AAPL", Timeframe.M1, january, january + timedelta(days=25)))
        3
    """
    check_symbol(symbol)
    first, after = require_aware("start", start), require_aware("end", end)
    if after <= first:
        message = f"end must be after start {first.isoformat()}, was {after.isoformat()}"
        raise InvalidInputError(message)
    if after <= _EARLIEST:
        message = f"end must be after 1970-01-01, was {after.isoformat()}; Schwab's history begins in 1985"
        raise InvalidInputError(message)
    shape = _SHAPES[timeframe]
    windows = []
    while first < after:
        until = after if shape.longest is None else min(first + shape.longest, after)
        question = PriceHistoryQuestion(
            symbol=symbol,
            period_type=shape.period_type,
            period=shape.period,
            frequency_type=shape.frequency_type,
            frequency=shape.frequency,
            start=max(first, _EARLIEST + shape.margin) - shape.margin,
            end=min(until, _LATEST) + shape.margin,
            extended_hours=extended_hours,
        )
        windows.append(AskedWindow(first, until, question))
        first = until
    return windows


def check_symbol(symbol: str) -> None:
    """Raise unless ``symbol`` can be one of Schwab's.

    Raises:
        InvalidInputError: It is empty, too long, or has characters that no symbol has.

    Examples:
        >>> check_symbol("BRK/B")
    """
    if not _SYMBOL.fullmatch(symbol):
        message = (
            f"symbol must be a ticker in capitals such as AAPL, BRK/B or $SPX, was {symbol!r}; share classes take a"
            " slash, indexes a dollar sign"
        )
        raise InvalidInputError(message)


def _one_of(name: str, value: object, known: tuple[object, ...]) -> None:
    if value not in known:
        message = f"{name} must be one of {', '.join(map(str, known))}, was {value}"
        raise InvalidInputError(message)
