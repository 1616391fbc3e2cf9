"""Care of the system of record: examining it, backing it up, and restoring it.

Nothing here goes through :meth:`Database.reading`, which creates and upgrades what it opens: a
store is looked at as it is. A copy of a SQLite store is made by ``VACUUM INTO``, which reads one
state of it while others write; it comes back by SQLite's backup interface, as one write
transaction that other processes wait for and that a kill undoes.
"""

import os
import shlex
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, create_engine, inspect, text
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

from jutsu_assets.store import schema
from jutsu_assets.store.content import EMPTY, changed, to_hex
from jutsu_assets.store.engine import Database, _prepare_sqlite, sqlite_library
from jutsu_assets.store.rows import bar_rows, run
from jutsu_assets.store.upgrade import HEAD, revision_of, upgrade
from jutsu_core.errors import (
    ConfigurationError,
    InvalidInputError,
    MixedSourceError,
    NoDataError,
    SchemaVersionError,
    StoreError,
    StoreUnavailableError,
)

_BUG_FROM, _BUG_UNTIL = (3, 7, 0), (3, 51, 2)
_LOCK_SECONDS = 30.0
_POLL_SECONDS = 0.001
_AT_A_TIME = 20_000
_MAGIC = b"SQLite format 3\0"
_SYNCHRONOUS = {0: "off", 1: "normal", 2: "full", 3: "extra"}
_MEND = "restore a backup (jutsu restore FILE)"
_COUNTS = """
select (select value from store_facts where name = 'source'), (select count(*) from bars),
    (select count(distinct symbol) from bars), (select count(*) from bar_revisions),
    (select count(*) from quarantined_bars)
"""
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


def examine(database: Database) -> StoreHealth:
    """Look at a store as it is, within one read transaction; others may write meanwhile.

    Raises:
        NoDataError: There is no store.
        StoreUnavailableError: It cannot be reached or opened.
    """
    _require_existing(database)
    contents, findings = None, []
    with _looking(database.url) as connection:
        measured = _sqlite_measures(connection) if database.is_sqlite else _postgres_measures(connection)
        if measured["has_wal_reset_bug"]:
            findings.append(
                f"SQLite {measured['version']} can, rarely, corrupt a file in WAL mode that several processes write"
                " (its WAL-reset bug, 3.7.0 to 3.51.2): pip install pysqlite3, or use a Python with SQLite 3.51.3"
            )
        damage = _damage(connection)
        findings += damage
        try:
            contents = _contents(connection)
            if not contents.is_head:
                findings.append(
                    f"the schema is of revision {contents.schema_revision}, today's is {HEAD}: the next run upgrades"
                    " it; make a backup before (jutsu backup FILE)"
                )
            findings += _inconsistencies(connection, contents)
        except SchemaVersionError as error:
            findings.append(str(error))
        except (SQLAlchemyError, connection.dialect.loaded_dbapi.Error):
            if not damage:
                raise
    return StoreHealth(url=database.shown_url, contents=contents, findings=tuple(findings), **measured)


def _live_file(database: Database) -> Path:
    return Path(str(database.url.database))


def _require_existing(database: Database) -> Path:
    live = _live_file(database)
    if database.is_sqlite and not live.is_file():
        message = (
            f"there must be a store at {live.absolute()}: there is no such file; the first materialization makes one"
            " (for example jutsu demo), and JUTSU_HOME or JUTSU_DATABASE_URL says where to look"
        )
        raise NoDataError(message)
    return live


def _connect(path: Path, mode: str) -> Any:  # noqa: ANN401 - of one of two libraries
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    return sqlite_library().connect(uri, uri=True, isolation_level=None, timeout=_LOCK_SECONDS)


def _url_of(path: Path) -> URL:
    return URL.create("sqlite", database=str(path))


@contextmanager
def _looking(url: URL, *, shown: URL | None = None) -> Iterator[Connection]:
    """Yield one read transaction on a store as it is: nothing is made, upgraded or changed."""
    name = (shown or url).render_as_string()
    try:
        if url.get_backend_name() == "sqlite":
            path, module = Path(str(url.database)), sqlite_library()
            options: dict[str, Any] = {"module": module, "creator": lambda: _connect(path, "ro")}
            engine = create_engine(shown or url, poolclass=NullPool, isolation_level="AUTOCOMMIT", **options)
        else:
            read_only = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            engine = create_engine(url, poolclass=NullPool, execution_options=read_only)
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


def _damage(connection: Connection) -> list[str]:
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
    return [f"the file is damaged ({'; '.join(said)}): keep a copy of it and of its -wal, and {_MEND}"]


def _contents(connection: Connection) -> StoreContents:
    revision = revision_of(connection)
    if revision is None:
        shown = connection.engine.url.render_as_string()
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


def _inconsistencies(connection: Connection, contents: StoreContents) -> tuple[str, ...]:
    """Return where bars, versions and revisions disagree, a sentence each."""
    versions = "select symbol, timeframe, bars, first_ts, last_ts, content_hash from partition_versions"
    recorded = {row[:2]: row[2:] for row in run(connection, versions).fetchall()}
    held = {tuple(row) for row in run(connection, "select distinct symbol, timeframe from bars").fetchall()}
    names = ("number of bars", "first bar", "last bar", *(["content hash"] if contents.is_head else []))
    found = []
    for symbol, timeframe in sorted(recorded.keys() | held):
        said, true = recorded.get((symbol, timeframe)), _summary(connection, symbol, timeframe)
        wrong = [name for n, name in enumerate(names) if said is None or said[n] != true[n]]
        if wrong:
            found.append(
                f"what is recorded of {symbol} {timeframe} disagrees with its bars ({', '.join(wrong)}): {_MEND}, or"
                " delete its rows from bars, coverage and partition_versions and materialize it again"
            )
    for symbol, timeframe, count in run(connection, _OVERLAPS).fetchall():
        found.append(
            f"{count} bars of {symbol} {timeframe} have revisions that overlap in time, so that reading as of an"
            f" instant finds two: {_MEND}, or delete the wrong rows from bar_revisions"
        )
    return tuple(found)


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
    live = Path(str(connection.engine.url.database))
    wal = live.with_name(live.name + "-wal")
    with closing(library.connect(":memory:")) as like_the_stores:
        _prepare_sqlite(like_the_stores, None)
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
    names = [*schema.metadata.tables, "alembic_version"]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """A backup that was made.

    Attributes:
        findings: Where its bars disagree with its own records, as they do in the store.
    """

    target: Path
    size_bytes: int
    contents: StoreContents
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """A backup that was brought back.

    Attributes:
        source: The file that was restored.
        contents: What the store holds now.
        former: What it held before; None where it held nothing, or that could not be read.
        upgraded_from: The revision of the file's schema, where that was an older one.
    """

    source: Path
    url: str
    contents: StoreContents
    former: StoreContents | None
    upgraded_from: str | None


def backup(database: Database, target: Path, *, overwrite: bool = False) -> BackupReport:
    """Copy one state of a SQLite store into ``target``, a single file; others may write meanwhile.

    Args:
        database: The store.
        target: Where the copy goes, readable by its owner alone; its folder must exist.
        overwrite: Whether a file that is there is replaced, at once and only by a good copy.

    Raises:
        InvalidInputError: ``target`` exists or is the store itself, or the store is on PostgreSQL.
        NoDataError: There is no store.
        StoreUnavailableError: The store cannot be read or ``target`` not be written; it is as it was.
    """
    if not database.is_sqlite:
        _refuse_server(database, "pg_dump", "--format=custom", f"--file={target}")
    live = _require_existing(database)
    _require_free(target, live, overwrite=overwrite)
    with _failing(f"the backup {target} must have a writable folder with room for a copy of {live}, a sound store"):
        with tempfile.TemporaryDirectory(prefix=".jutsu-backup-", dir=target.parent) as folder:
            copy = Path(folder) / "copy.db"
            _copy(live, copy)
            with _looking(_url_of(copy), shown=database.url) as connection:
                if damage := _damage(connection):
                    message = f"the backup {target} must be intact, and the store it was made of is not: {damage[0]}"
                    raise StoreUnavailableError(message)
                contents = _contents(connection)
                findings = _inconsistencies(connection, contents)
            copy.chmod(0o600)
            _sync(copy)
            _require_free(target, live, overwrite=overwrite)  # what came meanwhile is not ours to replace
            copy.replace(target)
        _sync(target.parent)
        size = target.stat().st_size
    return BackupReport(target=target, size_bytes=size, contents=contents, findings=findings)


def restore(database: Database, source: Path, *, force: bool = False) -> RestoreReport:
    """Make a SQLite store what the backup ``source`` holds; other processes may have it open.

    The file is checked, copied beside the store and upgraded there; then the copy enters the
    store in one write transaction: others read the former state until it ends, and a kill before
    that leaves the former state.

    Args:
        database: The store; it is made where there is none.
        source: The backup; it is not changed.
        force: Whether bars of another source, a store that cannot be read, and a backup whose
            bars disagree with its own records are no reason to refuse.

    Raises:
        InvalidInputError: ``source`` is no intact SQLite file, or the store is on PostgreSQL.
        NoDataError: ``source`` holds no store of ours.
        SchemaVersionError: ``source`` was made by newer code.
        MixedSourceError: The store has bars of another source.
        StoreUnavailableError: The store cannot be read or written; it is as it was.
    """
    if not database.is_sqlite:
        _refuse_server(database, "pg_restore", "--clean", "--if-exists", "--single-transaction", after=str(source))
    live = _live_file(database)
    _require_sqlite_file(source, live)
    with _looking(_url_of(source)) as connection:
        if damage := _damage(connection):
            message = f"{source} must be intact to be restored: {damage[0]}"
            raise InvalidInputError(message)
        given = _contents(connection)
    former = _former(database, force=force)
    _refuse_mixing(database, source, given, former, force=force)
    with _failing(f"the store {live} must be writable, with room beside it for two copies of {source}"):
        live.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".jutsu-restore-", dir=live.parent) as folder:
            staged = Path(folder) / "staged.db"
            contents = _stage(source, staged, page_size=_page_size(live), force=force)
            _bring_in(staged, live)
    return RestoreReport(
        source=source,
        url=database.shown_url,
        contents=contents,
        former=former,
        upgraded_from=None if given.is_head else given.schema_revision,
    )


def _refuse_server(database: Database, tool: str, *options: str, after: str = "") -> None:
    # libpq knows no driver's name, and takes the password from the environment or from ~/.pgpass.
    url = database.url.set(drivername="postgresql")._replace(password=None).difference_update_query(["password"])
    words = [tool, *options, f"--dbname={url.render_as_string()}", *filter(None, [after])]
    message = (
        f"the store {url.render_as_string()} must be a SQLite file for this; PostgreSQL has its own tool:"
        f" {shlex.join(words)}"
    )
    raise InvalidInputError(message)


def _require_free(target: Path, live: Path, *, overwrite: bool) -> None:
    # SQLite would apply to a new file what a former one of that name left beside itself.
    beside = [target.with_name(target.name + end) for end in ("-wal", "-journal")]
    if target.resolve() in {live.resolve().with_name(live.name + end) for end in ("", "-wal", "-shm", "-journal")}:
        message = f"the backup must be another file than the store, was {target}"
    elif target.is_dir():
        message = f"the backup must be a file, and {target} is a folder; name a file in it"
    elif not overwrite and (target.exists() or target.is_symlink()):
        message = f"the backup {target} must not exist yet; choose another name, or overwrite it (--overwrite)"
    elif left := [str(path) for path in beside if path.exists()]:
        message = f"{target} must not be open in another process; if it is not, delete {' and '.join(left)}"
    else:
        return
    raise InvalidInputError(message)


def _require_sqlite_file(source: Path, live: Path) -> None:
    try:
        # Before anything opens it: closing it would end the locks that this process holds on a store.
        if live.exists() and source.samefile(live):
            message = f"the backup must be another file than the store, was {source}"
            raise InvalidInputError(message)
        with source.open("rb") as file:
            is_sqlite = file.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        message = f"the backup {source} must be a file that can be read: {error}"
        raise InvalidInputError(message) from error
    if not is_sqlite:
        message = f"the backup {source} must be a SQLite file, and is not; name a file that jutsu backup made"
        raise InvalidInputError(message)


def _former(database: Database, *, force: bool) -> StoreContents | None:
    if not _live_file(database).exists():
        return None
    try:
        with _looking(database.url) as connection:
            return _contents(connection) if inspect(connection).get_table_names() else None
    except (NoDataError, StoreError) as error:
        if force:
            return None
        message = f"what is replaced must be a store that can be read: {error}; --force replaces it all the same"
        raise StoreUnavailableError(message) from error


def _refuse_mixing(
    database: Database, source: Path, given: StoreContents, former: StoreContents | None, *, force: bool
) -> None:
    if force or former is None or not former.bars or former.source == given.source:
        return
    message = (
        f"{source} must hold bars of the same source as {database.shown_url}: it holds those of {given.source!r}, and"
        f" the store those of {former.source!r}; set JUTSU_DATABASE_URL to another store, or --force"
    )
    raise MixedSourceError(message)


def _stage(source: Path, staged: Path, *, page_size: int, force: bool) -> StoreContents:
    # Upgraded before it enters the store: what has the store open checked its schema long ago.
    _copy(source, staged, page_size=page_size)
    engine = create_engine(_url_of(staged), module=sqlite_library(), poolclass=NullPool)
    with engine.begin() as connection:
        if revision_of(connection) != HEAD:
            upgrade(connection)
    with _looking(_url_of(staged), shown=_url_of(source)) as connection:
        contents = _contents(connection)
        if not force and (findings := _inconsistencies(connection, contents)):
            message = f"{source} must agree with itself to be restored: {findings[0]}; --force restores it all the same"
            raise InvalidInputError(message)
    return contents


def _bring_in(staged: Path, live: Path) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS

    def check(status: int, _remaining: int, _total: int) -> None:
        if status in {library.SQLITE_BUSY, library.SQLITE_LOCKED} and time.monotonic() > deadline:
            message = f"another process has been writing for {_LOCK_SECONDS:g} seconds"
            raise TimeoutError(message)

    library = sqlite_library()
    with closing(_connect(live, "rwc")) as into, closing(_connect(staged, "ro")) as out:
        into.execute("PRAGMA journal_mode = WAL")
        into.execute("PRAGMA synchronous = FULL")
        # SQLite's own waiting lets others overtake; asking often does not.
        into.execute("PRAGMA busy_timeout = 0")
        out.backup(into, progress=check, sleep=_POLL_SECONDS)


def _page_size(live: Path) -> int:
    # A file in WAL mode takes no pages of another size.
    with closing(_connect(live, "ro") if live.exists() else sqlite_library().connect(":memory:")) as connection:
        size: int = connection.execute("PRAGMA page_size").fetchone()[0]
    return size


def _copy(source: Path, target: Path, *, page_size: int = 0) -> None:
    with closing(_connect(source, "ro")) as connection:
        connection.execute(f"PRAGMA page_size = {page_size:d}")  # 0 keeps the source's
        connection.execute("VACUUM INTO ?", (str(target),))


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # Windows opens no folders
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _failing(remedy: str) -> Iterator[None]:
    try:
        yield
    except (OSError, SQLAlchemyError, sqlite_library().Error) as error:
        message = f"{remedy}: {type(error).__name__}: {error}; nothing was changed or left behind"
        raise StoreUnavailableError(message) from error
