"""Interval arithmetic on history: what is missing, what is known to be empty, what to ask for.

Daily history comes whole in one call, so the fewest requests are one window from the first
missing session to the last, whatever lies between.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from jutsu_core.bars import session_timestamp
from jutsu_core.calendar import TradingCalendar
from jutsu_core.ports import CoverageWindow

BELIEVED_AFTER = timedelta(days=7)
"""How long after a session's close an empty answer is believed; before that it may just be late."""


class SessionWindow(NamedTuple):
    """Sessions from ``first`` to ``last``, both included."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        """Return the first instant of the window, UTC."""
        return session_timestamp(self.first)

    @property
    def end(self) -> datetime:
        """Return the first instant after the window, UTC."""
        return session_timestamp(self.last + timedelta(days=1))


def known_empty(absent: Iterable[date], coverage: Sequence[CoverageWindow], calendar: TradingCalendar) -> set[date]:
    """Return those of ``absent`` sessions for which the source was asked late enough and had nothing.

    Args:
        absent: Sessions without a stored bar.
        coverage: The windows that were asked for.
        calendar: Knows when each session closed.
    """
    return {
        session
        for session in absent
        if any(
            window.start <= session_timestamp(session) < window.end
            and window.asked_at >= calendar.close(session) + BELIEVED_AFTER
            for window in coverage
        )
    }


def window_around(missing: Iterable[date]) -> SessionWindow | None:
    """Return the one window that holds every missing session, or None if none is missing.

    Examples:
        >>> window_around([date(2013, 3, 1), date(2012, 1, 3)])
        SessionWindow(first=datetime.date(2012, 1, 3), last=datetime.date(2013, 3, 1))
        >>> window_around([]) is None
        True
    """
    sessions = sorted(missing)
    return SessionWindow(sessions[0], sessions[-1]) if sessions else None


def with_overlap(window: SessionWindow, expected: Sequence[date], sessions: int) -> SessionWindow:
    """Return ``window`` begun up to ``sessions`` expected sessions earlier.

    Examples:
        >>> days = [date(2013, 2, 27), date(2013, 2, 28), date(2013, 3, 1)]
        >>> with_overlap(SessionWindow(days[2], days[2]), days, 1).first
        datetime.date(2013, 2, 28)
    """
    earlier = [session for session in expected if session < window.first]
    return SessionWindow(earlier[-sessions:][0] if earlier and sessions else window.first, window.last)
