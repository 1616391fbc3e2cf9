"""``jutsu ui`` as a user runs it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from jutsu_assets.commands.ui import ui
from jutsu_assets.settings import Settings
from jutsu_assets.webserver.listener import listen
from jutsu_core.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[3]
COMMAND = "from jutsu_assets.commands.cli import _settings; from jutsu_assets.commands.ui import ui; ui(obj=_settings)"


@pytest.fixture
def settings_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Settings]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return lambda: Settings.from_environment({})


def test_a_busy_port_is_an_error_before_anything_is_made(tmp_path: Path, settings_of: Callable[[], Settings]) -> None:
    with listen("127.0.0.1", 0) as taken:
        result = CliRunner().invoke(ui, ["--port", str(taken.getsockname()[1])], obj=settings_of)
    assert isinstance(result.exception, ConfigurationError)
    assert "stop the other program, or choose another --port" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("prefix", ["jutsu", "/jutsu/", "/"])
def test_a_prefix_must_begin_with_a_slash_and_not_end_with_one(
    settings_of: Callable[[], Settings], prefix: str
) -> None:
    result = CliRunner().invoke(ui, ["--path-prefix", prefix], obj=settings_of)
    assert isinstance(result.exception, ConfigurationError)
    assert repr(prefix) in str(result.exception)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals to a group of processes")
@pytest.mark.parametrize("started", [[], ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]], ids=["by hand", "by a script"])
def test_it_serves_the_graph_and_the_reports_and_ctrl_c_leaves_nothing_behind(
    tmp_path: Path, started: list[str]
) -> None:
    """In a folder with neither workspace.yaml nor dagster.yaml; a script's background begins with SIGINT ignored."""
    (tmp_path / "universe.yaml").write_text("symbols: [IBM]\nhistory_start: 2011-01-03\n", encoding="utf-8")
    reports = tmp_path / "var" / "sample" / "reports"
    reports.mkdir(parents=True)
    (reports / "IBM.html").write_text("<!doctype html><title>IBM</title>", encoding="utf-8")
    foreign = ("SCHWAB_", "JUTSU_", "DAGSTER_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    with subprocess.Popen(
        [*started, sys.executable, "-c", COMMAND, "--port", "0"],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            address = re.search(r"http://\S+(?=/ )", process.stdout.readline())
            assert address is not None
            query = "{ workspaceOrError { ... on Workspace { locationEntries { name } } } }"
            told = httpx.post(f"{address[0]}/graphql", json={"query": query}, timeout=60).json()
            assert told["data"]["workspaceOrError"]["locationEntries"] == [{"name": "jutsu_assets.definitions"}]
            assert httpx.get(f"{address[0]}/reports/IBM.html").text == "<!doctype html><title>IBM</title>"
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=60)  # returns when everyone who inherited its output has ended
            assert process.returncode == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert (tmp_path / "var" / "dagster" / "history").is_dir()
