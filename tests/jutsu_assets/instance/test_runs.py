"""Runs whose process is gone are known, told from those that live or may live, and ended."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher.base import WorkerStatus

from jutsu_assets.instance.launcher import WatchfulLauncher
from jutsu_assets.instance.processes import PID_TAG, RunProcess
from jutsu_assets.instance.runs import dead_runs, end_dead_runs, mark_process
from tests.jutsu_assets.instance.histories import instance_of, write_home

STARTED, CANCELING = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING


@dg.op
def nothing() -> None:
    """Do nothing."""


@dg.job(name="nothing_at_all")
def nothing_at_all() -> None:
    nothing()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return write_home(tmp_path / "home")


def gone() -> RunProcess:
    """Return a process of this machine that ended."""
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return replace(RunProcess.current(), pid=int(ended.stdout))


def run_in(instance: dg.DagsterInstance, process: RunProcess | None, status: dg.DagsterRunStatus = STARTED) -> str:
    """Record a run that says it lives in ``process``; return its id."""
    tags = {} if process is None else process.tags
    return instance.create_run_for_job(nothing_at_all, tags=tags, status=status).run_id


def status_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_a_run_names_the_process_that_it_ran_in(home: Path) -> None:
    with instance_of(home) as instance:
        run_id = nothing_at_all.execute_in_process(instance=instance).run_id
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.tags[PID_TAG] == str(os.getpid())
        assert RunProcess.of_tags(run.tags) == replace(RunProcess.current(), began=round(RunProcess.current().began, 2))


def test_a_run_of_another_storage_is_marked_by_who_asks() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run_id = run_in(instance, None)
        mark_process(instance, run_id)
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.tags[PID_TAG] == str(os.getpid())
        assert dead_runs(instance) == []


def test_only_runs_of_processes_that_are_certainly_gone_are_dead(home: Path) -> None:
    here, ended = RunProcess.current(), gone()
    with instance_of(home) as instance:
        dead = {
            run_in(instance, ended),
            run_in(instance, ended, CANCELING),
            run_in(instance, replace(here, began=here.began - 3600)),  # its number was given again
        }
        living = {
            run_in(instance, here),
            run_in(instance, replace(here, began=here.began + 5)),  # the clock was set
            run_in(instance, replace(ended, host="another")),
            run_in(instance, None),
            run_in(instance, ended, dg.DagsterRunStatus.NOT_STARTED),
            run_in(instance, ended, dg.DagsterRunStatus.SUCCESS),
        }
        assert {found.run.run_id for found in dead_runs(instance)} == dead
        assert living.isdisjoint(dead)


def test_dead_runs_are_ended_and_their_slots_freed(home: Path) -> None:
    with instance_of(home) as instance:
        failed, canceled = run_in(instance, gone()), run_in(instance, gone(), CANCELING)
        living = run_in(instance, RunProcess.current())
        log = instance.event_log_storage
        log.set_concurrency_slots("schwab", 1)
        assert log.claim_concurrency_slot("schwab", failed, "step").is_claimed
        assert {found.run.run_id for found in end_dead_runs(instance)} == {failed, canceled}
        assert status_of(instance, failed) is dg.DagsterRunStatus.FAILURE
        assert status_of(instance, canceled) is dg.DagsterRunStatus.CANCELED
        assert status_of(instance, living) is STARTED
        assert log.claim_concurrency_slot("schwab", living, "step").is_claimed
        assert end_dead_runs(instance) == []


def test_the_launcher_tells_run_monitoring_which_runs_are_dead(home: Path) -> None:
    launcher = WatchfulLauncher()
    assert launcher.supports_check_run_worker_health
    with instance_of(home) as instance:
        runs = [instance.get_run_by_id(run_in(instance, process)) for process in (gone(), RunProcess.current(), None)]
        told = [launcher.check_run_worker_health(run) for run in runs if run is not None]
        assert [answer.status for answer in told] == [WorkerStatus.FAILED, WorkerStatus.RUNNING, WorkerStatus.RUNNING]
        assert "is gone" in (told[0].msg or "")
