"""What the schedules launch, and why they skip: on real sessions, holidays and half days."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from jutsu_assets.definitions import build_defs
from jutsu_assets.graph.schedules import NIGHTLY_REPAIR, ROLLING_VERIFICATION, UPDATE_AFTER_CLOSE
from jutsu_assets.settings import Settings
from jutsu_assets.simulator.anomalies import restated
from jutsu_assets.simulator.faults import FaultPlan
from jutsu_core.bars import Timeframe
from jutsu_core.quality.findings import Finding
from tests.support.graph import SYMBOLS, Graph, open_graph

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

NAMES = (UPDATE_AFTER_CLOSE, NIGHTLY_REPAIR, ROLLING_VERIFICATION)
EARLY, LATE = (14, 35), (17, 35)


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    with opened(tmp_path) as graph:
        yield graph


@contextmanager
def opened(folder: Path) -> Iterator[Graph]:
    """Yield a graph whose run history is on disk: a schedule is evaluated with no other."""
    history = folder / "dagster"
    history.mkdir()
    with (
        open_graph(folder, start=date(2012, 11, 1)) as graph,
        dg.DagsterInstance.local_temp(str(history), overrides={"telemetry": {"enabled": False}}) as instance,
    ):
        graph.instance = instance
        yield graph


def evaluate(graph: Graph, name: str, moment: datetime) -> str:
    """Evaluate a schedule as its tick of ``moment``, and return what it said."""
    context = dg.build_schedule_context(
        instance=graph.instance,
        scheduled_execution_time=moment,
        repository_def=graph.definitions.get_repository_def(),
        resources={"database": graph.database},
    )
    result = graph.definitions.resolve_schedule_def(name).evaluate_tick(context)
    assert result.run_requests == []
    return str(result.skip_message)


def new_york(day: date, time: tuple[int, int]) -> datetime:
    return datetime(day.year, day.month, day.day, *time, tzinfo=ZoneInfo("America/New_York"))


def launched(graph: Graph) -> dict[str, list[str]]:
    """Return the partitions of every backfill in the queue, by its identity."""
    key = dg.AssetKey("daily_bars")
    found = {}
    for backfill in graph.instance.get_backfills():
        assert backfill.asset_backfill_data is not None
        target = backfill.asset_backfill_data.target_subset
        found[backfill.backfill_id] = sorted(target.get_partitions_subset(key).get_partition_keys())
    return found


def test_they_are_there_in_the_exchanges_zone_and_off(graph: Graph) -> None:
    for name in NAMES:
        schedule = graph.definitions.resolve_schedule_def(name)
        assert schedule.execution_timezone == "America/New_York"
        assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
        assert schedule.description
    assert graph.definitions.resolve_schedule_def(UPDATE_AFTER_CLOSE).cron_schedule == [
        "35 14 * * *",
        "35 17 * * *",
    ]


def test_one_switch_turns_everything_on(graph: Graph, tmp_path: Path) -> None:
    settings = Settings.from_environment({"JUTSU_HOME": str(tmp_path), "JUTSU_AUTOMATION": "on"}, folder=tmp_path)
    definitions = build_defs(settings, universe=graph.universe)
    for name in NAMES:
        assert definitions.resolve_schedule_def(name).default_status is dg.DefaultScheduleStatus.RUNNING
    assert definitions.resolve_sensor_def("derived_assets_follow").default_status is dg.DefaultSensorStatus.RUNNING


def test_a_session_is_updated_once_when_its_bars_are_final(graph: Graph) -> None:
    day = date(2012, 11, 21)
    said = evaluate(graph, UPDATE_AFTER_CLOSE, new_york(day, EARLY))
    assert said == ("2012-11-21 closes at 16:00 America/New_York and its bars are final at 17:30: a later look updates")
    assert launched(graph) == {}
    assert "was launched" in evaluate(graph, UPDATE_AFTER_CLOSE, new_york(day, LATE))
    assert launched(graph) == {"update_after_close-2012-11-21": sorted(SYMBOLS)}
    assert "is there already" in evaluate(graph, UPDATE_AFTER_CLOSE, new_york(day, LATE))
    assert len(launched(graph)) == 1


def test_a_half_day_is_updated_early_and_not_twice(graph: Graph) -> None:
    day = date(2012, 11, 23)
    assert "was launched" in evaluate(graph, UPDATE_AFTER_CLOSE, new_york(day, EARLY))
    assert "is there already" in evaluate(graph, UPDATE_AFTER_CLOSE, new_york(day, LATE))


def test_a_half_day_whose_early_look_was_missed_is_updated_by_the_late_one(graph: Graph) -> None:
    assert "was launched" in evaluate(graph, UPDATE_AFTER_CLOSE, new_york(date(2012, 11, 23), LATE))


@pytest.mark.parametrize(
    ("day", "why"),
    [
        (date(2012, 11, 22), "2012-11-22 is no session of XNYS: Thanksgiving"),
        (date(2012, 11, 24), "2012-11-24 is no session of XNYS: Saturday"),
        (date(2012, 10, 29), "2012-10-29 is no session of XNYS: a closure of that day alone"),
    ],
)
def test_a_skip_names_its_reason(graph: Graph, day: date, why: str) -> None:
    assert evaluate(graph, UPDATE_AFTER_CLOSE, new_york(day, LATE)) == why


@pytest.mark.slow
def test_the_repair_asks_for_the_worst_within_its_budget(graph: Graph) -> None:
    night = new_york(date(2012, 11, 21), (2, 30))
    assert graph.run("AAPL", "MSFT").success
    assert evaluate(graph, NIGHTLY_REPAIR, night) == "no symbol lacks a session, and no partition's last run failed"
    holes = [Finding("no_session_is_missing", date(2012, 11, day), "no bar") for day in (1, 2, 5)]
    graph.database.findings.record("IBM", Timeframe.D1, basis="x", findings=holes)
    graph.database.findings.record("FB", Timeframe.D1, basis="x", findings=holes[:1])
    graph.database.failures.record(["MSFT"], ["daily_bars"], "503")
    evaluate(graph, NIGHTLY_REPAIR, night)
    assert launched(graph) == {"nightly_repair-2012-11-21": ["FB", "IBM", "MSFT"]}


@pytest.mark.slow
def test_the_repairs_budget_takes_the_worst_first(tmp_path: Path) -> None:
    with opened(tmp_path) as graph:
        universe = graph.universe.model_copy(
            update={"schedules": graph.universe.schedules.model_copy(update={"repair_requests": 1})}
        )
        assert graph.run("AAPL", "MSFT").success
        graph.definitions = build_defs(graph.settings, universe=universe, resources={"database": graph.database})
        for symbol, count in (("AAPL", 1), ("GOOG", 2)):
            holes = [Finding("no_session_is_missing", date(2012, 11, day), "no bar") for day in range(1, count + 1)]
            graph.database.findings.record(symbol, Timeframe.D1, basis="x", findings=holes)
        evaluate(graph, NIGHTLY_REPAIR, new_york(date(2012, 11, 21), (2, 30)))
        assert launched(graph) == {"nightly_repair-2012-11-21": ["GOOG"]}


@pytest.mark.slow
def test_the_repair_asks_for_what_a_killed_run_left_behind(graph: Graph) -> None:
    """Nobody judged those since: their newest verdict still says that nothing is missing."""
    assert graph.run("AAPL", "GOOG").success
    evaluate(graph, NIGHTLY_REPAIR, new_york(date(2012, 11, 21), (2, 30)))
    assert launched(graph) == {"nightly_repair-2012-11-21": ["IBM", "MSFT"]}


@pytest.mark.slow
def test_the_repair_makes_what_was_not_made_of_the_newest_bars(graph: Graph) -> None:
    """A run asks ahead: one that is killed stored bars of which it made nothing, and no schedule would look again."""
    assert graph.run("AAPL", "MSFT").success
    graph.simulator.faults = FaultPlan([restated(date(2012, 11, 5), volume=1).for_symbol("FB").always()])
    assert graph.run("FB", assets=("daily_bars",), config={"verify": True}).success
    evaluate(graph, NIGHTLY_REPAIR, new_york(date(2012, 11, 21), (2, 30)))
    assert launched(graph) == {"nightly_repair-2012-11-21": ["FB"]}


@pytest.mark.slow
def test_every_history_is_verified_once_in_so_many_weeks(graph: Graph) -> None:
    """Of five symbols in eight weeks one a night is due; what was asked for within a week is not."""
    assert graph.run("AAPL", "MSFT").success
    asked = graph.database.bars.last_whole_answers(Timeframe.D1, datetime(2013, 1, 1, tzinfo=UTC))
    assert set(asked) == set(SYMBOLS)
    now = max(asked.values())
    assert "within 7 days" in evaluate(graph, ROLLING_VERIFICATION, now + timedelta(days=6))
    assert "1 partitions was launched" in evaluate(graph, ROLLING_VERIFICATION, now + timedelta(days=8))
    (backfill,) = graph.instance.get_backfills()
    assert backfill.run_config == {"ops": {"daily": {"config": {"verify": True}}}}
    assert backfill.title is not None
