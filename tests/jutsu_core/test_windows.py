"""Windows: what is known to be empty, what to ask for, how much overlap."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.calendar import TradingCalendar
from jutsu_core.ports import CoverageWindow
from jutsu_core.windows import BELIEVED_AFTER, SessionWindow, known_empty, window_around, with_overlap

NYSE = TradingCalendar("XNYS", date(2013, 1, 1), date(2013, 12, 31))
MARCH = NYSE.sessions(date(2013, 3, 1), date(2013, 3, 31))
FRIDAY, MONDAY = MARCH[0], MARCH[1]
INSTANT = timedelta(microseconds=1)


def asked(first: date, last: date, asked_at: datetime) -> CoverageWindow:
    window = SessionWindow(first, last)
    return CoverageWindow(start=window.start, end=window.end, asked_at=asked_at, bars=0)


def test_a_window_lasts_until_the_midnight_after_its_last_session() -> None:
    window = SessionWindow(FRIDAY, MONDAY)
    assert (window.start, window.end) == (datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 5, tzinfo=UTC))


@given(st.lists(st.dates(), max_size=8))
def test_one_window_holds_every_missing_session_and_begins_and_ends_with_one(missing: list[date]) -> None:
    window = window_around(missing)
    if window is None:
        assert missing == []
    else:
        assert {window.first, window.last} <= set(missing)
        assert all(window.first <= session <= window.last for session in missing)


def test_the_missing_sessions_may_come_from_any_iterable() -> None:
    assert window_around(iter({MONDAY, FRIDAY})) == SessionWindow(FRIDAY, MONDAY)
    assert window_around(iter(())) is None


@pytest.mark.parametrize(
    ("sessions", "first", "last"),
    [(1, 5, 9), (5, 1, 13), (6, 0, 14), (7, 0, 15), (99, 0, 19)],
)
def test_the_overlap_counts_held_sessions_on_either_side(sessions: int, first: int, last: int) -> None:
    window = with_overlap(SessionWindow(MARCH[6], MARCH[8]), MARCH, sessions)
    assert window == SessionWindow(MARCH[first], MARCH[last])


def test_sessions_that_are_not_held_are_passed_over() -> None:
    held = [MARCH[0], MARCH[3], MARCH[12], MARCH[15]]
    assert with_overlap(SessionWindow(MARCH[6], MARCH[8]), held, 1) == SessionWindow(MARCH[3], MARCH[12])


def test_where_nothing_is_held_around_it_a_window_stays_as_it_is() -> None:
    window = SessionWindow(MARCH[2], MARCH[5])
    assert with_overlap(window, [], 5) == window
    assert with_overlap(window, MARCH[3:5], 5) == window


def test_an_empty_answer_is_believed_seven_days_after_the_close() -> None:
    believed = NYSE.close(FRIDAY) + BELIEVED_AFTER
    assert known_empty([FRIDAY], [asked(FRIDAY, FRIDAY, believed)], NYSE) == {FRIDAY}
    assert known_empty([FRIDAY], [asked(FRIDAY, FRIDAY, believed - INSTANT)], NYSE) == set()


def test_each_session_of_a_window_is_believed_from_its_own_close_on() -> None:
    window = asked(MARCH[0], MARCH[4], NYSE.close(MARCH[2]) + BELIEVED_AFTER)
    assert known_empty(MARCH, [window], NYSE) == set(MARCH[:3])


def test_only_sessions_inside_the_window_are_known_to_be_empty() -> None:
    late = datetime(2013, 12, 31, tzinfo=UTC)
    assert known_empty(MARCH, [asked(MARCH[2], MARCH[4], late)], NYSE) == set(MARCH[2:5])
    assert known_empty(MARCH, [asked(MARCH[2], MARCH[2], late), asked(MARCH[4], MARCH[4], late)], NYSE) == {
        MARCH[2],
        MARCH[4],
    }
    assert known_empty(MARCH, [], NYSE) == set()


def test_one_late_question_is_enough_whatever_was_asked_before() -> None:
    early, late = NYSE.close(FRIDAY), NYSE.close(FRIDAY) + BELIEVED_AFTER
    windows = [asked(FRIDAY, MONDAY, early), asked(FRIDAY, FRIDAY, late)]
    assert known_empty([FRIDAY, MONDAY], windows, NYSE) == {FRIDAY}
    assert known_empty([FRIDAY, MONDAY], windows[::-1], NYSE) == {FRIDAY}


@pytest.mark.parametrize(
    ("broken", "believed_for"),
    [((), timedelta(days=30)), ([FRIDAY], timedelta(hours=20)), ([MONDAY], timedelta(days=30))],
    ids=["nothing came", "a broken candle came", "a broken candle of another session came"],
)
def test_an_empty_answer_is_believed_for_a_time(broken: list[date], believed_for: timedelta) -> None:
    asked_at = NYSE.close(FRIDAY) + BELIEVED_AFTER
    windows, until = [asked(FRIDAY, FRIDAY, asked_at)], asked_at + believed_for
    assert known_empty([FRIDAY], windows, NYSE, now=until - INSTANT, broken=broken) == {FRIDAY}
    assert known_empty([FRIDAY], windows, NYSE, now=until, broken=broken) == set()
    assert known_empty([FRIDAY], windows, NYSE, broken=broken) == {FRIDAY}
