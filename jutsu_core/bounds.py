"""What may be written as a bound of a range of bars: an instant, a date, or nothing.

A date is what its text or a ``datetime.date`` says, and begins at midnight on the exchange's clocks; so of daily
bars it means the session of that date. An instant is aware: a naive time means another one on every machine.
"""

import re
from datetime import date, datetime

from jutsu_core.arguments import refuse, shown
from jutsu_core.bars import require_aware
from jutsu_core.sessions import EXCHANGE_ZONE, zone_of

Bound = datetime | date | str | None
"""An aware instant; a date, such as ``"2010-01-04"``; or None where a range has no bound."""

_MUST_BE = "a date such as '2010-01-04' or a timezone-aware datetime"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def instant_of(name: str, bound: Bound, absent: datetime, *, exchange_zone: str = EXCHANGE_ZONE) -> datetime:
    """Return the instant that ``bound`` means, in UTC.

    Args:
        name: What the caller calls it.
        bound: What was given.
        absent: What None means.
        exchange_zone: Where the exchange's clocks are.

    Raises:
        InvalidInputError: ``bound`` is naive, or is no bound.

    Examples:
        >>> from datetime import UTC
        >>> instant_of("start", "2012-06-04", datetime(1, 1, 1, tzinfo=UTC)).isoformat()
        '2012-06-04T04:00:00+00:00'
    """
    if bound is None:
        return require_aware(name, absent)
    moment: object = _date_of(name, bound) if isinstance(bound, str) else bound
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=zone_of(exchange_zone))
    if not isinstance(moment, datetime):
        refuse(name, _MUST_BE, shown(bound))
    return require_aware(name, moment)


def _date_of(name: str, text: str) -> date:
    if _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    return refuse(name, _MUST_BE, shown(text))
