"""Whether the rows of a file stand in order, and whether their times fit the bars that they are said to be.

Nobody's order is trusted: every row of a file is looked at before one is given away. Rows of one
symbol run oldest or newest first; symbols may come one after the other, or all of one time together.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import gcd
from operator import attrgetter, ge, gt, le, lt
from statistics import median
from typing import NamedTuple

from jutsu_core.bars import Timeframe

_SATURDAY, _SUNDAY = 5, 6
_NO_SATURDAYS_SINCE = date(1952, 9, 29).toordinal()
"""From when on New York did not trade on Saturdays any more."""
_WHOLE_WEEKENDS = 2
_MOST_RUNS = 20_000
_MINUTES = {Timeframe.M1: 1, Timeframe.M5: 5, Timeframe.M10: 10, Timeframe.M15: 15, Timeframe.M30: 30}
_LEAST_ROWS_ON_A_GRID = 3
_HOUR = 60
_LEAST_STEPS, _LEAST_DAYS = 6, 2
"""So many distances between rows, on so many days, tell a frame; fewer may be those of a file with holes."""
_MINUTE = timedelta(minutes=1)
MOST_YEARS_APART = 50
_MOST_APART = timedelta(days=MOST_YEARS_APART * 366)
"""No market rests so long: one of two neighbours that lie further apart was mistyped."""
_APART = {Timeframe.D1: ((25, 2, "a month"), (5, 4, "a week"))}
"""So many days between all rows, seen so often, say that bars are longer than they are said to be."""
_AT_LEAST_APART = {Timeframe.W1: 5, Timeframe.MO1: 25}
"""So many days lie between most bars of a week or a month."""
_when = attrgetter("minute", "second", "microsecond")


class Spot(NamedTuple):
    """Where a row stands."""

    stamp: datetime
    offset: int


class Misplaced(NamedTuple):
    """A row that is not in its place.

    Attributes:
        spot: The row.
        other: The row that it does not go with.
        is_repeated: Whether both are of one time.
    """

    spot: Spot
    other: Spot
    is_repeated: bool = False

    @property
    def is_far(self) -> bool:
        """Whether they lie so far apart that the row was mistyped, in whatever order it stands."""
        return _are_far(self.spot.stamp, self.other.stamp)


class _Track:
    """The rows of one symbol so far."""

    __slots__ = ("before", "doubt", "last")

    def __init__(self) -> None:
        self.before: Spot | None = None
        self.last: Spot | None = None
        self.doubt: Spot | None = None


class Order:
    """Follows the rows of a file, and finds those that are not in their place.

    Of two neighbours in the wrong order it is the next row that tells which of them is wrong: one date
    that was mistyped makes no other row wrong.

    Args:
        falls: Whether the file runs newest first.

    Attributes:
        runs: Where pieces of the file begin within which time runs one way.
        latest: By symbol, the time of its newest row, and where it or its block begins.
        strays: How many rows, taken one by one, were out of place; repeated ones are not.
    """

    def __init__(self, *, falls: bool) -> None:
        self._ahead, self._not_behind = (lt, le) if falls else (gt, ge)
        self.falls = falls
        self.runs: list[int] = []
        self.latest: dict[str, tuple[datetime, int]] = {}
        self.strays = 0
        self._tracks: dict[str, _Track] = {}
        self._tail: datetime | None = None

    def is_smooth(self, symbols: Sequence[str], stamps: Sequence[datetime]) -> bool:
        """Return whether some rows follow those before them, without one that is not in its place."""
        if self._tail is not None and not self._ahead(stamps[0], self._tail):
            return False
        if any(track.doubt for track in self._tracks.values()) or self._leaps(symbols, stamps):
            return False
        ahead, behind = stamps[1:], stamps[:-1]
        if all(map(self._ahead, ahead, behind)):
            return True
        if not all(map(self._not_behind, ahead, behind)):
            return False
        return len(set(zip(symbols, stamps, strict=True))) == len(stamps)

    def follow(self, symbols: Sequence[str], stamps: Sequence[datetime], offset: int) -> None:
        """Take rows that are smooth; ``offset`` is where their block begins, and stands for that of each row."""
        if not self.runs:
            self.runs.append(offset)
        self._tail = stamps[-1]
        if len(set(symbols)) == 1:
            # Only the last two rows of a symbol, and its newest one, are ever asked for.
            self._append(symbols[0], stamps[-2:], offset)
            self._newest(symbols[0], stamps[0] if self.falls else stamps[-1], offset)
            return
        rows = list(zip(symbols, stamps, strict=True))
        for symbol, stamp in rows:
            self._append(symbol, (stamp,), offset)
        for symbol, stamp in dict(reversed(rows) if self.falls else rows).items():
            self._newest(symbol, stamp, offset)

    def take(self, symbol: str, stamp: datetime, offset: int) -> list[Misplaced]:
        """Take one row; return what is now known not to be in its place."""
        if not self.runs or (self._tail is not None and not self._not_behind(stamp, self._tail)):
            self.runs.append(offset)
        self._tail = stamp
        self._newest(symbol, stamp, offset)
        wrong = self._wrong(self._track(symbol), Spot(stamp, offset))
        self.strays += sum(not one.is_repeated for one in wrong)
        return wrong

    def _wrong(self, track: _Track, spot: Spot) -> list[Misplaced]:
        last, doubt, before = track.last, track.doubt, track.before
        if last is not None and self._ahead(spot.stamp, last.stamp) and _are_far(spot.stamp, last.stamp):
            return self._leaping(track, spot, last)
        if last is None or self._ahead(spot.stamp, last.stamp):
            track.before, track.last, track.doubt = last, spot, None
            return [] if doubt is None or last is None else [Misplaced(doubt, last)]
        if spot.stamp == last.stamp:
            return [Misplaced(spot, last, is_repeated=True)]
        if doubt is None and (before is None or self._ahead(spot.stamp, before.stamp)):
            track.doubt = spot
            return []
        if doubt is None or not self._ahead(spot.stamp, doubt.stamp):
            return [Misplaced(spot, last)]
        # Two rows in order, both before the last one: that one stood too far ahead.
        track.before, track.last, track.doubt = doubt, spot, None
        return [Misplaced(last, doubt)]

    def _leaping(self, track: _Track, spot: Spot, last: Spot) -> list[Misplaced]:
        """Take a row far ahead of the one before: the next row tells which of them was mistyped."""
        doubt = track.doubt
        if doubt is None:
            track.doubt = spot
            return []
        if track.before is None and self._ahead(spot.stamp, doubt.stamp) and not _are_far(spot.stamp, doubt.stamp):
            track.before, track.last, track.doubt = doubt, spot, None
            return [Misplaced(last, doubt)]
        return [Misplaced(spot, last)]

    def _leaps(self, symbols: Sequence[str], stamps: Sequence[datetime]) -> bool:
        """Return whether a row may lie too far from the one of its symbol before it."""
        if not _are_far(stamps[0], stamps[-1]):  # nearly always; of rows in order these are the furthest apart
            known = (track.last for symbol in set(symbols) if (track := self._tracks.get(symbol)))
            return any(last is not None and _are_far(last.stamp, stamps[-1]) for last in known)
        lasts = {symbol: track.last.stamp for symbol, track in self._tracks.items() if track.last}
        for symbol, stamp in zip(symbols, stamps, strict=True):
            if _are_far(lasts.get(symbol, stamp), stamp):
                return True
            lasts[symbol] = stamp
        return False

    def doubts(self) -> list[Misplaced]:
        """Return the last two rows of a symbol, each for the other, where no third one tells which is misplaced."""
        found: list[Misplaced] = []
        for track in self._tracks.values():
            if track.doubt and track.last:
                found.append(Misplaced(track.doubt, track.last))
                if not found[-1].is_far or track.before is None:  # else the last one has a neighbour of its own
                    found.append(Misplaced(track.last, track.doubt))
        return found

    @property
    def is_scattered(self) -> bool:
        """Whether the file changes its direction so often that it has none."""
        return len(self.runs) > _MOST_RUNS

    def _append(self, symbol: str, stamps: Sequence[datetime], offset: int) -> None:
        track = self._track(symbol)
        for stamp in stamps:
            track.before, track.last = track.last, Spot(stamp, offset)

    def _newest(self, symbol: str, stamp: datetime, block: int) -> None:
        known = self.latest.get(symbol)
        if known is None or stamp > known[0]:
            self.latest[symbol] = (stamp, block)

    def _track(self, symbol: str) -> _Track:
        found = self._tracks.get(symbol)
        if found is None:
            found = self._tracks[symbol] = _Track()
        return found


class Calendar:
    """The dates and times of day that occur in a file, and what they say of its bars.

    Args:
        timeframe: What the bars are said to be.

    Attributes:
        rows: How many rows there are.
    """

    def __init__(self, timeframe: Timeframe) -> None:
        self._timeframe = timeframe
        self._grid = _MINUTES.get(timeframe)
        self._days: set[int] = set()
        self._minutes: set[int] = set()
        self._frame, self._last = 0, datetime.min.replace(tzinfo=UTC)
        self._steps = Counter[int]()
        self._stepped: set[int] = set()
        self.rows = 0

    def is_on_grid(self, stamps: Iterable[datetime]) -> bool:
        """Return whether bars of this length begin at these times."""
        if self._grid is None:
            return True
        return all(
            not second and not micro and minute % self._grid == 0 for minute, second, micro in map(_when, stamps)
        )

    def take(self, stamps: Sequence[datetime]) -> None:
        """Remember the times of some rows."""
        self.rows += len(stamps)
        if self._grid is None:
            self._days.update(map(datetime.toordinal, stamps))
        else:
            self._minutes.update(map(attrgetter("minute"), stamps))
            if self._frame != self._grid:  # else the first rows have told
                self._measure(stamps)

    def _measure(self, stamps: Sequence[datetime]) -> None:
        """Measure the distances between neighbouring rows of a day."""
        for before, after in pairwise((self._last, *stamps)):
            if before.date() == after.date() and (step := abs(after - before) // _MINUTE):
                self._frame = gcd(self._frame, step)
                self._steps[step] += 1
                if len(self._stepped) < _LEAST_DAYS:
                    self._stepped.add(after.toordinal())
        self._last = stamps[-1]

    def _is_of_longer_steps(self) -> bool:
        """Return whether all distances are multiples of one, the usual one, that is longer than the bars."""
        steps = self._steps.total()
        is_told = steps >= _LEAST_STEPS and len(self._stepped) >= _LEAST_DAYS
        return is_told and self._frame != self._grid and self._steps[self._frame] > steps / 2

    def contradiction(self) -> str | None:
        """Return why the rows cannot be bars of this length, None if they can."""
        if self._grid is not None:
            step = gcd(_HOUR, *self._minutes)
            if self.rows >= _LEAST_ROWS_ON_A_GRID and step != self._grid:
                return f"all rows begin on a grid of {step} minutes"
            # Hourly bars of New York begin at half past, as those of half an hour do.
            if self._is_of_longer_steps():
                return f"the rows of every day lie {self._frame} minutes apart"
            return None
        gaps = [after - before for before, after in pairwise(sorted(self._days))]
        for days, times, words in _APART.get(self._timeframe, ()):
            if len(gaps) >= times and min(gaps) >= days:
                return f"all rows are {words} or more apart"
        least = _AT_LEAST_APART.get(self._timeframe)
        return None if least is None or not gaps or median(gaps) >= least else "its rows are days apart"

    def weekend(self) -> frozenset[int]:
        """Return the Saturdays and Sundays, as ordinals, that no daily bar should be of."""
        return WeekendDays(self._days).stray if self._timeframe is Timeframe.D1 else frozenset()


class WeekendDays:
    """The Saturdays and Sundays among some days.

    A market that never closes has both days of every weekend, and shows that by two of them.

    Args:
        days: Ordinals.

    Attributes:
        stray: Those that a market with weekends has no bar of; none where it never closes.
    """

    def __init__(self, days: Iterable[int]) -> None:
        known = set(days)
        saturdays, sundays = ({day for day in known if (day - 1) % 7 == one} for one in (_SATURDAY, _SUNDAY))
        half = {day for day in saturdays if day + 1 not in sundays and day != max(known)}
        half |= {day for day in sundays if day - 1 not in saturdays and day != min(known)}
        never_closes = not half and sum(day + 1 in sundays for day in saturdays) >= _WHOLE_WEEKENDS
        traded = {day for day in saturdays if day < _NO_SATURDAYS_SINCE}
        self.stray = frozenset() if never_closes else frozenset((saturdays | sundays) - traded)


def _are_far(one: datetime, other: datetime) -> bool:
    return abs(one - other) > _MOST_APART


def falls(symbols: Sequence[str], stamps: Sequence[datetime]) -> bool | None:
    """Return whether rows run newest first, as most of them do; None where they do not tell."""
    balance, last = 0, dict[str, datetime]()
    for symbol, stamp in zip(symbols, stamps, strict=True):
        before = last.get(symbol, stamp)
        balance += (stamp > before) - (stamp < before)
        last[symbol] = stamp
    balance = balance or sum((after > before) - (after < before) for before, after in pairwise(stamps))
    return None if balance == 0 else balance < 0
