"""One look at every row of a file of bars, before one is given away."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise

from jutsu_assets.barfiles.lines import Lines, lines_of
from jutsu_assets.barfiles.placing import MOST_YEARS_APART, Calendar, Misplaced, Order, falls
from jutsu_assets.barfiles.reading import Reading
from jutsu_assets.barfiles.rows import RowFaultError, RowReader
from jutsu_core.bars import Bar
from jutsu_core.errors import InvalidInputError

_SMALL_BLOCK = 4_096
_BLOCKS_TO_TELL = 64
_STRAYS = 10
"""So many rows out of place are rows; more of them, and a tenth of the file, are a file in no order."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look at every row of a file tells.

    Attributes:
        falls: Whether the file runs newest first.
        runs: The pieces within which time runs one way, by the offsets where they begin and end.
        latest: By symbol, the time of its newest row, and where it or its block begins.
        misplaced: What is wrong with the place of a row, by its offset, ascending.
        weekend: Ordinals of the days that no bar should be of.
    """

    falls: bool
    runs: tuple[tuple[int, int], ...]
    latest: dict[str, tuple[datetime, int]]
    misplaced: dict[int, str]
    weekend: frozenset[int]


class _NotSmoothError(Exception):
    """A row is not in its place; which one, a closer look tells."""


class Surveyor:
    """Looks at the rows of one file.

    Args:
        lines: The lines of the file.
        reader: Reads its rows.
        reading: How it is to be read.
    """

    def __init__(self, lines: Lines, reader: RowReader, reading: Reading) -> None:
        self._lines, self._reader, self._reading = lines, reader, reading
        self._quarantines = reading.on_bad_row == "quarantine"

    def survey(self) -> Survey:
        """Look at every row.

        Raises:
            InvalidInputError: They are no such bars, or one has no time, or is not in its place.
        """
        try:
            return self._look(exactly=self._quarantines)
        except _NotSmoothError:
            return self._look(exactly=True)

    def _look(self, *, exactly: bool) -> Survey:
        """Look at every row once, one by one if ``exactly``, else at many together where that suffices."""
        order, calendar = Order(falls=self._falls), Calendar(self._reading.timeframe)
        misplaced: dict[int, str] = {}
        for offset, block in self._blocks():
            placed = None if exactly else self._reader.places(block)
            if placed and calendar.is_on_grid(placed[1]) and order.is_smooth(*placed):
                order.follow(*placed, offset)
                calendar.take(placed[1])
                continue
            for at, raw in lines_of(offset, block):
                found = self._place(at, raw, calendar)
                for wrong in order.take(*found, at) if found else ():
                    if not exactly:
                        raise _NotSmoothError
                    self._misplace(wrong, misplaced)
        if not exactly and order.doubts():
            raise _NotSmoothError
        for wrong in order.doubts():
            self._misplace(wrong, misplaced)
        if order.is_scattered or order.strays > max(_STRAYS, calendar.rows // 10):
            message = (
                f"{self._lines.path}: must be in the order of time, or of its symbols, was in none: a tenth of its rows"
                " or more are out of place; sort it"
            )
            raise InvalidInputError(message)
        self._check(calendar)
        weekend = calendar.weekend() if self._reading.weekends == "error" else frozenset()
        runs = tuple(pairwise([*order.runs, self._lines.size]))
        return Survey(order.falls, runs, order.latest, dict(sorted(misplaced.items())), weekend)

    def _place(self, at: int, raw: bytes, calendar: Calendar) -> tuple[str, datetime] | None:
        """Return the symbol and time of a line; None for one that has none, if such lines are left out."""
        try:
            if not (cells := self._reader.cells(raw)):
                return None
            symbol, stamp = self._reader.place(cells)
            if calendar.is_on_grid((stamp,)):
                calendar.take((stamp,))
                return symbol, stamp
            problem = self._reader.off_grid(stamp)
        except RowFaultError as fault:
            problem = str(fault)
        if self._quarantines:
            return None
        raise self._lines.fault(at, problem)

    def _misplace(self, wrong: Misplaced, misplaced: dict[int, str]) -> None:
        """Refuse a row that is not in its place, or remember it."""
        spot, other, is_repeated = wrong
        line = self._lines.number(other.offset)
        if wrong.is_far:
            must_be = f"within {MOST_YEARS_APART} years of {other.stamp.isoformat()} of line {line}, its neighbour"
            remedy = "correct it, if a digit was mistyped"
        elif not is_repeated:
            word = "before" if (spot.offset > other.offset) == self._falls else "after"
            must_be = f"{word} {other.stamp.isoformat()} of line {line}"
            remedy = "sort the file by time and remove repeated rows; if its bars are not daily, say their timeframe"
        else:
            mine, others = self._values(spot.offset), self._values(other.offset)
            if self._quarantines and (mine is None or others is None):
                return  # one of them is no bar anyway, and is left out for that
            is_same = mine is not None and mine == others
            words = "says the same" if is_same else "says otherwise, so that nobody knows which is right"
            must_be = f"of a time of its own, after {other.stamp.isoformat()} of line {line}, which {words}"
            remedy = "remove one of them; if its bars are not daily, say their timeframe"
            if not is_same:
                back = must_be.replace(f"line {line}", f"line {self._lines.number(spot.offset)}")
                misplaced[other.offset] = self._reader.problem_of_time(back, other.stamp.isoformat(), remedy)
        misplaced[spot.offset] = self._reader.problem_of_time(must_be, spot.stamp.isoformat(), remedy)
        if not self._quarantines:
            raise self._lines.fault(spot.offset, misplaced[spot.offset])

    def _values(self, offset: int) -> Bar | None:
        raw = next(self._lines.blocks(offset, self._lines.size, size=_SMALL_BLOCK))[1].split(b"\n", 1)[0]
        try:
            cells = self._reader.cells(raw)
            return self._reader.bar(self._reader.place(cells)[1], cells)
        except RowFaultError:
            return None

    def _check(self, calendar: Calendar) -> None:
        if contradiction := calendar.contradiction():
            frame = self._reading.timeframe.value
            message = (
                f"{self._lines.path}: must hold bars of {frame}, but {contradiction}; say their timeframe, or their"
                " date_order if its dates were misread"
            )
            raise InvalidInputError(message)

    @cached_property
    def _falls(self) -> bool:
        blocks = self._lines.blocks(self._lines.first, self._lines.size, size=_SMALL_BLOCK)
        for number, (offset, block) in enumerate(blocks):
            symbols, stamps = self._reader.places(block) or self._placed_one_by_one(offset, block)
            told = falls(symbols, stamps)
            if told is not None or number == _BLOCKS_TO_TELL:
                return bool(told)
        return False

    def _placed_one_by_one(self, offset: int, block: bytes) -> tuple[list[str], list[datetime]]:
        symbols, stamps = [], []
        for _, raw in lines_of(offset, block):
            try:
                if cells := self._reader.cells(raw):
                    symbol, stamp = self._reader.place(cells)
                    symbols.append(symbol)
                    stamps.append(stamp)
            except RowFaultError:
                continue
        return symbols, stamps

    def _blocks(self) -> Iterator[tuple[int, bytes]]:
        return self._lines.blocks(self._lines.first, self._lines.size)
