"""The launcher over Celery calls dead what certainly is, whatever the broker has forgotten."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from jutsu_assets.instance.processes import RunProcess
from jutsu_core.errors import StoreUnavailableError
from tests.jutsu_assets.instance.histories import write_home
from tests.jutsu_assets.instance.test_runs import gone, run_in

pytest.importorskip("dagster_celery", reason="the extra celery is not installed")

from dagster._core.launcher.base import WorkerStatus
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from jutsu_assets.instance.celery import SILENCE_IS_DEATH, WatchfulCeleryLauncher

ELSEWHERE = RunProcess("another", 7, 0.0)
WORKER = {"hostname": "one@another", "pid": 7}


class Broker:
    """Stands for Celery's application: what it knows of tasks, and which workers answer."""

    def __init__(self) -> None:
        self.tasks: dict[str, tuple[str, Any]] = {}
        self.answering: set[str] = set()
        self.revoked: list[str] = []
        self.control = self

    def AsyncResult(self, task_id: str) -> Any:  # noqa: N802 - as Celery has it
        state, info = self.tasks.get(task_id, ("PENDING", None))
        return SimpleNamespace(state=state, info=info, revoke=lambda **_: self.revoked.append(task_id))

    def ping(self, destination: list[str], timeout: float) -> list[str]:
        assert timeout > 0
        return [name for name in destination if name in self.answering]


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def instance(tmp_path: Path, broker: Broker) -> Iterator[dg.DagsterInstance]:
    home = write_home(tmp_path / "home")
    with (home / "dagster.yaml").open("a") as settings:
        settings.write(
            "run_launcher: {module: jutsu_assets.instance.celery, class: WatchfulCeleryLauncher,"
            " config: {broker: 'redis://127.0.0.1:1/0', backend: 'redis://127.0.0.1:1/1'}}\n"
        )
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert isinstance(instance.run_launcher, WatchfulCeleryLauncher)
        instance.run_launcher.celery = broker
        yield instance


def task_of(instance: dg.DagsterInstance, process: RunProcess = ELSEWHERE) -> dg.DagsterRun:
    """Record a run that a worker of Celery carries out, as task ``t``."""
    run_id = run_in(instance, process)
    instance.add_run_tags(run_id, {DAGSTER_CELERY_TASK_ID_TAG: "t"})
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run


def looked_at(instance: dg.DagsterInstance, run: dg.DagsterRun) -> WorkerStatus:
    return instance.run_launcher.check_run_worker_health(run).status


def test_what_the_broker_has_forgotten_lives(instance: dg.DagsterInstance) -> None:
    assert looked_at(instance, task_of(instance)) is WorkerStatus.RUNNING


def test_a_run_of_a_command_line_is_asked_of_its_process_alone(instance: dg.DagsterInstance) -> None:
    runs = [instance.get_run_by_id(run_in(instance, process)) for process in (RunProcess.current(), gone())]
    found = [looked_at(instance, run) for run in runs if run is not None]
    assert found == [WorkerStatus.RUNNING, WorkerStatus.FAILED]


def test_a_run_whose_process_on_this_machine_is_gone_is_dead_whatever_the_task_says(
    instance: dg.DagsterInstance, broker: Broker
) -> None:
    broker.tasks["t"], broker.answering = ("STARTED", WORKER), {"one@another"}
    assert looked_at(instance, task_of(instance, gone())) is WorkerStatus.FAILED


@pytest.mark.parametrize("state", ["FAILURE", "REVOKED"])
def test_a_task_that_ended_in_trouble_is_a_dead_run(instance: dg.DagsterInstance, broker: Broker, state: str) -> None:
    broker.tasks["t"] = (state, RuntimeError("lost"))
    assert looked_at(instance, task_of(instance)) is WorkerStatus.FAILED


def test_a_worker_that_does_not_answer_is_dead_after_some_looks_in_a_row(
    instance: dg.DagsterInstance, broker: Broker
) -> None:
    broker.tasks["t"], run = ("STARTED", WORKER), task_of(instance)
    silent = [WorkerStatus.RUNNING] * (SILENCE_IS_DEATH - 1)
    assert [looked_at(instance, run) for _ in silent] == silent
    broker.answering = {"one@another"}
    assert looked_at(instance, run) is WorkerStatus.RUNNING
    broker.answering = set()
    assert [looked_at(instance, run) for _ in silent] == silent, "an answer begins the count anew"
    said = instance.run_launcher.check_run_worker_health(run)
    assert said.status is WorkerStatus.FAILED
    assert "one@another answers no more" in (said.msg or "")


def test_a_run_that_is_to_end_is_called_canceling_and_its_task_revoked(
    instance: dg.DagsterInstance, broker: Broker
) -> None:
    run = task_of(instance)
    assert instance.run_launcher.terminate(run.run_id)
    assert broker.revoked == ["t"]
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.CANCELING


def test_a_run_that_no_worker_carries_out_cannot_be_ended_by_one(instance: dg.DagsterInstance) -> None:
    assert not instance.run_launcher.terminate(run_in(instance, RunProcess.current()))
    assert not instance.run_launcher.terminate("nobody's")


def test_a_broker_that_takes_no_run_is_told_with_what_to_do(instance: dg.DagsterInstance) -> None:
    def refuse(*_: object, **__: object) -> None:
        message = "\nRetry limit exceeded while trying to reconnect.\nThe Celery application must be restarted.\n"
        raise RuntimeError(message)

    run = instance.get_run_by_id(run_in(instance, None, dg.DagsterRunStatus.NOT_STARTED))
    launcher: Any = instance.run_launcher
    with pytest.raises(StoreUnavailableError, match=r"broker must take run .*, did not: Retry limit .*; start it, or"):
        launcher._launch_celery_task_run(run, SimpleNamespace(apply_async=refuse), "dagster")
