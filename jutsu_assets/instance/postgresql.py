"""The run history in PostgreSQL: for several machines, and for many readers of one.

Tables and statements are Dagster's own. Dagster opens a connection for every statement, three and
more an event; these keep theirs. And a run names the process that it lives in, as in SQLite, so
that run monitoring ends one that was killed, whoever started it.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Self

import dagster as dg
from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.runs.schema import RunsTable
from dagster._serdes import ConfigurableClassData
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, inspect, select, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from jutsu_assets.clock import SystemSleeper
from jutsu_assets.instance.joined import JoinedStorage
from jutsu_assets.instance.run_records import NamesProcesses
from jutsu_assets.instance.server import URL_VARIABLE, history_unavailable, named_history_url, shown_history_url
from jutsu_assets.settings import read_environment
from jutsu_core.errors import ConfigurationError

_KEPT, _MOST = 2, 5
"""Connections of a process: those that stay open, and how many there may be at a moment."""
_BEGINNING = 0x4A757473_75444147
"""The lock under which the tables are made, for whoever begins a history in the same database."""
_EVERY_CHARACTER = "UTF8"
_ATTEMPTS, _FIRST_WAIT_SECONDS = 6, 0.4
_IS_A_REFUSAL = re.compile(
    r"FATAL:(?!.*(starting up|shutting down|too many|connection slots))|invalid|could not translate"
)
"""In the text of an error: when it connects, the driver gives no code."""
_CANNOT = {"25006", "42501"}
"""PostgreSQL's codes: a transaction that may only read, and a user who may not."""
_CANNOT_NOW = ("08", "53", "57", "58")
"""Their classes: a connection, a resource, an operator's doing, the system itself."""
_logger = logging.getLogger("jutsu.instance.history")


class _Waits:
    """Waits for a server that starts again, as Dagster's classes do, and says our own error where it does not."""

    _engine: Engine

    @contextmanager
    def connect(self, run_id: str | None = None) -> Iterator[Connection]:  # noqa: ARG002 - as inherited
        """Yield a connection."""
        with _connected(self._engine) as connection:
            yield connection


class _Runs(_Waits, NamesProcesses, PostgresRunStorage):
    """Dagster's records of runs in PostgreSQL; each run names its process."""


class _Events(_Waits, PostgresEventLogStorage):
    """Dagster's event log in PostgreSQL, which closes the connections that all parts share."""

    def _connect(self) -> AbstractContextManager[Connection]:
        return self.connect()

    def dispose(self) -> None:
        super().dispose()
        self._engine.dispose()


class _Schedules(_Waits, PostgresScheduleStorage):
    """Dagster's ticks, and states of schedules and sensors, in PostgreSQL."""


class PostgresHistory(JoinedStorage):
    """Dagster's PostgreSQL storage, with connections that are kept and runs that name their process.

    Args:
        url: Where it is, as :func:`~jutsu_assets.instance.server.history_url` returns it; its tables are created where
            there are none.
        inst_data: What ``dagster.yaml`` says.

    Raises:
        ConfigurationError: Its database cannot keep every character.
        StoreUnavailableError: The server was asked several times, and could not be reached; or it lets nobody write.
    """

    def __init__(self, url: URL, inst_data: ConfigurableClassData | None = None) -> None:
        written, engine = url.render_as_string(hide_password=False), kept_engine(url)
        event.listen(engine, "handle_error", _told)
        with _connected(engine) as plain:
            connection = plain.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                # Of several first starts at once one would otherwise find half of the tables.
                connection.execute(select(func.pg_advisory_xact_lock(_BEGINNING)))
                _require_every_character(connection)
                try:
                    runs, events, schedules = _Runs(written), _Events(written), _Schedules(written)
                except DBAPIError as error:
                    raise history_unavailable(url, error) from error
        for part in (runs, events, schedules):
            part._engine = engine  # noqa: SLF001 - as Dagster does for its webserver
        super().__init__(runs, events, schedules, inst_data)

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Return which settings it takes: another URL than that of ``JUTSU_DAGSTER_URL``."""
        return {"url": dg.Field(dg.StringSource, is_required=False)}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Return it as ``dagster.yaml`` describes it.

        Raises:
            ConfigurationError: Neither it nor the environment says where the history is.
        """
        return cls(named_history_url(config_value.get("url"), read_environment()), inst_data)


def kept_engine(url: URL) -> Engine:
    """Return an engine that keeps two connections, and has five at most."""
    return create_engine(
        url, isolation_level="AUTOCOMMIT", pool_size=_KEPT, max_overflow=_MOST - _KEPT, pool_pre_ping=True
    )


def _connected(engine: Engine) -> Connection:
    """Return a connection; a server that starts again is waited for."""
    waits = Retrying(
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_exponential(multiplier=_FIRST_WAIT_SECONDS),
        retry=retry_if_exception(_may_pass),
        sleep=SystemSleeper().sleep,
        before_sleep=partial(_tell_of_wait, engine.url),
        reraise=True,
    )
    try:
        return waits(engine.connect)
    except SQLAlchemyError as error:
        raise history_unavailable(engine.url, error) from error


def _may_pass(error: BaseException) -> bool:
    """Return whether a server may take a connection soon: one that answers with a refusal will not."""
    return isinstance(error, DBAPIError) and not _IS_A_REFUSAL.search(str(error.orig))


def _tell_of_wait(url: URL, state: RetryCallState) -> None:
    if state.attempt_number == 1:
        error = None if state.outcome is None else state.outcome.exception()
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        _logger.warning("the run history at %s is waited for: %s", shown_history_url(url), said)


def _told(context: ExceptionContext) -> None:
    """Raise our own error where the server cannot do what it is asked; what Dagster knows what to do about stays."""
    code = getattr(context.original_exception, "pgcode", None) or ""
    if context.connection is not None and (code in _CANNOT or code.startswith(_CANNOT_NOW)):
        raise history_unavailable(context.connection.engine.url, context.original_exception)


def _require_every_character(connection: Connection) -> None:
    """Refuse a database in which a history would begin that cannot keep what runs say."""
    encoding = connection.scalar(text("show server_encoding"))
    if encoding != _EVERY_CHARACTER and not inspect(connection).has_table(RunsTable.name):
        message = (
            f"the database of the run history, {shown_history_url(connection.engine.url)}, must keep every character,"
            f" its encoding {encoding} does not: make another (createdb --encoding {_EVERY_CHARACTER} --template"
            f" template0 dagster) and name it in {URL_VARIABLE}"
        )
        raise ConfigurationError(message)
