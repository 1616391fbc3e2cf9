"""Moving a run history from SQLite to PostgreSQL, whole or not at all.

Tables are Dagster's on both sides, and it creates those of the target. Rows keep their numbers:
the newest of an asset, its checks, the cursors of sensors and of automation name events by them.
What means something only to the processes of the moment is left where it is.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from dagster._core.storage.event_log.schema import (
    ConcurrencySlotsTable,
    PendingStepsTable,
    SqlEventLogStorageMetadata,
    SqlEventLogStorageTable,
)
from dagster._core.storage.runs.schema import (
    DaemonHeartbeatsTable,
    InstanceInfo,
    RunsTable,
    RunStorageSqlMetadata,
    RunTagsTable,
)
from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
from sqlalchemy import URL, Connection, Engine, MetaData, Select, Table, create_engine, func, null, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from jutsu_assets.instance.beginning import DATABASES, opened, revisions
from jutsu_assets.instance.event_log import newest_revision
from jutsu_assets.instance.postgresql import PostgresHistory, kept_engine
from jutsu_assets.instance.server import history_unavailable, shown_history_url
from jutsu_core.errors import StoreError, StoreUnavailableError
from jutsu_core.ports import Clock

DAEMON_IS_ALIVE_FOR = timedelta(seconds=45)
"""A daemon says every half minute that it lives."""
_MIGRATIONS = "secondary_indexes"
_OF_THE_MOMENT = {DaemonHeartbeatsTable.name, InstanceInfo.name, PendingStepsTable.name, _MIGRATIONS}
"""Who lives, which installation it is, who waits for a slot, and which of its own migrations a database has had."""
_IN_PROGRESS = ("STARTING", "STARTED", "CANCELING")
_NOTHING_KEPT = "nothing was kept there"
_ROWS_AT_A_TIME = 2_000
_SCHEMAS: Sequence[MetaData] = (RunStorageSqlMetadata, SqlEventLogStorageMetadata, ScheduleStorageSqlMetadata)
_TABLES = [
    (name, table)
    for name, schema in zip(DATABASES, _SCHEMAS, strict=True)
    for table in schema.sorted_tables
    if table.name not in _OF_THE_MOMENT
]
_EVENTS = SqlEventLogStorageTable

Progress = Callable[[str, int, int], None]
"""Called with the name of the table that is moved, and how many rows of how many in all have arrived."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved.

    Attributes:
        rows: Number of rows by table.
        orphaned_tags: Tags of runs that were deleted; they were left out.
        logged_alone: Runs that Dagster's own storage logged, each in a file; the lines of their logs that are of no
            asset stand after the others now, each with its time.
    """

    rows: Mapping[str, int]
    orphaned_tags: int
    logged_alone: int


def move_history(folder: Path, url: URL, clock: Clock, progress: Progress) -> Moved:
    """Copy the run history in ``folder`` into the PostgreSQL at ``url``, in one transaction; SQLite stays as it is.

    Args:
        folder: Where the history is, with Dagster's own tables.
        url: As :func:`~jutsu_assets.instance.server.history_url` returns it: a database, or a schema, without a
            history; tables are created where there are none.
        clock: Tells whether a daemon said lately that it lives.
        progress: Is told how far it is.

    Raises:
        StoreError: There is nothing to move, somebody works with it, ``url`` holds a history already, or it did not
            take every row. Nothing was kept then but empty tables.
        StoreUnavailableError: The server cannot be reached.
    """
    with _told(url), ExitStack() as stack:
        sources = {name: stack.enter_context(_snapshot(folder / name)) for name in DATABASES}
        _require_idle(sources[DATABASES[0]], clock)
        engine = kept_engine(url)
        stack.callback(engine.dispose)
        engine.connect().close()  # a wrong URL is known at once, without Dagster's patience
        PostgresHistory(url).dispose()  # its tables are there now
        return _move(sources, folder / DATABASES[1], engine, url, progress)


def _move(sources: Mapping[str, Connection], events: Path, engine: Engine, url: URL, progress: Progress) -> Moved:
    with engine.execution_options(isolation_level="READ COMMITTED").connect() as target, target.begin():
        _take(target, url, sources)
        shards = sorted(path for path in events.parent.glob("*.db") if path != events)
        expected = {table.name: _count(sources[name], _rows_of(table)) for name, table in _TABLES}
        total, done = sum(expected.values()), 0
        for name, table in _TABLES:
            for arrived in _copied(_rows_of(table), table, sources[name], target):
                done += arrived
                progress(table.name, done, total)
        for number, shard in enumerate(shards, 1):
            expected[_EVENTS.name] += _add_log(shard, sources[DATABASES[1]], target)
            progress(f"logs of single runs ({number:,} of {len(shards):,})", done, total)
        _verify(target, expected)
        _number_on(target)
        _require_unchanged(sources)
        tags = RunTagsTable
        orphaned = _count(sources[DATABASES[0]], select(tags.c.id)) - expected[tags.name]
    return Moved(expected, orphaned, len(shards))


@contextmanager
def _told(url: URL) -> Iterator[None]:
    """Say what the driver, or Dagster, says of the server in one of our errors."""
    try:
        yield
    except DBAPIError as error:
        is_here = isinstance(error.orig, sqlite3.Error)
        raise (_unreadable(error.orig) if is_here else history_unavailable(url, error, _NOTHING_KEPT)) from error
    except sqlite3.Error as error:
        raise _unreadable(error) from error


def _unreadable(error: BaseException | None) -> StoreUnavailableError:
    return StoreUnavailableError(f"the run history must be readable here: {error}; {_NOTHING_KEPT}; see `jutsu doctor`")


@contextmanager
def _snapshot(database: Path) -> Iterator[Connection]:
    """Yield one state of a SQLite ``database``, which others may go on writing."""
    if not database.is_file():
        message = f"{database} must be there to be moved: there is no run history; PostgreSQL's begins by itself"
        raise StoreError(message)
    if revisions(database) != (newest_revision(),):
        message = (
            f"{database} must be a run history of this version of Dagster, is not; run `dagster instance migrate`"
            " first, or see what `jutsu doctor` says"
        )
        raise StoreError(message)
    engine = create_engine("sqlite://", creator=partial(_autocommitting, database), poolclass=NullPool)
    with engine.connect() as connection:
        connection.info["version"] = _version(connection)
        connection.exec_driver_sql("BEGIN")
        yield connection


def _autocommitting(database: Path) -> sqlite3.Connection:
    connection = opened(database)
    connection.isolation_level = None  # we say ourselves where a transaction begins
    return connection


def _version(connection: Connection) -> int:
    """Return a number that changes when another connection commits."""
    return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())


def _require_idle(runs: Connection, clock: Clock) -> None:
    found = runs.execute(
        select(RunsTable.c.run_id, RunsTable.c.status).where(RunsTable.c.status.in_(_IN_PROGRESS)).limit(3)
    ).all()
    if found:
        named = ", ".join(f"{run_id} ({status})" for run_id, status in found)
        message = (
            f"no run may be in progress while its history is moved, there are: {named}; wait for their end, or cancel"
            " them; `jutsu doctor --mend` ends those whose process is gone"
        )
        raise StoreError(message)
    newest: datetime | None = runs.scalar(select(func.max(DaemonHeartbeatsTable.c.timestamp)))
    if newest is not None and (age := clock.now() - newest.replace(tzinfo=UTC)) < DAEMON_IS_ALIVE_FOR:
        message = (
            f"no daemon may work with a history that is moved, one said {age.total_seconds():.0f} s ago that it lives;"
            f" stop `jutsu ui`, and move {DAEMON_IS_ALIVE_FOR.total_seconds():.0f} s later"
        )
        raise StoreError(message)


def _require_unchanged(sources: Mapping[str, Connection]) -> None:
    for name, connection in sources.items():
        connection.exec_driver_sql("COMMIT")
        if _version(connection) != connection.info["version"]:
            message = (
                f"nobody may write to a history that is moved, {name} was written meanwhile; nothing was kept: stop"
                " what runs in this home, then move again"
            )
            raise StoreError(message)


def _take(target: Connection, url: URL, sources: Mapping[str, Connection]) -> None:
    """Let nobody else write to the tables of ``target``, which must be empty, and of the same form."""
    names = [table.name for _, table in _TABLES]
    target.execute(text("SET LOCAL synchronous_commit = on"))  # who is told that all is there may remove the source
    target.execute(text(f"LOCK TABLE {', '.join(names)} IN EXCLUSIVE MODE"))
    for _, table in _TABLES:
        if target.execute(select(table.c.id).limit(1)).first() is not None:
            message = (
                f"{shown_history_url(url)} must hold no run history to take one, but its table {table.name} holds rows;"
                " name another database, or drop that one first; where an earlier move was cut off at its very end, all"
                " is there: let dagster.yaml name it (deploy/postgresql/dagster.yaml is one that does)"
            )
            raise StoreError(message)
    done = {name for connection in sources.values() for name in _migrations(connection)}
    if missing := sorted(_migrations(target) - done):
        message = (
            f"a history must have had every migration of its data to be moved, lacks {', '.join(missing)};"
            " run `dagster instance migrate` and `dagster instance reindex` first"
        )
        raise StoreError(message)


def _migrations(connection: Connection) -> set[str]:
    return set(connection.scalars(text(f"SELECT name FROM {_MIGRATIONS}")))  # noqa: S608 - a constant


def _rows_of(table: Table) -> Select[Any]:
    """Return the rows of ``table`` that are moved, as they will be."""
    if table is RunTagsTable:  # SQLite keeps those of deleted runs
        return select(table).where(table.c.run_id.in_(select(RunsTable.c.run_id)))
    if table is ConcurrencySlotsTable:  # no run is in progress: whoever seems to hold one does not
        held = ("run_id", "step_key")
        columns = [null().label(column.name) if column.name in held else column for column in table.columns]
        return select(*columns).where(~table.c.deleted)
    return select(table)


def _count(connection: Connection, rows: Select[Any]) -> int:
    return connection.scalar(select(func.count()).select_from(rows.subquery())) or 0


def _copied(rows: Select[Any], table: Table, source: Connection, target: Connection) -> Iterator[int]:
    """Copy ``rows`` into ``table``; yield how many arrived each time."""
    with closing(source.execute(rows, execution_options={"yield_per": _ROWS_AT_A_TIME})) as found:
        for part in found.mappings().partitions():
            target.execute(table.insert(), [dict(row) for row in part])
            yield len(part)


def _add_log(shard: Path, shared: Connection, target: Connection) -> int:
    """Add the lines of a run's own ``shard`` that are not among the events of all runs; return how many.

    What is in both has the same words in both. They get the next numbers: lower ones are taken.
    """
    with _snapshot(shard) as own:
        known = Counter(shared.scalars(select(_EVENTS.c.event).where(_EVENTS.c.run_id == shard.stem)))
        lines = []
        for line in own.execute(select(_EVENTS).order_by(_EVENTS.c.id)).mappings():
            if known[line["event"]]:
                known[line["event"]] -= 1
            else:
                lines.append({name: value for name, value in line.items() if name != "id"})
    if lines:
        _number_on(target, _EVENTS)
        target.execute(_EVENTS.insert(), lines)
    return len(lines)


def _number_on(target: Connection, *tables: Table) -> None:
    """Let the next row of ``tables``, all if none is named, get the number after the highest."""
    for table in tables or [table for _, table in _TABLES]:
        highest = select(func.max(table.c.id)).scalar_subquery()
        sequence = func.pg_get_serial_sequence(table.name, "id")
        target.execute(select(func.setval(sequence, func.coalesce(highest, 1), highest.is_not(None))))


def _verify(target: Connection, expected: Mapping[str, int]) -> None:
    for _, table in _TABLES:
        found = _count(target, select(table.c.id))
        if found != expected[table.name]:
            message = (
                f"the copy of {table.name} must hold {expected[table.name]:,} rows, holds {found:,}; nothing was kept:"
                " nobody else may write to the target meanwhile"
            )
            raise StoreError(message)
