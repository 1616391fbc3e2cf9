"""What ``jutsu doctor`` finds in a run history, and how it is mended."""

import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.sqlite import LAST_KNOWN_STAMPED_SQLITE_ALEMBIC_REVISION

from jutsu_assets.instance.beginning import DATABASES
from jutsu_assets.instance.health import HistoryHealth, examine_history
from jutsu_assets.instance.home import HistoryPlace
from jutsu_assets.instance.mending import mend_history
from jutsu_assets.instance.processes import RunProcess
from tests.jutsu_assets.instance.histories import instance_of, write_home
from tests.jutsu_assets.instance.test_runs import gone, run_in, status_of


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return write_home(tmp_path / "home")


def examined(home: Path) -> HistoryHealth:
    return examine_history({"DAGSTER_HOME": str(home)}, home)


def test_a_history_that_is_not_there_yet_needs_no_mending(home: Path) -> None:
    assert examined(home) == HistoryHealth(HistoryPlace(home=home, folder=home), [])
    assert list(home.iterdir()) == [home / "dagster.yaml"]


def test_two_heads_are_found_and_mended(home: Path) -> None:
    with instance_of(home):
        pass
    assert examined(home).findings == []
    with closing(sqlite3.connect(home / DATABASES[1])) as connection, connection:
        connection.execute("INSERT INTO alembic_version VALUES (?)", (LAST_KNOWN_STAMPED_SQLITE_ALEMBIC_REVISION,))
    (finding,) = examined(home).findings
    assert str(home / DATABASES[1]) in finding
    assert "more than one head" in finding
    assert mend_history(examined(home)) == [f"{home / DATABASES[1]} has one head again"]
    assert examined(home).findings == []


def test_a_history_that_is_no_database_is_found(home: Path) -> None:
    (home / "history").mkdir()
    (home / DATABASES[0]).write_text("no database, but long enough to be read as one" * 100, encoding="utf-8")
    (finding,) = examined(home).findings
    assert "must be a whole SQLite database" in finding


def test_a_history_that_somebody_holds_is_not_called_damaged(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with instance_of(home):
        pass
    monkeypatch.setattr("jutsu_assets.instance.beginning._BUSY_SECONDS", 0.01)
    with closing(sqlite3.connect(home / DATABASES[0], isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("CREATE TABLE held (id)")
        findings = examined(home).findings
    assert any("must be readable: database is locked" in finding for finding in findings)
    assert not any("move it away" in finding for finding in findings)


def test_runs_whose_process_is_gone_are_found_and_ended(home: Path) -> None:
    with instance_of(home) as instance:
        dead, living = run_in(instance, gone()), run_in(instance, RunProcess.current())
    (finding,) = examined(home).findings
    assert dead in finding
    assert "`jutsu doctor --mend` ends it" in finding
    (done,) = mend_history(examined(home))
    assert dead in done
    assert examined(home).findings == []
    with instance_of(home) as instance:
        assert status_of(instance, dead) is dg.DagsterRunStatus.FAILURE
        assert status_of(instance, living) is dg.DagsterRunStatus.STARTED
