"""What files say of time zones, and when clocks there showed a time: once, never or twice."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_NAMES_OF_UTC = ("UTC", "GMT")
_is_abbreviation = re.compile(r"[A-Z]{2,4}(?:\d[A-Z]{3,4})?", re.IGNORECASE | re.ASCII).fullmatch


@lru_cache(maxsize=64)
def zone_named(name: str) -> ZoneInfo | None:
    """Return the zone of an IANA name, or of UTC's; None for any other, and for an abbreviation.

    ``EST`` is New York's winter to one and has a summer to another, ``CST`` is Chicago's or Shanghai's.

    Examples:
        >>> zone_named("US/Eastern").key, zone_named("gmt").key, zone_named("EST"), zone_named("Mars/Phobos")
        ('US/Eastern', 'UTC', None, None)
    """
    if name.upper() in _NAMES_OF_UTC:
        return ZoneInfo("UTC")
    try:
        return ZoneInfo(name) if "/" in name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def may_be_zone(name: str) -> bool:
    """Return whether ``name`` is that of a zone, or an abbreviation such as clocks of some zone bear.

    Examples:
        >>> may_be_zone("America/New_York"), may_be_zone("EST"), may_be_zone("Mars/Phobos"), may_be_zone("total")
        (True, True, False, False)
    """
    return zone_named(name) is not None or _is_abbreviation(name) is not None


def instants_of(moment: datetime, zone: ZoneInfo, abbreviation: str | None = None) -> tuple[datetime, ...]:
    """Return when clocks of ``zone`` showed ``moment``: never or twice where they are put forward or back.

    Args:
        moment: What they showed, naive.
        zone: Where they are.
        abbreviation: What the time is called there; others are left out.

    Examples:
        >>> new_york, repeated = ZoneInfo("America/New_York"), datetime(2024, 11, 3, 1, 30)
        >>> [at.hour for at in instants_of(repeated, new_york)], instants_of(repeated, new_york, "CET")
        ([5, 6], ())
    """
    one, other = moment.replace(tzinfo=zone), moment.replace(tzinfo=zone, fold=1)
    if abbreviation is None and one.utcoffset() == other.utcoffset():  # nearly always
        return (one.astimezone(UTC),)
    named = (aware for aware in (one, other) if abbreviation is None or _is_called(aware, abbreviation.upper()))
    # Of a skipped time neither comes back as it was.
    instants = sorted({aware.astimezone(UTC) for aware in named})
    return tuple(at for at in instants if at.astimezone(zone).replace(tzinfo=None) == moment)


def _is_called(aware: datetime, abbreviation: str) -> bool:
    """Return whether a time is called so where it is: 09:30 EST is 09:30 ET as well."""
    name = aware.tzname() or ""
    return abbreviation in (name, f"{name[:1]}{name[-1:]}")
