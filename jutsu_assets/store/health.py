"""The health of a store: what it holds, whether it is whole, and what to mend.

A store is looked at as it is: nothing here goes through :meth:`Database.reading`, which creates
and upgrades what it opens.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, create_engine, text
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

from jutsu_assets.clock import SystemClock
from jutsu_assets.store import schema
from jutsu_assets.store.content import EMPTY, changed, to_hex
from jutsu_assets.store.engine import POSTGRES_ARGUMENTS, Database, prepare_sqlite, sqlite_library
from jutsu_assets.store.rows import bar_rows, run
from jutsu_assets.store.upgrade import HEAD, VERSION_TABLE, revision_of
from jutsu_assets.store.urls import shown_url, sqlite_file
from jutsu_core.answers import CLOCK_TOLERANCE
from jutsu_core.bars import PRICE_COLUMNS, from_epoch, to_epoch
from jutsu_core.errors import (
    ConfigurationError,
    NoDataError,
    SchemaVersionError,
    StoreUnavailableError,
)
from jutsu_core.ports import Clock

_BUG_FROM, _BUG_UNTIL = (3, 7, 0), (3, 51, 2)
LOCK_SECONDS = 30.0
_AT_A_TIME = 20_000
_SYNCHRONOUS = {0: "off", 1: "normal", 2: "full", 3: "extra"}
MEND = "restore a backup (jutsu restore FILE)"
_COUNTS = """
select (select value from store_facts where name = 'source'), (select count(*) from bars),
    (select count(distinct symbol) from bars), (select count(*) from bar_revisions),
    (select count(*) from quarantined_bars)
"""
_INTEGERS = {
    "bars": ("ts", *PRICE_COLUMNS, "volume", "recorded_at"),
    "bar_revisions": ("ts", *PRICE_COLUMNS, "volume", "recorded_at", "superseded_at"),
}
# A bar that is current ends never; one that was withdrawn has no row here.
_OVERLAPS = """
select symbol, timeframe, count(distinct ts) from (
    select symbol, timeframe, ts, recorded_at, superseded_at,
        lead(recorded_at) over (partition by symbol, timeframe, ts order by recorded_at) as next_at
    from (
        select symbol, timeframe, ts, recorded_at, superseded_at from bar_revisions
        union all
        select b.symbol, b.timeframe, b.ts, b.recorded_at, 9223372036854775807 from bars as b where exists (
            select 1 from bar_revisions as r where r.symbol = b.symbol and r.timeframe = b.timeframe and r.ts = b.ts)
    ) as said
) as followed
where superseded_at <= recorded_at or superseded_at > next_at
group by symbol, timeframe order by symbol, timeframe
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreContents:
    """What a store holds: its bars, and the former (``revisions``) and broken (``quarantined``) ones.

    Attributes:
        source: Where all its bars come from; None before the first write.
    """

    schema_revision: str
    source: str | None
    bars: int
    symbols: int
    revisions: int
    quarantined: int

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


def examine(database: Database, clock: Clock | None = None) -> StoreHealth:
    """Look at a store as it is, within one read transaction; others may write meanwhile.

    Args:
        database: The store.
        clock: Tells what is now; the machine's clock if None.

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
        damage = damage_of(connection)
        findings += damage
        try:
            contents = contents_of(connection)
            if not contents.is_head:
                findings.append(
                    f"the schema is of revision {contents.schema_revision}, today's is {HEAD}: the next run upgrades"
                    " it; make a backup before (jutsu backup FILE)"
                )
            findings += inconsistencies_of(connection, contents)
            findings += _recorded_ahead(connection, (clock or SystemClock()).now())
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
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    return sqlite_library().connect(uri, uri=True, isolation_level=None, timeout=LOCK_SECONDS)


def sqlite_url(path: Path) -> URL:
    """Return the URL of the SQLite store in the file ``path``."""
    return URL.create("sqlite", database=str(path))


@contextmanager
def looking_at(url: URL, *, shown: URL | None = None) -> Iterator[Connection]:
    """Yield one read transaction on a store as it is: nothing is made, upgraded or changed."""
    name = shown_url(shown or url)
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


def contents_of(connection: Connection) -> StoreContents:
    """Return what a store holds.

    Raises:
        NoDataError: The database holds no store of ours.
        SchemaVersionError: Newer code made it.
    """
    revision = revision_of(connection)
    if revision is None:
        shown = shown_url(connection.engine.url)
        message = f"{shown} must be a store of Jutsu, and holds none of its tables; check JUTSU_DATABASE_URL"
        raise NoDataError(message)
    source, bars, symbols, revisions, quarantined = run(connection, _COUNTS).fetchone()
    return StoreContents(
        schema_revision=revision,
        source=source,
        bars=bars,
        symbols=symbols,
        revisions=revisions,
        quarantined=quarantined,
    )


def inconsistencies_of(connection: Connection, contents: StoreContents) -> tuple[str, ...]:
    """Return where bars, versions and revisions disagree, a sentence each."""
    versions = "select symbol, timeframe, bars, first_ts, last_ts, content_hash from partition_versions"
    recorded = {row[:2]: row[2:] for row in run(connection, versions).fetchall()}
    held = {tuple(row) for row in run(connection, "select distinct symbol, timeframe from bars").fetchall()}
    names = ("number of bars", "first bar", "last bar", *(["content hash"] if contents.is_head else []))
    unreadable = _without_integers(connection)
    found = [
        f"{count} bars of {symbol} {timeframe} in {table} hold what is no integer, such as {example!r}, and cannot be"
        f" read: {MEND}, or delete the partition's rows from bars, bar_revisions, coverage and partition_versions and"
        " materialize it again"
        for (symbol, timeframe), (table, count, example) in unreadable.items()
    ]
    for symbol, timeframe in sorted(recorded.keys() | held):
        if (symbol, timeframe) in unreadable:
            continue
        said, true = recorded.get((symbol, timeframe)), _summary(connection, symbol, timeframe)
        wrong = [name for n, name in enumerate(names) if said is None or said[n] != true[n]]
        if wrong:
            found.append(
                f"what is recorded of {symbol} {timeframe} disagrees with its bars ({', '.join(wrong)}): {MEND}, or"
                " materialize it with the config verify: true, which asks for all of it again and corrects both"
            )
    for symbol, timeframe, count in run(connection, _OVERLAPS).fetchall():
        found.append(
            f"{count} bars of {symbol} {timeframe} have revisions that overlap in time, so that reading as of an"
            f" instant finds two: {MEND}, or delete the wrong rows from bar_revisions"
        )
    return tuple(found)


def _without_integers(connection: Connection) -> dict[tuple[str, str], tuple[str, int, object]]:
    """Return which partitions hold what is no integer, in which table, how often, and one example.

    SQLite takes anything into any column; a server does not.
    """
    found: dict[tuple[str, str], tuple[str, int, object]] = {}
    if connection.dialect.name != "sqlite":
        return found
    for table, columns in _INTEGERS.items():
        wrong = " or ".join(f"typeof({column}) <> 'integer'" for column in columns)
        example = "coalesce(" + ", ".join(f"iif(typeof({one}) <> 'integer', {one}, null)" for one in columns) + ")"
        sql = f"select symbol, timeframe, count(*), {example} from {table} where {wrong} group by 1, 2"  # noqa: S608 - our own names
        for symbol, timeframe, count, value in run(connection, sql).fetchall():
            found.setdefault((symbol, timeframe), (table, count, value))
    return found


def _recorded_ahead(connection: Connection, now: datetime) -> list[str]:
    limit = to_epoch(now + CLOCK_TOLERANCE)
    sql = "select symbol, timeframe, recorded_at from partition_versions where recorded_at > ? order by 1, 2"
    return [
        f"{symbol} {timeframe} was recorded at {from_epoch(at).isoformat()}, which is to come: a clock was ahead, and"
        f" reading as of an instant before then shows former bars; {MEND} that was made before"
        for symbol, timeframe, at in run(connection, sql, (limit,)).fetchall()
    ]


def _summary(connection: Connection, symbol: str, timeframe: str) -> tuple[int, int, int, str]:
    rows, after = bar_rows(connection), -(2**63)
    count, first, last, content = 0, 0, 0, EMPTY
    while some := rows.between(symbol, timeframe, after, 2**63 - 1, limit=_AT_A_TIME):
        first, last = (first if count else some[0][0]), some[-1][0]
        count, after = count + len(some), last + 1
        content = changed(content, added=some, removed=[])
    return count, first, last, to_hex(content)


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
