"""Bringing one symbol's stored daily history up to date, through the ports alone.

The order is: what should be there, what is there, what is known not to exist; ask for the
rest in one window, widened by a few held sessions on either side; if what comes for the
outermost of them differs, the source restated what lies beyond too (a split does), so ask for
everything; write once. Stored prices are therefore never on two scales.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from jutsu_core.arguments import require_date, require_dates, require_flag, require_type
from jutsu_core.bars import Bar, Timeframe, session_timestamp
from jutsu_core.calendar import TradingCalendar
from jutsu_core.errors import InvalidInputError, MalformedResponseError, UnknownSymbolError
from jutsu_core.ports import BarSource, BarStore, Clock, FetchedBars, WriteResult
from jutsu_core.windows import SessionWindow, known_empty, window_around, with_overlap

OVERLAP_SESSIONS = 5
LEAST_KNOWN_SHARE = 0.9
"""The share of held sessions that an answer must hold, to replace what is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRequest:
    """What part of a symbol's history to bring up to date.

    Attributes:
        symbol: Ticker as the source spells it.
        first: First session date wanted.
        last: Last session date wanted; None for the newest complete session.
        verify: Ask again for what is already stored, compare, and withdraw what the source no longer has.

    Raises:
        InvalidInputError: One of them is not of its type.
    """

    symbol: str
    first: date
    last: date | None = None
    verify: bool = False

    def __post_init__(self) -> None:
        require_type("symbol", self.symbol, str, "a text such as 'AAPL'")
        require_date("first", self.first)
        if self.last is not None:
            require_date("last", self.last)
        require_flag("verify", self.verify)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryUpdate:
    """What bringing a history up to date did.

    Attributes:
        calls: Questions put to the source; retries are not counted here.
        written: What changed in the store; None when nothing was asked.
        was_restated: The source disagreed with a bar at the edge of what was asked, beyond which more is held, so
            all was fetched again.
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
        """Return the sessions from ``first`` whose bars are final by now, up to ``last``.

        Raises:
            InvalidInputError: A bound is no date.
        """
        require_date("first", first)
        if last is not None:
            require_date("last", last)
        newest = self._calendar.last_complete_session(self._clock.now())
        if newest is None:
            return []
        return self._calendar.sessions(first, newest if last is None else min(last, newest))

    def require_session(self, first: date, last: date | None = None) -> None:
        """Refuse a window in which no session is complete by now.

        Raises:
            InvalidInputError: There is none; the message names the newest.
        """
        if not self.expected_sessions(first, last):
            raise self._no_session(first, last)

    def missing_sessions(self, request: HistoryRequest) -> list[date]:
        """Return the expected sessions that must be asked for; all of them when verifying.

        Raises:
            InvalidInputError: ``request`` is no :class:`HistoryRequest`.
        """
        require_type("request", request, HistoryRequest, "a HistoryRequest")
        expected = self.expected_sessions(request.first, request.last)
        if request.verify:
            return expected
        symbol = request.symbol
        present = {stamp.date() for stamp in self._store.timestamps(symbol, Timeframe.D1)}
        absent = [session for session in expected if session not in present]
        quarantined = self._store.quarantined(symbol, Timeframe.D1) if absent else []
        empty = known_empty(
            absent,
            self._store.coverage(symbol, Timeframe.D1),
            self._calendar,
            now=self._clock.now(),
            broken={bar.timestamp.date() for bar in quarantined if bar.timestamp is not None},
        )
        return [session for session in absent if session not in empty]

    def update(self, request: HistoryRequest) -> HistoryUpdate:
        """Bring the store up to date for ``request``; ask the source only for what is missing.

        Raises:
            InvalidInputError: No session that is complete by now lies in what is asked for, or that is no
                :class:`HistoryRequest`.
            UnknownSymbolError: The source has no bar at all for the symbol; nothing is written.
            SourceError: The source could not be read, or lost most of what it said before;
                nothing is written.
            StoreError: The store could not be written; it is as it was.
        """
        require_type("request", request, HistoryRequest, "a HistoryRequest")
        expected = self.expected_sessions(request.first, request.last)
        if not expected:
            raise self._no_session(request.first, request.last)
        window = window_around(self.missing_sessions(request))
        if window is None:
            return HistoryUpdate(calls=0, written=None)
        held = [stamp.date() for stamp in self._store.timestamps(request.symbol, Timeframe.D1)]
        asked = with_overlap(window, held, OVERLAP_SESSIONS)
        fetched = self._fetch(request.symbol, asked)
        # While the source answered, another process may have written: what counts is what is held now.
        stored = self._store.read(request.symbol, Timeframe.D1)
        held = [bar.timestamp.date() for bar in stored]
        was_restated = self._is_restated_beyond(asked, stored, fetched)
        if was_restated:
            fetched = self._fetch(request.symbol, SessionWindow(min(asked.first, held[0]), max(asked.last, held[-1])))
        if not held and request.last is None:
            self._refuse_unknown(request.symbol, expected, fetched)
        # A broken candle is no proof that the sound bar held for its session is gone.
        replace = was_restated or (request.verify and not _broken(fetched).intersection(held))
        if replace:
            self._refuse_lost(request.symbol, held, fetched)
        written = self._store.write(request.symbol, Timeframe.D1, fetched, replace=replace)
        return HistoryUpdate(calls=1 + was_restated, written=written, was_restated=was_restated)

    def _fetch(self, symbol: str, window: SessionWindow) -> FetchedBars:
        return self._source.fetch(symbol, Timeframe.D1, window.start, window.end)

    @staticmethod
    def _is_restated_beyond(asked: SessionWindow, stored: Sequence[Bar], fetched: FetchedBars) -> bool:
        broken = _broken(fetched)
        inside = {
            bar.timestamp: bar
            for bar in stored
            if asked.start <= bar.timestamp < asked.end and bar.timestamp.date() not in broken
        }
        came = {bar.timestamp: bar for bar in fetched.bars}
        # An edge matters where bars are held beyond it; the outermost held bar there stands for them.
        edges = [
            *([min(inside)] if inside and stored[0].timestamp < asked.start else []),
            *([max(inside)] if inside and stored[-1].timestamp >= asked.end else []),
        ]
        return any(came.get(edge) != inside[edge] for edge in edges)

    def _no_session(self, first: date, last: date | None) -> InvalidInputError:
        newest = self._calendar.last_complete_session(self._clock.now())
        message = (
            f"a complete session of {self._calendar.name} must lie from {first} to"
            f" {last or 'now'}, but there is none; the newest complete one is {newest}:"
            " choose an earlier start, or a later end"
        )
        return InvalidInputError(message)

    def _refuse_lost(self, symbol: str, held: Sequence[date], fetched: FetchedBars) -> None:
        came = {bar.timestamp.date() for bar in fetched.bars} | _broken(fetched)
        wanted = [session for session in held if fetched.start <= session_timestamp(session) < fetched.end]
        known = sum(session in came for session in wanted)
        if known >= len(wanted) * LEAST_KNOWN_SHARE:
            return
        message = (
            f"{self._source.name} must send again what it sent before of {symbol!r}, to replace it, but sent only"
            f" {known:,} of the {len(wanted):,} sessions held; nothing was written: try again later"
        )
        raise MalformedResponseError(message)

    def _refuse_unknown(self, symbol: str, expected: Sequence[date], fetched: FetchedBars) -> None:
        if fetched.bars or fetched.rejected:
            return
        message = (
            f"symbol {symbol!r} must be one that {self._source.name} knows, but it has no daily bar at all"
            f" from {expected[0]} to {expected[-1]}; check the spelling (share classes take a slash: BRK/B,"
            " indexes a dollar sign: $SPX) or take it out of the universe"
        )
        raise UnknownSymbolError(message)


def _broken(fetched: FetchedBars) -> set[date]:
    return {bar.timestamp.date() for bar in fetched.rejected if bar.timestamp is not None}


def sessions_without_bar(
    expected: Sequence[date], store: BarStore, symbol: str, calendar: TradingCalendar
) -> list[date]:
    """Return the expected sessions that should have a bar and have none.

    Sessions before the first bar and after the last are not missing once the source has said
    that there is nothing (not listed yet, delisted); a hole between two bars always is.

    Raises:
        InvalidInputError: An argument is not of its type.
    """
    wanted = require_dates("expected", expected)
    require_type("symbol", symbol, str, "a text such as 'AAPL'")
    require_type("calendar", calendar, TradingCalendar, "a TradingCalendar")
    present = {stamp.date() for stamp in store.timestamps(symbol, Timeframe.D1)}
    absent = [session for session in wanted if session not in present]
    empty = known_empty(absent, store.coverage(symbol, Timeframe.D1), calendar)
    first, last = min(present, default=date.max), max(present, default=date.max - timedelta(days=1))
    return [session for session in absent if first < session < last or session not in empty]
