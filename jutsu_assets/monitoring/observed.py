"""What there is to see of one installation, looked at once and when it is asked for.

Whatever is shown (the doctor, the metrics, the alerts) is read from the store, the ledger and the run
history, not from the memory of a process: it is right over all processes, and after a restart.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

from jutsu_assets.instance.broker import broker_fault
from jutsu_assets.instance.health import HistoryHealth, examine_history
from jutsu_assets.instance.outcomes import RunOutcomes, outcomes_of
from jutsu_assets.lake.strays import stray_files
from jutsu_assets.portfolios.folders import listed
from jutsu_assets.schwab.tokens import FileTokenStore, LoginLife, login_life
from jutsu_assets.settings import Settings
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.coordination import AccessCounts, RequestLedger
from jutsu_assets.store.engine import Database
from jutsu_assets.store.existing import stored_database
from jutsu_assets.store.failures import PartitionFailure, PartitionFailures
from jutsu_assets.store.findings import FindingsLedger
from jutsu_assets.store.health import StoreHealth, clock_ahead, examine, looking_at, write_refusal
from jutsu_assets.store.holdings import Holdings, holdings_of
from jutsu_assets.store.manifest import SeriesFile, SeriesManifest, is_made_of
from jutsu_assets.store.replica import Lag, lag_of, replica_of, require_replica_of
from jutsu_assets.store.reports import PerformanceReports
from jutsu_assets.store.shared_bars import shared_bars
from jutsu_assets.store.upgrade import HEAD, revision_of
from jutsu_assets.universe import Universe, load_universe
from jutsu_core.access import AccessState
from jutsu_core.bars import Timeframe
from jutsu_core.calendar import TradingCalendar
from jutsu_core.errors import JutsuError
from jutsu_core.ports import Clock
from jutsu_core.quality.findings import Verdict

_D1 = Timeframe.D1
_WRITTEN = ("bars", "api_requests")
_LOOK_BACK = timedelta(days=400)
_FRIDAY = 4


@dataclass(frozen=True)
class Place:
    """Which installation is looked at.

    Attributes:
        settings: Where things are.
        environment: Usually ``os.environ``: where the run history is.
        folder: The working directory.
    """

    settings: Settings
    environment: Mapping[str, str]
    folder: Path

    @classmethod
    def here(cls, settings: Settings) -> "Place":
        """Return the installation that the environment and the working directory name."""
        return cls(settings, os.environ, Path.cwd())


MOST_SECONDS_APART = 5.0
"""Clocks that differ by more let the breaker close, and the day of the budget end, at different times."""

MOST_SECONDS_BEHIND = 60.0
"""What a replica shows is a moment old; older than this, something keeps it from following."""


class Observed:
    """One installation at one moment; each part is read when it is first asked for, and once.

    Use it within :meth:`opened`. A part raises what keeps it from being read: a JutsuError.

    Args:
        place: Which installation.
        clock: Tells what is now.
        is_deep: Whether every bar and every value of the lake is read.
    """

    def __init__(self, place: Place, clock: Clock, *, is_deep: bool = False) -> None:
        self.place = place
        self.settings = place.settings
        self.is_deep = is_deep
        self.now = clock.now()
        self._clock = clock
        self._unreachable: JutsuError | None = None
        self._no_replica: JutsuError | None = None

    @classmethod
    @contextmanager
    def opened(cls, place: Place, clock: Clock, *, is_deep: bool = False) -> Iterator["Observed"]:
        """Yield what there is to see, and close what was opened for it."""
        observed = cls(place, clock, is_deep=is_deep)
        try:
            yield observed
        finally:
            for name in ("database", "writable_database"):
                if name in observed.__dict__:
                    observed.__dict__[name].close()

    @cached_property
    def database(self) -> Database:
        """Return the store.

        Raises:
            NoDataError: There is none.
            StoreUnavailableError: It does not answer.
        """
        if self._unreachable is not None:  # who did not answer once is not waited for by every check
            raise self._unreachable
        try:
            with stored_database(self.settings) as database:
                # Closing gives its connections back; the next question opens others.
                return database
        except JutsuError as error:
            self._unreachable = error
            raise

    @cached_property
    def writable_database(self) -> Database:
        """Return the store, brought up to today's tables, to keep in it what was told.

        Raises:
            NoDataError: There is none.
        """
        with stored_database(self.settings, upgrade=True) as database:
            return database

    @cached_property
    def universe(self) -> Universe:
        """Return what is followed.

        Raises:
            ConfigurationError: The universe file is wrong.
        """
        return load_universe(self.settings.universe_path, self._clock)

    @cached_property
    def history(self) -> HistoryHealth:
        """Return what is wrong with the run history."""
        return examine_history(self.place.environment, self.place.folder)

    @cached_property
    def outcomes(self) -> RunOutcomes:
        """Return how its runs ended; nothing of a history that cannot be read."""
        if not self.history.is_whole:
            return RunOutcomes()
        return outcomes_of(self.history.place, self.place.environment, self.now)

    @cached_property
    def store(self) -> StoreHealth:
        """Return the health of the store: bars are counted."""
        return examine(self.database, self._clock, deep=self.is_deep)

    @cached_property
    def is_of_today(self) -> bool:
        """Return whether the store has today's tables; most of what is asked of one is asked only then."""
        with looking_at(self.database.url) as connection:
            return revision_of(connection) == HEAD

    @cached_property
    def write_refusal(self) -> str | None:
        """Return what keeps the server of the store from being written to; None if nothing does."""
        with self.database.asking() as connection:
            return write_refusal(connection, _WRITTEN)

    @cached_property
    def clock_ahead_seconds(self) -> float:
        """Return by how much this machine's clock is ahead of the database's; a file has no clock of its own."""
        return 0.0 if self.database.is_sqlite else clock_ahead(self.database, self._clock)

    @cached_property
    def replica_lag(self) -> Lag | None:
        """Return how far the read replica is behind; None where none is named.

        Raises:
            ConfigurationError: It is none of the store.
            StoreUnavailableError: It does not answer.
        """
        if self.settings.read_url is None:
            return None
        if self._no_replica is not None:
            raise self._no_replica
        try:
            with closing(replica_of(self.database, self.settings.read_url, connections=1)) as replica:
                require_replica_of(self.database, replica)
                return lag_of(self.database, replica)
        except JutsuError as error:
            self._no_replica = error
            raise

    @cached_property
    def broker_fault(self) -> str | None:
        """Return what keeps Celery's broker from being reached; None where nothing does, or there is none.

        Raises:
            ConfigurationError: Its URL is none.
        """
        return broker_fault(self.place.environment)

    @cached_property
    def cache_fault(self) -> str | None:
        """Return what keeps the Redis of readers from answering; None where it does, or there is none.

        Raises:
            ConfigurationError: Its URL is none, or is set for a SQLite store.
        """
        if self.settings.cache_url is None:
            return None
        with closing(shared_bars(self.database.url, self.settings.cache_url)) as shared:
            return shared.fault()

    @cached_property
    def strays(self) -> Sequence[Path]:
        """Return the files of the lake that nothing names and nobody sweeps."""
        current = [file.path for file in self.files]
        return stray_files(self.settings.lake_path, {file.asset for file in self.files}, current, self.now)

    @cached_property
    def holdings(self) -> Holdings:
        """Return what is recorded of the bars, without looking at any."""
        bars = SqlBarStore(self.database, self.settings.source, self._clock)
        return holdings_of(self.database, bars, _D1)

    @cached_property
    def access(self) -> AccessState:
        """Return what all processes know of the broker."""
        return self._ledger.state()

    @cached_property
    def counts(self) -> AccessCounts:
        """Return what all processes did to reach the broker."""
        return self._ledger.counts()

    @cached_property
    def sent_today(self) -> int:
        """Return how many requests went on this day, UTC."""
        return self._ledger.sent_on(self.now.date())

    @cached_property
    def login(self) -> LoginLife | None:
        """Return how long the login lives; None where none is needed."""
        credentials = self.settings.credentials
        return None if credentials is None else login_life(FileTokenStore(credentials.token_path), self.now)

    @cached_property
    def files(self) -> Sequence[SeriesFile]:
        """Return the current files of the lake."""
        return SeriesManifest(self.database, self._clock).all_current()

    @cached_property
    def failures(self) -> Sequence[PartitionFailure]:
        """Return which partitions of followed symbols, and of portfolios that are there, failed when last run."""
        followed = {*self.universe.symbols, *listed(self.settings.universe_path.parent).names}
        standing = PartitionFailures(self.database, self._clock).all_standing()
        return [failure for failure in standing if failure.partition in followed]

    @cached_property
    def verdicts(self) -> Mapping[str, Verdict]:
        """Return what the rules say of the followed symbols."""
        return FindingsLedger(self.database, self._clock).verdicts(_D1, self.universe.symbols)

    @cached_property
    def stale(self) -> Mapping[str, Sequence[str]]:
        """Return by asset the followed symbols whose newest series or report is made of other bars than are stored."""
        content = {symbol: held.content_hash for symbol, held in self.holdings.partitions.items()}
        content = {symbol: content[symbol] for symbol in self.universe.symbols if symbol in content}
        made: dict[str, dict[str, bool]] = {}
        for file in self.files:
            if file.partition_key in content:
                fits = file.is_made_of(content[file.partition_key])
                made.setdefault(file.asset, {})[file.partition_key] = fits
        for symbol, of in PerformanceReports(self.database, self._clock).input_hashes().items():
            if symbol in content:
                made.setdefault("symbol_performance", {})[symbol] = is_made_of(of, content[symbol])
        # An asset of which nothing was ever made is one that nobody makes here.
        return {
            asset: late
            for asset, fits in made.items()
            if (late := [symbol for symbol in content if not fits.get(symbol, False)])
        }

    @cached_property
    def unasked(self) -> Sequence[str]:
        """Return the followed symbols of which nothing is known: no bar, no failure, and no verdict of a rule."""
        known = self.newest.keys() | self.verdicts.keys() | {failure.partition for failure in self.failures}
        return [symbol for symbol in self.universe.symbols if symbol not in known]

    @cached_property
    def newest(self) -> Mapping[str, date]:
        """Return the newest stored session of each followed symbol that has one."""
        held = self.holdings.partitions
        return {symbol: held[symbol].last.date() for symbol in self.universe.symbols if symbol in held}

    @cached_property
    def behind(self) -> Mapping[str, int]:
        """Return by how many sessions followed symbols lag, those alone that do.

        Live bars lag behind the exchange; sample bars do not age, and lag behind the newest of them.
        """
        last = max(self.newest.values(), default=None)
        until = last if self.settings.is_sample else self.now.date()
        # A calendar takes long to make: no session is newer than the newest day of the week that may be one.
        if last is None or until is None or min(self.newest.values()) >= _last_weekday(until):
            return {}
        calendar = TradingCalendar(self.universe.calendar, until - _LOOK_BACK, until + timedelta(days=7))
        if not self.settings.is_sample:
            last = calendar.last_complete_session(self.now) or last
        sessions = calendar.sessions(until - _LOOK_BACK, last)
        lags = {symbol: sum(session > newest for session in sessions) for symbol, newest in self.newest.items()}
        return {symbol: lag for symbol, lag in lags.items() if lag}

    @cached_property
    def free_bytes(self) -> int:
        """Return how much room the disk has on which Jutsu writes."""
        home = self.settings.home
        return shutil.disk_usage(next(path for path in (home, *home.parents) if path.exists())).free

    @cached_property
    def _ledger(self) -> RequestLedger:
        return RequestLedger(self.database, self._clock)


def _last_weekday(day: date) -> date:
    return day - timedelta(days=max(0, day.weekday() - _FRIDAY))
