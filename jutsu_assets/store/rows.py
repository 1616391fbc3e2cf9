"""Bars as rows, on the driver's own cursor: the hot path below the store and the data handlers.

SQL is written once, with ``?`` for a parameter. What SQLite and PostgreSQL do well in different
ways stands in one class each: SQLite runs one statement for many rows inside the process,
PostgreSQL takes and hands out many rows as binary COPY.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from jutsu_assets.store.content import BarRow, rows_to_array

VALUES = "ts, open, high, low, close, volume"
_COLUMNS = f"symbol, timeframe, {VALUES}, source, recorded_at"
_OF_PARTITION = "symbol = ? and timeframe = ?"
_FETCHED_AT_A_TIME = 20_000
_FEW = 20
_COPY_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER = b"\xff\xff"
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
    def put(self, symbol: str, timeframe: str, rows: Sequence[BarRow], source: str, now: int) -> None:
        """Add bars, in place of those that are there."""

    @abstractmethod
    def supersede(self, symbol: str, timeframe: str, stamps: Sequence[int], now: int) -> None:
        """Keep what the bars at ``stamps`` say as revisions that ended ``now``, and remove them."""

    @abstractmethod
    def together(self, count: int) -> AbstractContextManager[object]:
        """Return a context in which statements about ``count`` bars are sent in one go, where that helps."""


class SqliteBarRows(BarRows):
    """Rows in SQLite: one statement, run once a row inside the process."""

    def array(self, symbol: str, timeframe: str, start: int, end: int) -> NDArray[np.int64]:  # noqa: D102
        sql = f"select {VALUES} from {self._table} where {_OF_PARTITION} and ts >= ? and ts < ? order by ts"
        cursor = run(self.connection, sql, (symbol, timeframe, start, end))
        parts = [np.empty((0, 6), dtype=np.int64)]
        while rows := cursor.fetchmany(_FETCHED_AT_A_TIME):
            parts.append(rows_to_array(rows, len(rows)))
        return np.concatenate(parts)

    def put(self, symbol: str, timeframe: str, rows: Sequence[BarRow], source: str, now: int) -> None:  # noqa: D102
        sql = f"insert or replace into bars ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        parameters = [(symbol, timeframe, *row, source, now) for row in rows]
        self.connection.connection.cursor().executemany(sql, parameters)

    def supersede(self, symbol: str, timeframe: str, stamps: Sequence[int], now: int) -> None:  # noqa: D102
        ended = f"{_OF_PARTITION} and ts in (select value from json_each(?))"
        of = (symbol, timeframe, f"[{_listed(stamps)}]")
        keep = f"insert into bar_revisions ({_COLUMNS}, superseded_at) select {_COLUMNS}, ? from bars where {ended}"
        run(self.connection, keep, (now, *of))
        run(self.connection, f"delete from bars where {ended}", of)

    def together(self, count: int) -> AbstractContextManager[object]:  # noqa: D102
        del count
        return nullcontext()


class PostgresBarRows(BarRows):
    """Rows in PostgreSQL: many at a time as binary COPY, and few round trips."""

    def array(self, symbol: str, timeframe: str, start: int, end: int) -> NDArray[np.int64]:  # noqa: D102
        sql = (
            f"copy (select {VALUES} from {self._table} where {_OF_PARTITION} and ts >= ? and ts < ? order by ts)"
            " to stdout (format binary)"
        ).replace("?", "%s")
        cursor = self.connection.connection.cursor()
        with cursor.copy(sql, (symbol, timeframe, start, end)) as copy:
            data = b"".join(copy)
        # Every row has the same width: a count of fields, then each one's length and value; a trailer ends them.
        count = (len(data) - len(_COPY_SIGNATURE)) // _COPY_ROW.itemsize
        rows = np.frombuffer(data, dtype=_COPY_ROW, count=count, offset=len(_COPY_SIGNATURE))
        return np.stack([rows[f"field{n}"]["value"].astype(np.int64) for n in range(6)], axis=1)

    def put(self, symbol: str, timeframe: str, rows: Sequence[BarRow], source: str, now: int) -> None:  # noqa: D102
        if len(rows) < _FEW:
            marks = ", ".join("?" * 10)
            sql = f"insert into bars ({_COLUMNS}) values ({marks})"
            for row in rows:
                run(self.connection, sql, (symbol, timeframe, *row, source, now))
            return
        cursor = self.connection.connection.cursor()
        with cursor.copy(f"copy bars ({_COLUMNS}) from stdin (format binary)") as copy:
            copy.write(_as_copy(symbol, timeframe, rows, source, now))

    def supersede(self, symbol: str, timeframe: str, stamps: Sequence[int], now: int) -> None:  # noqa: D102
        sql = (
            f"with ended as (delete from bars where {_OF_PARTITION} and ts = any(?::bigint[]) returning {_COLUMNS})"
            f" insert into bar_revisions ({_COLUMNS}, superseded_at) select {_COLUMNS}, ?::bigint from ended"
        )
        run(self.connection, sql, (symbol, timeframe, f"{{{_listed(stamps)}}}", now))

    def together(self, count: int) -> AbstractContextManager[object]:  # noqa: D102
        if count >= _FEW:  # COPY is not possible within a pipeline
            return nullcontext()
        driver: Any = self.connection.connection.driver_connection
        pipeline: AbstractContextManager[object] = driver.pipeline()
        return pipeline


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


def _listed(stamps: Sequence[int]) -> str:
    return ",".join(map(str, stamps))


def _as_copy(symbol: str, timeframe: str, rows: Sequence[BarRow], source: str, now: int) -> bytes:
    """Return ``rows`` in PostgreSQL's binary COPY format: every value behind its length, big-endian."""
    before, after = [symbol.encode(), timeframe.encode()], source.encode()
    texts = [("text", f"S{len(after)}")]
    row = np.dtype(
        [
            ("fields", ">i2"),
            *((f"before{n}", [("length", ">i4"), ("text", f"S{len(text)}")]) for n, text in enumerate(before)),
            *((f"field{n}", _COPY_FIELD) for n in range(6)),
            ("source", [("length", ">i4"), *texts]),
            ("now", _COPY_FIELD),
        ]
    )
    data = np.empty(len(rows), dtype=row)
    data["fields"] = 10
    for n, text in enumerate(before):
        data[f"before{n}"]["length"], data[f"before{n}"]["text"] = len(text), text
    values = rows_to_array(rows, len(rows))
    for n in range(6):
        data[f"field{n}"]["length"], data[f"field{n}"]["value"] = 8, values[:, n]
    data["source"]["length"], data["source"]["text"] = len(after), after
    data["now"]["length"], data["now"]["value"] = 8, now
    return _COPY_SIGNATURE + data.tobytes() + _COPY_TRAILER
