"""How the runs of a history ended, and what is stuck in it: read past Dagster, which takes seconds to load.

A history in another database than SQLite is read through Dagster.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jutsu_assets.instance.beginning import DATABASES, opened, revisions

_RUNS, _EVENTS = DATABASES[0], DATABASES[1]
_WAITING = ("QUEUED", "NOT_STARTED", "STARTING")
_IN_PROGRESS = (*_WAITING, "STARTED", "CANCELING")
_ENDED = ("SUCCESS", "FAILURE", "CANCELED")
_COUNTS = "SELECT status, count(*), max(end_time) FROM runs GROUP BY status"
_OLDEST = f"SELECT run_id, status, create_timestamp FROM runs WHERE status IN ({', '.join('?' * len(_WAITING))})"  # noqa: S608 - constants
_SLOTS = "SELECT concurrency_key, run_id FROM concurrency_slots WHERE run_id IS NOT NULL AND deleted = 0"
LONGEST_WAIT = timedelta(hours=1)
"""What waits longer for its turn waits in vain, or behind something that does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcomes:
    """How many runs there are by status, and when the last of each ended.

    Attributes:
        counts: How many runs have each status of Dagster's.
        last_ended: When the last run of a status ended; absent where none did.
        waiting: Runs that wait for longer than :data:`LONGEST_WAIT`, with their status.
        held_slots: Slots of a pool that a run holds which has ended, with the pool.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    last_ended: Mapping[str, datetime] = field(default_factory=dict)
    waiting: Mapping[str, str] = field(default_factory=dict)
    held_slots: Mapping[str, str] = field(default_factory=dict)


def outcomes_of(home: Path, folder: Path | None, now: datetime) -> RunOutcomes:
    """Return how the runs of a history ended.

    Args:
        home: The Dagster home.
        folder: Folder of the history; None where it is in another database than SQLite.
        now: The current instant.
    """
    if folder is None:
        return _told_by_dagster(home, now)
    if not revisions(folder / _RUNS):
        return RunOutcomes()
    with closing(opened(folder / _RUNS)) as connection:
        found = connection.execute(_COUNTS).fetchall()
        waiting = {
            run_id: status
            for run_id, status, created in connection.execute(_OLDEST, _WAITING)
            if now - datetime.fromisoformat(str(created)).replace(tzinfo=UTC) > LONGEST_WAIT
        }
        held = _slots(folder / _EVENTS)
        alive = {
            run_id for run_id in held if connection.execute(_is_alive(), (run_id, *_IN_PROGRESS)).fetchone() is not None
        }
    return _outcomes(found, waiting, {run_id: pool for run_id, pool in held.items() if run_id not in alive})


def _outcomes(
    found: Sequence[tuple[str, int, float | None]], waiting: Mapping[str, str], held: Mapping[str, str]
) -> RunOutcomes:
    return RunOutcomes(
        counts={status: count for status, count, _ in found},
        last_ended={
            status: datetime.fromtimestamp(ended, tz=UTC)
            for status, _, ended in found
            if status in _ENDED and ended is not None
        },
        waiting=waiting,
        held_slots=held,
    )


def _is_alive() -> str:
    marks = ", ".join("?" * len(_IN_PROGRESS))
    return f"SELECT 1 FROM runs WHERE run_id = ? AND status IN ({marks})"  # noqa: S608 - constants


def _slots(database: Path) -> dict[str, str]:
    if not revisions(database):
        return {}
    with closing(opened(database)) as connection:
        return {run_id: pool for pool, run_id in connection.execute(_SLOTS)}


def _told_by_dagster(home: Path, now: datetime) -> RunOutcomes:
    import dagster as dg  # noqa: PLC0415 - takes seconds to import

    with dg.DagsterInstance.from_config(str(home)) as instance:
        found: list[tuple[str, int, float | None]] = []
        for status in dg.DagsterRunStatus:
            named = dg.RunsFilter(statuses=[status])
            if count := instance.get_runs_count(named):
                newest = instance.get_run_records(named, limit=1)
                found.append((status.value, count, newest[0].end_time if newest else None))
        waiting = {
            record.dagster_run.run_id: record.dagster_run.status.value
            for record in instance.get_run_records(
                dg.RunsFilter(
                    statuses=[dg.DagsterRunStatus(name) for name in _WAITING], created_before=now - LONGEST_WAIT
                )
            )
        }
        storage, held = instance.event_log_storage, {}
        if storage.supports_global_concurrency_limits:
            for pool in storage.get_concurrency_keys():
                for slot in storage.get_concurrency_info(pool).claimed_slots:
                    run = instance.get_run_by_id(slot.run_id)
                    if run is None or run.is_finished:
                        held[slot.run_id] = pool
    return _outcomes(found, waiting, held)
