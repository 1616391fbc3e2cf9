"""Backfills through a real daemon and webserver, launched as the UI launches them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jutsu_assets.graph.jobs import DAILY_ASSETS, daily_update

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

UNIVERSE = "symbols: [AAPL, APPL, FB, GOOG, IBM, MSFT]\nhistory_start: 2012-11-01\n"
FOLLOWED = ["AAPL", "APPL", "FB", "GOOG", "IBM", "MSFT"]
PATIENCE_SECONDS = 180.0
STATUS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
  status runs { status } assetBackfillData { assetBackfillStatuses { ... on AssetPartitionsStatusCounts {
    assetKey { path } numPartitionsMaterialized numPartitionsFailed } } } } } }"""
LAUNCH = """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
OBSERVED = """query($key: AssetKeyInput!, $partition: String!) { assetOrError(assetKey: $key) { ... on Asset {
  assetObservations(partitions: [$partition]) { description } } } }"""


class Ui:
    """A running ``jutsu ui``, spoken to as its own pages do."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, query: str, **variables: object) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
            answer = json.load(reply)
        assert "errors" not in answer, answer
        return answer["data"]

    def backfill(self, **what: object) -> dict[str, Any]:
        """Launch a backfill, wait for its end, and return what the UI says of it."""
        launched = self.ask(LAUNCH, p=what)["launchPartitionBackfill"]
        assert "backfillId" in launched, launched
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            said: dict[str, Any] = self.ask(STATUS, id=launched["backfillId"])["partitionBackfillOrError"]
            if said["status"] not in {"REQUESTED", "COMPLETING"} or time.monotonic() > deadline:
                return said
            time.sleep(1)  # noqa: TID251 - a real daemon takes its time


def counts(said: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {
        status["assetKey"]["path"][0]: (status["numPartitionsMaterialized"], status["numPartitionsFailed"])
        for status in said["assetBackfillData"]["assetBackfillStatuses"]
    }


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    folder, port = tmp_path_factory.mktemp("ui"), free_port()
    (folder / "universe.yaml").write_text(UNIVERSE, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SCHWAB_", "JUTSU_", "DAGSTER_"))}
    jutsu = Path(sys.executable).with_name("jutsu")
    subprocess.run([jutsu, "init"], cwd=folder, env=kept, check=True, capture_output=True)
    with (folder / "ui.log").open("w") as log:
        process = subprocess.Popen(
            [jutsu, "ui", "--port", str(port)], cwd=folder, env=kept, stdout=log, stderr=log, start_new_session=True
        )
    running = Ui(port)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                running.ask("{ version }")
                break
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None, (folder / "ui.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.5)  # noqa: TID251
        yield running
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)


ASSETS = [{"path": [asset]} for asset in DAILY_ASSETS]


def test_of_all_partitions_those_that_can_be_made_are_and_one_run_does_it(ui: Ui) -> None:
    said = ui.backfill(assetSelection=ASSETS, partitionNames=FOLLOWED)
    assert said["status"] == "COMPLETED_FAILED"
    assert counts(said) == dict.fromkeys(DAILY_ASSETS, (5, 1))
    # The run that failed is not retried: no retry knows a symbol that is misspelled.
    assert [run["status"] for run in said["runs"]] == ["FAILURE"]
    observed = ui.ask(OBSERVED, key=ASSETS[0], partition="APPL")["assetOrError"]["assetObservations"]
    assert "check the spelling" in observed[0]["description"]


def test_a_selection_with_gaps_is_a_run_for_each_part(ui: Ui) -> None:
    said = ui.backfill(assetSelection=ASSETS, partitionNames=["AAPL", "FB", "GOOG", "MSFT"])
    assert said["status"] == "COMPLETED_SUCCESS"
    assert counts(said) == dict.fromkeys(DAILY_ASSETS, (4, 0))
    assert [run["status"] for run in said["runs"]] == ["SUCCESS"] * 3


def test_a_backfill_of_the_job_does_the_same(ui: Ui) -> None:
    nodes = ui.ask("{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }")[
        "repositoriesOrError"
    ]["nodes"]
    selector = {
        "partitionSetName": f"{daily_update.name}_partition_set",
        "repositorySelector": {
            "repositoryName": nodes[0]["name"],
            "repositoryLocationName": nodes[0]["location"]["name"],
        },
    }
    said = ui.backfill(selector=selector, partitionNames=["GOOG", "IBM"])
    assert said["status"] == "COMPLETED_SUCCESS"
    assert {run["status"] for run in said["runs"]} == {"SUCCESS"}
