"""Interval arithmetic on history: what is missing, what is known to be empty, what to ask for.

Daily history comes whole in one call, so the fewest requests are one window from the first
missing session to the last, whatever lies between.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from jutsu_core.arguments import require_dates, require_integer, require_items, require_type
from jutsu_core.bars import require_aware, session_timestamp
from jutsu_core.calendar import TradingCalendar
from jutsu_core.ports import CoverageWindow

BELIEVED_AFTER = timedelta(days=7)
"""How long after a session's close an empty answer is believed; before that it may just be late."""

BELIEVED_FOR = timedelta(days=30)
"""How long an empty answer is believed: one that was cut short must not hide history for ever."""

BROKEN_BELIEVED_FOR = timedelta(hours=20)
"""The same where a broken candle came: the source mends those, so they are asked for again each day."""


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


def known_empty(
    absent: Iterable[date],
    coverage: Sequence[CoverageWindow],
    calendar: TradingCalendar,
    *,
    now: datetime | None = None,
    broken: Collection[date] = (),
) -> set[date]:
    """Return those of ``absent`` sessions for which the source was asked late enough and had nothing.

    Args:
        absent: Sessions without a stored bar.
        coverage: The windows that were asked for.
        calendar: Knows when each session closed.
        now: Believe only answers that are young enough now; of any age if None.
        broken: Sessions for which the source sent something that broke a rule.

    Raises:
        InvalidInputError: An argument is not of its type; a session is a date.
    """
    sessions, mended = require_dates("absent", absent), set(require_dates("broken", broken))
    windows = require_items("coverage", coverage, CoverageWindow, "a CoverageWindow")
    require_type("calendar", calendar, TradingCalendar, "a TradingCalendar")
    moment = None if now is None else require_aware("now", now)

    def is_believed(session: date, window: CoverageWindow) -> bool:
        believed_for = BROKEN_BELIEVED_FOR if session in mended else BELIEVED_FOR
        return (
            window.start <= session_timestamp(session) < window.end
            and window.asked_at >= calendar.close(session) + BELIEVED_AFTER
            and (moment is None or moment < window.asked_at + believed_for)
        )

    return {session for session in sessions if any(is_believed(session, window) for window in windows)}


def window_around(missing: Iterable[date]) -> SessionWindow | None:
    """Return the one window that holds every missing session, or None if none is missing.

    Raises:
        InvalidInputError: ``missing`` is no list of dates.

    Examples:
        >>> window_around([date(2013, 3, 1), date(2012, 1, 3)])
        SessionWindow(first=datetime.date(2012, 1, 3), last=datetime.date(2013, 3, 1))
        >>> window_around([]) is None
        True
    """
    sessions = sorted(require_dates("missing", missing))
    return SessionWindow(sessions[0], sessions[-1]) if sessions else None


def with_overlap(window: SessionWindow, held: Sequence[date], sessions: int) -> SessionWindow:
    """Return ``window`` widened to the nearest ``sessions`` held sessions on either side.

    What comes for those tells whether the source still says what is held around the window.

    Raises:
        InvalidInputError: ``window`` is no :class:`SessionWindow`, ``held`` no list of dates, or ``sessions``
            no integer of at least 0.

    Examples:
        >>> held = [date(2013, 2, 26), date(2013, 2, 27), date(2013, 3, 4), date(2013, 3, 5)]
        >>> with_overlap(SessionWindow(date(2013, 2, 28), date(2013, 3, 1)), held, 1)
        SessionWindow(first=datetime.date(2013, 2, 27), last=datetime.date(2013, 3, 4))
    """
    require_type("window", window, SessionWindow, "a SessionWindow")
    require_integer("sessions", sessions, minimum=0)
    held = require_dates("held", held)
    before = [session for session in held if session < window.first]
    before = before[max(0, len(before) - sessions) :]
    after = [session for session in held if session > window.last][:sessions]
    return SessionWindow(min([window.first, *before]), max([window.last, *after]))
