"""Bars as rows, on the driver's own cursor: the hot path below the store and the data handlers.

SQL is written once, with ``?`` for a parameter. What SQLite and PostgreSQL do well in different
ways stands in one class each: SQLite runs one statement for many rows inside the process,
PostgreSQL takes many rows as binary COPY and hands them out packed.
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
_WIDTH = 6
_FETCHED_AT_A_TIME = 20_000
_FEW = 20
_COPY_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER = b"\xff\xff"
_COPY_FIELD = [("length", ">i4"), ("value", ">i8")]


def run(connection: Connection, sql: str, parameters: Sequence[object] = ()) -> Any:  # noqa: ANN401 - a DBAPI cursor
    """Return a cursor on which ``sql``, with ``?`` for each of ``parameters``, was executed."""
    if connection.dialect.name == "sqlite":
        return connection.connection.cursor().execute(sql, tuple(parameters))
    # Binary results spare the parsing of every number.
    return connection.connection.cursor(binary=True).execute(sql.replace("?", "%s"), tuple(parameters))


class BarRows(ABC):
    """The rows of bars within one transaction.

    Args:
        connection: The transaction.
        as_of: Read the bars as they were known then, microseconds since 1970; as they are if None.
    """

    _AMONG: str
    _BRACKETS: str

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

    def newest(self, symbol: str, timeframe: str) -> tuple[str, int, BarRow] | None:
        """Return a partition's content hash, when that was recorded, and its last bar; None when it holds none.

        One question, so that the three belong together.
        """
        of = (symbol, timeframe)
        version = f"select {{}} from partition_versions where {_OF_PARTITION}"
        sql = (
            f"select ({version.format('content_hash')}), ({version.format('recorded_at')}), {VALUES}"
            f" from {self._table} where {_OF_PARTITION} order by ts desc limit 1"
        )
        row = run(self.connection, sql, of * 3).fetchone()
        return None if row is None else (row[0], row[1], row[2:])

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
    def supersede(
        self, symbol: str, timeframe: str, changed: Sequence[int], withdrawn: Sequence[int], now: int
    ) -> None:
        """Keep what the bars at these stamps say as revisions that ended ``now``; make room for the changed ones."""

    def _those(self, symbol: str, timeframe: str, stamps: Sequence[int]) -> tuple[str, tuple[object, ...]]:
        """Return the condition, with its parameters, that selects the bars at ``stamps``, ascending."""
        if len(stamps) < _FEW:
            marks = ", ".join("?" * len(stamps))
            return f"{_OF_PARTITION} and ts in ({marks})", (symbol, timeframe, *stamps)
        span = (symbol, timeframe, stamps[0], stamps[-1])
        between = f"{_OF_PARTITION} and ts >= ? and ts <= ?"
        if run(self.connection, f"select count(*) from bars where {between}", span).fetchone()[0] == len(stamps):
            return between, span  # all of them in a row, as after a split
        return f"{_OF_PARTITION} and {self._AMONG}", (
            symbol,
            timeframe,
            self._BRACKETS[0] + ",".join(map(str, stamps)) + self._BRACKETS[1],
        )

    @abstractmethod
    def together(self, count: int = 0) -> AbstractContextManager[object]:
        """Return a context in which statements about ``count`` bars are sent in one go, where that helps."""


class SqliteBarRows(BarRows):
    """Rows in SQLite: one statement, run once a row inside the process."""

    _AMONG, _BRACKETS = "ts in (select value from json_each(?))", "[]"

    def array(self, symbol: str, timeframe: str, start: int, end: int) -> NDArray[np.int64]:  # noqa: D102
        sql = f"select {VALUES} from {self._table} where {_OF_PARTITION} and ts >= ? and ts < ? order by ts"
        cursor = run(self.connection, sql, (symbol, timeframe, start, end))
        parts = [np.empty((0, _WIDTH), dtype=np.int64)]
        while rows := cursor.fetchmany(_FETCHED_AT_A_TIME):
            parts.append(rows_to_array(rows, len(rows)))
        return np.concatenate(parts)

    def put(self, symbol: str, timeframe: str, rows: Sequence[BarRow], source: str, now: int) -> None:  # noqa: D102
        sql = f"insert or replace into bars ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        parameters = [(symbol, timeframe, *row, source, now) for row in rows]
        self.connection.connection.cursor().executemany(sql, parameters)

    def supersede(  # noqa: D102
        self, symbol: str, timeframe: str, changed: Sequence[int], withdrawn: Sequence[int], now: int
    ) -> None:
        ended, of = self._those(symbol, timeframe, sorted([*changed, *withdrawn]))
        keep = f"insert into bar_revisions ({_COLUMNS}, superseded_at) select {_COLUMNS}, ? from bars where {ended}"
        run(self.connection, keep, (now, *of))
        if withdrawn:
            gone, of = self._those(symbol, timeframe, withdrawn)
            run(self.connection, f"delete from bars where {gone}", of)

    def together(self, count: int = 0) -> AbstractContextManager[object]:  # noqa: D102
        del count
        return nullcontext()


class PostgresBarRows(BarRows):
    """Rows in PostgreSQL: many at a time as binary COPY, and few round trips."""

    _AMONG, _BRACKETS = "ts = any(?::bigint[])", "{}"

    def array(self, symbol: str, timeframe: str, start: int, end: int) -> NDArray[np.int64]:  # noqa: D102
        # One value a partition: a row a bar would cost more on the way than in the table.
        packed = " || ".join(f"int8send({name})" for name in VALUES.split(", "))
        sql = (
            f"select string_agg({packed}, ''::bytea order by ts) from {self._table}"
            f" where {_OF_PARTITION} and ts >= ? and ts < ?"
        )
        data = run(self.connection, sql, (symbol, timeframe, start, end)).fetchone()[0] or b""
        return np.frombuffer(data, dtype=">i8").astype(np.int64).reshape(-1, _WIDTH)

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

    def supersede(  # noqa: D102
        self, symbol: str, timeframe: str, changed: Sequence[int], withdrawn: Sequence[int], now: int
    ) -> None:
        those, of = self._those(symbol, timeframe, sorted([*changed, *withdrawn]))
        sql = (
            f"with ended as (delete from bars where {those} returning {_COLUMNS})"
            f" insert into bar_revisions ({_COLUMNS}, superseded_at) select {_COLUMNS}, ?::bigint from ended"
        )
        run(self.connection, sql, (*of, now))

    def together(self, count: int = 0) -> AbstractContextManager[object]:  # noqa: D102
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


def _as_copy(symbol: str, timeframe: str, rows: Sequence[BarRow], source: str, now: int) -> bytes:
    """Return ``rows`` in PostgreSQL's binary COPY format: every value behind its length, big-endian."""
    before, after = [symbol.encode(), timeframe.encode()], source.encode()
    texts = [("text", f"S{len(after)}")]
    row = np.dtype(
        [
            ("fields", ">i2"),
            *((f"before{n}", [("length", ">i4"), ("text", f"S{len(text)}")]) for n, text in enumerate(before)),
            *((f"field{n}", _COPY_FIELD) for n in range(_WIDTH)),
            ("source", [("length", ">i4"), *texts]),
            ("now", _COPY_FIELD),
        ]
    )
    data = np.empty(len(rows), dtype=row)
    data["fields"] = 10
    for n, text in enumerate(before):
        data[f"before{n}"]["length"], data[f"before{n}"]["text"] = len(text), text
    values = rows_to_array(rows, len(rows))
    for n in range(_WIDTH):
        data[f"field{n}"]["length"], data[f"field{n}"]["value"] = 8, values[:, n]
    data["source"]["length"], data["source"]["text"] = len(after), after
    data["now"]["length"], data["now"]["value"] = 8, now
    return _COPY_SIGNATURE + data.tobytes() + _COPY_TRAILER
