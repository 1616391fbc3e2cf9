"""The health of a store: what it holds, whether it is whole, and what to mend.

A store is looked at as it is: nothing here goes through :meth:`Database.reading`, which creates
and upgrades what it opens.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, create_engine, text
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

from jutsu_assets.clock import SystemClock
from jutsu_assets.store import schema
from jutsu_assets.store.consistency import (
    MEND,
    Held,
    inconsistencies_of,
    partitions_at_a_glance,
    partitions_of,
    recorded_ahead,
)
from jutsu_assets.store.engine import POSTGRES_ARGUMENTS, Database, prepare_sqlite, sqlite_library
from jutsu_assets.store.rows import run
from jutsu_assets.store.unwritable import unwritable
from jutsu_assets.store.upgrade import HEAD, VERSION_TABLE, revision_of
from jutsu_assets.store.urls import shown_url, sqlite_file
from jutsu_core.errors import (
    ConfigurationError,
    NoDataError,
    SchemaVersionError,
    StoreUnavailableError,
)
from jutsu_core.ports import Clock

_BUG_FROM, _BUG_UNTIL = (3, 7, 0), (3, 51, 2)
LOCK_SECONDS = 30.0
_SYNCHRONOUS = {0: "off", 1: "normal", 2: "full", 3: "extra"}
_REFUSAL = text("""
select case
    when pg_is_in_recovery() then 'is a replica, which follows another server'
    when current_setting('default_transaction_read_only')::boolean
    then 'takes no writes (default_transaction_read_only)'
    when not (select bool_and(has_table_privilege(name, 'insert')) from unnest(cast(:tables as text[])) as name)
    then 'does not let ' || current_user || ' write'
end
""")
_COUNTS = """
select (select value from store_facts where name = 'source'), (select count(*) from bar_revisions),
    (select count(*) from quarantined_bars)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreContents:
    """What a store holds: its bars, and the former (``revisions``) and broken (``quarantined``) ones.

    Attributes:
        source: Where all its bars come from; None before the first write.
        partitions: The bars of each symbol and timeframe.
    """

    schema_revision: str
    source: str | None
    bars: int
    symbols: int
    revisions: int
    quarantined: int
    partitions: Mapping[tuple[str, str], Held] = field(compare=False, repr=False, default_factory=dict)

    @property
    def is_head(self) -> bool:
        """Whether the schema is the one of this code."""
        return self.schema_revision == HEAD


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreHealth:
    """What :func:`examine` found.

    Attributes:
        kind: ``sqlite`` or ``postgresql``.
        library: What reads the files: ``pysqlite3``, ``sqlite3`` (Python's own) or ``PostgreSQL``.
        version: Of the SQLite in that library, or of the server.
        has_wal_reset_bug: Whether that SQLite can corrupt a file in WAL mode.
        journal_mode: The file's; None of PostgreSQL.
        synchronous: SQLite's setting on the store's own connections; PostgreSQL's ``synchronous_commit``.
        size_bytes: Of the file, or of the tables with their indexes.
        wal_bytes: What was written ahead and is not in the file yet; None of PostgreSQL.
        contents: What it holds; None where that cannot be read.
        findings: What is wrong, a sentence each, with what to do.
    """

    kind: str
    url: str
    library: str
    version: str
    has_wal_reset_bug: bool
    journal_mode: str | None
    synchronous: str
    size_bytes: int
    wal_bytes: int | None
    contents: StoreContents | None
    findings: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether there is nothing to mend."""
        return not self.findings


def examine(database: Database, clock: Clock | None = None, *, deep: bool = False) -> StoreHealth:
    """Look at a store as it is, within one read transaction; others may write meanwhile.

    Args:
        database: The store.
        clock: Tells what is now; the machine's clock if None.
        deep: Also check the file as a whole, and every value of every bar against what is recorded
            of its partition: 4 µs a bar. Otherwise bars are counted in all, and the bounds of partitions looked at.

    Raises:
        NoDataError: There is no store.
        StoreUnavailableError: It cannot be reached or opened.
    """
    require_existing(database)
    contents, findings = None, []
    with looking_at(database.url) as connection:
        measured = _sqlite_measures(connection) if database.is_sqlite else _postgres_measures(connection)
        if measured["has_wal_reset_bug"]:
            findings.append(
                f"SQLite {measured['version']} can, rarely, corrupt a file in WAL mode that several processes write"
                " (its WAL-reset bug, 3.7.0 to 3.51.2): pip install pysqlite3, or use a Python with SQLite 3.51.3"
            )
        damage = damage_of(connection) if deep else []
        findings += damage
        try:
            contents = contents_of(connection, at_a_glance=not deep)
            if not contents.is_head:
                findings.append(
                    f"the schema is of revision {contents.schema_revision}, today's is {HEAD}: the next run upgrades"
                    " it; make a backup before (jutsu backup FILE)"
                )
            findings += disagreements_of(connection, contents, deep=deep)
            findings += recorded_ahead(connection, (clock or SystemClock()).now())
        except SchemaVersionError as error:
            findings.append(str(error))
        except (SQLAlchemyError, connection.dialect.loaded_dbapi.Error):
            if not damage:
                raise
    return StoreHealth(url=database.shown_url, contents=contents, findings=tuple(findings), **measured)


def require_existing(database: Database) -> Path:
    """Return the file of a store, which must be there if it is SQLite's.

    Raises:
        NoDataError: There is no such file.
    """
    live = sqlite_file(database.url)
    if database.is_sqlite and not live.is_file():
        raise database.nothing_there()
    return live


def connect_sqlite(path: Path, mode: str) -> Any:  # noqa: ANN401 - of one of two libraries
    """Return the driver's own connection to the file ``path``, opened in SQLite's ``mode``."""
    still = unwritable(path) if mode == "ro" else None
    uri = f"{path.resolve().as_uri()}?mode={mode}" if still is None else still.uri
    return sqlite_library().connect(uri, uri=True, isolation_level=None, timeout=LOCK_SECONDS)


def sqlite_url(path: Path) -> URL:
    """Return the URL of the SQLite store in the file ``path``."""
    return URL.create("sqlite", database=str(path))


@contextmanager
def looking_at(url: URL, *, shown: URL | None = None) -> Iterator[Connection]:
    """Yield one read transaction on a store as it is: nothing is made, upgraded or changed."""
    name = shown_url(shown or url)
    still = unwritable(sqlite_file(url)) if url.get_backend_name() == "sqlite" else None
    try:
        if url.get_backend_name() == "sqlite":
            path, module = sqlite_file(url), sqlite_library()
            options: dict[str, Any] = {"module": module, "creator": lambda: connect_sqlite(path, "ro")}
            engine = create_engine(shown or url, poolclass=NullPool, isolation_level="AUTOCOMMIT", **options)
        else:
            read_only = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            engine = create_engine(
                url, poolclass=NullPool, execution_options=read_only, connect_args=POSTGRES_ARGUMENTS
            )
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        message = f'the driver of {name} must be installed: {error}; for PostgreSQL: pip install "jutsu[postgres]"'
        raise ConfigurationError(message) from error
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            yield connection
        if still is not None:
            still.require_unchanged()
    except (SQLAlchemyError, engine.dialect.loaded_dbapi.Error) as error:
        cause = " ".join(str(getattr(error, "orig", None) or error).split())
        message = f"the database {name} must be one that can be read: {type(error).__name__}: {cause}"
        raise StoreUnavailableError(message) from error


def damage_of(connection: Connection) -> list[str]:
    """Return what SQLite finds damaged in its file, as one sentence; nothing of a sound one or of a server."""
    if connection.dialect.name != "sqlite":
        return []
    library = sqlite_library()
    try:
        said = [row[0] for row in run(connection, "PRAGMA integrity_check(3)")]
    except library.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF != library.SQLITE_CORRUPT:
            raise
        said = [str(error)]
    if said == ["ok"]:
        return []
    return [f"the file is damaged ({'; '.join(said)}): keep a copy of it and of its -wal, and {MEND}"]


def contents_of(connection: Connection, *, at_a_glance: bool = False) -> StoreContents:
    """Return what a store holds.

    Args:
        connection: A read transaction.
        at_a_glance: Whether recorded numbers of bars are believed where they add up.

    Raises:
        NoDataError: The database holds no store of ours.
        SchemaVersionError: Newer code made it.
    """
    revision = revision_of(connection)
    if revision is None:
        shown = shown_url(connection.engine.url)
        message = f"{shown} must be a store of Jutsu, and holds none of its tables; check JUTSU_DATABASE_URL"
        raise NoDataError(message)
    source, revisions, quarantined = run(connection, _COUNTS).fetchone()
    partitions = partitions_at_a_glance(connection) if at_a_glance else partitions_of(connection)
    return StoreContents(
        schema_revision=revision,
        source=source,
        bars=sum(count for count, _, _ in partitions.values()),
        symbols=len({symbol for symbol, _ in partitions}),
        partitions=partitions,
        revisions=revisions,
        quarantined=quarantined,
    )


def disagreements_of(connection: Connection, contents: StoreContents, *, deep: bool = True) -> tuple[str, ...]:
    """Return where what is recorded of the bars disagrees with them; if not ``deep``, by number and bounds."""
    return inconsistencies_of(connection, contents.partitions, has_hashes=contents.is_head, deep=deep)


def write_refusal(connection: Connection, tables: Sequence[str]) -> str | None:
    """Return what keeps a server from writing ``tables``, which are there, for who asks; None if nothing does.

    A SQLite file that only can be read says so itself, to whoever writes.
    """
    if connection.dialect.name == "sqlite":
        return None
    refusal: str | None = connection.scalar(_REFUSAL, {"tables": list(tables)})
    return refusal


def clock_ahead(database: Database, clock: Clock) -> float:
    """Return by how many seconds ``clock`` is ahead of the clock of a database server."""
    with database.asking() as connection:
        before = clock.now()
        said = float(connection.scalar(text("select extract(epoch from clock_timestamp())")))
        after = clock.now()
    return (before.timestamp() + after.timestamp()) / 2 - said


def _sqlite_measures(connection: Connection) -> dict[str, Any]:
    library = sqlite_library()
    live = sqlite_file(connection.engine.url)
    wal = live.with_name(live.name + "-wal")
    with closing(library.connect(":memory:")) as like_the_stores:
        prepare_sqlite(like_the_stores)
        synchronous = like_the_stores.execute("PRAGMA synchronous").fetchone()[0]
    return {
        "kind": "sqlite",
        "library": library.__name__.partition(".")[0],
        "version": library.sqlite_version,
        "has_wal_reset_bug": _BUG_FROM <= library.sqlite_version_info <= _BUG_UNTIL,
        "journal_mode": connection.scalar(text("PRAGMA journal_mode")),
        "synchronous": _SYNCHRONOUS[synchronous],
        "size_bytes": live.stat().st_size,
        "wal_bytes": wal.stat().st_size if wal.exists() else 0,
    }


def _postgres_measures(connection: Connection) -> dict[str, Any]:
    names = [*schema.metadata.tables, VERSION_TABLE]
    size = (
        "select coalesce(sum(pg_total_relation_size(to_regclass(name))), 0) from unnest(cast(:names as text[])) as name"
    )
    return {
        "kind": "postgresql",
        "library": "PostgreSQL",
        "version": connection.scalar(text("show server_version")),
        "has_wal_reset_bug": False,
        "journal_mode": None,
        "synchronous": connection.scalar(text("show synchronous_commit")),
        "size_bytes": int(connection.scalar(text(size), {"names": names})),
        "wal_bytes": None,
    }
