"""The run history in PostgreSQL: for several machines, and for many readers of one.

Tables and statements are Dagster's own. Dagster opens a connection for every statement, three and
more an event; these keep theirs. And a run names the process that it lives in, as in SQLite, so
that run monitoring ends one that was killed, whoever started it.
"""

from collections.abc import Mapping
from typing import Any, Self

import dagster as dg
from dagster._config.config_schema import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage
from dagster_postgres.utils import DagsterPostgresException, retry_pg_connection_fn
from sqlalchemy import URL, Connection, Engine, create_engine, func, select

from jutsu_assets.instance.joined import JoinedStorage
from jutsu_assets.instance.run_records import NamesProcesses
from jutsu_assets.settings import read_environment
from jutsu_assets.store.urls import database_url, shown_url
from jutsu_core.errors import ConfigurationError, StoreUnavailableError

URL_VARIABLE = "JUTSU_DAGSTER_URL"
_DRIVER = "postgresql+psycopg2"
_KEPT, _MOST = 2, 5
"""Connections of a process: those that stay open, and how many there may be at a moment."""
_SESSION = "-ctimezone=UTC -csynchronous_commit=off"
_BEGINNING = 0x4A757473_75444147
"""The lock under which the tables are made, for whoever begins a history in the same database."""


def history_url(text: str) -> URL:
    """Return the URL of the run history that ``text`` spells, by the driver that Dagster uses.

    Times that the server fills in are UTC, whatever zone it is set to: Dagster reads them as that. And nobody waits for
    the server's disk: a killed process loses nothing, a server without power the newest events.

    Raises:
        ConfigurationError: It is no URL of PostgreSQL.

    Examples:
        >>> history_url("postgresql://me@host/dagster").drivername
        'postgresql+psycopg2'
    """
    url = database_url(text.replace(f"{_DRIVER}://", "postgresql://", 1), setting=URL_VARIABLE)
    if url.get_backend_name() != "postgresql":
        message = f"{URL_VARIABLE} must name PostgreSQL, such as {_DRIVER}://user@host/dagster, was {url.drivername}"
        raise ConfigurationError(message)
    options = url.query.get("options", "")
    said = options if isinstance(options, str) else " ".join(options)
    return url.set(drivername=_DRIVER).update_query_dict({"options": f"{said} {_SESSION}".strip()})


class _Runs(NamesProcesses, PostgresRunStorage):
    """Dagster's records of runs in PostgreSQL; each run names its process."""


class _Events(PostgresEventLogStorage):
    """Dagster's event log in PostgreSQL, which closes the connections that all parts share."""

    def dispose(self) -> None:
        super().dispose()
        self._engine.dispose()


class PostgresHistory(JoinedStorage):
    """Dagster's PostgreSQL storage, with connections that are kept and runs that name their process.

    Args:
        url: Where it is, as :func:`history_url` returns it; its tables are created where there are none.
        inst_data: What ``dagster.yaml`` says.

    Raises:
        StoreUnavailableError: The server was asked several times, and could not be reached.
    """

    def __init__(self, url: URL, inst_data: ConfigurableClassData | None = None) -> None:
        written, engine = url.render_as_string(hide_password=False), kept_engine(url)
        with _connected(engine) as connection, connection.begin():
            # Of several first starts at once one would otherwise find half of the tables.
            connection.execute(select(func.pg_advisory_xact_lock(_BEGINNING)))
            runs, events = _Runs(written), _Events(written)
            schedules = PostgresScheduleStorage(written)
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
        text = config_value.get("url") or read_environment().get(URL_VARIABLE)
        if not text:
            message = (
                f"{URL_VARIABLE} must name the PostgreSQL that keeps Dagster's run history, as dagster.yaml asks for,"
                f" is not set; set it, such as {_DRIVER}://user@host/dagster, in the environment or in .env"
            )
            raise ConfigurationError(message)
        return cls(history_url(text), inst_data)


def kept_engine(url: URL) -> Engine:
    """Return an engine that keeps two connections, and has five at most."""
    return create_engine(
        url, isolation_level="AUTOCOMMIT", pool_size=_KEPT, max_overflow=_MOST - _KEPT, pool_pre_ping=True
    )


def _connected(engine: Engine) -> Connection:
    """Return a connection whose transactions are ones; a server that starts again is waited for, as Dagster does."""
    try:
        connection: Connection = retry_pg_connection_fn(engine.connect)
    except DagsterPostgresException as error:
        said = " ".join(str(getattr(error.__cause__, "orig", error)).split())
        message = (
            f"the run history must be reachable at {shown_url(engine.url)}: {said}; start the server, or correct"
            f" {URL_VARIABLE}"
        )
        raise StoreUnavailableError(message) from error
    return connection.execution_options(isolation_level="READ COMMITTED")
