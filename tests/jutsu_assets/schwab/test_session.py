"""The session: one refresh for all who share a login, and a good token that no reply can destroy."""

import errno
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from jutsu_assets.schwab.fetcher import SchwabDataFetcher
from jutsu_assets.schwab.session import call, open_client
from jutsu_assets.schwab.tokens import FileTokenStore, MemoryTokenStore
from jutsu_assets.schwab.transport import LoopbackTransport
from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.endpoints import PRICE_HISTORY, TOKEN
from jutsu_assets.simulator.faults import Fault
from jutsu_assets.simulator.replies import Reply, oauth_error
from jutsu_assets.simulator.server import serve
from jutsu_assets.simulator.transport import mount
from jutsu_core.access import LONGEST_REST
from jutsu_core.errors import (
    AuthenticationError,
    RateLimitedError,
    RequestRefusedError,
    SourceError,
    SourceUnavailableError,
)
from tests.support.processes import started_together
from tests.support.schwab import (
    SESSIONS,
    WEEK_END,
    WEEK_START,
    desk,
    fetch_in_child,
    fetcher_of,
    small_simulator,
    stale,
)

THREADS = 8


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "token.json"


def in_threads(work: Callable[[int], int]) -> list[int]:
    """Run ``work`` in several threads that begin together."""
    barrier = threading.Barrier(THREADS)

    def begin(index: int) -> int:
        barrier.wait(10)
        return work(index)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def paths(simulator: SchwabSimulator) -> list[str]:
    return [arrival.path for arrival in simulator.requests]


def history(fetcher: SchwabDataFetcher) -> int:
    return len(fetcher.fetch_bars("JTS", "1d", WEEK_START, WEEK_END))


@pytest.mark.parametrize("rotating", [False, True])
def test_eight_threads_with_an_expired_token_refresh_once(*, rotating: bool, path: Path) -> None:
    table = desk(expired=True, path=path, rotate_refresh_tokens=rotating)
    assert in_threads(lambda _: len(table.fetch())) == [5] * THREADS
    assert (table.token_calls, table.history_calls, table.ledger.claims) == (1, THREADS, THREADS + 1)


@pytest.mark.parametrize("rotating", [False, True])
def test_eight_fetchers_of_one_file_refresh_once(*, rotating: bool, path: Path) -> None:
    simulator = small_simulator(rotate_refresh_tokens=rotating)
    FileTokenStore(path).write(stale(simulator.issue_login()))
    fetchers = [fetcher_of(simulator, FileTokenStore(path)) for _ in range(THREADS)]
    assert in_threads(lambda index: history(fetchers[index])) == [5] * THREADS
    assert paths(simulator).count(TOKEN) == 1


@pytest.mark.parametrize("rotating", [False, True])
def test_eight_threads_that_all_get_a_401_refresh_once(*, rotating: bool, path: Path) -> None:
    """A request that failed with the old token must not kill the one that a sibling fetched meanwhile."""
    table = desk(path=path, rotate_refresh_tokens=rotating)
    table.simulator.expire_access_tokens()
    assert in_threads(lambda _: len(table.fetch())) == [5] * THREADS
    assert table.token_calls == 1


@pytest.mark.slow
@pytest.mark.parametrize("rotating", [False, True])
def test_four_processes_of_eight_threads_with_an_expired_token_refresh_once(*, rotating: bool, path: Path) -> None:
    simulator = small_simulator(rotate_refresh_tokens=rotating)
    login = simulator.issue_login()
    FileTokenStore(path).write(stale(login))
    with serve(simulator, port=0) as server:
        with started_together(fetch_in_child, *[(server.url, str(path), THREADS)] * 4) as children:
            for child in children:
                child.hear_all()
        assert [child.process.exitcode for child in children] == [0] * 4
    assert [child.said for child in children] == [[[5] * THREADS]] * 4
    assert sorted(paths(simulator)) == [PRICE_HISTORY] * 4 * THREADS + [TOKEN]
    kept = FileTokenStore(path).read()
    assert kept["creation_timestamp"] == login["creation_timestamp"]
    assert kept["token"]["access_token"] != login["token"]["access_token"]
    assert (kept["token"]["refresh_token"] != login["token"]["refresh_token"]) is rotating


def test_a_refresh_keeps_the_login_time_and_makes_the_token_fresh(path: Path) -> None:
    """The seven days count from the login, whatever was refreshed since."""
    table = desk(expired=True, path=path, rotate_refresh_tokens=True)
    table.tokens.write({**table.tokens.read(), "creation_timestamp": 1_000})
    before = table.tokens.read()
    table.fetch()
    after = table.tokens.read()
    assert after["creation_timestamp"] == 1_000
    assert after["token"]["access_token"] != before["token"]["access_token"]
    assert after["token"]["refresh_token"] != before["token"]["refresh_token"]
    assert after["token"]["expires_at"] > before["token"]["expires_at"] + 1_000_000
    table.fetch()
    assert table.token_calls == 1


@pytest.mark.parametrize("expired", [True, False])
def test_a_login_made_by_somebody_else_is_adopted_and_never_overwritten(*, expired: bool, path: Path) -> None:
    """Whether the token in memory is stale or was killed by the new login: the file's is taken, unsent."""
    table = desk(expired=expired, path=path)
    client_opened = table.tokens.read()
    fetcher = table.fetcher
    fetcher.connection._opened()
    login = {**table.simulator.issue_login(), "creation_timestamp": client_opened["creation_timestamp"] + 5_000}
    FileTokenStore(path).write(login)
    assert history(fetcher) == 5
    assert table.token_calls == 0
    assert table.tokens.read() == login
    table.simulator.expire_access_tokens()
    assert history(fetcher) == 5
    after = table.tokens.read()
    assert table.token_calls == 1
    assert after["creation_timestamp"] == login["creation_timestamp"]
    assert after["token"]["refresh_token"] == login["token"]["refresh_token"]
    assert after["token"]["access_token"] != login["token"]["access_token"]


def test_a_newer_login_that_is_stale_itself_is_refreshed_with_its_own_refresh_token(path: Path) -> None:
    """The refresh token in memory is dead by then."""
    table = desk(expired=True, path=path)
    table.fetcher.connection._opened()
    created = table.tokens.read()["creation_timestamp"] + 60
    login = {**stale(table.simulator.issue_login()), "creation_timestamp": created}
    FileTokenStore(path).write(login)
    assert history(table.fetcher) == 5
    assert table.token_calls == 1
    after = table.tokens.read()
    assert (after["creation_timestamp"], after["token"]["refresh_token"]) == (
        created,
        login["token"]["refresh_token"],
    )


def test_a_dead_login_is_asked_about_once_and_a_new_one_is_taken_up(path: Path) -> None:
    """Whoever keeps asking with a dead token has the address blocked."""
    table = desk(expired=True, path=path)
    table.simulator.revoke_refresh_tokens()
    for _ in range(4):
        with pytest.raises(AuthenticationError, match=r"the Schwab login is dead.*jutsu login"):
            table.fetch()
    assert paths(table.simulator) == [TOKEN]
    login = stale(table.simulator.issue_login())
    table.tokens.write({**login, "creation_timestamp": login["creation_timestamp"] + 1})
    assert len(table.fetch()) == 5
    assert paths(table.simulator) == [TOKEN, TOKEN, PRICE_HISTORY]


def test_an_unknown_oauth_error_is_asked_about_again(path: Path) -> None:
    fault = Fault.replying("busy", lambda _: oauth_error(400, "temporarily_unavailable", "")).on_path("token")
    table = desk(fault, expired=True, path=path)
    with pytest.raises(AuthenticationError, match="temporarily_unavailable"):
        table.fetch()
    assert len(table.fetch()) == 5


def test_wrong_credentials_say_so(path: Path) -> None:
    table = desk(Fault.token_refused().always(), expired=True, path=path)
    before = table.tokens.read()
    for _ in range(2):
        with pytest.raises(AuthenticationError, match="SCHWAB_API_KEY and SCHWAB_APP_SECRET"):
            table.fetch()
    assert paths(table.simulator) == [TOKEN]
    assert table.tokens.read() == before


def reply_of(body: bytes, status: int = 200) -> Fault:
    return Fault.replying(f"{status} {body!r}", lambda _: Reply(status, body)).on_path("token")


JUNK: list[tuple[Fault, type[SourceError], int]] = [
    (Fault.token_object_without_error(429), RateLimitedError, 3),
    (Fault.token_object_without_error(401), AuthenticationError, 1),
    (Fault.page().on_path("token"), SourceUnavailableError, 3),
    (Fault.json_list().on_path("token"), SourceUnavailableError, 3),
    (Fault.empty_body().on_path("token"), SourceUnavailableError, 3),
    (Fault.truncated().on_path("token"), SourceUnavailableError, 3),
    (Fault.broken_gzip().on_path("token"), SourceUnavailableError, 3),
    (Fault.gateway_timeout(502).on_path("token"), SourceUnavailableError, 3),
    (Fault.edge_block().on_path("token"), RequestRefusedError, 1),
    (Fault.redirect().on_path("token"), RequestRefusedError, 1),
    (reply_of(b"null"), SourceUnavailableError, 3),
    (reply_of(b'{"message":"hello"}'), SourceError, 1),
    (reply_of(b'{"message":"no"}', 400), RequestRefusedError, 1),
    (reply_of(b'{"error":"server_error"}', 400), AuthenticationError, 1),
    (reply_of(b'{"access_token":"","refresh_token":"R","expires_in":1800}'), AuthenticationError, 1),
    (reply_of(b'{"access_token":null,"refresh_token":"R","expires_in":1800}'), AuthenticationError, 1),
    (reply_of(b'{"access_token":"I0.x","refresh_token":"","expires_in":1800}'), AuthenticationError, 1),
    (Fault.token_without("access_token"), SourceError, 1),
]


@pytest.mark.parametrize(("fault", "error", "attempts"), JUNK, ids=[fault.name for fault, _, _ in JUNK])
def test_junk_from_the_token_endpoint_never_replaces_a_good_token(
    fault: Fault, error: type[SourceError], attempts: int, path: Path
) -> None:
    """Neither in the file nor in memory: when the endpoint recovers, the next call succeeds."""
    table = desk(fault.times(attempts), expired=True, path=path)
    before = path.read_bytes()
    with pytest.raises(error):
        table.fetch()
    assert path.read_bytes() == before
    assert (table.token_calls, table.history_calls) == (attempts, 0)
    table.clock.advance(LONGEST_REST)
    assert len(table.fetch()) == 5


@pytest.mark.parametrize("rotating", [False, True])
def test_a_refreshed_token_that_cannot_be_written_is_told_and_used_until_it_can_be(
    *, rotating: bool, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by another fetcher of this process, whose old refresh token may be dead by now."""
    table = desk(expired=True, path=path, rotate_refresh_tokens=rotating)
    before = path.read_bytes()

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", refuse)
        with pytest.raises(AuthenticationError, match=r"must be writable, but No space left.*make room"):
            table.fetch()
        assert len(table.fetch()) == 5
        assert history(fetcher_of(table.simulator, FileTokenStore(path))) == 5
        assert table.token_calls == 1
        table.simulator.expire_access_tokens()
        with pytest.raises(AuthenticationError, match="must be writable"):
            table.fetch()
        assert len(table.fetch()) == 5
        assert table.token_calls == 2
    assert path.read_bytes() == before
    table.simulator.expire_access_tokens()
    assert len(table.fetch()) == 5
    assert table.token_calls == 3
    assert path.read_bytes() != before
    assert history(fetcher_of(table.simulator, FileTokenStore(path))) == 5
    assert table.token_calls == 3


@pytest.mark.parametrize("rotating", [False, True])
def test_a_reply_without_refresh_token_keeps_the_old_one(*, rotating: bool, path: Path) -> None:
    table = desk(Fault.token_without("refresh_token"), expired=True, path=path, rotate_refresh_tokens=rotating)
    before = table.tokens.read()
    assert len(table.fetch()) == 5
    assert table.tokens.read()["token"]["refresh_token"] == before["token"]["refresh_token"]


def test_a_reply_without_expires_in_is_used_and_does_not_live_for_ever(path: Path) -> None:
    table = desk(Fault.token_without("expires_in"), expired=True, path=path)
    assert [len(table.fetch()) for _ in range(3)] == [5, 5, 5]
    assert table.token_calls == 2


def test_a_refresh_whose_reply_is_lost_ends_in_a_dead_login_where_tokens_rotate(path: Path) -> None:
    """The server has rotated already: nobody can save that login, and nobody goes on asking."""
    lost = Fault.connection("ReadTimeout", processed=True).on_path("token")
    table = desk(lost, expired=True, path=path, rotate_refresh_tokens=True)
    with pytest.raises(AuthenticationError, match="jutsu login"):
        table.fetch()
    assert paths(table.simulator) == [TOKEN, TOKEN]


def test_a_refresh_whose_reply_is_lost_is_repeated_where_tokens_do_not_rotate(path: Path) -> None:
    table = desk(Fault.connection("ReadTimeout", processed=True).on_path("token"), expired=True, path=path)
    assert len(table.fetch()) == 5
    assert paths(table.simulator) == [TOKEN, TOKEN, PRICE_HISTORY]


@pytest.mark.parametrize("content", [None, "", '{"creation_timestamp": 1, "tok', "{}", '{"token": {}}'])
def test_a_useless_token_file_sends_nothing(content: str | None, path: Path) -> None:
    simulator = small_simulator()
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(AuthenticationError, match="jutsu login"):
        history(fetcher_of(simulator, FileTokenStore(path)))
    assert simulator.requests == []


def test_a_fetcher_that_found_no_token_works_after_a_login(path: Path) -> None:
    simulator = small_simulator()
    fetcher = fetcher_of(simulator, FileTokenStore(path))
    with pytest.raises(AuthenticationError):
        history(fetcher)
    FileTokenStore(path).write(simulator.issue_login())
    assert history(fetcher) == len(SESSIONS)


def test_a_file_damaged_between_two_requests_is_reported_and_left_alone(path: Path) -> None:
    table = desk(path=path)
    table.fetch()
    path.write_text("{", encoding="utf-8")
    table.simulator.expire_access_tokens()
    with pytest.raises(AuthenticationError, match="must be readable JSON"):
        table.fetch()
    assert path.read_text(encoding="utf-8") == "{"


BROKEN_SOCKETS = [
    Fault.connection("ReadError"),
    Fault.connection("RemoteProtocolError"),
    Fault.cut_body(),
    Fault.broken_gzip(),
    Fault.unavailable(),
]


@pytest.mark.parametrize("fault", BROKEN_SOCKETS, ids=lambda fault: fault.name)
def test_over_a_real_socket_a_broken_connection_is_tried_again(fault: Fault, path: Path) -> None:
    simulator = small_simulator(fault, fault.on_path("token"))
    FileTokenStore(path).write(stale(simulator.issue_login()))
    with serve(simulator, port=0) as server:
        fetcher = fetcher_of(simulator, FileTokenStore(path), transport=LoopbackTransport(server.url))
        assert history(fetcher) == 5
        fetcher.close()
    assert paths(simulator) == [TOKEN, TOKEN, PRICE_HISTORY, PRICE_HISTORY]


def test_nobody_listening_is_a_source_that_is_unavailable() -> None:
    simulator = small_simulator()
    with serve(simulator, port=0) as server:
        url = server.url
    fetcher = fetcher_of(simulator, MemoryTokenStore(simulator.issue_login()), transport=LoopbackTransport(url))
    with pytest.raises(SourceUnavailableError, match=r"1d history of JTS.*ConnectError"):
        history(fetcher)
    fetcher.close()


def test_the_token_request_is_what_schwab_expects(path: Path) -> None:
    table = desk(expired=True, path=path)
    seen: list[httpx.Request] = []

    class Watching(httpx.BaseTransport):
        def __init__(self, inner: httpx.BaseTransport) -> None:
            self._inner = inner

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return self._inner.handle_request(request)

    fetcher = fetcher_of(table.simulator, table.tokens, transport=Watching(mount(table.simulator)))
    refresh_token = table.tokens.read()["token"]["refresh_token"]
    history(fetcher)
    token, data = seen
    assert str(token.url) == "https://api.schwabapi.com/v1/oauth/token"
    assert httpx.QueryParams(token.content.decode()) == httpx.QueryParams(
        {"grant_type": "refresh_token", "refresh_token": refresh_token}
    )
    assert token.headers["Authorization"].startswith("Basic ")
    assert data.headers["Authorization"] == f"Bearer {table.tokens.read()['token']['access_token']}"


@pytest.mark.parametrize("status", [200, 201])
def test_a_successful_call_returns_the_response(status: int) -> None:
    assert call(lambda: httpx.Response(status), what="asking").status_code == status


def test_the_client_is_schwab_pys_own(path: Path) -> None:
    """Its other calls take the same way: same transport, same token."""
    table = desk(path=path)
    client = open_client(table.simulator.key, table.simulator.secret, table.tokens, mount(table.simulator))
    with pytest.raises(RequestRefusedError, match=r"chain: Schwab answered 404 .Not Found."):
        call(lambda: client.get_option_expiration_chain("JTS"), what="chain")
    assert paths(table.simulator) == ["/marketdata/v1/expirationchain"]
    wrapped: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert client.token_age() >= 0
    assert wrapped == table.tokens.read()
