"""Where bars may stand: from Schwab's stamps to the keys of final bars, for each timeframe.

=========  =============================  =====================================
timeframe  Schwab's stamp                 key
=========  =============================  =====================================
1m … 30m   the bar's start                the same
1d         midnight Chicago (final),      00:00 UTC of the stamp's UTC date
           midnight New York (forming)
1w         a day of the week              00:00 UTC of that week's Monday
1mo        midnight Chicago of the 1st    00:00 UTC of the 1st
=========  =============================  =====================================

A bar is final when its time is over and has settled: a minute after the end of an intraday
bar, and when the calendar says so for the last session of a longer one.
"""

from abc import ABC, abstractmethod
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from jutsu_core.bars import Timeframe
from jutsu_core.calendar import TradingCalendar

INTRADAY_SETTLING = timedelta(minutes=1)
NEW_YORK = ZoneInfo("America/New_York")
EXTENDED_OPEN, EXTENDED_CLOSE = time(4), time(20)

MINUTES = {Timeframe.M1: 1, Timeframe.M5: 5, Timeframe.M10: 10, Timeframe.M15: 15, Timeframe.M30: 30}

_MS_PER_MINUTE = 60_000
_MS_PER_DAY = 86_400_000
_US_PER_MS = 1000
_EPOCH = date(1970, 1, 1)
_EPOCH_WEEKDAY = _EPOCH.weekday()

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Placement(NamedTuple):
    """Where candles stand.

    Attributes:
        keys: Microseconds since 1970.
        wanted: Which of them were asked for.
        faults: By position, why a candle that was asked for cannot be a final bar.
    """

    keys: Integers
    wanted: Mask
    faults: dict[int, str]


class Grid(ABC):
    """The places of the final bars of one timeframe inside a window.

    Args:
        start: First instant wanted.
        end: First instant no longer wanted.
        calendar: Sessions of the exchange.
        now: Tells which bars are final.
    """

    def __init__(self, start: datetime, end: datetime, calendar: TradingCalendar, now: datetime) -> None:
        self._first, self._after = (_micros(bound) for bound in (start, end))
        self._calendar = calendar
        self._now = now

    def place(self, stamps: Integers) -> Placement:
        """Say where candles with these ``stamps`` (milliseconds since 1970) stand."""
        keys = self._keys(stamps)
        wanted = (self._first <= keys) & (keys < self._after)
        faults: dict[int, str] = {}
        positions = np.flatnonzero(wanted)
        for fault, is_faulty in self._faults(stamps[positions], keys[positions]):
            for position in positions[is_faulty].tolist():
                faults.setdefault(position, fault)
        return Placement(keys, wanted, faults)

    @abstractmethod
    def _keys(self, stamps: Integers) -> Integers: ...

    @abstractmethod
    def _faults(self, stamps: Integers, keys: Integers) -> list[tuple[str, Mask]]: ...

    def _sessions(self) -> list[date]:
        return self._calendar.sessions(self._calendar.first, self._calendar.last)

    def _session_days(self) -> Integers:
        return _days(tuple(self._sessions()))

    def _newest_day(self) -> int:
        newest = self._calendar.last_complete_session(self._now)
        return -1 if newest is None else (newest - _EPOCH).days


class DailyGrid(Grid):
    """Daily bars: one a session."""

    def _keys(self, stamps: Integers) -> Integers:
        return stamps // _MS_PER_DAY * (_MS_PER_DAY * _US_PER_MS)

    def _faults(self, stamps: Integers, keys: Integers) -> list[tuple[str, Mask]]:
        days = keys // (_MS_PER_DAY * _US_PER_MS)
        return [
            ("session date must be a session of the exchange", ~np.isin(days, self._session_days())),
            ("bar must be final, was stamped as still forming", _new_york_ms(stamps) % _MS_PER_DAY == 0),
            ("bar must be final, its session has not settled yet", days > self._newest_day()),
        ]


class PeriodGrid(Grid):
    """Weekly or monthly bars: one a period that holds a session."""

    def __init__(
        self, start: datetime, end: datetime, calendar: TradingCalendar, now: datetime, *, unit: Timeframe
    ) -> None:
        super().__init__(start, end, calendar, now)
        self._unit = unit

    def _keys(self, stamps: Integers) -> Integers:
        return self._first_days(stamps // _MS_PER_DAY) * (_MS_PER_DAY * _US_PER_MS)

    def _first_days(self, days: Integers) -> Integers:
        if self._unit is Timeframe.W1:
            return days - (days + _EPOCH_WEEKDAY) % 7
        months = days.astype("datetime64[D]").astype("datetime64[M]")
        return months.astype("datetime64[D]").astype(np.int64)

    def _faults(self, stamps: Integers, keys: Integers) -> list[tuple[str, Mask]]:
        del stamps
        firsts = keys // (_MS_PER_DAY * _US_PER_MS)
        sessions = self._session_days()
        known = np.unique(self._first_days(sessions))
        open_sessions = sessions[sessions > self._newest_day()]
        # What lies beyond the calendar is not over yet.
        forming = np.append(self._first_days(open_sessions), (self._calendar.last - _EPOCH).days + 1)
        word = "week" if self._unit is Timeframe.W1 else "month"
        return [
            (f"bar must be final, its {word} is not over yet", firsts >= forming.min()),
            (f"{word} must hold a session of the exchange", ~np.isin(firsts, known)),
        ]


class IntradayGrid(Grid):
    """Bars of some minutes inside sessions.

    Args:
        start: First instant wanted.
        end: First instant no longer wanted.
        calendar: Sessions of the exchange.
        now: Tells which bars are final.
        minutes: How long a bar lasts.
        extended_hours: Whether bars before the open and after the close are wanted.
    """

    def __init__(
        self,
        start: datetime,
        end: datetime,
        calendar: TradingCalendar,
        now: datetime,
        *,
        minutes: int,
        extended_hours: bool,
    ) -> None:
        super().__init__(start, end, calendar, now)
        self._length = minutes * _MS_PER_MINUTE
        self._extended_hours = extended_hours

    def place(self, stamps: Integers) -> Placement:
        """Say where candles with these ``stamps`` stand; outside regular hours they may not be wanted."""
        placement = super().place(stamps)
        if self._extended_hours:
            return placement
        # Schwab may send the closing auction beside the regular minutes: it was not asked for.
        beside = ~self._is_regular(stamps)
        for position in placement.faults:
            beside[position] = False
        return placement._replace(wanted=placement.wanted & ~beside)

    def _keys(self, stamps: Integers) -> Integers:
        return stamps * _US_PER_MS

    def _faults(self, stamps: Integers, keys: Integers) -> list[tuple[str, Mask]]:
        del keys
        local = _new_york_ms(stamps)
        at = local % _MS_PER_DAY
        inside = (_ms(EXTENDED_OPEN) <= at) & (at < _ms(EXTENDED_CLOSE))
        minutes = self._length // _MS_PER_MINUTE
        latest = _micros(self._now - INTRADAY_SETTLING) // _US_PER_MS - self._length
        return [
            (f"bar must start on a multiple of {minutes} min", stamps % self._length != 0),
            (
                "bar must start within a session or its extended hours",
                ~(inside & np.isin(local // _MS_PER_DAY, self._session_days())),
            ),
            ("bar must be final, was still forming", stamps > latest),
        ]

    def _is_regular(self, stamps: Integers) -> Mask:
        sessions = self._sessions()
        opens = np.array([_micros(self._calendar.open(day)) // _US_PER_MS for day in sessions], dtype=np.int64)
        closes = np.array([_micros(self._calendar.close(day)) // _US_PER_MS for day in sessions], dtype=np.int64)
        if not sessions:
            return np.zeros(len(stamps), dtype=bool)
        at = np.searchsorted(opens, stamps, side="right") - 1
        return (at >= 0) & (stamps < closes[at])


def grid_of(
    timeframe: Timeframe,
    start: datetime,
    end: datetime,
    calendar: TradingCalendar,
    now: datetime,
    *,
    extended_hours: bool = False,
) -> Grid:
    """Return the grid of ``timeframe`` for the window ``start ≤ key < end``."""
    if timeframe is Timeframe.D1:
        return DailyGrid(start, end, calendar, now)
    if timeframe in MINUTES:
        minutes = MINUTES[timeframe]
        return IntradayGrid(start, end, calendar, now, minutes=minutes, extended_hours=extended_hours)
    return PeriodGrid(start, end, calendar, now, unit=timeframe)


def _new_york_ms(stamps: Integers) -> Integers:
    moments = pd.DatetimeIndex(stamps.astype("datetime64[ms]")).tz_localize(UTC).tz_convert(NEW_YORK)
    local: Integers = moments.tz_localize(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
    return local


@lru_cache(maxsize=8)
def _days(sessions: tuple[date, ...]) -> Integers:
    return np.array([(session - _EPOCH).days for session in sessions], dtype=np.int64)


def _ms(moment: time) -> int:
    return (moment.hour * 60 + moment.minute) * _MS_PER_MINUTE


def _micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
