"""What the automation condition asks for: exactly what is no longer what its inputs say, and nothing twice."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from jutsu_assets.graph.assets.performance import PerformanceUpdate
from jutsu_assets.graph.assets.subject import Subject
from jutsu_assets.graph.jobs import DAILY_ASSETS
from jutsu_assets.graph.recording import Made
from jutsu_assets.simulator.anomalies import restated
from jutsu_assets.simulator.faults import FaultPlan
from jutsu_core.bars import Timeframe
from tests.support.graph import Graph, open_graph

pytestmark = pytest.mark.slow

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

START = date(2012, 11, 1)
SESSION = date(2013, 2, 14)
FOLLOWED = ("AAPL", "APPL", "FB", "IBM")
BARS, *DERIVED = DAILY_ASSETS


class Sensor:
    """Looks at the graph again and again, as the sensor of the daemon does."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._cursor: dg.AssetDaemonCursor | None = None

    def tick(self) -> dict[str, list[str]]:
        """Return what one look asks for: partitions by asset; assets of which it asks for none are left out."""
        result = dg.evaluate_automation_conditions(
            self.graph.definitions,
            instance=self.graph.instance,
            asset_selection=dg.AssetSelection.all(),
            cursor=self._cursor,
        )
        self._cursor = result.cursor
        asked = {asset: sorted(map(str, result.get_requested_partitions(dg.AssetKey(asset)))) for asset in DAILY_ASSETS}
        return {asset: partitions for asset, partitions in asked.items() if partitions}

    def restate(self, symbol: str, volume: int) -> None:
        """Let the source restate a bar of ``symbol``; bring bars alone up to date, of all symbols."""
        self.graph.simulator.faults = FaultPlan([restated(SESSION, volume=volume).for_symbol(symbol).always()])
        self.graph.run("AAPL", "IBM", assets=(BARS,), config={"verify": True})
        written = self.graph.database.bars.read(symbol, Timeframe.D1)
        assert [bar.volume for bar in written if bar.timestamp.date() == SESSION] == [volume]


@pytest.fixture
def sensor(tmp_path: Path) -> Iterator[Sensor]:
    with open_graph(tmp_path, symbols=FOLLOWED, start=START) as graph:
        looking = Sensor(graph)
        graph.run("AAPL", "IBM")
        assert graph.materialized("daily_indicators") == ["AAPL", "FB", "IBM"]
        assert looking.tick() == {}, "the symbol without bars has nothing to follow"
        yield looking


def test_bars_that_changed_alone_are_followed_and_no_others(sensor: Sensor) -> None:
    sensor.restate("FB", volume=1)
    assert sensor.tick() == {asset: ["FB"] for asset in DERIVED}
    assert sensor.graph.run("FB", assets=tuple(DERIVED)).success
    assert [sensor.tick() for _ in range(3)] == [{}] * 3, "what follows is no reason to follow"


def test_a_run_that_found_nothing_new_is_no_reason(sensor: Sensor) -> None:
    sensor.graph.run("AAPL", "IBM", assets=(BARS,), config={"verify": True})
    assert [sensor.tick() for _ in range(2)] == [{}] * 2


def test_a_run_that_made_all_three_is_no_reason(sensor: Sensor) -> None:
    sensor.graph.simulator.faults = FaultPlan([restated(SESSION, volume=1).for_symbol("IBM").always()])
    assert sensor.graph.run("IBM", config={"verify": True}).success
    assert [sensor.tick() for _ in range(2)] == [{}] * 2


def test_an_update_between_two_looks_is_not_lost(sensor: Sensor) -> None:
    sensor.restate("IBM", volume=1)
    assert sensor.graph.run("AAPL", "FB", assets=tuple(DERIVED)).success is False, "APPL has no bars to read"
    assert sensor.tick() == {asset: ["IBM"] for asset in DERIVED}


def test_an_update_while_what_follows_is_being_made_is_kept_in_mind(
    sensor: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[dict[str, list[str]]] = []

    def meanwhile(making: PerformanceUpdate, subject: Subject) -> Made:
        monkeypatch.undo()
        sensor.restate("FB", volume=1)
        looks.append(sensor.tick())
        return making.make(subject)

    monkeypatch.setattr(PerformanceUpdate, "make", meanwhile)
    assert sensor.graph.run("FB", "IBM", assets=tuple(DERIVED)).success
    assert looks == [{"daily_indicators": ["FB"]}], "its indicators were made; its performance is being made"
    assert sensor.tick() == {"symbol_performance": ["FB"]}
    assert sensor.tick() == {}


def test_bars_and_one_of_two_that_follow_leave_the_other_to_follow(sensor: Sensor) -> None:
    sensor.graph.simulator.faults = FaultPlan([restated(SESSION, volume=1).for_symbol("FB").always()])
    assert sensor.graph.run("FB", assets=(BARS, "daily_indicators"), config={"verify": True}).success
    assert sensor.tick() == {"symbol_performance": ["FB"]}


def test_what_fails_is_not_asked_for_again_and_again(sensor: Sensor) -> None:
    sensor.restate("FB", volume=1)
    assert sensor.tick() == {asset: ["FB"] for asset in DERIVED}
    # The run that was asked for never comes to its end; the next change of its bars asks again.
    assert [sensor.tick() for _ in range(2)] == [{}] * 2
    sensor.restate("FB", volume=2)
    assert sensor.tick() == {asset: ["FB"] for asset in DERIVED}
