"""One CSV file of bars: its rows, checked, one at a time.

A file is read in blocks in either direction, so memory does not grow with its length: forwards
if its oldest row comes first, backwards if its newest does, as with many vendors. A row is a bar
that keeps every rule, or an :class:`InvalidInputError` that names the file, the line, the column,
what it must be, what it was and what to do. Only blank lines and Barchart's last one are skipped.

What does not belong here: folders, and the questions of an engine (``CSVDataHandler``).
"""

import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime, time
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import groupby
from pathlib import Path
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from jutsu_assets.barfiles.csv_layout import cells_of, read_layout
from jutsu_assets.barfiles.csv_lines import Lines
from jutsu_assets.barfiles.csv_times import MUST_BE, REMEDY, written_time
from jutsu_core.bars import MAX_VOLUME, PRICE_COLUMNS, Bar, Timeframe, to_micros
from jutsu_core.errors import InvalidInputError
from jutsu_core.quality.rules import bar_fault

Row = tuple[str, Bar]  # a symbol and one of its bars

_SESSION_FRAMES = (Timeframe.D1, Timeframe.W1, Timeframe.MO1)
_EXACT = Context(prec=40, rounding=ROUND_HALF_EVEN)  # whatever the caller's own context has
_MICRO = Decimal("0.000001")
_DATE_LENGTH, _VOLUME_DIGITS = 10, 18
_SHORTHAND = {"K": 3, "M": 6, "B": 9}
_FOOTER = "Downloaded from Barchart"

_is_plain_price = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?").fullmatch
_is_number = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?").fullmatch
_is_grouped = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?").fullmatch
_is_shorthand = re.compile(r"[0-9]+(?:\.[0-9]+)?[KMB]").fullmatch  # Investing.com's 20.81M


class CsvBars:
    """One reading of a file of bars.

    A bar of a day or longer starts at 00:00 UTC of its date as written (of epoch milliseconds: of the
    date in ``zone``), a shorter one at its time as written, read in ``zone`` if no offset is written.

    Args:
        path: The file.
        timeframe: How long its bars last.
        zone: Where its naive times are meant.
        symbol: The only symbol in the file. If None, its symbol column or header says, or else its name.
        round_to_scale: Whether prices of more than six decimals and volumes that are no whole
            numbers are rounded (half to even); they are refused otherwise.

    Raises:
        InvalidInputError: The file cannot be read, or its header cannot be understood.
    """

    def __init__(
        self,
        path: Path,
        timeframe: Timeframe,
        zone: ZoneInfo,
        symbol: str | None = None,
        *,
        round_to_scale: bool = False,
    ) -> None:
        self._lines = Lines(path)
        self._symbol, self._zone, self._rounds = symbol, zone, round_to_scale
        self._moment = self._session if timeframe in _SESSION_FRAMES else self._instant
        try:
            self._layout = read_layout(lambda: self._lines.header().decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            problem = f"column any: must be UTF-8 text, was {error.object[:20]!r}; save the file as CSV UTF-8"
            raise self._lines.fault(problem) from None
        except InvalidInputError as error:
            raise self._lines.fault(str(error)) from None
        if None not in (said := self._layout.symbol, symbol) and said != symbol:
            problem = f"column any: must be of {symbol}, was of {said}; rename the file, or say symbol={said!r}"
            raise self._lines.fault(problem)
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
        """Return the newest bar of ``symbol``, or None; only its row, newer ones and the next older one are read.

        Raises:
            InvalidInputError: One of those rows is malformed or out of order.
        """
        if self._symbol_at is None and symbol != self._only_symbol:
            return None
        lines = self._lines.forwards() if self._runs_newest_first() else self._lines.backwards()
        rows = self._checked(lines, None, None, falling=True)
        bar = next((bar for found, bar in rows if found == symbol), None)
        next(rows, None)  # whether the row is in its place, the next one tells
        return bar

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
        symbol_at, symbol = self._symbol_at, self._only_symbol
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

    @property
    def _only_symbol(self) -> str:
        return self._symbol or self._layout.symbol or unquote(self._lines.path.stem)

    def _split(self, raw: bytes) -> list[str]:
        """Return the cells of a line, none of a blank one."""
        delimiter, width = self._layout.delimiter, len(self._layout.names)
        try:
            cells = cells_of(raw.decode(), delimiter)
        except UnicodeDecodeError as error:
            at = raw[: error.start].count(delimiter.encode())
            raise self._fault(at, "UTF-8 text", repr(raw[error.start : error.end]), "save it as CSV UTF-8") from None
        except InvalidInputError as error:
            raise self._lines.fault(str(error)) from None
        if len(cells) == width:
            return cells
        if cells in ([""], []) or (len(cells) == 1 and cells[0].startswith(_FOOTER)):
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
        price = Decimal(text)
        try:
            if self._rounds and price.is_finite() and price.adjusted() < _VOLUME_DIGITS:
                price = price.quantize(_MICRO, context=_EXACT)
            return to_micros(price)
        except InvalidInputError as error:
            problem = f"column {self._layout.names[at]}: {error}; round it in the file, or with round_to_scale=True"
            raise self._lines.fault(problem) from None

    def _volume(self, cells: list[str], raw: bytes) -> int:
        cell = cells[self._volume_at]
        if cell.isdigit() and cell.isascii() and len(cell) <= _VOLUME_DIGITS:
            return int(cell)
        if _is_shorthand(cell.strip()):
            number = Decimal(cell.strip()[:-1]).scaleb(_SHORTHAND[cell.strip()[-1]], _EXACT)
        else:
            number = Decimal(self._number(cells, self._volume_at, raw))
        is_small = number.adjusted() <= _VOLUME_DIGITS
        if self._rounds and is_small:
            number = number.to_integral_value(context=_EXACT)
        if number < 0 or not is_small or number != number.to_integral_value():
            remedy = "correct the row, or round with round_to_scale=True"
            raise self._fault(self._volume_at, f"a whole number up to {MAX_VOLUME}", repr(cell), remedy)
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
        elif len(text := cell.strip()) < _DATE_LENGTH or not (text.isdigit() or len(text) > _DATE_LENGTH):
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
        cell = cells[self._stamp_at]
        written = written_time(cell.strip(), self._zone, month_first=self._layout.month_first)
        if written is None:
            raise self._fault(self._stamp_at, MUST_BE, repr(cell), REMEDY)
        return written

    def _misplaced(self, stamp: datetime, previous: datetime, *, falling: bool) -> InvalidInputError:
        must_be = f"{'before' if falling else 'after'} {previous.isoformat()} of the row read before it"
        remedy = "sort the file by time and remove repeated rows; if its bars are not daily, say their timeframe"
        return self._fault(self._stamp_at, must_be, stamp.isoformat(), remedy)

    def _fault(self, at: int, must_be: str, was: str, remedy: str) -> InvalidInputError:
        name = (*self._layout.names, "beyond the last")[min(at, len(self._layout.names))]
        return self._lines.fault(f"column {name}: must be {must_be}, was {was}; {remedy}")
