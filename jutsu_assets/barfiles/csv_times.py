"""How files of bars spell a time."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MUST_BE = "a date such as 2013-03-01 or 20130301, with or without a time, or an epoch"
REMEDY = "write the year first (03/01/2013 is read only as Nasdaq, Barchart and Investing.com write it)"

# Digits of an epoch, and how many of its units make a second. Of seconds those from 2001 to 2033, which no
# date with an hour (2013030109) can be; of milliseconds those after August 1976, which no date with a time
# (201303010930) can be.
_SECOND = {10: 1, 12: 1_000, 13: 1_000, 16: 1_000_000, 19: 1_000_000_000}
_LEAST = {10: 1_000_000_000, 12: 210_000_000_000}
_BELOW = {10: 2_000_000_000}
_DATE_DIGITS = 8
_of_interactive_brokers = re.compile(r"([0-9]{8})( +|-)([0-9:]{8})(?: +([A-Za-z_/+0-9-]+))?").fullmatch


def written_time(text: str, zone: ZoneInfo, *, month_first: bool) -> datetime | None:
    """Return the time that ``text`` spells, naive if it names no offset; None if it spells none.

    An epoch comes back as a time in ``zone``; Interactive Brokers' ``20130301-14:30:00`` is UTC.

    Examples:
        >>> written_time("20130301  09:30:00 US/Eastern", ZoneInfo("UTC"), month_first=False).isoformat()
        '2013-03-01T09:30:00-05:00'
        >>> written_time("1362148200", ZoneInfo("America/New_York"), month_first=False).isoformat()
        '2013-03-01T09:30:00-05:00'
    """
    try:
        if text[4:5] == "-" or len(text) == _DATE_DIGITS:
            return datetime.fromisoformat(text)
        if text.isdigit() and text.isascii():
            return _of_epoch(text, zone)
        if text[4:5] in ("/", "."):
            return datetime.fromisoformat(text.replace(text[4], "-", 2))
        if found := _of_interactive_brokers(text):
            date, between, time, name = found.groups()
            written = datetime.fromisoformat(f"{date} {time}")
            return written.replace(tzinfo=UTC if between == "-" else ZoneInfo(name) if name else None)
        if month_first:
            date, *time_of_day = text.split(" ", 1)
            month, day, year = date.split("/")
            return datetime.fromisoformat(" ".join([f"{year}-{month:0>2}-{day:0>2}", *time_of_day]))
    except (ValueError, OverflowError, OSError, ZoneInfoNotFoundError):
        pass
    return None


def _of_epoch(text: str, zone: ZoneInfo) -> datetime | None:
    units, digits = int(text), len(text)
    if digits not in _SECOND or not _LEAST.get(digits, 0) <= units < _BELOW.get(digits, 10**digits):
        return None
    seconds, rest = divmod(units, _SECOND[digits])
    return datetime.fromtimestamp(seconds, zone).replace(microsecond=rest * 1_000_000 // _SECOND[digits])
