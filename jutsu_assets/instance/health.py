"""What is wrong with a run history, found without loading Dagster unless there is something to ask it."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from jutsu_assets.instance.beginning import DATABASES, opened, revisions
from jutsu_assets.instance.home import dagster_home, history_in
from jutsu_assets.instance.processes import BEGAN_TAG, HOST_TAG, PID_TAG, RunProcess
from jutsu_assets.starter import INSTANCE
from jutsu_core.errors import JutsuError, StoreUnavailableError

_TAGS_OF_PROCESSES = """
SELECT runs.run_id, runs.status, tags.key, tags.value FROM runs JOIN run_tags AS tags USING (run_id)
WHERE runs.status IN ('STARTING', 'STARTED', 'CANCELING') AND tags.key IN (?, ?, ?)
"""
_NO_DATABASE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
"""What SQLite says of a file that is damaged; whatever else it says, the file may be sound."""
_MEND = "`jutsu doctor --mend`"


@dataclass(frozen=True, slots=True)
class HistoryHealth:
    """What was found.

    Attributes:
        home: The Dagster home.
        folder: Folder of the history; None if it is not in SQLite.
        findings: What needs mending, and how.
        is_whole: Whether it can be read and runs can start; then what is found are runs whose process is gone.
    """

    home: Path
    folder: Path | None
    findings: list[str]
    is_whole: bool = True


def examine_history(environment: Mapping[str, str], working_directory: Path) -> HistoryHealth:
    """Return what is wrong with the run history of a working directory.

    Raises:
        ConfigurationError: Its ``dagster.yaml`` cannot be read.
    """
    home = dagster_home(environment, working_directory)
    folder = history_in(home, environment)
    if folder is None:
        return _told_by_dagster(home)
    broken = [finding for name in DATABASES if (finding := _broken(folder / name))]
    return HistoryHealth(home, folder, broken or _dead(folder / DATABASES[0]), is_whole=not broken)


def _told_by_dagster(home: Path) -> HistoryHealth:
    """Return what is wrong with a history in another database than SQLite."""
    import dagster as dg  # noqa: PLC0415 - takes seconds to import
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from jutsu_assets.instance.runs import dead_runs  # noqa: PLC0415

    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            found = [_said_of_dead(dead.run.run_id, dead.run.status.value) for dead in dead_runs(instance)]
    except (dg.DagsterError, SQLAlchemyError, JutsuError, ImportError) as error:
        said = " ".join(str(error).split())
        return HistoryHealth(
            home, None, [f"the history that {home / INSTANCE} names must be readable: {said}"], is_whole=False
        )
    return HistoryHealth(home, None, found)


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


def _dead(database: Path) -> list[str]:
    """Return the runs that say they are in progress, and whose process is gone."""
    if not revisions(database):
        return []
    tags: dict[tuple[str, str], dict[str, str]] = {}
    with closing(opened(database)) as connection:
        for run_id, status, key, value in connection.execute(_TAGS_OF_PROCESSES, (HOST_TAG, PID_TAG, BEGAN_TAG)):
            tags.setdefault((run_id, status), {})[key] = value
    return [
        _said_of_dead(run_id, status)
        for (run_id, status), found in tags.items()
        if (process := RunProcess.of_tags(found)) is not None and process.is_gone()
    ]


def _said_of_dead(run_id: str, status: str) -> str:
    return f"run {run_id} says {status}, but its process is gone, and it may hold a place in the queue: {_MEND} ends it"
