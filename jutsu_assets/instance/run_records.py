"""The records of runs; each names the process that it lives in from the moment that it starts."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from dagster import DagsterEvent, DagsterEventType
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from jutsu_assets.instance.processes import RunProcess


class NamesProcesses(SqlRunStorage):
    """A storage of runs that notes the process of every run that starts.

    The event of a run's start is stored by the process that executes it, whoever launched it.
    """

    def handle_run_event(self, run_id: str, event: DagsterEvent, update_timestamp: datetime | None = None) -> None:
        """Note what ``event`` says of the run."""
        super().handle_run_event(run_id, event, update_timestamp)
        if event.event_type is DagsterEventType.RUN_START:
            self.add_run_tags(run_id, RunProcess.current().tags)


class MarkedRuns(NamesProcesses, SqliteRunStorage):
    """A :class:`SqliteRunStorage` whose runs name their process."""

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Yield a connection; it waits for other writers as long as that of events does."""
        engine = create_engine(
            self._conn_string, poolclass=NullPool, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
        )
        with engine.begin() as connection:
            yield connection
