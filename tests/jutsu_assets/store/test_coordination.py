"""The log of requests: never over the limit in any window, whoever asks, and whatever the clock does."""

import os
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

import pytest
from sqlalchemy import select

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.store import schema
from jutsu_assets.store.coordination import RequestLedger, to_micros
from jutsu_assets.store.engine import Database
from jutsu_core.access import (
    FAILURES_TO_OPEN,
    FIRST_COOL_DOWN,
    MOST_CREDITS,
    PROBE_LEASE,
    RETRY_COST,
    AccessState,
    Limits,
    after_failure,
    after_retry,
    after_success,
)
from jutsu_core.bars import to_epoch
from jutsu_core.errors import CircuitOpenError, RequestBudgetError
from jutsu_core.ports import Clock
from tests.support.builders import NOON, SettableClock
from tests.support.processes import CHILD_SECONDS, started_together

WINDOW = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)


class RequestLog:
    """The places of a ledger on a clock of the test's: what it counts by can be set, and tells when to ask again."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self.ledger = RequestLedger(database, clock, ticks=lambda: to_epoch(clock.now()))

    def claim(self, limit: int, window: timedelta) -> datetime | None:
        wait = self.ledger.claim(Limits(requests=limit, window=window, daily_budget=10**6), "somebody").wait_seconds
        return self._clock.now() + timedelta(seconds=wait) if wait else None


@pytest.fixture
def log(database: Database, clock: SettableClock) -> RequestLog:
    return RequestLog(database, clock)


def entries(database: Database) -> list[int]:
    """Return the times in the log, microseconds since 1970, ascending."""
    column = schema.api_requests.c.sent_at
    with database.reading() as connection:
        return list(connection.scalars(select(column).order_by(column)))


def closest(times: Sequence[timedelta], limit: int) -> timedelta:
    """Return the shortest time in which one more than ``limit`` of ``times`` lie."""
    return min(later - earlier for earlier, later in zip(times, times[limit:], strict=False))


def test_the_limit_is_let_through_at_once_and_the_next_learns_when_to_ask_again(
    log: RequestLog, clock: SettableClock
) -> None:
    assert [log.claim(3, WINDOW) for _ in range(3)] == [None] * 3
    assert log.claim(3, WINDOW) == NOON + WINDOW
    clock.advance(WINDOW - MICROSECOND)
    assert log.claim(3, WINDOW) == NOON + WINDOW
    clock.advance(MICROSECOND)
    assert log.claim(3, WINDOW) is None


def test_being_refused_takes_no_place(log: RequestLog, clock: SettableClock, database: Database) -> None:
    answers = [log.claim(2, WINDOW) for _ in range(20)]
    assert answers.count(None) == len(entries(database)) == 2
    clock.advance(WINDOW + MICROSECOND)
    assert [log.claim(2, WINDOW) for _ in range(2)] == [None] * 2


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_no_window_ever_holds_more_than_the_limit_and_waiting_as_told_is_enough(
    log: RequestLog, clock: SettableClock, limit: int
) -> None:
    rng = random.Random(limit)  # noqa: S311 - the same walk in every run
    let_through: list[timedelta] = []
    for _ in range(120):
        clock.advance(rng.choice([timedelta(0), WINDOW * rng.random() / limit, WINDOW * rng.random() * 2]))
        free_at = log.claim(limit, WINDOW)
        if free_at is not None:
            assert clock.moment < free_at <= clock.moment + WINDOW + limit * MICROSECOND
            clock.moment = free_at
            assert log.claim(limit, WINDOW) is None
        let_through.append(clock.moment - NOON)
    # Requests of one instant are entered a microsecond apart.
    assert closest(let_through, limit) >= WINDOW - limit * MICROSECOND


@pytest.mark.parametrize("step", [MICROSECOND, WINDOW / 2, WINDOW, 2 * WINDOW, timedelta(hours=1), timedelta(days=9)])
def test_a_clock_that_is_set_back_lets_no_more_through_and_blocks_briefly(
    log: RequestLog, clock: SettableClock, step: timedelta
) -> None:
    assert [log.claim(2, WINDOW) for _ in range(2)] == [None] * 2
    clock.advance(-step)
    free_at = log.claim(2, WINDOW)
    assert free_at is not None, "what was just let through still counts"
    assert WINDOW - 2 * MICROSECOND <= free_at - clock.moment <= 2 * WINDOW
    clock.advance(2 * WINDOW)
    assert log.claim(2, WINDOW) is None


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_however_often_the_clock_is_set_back_no_window_holds_more_than_the_limit(
    log: RequestLog, clock: SettableClock, limit: int
) -> None:
    """Time goes on while the clock jumps; the limit holds in time."""
    rng = random.Random(limit)  # noqa: S311 - the same walk in every run
    passed = timedelta(0)
    let_through: list[timedelta] = []
    for _ in range(300):
        duration = WINDOW * rng.random() / limit
        passed += duration
        clock.advance(duration)
        if rng.random() < 0.08:
            clock.advance(-WINDOW * rng.choice([0.1, 0.9, 1.5, 3.0, 1000.0]))
        if log.claim(limit, WINDOW) is None:
            let_through.append(passed)
    assert len(let_through) > 5 * limit
    assert closest(let_through, limit) >= WINDOW - 2 * limit * MICROSECOND


def test_a_clock_that_is_set_back_onto_old_entries_still_finds_room_for_its_own(
    log: RequestLog, clock: SettableClock
) -> None:
    for _ in range(5):
        assert log.claim(5, WINDOW) is None
    clock.advance(timedelta(minutes=5))
    assert [log.claim(5, WINDOW) for _ in range(5)] == [None] * 5
    clock.moment = NOON + 2 * MICROSECOND
    assert log.claim(5, WINDOW) is not None
    clock.advance(2 * WINDOW)
    assert log.claim(5, WINDOW) is None


def test_a_clock_that_is_set_forward_blocks_nobody(log: RequestLog, clock: SettableClock) -> None:
    assert [log.claim(2, WINDOW) for _ in range(2)] == [None] * 2
    clock.advance(timedelta(days=365))
    assert [log.claim(2, WINDOW) for _ in range(2)] == [None] * 2
    assert log.claim(2, WINDOW) == clock.moment + WINDOW


@pytest.mark.parametrize("step", [WINDOW * 1.5, 2 * WINDOW, timedelta(hours=1), timedelta(days=365)])
def test_a_clock_that_is_set_forward_and_back_again_blocks_briefly_and_lets_no_more_through(
    log: RequestLog, clock: SettableClock, step: timedelta
) -> None:
    assert [log.claim(2, WINDOW) for _ in range(2)] == [None] * 2
    clock.advance(step)
    assert [log.claim(2, WINDOW) for _ in range(2)] == [None] * 2
    clock.advance(-step)
    free_at = log.claim(2, WINDOW)
    assert free_at is not None
    assert free_at - clock.moment <= 2 * WINDOW
    clock.advance(2 * WINDOW)
    assert [log.claim(2, WINDOW) for _ in range(3)] == [None, None, clock.moment + WINDOW]


def test_old_entries_are_pruned(log: RequestLog, clock: SettableClock, database: Database) -> None:
    for _ in range(4):
        assert log.claim(1, WINDOW) is None
        clock.advance(timedelta(minutes=4))
    assert log.claim(1, WINDOW) is None
    minutes = [(clock.moment - NOON) / timedelta(minutes=1) - age for age in (8, 4, 0)]
    assert minutes == [8, 12, 16]
    assert len(entries(database)) == 3


def test_a_window_may_be_longer_than_the_log_is_kept_otherwise(log: RequestLog, clock: SettableClock) -> None:
    granted = 0
    for _ in range(7):
        granted += log.claim(3, timedelta(hours=1)) is None
        clock.advance(timedelta(minutes=8))
    assert granted == 3


def test_durations_are_counted_in_whole_microseconds() -> None:
    assert to_micros(timedelta(days=1, seconds=1, microseconds=5)) == 86_401_000_005
    assert to_micros(-MICROSECOND) == -1


def test_threads_at_one_instant_get_exactly_the_places_there_are(database: Database, clock: SettableClock) -> None:
    log = RequestLog(database, clock)
    for _ in range(3):
        with ThreadPoolExecutor(5) as pool:
            answers = list(pool.map(lambda _: log.claim(7, WINDOW), range(40)))
        assert answers.count(None) == 7
        clock.advance(2 * WINDOW)
    assert len(entries(database)) == 21


def claim_in_time(url: str, limit: int, window: timedelta, claims: int, begin: Barrier | threading.Barrier) -> None:
    """Claim places as they become free, on the machine's clock and a connection of one's own."""
    clock, sleeper = SystemClock(), SystemSleeper()
    database = Database(url, sleeper)
    log = RequestLog(database, clock)
    log.ledger.state()  # opens the database before the race
    begin.wait(CHILD_SECONDS)
    for _ in range(claims):
        while (free_at := log.claim(limit, window)) is not None:
            sleeper.sleep(max((free_at - clock.now()).total_seconds(), 0.001))
    database.close()


def claim_in_child(reports: Connection, begin: Barrier, url: str, limit: int, window: timedelta, claims: int) -> None:
    claim_in_time(url, limit, window, claims, begin)
    reports.send("done")


def test_threads_on_the_machine_s_clock_stay_within_the_limit(url: str, database: Database) -> None:
    """Scaled down: three in any twentieth of a second, over four connections to one database."""
    limit, window, claims = 3, timedelta(seconds=0.05), 5
    assert entries(database) == []
    barrier = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(claim_in_time, url, limit, window, claims, barrier) for _ in range(4)]:
            done.result()
    times = [timedelta(microseconds=micros) for micros in entries(database)]
    assert len(times) == 20
    assert closest(times, limit) >= window


def test_processes_on_the_machine_s_clock_stay_within_the_limit(url: str, database: Database) -> None:
    """The same in four processes, a few more times."""
    limit, window, claims = 3, timedelta(seconds=0.05), 10
    assert entries(database) == []
    with started_together(claim_in_child, *[(url, limit, window, claims)] * 4) as children:
        for child in children:
            child.hear_all()
    assert [child.said for child in children] == [["done"]] * 4
    times = [timedelta(microseconds=micros) for micros in entries(database)]
    assert len(times) == 40
    assert closest(times, limit) >= window


def claim_all_in_child(reports: Connection, begin: Barrier, url: str, limit: int) -> None:
    """Claim places at one instant until refused; report how many were had."""
    database = Database(url, SystemSleeper())
    log = RequestLog(database, SettableClock(NOON))
    begin.wait(CHILD_SECONDS)
    had = 0
    while log.claim(limit, WINDOW) is None:
        had += 1
    database.close()
    reports.send(had)


def test_processes_at_one_instant_get_exactly_the_places_there_are(url: str, database: Database) -> None:
    assert entries(database) == []
    with started_together(claim_all_in_child, *[(url, 50)] * 3) as children:
        for child in children:
            child.hear_all()
    assert sum(had for child in children for had in child.said) == 50
    assert len(entries(database)) == 50


FREE = Limits(requests=1000, window=WINDOW, daily_budget=10**6)
TWO = Limits(requests=2, window=WINDOW, daily_budget=10**6)


def broken(ledger: RequestLedger, *, holder: str = "who fails", times: int = FAILURES_TO_OPEN) -> None:
    for _ in range(times):
        ledger.change(lambda state, now: after_failure(state, now, holder, "503"))


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(days=365), -timedelta(hours=1)])
def test_a_step_of_the_machine_s_clock_lets_no_burst_through(database: Database, step: timedelta) -> None:
    """What places are counted by is a clock that nobody sets."""
    clock = SettableClock()
    ledger = RequestLedger(database, clock)
    assert [ledger.claim(TWO, "me").wait_seconds for _ in range(2)] == [0.0, 0.0]
    clock.advance(step)
    assert 0 < ledger.claim(TWO, "me").wait_seconds <= 1.0


def test_a_claim_tells_the_day_s_count_and_the_budget_ends_it(database: Database, clock: SettableClock) -> None:
    ledger = RequestLedger(database, clock)
    limits = replace(FREE, daily_budget=3)
    assert [ledger.claim(limits, "me").sent_today for _ in range(3)] == [1, 2, 3]
    with pytest.raises(RequestBudgetError, match=r"at most 3 requests a day.*JUTSU_DAILY_REQUESTS"):
        ledger.claim(limits, "me")
    assert ledger.sent_on(clock.now().date()) == 3
    assert len(entries(database)) == 3
    clock.advance(timedelta(days=1))
    assert ledger.claim(limits, "me").sent_today == 1
    assert ledger.sent_on(NOON.date()) == 3


def test_a_refused_claim_is_not_counted(database: Database, clock: SettableClock) -> None:
    ledger = RequestLedger(database, clock)
    for _ in range(5):
        ledger.claim(TWO, "me")
    assert ledger.sent_on(clock.now().date()) == 2


def test_the_state_is_kept_as_it_is(database: Database, clock: SettableClock) -> None:
    ledger = RequestLedger(database, clock)
    assert ledger.state() == AccessState()
    whole = AccessState(
        failures=7,
        opened_at=NOON,
        probe_at=NOON + WINDOW,
        cool_down=timedelta(minutes=3),
        lease_holder="prober",
        lease_until=NOON + 2 * WINDOW,
        paused_until=NOON - MICROSECOND,
        retry_credits=3,
        last_failure="it is «down»",
    )
    assert ledger.change(lambda _state, _now: whole)
    assert RequestLedger(database, clock).state() == whole
    assert not ledger.change(lambda _state, _now: None)
    assert ledger.state() == whole


def test_five_failures_in_a_row_refuse_everybody_until_a_probe_succeeds(
    database: Database, clock: SettableClock
) -> None:
    ledger = RequestLedger(database, clock)
    broken(ledger, times=FAILURES_TO_OPEN - 1)
    assert ledger.claim(FREE, "me").wait_seconds == 0
    broken(ledger, times=1)
    before = entries(database)
    with pytest.raises(
        CircuitOpenError, match=r"left alone until .* after 5 failures in a row .the last: 503"
    ) as caught:
        ledger.claim(FREE, "me")
    assert caught.value.probe_at == NOON + FIRST_COOL_DOWN
    assert entries(database) == before
    clock.advance(FIRST_COOL_DOWN)
    ledger.claim(FREE, "prober")
    ledger.claim(FREE, "prober")  # the token, then the data
    with pytest.raises(CircuitOpenError):
        ledger.claim(FREE, "me")
    ledger.change(lambda state, _: after_success(state, "prober"))
    assert ledger.claim(FREE, "me").wait_seconds == 0
    assert ledger.state().opened_at is None


def test_a_probe_that_finds_no_place_takes_no_lease(database: Database, clock: SettableClock) -> None:
    log = RequestLog(database, clock)
    ledger = log.ledger
    broken(ledger)
    clock.advance(FIRST_COOL_DOWN)
    assert [ledger.claim(TWO, "first").wait_seconds for _ in range(2)] == [0.0, 0.0]
    ledger.change(lambda state, _: replace(state, lease_holder="", lease_until=None))
    assert ledger.claim(TWO, "second").wait_seconds > 0
    assert ledger.state().lease_holder == ""


def probe_in_child(reports: Connection, begin: Barrier, url: str) -> None:
    """Ask once, and never say how it ended."""
    database = Database(url, SystemSleeper())
    clock = SettableClock(NOON + FIRST_COOL_DOWN)
    ledger = RequestLedger(database, clock)
    ledger.state()
    begin.wait(CHILD_SECONDS)
    try:
        ledger.claim(FREE, str(os.getpid()))
    except CircuitOpenError:
        reports.send("refused")
    else:
        reports.send("probes")
    database.close()


def test_of_many_processes_one_probes_and_its_death_blocks_nobody_for_long(
    url: str, database: Database, clock: SettableClock
) -> None:
    ledger = RequestLedger(database, clock)
    broken(ledger)
    with started_together(probe_in_child, *[(url,)] * 4) as children:
        for child in children:
            child.hear_all()
    assert sorted(said for child in children for said in child.said) == ["probes", "refused", "refused", "refused"]
    clock.advance(FIRST_COOL_DOWN + PROBE_LEASE - MICROSECOND)
    with pytest.raises(CircuitOpenError):
        ledger.claim(FREE, "me")
    clock.advance(MICROSECOND)
    assert ledger.claim(FREE, "me").wait_seconds == 0
    assert ledger.state().lease_holder == "me"


def test_threads_share_one_retry_quota(database: Database, clock: SettableClock) -> None:
    ledger = RequestLedger(database, clock)
    with ThreadPoolExecutor(5) as pool:
        paid = list(pool.map(lambda _: ledger.change(after_retry), range(30)))
    assert paid.count(True) == MOST_CREDITS // RETRY_COST == 10


def test_no_failure_and_no_success_is_lost_among_threads(database: Database, clock: SettableClock) -> None:
    ledger = RequestLedger(database, clock)
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: broken(ledger, times=1), range(20)))
    assert ledger.state().failures == 20


def claim_until_killed(reports: Connection, begin: Barrier, url: str) -> None:
    """Claim without end."""
    database = Database(url, SystemSleeper())
    ledger = RequestLedger(database, SystemClock())
    ledger.state()
    begin.wait(CHILD_SECONDS)
    reports.send("claims")
    while True:
        ledger.claim(FREE, "victim")


def test_a_holder_that_is_killed_in_the_middle_of_a_claim_blocks_nobody(url: str, database: Database) -> None:
    ledger = RequestLedger(database, SystemClock())
    rng = random.Random(5)  # noqa: S311 - the same moments in every run
    for _ in range(5):
        with started_together(claim_until_killed, (url,)) as (victim,):
            victim.hear()
            SystemSleeper().sleep(rng.random() * 0.02)
            victim.kill()
        before = ledger.sent_on(SystemClock().now().date())
        assert ledger.claim(replace(FREE, requests=10**6), "me").sent_today == before + 1
    assert ledger.sent_on(SystemClock().now().date()) == len(entries(database))
