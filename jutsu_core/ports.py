"""The interfaces between rooms: who reads bars, who fetches them, who keeps them, what time it is.

Implementations live in ``jutsu_assets``; a backtesting engine and every asset depend on
these alone.
"""

import heapq
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Literal, Protocol

import numpy as np
import pandas as pd

from jutsu_core.arguments import refuse, require_items, require_type, shown
from jutsu_core.bars import Bar, BarColumns, RejectedBar, Timeframe
from jutsu_core.bounds import Bound, instant_of
from jutsu_core.errors import InvalidInputError, NoDataError
from jutsu_core.events import MarketDataEvent
from jutsu_core.sessions import EXCHANGE_ZONE, SESSION_FRAMES, session_bound, zone_of

BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)

Missing = Literal["error", "skip"]
"""What becomes of a symbol that was never stored."""

_A_SYMBOL = "a text such as 'AAPL'"
_NAMED = 3
_LIKENESS = 0.5


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
    are half-open: ``start ≤ timestamp < end``; a bound may be a date, such as ``"2010-01-04"``, which begins at
    midnight on the exchange's clocks, and may be left out. Bars of a day or longer are keyed by the date of a
    session, and so are the bounds of a range of them: a bound means the first session whose daily bar
    is not final at that instant (:func:`jutsu_core.sessions.session_bound`). So midnight in UTC and on
    the exchange's clocks mean the same session, and no range holds a daily bar that was not made at its end.

    A symbol of which nothing was ever stored is an error of every method, since nobody means one;
    ``missing="skip"`` leaves it out instead. One that is stored, but has no bar in the range, is none. Where several
    symbols are asked for, one may be given as its text.
    """

    @abstractmethod
    def get_next_bar(self, *, missing: Missing = "error") -> Iterator[MarketDataEvent]:
        """Return the bars of all symbols in time order; ties are ordered by symbol.

        Returns:
            An iterator that ends by exhaustion after the last bar.

        Raises:
            NoDataError: A symbol that was chosen was never stored; raised with the first bar.
        """

    @abstractmethod
    def get_latest_bar(self, symbol: str) -> MarketDataEvent:
        """Return the newest bar of ``symbol``.

        Raises:
            NoDataError: There is no bar for ``symbol``.
        """

    @abstractmethod
    def get_bars_range(
        self, symbol: str, start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> list[MarketDataEvent]:
        """Return the bars of ``symbol`` with ``start ≤ timestamp < end``, ascending.

        Returns:
            An empty list where there is no bar.

        Raises:
            InvalidInputError: A bound is naive, or ``end`` is before ``start``.
            NoDataError: ``symbol`` was never stored; with ``missing="skip"`` the list is empty.
        """

    @abstractmethod
    def get_bars_batch(
        self, symbols: str | Sequence[str], start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> dict[str, list[MarketDataEvent]]:
        """Return :meth:`get_bars_range` for each of ``symbols``, by symbol.

        Returns:
            A key for every symbol asked for; an empty list where there is no bar.

        Raises:
            NoDataError: Symbols were never stored; with ``missing="skip"`` their lists are empty.
        """

    @abstractmethod
    def get_frame(
        self, symbols: str | Sequence[str], start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> pd.DataFrame:
        """Return the bars of ``symbols`` with ``start ≤ timestamp < end`` as columns.

        Returns:
            The columns ``jutsu_core.bars.BAR_COLUMNS`` (prices float64, volume int64,
            timestamp datetime64[us, UTC]), ordered by symbol as asked, then by time.

        Raises:
            NoDataError: Symbols were never stored; with ``missing="skip"`` they have no rows.
        """

    def symbols(self) -> pd.DataFrame:
        """Return which symbols :meth:`get_next_bar` streams, and from when until when there are bars of each.

        Returns:
            A row a symbol, by name: ``first`` and ``last`` are the timestamps of its first and last bar
            (datetime64[us, UTC]), ``bars`` is how many there are.
        """
        found: dict[str, tuple[datetime, datetime, int]] = {}
        for bar in self.get_next_bar(missing="skip"):
            first, _, count = found.get(bar.symbol, (bar.timestamp, bar.timestamp, 0))
            found[bar.symbol] = (first, bar.timestamp, count + 1)
        return ranges_frame((symbol, *found[symbol]) for symbol in sorted(found))

    def get_closes(
        self,
        symbols: str | Sequence[str] | None = None,
        start: Bound = None,
        end: Bound = None,
        *,
        missing: Missing = "error",
    ) -> pd.DataFrame:
        """Return the closes of ``symbols`` with ``start ≤ timestamp < end`` beside each other.

        Args:
            symbols: Which symbols, in the order of the columns; all that :meth:`symbols` names if None.
            start: The first bound; from the first bar on if None.
            end: The second one; to the last bar if None.
            missing: What becomes of a symbol that was never stored.

        Returns:
            A column of float64 for each symbol, a row for each time at which one of them has a bar, ascending;
            NaN where a symbol has none. The index is ``timestamp`` (datetime64[us, UTC]).

        Raises:
            InvalidInputError: A bound is naive, or ``end`` is before ``start``.
            NoDataError: Symbols were never stored; with ``missing="skip"`` their columns are NaN.
        """
        wanted = checked_symbols(tuple(self.symbols().index) if symbols is None else symbols)
        frame = self.get_frame(wanted, start, end, missing=missing)
        rows, times = pd.factorize(frame["timestamp"], sort=True)
        columns = pd.Index(wanted, dtype="str", name="symbol")
        closes = np.full((len(times), len(wanted)), np.nan)
        closes[rows, columns.get_indexer(pd.Index(frame["symbol"]))] = frame["close"]
        return pd.DataFrame(closes, index=pd.DatetimeIndex(times, name="timestamp"), columns=columns, copy=False)


def ranges_frame(ranges: Iterable[tuple[str, datetime, datetime, int]]) -> pd.DataFrame:
    """Return what :meth:`DataHandler.symbols` does.

    Args:
        ranges: Of each symbol its name, the timestamps of its first and last bar, and how many there are.
    """
    names, firsts, lasts, counts = zip(*rows, strict=True) if (rows := list(ranges)) else ((), (), (), ())
    columns = {
        "first": pd.DatetimeIndex(firsts, dtype="datetime64[us, UTC]"),
        "last": pd.DatetimeIndex(lasts, dtype="datetime64[us, UTC]"),
        "bars": np.array(counts, dtype=np.int64),
    }
    return pd.DataFrame(columns, index=pd.Index(names, dtype="str", name="symbol"))


def checked_symbols(symbols: str | Sequence[str]) -> tuple[str, ...]:
    """Return ``symbols``, each once, in their order.

    Raises:
        InvalidInputError: ``symbols`` is neither a text, which is one symbol, nor a list of texts.

    Examples:
        >>> checked_symbols("AAPL"), checked_symbols(["IBM", "AAPL", "IBM"])
        (('AAPL',), ('IBM', 'AAPL'))
    """
    if isinstance(symbols, str):
        return (_as_symbol("symbols", symbols),)
    items = dict.fromkeys(require_items("symbols", symbols, str, _A_SYMBOL))
    return tuple(_as_symbol("symbols", symbol) for symbol in items)


def require_symbol(symbol: object) -> str:
    """Return ``symbol``.

    Raises:
        InvalidInputError: It is no text, or has a character that cannot be seen, which no symbol has.
    """
    return _as_symbol("symbol", symbol)


def checked_window(
    start: Bound, end: Bound, timeframe: Timeframe | None = None, *, exchange_zone: str = EXCHANGE_ZONE
) -> tuple[datetime, datetime]:
    """Return the window ``start ≤ t < end`` that holds the keys of the bars that a range means.

    Args:
        start: The first bound; the beginning of time if None.
        end: The second one; the end of time if None.
        timeframe: How long the bars last: bounds of bars of a day or longer become those of sessions.
            Without it, the bounds stay the instants that they are.
        exchange_zone: Where the exchange's clocks are.

    Raises:
        InvalidInputError: A bound is naive or none, or ``end`` is before ``start``.

    Examples:
        >>> from zoneinfo import ZoneInfo
        >>> june = [datetime(2012, 6, day, tzinfo=ZoneInfo("America/New_York")) for day in (4, 5)]
        >>> [bound.isoformat() for bound in checked_window(*june, Timeframe.D1)]
        ['2012-06-04T00:00:00+00:00', '2012-06-05T00:00:00+00:00']
        >>> checked_window("2012-06-04", None, Timeframe.D1)[0].isoformat()
        '2012-06-04T00:00:00+00:00'
    """
    if timeframe is not None:
        require_type("timeframe", timeframe, Timeframe, "a Timeframe such as Timeframe.D1")
    zone_of(exchange_zone)
    first = instant_of("start", start, BEGINNING, exchange_zone=exchange_zone)
    after = instant_of("end", end, max(first, END_OF_TIME), exchange_zone=exchange_zone)
    if after < first:
        began, ended = _as_written(start, first), _as_written(end, after)
        message = f"end must be at or after start {began}, was {ended}"
        raise InvalidInputError(message)
    if timeframe in SESSION_FRAMES:
        return session_bound(first, exchange_zone), session_bound(after, exchange_zone)
    return first, after


def _as_written(bound: Bound, instant: datetime) -> str:
    """Return ``bound`` as an error shows it: a date as that, not as the ``instant`` at which it begins somewhere."""
    return instant.isoformat() if bound is None or isinstance(bound, datetime) else str(bound)


def skips_missing(missing: object) -> bool:
    """Return whether symbols that were never stored are to be left out.

    Raises:
        InvalidInputError: ``missing`` is neither ``error`` nor ``skip``.
    """
    if missing not in ("error", "skip"):
        refuse("missing", "'error' or 'skip'", shown(missing))
    return missing == "skip"


def never_stored(symbols: Sequence[str], stored: Iterable[str], what: str, place: str, remedy: str) -> NoDataError:
    """Return the error that says that nothing was ever stored of ``symbols``, and which stored ones are like them.

    Args:
        symbols: At least one.
        stored: All symbols that are stored.
        what: Of which bars nothing is stored, such as ``stored 1d bars``.
        place: Where they would be.
        remedy: What to do.

    Examples:
        >>> str(never_stored(["APPL"], ["AAPL", "IBM"], "stored 1d bars", "jutsu.db", "add it"))
        "symbol 'APPL' must have stored 1d bars (the nearest that has: 'AAPL'), has none in jutsu.db; add it"
    """
    known, named = sorted(set(stored).difference(symbols)), symbols[:_NAMED]
    near = [other for symbol in named for other in get_close_matches(symbol.upper(), known, _NAMED, _LIKENESS)]
    hint = f" (the nearest that has: {', '.join(map(repr, dict.fromkeys(near)))})" if near else ""
    more = f" and {len(symbols) - _NAMED:,} more" if len(symbols) > _NAMED else ""
    subject, have = ("symbol", "has") if len(symbols) == 1 else ("symbols", "have")
    message = f"{subject} {', '.join(map(repr, named))}{more} must have {what}{hint}, {have} none in {place}; {remedy}"
    return NoDataError(message)


def merge_in_time_order(streams: Iterable[Iterable[MarketDataEvent]]) -> Iterator[MarketDataEvent]:
    """Merge ascending streams of bars into one, ordered by time and then by symbol.

    Raises:
        InvalidInputError: ``streams`` is no list of iterables.
    """
    each = require_items("streams", streams, Iterable, "an iterable of bars")  # type: ignore[type-abstract]  # to ask
    return heapq.merge(*each, key=lambda bar: (bar.timestamp, bar.symbol))


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

    def true_columns(self, symbol: str, timeframe: Timeframe) -> BarColumns:
        """Return all stored bars as arrays, ascending, after making sure that :meth:`version` says what they say.

        A store that works the version out of the bars has nothing to find; one that keeps it overrides this.

        Raises:
            StoreError: It does not: something else wrote to the store, or a disk failed.
        """
        return self.columns(symbol, timeframe)

    def refuse_untrue(self, symbol: str, timeframe: Timeframe) -> None:
        """Make sure that what :meth:`version` says of a partition is what its bars say.

        Raises:
            StoreError: It is not: something else wrote to the store, or a disk failed.
        """
        self.true_columns(symbol, timeframe)

    @abstractmethod
    def revisions(self, symbol: str, timeframe: Timeframe) -> list[BarRevision]:
        """Return what bars said before they were restated or withdrawn, oldest change first."""

    @abstractmethod
    def quarantined(self, symbol: str, timeframe: Timeframe) -> list[RejectedBar]:
        """Return the bars that broke a rule, oldest first."""


def _as_symbol(name: str, symbol: object) -> str:
    text = require_type(name, symbol, str, _A_SYMBOL)
    if not text.isprintable():  # nor can a database be asked for it
        refuse(name, _A_SYMBOL, shown(text))
    return text
