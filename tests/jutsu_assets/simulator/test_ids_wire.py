"""Limits, server and transport faults by their ids: R1 to R16, in process."""

import json
import math
from datetime import timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.market import DailyBar, MarketHistory
from jutsu_assets.simulator.replies import BIG_BYTES
from jutsu_assets.simulator.script import Script
from tests.jutsu_assets.simulator.named import named
from tests.jutsu_assets.simulator.wire import EVENING, THURSDAY, SettableClock, Wire, small_market, stamp

JSON, HTML, TEXT = "application/json", "text/html", "text/plain"
CORRELATED = {"schwab-client-correlid", "schwab-resource-version"}


def error_of(response: httpx.Response) -> dict[str, Any]:
    (error,) = response.json()["errors"]
    assert error.pop("id")
    assert set(response.headers) >= CORRELATED
    return dict(error)


def is_s429(response: httpx.Response) -> bool:
    return response.status_code == 429 and error_of(response) == {"status": 429, "title": "Too Many Requests"}


def statuses(wire: Wire, count: int) -> list[int]:
    return [wire.history().status_code for _ in range(count)]


def test_r1_all_clients_together_are_limited_or_just_counted() -> None:
    clock = SettableClock(0)
    wire = named("R1", monotonic=clock)
    other = Wire(wire.simulator)
    wire.token = other.token
    assert [client.history().status_code for client in (wire, other, wire)] == [200, 200, 429]
    clock.seconds += 1
    assert statuses(wire, 3) == [200, 200, 429]
    counted = named("R1-counted", monotonic=SettableClock(0))
    assert statuses(counted, 5) == [200] * 5
    assert counted.simulator.busiest_second() == 5


@pytest.mark.parametrize(
    ("name", "retry_after"),
    [("R2", "3"), ("R3", None), ("R5", "0"), ("R5-86400", "86400"), ("R5-soon", "soon")],
)
def test_r2_r3_r5_too_many_requests(name: str, retry_after: str | None) -> None:
    wire = named(f"{name}:1")
    response = wire.history()
    assert is_s429(response)
    assert response.headers["Content-Type"] == JSON
    assert response.headers.get("Retry-After") == retry_after
    assert wire.history().status_code == 200


def test_r4_the_pause_is_a_date_three_seconds_after_the_replys_own() -> None:
    response = named("R4").history()
    assert is_s429(response)
    until, said_at = (parsedate_to_datetime(response.headers[name]) for name in ("Retry-After", "Date"))
    assert (until - said_at).total_seconds() == 3
    assert response.headers["Date"] == "Fri, 01 Mar 2013 01:00:00 GMT"


def test_r5_the_refusal_is_text() -> None:
    response = named("R5-text").history()
    assert (response.status_code, response.headers["Content-Type"]) == (429, TEXT)
    assert (response.text, response.headers["Retry-After"]) == ("Too Many Requests", "0")


def test_r6_sustained_excess_gets_the_address_blocked() -> None:
    clock = SettableClock(0)
    wire = named("R6", monotonic=clock)
    assert statuses(wire, 2) == [200, 200]
    for _ in range(5):
        refused = wire.history()
        assert is_s429(refused)
        assert refused.headers["Retry-After"] == "3"
    blocked = (wire.history(), wire.refresh(), wire.authorize(), wire.http.get("/nowhere"))
    for response in blocked:
        assert (response.status_code, response.headers["Content-Type"]) == (403, HTML)
        assert "<TITLE>Access Denied</TITLE>" in response.text
    clock.seconds += 59.9
    assert wire.refresh().status_code == 403
    clock.seconds += 0.2
    assert statuses(wire, 2) == [429, 200]
    assert wire.refresh().status_code == 200
    assert is_s429(wire.history())


def test_r6_a_client_that_heeds_the_refusals_is_not_blocked() -> None:
    clock = SettableClock(0)
    wire = named("R6", monotonic=clock)
    for _ in range(10):
        assert statuses(wire, 3) == [200, 200, 429]
        clock.seconds += 13


def test_r7_the_server_fails_in_its_envelope() -> None:
    response = named("R7").history()
    assert response.status_code == 500
    assert error_of(response) == {"status": 500, "title": "Internal Server Error"}


def test_r8_the_server_fails_with_a_page() -> None:
    response = named("R8").history()
    assert (response.status_code, response.headers["Content-Type"]) == (500, HTML)
    assert "Whitelabel Error Page" in response.text


TOO_BIG = {"fault": {"faultstring": "Body buffer overflow", "detail": {"errorcode": "protocol.http.TooBigBody"}}}


def test_r9_the_reply_is_too_big() -> None:
    response = named("R9").history()
    assert (response.status_code, response.headers["Content-Type"], response.json()) == (502, JSON, TOO_BIG)


def test_r9_only_above_a_set_number_of_candles() -> None:
    price = Decimal(10)
    rows = [DailyBar(THURSDAY - timedelta(days=back), price, price, price, price, 1) for back in range(1002)]
    wire = named("R9-above", market=MarketHistory.from_bars({"JTS": rows}))
    end = stamp(THURSDAY)
    for back, status in ((998, 200), (999, 200), (1000, 502)):
        response = wire.history(startDate=stamp(THURSDAY - timedelta(days=back), 4), endDate=end)
        assert response.status_code == status
        assert (response.json() == TOO_BIG) == (status == 502)


@pytest.mark.parametrize(
    ("name", "status", "text", "retry_after"),
    [
        ("R10", 503, "Service Unavailable", None),
        ("R10-retry", 503, "Service Unavailable", "3"),
        ("R10-504", 504, "upstream request timeout", None),
    ],
)
def test_r10_the_service_is_unavailable(name: str, status: int, text: str, retry_after: str | None) -> None:
    response = named(name).history()
    assert (response.status_code, response.headers["Content-Type"], response.text) == (status, TEXT, text)
    assert response.headers.get("Retry-After") == retry_after


def test_r11_the_request_is_redirected() -> None:
    response = named("R11").history()
    assert (response.status_code, response.content) == (302, b"")
    assert response.headers["Location"] == "https://api.schwabapi.com/elsewhere"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("R12", httpx.ConnectError),
        ("R12-reset", httpx.ReadError),
        ("R12-closed", httpx.RemoteProtocolError),
        ("R13", httpx.RemoteProtocolError),
        ("R14", httpx.ReadTimeout),
        ("R14-body", httpx.ReadTimeout),
    ],
)
def test_r12_r13_r14_the_connection_breaks_or_is_silent(name: str, error: type[httpx.TransportError]) -> None:
    wire = named(f"{name}:1")
    with pytest.raises(error):
        wire.history()
    assert wire.history().status_code == 200


def test_r14_in_process_a_drip_is_just_the_reply_and_patience_is_rewarded() -> None:
    assert named("R14-drip").history().json() == named().history().json()
    patient = named("R14")
    patient.http.timeout = httpx.Timeout(None)
    assert patient.history().status_code == 200


def test_r15_a_success_is_none() -> None:
    empty = named("R15").history()
    assert (empty.status_code, empty.headers["Content-Type"], empty.content) == (200, JSON, b"")
    page = named("R15-page").history()
    assert (page.status_code, page.headers["Content-Type"], page.text) == (200, HTML, "<HTML></HTML>")
    assert named("R15-list").history().json() == [1]
    with pytest.raises(httpx.DecodingError):
        named("R15-gzip").history()


def test_r15_json_stops_early_at_a_valid_length() -> None:
    response = named("R15-cut").history()
    assert response.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        response.json()


def test_r15_the_content_type_is_wrong() -> None:
    response = named("R15-type").history()
    assert (response.status_code, response.headers["Content-Type"]) == (200, HTML)
    assert response.json() == named().history().json()


def test_r15_the_reply_is_far_too_long() -> None:
    response = named("R15-big").history()
    assert len(response.content) >= BIG_BYTES
    assert response.json() == {"candles": [], "symbol": "", "empty": True}


def outage(seed: int) -> list[int | str]:
    """Return what forty requests meet in a partial outage."""
    plan = Script.model_validate({"seed": seed, "faults": [{"fault": "R16"}]}).plan(THURSDAY)
    wire = Wire(SchwabSimulator(small_market(), now=lambda: EVENING, faults=plan))
    met: list[int | str] = []
    for _ in range(40):
        try:
            met.append(wire.history().status_code)
        except httpx.TransportError as error:
            met.append(type(error).__name__)
    return met


def test_r16_some_requests_meet_a_mix_of_faults_by_the_seed() -> None:
    assert outage(1) == outage(1) != outage(2)
    met = [item for seed in range(5) for item in outage(seed)]
    assert set(met) == {200, 429, 500, 503, 504, "ReadError"}
    assert math.isclose(met.count(200) / len(met), 0.8, abs_tol=0.1)
