"""Opening what is stored, for commands that only read: nothing is created where nothing is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.settings import Settings
from jutsu_assets.store.engine import Database
from jutsu_assets.store.reports import PerformanceReports
from jutsu_core.errors import NoDataError


@contextmanager
def stored_database(settings: Settings) -> Iterator[Database]:
    """Yield the system of record, and close it.

    Raises:
        NoDataError: It is a SQLite file that does not exist; none is created.
    """
    database = Database(settings.database_url, SystemSleeper())
    if database.is_sqlite and not _is_there(str(database.url.database)):
        raise nothing_stored(settings, database)
    try:
        yield database
    finally:
        database.close()


def stored_reports(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return every stored performance report by symbol.

    Raises:
        NoDataError: There is none yet.
        StoreUnavailableError: The system of record cannot be read.
    """
    with stored_database(settings) as database:
        reports = PerformanceReports(database, SystemClock()).all_current()
        if not reports:
            raise nothing_stored(settings, database)
    return reports


def nothing_stored(settings: Settings, database: Database) -> NoDataError:
    """Return the error that says that nothing is stored yet, and how to change that."""
    place = database.url.database if database.is_sqlite else database.shown_url
    shorter = "`jutsu demo`, or " if settings.is_sample else ""
    message = (
        f"nothing is stored in {place} yet; materialize first: {shorter}`dagster asset materialize"
        ' -m jutsu_assets.definitions --select "daily_bars,daily_indicators,symbol_performance" --partition SYMBOL`'
    )
    return NoDataError(message)


def _is_there(path: str) -> bool:
    # SQLite also takes a URI, which says where the file is in a way of its own.
    return path.startswith("file:") or Path(path).is_file()
