"""The connection to the system of record: engine, transactions and the schema's first creation.

Hot paths use SQLAlchemy Core. A write transaction takes its lock when it begins
(``BEGIN IMMEDIATE`` on SQLite), so that writers queue instead of failing half-way.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from jutsu_assets.store import schema
from jutsu_core.errors import ConfigurationError, SchemaVersionError, StoreError, StoreUnavailableError
from jutsu_core.ports import Sleeper

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_WRITING = "jutsu_writing"
_BUSY_TIMEOUT_MS = 30_000
_SCHEMA_LOCK = 7_305_130_001


def to_epoch(moment: datetime) -> int:
    """Return an aware ``moment`` as microseconds since 1970 UTC, exactly.

    Examples:
        >>> to_epoch(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
        1000000
    """
    return (moment - _EPOCH) // _MICROSECOND


def from_epoch(microseconds: int) -> datetime:
    """Return the UTC instant that many ``microseconds`` after 1970.

    Examples:
        >>> from_epoch(1_000_000).isoformat()
        '1970-01-01T00:00:01+00:00'
    """
    return _EPOCH + timedelta(microseconds=microseconds)


class Database:
    """One system of record, by SQLAlchemy URL.

    Nothing is opened before the first transaction, which creates a fresh schema where there
    is none. An engine is never carried across a fork: a child process opens its own.

    Args:
        url: SQLAlchemy URL, for example ``sqlite:////data/jutsu.db``.
        sleeper: Waits between attempts to connect.

    Raises:
        ConfigurationError: The URL cannot be understood, or names an in-memory database.
    """

    def __init__(self, url: str, sleeper: Sleeper) -> None:
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):  # ValueError: a port that is no number
            # What stands before an @ may be a password.
            shown = f"…@{url.rpartition('@')[2]}" if "@" in url else url
            message = (
                "JUTSU_DATABASE_URL must be a SQLAlchemy URL such as sqlite:////data/jutsu.db or"
                f" postgresql+psycopg://user@host/name, was {shown!r}"
            )
            raise ConfigurationError(message) from None
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite and parsed.database in {None, "", ":memory:"}:
            message = f"the database must be a file or a server that processes can share, was {url!r}"
            raise ConfigurationError(message)
        self.url = parsed
        self._sleeper = sleeper
        self._lock = threading.RLock()
        self._engine: Engine | None = None
        self._owner: int | None = None

    def __repr__(self) -> str:
        return f"Database({self.url.render_as_string(hide_password=True)!r})"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection inside one read transaction."""
        with self._connected() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection inside one write transaction, which holds the write lock throughout.

        Leaving by an exception rolls everything back.
        """
        with self._connected() as connection:
            locked = connection.execution_options(**{_WRITING: True})
            with locked.begin():
                yield locked

    def close(self) -> None:
        """Close the pooled connections; the next transaction opens new ones."""
        with self._lock:
            if self._engine is not None and self._owner == os.getpid():
                self._engine.dispose()
            self._engine = None

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        try:
            with self._ready_engine().connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise self._translated(error) from error

    def _ready_engine(self) -> Engine:
        with self._lock:
            if self._engine is not None and self._owner == os.getpid():
                return self._engine
            if self._engine is not None:
                self._engine.dispose(close=False)
            engine = self._new_engine()
            retrying = Retrying(
                stop=stop_after_attempt(3),
                wait=wait_exponential(multiplier=0.5),
                retry=retry_if_exception_type(DBAPIError),
                sleep=self._sleeper.sleep,
                reraise=True,
            )
            try:
                retrying(self._ensure_schema, engine)
            except BaseException:
                engine.dispose()
                raise
            self._engine, self._owner = engine, os.getpid()
            return engine

    def _new_engine(self) -> Engine:
        try:
            if not self.is_sqlite:
                return create_engine(self.url, pool_size=5, max_overflow=0, pool_pre_ping=True)
            _make_folder(Path(str(self.url.database)).parent)
            engine = create_engine(self.url, pool_size=5, max_overflow=0)
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            message = (
                f"the driver of {self.url.render_as_string(hide_password=True)} must be installed: {error};"
                ' for PostgreSQL: pip install "jutsu[postgres]"'
            )
            raise ConfigurationError(message) from error
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _ensure_schema(self, engine: Engine) -> None:
        with engine.connect() as connection, connection.begin():
            if inspect(connection).has_table(schema.store_facts.name) and _known_version(connection, self):
                return
        with engine.connect() as plain:
            connection = plain.execution_options(**{_WRITING: True})
            with connection.begin():
                if not self.is_sqlite:
                    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})
                schema.metadata.create_all(connection)
                if not _known_version(connection, self):
                    fact = {"name": "schema_version", "value": str(schema.SCHEMA_VERSION)}
                    connection.execute(insert(schema.store_facts), fact)

    def _translated(self, error: SQLAlchemyError) -> StoreError:
        cause = getattr(error, "orig", None) or error
        message = (
            f"the database {self.url.render_as_string(hide_password=True)} must be reachable and writable:"
            f" {type(cause).__name__}: {cause}; nothing was half written"
        )
        return StoreUnavailableError(message)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"the folder {folder} must be writable for the database: {error}; set JUTSU_HOME elsewhere"
        raise StoreUnavailableError(message) from error


def _known_version(connection: Connection, database: Database) -> bool:
    facts = schema.store_facts
    found = connection.scalar(select(facts.c.value).where(facts.c.name == "schema_version"))
    if found is None:
        return False
    if found != str(schema.SCHEMA_VERSION):
        message = (
            f"{database!r} must have schema version {schema.SCHEMA_VERSION}, has {found};"
            " use the version of Jutsu that made it, or another JUTSU_DATABASE_URL"
        )
        raise SchemaVersionError(message)
    return True


def _prepare_sqlite(dbapi_connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own type
    # The driver must not begin transactions by itself: its implicit BEGIN is deferred,
    # and a deferred transaction that turns into a writer fails instead of waiting.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get(_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
