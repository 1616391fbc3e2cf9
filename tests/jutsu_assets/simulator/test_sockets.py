"""What only a port has: slow and broken replies over real sockets, and the control paths."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from jutsu_assets.simulator.app import PROCESS_HEADER, SchwabSimulator
from jutsu_assets.simulator.arrivals import Arrival, busiest_second, per_second
from jutsu_assets.simulator.catalog import named_plan
from jutsu_assets.simulator.clock import SimulatorClock
from jutsu_assets.simulator.endpoints import PRICE_HISTORY, TOKEN
from jutsu_assets.simulator.server import SimulatorServer, serve
from jutsu_assets.simulator.switches import Switches
from jutsu_assets.simulator.transport import ORIGIN
from tests.jutsu_assets.simulator.named import named
from tests.jutsu_assets.simulator.wire import EVENING, THURSDAY, SettableClock, small_market

FAST = Switches(slow_seconds=0.4, drip_seconds=0.0005)
NEVER = Switches(slow_seconds=600, drip_seconds=600)


class Port:
    """A client in front of a simulator on a port."""

    def __init__(self, server: SimulatorServer, *, timeout: float = 0.2) -> None:
        self.server = server
        self.simulator = server.simulator
        self.token = self.simulator.issue_login()["token"]
        self.http = httpx.Client(base_url=server.url, timeout=timeout)

    def history(self, **headers: str) -> httpx.Response:
        params = {"symbol": "JTS", "periodType": "year", "frequencyType": "daily"}
        bearer = {"Authorization": f"Bearer {self.token['access_token']}"}
        return self.http.get(PRICE_HISTORY, params=params, headers=bearer | headers)


class Ports:
    """Opens ports, and closes them at the end."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def open(self, *names: str, switches: Switches = FAST, timeout: float = 0.2, **options: Any) -> Port:
        if "clock" not in options:
            options["now"] = lambda: EVENING
        plan = named_plan(names, THURSDAY)
        simulator = SchwabSimulator(small_market(), faults=plan, switches=switches, **options)
        port = Port(self._stack.enter_context(serve(simulator, port=0)), timeout=timeout)
        self._stack.enter_context(port.http)
        return port


@pytest.fixture
def ports() -> Iterator[Ports]:
    with ExitStack() as stack:
        yield Ports(stack)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("R12", httpx.ReadError),
        ("R12-reset", httpx.ReadError),
        ("R12-closed", httpx.RemoteProtocolError),
        ("R13", httpx.RemoteProtocolError),
        ("R14", httpx.ReadTimeout),
        ("R14-body", httpx.ReadTimeout),
    ],
)
def test_r12_r13_r14_over_a_socket(ports: Ports, name: str, error: type[Exception]) -> None:
    """A connection that is there cannot be refused any more: it is reset instead."""
    port = ports.open(f"{name}:1")
    with pytest.raises(error):
        port.history()
    assert port.history().status_code == 200


@pytest.mark.parametrize("name", ["R14", "R14-body"])
def test_r14_a_patient_client_gets_the_late_reply(ports: Ports, name: str) -> None:
    port = ports.open(f"{name}:1", timeout=10)
    begun = time.monotonic()
    late = port.history()
    assert time.monotonic() - begun >= FAST.slow_seconds
    assert late.json() == port.history().json()


def test_r14_with_silence_after_the_headers_the_headers_are_there(ports: Ports) -> None:
    port = ports.open("R14-body", switches=NEVER, timeout=5)
    bearer = {"Authorization": f"Bearer {port.token['access_token']}"}
    with port.http.stream("GET", f"{PRICE_HISTORY}?symbol=JTS", headers=bearer) as response:
        assert response.status_code == 200


def test_r14_a_drip_never_trips_the_timeout(ports: Ports) -> None:
    switches = Switches(drip_seconds=0.002)
    port = ports.open("R14-drip:1", switches=switches, timeout=0.5)
    begun = time.monotonic()
    dripped = port.history(**{"Accept-Encoding": "identity"})
    assert time.monotonic() - begun >= len(dripped.content) * switches.drip_seconds > 0.5
    assert dripped.json() == port.history().json()


@pytest.mark.parametrize("name", ["R14", "R14-body", "R14-drip", "O19-lost"])
def test_r14_a_server_that_closes_ends_the_silence(name: str) -> None:
    with ExitStack() as stack:
        port = Ports(stack).open(name, switches=NEVER, timeout=30)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(port.http.post, TOKEN) if name == "O19-lost" else pool.submit(port.history)
            while not port.simulator.requests:
                time.sleep(0.01)  # noqa: TID251 - another thread's request is on its way
            begun = time.monotonic()
            port.server.close()
            with pytest.raises(httpx.TransportError):
                waiting.result(10)
            assert time.monotonic() - begun < 5


@pytest.mark.parametrize("name", ["R14:1", "R14-body:1", "R14-drip:1"])
def test_a_stuck_reply_keeps_nobody_else_waiting(ports: Ports, name: str) -> None:
    port = ports.open(name, switches=NEVER, timeout=5)
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(port.history)
        while not port.simulator.requests:
            time.sleep(0.01)  # noqa: TID251 - another thread's request is on its way
        assert [port.history().status_code for _ in range(5)] == [200] * 5
        port.server.close()
        with pytest.raises(httpx.TransportError):
            stuck.result(10)


def test_making_a_reply_keeps_nobody_else_waiting() -> None:
    market = small_market()
    entered, leave = threading.Event(), threading.Event()
    slowly = market.daily

    def daily(symbol: str, **options: Any) -> Any:
        if symbol == "JTS":
            entered.set()
            assert leave.wait(10)
        return slowly(symbol, **options)

    market.daily = daily  # type: ignore[method-assign]
    wire = named(market=market)
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(wire.history)
        assert entered.wait(10)
        assert wire.history("BRK/B").status_code == 200
        assert wire.refresh().status_code == 200
        assert [item.status for item in wire.simulator.requests] == [None, 200, 200]
        leave.set()
        assert making.result(10).status_code == 200


def test_f6_gzip_is_sent_to_those_who_take_it(ports: Ports) -> None:
    port = ports.open()
    plain = port.history(**{"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.http_version == "HTTP/1.1"
    for accepted, is_packed in (("gzip, deflate", True), ("br;q=1, GZIP;q=0.5", True), ("gzip;q=0", False)):
        packed = port.history(**{"Accept-Encoding": accepted})
        assert packed.headers.get("Content-Encoding") == ("gzip" if is_packed else None)
        assert packed.content == plain.content
    assert int(port.history().headers["Content-Length"]) == len(gzip.compress(plain.content, 1, mtime=0))


def test_f6_two_requests_go_over_one_connection(ports: Ports) -> None:
    port = ports.open()
    with socket.create_connection(("127.0.0.1", port.server.port)) as raw:
        for _ in range(2):
            raw.sendall(b"GET /elsewhere HTTP/1.1\r\nHost: api.schwabapi.com\r\n\r\n")
            reply = raw.recv(65536).decode()
            assert reply.startswith("HTTP/1.1 404 Not Found\r\n")
            assert "Content-Length: " in reply
    assert len({item.process for item in port.simulator.requests}) == 1


@pytest.mark.parametrize("path", ["/marketdata/v1/BRK/B/quotes", "/elsewhere", "/simulation"])
def test_f7_an_unknown_path_is_not_found(ports: Ports, path: str) -> None:
    port = ports.open()
    bearer = {"Authorization": f"Bearer {port.token['access_token']}"}
    response = port.http.get(path, headers=bearer)
    assert (response.status_code, response.headers["Content-Type"]) == (404, "application/json")
    (error,) = response.json()["errors"]
    assert error.pop("id")
    assert error == {"status": "404", "title": "Not Found"}


def test_f7_as_a_switch_it_is_the_gateways_text(ports: Ports) -> None:
    response = ports.open("F7-text").http.get("/elsewhere")
    assert (response.status_code, response.headers["Content-Type"]) == (404, "text/plain")
    route = "traderapi-accounts.apigx-origin.schwab.com"
    assert response.text == f"404 Not Found: Requested route ('{route}') does not exist.\n"


def test_f2_another_process_sets_the_clock_and_replies_are_dated_by_it(ports: Ports) -> None:
    passing = SettableClock(0)
    clock = SimulatorClock(EVENING, rate=0, monotonic=passing, epoch=lambda: 1_700_000_000)
    port = ports.open("R4", clock=clock)
    assert port.http.get("/simulator/clock").json() == {"now": "2013-03-01T01:00:00+00:00", "rate": 0, "skew": 0}
    told = port.http.post("/simulator/clock", json={"now": "2013-03-01T12:00:00-05:00", "rate": 2, "skew": -30})
    assert told.json() == {"now": "2013-03-01T17:00:00+00:00", "rate": 2, "skew": -30}
    passing.seconds += 5
    assert port.http.get("/elsewhere").headers["Date"] == "Fri, 01 Mar 2013 17:00:10 GMT"
    limited = port.history().headers
    dates = {name: parsedate_to_datetime(limited[name]) for name in ("Date", "Retry-After")}
    assert dates["Retry-After"] - dates["Date"] == timedelta(seconds=3)
    assert len(limited.get_list("Date")) == 1
    assert [item.path for item in port.simulator.requests] == ["/elsewhere", PRICE_HISTORY]


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        (b'{"now": "2013-03-01T12:00:00"}', "now must be a moment with its offset"),
        (b'{"rate": -1}', "rate must be a number from 0"),
        (b'{"speed": 2}', "key speed is not known"),
        (b"[]", "the clock cannot be set: it must be"),
        (b"rate=2", "the clock cannot be set: it must be"),
    ],
)
def test_f2_a_clock_is_not_set_by_nonsense(ports: Ports, body: bytes, finding: str) -> None:
    clock = SimulatorClock(EVENING, rate=0)
    response = ports.open(clock=clock).http.post("/simulator/clock", content=body)
    assert response.status_code == 400
    assert finding in response.text
    assert clock.now() == EVENING


def test_control_paths_that_are_not_there_say_so(ports: Ports) -> None:
    port = ports.open()
    assert "clock, arrivals and counts" in port.http.get("/simulator/else").text
    assert port.http.post("/simulator/arrivals").status_code == 404
    missing = port.http.get("/simulator/clock")
    assert (missing.status_code, missing.text) == (400, "this simulator was started without a clock that can be set\n")
    assert port.simulator.requests == []
    assert named().http.get("/simulator/counts").status_code == 404


def test_f4_the_arrival_log_is_served_and_written_without_secrets(ports: Ports, tmp_path: Path) -> None:
    passing = SettableClock(100.25)
    port = ports.open(monotonic=passing)
    port.history(**{PROCESS_HEADER: "worker 1"})
    passing.seconds += 0.9
    form = {"grant_type": "refresh_token", "refresh_token": port.token["refresh_token"]}
    port.http.post(TOKEN, data=form, auth=(port.simulator.key, port.simulator.secret))
    port.http.post("/elsewhere", data=form)
    passing.seconds += 5
    port.history()
    text = port.http.get("/simulator/arrivals").text
    told = [json.loads(line) for line in text.splitlines()]
    assert [(item["monotonic"], item["method"], item["path"], item["status"]) for item in told] == [
        (100.25, "GET", PRICE_HISTORY, 200),
        (101.15, "POST", TOKEN, 200),
        (101.15, "POST", "/elsewhere", 404),
        (106.15, "GET", PRICE_HISTORY, 200),
    ]
    assert told[0]["params"] == {"symbol": "JTS", "periodType": "year", "frequencyType": "daily"}
    assert told[1]["params"] == told[2]["params"] == {"grant_type": "refresh_token"}
    assert told[0]["process"] == "worker 1"
    assert told[1]["process"].startswith("127.0.0.1:")
    for secret in (*port.token.values(), port.simulator.key, port.simulator.secret):
        assert str(secret) not in text or secret in (1800, "api", "Bearer")
    port.simulator.write_arrivals(tmp_path / "arrivals.jsonl")
    assert (tmp_path / "arrivals.jsonl").read_text("utf-8") == text
    counts = port.http.get("/simulator/counts").json()
    assert counts == {"requests": 4, "busiest_second": 3, "seconds": {"100": 1, "101": 2, "106": 1}}


def test_f4_the_busiest_second_begins_anywhere() -> None:
    log = [Arrival(at, "GET", "/", (), 200) for at in (0.0, 0.9, 1.0, 1.5, 1.8, 2.5, 9.0)]
    assert busiest_second(log) == 4
    assert per_second(log) == {0: 2, 1: 3, 2: 1, 9: 1}
    assert busiest_second([]) == 0


def test_f1_the_simulator_is_a_plain_wsgi_application() -> None:
    simulator = named("R14").simulator
    bearer = {"Authorization": f"Bearer {simulator.issue_login()['token']['access_token']}"}
    with httpx.Client(transport=httpx.WSGITransport(app=simulator), base_url=ORIGIN) as http:
        response = http.get(PRICE_HISTORY, params={"symbol": "JTS"}, headers=bearer)
    assert response.status_code == 200
    assert response.json()["symbol"] == "JTS"
