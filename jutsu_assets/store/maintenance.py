"""Backing a store up and restoring it, while others use it.

A copy of a SQLite store is made by ``VACUUM INTO``, which reads one state of it while others
write; it comes back by SQLite's backup interface, as one write transaction that other processes
wait for and that a kill undoes.
"""

import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

from sqlalchemy import NullPool, create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from jutsu_assets.clock import SystemClock
from jutsu_assets.store.copying import OF_THE_MOMENT
from jutsu_assets.store.engine import Database, sqlite_library
from jutsu_assets.store.health import (
    LOCK_SECONDS,
    StoreContents,
    connect_sqlite,
    contents_of,
    damage_of,
    disagreements_of,
    looking_at,
    require_existing,
    sqlite_url,
)
from jutsu_assets.store.upgrade import is_current, upgrade
from jutsu_assets.store.urls import sqlite_file
from jutsu_core.errors import (
    InvalidInputError,
    MixedSourceError,
    NoDataError,
    StoreError,
    StoreUnavailableError,
)

_POLL_SECONDS = 0.001
_LEFT_FOR = timedelta(days=1)
_MAGIC = b"SQLite format 3\0"


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
        set_aside: Where a store went that was damaged beyond opening; None where that was not needed.
    """

    set_aside: Path | None
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
    live = require_existing(database)
    _require_free(target, live, overwrite=overwrite)
    with _failing(f"the backup {target} must have a writable folder with room for a copy of {live}, a sound store"):
        with _workspace("backup", target.parent) as folder:
            copy = folder / "copy.db"
            _copy(live, copy)
            with looking_at(sqlite_url(copy), shown=database.url) as connection:
                if damage := damage_of(connection):
                    message = f"the backup {target} must be intact, and the store it was made of is not: {damage[0]}"
                    raise StoreUnavailableError(message)
                contents = contents_of(connection)
                findings = disagreements_of(connection, contents)
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
    live = sqlite_file(database.url)
    _require_sqlite_file(source, live)
    with looking_at(sqlite_url(source)) as connection:
        if damage := damage_of(connection):
            message = f"{source} must be intact to be restored: {damage[0]}"
            raise InvalidInputError(message)
        given = contents_of(connection)
    former = _former(database, force=force)
    _refuse_mixing(database, source, given, former, force=force)
    with _failing(f"the store {live} must be writable, with room beside it for two copies of {source}"):
        live.parent.mkdir(parents=True, exist_ok=True)
        with _workspace("restore", live.parent) as folder:
            staged, set_aside = folder / "staged.db", None
            try:
                contents = _enter(source, staged, live, force=force)
            except sqlite_library().DatabaseError as error:
                # Locked or read-only is no damage; damage beyond opening is not written over but moved.
                if not force or isinstance(error, sqlite_library().OperationalError) or not live.exists():
                    raise
                set_aside = _set_aside(live)
                staged.unlink(missing_ok=True)
                contents = _enter(source, staged, live, force=force)
    return RestoreReport(
        set_aside=set_aside,
        source=source,
        url=database.shown_url,
        contents=contents,
        former=former,
        upgraded_from=None if given.is_head else given.schema_revision,
    )


def _enter(source: Path, staged: Path, live: Path, *, force: bool) -> StoreContents:
    contents = _stage(source, staged, page_size=_page_size(live), force=force)
    _keep_access(staged, live)
    _bring_in(staged, live)
    return contents


def _set_aside(live: Path) -> Path:
    names = (live.with_name(f"{live.name}.damaged-{number}") for number in count(1))
    target = next(path for path in names if not path.exists())
    for end in ("-wal", "-shm"):
        beside = live.with_name(live.name + end)
        if beside.exists():
            beside.replace(target.with_name(target.name + end))
    live.replace(target)
    return target


def _keep_access(staged: Path, live: Path) -> None:
    """Give the staged copy what processes share at this moment: a backup must not let requests through anew."""
    rows: dict[str, list[dict[str, object]]] = {}
    if live.exists():
        with closing(connect_sqlite(live, "ro")) as connection, suppress(sqlite_library().OperationalError):
            for table in OF_THE_MOMENT:  # an older store lacks some
                found = connection.execute(str(table.select())).fetchall()
                rows[table.name] = [dict(zip(table.c.keys(), row, strict=True)) for row in found]
    with closing(connect_sqlite(staged, "rw")) as connection:
        connection.execute("BEGIN")
        for table in OF_THE_MOMENT:
            connection.execute(str(table.delete()))
            connection.executemany(str(table.insert()), rows.get(table.name, []))
        connection.execute("COMMIT")


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
    if not sqlite_file(database.url).exists():
        return None
    try:
        with looking_at(database.url) as connection:
            return contents_of(connection) if inspect(connection).get_table_names() else None
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
    engine = create_engine(sqlite_url(staged), module=sqlite_library(), poolclass=NullPool)
    with engine.begin() as connection:
        if not is_current(connection):
            upgrade(connection)
    with looking_at(sqlite_url(staged), shown=sqlite_url(source)) as connection:
        contents = contents_of(connection)
        if not force and (findings := disagreements_of(connection, contents)):
            message = f"{source} must agree with itself to be restored: {findings[0]}; --force restores it all the same"
            raise InvalidInputError(message)
    return contents


def _bring_in(staged: Path, live: Path) -> None:
    deadline = time.monotonic() + LOCK_SECONDS

    def check(status: int, _remaining: int, _total: int) -> None:
        if status in {library.SQLITE_BUSY, library.SQLITE_LOCKED} and time.monotonic() > deadline:
            message = f"another process has been writing for {LOCK_SECONDS:g} seconds"
            raise TimeoutError(message)

    library = sqlite_library()
    with closing(connect_sqlite(live, "rwc")) as into, closing(connect_sqlite(staged, "ro")) as out:
        into.execute("PRAGMA journal_mode = WAL")
        into.execute("PRAGMA synchronous = FULL")
        # SQLite's own waiting lets others overtake; asking often does not.
        into.execute("PRAGMA busy_timeout = 0")
        out.backup(into, progress=check, sleep=_POLL_SECONDS)


def _page_size(live: Path) -> int:
    # A file in WAL mode takes no pages of another size.
    with closing(connect_sqlite(live, "ro") if live.exists() else sqlite_library().connect(":memory:")) as connection:
        size: int = connection.execute("PRAGMA page_size").fetchone()[0]
    return size


def _copy(source: Path, target: Path, *, page_size: int = 0) -> None:
    with closing(connect_sqlite(source, "ro")) as connection:
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
def _workspace(purpose: str, parent: Path) -> Iterator[Path]:
    """Yield a hidden folder that goes in the end; those that a kill left a day ago and longer go now."""
    prefix = f".jutsu-{purpose}-"
    oldest = (SystemClock().now() - _LEFT_FOR).timestamp()
    for left in parent.glob(f"{prefix}*"):
        if left.is_dir() and left.stat().st_mtime < oldest:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as folder:
        yield Path(folder)


@contextmanager
def _failing(remedy: str) -> Iterator[None]:
    try:
        yield
    except (OSError, SQLAlchemyError, sqlite_library().Error) as error:
        message = f"{remedy}: {type(error).__name__}: {error}; nothing was changed or left behind"
        raise StoreUnavailableError(message) from error
