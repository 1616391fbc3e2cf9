"""Bars as rows, on the driver's own cursor: the hot path below the store and the data handlers.

SQL is written once, with ``?`` for a parameter. What SQLite and PostgreSQL do well in different
ways stands in one class each: SQLite runs one statement for many rows inside the process,
PostgreSQL takes all rows as arrays in one statement, and hands many out as binary COPY.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from jutsu_assets.store.content import BarRow, rows_to_array

VALUES = "ts, open, high, low, close, volume"
_COLUMNS = f"symbol, timeframe, {VALUES}, source, recorded_at"
_OF_PARTITION = "symbol = ? and timeframe = ?"
_FETCHED_AT_A_TIME = 20_000
_COPY_HEADER_BYTES = 19
_COPY_FIELD = [("length", ">i4"), ("value", ">i8")]
_COPY_ROW = np.dtype([("fields", ">i2"), *((f"field{n}", _COPY_FIELD) for n in range(6))])


def run(connection: Connection, sql: str, parameters: Sequence[object] = ()) -> Any:  # noqa: ANN401 - a DBAPI cursor
    """Return a cursor on which ``sql``, with ``?`` for each of ``parameters``, was executed."""
    cursor = connection.connection.cursor()
    cursor.execute(sql if connection.dialect.name == "sqlite" else sql.replace("?", "%s"), tuple(parameters))
    return cursor


class BarRows(ABC):
    """The rows of bars within one transaction.

    Args:
        connection: The transaction.
        as_of: Read the bars as they were known then, microseconds since 1970; as they are if None.
    """

    def __init__(self, connection: Connection, *, as_of: int | None = None) -> None:
        self.connection = connection
        self._table = "bars" if as_of is None else _known_at(as_of)

    def between(self, symbol: str, timeframe: str, start: int, end: int, *, limit: int | None = None) -> list[BarRow]:
        """Return the bars of a partition with ``start ≤ ts < end``, ascending, at most ``limit``."""
        sql = f"select {VALUES} from {self._table} where {_OF_PARTITION} and ts >= ? and ts < ? order by ts"
        if limit is not None:
            sql += f" limit {limit:d}"
        rows: list[BarRow] = run(self.connection, sql, (symbol, timeframe, start, end)).fetchall()
        return rows

    def newest(self, symbol: str, timeframe: str) -> BarRow | None:
        """Return the last bar of a partition, or None when it holds none."""
        sql = f"select {VALUES} from {self._table} where {_OF_PARTITION} order by ts desc limit 1"
        row: BarRow | None = run(self.connection, sql, (symbol, timeframe)).fetchone()
        return row

    def of_symbols(self, symbols: Sequence[str], timeframe: str, start: int, end: int) -> list[tuple[Any, ...]]:
        """Return the bars of several partitions, ``symbol`` first, by symbol and time, in one query."""
        marks = ", ".join("?" * len(symbols))
        sql = (
            f"select symbol, {VALUES} from {self._table}"
            f" where symbol in ({marks}) and timeframe = ? and ts >= ? and ts < ? order by symbol, ts"
        )
        rows: list[tuple[Any, ...]] = run(self.connection, sql, (*symbols, timeframe, start, end)).fetchall()
        return rows

    @abstractmethod
    def array(self, symbol: str, timeframe: str, start: int, end: int) -> NDArray[np.int64]:
        """Return the bars of a partition with ``start ≤ ts < end``, ascending, of shape (n, 6)."""

    @abstractmethod
    def insert(self, symbol: str, timeframe: str, rows: Sequence[BarRow], source: str, now: int) -> None:
        """Add bars that are not there."""

    @abstractmethod
    def supersede(self, symbol: str, timeframe: str, stamps: Sequence[int], now: int) -> None:
        """Keep what the bars at ``stamps`` say as revisions that ended ``now``."""

    @abstractmethod
    def restate(self, symbol: str, timeframe: str, rows: Sequence[BarRow], source: str, now: int) -> None:
        """Replace the values of bars that are there."""

    @abstractmethod
    def remove(self, symbol: str, timeframe: str, stamps: Sequence[int]) -> None:
        """Remove the bars at ``stamps``."""


class SqliteBarRows(BarRows):
    """Rows in SQLite: one statement, run once a row inside the process."""

    def array(self, symbol: str, timeframe: str, start: int, end: int) -> NDArray[np.int64]:  # noqa: D102
        sql = f"select {VALUES} from {self._table} where {_OF_PARTITION} and ts >= ? and ts < ? order by ts"
        cursor = run(self.connection, sql, (symbol, timeframe, start, end))
        parts = [np.empty((0, 6), dtype=np.int64)]
        while rows := cursor.fetchmany(_FETCHED_AT_A_TIME):
            parts.append(rows_to_array(rows, len(rows)))
        return np.concatenate(parts)

    def insert(self, symbol: str, timeframe: str, rows: Sequence[BarRow], source: str, now: int) -> None:  # noqa: D102
        sql = f"insert into bars ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        self._run_many(sql, [(symbol, timeframe, *row, source, now) for row in rows])

    def supersede(self, symbol: str, timeframe: str, stamps: Sequence[int], now: int) -> None:  # noqa: D102
        sql = (
            f"insert into bar_revisions ({_COLUMNS}, superseded_at)"
            f" select {_COLUMNS}, ? from bars where {_OF_PARTITION} and ts = ?"
        )
        self._run_many(sql, [(now, symbol, timeframe, ts) for ts in stamps])

    def restate(self, symbol: str, timeframe: str, rows: Sequence[BarRow], source: str, now: int) -> None:  # noqa: D102
        sql = (
            "update bars set open = ?, high = ?, low = ?, close = ?, volume = ?, source = ?, recorded_at = ?"
            f" where {_OF_PARTITION} and ts = ?"
        )
        self._run_many(sql, [(*row[1:], source, now, symbol, timeframe, row[0]) for row in rows])

    def remove(self, symbol: str, timeframe: str, stamps: Sequence[int]) -> None:  # noqa: D102
        sql = f"delete from bars where {_OF_PARTITION} and ts = ?"
        self._run_many(sql, [(symbol, timeframe, ts) for ts in stamps])

    def _run_many(self, sql: str, parameters: list[tuple[object, ...]]) -> None:
        self.connection.connection.cursor().executemany(sql, parameters)


class PostgresBarRows(BarRows):
    """Rows in PostgreSQL: all of them as arrays in one statement, and binary COPY for bulk reads."""

    _UNNESTED = "unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[])"

    def array(self, symbol: str, timeframe: str, start: int, end: int) -> NDArray[np.int64]:  # noqa: D102
        sql = (
            f"copy (select {VALUES} from {self._table} where {_OF_PARTITION} and ts >= ? and ts < ? order by ts)"
            " to stdout (format binary)"
        ).replace("?", "%s")
        cursor = self.connection.connection.cursor()
        with cursor.copy(sql, (symbol, timeframe, start, end)) as copy:
            data = b"".join(copy)
        # Every row has the same width: a count of fields, then each one's length and value; a trailer ends them.
        count = (len(data) - _COPY_HEADER_BYTES) // _COPY_ROW.itemsize
        rows = np.frombuffer(data, dtype=_COPY_ROW, count=count, offset=_COPY_HEADER_BYTES)
        return np.stack([rows[f"field{n}"]["value"].astype(np.int64) for n in range(6)], axis=1)

    def insert(self, symbol: str, timeframe: str, rows: Sequence[BarRow], source: str, now: int) -> None:  # noqa: D102
        sql = f"insert into bars ({_COLUMNS}) select ?, ?, u.*, ?, ?::bigint from {self._UNNESTED} as u"
        run(self.connection, sql, (symbol, timeframe, source, now, *_by_column(rows)))

    def supersede(self, symbol: str, timeframe: str, stamps: Sequence[int], now: int) -> None:  # noqa: D102
        sql = (
            f"insert into bar_revisions ({_COLUMNS}, superseded_at)"
            f" select {_COLUMNS}, ?::bigint from bars where {_OF_PARTITION} and ts = any(?::bigint[])"
        )
        run(self.connection, sql, (now, symbol, timeframe, list(stamps)))

    def restate(self, symbol: str, timeframe: str, rows: Sequence[BarRow], source: str, now: int) -> None:  # noqa: D102
        sql = (
            "update bars set open = u.open, high = u.high, low = u.low, close = u.close, volume = u.volume,"
            f" source = ?, recorded_at = ? from {self._UNNESTED} as u ({VALUES})"
            " where bars.symbol = ? and bars.timeframe = ? and bars.ts = u.ts"
        )
        run(self.connection, sql, (source, now, *_by_column(rows), symbol, timeframe))

    def remove(self, symbol: str, timeframe: str, stamps: Sequence[int]) -> None:  # noqa: D102
        sql = f"delete from bars where {_OF_PARTITION} and ts = any(?::bigint[])"
        run(self.connection, sql, (symbol, timeframe, list(stamps)))


def bar_rows(connection: Connection, *, as_of: int | None = None) -> BarRows:
    """Return the rows of bars as the database behind ``connection`` does them well."""
    kind = SqliteBarRows if connection.dialect.name == "sqlite" else PostgresBarRows
    return kind(connection, as_of=as_of)


def _known_at(moment: int) -> str:
    kept = f"symbol, timeframe, {VALUES}"
    return (
        f"(select {kept} from bars where recorded_at <= {moment:d}"
        f" union all select {kept} from bar_revisions where recorded_at <= {moment:d} and superseded_at > {moment:d})"
        " as known"
    )


def _by_column(rows: Sequence[BarRow]) -> list[list[int]]:
    return [list(column) for column in zip(*rows, strict=True)]
