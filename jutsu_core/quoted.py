"""The newest session of many symbols from quotes, where that gives the same bar as asking for history.

One request for quotes covers 500 symbols; history takes one a symbol. A quote tells the session
so far, so its bar is taken only when all of this holds, and history is asked otherwise:

- nothing but the newest session is missing, and that session has settled;
- the quote is of that session, and its prices are a sound bar;
- the close before, which the quote tells too, is the stored one: else something was restated;
- history itself confirmed the stored bars within the last few sessions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from jutsu_core.arguments import require_items, require_type
from jutsu_core.bars import Bar, Timeframe, session_timestamp
from jutsu_core.calendar import TradingCalendar
from jutsu_core.history import DailyHistory, HistoryRequest
from jutsu_core.ports import BarStore, Clock, FetchedBars, WriteResult

QUOTED_IN_A_ROW = 5
"""So many sessions may come from quotes before history is asked again."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedSession:
    """The latest session of a symbol as a quote tells it.

    Attributes:
        bar: Its bar.
        previous_close: Close of the session before, in micros, in terms of today's shares.
        asked_at: When the quote was asked for.
    """

    bar: Bar
    previous_close: int
    asked_at: datetime


class QuoteSource(Protocol):
    """Brings the latest session of many symbols at once."""

    def quoted_sessions(self, symbols: Sequence[str]) -> Mapping[str, QuotedSession]:
        """Return the latest sessions by symbol; one without a sound bar is absent.

        Raises:
            SourceError: The source could not be read.
        """
        ...


class QuotedUpdates:
    """Brings symbols up to date from quotes, as far as that gives the same bars.

    Args:
        store: Where bars are kept.
        history: What is expected and missing.
        calendar: Sessions of the exchange.
        clock: The market's clock.
    """

    def __init__(self, store: BarStore, history: DailyHistory, calendar: TradingCalendar, clock: Clock) -> None:
        self._store = store
        self._history = history
        self._calendar = calendar
        self._clock = clock

    def candidates(self, requests: Sequence[HistoryRequest]) -> list[str]:
        """Return the symbols for which a quote would do.

        Raises:
            InvalidInputError: ``requests`` is no list of :class:`jutsu_core.history.HistoryRequest`.
        """
        asked = require_items("requests", requests, HistoryRequest, "a HistoryRequest")
        return [request.symbol for request in asked if self._needs_newest_alone(request)]

    def take(self, symbol: str, quoted: QuotedSession) -> WriteResult | None:
        """Store the bar of a quote; return None, with nothing written, where it may differ from history's.

        Raises:
            InvalidInputError: ``symbol`` is no text, or ``quoted`` no :class:`QuotedSession`.
        """
        require_type("symbol", symbol, str, "a text such as 'AAPL'")
        require_type("quoted", quoted, QuotedSession, "a QuotedSession")
        session = self._calendar.last_complete_session(self._clock.now())
        before = None if session is None else self._session_before(session)
        if session is None or before is None or quoted.bar.timestamp != session_timestamp(session):
            return None
        held = self._store.read(symbol, Timeframe.D1, session_timestamp(before), quoted.bar.timestamp + _DAY)
        if [bar.close for bar in held] != [quoted.previous_close]:
            return None
        start = quoted.bar.timestamp
        fetched = FetchedBars(start=start, end=start + _DAY, asked_at=quoted.asked_at, bars=(quoted.bar,))
        return self._store.write(symbol, Timeframe.D1, fetched)

    def _needs_newest_alone(self, request: HistoryRequest) -> bool:
        session = self._calendar.last_complete_session(self._clock.now())
        if request.verify or session is None or self._history.missing_sessions(request) != [session]:
            return False
        before = self._session_before(session)
        return before is not None and self._is_confirmed(request.symbol, before)

    def _is_confirmed(self, symbol: str, before: date) -> bool:
        recent = self._calendar.sessions(self._calendar.first, before)[-QUOTED_IN_A_ROW:]
        stamp = session_timestamp(before)
        oldest = self._calendar.close(recent[0])
        # A quote covers one day, history more.
        return any(
            window.end - window.start > _DAY and window.asked_at >= oldest and window.start <= stamp
            for window in self._store.coverage(symbol, Timeframe.D1)
        )

    def _session_before(self, session: date) -> date | None:
        known = self._calendar.sessions(self._calendar.first, session)
        return known[-2] if len(known) > 1 else None
