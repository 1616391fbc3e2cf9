"""What stands beside the interfaces: one stream of many, and what a reader may be asked."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.bars import Timeframe, session_timestamp
from jutsu_core.errors import InvalidInputError
from jutsu_core.events import MarketDataEvent
from jutsu_core.ports import BEGINNING, END_OF_TIME, checked_symbols, checked_window, merge_in_time_order
from jutsu_core.sessions import SESSION_FRAMES
from tests.support.builders import NOON, event

DAY = timedelta(days=1)


@given(st.dictionaries(st.sampled_from(["AAPL", "IBM", "MSFT"]), st.lists(st.integers(0, 9), unique=True)))
def test_streams_become_one_ordered_by_time_and_then_by_symbol(days_of: dict[str, list[int]]) -> None:
    streams = [[event(symbol=symbol, timestamp=NOON + n * DAY) for n in sorted(ns)] for symbol, ns in days_of.items()]
    merged = list(merge_in_time_order(streams))
    assert merged == sorted((one for stream in streams for one in stream), key=lambda one: (one.timestamp, one.symbol))


def test_bars_of_one_instant_in_two_timezones_are_a_tie() -> None:
    local = event(symbol="AAPL", timestamp=NOON.astimezone(ZoneInfo("Asia/Tokyo")))
    other = event(symbol="IBM", timestamp=NOON)
    assert list(merge_in_time_order([[other], [local]])) == [local, other]


def test_streams_are_read_no_further_than_needed() -> None:
    def endless(symbol: str) -> Iterator[MarketDataEvent]:
        stamp = NOON
        while True:
            yield event(symbol=symbol, timestamp=stamp)
            stamp += DAY

    merged = islice(merge_in_time_order([endless("MSFT"), endless("AAPL")]), 3)
    assert [one.symbol for one in merged] == ["AAPL", "MSFT", "AAPL"]


def test_symbols_are_asked_for_once_each_in_their_order() -> None:
    assert checked_symbols(["MSFT", "AAPL", "MSFT"]) == ("MSFT", "AAPL")
    assert checked_symbols([]) == ()


def test_a_text_is_one_symbol() -> None:
    assert checked_symbols("AAPL") == ("AAPL",)


def test_a_window_comes_back_in_utc_and_may_be_empty() -> None:
    start, end = checked_window(NOON.astimezone(ZoneInfo("Asia/Tokyo")), NOON)
    assert start == end == NOON
    assert start.tzinfo is end.tzinfo is UTC


def test_a_window_that_ends_before_it_begins_is_refused() -> None:
    expected = r"^end must be at or after start 2013-03-04T12:00:00\+00:00, was 2013-03-03T12:00:00\+00:00$"
    with pytest.raises(InvalidInputError, match=expected):
        checked_window(NOON, NOON - DAY)


def test_dates_in_the_wrong_order_are_shown_as_they_were_written() -> None:
    expected = "^end must be at or after start 2013-03-04, was 2013-03-01$"
    with pytest.raises(InvalidInputError, match=expected):
        checked_window("2013-03-04", date(2013, 3, 1), Timeframe.D1)


@pytest.mark.parametrize("name", ["start", "end"])
def test_a_naive_bound_is_refused_by_its_name(name: str) -> None:
    bounds: dict[str, datetime] = {"start": NOON, "end": NOON}
    bounds[name] = NOON.replace(tzinfo=None)
    with pytest.raises(InvalidInputError, match=f"^{name} must be timezone-aware, was the naive 2013-03-04T12:00:00"):
        checked_window(bounds["start"], bounds["end"])


@pytest.mark.parametrize("timeframe", [None, *Timeframe])
def test_a_date_begins_at_midnight_on_the_exchange_and_means_its_session(timeframe: Timeframe | None) -> None:
    """On both sides of a change of the clocks, and of any exchange; a text and a date say the same."""
    for zone in ("America/New_York", "Asia/Tokyo", "UTC"):
        for day in (date(2013, 3, 8), date(2013, 3, 10), date(2013, 3, 11)):
            midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
            expected = checked_window(midnight, midnight + DAY, timeframe, exchange_zone=zone)[0]
            for bound in (day, day.isoformat()):
                assert checked_window(bound, None, timeframe, exchange_zone=zone) == (expected, END_OF_TIME)
                assert checked_window(None, bound, timeframe, exchange_zone=zone) == (BEGINNING, expected)
            if timeframe in SESSION_FRAMES:
                assert expected == session_timestamp(day)


@pytest.mark.parametrize("timeframe", [None, Timeframe.M1, Timeframe.D1])
@pytest.mark.parametrize("bound", ["9999-12-31", date(9999, 12, 31), datetime.max.replace(tzinfo=UTC)])
def test_a_range_that_begins_at_the_end_of_time_and_has_no_other_bound_is_empty(
    bound: object, timeframe: Timeframe | None
) -> None:
    first, after = checked_window(bound, None, timeframe)  # type: ignore[arg-type]  # one of several kinds
    assert first == after


@pytest.mark.parametrize("bound", ["2010", "2010-1-4", "04.01.2010", "", "2010-01-04 ", "2010-02-30", 20100104])
def test_what_is_no_date_is_refused_by_its_name_and_says_what_one_is(bound: object) -> None:
    expected = f"^end must be a date such as '2010-01-04' or a timezone-aware datetime, was {bound!r}$"
    with pytest.raises(InvalidInputError, match=expected):
        checked_window(None, bound)  # type: ignore[arg-type]  # the point
