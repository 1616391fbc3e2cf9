"""One file of bars: its rows, checked, in the order of time.

A file is surveyed once, and then read in blocks, so memory does not grow with its length. A row is a
bar that keeps every rule, or it is refused with the file, the line, the column, what it must be, what
it was and what to do; or left out, where the user said so. Only blank rows and Barchart's last one
are skipped.

What does not belong here: folders (``folders``), and the questions of an engine (``CSVDataHandler``).
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cached_property
from heapq import merge
from itertools import chain, groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from jutsu_assets.barfiles.date_orders import OrderEvidence
from jutsu_assets.barfiles.dates import numeric_date
from jutsu_assets.barfiles.layout import Layout, read_layout
from jutsu_assets.barfiles.lines import BLOCK_BYTES, Lines
from jutsu_assets.barfiles.placing import Calendar, Misplaced, Order, falls
from jutsu_assets.barfiles.reading import DateOrder, LeftOutRow, Reading
from jutsu_assets.barfiles.rows import Row, RowFaultError, RowReader
from jutsu_core.bars import Bar, Timeframe
from jutsu_core.errors import InvalidInputError

_LEAST_BLOCK = 4_096
_BLOCKS_TO_TELL = 16
_LONG = (Timeframe.W1, Timeframe.MO1)
_SAY_ORDER = "say date_order='day_first' or 'month_first', or write the year first"
_A_DAY = timedelta(hours=20)


class _Judged(NamedTuple):
    offset: int
    raw: bytes
    stamp: datetime | None
    row: Row | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class _Survey:
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


class BarFile:
    """A file of bars, as it is when this is made: a change of it is an error.

    A bar of a day or longer starts at 00:00 UTC of its date as written, a shorter one at its time.

    Args:
        path: The file.
        reading: How to read it.
        name: What it is about, if neither the reading nor the file says so.

    Raises:
        InvalidInputError: The file cannot be read, or its header cannot be understood. Every method raises
            it where the file is no file of such bars, and for the first row that is none.
    """

    def __init__(self, path: Path, reading: Reading, name: str) -> None:
        self.path, self.reading = path, reading
        self._lines = Lines(path)
        self.identity = self._lines.identity
        self._layout = self._read_layout()
        said = self._layout.symbol
        if None not in (said, reading.symbol) and said != reading.symbol:
            problem = f"column any: must be of {reading.symbol}, was of {said}; rename the file, or say symbol={said!r}"
            raise self._lines.fault(0, problem)
        self.name = reading.symbol or said or name
        self._reader = RowReader(self._layout, reading, lambda: self._date_order, self.name)
        self._quarantines = reading.on_bad_row == "quarantine"

    @property
    def has_symbols(self) -> bool:
        """Whether a column says what each row is about."""
        return "symbol" in self._layout.at

    @property
    def header_symbol(self) -> str | None:
        """Return the symbol that the header names, if it does."""
        return self._layout.symbol

    @property
    def symbols(self) -> frozenset[str]:
        """Return what the file is about; without a column of symbols, the file need not be read for it."""
        return frozenset(self._survey.latest) if self.has_symbols else frozenset({self.name})

    @property
    def holds_bars(self) -> bool:
        """Whether there is any row with a time."""
        return bool(self._survey.latest)

    def first_row_fault(self, problem: str) -> InvalidInputError:
        """Return the error of the first row."""
        return self._lines.fault(self._lines.first, problem)

    def rows(
        self, wanted: Collection[str] | None = None, end: datetime | None = None, *, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[Row]:
        """Yield the bars in time order, ties by symbol.

        Args:
            wanted: Symbols to return; all if None.
            end: First instant no longer wanted. That no earlier row comes after it, the survey knows.
            block_bytes: How much to read at once: less, where many files are read at the same time.
        """
        if not self.has_symbols and wanted is not None and self.name not in wanted:
            return
        survey = self._survey
        size = max(_LEAST_BLOCK, block_bytes // max(1, len(survey.runs)))
        runs = [self._run(*run, end, size) for run in survey.runs]
        rows = runs[0] if len(runs) == 1 else merge(*runs, key=_stamp)
        if self.has_symbols:
            rows = chain.from_iterable(sorted(same) for _, same in groupby(rows, key=_stamp))
        for row in rows:
            if end is not None and row[1][0] >= end:
                return
            if wanted is None or row[0] in wanted:
                yield row

    def newest(self, symbol: str) -> Bar | None:
        """Return the newest bar of ``symbol``, or None; its row alone is read, after the survey."""
        stamp, offset = self._survey.latest.get(symbol, (None, 0))
        if stamp is None:
            return None
        for begin, block in self._lines.blocks(offset, self._lines.size):
            for own, bar in self._rows_of(begin, block):
                if own == symbol and bar.timestamp == stamp:
                    return bar
            break
        # It was left out, or its block was cut otherwise.
        return max((bar for own, bar in self.rows((symbol,)) if own == symbol), default=None)

    def left_out(self) -> Iterator[LeftOutRow]:
        """Yield the rows that are left out, as they stand in the file; none unless the user said so."""
        if not self._quarantines:
            return
        for offset, block in self._all_blocks():
            for judged in self._judged(offset, block):
                if judged.problem is not None:
                    text = judged.raw.decode(errors="replace").rstrip("\r\n")
                    yield LeftOutRow(self.path, self._lines.number(judged.offset), judged.problem, text)

    def timeframe(self) -> Timeframe:
        """Return ``1d`` or ``1m``: which of the two its times are more like, if its rows are taken as minutes."""
        gaps, clocks, last = [0, 0], False, dict[str, datetime]()
        for _, block in self._lines.blocks(self._lines.first, self._lines.size):
            for _, raw in _lines_of(0, block):
                try:
                    if not (cells := self._reader.cells(raw)):
                        continue
                    moment, has_clock = self._reader.written(cells)
                    symbol = self._reader.symbol(cells)
                except RowFaultError:
                    continue
                clocks = clocks or "time" in self._layout.at or (has_clock and moment.time() != time())
                before, last[symbol] = last.get(symbol), moment.replace(tzinfo=None)
                if before is not None:
                    gaps[abs(last[symbol] - before) >= _A_DAY] += 1
            break
        is_daily = gaps[True] > gaps[False] if any(gaps) else not clocks
        return Timeframe.D1 if is_daily else Timeframe.M1

    @cached_property
    def _survey(self) -> _Survey:
        try:
            return self._look(exactly=self._quarantines)
        except _NotSmoothError:
            return self._look(exactly=True)

    def _look(self, *, exactly: bool) -> _Survey:
        """Look at every row once, one by one if ``exactly``, else at many together where that suffices."""
        order, calendar = Order(falls=self._falls), Calendar(self.reading.timeframe)
        misplaced: dict[int, str] = {}
        for offset, block in self._all_blocks():
            placed = None if exactly else self._reader.places(block)
            if placed and calendar.is_on_grid(placed[1]) and order.is_smooth(*placed):
                order.follow(*placed, offset)
                calendar.take(placed[1])
                continue
            for at, raw in _lines_of(offset, block):
                found = self._place(at, raw, calendar)
                for wrong in order.take(*found, at) if found else ():
                    if not exactly:
                        raise _NotSmoothError
                    self._misplace(wrong, misplaced)
        if not exactly and order.doubts():
            raise _NotSmoothError
        for wrong in order.doubts():
            self._misplace(wrong, misplaced)
        self._check(order, calendar)
        weekend = calendar.weekend() if self.reading.weekends == "error" else frozenset()
        runs = tuple(pairwise([*order.runs, self._lines.size]))
        survey = _Survey(order.falls, runs, order.latest, dict(sorted(misplaced.items())), weekend)
        if weekend and not self._quarantines:
            self._refuse_weekend(weekend)
        return survey

    def _place(self, at: int, raw: bytes, calendar: Calendar) -> tuple[str, datetime] | None:
        """Return the symbol and time of a line; None for one that has none, if such lines are left out."""
        try:
            if not (cells := self._reader.cells(raw)):
                return None
            symbol, stamp = self._reader.place(cells)
            problem = None if calendar.is_on_grid((stamp,)) else self._off_grid(stamp)
        except RowFaultError as fault:
            problem = str(fault)
        if problem is not None:
            if self._quarantines:
                return None
            raise self._lines.fault(at, problem)
        calendar.take((stamp,))
        return symbol, stamp

    def _misplace(self, wrong: Misplaced, misplaced: dict[int, str]) -> None:
        """Refuse a row that is not in its place, or remember it."""
        spot, other, is_repeated = wrong
        line = self._lines.number(other.offset)
        if not is_repeated:
            word = "before" if (spot.offset > other.offset) == self._falls else "after"
            must_be = f"{word} {other.stamp.isoformat()} of line {line}"
            remedy = "sort the file by time and remove repeated rows; if its bars are not daily, say their timeframe"
        else:
            is_same = self._values(spot.offset) == self._values(other.offset)
            words = "says the same" if is_same else "says otherwise, so that nobody knows which is right"
            must_be = f"of a time of its own, after {other.stamp.isoformat()} of line {line}, which {words}"
            remedy = "remove one of them; if its bars are not daily, say their timeframe"
            if not is_same:
                back = must_be.replace(f"line {line}", f"line {self._lines.number(spot.offset)}")
                misplaced[other.offset] = self._reader.problem_of_time(back, other.stamp.isoformat(), remedy)
        misplaced[spot.offset] = self._reader.problem_of_time(must_be, spot.stamp.isoformat(), remedy)
        if not self._quarantines:
            raise self._lines.fault(spot.offset, misplaced[spot.offset])

    def _values(self, offset: int) -> Bar | list[str] | None:
        raw = next(self._lines.blocks(offset, self._lines.size, size=_LEAST_BLOCK))[1].split(b"\n", 1)[0]
        try:
            cells = self._reader.cells(raw)
            return self._reader.bar(self._reader.place(cells)[1], cells)
        except RowFaultError:
            return None

    def _check(self, order: Order, calendar: Calendar) -> None:
        if order.is_scattered:
            message = f"{self.path}: must be in the order of time, or of its symbols, was in none; sort it"
            raise InvalidInputError(message)
        if contradiction := calendar.contradiction():
            frame = self.reading.timeframe.value
            message = (
                f"{self.path}: must hold bars of {frame}, but {contradiction}; say their timeframe, or their"
                " date_order if its dates were misread"
            )
            raise InvalidInputError(message)

    def _refuse_weekend(self, weekend: frozenset[int]) -> None:
        for offset, block in self._all_blocks():
            for judged in self._judged(offset, block, weekend):
                if judged.problem is not None:
                    raise self._lines.fault(judged.offset, judged.problem)

    def _run(self, begin: int, after: int, end: datetime | None, size: int) -> Iterator[Row]:
        for offset, block in self._lines.blocks(begin, after, backwards=self._survey.falls, size=size):
            yield from self._rows_of(offset, block, end)

    def _rows_of(self, offset: int, block: bytes, end: datetime | None = None) -> Iterable[Row]:
        survey = self._survey
        if not self._has_misplaced(offset, len(block)) and not survey.weekend:
            rows = self._reader.rows(block)
            if rows is not None:
                return reversed(rows) if survey.falls else rows
        judged = self._judged(offset, block)
        return self._kept(reversed(list(judged)) if survey.falls else judged, end)

    def _kept(self, judged: Iterable[_Judged], end: datetime | None) -> Iterator[Row]:
        for offset, _, stamp, row, problem in judged:
            if end is not None and stamp is not None and stamp >= end:
                continue  # nobody asked for it
            if problem is not None and not self._quarantines:
                raise self._lines.fault(offset, problem)
            if row is not None and problem is None:
                yield row

    def _judged(self, offset: int, block: bytes, weekend: frozenset[int] | None = None) -> Iterator[_Judged]:
        """Yield each line with its bar, or with what is wrong; a blank one has neither."""
        misplaced: dict[int, str] = {}
        if weekend is None:
            weekend, misplaced = self._survey.weekend, self._survey.misplaced
        calendar = Calendar(self.reading.timeframe)
        for at, raw in _lines_of(offset, block):
            row, stamp, problem = None, None, misplaced.get(at)
            try:
                if problem is None and (cells := self._reader.cells(raw)):
                    symbol, stamp = self._reader.place(cells)
                    problem = None if calendar.is_on_grid((stamp,)) else self._off_grid(stamp)
                    if stamp.toordinal() in weekend:
                        problem = self._at_weekend(stamp)
                    row = None if problem else (symbol, self._reader.bar(stamp, cells))
            except RowFaultError as fault:
                problem = str(fault)
            yield _Judged(at, raw, stamp, row, problem)

    def _off_grid(self, stamp: datetime) -> str:
        must_be = f"the start of a bar of {self.reading.timeframe.value}"
        return self._reader.problem_of_time(must_be, stamp.isoformat(), "say their timeframe, or correct the row")

    def _at_weekend(self, stamp: datetime) -> str:
        remedy = "correct or remove the row, or say weekends='keep' if the market trades then"
        return self._reader.problem_of_time("a day from Monday to Friday", f"{stamp:%A} {stamp:%Y-%m-%d}", remedy)

    def _has_misplaced(self, offset: int, length: int) -> bool:
        offsets = list(self._survey.misplaced)  # nearly always none
        return bisect_left(offsets, offset) != bisect_left(offsets, offset + length)

    @cached_property
    def _falls(self) -> bool:
        for number, (offset, block) in enumerate(self._all_blocks()):
            symbols, stamps = self._reader.places(block) or self._placed_one_by_one(offset, block)
            told = falls(symbols, stamps)
            if told is not None or number == _BLOCKS_TO_TELL:
                return bool(told)
        return False

    def _placed_one_by_one(self, offset: int, block: bytes) -> tuple[list[str], list[datetime]]:
        symbols, stamps = [], []
        for _, raw in _lines_of(offset, block):
            try:
                if cells := self._reader.cells(raw):
                    symbol, stamp = self._reader.place(cells)
                    symbols.append(symbol)
                    stamps.append(stamp)
            except RowFaultError:
                continue
        return symbols, stamps

    @cached_property
    def _date_order(self) -> DateOrder:
        """The order of day and month: that which was said, or which the file itself proves."""
        if self.reading.date_order is not None:
            return self.reading.date_order
        if self._layout.month_first:
            return "month_first"
        evidence, example = OrderEvidence(is_of_days=self.reading.timeframe not in _LONG), (0, "")
        for offset, block in self._all_blocks():
            for at, raw in _lines_of(offset, block):
                cell = self._stamp_cell(raw)
                if written := numeric_date(cell):
                    evidence.take(written, at)
                    example = (at, cell) if not example[1] else example
        if order := evidence.order():
            return order
        (at, cell), lines = example, [self._lines.number(proof) for proof in evidence.proofs.values()]
        why = f", and lines {min(lines)} and {max(lines)} differ in it" if lines else ""
        must_be = f"a date whose order of day and month is known{why}"
        raise self._lines.fault(at, self._reader.problem_of_time(must_be, repr(cell), _SAY_ORDER))

    def _stamp_cell(self, raw: bytes) -> str:
        try:
            cells = self._reader.cells(raw)
        except RowFaultError:
            return ""
        return self._reader.stamp_cell(cells) if cells else ""

    def _all_blocks(self) -> Iterator[tuple[int, bytes]]:
        return self._lines.blocks(self._lines.first, self._lines.size)

    def _read_layout(self) -> Layout:
        try:
            return read_layout(lambda: self._lines.header().decode("utf-8-sig"), self.reading.columns)
        except UnicodeDecodeError as error:
            problem = f"column any: must be UTF-8 text, was {error.object[:20]!r}; save the file as CSV UTF-8"
            raise self._lines.fault(0, problem) from None
        except InvalidInputError as error:
            raise self._lines.fault(0, str(error)) from None


def _lines_of(offset: int, block: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a block with where they begin."""
    for raw in block.split(b"\n"):
        if raw:
            yield offset, raw
        offset += len(raw) + 1


def _stamp(row: Row) -> datetime:
    return row[1][0]
