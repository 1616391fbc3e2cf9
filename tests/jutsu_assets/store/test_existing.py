"""A store that is there is opened, and its connections are given back whatever becomes of it."""

from pathlib import Path

import pytest

from jutsu_assets.settings import Settings
from jutsu_assets.store import existing
from jutsu_assets.store.engine import Database
from jutsu_assets.store.existing import stored_database, writable_database
from jutsu_core.errors import StoreUnavailableError


def test_a_store_that_goes_away_at_the_first_look_is_given_back(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.from_environment({"JUTSU_DATABASE_URL": sqlite_url}, folder=tmp_path)
    made = writable_database(settings)
    with made.reading():
        pass
    made.close()
    opened: list[Database] = []

    class Remembered(Database):
        def _ready_engine(self):  # type: ignore[no-untyped-def]  # noqa: ANN202
            opened.append(self)
            return super()._ready_engine()

    def gone(_: object) -> bool:
        message = "the server went away"
        raise StoreUnavailableError(message)

    monkeypatch.setattr(existing, "Database", Remembered)
    monkeypatch.setattr(existing, "is_current", gone)
    with pytest.raises(StoreUnavailableError, match="went away"), stored_database(settings, upgrade=True):
        pass
    assert opened
    assert all(database._engine is None for database in opened)
