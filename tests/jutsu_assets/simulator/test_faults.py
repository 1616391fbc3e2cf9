"""Faults of the wire: whole replies, broken connections, and which request they strike."""

import json
import re
from typing import Any

import httpx
import pytest

from jutsu_assets.simulator.endpoints import TOKEN
from jutsu_assets.simulator.faults import Fault, FaultPlan, Incoming, TransportErrorName
from tests.jutsu_assets.simulator.wire import Wire, small_simulator


def struck(*faults: Fault) -> httpx.Response:
    """Return the first price-history reply under ``faults``."""
    return Wire(small_simulator(*faults)).history()


def statuses(wire: Wire, count: int, symbol: str = "JTS") -> list[int]:
    return [wire.history(symbol).status_code for _ in range(count)]


@pytest.mark.parametrize("retry_after", [None, 3, 0, 86400, "soon", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_r2_to_r5_too_many_requests(retry_after: str | int | None) -> None:
    response = struck(Fault.too_many_requests(retry_after))
    assert response.status_code == 429
    assert response.headers.get("Retry-After") == (None if retry_after is None else str(retry_after))
    (error,) = response.json()["errors"]
    assert error.pop("id")
    assert error == {"status": 429, "title": "Too Many Requests"}


def test_r6_o16_the_edge_blocks_every_path() -> None:
    wire = Wire(small_simulator(Fault.edge_block().on_path(None).always()))
    for response in (wire.history(), wire.refresh(), wire.authorize()):
        assert response.status_code == 403
        assert response.headers["Content-Type"] == "text/html"
        assert response.text.startswith("<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>\n<H1>")
        assert "errors.edgesuite.net" in response.text
    address = "http&#58;&#47;&#47;api&#46;schwabapi&#46;com&#47;v1&#47;oauth&#47;token"
    assert f'You don\'t have permission to access "{address}" on this server.<P>' in wire.refresh().text


def test_r7_server_error_in_the_envelope() -> None:
    response = struck(Fault.server_error())
    assert response.status_code == 500
    (error,) = response.json()["errors"]
    assert error.pop("id")
    assert error == {"status": 500, "title": "Internal Server Error"}


def test_r8_server_error_as_a_page() -> None:
    response = struck(Fault.server_error_page())
    assert (response.status_code, response.headers["Content-Type"]) == (500, "text/html")
    assert "There was an unexpected error (type=Internal Server Error, status=500)." in response.text


def test_r9_reply_too_big() -> None:
    response = struck(Fault.reply_too_big())
    assert response.status_code == 502
    assert response.json() == {
        "fault": {"faultstring": "Body buffer overflow", "detail": {"errorcode": "protocol.http.TooBigBody"}}
    }


@pytest.mark.parametrize(
    ("fault", "status", "text", "retry_after"),
    [
        (Fault.unavailable(), 503, "Service Unavailable", None),
        (Fault.unavailable(2), 503, "Service Unavailable", "2"),
        (Fault.gateway_timeout(), 504, "upstream request timeout", None),
    ],
)
def test_r10_unavailable(fault: Fault, status: int, text: str, retry_after: str | None) -> None:
    response = struck(fault)
    assert (response.status_code, response.text, response.headers["Content-Type"]) == (status, text, "text/plain")
    assert response.headers.get("Retry-After") == retry_after


def test_r11_redirect() -> None:
    response = struck(Fault.redirect())
    assert (response.status_code, response.content) == (302, b"")
    assert response.headers["Location"] == "https://api.schwabapi.com/elsewhere"


KINDS: dict[TransportErrorName, type[httpx.TransportError]] = {
    "ConnectError": httpx.ConnectError,
    "ReadError": httpx.ReadError,
    "RemoteProtocolError": httpx.RemoteProtocolError,
    "ReadTimeout": httpx.ReadTimeout,
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_r12_r14_the_connection_breaks_once_and_is_logged(kind: TransportErrorName) -> None:
    wire = Wire(small_simulator(Fault.connection(kind)))
    with pytest.raises(KINDS[kind]) as caught:
        wire.history()
    assert caught.value.request.url.path.endswith("/pricehistory")
    assert wire.history().status_code == 200
    assert [item.status for item in wire.simulator.requests] == [None, 200]


def test_r13_the_body_is_cut() -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        struck(Fault.cut_body())


def test_r15_replies_that_are_no_price_history() -> None:
    assert struck(Fault.page()).text == "<HTML></HTML>"
    assert struck(Fault.page()).headers["Content-Type"] == "text/html"
    assert struck(Fault.empty_body()).content == b""
    assert struck(Fault.json_list()).json() == [1]
    with pytest.raises(httpx.DecodingError):
        struck(Fault.broken_gzip())


def test_r15_json_cut_at_a_valid_length() -> None:
    response = struck(Fault.truncated())
    assert response.status_code == 200
    assert response.text.startswith('{"candles":[{"open":')
    with pytest.raises(json.JSONDecodeError):
        response.json()


def test_faults_of_the_token_endpoint() -> None:
    cases: list[tuple[Fault, int, Any]] = [
        (Fault.token_object_without_error(429), 429, {"message": "Too many requests"}),
        (
            Fault.token_object_without_error(401),
            401,
            {
                "fault": {
                    "faultstring": "Invalid Access Token",
                    "detail": {"errorcode": "oauth.v2.InvalidAccessToken"},
                }
            },
        ),
        (Fault.token_refused(), 401, {"error": "invalid_client", "error_description": "refresh token invalid"}),
        (Fault.json_list().on_path("token"), 200, [1]),
    ]
    for fault, status, content in cases:
        wire = Wire(small_simulator(fault))
        assert wire.history().status_code == 200
        response = wire.refresh()
        assert (response.status_code, response.json()) == (status, content)
        assert wire.refresh().status_code == 200


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_o17_the_token_endpoint_is_down(status: int) -> None:
    wire = Wire(small_simulator(Fault.gateway_timeout(status).on_path("token")))
    response = wire.refresh()
    assert (response.status_code, response.text) == (status, "upstream request timeout")


@pytest.mark.parametrize(("processed", "status"), [(True, 400), (False, 200)])
def test_o19_a_reply_that_gets_lost_may_have_rotated_the_token(processed: bool, status: int) -> None:  # noqa: FBT001
    fault = Fault.connection("ReadTimeout", processed=processed).on_path("token")
    wire = Wire(small_simulator(fault, rotate_refresh_tokens=True))
    with pytest.raises(httpx.ReadTimeout):
        wire.refresh()
    assert wire.refresh().status_code == status


def test_unexpected_refusals_of_good_requests() -> None:
    assert struck(Fault.unauthorized()).status_code == 401
    assert struck(Fault.bad_request()).status_code == 400


def test_f5_a_fault_strikes_a_number_of_requests_and_then_no_more() -> None:
    wire = Wire(small_simulator(Fault.server_error().times(2)))
    assert statuses(wire, 4) == [500, 500, 200, 200]


def test_f5_a_fault_strikes_the_nth_request_whatever_stands_before_it() -> None:
    wire = Wire(small_simulator(Fault.too_many_requests(), Fault.unavailable().from_request(2)))
    assert statuses(wire, 3) == [429, 503, 200]


def test_f5_a_fault_strikes_one_symbol() -> None:
    wire = Wire(small_simulator(Fault.server_error().for_symbol("BRK/B").always()))
    assert statuses(wire, 2) == [200, 200]
    assert statuses(wire, 2, "BRK/B") == [500, 500]


def test_the_first_reply_of_the_plan_wins() -> None:
    assert struck(Fault.unavailable(), Fault.connection("ReadError")).status_code == 503


def test_a_fault_with_a_reply_needs_no_token() -> None:
    wire = Wire(small_simulator(Fault.server_error()))
    assert wire.http.get("/marketdata/v1/pricehistory").status_code == 500


def test_r16_random_outages_repeat_with_their_seed() -> None:
    def run(seed: int) -> list[bool]:
        plan = FaultPlan([Fault.server_error().at_random(0.3)], seed=seed)
        incoming = Incoming(kind="pricehistory", method="GET", path="/", params={}, authorization="")
        return [plan.judge(incoming).instead is not None for _ in range(400)]

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 80 < sum(run(1)) < 160


def test_every_reply_of_the_token_endpoint_is_json_with_a_correlation_id() -> None:
    wire = Wire(small_simulator())
    for response in (wire.refresh(), wire.refresh("dead"), wire.http.post(TOKEN)):
        assert response.headers["Content-Type"] == "application/json"
        assert re.fullmatch(r"[0-9a-f-]{36}", response.headers["Schwab-Client-CorrelId"])
        assert ("Schwab-Resource-Version" in response.headers) == (response.status_code >= 400)
