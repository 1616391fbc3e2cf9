"""What a real daemon does by itself.

The sensor: what changed alone is followed, exactly, once, and nothing else is. The schedule: evaluated by the
webserver at the instant that it is due, as *Test schedule* of its page does, it puts a backfill there that the daemon
carries out.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from jutsu_assets.graph.jobs import DAILY_ASSETS
from jutsu_assets.graph.schedules import UPDATE_AFTER_CLOSE
from jutsu_assets.simulator.market import MarketHistory
from tests.support.live_dagster import LiveDagster, counts, is_over, live_dagster, patient, sample_bars

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

FOLLOWED = ("AAPL", "APPL", "FB", "IBM")
GOOD = ("AAPL", "FB", "IBM")
BARS, *DERIVED = DAILY_ASSETS
VERIFY = {"ops": {"daily": {"config": {"verify": True}}}}
TICKS = """query($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) { ... on Sensor {
  sensorState { status ticks(limit: 50) { id status timestamp requestedAssetMaterializationCount } } } } }"""

EVALUATE = """mutation($selector: ScheduleSelector!, $timestamp: Float) {
  scheduleDryRun(selectorData: $selector, timestamp: $timestamp) { __typename
    ... on PythonError { message } ... on DryRunInstigationTick {
      evaluationResult { skipReason runRequests { runKey } error { message } } } } }"""


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDagster]:
    history = MarketHistory({symbol: sample_bars(symbol) for symbol in GOOD})
    with live_dagster(tmp_path_factory.mktemp("automation"), history, FOLLOWED, JUTSU_AUTOMATION="on") as running:
        yield running


def sensor(ui: LiveDagster) -> dict[str, Any]:
    state: dict[str, Any] = ui.ask(TICKS, selector=ui.selector(sensorName="derived_assets_follow"))["sensorOrError"][
        "sensorState"
    ]
    return state


def looks(ui: LiveDagster, count: int) -> None:
    """Wait until the sensor has looked so often again, and what it asked for has ended."""
    seen = {tick["id"] for tick in sensor(ui)["ticks"]}

    def enough() -> bool | None:
        new = [tick for tick in sensor(ui)["ticks"] if tick["id"] not in seen and tick["status"] != "STARTED"]
        return True if len(new) >= count and all(map(is_over, ui.runs())) else None

    patient(enough, seconds=120.0 * (count + 1))


def update(ui: LiveDagster, assets: tuple[str, ...] | list[str]) -> None:
    """Compare every symbol with the source, in a run of some assets."""
    chosen = ("--select", ",".join(assets), "--partition-range", f"{FOLLOWED[0]}...{FOLLOWED[-1]}")
    command = ("dagster", "asset", "materialize", "-m", "jutsu_assets.definitions", *chosen)
    status, said = ui.run(*command, "--config-json", json.dumps(VERIFY))
    assert status == 1, said[-3000:]  # one symbol is mistyped


def restate(ui: LiveDagster, symbol: str) -> None:
    """Let the source restate the tenth bar of ``symbol``, and leave all else as it was."""
    bars = {one: ui.simulator.history.daily(one, as_of=sample_bars(one)[-1].session) for one in GOOD}
    bars[symbol][10] = bars[symbol][10]._replace(volume=bars[symbol][10].volume + 1)
    ui.simulator.history = MarketHistory(bars)


def asked_for(ui: LiveDagster) -> list[tuple[list[str], str | None]]:
    """Return what the sensor asked for of the daily assets, beside backtests: assets and partition of each run."""
    return [
        (
            sorted(asset["path"][0] for asset in run["assetSelection"] or []),
            run["tags"].get("dagster/partition") or run["tags"].get("dagster/asset_partition_range_start"),
        )
        for run in ui.runs()
        if {asset["path"][0] for asset in run["assetSelection"] or []} <= set(DAILY_ASSETS)
        and (
            run["tags"].get("dagster/sensor_name") == "derived_assets_follow"
            or "dagster/from_automation_condition" in run["tags"]
        )
    ]


def test_the_switch_turns_the_sensor_on(ui: LiveDagster) -> None:
    assert sensor(ui)["status"] == "RUNNING"


def test_what_runs_made_whole_is_not_asked_for(ui: LiveDagster) -> None:
    update(ui, DAILY_ASSETS)
    assert ui.partitions()["symbol_performance"]["materialized"] == set(GOOD)
    restate(ui, "AAPL")
    update(ui, DAILY_ASSETS)
    looks(ui, 1)
    update(ui, [BARS])
    looks(ui, 1)
    assert asked_for(ui) == []


def test_bars_that_changed_alone_are_followed_once(ui: LiveDagster) -> None:
    restate(ui, "FB")
    update(ui, [BARS])
    looks(ui, 2)
    assert asked_for(ui) == [(sorted(DERIVED), "FB")]
    assert ui.stored("FB") == ui.simulator.history.daily("FB", as_of=sample_bars("FB")[-1].session)


def evaluated(ui: LiveDagster, moment: datetime) -> str:
    """Let the webserver evaluate the daily schedule as of ``moment``; return what it says."""
    selector = ui.selector(scheduleName=UPDATE_AFTER_CLOSE)
    tick = ui.ask(EVALUATE, selector=selector, timestamp=moment.timestamp())["scheduleDryRun"]
    assert tick["__typename"] == "DryRunInstigationTick", tick
    said = tick["evaluationResult"]
    assert said["error"] is None, said
    assert said["runRequests"] is None or said["runRequests"] == [], said
    return str(said["skipReason"])


def test_a_schedule_that_is_due_launches_a_backfill_that_the_daemon_carries_out(ui: LiveDagster) -> None:
    assert "is no session of XNYS" in evaluated(ui, datetime(2013, 3, 2, 22, 35, tzinfo=UTC))
    assert "was launched" in evaluated(ui, datetime(2013, 3, 1, 22, 35, tzinfo=UTC))
    ended = ui.ended(f"{UPDATE_AFTER_CLOSE}-2013-03-01")
    assert counts(ended) == dict.fromkeys(DAILY_ASSETS, (len(GOOD), 1))
    (run,) = ended["runs"]
    assert run["status"] == "FAILURE", "one symbol is mistyped, and the run says so"
    assert "is there already" in evaluated(ui, datetime(2013, 3, 1, 22, 35, tzinfo=UTC))
