"""Which session an instant belongs to, and which one it bounds.

A daily bar carries no time of day: its key is 00:00 UTC of its session's date. So an instant has to
be read as a session in two places, and these are the two readings:

- a **label** at 00:00 UTC is the session of that date, any other one lies on the date that the
  exchange's clocks show then;
- a **bound** of a range means the first session whose daily bar is not final at that instant, so that
  no range that ends at an instant holds a bar that was not made by then.

What does not belong here: which dates are sessions, and when each closes (``calendar``).
"""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from jutsu_core.arguments import refuse, shown
from jutsu_core.bars import Timeframe, require_aware, session_timestamp

EXCHANGE_ZONE = "America/New_York"
"""Where the exchange's clocks are, unless one says otherwise."""

FINAL_AT = time(17, 30)
"""When the bar of a usual session is final, on the exchange's clocks; that of a half day is so earlier."""

SESSION_FRAMES = (Timeframe.D1, Timeframe.W1, Timeframe.MO1)
"""Whose bars are of whole sessions, and keyed by 00:00 UTC of a session's date."""

_DAY = timedelta(days=1)
_MIDNIGHT = time(0)


@lru_cache(maxsize=8)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def zone_of(exchange_zone: object) -> ZoneInfo:
    """Return the time zone called ``exchange_zone``.

    Raises:
        InvalidInputError: There is none.

    Examples:
        >>> zone_of("America/New_York").key
        'America/New_York'
    """
    try:
        if isinstance(exchange_zone, str):
            return _zone(exchange_zone)
    except (ValueError, OSError, LookupError):
        pass
    return refuse("exchange_zone", "an IANA name such as America/New_York", shown(exchange_zone))


def exchange_date(moment: datetime, exchange_zone: str = EXCHANGE_ZONE) -> date:
    """Return the session date of a label: of 00:00 UTC that date, else the one on the exchange's clocks.

    Raises:
        InvalidInputError: ``moment`` is no aware datetime, or the zone is unknown.

    Examples:
        >>> from datetime import UTC
        >>> exchange_date(datetime(2013, 3, 1, tzinfo=UTC)).isoformat()
        '2013-03-01'
        >>> exchange_date(datetime(2013, 3, 2, 1, 0, tzinfo=UTC)).isoformat()  # 20:00 in New York
        '2013-03-01'
    """
    utc = require_aware("moment", moment)
    zone_of(exchange_zone)
    return utc.date() if utc.time() == _MIDNIGHT else clock_date(utc, exchange_zone)


def clock_date(moment: datetime, exchange_zone: str = EXCHANGE_ZONE) -> date:
    """Return the date that the exchange's clocks show at ``moment``, which is an instant and no label.

    Raises:
        InvalidInputError: ``moment`` is no aware datetime, or the zone is unknown.

    Examples:
        >>> from datetime import UTC
        >>> clock_date(datetime(2013, 3, 2, tzinfo=UTC)).isoformat()  # 19:00 in New York
        '2013-03-01'
    """
    utc = require_aware("moment", moment)
    zone = zone_of(exchange_zone)
    try:
        return utc.astimezone(zone).date()
    except OverflowError:  # the first or the last day of all
        return utc.date()


def session_bound(moment: datetime, exchange_zone: str = EXCHANGE_ZONE) -> datetime:
    """Return the key of the session that ``moment`` bounds: the first whose daily bar is not final then.

    So 00:00 UTC of a date and midnight of that date on the exchange's clocks both mean the session of
    that date, as does any instant from then until ``FINAL_AT``; a later one means the next date's.

    Raises:
        InvalidInputError: ``moment`` is no aware datetime, or the zone is unknown.

    Examples:
        >>> from datetime import UTC
        >>> new_york = ZoneInfo("America/New_York")
        >>> for hour in (0, 9, 18):
        ...     print(session_bound(datetime(2012, 6, 4, hour, tzinfo=new_york)).date())
        2012-06-04
        2012-06-04
        2012-06-05
        >>> session_bound(datetime(2012, 6, 4, tzinfo=UTC)).date().isoformat()
        '2012-06-04'
    """
    utc = require_aware("moment", moment)
    zone = zone_of(exchange_zone)
    if utc.time() == _MIDNIGHT:
        return utc
    try:
        local = utc.astimezone(zone)
        return session_timestamp(local.date() + _DAY if local.time() >= FINAL_AT else local.date())
    except OverflowError:  # the first or the last day of all, where no bar is
        return utc
