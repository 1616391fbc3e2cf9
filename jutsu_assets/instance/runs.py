"""Runs whose process is gone: found and ended, so that they hold no place in the queue and no slot of a pool.

A run that its process did not end, because it was killed or the machine went down, says for
ever that it is running. Where the daemon runs, the launcher of this room ends it; these
functions do so where none runs.
"""

from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

from jutsu_assets.instance.processes import RunProcess

_ALIVE = (*IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.CANCELING)


@dataclass(frozen=True, slots=True)
class DeadRun:
    """A run that says it is running, and whose process is certainly gone.

    Attributes:
        run: The run.
        process: The process that it lived in.
    """

    run: dg.DagsterRun
    process: RunProcess

    @property
    def message(self) -> str:
        """Return what happened, in one line."""
        return (
            f"run {self.run.run_id} says {self.run.status.value}, but its process {self.process.pid} on"
            f" {self.process.host} is gone: it was killed, or the machine was restarted"
        )


def mark_process(instance: dg.DagsterInstance, run_id: str) -> None:
    """Note in the tags of a run that it lives in this process.

    The run history of this room notes it by itself when a run starts; this is for other
    storages, such as Dagster's own or PostgreSQL.
    """
    instance.add_run_tags(run_id, RunProcess.current().tags)


def dead_run(run: dg.DagsterRun) -> DeadRun | None:
    """Return ``run`` as a dead one, or None where that is not certain."""
    process = RunProcess.of_tags(run.tags)
    return DeadRun(run, process) if run.status in _ALIVE and process is not None and process.is_gone() else None


def dead_runs(instance: dg.DagsterInstance) -> list[DeadRun]:
    """Return the runs of ``instance`` that are certainly dead: their process was on this machine, and is gone."""
    found = map(dead_run, instance.get_runs(dg.RunsFilter(statuses=list(_ALIVE))))
    return [dead for dead in found if dead is not None]


def end_dead_runs(instance: dg.DagsterInstance) -> list[DeadRun]:
    """Mark every dead run as failed, or as canceled where that was asked for, and free its slots; return them."""
    ended = dead_runs(instance)
    for dead in ended:
        if dead.run.status is dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(dead.run, f"Ended by Jutsu: {dead.message}.")
        else:
            instance.report_run_failed(dead.run, f"Ended by Jutsu: {dead.message}.")
        if instance.event_log_storage.supports_global_concurrency_limits:
            instance.event_log_storage.free_concurrency_slots_for_run(dead.run.run_id)
    return ended
