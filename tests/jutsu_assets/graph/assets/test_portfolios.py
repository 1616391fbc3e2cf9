"""Backtests and portfolios as assets: each alone, nothing twice, and what is wrong is said where it is."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from jutsu_assets.graph.assets.backtests import BACKTESTS, FILLS, HISTORY
from jutsu_assets.graph.assets.portfolios import PORTFOLIO_ATTRIBUTION, PORTFOLIO_PERFORMANCE
from jutsu_assets.graph.checks.portfolios import RECONCILES
from jutsu_assets.graph.partitions import RANGE_END, RANGE_START
from jutsu_assets.lake.files import Lake
from jutsu_assets.lake.verification import lake_findings
from jutsu_assets.portfolios.portfolio_file import PortfolioFile
from jutsu_assets.reports.folder import OVERVIEW
from jutsu_assets.simulator.anomalies import restated
from jutsu_assets.simulator.faults import FaultPlan
from jutsu_core.backtest.loop import EventLoop
from jutsu_core.backtest.strategies import MovingAverageCross
from jutsu_core.bars import Timeframe
from jutsu_core.errors import ConfigurationError
from jutsu_core.events import FillEvent
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from jutsu_core.metrics.stored_report import differences
from jutsu_core.ports import FetchedBars
from tests.support.builders import SettableClock
from tests.support.graph import Graph, metadata_of, open_graph

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

SYMBOLS = ("AAPL", "IBM")
START = date(2012, 1, 3)
CROSS = """
strategy: jutsu_core.backtest.strategies:MovingAverageCross
parameters: {fast: 5, slow: 20, weight: 0.5}
symbols: [AAPL, IBM]
cash: 100000
benchmark: IBM
"""
GROUPS = """groups:
  Hardware: {symbols: [AAPL], weight: 0.5, benchmark: MSFT}
  Services: {symbols: [IBM], weight: 0.4}
"""
RAISES = """
from jutsu_core.backtest.strategy import Strategy

class Raises(Strategy):
    def decide(self, view):
        return 1 / 0
"""
HISTORY_CSV = "timestamp,total_value,cash\n2012-06-01,1000,1000\n2012-06-04,1000,0\n2012-06-05,1010,0\n"
FILLS_CSV = "symbol,timestamp,direction,quantity,fill_price\nXYZ,2012-06-04,BUY,10,100\n"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


FILES = {
    "universe.yaml": "symbols: [AAPL, IBM]\nhistory_start: 2012-01-03\n",
    "strategies/broken.yaml": CROSS.replace("cash: 100000", "cash: none"),
    "strategies/cross.yaml": CROSS,
    "strategies/raises.yaml": "strategy: raises.py:Raises\nsymbols: [IBM]\ncash: 1000\n",
    "strategies/raises.py": RAISES,
    "portfolios/lies.yaml": "fills: fills.csv\nhistory: lies.csv\n",
    "portfolios/sound.yaml": "fills: fills.csv\nhistory: history.csv\n",
    "portfolios/torn.yaml": "fills: fills.csv\nhistory: torn.csv\n",
    "portfolios/fills.csv": FILLS_CSV,
    "portfolios/history.csv": HISTORY_CSV,
    "portfolios/lies.csv": HISTORY_CSV.replace("2012-06-05,1010,0", "2012-06-05,1010,500"),
    "portfolios/torn.csv": HISTORY_CSV.replace("1010", "many"),
}
NAMES = ["broken", "cross", "raises", "lies", "sound", "torn"]


def run(graph: Graph, job: str, first: str, last: str | None = None) -> dg.ExecuteInProcessResult:
    return graph.definitions.resolve_job_def(job).execute_in_process(
        instance=graph.instance, tags={RANGE_START: first, RANGE_END: last or first}, raise_on_error=False
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Graph, list[dg.ExecuteInProcessResult]]]:
    folder = tmp_path_factory.mktemp("portfolios")
    write(folder, FILES)
    with open_graph(folder, symbols=SYMBOLS, start=START) as graph:
        assert graph.run("AAPL", "IBM").success
        yield (
            graph,
            [run(graph, "backtest_update", "broken", "raises"), run(graph, "portfolio_update", "broken", "torn")],
        )


Ran = tuple[Graph, list[dg.ExecuteInProcessResult]]


def _second(ran: Ran) -> tuple[Graph, dg.ExecuteInProcessResult]:
    return ran[0], ran[1][1]


def events(graph: Graph, result: dg.ExecuteInProcessResult, kind: dg.DagsterEventType) -> list[dg.DagsterEvent]:
    """Return what the history of runs holds: a run that fails keeps its events from its result."""
    found = [entry.dagster_event for entry in graph.instance.all_logs(result.run_id, of_type=kind)]
    return [event for event in found if event is not None]


def lights(graph: Graph, result: dg.ExecuteInProcessResult) -> dict[str | None, dg.AssetCheckEvaluation]:
    found = [
        event.asset_check_evaluation_data for event in events(graph, result, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    return {item.partition: item for item in found if item.check_name == RECONCILES}


def recorded(graph: Graph, result: dg.ExecuteInProcessResult, asset: str, partition: str) -> dict[str, Any]:
    for event in events(graph, result, dg.DagsterEventType.ASSET_MATERIALIZATION):
        made = event.step_materialization_data.materialization
        if (made.asset_key.to_user_string(), made.partition) == (asset, partition):
            return {name: value.value for name, value in made.metadata.items()}
    message = f"no materialization of {asset} {partition}"
    raise AssertionError(message)


def said_of(graph: Graph, asset: str) -> dict[str | None, str]:
    found = {}
    for record in graph.instance.fetch_observations(dg.AssetKey(asset), limit=100).records:
        observation = record.asset_observation
        assert observation is not None
        found[observation.partition] = str(observation.metadata["failed"].value)
    return found


def test_the_overview_names_the_portfolios_that_were_measured(
    ran: tuple[Graph, list[dg.ExecuteInProcessResult]],
) -> None:
    graph, _ = ran
    page = (graph.settings.reports_path / OVERVIEW).read_text(encoding="utf-8")
    assert "portfolio@sound.html" in page
    assert "portfolio@cross.html" in page
    assert "portfolio@torn.html" not in page
    assert "AAPL" in page


def test_partitions_are_the_files_of_the_two_folders(ran: Ran) -> None:
    graph, _ = ran
    nodes = {node.key.to_user_string(): node for node in graph.definitions.resolve_asset_graph().asset_nodes}
    keys = {name: node.partitions_def.get_partition_keys() for name, node in nodes.items() if node.partitions_def}
    assert keys[BACKTESTS] == NAMES[:3]
    assert keys[PORTFOLIO_PERFORMANCE] == keys[PORTFOLIO_ATTRIBUTION] == NAMES
    for asset in (BACKTESTS, PORTFOLIO_PERFORMANCE, PORTFOLIO_ATTRIBUTION):
        node = nodes[asset]
        assert node.description
        assert node.owners
        assert node.kinds
        assert node.code_version


def test_one_bad_file_keeps_nothing_from_the_others_and_says_why(ran: Ran) -> None:
    graph, results = ran
    assert not any(result.success for result in results)
    assert graph.materialized(BACKTESTS) == ["cross"]
    assert graph.materialized(PORTFOLIO_PERFORMANCE) == ["cross", "lies", "sound"]
    assert graph.materialized(PORTFOLIO_ATTRIBUTION) == ["cross", "lies", "sound"]
    backtests, portfolios = said_of(graph, BACKTESTS), said_of(graph, PORTFOLIO_PERFORMANCE)
    assert (
        "broken.yaml: line 5: key 'cash' must be an amount above 0, such as 100000, was 'none'" in backtests["broken"]
    )
    assert "raised ZeroDivisionError: division by zero; mend it" in backtests["raises"]
    assert "the backtest 'broken' must have been run, and was not" in portfolios["broken"]
    assert "torn.csv, row 4, column 'total_value': must be an amount, such as 12.5, was 'many'" in portfolios["torn"]
    failed = {(failure.asset, failure.partition) for failure in graph.database.failures.all_standing()}
    assert (BACKTESTS, "broken") in failed
    assert (PORTFOLIO_ATTRIBUTION, "torn") in failed


def test_a_partition_is_recorded_once_a_run(ran: Ran) -> None:
    graph, results = ran
    for result in results:
        made = [
            (event.asset_key, event.partition)
            for event in events(graph, result, dg.DagsterEventType.ASSET_MATERIALIZATION)
        ]
        assert len(made) == len(set(made)) > 0


def test_stored_fills_and_history_are_those_of_the_loop(ran: Ran) -> None:
    graph, _ = ran
    strategy = MovingAverageCross(fast=5, slow=20, weight=Decimal("0.5"))
    expected = EventLoop(graph.database, strategy, cash=Decimal(100_000)).run()
    lake = Lake(graph.settings.lake_path, graph.database.manifest, SettableClock())
    frames = {}
    for asset in (FILLS, HISTORY):
        file = graph.database.manifest.current(asset, "cross")
        assert file is not None
        frames[asset] = lake.frame(file)
    assert len(expected.fills) > 10
    assert list(frames[FILLS]["fill_price"]) == [fill.fill_price for fill in expected.fills]
    assert list(frames[FILLS]["timestamp"]) == [fill.timestamp for fill in expected.fills]
    assert list(frames[HISTORY]["total_value"]) == [row["total_value"] for row in expected.history]
    held = {symbol: str(amount) for symbol, amount in expected.history[-1]["positions"].items()}
    assert json.loads(frames[HISTORY]["positions"].iloc[-1]) == held
    report = PerformanceAnalyzer().calculate_metrics(expected.fills, expected.history)
    assert recorded(graph, ran[1][1], PORTFOLIO_PERFORMANCE, "cross")["sharpe_ratio"] == round(
        report["sharpe_ratio"], 6
    )


def test_key_figures_are_numbers_beside_a_picture_and_a_link(ran: Ran) -> None:
    graph, (_, result) = ran
    metadata = recorded(graph, result, PORTFOLIO_PERFORMANCE, "cross")
    for name in ("total_return", "volatility", "sharpe_ratio", "max_drawdown", "round_trips", "alpha", "beta"):
        assert isinstance(metadata[name], int | float)
    assert metadata["chart"].startswith("![equity of cross](<data:image/svg+xml,")
    assert metadata["report"] == "../reports/portfolio@cross.html"
    assert (graph.settings.reports_path / "portfolio@cross.html").is_file()
    assert metadata["benchmark"] == "IBM"


def test_the_attribution_adds_up_to_the_total_return(ran: Ran) -> None:
    graph, (_, result) = ran
    metadata = recorded(graph, result, PORTFOLIO_ATTRIBUTION, "cross")
    assert metadata["from_AAPL"] + metadata["from_IBM"] == pytest.approx(metadata["total_return"], abs=1e-5)
    assert metadata["unexplained"] == 0
    stored = json.loads((graph.settings.reports_path / "portfolio@cross.attribution.json").read_text("utf-8"))
    for parts in stored["contributions"].values():
        assert sum(parts.values()) == pytest.approx(stored["explained"], abs=1e-12)
    assert stored["factors"]["standard_errors"]["benchmark"] > 0


def test_groups_are_explained_and_made_again_when_their_benchmark_is_restated(small: Graph, tmp_path: Path) -> None:
    (tmp_path / "strategies" / "cross.yaml").write_text(CROSS + GROUPS, encoding="utf-8")
    assert run(small, "backtest_update", "cross").success

    def attributed() -> dict[str, Any]:
        return metadata_of(run(small, "portfolio_update", "cross"), PORTFOLIO_ATTRIBUTION, "cross")

    first = attributed()
    assert first["notes"] == "nothing is attributed to the groups: no stored prices of MSFT"
    bars = small.database.bars.read("IBM", Timeframe.D1)
    now = datetime(2014, 1, 1, tzinfo=UTC)
    small.database.bars.write(
        "MSFT", Timeframe.D1, FetchedBars(start=bars[0].timestamp, end=now, asked_at=now, bars=tuple(bars))
    )
    told = attributed()
    stored = json.loads((small.settings.reports_path / "portfolio@cross.attribution.json").read_text("utf-8"))
    effects = stored["groups"]["effects"]
    assert list(effects["allocation"]) == ["Hardware", "Services", "cash"]
    for effect, parts in effects.items():
        assert told[f"beyond_benchmark_{effect}"] == pytest.approx(sum(parts.values()), abs=1e-6)
    assert stored["groups"]["total"] == pytest.approx(sum(sum(parts.values()) for parts in effects.values()), abs=1e-12)
    assert stored["groups"]["total"] + stored["groups"]["benchmark_return"] == pytest.approx(stored["total_return"])
    page = (small.settings.reports_path / "portfolio@cross.html").read_text("utf-8")
    assert "<h2>Beyond a benchmark of groups</h2>" in page
    assert all(f'<th scope="row">{name}</th>' in page for name in ("Hardware", "Services", "cash"))
    assert (
        metadata_of(run(small, "portfolio_update", "cross"), PORTFOLIO_ATTRIBUTION, "cross")["was_rewritten"] is False
    )
    changed = bars[60]._replace(close=bars[60].low)
    small.database.bars.write(
        "MSFT", Timeframe.D1, FetchedBars(start=changed.timestamp, end=now, asked_at=now, bars=(changed,))
    )
    assert attributed()["was_rewritten"] is True


def test_without_prices_the_return_is_not_attributed_and_it_is_said(ran: Ran) -> None:
    metadata = recorded(*_second(ran), PORTFOLIO_ATTRIBUTION, "sound")
    assert metadata["notes"] == "the return is not attributed: no stored prices of XYZ"
    assert metadata["explained"] == "undefined"


def test_every_portfolio_has_a_light_and_one_that_lies_is_not_green(ran: Ran) -> None:
    found = lights(*_second(ran))
    assert {name: light.passed for name, light in found.items()} == {name: name in {"cross", "sound"} for name in NAMES}
    assert found["lies"].severity is dg.AssetCheckSeverity.WARN
    exceptions = found["lies"].metadata["exceptions"]
    assert isinstance(exceptions, dg.TableMetadataValue)
    assert exceptions.records[0].data["rule"] == "cash_follows_fills"
    assert found["torn"].severity is dg.AssetCheckSeverity.ERROR
    assert "torn.csv, row 4" in str(found["torn"].description)


def test_a_stored_report_is_what_its_data_give(ran: Ran) -> None:
    graph, _ = ran
    for name in ("cross", "lies", "sound"):
        stored = json.loads((graph.settings.reports_path / f"portfolio@{name}.json").read_text("utf-8"))
        assert differences(stored) == []


def test_what_is_up_to_date_is_never_called_unsynced(ran: Ran) -> None:
    graph, _ = ran
    resolver = CachingStaleStatusResolver(
        graph.instance,
        graph.definitions.resolve_asset_graph(),
        loading_context=LoadingContextForTest(graph.instance),
    )
    for asset in (BACKTESTS, PORTFOLIO_PERFORMANCE, PORTFOLIO_ATTRIBUTION):
        assert resolver.get_status(dg.AssetKey(asset), "cross") is StaleStatus.FRESH


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Graph]:
    files = {name: text for name, text in FILES.items() if "cross" in name or "universe" in name}
    write(tmp_path, files)
    with open_graph(tmp_path, symbols=SYMBOLS, start=date(2012, 9, 4)) as graph:
        assert graph.run("AAPL", "IBM").success
        yield graph


def made_again(graph: Graph) -> dict[str, bool]:
    results = {BACKTESTS: run(graph, "backtest_update", "cross")}
    results[PORTFOLIO_PERFORMANCE] = results[PORTFOLIO_ATTRIBUTION] = run(graph, "portfolio_update", "cross")
    assert all(result.success for result in results.values())
    return {asset: metadata_of(result, asset, "cross")["was_rewritten"] for asset, result in results.items()}


EVERY = dict.fromkeys((BACKTESTS, PORTFOLIO_PERFORMANCE, PORTFOLIO_ATTRIBUTION), True)
NONE = dict.fromkeys(EVERY, False)


def test_a_backtest_that_is_up_to_date_reads_no_bar(small: Graph) -> None:
    """Only what is made of bars has to know that they are what is recorded of them."""
    assert run(small, "backtest_update", "cross").success
    with small.database.database.writing() as connection:
        connection.exec_driver_sql("update bars set close = close + 1 where symbol = 'AAPL'")
    again = run(small, "backtest_update", "cross")
    assert again.success
    assert metadata_of(again, BACKTESTS, "cross")["was_rewritten"] is False
    path = small.settings.universe_path.parent / "strategies" / "cross.yaml"
    path.write_text(CROSS.replace("cash: 100000", "cash: 100001"), encoding="utf-8")
    refused = run(small, "backtest_update", "cross")
    assert not refused.success
    (failure,) = [one for one in small.database.failures.all_standing() if one.asset == BACKTESTS]
    assert "AAPL" in failure.reason


def test_a_portfolio_is_read_once_for_all_that_a_run_says_of_it(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    reading = PortfolioFile.read

    def counted(file: PortfolioFile) -> tuple[list[FillEvent], list[dict[str, Any]]]:
        read.append(file.name)
        return reading(file)

    monkeypatch.setattr(PortfolioFile, "read", counted)
    assert run(ran[0], "portfolio_update", "lies", "sound").success
    assert read == ["lies", "sound"]


def test_nothing_is_done_twice_and_everything_again_when_a_bar_is_restated(small: Graph, tmp_path: Path) -> None:
    assert made_again(small) == EVERY
    written = {path: path.stat().st_mtime_ns for path in small.settings.reports_path.glob("portfolio@*")}
    assert made_again(small) == NONE
    assert {path: path.stat().st_mtime_ns for path in written} == written
    former = small.database.bars.read("AAPL", Timeframe.D1)[60]
    now = datetime(2014, 1, 1, tzinfo=UTC)
    changed = former._replace(close=former.low)
    small.database.bars.write(
        "AAPL", Timeframe.D1, FetchedBars(start=changed.timestamp, end=now, asked_at=now, bars=(changed,))
    )
    assert made_again(small) == EVERY
    path = tmp_path / "strategies" / "cross.yaml"
    path.write_text(CROSS.replace("slow: 20", "slow: 21"), encoding="utf-8")
    assert made_again(small) == EVERY
    path.write_text(CROSS.replace("slow: 20", "slow: 21").replace("benchmark: IBM", "benchmark: none"), "utf-8")
    assert made_again(small) == EVERY | {BACKTESTS: False}


@pytest.mark.slow
def test_a_backtest_follows_its_bars_and_a_portfolio_its_backtest_once(small: Graph) -> None:
    cursor: dg.AssetDaemonCursor | None = None

    def asked() -> dict[str, list[str]]:
        nonlocal cursor
        found = dg.evaluate_automation_conditions(
            small.definitions, instance=small.instance, asset_selection=dg.AssetSelection.all(), cursor=cursor
        )
        cursor = found.cursor
        partitions = {asset: sorted(map(str, found.get_requested_partitions(dg.AssetKey(asset)))) for asset in EVERY}
        return {asset: keys for asset, keys in partitions.items() if keys}

    portfolios = {PORTFOLIO_PERFORMANCE: ["cross"], PORTFOLIO_ATTRIBUTION: ["cross"]}
    assert asked() == {BACKTESTS: ["cross"]}
    assert run(small, "backtest_update", "cross").success
    assert asked() == portfolios
    assert run(small, "portfolio_update", "cross").success
    assert [asked(), asked()] == [{}, {}]
    small.simulator.faults = FaultPlan([restated(date(2013, 2, 14), volume=1).for_symbol("IBM").always()])
    assert small.run("IBM", config={"verify": True}).success
    assert asked() == {BACKTESTS: ["cross"]}
    assert run(small, "backtest_update", "cross").success
    assert asked() == {}, "its fills and its history are what they were"


def test_what_is_not_what_was_written_is_written_again(small: Graph) -> None:
    made_again(small)
    sound = {path: path.read_bytes() for path in small.settings.reports_path.glob("portfolio@cross.*")}
    assert len(sound) == 3
    for path, content in sound.items():
        path.write_bytes(content.replace(b"1", b"2"))
    assert run(small, "portfolio_update", "cross").success
    assert {path: path.read_bytes() for path in sound} == sound


def test_a_damaged_history_is_named_with_what_makes_it_again_and_is_made_again(small: Graph) -> None:
    made_again(small)
    file = small.database.manifest.current(HISTORY, "cross")
    assert file is not None
    path = small.settings.lake_path / file.path
    path.write_bytes(b"")
    failed = run(small, "portfolio_update", "cross")
    assert not failed.success
    assert "is empty; materialize backtests of cross again" in said_of(small, PORTFOLIO_PERFORMANCE)["cross"]
    (line,) = lake_findings(small.settings.lake_path, small.database.manifest.all_current())
    assert line.endswith("is empty; materialize backtests of cross again")
    assert made_again(small)[BACKTESTS]


def test_a_strategy_of_ones_own_is_run_again_when_its_code_changes(small: Graph, tmp_path: Path) -> None:
    code = RAISES.replace("1 / 0", "[]")
    write(
        tmp_path,
        {
            "strategies/mine.py": code,
            "strategies/cross.yaml": CROSS.replace(
                "jutsu_core.backtest.strategies:MovingAverageCross", "mine.py:Raises"
            ).replace("parameters: {fast: 5, slow: 20, weight: 0.5}", ""),
        },
    )
    assert made_again(small)[BACKTESTS]
    assert not made_again(small)[BACKTESTS]
    write(tmp_path, {"strategies/mine.py": code + "# another\n"})
    assert made_again(small)[BACKTESTS]


def test_two_portfolios_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path, FILES | {"portfolios/cross.yaml": ""})
    with pytest.raises(ConfigurationError, match=r"share 'cross'; rename one"), open_graph(tmp_path, symbols=SYMBOLS):
        pytest.fail("the graph must not open")


def test_a_folder_without_strategies_has_the_assets_and_no_partition(tmp_path: Path) -> None:
    write(tmp_path, {"universe.yaml": FILES["universe.yaml"]})
    with open_graph(tmp_path, symbols=SYMBOLS, start=START) as graph:
        nodes: dict[str, Any] = {
            node.key.to_user_string(): node for node in graph.definitions.resolve_asset_graph().asset_nodes
        }
        assert nodes[BACKTESTS].partitions_def.get_partition_keys() == []
