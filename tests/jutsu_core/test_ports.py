"""What stands beside the interfaces: one stream of many, and what a reader may be asked."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.errors import InvalidInputError
from jutsu_core.events import MarketDataEvent
from jutsu_core.ports import checked_symbols, checked_window, merge_in_time_order
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


def test_a_string_is_no_list_of_symbols() -> None:
    with pytest.raises(InvalidInputError, match=r"^symbols must be a list of symbols, was the string 'AAPL'; write"):
        checked_symbols("AAPL")


def test_a_window_comes_back_in_utc_and_may_be_empty() -> None:
    start, end = checked_window(NOON.astimezone(ZoneInfo("Asia/Tokyo")), NOON)
    assert start == end == NOON
    assert start.tzinfo is end.tzinfo is UTC


def test_a_window_that_ends_before_it_begins_is_refused() -> None:
    expected = r"^end must be at or after start 2013-03-04T12:00:00\+00:00, was 2013-03-03T12:00:00\+00:00$"
    with pytest.raises(InvalidInputError, match=expected):
        checked_window(NOON, NOON - DAY)


@pytest.mark.parametrize("name", ["start", "end"])
def test_a_naive_bound_is_refused_by_its_name(name: str) -> None:
    bounds: dict[str, datetime] = {"start": NOON, "end": NOON}
    bounds[name] = NOON.replace(tzinfo=None)
    with pytest.raises(InvalidInputError, match=f"^{name} must be timezone-aware, was the naive 2013-03-04T12:00:00"):
        checked_window(bounds["start"], bounds["end"])
