"""``jutsu login`` against ``jutsu simulator``, and what ``jutsu doctor`` says of a login."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from click.testing import CliRunner, Result

from jutsu_assets.clock import SystemClock
from jutsu_assets.commands.cli import main
from jutsu_assets.schwab.tokens import FileTokenStore
from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.catalog import named_plan
from jutsu_assets.simulator.server import SimulatorServer, serve
from jutsu_assets.simulator.switches import Switches
from jutsu_core.errors import AuthenticationError
from tests.support.schwab import THURSDAY, MemoryLedger, fetcher_of, free_port, small_market

HEARD_SECONDS = 20.0


def jutsu(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def rehearsal(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorServer]:
    """A simulator on a port, and the environment that it prints."""
    del home
    callback_url = f"https://127.0.0.1:{free_port()}"
    simulator = SchwabSimulator(small_market(), callback_url=f"https://127.0.0.1,{callback_url}")
    monkeypatch.setattr("jutsu_assets.commands.login._LOGIN_SECONDS", HEARD_SECONDS)
    with serve(simulator, port=0) as server:
        monkeypatch.setenv("SCHWAB_BASE_URL", server.url)
        monkeypatch.setenv("SCHWAB_API_KEY", simulator.key)
        monkeypatch.setenv("SCHWAB_APP_SECRET", simulator.secret)
        monkeypatch.setenv("SCHWAB_CALLBACK_URL", callback_url)
        yield server


def visited(monkeypatch: pytest.MonkeyPatch, visit: Callable[[str], None]) -> list[threading.Thread]:
    """Let ``visit`` be the browser."""
    browsers: list[threading.Thread] = []

    def open_browser(url: str) -> bool:
        browsers.append(threading.Thread(target=visit, args=(url,)))
        browsers[0].start()
        return True

    monkeypatch.setattr("webbrowser.open", open_browser)
    return browsers


def follow(url: str) -> None:
    """Do what a browser does with the link that was printed: go where it leads."""
    with httpx.Client(verify=False, follow_redirects=True) as browser:  # noqa: S501 - this login's own certificate
        assert "Back to the terminal" in browser.get(url).text


def test_a_login_is_rehearsed_from_the_link_to_the_bars(
    rehearsal: SimulatorServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browsers = visited(monkeypatch, follow)
    result = jutsu("login")
    browsers[0].join()
    assert result.exit_code == 0, result.output
    path = home / "sample" / "schwab_token.json"
    assert f"A rehearsal against the simulator {rehearsal.url}, kept in {path}." in result.output
    assert f"{rehearsal.url}/v1/oauth/authorize?" in result.output
    assert "api.schwabapi.com" not in result.output
    assert "Logged in." in result.output
    assert rehearsal.simulator.secret not in result.output
    fetcher = fetcher_of(rehearsal.simulator, FileTokenStore(path), ledger=MemoryLedger())
    fetcher.authenticate()
    assert [arrival.path for arrival in rehearsal.simulator.requests] == ["/v1/oauth/authorize", "/v1/oauth/token"]
    assert "6.9 days left" in jutsu("doctor").output or "7.0 days left" in jutsu("doctor").output


def test_a_rehearsal_never_touches_the_live_login(
    rehearsal: SimulatorServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del rehearsal
    live = home / "schwab_token.json"
    live.parent.mkdir(parents=True)
    live.write_text("the live one", encoding="utf-8")
    browsers = visited(monkeypatch, follow)
    assert jutsu("login").exit_code == 0
    browsers[0].join()
    assert live.read_text(encoding="utf-8") == "the live one"


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> Callable[[], httpx.URL]:
    """The link that a person sees, once it is printed."""
    lines: list[str] = []
    echo = click.echo

    def note(message: str = "", **options: Any) -> None:
        lines.append(message)
        echo(message, **options)

    monkeypatch.setattr("click.echo", note)
    return lambda: next(httpx.URL(word) for word in " ".join(lines).split() if "/v1/oauth/authorize?" in word)


def test_a_rehearsal_can_be_pasted(
    rehearsal: SimulatorServer, home: Path, monkeypatch: pytest.MonkeyPatch, link: Callable[[], httpx.URL]
) -> None:
    monkeypatch.setenv("SCHWAB_CALLBACK_URL", "https://127.0.0.1")
    monkeypatch.setattr("click.prompt", lambda _: httpx.get(link()).headers["Location"])
    result = jutsu("login")
    assert result.exit_code == 0, result.output
    assert FileTokenStore(home / "sample" / "schwab_token.json").read()["token"]["refresh_token"]
    assert len(rehearsal.simulator.requests) == 2


def test_the_simulators_app_has_a_callback_that_is_heard_and_one_that_is_pasted() -> None:
    simulator = SchwabSimulator(small_market())
    assert simulator.callback_url == "https://127.0.0.1"
    for url, status in (
        ("https://127.0.0.1", 302),
        ("https://127.0.0.1:8182", 302),
        ("https://127.0.0.1:8182/", 403),
        ("https://127.0.0.1,https://127.0.0.1:8182", 403),
    ):
        with serve(simulator, port=0) as server:
            params = {"client_id": simulator.key, "redirect_uri": url, "response_type": "code"}
            answer = httpx.get(f"{server.url}/v1/oauth/authorize", params=params)
        assert answer.status_code == status
        if status == 302:
            assert answer.headers["Location"].startswith(f"{url}/?code=")


def test_a_rehearsal_that_is_refused_says_so(
    rehearsal: SimulatorServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsal.simulator.switches = Switches(user_refuses=True)
    browsers = visited(monkeypatch, follow)
    result = jutsu("login")
    browsers[0].join()
    assert result.exit_code == 1
    assert "it said access_denied: start the login again" in result.output
    assert not (home / "sample" / "schwab_token.json").exists()


def test_visitors_do_not_end_a_login_that_waits(rehearsal: SimulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What any page can send: the login goes on to wait, and ends as it should."""

    def visit(url: str) -> None:
        root = os.environ["SCHWAB_CALLBACK_URL"]
        with httpx.Client(verify=False, base_url=root) as browser:  # noqa: S501 - this login's own certificate
            for path in ("/favicon.ico", "/?error=access_denied", "/?code=ATTACKER&state=WRONG", "/?code=1"):
                assert browser.get(path).status_code == 404
            assert browser.post("/", data={"code": "1"}).status_code >= 400
            assert browser.head("/?code=1").status_code == 404
        follow(url)

    browsers = visited(monkeypatch, visit)
    result = jutsu("login")
    browsers[0].join()
    assert result.exit_code == 0, result.output
    assert [arrival.path for arrival in rehearsal.simulator.requests].count("/v1/oauth/token") == 1


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        ("{callback}/?code=C0.stolen%40&state=WRONG", "must be of this login, was of another one"),
        ("{callback}/?code=C0.stolen%40", "must be of this login, was of another one"),
        ("{callback}/?error=mismatching_state", "must contain code="),
        ("{callback}/#access_token=I0.stolen&state=x", "must contain code="),
        ("https://[", "must contain code="),
    ],
)
def test_an_address_of_another_login_is_named_as_such_and_sends_nothing(
    rehearsal: SimulatorServer, monkeypatch: pytest.MonkeyPatch, pasted: str, said: str
) -> None:
    monkeypatch.setattr("click.prompt", lambda _: pasted.format(callback=os.environ["SCHWAB_CALLBACK_URL"]))
    result = jutsu("login", "--manual")
    assert result.exit_code == 1
    assert said in result.output
    assert "dead" not in result.output
    assert rehearsal.simulator.requests == []


def test_a_code_that_schwab_refuses_is_no_dead_login(
    rehearsal: SimulatorServer, monkeypatch: pytest.MonkeyPatch, link: Callable[[], httpx.URL]
) -> None:
    used = "https://127.0.0.1/?code=C0.used-before%40&state="
    monkeypatch.setattr("click.prompt", lambda _: f"{used}{link().params['state']}")
    result = jutsu("login", "--manual")
    assert result.exit_code == 1
    assert "logging in: Schwab refused the code that the browser brought (invalid_grant)" in result.output
    assert "dead" not in result.output
    assert "used-before" not in result.output
    assert len(rehearsal.simulator.requests) == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("O18-bomb", "the reply must be at most"),
        ("O18-babble", "Schwab refused the code that the browser brought (no"),
        ("O18-list", "must answer with a JSON object"),
        ("O15", "too many requests"),
        ("O16", "blocks this address"),
        ("O12", "refused the app key or the app secret (invalid_client)"),
        ("O11", "must hold creation_timestamp, access_token and refresh_token"),
        ("O19-dropped", "must answer, in time and whole"),
    ],
)
def test_a_reply_to_the_code_is_bounded_and_told_as_any_other(
    rehearsal: SimulatorServer,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    link: Callable[[], httpx.URL],
    name: str,
    said: str,
) -> None:
    rehearsal.simulator.faults = named_plan([name], THURSDAY)
    monkeypatch.setattr("click.prompt", lambda _: httpx.get(link()).headers["Location"])
    result = jutsu("login", "--manual")
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if said in line]
    assert line.isprintable()
    assert len(line) < 600
    for secret in (rehearsal.simulator.secret, "C0."):
        assert secret not in result.output
    assert not (home / "sample" / "schwab_token.json").exists()


def test_a_login_that_could_not_be_kept_is_not_begun(
    rehearsal: SimulatorServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "taken").parent.mkdir(parents=True, exist_ok=True)
    (home / "taken").write_text("a file", encoding="utf-8")
    for path in (home / "taken" / "token.json", home):
        monkeypatch.setenv("SCHWAB_TOKEN_PATH", str(path))
        result = jutsu("login", "--no-browser")
        assert result.exit_code == 1
        assert f"the Schwab token file {path} must be writable, but " in result.output
        assert "Traceback" not in result.output
    assert rehearsal.simulator.requests == []


def written(path: Path, **changes: Any) -> None:
    token = {"access_token": "I0.access", "refresh_token": "refresh", "expires_at": 1}
    content: dict[str, Any] = {"creation_timestamp": int(SystemClock().now().timestamp()), "token": token}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content | changes), encoding="utf-8")
    path.chmod(0o600)


@pytest.fixture
def token_path(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a live login is kept."""
    monkeypatch.setenv("SCHWAB_API_KEY", "a-key-of-somebody")
    monkeypatch.setenv("SCHWAB_APP_SECRET", "a-secret-of-somebody")
    return home / "schwab_token.json"


def of_the_login(output: str) -> list[str]:
    return [line for line in output.splitlines() if "login" in line or "Schwab token" in line]


def test_doctor_says_what_the_login_is_where_nothing_is_stored(token_path: Path) -> None:
    written(token_path)
    result = jutsu("doctor")
    assert result.exit_code == 1
    assert "nothing is stored in" in result.output
    (line,) = of_the_login(result.output)
    assert line.startswith("login: until ")
    assert " days left" in line


def test_doctor_says_that_there_is_no_login_where_nothing_is_stored(token_path: Path) -> None:
    result = jutsu("doctor")
    assert result.exit_code == 1
    (line,) = of_the_login(result.output)
    assert line == f"- the Schwab token file {token_path} must exist; log in again with `jutsu login`"


NOW = time.time  # noqa: TID251 - the command asks the machine's clock
IMPOSSIBLE: dict[str, Callable[[], object]] = {
    "milliseconds": lambda: int(NOW() * 1000),
    "microseconds": lambda: int(NOW() * 1_000_000),
    "a text": lambda: str(int(NOW())),
    "a date": lambda: "2026-11-26T00:00:00Z",
    "no number": lambda: float("nan"),
    "infinite": lambda: float("inf"),
    "a fraction": NOW,
    "negative": lambda: -1,
    "true": lambda: True,
    "none": lambda: None,
    "a list": lambda: [1],
    "huge": lambda: 10**400,
    "in a month": lambda: int(NOW()) + 30 * 86_400,
    "in two days": lambda: int(NOW()) + 2 * 86_400,
    "in a thousand years": lambda: int(NOW()) + 365 * 86_400 * 60,
}


@pytest.mark.parametrize("moment", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_time_that_cannot_be_is_one_line_in_doctor_and_one_error_elsewhere(
    token_path: Path, moment: Callable[[], object]
) -> None:
    written(token_path, creation_timestamp=moment())
    result = jutsu("doctor")
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert "days left" not in result.output
    (line,) = of_the_login(result.output)
    assert line.startswith(f"- the Schwab token file {token_path}: creation_timestamp must ")
    assert len(line) < 400
    with pytest.raises(AuthenticationError, match="creation_timestamp must"):
        FileTokenStore(token_path).read()


def test_a_login_made_by_a_clock_that_is_a_little_fast_has_seven_days(token_path: Path) -> None:
    written(token_path, creation_timestamp=int(NOW()) + 3_600)
    assert "7.0 days left" in jutsu("doctor").output


def test_doctor_mends_a_token_file_that_others_can_read_and_says_so(
    token_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written(token_path)
    token_path.chmod(0o644)
    jutsu("doctor")
    assert "must be its owner's alone (mode 0600), was 0644: it is now" in caplog.text
    assert token_path.stat().st_mode & 0o777 == 0o600
