"""One CSV file of bars: what its header means, and its rows, checked, one at a time.

A file is read in blocks in either direction, so memory does not grow with its length: forwards
if its oldest row comes first, backwards if its newest does, as with many vendors. A row is a bar
that keeps every rule, or an :class:`InvalidInputError` that names the file, the line, the column,
what it must be, what it was and what to do. Only blank lines are skipped.

What does not belong here: folders, and the questions of an engine (``CSVDataHandler``).
"""

import csv
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, time
from decimal import Context, Decimal
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from jutsu_core.bars import MAX_VOLUME, PRICE_COLUMNS, Bar, Timeframe, to_micros
from jutsu_core.errors import InvalidInputError
from jutsu_core.quality.rules import bar_fault

Row = tuple[str, Bar]  # a symbol and one of its bars

BLOCK_BYTES = 16_384
"""What is read at once. No line may be longer: a file without line ends must not fill the memory."""

_SYNONYMS = {"date": "timestamp", "datetime": "timestamp", "ticker": "symbol", "close/last": "close", "vol": "volume"}
_NEEDED = ("timestamp", "open", "high", "low", "close", "volume")
_SESSION_FRAMES = (Timeframe.D1, Timeframe.W1, Timeframe.MO1)

_EXACT = Context(prec=40)  # whatever precision the caller's own context has
_MILLISECOND_DIGITS, _MILLISECONDS = (12, 13), 1000  # until 2286; ten digits would be seconds
_EARLIEST_MILLISECONDS = 210_000_000_000  # August 1976; what is below may be 201303010930, a time run together
_DATE_DIGITS, _DATE_LENGTH, _VOLUME_DIGITS = 8, 10, 18

_is_plain_price = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?").fullmatch
_is_number = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?").fullmatch
_is_grouped = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?").fullmatch


class Layout(NamedTuple):
    """What a header says.

    Attributes:
        delimiter: Between the cells.
        names: The columns as the file spells them.
        at: Which column holds ``timestamp``, ``open``, ``volume`` and so on, by index.
        month_first: Whether 03/04/2013 is the 4th of March: Nasdaq.com's habit and nobody else's.
    """

    delimiter: str
    names: tuple[str, ...]
    at: Mapping[str, int]
    month_first: bool


def read_header(text: str) -> Layout:
    r"""Return the layout that the header line ``text`` describes.

    Names count without case and angle brackets; columns that mean nothing here (``Adj Close``,
    ``<PER>``, a frame's index) are ignored. ``<TICKVOL>`` is the volume where nothing else is.

    Raises:
        InvalidInputError: A needed column is missing, or two columns mean the same.

    Examples:
        >>> read_header("Date,Open,High,Low,Close,Adj Close,Volume").at["close"]
        4
        >>> read_header("<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>").at["volume"]
        7
    """
    delimiter = max(",;\t", key=text.count)
    names = tuple(name.strip() for name in _cells(text, delimiter))
    found: dict[str, int] = {}
    for index, name in enumerate(names):
        role = _SYNONYMS.get(plain := name.lower().strip("<>"), plain)
        if role in found and role in (*_NEEDED, "time", "symbol"):
            message = f"column {name}: must be the only {role}, was beside {names[found[role]]}; remove one of them"
            raise InvalidInputError(message)
        found[role] = index
    for role, substitute in (("timestamp", "time"), ("volume", "tickvol")):
        if role not in found and substitute in found:
            found[role] = found.pop(substitute)
    for role in _NEEDED:
        if role not in found:
            message = f"column {role}: must be in the header, was not in {text[:90].strip()!r}; name the columns there"
            raise InvalidInputError(message)
    return Layout(delimiter, names, found, month_first=names[found["close"]].lower() == "close/last")


def _cells(text: str, delimiter: str) -> list[str]:
    # Without a quote there is nothing that splitting could get wrong, and it takes a sixth of the time.
    if '"' not in text:
        return text.rstrip("\r\n").split(delimiter)
    try:
        return next(csv.reader((text,), delimiter=delimiter, strict=True))
    except csv.Error as error:
        message = f"column any: must be a line with its quotes in pairs, was not ({error}); mend the quotes"
        raise InvalidInputError(message) from None


class _Lines:
    """The lines of one file, in either direction, in constant memory.

    The file is opened anew for each block, and checked to be the same: so a folder of more files than
    one process may hold open can be merged. ``offset`` is where the line given last begins, in bytes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self._first = 0
        self._identity: tuple[int, ...] = ()

    def header(self) -> bytes:
        """Return the first line; the other lines begin after it."""
        block = self._read(0, BLOCK_BYTES)
        self._first = block.find(b"\n") + 1 or len(block)
        return block[: self._first]

    def forwards(self) -> Iterator[bytes]:
        """Return the lines after the header, first to last."""
        self.offset = position = self._first
        rest = b""
        while chunk := self._read(position, BLOCK_BYTES):
            position += len(chunk)
            end = chunk.rfind(b"\n") + 1
            if end:
                for line in BytesIO(rest + chunk[:end]):
                    yield line
                    self.offset += len(line)
                rest = b""
            rest = self._checked(rest + chunk[end:])
        if rest:
            yield rest

    def backwards(self) -> Iterator[bytes]:
        """Return the lines after the header, last to first."""
        rest = b""
        position = self.offset = self._identity[0]
        while position > self._first:
            start = max(self._first, position - BLOCK_BYTES)
            rest, *lines = (self._read(start, position - start) + rest).split(b"\n")
            for line in reversed(lines):
                self.offset -= len(line)
                yield line
                self.offset -= 1  # the line end before it
            position = start
            self._checked(rest)
        self.offset = self._first
        if rest:
            yield rest

    def fault(self, problem: str) -> InvalidInputError:
        """Return the error of the line given last; its number is counted only now that somebody asks for it."""
        number = 1
        for position in range(0, self.offset, BLOCK_BYTES):
            number += self._read(position, min(BLOCK_BYTES, self.offset - position)).count(b"\n")
        message = f"{self.path}, line {number}, {problem}"
        return InvalidInputError(message)

    def _checked(self, line: bytes) -> bytes:
        if len(line) < BLOCK_BYTES:
            return line
        message = f"column any: must end within {BLOCK_BYTES} bytes, was longer; end the lines with \\n or \\r\\n"
        raise self.fault(message)

    def _read(self, offset: int, size: int) -> bytes:
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                file.seek(offset)
                block = file.read(size)
        except OSError as error:
            message = f"{self.path}: must be a readable file, was not ({error.strerror}); check that it is there"
            raise InvalidInputError(message) from None
        identity = (status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)
        if self._identity not in ((), identity):
            message = f"{self.path}: must stay as it is while it is read, was changed meanwhile; read it again"
            raise InvalidInputError(message)
        self._identity = identity
        return block


class CsvBars:
    """One reading of a file of bars.

    A bar of a day or longer starts at 00:00 UTC of its date as written (of epoch milliseconds: of the
    date in ``zone``), a shorter one at its time as written, read in ``zone`` if no offset is written.

    Args:
        path: The file.
        timeframe: How long its bars last.
        zone: Where its naive times are meant.
        symbol: The only symbol in the file. If None, its symbol column says, or else its name.

    Raises:
        InvalidInputError: The file cannot be read, or its header cannot be understood.
    """

    def __init__(self, path: Path, timeframe: Timeframe, zone: ZoneInfo, symbol: str | None = None) -> None:
        self._lines = _Lines(path)
        self._symbol, self._zone = symbol, zone
        self._moment = self._session if timeframe in _SESSION_FRAMES else self._instant
        try:
            self._layout = read_header(self._lines.header().decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            problem = f"column any: must be UTF-8 text, was {error.object[:20]!r}; save the file as CSV UTF-8"
            raise self._lines.fault(problem) from None
        except InvalidInputError as error:
            raise self._lines.fault(str(error)) from None
        at = self._layout.at
        self._stamp_at, self._volume_at = at["timestamp"], at["volume"]
        self._time_at, self._symbol_at = at.get("time"), at.get("symbol")
        self._prices_at = tuple(at[name] for name in PRICE_COLUMNS)

    def rows(self, wanted: Collection[str] | None = None, end: datetime | None = None) -> Iterator[Row]:
        """Return the bars in time order, ties by symbol.

        Args:
            wanted: Symbols to return; all if None. The other rows are checked all the same.
            end: First instant no longer wanted; reading stops at it.

        Raises:
            InvalidInputError: A row is malformed, or not after the one before it.
        """
        lines = self._lines.backwards() if self._runs_newest_first() else self._lines.forwards()
        checked = self._checked(lines, wanted, end, falling=False)
        if self._symbol_at is None:
            return checked
        ties = groupby(checked, key=lambda row: row[1].timestamp)
        return (row for _, same in ties for row in sorted(same))

    def newest(self, symbol: str) -> Bar | None:
        """Return the newest bar of ``symbol``, or None; only its row and newer ones are read.

        Raises:
            InvalidInputError: One of those rows is malformed or out of order.
        """
        lines = self._lines.forwards() if self._runs_newest_first() else self._lines.backwards()
        row = next(self._checked(lines, (symbol,), None, falling=True), None)
        return None if row is None else row[1]

    def _runs_newest_first(self) -> bool:
        """Return whether the first two times in the file fall; what is malformed is left to the reading itself."""
        first: datetime | None = None
        with suppress(InvalidInputError):
            for raw in self._lines.forwards():
                if cells := self._split(raw):
                    stamp = self._moment(cells)
                    first = first or stamp
                    if stamp != first:
                        return stamp < first
        return False

    def _checked(
        self, lines: Iterator[bytes], wanted: Collection[str] | None, end: datetime | None, *, falling: bool
    ) -> Iterator[Row]:
        symbol_at, symbol = self._symbol_at, self._symbol or self._lines.path.stem
        if symbol_at is None and wanted is not None and symbol not in wanted:
            return
        previous: datetime | None = None
        seen: set[str] = set()
        for raw in lines:
            if not (cells := self._split(raw)):
                continue
            stamp = self._moment(cells)
            if end is not None and stamp >= end:
                return
            bar = self._bar(stamp, cells, raw)
            if symbol_at is not None:
                symbol = self._own(cells[symbol_at])
            if stamp == previous and symbol not in seen:
                seen.add(symbol)
            elif previous is None or ((stamp < previous) if falling else (stamp > previous)):
                previous, seen = stamp, {symbol}
            else:
                raise self._misplaced(stamp, previous, falling=falling)
            if wanted is None or symbol in wanted:
                yield symbol, bar

    def _split(self, raw: bytes) -> list[str]:
        """Return the cells of a line, none of a blank one."""
        delimiter, width = self._layout.delimiter, len(self._layout.names)
        try:
            cells = _cells(raw.decode(), delimiter)
        except UnicodeDecodeError as error:
            at = raw[: error.start].count(delimiter.encode())
            raise self._fault(at, "UTF-8 text", repr(raw[error.start : error.end]), "save it as CSV UTF-8") from None
        except InvalidInputError as error:
            raise self._lines.fault(str(error)) from None
        if len(cells) == width:
            return cells
        if cells in ([""], []):
            return []
        raise self._fault(len(cells), f"in a row of {width} cells", f"in one of {len(cells)}", "mend or remove the row")

    def _bar(self, stamp: datetime, cells: list[str], raw: bytes) -> Bar:
        open_, high, low, close = [self._price(cells, at, raw) for at in self._prices_at]
        bar = Bar(stamp, open_, high, low, close, self._volume(cells, raw))
        # The rules once more in one line, since asking bar_fault takes longer than all of the parsing.
        if not (0 < low <= open_ <= high and low <= close <= high and bar.volume <= MAX_VOLUME):
            column, _, problem = str(bar_fault(bar)).partition(" ")
            problem = f"column {column}: {problem}; correct or remove the row"
            raise self._lines.fault(problem)
        return bar

    def _price(self, cells: list[str], at: int, raw: bytes) -> int:
        text = cells[at]
        if _is_plain_price(text) or _is_plain_price(text := self._number(cells, at, raw)):
            return int(_EXACT.scaleb(Decimal(text), 6))
        try:
            return to_micros(Decimal(text))
        except InvalidInputError as error:
            problem = f"column {self._layout.names[at]}: {error}; round it in the file"
            raise self._lines.fault(problem) from None

    def _volume(self, cells: list[str], raw: bytes) -> int:
        cell = cells[self._volume_at]
        if cell.isdigit() and cell.isascii() and len(cell) <= _VOLUME_DIGITS:
            return int(cell)
        number = Decimal(self._number(cells, self._volume_at, raw))
        if number < 0 or number.adjusted() > _VOLUME_DIGITS or number != number.to_integral_value():
            raise self._fault(self._volume_at, f"a whole number up to {MAX_VOLUME}", repr(cell), "correct the row")
        return int(number)

    def _number(self, cells: list[str], at: int, raw: bytes) -> str:
        cell = cells[at]
        text = cell.strip().removeprefix("$")
        if "," in text and _is_grouped(text) and (self._layout.delimiter == "," or f'"{cell}"'.encode() in raw):
            text = text.replace(",", "")
        if _is_number(text):
            return text
        raise self._fault(at, 'a number such as 1234.5 or "1,234.5"', repr(cell), "correct or remove the row")

    def _own(self, cell: str) -> str:
        symbol = cell.strip()
        if symbol and self._symbol in (None, symbol):
            return symbol
        remedy = "read a file of other symbols by itself, without saying its symbol" if symbol else "fill it in"
        raise self._fault(self._symbol_at or 0, self._symbol or "a symbol", repr(cell), remedy)

    def _session(self, cells: list[str]) -> datetime:
        written = self._written(cells)
        return datetime(written.year, written.month, written.day, tzinfo=UTC)

    def _instant(self, cells: list[str]) -> datetime:
        written, cell = self._written(cells), cells[self._stamp_at]
        if self._time_at is not None:
            cell = cells[self._time_at]
            try:
                written = datetime.combine(written, time.fromisoformat(cell.strip()))
            except ValueError:
                raise self._fault(self._time_at, "a time such as 09:30 or 093000", repr(cell), "correct it") from None
        elif len(cell.strip()) <= _DATE_LENGTH:
            raise self._fault(self._stamp_at, "a date and a time", repr(cell), "say the timeframe 1d if they are daily")
        if written.tzinfo is None:
            written = written.replace(tzinfo=self._zone)
            # Clocks that go forward skip an hour, clocks that go back repeat one; only there do the folds differ.
            if written.utcoffset() != written.replace(fold=1).utcoffset():
                must_be = f"a time that {self._zone.key} has exactly once"
                raise self._fault(self._stamp_at, must_be, f"{written:%Y-%m-%d %H:%M}", "write it with its UTC offset")
        try:
            return written.astimezone(UTC)
        except OverflowError:
            raise self._fault(self._stamp_at, "a time in the years 1 to 9999", repr(cell), "correct it") from None

    def _written(self, cells: list[str]) -> datetime:
        text = cells[self._stamp_at].strip()
        try:
            if text[4:5] == "-" or len(text) == _DATE_DIGITS:
                return datetime.fromisoformat(text)
            if len(text) in _MILLISECOND_DIGITS and text.isdigit() and int(text) >= _EARLIEST_MILLISECONDS:
                return datetime.fromtimestamp(int(text) / _MILLISECONDS, self._zone)
            if text[4:5] in ("/", "."):
                return datetime.fromisoformat(text.replace(text[4], "-", 2))
            if self._layout.month_first:
                month, day, year = text.split("/")
                return datetime.fromisoformat(f"{year}-{month:0>2}-{day:0>2}")
        except ValueError:
            pass
        must_be = "a date such as 2013-03-01 or 20130301, with or without a time, or epoch milliseconds"
        remedy = "write the year first (03/01/2013 is read only beside Nasdaq's Close/Last)"
        raise self._fault(self._stamp_at, must_be, repr(cells[self._stamp_at]), remedy)

    def _misplaced(self, stamp: datetime, previous: datetime, *, falling: bool) -> InvalidInputError:
        must_be = f"{'before' if falling else 'after'} {previous.isoformat()} of the row read before it"
        remedy = "sort the file by time and remove repeated rows; if its bars are not daily, say their timeframe"
        return self._fault(self._stamp_at, must_be, stamp.isoformat(), remedy)

    def _fault(self, at: int, must_be: str, was: str, remedy: str) -> InvalidInputError:
        name = (*self._layout.names, "beyond the last")[min(at, len(self._layout.names))]
        return self._lines.fault(f"column {name}: must be {must_be}, was {was}; {remedy}")
