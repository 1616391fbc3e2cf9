"""What is wrong with a run history, found without loading Dagster unless there is something to ask it."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from jutsu_assets.instance.beginning import DATABASES, revisions
from jutsu_assets.instance.home import HistoryPlace, dagster_home, history_place
from jutsu_assets.instance.processes import BEGAN_TAG, HOST_TAG, PID_TAG, RunProcess
from jutsu_assets.instance.reading import asked
from jutsu_assets.starter import INSTANCE
from jutsu_core.errors import JutsuError, StoreUnavailableError

_TAGS_OF_PROCESSES = text("""
SELECT runs.run_id, runs.status, tags.key, tags.value FROM runs JOIN run_tags AS tags ON tags.run_id = runs.run_id
WHERE runs.status IN ('STARTING', 'STARTED', 'CANCELING') AND tags.key IN (:host, :pid, :began)
""")
_NO_DATABASE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
"""What SQLite says of a file that is damaged; whatever else it says, the file may be sound."""
_MEND = "`jutsu doctor --mend`"


@dataclass(frozen=True, slots=True)
class HistoryHealth:
    """What was found.

    Attributes:
        place: Where it is.
        findings: What needs mending, and how.
        is_whole: Whether it can be read and runs can start; then what is found are runs whose process is gone.
    """

    place: HistoryPlace
    findings: list[str]
    is_whole: bool = True


def examine_history(environment: Mapping[str, str], working_directory: Path) -> HistoryHealth:
    """Return what is wrong with the run history of a working directory.

    Raises:
        ConfigurationError: Its ``dagster.yaml`` cannot be read.
    """
    place = history_place(dagster_home(environment, working_directory), environment)
    if place.folder is not None:
        broken = [finding for name in DATABASES if (finding := _broken(place.folder / name))]
        if broken:
            return HistoryHealth(place, broken, is_whole=False)
    elif not place.is_on_our_server:
        return _told_by_dagster(place)
    try:
        with asked(place, environment) as history:
            if history.refusal is not None:
                return HistoryHealth(place, [history.refusal], is_whole=False)
            return HistoryHealth(place, _dead(history.runs))
    except JutsuError as error:
        return _unreadable(place, str(error))


def _told_by_dagster(place: HistoryPlace) -> HistoryHealth:
    """Return what is wrong with a history that is kept by another class than ours."""
    import dagster as dg  # noqa: PLC0415 - takes seconds to import

    from jutsu_assets.instance.runs import dead_runs  # noqa: PLC0415

    try:
        with dg.DagsterInstance.from_config(str(place.home)) as instance:
            found = [_said_of_dead(dead.run.run_id, dead.run.status.value) for dead in dead_runs(instance)]
    except (dg.DagsterError, SQLAlchemyError, JutsuError, ImportError) as error:
        return _unreadable(place, " ".join(str(getattr(error, "orig", None) or error).split()))
    return HistoryHealth(place, found)


def _unreadable(place: HistoryPlace, said: str) -> HistoryHealth:
    message = f"the history that {place.home / INSTANCE} names must be readable: {said}"
    return HistoryHealth(place, [message], is_whole=False)


def _broken(database: Path) -> str | None:
    try:
        found = revisions(database)
    except StoreUnavailableError as error:  # what is beside the file cannot be read here
        return str(error)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in _NO_DATABASE:
            return (
                f"{database} of the run history must be readable: {error}; make room on the disk, set its rights right,"
                " or wait until whoever holds it has ended; nothing says that it is damaged"
            )
        return (
            f"{database} of the run history must be a whole SQLite database: {error}; move it away, runs begin it anew"
        )
    if len(found) > 1:
        return (
            f"the run history's {database} has more than one head ({', '.join(found)}), no run starts: {_MEND} mends it"
        )
    return None


def _dead(runs: Connection | None) -> list[str]:
    """Return the runs that say they are in progress, and whose process is gone."""
    if runs is None:
        return []
    tags: dict[tuple[str, str], dict[str, str]] = {}
    named = {"host": HOST_TAG, "pid": PID_TAG, "began": BEGAN_TAG}
    for run_id, status, key, value in runs.execute(_TAGS_OF_PROCESSES, named):
        tags.setdefault((run_id, status), {})[key] = value
    return [
        _said_of_dead(run_id, status)
        for (run_id, status), found in tags.items()
        if (process := RunProcess.of_tags(found)) is not None and process.is_gone()
    ]


def _said_of_dead(run_id: str, status: str) -> str:
    return f"run {run_id} says {status}, but its process is gone, and it may hold a place in the queue: {_MEND} ends it"
