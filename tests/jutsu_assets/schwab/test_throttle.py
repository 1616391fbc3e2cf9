"""The rate limit: turns, waits, and never three requests in any second over several processes."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from jutsu_assets.clock import SystemClock
from jutsu_assets.schwab.simulator.faults import Fault
from jutsu_assets.schwab.simulator.server import serve
from jutsu_assets.schwab.throttle import REQUESTS_PER_WINDOW, WINDOW, Throttle, ThrottledTransport
from jutsu_assets.schwab.transport import LoopbackTransport
from jutsu_assets.store.coordination import RequestLog
from jutsu_assets.store.engine import Database
from tests.support.schwab import FreePlaces, RecordingSleeper, ask_in_child, exit_codes, small_simulator

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
ADDRESS = "https://api.schwabapi.com/marketdata/v1/pricehistory?symbol=BRK%2FB&startDate=1"


class SleptClock:
    """A clock that only sleeping moves, and how long each sleep was."""

    def __init__(self, *, oversleep: timedelta = timedelta(0)) -> None:
        self.moment = NOON
        self.pauses: list[float] = []
        self._oversleep = oversleep

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.moment += timedelta(seconds=seconds) + self._oversleep


class PlacesFreeAt:
    """Refuses until a moment, and remembers what it was asked for."""

    def __init__(self, clock: SleptClock, *moments: datetime) -> None:
        self._clock = clock
        self._moments = list(moments)
        self.asked: list[tuple[int, timedelta]] = []

    def claim(self, limit: int, window: timedelta) -> datetime | None:
        self.asked.append((limit, window))
        return self._moments.pop(0) if self._moments else None


def test_a_free_place_costs_no_wait() -> None:
    clock = SleptClock()
    throttle = Throttle(PlacesFreeAt(clock), clock, clock)
    throttle.acquire()
    assert (throttle.requests, throttle.waited_seconds, clock.pauses) == (1, 0.0, [])


def test_it_waits_until_a_place_is_free_and_asks_again() -> None:
    """Another process may have taken the place meanwhile."""
    clock = SleptClock()
    places = PlacesFreeAt(clock, NOON + timedelta(seconds=0.7), NOON + timedelta(seconds=1.5))
    throttle = Throttle(places, clock, clock)
    throttle.acquire()
    assert clock.pauses == pytest.approx([0.7, 0.8])
    assert throttle.waited_seconds == pytest.approx(1.5)
    assert throttle.requests == 1
    assert places.asked == [(REQUESTS_PER_WINDOW, WINDOW)] * 3


def test_a_moment_that_has_passed_is_waited_for_briefly() -> None:
    """A clock that stands a little behind must not make it spin, nor sleep a negative time."""
    clock = SleptClock()
    throttle = Throttle(PlacesFreeAt(clock, NOON - timedelta(seconds=5)), clock, clock)
    throttle.acquire()
    assert clock.pauses == [0.001]


def test_limit_and_window_are_what_is_asked_for() -> None:
    clock = SleptClock()
    places = PlacesFreeAt(clock)
    Throttle(places, clock, clock, limit=7, window=timedelta(seconds=9)).acquire()
    assert places.asked == [(7, timedelta(seconds=9))]


def test_over_the_real_log_two_go_at_once_and_the_rest_in_pairs(tmp_path: Path) -> None:
    clock = SleptClock(oversleep=timedelta(milliseconds=3))
    database = Database(f"sqlite:///{tmp_path / 'jutsu.db'}", RecordingSleeper())
    throttle = Throttle(RequestLog(database, clock), clock, clock)
    times = []
    for _ in range(8):
        throttle.acquire()
        times.append(clock.moment)
    database.close()
    assert times[1] == NOON
    assert all(later - earlier > timedelta(seconds=1) for earlier, later in zip(times, times[2:], strict=False))
    assert times[-1] - NOON < timedelta(seconds=3.2)
    assert throttle.requests == 8
    assert throttle.waited_seconds == pytest.approx(sum(clock.pauses))


def test_a_request_is_sent_after_its_turn_and_closing_closes_what_sends() -> None:
    order: list[str] = []

    class Places(FreePlaces):
        def claim(self, limit: int, window: timedelta) -> datetime | None:
            order.append("turn")
            return super().claim(limit, window)

    class Inner(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            order.append(request.url.path)
            return httpx.Response(204)

        def close(self) -> None:
            order.append("closed")

    throttle = Throttle(Places(), SystemClock(), RecordingSleeper())
    transport = ThrottledTransport(Inner(), throttle)
    with httpx.Client(transport=transport) as client:
        assert client.get(ADDRESS).status_code == 204
        client.post("https://api.schwabapi.com/v1/oauth/token")
    assert order == ["turn", "/marketdata/v1/pricehistory", "turn", "/v1/oauth/token", "closed"]
    assert throttle.requests == 2


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


@pytest.mark.slow
def test_three_processes_never_send_three_requests_in_any_second(tmp_path: Path) -> None:
    """The arrivals are counted where they arrive, at the simulator's port."""
    simulator = small_simulator()
    report = tmp_path / "report.jsonl"
    url = f"sqlite:///{tmp_path / 'jutsu.db'}"
    with serve(simulator, port=0) as server:
        assert exit_codes(3, ask_in_child, server.url, url, 3, str(report)) == [0, 0, 0]
    assert len(simulator.requests) == 9
    assert simulator.busiest_second() == 2
    told = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    assert [entry["requests"] for entry in told] == [3, 3, 3]
    first, last = simulator.requests[0].monotonic, simulator.requests[-1].monotonic
    assert last - first > 4.0
    assert sum(entry["waited"] for entry in told) > 4.0
    assert max(entry["waited"] for entry in told) < last - first + 1.0
