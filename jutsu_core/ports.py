"""The interfaces between rooms: who reads bars, who fetches them, who keeps them, what time it is.

Implementations live in ``jutsu_assets``; a backtesting engine and every asset depend on
these alone.
"""

import heapq
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import pandas as pd

from jutsu_core.bars import Bar, BarColumns, RejectedBar, Timeframe, require_aware
from jutsu_core.errors import InvalidInputError
from jutsu_core.events import MarketDataEvent

BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the current instant, timezone-aware UTC."""
        ...


class Sleeper(Protocol):
    """Waits."""

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        ...


class DataHandler(ABC):
    """Reads bars, from wherever they are.

    Every time that goes in must be timezone-aware; every time that comes out is UTC. Ranges
    are half-open: ``start ≤ timestamp < end``.
    """

    @abstractmethod
    def get_next_bar(self) -> Iterator[MarketDataEvent]:
        """Return the bars of all symbols in time order; ties are ordered by symbol.

        Returns:
            An iterator that ends by exhaustion after the last bar.
        """

    @abstractmethod
    def get_latest_bar(self, symbol: str) -> MarketDataEvent:
        """Return the newest bar of ``symbol``.

        Raises:
            NoDataError: There is no bar for ``symbol``.
        """

    @abstractmethod
    def get_bars_range(self, symbol: str, start: datetime, end: datetime) -> list[MarketDataEvent]:
        """Return the bars of ``symbol`` with ``start ≤ timestamp < end``, ascending.

        Returns:
            An empty list where there is no bar.

        Raises:
            InvalidInputError: A bound is naive, or ``end`` is before ``start``.
        """

    @abstractmethod
    def get_bars_batch(
        self, symbols: Sequence[str], start: datetime, end: datetime
    ) -> dict[str, list[MarketDataEvent]]:
        """Return :meth:`get_bars_range` for each of ``symbols``, by symbol.

        Returns:
            A key for every symbol asked for; an empty list where there is no bar.
        """

    @abstractmethod
    def get_frame(self, symbols: Sequence[str], start: datetime, end: datetime) -> pd.DataFrame:
        """Return the bars of ``symbols`` with ``start ≤ timestamp < end`` as columns.

        Returns:
            The columns ``jutsu_core.bars.BAR_COLUMNS`` (prices float64, volume int64,
            timestamp datetime64[us, UTC]), ordered by symbol as asked, then by time.
        """


def checked_symbols(symbols: Sequence[str]) -> tuple[str, ...]:
    """Return ``symbols``, each once, in their order.

    Raises:
        InvalidInputError: ``symbols`` is a string, whose letters would be taken for symbols.
    """
    if isinstance(symbols, str):
        message = f"symbols must be a list of symbols, was the string {symbols!r}; write [{symbols!r}]"
        raise InvalidInputError(message)
    return tuple(dict.fromkeys(symbols))


def checked_window(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Return the window ``start ≤ t < end``.

    Raises:
        InvalidInputError: A bound is naive, or ``end`` is before ``start``.
    """
    first, after = require_aware("start", start), require_aware("end", end)
    if after < first:
        message = f"end must be at or after start {first.isoformat()}, was {after.isoformat()}"
        raise InvalidInputError(message)
    return first, after


def merge_in_time_order(streams: Iterable[Iterable[MarketDataEvent]]) -> Iterator[MarketDataEvent]:
    """Merge ascending streams of bars into one, ordered by time and then by symbol."""
    return heapq.merge(*streams, key=lambda bar: (bar.timestamp, bar.symbol))


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedBars:
    """What one question to a source brought.

    Attributes:
        start: First instant asked for.
        end: First instant no longer asked for.
        asked_at: When the answer came.
        bars: Sound bars inside the window, ascending, unique.
        rejected: What came and broke a rule.
    """

    start: datetime
    end: datetime
    asked_at: datetime
    bars: tuple[Bar, ...]
    rejected: tuple[RejectedBar, ...] = ()


class BarSource(ABC):
    """Brings bars from outside."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Return the name kept beside every bar, for example ``schwab``."""

    @abstractmethod
    def fetch(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> FetchedBars:
        """Return what the source holds for ``start ≤ timestamp < end``.

        Raises:
            SourceError: The source could not be read.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageWindow:
    """A window that was asked for, when, and how many bars came.

    It lets "there is no bar" and "nobody ever asked" be told apart.
    """

    start: datetime
    end: datetime
    asked_at: datetime
    bars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionVersion:
    """What one partition of bars holds.

    Attributes:
        content_hash: Changes when, and only when, a bar changes.
        rows: Number of bars.
        first: Timestamp of the first bar.
        last: Timestamp of the last bar.
    """

    content_hash: str
    rows: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """What one write did to a partition of bars."""

    inserted: int
    changed: int
    unchanged: int
    quarantined: int
    withdrawn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BarRevision:
    """What a bar said before it was restated or withdrawn.

    Attributes:
        former: What it said.
        recorded_at: From when.
        superseded_at: Until when.
        successor: What it said from then on; None when it was withdrawn.
    """

    former: Bar
    recorded_at: datetime
    superseded_at: datetime
    successor: Bar | None


class BarStore(ABC):
    """Keeps bars: one partition per symbol and timeframe, written atomically."""

    @abstractmethod
    def write(self, symbol: str, timeframe: Timeframe, fetched: FetchedBars, *, replace: bool = False) -> WriteResult:
        """Bring the partition up to what was fetched, in one transaction.

        New bars are inserted; a bar that differs keeps its former values as a revision;
        rejected bars are quarantined; the window is remembered as asked for. The same data
        again changes nothing. Where a later answer has covered a part of the window meanwhile,
        this one says nothing about that part: neither changes nor withdraws a bar, nor is its
        window remembered.

        Args:
            symbol: Ticker.
            timeframe: Which of its bars.
            fetched: The answer of a source.
            replace: Take the answer as the whole truth about its window: stored bars inside it
                that did not come are withdrawn, and kept as revisions.

        Raises:
            StoreError: The store could not be written; the partition is as it was.
        """

    @abstractmethod
    def read(
        self, symbol: str, timeframe: Timeframe, start: datetime = BEGINNING, end: datetime = END_OF_TIME
    ) -> list[Bar]:
        """Return the stored bars with ``start ≤ timestamp < end``, ascending; all of them by default."""

    @abstractmethod
    def columns(
        self, symbol: str, timeframe: Timeframe, start: datetime = BEGINNING, end: datetime = END_OF_TIME
    ) -> BarColumns:
        """Return the stored bars with ``start ≤ timestamp < end`` as arrays, ascending; all of them by default."""

    @abstractmethod
    def state(self, symbol: str, timeframe: Timeframe) -> str:
        """Return a text that differs whenever bars, coverage or quarantine of a partition do."""

    @abstractmethod
    def timestamps(self, symbol: str, timeframe: Timeframe) -> list[datetime]:
        """Return the timestamps of all stored bars, ascending."""

    @abstractmethod
    def coverage(self, symbol: str, timeframe: Timeframe) -> list[CoverageWindow]:
        """Return the windows that were asked for, oldest question first.

        What was asked more than a day after now was so by a clock that was ahead, and is left out.
        """

    @abstractmethod
    def version(self, symbol: str, timeframe: Timeframe) -> PartitionVersion | None:
        """Return what the partition holds, or None while it holds nothing."""

    @abstractmethod
    def revisions(self, symbol: str, timeframe: Timeframe) -> list[BarRevision]:
        """Return what bars said before they were restated or withdrawn, oldest change first."""

    @abstractmethod
    def quarantined(self, symbol: str, timeframe: Timeframe) -> list[RejectedBar]:
        """Return the bars that broke a rule, oldest first."""
