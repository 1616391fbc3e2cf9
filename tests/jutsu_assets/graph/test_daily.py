"""The one op: each symbol alone, what is said of it, and what a run never does twice."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from jutsu_assets.graph.jobs import DAILY_ASSETS
from jutsu_assets.simulator.anomalies import broken_ohlc
from jutsu_assets.simulator.faults import Fault, FaultPlan
from jutsu_core.bars import Timeframe
from tests.support.graph import Graph, metadata_of, open_graph

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

START = date(2012, 11, 1)
WITH_A_TYPO = ("AAPL", "APPL", "IBM")
NO_RETRY = "dagster/retry_on_asset_or_op_failure"


@pytest.fixture(scope="module")
def with_a_typo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Graph, dg.ExecuteInProcessResult]]:
    with open_graph(tmp_path_factory.mktemp("typo"), symbols=WITH_A_TYPO, start=START) as graph:
        yield graph, graph.run("AAPL", "IBM")


Typo = tuple[Graph, dg.ExecuteInProcessResult]


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    failure = result.failure_data_for_node("daily")
    assert failure is not None
    return str(failure.error)


def evaluations(result: dg.ExecuteInProcessResult, name: str) -> dict[str | None, dg.AssetCheckEvaluation]:
    return {item.partition: item for item in result.get_asset_check_evaluations() if item.check_name == name}


def observations(graph: Graph, asset: str) -> dict[str | None, str]:
    records = graph.instance.fetch_observations(dg.AssetKey(asset), limit=100).records
    return {
        record.asset_observation.partition: str(record.asset_observation.metadata["failed"].value)
        for record in records
        if record.asset_observation is not None
    }


def test_one_bad_symbol_keeps_nothing_from_the_others(with_a_typo: Typo) -> None:
    graph, result = with_a_typo
    assert not result.success
    for asset in DAILY_ASSETS:
        assert graph.materialized(asset) == ["AAPL", "IBM"]


def test_a_failed_partition_says_why_in_its_own_event(with_a_typo: Typo) -> None:
    graph, _ = with_a_typo
    for asset in DAILY_ASSETS:
        said = observations(graph, asset)
        assert list(said) == ["APPL"]
        assert "check the spelling" in said["APPL"]


def test_the_final_error_names_what_failed_and_is_not_retried(with_a_typo: Typo) -> None:
    graph, result = with_a_typo
    assert "1 of 3 partitions failed. APPL: symbol 'APPL' must be one that simulator knows" in failure_of(result)
    assert "Up to date: AAPL, IBM." in failure_of(result)
    run = graph.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags[NO_RETRY] == "false"


def test_a_symbol_without_a_bar_is_judged_and_not_green(with_a_typo: Typo) -> None:
    _, result = with_a_typo
    lights = evaluations(result, "bars_are_sound")
    assert {symbol: light.passed for symbol, light in lights.items()} == {"AAPL": True, "APPL": False, "IBM": True}
    assert lights["APPL"].severity is dg.AssetCheckSeverity.ERROR
    stored = evaluations(result, "bars_are_stored")[None]
    assert not stored.passed
    assert stored.metadata["worst_symbols"].value == "APPL: 1"


def test_a_failed_fetch_turns_no_other_check_red_or_grey(with_a_typo: Typo) -> None:
    _, result = with_a_typo
    for name in ("login_is_alive", "ohlc_is_consistent", "no_session_is_duplicated", "prices_are_on_one_scale"):
        assert evaluations(result, name)[None].passed


def test_the_doctors_list_holds_what_failed_until_it_succeeds(tmp_path: Path) -> None:
    faults = FaultPlan([Fault.bad_request().for_symbol("IBM")])
    with open_graph(tmp_path, symbols=("AAPL", "IBM"), start=START, faults=faults) as graph:
        graph.run("AAPL", "IBM")
        standing = graph.database.failures.all_standing()
        assert [(failure.partition, failure.asset) for failure in standing] == [
            ("IBM", asset) for asset in sorted(DAILY_ASSETS)
        ]
        assert graph.run("AAPL", "IBM").success
        assert graph.database.failures.all_standing() == []


def test_a_symbol_whose_every_candle_is_broken_is_no_success(tmp_path: Path) -> None:
    faults = FaultPlan([broken_ohlc(*_sessions()).always()])
    with open_graph(tmp_path, symbols=("IBM",), start=date(2013, 2, 25), faults=faults) as graph:
        result = graph.run("IBM")
        assert not result.success
        assert "broke a rule" in failure_of(result)
        assert "jutsu quality list IBM" in failure_of(result)
        assert graph.materialized("daily_bars") == []
        assert not evaluations(result, "bars_are_sound")["IBM"].passed
        assert not evaluations(result, "bars_are_stored")[None].passed


def _sessions() -> list[date]:
    return [date(2013, 2, day) for day in (25, 26, 27, 28)] + [date(2013, 3, 1)]


def test_a_range_given_backwards_is_refused_with_the_range_that_was_meant(tmp_path: Path) -> None:
    with open_graph(tmp_path, start=START) as graph:
        result = graph.run("MSFT", "AAPL")
        assert not result.success
        assert "was MSFT...AAPL, which holds nothing; did you mean AAPL...MSFT?" in failure_of(result)
        assert graph.price_requests() == []


def test_an_unchanged_run_computes_draws_and_writes_nothing(tmp_path: Path) -> None:
    with open_graph(tmp_path, symbols=("IBM",), start=START) as graph:
        first = graph.run("IBM")
        files = {path: path.stat().st_mtime_ns for path in graph.settings.home.rglob("*") if path.suffix != ".db-wal"}
        again = graph.run("IBM")
    kept = {path: stamp for path, stamp in files.items() if path.suffix in {".parquet", ".html"}}
    assert kept
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert "chart" in metadata_of(first, "daily_bars", "IBM")
    for asset in DAILY_ASSETS:
        metadata = metadata_of(again, asset, "IBM")
        assert not {"chart", "compute_seconds", "fetch_seconds"} & metadata.keys()
        assert metadata.get("was_rewritten", False) is False


def test_pages_that_are_not_what_was_written_are_written_again(tmp_path: Path) -> None:
    with open_graph(tmp_path, symbols=("IBM",), start=START) as graph:
        graph.run("IBM")
        pages = [graph.settings.reports_path / name for name in ("IBM.html", "index.html")]
        written = [page.read_bytes() for page in pages]
        for page in pages:
            page.write_bytes(b"")
        again = graph.run("IBM")
        assert [page.read_bytes() for page in pages] == written
    assert metadata_of(again, "symbol_performance", "IBM")["was_rewritten"] is True


@pytest.mark.parametrize(
    "harm",
    [
        "update partition_versions set content_hash = '00'",
        "update bars set close = close + 1 where ts = (select max(ts) from bars)",
    ],
)
def test_nothing_is_made_of_bars_that_are_not_what_is_recorded_of_them(tmp_path: Path, harm: str) -> None:
    with open_graph(tmp_path, symbols=("IBM",), start=START) as graph:
        graph.run("IBM", assets=("daily_bars",))
        with graph.database.database.writing() as connection:
            connection.exec_driver_sql(harm)
        failed = graph.run("IBM", assets=("daily_indicators", "symbol_performance"))
        assert not failed.success
        assert "what is recorded of IBM 1d must be what its bars say" in failure_of(failed)
        assert graph.run("IBM", config={"verify": True}).success


def test_data_versions_are_those_of_the_content(tmp_path: Path) -> None:
    with open_graph(tmp_path, symbols=("IBM",), start=START) as graph:
        versions = [_tags(graph.run("IBM")) for _ in range(2)]
        version = graph.database.bars.version("IBM", Timeframe.D1)
        assert version is not None
    first, again = versions
    assert first["daily_bars"]["dagster/data_version"] == version.content_hash
    for asset in DAILY_ASSETS:
        assert first[asset]["dagster/data_version"] == again[asset]["dagster/data_version"]
        assert first[asset]["dagster/code_version"]
    for asset in DAILY_ASSETS[1:]:
        assert first[asset]["dagster/input_data_version/daily_bars"] == version.content_hash


def _tags(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    found = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
    return {item.asset_key.to_user_string(): dict(item.tags or {}) for item in found}


def test_nothing_that_is_up_to_date_is_called_unsynced(tmp_path: Path) -> None:
    """Also where bars were asked for again alone, and found the same."""
    with open_graph(tmp_path, symbols=("IBM",), start=START) as graph:
        graph.run("IBM")
        graph.run("IBM", assets=("daily_bars",))
        resolver = CachingStaleStatusResolver(
            graph.instance, graph.definitions.resolve_asset_graph(), LoadingContextForTest(graph.instance)
        )
        statuses = {asset: resolver.get_status(dg.AssetKey(asset), "IBM") for asset in DAILY_ASSETS}
    assert set(statuses.values()) == {StaleStatus.FRESH}


def test_indicators_alone_ask_the_source_nothing(tmp_path: Path) -> None:
    with open_graph(tmp_path, symbols=("IBM",), start=START) as graph:
        graph.run("IBM", assets=("daily_bars",))
        requests = len(graph.simulator.requests)
        result = graph.run("IBM", assets=("daily_indicators",))
        assert result.success
        assert len(graph.simulator.requests) == requests
        assert graph.materialized("symbol_performance") == []


def test_a_failure_of_one_derived_asset_fails_that_one_alone(tmp_path: Path) -> None:
    with open_graph(tmp_path, symbols=("IBM",), start=START) as graph:
        graph.settings.lake_path.parent.mkdir(parents=True, exist_ok=True)
        graph.settings.lake_path.write_text("a file where the lake should be", encoding="utf-8")
        result = graph.run("IBM")
        assert not result.success
        assert graph.materialized("daily_bars") == ["IBM"]
        assert graph.materialized("daily_indicators") == []
        assert graph.materialized("symbol_performance") == ["IBM"]
        assert list(observations(graph, "daily_indicators")) == ["IBM"]


def test_partitions_not_tried_after_a_dead_login_are_judged_and_listed(tmp_path: Path) -> None:
    with open_graph(tmp_path, start=START) as graph:
        assert graph.run("AAPL", "MSFT").success
    with open_graph(tmp_path, start=START, now=datetime(2013, 3, 5, 1, tzinfo=UTC), is_stale=True) as graph:
        graph.simulator.revoke_refresh_tokens()
        result = graph.run("AAPL", "MSFT")
        assert not result.success
        lights = evaluations(result, "bars_are_sound")
        assert len(lights) == 5
        reasons = {failure.partition: failure.reason for failure in graph.database.failures.all_standing()}
        assert set(reasons) == {"AAPL", "FB", "GOOG", "IBM", "MSFT"}
        assert reasons["MSFT"].startswith("not tried: ")


def test_checks_alone_judge_what_is_stored_and_ask_nothing(tmp_path: Path) -> None:
    with open_graph(tmp_path, symbols=("AAPL", "IBM"), start=START) as graph:
        graph.run("IBM")
        requests = len(graph.simulator.requests)
        names = ("bars_are_stored", "no_session_is_missing", "login_is_alive")
        job = graph.definitions.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection=set(),
            asset_check_selection={dg.AssetCheckKey(dg.AssetKey("daily_bars"), name) for name in names},
        )
        result = job.execute_in_process(instance=graph.instance)
        assert result.success
        assert len(graph.simulator.requests) == requests
        found = {item.check_name: item.passed for item in result.get_asset_check_evaluations()}
    assert found == {"bars_are_stored": False, "no_session_is_missing": False, "login_is_alive": True}
