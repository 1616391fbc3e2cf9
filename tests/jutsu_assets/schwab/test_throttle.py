"""The rate limit: reserved instants, late departures, and never three requests in any second over many processes."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from multiprocessing.connection import Connection

import httpx
import pytest

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.schwab.throttle import DEPARTED, DEPARTURE, LIMITS, Throttle, ThrottledTransport
from jutsu_assets.schwab.transport import BoundedTransport, LoopbackTransport
from jutsu_assets.simulator.faults import Fault
from jutsu_assets.simulator.server import serve
from jutsu_assets.store.coordination import RequestLedger
from jutsu_assets.store.engine import Database
from jutsu_core.access import FAILURES_TO_OPEN, AccessState, Change, Claim, Limits, after_failure
from jutsu_core.errors import CircuitOpenError, RequestBudgetError, StoreUnavailableError
from tests.support.builders import SettableClock
from tests.support.processes import started, started_together
from tests.support.schwab import (
    MemoryLedger,
    NotedTransport,
    RecordingSleeper,
    ask_in_child,
    closest,
    pause_in_child,
    small_simulator,
)

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
LATENESS = LIMITS.lateness.total_seconds()
TURN = LIMITS.window.total_seconds() + LATENESS
ADDRESS = "https://api.schwabapi.com/marketdata/v1/pricehistory?symbol=BRK%2FB&startDate=1"


class SleptStopwatch:
    """Seconds that only sleeping and telling move on."""

    def __init__(self, *, oversleep: float = 0.0) -> None:
        self.seconds = 1000.0
        self.pauses: list[float] = []
        self.meanwhile: Callable[[], object] | None = None
        self._oversleep = oversleep

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds + self._oversleep
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()


class ScriptedLedger:
    """Reserves instants as far ahead as it is told, then as it is asked to; remembers what was given back."""

    def __init__(self, watch: SleptStopwatch, *waits: float, answer_takes: float = 0.0) -> None:
        self._watch = watch
        self._waits = list(waits)
        self._answer_takes = answer_takes
        self.asked: list[tuple[Limits, str]] = []
        self.cancelled: list[int | None] = []
        self.late: list[float] = []

    def claim(self, limits: Limits, holder: str, lead_seconds: float = 0.0) -> Claim:
        self.asked.append((limits, holder))
        taken_at = self._watch()
        self._watch.seconds += self._answer_takes
        return Claim(
            wait_seconds=max(lead_seconds, self._waits.pop(0) if self._waits else 0.0),
            taken_at=taken_at,
            state=AccessState(),
            sent_today=len(self.asked),
            day=NOON.date(),
            reservation=len(self.asked),
        )

    def confirms(self, claim: Claim, holder: str) -> bool:
        del holder
        return claim.reservation not in self.cancelled

    def cancel(self, claim: Claim) -> None:
        self.cancelled.append(claim.reservation)

    def left_late(self, claim: Claim, limits: Limits, by_seconds: float) -> None:
        del claim, limits
        self.late.append(by_seconds)

    def state(self) -> AccessState:
        return AccessState()

    def change(self, change: Change) -> bool:
        return change(AccessState(), NOON) is not None

    def sent_on(self, day: date) -> int:
        del day
        return len(self.asked)


@pytest.fixture
def watch() -> SleptStopwatch:
    return SleptStopwatch()


@pytest.fixture
def shared(sqlite_url: str, watch: SleptStopwatch, clock: SettableClock) -> Iterator[RequestLedger]:
    """A real ledger, on the stopwatch of the test."""
    database = Database(sqlite_url, RecordingSleeper())
    yield RequestLedger(database, clock, ticks=lambda: round(watch.seconds * 1_000_000), stopwatch=watch)
    database.close()


def test_a_free_instant_costs_no_wait(watch: SleptStopwatch) -> None:
    throttle = Throttle(ScriptedLedger(watch), watch, stopwatch=watch)
    claim = throttle.acquire()
    assert (throttle.requests, throttle.waited_seconds, watch.pauses) == (1, 0.0, [])
    assert throttle.last_claim is claim
    assert throttle.sent_today == 1


def test_it_asks_once_and_sleeps_until_its_own_instant(watch: SleptStopwatch) -> None:
    ledger = ScriptedLedger(watch, 0.7)
    throttle = Throttle(ledger, watch, stopwatch=watch)
    assert throttle.acquire().instant == pytest.approx(watch.seconds)
    assert watch.seconds == pytest.approx(1000.7)
    assert throttle.waited_seconds == pytest.approx(0.7)
    assert (throttle.requests, ledger.asked) == (1, [(LIMITS, throttle.holder)])


@pytest.mark.parametrize("oversleep", [0.0, 0.0001, 0.003])
def test_it_wakes_early_and_never_lets_through_before_the_instant(oversleep: float) -> None:
    watch = SleptStopwatch(oversleep=oversleep)
    throttle = Throttle(ScriptedLedger(watch, 0.7), watch, stopwatch=watch)
    instant = throttle.acquire().instant
    assert instant == 1000.7
    assert instant <= watch.seconds <= instant + oversleep + 0.001


def test_who_leaves_at_once_keeps_its_reservation_and_who_is_late_gives_it_back(watch: SleptStopwatch) -> None:
    ledger = ScriptedLedger(watch, 0.0, 0.3)
    throttle = Throttle(ledger, watch, stopwatch=watch)
    claim = throttle.approach()
    watch.seconds += LATENESS * 0.9
    assert throttle.depart(claim) is claim
    watch.seconds += LATENESS * 0.2
    again = throttle.depart(claim)
    assert again.instant == pytest.approx(watch.seconds)
    assert throttle.last_claim is again
    assert ledger.cancelled == [claim.reservation]
    assert (throttle.requests, throttle.let_go) == (1, 1), "one request leaves, once"


def test_the_instants_that_a_distant_ledger_gives_lie_beyond_its_answer(watch: SleptStopwatch) -> None:
    """The first is lost to learning how long an answer takes."""
    throttle = Throttle(ScriptedLedger(watch, answer_takes=0.08), watch, stopwatch=watch)
    for _ in range(6):
        throttle.depart(throttle.approach())
    assert (throttle.requests, throttle.let_go) == (6, 1)


def test_who_was_slow_on_the_way_sets_out_early_and_waits_at_the_door(watch: SleptStopwatch) -> None:
    throttle = Throttle(ScriptedLedger(watch, *[0.6] * 3), watch, stopwatch=watch)
    claim = throttle.approach()
    assert watch.seconds == pytest.approx(claim.instant), "it does not know the way yet"
    watch.seconds += 0.01
    assert throttle.depart(claim) is claim
    claim = throttle.approach()
    assert claim.instant - 0.02 < watch.seconds < claim.instant - 0.01
    watch.seconds += 0.01
    assert throttle.depart(claim) is claim
    assert watch.seconds == pytest.approx(claim.instant)
    claim = throttle.acquire()
    assert watch.seconds == pytest.approx(claim.instant), "who sends by other means has no way"
    assert throttle.let_go == 0


def test_what_never_departs_is_let_through_at_its_instant(watch: SleptStopwatch) -> None:
    """A simulator inside the process takes a request without a connection."""
    left = []

    class Inner(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            left.append(watch.seconds)
            watch.seconds += 0.1
            return httpx.Response(204, request=request)

    throttle = Throttle(ScriptedLedger(watch, *[0.5] * 4), watch, stopwatch=watch)
    with httpx.Client(transport=ThrottledTransport(Inner(), throttle)) as client:
        for _ in range(4):
            client.get(ADDRESS)
    assert left == pytest.approx([1000.5, 1001.1, 1001.7, 1002.3])


def test_over_the_real_ledger_two_go_at_once_and_the_rest_in_pairs(
    shared: RequestLedger, watch: SleptStopwatch
) -> None:
    throttle = Throttle(shared, watch, stopwatch=watch)
    times = []
    for _ in range(8):
        throttle.acquire()
        times.append(watch.seconds)
        watch.seconds += 0.003
    assert times[:2] == pytest.approx([1000.0, 1000.003])
    assert all(later - earlier >= 1.0 for earlier, later in zip(times, times[2:], strict=False))
    assert times[-1] - 1000.0 < 3 * TURN + 0.02
    assert (throttle.requests, throttle.sent_today, throttle.let_go) == (8, 8, 0)


def test_a_source_that_asked_everybody_to_wait_is_asked_again_afterwards(
    shared: RequestLedger, watch: SleptStopwatch, clock: SettableClock
) -> None:
    shared.change(lambda state, now: replace(state, paused_until=now + timedelta(seconds=4)))
    watch.meanwhile = lambda: clock.advance(timedelta(seconds=4))
    throttle = Throttle(shared, watch, stopwatch=watch)
    throttle.acquire()
    assert (watch.pauses, throttle.waited_seconds, throttle.requests) == ([4.0], 4.0, 1)


def test_nothing_leaves_where_the_breaker_opened_while_it_waited(
    shared: RequestLedger, watch: SleptStopwatch, clock: SettableClock
) -> None:
    throttle = Throttle(shared, watch, stopwatch=watch)
    for _ in range(2):
        throttle.acquire()

    def fail() -> None:
        for _ in range(FAILURES_TO_OPEN):
            shared.change(lambda state, now: after_failure(state, now, "another", "503"))

    watch.meanwhile = fail
    throttle.begin_attempt()
    with pytest.raises(CircuitOpenError, match="5 failures in a row"):
        throttle.acquire()
    assert throttle.last_claim is None
    assert throttle.requests == shared.sent_on(clock.now().date()) == 2


def test_a_pause_that_began_while_it_waited_is_kept(
    shared: RequestLedger, watch: SleptStopwatch, clock: SettableClock
) -> None:
    throttle = Throttle(shared, watch, stopwatch=watch)
    for _ in range(2):
        throttle.acquire()

    def pause() -> None:
        shared.change(lambda state, now: replace(state, paused_until=now + timedelta(seconds=20)))
        watch.meanwhile = lambda: clock.advance(timedelta(seconds=20))

    watch.meanwhile = pause
    throttle.acquire()
    assert 20.0 in watch.pauses
    assert throttle.requests == shared.sent_on(clock.now().date()) == 3


def test_the_budget_of_the_day_counts_requests_and_not_what_was_let_go(
    shared: RequestLedger, watch: SleptStopwatch, clock: SettableClock
) -> None:
    throttle = Throttle(shared, watch, limits=replace(LIMITS, daily_budget=5), stopwatch=watch)
    for _ in range(5):
        claim = throttle.approach()
        watch.seconds += 10 * LATENESS
        throttle.depart(claim)
    assert throttle.let_go > 0
    assert throttle.requests == throttle.sent_today == shared.sent_on(clock.now().date()) == 5
    with pytest.raises(RequestBudgetError, match="at most 5 requests a day"):
        throttle.acquire()
    assert throttle.requests == 5


def test_a_request_that_is_late_for_a_source_that_is_left_alone_does_not_count(
    shared: RequestLedger, watch: SleptStopwatch, clock: SettableClock
) -> None:
    throttle = Throttle(shared, watch, stopwatch=watch)
    claim = throttle.approach()
    watch.seconds += 1.0
    for _ in range(FAILURES_TO_OPEN):
        shared.change(lambda state, now: after_failure(state, now, "another", "503"))
    with pytest.raises(CircuitOpenError):
        throttle.depart(claim)
    assert throttle.requests == shared.sent_on(clock.now().date()) == 0
    assert throttle.last_claim is None


def test_a_request_is_sent_after_its_turn_and_closing_closes_what_sends() -> None:
    order: list[str] = []

    class Ledger(MemoryLedger):
        def claim(self, limits: Limits, holder: str, lead_seconds: float = 0.0) -> Claim:
            order.append("turn")
            return super().claim(limits, holder, lead_seconds)

    class Inner(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            order.append(request.url.path)
            return httpx.Response(204)

        def close(self) -> None:
            order.append("closed")

    throttle = Throttle(Ledger(), RecordingSleeper())
    transport = ThrottledTransport(BoundedTransport(Inner()), throttle)
    with httpx.Client(transport=transport) as client:
        assert client.get(ADDRESS).status_code == 204
        client.post("https://api.schwabapi.com/v1/oauth/token")
    assert order == ["turn", "/marketdata/v1/pricehistory", "turn", "/v1/oauth/token", "closed"]
    assert throttle.requests == 2


class Stalling(httpx.BaseTransport):
    """Sends nothing, and stalls between the last look at the clock and the first byte."""

    def __init__(self, watch: SleptStopwatch, *stalls: float) -> None:
        self._watch, self._stalls = watch, list(stalls)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["trace"](DEPARTURE, {})
        self._watch.seconds += self._stalls.pop(0)
        request.extensions["trace"](DEPARTED, {})
        return httpx.Response(204)


def test_who_was_stalled_after_the_last_look_tells_the_others(watch: SleptStopwatch) -> None:
    ledger = ScriptedLedger(watch)
    transport = ThrottledTransport(Stalling(watch, 0.0, LATENESS, 0.3), Throttle(ledger, watch, stopwatch=watch))
    for _ in range(3):
        transport.handle_request(httpx.Request("GET", ADDRESS))
    assert ledger.late == pytest.approx([0.3 - LATENESS])


def test_a_request_that_left_late_goes_on_where_nobody_can_be_told(
    watch: SleptStopwatch, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        message = "the database must be reachable"
        raise StoreUnavailableError(message)

    ledger = ScriptedLedger(watch)
    monkeypatch.setattr(ledger, "left_late", gone)
    transport = ThrottledTransport(Stalling(watch, 0.3), Throttle(ledger, watch, stopwatch=watch))
    assert transport.handle_request(httpx.Request("GET", ADDRESS)).status_code == 204
    assert "left 0.28 s late, and nobody could be told: the database must be reachable" in caplog.text


def test_those_who_wait_keep_their_distance_from_one_that_left_late(
    shared: RequestLedger, watch: SleptStopwatch
) -> None:
    """The first of two pairs leaves 0.3 s late: of the next pair one waits for another turn."""
    first, second, third, fourth, fifth = (shared.claim(LIMITS, "me") for _ in range(5))
    watch.seconds = first.instant + 0.3
    shared.left_late(first, LIMITS, 0.3 - LATENESS)
    stands = [shared.confirms(claim, "me") for claim in (second, third, fourth, fifth)]
    assert stands == [True, True, False, True]
    shared.cancel(fourth)
    again = shared.claim(LIMITS, "me")
    left = [first.instant + 0.3, *(claim.instant for claim in (second, third, fifth, again))]
    assert closest(left) >= 1.0


def test_another_instant_is_reserved_where_the_connection_took_too_long_to_open(watch: SleptStopwatch) -> None:
    """The first request opens the connection, which takes a while by the stopwatch; the second finds it open."""
    simulator = small_simulator()

    class Opening(LoopbackTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            watch.seconds += 0.0 if simulator.requests else 1.0
            return super().handle_request(request)

    ledger = ScriptedLedger(watch)
    throttle = Throttle(ledger, watch, stopwatch=watch)
    with serve(simulator, port=0) as server:
        transport = ThrottledTransport(Opening(server.url), throttle)
        with httpx.Client(mounts={"https://api.schwabapi.com": transport}) as client:
            client.get(ADDRESS)
            assert (len(ledger.asked), throttle.let_go) == (2, 1)
            client.get(ADDRESS)
    assert (len(ledger.asked), throttle.let_go) == (3, 1)
    assert throttle.requests == len(simulator.requests) == 2


def test_loopback_changes_the_origin_and_nothing_else() -> None:
    simulator = small_simulator()
    login = simulator.issue_login()
    with (
        serve(simulator, port=0) as server,
        httpx.Client(mounts={"https://api.schwabapi.com": LoopbackTransport(server.url)}) as client,
    ):
        refreshed = client.post(
            "https://api.schwabapi.com/v1/oauth/token",
            data={"grant_type": "refresh_token", "refresh_token": login["token"]["refresh_token"]},
            auth=(simulator.key, simulator.secret),
        )
        bearer = {"Authorization": f"Bearer {refreshed.json()['access_token']}"}
        query = "&periodType=year&frequencyType=daily&endDate=1400000000000"
        history = client.get(ADDRESS + query, headers=bearer)
    assert history.json()["symbol"] == "BRK/B"
    assert history.request.headers["Host"] == f"127.0.0.1:{server.port}"
    assert [(arrival.method, arrival.path) for arrival in simulator.requests] == [
        ("POST", "/v1/oauth/token"),
        ("GET", "/marketdata/v1/pricehistory"),
    ]
    assert simulator.requests[1].param("symbol") == "BRK/B"


def test_loopback_passes_a_broken_connection_on() -> None:
    simulator = small_simulator(Fault.connection("RemoteProtocolError"))
    with (
        serve(simulator, port=0) as server,
        httpx.Client(mounts={"https://api.schwabapi.com": LoopbackTransport(server.url)}) as client,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(ADDRESS)
        assert client.get(ADDRESS).status_code == 400


PROCESSES = 8


@pytest.mark.slow
def test_eight_processes_of_many_threads_never_send_three_requests_in_any_second(url: str) -> None:
    """Counted as they leave, and where they arrive, at the simulator's port; the limit is used nearly whole.

    An idle machine sends 1.95 a second; a busy one reserves as many, and lets those go that it is
    late for. One that stalls a process between its last look at the clock and its first byte, or the
    simulator before it notes an arrival, may have another try.
    """
    threads = 4 if url.startswith("sqlite") else 2
    total, seen = PROCESSES * threads, []
    database = Database(url, SystemSleeper())
    ledger = RequestLedger(database, SystemClock())
    for tries in range(1, 4):
        simulator = small_simulator()
        with serve(simulator, port=0) as server:
            with started_together(ask_in_child, *[(server.url, url, threads)] * PROCESSES) as children:
                for child in children:
                    child.hear_all()
            assert [child.process.exitcode for child in children] == [0] * PROCESSES
        told = [entry for child in children for entry in child.said]
        left = [moment for entry in told for moment in entry["left"]]
        assert len(left) == len(simulator.requests) == sum(entry["requests"] for entry in told) == total
        days = {(SystemClock().now() - timedelta(days=ago)).date() for ago in (0, 1)}
        assert sum(map(ledger.sent_on, days)) == tries * total, "what was let go does not count"
        assert sum(entry["waited"] for entry in told) > total
        rate = (total + sum(entry["let go"] for entry in told)) / (max(left) - min(left))
        if closest(left) >= 1.0 and simulator.busiest_second() == 2 and rate > 1.5:
            database.close()
            return
        seen.append((closest(left), simulator.busiest_second(), rate))
    pytest.fail(f"shortest time for three, most that arrived within a second, and reservations a second were {seen}")


SCALED = Limits(requests=2, window=timedelta(seconds=0.2), lateness=LIMITS.lateness, daily_budget=10**6)


def ask_beside_a_computation(reports: Connection, url: str, database_url: str, count: int) -> None:
    """Send requests from one thread while another computes in Python; report how many were let go."""
    database = Database(database_url, SystemSleeper())
    throttle = Throttle(RequestLedger(database, SystemClock()), SystemSleeper(), limits=SCALED)
    departures: list[float] = []
    transport = ThrottledTransport(NotedTransport(url, departures), throttle)
    transport.handle_request(httpx.Request("GET", ADDRESS)).close()  # opens what there is to open
    throttle.let_go, finished = 0, threading.Event()

    def compute() -> None:
        while not finished.is_set():
            sum(number * number for number in range(1000))

    computing = threading.Thread(target=compute)
    computing.start()
    for _ in range(count):
        transport.handle_request(httpx.Request("GET", ADDRESS)).close()
    finished.set()
    computing.join()
    transport.close()
    database.close()
    reports.send((throttle.let_go, throttle.requests, departures))


@pytest.mark.slow
def test_a_thread_that_computes_beside_the_one_that_sends_makes_hardly_any_late(sqlite_url: str) -> None:
    """Scaled down: two in a fifth of a second. A machine that is busy with other work may have another try."""
    count, seen = 16, []
    for _ in range(5):
        with (
            serve(small_simulator(), port=0) as server,
            started(ask_beside_a_computation, server.url, sqlite_url, count) as child,
        ):
            child.hear_all()
        ((let_go, requests, left),) = child.said
        assert requests == len(left) == count + 1
        assert closest(left) >= SCALED.window.total_seconds() - 0.005, "what may pass after the last look"
        seen.append(let_go)
        if let_go <= 1:
            return
    pytest.fail(f"of {count} requests, {seen} were late")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes are paused by a signal of POSIX")
def test_a_process_that_was_paused_at_its_instant_reserves_another(sqlite_url: str) -> None:
    """While it stands still two others send; it must not join them at an instant of long ago."""
    simulator = small_simulator()
    database = Database(sqlite_url, SystemSleeper())
    ledger = RequestLedger(database, SystemClock())
    ledger.state()
    departures: list[float] = []
    with serve(simulator, port=0) as server:
        transport = ThrottledTransport(NotedTransport(server.url, departures), Throttle(ledger, SystemSleeper()))
        with started(pause_in_child, server.url, sqlite_url) as paused:
            paused.hear()
            while not ledger.sent_on(SystemClock().now().date()):
                SystemSleeper().sleep(0.01)
            SystemSleeper().sleep(1.1)
            for _ in range(2):
                transport.handle_request(httpx.Request("GET", ADDRESS)).close()
            os.kill(paused.process.pid, signal.SIGCONT)
            paused.hear_all()
        transport.close()
    assert paused.process.exitcode == 0
    assert len(simulator.requests) == 3
    assert simulator.requests[-1].monotonic - departures[0] >= 1.0
    assert ledger.sent_on(SystemClock().now().date()) == 3, "the instant of long ago does not count"
    database.close()
