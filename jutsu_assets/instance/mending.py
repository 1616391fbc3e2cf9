"""Mending a run history: what no run that lives is touched by."""

import dagster as dg

from jutsu_assets.instance.beginning import DATABASES, beginning, keep_newest
from jutsu_assets.instance.event_log import newest_revision
from jutsu_assets.instance.health import HistoryHealth
from jutsu_assets.instance.runs import end_dead_runs


def mend_history(health: HistoryHealth) -> list[str]:
    """Take away second heads and end dead runs; return what was done, a line each."""
    if health.folder is None:
        return []
    newest, databases = newest_revision(), [health.folder / name for name in DATABASES]
    with beginning(health.folder):
        done = [f"{database} has one head again" for database in databases if keep_newest(database, newest)]
    with dg.DagsterInstance.from_config(str(health.home)) as instance:
        done += [f"{dead.message}; it is ended" for dead in end_dead_runs(instance)]
    return done
