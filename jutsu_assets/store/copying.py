"""Copying a whole store to another database, for example from SQLite to PostgreSQL."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import Connection, Table, func, insert, select

from jutsu_assets.store import schema
from jutsu_assets.store.engine import Database
from jutsu_assets.store.upgrade import HEAD, revision_of
from jutsu_core.errors import StoreError

_ROWS_AT_A_TIME = 5_000
# What processes of one store share at this moment is not history, and means nothing in another store.
OF_THE_MOMENT = (schema.api_requests, schema.api_access, schema.api_days)
_COPIED = [table for table in schema.metadata.sorted_tables if table not in OF_THE_MOMENT]


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied.

    Attributes:
        rows: Number of rows by table.
    """

    rows: dict[str, int]


def copy_store(source: Database, target: Database, progress: Callable[[str, int], None]) -> Copied:
    """Copy everything that ``source`` keeps into the empty ``target``, in one transaction.

    Readers and writers of ``source`` go on; the copy is its state at the beginning. The
    recording times are copied too, so that reads as of an instant give the same bars.

    Args:
        source: Any store.
        target: A store without bars, on any database; its schema is created where there is none.
        progress: Called with a table's name and the rows copied so far.

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
        rows = {table.name: _copy(table, reading, writing, progress) for table in _COPIED}
        _verify(writing, rows)
    return Copied(rows)


def _refuse_used(connection: Connection, target: Database) -> None:
    for table in _COPIED:
        if table is schema.store_facts:
            connection.execute(table.delete())
        elif connection.scalar(select(func.count()).select_from(table)):
            message = (
                f"{target.shown_url} must be empty to take a copy, but its table {table.name} holds rows;"
                " name another database, or drop that one first"
            )
            raise StoreError(message)


def _copy(table: Table, reading: Connection, writing: Connection, progress: Callable[[str, int], None]) -> int:
    streaming = reading.execution_options(yield_per=_ROWS_AT_A_TIME)
    count = 0
    with closing(streaming.execute(select(table)).mappings()) as rows:
        for part in rows.partitions():
            writing.execute(insert(table), [dict(row) for row in part])
            count += len(part)
            progress(table.name, count)
    return count


def _verify(connection: Connection, rows: dict[str, int]) -> None:
    for table in _COPIED:
        found = connection.scalar(select(func.count()).select_from(table))
        if found != rows[table.name]:
            message = (
                f"the copy of {table.name} must hold {rows[table.name]:,} rows, holds {found:,}; nothing was kept:"
                " nobody else may write to the target meanwhile"
            )
            raise StoreError(message)
