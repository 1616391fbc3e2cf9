"""The event log of a history in SQLite: Dagster's own, in one database, with its connection kept.

Dagster opens a connection, compiles each statement anew and waits for the disk for every event,
in a database of the run's own and, with every event of an asset, again in the one that all runs
share: 20 ms and more an event, and everything twice. This one writes to the shared database alone,
keeps the connection, and commits to the write-ahead log without waiting for the disk: a killed
process loses nothing, a machine without power its newest events. Tables are Dagster's. Databases
that Dagster's class made for single runs are read, and written on, where they lie.
"""

import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from dagster import EventLogRecord, EventRecordsFilter
from dagster import _check as check
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.event_api import EventHandlerFn
from dagster._core.events import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
    DagsterEventType,
)
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
    SqliteEventLogStorageWatchdog,
)
from dagster._core.storage.sql import get_alembic_config
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._record import copy
from dagster._serdes import serialize_value
from dagster._time import datetime_from_timestamp
from sqlalchemy import Connection, Engine, bindparam, create_engine, event
from sqlalchemy.pool import NullPool, StaticPool
from watchdog.events import FileSystemEvent
from watchdog.observers import Observer

from jutsu_assets.instance.beginning import beginning, keep_newest, revisions

_MOST_OPEN = 16
"""How many databases of single runs stay open."""
_PAGE_BYTES = 8192
"""Of a database that is begun: an event has 1 to 4 kB, and of SQLite's own 4 kB a fifth would stay empty."""
_ABOUT_ALL_RUNS = ASSET_EVENTS | ASSET_CHECK_EVENTS | set(EVENT_TYPE_TO_PIPELINE_RUN_STATUS)
_OF_ASSETS = {
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_OBSERVATION,
    DagsterEventType.ASSET_CHECK_EVALUATION,
}
_INSERT = SqlEventLogStorageTable.insert()
_INSERT_CHECK = AssetCheckExecutionsTable.insert()
_INSERT_ASSET = AssetKeyTable.insert()
_UPDATE_ASSET = AssetKeyTable.update().where(AssetKeyTable.c.asset_key == bindparam("of_key"))


@dataclass(frozen=True, slots=True)
class _Kept:
    connection: Connection
    file: tuple[int, int] | None
    process: int = field(default_factory=os.getpid)

    def close(self) -> None:
        self.connection.close()
        self.connection.engine.dispose()


def newest_revision() -> str:
    """Return the revision that the tables of this version of Dagster are at."""
    config = get_alembic_config(sqlite_event_log.__file__)
    return str(ScriptDirectory.from_config(config).get_current_head())


class KeptEventLog(SqliteEventLogStorage):
    """A :class:`SqliteEventLogStorage` that writes each event once, and keeps its connections.

    Safe for several threads, which take turns, and for several processes. What a forked process
    inherits is put aside, not used.

    Args:
        base_dir: Folder of the databases.
        lock_folder: Folder of the lock under which a database is begun.
    """

    def __init__(self, base_dir: str, lock_folder: Path) -> None:
        self._lock_folder = lock_folder
        self._turn = threading.RLock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._in_use: dict[str, Connection] = {}
        self._inherited: list[_Kept] = []
        self._tables: set[str] = set()
        self._base_dir = str(Path(base_dir).absolute())
        shared = Path(self.path_for_shard(INDEX_SHARD_NAME))
        is_new = not shared.is_file()
        if is_new:  # Dagster's class would begin it with small pages
            shared.parent.mkdir(parents=True, exist_ok=True)
            self._begin(INDEX_SHARD_NAME, shared)
        super().__init__(base_dir)
        if is_new:
            self.reindex_events()
            self.reindex_assets()

    def run_connection(self, run_id: str | None = None) -> AbstractContextManager[Connection]:
        """Return a transaction in the database that holds the events of a run."""
        return self._connect(self._shard_of(run_id))

    def path_of_run(self, run_id: str) -> str:
        """Return the file that holds the events of a run."""
        return self.path_for_shard(self._shard_of(run_id))

    def _shard_of(self, run_id: str | None) -> str:
        """Return the database that holds a run's events: the shared one, unless Dagster's class began one for it."""
        has_its_own = run_id is not None and Path(self.path_for_shard(run_id)).is_file()
        return run_id if run_id is not None and has_its_own else INDEX_SHARD_NAME

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._turn:
            outer = self._in_use.get(shard)
            if outer is not None:  # part of a larger transaction of this thread
                yield outer
                return
            connection = self._connection_to(shard)
            try:
                with connection.begin():
                    self._in_use[shard] = connection
                    yield connection
            except BaseException:
                # What broke may be the connection: the next use opens another.
                self._forget(shard)
                raise
            finally:
                self._in_use.pop(shard, None)

    def _connection_to(self, shard: str) -> Connection:
        path = Path(self.path_for_shard(shard))
        kept = self._kept.get(shard)
        if kept is not None and kept.process != os.getpid():
            # SQLite's locks belong to the process that opened the file.
            self._inherited += self._kept.values()
            self._kept.clear()
            kept = None
        if kept is not None and kept.file != _identity(path):  # the history was taken away meanwhile
            self._forget(shard)
            kept = None
        if kept is None:
            kept = self._open(shard, path)
        self._kept.move_to_end(shard)
        return kept.connection

    def _open(self, shard: str, path: Path) -> "_Kept":
        if len(revisions(path)) != 1:
            with beginning(self._lock_folder):
                self._begin(shard, path)
        connection = _engine(self.conn_string_for_shard(shard), keeps=True).connect()
        kept = self._kept[shard] = _Kept(connection, _identity(path))
        idle = [name for name in self._kept if name not in (shard, INDEX_SHARD_NAME, *self._in_use)]
        for name in idle[:-_MOST_OPEN]:
            self._forget(name)
        return kept

    def _begin(self, shard: str, path: Path) -> None:
        if keep_newest(path, newest_revision()):
            return
        engine = _engine(self.conn_string_for_shard(shard), keeps=False)
        self._initdb(engine, for_index_shard=shard == INDEX_SHARD_NAME)

    def _forget(self, shard: str) -> None:
        kept = self._kept.pop(shard, None)
        if kept is not None:
            kept.close()

    def store_event(self, event: EventLogEntry) -> None:
        """Store ``event``."""
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store ``events``, of one run as Dagster sends them, whole or not at all."""
        with ExitStack() as transactions:
            # The run's own database is written first: what all runs share never holds what the run's does not.
            if any(map(_is_about_all_runs, events)):
                transactions.enter_context(self.index_connection())
            transactions.enter_context(self.run_connection(events[0].run_id))
            for entry in events:
                self._store(entry)

    def _store(self, entry: EventLogEntry) -> None:
        """Do what Dagster's ``store_event`` does, with statements that are compiled once."""
        row = self._row_of(_lean(entry))
        if self._shard_of(entry.run_id) != INDEX_SHARD_NAME:
            with self.run_connection(entry.run_id) as run:
                run.execute(_INSERT, row)
            if not _is_about_all_runs(entry):
                return
        with self.index_connection() as index:
            event_id: int = check.not_none(index.execute(_INSERT, row).inserted_primary_key)[0]
            if entry.dagster_event_type in ASSET_EVENTS:
                self._store_asset_event_tags(index, [entry], [event_id])
                self._store_newest_of_asset(index, entry, event_id, row["event"])
            if entry.dagster_event_type is DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
                self._store_planned_checks(index, entry, event_id)
            elif entry.dagster_event_type in ASSET_CHECK_EVENTS:
                self.store_asset_check_event(_lean(entry), event_id)

    def _row_of(self, entry: EventLogEntry) -> dict[str, Any]:
        """Return what Dagster's ``_event_to_row`` does, with JSON that has no blanks."""
        event = entry.dagster_event
        asset_key = None if event is None else event.asset_key
        return {
            "run_id": entry.run_id,
            "event": serialize_value(entry, separators=(",", ":")),
            "dagster_event_type": None if event is None else event.event_type_value,
            "timestamp": self._event_insert_timestamp(entry),  # type: ignore[no-untyped-call]
            "step_key": entry.step_key if event is None else event.step_key,
            "asset_key": None if asset_key is None else asset_key.to_string(),
            "partition": None if event is None else event.partition,
        }

    def _store_newest_of_asset(self, index: Connection, entry: EventLogEntry, event_id: int, written: str) -> None:
        """Do what Dagster's ``_store_asset_event`` does.

        Dagster inserts, and updates when that fails: for every event of an asset but its first.
        And it writes a materialization as JSON once more, within the record of its place.
        """
        event = check.not_none(entry.dagster_event)
        if event.asset_key is None:
            return
        at, values = datetime_from_timestamp(entry.timestamp), {"last_run_id": entry.run_id}
        if event.is_step_materialization:
            values["last_materialization"] = record_of(written, event_id)
        elif event.is_asset_observation:
            values = {}
        elif not event.is_asset_materialization_planned:
            return
        key = event.asset_key.to_string()
        values_at = {**values, "last_materialization_timestamp": at}
        if index.execute(_UPDATE_ASSET, {"of_key": key, **values_at}).rowcount == 0:
            index.execute(_INSERT_ASSET, {"asset_key": key, **values_at})

    def _store_planned_checks(self, index: Connection, entry: EventLogEntry, event_id: int) -> None:
        """Do what Dagster's ``_store_asset_check_evaluation_planned`` does.

        Dagster writes the list of all partitions into the row of each.
        """
        event = check.not_none(entry.dagster_event)
        planned = check.inst(event.event_specific_data, AssetCheckEvaluationPlanned)
        subset = planned.partitions_subset
        of_one = event._replace(event_specific_data=copy(planned, partitions_subset=None), logging_tags={})
        row = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": entry.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": serialize_value(entry._replace(dagster_event=of_one)),
            "evaluation_event_timestamp": self._event_insert_timestamp(entry),  # type: ignore[no-untyped-call]
            "evaluation_event_storage_id": event_id,
        }
        partitions = [None] if subset is None else subset.get_partition_keys()
        index.execute(_INSERT_CHECK, [{**row, "partition": partition} for partition in partitions])

    def get_event_records(
        self,
        event_records_filter: EventRecordsFilter,
        limit: int | None = None,
        ascending: bool = False,  # noqa: FBT001, FBT002 - as inherited
    ) -> Sequence[EventLogRecord]:
        """Return the events that match; of runs that Dagster's class logged, those of assets, checks and status."""
        return SqlEventLogStorage.get_event_records(self, event_records_filter, limit, ascending)

    @property
    def is_run_sharded(self) -> bool:
        """Return False: what identifies an event is one count over all runs."""
        return False

    def has_table(self, table_name: str) -> bool:
        """Return whether there is a table of that name; tables do not go away."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """Call ``callback`` with every event of the run after ``cursor``, also those of other processes."""
        observer: Any = self._obs
        if observer is None:
            observer = Observer()
            observer.start()
            self._obs = observer
        watchdog = _Watchdog(self, run_id, callback, cursor)
        self._watchers[run_id][callback] = (watchdog, observer.schedule(watchdog, self._base_dir, recursive=True))

    def delete_events(self, run_id: str) -> None:
        """Delete the events of a run."""
        super().delete_events(run_id)
        with self._turn:
            self._forget(run_id)

    def wipe(self) -> None:
        """Delete every event."""
        with self._turn:
            self._close_all()
        super().wipe()

    def upgrade(self) -> None:
        """Bring every database to the newest revision."""
        super().upgrade()
        with self._turn:
            self._close_all()

    def dispose(self) -> None:
        """Stop watching and close what is open."""
        super().dispose()
        with self._turn:
            self._close_all()

    def _close_all(self) -> None:
        for shard in list(self._kept):
            self._forget(shard)


class _Watchdog(SqliteEventLogStorageWatchdog):
    """Looks at the write-ahead log too: while a connection is kept, the database's own file seldom changes."""

    def __init__(self, log: KeptEventLog, run_id: str, callback: EventHandlerFn, cursor: str | None) -> None:
        super().__init__(log, run_id, callback, cursor)
        path = log.path_of_run(run_id)
        self._patterns = [path, f"{path}-wal"]

    def on_modified(self, event: FileSystemEvent) -> None:  # noqa: ARG002 - as inherited
        """Hand on the events that were added."""
        self._process_log()


def record_of(written: str, event_id: int) -> str:
    """Return the JSON of an ``EventLogRecord`` of the event whose JSON is ``written``."""
    return f'{{"__class__":"EventLogRecord","event_log_entry":{written},"storage_id":{event_id}}}'


def _lean(entry: EventLogEntry) -> EventLogEntry:
    """Return ``entry`` without what its run, its step and its asset say anyway.

    Events of assets are nearly all of a history.
    """
    event = entry.dagster_event
    if event is None or event.event_type not in _OF_ASSETS:
        return entry
    return entry._replace(dagster_event=event._replace(logging_tags={}, step_handle=None, node_handle=None))


def _is_about_all_runs(entry: EventLogEntry) -> bool:
    return entry.is_dagster_event and entry.dagster_event_type in _ABOUT_ALL_RUNS


def _engine(url: str, *, keeps: bool) -> Engine:
    engine = create_engine(
        url,
        poolclass=StaticPool if keeps else NullPool,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    connection.execute("PRAGMA synchronous = NORMAL")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
