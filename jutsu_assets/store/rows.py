"""Bars as rows, on the driver's own cursor: the hot path below the store and the data handlers.

SQL is written once, with ``?`` for a parameter. What SQLite and PostgreSQL do well in different
ways stands in one class each: SQLite runs one statement for many rows inside the process,
PostgreSQL takes columns as binary arrays, works while we go on, and hands bars out packed.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from jutsu_assets.store.content import BarRow

VALUES = "ts, open, high, low, close, volume"
_COLUMNS = f"symbol, timeframe, {VALUES}, source, recorded_at"
_OF_PARTITION = "symbol = ? and timeframe = ?"
_BAR_TABLES = ("bars", "bar_revisions")
_WIDTH = 6
_FEW = 20


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

    def __init__(self, connection: Connection, *, as_of: int | None = None) -> None:
        self.connection = connection
        self._as_of = as_of
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

    def ranges(self, timeframe: str) -> list[tuple[str, int, int, int]]:
        """Return of each symbol with bars the first and the last stamp, and how many there are; by symbol."""
        sql = "select symbol, first_ts, last_ts, bars from partition_versions where timeframe = ? and bars > 0"
        if self._as_of is not None:
            sql = f"select symbol, min(ts), max(ts), count(*) from {self._table} where timeframe = ? group by symbol"
        rows: list[tuple[str, int, int, int]] = run(self.connection, f"{sql} order by symbol", (timeframe,)).fetchall()
        return rows

    def of_symbols(self, symbols: Sequence[str], timeframe: str, start: int, end: int) -> list[tuple[Any, ...]]:
        """Return the bars of several partitions, ``symbol`` first, by symbol and time, in one query."""
        condition, parameter = self._one_of(symbols)
        sql = (
            f"select symbol, {VALUES} from {self._table}"
            f" where {condition} and timeframe = ? and ts >= ? and ts < ? order by symbol, ts"
        )
        rows: list[tuple[Any, ...]] = run(self.connection, sql, (parameter, timeframe, start, end)).fetchall()
        return rows

    def ever_stored(self, symbols: Sequence[str], timeframe: str) -> set[str]:
        """Return those of ``symbols`` of which a bar was ever stored, as far as was known then."""
        condition, parameter = self._one_of(symbols)
        sql = f"select symbol from partition_versions where {condition} and timeframe = ?"
        stored = [row[0] for row in run(self.connection, sql, (parameter, timeframe)).fetchall()]
        return {symbol for symbol in stored if self._as_of is None or self._was_known(symbol, timeframe)}

    def _was_known(self, symbol: str, timeframe: str) -> bool:
        known = (f"exists (select 1 from {table} where {_OF_PARTITION} and recorded_at <= ?)" for table in _BAR_TABLES)
        of = (symbol, timeframe, self._as_of)
        return bool(run(self.connection, f"select {' or '.join(known)}", (*of, *of)).fetchone()[0])

    @abstractmethod
    def array(self, symbol: str, timeframe: str, start: int, end: int) -> NDArray[np.int64]:
        """Return the bars of a partition with ``start ≤ ts < end``, ascending, of shape (n, 6)."""

    @abstractmethod
    def put(self, symbol: str, timeframe: str, values: NDArray[np.int64], source: str, now: int) -> None:
        """Add bars, of shape (n, 6), where there are none."""

    @abstractmethod
    def supersede(self, symbol: str, timeframe: str, ended: NDArray[np.int64], now: int, *, in_a_row: bool) -> None:
        """Take the bars at these stamps out, and keep what they said as revisions that ended ``now``.

        Args:
            symbol: Ticker.
            timeframe: Which of its bars.
            ended: Their stamps, ascending.
            now: When they ended.
            in_a_row: Whether no other bar stands between them, as after a split.
        """

    @abstractmethod
    def together(self) -> AbstractContextManager[object]:
        """Return a context in which statements are sent without waiting for each other's results."""

    @abstractmethod
    def _among(self, stamps: NDArray[np.int64]) -> tuple[str, object]:
        """Return the condition, with its one parameter, that selects these stamps."""

    @abstractmethod
    def _one_of(self, symbols: Sequence[str]) -> tuple[str, object]:
        """Return the condition, with its one parameter, that selects any number of symbols."""

    def _those(
        self, symbol: str, timeframe: str, stamps: NDArray[np.int64], *, in_a_row: bool
    ) -> tuple[str, tuple[object, ...]]:
        if in_a_row:
            span = (int(stamps[0]), int(stamps[-1]))
            return f"{_OF_PARTITION} and ts >= ? and ts <= ?", (symbol, timeframe, *span)
        if len(stamps) < _FEW:
            marks = ", ".join("?" * len(stamps))
            return f"{_OF_PARTITION} and ts in ({marks})", (symbol, timeframe, *stamps.tolist())
        condition, parameter = self._among(stamps)
        return f"{_OF_PARTITION} and {condition}", (symbol, timeframe, parameter)


class SqliteBarRows(BarRows):
    """Rows in SQLite: one statement, run once a row inside the process."""

    def array(self, symbol: str, timeframe: str, start: int, end: int) -> NDArray[np.int64]:  # noqa: D102
        # One text a column, which NumPy reads: a third of the time that an object for each number takes.
        texts = ", ".join(f"group_concat({name}, ' ')" for name in VALUES.split(", "))
        rows = f"select {VALUES} from {self._table} where {_OF_PARTITION} and ts >= ? and ts < ? order by ts"
        found = run(self.connection, f"select {texts} from ({rows})", (symbol, timeframe, start, end)).fetchone()
        return np.stack([np.fromstring(text or "", dtype=np.int64, sep=" ") for text in found], axis=1)

    def put(self, symbol: str, timeframe: str, values: NDArray[np.int64], source: str, now: int) -> None:  # noqa: D102
        sql = f"insert into bars ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        parameters = [(symbol, timeframe, *row, source, now) for row in values.tolist()]
        self.connection.connection.cursor().executemany(sql, parameters)

    def supersede(  # noqa: D102
        self, symbol: str, timeframe: str, ended: NDArray[np.int64], now: int, *, in_a_row: bool
    ) -> None:
        those, of = self._those(symbol, timeframe, ended, in_a_row=in_a_row)
        keep = f"insert into bar_revisions ({_COLUMNS}, superseded_at) select {_COLUMNS}, ? from bars where {those}"
        run(self.connection, keep, (now, *of))
        run(self.connection, f"delete from bars where {those}", of)

    def together(self) -> AbstractContextManager[object]:  # noqa: D102
        return nullcontext()

    def _among(self, stamps: NDArray[np.int64]) -> tuple[str, object]:
        return "ts in (select value from json_each(?))", json.dumps(stamps.tolist())

    def _one_of(self, symbols: Sequence[str]) -> tuple[str, object]:
        return "symbol in (select value from json_each(?))", json.dumps(symbols)


class PostgresBarRows(BarRows):
    """Rows in PostgreSQL: columns as binary arrays, and few round trips."""

    def array(self, symbol: str, timeframe: str, start: int, end: int) -> NDArray[np.int64]:  # noqa: D102
        # One value a partition: a row a bar would cost more on the way than in the table.
        packed = " || ".join(f"int8send({name})" for name in VALUES.split(", "))
        sql = (
            f"select string_agg({packed}, ''::bytea order by ts) from {self._table}"
            f" where {_OF_PARTITION} and ts >= ? and ts < ?"
        )
        data = run(self.connection, sql, (symbol, timeframe, start, end)).fetchone()[0] or b""
        return np.frombuffer(data, dtype=">i8").astype(np.int64).reshape(-1, _WIDTH)

    def put(self, symbol: str, timeframe: str, values: NDArray[np.int64], source: str, now: int) -> None:  # noqa: D102
        arrays = ", ".join(["?::bigint[]"] * _WIDTH)
        sql = f"insert into bars ({_COLUMNS}) select ?, ?, came.*, ?, ?::bigint from unnest({arrays}) as came"
        run(self.connection, sql, (symbol, timeframe, source, now, *values.T))

    def supersede(  # noqa: D102
        self, symbol: str, timeframe: str, ended: NDArray[np.int64], now: int, *, in_a_row: bool
    ) -> None:
        those, of = self._those(symbol, timeframe, ended, in_a_row=in_a_row)
        sql = (
            f"with ended as (delete from bars where {those} returning {_COLUMNS})"
            f" insert into bar_revisions ({_COLUMNS}, superseded_at) select {_COLUMNS}, ?::bigint from ended"
        )
        run(self.connection, sql, (*of, now))

    def together(self) -> AbstractContextManager[object]:  # noqa: D102
        driver: Any = self.connection.connection.driver_connection
        pipeline: AbstractContextManager[object] = driver.pipeline()
        return pipeline

    def _among(self, stamps: NDArray[np.int64]) -> tuple[str, object]:
        return "ts = any(?::bigint[])", stamps

    def _one_of(self, symbols: Sequence[str]) -> tuple[str, object]:
        return "symbol = any(?)", list(symbols)


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
