"""Mending a run history: what no run that lives is touched by."""

from collections.abc import Mapping

import dagster as dg

from jutsu_assets.instance.beginning import DATABASES, beginning, keep_newest
from jutsu_assets.instance.event_log import newest_revision
from jutsu_assets.instance.health import HistoryHealth
from jutsu_assets.instance.runs import end_dead_runs


def mend_history(health: HistoryHealth, held_slots: Mapping[str, str] | None = None) -> list[str]:
    """Take away second heads, end dead runs and free the slots of ended ones; return what was done, a line each.

    Args:
        health: What is wrong with the history.
        held_slots: Runs that have ended and hold a slot, with the pool that it is of.
    """
    done: list[str] = []
    if (folder := health.place.folder) is not None:
        newest, databases = newest_revision(), [folder / name for name in DATABASES]
        with beginning(folder):
            done += [f"{database} has one head again" for database in databases if keep_newest(database, newest)]
    elif not health.is_whole:  # a server that cannot be reached is not for us to start
        return done
    with dg.DagsterInstance.from_config(str(health.place.home)) as instance:
        done += [f"{dead.message}; it is ended" for dead in end_dead_runs(instance)]
        for run_id, pool in (held_slots or {}).items():
            instance.event_log_storage.free_concurrency_slots_for_run(run_id)
            done.append(f"the slot of {pool} that run {run_id} held is free")
    return done
