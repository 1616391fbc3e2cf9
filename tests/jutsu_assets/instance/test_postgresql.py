"""The run history in PostgreSQL: where it is, begun by several at once, and how its runs and connections are kept."""

import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
import pytest
from dagster_postgres import PostgresEventLogStorage

from jutsu_assets.instance import postgresql
from jutsu_assets.instance.health import HistoryHealth
from jutsu_assets.instance.home import HistoryPlace
from jutsu_assets.instance.launcher import WatchfulLauncher
from jutsu_assets.instance.mending import mend_history
from jutsu_assets.instance.outcomes import LONGEST_WAIT, outcomes_of
from jutsu_assets.instance.postgresql import PostgresHistory
from jutsu_assets.instance.processes import RunProcess
from jutsu_assets.instance.runs import dead_runs
from jutsu_assets.instance.server import URL_VARIABLE, history_url
from jutsu_core.errors import ConfigurationError, StoreUnavailableError
from tests.jutsu_assets.instance.histories import begin_and_log, instance_of, run_bars, write_home
from tests.jutsu_assets.instance.test_health import examined
from tests.jutsu_assets.instance.test_runs import gone, run_in
from tests.support.builders import RecordingSleeper
from tests.support.postgres import PostgresServer
from tests.support.processes import started_together

DEPLOYED = Path(__file__).parents[3] / "deploy" / "postgresql" / "dagster.yaml"
OURS: dict[str, Any] = {"module": "jutsu_assets.instance.postgresql", "class": "PostgresHistory"}


NOBODY = "postgresql://me:hunter2@127.0.0.1:1"


def read_only(url: str) -> str:
    """Return ``url`` as of a server that takes no writes."""
    return f"{url}%20-cdefault_transaction_read_only%3Don"


@contextmanager
def stranger(server: PostgresServer, schema: str) -> Iterator[str]:
    """Yield the name of a user who may look at ``schema``, and at nothing in it."""
    name = f"u{uuid.uuid4().hex[:12]}"
    server.execute(f"create role {name}; grant usage on schema {schema} to {name}")
    yield name
    server.execute(f"drop owned by {name}; drop role {name}")


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
    assert found == HistoryHealth(HistoryPlace(home=home, written_url=postgres_url), found.findings)
    (finding,) = found.findings
    assert f"run {dead} says STARTED, but its process is gone" in finding
    assert "it is ended" in mend_history(found)[0]
    assert examined(home).findings == []


@pytest.mark.parametrize("url", [f"{NOBODY}/x", "sqlite:////x"])
def test_the_doctor_says_of_a_history_that_it_cannot_read_why(tmp_path: Path, url: str) -> None:
    found = examined(home_at(url, tmp_path))
    (finding,) = found.findings
    assert finding.startswith(f"the history that {tmp_path / 'home' / 'dagster.yaml'} names must be readable: ")
    assert URL_VARIABLE in finding
    assert "hunter2" not in finding
    assert not found.is_whole
    assert mend_history(found) == []


def test_the_doctor_asks_the_server_itself_as_dagster_would(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = HistoryPlace(home=home_at(postgres_url, tmp_path), written_url=postgres_url)
    assert examined(place.home) == HistoryHealth(place, [])
    with instance_of(place.home) as instance:
        run_bars(instance)
        dead, ended = run_in(instance, gone()), run_bars(instance)
        waiting = run_in(instance, None, dg.DagsterRunStatus.NOT_STARTED)
        instance.event_log_storage.set_concurrency_slots("schwab", 2)
        for run_id in (dead, ended):
            assert instance.event_log_storage.claim_concurrency_slot("schwab", run_id, "step").is_claimed
    later = datetime.now(UTC) + 2 * LONGEST_WAIT  # noqa: TID251 - the server's clock says when a run was made
    by_dagster = outcomes_of(HistoryPlace(home=place.home), {}, later)
    monkeypatch.setitem(sys.modules, "dagster", None)  # whoever imports it now fails
    assert outcomes_of(place, {}, later) == by_dagster
    assert (by_dagster.held_slots, by_dagster.waiting) == ({ended: "schwab"}, {waiting: "NOT_STARTED"})
    (finding,) = examined(place.home).findings
    assert dead in finding


def test_a_history_that_may_not_be_written_is_found_and_no_run_begins_with_a_traceback(
    tmp_path: Path, postgres_url: str
) -> None:
    with instance_of(home_at(postgres_url, tmp_path)):
        pass
    reader = read_only(postgres_url)
    said = "read-only transaction; name the server that takes writes"
    with (
        instance_of(home_at(reader, tmp_path / "reader")) as instance,
        pytest.raises(StoreUnavailableError, match=said),
    ):
        run_in(instance, None)
    found = examined(home_at(reader, tmp_path / "reader"))
    assert not found.is_whole
    assert "must be writable, but the server takes no writes" in found.findings[0]


def test_a_user_who_may_not_write_the_history_is_told_so(
    tmp_path: Path, postgres: PostgresServer, postgres_url: str
) -> None:
    with instance_of(home_at(postgres_url, tmp_path)):
        pass
    schema = postgres_url.rpartition("%3D")[2]
    with stranger(postgres, schema) as name:
        url = f"{postgres_url}%20-crole%3D{name}"
        home, said = home_at(url, tmp_path / "stranger"), r"permission denied for table \w+; let its user"
        with instance_of(home) as instance, pytest.raises(StoreUnavailableError, match=said):
            run_in(instance, None)
        found = examined(home)
    assert found.findings[0].endswith("or let its user write")
    assert not found.is_whole


def test_where_no_history_may_begin_it_says_why(tmp_path: Path, postgres: PostgresServer, postgres_url: str) -> None:
    nowhere = postgres_url.replace(postgres_url.rpartition("%3D")[2], "nowhere")
    for url in (nowhere, read_only(postgres_url)):
        with pytest.raises(StoreUnavailableError) as told, instance_of(home_at(url, tmp_path)):
            pass
        assert str(told.value).startswith("the run history must be reachable and writable at postgresql://")
        assert "CREATE TABLE secondary_indexes (" not in str(told.value)
    with (
        postgres.fresh_database_url("LATIN1") as latin,
        pytest.raises(ConfigurationError, match="its encoding LATIN1 does not: make another"),
        instance_of(home_at(latin, tmp_path)),
    ):
        pass


def test_a_server_that_is_gone_is_waited_for_and_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sleeper = RecordingSleeper()
    monkeypatch.setattr(postgresql, "SystemSleeper", lambda: sleeper)
    with pytest.raises(StoreUnavailableError) as told, instance_of(home_at(f"{NOBODY}/x", tmp_path)):
        pass
    assert "hunter2" not in f"{told.value}{caplog.text}"
    assert str(told.value).endswith("start the server, or correct JUTSU_DAGSTER_URL")
    assert len(sleeper.pauses) == 5
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert line.startswith("the run history at postgresql://me:***@127.0.0.1:1/x is waited for: ")


def test_a_server_that_refuses_is_not_waited_for(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper = RecordingSleeper()
    monkeypatch.setattr(postgresql, "SystemSleeper", lambda: sleeper)
    nothing_there = urlsplit(postgres.url)._replace(path="/nothing_there").geturl()
    with pytest.raises(StoreUnavailableError, match="does not exist"), instance_of(home_at(nothing_there, tmp_path)):
        pass
    assert sleeper.pauses == []


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
