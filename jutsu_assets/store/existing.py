"""Opening what is stored, for commands that only read: nothing is created where nothing is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.settings import Settings
from jutsu_assets.store.engine import Database
from jutsu_assets.store.reports import PerformanceReports
from jutsu_assets.store.unwritable import is_cut_off
from jutsu_assets.store.upgrade import is_current
from jutsu_assets.store.urls import sqlite_file
from jutsu_core.errors import NoDataError


@contextmanager
def stored_database(settings: Settings, *, upgrade: bool = False) -> Iterator[Database]:
    """Yield the system of record, and close it.

    Args:
        settings: Says where it is.
        upgrade: Whether to bring an older one up to today's schema first.

    Raises:
        NoDataError: There is none; none is created, and an older one is read as it is.
    """
    database = Database(settings.database_url, SystemSleeper(), create=False)
    try:
        with database.reading() as connection:
            is_old = upgrade and not is_current(connection)
    except NoDataError:
        if database.is_sqlite and is_cut_off(sqlite_file(database.url)):
            raise
        raise nothing_stored(settings, database) from None
    if is_old:
        database.close()
        database = Database(settings.database_url, SystemSleeper())
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
