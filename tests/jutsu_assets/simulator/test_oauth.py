"""Logins, refreshes, and how tokens die: O1 to O13, D1 to D5, F4, F7."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.endpoints import PRICE_HISTORY, TOKEN
from jutsu_assets.simulator.faults import Fault
from jutsu_assets.simulator.oauth import REFRESH_SECONDS
from jutsu_assets.simulator.switches import Switches
from tests.jutsu_assets.simulator.wire import SettableClock, Wire, small_simulator

TOKEN_FIELDS = ["expires_in", "token_type", "scope", "refresh_token", "access_token", "id_token"]


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def wire(clock: SettableClock) -> Wire:
    return Wire(small_simulator(token_clock=clock))


def assert_dead(response: httpx.Response) -> None:
    assert response.status_code == 400
    content = response.json()
    assert content["error"] == "unsupported_token_type"
    prefix = '400 Bad Request: "'
    assert content["error_description"].startswith(prefix)
    nested = json.loads(content["error_description"].removeprefix(prefix).removesuffix('"'))
    assert nested["error"] == "refresh_token_authentication_error"
    assert "Failed refresh token authentication [tokenDigest=" in nested["error_description"]


def test_o1_authorize_sends_the_browser_back_with_an_encoded_code(wire: Wire) -> None:
    response = wire.authorize()
    assert response.status_code == 302
    assert response.content == b""
    location = response.headers["Location"]
    assert location.startswith("https://127.0.0.1/?code=C0.")
    assert "%40&session=" in location
    query = parse_qs(urlsplit(location).query)
    assert query["state"] == ["S1"]
    assert len(query["session"][0]) == 36


@pytest.mark.parametrize("address", ["https://127.0.0.1/", "https://127.0.0.1:443", "HTTPS://127.0.0.1", ""])
def test_o2_any_other_redirect_address_is_denied(wire: Wire, address: str) -> None:
    response = wire.authorize(redirect_uri=address)
    assert response.status_code == 403
    assert response.headers["Content-Type"] == "text/html"
    assert "<TITLE>Access Denied</TITLE>" in response.text


def test_o3_an_application_not_ready_shows_the_error_page() -> None:
    wire = Wire(small_simulator(Fault.server_error_page().on_path("authorize")))
    response = wire.authorize()
    assert response.status_code == 500
    assert "Whitelabel Error Page" in response.text


def test_o4_a_user_who_refuses_comes_back_without_a_code() -> None:
    wire = Wire(small_simulator(switches=Switches(user_refuses=True)))
    location = wire.authorize().headers["Location"]
    assert location == "https://127.0.0.1/?error=access_denied&state=S1"


def test_o5_a_fresh_code_buys_tokens(wire: Wire) -> None:
    response = wire.exchange(wire.code())
    assert response.status_code == 200
    content = response.json()
    assert list(content) == TOKEN_FIELDS
    assert (content["expires_in"], content["token_type"], content["scope"]) == (1800, "Bearer", "api")
    wire.token = content
    assert wire.history().status_code == 200


@pytest.mark.parametrize("spoil", [lambda c: c.replace("@", "%40"), lambda _: "C0.other@", lambda _: ""])
def test_o6_a_code_that_is_not_the_one_issued_is_refused(wire: Wire, spoil: Callable[[str], str]) -> None:
    response = wire.exchange(spoil(wire.code()))
    assert response.status_code == 400
    assert response.json() == {"error": "invalid_grant", "error_description": "Bad authorization code"}


def test_o6_a_code_works_once_and_for_thirty_seconds(wire: Wire, clock: SettableClock) -> None:
    code = wire.code()
    assert wire.exchange(code).status_code == 200
    assert wire.exchange(code).status_code == 400
    late = wire.code()
    clock.seconds += 31
    assert wire.exchange(late).status_code == 400


def test_o7_a_new_login_kills_every_older_token(wire: Wire) -> None:
    old = dict(wire.token)
    wire.exchange(wire.code())
    assert wire.history().status_code == 401
    assert_dead(wire.refresh(old["refresh_token"]))


def test_o8_client_credentials_get_an_hour_and_no_refresh_token(wire: Wire) -> None:
    response = wire.grant(grant_type="client_credentials", client_id=wire.simulator.key)
    assert list(response.json()) == ["expires_in", "token_type", "scope", "access_token"]
    assert response.json()["expires_in"] == 3600
    wire.token = response.json()
    assert wire.history().status_code == 200


def test_o9_a_refresh_keeps_the_refresh_token_and_the_older_access_token(wire: Wire) -> None:
    response = wire.refresh()
    assert list(response.json()) == TOKEN_FIELDS
    assert response.json()["refresh_token"] == wire.token["refresh_token"]
    assert response.json()["access_token"] != wire.token["access_token"]
    assert wire.history().status_code == 200


def test_o9_a_refresh_does_not_extend_the_seven_days(wire: Wire, clock: SettableClock) -> None:
    clock.seconds += REFRESH_SECONDS - 1
    assert wire.refresh().status_code == 200
    clock.seconds += 1
    assert_dead(wire.refresh())


def test_o10_in_rotating_mode_the_old_refresh_token_dies() -> None:
    wire = Wire(small_simulator(rotate_refresh_tokens=True))
    first = wire.token["refresh_token"]
    second = wire.refresh().json()["refresh_token"]
    assert second != first
    assert_dead(wire.refresh(first))
    assert wire.refresh(second).status_code == 200


@pytest.mark.parametrize("name", ["refresh_token", "expires_in"])
def test_o11_a_token_reply_may_lack_a_field(name: str) -> None:
    wire = Wire(small_simulator(Fault.token_without(name)))
    content = wire.refresh().json()
    assert list(content) == [field for field in TOKEN_FIELDS if field != name]
    assert list(wire.refresh().json()) == TOKEN_FIELDS


@pytest.mark.parametrize("credentials", [("other", None), (None, "other"), None])
def test_o12_wrong_credentials_are_refused(wire: Wire, credentials: tuple[str | None, str | None] | None) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": wire.token["refresh_token"]}
    simulator = wire.simulator
    auth: Any = credentials and (credentials[0] or simulator.key, credentials[1] or simulator.secret)
    response = wire.http.post(TOKEN, data=form, auth=auth or httpx.USE_CLIENT_DEFAULT)
    assert response.status_code == 401
    assert response.json() == {"error": "invalid_client", "error_description": "Unauthorized"}


def test_o13_a_revoked_or_unknown_refresh_token_is_dead(wire: Wire) -> None:
    assert_dead(wire.refresh("never issued"))
    wire.simulator.revoke_refresh_tokens()
    assert_dead(wire.refresh())
    assert wire.history().status_code == 200


def test_an_unknown_grant_type_is_refused(wire: Wire) -> None:
    assert wire.grant(grant_type="password").json()["error"] == "unsupported_grant_type"


def test_d1_a_request_without_authorization_is_refused(wire: Wire) -> None:
    response = wire.http.get(PRICE_HISTORY)
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error.pop("id")
    assert error == {
        "status": "400",
        "title": "Bad Request",
        "detail": "Missing header",
        "source": {"header": "Authorization"},
    }


def test_d1_the_switch_makes_it_a_401() -> None:
    wire = Wire(small_simulator(switches=Switches(missing_header_is_401=True)))
    assert wire.http.get(PRICE_HISTORY).status_code == 401


def test_d2_an_access_token_lives_thirty_minutes(wire: Wire, clock: SettableClock) -> None:
    clock.seconds += 1799
    assert wire.history().status_code == 200
    clock.seconds += 1
    response = wire.history()
    assert response.status_code == 401
    (error,) = response.json()["errors"]
    assert error.pop("id")
    assert error == {"status": 401, "title": "Unauthorized", "detail": "Client not authorized"}
    assert response.headers["Schwab-Resource-Version"] == "1"
    assert response.headers["Schwab-Client-CorrelId"]


def test_d2_a_foreign_access_token_is_refused(wire: Wire) -> None:
    wire.token["access_token"] = "I0.foreign="  # noqa: S105 - opens nothing
    assert wire.history().status_code == 401


def test_d3_a_401_may_lack_its_detail() -> None:
    wire = Wire(small_simulator(switches=Switches(unauthorized_detail=False)))
    wire.simulator.expire_access_tokens()
    assert "detail" not in wire.history().json()["errors"][0]


def test_d4_without_the_product_no_refresh_helps() -> None:
    wire = Wire(small_simulator(switches=Switches(market_data_product=False)))
    wire.token = wire.refresh().json()
    assert wire.history().status_code == 401


def test_d5_a_token_killed_between_two_requests_is_replaced_by_a_refresh(wire: Wire) -> None:
    assert wire.history().status_code == 200
    wire.simulator.expire_access_tokens()
    assert wire.history().status_code == 401
    wire.token = wire.refresh().json()
    assert wire.history().status_code == 200


def test_issue_login_is_a_token_file_by_the_token_clock(clock: SettableClock) -> None:
    wrapped = small_simulator(token_clock=clock).issue_login()
    assert list(wrapped) == ["creation_timestamp", "token"]
    assert wrapped["creation_timestamp"] == 1_700_000_000
    assert list(wrapped["token"]) == [*TOKEN_FIELDS, "expires_at"]
    assert wrapped["token"]["expires_at"] == 1_700_001_800


def test_killing_tokens_before_any_login_is_harmless() -> None:
    simulator = small_simulator()
    simulator.expire_access_tokens()
    simulator.revoke_refresh_tokens()
    assert isinstance(simulator, SchwabSimulator)


def test_f4_the_arrival_log_holds_no_secret(wire: Wire) -> None:
    code = wire.code()
    wire.exchange(code)
    wire.refresh()
    wire.history(needPreviousClose="true")
    log = wire.simulator.requests
    assert [(item.method, item.path, item.status) for item in log] == [
        ("GET", "/v1/oauth/authorize", 302),
        ("POST", TOKEN, 200),
        ("POST", TOKEN, 400),
        ("GET", PRICE_HISTORY, 401),
    ]
    assert log[-1].param("needPreviousClose") == "true"
    assert log[-1].param("absent") is None
    told = repr(log)
    for secret in (code, wire.token["refresh_token"], wire.token["access_token"], wire.simulator.key, "S1"):
        assert secret not in told
    assert [item.monotonic for item in log] == sorted(item.monotonic for item in log)
    assert wire.simulator.busiest_second() == 4


@pytest.mark.parametrize("path", ["/marketdata/v1/BRK/B/quotes", "/marketdata/v1/chains", "/", "/v1/oauth"])
def test_f7_unknown_paths_are_not_found(wire: Wire, path: str) -> None:
    response = wire.http.get(path, headers=wire.bearer())
    assert response.status_code == 404
    (error,) = response.json()["errors"]
    assert error.pop("id")
    assert error == {"status": "404", "title": "Not Found"}


def test_f7_as_a_switch_the_gateway_answers_in_text() -> None:
    wire = Wire(small_simulator(switches=Switches(unknown_route_is_text=True)))
    response = wire.http.get("/elsewhere")
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "text/plain"
    assert len(response.content) == 94
