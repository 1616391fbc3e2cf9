"""Databases of the test's own: who takes ``url`` or ``database`` is a test on SQLite, and a proof on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jutsu_assets.store.engine import Database
from tests.support.builders import RecordingSleeper, SettableClock
from tests.support.postgres import PostgresServer, running_server


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with running_server(tmp_path_factory.mktemp("pg")) as server:
        yield server


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'jutsu.db'}"


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    with postgres.fresh_url() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest) -> str:
    chosen: str = request.getfixturevalue(f"{request.param}_url")
    return chosen


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database(url, RecordingSleeper())
    yield opened
    opened.close()
