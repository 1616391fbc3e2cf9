"""The ``jutsu`` command and Dagster's own, as a user and as CI run them."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest
from click.testing import CliRunner

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.commands.cli import main
from jutsu_assets.commands.demo import _install_seconds
from jutsu_assets.schwab.callback import can_be_heard
from jutsu_assets.schwab.login import Login
from jutsu_assets.schwab.throttle import Throttle
from jutsu_assets.schwab.tokens import FileTokenStore
from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.server import serve
from jutsu_assets.simulator.switches import Switches
from jutsu_assets.simulator.transport import mount
from jutsu_assets.store.coordination import RequestLedger
from jutsu_assets.store.engine import Database
from jutsu_core.errors import AuthenticationError
from tests.support.schwab import MemoryLedger, RecordingSleeper

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home with a universe of two symbols, and no credentials."""
    universe = tmp_path / "universe.yaml"
    universe.write_text("symbols: [FB, IBM]\nhistory_start: 2011-01-03\n", encoding="utf-8")
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    # A command puts what a file .env says into the environment of its process.
    with mock.patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith(("SCHWAB_", "JUTSU_"))]:
            del os.environ[name]
        os.environ["JUTSU_UNIVERSE"] = str(universe)
        os.environ["JUTSU_HOME"] = str(tmp_path / "home")
        os.environ["DAGSTER_HOME"] = str(tmp_path)
        yield tmp_path


@pytest.mark.slow
def test_the_demo_shows_results_counts_and_time_and_changes_nothing_twice(home: Path) -> None:
    first = CliRunner().invoke(main, ["demo"])
    assert first.exit_code == 0, first.output
    assert "SAMPLE DATA" in first.output
    assert first.output.count("SAMPLE DATA: ") == 1
    assert "IBM: 543 bars, 543 new, 0 changed, 1 calls; indicators and performance written" in first.output
    assert "2 requests, 739 bars inserted, 0 changed, 0 unchanged" in first.output
    for stage in ("throttle wait", "fetch", "store", "indicators", "performance", "in all"):
        assert re.search(rf"{stage}.* \d+\.\d\d s", first.output), stage
    assert (home / "home" / "sample" / "reports" / "index.html").is_file()

    second = CliRunner().invoke(main, ["demo"])
    assert "0 requests, 0 bars inserted, 0 changed, 739 unchanged" in second.output

    for output in (first.output, second.output):
        assert f"Report:  {home / 'home' / 'sample' / 'reports' / 'index.html'}" in output
        assert f"Shell:   source {Path(sys.prefix) / 'bin' / 'activate'}" in output
        assert not re.search(r"install +│", output)

    shown = CliRunner().invoke(main, ["report"])
    assert f"Report:  {home / 'home' / 'sample' / 'reports' / 'index.html'}" in shown.output
    assert "SAMPLE DATA" in shown.output
    rows = re.findall(r"│ IBM +│ (\S+) +│ +(\S+%)", shown.output)
    assert [period for period, _ in rows] == ["2011*", "2012", "2013*", "all"]
    assert all(row in second.output for row in shown.output.splitlines() if "IBM" in row)

    counted = CliRunner().invoke(
        main, ["sql", "select symbol, count(*) as n from daily_indicators group by 1 order by 1"]
    )
    assert re.search(r"FB.* 196 ", counted.output)
    assert re.search(r"IBM.* 543 ", counted.output)


def test_a_corrupt_universe_is_one_line(home: Path) -> None:
    (home / "universe.yaml").write_text("symbols: [aapl]\nhistory_start: 2011-01-03\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: universe file")
    assert "'aapl'" in result.output


@pytest.mark.slow
def test_a_failing_demo_says_that_the_rest_is_kept(home: Path) -> None:
    (home / "universe.yaml").write_text("symbols: [FB, NOSUCH]\nhistory_start: 2012-01-03\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 1
    assert result.output.count("NOSUCH:") == 1
    assert "what succeeded is kept" in result.output
    assert "Traceback" not in result.output


@pytest.mark.slow
def test_the_demo_leaves_credentials_and_the_live_store_alone(home: Path) -> None:
    (home / "universe.yaml").write_text("symbols: [FB]\nhistory_start: 2013-01-02\n", encoding="utf-8")
    (home / ".env").write_text("SCHWAB_API_KEY=mine\nSCHWAB_APP_SECRET=mine\n", encoding="utf-8")
    os.environ["JUTSU_DATABASE_URL"] = f"sqlite:///{home / 'live.db'}"
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 0, result.output
    assert "SAMPLE DATA" in result.output
    assert "does not use the Schwab credentials" in result.output
    assert (home / "home" / "sample" / "jutsu.db").is_file()
    assert not (home / "home" / "live").exists()
    assert not (home / "live.db").exists()


def test_credentials_in_a_file_env_are_seen(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".env").write_text("SCHWAB_API_KEY=mine\nSCHWAB_APP_SECRET=mine\n", encoding="utf-8")
    monkeypatch.setattr("click.prompt", lambda _: "https://127.0.0.1/")
    result = CliRunner().invoke(main, ["login"])
    assert "client_id=mine" in result.output
    assert "must contain code=" in result.output


def test_the_environment_wins_over_a_file_env(home: Path) -> None:
    (home / ".env").write_text("SCHWAB_API_KEY=mine\nSCHWAB_APP_SECRET=mine\n", encoding="utf-8")
    os.environ |= {"SCHWAB_API_KEY": "", "SCHWAB_APP_SECRET": ""}
    result = CliRunner().invoke(main, ["login"])
    assert "SCHWAB_API_KEY and SCHWAB_APP_SECRET must be set" in result.output


@pytest.mark.parametrize(("began", "is_shown"), [("1700000000", True), ("1700000099", False), (None, False)])
def test_the_demo_counts_an_installation_of_the_same_make(
    home: Path, monkeypatch: pytest.MonkeyPatch, began: str | None, *, is_shown: bool
) -> None:
    (home / ".installation").write_text("1700000000 1700000034\n", encoding="utf-8")
    monkeypatch.setattr("sys.prefix", str(home))
    if began:
        os.environ["JUTSU_MAKE_BEGAN"] = began
    assert _install_seconds() == (34.0 if is_shown else None)


def test_login_without_credentials_says_what_to_set(home: Path) -> None:
    del home
    result = CliRunner().invoke(main, ["login"])
    assert result.exit_code == 1
    assert "SCHWAB_API_KEY and SCHWAB_APP_SECRET must be set" in result.output


def landing_page(simulator: SchwabSimulator, url: str) -> str:
    """Where a browser lands that opens ``url`` and allows access."""
    with httpx.Client(transport=mount(simulator)) as browser:
        return browser.get(url).headers["Location"]


def login_to(simulator: SchwabSimulator, path: Path, ledger: MemoryLedger | None = None) -> Login:
    return Login(
        api_key=simulator.key,
        app_secret=simulator.secret,
        callback_url=simulator.callback_url,
        transport=mount(simulator),
        throttle=Throttle(ledger or MemoryLedger(), RecordingSleeper()),
        tokens=FileTokenStore(path),
    )


def test_a_manual_login_leaves_a_usable_private_token_file(tmp_path: Path) -> None:
    simulator, path = SchwabSimulator(), tmp_path / "token.json"
    login = login_to(simulator, path)
    login.finish(landing_page(simulator, login.url), now_seconds=1_700_000_000)
    wrapped = FileTokenStore(path).read()
    assert wrapped["creation_timestamp"] == 1_700_000_000
    assert wrapped["token"]["refresh_token"]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("pasted", ["", "https://127.0.0.1/", "https://127.0.0.1/?error=access_denied"])
def test_an_address_without_a_code_is_refused_before_anything_is_sent(tmp_path: Path, pasted: str) -> None:
    """schwab-py would turn it into another kind of token, which looks fine and dies in an hour."""
    simulator, path = SchwabSimulator(), tmp_path / "token.json"
    with pytest.raises(AuthenticationError, match=r"must contain code="):
        login_to(simulator, path).finish(pasted, now_seconds=0)
    assert simulator.requests == []
    assert not path.exists()


def test_the_address_of_another_login_is_refused(tmp_path: Path) -> None:
    simulator, path = SchwabSimulator(), tmp_path / "token.json"
    other = landing_page(simulator, login_to(simulator, path).url)
    with pytest.raises(AuthenticationError):
        login_to(simulator, path).finish(other, now_seconds=0)
    assert not path.exists()


def test_a_login_takes_its_turn_among_all_requests(tmp_path: Path) -> None:
    simulator, ledger = SchwabSimulator(), MemoryLedger()
    login = login_to(simulator, tmp_path / "token.json", ledger)
    assert ledger.claims == 0
    login.finish(landing_page(simulator, login.url), now_seconds=1_700_000_000)
    assert ledger.claims == 1


def use_credentials_of(simulator: SchwabSimulator) -> None:
    os.environ["SCHWAB_API_KEY"] = simulator.key
    os.environ["SCHWAB_APP_SECRET"] = simulator.secret
    os.environ["SCHWAB_CALLBACK_URL"] = simulator.callback_url


def test_the_login_command_from_the_url_to_the_token_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator, begun = SchwabSimulator(), []

    class Watched(Login):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            begun.append(self)

    use_credentials_of(simulator)
    monkeypatch.setattr("jutsu_assets.commands.login.Login", Watched)
    monkeypatch.setattr("jutsu_assets.commands.login.transport_to", lambda _: mount(simulator))
    monkeypatch.setattr("click.prompt", lambda _: landing_page(simulator, begun[0].url))
    result = CliRunner().invoke(main, ["login"])
    assert result.exit_code == 0, result.output
    assert begun[0].url in result.output
    assert "Logged in." in result.output
    assert FileTokenStore(home / "home" / "schwab_token.json").read()["token"]["refresh_token"]
    database = Database(f"sqlite:///{home / 'home' / 'live' / 'jutsu.db'}", SystemSleeper())
    assert RequestLedger(database, SystemClock()).sent_on(SystemClock().now().date()) == 1
    database.close()


def come_back(simulator: SchwabSimulator, url: str, *before: str) -> None:
    """Do what a person and a browser do: allow access, land on the callback, maybe ask for other things first."""
    landing = landing_page(simulator, url)
    root = landing.partition("?")[0]
    with httpx.Client(verify=False) as browser:  # noqa: S501 - the certificate is of this login's own making
        for path in before:
            assert browser.get(f"{root}{path}").status_code == 404
        assert "Back to the terminal" in browser.get(landing).text


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_login_is_heard_where_the_browser_lands(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a real socket and TLS; a browser also asks for its icon, and may come without an answer."""
    simulator = SchwabSimulator(callback_url=f"https://127.0.0.1:{free_port()}")
    use_credentials_of(simulator)
    browsers: list[threading.Thread] = []

    def open_browser(url: str) -> bool:
        browsers.append(threading.Thread(target=come_back, args=(simulator, url, "favicon.ico", "", "?state=1")))
        browsers[0].start()
        return True

    monkeypatch.setattr("jutsu_assets.commands.login.transport_to", lambda _: mount(simulator))
    monkeypatch.setattr("webbrowser.open", open_browser)
    monkeypatch.setattr("jutsu_assets.commands.login._LOGIN_SECONDS", 20.0)
    result = CliRunner().invoke(main, ["login"])
    browsers[0].join()
    assert result.exit_code == 0, result.output
    assert "A browser opens this address" in result.output
    wrapped = FileTokenStore(home / "home" / "schwab_token.json").read()
    assert wrapped["token"]["access_token"] not in result.output
    assert simulator.requests[-1].path == "/v1/oauth/token"


def test_a_person_who_refuses_is_told_so_and_nothing_is_sent(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = SchwabSimulator(callback_url=f"https://127.0.0.1:{free_port()}", switches=Switches(user_refuses=True))
    use_credentials_of(simulator)
    monkeypatch.setattr("jutsu_assets.commands.login.transport_to", lambda _: mount(simulator))
    browsers: list[threading.Thread] = []

    def open_browser(url: str) -> bool:
        browsers.append(threading.Thread(target=come_back, args=(simulator, url)))
        browsers[0].start()
        return True

    monkeypatch.setattr("webbrowser.open", open_browser)
    monkeypatch.setattr("jutsu_assets.commands.login._LOGIN_SECONDS", 20.0)
    result = CliRunner().invoke(main, ["login"])
    browsers[0].join()
    assert result.exit_code == 1
    assert "it said access_denied: start the login again" in result.output
    assert [arrival.path for arrival in simulator.requests] == ["/v1/oauth/authorize"]
    assert not (home / "home" / "schwab_token.json").exists()


def test_a_login_that_nobody_makes_ends(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = SchwabSimulator(callback_url=f"https://127.0.0.1:{free_port()}")
    use_credentials_of(simulator)
    monkeypatch.setattr("jutsu_assets.commands.login._LOGIN_SECONDS", 0.2)
    result = CliRunner().invoke(main, ["login", "--no-browser"])
    assert result.exit_code == 1
    assert "Open this address" in result.output
    assert "`jutsu login --manual` where no browser can reach this machine" in result.output
    assert not (home / "home" / "schwab_token.json").exists()


def test_a_port_that_is_taken_is_named(home: Path) -> None:
    del home
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        use_credentials_of(SchwabSimulator(callback_url=f"https://127.0.0.1:{port}"))
        result = CliRunner().invoke(main, ["login"])
    assert result.exit_code == 1
    assert f"the port {port} of SCHWAB_CALLBACK_URL must be free" in result.output


@pytest.mark.parametrize(
    ("url", "heard"),
    [
        ("https://127.0.0.1:8182", True),
        ("https://127.0.0.1:8182/callback", True),
        ("https://127.0.0.1", False),
        ("https://127.0.0.1:443", False),
        ("https://example.com:8182", False),
        ("http://127.0.0.1:8182", False),
    ],
)
def test_only_a_port_of_this_machine_can_be_listened_at(url: str, heard: bool) -> None:  # noqa: FBT001 - a table
    assert can_be_heard(url) is heard


@pytest.mark.slow
def test_ci_materializes_one_partition_with_no_earlier_state(home: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    command = [
        *(sys.executable, "-m", "dagster", "asset", "materialize", "-m", "jutsu_assets.definitions"),
        *("--select", "daily_bars,daily_indicators,symbol_performance", "--partition", "FB"),
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "FB: daily_bars: 196 bars, 196 new" in done.stderr
    assert (home / "home" / "sample" / "reports" / "FB.html").is_file()


@pytest.mark.slow
def test_the_whole_path_over_a_loopback_simulator_with_a_token_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``jutsu simulator`` prints is all that a graph needs; secrets are not in its log."""
    simulator = SchwabSimulator()
    token_path = home / "token.json"
    FileTokenStore(token_path).write(simulator.issue_login())
    (home / "universe.yaml").write_text("symbols: [FB]\nhistory_start: 2012-01-03\n", encoding="utf-8")
    with serve(simulator, port=0) as server:
        monkeypatch.setenv("SCHWAB_BASE_URL", server.url)
        monkeypatch.setenv("SCHWAB_API_KEY", simulator.key)
        monkeypatch.setenv("SCHWAB_APP_SECRET", simulator.secret)
        monkeypatch.setenv("SCHWAB_TOKEN_PATH", str(token_path))
        result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 0, result.output
    assert "FB: 196 bars, 196 new, 0 changed, " in result.output
    assert sum("pricehistory" in arrival.path for arrival in simulator.requests) == 1
    token = FileTokenStore(token_path).read()["token"]
    for secret in (simulator.key, simulator.secret, token["access_token"], token["refresh_token"]):
        assert secret not in result.output
        for path in (home / "home").rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes()
