"""Tokens at rest: what is refused, and that a file is replaced whole or not at all."""

import errno
import json
import os
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jutsu_assets.schwab.tokens import FileTokenStore, MemoryTokenStore, TokenStore, login_life
from jutsu_core.errors import AuthenticationError
from tests.support.builders import SettableClock

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
        json.dumps({**LOGIN, "token": {**LOGIN["token"], "access_token": 5}}),
        json.dumps({**LOGIN, "token": {**LOGIN["token"], "access_token": "I0.x\r\nX-Evil: 1"}}),
        json.dumps({**LOGIN, "token": {**LOGIN["token"], "refresh_token": "x" * 100_000}}),
        b"\xff\xfe{}",
        b"\xef\xbb\xbf" + json.dumps(LOGIN).encode(),
        b"[" * 100_000,
        b"9" * 100_000,
        b" " * (2**20 + 1),
        b"\0" * 100,
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
        "access token is a number",
        "access token with a line break",
        "refresh token is endless",
        "no text",
        "byte order mark",
        "nested deeply",
        "an endless number",
        "a large file",
        "zeros, as after a crash",
    ],
)
def test_a_useless_file_names_itself_and_the_remedy(path: Path, content: str | bytes | None) -> None:
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(AuthenticationError, match="jutsu login") as caught:
        FileTokenStore(path).read()
    assert str(path) in str(caught.value)
    assert "ACCESS-1" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 300


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


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xef\xbb\xbf{}", "begins with a byte order mark"),
        (b'{"creation', "is not (JSONDecodeError)"),
        (b"\xff", "is not (UnicodeDecodeError)"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(path: Path, content: bytes, fault: str) -> None:
    path.write_bytes(content)
    with pytest.raises(AuthenticationError) as caught:
        FileTokenStore(path).read()
    assert f"must be readable JSON in UTF-8, {fault}; " in str(caught.value)


def test_a_pipe_in_place_of_the_file_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(AuthenticationError, match="must be a file of at most"):
        FileTokenStore(path).read()


def test_a_pipe_or_a_device_is_never_replaced_by_a_file(tmp_path: Path, path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    path.symlink_to(tmp_path / "pipe")
    store = FileTokenStore(path)
    for use in (store.require_writable, lambda: store.write(LOGIN)):
        with pytest.raises(AuthenticationError, match="must be writable, but Is a device or a pipe"):
            use()
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["pipe", path.name]


@pytest.mark.parametrize(
    "expires_at", ["soon", None, [], float("nan"), float("inf"), -5, 10**400, 1_764_125_000_000, True]
)
def test_a_time_of_expiry_that_is_none_counts_as_long_over(path: Path, expires_at: object) -> None:
    """The token is refreshed then, which mends it."""
    token = {**LOGIN["token"], "expires_at": expires_at}
    path.write_text(json.dumps({**LOGIN, "token": token}), encoding="utf-8")
    assert FileTokenStore(path).read()["token"] == {**LOGIN["token"], "expires_at": 1}


@pytest.mark.parametrize("kind", ["mac", "", 5, None, []])
def test_a_token_of_another_kind_is_a_bearers(path: Path, kind: object) -> None:
    token = {**LOGIN["token"], "token_type": kind}
    path.write_text(json.dumps({**LOGIN, "token": token}), encoding="utf-8")
    assert FileTokenStore(path).read()["token"]["token_type"] == "Bearer"  # noqa: S105 - no password


MADE_AT = datetime.fromtimestamp(LOGIN["creation_timestamp"], tz=UTC)


@pytest.mark.parametrize(
    ("ahead", "days_left"),
    [
        (timedelta(0), 7.0),
        (timedelta(hours=23), 7.0),
        (timedelta(days=2), None),
        (timedelta(days=30), None),
        (-timedelta(days=1), 6.0),
    ],
)
@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_login_has_never_more_than_seven_days(
    kind: str, ahead: timedelta, days_left: float | None, path: Path
) -> None:
    now = MADE_AT - ahead
    store: TokenStore = MemoryTokenStore(LOGIN)
    if kind == "file":
        store = FileTokenStore(path, clock=SettableClock(now))
        store.write(LOGIN)
    life = login_life(store, now)
    if days_left is None:
        assert (life.standing, life.days_left, life.ends_at) == ("dead", 0.0, None)
        assert "creation_timestamp must not lie in the future, was 2013-02-16 07:33 UTC" in life.message
    else:
        assert life.standing == "sound"
        assert life.days_left == pytest.approx(days_left)


def test_a_symbolic_link_is_followed_and_stays(tmp_path: Path, path: Path) -> None:
    """Also a link to a link, relative, from another folder: what it leads to is replaced, locked and private."""
    (tmp_path / "secrets").mkdir()
    target = tmp_path / "secrets" / "token.json"
    between = tmp_path / "secrets" / "link.json"
    between.symlink_to("token.json")
    path.symlink_to(between)
    store = FileTokenStore(path)
    store.write(LOGIN)
    assert path.is_symlink()
    assert between.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    before = target.stat().st_ino
    store.write({**LOGIN, "creation_timestamp": 1_361_000_001})
    assert target.stat().st_ino != before
    assert FileTokenStore(target).read()["creation_timestamp"] == 1_361_000_001
    with store.locked():
        assert sorted(item.name for item in (tmp_path / "secrets").iterdir()) == [
            "link.json",
            "token.json",
            "token.json.lock",
        ]
    assert list(tmp_path.glob("*.lock")) == []


def test_links_that_lead_round_in_a_circle_are_an_error_of_ours(tmp_path: Path, path: Path) -> None:
    other = tmp_path / "other"
    path.symlink_to(other)
    other.symlink_to(path)
    for use in (FileTokenStore(path).read, lambda: FileTokenStore(path).write(LOGIN)):
        with pytest.raises(AuthenticationError, match=r"levels of symbolic links.*jutsu login"):
            use()
    assert path.is_symlink()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666, 0o400, 0o700])
def test_a_file_that_others_can_read_is_mended_and_told_about_once(
    path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    FileTokenStore(path).write(LOGIN)
    path.chmod(mode)
    for _ in range(2):
        assert FileTokenStore(path).read() == LOGIN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (said,) = [record.getMessage() for record in caplog.records]
    assert f"{path} must be its owner's alone (mode 0600), was {mode:04o}: it is now" in said
    assert "ACCESS-1" not in said


def test_a_file_of_somebody_else_is_left_and_told_about_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    FileTokenStore(path).write(LOGIN)
    path.chmod(0o644)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    for _ in range(2):
        assert FileTokenStore(path).read() == LOGIN
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    (said,) = [record.getMessage() for record in caplog.records]
    assert "was 0644, and cannot be changed (it belongs to somebody else): let its owner run chmod 600" in said


RENEWED = {**LOGIN, "token": {**LOGIN["token"], "access_token": "ACCESS-2", "refresh_token": "REFRESH-2"}}


def fail(number: int) -> Callable[..., Any]:
    def refuse(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return refuse


BROKEN = [
    ("tempfile.mkstemp", errno.EROFS, "Read-only file system"),
    ("os.fsync", errno.ENOSPC, "No space left on device"),
    ("json.dump", errno.EIO, "Input/output error"),
    ("pathlib.Path.replace", errno.EBUSY, "Device or resource busy"),
]


@pytest.mark.parametrize(("broken", "number", "said"), BROKEN, ids=[name for name, *_ in BROKEN])
def test_a_token_that_cannot_be_written_is_an_error_and_is_used_by_this_process(
    path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, number: int, said: str
) -> None:
    FileTokenStore(path).write(LOGIN)
    with monkeypatch.context() as patched:
        patched.setattr(broken, fail(number))
        with pytest.raises(AuthenticationError) as caught:
            FileTokenStore(path).write(RENEWED)
        assert f"{path} must be writable, but {said}" in str(caught.value)
        assert "make room" in str(caught.value)
        assert "jutsu login" in str(caught.value)
        assert "REFRESH-2" not in str(caught.value)
        assert FileTokenStore(path).read() == RENEWED
    assert json.loads(path.read_text(encoding="utf-8")) == LOGIN
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    with FileTokenStore(path).locked():
        assert json.loads(path.read_text(encoding="utf-8")) == RENEWED, "it is written as soon as that is possible"
    assert FileTokenStore(path).read() == RENEWED


@pytest.mark.parametrize("later", ["another login", "broken", "gone"])
def test_a_file_that_changed_meanwhile_counts_more_than_what_could_not_be_written(
    path: Path, monkeypatch: pytest.MonkeyPatch, later: str
) -> None:
    store = FileTokenStore(path)
    store.write(LOGIN)
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", fail(errno.ENOSPC))
        with pytest.raises(AuthenticationError):
            store.write(RENEWED)
    other = {**LOGIN, "creation_timestamp": 1_361_000_500}
    if later == "gone":
        path.unlink()
    else:
        path.write_text(json.dumps(other) if later == "another login" else "{", encoding="utf-8")
    with store.locked():
        if later == "another login":
            assert store.read() == other
        else:
            with pytest.raises(AuthenticationError):
                store.read()
    assert not path.exists() or path.read_text(encoding="utf-8") != json.dumps(RENEWED)


def test_where_no_lock_can_be_made_the_work_is_done_without(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that is read-only, or on a file system that knows no locks."""
    store = FileTokenStore(path)
    store.write(LOGIN)
    for error in (OSError(errno.EROFS, "Read-only file system"), NotImplementedError("no flock")):

        def refuse(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr("filelock.FileLock.acquire", refuse)
        entered = []
        with store.locked():
            entered.append(store.read())
        assert entered == [LOGIN]


@pytest.mark.parametrize("spoil", ["folder", "parent is a file"])
def test_whether_a_token_could_be_written_is_asked_beforehand(path: Path, spoil: str) -> None:
    store = FileTokenStore(path)
    store.require_writable()
    assert list(path.parent.iterdir()) == []
    if spoil == "folder":
        path.mkdir()
    else:
        path.write_text("", encoding="utf-8")
        store = FileTokenStore(path / "token.json")
    with pytest.raises(AuthenticationError, match="must be writable, but"):
        store.require_writable()
