"""Bars through the interface that a backtesting engine reads: from the system of record, or from files."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import groupby, repeat
from operator import itemgetter
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection

from jutsu_assets.barfiles.collection import BarCollection
from jutsu_assets.barfiles.events import events_of, stream_of
from jutsu_assets.barfiles.reading import DateOrder, DecimalMark, LeftOutRow, NoVolume, OnBadRow, Reading, Weekends
from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.settings import CONNECTIONS
from jutsu_assets.store.content import BarRow
from jutsu_assets.store.engine import Database
from jutsu_assets.store.replica import replica_of, require_replica_of, settled
from jutsu_assets.store.rows import BarRows, bar_rows, run
from jutsu_assets.store.shared_bars import KeptBar, SharedBars, shared_bars
from jutsu_core.answers import CLOCK_TOLERANCE
from jutsu_core.arguments import refuse, require_flag, require_integer, require_type, shown
from jutsu_core.bars import (
    MICROS_PER_UNIT,
    PRICE_COLUMNS,
    Bar,
    Timeframe,
    bars_to_frame,
    from_epoch,
    require_aware,
    to_epoch,
)
from jutsu_core.bounds import Bound
from jutsu_core.errors import InvalidInputError, NoDataError
from jutsu_core.events import MarketDataEvent
from jutsu_core.ports import (
    Clock,
    DataHandler,
    Missing,
    checked_symbols,
    checked_window,
    merge_in_time_order,
    never_stored,
    ranges_frame,
    require_symbol,
    skips_missing,
)
from jutsu_core.sessions import EXCHANGE_ZONE, zone_of

_STREAMED_ROWS = 50_000
_LEAST_STREAMED_ROWS = 50
_END_OF_TIME = 2**63 - 1

# A partition's content hash, and when it was recorded: the same bars may come back after others,
# and as of an instant between the two something else was known.
_Version = tuple[str, int]


class DatabaseDataHandler(DataHandler):
    """A :class:`jutsu_core.ports.DataHandler` over a database of bars, which is read as it is.

    Use it in a ``with`` statement, or :meth:`close` it, to give its connections back. It may be sent
    to other processes, such as those of a pool, and used by several threads.

    Args:
        db_url: SQLAlchemy URL of the system of record.
        timeframe: Which bars to read.
        symbols: Which symbols :meth:`get_next_bar` streams; all stored ones if None.
        as_of: Read the bars exactly as they were known at this instant: what was restated,
            withdrawn or added later does not show. As they are now if None. The first read of
            what was known lately waits for writes that are under way, so that every read tells
            the same; the clocks of all that write must agree.
        cache_size: How many symbols' latest bars to keep in memory. A kept bar is used only
            while the stored partition is unchanged, whichever process writes it.
        clock: Tells what is now; the machine's clock if None.
        create: Whether to make an empty store where there is none, and to upgrade an older one.
        exchange_zone: Where the exchange's clocks are: bounds of daily bars mean its sessions.
        read_url: SQLAlchemy URL of a replica of the system of record, which is read in its place: as it was a
            moment ago. With ``as_of`` the system of record is asked whether the replica shows all that was known
            then, and is read itself where it does not.
        connections: How many connections are open at most.
        cache_url: Where a Redis is that keeps newest bars for many readers, such as ``redis://cache.example:6379/0``;
            :meth:`get_latest_bar` asks it first. All that write must know it as ``JUTSU_CACHE_URL``, and then
            what they replace is not read from it any more when they have committed. What a writer could not
            withdraw is read for a minute at most. A Redis that does not answer costs time, and nothing else.

    Raises:
        InvalidInputError: ``cache_size`` is below 0, ``read_url`` is given with ``create``, ``cache_url`` with
            ``read_url`` or ``as_of``, ``as_of`` is naive or after now, the zone is unknown, or an argument is of
            another type.
        ConfigurationError: A URL cannot be understood, or the replica is none of the system of record, which the
            first read finds.
        NoDataError: There is no store; raised by every method that reads.
        StoreUnavailableError: It does not answer, or is a replica that does not show all that was known at ``as_of``
            while its primary does not answer or was not given; raised by every method that reads.
    """

    def __init__(
        self,
        db_url: str,
        *,
        timeframe: Timeframe = Timeframe.D1,
        symbols: str | Sequence[str] | None = None,
        as_of: datetime | None = None,
        cache_size: int = 1000,
        clock: Clock | None = None,
        create: bool = False,
        exchange_zone: str = EXCHANGE_ZONE,
        read_url: str | None = None,
        connections: int = CONNECTIONS,
        cache_url: str | None = None,
    ) -> None:
        self._cache_size = require_integer("cache_size", cache_size, minimum=0)
        self.timeframe = require_type("timeframe", timeframe, Timeframe, "a Timeframe", "such as Timeframe.D1")
        self.database = Database(
            db_url, SystemSleeper(), create=require_flag("create", create), connections=connections
        )
        self._primary: Database | None = None
        if read_url is not None:
            if create:
                refuse("read_url", "left out with create, since a replica cannot be written", "given")
            self._primary = self.database
            self.database = replica_of(self._primary, read_url, connections=connections)
        self._shared: SharedBars | None = None
        if cache_url is not None:
            if read_url is not None or as_of is not None:
                refuse("cache_url", "left out with read_url and as_of, since it has what the primary says now", "given")
            self._shared = shared_bars(self.database.url, cache_url)
        self._exchange_zone = zone_of(exchange_zone).key
        self._symbols = None if symbols is None else checked_symbols(symbols)
        now = (clock or SystemClock()).now()
        self._as_of = None if as_of is None else to_epoch(_past("as_of", as_of, now))
        self._is_recent = as_of is not None and as_of > now - CLOCK_TOLERANCE
        self._is_settled = read_url is None and as_of is None
        self._latest: OrderedDict[str, tuple[_Version, MarketDataEvent]] = OrderedDict()

    def __enter__(self) -> Self:
        """Return the handler, which the end of the ``with`` statement closes."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the handler."""
        self.close()

    def close(self) -> None:
        """Give the connections back; the next read opens new ones."""
        for database in (self.database, self._primary):
            if database is not None:
                database.close()
        if self._shared is not None:
            self._shared.close()

    def get_next_bar(self, *, missing: Missing = "error") -> Iterator[MarketDataEvent]:
        """Return the bars in time order, ties by symbol, in constant memory.

        All bars are of one state of the store, that of the first bar taken, however long the stream is
        left open: each piece is read in a transaction of its own, as of when its partition was last
        written then. No connection is held between two bars.

        Raises:
            NoDataError: A symbol that was chosen was never stored; raised with the first bar.
        """
        skips = skips_missing(missing)
        with self._rows() as rows:
            versions = self._versions(rows.connection)
            if self._symbols is not None and not skips:
                self._refuse_missing(rows, [symbol for symbol in self._symbols if symbol not in versions])
        chosen = sorted(versions) if self._symbols is None else self._symbols
        symbols = [symbol for symbol in chosen if symbol in versions]
        at_a_time = max(_LEAST_STREAMED_ROWS, _STREAMED_ROWS // max(1, len(symbols)))
        yield from merge_in_time_order(self._stream(symbol, versions[symbol], at_a_time) for symbol in symbols)

    def get_latest_bar(self, symbol: str) -> MarketDataEvent:
        """Return the newest bar of ``symbol``.

        Raises:
            NoDataError: No bar of ``symbol`` is stored.
        """
        require_symbol(symbol)
        if self._shared is not None:
            return self._shared_latest(self._shared, symbol)
        kept = self._latest.get(symbol)
        with self._asking() as rows:
            if kept is not None and kept[0] == self._version(rows.connection, symbol):
                with suppress(KeyError):  # another thread may have dropped it meanwhile
                    self._latest.move_to_end(symbol)
                return kept[1]
            found = rows.newest(symbol, self.timeframe.value)
            if found is None:
                raise self._none_of(rows, [symbol])
        content_hash, recorded_at, newest = found
        (latest,) = self._events(symbol, [newest])
        self._remember(symbol, (content_hash, recorded_at), latest)
        return latest

    def get_bars_range(
        self, symbol: str, start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> list[MarketDataEvent]:
        """Return the bars of ``symbol`` with ``start ≤ timestamp < end``, ascending."""
        require_symbol(symbol)
        window, skips = self._window(start, end), skips_missing(missing)
        with self._asking() as rows:
            found = rows.between(symbol, self.timeframe.value, *window)
            if not found and not skips:
                self._refuse_missing(rows, [symbol])
        return list(self._events(symbol, found))

    def get_bars_batch(
        self, symbols: str | Sequence[str], start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> dict[str, list[MarketDataEvent]]:
        """Return the bars of each of ``symbols`` with ``start ≤ timestamp < end``, in one query."""
        window, skips = self._window(start, end), skips_missing(missing)
        events: dict[str, list[MarketDataEvent]] = {symbol: [] for symbol in checked_symbols(symbols)}
        if not events:
            return events
        with self._asking() as rows:
            found = rows.of_symbols(list(events), self.timeframe.value, *window)
            for symbol, rows_of in groupby(found, key=itemgetter(0)):
                events[symbol] = list(self._events(symbol, (row[1:] for row in rows_of)))
            if not skips:
                self._refuse_missing(rows, [symbol for symbol, bars in events.items() if not bars])
        return events

    def get_frame(
        self, symbols: str | Sequence[str], start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> pd.DataFrame:
        """Return the bars of ``symbols`` with ``start ≤ timestamp < end`` as columns, of one state of the store."""
        window, skips = self._window(start, end), skips_missing(missing)
        wanted = checked_symbols(symbols)
        # One question is of one state by itself.
        with self._asking() if len(wanted) == 1 else self._rows() as rows:
            arrays = [rows.array(symbol, self.timeframe.value, *window) for symbol in wanted]
            if not skips:
                empty = [symbol for symbol, bars in zip(wanted, arrays, strict=True) if not len(bars)]
                self._refuse_missing(rows, empty)
        return _as_frame(wanted, arrays)

    def symbols(self) -> pd.DataFrame:
        """Return which symbols :meth:`get_next_bar` streams, and from when until when there are bars of each."""
        with self._asking() as rows:
            ranges = rows.ranges(self.timeframe.value)
        chosen = None if self._symbols is None else set(self._symbols)
        return ranges_frame(
            (symbol, from_epoch(first), from_epoch(last), bars)
            for symbol, first, last, bars in ranges
            if chosen is None or symbol in chosen
        )

    def _shared_latest(self, shared: SharedBars, symbol: str) -> MarketDataEvent:
        kept, asked_at = shared.newest(symbol, self.timeframe.value), shared.now()
        if kept is None:
            with self._asking() as rows:
                found = rows.newest(symbol, self.timeframe.value)
                if found is None:
                    raise self._none_of(rows, [symbol])
                _, recorded_at, row = found
                kept = KeptBar(recorded_at, row)
                if recorded_at is not None:  # of bars that another program put there nothing is recorded
                    shared.keep(rows.connection, symbol, self.timeframe.value, kept, asked_at=asked_at)
        (latest,) = self._events(symbol, [kept.row])
        return latest

    @contextmanager
    def _rows(self) -> Iterator[BarRows]:
        self._settle()
        with self.database.reading() as connection:
            yield bar_rows(connection, as_of=self._as_of)

    @contextmanager
    def _asking(self) -> Iterator[BarRows]:
        self._settle()
        with self.database.asking() as connection:
            yield bar_rows(connection, as_of=self._as_of)

    def _settle(self) -> None:
        """Make sure, once, that what is read is the store that was meant, and all of it that was known then."""
        if self._is_settled:
            return
        if self._primary is not None:
            require_replica_of(self._primary, self.database)
        if self._as_of is not None:
            if self.database.is_sqlite:
                # Who is writing took the time before now, and is seen when it ends.
                if self._is_recent:
                    self.database.await_writers()
            else:
                replica, moment = self.database, from_epoch(self._as_of)
                self.database = settled(replica, self._primary, moment, is_recent=self._is_recent)
                for other in (replica, self._primary):  # both may have been asked, and one is read from now on
                    if other is not None and other is not self.database:
                        other.close()
        self._is_settled = True

    def _window(self, start: Bound, end: Bound) -> tuple[int, int]:
        first, after = checked_window(start, end, self.timeframe, exchange_zone=self._exchange_zone)
        return to_epoch(first), to_epoch(after)

    def _refuse_missing(self, rows: BarRows, symbols: Sequence[str]) -> None:
        """Raise if nothing was ever stored of one of ``symbols``, as far as was known then."""
        stored = rows.ever_stored(symbols, self.timeframe.value) if symbols else set()
        if missing := [symbol for symbol in symbols if symbol not in stored]:
            raise self._none_of(rows, missing)

    def _none_of(self, rows: BarRows, symbols: Sequence[str]) -> NoDataError:
        return never_stored(
            symbols,
            self._versions(rows.connection),
            f"stored {self.timeframe.value} bars",
            f"{self.database!r}{self._as_known()}",
            "materialize its partition of the bars asset first",
        )

    def _stream(self, symbol: str, recorded_at: int, at_a_time: int) -> Iterator[MarketDataEvent]:
        """Yield the bars of a partition as they were when it had been written last at ``recorded_at``."""
        known_at = recorded_at if self._as_of is None else min(self._as_of, recorded_at)
        is_as_it_was, start, found = known_at == recorded_at, -_END_OF_TIME, None
        while found is None or len(found) == at_a_time:
            with self.database.asking() as connection:
                piece = (symbol, self.timeframe.value, start, _END_OF_TIME)
                if is_as_it_was:
                    found = bar_rows(connection).between(*piece, limit=at_a_time)
                    # Asked after the bars: what is as it was then was so before.
                    version = self._version(connection, symbol)
                    is_as_it_was = version is not None and version[1] == recorded_at
                if not is_as_it_was:
                    found = bar_rows(connection, as_of=known_at).between(*piece, limit=at_a_time)
            yield from self._events(symbol, found or [])
            start = found[-1][0] + 1 if found else start

    def _versions(self, connection: Connection) -> dict[str, int]:
        """Return by symbol when its partition was last written."""
        sql = "select symbol, recorded_at from partition_versions where timeframe = ?"
        return dict(run(connection, sql, (self.timeframe.value,)).fetchall())

    def _version(self, connection: Connection, symbol: str) -> _Version | None:
        sql = "select content_hash, recorded_at from partition_versions where symbol = ? and timeframe = ?"
        row: _Version | None = run(connection, sql, (symbol, self.timeframe.value)).fetchone()
        return row

    def _events(self, symbol: str, rows: Iterable[BarRow]) -> Iterator[MarketDataEvent]:
        event, timeframe = MarketDataEvent.of_bar, self.timeframe
        return (event(symbol, Bar(from_epoch(ts), *values), timeframe) for ts, *values in rows)

    def _remember(self, symbol: str, version: _Version, latest: MarketDataEvent) -> None:
        self._latest.pop(symbol, None)
        self._latest[symbol] = (version, latest)
        with suppress(KeyError):
            while len(self._latest) > self._cache_size:
                self._latest.popitem(last=False)

    def _as_known(self) -> str:
        return "" if self._as_of is None else f" as known at {from_epoch(self._as_of).isoformat()}"


class CSVDataHandler(DataHandler):
    """A :class:`jutsu_core.ports.DataHandler` over one CSV file, or a folder of ``SYMBOL.csv`` files.

    The header decides what a file is: the exports of Yahoo, yfinance, Stooq, Alpha Vantage, Nasdaq.com,
    MetaTrader, TradingView, Barchart, Investing.com, Interactive Brokers, Polygon and Schwab are
    understood, as is ``get_frame(...).to_csv()``; compressed (``.csv.gz``) too. Rows of a symbol run oldest
    or newest first; symbols may come one after the other or all of one time together. Prices are exact,
    and are the raw ``Close``: an ``Adj Close`` is not read. What could be meant in two ways is refused
    with the option that says which one is.

    Every method reads the files as they are then. What is kept between two calls is where the rows of an
    unchanged file lie, once they were all looked at.

    Args:
        path: The file or the folder. In a folder, a file without a column of symbols is about what it is
            named after (``BRK%2FB.csv`` holds ``BRK/B``); files without the suffix ``.csv`` or ``.csv.gz``
            and hidden ones are not read.
        symbol: The only symbol of a single file. If None, its symbol column says, or else its name.
        timeframe: How long the bars last. A bar of a day or longer starts at 00:00 UTC of its date.
        symbols: Which symbols :meth:`get_next_bar` streams; all in the files if None.
        timezone: Where times without an offset are meant, for example ``America/New_York``; intraday bars
            with such times are refused without it.
        round_to_scale: Whether prices of more than six decimals and volumes that are no whole
            numbers are rounded (half to even), as yfinance and Stooq have them; they are refused
            otherwise.
        exchange_zone: Where the exchange's clocks are: bounds of daily bars mean its sessions.
        date_order: ``day_first`` or ``month_first``: how 03/04/2013 is meant, where the file's own dates
            leave that open.
        decimal: ``.`` or ``,``: how 12,345 is meant.
        on_bad_row: ``quarantine`` leaves out rows that are no bar, and whole files of a folder that are none of
            bars unless they are named after what is asked for, and keeps them in :attr:`left_out`; ``error``
            refuses the file.
        no_volume: ``zero`` takes a volume that is not there for 0; ``error`` refuses the row.
        weekends: ``keep`` takes daily bars of Saturdays and Sundays; ``error`` refuses them, unless the
            file has both days of all its weekends, two or more.
        columns: What the files call ``symbol``, ``time``, ``open``, ``high``, ``low``, ``close`` and
            ``volume``, where that is not what vendors usually do.

    Raises:
        InvalidInputError: ``path`` is neither a file nor a folder, ``symbol`` is given for a folder,
            ``symbols`` is no list of texts, or an option is none of those that it may be. Every method raises it
            for a file that it cannot read, for one whose rows are not in order or no such bars, and for the
            first malformed row that it comes to. In a folder, who asks for some symbols needs the files that
            are named after them and those with a column of symbols.
        NoDataError: No file of the folder is called as files of bars are; raised by every method that reads.

    Examples:
        >>> bars = CSVDataHandler("AAPL.csv")  # doctest: +SKIP
        >>> bars.get_latest_bar("AAPL").close  # doctest: +SKIP
        Decimal('430.470000')
    """

    def __init__(
        self,
        path: str | Path,
        *,
        symbol: str | None = None,
        timeframe: Timeframe = Timeframe.D1,
        symbols: str | Sequence[str] | None = None,
        timezone: str | None = None,
        round_to_scale: bool = False,
        exchange_zone: str = EXCHANGE_ZONE,
        date_order: DateOrder | None = None,
        decimal: DecimalMark | None = None,
        on_bad_row: OnBadRow = "error",
        no_volume: NoVolume = "error",
        weekends: Weekends = "error",
        columns: Mapping[str, str] | None = None,
    ) -> None:
        reading = Reading(
            timeframe=timeframe,
            symbol=symbol,
            timezone=timezone,
            date_order=date_order,
            decimal=decimal,
            on_bad_row=on_bad_row,
            no_volume=no_volume,
            weekends=weekends,
            round_to_scale=round_to_scale,
            columns={} if columns is None else columns,
        )
        if not isinstance(path, str | Path):
            refuse("path", "that of a file or of a folder", shown(path))
        self.path = Path(path)
        self.timeframe = timeframe
        self._exchange_zone = zone_of(exchange_zone).key
        self._symbols = None if symbols is None else checked_symbols(symbols)
        self._collection = BarCollection(self.path, reading)

    @property
    def left_out(self) -> tuple[LeftOutRow, ...]:
        """The rows and files that ``on_bad_row="quarantine"`` leaves out, with the reason. The files are read."""
        return tuple(self._collection.left_out())

    def get_next_bar(self, *, missing: Missing = "error") -> Iterator[MarketDataEvent]:
        """Return the bars in time order, ties by symbol, in constant memory."""
        if not skips_missing(missing) and self._symbols is not None:
            self._refuse_missing(self._symbols)
        yield from stream_of(self._collection.rows(self._symbols), self.timeframe)

    def get_latest_bar(self, symbol: str) -> MarketDataEvent:
        """Return the newest bar of ``symbol``; of a file that was looked at before, its row alone is read.

        Raises:
            NoDataError: No file holds a bar of ``symbol``.
            InvalidInputError: The rows are not in order, or the newest is malformed.
        """
        bar = self._collection.newest(require_symbol(symbol))
        if bar is None:
            raise self._none_of([symbol])
        return MarketDataEvent.of_bar(symbol, bar, self.timeframe)

    def get_bars_range(
        self, symbol: str, start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> list[MarketDataEvent]:
        """Return the bars of ``symbol`` with ``start ≤ timestamp < end``, ascending."""
        require_symbol(symbol)
        return self.get_bars_batch((symbol,), start, end, missing=missing)[symbol]

    def get_bars_batch(
        self, symbols: str | Sequence[str], start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> dict[str, list[MarketDataEvent]]:
        """Return the bars of each of ``symbols`` with ``start ≤ timestamp < end``, reading each file once."""
        between = self._between(symbols, start, end, missing)
        return {symbol: events_of(repeat(symbol), bars, self.timeframe) for symbol, bars in between.items()}

    def get_frame(
        self, symbols: str | Sequence[str], start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> pd.DataFrame:
        """Return the bars of ``symbols`` with ``start ≤ timestamp < end`` as columns, reading each file once."""
        between = self._between(symbols, start, end, missing)
        frames = [bars_to_frame(symbol, bars) for symbol, bars in between.items() if bars]
        return pd.concat(frames, ignore_index=True) if frames else bars_to_frame("", [])

    def _between(
        self, symbols: str | Sequence[str], start: Bound, end: Bound, missing: Missing
    ) -> dict[str, list[Bar]]:
        first, after = checked_window(start, end, self.timeframe, exchange_zone=self._exchange_zone)
        skips = skips_missing(missing)
        found: dict[str, list[Bar]] = {symbol: [] for symbol in checked_symbols(symbols)}
        for symbol, bar in self._collection.rows(tuple(found), after):
            if bar[0] >= first:
                found[symbol].append(bar)
        if not skips:
            self._refuse_missing([symbol for symbol, bars in found.items() if not bars])
        return found

    def _refuse_missing(self, symbols: Sequence[str]) -> None:
        stored = self._collection.holding(symbols) if symbols else frozenset[str]()
        if missing := [symbol for symbol in symbols if symbol not in stored]:
            raise self._none_of(missing)

    def _none_of(self, symbols: Sequence[str]) -> NoDataError:
        remedy = "add them there, or ask for a symbol as the files spell it"
        stored = self._collection.about()
        return never_stored(symbols, stored, f"{self.timeframe.value} bars", str(self.path), remedy)


def _past(name: str, moment: datetime, now: datetime) -> datetime:
    require_type(name, moment, datetime, "a timezone-aware datetime", "such as datetime(2024, 1, 8, tzinfo=UTC)")
    aware = require_aware(name, moment)
    if aware > now:
        message = (
            f"{name} must not be after now, {now.isoformat()}, was {aware.isoformat()}: what will be known then"
            " nobody knows yet; leave it out to read what is known now"
        )
        raise InvalidInputError(message)
    return aware


def _as_frame(symbols: Sequence[str], arrays: Sequence[NDArray[np.int64]]) -> pd.DataFrame:
    values = np.concatenate([np.empty((0, 6), dtype=np.int64), *arrays])
    prices = {name: values[:, index + 1] / MICROS_PER_UNIT for index, name in enumerate(PRICE_COLUMNS)}
    columns = {
        "symbol": pd.array(list(symbols), dtype="str").repeat([len(array) for array in arrays]),
        "timestamp": pd.DatetimeIndex(values[:, 0].astype("datetime64[us]"), tz="UTC"),
        **prices,
        "volume": values[:, 5].copy(),
    }
    return pd.DataFrame(columns, copy=False)  # every column is the frame's own already
