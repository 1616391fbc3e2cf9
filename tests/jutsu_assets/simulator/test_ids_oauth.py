"""Logins, tokens and authorization by their ids: O1 to O21, D1 to D5."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from jutsu_assets.simulator.endpoints import PRICE_HISTORY, TOKEN
from jutsu_assets.simulator.oauth import CODE_SECONDS, REFRESH_SECONDS
from tests.jutsu_assets.simulator.named import named
from tests.jutsu_assets.simulator.wire import SettableClock, Wire

TOKEN_FIELDS = ["expires_in", "token_type", "scope", "refresh_token", "access_token", "id_token"]
JSON, HTML, TEXT = "application/json", "text/html", "text/plain"
CALLBACK = "https://127.0.0.1"


def shown(response: httpx.Response) -> tuple[int, str, Any]:
    """Return status, content type and content; text where it is no JSON."""
    kind = response.headers["Content-Type"]
    return response.status_code, kind, response.json() if kind == JSON else response.text


def is_dead(response: httpx.Response) -> bool:
    content = response.json()
    return (
        response.status_code == 400
        and content["error"] == "unsupported_token_type"
        and "refresh_token_authentication_error" in content["error_description"]
    )


def test_o1_a_login_comes_back_with_a_code() -> None:
    response = named("O1").authorize()
    assert (response.status_code, response.content) == (302, b"")
    assert response.headers["Location"].startswith(f"{CALLBACK}/?code=C0.")
    assert response.headers["Location"].endswith("&state=S1")


def test_o2_the_redirect_address_is_denied() -> None:
    status, kind, page = shown(named("O2").authorize())
    assert (status, kind) == (403, HTML)
    assert "<TITLE>Access Denied</TITLE>" in page


def test_o3_the_application_is_not_ready() -> None:
    status, kind, page = shown(named("O3").authorize())
    assert (status, kind) == (500, HTML)
    assert "This application has no configured error view, so you are seeing this as a fallback." in page


def test_o4_the_user_refuses() -> None:
    response = named("O4").authorize()
    assert response.status_code == 302
    assert response.headers["Location"] == f"{CALLBACK}/?error=access_denied&state=S1"


def test_o5_a_fresh_code_buys_tokens() -> None:
    wire = named("O5")
    response = wire.exchange(wire.code())
    assert response.status_code == 200
    assert list(response.json()) == TOKEN_FIELDS


def test_o6_a_code_is_refused() -> None:
    wire = named("O6:1")
    refused = (400, JSON, {"error": "invalid_grant", "error_description": "Bad authorization code"})
    code = wire.code()
    assert shown(wire.exchange(code)) == refused
    assert wire.exchange(code).status_code == 200
    assert shown(wire.exchange(code)) == refused
    assert shown(wire.exchange(wire.code().replace("@", "%40"))) == refused


@pytest.mark.parametrize(("age", "status"), [(CODE_SECONDS, 200), (CODE_SECONDS + 1, 400)])
def test_o6_a_code_lives_thirty_seconds(age: int, status: int) -> None:
    clock = SettableClock()
    wire = named(token_clock=clock)
    code = wire.code()
    clock.seconds += age
    assert wire.exchange(code).status_code == status


def test_o7_a_login_elsewhere_kills_every_token() -> None:
    wire = named("O7")
    assert wire.history().status_code == 401
    assert is_dead(wire.refresh())
    wire.token = wire.exchange(wire.code()).json()
    assert wire.history().status_code == 200


def test_o8_client_credentials_bring_no_refresh_token() -> None:
    content = named("O8").grant(grant_type="client_credentials").json()
    assert content == {
        "expires_in": 3600,
        "token_type": "Bearer",
        "scope": "api",
        "access_token": content["access_token"],
    }


def test_o9_a_refresh_keeps_the_refresh_token_and_the_seven_days() -> None:
    clock = SettableClock()
    wire = named("O9", token_clock=clock)
    clock.seconds += REFRESH_SECONDS - 1
    assert wire.refresh().json()["refresh_token"] == wire.token["refresh_token"]
    clock.seconds += 1
    assert is_dead(wire.refresh())


def test_o10_a_refresh_rotates_the_refresh_token_and_keeps_the_seven_days() -> None:
    clock = SettableClock()
    wire = named("O10", token_clock=clock)
    clock.seconds += REFRESH_SECONDS - 1
    second = wire.refresh().json()["refresh_token"]
    assert second != wire.token["refresh_token"]
    assert is_dead(wire.refresh())
    clock.seconds += 1
    assert is_dead(wire.refresh(second))


@pytest.mark.parametrize(("name", "absent"), [("O11", "refresh_token"), ("O11-expires_in", "expires_in")])
def test_o11_a_refresh_lacks_a_field(name: str, absent: str) -> None:
    response = named(name).refresh()
    assert response.status_code == 200
    assert list(response.json()) == [field for field in TOKEN_FIELDS if field != absent]


def test_o12_the_credentials_are_wrong() -> None:
    refused = (401, JSON, {"error": "invalid_client", "error_description": "Unauthorized"})
    assert shown(named("O12").refresh()) == refused
    wire = named()
    assert shown(wire.http.post(TOKEN, data={"grant_type": "refresh_token"}, auth=("k", "s"))) == refused


def test_o13_the_refresh_token_is_dead() -> None:
    wire = named("O13")
    assert wire.history().status_code == 200
    assert is_dead(wire.refresh())
    assert is_dead(wire.refresh())
    assert is_dead(wire.refresh("never issued"))


def test_o14_the_refresh_token_is_dead_in_other_words() -> None:
    assert shown(named("O14").refresh()) == (
        401,
        JSON,
        {"error": "invalid_client", "error_description": "refresh token invalid"},
    )


def test_o15_a_refusal_lacks_its_error() -> None:
    assert shown(named("O15").refresh()) == (429, JSON, {"message": "Too many requests"})
    fault = {"faultstring": "Invalid Access Token", "detail": {"errorcode": "oauth.v2.InvalidAccessToken"}}
    assert shown(named("O15-401").refresh()) == (401, JSON, {"fault": fault})


def test_o16_the_edge_blocks_the_token_endpoint() -> None:
    wire = named("O16")
    status, kind, page = shown(wire.refresh())
    assert (status, kind) == (403, HTML)
    assert "api&#46;schwabapi&#46;com&#47;v1&#47;oauth&#47;token" in page
    assert wire.history().status_code == 200


@pytest.mark.parametrize(("name", "status"), [("O17", 500), ("O17-502", 502), ("O17-503", 503), ("O17-504", 504)])
def test_o17_the_token_endpoint_is_down(name: str, status: int) -> None:
    assert shown(named(name).refresh()) == (status, TEXT, "upstream request timeout")


def test_o18_a_success_is_none() -> None:
    assert shown(named("O18").refresh()) == (200, HTML, "<HTML></HTML>")
    assert shown(named("O18-list").refresh()) == (200, JSON, [1])
    assert named("O18-empty").refresh().content == b""


@pytest.mark.parametrize(
    ("name", "error", "is_rotated"),
    [
        ("O19:1", httpx.ReadTimeout, True),
        ("O19-dropped:1", httpx.RemoteProtocolError, True),
        ("O19-lost:1", httpx.ReadTimeout, False),
    ],
)
def test_o19_a_lost_reply_may_have_rotated_the_token(name: str, error: type[Exception], is_rotated: bool) -> None:  # noqa: FBT001
    wire = named(name, "O10")
    with pytest.raises(error):
        wire.refresh()
    assert wire.refresh().status_code == (400 if is_rotated else 200)


@pytest.mark.parametrize(("name", "successes"), [("O20", 8), ("O20-rotating", 1)])
def test_o20_refreshes_at_the_same_instant_are_counted(name: str, successes: int) -> None:
    wire = named(name)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: wire.refresh(), range(8)))
    assert sum(reply.status_code == 200 for reply in replies) == successes
    assert all(reply.status_code == 200 or is_dead(reply) for reply in replies)
    assert len(wire.simulator.requests) == 8


def test_o21_too_many_token_calls_get_the_address_blocked() -> None:
    clock = SettableClock(0)
    wire = named("O21", monotonic=clock)
    for _ in range(10):
        clock.seconds += 1.9
        assert wire.refresh().status_code == 200
    assert wire.refresh().status_code == 403
    for blocked in (wire.history(), wire.authorize(), wire.http.get("/"), wire.refresh()):
        assert (blocked.status_code, blocked.headers["Content-Type"]) == (403, HTML)
    clock.seconds += 59.9
    assert wire.history().status_code == 403
    clock.seconds += 0.2
    assert [wire.history().status_code, wire.refresh().status_code] == [200, 200]


def test_o21_token_calls_further_apart_are_let_through() -> None:
    clock = SettableClock(0)
    wire = named("O21", monotonic=clock)
    for _ in range(30):
        clock.seconds += 2
        assert wire.refresh().status_code == 200


def test_d1_the_header_is_missing() -> None:
    (error,) = named("D1").http.get(PRICE_HISTORY).json()["errors"]
    assert error.pop("id")
    assert error == {
        "detail": "Missing header",
        "source": {"header": "Authorization"},
        "status": "400",
        "title": "Bad Request",
    }
    assert named("D1-401").http.get(PRICE_HISTORY).status_code == 401


def unauthorized(wire: Wire, **detail: str) -> bool:
    response = wire.history()
    (error,) = response.json()["errors"]
    return response.status_code == 401 and error == {
        "id": error["id"],
        "status": 401,
        "title": "Unauthorized",
        **detail,
    }


def test_d2_the_access_token_is_revoked_early() -> None:
    wire = named("D2")
    assert unauthorized(wire, detail="Client not authorized")
    assert unauthorized(wire, detail="Client not authorized")
    wire.token = wire.refresh().json()
    assert wire.history().status_code == 200


@pytest.mark.parametrize("name", ["D3:1", "D3-always"])
def test_d3_the_refusal_lacks_its_detail(name: str) -> None:
    wire = named(name)
    if name == "D3-always":
        assert wire.history().status_code == 200
        wire.simulator.expire_access_tokens()
    assert unauthorized(wire)


def test_d4_the_product_is_not_on_the_application() -> None:
    wire = named("D4")
    assert unauthorized(wire, detail="Client not authorized")
    wire.token = wire.refresh().json()
    assert unauthorized(wire, detail="Client not authorized")


def test_d4_as_a_switch_there_is_just_no_data() -> None:
    wire = named("D4-empty")
    for symbol in ("JTS", "BRK/B", "NONE"):
        assert shown(wire.history(symbol)) == (200, JSON, {"candles": [], "symbol": symbol, "empty": True})
    wire.simulator.expire_access_tokens()
    assert wire.history().status_code == 401


def test_d5_the_token_dies_between_two_requests() -> None:
    wire = named("D5")
    assert wire.history().status_code == 200
    assert unauthorized(wire, detail="Client not authorized")
    wire.token = wire.refresh().json()
    assert [wire.history().status_code for _ in range(3)] == [200, 200, 200]


def test_o1_an_unknown_application_gets_no_code() -> None:
    assert shown(named("O1").authorize(client_id="other")) == (
        401,
        JSON,
        {"error": "invalid_client", "error_description": "Unauthorized"},
    )
