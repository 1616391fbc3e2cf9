"""A database of the test's own, closed when the test ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jutsu_assets.store.engine import Database
from tests.support.builders import RecordingSleeper, SettableClock


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'jutsu.db'}"


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database(url, RecordingSleeper())
    yield opened
    opened.close()
