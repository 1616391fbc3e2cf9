"""A real ``jutsu ui`` in a folder of its own: daemon, webserver and code server, over a simulator of the test's own.

Spoken to as its own pages do, by GraphQL, and by the command lines of a user in the same folder. The simulator runs in
the test's process, so that a test can change what the source holds, and how fast it answers, at any time.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

from jutsu_assets.graph.jobs import DAILY_ASSETS
from jutsu_assets.schwab.tokens import FileTokenStore
from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.clock import SimulatorClock
from jutsu_assets.simulator.faults import Fault, FaultPlan
from jutsu_assets.simulator.market import DailyBar, MarketHistory
from jutsu_assets.simulator.server import serve
from jutsu_assets.store.handlers import DatabaseDataHandler
from jutsu_core.errors import NoDataError

START = date(2012, 11, 1)
LAST = date(2013, 3, 1)
AFTER_THE_LAST_CLOSE = datetime(2013, 3, 2, 1, tzinfo=UTC)
PATIENCE_SECONDS = 240.0
_OURS = ("SCHWAB_", "JUTSU_", "DAGSTER_")
_UNFINISHED = {"REQUESTED", "CANCELING", "FAILING", "COMPLETING"}
_STATUS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
  status runs { id status } assetBackfillData { assetBackfillStatuses { ... on AssetPartitionsStatusCounts {
    assetKey { path } numPartitionsTargeted numPartitionsMaterialized numPartitionsFailed } } } } } }"""
_ANSWER = "{ __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } }"
_LAUNCH = f"mutation($p: LaunchBackfillParams!) {{ launchPartitionBackfill(backfillParams: $p) {_ANSWER} }}"
_AGAIN = f"mutation($p: ReexecutionParams!) {{ reexecutePartitionBackfill(reexecutionParams: $p) {_ANSWER} }}"
_RUNS = (
    "{ runsOrError { ... on Runs { results { runId status jobName assetSelection { path } tags { key value } } } } }"
)
_REPOSITORY = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
_PARTITIONS = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetPartitionStatuses { ... on DefaultPartitionStatuses {
    materializedPartitions failedPartitions } } } } }"""

_T = TypeVar("_T")


def sample_bars(symbol: str) -> list[DailyBar]:
    """Return the real bars of ``symbol`` in the window of the proofs, without a split inside."""
    return [bar for bar in MarketHistory.from_sample().daily(symbol, as_of=LAST) if bar.session >= START]


def patient(ask: Callable[[], _T | None], *, seconds: float = PATIENCE_SECONDS) -> _T:
    """Return what ``ask`` says as soon as it says anything; a real daemon takes its time."""
    deadline = time.monotonic() + seconds
    while True:
        said = ask()
        if said is not None:
            return said
        assert time.monotonic() < deadline, f"nothing in {seconds:.0f} s"
        time.sleep(0.5)  # noqa: TID251 - there is nothing to inject a sleeper into


@dataclass(frozen=True)
class LiveDagster:
    """A running ``jutsu ui``.

    Attributes:
        folder: Its working directory and Dagster home.
        url: Its address; empty while it does not run.
        environment: The variables of its processes, and of every command beside it.
        simulator: Where its bars come from.
        symbols: Its universe.
    """

    folder: Path
    url: str
    environment: dict[str, str]
    simulator: SchwabSimulator
    symbols: Sequence[str]

    def ask(self, query: str, **variables: object) -> Any:
        """Return what a GraphQL query, or a mutation, is answered."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
            answer = json.load(reply)
        assert "errors" not in answer, answer
        return answer["data"]

    def selector(self, **more: object) -> dict[str, object]:
        """Return what names the repository of the graph."""
        (node,) = self.ask(_REPOSITORY)["repositoriesOrError"]["nodes"]
        return {"repositoryName": node["name"], "repositoryLocationName": node["location"]["name"], **more}

    def launched(self, **what: object) -> str:
        """Launch a backfill; return its id."""
        return _identity(self.ask(_LAUNCH, p=what)["launchPartitionBackfill"])

    def launched_again(self, backfill: str) -> str:
        """Launch what failed or was never tried of a backfill, as the page's *Re-execute from failure* does."""
        params = {"parentRunId": backfill, "strategy": "FROM_FAILURE"}
        return _identity(self.ask(_AGAIN, p=params)["reexecutePartitionBackfill"])

    def status(self, backfill: str) -> dict[str, Any]:
        """Return what the UI says of a backfill."""
        said: dict[str, Any] = self.ask(_STATUS, id=backfill)["partitionBackfillOrError"]
        return said

    def ended(self, backfill: str) -> dict[str, Any]:
        """Wait for the end of a backfill; return what the UI says of it."""

        def said() -> dict[str, Any] | None:
            status = self.status(backfill)
            return None if status["status"] in _UNFINISHED else status

        return patient(said)

    def runs(self) -> list[dict[str, Any]]:
        """Return all runs, newest first; ``tags`` by key."""
        found: list[dict[str, Any]] = self.ask(_RUNS)["runsOrError"]["results"]
        return [run | {"tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found]

    def run_ended(self, run_id: str) -> str:
        """Wait for the end of a run; return its status."""

        def status() -> str | None:
            return next((str(run["status"]) for run in self.runs() if run["runId"] == run_id and is_over(run)), None)

        return patient(status)

    def partitions(self) -> dict[str, dict[str, set[str]]]:
        """Return, for each daily asset, which partitions are materialized, and which failed."""
        found = {}
        for asset in DAILY_ASSETS:
            said = self.ask(_PARTITIONS, key={"path": [asset]})["assetNodeOrError"]["assetPartitionStatuses"]
            found[asset] = {name.removesuffix("Partitions"): set(keys) for name, keys in said.items()}
        return found

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """Start a command of the environment in the folder; what it says comes out of one stream."""
        return subprocess.Popen(
            [Path(sys.executable).with_name(command[0]), *command[1:]],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str) -> tuple[int, str]:
        """Run a command; return its exit status and what it said."""
        process = self.start(*command)
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, said

    def slow_down(self, seconds: float) -> None:
        """Let every answer about price history come so late; 0 is at once again."""
        self.simulator.switches = replace(self.simulator.switches, slow_seconds=seconds)
        self.simulator.faults = FaultPlan([Fault.slow().always()] if seconds else [])

    def stored(self, symbol: str) -> list[DailyBar]:
        """Return the bars that are stored of ``symbol``, in the source's own form."""
        url = f"sqlite:///{self.folder / 'var' / 'sample' / 'jutsu.db'}"
        with DatabaseDataHandler(url) as handler:
            try:
                events = handler.get_bars_range(symbol, datetime(2000, 1, 1, tzinfo=UTC), AFTER_THE_LAST_CLOSE)
            except NoDataError:
                return []
        return [DailyBar(one.timestamp.date(), one.open, one.high, one.low, one.close, one.volume) for one in events]


def is_over(run: dict[str, Any]) -> bool:
    """Return whether a run has ended."""
    return run["status"] in {"SUCCESS", "FAILURE", "CANCELED"}


def counts(said: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Return how many partitions of each asset a backfill materialized, and how many failed."""
    return {
        status["assetKey"]["path"][0]: (status["numPartitionsMaterialized"], status["numPartitionsFailed"])
        for status in said["assetBackfillData"]["assetBackfillStatuses"]
    }


@contextmanager
def live_dagster(
    folder: Path, history: MarketHistory, symbols: Sequence[str], **variables: str
) -> Iterator[LiveDagster]:
    """Yield a running ``jutsu ui`` over a simulator of ``history``; everything is stopped at the end, come what may.

    Args:
        folder: An empty folder.
        history: What the source holds.
        symbols: The universe, in its order; what the source does not know is mistyped.
        variables: More of the environment, such as ``JUTSU_AUTOMATION``.
    """
    with installation(folder, history, symbols, **variables) as installed, serving(installed) as running:
        yield running


@contextmanager
def installation(
    folder: Path, history: MarketHistory, symbols: Sequence[str], **variables: str
) -> Iterator[LiveDagster]:
    """Yield what :func:`live_dagster` runs, before it does: for commands, and for :func:`serving`, which starts it."""
    listed = ", ".join(symbols)
    (folder / "universe.yaml").write_text(f"symbols: [{listed}]\nhistory_start: {START}\n", encoding="utf-8")
    simulator = SchwabSimulator(history, clock=SimulatorClock(AFTER_THE_LAST_CLOSE, rate=0.0))
    FileTokenStore(folder / "token.json").write(simulator.issue_login())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    with serve(simulator, port=0) as server:
        environment = {
            **kept,
            "DAGSTER_HOME": str(folder),
            "SCHWAB_BASE_URL": server.url,
            "SCHWAB_API_KEY": simulator.key,
            "SCHWAB_APP_SECRET": simulator.secret,
            "SCHWAB_TOKEN_PATH": str(folder / "token.json"),
            **variables,
        }
        jutsu = Path(sys.executable).with_name("jutsu")
        subprocess.run([jutsu, "init"], cwd=folder, env=environment, check=True, capture_output=True)
        shutil.rmtree(folder / "strategies")  # of symbols that this universe does not follow
        yield LiveDagster(folder, "", environment, simulator, symbols)


@contextmanager
def serving(installed: LiveDagster) -> Iterator[LiveDagster]:
    """Yield ``installed`` while its ``jutsu ui`` runs."""
    with (installed.folder / "ui.log").open("w") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("jutsu"), "ui", "--port", "0"],
            cwd=installed.folder,
            env=installed.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        running = replace(installed, url=patient(lambda: _address(installed.folder / "ui.log", process)))
        patient(lambda: _is_up(running, process))
        yield running
    finally:
        _stop(process)


def _address(log: Path, process: "subprocess.Popen[bytes]") -> str | None:
    said = log.read_text()
    assert process.poll() is None, said
    first = [line.split()[2] for line in said.splitlines() if line.startswith("Dagster UI:")]
    return first[0].rstrip("/") if first else None


def _is_up(running: LiveDagster, process: "subprocess.Popen[bytes]") -> bool | None:
    assert process.poll() is None, (running.folder / "ui.log").read_text()
    try:
        return bool(running.ask("{ version }"))
    except (urllib.error.URLError, ConnectionError):
        return None


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(60)
    finally:
        with suppress(ProcessLookupError):  # whoever is left of its group, should it have failed
            os.killpg(process.pid, signal.SIGKILL)


def _identity(answer: dict[str, str]) -> str:
    assert "backfillId" in answer, answer
    return answer["backfillId"]
