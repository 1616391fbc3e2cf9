"""How the runs of a history ended, and what is stuck in it: read past Dagster, which takes seconds to load.

A history that another class than ours keeps is read through Dagster.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import bindparam, text

from jutsu_assets.instance.home import HistoryPlace
from jutsu_assets.instance.reading import asked

_WAITING = ("QUEUED", "NOT_STARTED", "STARTING")
_IN_PROGRESS = (*_WAITING, "STARTED", "CANCELING")
_ENDED = ("SUCCESS", "FAILURE", "CANCELED")
_COUNTS = text("SELECT status, count(*), max(end_time) FROM runs GROUP BY status")
_WITH_STATUS = text("SELECT run_id, status, create_timestamp FROM runs WHERE status IN :statuses").bindparams(
    bindparam("statuses", expanding=True)
)
_SLOTS = text("SELECT concurrency_key, run_id FROM concurrency_slots WHERE run_id IS NOT NULL AND NOT deleted")
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


def outcomes_of(place: HistoryPlace, environment: Mapping[str, str], now: datetime) -> RunOutcomes:
    """Return how the runs of a history ended.

    Args:
        place: Where the history is.
        environment: Usually ``os.environ``: may say where its server is.
        now: The current instant.

    Raises:
        StoreUnavailableError: It cannot be read.
    """
    if place.folder is None and not place.is_on_our_server:
        return _told_by_dagster(place.home, now)
    with asked(place, environment) as history:
        if history.runs is None:
            return RunOutcomes()
        counts = [(status, count, ended) for status, count, ended in history.runs.execute(_COUNTS)]
        created = {
            run_id: (status, datetime.fromisoformat(str(at)).replace(tzinfo=UTC))
            for run_id, status, at in history.runs.execute(_WITH_STATUS, {"statuses": _IN_PROGRESS})
        }
        slots = [] if history.events is None else list(history.events.execute(_SLOTS))
    waiting = {
        run_id: status for run_id, (status, at) in created.items() if status in _WAITING and now - at > LONGEST_WAIT
    }
    return _outcomes(counts, waiting, {run_id: pool for pool, run_id in slots if run_id not in created})


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
