"""The launcher of runs for several machines: Dagster's own over Celery, which tells dead runs with more care.

Dagster's class takes what the broker has forgotten for dead: after a restart of the broker, or a day,
it would end runs that live, and be asked in vain about those that no worker carries out, such
as the ones of ``jutsu update``. This one calls dead what certainly is.
"""

from collections import Counter
from typing import Any

from dagster import DagsterRun
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from jutsu_assets.instance.runs import dead_run
from jutsu_core.errors import JutsuError, StoreUnavailableError

SILENCE_IS_DEATH = 3
"""A worker that is busy may miss a question; the questions are as far apart as the looks of run monitoring."""
_ANSWER_SECONDS = 5.0
_ENDED_IN_TROUBLE = {"FAILURE": "its worker lost it", "REVOKED": "its task was revoked"}


class WatchfulCeleryLauncher(CeleryRunLauncher):  # type: ignore[misc,unused-ignore]  # an extra, which may not be there
    """A :class:`CeleryRunLauncher` that Dagster's run monitoring can ask about every run.

    A run is dead when its process, on the machine of the daemon, is gone; when Celery says that
    its task failed or was revoked; or when the worker that began it does not answer three looks
    in a row: its machine is gone, or cannot reach the broker.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:  # noqa: ANN401 - as inherited
        super().__init__(*arguments, **settings)
        self._silent: Counter[str] = Counter()

    def _launch_celery_task_run(self, run: DagsterRun, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - as inherited
        try:
            super()._launch_celery_task_run(run, *arguments, **named)
        except JutsuError:  # of the run history
            raise
        except Exception as error:
            # Each library of a broker has errors of its own, and Celery a RuntimeError that asks for its restart.
            said = " ".join(str(error).split()) or type(error).__name__
            message = (
                f"Celery's broker must take run {run.run_id}, did not: {said}; start it, or correct JUTSU_CELERY_BROKER"
                " and JUTSU_CELERY_RESULTS, then launch the run again"
            )
            raise StoreUnavailableError(message) from error

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Return whether what carries ``run`` out lives; what is not certainly dead lives."""
        if (dead := dead_run(run)) is not None:
            return CheckRunHealthResult(WorkerStatus.FAILED, dead.message)
        task_id = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        if task_id is None:  # of a command line
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        task = self.celery.AsyncResult(task_id)
        state, info = task.state, task.info
        if (trouble := _ENDED_IN_TROUBLE.get(state)) is not None:
            return CheckRunHealthResult(WorkerStatus.FAILED, f"run {run.run_id} says STARTED, but {trouble}")
        if state == "STARTED" and isinstance(info, dict) and self._is_silent(task_id, str(info.get("hostname"))):
            message = f"run {run.run_id} says STARTED, but its worker {info.get('hostname')} answers no more"
            return CheckRunHealthResult(WorkerStatus.FAILED, message)
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def _is_silent(self, task_id: str, worker: str) -> bool:
        answers = self.celery.control.ping(destination=[worker], timeout=_ANSWER_SECONDS)
        self._silent[task_id] = 0 if answers else self._silent[task_id] + 1
        return self._silent[task_id] >= SILENCE_IS_DEATH

    def terminate(self, run_id: str) -> bool:
        """Ask the worker of a run to stop it; return whether there was one to ask."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return False
        self._instance.report_run_canceling(run)
        return bool(super().terminate(run_id))
