"""A run history is moved from SQLite to PostgreSQL, whole or not at all, and goes on there."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat
from dagster._serdes import serialize_value
from dagster_postgres import PostgresEventLogStorage

from jutsu_assets.instance.beginning import DATABASES
from jutsu_assets.instance.move import DAEMON_IS_ALIVE_FOR, Moved, move_history
from jutsu_assets.instance.processes import RunProcess
from jutsu_assets.instance.server import history_url
from jutsu_core.errors import StoreError, StoreUnavailableError
from tests.jutsu_assets.instance.histories import KEYS, instance_of, run_bars, write_home
from tests.jutsu_assets.instance.test_runs import nothing_at_all
from tests.support.builders import SettableClock

BARS = dg.AssetKey("bars")
EVENT_TYPES = (dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION)


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two runs, a failed one, a backfill, a schedule with ticks, a pool and a cursor."""
    home = write_home(tmp_path_factory.mktemp("pattern"))
    with instance_of(home) as instance:
        run_bars(instance)
        run_id = run_bars(instance)
        instance.create_run_for_job(nothing_at_all, tags={"who": "me"}, status=dg.DagsterRunStatus.FAILURE)
        instance.add_backfill(
            PartitionBackfill(
                backfill_id="rolling_verification-2013-03-01",
                status=BulkActionStatus.COMPLETED_SUCCESS,
                from_failure=False,
                tags={"by": "schedule"},
                backfill_timestamp=1.0,
            )
        )
        instance.event_log_storage.set_concurrency_slots("schwab", 2)
        instance.run_storage.set_cursor_values({"CURSOR": "7"})
        state = instigator()
        instance.add_instigator_state(state)
        for status in (TickStatus.SUCCESS, TickStatus.SKIPPED):
            instance.create_tick(
                TickData(
                    instigator_origin_id=state.instigator_origin_id,
                    instigator_name="nightly",
                    instigator_type=InstigatorType.SCHEDULE,
                    status=status,
                    timestamp=1.5e9,
                    selector_id=state.selector_id,
                    run_ids=[] if status is TickStatus.SKIPPED else [run_id],
                    skip_reason="no session" if status is TickStatus.SKIPPED else None,
                )
            )
    return home


@pytest.fixture
def home(pattern: Path, tmp_path: Path) -> Path:
    """A copy of the pattern, to be changed."""
    return write_home(Path(shutil.copytree(pattern, tmp_path / "home")))


def instigator(name: str = "nightly") -> InstigatorState:
    """A schedule that was switched on."""
    target = LoadableTargetOrigin(module_name="jutsu_assets.definitions")
    repository = RemoteRepositoryOrigin(InProcessCodeLocationOrigin(target), "__repository__")
    origin = RemoteInstigatorOrigin(repository, name)
    return InstigatorState(
        origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, ScheduleInstigatorData("30 2 * * *")
    )


@contextmanager
def at(url: str, folder: Path) -> Iterator[dg.DagsterInstance]:
    """Yield an instance over the history at ``url``."""
    ours = {"module": "jutsu_assets.instance.postgresql", "class": "PostgresHistory", "config": {"url": url}}
    with instance_of(write_home(folder / "moved", {"custom": ours})) as instance:
        yield instance


def moved_to(url: str, folder: Path, clock: SettableClock | None = None) -> Moved:
    return move_history(folder, history_url(url), clock or SettableClock(), lambda *_: None)


def lines_of(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    return [serialize_value(entry) for entry in instance.all_logs(run_id)]


def told(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What a history says, as the UI asks for it."""
    runs = instance.get_run_records()
    log = instance.event_log_storage
    ids = [record.dagster_run.run_id for record in runs]
    return {
        "runs": [
            (one.storage_id, one.dagster_run, one.create_timestamp, one.update_timestamp, one.start_time, one.end_time)
            for one in runs
        ],
        "logs": {run_id: lines_of(instance, run_id) for run_id in ids},
        "assets": [(record.storage_id, record.asset_entry) for record in instance.get_asset_records([BARS])],
        "events": [instance.fetch_materializations(BARS, limit=100).records],
        "partitions": sorted(instance.get_materialized_partitions(BARS)),
        "checks": [
            log.get_asset_check_execution_history(dg.AssetCheckKey(BARS, "sound"), limit=100),
        ],
        "versions": log.get_latest_tags_by_partition(
            BARS, dg.DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"]
        ),
        "backfills": instance.get_backfills(),
        "states": instance.all_instigator_state(),
        "ticks": instance.get_ticks(instigator().instigator_origin_id, instigator().selector_id),
        "limits": log.get_concurrency_info("schwab"),
        "cursors": instance.run_storage.get_cursor_values({"CURSOR"}),
        "snapshots": [instance.get_job_snapshot(one.dagster_run.job_snapshot_id or "") for one in runs],
    }


def test_a_history_that_was_moved_says_what_it_said(home: Path, postgres_url: str, tmp_path: Path) -> None:
    with instance_of(home) as instance:
        before = told(instance)
    heard: list[tuple[str, int, int]] = []
    moved = move_history(home, history_url(postgres_url), SettableClock(), lambda *said: heard.append(said))
    with at(postgres_url, tmp_path) as instance:
        assert isinstance(instance.event_log_storage, PostgresEventLogStorage)
        after = told(instance)
    for name, said in before.items():
        assert after[name] == said, name
    assert (len(before["runs"]), len(before["partitions"]), len(before["ticks"])) == (3, 3, 2)
    assert heard[-1][1:] == (sum(moved.rows.values()),) * 2
    assert (moved.orphaned_tags, moved.logged_alone) == (0, 0)


def test_what_comes_after_has_numbers_of_its_own(home: Path, postgres_url: str, tmp_path: Path) -> None:
    moved_to(postgres_url, home)
    with at(postgres_url, tmp_path) as instance:
        before = told(instance)
        run_id = run_bars(instance)
        instance.add_instigator_state(instigator("other"))
        after = told(instance)
        assert after["runs"][1:] == before["runs"]
        assert after["runs"][0][0] == before["runs"][0][0] + 1
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert RunProcess.of_tags(run.tags) is not None, "a run in PostgreSQL names its process, too"
        numbers = [record.storage_id for record in after["events"][0]]
        assert len(set(numbers)) == len(numbers) == 3 * len(KEYS.get_partition_keys())
        assert after["limits"].slot_count == 2


def test_a_history_that_was_moved_is_not_moved_again_over_itself(home: Path, postgres_url: str) -> None:
    moved_to(postgres_url, home)
    with pytest.raises(StoreError, match=r"must hold no run history to take one, but its table .* holds rows"):
        moved_to(postgres_url, home)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])
def test_a_history_of_which_a_run_is_in_progress_stays(
    home: Path, postgres_url: str, status: dg.DagsterRunStatus
) -> None:
    with instance_of(home) as instance:
        run = instance.create_run_for_job(nothing_at_all, status=status)
    with pytest.raises(StoreError, match=f"no run may be in progress.*{run.run_id}.*jutsu doctor --mend"):
        moved_to(postgres_url, home)


def test_a_history_that_a_daemon_works_with_stays_until_it_is_stopped(home: Path, postgres_url: str) -> None:
    clock = SettableClock()
    with instance_of(home) as instance:
        instance.add_daemon_heartbeat(DaemonHeartbeat(clock.now().timestamp(), "SENSOR", "id", []))
    clock.advance(DAEMON_IS_ALIVE_FOR / 3)
    with pytest.raises(StoreError, match="one said 15 s ago that it lives; stop `jutsu ui`"):
        moved_to(postgres_url, home, clock)
    clock.advance(DAEMON_IS_ALIVE_FOR)
    assert moved_to(postgres_url, home, clock).rows["runs"] == 3


def test_what_is_written_meanwhile_undoes_the_move(home: Path, postgres_url: str, tmp_path: Path) -> None:
    def write(*_: object) -> None:
        with closing(sqlite3.connect(home / DATABASES[2])) as connection, connection:
            connection.execute("delete from job_ticks")

    with pytest.raises(StoreError, match=r"schedules\.db was written meanwhile; nothing was kept"):
        move_history(home, history_url(postgres_url), SettableClock(), write)
    with at(postgres_url, tmp_path) as instance:
        assert instance.get_runs_count() == 0


def test_a_row_that_the_server_refuses_undoes_the_move(home: Path, postgres_url: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(home / DATABASES[2])) as connection, connection:
        connection.execute("update job_ticks set status = ?", ("x" * 64,))
    with pytest.raises(StoreUnavailableError, match=r"value too long .* nothing was kept"):
        moved_to(postgres_url, home)
    with at(postgres_url, tmp_path) as instance:
        assert instance.get_runs_count() == 0


def test_the_tags_of_deleted_runs_stay_behind_and_no_slot_is_held(
    home: Path, postgres_url: str, tmp_path: Path
) -> None:
    with instance_of(home) as instance:
        gone = instance.create_run_for_job(nothing_at_all)
        instance.event_log_storage.claim_concurrency_slot("schwab", gone.run_id, "step")
    with closing(sqlite3.connect(home / DATABASES[0])) as connection, connection:
        connection.execute("delete from run_tags where run_id = ?", (gone.run_id,))
        connection.execute("delete from runs where run_id = ?", (gone.run_id,))
        connection.execute("insert into run_tags (run_id, key, value) values (?, 'who', 'nobody')", (gone.run_id,))
    moved = moved_to(postgres_url, home)
    assert moved.orphaned_tags == 1
    with at(postgres_url, tmp_path) as instance:
        found = instance.event_log_storage.get_concurrency_info("schwab")
        assert (found.slot_count, found.active_slot_count, found.claimed_slots) == (2, 0, [])


def test_runs_that_dagsters_own_class_logged_keep_every_line(tmp_path: Path, postgres_url: str) -> None:
    home = write_home(tmp_path / "home", {"sqlite": {"base_dir": str(tmp_path / "home")}})
    with instance_of(home) as instance:
        assert type(instance.event_log_storage) is SqliteEventLogStorage
        run_id = run_bars(instance)
        before = sorted(lines_of(instance, run_id))
        partitions = instance.get_materialized_partitions(BARS)
    moved = moved_to(postgres_url, home)
    assert moved.logged_alone == 1
    with at(postgres_url, tmp_path) as instance:
        assert sorted(lines_of(instance, run_id)) == before
        assert instance.get_materialized_partitions(BARS) == partitions
        run_bars(instance)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("update alembic_version set version_num = '7e2f3204cf8e'", "run `dagster instance migrate` first"),
        ("delete from secondary_indexes where name = 'run_backfill_id'", "lacks run_backfill_id; run `dagster"),
        ("drop table alembic_version", "must be a run history of this version of Dagster"),
    ],
)
def test_a_history_of_an_older_dagster_is_migrated_first(home: Path, postgres_url: str, change: str, said: str) -> None:
    with closing(sqlite3.connect(home / DATABASES[0])) as connection, connection:
        connection.execute(change)
    with pytest.raises(StoreError, match=said):
        moved_to(postgres_url, home)


def test_a_server_that_is_not_there_is_named_without_its_password(home: Path) -> None:
    with pytest.raises(StoreUnavailableError, match=r"writable at postgresql.*://me:\*\*\*@127.0.0.1:1/x") as raised:
        moved_to("postgresql://me:hunter2@127.0.0.1:1/x", home)
    assert "hunter2" not in str(raised.value)
