"""Bars from the system of record, through the interface that a backtesting engine reads."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Select, select

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.store import schema
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.coordination import RequestLog
from jutsu_assets.store.engine import Database, from_epoch, to_epoch
from jutsu_assets.store.manifest import SeriesManifest
from jutsu_assets.store.reports import PerformanceReports
from jutsu_core.bars import BAR_COLUMNS, MICROS_PER_UNIT, PRICE_COLUMNS, Timeframe, from_micros, require_aware
from jutsu_core.errors import InvalidInputError, NoDataError
from jutsu_core.events import MarketDataEvent
from jutsu_core.ports import Clock, DataHandler

_BARS = schema.bars
_VERSIONS = schema.partition_versions
_COLUMNS = (
    _BARS.c.symbol,
    _BARS.c.ts,
    _BARS.c.open,
    _BARS.c.high,
    _BARS.c.low,
    _BARS.c.close,
    _BARS.c.volume,
)
_STREAM_ROWS = 1_000


class DatabaseDataHandler(DataHandler):
    """A :class:`jutsu_core.ports.DataHandler` over a database of bars.

    Args:
        db_url: SQLAlchemy URL of the system of record.
        timeframe: Which bars to read.
        symbols: Which symbols :meth:`get_next_bar` streams; all stored ones if None.
        cache_size: How many symbols' latest bars to keep in memory. A kept bar is used only
            while the stored partition is unchanged, whichever process writes it.

    Raises:
        InvalidInputError: ``cache_size`` is below 0, or the URL cannot be understood.
    """

    def __init__(
        self,
        db_url: str,
        *,
        timeframe: Timeframe = Timeframe.D1,
        symbols: Sequence[str] | None = None,
        cache_size: int = 1000,
    ) -> None:
        if cache_size < 0:
            message = f"cache_size must be at least 0, was {cache_size}"
            raise InvalidInputError(message)
        self.database = Database(db_url, SystemSleeper())
        self.timeframe = timeframe
        self._symbols = None if symbols is None else tuple(symbols)
        self._cache_size = cache_size
        self._latest: OrderedDict[str, tuple[str, MarketDataEvent]] = OrderedDict()

    def get_next_bar(self) -> Iterator[MarketDataEvent]:
        """Return the bars in time order, ties by symbol, in constant memory."""
        query = self._query().order_by(_BARS.c.ts, _BARS.c.symbol)
        if self._symbols is not None:
            query = query.where(_BARS.c.symbol.in_(self._symbols))
        with self.database.reading() as connection:
            streaming = connection.execution_options(yield_per=_STREAM_ROWS)
            for row in streaming.execute(query):
                yield self._event(row)

    def get_latest_bar(self, symbol: str) -> MarketDataEvent:
        """Return the newest bar of ``symbol``.

        Raises:
            NoDataError: No bar of ``symbol`` is stored.
        """
        with self.database.reading() as connection:
            version = connection.scalar(
                select(_VERSIONS.c.content_hash).where(
                    _VERSIONS.c.symbol == symbol, _VERSIONS.c.timeframe == self.timeframe.value
                )
            )
            kept = self._latest.get(symbol)
            if version is not None and kept is not None and kept[0] == version:
                self._latest.move_to_end(symbol)
                return kept[1]
            newest = self._query().where(_BARS.c.symbol == symbol).order_by(_BARS.c.ts.desc()).limit(1)
            row = connection.execute(newest).one_or_none()
        if row is None:
            message = (
                f"symbol {symbol!r} must have stored {self.timeframe.value} bars, has none in"
                f" {self.database!r}; materialize its partition of the bars asset first"
            )
            raise NoDataError(message)
        event = self._event(row)
        if version is not None:
            self._remember(symbol, version, event)
        return event

    def get_bars_range(self, symbol: str, start: datetime, end: datetime) -> list[MarketDataEvent]:
        """Return the bars of ``symbol`` with ``start ≤ timestamp < end``, ascending."""
        query = self._between(start, end).where(_BARS.c.symbol == symbol).order_by(_BARS.c.ts)
        with self.database.reading() as connection:
            return [self._event(row) for row in connection.execute(query)]

    def get_bars_batch(
        self, symbols: Sequence[str], start: datetime, end: datetime
    ) -> dict[str, list[MarketDataEvent]]:
        """Return the bars of each of ``symbols`` with ``start ≤ timestamp < end``, in one query."""
        found: dict[str, list[MarketDataEvent]] = {symbol: [] for symbol in symbols}
        query = self._between(start, end).where(_BARS.c.symbol.in_(found)).order_by(_BARS.c.symbol, _BARS.c.ts)
        with self.database.reading() as connection:
            for row in connection.execute(query):
                found[row[0]].append(self._event(row))
        return found

    def get_frame(self, symbols: Sequence[str], start: datetime, end: datetime) -> pd.DataFrame:
        """Return the bars of ``symbols`` with ``start ≤ timestamp < end`` as columns, in one query."""
        order = {symbol: index for index, symbol in enumerate(dict.fromkeys(symbols))}
        query = self._between(start, end).where(_BARS.c.symbol.in_(order)).order_by(_BARS.c.symbol, _BARS.c.ts)
        with self.database.reading() as connection:
            rows = connection.execute(query).all()
        return _as_frame(sorted(rows, key=lambda row: order[row[0]]))

    def _query(self) -> Select[Any]:
        return select(*_COLUMNS).where(_BARS.c.timeframe == self.timeframe.value)

    def _between(self, start: datetime, end: datetime) -> Select[Any]:
        first, after = require_aware("start", start), require_aware("end", end)
        if after < first:
            message = f"end must be at or after start {first.isoformat()}, was {after.isoformat()}"
            raise InvalidInputError(message)
        return self._query().where(_BARS.c.ts >= to_epoch(first), _BARS.c.ts < to_epoch(after))

    def _event(self, row: Sequence[Any]) -> MarketDataEvent:
        symbol, ts, open_, high, low, close, volume = row
        return MarketDataEvent(
            symbol=symbol,
            timestamp=from_epoch(ts),
            open=from_micros(open_),
            high=from_micros(high),
            low=from_micros(low),
            close=from_micros(close),
            volume=volume,
            timeframe=self.timeframe,
        )

    def _remember(self, symbol: str, version: str, event: MarketDataEvent) -> None:
        self._latest[symbol] = (version, event)
        self._latest.move_to_end(symbol)
        while len(self._latest) > self._cache_size:
            self._latest.popitem(last=False)


class MarketDatabase(DatabaseDataHandler):
    """All that an asset needs of the system of record: a data handler, with what writes beside it.

    Args:
        db_url: SQLAlchemy URL of the system of record.
        source: The one source whose bars this database keeps.
        clock: Tells when something is recorded; the machine's clock if None.
        timeframe: Which bars to read through the data handler.

    Attributes:
        bars: The store of bars.
        requests: The shared log of requests to the broker.
        manifest: The current files of derived series.
        reports: The current performance reports.
    """

    def __init__(
        self, db_url: str, *, source: str, clock: Clock | None = None, timeframe: Timeframe = Timeframe.D1
    ) -> None:
        super().__init__(db_url, timeframe=timeframe)
        recording = clock or SystemClock()
        self.bars = SqlBarStore(self.database, source, recording)
        self.requests = RequestLog(self.database, recording)
        self.manifest = SeriesManifest(self.database, recording)
        self.reports = PerformanceReports(self.database, recording)


def _as_frame(rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    materialized = list(rows)
    values = np.array([row[1:] for row in materialized], dtype=np.int64).reshape(len(materialized), 6)
    columns: dict[str, object] = {
        "symbol": pd.Series([row[0] for row in materialized], dtype="str"),
        "timestamp": pd.DatetimeIndex(values[:, 0].astype("datetime64[us]")).tz_localize("UTC"),
    }
    columns |= {name: values[:, index + 1] / MICROS_PER_UNIT for index, name in enumerate(PRICE_COLUMNS)}
    columns["volume"] = values[:, 5]
    return pd.DataFrame(columns, columns=list(BAR_COLUMNS))
