"""The connection to the system of record: engine, transactions, and bringing the schema up to date.

A write transaction takes its lock when it begins, so that writers queue instead of failing
half-way: on SQLite by ``BEGIN IMMEDIATE``, on PostgreSQL by a transaction-scoped advisory lock
that the writer takes first.
"""

import hashlib
import importlib.util
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from jutsu_assets.settings import CONNECTIONS, MOST_CONNECTIONS
from jutsu_assets.store.unwritable import UnwritableFile, has_room, is_cut_off, unwritable
from jutsu_assets.store.upgrade import HEAD, is_current, revision_of, upgrade
from jutsu_assets.store.urls import DATABASE_URL, READ_URL, database_url, shown_url, sqlite_file
from jutsu_core.arguments import require_integer, require_type
from jutsu_core.errors import ConfigurationError, NoDataError, StoreError, StoreUnavailableError
from jutsu_core.ports import Sleeper

_logger = logging.getLogger("jutsu.store.engine")
_WRITING = "jutsu_writing"
_BUSY_TIMEOUT_SECONDS = 30
_BUSY_TIMEOUT = f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_SECONDS * 1000}"
# In this order: the timeout holds for the locks beside it.
_TURN = "select set_config('lock_timeout', %s, true), pg_advisory_xact_lock_shared(%s), pg_advisory_xact_lock(%s)"
_NO_WRITER = "select set_config('lock_timeout', %s, true), pg_advisory_xact_lock(%s)"
_ANY_WRITER = 0x4A75747375  # every writer shares this lock; whoever has it alone knows that none is under way
POSTGRES_ARGUMENTS: dict[str, Any] = {"client_encoding": "utf8"}
"""For the driver: what we send and read is UTF-8, whatever the machine's or the server's default."""
_KEEP_EVERY_CHARACTER = ("UTF8", "SQL_ASCII")
"""Encodings of a server: SQL_ASCII keeps what it is given, and is given UTF-8."""
_POLL_SECONDS = 0.0005
_REPLICA_SECONDS = 5
_POOL = {"max_overflow": 0, "pool_timeout": 10.0}


def sqlite_library() -> ModuleType:
    """Return the one SQLite library that touches a store in this process.

    SQLite before 3.51.3 can, rarely, corrupt a file in WAL mode, and most Pythons link an
    older one; ``pysqlite3`` brings its own.
    """
    name = "pysqlite3.dbapi2" if importlib.util.find_spec("pysqlite3") else "sqlite3"
    return importlib.import_module(name)


class Database:
    """One system of record, by SQLAlchemy URL.

    Nothing is opened before the first transaction. An engine is never carried across a fork: a
    child process opens its own, as does one that is sent a pickle. Connections are reused, and never more
    than ``connections`` are open at a time.

    Args:
        url: SQLAlchemy URL, for example ``sqlite:////data/jutsu.db``.
        sleeper: Waits between attempts to connect.
        create: Whether the first transaction creates a fresh schema where there is none and
            upgrades an older one; otherwise there must be a store, and it is read as it is.
        connections: How many connections are open at most.
        setting: The variable that names it: what errors tell to change.

    Raises:
        ConfigurationError: The URL cannot be understood, or names a database that is not supported.
    """

    def __init__(
        self,
        url: str,
        sleeper: Sleeper,
        *,
        create: bool = True,
        connections: int = CONNECTIONS,
        setting: str = DATABASE_URL,
    ) -> None:
        self.url = database_url(require_type("db_url", url, str, "a text such as 'sqlite:////data/jutsu.db'"), setting)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._create = create
        self._connections = require_integer("connections", connections, minimum=1, maximum=MOST_CONNECTIONS)
        self._setting = setting
        self._lock = threading.RLock()
        self._engine: Engine | None = None
        self._unwritable: UnwritableFile | None = None
        self._owner: int | None = None
        self.sleeper = sleeper
        self._connecting = Retrying(
            stop=stop_after_attempt(3),
            wait=wait_exponential(multiplier=0.5),
            retry=retry_if_exception_type(DBAPIError),
            sleep=sleeper.sleep,
            before_sleep=self._tell_of_retry,
            reraise=True,
        )

    def __repr__(self) -> str:
        return f"Database({self.shown_url!r})"

    def __reduce__(self) -> tuple[Callable[..., "Database"], tuple[str, Sleeper]]:
        """Return how another process opens the same store: connections and locks stay behind."""
        url = self.url.render_as_string(hide_password=False)
        again = partial(Database, create=self._create, connections=self._connections, setting=self._setting)
        return again, (url, self.sleeper)

    @property
    def shown_url(self) -> str:
        """Return the URL without a password, wherever it stands."""
        return shown_url(self.url)

    def nothing_there(self) -> NoDataError:
        """Return the error that says that there is no store, and how to come to one."""
        place = sqlite_file(self.url).absolute() if self.is_sqlite else self.shown_url
        if self._setting == READ_URL:
            message = (
                f"there must be a store at {place}, the read replica: there is none; correct {READ_URL}, which names"
                f" the database of {DATABASE_URL} on another server, or unset it"
            )
            return NoDataError(message)
        message = (
            f"there must be a store at {place}: there is none; the first materialization makes one (for example jutsu"
            f" demo), and JUTSU_HOME or {DATABASE_URL} says where to look"
        )
        return NoDataError(message)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection inside one read transaction, which sees one state of the store throughout."""
        with self._transaction({} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}) as connection:
            yield connection

    @contextmanager
    def asking(self) -> Iterator[Connection]:
        """Yield a connection for single questions, each of which sees the state of its own moment.

        A server is spared the beginning and the end of a transaction.
        """
        with self._transaction({} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection inside one write transaction.

        On SQLite it holds the one write lock throughout; on PostgreSQL writers exclude each
        other with :meth:`take_turn`. Leaving by an exception rolls everything back.
        """
        with self._transaction({_WRITING: True}) as connection:
            yield connection

    def take_turn(self, connection: Connection, name: str) -> None:
        """Wait until no other write transaction that took its turn by the same ``name`` is open.

        To be called before reading what the transaction will change, and the clock.
        """
        if not self.is_sqlite:
            key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
            connection.connection.cursor().execute(_TURN, (f"{_BUSY_TIMEOUT_SECONDS}s", _ANY_WRITER, key))

    def await_writers(self) -> None:
        """Return when every write that is under way has ended, so that what is known by now is there to read.

        A file that may only be read has no writers to wait for here.
        """
        try:
            with self.writing() as connection:
                if not self.is_sqlite:
                    seconds = f"{_BUSY_TIMEOUT_SECONDS}s"
                    connection.connection.cursor().execute(_NO_WRITER, (seconds, _ANY_WRITER))
        except StoreUnavailableError as error:
            cause = getattr(error.__cause__, "orig", error.__cause__)
            if not self.is_sqlite or getattr(cause, "sqlite_errorcode", 0) & 0xFF != sqlite_library().SQLITE_READONLY:
                raise

    def close(self) -> None:
        """Close the pooled connections; the next transaction opens new ones."""
        with self._lock:
            if self._engine is not None and self._owner == os.getpid():
                self._engine.dispose()
            self._engine = None

    @contextmanager
    def _transaction(self, options: dict[str, Any]) -> Iterator[Connection]:
        engine = self._ready_engine()
        unwritable_file = self._unwritable
        try:
            with self._connecting(engine.connect) as plain:
                connection = plain.execution_options(**options) if options else plain
                with connection.begin():
                    yield connection
            if unwritable_file is not None:
                unwritable_file.require_unchanged()
        except PoolTimeoutError as error:
            message = (
                f"at most {self._connections} transactions on {self.shown_url} may be open at a time in a process, and"
                " all are: use fewer threads, or set JUTSU_DATABASE_POOL higher"
            )
            raise StoreUnavailableError(message) from error
        # Hot paths use the driver's own cursor, and so meet its own errors.
        except (SQLAlchemyError, engine.dialect.loaded_dbapi.Error) as error:
            raise self._translated(getattr(error, "orig", None) or error) from error

    def _ready_engine(self) -> Engine:
        if self._engine is not None and self._owner == os.getpid() and self._is_as_it_was():
            return self._engine
        with self._lock:
            if self._engine is not None and self._owner == os.getpid():
                if self._is_as_it_was():
                    return self._engine
                self.close()
            if self._engine is not None:
                self._engine.dispose(close=False)
            self._unwritable = self._unwritable_file() if self.is_sqlite else None
            engine = self._new_engine()
            try:
                self._connecting(self._ensure_schema, engine)
            except (SQLAlchemyError, engine.dialect.loaded_dbapi.Error) as error:
                engine.dispose()
                raise self._translated(getattr(error, "orig", None) or error) from error
            except BaseException:
                engine.dispose()
                raise
            self._engine, self._owner = engine, os.getpid()
            return engine

    def _is_as_it_was(self) -> bool:
        return self._unwritable is None or self._unwritable.is_as_it_was

    def _unwritable_file(self) -> UnwritableFile | None:
        """Return the file where it can only be read; refuse one that is no store, before SQLite makes one of it."""
        file = sqlite_file(self.url)
        if is_cut_off(file):
            message = (
                f"there must be a store at {file.absolute()}: there is none in that file, which is empty (0 bytes): it"
                " was cut off, or something else made it; restore a backup (jutsu restore FILE), or remove it to begin"
                " with an empty store"
            )
            raise StoreUnavailableError(message) if self._create else NoDataError(message)
        if self._create:
            return None
        if not file.exists():
            raise self.nothing_there()
        return unwritable(file)

    def _new_engine(self) -> Engine:
        try:
            if not self.is_sqlite:
                # A lock that was waited for must show what its former holder left, whatever the server's default.
                engine = create_engine(
                    self.url,
                    pool_pre_ping=True,
                    isolation_level="READ COMMITTED",
                    connect_args=self._arguments,
                    pool_size=self._connections,
                    **_POOL,
                )
                from jutsu_assets.store.postgres import prepare_postgres  # noqa: PLC0415 - needs an optional driver

                event.listen(engine, "connect", prepare_postgres)
                return engine
            if self._create:
                _make_file(sqlite_file(self.url))
            url = self.url if self._unwritable is None else self._unwritable.url
            engine = create_engine(url, module=sqlite_library(), pool_size=self._connections, **_POOL)
        except ModuleNotFoundError as error:
            message = (
                f"the driver of {self.shown_url} must be installed: {error};"
                ' for PostgreSQL: pip install "jutsu[postgres]"'
            )
            raise ConfigurationError(message) from error
        event.listen(engine, "connect", prepare_sqlite if self._create else prepare_sqlite_as_it_is)
        event.listen(engine, "begin", self._begin_sqlite)
        return engine

    @property
    def _arguments(self) -> dict[str, Any]:
        # Readers are told soon that a replica does not answer, since they can do without it.
        is_bounded = self._setting == READ_URL and "connect_timeout" not in self.url.query
        return POSTGRES_ARGUMENTS | ({"connect_timeout": _REPLICA_SECONDS} if is_bounded else {})

    def _ensure_schema(self, engine: Engine) -> None:
        with engine.connect() as connection, connection.begin():
            if not self._create and revision_of(connection) is None:
                raise self.nothing_there()
            if not self._create or is_current(connection):
                return
        with engine.connect() as plain:
            connection = plain.execution_options(**{_WRITING: True})
            with connection.begin():
                self.take_turn(connection, "schema")
                if not self.is_sqlite and revision_of(connection) is None:
                    self._refuse_other_encoding(connection)
                former = revision_of(connection)
                upgrade(connection)
        if former not in (None, HEAD):
            _logger.info("%r upgraded: its schema was of revision %s, is of %s", self, former, HEAD)

    def _tell_of_retry(self, state: RetryCallState) -> None:
        error = None if state.outcome is None else state.outcome.exception()
        cause = " ".join(str(getattr(error, "orig", None) or error).split())
        _logger.warning("%r is connected to again in %.1f s, after: %s", self, state.upcoming_sleep, cause)

    def _refuse_other_encoding(self, connection: Connection) -> None:
        encoding = connection.scalar(text("show server_encoding"))
        if encoding not in _KEEP_EVERY_CHARACTER:
            message = (
                f"the database {self.shown_url} must keep every character, its encoding {encoding} does not:"
                " make another (createdb --encoding UTF8 --template template0 jutsu) and name it in JUTSU_DATABASE_URL"
            )
            raise ConfigurationError(message)

    def _begin_sqlite(self, connection: Connection) -> None:
        cursor = connection.connection.cursor()
        if not connection.get_execution_options().get(_WRITING, False):
            cursor.execute("BEGIN")
            return
        # SQLite's own waiting grows to 0.1 s between attempts, so that newcomers overtake; asking
        # often and alike lets writers in about evenly.
        library = sqlite_library()
        deadline = time.monotonic() + _BUSY_TIMEOUT_SECONDS
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    cursor.execute("BEGIN IMMEDIATE")
                    break
                except library.OperationalError as error:
                    is_busy = error.sqlite_errorcode & 0xFF == library.SQLITE_BUSY
                    if not is_busy or time.monotonic() > deadline:
                        raise
                    self.sleeper.sleep(_POLL_SECONDS)
        finally:
            cursor.execute(_BUSY_TIMEOUT)

    def _translated(self, cause: BaseException) -> StoreError:
        said = f"{type(cause).__name__}: {' '.join(str(cause).split())}"
        if self.is_sqlite and (folder := sqlite_file(self.url).absolute().parent).is_dir() and not has_room(folder):
            message = f"the disk of {folder} must have room, is full: {said}; make room there; nothing was half written"
        else:
            must, rest = ("reachable and writable", "nothing was half written")
            if self._setting == READ_URL:
                must, rest = "reachable", f"it is the read replica: start it, or unset {READ_URL} to read the primary"
            message = f"the database {self.shown_url} must be {must}: {said}; {rest}"
        return StoreUnavailableError(message)


def _make_file(file: Path) -> None:
    """Make an empty database where there is no file: at once, so that no file is ever seen with nothing in it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists():
            return
    except OSError as error:
        message = f"the folder {file.parent} must be writable for the database: {error}; set JUTSU_HOME elsewhere"
        raise StoreUnavailableError(message) from error
    new = file.with_name(f"{file.name}.new-{os.getpid()}-{threading.get_ident()}")
    with suppress(OSError, sqlite_library().Error):  # SQLite says better what is wrong, when it opens the file
        with closing(sqlite_library().connect(new)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        with suppress(OSError):  # another process was first, or this file system knows no second name of a file
            os.link(new, file)
    new.unlink(missing_ok=True)


def prepare_sqlite(dbapi_connection: Any, _record: object = None) -> None:  # noqa: ANN401 - the driver's own type
    """Make a new connection to SQLite as every connection that may write to a store is."""
    prepare_sqlite_as_it_is(dbapi_connection)
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: not in the middle of every larger write
    cursor.close()


def prepare_sqlite_as_it_is(dbapi_connection: Any, _record: object = None) -> None:  # noqa: ANN401 - the driver's own
    """Make a new connection to SQLite that changes nothing in its file, not even how it is written."""
    # The driver must not begin transactions by itself: its implicit BEGIN is deferred,
    # and a deferred transaction that turns into a writer fails instead of waiting.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute(_BUSY_TIMEOUT)
    cursor.execute("PRAGMA cache_size = -65536")  # KiB: the default holds a tenth of what a write touches
    cursor.close()
