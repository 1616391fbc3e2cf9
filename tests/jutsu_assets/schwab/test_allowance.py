"""A request ends at its deadline, whatever the other side sends, and however little at a time."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpcore
import httpx
import pytest

from jutsu_assets.schwab.allowance import Allowance, SocketTransport
from jutsu_assets.schwab.transport import BoundedTransport

SECONDS, PAUSE = 0.25, 0.02
"""Every read is over long before its own timeout of 5 s; only all of them together take too long."""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
TLS_HEAD = b"\x16\x03\x03\x40\x00"
"""Of a record that announces 16 kB of a handshake."""

Script = Callable[[socket.socket, threading.Event], None]


def dripping(*first: bytes, then: bytes = b"x", hears: bool = True) -> Script:
    """Say something at once, then the same little thing again and again."""

    def play(connection: socket.socket, stopped: threading.Event) -> None:
        if hears:
            connection.recv(65536)
        for piece in first:
            connection.sendall(piece)
        while not stopped.wait(PAUSE):
            connection.sendall(then)

    return play


@contextmanager
def played(script: Script) -> Iterator[int]:
    """Serve one connection by ``script``; yield its port."""
    stopped = threading.Event()

    def work() -> None:
        with suppress(OSError), listener.accept()[0] as connection:
            script(connection, stopped)
            stopped.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            stopped.set()
            thread.join()


def ask(url: str, *, seconds: float = SECONDS, timeout: float = 5.0) -> httpx.Response:
    context = ssl.create_default_context()
    with httpx.Client(transport=BoundedTransport(SocketTransport(context), seconds=seconds), timeout=timeout) as client:
        return client.get(url)


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    [
        dripping(HEAD + b"X-Drip: "),
        dripping(HEAD, then=b"X-Drip: x\r\n"),
        dripping(b"HTTP/1.1 2"),
        dripping(then=b"HTTP/1.1 100 Continue\r\n\r\n"),
        dripping(then=b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", then=b"1\r\nx\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;ext="),
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", then=b"X-Trailer: x\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
    ids=[
        *("one header", "headers", "the status", "100 Continue", "103 Early Hints"),
        *("the body", "chunks", "the length of a chunk", "trailers", "a body without a length"),
    ],
)
def test_what_drips_ends_at_the_deadline(script: Script) -> None:
    with played(script) as port:
        began = time.monotonic()
        with pytest.raises(httpx.ReadTimeout, match=r"must end within 0\.25 s"):
            ask(f"http://127.0.0.1:{port}/")
        assert time.monotonic() - began < SECONDS + 2


def test_a_flood_of_100_continue_ends_too() -> None:
    with played(dripping(then=b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)) as port:
        began = time.monotonic()
        with pytest.raises(httpx.ReadTimeout):
            ask(f"http://127.0.0.1:{port}/")
        assert time.monotonic() - began < SECONDS + 2


@pytest.mark.parametrize("script", [dripping(TLS_HEAD), dripping(hears=False, then=b"")], ids=["slow", "silent"])
def test_a_tls_handshake_that_never_ends_ends_at_the_deadline(script: Script) -> None:
    with played(script) as port:
        began = time.monotonic()
        with pytest.raises(httpx.ReadTimeout, match=r"must end within 0\.25 s"):
            ask(f"https://127.0.0.1:{port}/")
        assert time.monotonic() - began < SECONDS + 2


def test_a_silence_ends_at_its_own_timeout_where_that_is_shorter() -> None:
    with played(dripping(then=b"")) as port, pytest.raises(httpx.ReadTimeout, match="timed out"):
        ask(f"http://127.0.0.1:{port}/", seconds=60, timeout=0.1)


def test_many_addresses_share_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may stand for any number of addresses that nobody listens at."""
    tried: list[float] = []

    def connect(_: object, host: str, port: int, timeout: float, *__: object) -> httpcore.NetworkStream:
        del host, port
        tried.append(timeout)
        threading.Event().wait(0.06)
        raise httpcore.ConnectTimeout

    many = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{at}", 80)) for at in range(1, 100)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: many)
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    with pytest.raises(httpx.TimeoutException, match=r"must end within 0\.25 s"):
        ask("http://schwab.example/")
    assert len(tried) <= 5
    assert tried == sorted(tried, reverse=True)


def test_a_name_without_an_address_is_a_connection_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    with pytest.raises(httpx.ConnectError, match="Name or service not known"):
        ask("http://schwab.example/")


def test_the_next_address_is_tried_where_one_refuses() -> None:
    """``localhost`` is often two, and a server listens at one."""
    script = dripping(HEAD + b"\r\nOK", then=b"")
    with played(script) as port:
        assert ask(f"http://localhost:{port}/").text == "OK"


GARBAGE: dict[str, bytes] = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "less than no length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "a transfer coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a header without a colon": b"HTTP/1.1 200 OK\r\nI0.a-token-of-somebody\r\n\r\n",
    "a zero in a header": b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n",
    "a long header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
    "a chunk without a length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a chunk beyond measure": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 200 + b"\r\n",
    "less than was promised": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
    "nothing": b"",
}


@pytest.mark.parametrize("said", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_reply_is_a_transport_error_in_a_few_words(said: bytes) -> None:
    def play(connection: socket.socket, _: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)

    with played(play) as port, pytest.raises(httpx.TransportError) as caught:
        ask(f"http://127.0.0.1:{port}/", seconds=5)
    assert len(str(caught.value)) <= 300
    assert str(caught.value).isprintable()


class Seconds:
    """Stand where they are put."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_waited_for_on_our_side_does_not_count() -> None:
    seconds = Seconds()
    allowance = Allowance(10, 100, seconds)
    seconds.now = 4
    assert allowance.within(None) == allowance.within(30) == 6
    assert allowance.within(2) == 2
    with allowance.paused():
        seconds.now = 1000
    assert allowance.within(None) == 6
    seconds.now = 1006
    with pytest.raises(httpcore.ReadTimeout, match="must end within 10 s"):
        allowance.within(30)
