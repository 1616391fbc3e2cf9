"""Sessions of the New York Stock Exchange: published holidays, early closes, summer time, the last final bar."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.calendar import SETTLING_TIME, TradingCalendar
from jutsu_core.errors import InvalidInputError
from tests.support.builders import days

NEW_YORK = ZoneInfo("America/New_York")
NYSE = TradingCalendar("XNYS", date(2000, 1, 1), date(2013, 12, 31))
SESSIONS = NYSE.sessions(NYSE.first, NYSE.last)
INSTANT = timedelta(microseconds=1)

HOLIDAYS_2013 = [
    date(2013, 1, 1),
    date(2013, 1, 21),
    date(2013, 2, 18),
    date(2013, 3, 29),  # Good Friday, no federal holiday
    date(2013, 5, 27),
    date(2013, 7, 4),
    date(2013, 9, 2),
    date(2013, 11, 28),
    date(2013, 12, 25),
]
EARLY_CLOSES = [date(2012, 7, 3), date(2012, 11, 23), date(2012, 12, 24), date(2013, 7, 3), date(2013, 11, 29)]


def closing_time(session: date) -> time:
    return NYSE.close(session).astimezone(NEW_YORK).time()


def test_every_weekday_that_is_no_holiday_is_a_session() -> None:
    year = days(date(2013, 1, 1), 365)
    expected = [day for day in year if day.weekday() < 5 and day not in HOLIDAYS_2013]
    assert NYSE.sessions(year[0], year[-1]) == expected
    assert len(expected) == 252


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (date(2001, 9, 10), date(2001, 9, 17)),  # the attacks
        (date(2012, 10, 26), date(2012, 10, 31)),  # the hurricane
        (date(2004, 6, 10), date(2004, 6, 14)),  # Reagan's funeral
    ],
)
def test_the_exchange_was_shut_between(before: date, after: date) -> None:
    assert NYSE.sessions(before, after) == [before, after]


def test_a_range_includes_both_ends() -> None:
    assert NYSE.sessions(date(2013, 2, 28), date(2013, 3, 4)) == [
        date(2013, 2, 28),
        date(2013, 3, 1),
        date(2013, 3, 4),
    ]
    assert NYSE.sessions(date(2013, 3, 1), date(2013, 3, 1)) == [date(2013, 3, 1)]
    assert NYSE.sessions(date(2013, 3, 2), date(2013, 3, 3)) == []
    assert NYSE.sessions(date(2013, 3, 4), date(2013, 3, 1)) == []


def test_a_calendar_knows_no_session_outside_its_span() -> None:
    short = TradingCalendar("XNYS", date(2013, 2, 28), date(2013, 3, 4))
    for first, last in ((date(2013, 2, 27), short.last), (short.first, date(2013, 3, 5))):
        expected = rf"^sessions must lie within 2013-02-28\.\.2013-03-04 of this calendar, were {first}\.\.{last}$"
        with pytest.raises(InvalidInputError, match=expected):
            short.sessions(first, last)
    with pytest.raises(InvalidInputError, match=r"of XNYS in 2013-02-28\.\.2013-03-04, was 2013-03-05"):
        short.close(date(2013, 3, 5))


@pytest.mark.parametrize("session", EARLY_CLOSES)
def test_a_half_day_closes_at_one(session: date) -> None:
    assert closing_time(session) == time(13)


def test_every_other_session_of_two_years_closes_at_four() -> None:
    sessions = NYSE.sessions(date(2012, 1, 1), date(2013, 12, 31))
    early = [session for session in sessions if closing_time(session) != time(16)]
    assert early == sorted([*EARLY_CLOSES, date(2013, 12, 24)])


@pytest.mark.parametrize(
    ("session", "hour"),
    [
        (date(2013, 3, 8), 21),
        (date(2013, 3, 11), 20),
        (date(2013, 11, 1), 20),
        (date(2013, 11, 4), 21),
        (date(2006, 3, 31), 21),  # until 2006 summer time began in April
        (date(2006, 4, 3), 20),
    ],
)
def test_the_close_moves_with_summer_time(session: date, hour: int) -> None:
    close = NYSE.close(session)
    assert close == datetime(session.year, session.month, session.day, hour, tzinfo=UTC)
    assert close.tzinfo is UTC


@pytest.mark.parametrize("day", [date(2013, 3, 2), date(2013, 3, 29), date(2014, 1, 2), date(1999, 12, 31)])
def test_a_day_that_is_no_session_has_no_close(day: date) -> None:
    expected = rf"^session must be a session of XNYS in 2000-01-01\.\.2013-12-31, was {day}$"
    with pytest.raises(InvalidInputError, match=expected):
        NYSE.close(day)


@given(st.integers(1, len(SESSIONS) - 1))
def test_a_session_is_complete_once_its_bar_has_settled_and_not_before(index: int) -> None:
    settled = NYSE.close(SESSIONS[index]) + SETTLING_TIME
    assert NYSE.last_complete_session(settled - INSTANT) == SESSIONS[index - 1]
    assert NYSE.last_complete_session(settled) == SESSIONS[index]


@pytest.mark.parametrize(
    ("now", "session"),
    [
        ("2013-03-01T16:00", date(2013, 2, 28)),  # the very close
        ("2013-03-01T17:29", date(2013, 2, 28)),
        ("2013-03-01T17:30", date(2013, 3, 1)),
        ("2013-03-04T09:00", date(2013, 3, 1)),  # after a weekend
        ("2013-03-31T12:00", date(2013, 3, 28)),  # Good Friday
        ("2012-11-23T14:29", date(2012, 11, 21)),  # a half day after Thanksgiving
        ("2012-11-23T14:30", date(2012, 11, 23)),
        ("2014-07-01T12:00", date(2013, 12, 31)),  # beyond the calendar's span
    ],
)
def test_the_last_complete_session_in_new_york_time(now: str, session: date) -> None:
    assert NYSE.last_complete_session(datetime.fromisoformat(now).replace(tzinfo=NEW_YORK)) == session


def test_before_the_first_close_no_session_is_complete() -> None:
    settled = NYSE.close(SESSIONS[0]) + SETTLING_TIME
    assert NYSE.last_complete_session(settled) == SESSIONS[0]
    assert NYSE.last_complete_session(settled - INSTANT) is None


def test_a_span_without_a_session_is_a_calendar_all_the_same() -> None:
    weekend = TradingCalendar("XNYS", date(2013, 3, 2), date(2013, 3, 3))
    assert weekend.sessions(weekend.first, weekend.last) == []
    assert weekend.last_complete_session(datetime(2020, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize("name", ["", "xnys", "NYSE!", "XNYS "])
def test_an_unknown_exchange_is_refused(name: str) -> None:
    expected = f"^calendar must be a code that exchange_calendars knows, such as XNYS, was {name!r}$"
    with pytest.raises(InvalidInputError, match=expected):
        TradingCalendar(name, date(2013, 1, 1), date(2013, 12, 31))


def test_a_span_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"^last must be on or after first 2013-03-02, was 2013-03-01$"):
        TradingCalendar("XNYS", date(2013, 3, 2), date(2013, 3, 1))


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("XHKG", date(1950, 1, 1), date(1951, 1, 1)),
        ("XKRX", date(2013, 1, 1), date(2100, 1, 1)),
        ("XNYS", date(1600, 1, 1), date(1601, 1, 1)),
        ("XNYS", date(2013, 1, 1), date(2300, 1, 1)),
    ],
)
def test_a_span_of_which_the_exchange_is_not_known_is_refused(name: str, first: date, last: date) -> None:
    expected = f"^calendar {name} must be known from {first.year} to {last.year}: "
    with pytest.raises(InvalidInputError, match=expected):
        TradingCalendar(name, first, last)


def test_another_exchange_has_its_own_holidays() -> None:
    london = TradingCalendar("XLON", date(2013, 3, 28), date(2013, 4, 2))
    assert london.sessions(london.first, london.last) == [date(2013, 3, 28), date(2013, 4, 2)]


@pytest.mark.parametrize(("name", "zone"), [("XNYS", "America/New_York"), ("XLON", "Europe/London")])
def test_a_calendar_knows_where_its_exchange_s_clocks_are(name: str, zone: str) -> None:
    assert TradingCalendar(name, date(2013, 1, 2), date(2013, 1, 31)).zone == zone
