"""Which session an instant belongs to, and which one it bounds."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.bars import Timeframe, session_timestamp
from jutsu_core.calendar import SETTLING_TIME, TradingCalendar
from jutsu_core.ports import checked_window
from jutsu_core.sessions import EXCHANGE_ZONE, FINAL_AT, exchange_date, session_bound

NEW_YORK = ZoneInfo("America/New_York")
NYSE = TradingCalendar("XNYS", date(2012, 1, 1), date(2013, 12, 31))
SESSIONS = NYSE.sessions(NYSE.first, NYSE.last)
INSTANTS = st.datetimes(datetime(2012, 1, 5), datetime(2013, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis
DAY = timedelta(days=1)


def at(day: date, hour: int, minute: int = 0, zone: ZoneInfo = NEW_YORK) -> datetime:
    return datetime.combine(day, time(hour, minute), zone)


@pytest.mark.parametrize("day", [date(2012, 6, 4), date(2012, 1, 4), date(2013, 3, 10), date(2013, 11, 3)])
def test_midnight_means_the_session_of_its_date_in_utc_and_on_the_exchange_s_clocks(day: date) -> None:
    """In summer, in winter, and on the days on which the clocks change."""
    for midnight in (session_timestamp(day), at(day, 0), at(day, 0, zone=ZoneInfo("America/Chicago"))):
        assert session_bound(midnight) == session_timestamp(day)
        assert exchange_date(midnight) == day


@pytest.mark.parametrize(
    ("moment", "bound"),
    [
        (at(date(2012, 6, 4), 9, 31), date(2012, 6, 4)),
        (at(date(2012, 6, 4), 16), date(2012, 6, 4)),
        (at(date(2012, 6, 4), 17, 29), date(2012, 6, 4)),
        (at(date(2012, 6, 4), 17, 30), date(2012, 6, 5)),
        (at(date(2012, 6, 4), 23, 59), date(2012, 6, 5)),
        (datetime(2012, 6, 4, 12, tzinfo=UTC), date(2012, 6, 4)),
        (datetime(2012, 6, 4, 23, 59, 59, tzinfo=UTC), date(2012, 6, 5)),
        (at(date(2012, 6, 5), 0, zone=ZoneInfo("Asia/Tokyo")), date(2012, 6, 4)),
    ],
)
def test_a_bound_within_a_day_is_the_first_session_that_is_not_final(moment: datetime, bound: date) -> None:
    assert session_bound(moment) == session_timestamp(bound)


@given(INSTANTS)
def test_no_range_holds_a_bar_that_was_not_made_by_its_end(end: datetime) -> None:
    _, after = checked_window(session_timestamp(NYSE.first), end, Timeframe.D1)
    newest = max(session for session in SESSIONS if session_timestamp(session) < after)
    assert NYSE.close(newest) + SETTLING_TIME <= end


@given(INSTANTS)
def test_a_range_until_now_holds_every_bar_that_is_final_at_the_usual_hour(end: datetime) -> None:
    """A half day's bar waits until then."""
    _, after = checked_window(session_timestamp(NYSE.first), end, Timeframe.D1)
    local = end.astimezone(NEW_YORK)
    expected = [day for day in SESSIONS if (day, FINAL_AT) <= (local.date(), local.time())]
    assert [session for session in SESSIONS if session_timestamp(session) < after] == expected


@given(INSTANTS, INSTANTS)
def test_bounds_keep_the_order_of_time(one: datetime, other: datetime) -> None:
    first, second = sorted([one, other])
    assert session_bound(first) <= session_bound(second)


@pytest.mark.parametrize(
    "place", ["America/Mexico_City", "America/Sao_Paulo", "Europe/London", "Asia/Tokyo", "Pacific/Auckland"]
)
def test_midnight_in_utc_means_the_session_of_its_date_wherever_the_exchange_is(place: str) -> None:
    """So a store of any exchange is read by its keys: then, the session before is over and this one is not."""
    for month in range(1, 13):
        midnight = datetime(2013, month, 15, tzinfo=UTC)
        assert session_bound(midnight, place) == midnight
        assert session_bound(midnight + timedelta(microseconds=1), place) == midnight


def test_the_ends_of_time_are_bounds_too() -> None:
    for end in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        assert session_bound(end) == end
        assert exchange_date(end) == end.date()


@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.M30, None])
def test_bounds_of_shorter_bars_stay_instants(timeframe: Timeframe | None) -> None:
    window = (at(date(2012, 6, 4), 9, 31), at(date(2012, 6, 4), 17, 45))
    assert checked_window(*window, timeframe) == window


@pytest.mark.parametrize("timeframe", [Timeframe.D1, Timeframe.W1, Timeframe.MO1])
def test_bounds_of_bars_that_are_keyed_by_a_session_are_sessions(timeframe: Timeframe) -> None:
    window = checked_window(at(date(2012, 6, 4), 9, 31), at(date(2012, 6, 4), 17, 45), timeframe)
    assert window == (session_timestamp(date(2012, 6, 4)), session_timestamp(date(2012, 6, 5)))


@pytest.mark.parametrize(
    ("label", "day"),
    [
        (datetime(2013, 3, 2, 1, 0, tzinfo=UTC), date(2013, 3, 1)),  # 20:00 in New York
        (datetime(2013, 3, 2, 4, 59, tzinfo=UTC), date(2013, 3, 1)),
        (datetime(2013, 3, 2, 5, 0, tzinfo=UTC), date(2013, 3, 2)),
        (datetime(2013, 3, 2, 0, 0, tzinfo=UTC), date(2013, 3, 2)),  # the key of a session
        (at(date(2013, 3, 1), 20), date(2013, 3, 1)),
    ],
)
def test_a_label_lies_on_the_exchange_s_date(label: datetime, day: date) -> None:
    assert exchange_date(label) == day


def test_another_exchange_has_other_dates() -> None:
    moment = datetime(2013, 3, 1, 20, 0, tzinfo=UTC)
    assert exchange_date(moment, EXCHANGE_ZONE) == date(2013, 3, 1)
    assert exchange_date(moment, "Asia/Tokyo") == date(2013, 3, 2)
    assert session_bound(moment, "Asia/Tokyo") == session_timestamp(date(2013, 3, 2))
