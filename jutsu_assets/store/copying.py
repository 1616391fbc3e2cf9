"""Copying a whole store to another database, for example from SQLite to PostgreSQL."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select

from jutsu_assets.store import schema
from jutsu_assets.store.engine import Database
from jutsu_assets.store.manifest import INPUT_HASH_CHARACTERS
from jutsu_assets.store.upgrade import HEAD, revision_of
from jutsu_core.errors import StoreError

_ROWS_AT_A_TIME = 5_000
# What processes of one store share at this moment is not history, and means nothing in another store.
OF_THE_MOMENT = (schema.api_requests, schema.api_access, schema.api_days, schema.alerts)
_COPIED = [table for table in schema.metadata.sorted_tables if table not in OF_THE_MOMENT]


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied.

    Attributes:
        rows: Number of rows by table.
    """

    rows: dict[str, int]


Progress = Callable[[str, int, int], None]
"""Called with the name of the table that is copied, and how many rows of how many in all have arrived."""


def copy_store(source: Database, target: Database, progress: Progress) -> Copied:
    """Copy everything that ``source`` keeps into the empty ``target``, in one transaction.

    Readers and writers of ``source`` go on; the copy is its state at the beginning. The
    recording times are copied too, so that reads as of an instant give the same bars.

    Args:
        source: Any store.
        target: A store without bars, on any database; its schema is created where there is none.
        progress: Is told how far it is.

    Raises:
        StoreError: ``target`` is ``source``, holds something already, or did not take every row, or
            ``source`` has an older schema.
    """
    if source.url == target.url:
        message = f"the copy must go to another database, was {target.shown_url} for both"
        raise StoreError(message)
    with source.reading() as reading, target.writing() as writing:
        if (revision := revision_of(reading)) != HEAD:
            message = f"the schema of {source.shown_url} must be of revision {HEAD} to be copied, is {revision}"
            raise StoreError(message)
        _refuse_used(writing, target)
        expected = {table.name: _count(reading, table) for table in _COPIED}
        total, done = sum(expected.values()), 0
        for table in _COPIED:
            for arrived in _copy(table, reading, writing):
                done += arrived
                progress(table.name, done, total)
        _verify(writing, expected)
    return Copied(expected)


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _refuse_used(connection: Connection, target: Database) -> None:
    for table in _COPIED:
        if table is schema.store_facts:
            connection.execute(table.delete())
        elif _count(connection, table):
            message = (
                f"{target.shown_url} must be empty to take a copy, but its table {table.name} holds rows;"
                " name another database, or drop that one first"
            )
            raise StoreError(message)


def _copy(table: Table, reading: Connection, writing: Connection) -> Iterator[int]:
    """Copy the rows of ``table``; yield how many arrived each time."""
    streaming = reading.execution_options(yield_per=_ROWS_AT_A_TIME)
    with closing(streaming.execute(select(*_columns(table)))) as rows:
        for part in rows.partitions():
            _put(table, writing, part)
            yield len(part)


def _columns(table: Table) -> list[ColumnElement[Any]]:
    """Return the columns of ``table`` as they are copied: SQLite lets a longer hash of inputs in than there may be."""
    longest = schema.performance_reports.c.input_hash
    return [func.substr(column, 1, INPUT_HASH_CHARACTERS) if column is longest else column for column in table.columns]


def _put(table: Table, connection: Connection, rows: Sequence[Any]) -> None:
    names = [column.name for column in table.columns]
    cursor = connection.connection.cursor()
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(names))
        cursor.executemany(f"insert into {table.name} ({', '.join(names)}) values ({marks})", [*map(tuple, rows)])
        return
    with cursor.copy(f"copy {table.name} ({', '.join(names)}) from stdin") as copy:
        for row in rows:
            copy.write_row(row)


def _verify(connection: Connection, expected: dict[str, int]) -> None:
    for table in _COPIED:
        found = _count(connection, table)
        if found != expected[table.name]:
            message = (
                f"the copy of {table.name} must hold {expected[table.name]:,} rows, holds {found:,}; nothing was kept:"
                " nobody else may write to the target meanwhile"
            )
            raise StoreError(message)
