"""While a login waits, whatever is not its end is answered and forgotten."""

import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from jutsu_assets.clock import SystemClock
from jutsu_assets.schwab.callback import CallbackServer
from jutsu_assets.schwab.login import Login
from jutsu_assets.schwab.throttle import Throttle
from jutsu_assets.schwab.tokens import MemoryTokenStore
from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.transport import mount
from jutsu_core.errors import AuthenticationError, ConfigurationError
from tests.support.schwab import MemoryLedger, RecordingSleeper, free_port, small_simulator

ANSWER_SECONDS, SILENT_SECONDS = 10.0, 0.05
MOST_OPEN = 32


class Waiting:
    """A login that waits, and those who visit it."""

    def __init__(self, simulator: SchwabSimulator, server: CallbackServer, login: Login, port: int) -> None:
        self.simulator = simulator
        self.server = server
        self.login = login
        self.port = port
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.context = context
        self.browser = httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=context, timeout=5)

    @property
    def state(self) -> str:
        return str(httpx.URL(self.login.url).params["state"])

    def landing(self, login: Login | None = None) -> str:
        """Where a browser lands after access was allowed."""
        with httpx.Client(transport=mount(self.simulator)) as browser:
            return browser.get((login or self.login).url).headers["Location"]

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def waits(self) -> bool:
        """Whether nothing was taken for the end of the login."""
        try:
            self.server.wait(SILENT_SECONDS)
        except AuthenticationError:
            return True
        return False


def login_to(simulator: SchwabSimulator, port: int) -> Login:
    return Login(
        api_key=simulator.key,
        app_secret=simulator.secret,
        callback_url=f"https://127.0.0.1:{port}",
        transport=mount(simulator),
        throttle=Throttle(MemoryLedger(), RecordingSleeper()),
        tokens=MemoryTokenStore(simulator.issue_login()),
    )


@pytest.fixture(scope="module")
def waiting() -> Iterator[Waiting]:
    port = free_port()
    simulator = small_simulator(callback_url=f"https://127.0.0.1:{port}")
    with (
        login_to(simulator, port) as login,
        CallbackServer(simulator.callback_url, SystemClock().now(), login.is_answered_by) as server,
    ):
        table = Waiting(simulator, server, login, port)
        with table.browser:
            yield table


VISITS = [
    "/",
    "/favicon.ico",
    "/robots.txt",
    "/?error=access_denied",
    "/?code=C0.stolen%40",
    "/?code=C0.stolen%40&state=",
    "/?code=C0.stolen%40&state=WRONG",
    "/?error=access_denied&state=WRONG",
    "/?code=C0.stolen%40&state={state}x",
    "/?code=C0.stolen%40&state=WRONG&state={state}",
    "/?code=C0.stolen%40&state={state}&state=WRONG",
    "/?code=C0.stolen%40&STATE={state}",
    "/?state={state}",
    "/?code=&state={state}",
    "/?code#&state={state}",
    "/elsewhere?code=C0.stolen%40&state={state}",
    "//[?code=1&state={state}",
    "/?" + "&" * 20_000,
    "/?" + "x" * 60_000,
]


@pytest.mark.parametrize("path", VISITS, ids=lambda path: path[:50])
def test_a_visit_that_is_not_the_end_of_this_login_changes_nothing(waiting: Waiting, path: str) -> None:
    with waiting.raw() as raw, waiting.context.wrap_socket(raw) as tls:
        tls.sendall(f"GET {path.replace('{state}', waiting.state)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        answer = b"".join(iter(lambda: tls.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.0 404 ")
    assert b"Not what Jutsu waits for" in answer
    assert waiting.waits()


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_nor_does_any_other_method(waiting: Waiting, method: str) -> None:
    content = b"a=1" if method in ("POST", "PUT") else None
    response = waiting.browser.request(method, f"/?code=1&state={waiting.state}", content=content)
    assert 400 <= response.status_code < 600
    assert ("Not what Jutsu waits for" in response.text) is (method != "HEAD")
    assert waiting.waits()


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n" + b"X: " + b"x" * 70_000,
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00\xff\r\n\r\n",
        b"G" * 70_000,
        b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 200 + b"\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 70_000,
        b"",
    ],
    ids=[
        "a long header",
        "no version",
        "no text",
        "a long line",
        "many headers",
        "less than nothing",
        "much",
        "nothing",
    ],
)
def test_nor_does_what_is_no_request(waiting: Waiting, said: bytes) -> None:
    # What is not read to its end may be answered by a reset.
    with suppress(OSError), waiting.raw() as raw, waiting.context.wrap_socket(raw) as tls:
        tls.sendall(said)
        tls.settimeout(ANSWER_SECONDS if said else SILENT_SECONDS)
        tls.recv(65536)
    assert waiting.waits()


def test_nor_does_who_speaks_no_tls(waiting: Waiting) -> None:
    for said in (b"GET /?code=1 HTTP/1.1\r\n\r\n", b"", b"\x16\x03\x01"):
        with waiting.raw() as raw:
            raw.sendall(said)
    assert waiting.waits()


def test_the_page_repeats_nothing_that_was_asked(waiting: Waiting) -> None:
    with waiting.raw() as raw, waiting.context.wrap_socket(raw) as tls:
        tls.sendall(b"<script> /?code=<script>alert(1)</script> HTTP/1.1\r\n\r\n")
        answer = b"".join(iter(lambda: tls.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.0 501 ")
    assert b"script" not in answer.partition(b"\r\n")[2]


def test_crowds_that_say_nothing_or_little_keep_no_browser_out(waiting: Waiting) -> None:
    """More than are let in at once, some of them in the middle of a handshake or of a request."""
    crowd = [waiting.raw() for _ in range(100)]
    slow = [waiting.context.wrap_socket(waiting.raw()) for _ in range(10)]
    try:
        for connection in crowd[::3]:
            connection.sendall(b"\x16")
        for connection in slow:
            connection.sendall(b"GET / HT")
        assert waiting.browser.get("/favicon.ico").status_code == 404
        ends_at = time.monotonic() + ANSWER_SECONDS
        while len(waiting.server._server._open) > MOST_OPEN and time.monotonic() < ends_at:
            waiting.waits()
        assert len(waiting.server._server._open) <= MOST_OPEN
    finally:
        for connection in (*crowd, *slow):
            connection.close()
    assert waiting.waits()


def test_several_browsers_at_once_are_all_answered(waiting: Waiting) -> None:
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda at: waiting.browser.get(f"/?code={at}").status_code, range(24)))
    assert statuses == [404] * 24
    assert waiting.waits()


def test_the_end_of_the_login_is_heard_after_all_that(waiting: Waiting) -> None:
    landing = waiting.landing()
    assert waiting.browser.get(landing).status_code == 200
    heard = waiting.server.wait(ANSWER_SECONDS)
    assert httpx.URL(heard).params == httpx.URL(landing).params


def test_another_login_to_the_same_app_does_not_end_this_one(waiting: Waiting) -> None:
    with login_to(waiting.simulator, waiting.port) as other:
        assert waiting.browser.get(waiting.landing(other)).status_code == 404
    assert waiting.waits()


def test_a_refusal_with_the_state_of_this_login_ends_it(waiting: Waiting) -> None:
    assert waiting.browser.get(f"/?error=access_denied&state={waiting.state}").status_code == 200
    heard = waiting.server.wait(ANSWER_SECONDS)
    with pytest.raises(AuthenticationError, match="it said access_denied: start the login again"):
        waiting.login.finish(heard, now_seconds=1)


def test_a_port_that_is_taken_is_named(waiting: Waiting) -> None:
    with pytest.raises(ConfigurationError, match=f"the port {waiting.port} of SCHWAB_CALLBACK_URL must be free"):
        CallbackServer(f"https://127.0.0.1:{waiting.port}", SystemClock().now(), waiting.login.is_answered_by)
