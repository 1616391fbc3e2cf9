"""A run history: begun by several at once, read by Dagster's own class, mended, and quick."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import LAST_KNOWN_STAMPED_SQLITE_ALEMBIC_REVISION
from dagster._serdes import serialize_value

from jutsu_assets.instance import event_log
from jutsu_assets.instance.beginning import DATABASES, revisions
from jutsu_assets.instance.event_log import newest_revision
from jutsu_assets.instance.history import RunHistory
from tests.jutsu_assets.instance.histories import (
    KEYS,
    begin_and_log,
    instance_of,
    log_for_ever,
    run_bars,
    write_home,
)
from tests.support.processes import started, started_together


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return write_home(tmp_path / "home")


@pytest.mark.slow
def test_a_history_that_several_begin_at_once_is_sound_and_holds_what_each_logged(home: Path) -> None:
    keys = [f"asset_{number}" for number in range(4)]
    with started_together(begin_and_log, *[(home, key) for key in keys]) as children:
        for child in children:
            child.hear_all()
        assert [child.said for child in children] == [["done"]] * len(keys)
    for name in DATABASES:
        assert revisions(home / name) == (newest_revision(),)
    with instance_of(home) as instance:
        assert {key.to_user_string() for key in instance.get_asset_keys()} == set(keys)


def test_a_history_with_two_heads_is_mended_at_its_next_start(home: Path) -> None:
    with instance_of(home):
        pass
    for name in DATABASES:
        with closing(sqlite3.connect(home / name)) as connection, connection:
            connection.execute("INSERT INTO alembic_version VALUES (?)", (LAST_KNOWN_STAMPED_SQLITE_ALEMBIC_REVISION,))
        assert len(revisions(home / name)) == 2
    with instance_of(home) as instance:
        run_bars(instance)
    for name in DATABASES:
        assert revisions(home / name) == (newest_revision(),)


def test_each_event_is_stored_once(home: Path) -> None:
    with instance_of(home) as instance:
        run_id = run_bars(instance)
    assert [path.name for path in (home / "history" / "runs").glob("*.db")] == ["index.db"]
    with closing(sqlite3.connect(home / DATABASES[1])) as connection:
        found = connection.execute(
            "select dagster_event_type, count(*) from event_logs where run_id = ? group by 1", (run_id,)
        )
        counts = dict(found.fetchall())
    assert counts["ASSET_MATERIALIZATION"] == counts["ASSET_CHECK_EVALUATION"] == len(KEYS.get_partition_keys())
    assert counts["PIPELINE_START"] == counts["STEP_SUCCESS"] == 1


def test_a_deleted_run_leaves_no_event(home: Path) -> None:
    with instance_of(home) as instance:
        run_id, other = run_bars(instance), run_bars(instance)
        instance.delete_run(run_id)
        assert instance.event_log_storage.get_records_for_run(run_id).records == []
        assert_recorded(instance, other)


@pytest.mark.slow
def test_dagsters_own_class_reads_what_runs_made_here_and_here_its_runs_are_read_whole(home: Path) -> None:
    with instance_of(home) as instance:
        run_id = run_bars(instance)
    plain = write_home(home / "plain", {"sqlite": {"base_dir": str(home)}})
    with instance_of(plain) as theirs:
        assert type(theirs.event_log_storage) is SqliteEventLogStorage
        assert_made(theirs, run_id)
        other = run_bars(theirs)
    with instance_of(home) as ours:
        assert_recorded(ours, run_id)
        assert_recorded(ours, other)
        ours.report_engine_event("written on", ours.get_run_by_id(other))
        assert "written on" in [entry.message for entry in ours.all_logs(other)]
    with instance_of(plain) as theirs:
        assert "written on" in [entry.message for entry in theirs.all_logs(other)]


def assert_recorded(instance: dg.DagsterInstance, run_id: str) -> None:
    assert_made(instance, run_id)
    entries = [record.event_log_entry for record in instance.event_log_storage.get_records_for_run(run_id).records]
    logged = [entry.dagster_event.event_type_value for entry in entries if entry.dagster_event is not None]
    assert logged.count("ASSET_MATERIALIZATION") == logged.count("ASSET_MATERIALIZATION_PLANNED") == 3
    assert logged.count("ASSET_CHECK_EVALUATION") == 3
    stats = instance.get_run_stats(run_id)
    assert (stats.steps_succeeded, stats.materializations) == (1, 3)


def assert_made(instance: dg.DagsterInstance, run_id: str) -> None:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.SUCCESS
    log = instance.event_log_storage
    assert instance.get_materialized_partitions(dg.AssetKey("bars")) == {"A", "B", "C"}
    tags = log.get_latest_tags_by_partition(
        dg.AssetKey("bars"), dg.DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"]
    )
    assert {key: found["dagster/data_version"] for key, found in tags.items()} == {"A": "a", "B": "b", "C": "c"}
    (asset,) = log.get_asset_records([dg.AssetKey("bars")])
    assert asset.asset_entry.last_run_id is not None
    assert asset.asset_entry.last_materialization is not None
    checks = log.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("bars"), "sound"), limit=50, partition_filter=None
    )
    of_run = {check.partition: check.status.value for check in checks if check.run_id == run_id}
    assert of_run == {"A": "SUCCEEDED", "B": "SUCCEEDED", "C": "FAILED"}


def test_a_record_is_written_as_dagster_writes_it(home: Path) -> None:
    with instance_of(home) as instance:
        run_id = run_bars(instance)
        for found in instance.event_log_storage.get_records_for_run(run_id).records:
            written = serialize_value(found.event_log_entry, separators=(",", ":"))
            assert event_log.record_of(written, found.storage_id) == serialize_value(found, separators=(",", ":"))


@dg.op
def nothing() -> None:
    """Do nothing."""


@dg.job(name="nothing_at_all")
def nothing_at_all() -> None:
    nothing()


def test_events_that_another_process_logs_are_watched(home: Path) -> None:
    with instance_of(home) as watching, instance_of(home) as writing:
        run = writing.create_run_for_job(nothing_at_all)
        seen, arrived = [], Event()

        def see(entry: Any, _cursor: str) -> None:
            seen.append(entry.message)
            arrived.set()

        watching.watch_event_logs(run.run_id, None, see)
        writing.report_engine_event("first", run)
        assert arrived.wait(5)
        arrived.clear()
        writing.report_engine_event("second", run)
        assert arrived.wait(5)
        assert seen == ["first", "second"]
        watching.end_watch_event_logs(run.run_id, see)


def test_a_batch_is_stored_whole_or_not_at_all(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with instance_of(home) as instance:
        run_id = run_bars(instance)
        log = instance.event_log_storage
        entries = [record.event_log_entry for record in log.get_records_for_run(run_id).records]
        before = len(entries)
        good = [entry for entry in entries if entry.dagster_event_type is dg.DagsterEventType.ASSET_MATERIALIZATION]
        stored = type(log)._store_asset_event_tags  # type: ignore[attr-defined]

        def breaks(self: Any, conn: Any, events: Any, ids: Any) -> None:
            if events[0].dagster_event.partition == "C":
                message = "the disk is full"
                raise OSError(message)
            stored(self, conn, events, ids)

        monkeypatch.setattr(type(log), "_store_asset_event_tags", breaks)
        with pytest.raises(OSError, match="the disk is full"):
            log.store_event_batch(good)
        assert len(log.get_records_for_run(run_id).records) == before
        monkeypatch.undo()
        log.store_event_batch(good)
        assert len(log.get_records_for_run(run_id).records) == before + len(good)


def test_a_history_that_is_taken_away_is_begun_anew(home: Path) -> None:
    with instance_of(home) as instance:
        run_bars(instance)
        for path in (home / "history" / "runs").iterdir():
            path.unlink()
        assert instance.get_materialized_partitions(dg.AssetKey("bars")) == set()
        run_bars(instance)
        assert instance.get_materialized_partitions(dg.AssetKey("bars")) == {"A", "B", "C"}


@pytest.mark.slow
def test_few_databases_of_single_runs_stay_open(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "_MOST_OPEN", 2)
    with instance_of(home) as instance:
        log: Any = instance.event_log_storage
        for number in range(5):
            Path(log.path_for_shard(f"run-{number}")).touch()
            assert log.get_records_for_run(f"run-{number}").records == []
        assert set(log._kept) == {"index", "run-2", "run-3", "run-4"}


def test_a_forked_process_opens_connections_of_its_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with instance_of(home) as instance:
        log: Any = instance.event_log_storage
        with log.index_connection() as before:
            pass
        monkeypatch.setattr("os.getpid", lambda: -1)
        with log.index_connection() as after:
            assert after is not before
        assert not before.closed, "closing it would be felt by the process that opened it"
        monkeypatch.undo()


def test_the_folder_is_that_of_jutsu_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUTSU_HOME", "elsewhere")
    history = RunHistory.from_config_value(None, {})
    history.dispose()
    assert all((tmp_path / "elsewhere" / "dagster" / name).is_file() for name in DATABASES)


@pytest.mark.slow
def test_what_a_killed_process_logged_is_there_and_the_history_sound(home: Path) -> None:
    with instance_of(home):
        pass
    with started(log_for_ever, home) as child:
        while len(child.said) < 20:
            child.hear()
        child.kill()
        logged = len(child.said)
    for path in (home / "history").rglob("*.db"):
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with instance_of(home) as instance:
        found = instance.fetch_materializations(dg.AssetKey("bars"), limit=1000).records
        assert len(found) in {logged, logged + 1}  # killed between the event and its report


@pytest.mark.filterwarnings("ignore:.*in preview", "ignore:.*currently in beta")
def test_a_check_that_was_planned_for_many_partitions_is_stored_small(home: Path) -> None:
    many = dg.StaticPartitionsDefinition([f"KEY{number}" for number in range(200)])

    @dg.multi_asset(
        specs=[dg.AssetSpec("bars", skippable=True)],
        check_specs=[dg.AssetCheckSpec("sound", asset="bars", partitions_def=many)],
        partitions_def=many,
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
    )
    def bars() -> Iterator[Any]:
        yield from ()
        message = "nothing is judged"
        raise dg.Failure(message)

    tags = {"dagster/asset_partition_range_start": "KEY0", "dagster/asset_partition_range_end": "KEY199"}
    with instance_of(home) as instance:
        run = dg.materialize([bars], instance=instance, tags=tags, raise_on_error=False)
        planned = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey("bars"), "sound"), limit=300, partition_filter=None
        )
    assert {check.partition for check in planned if check.run_id == run.run_id} == set(many.get_partition_keys())
    assert {check.status.value for check in planned} == {"PLANNED"}
    with closing(sqlite3.connect(home / DATABASES[1])) as connection:
        (longest,) = connection.execute("select max(length(evaluation_event)) from asset_check_executions").fetchone()
    assert longest < 1500
