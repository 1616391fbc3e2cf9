"""Replies are read whole, within a deadline and a size, whatever the other side does."""

import gzip
from collections.abc import Iterator

import httpx
import pytest

from jutsu_assets.schwab.server_text import keep_secret
from jutsu_assets.schwab.transport import BoundedTransport


class Ticking:
    """Seconds that every look moves on."""

    def __init__(self, step: float) -> None:
        self._seconds = 0.0
        self._step = step

    def __call__(self) -> float:
        self._seconds += self._step
        return self._seconds


class Dripping(httpx.SyncByteStream):
    """A body that comes in pieces, and knows whether it was closed."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self.given = 0
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.given += 1
            yield piece

    def close(self) -> None:
        self.closed = True


class Inner(httpx.BaseTransport):
    def __init__(self, stream: Dripping, headers: dict[str, str] | None = None) -> None:
        self._stream = stream
        self._headers = headers or {}
        self.closed = False
        self.asked: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return httpx.Response(200, headers=self._headers, stream=self._stream)

    def close(self) -> None:
        self.closed = True


def ask(stream: Dripping, *, step: float = 0.0, seconds: float = 10.0, largest: int = 100) -> httpx.Response:
    transport = BoundedTransport(Inner(stream), seconds=seconds, largest=largest, stopwatch=Ticking(step))
    with httpx.Client(transport=transport) as client:
        return client.get("https://api.schwabapi.com/")


def test_a_whole_reply_passes_as_it_is() -> None:
    stream = Dripping([b"ab", b"", b"cd"])
    assert ask(stream).content == b"abcd"
    assert stream.closed


def test_a_reply_that_drips_for_ever_ends_at_the_deadline() -> None:
    stream = Dripping([b"x"] * 1000)
    with pytest.raises(httpx.ReadTimeout, match="must end within 10 s"):
        ask(stream, step=1.0, largest=10_000)
    assert stream.given <= 11
    assert stream.closed


def test_a_reply_that_is_too_large_ends_there() -> None:
    stream = Dripping([b"x" * 60] * 1000)
    with pytest.raises(httpx.RemoteProtocolError, match="at most 100 bytes"):
        ask(stream)
    assert stream.given == 2
    assert stream.closed


def test_closing_closes_what_sends() -> None:
    inner = Inner(Dripping([]))
    BoundedTransport(inner).close()
    assert inner.closed


def sent(body: bytes, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with httpx.Client(transport=BoundedTransport(Inner(Dripping([body]), named), largest=1000)) as client:
        return client.get("https://api.schwabapi.com/")


def test_a_packed_reply_comes_plain() -> None:
    body = b'{"candles": []}' * 50
    packed = gzip.compress(body)
    response = sent(packed, Content_Encoding="gzip", Content_Length=str(len(packed)), X_Other="kept")
    assert response.content == body
    assert response.headers == {"X-Other": "kept"}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip, gzip", "br", "zstd"])
def test_a_bomb_is_a_reply_that_cannot_be_read(encoding: str) -> None:
    bomb = gzip.compress(gzip.compress(b" " * 10**6)) if encoding == "gzip, gzip" else gzip.compress(b" " * 10**6)
    with pytest.raises((httpx.RemoteProtocolError, httpx.DecodingError)):
        sent(bomb[:1000], Content_Encoding=encoding)


def test_only_what_can_be_unpacked_within_bounds_is_asked_for() -> None:
    inner = Inner(Dripping([]))
    with httpx.Client(transport=BoundedTransport(inner), headers={"Accept-Encoding": "br, zstd"}) as client:
        client.get("https://api.schwabapi.com/")
    assert inner.asked[0].headers["Accept-Encoding"] == "gzip, deflate"


@pytest.mark.parametrize("charset", ["zlib", "rot13", "bz2", "utf-16", "utf-7", "hex", "no-such", "idna"])
def test_a_charset_of_the_servers_choice_is_not_used(charset: str) -> None:
    response = sent('{"név": "…"}'.encode(), Content_Type=f"application/json; charset={charset}")
    assert response.text == '{"név": "…"}'
    assert response.headers["Content-Type"] == "application/json"


def test_no_cookie_is_kept_and_sent_back() -> None:
    inner = Inner(Dripping([]), {"Set-Cookie": "grows=" + "x" * 1000})
    with httpx.Client(transport=BoundedTransport(inner)) as client:
        for _ in range(2):
            client.get("https://api.schwabapi.com/")
    assert "Cookie" not in inner.asked[1].headers
    assert len(inner.asked) == 2


class Breaking(httpx.BaseTransport):
    def __init__(self, error: Exception) -> None:
        self._error = error

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        del request
        raise self._error


@pytest.mark.parametrize("kind", [httpx.RemoteProtocolError, httpx.ReadError, httpx.ConnectError, httpx.DecodingError])
def test_what_went_wrong_is_told_without_what_the_server_said_at_length(kind: type[httpx.RequestError]) -> None:
    """h11 repeats a header that it cannot read, however long it is."""
    secret = "I0.a-token-of-ours"  # noqa: S105 - nobody's
    keep_secret(secret)
    error = kind(f"illegal header line: {secret}\r\n\x1b[31m" + "noise" * 20_000)
    with (
        httpx.Client(transport=BoundedTransport(Breaking(error))) as client,
        pytest.raises(kind, match=r"illegal header line: \*\*\* (noise)+n?o?i?s?…") as caught,
    ):
        client.get("https://api.schwabapi.com/")
    assert len(str(caught.value)) == 300
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


class Waiting(httpx.BaseTransport):
    """Says that the request is about to leave, which its sender may take time for."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["trace"]("http11.send_request_headers.started", {})
        return httpx.Response(200, stream=Dripping([b"x"]))


def test_to_wait_for_a_turn_does_not_count() -> None:
    now = [0.0]

    class Late(Waiting):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = super().handle_request(request)
            now[0] += request.extensions["takes"]
            return response

    def wait(_: str, __: object) -> None:
        now[0] += 1000.0

    def ask(seconds: float) -> bytes:
        transport = BoundedTransport(Late(), seconds=10, stopwatch=lambda: now[0])
        extensions = {"trace": wait, "takes": seconds}
        return transport.handle_request(
            httpx.Request("GET", "https://api.schwabapi.com/", extensions=extensions)
        ).read()

    assert ask(9.0) == b"x"
    with pytest.raises(httpx.ReadTimeout, match="must end within 10 s"):
        ask(11.0)
