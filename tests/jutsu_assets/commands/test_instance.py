"""``jutsu instance move`` switches an installation over, and says what it did and what is left to do."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jutsu_assets.commands.cli import main
from jutsu_assets.instance.switching import KEPT_AS
from jutsu_assets.starter import INSTANCE
from tests.jutsu_assets.instance.histories import instance_of, run_bars, write_home

HUNTER = "hunter2"


@pytest.fixture
def dagster(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Dagster home of the working directory, with a run in SQLite."""
    monkeypatch.delenv("JUTSU_DAGSTER_URL", raising=False)
    folder = write_home(home.parent / "dagster")
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    with instance_of(folder) as instance:
        run_bars(instance)
    return folder


def jutsu(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["instance", *arguments], catch_exceptions=False)


def test_an_installation_is_switched_over_with_its_history(
    dagster: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (dagster / INSTANCE).read_text("utf-8")
    done = jutsu("move", postgres_url)
    assert done.exit_code == 0, done.output
    assert "Moved 1 runs, " in done.output
    assert "names PostgreSQL now" in done.output
    assert "Set JUTSU_DAGSTER_URL=postgresql://" in done.output
    assert "synchronous_commit" not in done.output
    assert (dagster / KEPT_AS).read_text("utf-8") == before
    monkeypatch.setenv("JUTSU_DAGSTER_URL", postgres_url)
    with instance_of(dagster) as instance:
        assert instance.get_runs_count() == 1
        run_bars(instance)
    again = jutsu("move")
    assert again.exit_code == 1
    assert "must be in SQLite to be moved, is in another database" in again.output


def test_settings_may_be_left_as_they_are(dagster: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (dagster / INSTANCE).read_bytes()
    monkeypatch.setenv("JUTSU_DAGSTER_URL", postgres_url)
    done = jutsu("move", "--copy-only")
    assert done.exit_code == 0, done.output
    assert "class: PostgresHistory" in done.output
    assert "Set JUTSU_DAGSTER_URL" not in done.output
    assert (dagster / INSTANCE).read_bytes() == before


def test_settings_that_cannot_be_switched_are_told_before_anything_is_moved(dagster: Path, postgres_url: str) -> None:
    written = (dagster / INSTANCE).read_text("utf-8").replace("storage:", '"storage":')
    (dagster / INSTANCE).write_text(written, encoding="utf-8")
    done = jutsu("move", postgres_url)
    assert done.exit_code == 1
    assert "put this in its place by hand" in done.output
    assert jutsu("move", postgres_url, "--copy-only").exit_code == 0


def test_a_home_that_was_never_begun_has_nothing_to_move(dagster: Path, postgres_url: str) -> None:
    write_home(dagster, {"sqlite": {"base_dir": str(dagster / "nowhere")}})
    done = jutsu("move", postgres_url)
    assert done.exit_code == 1
    assert "there is no run history" in done.output


@pytest.mark.parametrize("url", [f"mysql://me:{HUNTER}@host/db", f"postgresql://me:{HUNTER}@127.0.0.1:1/x"])
def test_a_wrong_url_is_told_without_its_password(dagster: Path, url: str) -> None:
    before = (dagster / INSTANCE).read_bytes()
    done = jutsu("move", url)
    assert done.exit_code == 1
    assert HUNTER not in done.output
    assert (dagster / INSTANCE).read_bytes() == before
