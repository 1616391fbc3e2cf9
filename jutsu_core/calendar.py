"""Exchange sessions: which days an exchange trades, and when a day's bar is complete.

Sessions, early closes and holidays come from ``exchange_calendars``; nothing here holds a
date of its own. A calendar is built for the span that its user names, so that building one
needs no wall clock.
"""

from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import exchange_calendars
import pandas as pd

from jutsu_core.arguments import require_date, require_integer, require_type
from jutsu_core.bars import require_aware
from jutsu_core.errors import InvalidInputError

SETTLING_TIME = timedelta(minutes=90)
"""How long after the close a daily bar may still change: brokers settle it about an hour later."""


class TradingCalendar:
    """The sessions of one exchange between two dates, both included.

    Args:
        name: Code that ``exchange_calendars`` knows, for example ``XNYS``.
        first: First date that may be asked about.
        last: Last date that may be asked about.

    Attributes:
        zone: Name of the exchange's time zone.

    Raises:
        InvalidInputError: The name is unknown, ``last`` is before ``first``, or the exchange's
            sessions are not known for all of the span.

    Examples:
        >>> nyse = TradingCalendar("XNYS", date(2012, 10, 26), date(2012, 10, 31))
        >>> [day.isoformat() for day in nyse.sessions(date(2012, 10, 26), date(2012, 10, 31))]
        ['2012-10-26', '2012-10-31']
    """

    def __init__(self, name: str, first: date, last: date) -> None:
        if require_date("last", last) < require_date("first", first):
            message = f"last must be on or after first {first}, was {last}"
            raise InvalidInputError(message)
        self.name = require_type("name", name, str, "a text such as 'XNYS'")
        self.first = first
        self.last = last
        self.zone: str = _calendar(name, first.year, last.year).tz.key
        known = _hours(name, first.year, last.year)
        self._hours = {session: hours for session, hours in known.items() if first <= session <= last}
        self._sessions = list(self._hours)

    def sessions(self, first: date, last: date) -> list[date]:
        """Return the sessions from ``first`` to ``last``, both included, ascending.

        Raises:
            InvalidInputError: The span reaches beyond this calendar's, or a bound is no date.
        """
        if require_date("first", first) <= require_date("last", last) and not (
            self.first <= first and last <= self.last
        ):
            message = f"sessions must lie within {self.first}..{self.last} of this calendar, were {first}..{last}"
            raise InvalidInputError(message)
        return self._sessions[bisect_left(self._sessions, first) : bisect_right(self._sessions, last)]

    def open(self, session: date) -> datetime:
        """Return when ``session`` opens, UTC.

        Raises:
            InvalidInputError: ``session`` is not a session of this calendar.
        """
        return self._hours_of(session)[0]

    def close(self, session: date) -> datetime:
        """Return when ``session`` closes, UTC.

        Raises:
            InvalidInputError: ``session`` is not a session of this calendar.
        """
        return self._hours_of(session)[1]

    def _hours_of(self, session: date) -> tuple[datetime, datetime]:
        require_date("session", session)
        try:
            return self._hours[session]
        except KeyError:
            message = f"session must be a session of {self.name} in {self.first}..{self.last}, was {session}"
            raise InvalidInputError(message) from None

    def last_complete_session(self, now: datetime) -> date | None:
        """Return the newest session whose daily bar is final at ``now``, or None before the first.

        Raises:
            InvalidInputError: ``now`` is no aware datetime.
        """
        settled = bisect_right(self._sessions, require_aware("now", now) - SETTLING_TIME, key=self.close)
        return self._sessions[settled - 1] if settled else None


def exchange_zone(name: str, year: int) -> ZoneInfo:
    """Return the time zone of the exchange ``name`` in ``year``.

    Raises:
        InvalidInputError: The name is unknown.

    Examples:
        >>> exchange_zone("XNYS", 2026).key
        'America/New_York'
    """
    return ZoneInfo(_calendar_of(name, year).tz.key)


def closing_times(name: str, year: int) -> list[time]:
    """Return the times of day at which the exchange ``name`` closes in ``year``: usually, and early.

    Raises:
        InvalidInputError: The name is unknown.

    Examples:
        >>> [closing.isoformat() for closing in closing_times("XNYS", 2026)]
        ['13:00:00', '16:00:00']
    """
    calendar = _calendar_of(name, year)
    local = calendar.closes.dt.tz_convert(calendar.tz)
    return sorted({moment.time() for moment in local.dt.to_pydatetime()})


def day_off(name: str, day: date) -> str:
    """Return in a word why the exchange ``name`` does not trade on ``day``.

    Raises:
        InvalidInputError: The name is unknown, or ``day`` is a session.

    Examples:
        >>> day_off("XNYS", date(2026, 11, 26)), day_off("XNYS", date(2026, 11, 28))
        ('Thanksgiving', 'Saturday')
    """
    calendar = _calendar_of(name, require_date("day", day).year)
    stamp = pd.Timestamp(day)
    if calendar.is_session(stamp):
        message = f"day must be one on which {name} does not trade, was the session {day}"
        raise InvalidInputError(message)
    if calendar.weekmask[day.weekday()] == "0":
        return f"{day:%A}"
    known = calendar.regular_holidays
    names = [] if known is None else list(known.holidays(stamp, stamp, return_name=True))
    return " ".join(str(names[0]).split()) if names else "a closure of that day alone"


def _calendar_of(name: object, year: object) -> "exchange_calendars.ExchangeCalendar":
    # Here, since the cache beneath would ask what it is given for a hash first.
    code = require_type("name", name, str, "a text such as 'XNYS'")
    number = require_integer("year", year, minimum=date.min.year, maximum=date.max.year)
    return _calendar(code, number, number)


@lru_cache(maxsize=8)
def _calendar(name: str, first_year: int, last_year: int) -> "exchange_calendars.ExchangeCalendar":
    known = exchange_calendars.get_calendar_names()
    if name not in known:
        message = f"calendar must be a code that exchange_calendars knows, such as XNYS, was {name!r}"
        raise InvalidInputError(message)
    try:
        return exchange_calendars.get_calendar(
            name, start=pd.Timestamp(first_year, 1, 1), end=pd.Timestamp(last_year, 12, 31)
        )
    except ValueError as error:
        message = f"calendar {name} must be known from {first_year} to {last_year}: {error}"
        raise InvalidInputError(message) from error


@lru_cache(maxsize=8)
def _hours(name: str, first_year: int, last_year: int) -> dict[date, tuple[datetime, datetime]]:
    calendar = _calendar(name, first_year, last_year)
    hours = (column.dt.tz_convert(UTC).dt.to_pydatetime() for column in (calendar.opens, calendar.closes))
    return dict(zip((day.date() for day in calendar.opens.index), zip(*hours, strict=True), strict=True))
