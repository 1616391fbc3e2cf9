"""Replies are read whole, within a deadline and a size, whatever the other side does."""

from collections.abc import Iterator

import httpx
import pytest

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

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        del request
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
