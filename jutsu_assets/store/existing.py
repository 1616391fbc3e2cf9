"""Opening what is stored: the one place that decides who reads the primary, and who its replica.

- :func:`writable_database`: who writes, or may be the first to.
- :func:`stored_database`: who decides by what it reads, examines it, or tells what was just written: the primary.
- :func:`shown_database`: who only shows what is stored: the read replica where there is one.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.settings import Settings
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_assets.store.replica import replica_of, require_replica_of
from jutsu_assets.store.reports import PerformanceReports
from jutsu_assets.store.unwritable import is_cut_off
from jutsu_assets.store.upgrade import is_current
from jutsu_assets.store.urls import sqlite_file
from jutsu_core.errors import NoDataError


def writable_database(settings: Settings) -> Database:
    """Return the system of record, which the first transaction makes and brings up to today's tables."""
    return Database(settings.database_url, SystemSleeper(), connections=settings.connections)


@contextmanager
def stored_database(settings: Settings, *, upgrade: bool = False) -> Iterator[Database]:
    """Yield the system of record, and close it.

    Args:
        settings: Says where it is.
        upgrade: Whether to bring an older one up to today's schema first.

    Raises:
        NoDataError: There is none; none is created, and an older one is read as it is.
    """
    with closing(
        Database(settings.database_url, SystemSleeper(), create=False, connections=settings.connections)
    ) as database:
        try:
            with database.reading() as connection:
                is_old = upgrade and not is_current(connection)
        except NoDataError:
            if database.is_sqlite and is_cut_off(sqlite_file(database.url)):
                raise
            raise nothing_stored(settings, database) from None
        if not is_old:
            yield database
            return
    with closing(writable_database(settings)) as database:
        yield database


@contextmanager
def shown_database(settings: Settings) -> Iterator[Database]:
    """Yield where what is only shown is read, and close it: the read replica, or the system of record.

    Raises:
        ConfigurationError: What is named as the replica is none of the system of record.
        MixedSourceError: It holds bars of another source than the settings'.
        NoDataError: There is none.
        StoreUnavailableError: It does not answer; the system of record does not stand in for it.
    """
    if settings.read_url is None:
        with stored_database(settings) as database:
            yield database
        return
    primary = Database(settings.database_url, SystemSleeper(), create=False)
    with closing(replica_of(primary, settings.read_url, connections=settings.connections)) as replica:
        require_replica_of(primary, replica)
        SqlBarStore(replica, settings.source, SystemClock()).refuse_other_source()
        yield replica


def stored_reports(settings: Settings, *, may_lag: bool = False) -> dict[str, dict[str, Any]]:
    """Return every stored performance report by symbol.

    Args:
        settings: Say where they are.
        may_lag: Whether those of the read replica will do, which may lack what was just made.

    Raises:
        NoDataError: There is none yet.
        StoreUnavailableError: The system of record cannot be read.
    """
    with (shown_database if may_lag else stored_database)(settings) as database:
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
