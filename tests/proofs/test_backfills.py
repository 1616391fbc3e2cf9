"""Backfills through a real daemon and webserver, launched as the UI and the command lines launch them.

The proofs share one ``jutsu ui`` and build on each other, from an empty store on, as a user's days do.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from jutsu_assets.graph.jobs import DAILY_ASSETS, daily_update
from jutsu_assets.simulator.market import MarketHistory
from tests.support.live_dagster import LiveDagster, counts, is_over, live_dagster, patient, sample_bars

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

FOLLOWED = ("AAPL", "APPL", "FB", "GOOG", "IBM", "MSFT")
GOOD = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
ASSETS = [{"path": [asset]} for asset in DAILY_ASSETS]
SLOW_SECONDS = 6.0
MATERIALIZE = ("dagster", "asset", "materialize", "-m", "jutsu_assets.definitions", "--select", ",".join(DAILY_ASSETS))
CANCEL = """mutation($id: String!) { cancelPartitionBackfill(backfillId: $id) {
  __typename ... on PythonError { message } } }"""
RESUME = """mutation($id: String!) { resumePartitionBackfill(backfillId: $id) {
  __typename ... on PythonError { message } } }"""
RUN = """mutation($p: ExecutionParams!) { launchRun(executionParams: $p) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
AGAIN = """mutation($p: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $p) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
OBSERVED = """query($key: AssetKeyInput!, $partition: String!) { assetOrError(assetKey: $key) { ... on Asset {
  assetObservations(partitions: [$partition]) { description metadataEntries { label ... on TextMetadataEntry { text } }
  } } } }"""


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDagster]:
    history = MarketHistory({symbol: sample_bars(symbol) for symbol in GOOD})
    with live_dagster(tmp_path_factory.mktemp("ui"), history, FOLLOWED) as running:
        yield running


def is_every_good_bar_stored(ui: LiveDagster) -> bool:
    return all(ui.stored(symbol) == sample_bars(symbol) for symbol in GOOD)


def statuses(said: dict[str, Any]) -> list[str]:
    return sorted(run["status"] for run in said["runs"])


def test_a_backfill_that_is_cancelled_midway_is_taken_up_again_where_it_stopped(ui: LiveDagster) -> None:
    ui.slow_down(SLOW_SECONDS)
    first = ui.launched(assetSelection=ASSETS, partitionNames=list(FOLLOWED))
    patient(lambda: ui.partitions()["symbol_performance"]["materialized"] or None)
    assert ui.ask(CANCEL, id=first)["cancelPartitionBackfill"]["__typename"] == "CancelBackfillSuccess"
    cancelled = ui.ended(first)
    assert cancelled["status"] == "CANCELED"
    assert statuses(cancelled) == ["CANCELED"]
    before = ui.partitions()["daily_bars"]["materialized"]
    assert before < set(GOOD), "it was stopped in the middle"
    for symbol in before:
        assert ui.stored(symbol) == sample_bars(symbol), "no partition is half there"
    ui.slow_down(0)
    again = ui.ended(ui.launched_again(first))
    assert again["status"] == "COMPLETED_FAILED"
    left = len(FOLLOWED) - len(before)
    assert counts(again)["daily_bars"] == (left - 1, 1), "only what was left is tried; the symbol is mistyped"
    assert is_every_good_bar_stored(ui)


def test_of_all_partitions_those_that_can_be_made_are_and_one_run_does_it(ui: LiveDagster) -> None:
    said = ui.ended(ui.launched(assetSelection=ASSETS, partitionNames=list(FOLLOWED)))
    assert said["status"] == "COMPLETED_FAILED"
    assert counts(said) == dict.fromkeys(DAILY_ASSETS, (5, 1))
    for found in ui.partitions().values():
        assert found == {"materialized": set(GOOD), "failed": {"APPL"}}
    # The run that failed is not retried: no retry knows a symbol that is misspelled.
    assert statuses(said) == ["FAILURE"]
    for asset in ASSETS:
        observed = ui.ask(OBSERVED, key=asset, partition="APPL")["assetOrError"]["assetObservations"][0]
        assert "check the spelling" in observed["description"]
        assert {"label": "error", "text": "UnknownSymbolError"} in observed["metadataEntries"]


def test_a_selection_with_gaps_is_a_run_for_each_part(ui: LiveDagster) -> None:
    said = ui.ended(ui.launched(assetSelection=ASSETS, partitionNames=["AAPL", "FB", "GOOG", "MSFT"]))
    assert said["status"] == "COMPLETED_SUCCESS"
    assert counts(said) == dict.fromkeys(DAILY_ASSETS, (4, 0))
    assert statuses(said) == ["SUCCESS"] * 3


def test_a_backfill_of_the_job_is_one_run_too(ui: LiveDagster) -> None:
    selector = {"partitionSetName": f"{daily_update.name}_partition_set", "repositorySelector": ui.selector()}
    said = ui.ended(ui.launched(selector=selector, partitionNames=["FB", "GOOG", "IBM"]))
    assert said["status"] == "COMPLETED_SUCCESS"
    assert statuses(said) == ["SUCCESS"]
    every = ui.ended(ui.launched(selector=selector, allPartitions=True, partitionNames=[]))
    assert every["status"] == "COMPLETED_FAILED"
    assert statuses(every) == ["FAILURE"]


def test_the_command_lines_do_the_same_in_the_same_history(ui: LiveDagster) -> None:
    known = {run["runId"] for run in ui.runs()}
    status, said = ui.run(*MATERIALIZE, "--partition-range", "FB...MSFT")
    assert status == 0, said[-3000:]
    (run,) = [run for run in ui.runs() if run["runId"] not in known]
    assert run["status"] == "SUCCESS"
    job = ("dagster", "job", "backfill", "-w", "workspace.yaml", "-j", daily_update.name, "--noprompt")
    status, said = ui.run(*job, "--partitions", "AAPL,GOOG")
    assert status == 0, said[-3000:]

    def over() -> list[dict[str, Any]] | None:
        new = [one for one in ui.runs() if one["runId"] not in known | {run["runId"]}]
        return new if len(new) == 2 and all(map(is_over, new)) else None

    assert [one["status"] for one in patient(over)] == ["SUCCESS"] * 2


def test_what_failed_succeeds_again_from_failure_once_the_cause_is_mended(ui: LiveDagster) -> None:
    failed = ui.launched(assetSelection=ASSETS, partitionNames=["AAPL", "APPL", "FB"])
    assert ui.ended(failed)["status"] == "COMPLETED_FAILED"
    (run,) = [run["id"] for run in ui.status(failed)["runs"]]
    bars = {symbol: sample_bars(symbol) for symbol in GOOD}
    ui.simulator.history = MarketHistory(bars | {"APPL": bars["AAPL"]})
    again = ui.ended(ui.launched_again(failed))
    assert again["status"] == "COMPLETED_SUCCESS"
    assert counts(again) == dict.fromkeys(DAILY_ASSETS, (1, 0)), "only what failed"
    for found in ui.partitions().values():
        assert found == {"materialized": set(FOLLOWED), "failed": set()}
    assert ui.stored("APPL") == bars["AAPL"]
    launched = ui.ask(AGAIN, p={"parentRunId": run, "strategy": "FROM_FAILURE"})["launchRunReexecution"]
    assert ui.run_ended(launched["run"]["runId"]) == "SUCCESS", "a run is made again whole"


def test_killed_command_lines_do_not_block_what_the_ui_launches(ui: LiveDagster) -> None:
    ui.slow_down(SLOW_SECONDS)
    known = {run["runId"] for run in ui.runs()}
    verify = json.dumps({"ops": {"daily": {"config": {"verify": True}}}})
    for _ in range(2):  # as many as may run at once
        process = ui.start(*MATERIALIZE, "--partition-range", "AAPL...MSFT", "--config-json", verify)
        assert process.stdout is not None
        assert any("STEP_START" in line for line in process.stdout)
        process.kill()
        process.communicate()
    killed = [run for run in ui.runs() if run["runId"] not in known]
    assert [run["status"] for run in killed] == ["STARTED"] * 2
    ui.slow_down(0)
    params = {
        "selector": ui.selector(jobName=daily_update.name),
        "runConfigData": {},
        "mode": "default",
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": "IBM"}]},
    }
    launched = ui.ask(RUN, p=params)["launchRun"]["run"]["runId"]
    assert ui.run_ended(launched) == "SUCCESS"
    found = {run["runId"]: run["status"] for run in ui.runs()}
    assert [found[run["runId"]] for run in killed] == ["FAILURE"] * 2
    assert is_every_good_bar_stored(ui)
