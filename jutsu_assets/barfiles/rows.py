"""The rows of a file of bars: what each says, or what is wrong with it.

Rows that need no interpretation are read many at once, if one regular expression that the layout makes
matches them all; others one by one. What the one way reads, the other reads alike.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, partial
from typing import NoReturn
from zoneinfo import ZoneInfo

import numpy as np

from jutsu_assets.barfiles.dates import (
    MUST_BE,
    REMEDY,
    Order,
    Written,
    numeric_date,
    written_clock,
    written_time,
)
from jutsu_assets.barfiles.layout import Layout, cells_of
from jutsu_assets.barfiles.numbers import NumbersOfRow, is_missing, micros_of, volume_of
from jutsu_assets.barfiles.reading import Reading
from jutsu_assets.zones import instants_of, may_be_zone, zone_named
from jutsu_core.bars import MAX_VOLUME, MICROS_PER_UNIT, PRICE_COLUMNS, Bar
from jutsu_core.errors import InvalidInputError
from jutsu_core.quality.rules import bar_fault
from jutsu_core.sessions import SESSION_FRAMES

Row = tuple[str, Bar]  # a symbol and one of its bars
Places = tuple[Sequence[str], list[datetime]]  # symbols and times of some rows

_Match = Callable[[str], object]
_Columns = Sequence[Sequence[str]]

_FOOTER = "Downloaded from Barchart"
_UTC_ZONE = ZoneInfo("UTC")
# Quantifiers give nothing back (++): no part of a cell could be read in another way.
# A time of day is one even where only its date counts, so that both ways refuse the same cells.
_TIME_OF_DAY = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?+(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?+"
_PLAIN = {
    **dict.fromkeys(PRICE_COLUMNS, r"[0-9]{1,9}+(?:\.[0-9]{1,6}+)?+"),
    "volume": r"[0-9]{1,18}+(?:\.0)?+",
    "symbol": r"[A-Za-z0-9$^./=_-]++",
}
_PLAIN_TIMES = {
    True: rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[T ]{_TIME_OF_DAY})?+",
    False: rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ]{_TIME_OF_DAY}",
}
_as_bar = partial(tuple.__new__, Bar)


class RowFaultError(Exception):
    """A row is no bar; the message says which column, what it must be, what it was and what to do."""


class RowReader:
    """Reads the rows of one file.

    Args:
        layout: What the header says.
        reading: How the file is to be read.
        order: Tells the order of day and month, if a row needs it.
        symbol: What a row without a symbol is about.
    """

    def __init__(self, layout: Layout, reading: Reading, order: Order, symbol: str) -> None:
        self._layout, self._reading, self._order, self._only = layout, reading, order, symbol
        self._zone = reading.zone
        self._is_daily = reading.timeframe in SESSION_FRAMES
        self._stamp_at, self._volume_at = layout.at["timestamp"], layout.at.get("volume")
        self._time_at = None if self._is_daily else layout.at.get("time")
        self._symbol_at = layout.at.get("symbol")
        self._prices_at = tuple(layout.at[name] for name in PRICE_COLUMNS)
        self._numbers_at = tuple(at for at in (*self._prices_at, self._volume_at) if at is not None)
        self._are_plain = self._pattern(_PLAIN)
        self._are_plain_places = self._pattern({"symbol": _PLAIN["symbol"]})

    def places(self, block: bytes) -> Places | None:
        """Return the symbols and times of whole lines, None where one of them needs interpretation."""
        columns = self._columns(block, self._are_plain_places)
        return None if columns is None else self._places(columns)

    def rows(self, block: bytes) -> list[Row] | None:
        """Return the bars of whole lines, None where one of them needs interpretation or breaks a rule."""
        columns = self._columns(block, self._are_plain)
        placed = None if columns is None else self._places(columns)
        if columns is None or placed is None or self._volume_at is None:
            return None
        # Fifteen digits at most: the nearest float of each is its own, and so are the micros that it rounds to.
        floats = np.array([columns[at] for at in self._prices_at], dtype=np.float64)
        micros = np.rint(floats * MICROS_PER_UNIT).astype(np.int64)
        open_, high, low, close = micros
        if not ((low > 0) & (low <= np.minimum(open_, close)) & (high >= np.maximum(open_, close))).all():
            return None
        cells = columns[self._volume_at]
        try:
            volumes = list(map(int, cells))
        except ValueError:  # there is a final .0
            volumes = [int(cell.removesuffix(".0")) for cell in cells]
        symbols, stamps = placed
        return list(zip(symbols, map(_as_bar, zip(stamps, *micros.tolist(), volumes, strict=True)), strict=True))

    def cells(self, raw: bytes) -> list[str]:
        """Return the cells of a line, none of a blank one.

        Raises:
            RowFaultError: They are not those that the header names.
        """
        delimiter, width = self._layout.delimiter, len(self._layout.names)
        try:
            cells = cells_of(raw.decode(), delimiter)
        except UnicodeDecodeError as error:
            at = raw[: error.start].count(delimiter.encode())
            self._refuse(at, "UTF-8 text", repr(raw[error.start : error.end]), "save it as CSV UTF-8")
        except InvalidInputError as error:
            raise RowFaultError(str(error)) from None
        if not any(map(str.strip, cells)) or (len(cells) == 1 and cells[0].startswith(_FOOTER)):
            return []
        if len(cells) == width:
            return cells
        return self._refuse(
            len(cells), f"in a row of {width} cells", f"in one of {len(cells)}", "mend or remove the row"
        )

    def place(self, cells: Sequence[str]) -> tuple[str, datetime]:
        """Return the symbol and the time of a row.

        Raises:
            RowFaultError: One of them cannot be read.
        """
        return self.symbol(cells), self._session(cells) if self._is_daily else self._instant(cells)

    def bar(self, stamp: datetime, cells: Sequence[str]) -> Bar:
        """Return the bar of a row.

        Raises:
            RowFaultError: It is none.
        """
        numbers = NumbersOfRow([cells[at] for at in self._numbers_at], self._reading.decimal, self._layout.delimiter)
        open_, high, low, close = [self._price(numbers, cells, at) for at in self._prices_at]
        bar = Bar(stamp, open_, high, low, close, self._volume(numbers, cells))
        # Of one whose prices are kept as they are, the volume alone is judged.
        judged = bar._replace(open=1, high=1, low=1, close=1) if self._reading.broken_bars == "keep" else bar
        if fault := bar_fault(judged):
            column, _, problem = fault.partition(" ")
            message = f"column {column}: {problem}; correct or remove the row"
            raise RowFaultError(message)
        return bar

    def written(self, cells: Sequence[str]) -> Written:
        """Return what the cell of the time says.

        Raises:
            RowFaultError: It says no time.
        """
        cell = cells[self._stamp_at]
        written = written_time(cell.strip(), self._zone or _UTC_ZONE, self._order)
        if written is None:
            said = self._reading.date_order
            remedy = f"it was read with date_order={said!r}" if said and numeric_date(cell.strip()) else REMEDY
            self._refuse(self._stamp_at, MUST_BE, repr(cell), remedy)
        if written.zone is not None and not may_be_zone(written.zone):
            remedy = "write its UTC offset, or leave the zone out and say timezone='America/New_York'"
            self._refuse(self._stamp_at, "in a zone such as America/New_York", repr(cell), remedy)
        return written

    def stamp_cell(self, cells: Sequence[str]) -> str:
        """Return the cell of the time."""
        return cells[self._stamp_at].strip()

    def problem_of_time(self, must_be: str, was: str, remedy: str) -> str:
        """Return the words for a time that is wrong where it stands."""
        return f"column {self._layout.names[self._stamp_at]}: must be {must_be}, was {was}; {remedy}"

    def off_grid(self, stamp: datetime) -> str:
        """Return the words for a time at which no bar of this length begins."""
        must_be = f"the start of a bar of {self._reading.timeframe.value}"
        return self.problem_of_time(must_be, stamp.isoformat(), "say their timeframe, or correct the row")

    def at_weekend(self, stamp: datetime) -> str:
        """Return the words for a day on which nothing is traded."""
        remedy = "correct or remove the row, or say weekends='keep' if the market trades then"
        return self.problem_of_time("a day from Monday to Friday", f"{stamp:%A} {stamp:%Y-%m-%d}", remedy)

    def _pattern(self, cells: Mapping[str, str]) -> _Match | None:
        """Return what tells whether all lines of a text have plain ``cells`` and times, and no quotes."""
        layout, decimal = self._layout, self._reading.decimal
        is_plain = decimal == "." or (decimal is None and layout.delimiter != ";")  # there a point may part thousands
        if not is_plain or self._time_at is not None or self._volume_at is None:
            return None
        spelled = {**cells, "timestamp": _PLAIN_TIMES[self._is_daily]}
        roles = {layout.at[role]: role for role in spelled if role in layout.at}
        delimiter = re.escape(layout.delimiter)
        other = f'[^{delimiter}"\r\n]*+'
        parts = [spelled[roles[at]] if at in roles else other for at in range(len(layout.names))]
        return re.compile(f"(?:{delimiter.join(parts)}\r?+\n)++").fullmatch

    def _columns(self, block: bytes, are_plain: _Match | None) -> _Columns | None:
        """Return the columns of lines that are all plain."""
        if are_plain is None:
            return None
        try:
            text = block.decode()
        except UnicodeDecodeError:
            return None
        text = text if text.endswith("\n") else f"{text}\n"
        if not are_plain(text):
            return None
        delimiter, width = self._layout.delimiter, len(self._layout.names)
        cells = text[:-1].replace("\r", "").replace("\n", delimiter).split(delimiter)
        return [cells[at::width] for at in range(width)]

    def _places(self, columns: _Columns) -> Places | None:
        texts = columns[self._stamp_at]
        try:
            stamps = list(map(_session_of if self._is_daily else self._plain_instant, texts))
        except (ValueError, OverflowError, RowFaultError):
            return None
        if self._symbol_at is None:
            return (self._only,) * len(stamps), stamps
        symbols = columns[self._symbol_at]
        if self._reading.symbol is not None and set(symbols) != {self._reading.symbol}:
            return None
        return symbols, stamps

    def _plain_instant(self, text: str) -> datetime:
        moment = datetime.fromisoformat(text)
        return self._localized(moment, text) if moment.tzinfo is None else moment.astimezone(UTC)

    def symbol(self, cells: Sequence[str]) -> str:
        """Return what a row is about.

        Raises:
            RowFaultError: It does not say so, or not as the reading does.
        """
        if self._symbol_at is None:
            return self._only
        cell, said = cells[self._symbol_at], self._reading.symbol
        symbol = cell.strip()
        if symbol and symbol.isprintable() and said in (None, symbol):
            return symbol
        remedy = "read a file of other symbols by itself, without saying its symbol" if symbol else "fill it in"
        return self._refuse(self._symbol_at, said or "a symbol", repr(cell), remedy)

    def _session(self, cells: Sequence[str]) -> datetime:
        written = self.written(cells).moment
        return datetime(written.year, written.month, written.day, tzinfo=UTC)

    def _instant(self, cells: Sequence[str]) -> datetime:
        (moment, has_clock, zone), cell = self.written(cells), cells[self._stamp_at]
        if self._time_at is not None:
            cell = cells[self._time_at]
            clock = written_clock(cell.strip())
            if clock is None:
                remedy = "correct it; where its clocks are, say with timezone='America/New_York'"
                self._refuse(self._time_at, "a time such as 09:30 or 093000, without a zone", repr(cell), remedy)
            day_in = moment.tzinfo  # of an epoch, whose time of day is not meant, it is no more than where its day is
            moment = datetime.combine(moment, clock, None if isinstance(day_in, ZoneInfo) else day_in)
            zone = zone or (day_in.key if isinstance(day_in, ZoneInfo) else None)
        elif not has_clock:
            self._refuse(self._stamp_at, "a date and a time", repr(cell), "say the timeframe 1d if they are daily")
        try:
            return self._localized(moment, cell, zone) if moment.tzinfo is None else moment.astimezone(UTC)
        except OverflowError:
            self._refuse(self._stamp_at, "a time in the years 1 to 9999", repr(cell), "correct it")

    def _localized(self, moment: datetime, cell: str, named: str | None = None) -> datetime:
        """Return when it was ``moment`` in the zone that the row names, or else the reading."""
        said = None if named is None else zone_named(named)
        zone, abbreviation = said or self._zone, named if said is None else None
        if zone is None:
            self._refuse(self._stamp_at, *_zone_wanted(named, cell))
        instants = instants_of(moment, zone, abbreviation)
        if len(instants) == 1:
            return instants[0]
        called = f" and calls {abbreviation}" if abbreviation else ""
        must_be, was = f"a time that {zone.key} has exactly once{called}", f"{moment:%Y-%m-%d %H:%M}"
        return self._refuse(self._stamp_at, must_be, was, "write it with its UTC offset")

    def _price(self, numbers: NumbersOfRow, cells: Sequence[str], at: int) -> int:
        try:
            return micros_of(self._number(numbers, cells, at), rounds=self._reading.round_to_scale)
        except InvalidInputError as error:
            message = f"column {self._layout.names[at]}: {error}"
            raise RowFaultError(message) from None

    def _volume(self, numbers: NumbersOfRow, cells: Sequence[str]) -> int:
        at = self._volume_at
        if at is None or is_missing(cells[at]):
            if self._reading.no_volume == "zero":
                return 0
            name, was = ("volume", "not there") if at is None else (self._layout.names[at], repr(cells[at]))
            message = f"column {name}: must be a number of shares, was {was}; say no_volume='zero' if there is none"
            raise RowFaultError(message)
        volume = volume_of(self._number(numbers, cells, at), rounds=self._reading.round_to_scale)
        if volume is None:
            remedy = "correct the row, or round with round_to_scale=True"
            self._refuse(at, f"a whole number up to {MAX_VOLUME}", repr(cells[at]), remedy)
        return volume

    def _number(self, numbers: NumbersOfRow, cells: Sequence[str], at: int) -> Decimal:
        number = numbers.read(cells[at])
        if isinstance(number, Decimal):
            return number
        message = f"column {self._layout.names[at]}: must be {number}"
        raise RowFaultError(message)

    def _refuse(self, at: int, must_be: str, was: str, remedy: str) -> NoReturn:
        name = (*self._layout.names, "beyond the last")[min(at, len(self._layout.names))]
        message = f"column {name}: must be {must_be}, was {was}; {remedy}"
        raise RowFaultError(message)


def _zone_wanted(named: str | None, cell: str) -> tuple[str, str, str]:
    """Return what a time must be whose zone nobody knows, what it was, and what to do."""
    say = "say where its clocks are, such as timezone='America/New_York'"
    if named is None:
        return "a time with its UTC offset", repr(cell), say
    must_be = f"a time with its UTC offset, since {named} means different ones"
    return must_be, repr(cell), f"write the offset instead, or {say}"


@lru_cache(maxsize=2**14)  # the sessions of one symbol are those of the next
def _session_of(text: str) -> datetime:
    return datetime.fromisoformat(text[:10]).replace(tzinfo=UTC)
