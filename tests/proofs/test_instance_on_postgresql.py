"""An installation whose history moves to PostgreSQL: what it knew is there, and a real daemon goes on from it.

Webserver and daemon are asked as the UI's pages ask, before the move and after it.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jutsu_assets.graph.jobs import DAILY_ASSETS
from jutsu_assets.instance.beginning import DATABASES
from jutsu_assets.simulator.market import MarketHistory
from tests.support.live_dagster import LiveDagster, installation, sample_bars, serving
from tests.support.postgres import running_server

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

FOLLOWED = ("AAPL", "APPL", "FB", "IBM")
GOOD = ("AAPL", "FB", "IBM")
MATERIALIZATIONS = """query($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset {
  assetMaterializations { runId partition timestamp } } } }"""
LOG = """query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events { __typename
  ... on MessageEvent { message timestamp } } } } }"""
LAUNCH = """mutation($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(tmp_path_factory.mktemp("pg")) as server, server.fresh_url() as url:
        yield url


def history(ui: LiveDagster) -> dict[str, Any]:
    """What the pages show: runs, the log of each, the materializations of each asset, its partitions."""
    runs = [{**run, "assetSelection": sorted(asset["path"] for asset in run["assetSelection"])} for run in ui.runs()]
    return {
        "runs": runs,
        "logs": {run["runId"]: ui.ask(LOG, id=run["runId"]) for run in runs},
        "materializations": {
            asset: ui.ask(MATERIALIZATIONS, key={"path": [asset]})["assetOrError"]["assetMaterializations"]
            for asset in DAILY_ASSETS
        },
        "partitions": ui.partitions(),
    }


def launched(ui: LiveDagster, symbol: str) -> str:
    """Put a run of ``symbol`` into the queue, from which the daemon takes it; return its id."""
    params = {
        "selector": ui.selector(pipelineName="__ASSET_JOB", assetSelection=[{"path": [key]} for key in DAILY_ASSETS]),
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": symbol}]},
        "mode": "default",
    }
    return str(ui.ask(LAUNCH, p=params)["launchPipelineExecution"]["run"]["runId"])


def quiet(runs: Path) -> None:
    """Let what the daemon said last be older than it is: it has ended, and nobody needs to wait."""
    with closing(sqlite3.connect(runs)) as connection, connection:
        connection.execute("update daemon_heartbeats set timestamp = '2013-03-01 00:00:00'")


def test_a_moved_installation_knows_what_it_knew_and_goes_on(tmp_path: Path, postgres_url: str) -> None:
    source = MarketHistory({symbol: sample_bars(symbol) for symbol in GOOD})
    sqlite = tmp_path / "var" / "dagster"
    with installation(tmp_path, source, FOLLOWED) as installed:
        assert installed.run("jutsu", "update", "AAPL", "APPL", "FB")[0] == 1, "one symbol is mistyped"
        with serving(installed) as ui:
            before = history(ui)
            status, said = ui.run("jutsu", "instance", "move", postgres_url)
            assert (status, "stop `jutsu ui`" in said) == (1, True), said
        quiet(sqlite / DATABASES[0])
        status, said = installed.run("jutsu", "instance", "move", postgres_url)
        assert status == 0, said
        assert "Moved 1 runs, " in said
        for folder in ("history", "schedules"):
            shutil.rmtree(sqlite / folder)
        installed.environment["JUTSU_DAGSTER_URL"] = postgres_url
        with serving(installed) as ui:
            after = history(ui)
            for name, shown in before.items():
                assert after[name] == shown, name
            assert ui.run_ended(launched(ui, "IBM")) == "SUCCESS"
            now = history(ui)
            assert now["runs"][1:] == before["runs"]
            assert now["partitions"] == {key: {"materialized": set(GOOD), "failed": {"APPL"}} for key in DAILY_ASSETS}
            for asset in DAILY_ASSETS:
                assert [one["partition"] for one in now["materializations"][asset]] == ["IBM", "FB", "AAPL"]
                assert now["materializations"][asset][1:] == before["materializations"][asset]
        assert not (sqlite / "history").exists(), "nothing writes to SQLite any more"
