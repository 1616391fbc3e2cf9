"""Beginning a run history: one process at a time, however many start at once.

Dagster creates the tables of a SQLite history at first use and then writes down their revision.
Of two processes that do so at once, the second finds tables without a revision, takes them for
old ones and writes down an old revision beside the first: "more than one head", and no start
succeeds from then on. So the first use goes through a lock, and a history that was begun so
before is mended: its tables were made whole, the newest of its revisions is the true one.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock

from jutsu_assets.store.unwritable import reading_uri

LOCK_NAME = "begin.lock"
DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
"""The databases of a history that all runs share, below its folder."""

_BUSY_SECONDS = 30.0
_REVISIONS = "SELECT version_num FROM alembic_version"


@contextmanager
def beginning(folder: Path) -> Iterator[None]:
    """Hold the lock under which the history in ``folder`` is begun; it ends with the process that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK_NAME):
        yield


def opened(database: Path) -> sqlite3.Connection:
    """Return a connection that reads a SQLite ``database`` of Dagster, whether or not it may be written."""
    return sqlite3.connect(reading_uri(database), timeout=_BUSY_SECONDS, uri=True)


def revisions(database: Path) -> tuple[str, ...]:
    """Return the revisions that a SQLite ``database`` of Dagster says it is at: one, if it is sound and begun.

    Raises:
        sqlite3.DatabaseError: The file is no database, or cannot be read.
    """
    if not database.is_file():
        return ()
    with closing(opened(database)) as connection:
        try:
            return tuple(row[0] for row in connection.execute(_REVISIONS))
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return ()
            raise


def keep_newest(database: Path, newest: str) -> bool:
    """Take away every revision but ``newest`` where the database names several; return whether it did."""
    found = revisions(database)
    if len(found) < 2 or newest not in found:  # noqa: PLR2004 - a second one is one too many
        return False
    with closing(sqlite3.connect(database, timeout=_BUSY_SECONDS)) as connection, connection:
        connection.execute("DELETE FROM alembic_version WHERE version_num <> ?", (newest,))
    return True
