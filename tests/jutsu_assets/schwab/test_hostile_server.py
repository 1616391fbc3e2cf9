"""What a server says enters no message, no log and no reason at length, raw, or with our secrets in it."""

import base64
import json
import logging
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from jutsu_assets.schwab.fetcher import SchwabDataFetcher
from jutsu_assets.simulator.faults import Fault, Incoming
from jutsu_assets.simulator.replies import Reply
from jutsu_assets.simulator.replies import error_reply as refusal
from jutsu_core.bars import Timeframe
from jutsu_core.errors import JutsuError, MalformedResponseError
from tests.support.schwab import WEEK_END, WEEK_START, Desk, desk, secrets_of

LONGEST_MESSAGE = 700
LONG = 1_000_000


def told_by(table: Desk, ask: Callable[[SchwabDataFetcher], object]) -> str:
    """Return all that a log would hold of the error that ``ask`` ends with."""
    with pytest.raises(JutsuError) as caught:
        ask(table.fetcher)
    message = str(caught.value)
    assert len(message) <= LONGEST_MESSAGE
    assert message.isprintable()
    return "".join(traceback.format_exception(caught.value))


def history(fetcher: SchwabDataFetcher) -> object:
    return fetcher.fetch_bars("JTS", "1d", WEEK_START, WEEK_END)


def quotes(fetcher: SchwabDataFetcher) -> object:
    return fetcher.fetch_quotes(["JTS"])


def hours(fetcher: SchwabDataFetcher) -> object:
    return fetcher.fetch_market_hours(WEEK_START.date())


def noisy(text: str) -> str:
    return f"\x1b[31m{text}\r\n\u202e" + "noise\x07 " * 100_000 + text


def forms(secret: str) -> str:
    return f"{secret} {quote(secret, safe='')} {base64.b64encode(secret.encode()).decode()}"


REFUSALS = (400, 401, 403, 404, 418, 429, 500, 503)
ASKED: list[tuple[str, Callable[[SchwabDataFetcher], object]]] = [
    ("pricehistory", history),
    ("quotes", quotes),
    ("markets", hours),
]


def echoing(table: Desk, reply: Callable[[str], Reply], path: str) -> Desk:
    """Let ``table``'s simulator answer with everything that is secret about it."""
    said = noisy(" ".join(forms(secret) for secret in sorted(secrets_of(table.tokens.read()))))
    table.simulator.faults.faults = (Fault.replying("echo", lambda _: reply(said)).on_path(path).always(),)
    table.simulator.faults._seen = [0]
    return table


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize(("path", "ask"), ASKED, ids=[path for path, _ in ASKED])
def test_a_refusal_that_repeats_every_secret_at_length(
    status: int, path: str, ask: Callable[[SchwabDataFetcher], object], caplog: pytest.LogCaptureFixture
) -> None:
    table = echoing(desk(), lambda said: refusal(status, said, detail=said), path)
    with caplog.at_level(logging.DEBUG):
        told = told_by(table, ask)
    for secret in secrets_of(table.tokens.read()):
        for form in forms(secret).split():
            assert form not in told
            assert form not in caplog.text
    assert "noise" in told
    assert len(told) < 30_000


SHAPES: dict[str, Callable[[str], object]] = {
    "text": lambda said: said,
    "symbol": lambda said: {"symbol": said, "candles": []},
    "no candles": lambda said: {"candles": said},
    "a quote": lambda said: {said: said},
    "hours": lambda said: {"equity": {"EQ": {"date": said}}},
    "a date": lambda said: {"equity": {"EQ": {"date": "2013-02-23", "isOpen": said, "sessionHours": said}}},
    "a list": lambda said: [said],
    "a long number": lambda _: json.loads("9" * 4000),
}


NO_QUOTES = ("symbol", "no candles", "hours", "a date", "a quote")
"""Quotes of nobody are no error."""


@pytest.mark.parametrize(
    ("path", "shape"),
    [(path, shape) for path, _ in ASKED for shape in SHAPES if path != "quotes" or shape not in NO_QUOTES],
)
def test_a_success_that_repeats_every_secret_at_length(path: str, shape: str) -> None:
    table = echoing(desk(), lambda said: Reply(200, json.dumps(SHAPES[shape](said)).encode()), path)
    told = told_by(table, dict(ASKED)[path])
    for secret in secrets_of(table.tokens.read()):
        for form in forms(secret).split():
            assert form not in told


BODIES: dict[str, bytes] = {
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "deep errors": b'{"errors":' * 200_000,
    "deep and whole": b"[" * 100_000 + b"]" * 100_000,
    "an endless number": b"9" * 200_000,
    "no UTF-8": b"\xff\xfe\x00",
    "half a pair": b'{"errors":[{"detail":"\\ud800"}]}',
    "errors of other kinds": b'{"errors":[1,null,"x",{"title":[]}]}',
    "errors that are an object": b'{"errors":{"detail":"x"}}',
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize("path", ["pricehistory", "markets", "token"])
def test_whatever_the_body_is_the_error_is_ours(path: str, status: int, name: str) -> None:
    body = BODIES[name]
    table = desk(Fault.replying("body", lambda _: Reply(status, body)).on_path(path).always(), expired=path == "token")
    told_by(table, dict(ASKED).get(path, history))


HEADERS = [
    ("Date", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"),
    ("Date", "Mon, 01 Jan 9999 23:59:59 -2359"),
    ("Date", "x" * 10_000),
    ("Retry-After", "9" * 5_000),
    ("Retry-After", "-1"),
    ("Retry-After", "Mon, 01 Jan 9999 23:59:59 -2359"),
    ("Location", "https://[" + "x" * 10_000),
    ("Location", "http://x:" + "9" * 10_000),
    ("Content-Encoding", "x" * 10_000),
    ("Content-Type", "text/html; charset=zlib"),
    ("Set-Cookie", "x" * 10_000),
]


@pytest.mark.parametrize("status", [200, 302, 429, 503])
@pytest.mark.parametrize(("name", "value"), HEADERS)
def test_whatever_the_headers_say_the_error_is_ours(name: str, value: str, status: int) -> None:
    reply = Reply(status, b"<HTML></HTML>", headers=((name, value),))
    table = desk(Fault.replying("headers", lambda _: reply).always())
    assert "x" * 400 not in told_by(table, history)


TOKENS: dict[str, object] = {
    "a number": {"access_token": 5, "refresh_token": "R"},
    "a list": {"access_token": ["x"], "refresh_token": "R"},
    "a line break": {"access_token": "I0.x\r\nX-Evil: 1", "refresh_token": "R"},
    "a sign of no header": {"access_token": "I0.€uro", "refresh_token": "R"},
    "much too long": {"access_token": "x" * LONG, "refresh_token": "R"},
    "a refresh token that is none": {"access_token": "I0.x", "refresh_token": {"a": 1}},
    "an error that is a list": {"error": ["no"] * 100_000},
    "an error that is long": {"error": noisy("no")},
    "an error with braces": {"error": "{what}{0}%s"},
    "an error that is nothing": {"error": None},
}


@pytest.mark.parametrize("content", TOKENS.values(), ids=TOKENS)
def test_what_is_no_token_is_never_used(content: object) -> None:
    fault = Fault.replying("token", lambda _: Reply(200, json.dumps(content).encode())).on_path("token")
    table = desk(fault, expired=True)
    before = table.tokens.read()
    told_by(table, history)
    assert table.tokens.read() == before
    assert history(table.fetcher)


@pytest.mark.parametrize("seconds", ["abc", [1800], {}, None, -1, 0, 1e308, float("nan"), 10**400, True, "1800"])
def test_a_life_that_is_none_is_not_believed(seconds: object) -> None:
    """The token is good all the same, and is refreshed before the next request."""

    def alter(reply: Reply) -> Reply:
        return Reply(200, json.dumps({**json.loads(reply.body), "expires_in": seconds, "expires_at": seconds}).encode())

    table = desk(Fault(name="life", on="token", alter=alter), expired=True)
    assert history(table.fetcher)
    assert history(table.fetcher)
    assert table.token_calls == 2


@pytest.mark.parametrize("kind", ["mac", "", 5, None, [], noisy("bearer")])
def test_a_token_of_another_kind_is_used_as_a_bearers(kind: object) -> None:
    def alter(reply: Reply) -> Reply:
        return Reply(200, json.dumps({**json.loads(reply.body), "token_type": kind}).encode())

    table = desk(Fault(name="kind", on="token", alter=alter), expired=True)
    assert history(table.fetcher)
    assert table.tokens.read()["token"]["token_type"] == "Bearer"  # noqa: S105 - no password


def test_a_code_that_means_nothing_is_not_called_a_dead_login() -> None:
    fault = Fault.replying("busy", lambda _: Reply(400, b'{"error":"server_error"}')).on_path("token")
    told = told_by(desk(fault, expired=True), history)
    assert "did not refresh the token (server_error); try again later" in told
    assert "is dead" not in told


CANDLE: dict[str, Any] = {"open": 1.5, "high": 2, "low": 1, "close": 1.5, "volume": 7, "datetime": 1361772000000}
JUNK = {
    "a long text": '"' + "x" * LONG + '"',
    "a long list": "[" + "1," * LONG + "1]",
    "a long number": "1." + "1" * LONG,
    "a small number": "1e-999999",
    "a large number": "1e999999",
    "a long integer": "1" * 4000,
    "escape sequences": '"\\u001b[31m\\r\\n\\ud800"',
    "deep": "[" * 900 + "]" * 900,
}


@pytest.mark.parametrize("value", JUNK.values(), ids=JUNK)
@pytest.mark.parametrize("name", ["close", "volume", "datetime"])
def test_a_reason_is_short_whatever_the_candle_holds(name: str, value: str) -> None:
    members = ",".join(f'"{key}":{json.dumps(number)}' for key, number in CANDLE.items() if key != name)
    body = f'{{"symbol":"JTS","candles":[{{{members},"{name}":{value}}}]}}'.encode()
    table = desk(Fault.replying("candle", lambda _: Reply(200, body)))
    fetched = table.fetcher.fetch("JTS", Timeframe.D1, WEEK_START, WEEK_END)
    assert len(fetched.bars) + len(fetched.rejected) <= 1
    for rejected in fetched.rejected:
        assert len(rejected.reason) < 300
        assert rejected.reason.isprintable()
        assert len(rejected.raw) <= 5_000
        assert rejected.raw.isprintable()


def test_a_candle_that_repeats_the_token_is_kept_without_it() -> None:
    def reply(incoming: Incoming) -> Reply:
        return Reply(200, json.dumps({"candles": [{**CANDLE, "close": incoming.authorization}]}).encode())

    table = desk(Fault.replying("echo", reply))
    (rejected,) = table.fetcher.fetch("JTS", Timeframe.D1, WEEK_START, WEEK_END).rejected
    token = table.tokens.read()["token"]["access_token"]
    assert token not in rejected.reason + rejected.raw
    assert "***" in rejected.reason
    assert "***" in rejected.raw


@pytest.mark.parametrize("candle", [b"0", b"[]"])
def test_hundreds_of_thousands_of_what_is_no_candle_are_no_history(candle: bytes) -> None:
    body = b'{"candles":[' + b",".join([candle] * 200_000) + b"]}"
    table = desk(Fault.replying("many", lambda _: Reply(200, body)))
    with pytest.raises(MalformedResponseError, match="at most 100,000 candles, held 200,000"):
        history(table.fetcher)
