"""One file of bars: its rows, checked, in the order of time.

A file is surveyed once, and then read in blocks, so memory does not grow with its length. A row is a
bar that keeps every rule, or it is refused with the file, the line, the column, what it must be, what
it was and what to do; or left out, where the user said so. Only blank rows and Barchart's last one
are skipped.

What does not belong here: folders (``folders``), and the questions of an engine (``CSVDataHandler``).
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, time
from functools import cached_property
from heapq import merge
from itertools import chain, groupby, takewhile
from pathlib import Path
from typing import NamedTuple

from jutsu_assets.barfiles.date_orders import OrderEvidence
from jutsu_assets.barfiles.dates import numeric_date
from jutsu_assets.barfiles.layout import Layout, read_layout
from jutsu_assets.barfiles.lines import BLOCK_BYTES, Lines, lines_of
from jutsu_assets.barfiles.placing import Calendar
from jutsu_assets.barfiles.reading import DateOrder, LeftOutRow, Reading
from jutsu_assets.barfiles.rows import Row, RowFaultError, RowReader
from jutsu_assets.barfiles.survey import Survey, Surveyor
from jutsu_core.bars import Bar, Timeframe
from jutsu_core.errors import InvalidInputError

_LEAST_BLOCK = 4_096
_LONG = (Timeframe.W1, Timeframe.MO1)
_SAY_ORDER = "say date_order='day_first' or 'month_first', or write the year first"


class _Judged(NamedTuple):
    offset: int
    raw: bytes
    stamp: datetime | None
    row: Row | None
    problem: str | None


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

    def look(self) -> None:
        """Look at every row, as everything that reads does before it reads the first one.

        Raises:
            InvalidInputError: They are no such bars.
        """
        _ = self._survey

    def first_row_fault(self, problem: str) -> InvalidInputError:
        """Return the error of the first row."""
        return self._lines.fault(self._lines.first, problem)

    def rows(
        self, wanted: Collection[str] | None = None, end: datetime | None = None, *, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[Row]:
        """Return the bars in time order, ties by symbol.

        Args:
            wanted: Symbols to return; all if None.
            end: First instant no longer wanted. That no earlier row comes after it, the survey knows.
            block_bytes: How much to read at once: less, where many files are read at the same time.
        """
        if not self.has_symbols and wanted is not None and self.name not in wanted:
            return iter(())
        survey = self._survey
        size = max(_LEAST_BLOCK, block_bytes // max(1, len(survey.runs)))
        runs = [self._run(*run, end, size) for run in survey.runs]
        rows = runs[0] if len(runs) == 1 else merge(*runs, key=_stamp)
        if self.has_symbols:
            rows = chain.from_iterable(sorted(same) for _, same in groupby(rows, key=_stamp))
            rows = rows if wanted is None else (row for row in rows if row[0] in wanted)
        if end is None or all(stamp < end for stamp, _ in survey.latest.values()):
            return rows
        return takewhile(lambda row: row[1][0] < end, rows)

    def newest(self, symbol: str) -> Bar | None:
        """Return the newest bar of ``symbol``, or None; its row alone is read, after the survey."""
        stamp, offset = self._survey.latest.get(symbol, (None, 0))
        if stamp is None:
            return None
        begin, block = next(self._lines.blocks(offset, self._lines.size))
        # The first line or the last one, where the symbol is the only one of its block.
        end = len(block) if self._survey.falls else block.rfind(b"\n", 0, len(block) - 1) + 1
        at = begin if self._survey.falls else begin + end
        edge = block[: block.find(b"\n") + 1 or len(block)] if self._survey.falls else block[end:]
        for start, raw in chain(lines_of(at, edge), lines_of(begin, block)):
            if self._is_at(raw, symbol, stamp):
                for _, bar in self._rows_of(start, raw):
                    return bar
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
        """Return ``1d`` or ``1m``, if one of them it is: most rows of days are of one time of day, as of none."""
        clocks, has_clock = Counter[time](), "time" in self._layout.at
        for _, raw in lines_of(*next(self._all_blocks(), (0, b""))):
            with suppress(RowFaultError):
                if cells := self._reader.cells(raw):
                    written = self._reader.written(cells)
                    clocks[written.moment.time()] += 1
                    has_clock = has_clock or (written.has_clock and written.moment.time() != time())
        usual = max(clocks.values(), default=0)
        return Timeframe.D1 if not has_clock or 1 < usual > clocks.total() / 2 else Timeframe.M1

    @cached_property
    def _survey(self) -> Survey:
        survey = Surveyor(self._lines, self._reader, self.reading).survey()
        self._refuse_ticks_alone()
        if self._quarantines:
            self._require_a_bar(survey)
        elif survey.weekend:
            self._refuse_weekend(survey)
        return survey

    def _refuse_ticks_alone(self) -> None:
        """Refuse a file that counts the ticks of each bar, and no share in any, unless the user said what is meant."""
        volume_at, ticks_at = (self._layout.at.get(role) for role in ("volume", "tickvol"))
        if volume_at is None or ticks_at is None or self.reading.no_volume == "zero":
            return
        first: int | None = None
        for offset, raw in chain.from_iterable(lines_of(*block) for block in self._all_blocks()):
            with suppress(RowFaultError):
                if cells := self._reader.cells(raw):
                    if _is_counted(cells[volume_at]):
                        return
                    first = offset if first is None and _is_counted(cells[ticks_at]) else first
        if first is not None:
            volume, ticks = (self._layout.names[at] for at in (volume_at, ticks_at))
            problem = (
                f"column {volume}: must be a number of shares, was 0 in every row, beside {ticks}, which counts changes"
                f" of the price; say no_volume='zero' for none, or columns={{'volume': {ticks!r}}} to take those"
            )
            raise self._lines.fault(first, problem)

    def _refuse_weekend(self, survey: Survey) -> None:
        for offset, block in self._all_blocks():
            for judged in self._judged(offset, block, survey):
                if judged.stamp is not None and judged.stamp.toordinal() in survey.weekend:
                    raise self._lines.fault(judged.offset, self._reader.at_weekend(judged.stamp))

    def _require_a_bar(self, survey: Survey) -> None:
        """Refuse a file of which nothing would be left."""
        judged = chain.from_iterable(self._judged(offset, block, survey) for offset, block in self._all_blocks())
        first: _Judged | None = None
        for one in judged:
            if one.row is not None:
                return
            first = first or (one if one.problem else None)
        if first is not None:
            raise self._lines.fault(first.offset, f"{first.problem}; and no other row is a bar")

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

    def _judged(self, offset: int, block: bytes, survey: Survey | None = None) -> Iterator[_Judged]:
        """Yield each line with its bar, or with what is wrong; a blank one has neither."""
        survey = survey or self._survey
        calendar = Calendar(self.reading.timeframe)
        for at, raw in lines_of(offset, block):
            row, stamp, problem = None, None, survey.misplaced.get(at)
            try:
                if problem is None and (cells := self._reader.cells(raw)):
                    symbol, stamp = self._reader.place(cells)
                    problem = None if calendar.is_on_grid((stamp,)) else self._reader.off_grid(stamp)
                    if stamp.toordinal() in survey.weekend:
                        problem = self._reader.at_weekend(stamp)
                    row = None if problem else (symbol, self._reader.bar(stamp, cells))
            except RowFaultError as fault:
                problem = str(fault)
            yield _Judged(at, raw, stamp, row, problem)

    def _is_at(self, raw: bytes, symbol: str, stamp: datetime) -> bool:
        """Return whether a line is of a symbol and a time."""
        if self.has_symbols and symbol.encode() not in raw:
            return False  # most lines of a file of many symbols
        with suppress(RowFaultError):
            cells = self._reader.cells(raw)
            return bool(cells) and self._reader.place(cells) == (symbol, stamp)
        return False

    def _has_misplaced(self, offset: int, length: int) -> bool:
        offsets = list(self._survey.misplaced)  # nearly always none
        return bisect_left(offsets, offset) != bisect_left(offsets, offset + length)

    @cached_property
    def _date_order(self) -> DateOrder:
        """The order of day and month: that which was said, or which the file itself proves."""
        if self.reading.date_order is not None:
            return self.reading.date_order
        if self._layout.month_first:
            return "month_first"
        evidence, example = OrderEvidence(is_of_days=self.reading.timeframe not in _LONG), (0, "")
        for offset, block in self._all_blocks():
            for at, raw in lines_of(offset, block):
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

    def _header_line(self) -> str:
        """Return the next line of the header that says something; Excel's ``sep=;`` and blank ones do not."""
        text = self._lines.header().decode("utf-8-sig")
        if "\r" in text.rstrip("\r\n"):
            message = (
                "column any: must be of lines that end with \\n or \\r\\n, was of some that end with \\r; save it anew"
            )
            raise InvalidInputError(message)
        is_nothing = not text.strip() or text.lower().startswith("sep=")
        return self._header_line() if is_nothing and self._lines.first < self._lines.size else text

    def _read_layout(self) -> Layout:
        try:
            return read_layout(self._header_line, self.reading.columns)
        except UnicodeDecodeError as error:
            problem = f"column any: must be UTF-8 text, was {error.object[:20]!r}; save the file as CSV UTF-8"
            raise self._lines.fault(0, problem) from None
        except InvalidInputError as error:
            raise self._lines.fault(0, str(error)) from None


def _is_counted(cell: str) -> bool:
    return any(digit in cell for digit in "123456789")


def _stamp(row: Row) -> datetime:
    return row[1][0]
