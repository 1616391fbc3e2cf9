"""Reservations: never over the limit in any window, whoever asks, however late, whatever the clock does."""

import os
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
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
    Claim,
    Limits,
    after_failure,
    after_retry,
    after_success,
)
from jutsu_core.bars import to_epoch
from jutsu_core.errors import CircuitOpenError, RequestBudgetError
from tests.support.builders import NOON, SettableClock
from tests.support.processes import CHILD_SECONDS, started_together

WINDOW = timedelta(seconds=1)
LATENESS = timedelta(milliseconds=20)
TURN = (WINDOW + LATENESS).total_seconds()
"""What the limit's worth of requests takes where all may be late."""
MICROSECOND = timedelta(microseconds=1)


def limits_of(requests: int, window: timedelta = WINDOW) -> Limits:
    return Limits(requests=requests, window=window, lateness=LATENESS, daily_budget=10**6)


class Simulation:
    """Time that a test lets pass, a ledger's clock that it sets, and requests that leave when theirs comes.

    Attributes:
        passed: Seconds that really passed.
        left: When requests left.
        let_go: How many reservations did not stand any more at their instant.
    """

    def __init__(self, database: Database, limits: Limits, *, seed: int = 0) -> None:
        self.passed = 0.0
        self.left: list[float] = []
        self.let_go = 0
        self._limits = limits
        self._offset = to_epoch(NOON)
        self._waiting: list[Claim] = []
        self._random = random.Random(seed)  # noqa: S311 - the same walk in every run
        self.ledger = RequestLedger(database, SettableClock(), ticks=self.ticks, stopwatch=lambda: self.passed)

    def ticks(self) -> int:
        return round(self.passed * 1_000_000) + self._offset

    def set_clock(self, step: timedelta) -> None:
        self._offset += to_micros(step)

    def ask(self) -> float:
        """Reserve an instant for one request; return how long it waits."""
        claim = self.ledger.claim(self._limits, "somebody")
        self._waiting.append(claim)
        return claim.wait_seconds

    def wait(self, seconds: float) -> None:
        """Let time pass; what is reserved leaves, up to its lateness after its instant."""
        until = self.passed + seconds
        while self._waiting and (first := min(self._waiting, key=lambda claim: claim.instant)).instant <= until:
            self._waiting.remove(first)
            self.passed = max(self.passed, first.instant)
            if first.wait_seconds and not self.ledger.confirms(first, "somebody"):
                self.ledger.cancel(first)
                self.let_go += 1
                self.ask()
            else:
                self.left.append(first.instant + self._limits.lateness.total_seconds() * self._random.random())
        self.passed = until


def entries(database: Database) -> list[int]:
    """Return by when the ledger's requests have left, microseconds of its clock, ascending."""
    column = schema.api_requests.c.sent_at
    with database.reading() as connection:
        return list(connection.scalars(select(column).order_by(column)))


def closest(times: Sequence[float], limit: int) -> float:
    """Return the shortest time in which one more than ``limit`` of ``times`` lie."""
    ordered = sorted(times)
    return min(later - earlier for earlier, later in zip(ordered, ordered[limit:], strict=False))


def test_the_limit_may_leave_at_once_and_everybody_else_learns_when(database: Database) -> None:
    """Each a window after the one that is so many before it, were that late; nobody asks twice."""
    simulation = Simulation(database, limits_of(3))
    waits = [simulation.ask() for _ in range(9)]
    assert waits == pytest.approx([0.0] * 3 + [TURN] * 3 + [2 * TURN] * 3, abs=1e-5)
    simulation.wait(TURN + 0.1)
    assert simulation.ask() == pytest.approx(3 * TURN - TURN - 0.1, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_no_window_ever_sees_more_than_the_limit_leave_and_none_is_wasted(database: Database, limit: int) -> None:
    simulation = Simulation(database, limits_of(limit), seed=limit)
    rng = random.Random(limit)  # noqa: S311 - the same walk in every run
    for _ in range(40):
        for _ in range(rng.choice([1, 1, 2, 7])):
            simulation.ask()
        simulation.wait(rng.choice([0.0, rng.random() / limit, rng.random() * 2]))
    simulation.wait(1000.0)
    assert simulation.let_go == 0
    assert closest(simulation.left, limit) >= 1.0
    busy = Simulation(database, limits_of(limit), seed=limit)
    busy.passed = 2000.0
    waits = [busy.ask() for _ in range(10 * limit)]
    assert waits[-1] == pytest.approx(9 * TURN, abs=1e-3)


@pytest.mark.parametrize("step", [MICROSECOND, WINDOW / 2, WINDOW, 2 * WINDOW, timedelta(hours=1), timedelta(days=9)])
def test_a_clock_that_is_set_back_lets_no_more_through_and_blocks_briefly(database: Database, step: timedelta) -> None:
    simulation = Simulation(database, limits_of(2))
    assert [simulation.ask() for _ in range(2)] == [0.0, 0.0]
    simulation.set_clock(-step)
    assert 1.0 <= simulation.ask() <= 4 * TURN, "what was just let through still counts"
    simulation.wait(5 * TURN)
    assert simulation.ask() == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_however_often_the_clock_is_set_back_no_window_holds_more_than_the_limit(
    database: Database, limit: int
) -> None:
    """Time goes on while the clock jumps, and requests wait; the limit holds in time."""
    simulation = Simulation(database, limits_of(limit), seed=limit)
    rng = random.Random(limit)  # noqa: S311 - the same walk in every run
    for _ in range(60):
        simulation.wait(rng.random() / limit)
        if rng.random() < 0.15:
            simulation.set_clock(-WINDOW * rng.choice([0.1, 0.9, 1.5, 3.0, 1000.0]))
        simulation.ask()
    simulation.wait(1000.0)
    assert len(simulation.left) == 60
    assert simulation.let_go > 0
    assert closest(simulation.left, limit) >= 1.0


def test_a_clock_that_is_set_forward_blocks_nobody(database: Database) -> None:
    simulation = Simulation(database, limits_of(2))
    assert [simulation.ask() for _ in range(2)] == [0.0, 0.0]
    simulation.set_clock(timedelta(days=365))
    assert [simulation.ask() for _ in range(3)] == pytest.approx([0.0, 0.0, TURN])


@pytest.mark.parametrize("step", [WINDOW * 1.5, 2 * WINDOW, timedelta(hours=1), timedelta(days=365)])
def test_a_clock_that_is_set_forward_and_back_again_blocks_briefly_and_lets_no_more_through(
    database: Database, step: timedelta
) -> None:
    simulation = Simulation(database, limits_of(2))
    assert [simulation.ask() for _ in range(2)] == [0.0, 0.0]
    simulation.set_clock(step)
    assert [simulation.ask() for _ in range(2)] == [0.0, 0.0]
    simulation.set_clock(-step)
    assert 1.0 <= simulation.ask() <= 4 * TURN
    simulation.wait(5 * TURN)
    assert [simulation.ask() for _ in range(3)] == pytest.approx([0.0, 0.0, TURN])


def test_a_queue_is_no_clock_that_was_set(database: Database) -> None:
    """Many may wait, on machines that are more and less certain of the ledger's clock; all keep their instants."""
    simulation = Simulation(database, limits_of(2))
    waits = [simulation.ask() for _ in range(100)]
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(49 * TURN, abs=1e-3)
    simulation.wait(60.0)
    assert (len(simulation.left), simulation.let_go) == (100, 0)


def test_entries_that_bind_nobody_any_more_are_pruned(database: Database) -> None:
    simulation = Simulation(database, limits_of(5))
    for _ in range(5):
        simulation.ask()
    simulation.wait(TURN + 0.001)
    simulation.ask()
    assert len(entries(database)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("delays", [(0.0, 0.02), (0.02, 0.08), (0.08, 0.08)])
def test_machines_at_any_distance_from_the_ledger_stay_within_the_limit_together(
    database: Database, delays: tuple[float, float]
) -> None:
    """How the round trip parts into way there and way back, nobody can know; the limit holds in true time."""
    limits = limits_of(2)
    rng = random.Random(str(delays))  # noqa: S311 - the same walk in every run
    passed, left = 0.0, []

    def asked_over(delay: float) -> Claim:
        def ticks() -> int:
            nonlocal passed
            there = delay * rng.random()
            passed += there
            tick = round(passed * 1_000_000)
            passed += delay - there
            return tick

        return RequestLedger(database, SettableClock(), ticks=ticks, stopwatch=lambda: passed).claim(limits, "me")

    for _ in range(80):
        claim = asked_over(rng.choice(delays))
        left.append(claim.instant + LATENESS.total_seconds() * rng.random())
        passed += rng.choice([0.0, rng.random(), 1.5 * rng.random()])
    assert closest(left, 2) >= 1.0
    assert closest(left, 2) <= 1.0 + LATENESS.total_seconds() + max(delays)


def test_an_instant_lies_as_far_ahead_as_the_answer_takes(database: Database) -> None:
    ledger = Simulation(database, limits_of(2)).ledger
    assert ledger.claim(limits_of(2), "me", lead_seconds=0.08).wait_seconds == pytest.approx(0.08)
    assert ledger.claim(limits_of(2), "me", lead_seconds=0.02).wait_seconds == pytest.approx(0.02)
    assert ledger.claim(limits_of(2), "me", lead_seconds=0.02).wait_seconds == pytest.approx(0.08 + TURN)


def test_a_reservation_that_is_given_back_makes_room_and_does_not_count(database: Database) -> None:
    ledger = Simulation(database, limits_of(2)).ledger
    claims = [ledger.claim(limits_of(2), "me") for _ in range(4)]
    assert ledger.confirms(claims[3], "me")
    ledger.cancel(claims[3])
    assert not ledger.confirms(claims[3], "me")
    assert ledger.sent_on(NOON.date()) == 3
    again = ledger.claim(limits_of(2), "me")
    assert (again.wait_seconds, again.sent_today) == (claims[3].wait_seconds, 4)


def test_a_request_counts_on_the_day_on_which_it_was_reserved(database: Database, clock: SettableClock) -> None:
    ledger = RequestLedger(database, clock)
    kept, given_back = ledger.claim(TWO, "me"), ledger.claim(TWO, "me")
    clock.advance(timedelta(days=1))
    ledger.claim(TWO, "me")
    ledger.cancel(given_back)
    assert kept.day == NOON.date()
    assert [ledger.sent_on(day) for day in (NOON.date(), clock.now().date())] == [1, 1]


def test_a_reservation_does_not_stand_once_the_source_is_left_alone_or_paused(
    database: Database, clock: SettableClock
) -> None:
    ledger = RequestLedger(database, clock)
    claim = ledger.claim(TWO, "me")
    assert ledger.confirms(claim, "me")
    ledger.change(lambda state, now: replace(state, paused_until=now + 2 * WINDOW))
    assert not ledger.confirms(claim, "me")
    clock.advance(2 * WINDOW)
    assert ledger.confirms(claim, "me")
    broken(ledger)
    assert not ledger.confirms(claim, "me")
    clock.advance(FIRST_COOL_DOWN)
    assert not ledger.confirms(claim, "me"), "whoever probes claims that first"
    probe = ledger.claim(TWO, "prober")
    assert ledger.confirms(probe, "prober")
    assert not ledger.confirms(claim, "me")


def test_a_paused_source_reserves_nothing(database: Database, clock: SettableClock) -> None:
    ledger = RequestLedger(database, clock)
    ledger.change(lambda state, now: replace(state, paused_until=now + 4 * WINDOW))
    claim = ledger.claim(TWO, "me")
    assert (claim.wait_seconds, claim.reservation, claim.sent_today) == (4.0, None, 0)
    assert entries(database) == []
    clock.advance(4 * WINDOW)
    assert ledger.claim(TWO, "me").reservation in entries(database)


def test_durations_are_counted_in_whole_microseconds() -> None:
    assert to_micros(timedelta(days=1, seconds=1, microseconds=5)) == 86_401_000_005
    assert to_micros(-MICROSECOND) == -1


def test_threads_at_one_instant_reserve_each_its_own(database: Database) -> None:
    ledger = Simulation(database, limits_of(7)).ledger
    with ThreadPoolExecutor(5) as pool:
        claims = list(pool.map(lambda _: ledger.claim(limits_of(7), "me"), range(40)))
    waits = sorted(claim.wait_seconds for claim in claims)
    assert waits.count(0.0) == 7
    assert closest(waits, 7) == pytest.approx(TURN)
    assert len(entries(database)) == 40


def reserve(url: str, limits: Limits, claims: int, begin: Barrier | threading.Barrier) -> list[float]:
    """Return the instants that some claims get, on the machine's clock, over a connection of one's own."""
    database = Database(url, SystemSleeper())
    ledger = RequestLedger(database, SystemClock())
    ledger.state()  # opens the database before the race
    begin.wait(CHILD_SECONDS)
    instants = []
    for _ in range(claims):
        instants.append(ledger.claim(limits, "me").instant)
        SystemSleeper().sleep(0.002)
    database.close()
    return instants


def reserve_in_child(reports: Connection, begin: Barrier, url: str, limits: Limits, claims: int) -> None:
    reports.send(reserve(url, limits, claims, begin))


def test_threads_on_the_machine_s_clock_stay_within_the_limit(url: str, database: Database) -> None:
    """Scaled down: three in any twentieth of a second, over four connections to one database."""
    limits = limits_of(3, WINDOW / 20)
    assert entries(database) == []
    barrier = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(reserve, url, limits, 5, barrier) for _ in range(4)]
        instants = [instant for done in asked for instant in done.result()]
    assert len(instants) == 20
    assert closest(instants, 3) >= 0.05


@pytest.mark.slow
def test_processes_on_the_machine_s_clock_stay_within_the_limit(url: str, database: Database) -> None:
    """The same in four processes, a few more times; they share the monotonic clock of the machine."""
    limits = limits_of(3, WINDOW / 20)
    assert entries(database) == []
    with started_together(reserve_in_child, *[(url, limits, 10)] * 4) as children:
        for child in children:
            child.hear_all()
    instants = [instant for child in children for said in child.said for instant in said]
    assert len(instants) == 40
    assert closest(instants, 3) >= 0.05
    assert min(instants) < time.monotonic() < min(instants) + CHILD_SECONDS


FREE = limits_of(1000)
TWO = limits_of(2)
HOURLY = limits_of(10**6, timedelta(hours=1))
"""So many that none ever waits; an hour is remembered."""


def broken(ledger: RequestLedger, *, holder: str = "who fails", times: int = FAILURES_TO_OPEN) -> None:
    for _ in range(times):
        ledger.change(lambda state, now: after_failure(state, now, holder, "503"))


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(days=365), -timedelta(hours=1)])
def test_a_step_of_the_machine_s_clock_lets_no_burst_through(database: Database, step: timedelta) -> None:
    """What instants are reserved by is a clock that nobody sets."""
    clock = SettableClock()
    ledger = RequestLedger(database, clock)
    assert [ledger.claim(TWO, "me").wait_seconds for _ in range(2)] == [0.0, 0.0]
    clock.advance(step)
    assert 0 < ledger.claim(TWO, "me").wait_seconds <= 1.1


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


def test_a_probe_that_waits_for_its_instant_holds_the_lease_meanwhile(database: Database, clock: SettableClock) -> None:
    ledger = RequestLedger(database, clock)
    for _ in range(4):
        ledger.claim(TWO, "me")
    broken(ledger)
    clock.advance(FIRST_COOL_DOWN)
    probe = ledger.claim(TWO, "prober")
    assert probe.wait_seconds > 1.0
    assert ledger.state().lease_holder == "prober"
    assert ledger.confirms(probe, "prober")
    with pytest.raises(CircuitOpenError):
        ledger.claim(TWO, "me")


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
        ledger.claim(HOURLY, "victim")


def test_a_holder_that_is_killed_in_the_middle_of_a_claim_blocks_nobody(url: str, database: Database) -> None:
    ledger = RequestLedger(database, SystemClock())
    rng = random.Random(5)  # noqa: S311 - the same moments in every run
    for _ in range(5):
        with started_together(claim_until_killed, (url,)) as (victim,):
            victim.hear()
            SystemSleeper().sleep(rng.random() * 0.02)
            victim.kill()
        before = ledger.sent_on(SystemClock().now().date())
        claim = ledger.claim(HOURLY, "me")
        assert (claim.wait_seconds, claim.sent_today) == (0.0, before + 1)
    assert ledger.sent_on(SystemClock().now().date()) == len(entries(database))


def test_what_all_processes_did_is_counted_and_never_falls(database: Database) -> None:
    clock = SettableClock()
    ledger = RequestLedger(database, clock, ticks=iter(range(0, 10**9, 1000)).__next__)
    limits = Limits(requests=2, window=timedelta(seconds=1), daily_budget=100)
    claims = [ledger.claim(limits, "me") for _ in range(3)]
    before = ledger.counts()
    assert before[:5] == (3, 0, 0, 0, 0)
    assert before.waited_seconds == pytest.approx(sum(claim.wait_seconds for claim in claims), abs=1e-5)
    assert before.waited_seconds > 0.5
    ledger.cancel(claims[-1])
    assert ledger.sent_on(clock.now().date()) == 2
    assert ledger.counts()[:2] == (3, 1)
    assert ledger.change(after_retry)
    for _ in range(FAILURES_TO_OPEN + 1):  # the last finds it open, and is not the probe's
        ledger.change(lambda state, now: after_failure(state, now, "me", "Schwab answered 503"))
    clock.advance(timedelta(days=2))
    ledger.claim(limits, "me")
    ledger.change(lambda state, now: after_failure(state, now, "me", "Schwab answered 503"))
    assert ledger.counts()[:5] == (4, 1, 1, FAILURES_TO_OPEN + 2, 2)
    ledger.change(lambda state, _: after_success(state, "nobody"))
    assert ledger.counts()[:5] == (4, 1, 1, FAILURES_TO_OPEN + 2, 2)
