"""Tokens at rest: what is refused, and that a file is replaced whole or not at all."""

import json
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jutsu_assets.schwab.tokens import FileTokenStore, MemoryTokenStore, TokenStore
from jutsu_core.errors import AuthenticationError

LOGIN: dict[str, Any] = {
    "creation_timestamp": 1_361_000_000,
    "token": {
        "access_token": "ACCESS-1",
        "refresh_token": "REFRESH-1",
        "expires_in": 1800,
        "expires_at": 1_361_001_800,
    },
}


def without(name: str) -> dict[str, Any]:
    return {**LOGIN, "token": {key: value for key, value in LOGIN["token"].items() if key != name}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "schwab_token.json"


def test_what_is_written_is_read(path: Path) -> None:
    store = FileTokenStore(path)
    store.write(LOGIN)
    assert store.read() == LOGIN
    assert json.loads(path.read_text(encoding="utf-8")) == LOGIN


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        '{"creation_timestamp": 1361000000, "token": {"access',
        "<HTML></HTML>",
        "[1]",
        "null",
        "{}",
        json.dumps(LOGIN["token"]),
        json.dumps({"token": LOGIN["token"]}),
        json.dumps({"creation_timestamp": 1}),
        json.dumps({"creation_timestamp": "1361000000", "token": LOGIN["token"]}),
        json.dumps({"creation_timestamp": 1, "token": ["ACCESS-1"]}),
        json.dumps(without("refresh_token")),
        json.dumps(without("access_token")),
        json.dumps({**LOGIN, "token": {**LOGIN["token"], "refresh_token": ""}}),
        b"\xff\xfe{}",
    ],
    ids=[
        "missing",
        "empty",
        "cut short",
        "page",
        "list",
        "null",
        "nothing in it",
        "old format",
        "no login time",
        "no token",
        "login time is text",
        "token is a list",
        "no refresh token",
        "no access token",
        "empty refresh token",
        "no text",
    ],
)
def test_a_useless_file_names_itself_and_the_remedy(path: Path, content: str | bytes | None) -> None:
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(AuthenticationError, match="jutsu login") as caught:
        FileTokenStore(path).read()
    assert str(path) in str(caught.value)
    assert "ACCESS-1" not in str(caught.value)


def test_a_folder_in_place_of_the_file_is_reported_too(path: Path) -> None:
    path.mkdir()
    with pytest.raises(AuthenticationError, match=r"IsADirectoryError.*jutsu login"):
        FileTokenStore(path).read()


def test_the_file_is_its_owners_alone(path: Path) -> None:
    """Also where a file that everybody could read is replaced."""
    path.write_text("{}", encoding="utf-8")
    path.chmod(0o644)
    FileTokenStore(path).write(LOGIN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "token.json"
    FileTokenStore(path).write(LOGIN)
    assert FileTokenStore(path).read() == LOGIN


@pytest.mark.parametrize(
    ("wrapped", "error"),
    [
        (without("refresh_token"), AuthenticationError),
        (without("access_token"), AuthenticationError),
        ({"token": LOGIN["token"]}, AuthenticationError),
        ({**LOGIN, "unwritable": object()}, TypeError),
    ],
    ids=["no refresh token", "no access token", "no login time", "fails half-way"],
)
def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(
    path: Path, wrapped: dict[str, Any], error: type[Exception]
) -> None:
    store = FileTokenStore(path)
    store.write(LOGIN)
    before = path.read_bytes()
    with pytest.raises(error):
        store.write(wrapped)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_reader_never_sees_half_a_file(path: Path) -> None:
    store = FileTokenStore(path)
    store.write(LOGIN)
    stopped = threading.Event()

    def write_on() -> None:
        long = {**LOGIN, "token": {**LOGIN["token"], "id_token": "x" * 200_000}}
        while not stopped.is_set():
            store.write(long)
            store.write(LOGIN)

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        seen = [store.read()["token"]["access_token"] for _ in range(200)]
    finally:
        stopped.set()
        writer.join()
    assert set(seen) == {"ACCESS-1"}


def test_one_thread_at_a_time_holds_the_lock(path: Path) -> None:
    """Also through two stores of the same file, as two processes have them."""
    inside, most = 0, 0
    turns: list[int] = []

    def take_turns(name: int) -> None:
        nonlocal inside, most
        store = FileTokenStore(path)
        for _ in range(5):
            with store.locked():
                inside += 1
                most = max(most, inside)
                turns.append(name)
                threading.Event().wait(0.001)
                inside -= 1

    threads = [threading.Thread(target=take_turns, args=(name,)) for name in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert sorted(turns) == [0] * 5 + [1] * 5


def test_the_lock_is_free_again_after_an_error(path: Path) -> None:
    store = FileTokenStore(path)

    def fail_inside() -> None:
        with store.locked():
            message = "inside"
            raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="inside"):
        fail_inside()
    entered = []
    with store.locked():
        entered.append(True)
    assert entered == [True]


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_login_dies_seven_days_after_it_was_made_whatever_was_refreshed_since(kind: str, path: Path) -> None:
    store: TokenStore = FileTokenStore(path) if kind == "file" else MemoryTokenStore(LOGIN)
    store.write({**LOGIN, "token": {**LOGIN["token"], "access_token": "ACCESS-2", "expires_at": 2_000_000_000}})
    assert store.expires_at() == datetime.fromtimestamp(1_361_000_000, tz=UTC) + timedelta(days=7)


def test_a_token_in_memory_is_read_written_and_checked() -> None:
    store = MemoryTokenStore(LOGIN)
    renewed = {**LOGIN, "token": {**LOGIN["token"], "access_token": "ACCESS-2"}}
    store.write(renewed)
    assert store.read() == renewed
    with pytest.raises(AuthenticationError, match="access_token"):
        store.write(without("access_token"))
    assert store.read() == renewed
    with pytest.raises(AuthenticationError, match="refresh_token"):
        MemoryTokenStore(without("refresh_token"))
    with store.locked():
        assert store.read() == renewed
