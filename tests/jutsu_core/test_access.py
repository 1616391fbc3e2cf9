"""The breaker and the retry quota: five failures open, one probe goes, nobody is locked out for ever."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.access import (
    FAILURES_TO_OPEN,
    FIRST_COOL_DOWN,
    LONGEST_COOL_DOWN,
    LONGEST_PAUSE,
    LONGEST_REST,
    MOST_CREDITS,
    PROBE_LEASE,
    AccessState,
    admit,
    after_failure,
    after_retry,
    after_success,
)
from jutsu_core.errors import CircuitOpenError

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def failed(state: AccessState, *, times: int = 1, now: datetime = NOON, holder: str = "a") -> AccessState:
    for _ in range(times):
        state = after_failure(state, now, holder, "503")
    return state


OPEN = failed(AccessState(), times=FAILURES_TO_OPEN)


def test_four_failures_do_not_open_it_and_a_success_forgets_them() -> None:
    state = failed(AccessState(), times=FAILURES_TO_OPEN - 1)
    assert not state.is_open
    assert not state.is_sound
    state = failed(after_success(state, "b"), times=FAILURES_TO_OPEN - 1)
    assert not state.is_open
    assert admit(state, NOON, "a").wait_until is None


def test_the_fifth_failure_in_a_row_opens_it_for_half_a_minute() -> None:
    assert (OPEN.opened_at, OPEN.probe_at) == (NOON, NOON + timedelta(seconds=30))
    with pytest.raises(CircuitOpenError, match="run again after that: the first request then is a probe") as caught:
        admit(OPEN, NOON + FIRST_COOL_DOWN - SECOND, "a")
    assert caught.value.probe_at == NOON + FIRST_COOL_DOWN


def test_one_probe_goes_and_its_success_closes() -> None:
    due = NOON + FIRST_COOL_DOWN
    probing = admit(OPEN, due, "prober").state
    assert admit(probing, due + SECOND, "prober").state == probing
    with pytest.raises(CircuitOpenError) as caught:
        admit(probing, due, "another")
    assert caught.value.probe_at == due + PROBE_LEASE
    closed = after_success(probing, "prober")
    assert closed == AccessState(last_failure="503")
    assert closed.is_sound


def test_a_failing_probe_doubles_the_cool_down_up_to_ten_minutes() -> None:
    state, now, cool_downs = OPEN, NOON, []
    for _ in range(7):
        assert state.probe_at is not None
        cool_downs.append(state.probe_at - now)
        now = state.probe_at
        state = failed(admit(state, now, "p").state, now=now, holder="p")
    assert [cool_down.total_seconds() for cool_down in cool_downs] == [30, 60, 120, 240, 480, 600, 600]
    assert state.opened_at == NOON, "since when it is open is not forgotten"


def test_what_was_under_way_when_it_opened_neither_closes_nor_prolongs_it() -> None:
    late = after_success(OPEN, "straggler")
    assert (late.opened_at, late.probe_at) == (OPEN.opened_at, OPEN.probe_at)
    late = failed(OPEN, holder="straggler", now=NOON + 20 * SECOND)
    assert (late.opened_at, late.probe_at, late.failures) == (OPEN.opened_at, OPEN.probe_at, 6)


def test_a_probe_that_never_reports_is_replaced_when_its_lease_ends() -> None:
    due = NOON + FIRST_COOL_DOWN
    probing = admit(OPEN, due, "killed").state
    with pytest.raises(CircuitOpenError):
        admit(probing, due + PROBE_LEASE - SECOND, "next")
    assert admit(probing, due + PROBE_LEASE, "next").state.lease_holder == "next"


def test_a_short_retry_after_makes_everybody_wait() -> None:
    state = after_failure(AccessState(), NOON, "a", "429", rest=3 * SECOND)
    assert not state.is_open
    assert admit(state, NOON, "b").wait_until == NOON + 3 * SECOND
    assert admit(state, NOON + 3 * SECOND, "b").wait_until is None


@pytest.mark.parametrize(
    ("rest", "effective"),
    [(LONGEST_PAUSE + SECOND, LONGEST_PAUSE + SECOND), (timedelta(days=1), LONGEST_REST)],
)
def test_a_long_one_opens_it_for_that_time_within_an_hour(rest: timedelta, effective: timedelta) -> None:
    state = after_failure(AccessState(), NOON, "a", "429", rest=rest)
    assert (state.opened_at, state.probe_at) == (NOON, NOON + effective)


def test_after_a_long_rest_a_failing_probe_waits_ten_minutes_at_most() -> None:
    state = after_failure(AccessState(), NOON, "a", "block", rest=timedelta(minutes=15))
    due = NOON + timedelta(minutes=15)
    state = failed(admit(state, due, "p").state, now=due, holder="p")
    assert state.probe_at == due + LONGEST_COOL_DOWN


@pytest.mark.parametrize("back", [timedelta(hours=2), timedelta(days=400)])
def test_a_clock_that_is_set_back_locks_nobody_out(back: timedelta) -> None:
    earlier = NOON - back
    assert admit(OPEN, earlier, "p").state.lease_holder == "p"
    paused = after_failure(AccessState(), NOON, "a", "429", rest=3 * SECOND)
    assert admit(paused, earlier, "b").wait_until is None
    probing = replace(OPEN, lease_holder="x", lease_until=NOON + PROBE_LEASE)
    assert admit(probing, earlier, "p").state.lease_holder == "p"


def test_ten_retries_are_saved_up_and_five_successes_bring_one_back() -> None:
    state: AccessState | None = AccessState()
    paid = 0
    while (state := after_retry(last := state, NOON)) is not None:  # type: ignore[arg-type] # never None here
        paid += 1
    assert (paid, last.retries_left if last else None) == (10, 0)
    assert last is not None
    for _ in range(5):
        assert after_retry(last, NOON) is None
        last = after_success(last, "a")
    assert after_retry(last, NOON) is not None


def test_under_a_lasting_partial_outage_retries_stay_a_fifth_of_what_succeeds() -> None:
    """Every other request fails for good: without a quota each of those would be sent three times."""
    state, retries = AccessState(), 0
    for number in range(1000):
        if number % 2:
            state = after_success(state, "a")
            continue
        state = after_failure(state, NOON, "a", "500")
        for _ in range(2):
            paid = after_retry(state, NOON)
            if paid is not None:
                retries += 1
                state = after_failure(paid, NOON, "a", "500")
        assert not state.is_open
    assert retries <= 10 + 500 / 5


EVENTS = st.lists(
    st.tuples(st.sampled_from(["success", "failure", "retry", "ask"]), st.sampled_from("abc"), st.integers(0, 400)),
    max_size=60,
)


@given(EVENTS)
def test_whatever_happens_somebody_may_ask_within_an_hour_and_credits_stay_in_bounds(
    events: list[tuple[str, str, int]],
) -> None:
    state, now = AccessState(), NOON
    for kind, holder, seconds in events:
        now += timedelta(seconds=seconds)
        if kind == "success":
            state = after_success(state, holder)
        elif kind == "failure":
            state = after_failure(state, now, holder, "x", rest=timedelta(seconds=seconds * 20))
        elif kind == "retry":
            state = after_retry(state, now) or state
        else:
            refused_until = now + timedelta(seconds=1)
            try:
                state = admit(state, now, holder).state
            except CircuitOpenError as refusal:
                refused_until = refusal.probe_at
            assert now < refused_until <= now + LONGEST_REST
        assert 0 <= state.retry_credits <= MOST_CREDITS
        assert state.is_open == (state.probe_at is not None)
    later = now + LONGEST_REST + PROBE_LEASE
    assert admit(state, later, "new").wait_until is None
