"""How files of bars spell a time.

A spelling is a row of one table. The one whose meaning depends on a guess, day and month as numbers
with the year last, is read only by whoever knows its order.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from jutsu_assets.barfiles.reading import DateOrder

MUST_BE = "a date such as 2013-03-01 or 20130301, with or without a time, or an epoch"
REMEDY = "write it with the year first, in four digits"

Order = Callable[[], DateOrder]
"""Tells the order of day and month, once somebody has to know."""


class NumericDate(NamedTuple):
    """A date of which only the year is certain."""

    first: int
    second: int
    year: int

    def read(self, order: DateOrder) -> date | None:
        """Return the date in that order, None where there is none."""
        day, month = (self.first, self.second) if order == "day_first" else (self.second, self.first)
        try:
            return date(self.year, month, day)
        except ValueError:
            return None


# Of seconds those from 1973 to 2033, which no date with an hour (2013030109) can be; of milliseconds those
# after August 1976, which no date with a time (201303010930) can be.
_EPOCHS = (
    (9, 1, 100_000_000, 10**9),
    (10, 1, 1_000_000_000, 2_000_000_000),
    (12, 1_000, 210_000_000_000, 10**12),
    (13, 1_000, 10**12, 10**13),
    (16, 1_000_000, 10**15, 10**16),
    (19, 1_000_000_000, 10**18, 10**19),
)
"""Digits of an epoch, how many of its units make a second, the least and the first too large."""

_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, start=1)}
_TIME = r"(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?|\d{4}(?:\d{2})?)(?:\s*(?P<half>[ap]m)(?![a-z]))?"
_ZONE = r"\(?(?P<zone>[A-Z][A-Z_]+(?:[/+0-9-][A-Z_/+0-9-]*)?)\)?"
_OFFSET = rf"(?:(?P<offset>Z|[+-]\d{{2}}:?\d{{2}}(?::\d{{2}})?)|{_ZONE})"
_CLOCK = rf"(?:[T ]\s*{_TIME}(?:\s*{_OFFSET})?)?"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+)?"
_MONTH = r"(?P<name>jan|feb|mar|apr|may|jun|jul|aug|sept|sep|oct|nov|dec)[a-z]*\.?"
_SPELLINGS = tuple(
    re.compile(spelling, re.IGNORECASE | re.ASCII).fullmatch
    for spelling in (
        rf"(?P<year>\d{{4}})(?P<between>[-/.])(?P<month>\d{{1,2}})(?P=between)(?P<day>\d{{1,2}}){_CLOCK}",
        rf"(?P<year>(?:1[6-9]|2\d)\d{{2}})(?P<month>\d{{2}})(?P<day>\d{{2}}){_CLOCK}",
        r"(?P<year>(?:1[6-9]|2\d)\d{2})(?P<month>\d{2})(?P<day>\d{2})(?P<clock>\d{6})",
        rf"{_WEEKDAY}{_MONTH}\s+(?P<day>\d{{1,2}}),?\s+(?P<year>\d{{4}}),?{_CLOCK}",
        rf"{_WEEKDAY}(?P<day>\d{{1,2}})[\s-]{_MONTH},?[\s-](?P<year>\d{{4}}){_CLOCK}",
        rf"(?P<year>\d{{4}})[\s-]{_MONTH}[\s-](?P<day>\d{{1,2}}){_CLOCK}",
        rf"(?P<first>\d{{1,2}})(?P<between>[-/.])(?P<second>\d{{1,2}})(?P=between)(?P<year>\d{{4}}),?{_CLOCK}",
    )
)
_of_interactive_brokers = re.compile(r"(\d{8})-(\d{2}:\d{2}:\d{2})", re.ASCII).fullmatch  # which is UTC
_clock_alone = re.compile(_TIME, re.IGNORECASE | re.ASCII)
_NOON = 12


class Written(NamedTuple):
    """What a cell says.

    Attributes:
        moment: A time, naive if the cell names no offset.
        has_clock: Whether it names a time of day.
        zone: What it says instead of an offset: a zone, an abbreviation such as ``EST``, or neither.
    """

    moment: datetime
    has_clock: bool
    zone: str | None = None


def written_time(text: str, zone: ZoneInfo, order: Order) -> Written | None:
    """Return the time that ``text`` spells; None if it spells none.

    An epoch comes back as a time in ``zone``; Interactive Brokers' ``20130301-14:30:00`` is UTC.

    Examples:
        >>> written_time("20130301  09:30:00 US/Eastern", ZoneInfo("UTC"), lambda: "day_first").zone
        'US/Eastern'
        >>> written_time("1362148200", ZoneInfo("America/New_York"), lambda: "day_first").moment.isoformat()
        '2013-03-01T09:30:00-05:00'
        >>> written_time("3/4/2013 4:00 PM", ZoneInfo("UTC"), lambda: "day_first").moment.isoformat()
        '2013-04-03T16:00:00'
    """
    found = next((match for spelled in _SPELLINGS if (match := spelled(text))), None)
    # Asked before anything is tried, since it is the whole file's error if nobody knows.
    known = order() if found is not None and "first" in found.groupdict() else None
    try:
        if found is not None:
            return _of_match(found, known)
        if brokers := _of_interactive_brokers(text):
            return Written(datetime.fromisoformat(" ".join(brokers.groups())).replace(tzinfo=UTC), has_clock=True)
        return _of_epoch(text, zone)
    except (ValueError, OverflowError, OSError):
        return None


def numeric_date(text: str) -> NumericDate | None:
    """Return the date that ``text`` begins with, if only an order of day and month says which one it is."""
    found = _SPELLINGS[-1](text)
    return NumericDate(*(int(found[name]) for name in ("first", "second", "year"))) if found else None


def written_clock(text: str) -> time | None:
    """Return the time of day that ``text`` spells, None if it spells none.

    Examples:
        >>> written_clock("093000"), written_clock("4:00 PM")
        (datetime.time(9, 30), datetime.time(16, 0))
    """
    found = _clock_alone.fullmatch(text)
    try:
        return _time(found["clock"], found["half"]) if found else None
    except ValueError:
        return None


def _of_match(found: re.Match[str], order: DateOrder | None) -> Written | None:
    said = found.groupdict()
    if order is not None:
        day = NumericDate(int(said["first"]), int(said["second"]), int(said["year"])).read(order)
        if day is None:
            return None
    else:
        month = _MONTHS[said["name"][:3].lower()] if "name" in said else int(said["month"])
        day = date(int(said["year"]), month, int(said["day"]))
    clock, offset = said.get("clock"), said.get("offset")
    moment = datetime.combine(day, time() if clock is None else _time(clock, said.get("half")))
    if offset is not None:
        moment = _with_offset(moment, offset)
    return Written(moment, clock is not None, said.get("zone"))


def _with_offset(moment: datetime, offset: str) -> datetime:
    if offset in ("Z", "z"):
        return moment.replace(tzinfo=UTC)
    return datetime.fromisoformat(f"{moment.isoformat()}{offset}")


def _time(clock: str, half: str | None) -> time:
    spelled = time.fromisoformat(clock if ":" not in clock or clock[1] != ":" else f"0{clock}")
    if half is None:
        return spelled
    if not 0 < spelled.hour <= _NOON:
        raise ValueError(clock)
    return spelled.replace(hour=spelled.hour % _NOON + (_NOON if half.lower() == "pm" else 0))


def _of_epoch(text: str, zone: ZoneInfo) -> Written | None:
    digits = text.removesuffix(".0")
    if not (digits.isascii() and digits.isdigit()):
        return None
    units = int(digits)
    for count, a_second, least, below in _EPOCHS:
        if len(digits) == count and least <= units < below:
            seconds, rest = divmod(units, a_second)
            moment = datetime.fromtimestamp(seconds, zone).replace(microsecond=rest * 1_000_000 // a_second)
            return Written(moment, has_clock=True)
    return None
