"""Bringing one symbol's stored daily history up to date, through the ports alone.

The order is: what should be there, what is there, what is known not to exist; ask for the
rest in one window, with a few sessions of overlap; if the overlap shows that the source
restated what we hold as far back as we looked, ask for everything; write once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from jutsu_core.bars import Timeframe
from jutsu_core.calendar import TradingCalendar
from jutsu_core.errors import InvalidInputError, UnknownSymbolError
from jutsu_core.ports import BarSource, BarStore, Clock, FetchedBars, WriteResult
from jutsu_core.windows import SessionWindow, known_empty, window_around, with_overlap

OVERLAP_SESSIONS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRequest:
    """What part of a symbol's history to bring up to date.

    Attributes:
        symbol: Ticker as the source spells it.
        first: First session date wanted.
        last: Last session date wanted; None for the newest complete session.
        verify: Ask again for what is already stored, and compare.
    """

    symbol: str
    first: date
    last: date | None = None
    verify: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryUpdate:
    """What bringing a history up to date did.

    Attributes:
        calls: Questions put to the source; retries are not counted here.
        written: What changed in the store; None when nothing was asked.
        was_restated: The source disagreed with the oldest bar of the overlap, so all was fetched again.
    """

    calls: int
    written: WriteResult | None
    was_restated: bool = False


class DailyHistory:
    """Keeps the daily bars of a store equal to what a source holds.

    Args:
        source: Where bars come from.
        store: Where they are kept.
        calendar: Sessions of the exchange.
        clock: Tells which session is the newest complete one.
    """

    def __init__(self, source: BarSource, store: BarStore, calendar: TradingCalendar, clock: Clock) -> None:
        self._source = source
        self._store = store
        self._calendar = calendar
        self._clock = clock

    def expected_sessions(self, first: date, last: date | None = None) -> list[date]:
        """Return the sessions from ``first`` whose bars are final by now, up to ``last``."""
        newest = self._calendar.last_complete_session(self._clock.now())
        if newest is None:
            return []
        return self._calendar.sessions(first, newest if last is None else min(last, newest))

    def missing_sessions(self, request: HistoryRequest) -> list[date]:
        """Return the expected sessions that must be asked for; all of them when verifying."""
        expected = self.expected_sessions(request.first, request.last)
        if request.verify:
            return expected
        present = {stamp.date() for stamp in self._store.timestamps(request.symbol, Timeframe.D1)}
        absent = [session for session in expected if session not in present]
        empty = known_empty(absent, self._store.coverage(request.symbol, Timeframe.D1), self._calendar)
        return [session for session in absent if session not in empty]

    def update(self, request: HistoryRequest) -> HistoryUpdate:
        """Bring the store up to date for ``request``; ask the source only for what is missing.

        Raises:
            InvalidInputError: ``last`` is before ``first``.
            UnknownSymbolError: The source has no bar at all for the symbol; nothing is written.
            SourceError: The source could not be read; nothing is written.
            StoreError: The store could not be written; it is as it was.
        """
        if request.last is not None and request.last < request.first:
            message = f"end must be on or after start {request.first}, was {request.last}"
            raise InvalidInputError(message)
        window = window_around(self.missing_sessions(request))
        if window is None:
            return HistoryUpdate(calls=0, written=None)
        expected = self.expected_sessions(request.first, request.last)
        whole = SessionWindow(expected[0], expected[-1])
        asked = with_overlap(window, expected, OVERLAP_SESSIONS)
        fetched = self._fetch(request.symbol, asked)
        was_restated = asked.first > whole.first and self._is_restated(request.symbol, asked, fetched)
        if was_restated:
            fetched = self._fetch(request.symbol, self._all_held(request.symbol, whole))
        self._refuse_unknown(request.symbol, whole, fetched, is_whole_history=request.last is None)
        written = self._store.write(request.symbol, Timeframe.D1, fetched)
        return HistoryUpdate(calls=1 + was_restated, written=written, was_restated=was_restated)

    def _fetch(self, symbol: str, window: SessionWindow) -> FetchedBars:
        return self._source.fetch(symbol, Timeframe.D1, window.start, window.end)

    def _is_restated(self, symbol: str, asked: SessionWindow, fetched: FetchedBars) -> bool:
        held = {bar.timestamp: bar for bar in self._store.read(symbol, Timeframe.D1, asked.start, asked.end)}
        came = {bar.timestamp: bar for bar in fetched.bars}
        common = sorted(held.keys() & came.keys())
        return bool(common) and held[common[0]] != came[common[0]]

    def _all_held(self, symbol: str, whole: SessionWindow) -> SessionWindow:
        version = self._store.version(symbol, Timeframe.D1)
        if version is None:
            return whole
        return SessionWindow(min(whole.first, version.first.date()), max(whole.last, version.last.date()))

    def _refuse_unknown(
        self, symbol: str, whole: SessionWindow, fetched: FetchedBars, *, is_whole_history: bool
    ) -> None:
        if fetched.bars or fetched.rejected or not is_whole_history:
            return
        if self._store.version(symbol, Timeframe.D1) is not None:
            return
        message = (
            f"symbol {symbol!r} must be one that {self._source.name} knows, but it has no daily bar at all"
            f" from {whole.first} to {whole.last}; check the spelling (share classes take a slash: BRK/B,"
            " indexes a dollar sign: $SPX) or take it out of the universe"
        )
        raise UnknownSymbolError(message)


def sessions_without_bar(
    expected: Sequence[date], store: BarStore, symbol: str, calendar: TradingCalendar
) -> list[date]:
    """Return the expected sessions that should have a bar and have none.

    Sessions before the first bar and after the last are not missing once the source has said
    that there is nothing (not listed yet, delisted); a hole between two bars always is.
    """
    present = {stamp.date() for stamp in store.timestamps(symbol, Timeframe.D1)}
    absent = [session for session in expected if session not in present]
    empty = known_empty(absent, store.coverage(symbol, Timeframe.D1), calendar)
    first, last = min(present, default=date.max), max(present, default=date.max - timedelta(days=1))
    return [session for session in absent if first < session < last or session not in empty]
