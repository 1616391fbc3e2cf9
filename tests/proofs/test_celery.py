"""Workers on one machine share a backfill: one is killed, the broker is restarted, and no partition is done twice."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from jutsu_assets.graph.jobs import DAILY_ASSETS
from jutsu_assets.simulator.endpoints import PRICE_HISTORY
from jutsu_assets.simulator.market import MarketHistory
from jutsu_assets.store.handlers import DatabaseDataHandler
from tests.support.live_dagster import LiveDagster, counts, installation, patient, sample_bars, serving
from tests.support.postgres import running_server

pytest.importorskip("dagster_celery", reason="the extra celery is not installed")
pytest.importorskip("redis", reason="the extra celery is not installed")
pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")
REDIS = shutil.which("redis-server")
pytestmark = pytest.mark.skipif(REDIS is None, reason="there is no redis-server (the package redis-server of Debian)")

DEPLOY = Path(__file__).parents[2] / "deploy" / "celery"
SYMBOLS = tuple(f"S{number:02}" for number in range(60))
PER_RUN = 15
BEFORE_THE_KILL = 6
IN_FLIGHT = 2
"""What the killed worker had asked for and not stored: one symbol is asked for while the one before is computed."""
START, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)
ASSETS = [{"path": [asset]} for asset in DAILY_ASSETS]


@dataclass
class Redis:
    """A broker that can be restarted."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def restart(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.process = _redis(self.folder, self.port)


def _redis(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    options = ("--port", str(port), "--bind", "127.0.0.1", "--appendonly", "yes", "--dir", str(folder))
    process = subprocess.Popen([str(REDIS), *options], stdout=subprocess.DEVNULL)
    patient(lambda: _answers(port), seconds=10)
    return process


def _answers(port: int) -> bool | None:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionError:
        return None
    return True


@contextmanager
def redis(folder: Path) -> Iterator[Redis]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir()
    running = Redis(folder, port, _redis(folder, port))
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


@contextmanager
def worker(installed: LiveDagster, name: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a worker in a group of its own, as a service has one; end whoever is left of it."""
    command = [sys.executable, "-m", "celery", "-A", "dagster_celery.app", "worker", "-n", f"{name}@%h"]
    with (installed.folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=installed.folder, env=installed.environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            kill(process)


def kill(process: "subprocess.Popen[bytes]") -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_workers_share_a_backfill_and_one_that_is_killed_is_replaced(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    settings = yaml.safe_load((DEPLOY / "dagster.yaml").read_text("utf-8"))
    settings["run_monitoring"]["poll_interval_seconds"] = 5
    (folder / "dagster.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    source = MarketHistory(dict.fromkeys(SYMBOLS, sample_bars("AAPL")))
    with ExitStack() as stack:
        broker = stack.enter_context(redis(tmp_path / "redis"))
        url = stack.enter_context(stack.enter_context(running_server(tmp_path_factory.mktemp("pg"))).fresh_url())
        variables = {
            "JUTSU_DATABASE_URL": url,
            "JUTSU_DAGSTER_URL": url,
            "JUTSU_CELERY_BROKER": f"{broker.url}/0",
            "JUTSU_CELERY_RESULTS": f"{broker.url}/1",
            "JUTSU_PARTITIONS_PER_RUN": str(PER_RUN),
        }
        installed = stack.enter_context(installation(folder, source, SYMBOLS, **variables))
        path = [str(DEPLOY), *filter(None, [installed.environment.get("PYTHONPATH")])]
        installed.environment["PYTHONPATH"] = ":".join(path)
        one, _ = (stack.enter_context(worker(installed, name)) for name in ("one", "two"))
        ui = stack.enter_context(serving(installed))
        backfill = ui.launched(assetSelection=ASSETS, partitionNames=list(SYMBOLS))
        patient(lambda: len(ui.partitions()["daily_bars"]["materialized"]) >= BEFORE_THE_KILL or None)
        assert {run["status"] for run in ui.runs()} == {"STARTED", "QUEUED"}, "both workers are in the middle of one"
        kill(one)
        broker.restart()
        ended = ui.ended(backfill)
        assert ended["status"] == "COMPLETED_SUCCESS"
        assert counts(ended) == dict.fromkeys(DAILY_ASSETS, (len(SYMBOLS), 0))
        runs = {run["runId"]: run for run in ui.runs()}
        (killed,) = [run_id for run_id, run in runs.items() if run["status"] == "FAILURE"]
        (retry,) = [run for run in runs.values() if "dagster/parent_run_id" in run["tags"]]
        assert (retry["status"], retry["tags"]["dagster/parent_run_id"]) == ("SUCCESS", killed)
        assert len(runs) == len(SYMBOLS) // PER_RUN + 1
        assert len({run["tags"]["jutsu/pid"] for run in runs.values()}) == len(runs), "each in a process of its own"
        asked = Counter(one.param("symbol") for one in ui.simulator.requests if one.path == PRICE_HISTORY)
        assert set(asked) == set(SYMBOLS)
        assert asked.total() <= len(SYMBOLS) + IN_FLIGHT
        assert ui.simulator.busiest_second() <= 2
        for symbol in SYMBOLS:
            with DatabaseDataHandler(url) as handler:
                assert len(handler.get_bars_range(symbol, START, END)) == len(sample_bars("AAPL"))
