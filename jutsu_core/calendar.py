"""Exchange sessions: which days an exchange trades, and when a day's bar is complete.

Sessions, early closes and holidays come from ``exchange_calendars``; nothing here holds a
date of its own. A calendar is built for the span that its user names, so that building one
needs no wall clock.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import exchange_calendars
import pandas as pd

from jutsu_core.errors import InvalidInputError

SETTLING_TIME = timedelta(minutes=90)
"""How long after the close a daily bar may still change: brokers settle it about an hour later."""


class TradingCalendar:
    """The sessions of one exchange between two dates, both included.

    Args:
        name: Code that ``exchange_calendars`` knows, for example ``XNYS``.
        first: First date that may be asked about.
        last: Last date that may be asked about.

    Raises:
        InvalidInputError: The name is unknown, or ``last`` is before ``first``.

    Examples:
        >>> nyse = TradingCalendar("XNYS", date(2012, 10, 26), date(2012, 10, 31))
        >>> [day.isoformat() for day in nyse.sessions(date(2012, 10, 26), date(2012, 10, 31))]
        ['2012-10-26', '2012-10-31']
    """

    def __init__(self, name: str, first: date, last: date) -> None:
        if last < first:
            message = f"last must be on or after first {first}, was {last}"
            raise InvalidInputError(message)
        self.name = name
        self.first = first
        self.last = last
        closes = _closes(name, first.year, last.year)
        self._closes = closes[(closes.index >= pd.Timestamp(first)) & (closes.index <= pd.Timestamp(last))]

    def sessions(self, first: date, last: date) -> list[date]:
        """Return the sessions from ``first`` to ``last``, both included, ascending."""
        days = self._closes.index
        chosen = days[(days >= pd.Timestamp(first)) & (days <= pd.Timestamp(last))]
        return [stamp.date() for stamp in chosen]

    def close(self, session: date) -> datetime:
        """Return when ``session`` closes, UTC.

        Raises:
            InvalidInputError: ``session`` is not a session of this calendar.
        """
        try:
            stamp = self._closes.loc[pd.Timestamp(session)]
        except KeyError:
            message = f"session must be a session of {self.name} in {self.first}..{self.last}, was {session}"
            raise InvalidInputError(message) from None
        return pd.Timestamp(stamp).to_pydatetime()

    def last_complete_session(self, now: datetime) -> date | None:
        """Return the newest session whose daily bar is final at ``now``, or None before the first."""
        settled = self._closes[self._closes <= pd.Timestamp(now) - SETTLING_TIME]
        return None if settled.empty else settled.index[-1].date()


@lru_cache(maxsize=8)
def _closes(name: str, first_year: int, last_year: int) -> "pd.Series[pd.Timestamp]":
    known = exchange_calendars.get_calendar_names()
    if name not in known:
        message = f"calendar must be a code that exchange_calendars knows, such as XNYS, was {name!r}"
        raise InvalidInputError(message)
    calendar = exchange_calendars.get_calendar(
        name, start=pd.Timestamp(first_year, 1, 1), end=pd.Timestamp(last_year, 12, 31)
    )
    closes: pd.Series[pd.Timestamp] = calendar.closes.dt.tz_convert(UTC)
    return closes
