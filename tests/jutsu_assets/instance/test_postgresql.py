"""The run history in PostgreSQL: where it is, begun by several at once, and how its runs and connections are kept."""

import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster_postgres import PostgresEventLogStorage
from dagster_postgres.utils import retry_pg_connection_fn

from jutsu_assets.instance import postgresql
from jutsu_assets.instance.health import HistoryHealth
from jutsu_assets.instance.launcher import WatchfulLauncher
from jutsu_assets.instance.mending import mend_history
from jutsu_assets.instance.postgresql import URL_VARIABLE, PostgresHistory, history_url
from jutsu_assets.instance.processes import RunProcess
from jutsu_assets.instance.runs import dead_runs
from jutsu_core.errors import ConfigurationError
from tests.jutsu_assets.instance.histories import begin_and_log, instance_of, run_bars, write_home
from tests.jutsu_assets.instance.test_health import examined
from tests.jutsu_assets.instance.test_runs import gone, run_in
from tests.support.processes import started_together

DEPLOYED = Path(__file__).parents[3] / "deploy" / "postgresql" / "dagster.yaml"
OURS: dict[str, Any] = {"module": "jutsu_assets.instance.postgresql", "class": "PostgresHistory"}


def home_at(url: str | None, folder: Path) -> Path:
    """Make a home whose history is at ``url``; where the environment says so if None."""
    return write_home(folder / "home", {"custom": {**OURS, "config": {} if url is None else {"url": url}}})


@pytest.mark.parametrize(
    "written",
    [
        "postgres://me@host/db",
        "postgresql://me@host/db",
        "postgresql+psycopg://me@host/db",
        "postgresql+psycopg2://me@host/db",
    ],
)
def test_every_spelling_of_postgresql_means_the_driver_that_dagster_uses(written: str) -> None:
    url = history_url(written)
    assert (url.drivername, url.host, url.database) == ("postgresql+psycopg2", "host", "db")
    assert history_url(url.render_as_string(hide_password=False)).drivername == "postgresql+psycopg2"


def test_what_a_url_says_of_the_session_is_kept() -> None:
    said = str(history_url("postgresql://h/d?options=-csearch_path%3Ddagster&sslmode=require").query["options"])
    assert said.startswith("-csearch_path=dagster ")
    assert "-ctimezone=UTC" in said


@pytest.mark.parametrize("written", ["sqlite:////data/dagster.db", "mysql://me@host/db", "nowhere", ""])
def test_another_database_is_refused_by_the_name_of_the_setting(written: str) -> None:
    with pytest.raises(ConfigurationError, match="JUTSU_DAGSTER_URL must"):
        history_url(written)


def test_the_environment_says_where_it_is(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUTSU_DAGSTER_URL", postgres_url)
    with instance_of(home_at(None, tmp_path)) as instance:
        assert instance.event_log_storage.get_asset_records() == []
        assert postgres_url not in str(instance.get_ref().to_dict())
        with dg.DagsterInstance.from_ref(instance.get_ref()) as other:
            assert other.get_runs_count() == 0


def test_where_nothing_says_where_it_is_the_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JUTSU_DAGSTER_URL", raising=False)
    home = home_at(None, tmp_path)
    with pytest.raises(ConfigurationError, match="JUTSU_DAGSTER_URL must name the PostgreSQL"), instance_of(home):
        pass


def test_a_run_names_its_process_and_is_found_dead_when_that_is_gone(tmp_path: Path, postgres_url: str) -> None:
    with instance_of(home_at(postgres_url, tmp_path)) as instance:
        run = instance.get_run_by_id(run_bars(instance))
        assert run is not None
        process = RunProcess.of_tags(run.tags)
        assert process is not None
        assert process.pid == os.getpid()
        dead = run_in(instance, gone())
        assert [found.run.run_id for found in dead_runs(instance)] == [dead]


def test_the_doctor_finds_a_dead_run_there_and_ends_it(tmp_path: Path, postgres_url: str) -> None:
    home = home_at(postgres_url, tmp_path)
    with instance_of(home) as instance:
        dead = run_in(instance, gone())
    found = examined(home)
    assert found == HistoryHealth(home, None, found.findings)
    (finding,) = found.findings
    assert f"run {dead} says STARTED, but its process is gone" in finding
    assert "it is ended" in mend_history(found)[0]
    assert examined(home).findings == []


@pytest.mark.parametrize("url", ["postgresql://me:hunter2@127.0.0.1:1/x", "sqlite:////x"])
def test_the_doctor_says_of_a_history_that_it_cannot_read_why(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "retry_pg_connection_fn", partial(retry_pg_connection_fn, retry_limit=0))
    found = examined(home_at(url, tmp_path))
    (finding,) = found.findings
    assert finding.startswith(f"the history that {tmp_path / 'home' / 'dagster.yaml'} names must be readable: ")
    assert URL_VARIABLE in finding
    assert "hunter2" not in finding
    assert not found.is_whole
    assert mend_history(found) == []


def test_times_that_the_server_fills_in_are_utc_whatever_its_zone(postgres_url: str) -> None:
    history = PostgresHistory(history_url(f"{postgres_url}%20-ctimezone%3DAsia/Tokyo"))
    with history.run_storage.connect() as connection:  # type: ignore[attr-defined]
        assert connection.exec_driver_sql("show timezone").scalar_one() == "UTC"
    history.dispose()


def test_connections_are_kept_and_closed_at_the_end(tmp_path: Path, postgres_url: str) -> None:
    with instance_of(home_at(postgres_url, tmp_path)) as instance:
        for number in range(5):
            instance.report_runless_asset_event(dg.AssetMaterialization("bars", partition=str(number)))
        pool = instance.event_log_storage._engine.pool  # type: ignore[attr-defined]
        assert 1 <= pool.checkedin() <= 2
        assert instance.run_storage._engine.pool is pool  # type: ignore[attr-defined]
    assert pool.checkedin() == 0


def test_dagster_understands_the_settings_that_we_deploy(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(DEPLOYED, tmp_path)
    monkeypatch.setenv("JUTSU_DAGSTER_URL", postgres_url)
    monkeypatch.setenv("JUTSU_HOME", str(tmp_path / "var"))
    with instance_of(tmp_path) as instance:
        assert isinstance(instance.event_log_storage, PostgresEventLogStorage)
        assert isinstance(instance.run_launcher, WatchfulLauncher)
        assert instance.run_monitoring_enabled
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 2
        assert [limit["limit"] for limit in queue.tag_concurrency_limits] == [1, 1]


@pytest.mark.slow
def test_a_history_that_several_begin_at_once_holds_what_each_logged(tmp_path: Path, postgres_url: str) -> None:
    home = home_at(postgres_url, tmp_path)
    keys = [f"asset_{number}" for number in range(4)]
    with started_together(begin_and_log, *[(home, key) for key in keys]) as children:
        for child in children:
            child.hear_all()
        assert [child.said for child in children] == [["done"]] * len(keys)
    with instance_of(home) as instance:
        assert {key.to_user_string() for key in instance.get_asset_keys()} == set(keys)
