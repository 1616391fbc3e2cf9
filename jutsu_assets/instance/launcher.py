"""The launcher of runs: Dagster's own, which also knows when a run's process is gone."""

from dagster import DagsterRun, DefaultRunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus

from jutsu_assets.instance.runs import dead_run


class WatchfulLauncher(DefaultRunLauncher):
    """A :class:`DefaultRunLauncher` that Dagster's run monitoring can ask whether a run still lives.

    Dagster asks it about every run in progress, also about those of ``dagster asset
    materialize``, which no launcher launched, and ends those that do not.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Return True: without it Dagster does not ask."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Return whether the process of ``run`` lives; what is not certainly dead lives."""
        dead = dead_run(run)
        if dead is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, dead.message)
