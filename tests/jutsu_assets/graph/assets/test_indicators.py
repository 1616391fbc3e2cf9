"""Indicator series by a run: made once, left alone while nothing changed, made again where the file is not whole."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow.parquet as pq
import pytest

from jutsu_assets.graph.assets.bars import DAILY_BARS
from jutsu_assets.graph.assets.indicators import DAILY_INDICATORS
from jutsu_assets.indicator_sets import made_by
from jutsu_assets.lake.tables import as_table, content_hash, made_by_in
from jutsu_assets.lake.verification import lake_findings
from jutsu_assets.simulator.anomalies import missing_sessions
from jutsu_assets.simulator.faults import FaultPlan
from jutsu_core.bars import Timeframe, columns_to_frame
from jutsu_core.indicators.catalog import compute_indicators, indicator_columns
from tests.support.builders import fetched
from tests.support.graph import Graph, metadata_of, open_graph


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """The graph after a run of two symbols."""
    with open_graph(tmp_path_factory.mktemp("graph"), symbols=("FB", "IBM"), start=date(2013, 1, 2)) as opened:
        opened.first = opened.run("FB", "IBM", assets=(DAILY_BARS, DAILY_INDICATORS))
        yield opened


def file_of(graph: Graph, symbol: str) -> Path:
    file = graph.database.manifest.current(DAILY_INDICATORS, symbol)
    assert file is not None
    return graph.settings.lake_path / file.path


def empty(path: Path) -> None:
    os.truncate(path, 0)


def overwrite(path: Path) -> None:
    path.write_bytes(next(path.parent.glob("IBM-*")).read_bytes())


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (overwrite, "is not what the manifest says"),
        (empty, "is empty"),
        (Path.unlink, "is missing"),
        (replace_by_folder, "is a folder"),
    ],
)
def test_a_file_that_is_not_what_was_written_is_written_again(graph: Graph, damage: object, said: str) -> None:
    """Although no bar changed; the other symbol is left alone, and so is the version that automation looks at."""
    path, assets = file_of(graph, "FB"), (DAILY_INDICATORS,)
    before = path.read_bytes()
    assert callable(damage)
    damage(path)
    result = graph.run("FB", "IBM", assets=assets)
    assert result.success
    mended = metadata_of(result, DAILY_INDICATORS, "FB")
    assert (mended["was_rewritten"], mended["mended"]) == (True, f"the former file {said}")
    other = metadata_of(result, DAILY_INDICATORS, "IBM")
    assert not other["was_rewritten"]
    assert "mended" not in other
    assert file_of(graph, "FB").read_bytes() == before
    assert lake_findings(graph.settings.lake_path, graph.database.manifest.all_current(), deep=True) == []
    assert graph.first is not None
    assert version_of(result) == version_of(graph.first)


def test_a_series_is_what_the_core_computes_of_the_bars_to_the_last_bit(graph: Graph) -> None:
    """Made of arrays, not of a frame: the numbers and the hash are the same."""
    columns = graph.database.bars.columns("IBM", Timeframe.D1)
    frame = compute_indicators(columns_to_frame("IBM", columns), graph.universe.daily_indicators)
    file = graph.database.manifest.current(DAILY_INDICATORS, "IBM")
    assert file is not None
    assert file.content_hash == content_hash(as_table(frame))
    read = pd.read_parquet(file_of(graph, "IBM"))
    names = [column.name for column in indicator_columns(graph.universe.daily_indicators)]
    pd.testing.assert_frame_equal(read[names], frame[names], check_exact=True)


SWING = {"indicator_sets": {"swing": ["rsi", {"wma": {"period": 5}}]}, "indicators": {"1d": "swing"}}


def test_another_set_makes_the_series_again_and_nothing_else(tmp_path: Path) -> None:
    """Every partition of the indicators, once; neither bars nor reports; and it is said why."""
    symbols, start, assets = ("FB", "IBM"), date(2013, 1, 2), (DAILY_INDICATORS,)
    with open_graph(tmp_path, symbols=symbols, start=start) as standard:
        assert standard.run("FB", "IBM", assets=(DAILY_BARS, DAILY_INDICATORS)).success
        code_version = indicators_of(standard).code_versions_by_key[dg.AssetKey(DAILY_INDICATORS)]
        schema = indicators_of(standard).metadata_by_key[dg.AssetKey(DAILY_INDICATORS)]["dagster/column_schema"]
        assert "sma_200" in [column.name for column in schema.columns]
    with open_graph(tmp_path, symbols=symbols, start=start, followed=SWING) as swing:
        changed, again = (swing.run("FB", "IBM", assets=assets) for _ in range(2))
        assert swing.price_requests() == []
        for symbol in symbols:
            metadata = metadata_of(changed, DAILY_INDICATORS, symbol)
            assert metadata["was_rewritten"]
            assert metadata["recomputed"] == "written, because the indicators or their definitions changed"
            assert not metadata_of(again, DAILY_INDICATORS, symbol)["was_rewritten"]
            assert pd.read_parquet(file_of(swing, symbol)).columns[-2:].tolist() == ["rsi_14", "wma_5"]
        assert indicators_of(swing).code_versions_by_key[dg.AssetKey(DAILY_INDICATORS)] != code_version
        schema = indicators_of(swing).metadata_by_key[dg.AssetKey(DAILY_INDICATORS)]["dagster/column_schema"]
        assert [column.name for column in schema.columns[-2:]] == ["rsi_14", "wma_5"]


SESSIONS_AND_BESIDE = {
    "benchmark": "IBM",
    "indicator_sets": {"beside": ["session_vwap", {"rolling_beta": {"period": 5}}, "relative_strength"]},
    "indicators": {"1d": "beside"},
}


LATE = (date(2013, 1, 2), date(2013, 1, 15), date(2013, 2, 1))


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Graph]:
    """A graph whose series compare with IBM, of which the source holds three sessions back when first asked."""
    faults = FaultPlan([missing_sessions(*LATE).for_symbol("IBM").times(1)])
    with open_graph(
        tmp_path, symbols=("FB", "IBM"), start=date(2013, 1, 2), followed=SESSIONS_AND_BESIDE, faults=faults
    ) as opened:
        yield opened


def test_a_series_that_compares_is_what_the_core_computes_beside_the_benchmark(beside: Graph) -> None:
    """Of the benchmark beside itself, too; bars that it lacks are counted, and compared when it has them."""
    made = beside.run("FB", "IBM", assets=(DAILY_BARS, DAILY_INDICATORS))
    for symbol, without in (("FB", 3), ("IBM", 0)):
        metadata = metadata_of(made, DAILY_INDICATORS, symbol)
        assert (metadata["benchmark"], metadata["bars_without_benchmark"]) == ("IBM", without)
        assert made_by_in(pq.read_schema(file_of(beside, symbol))) == made_by(beside.universe.daily_indicators, "IBM")
        assert_computed(beside, symbol)
    read = pd.read_parquet(file_of(beside, "FB"))
    assert read["timestamp"][read["relative_strength"].isna()].dt.date.tolist() == list(LATE)
    again = beside.run("FB", "IBM", assets=(DAILY_INDICATORS,))
    assert not metadata_of(again, DAILY_INDICATORS, "FB")["was_rewritten"]
    filled = beside.run("FB", "IBM", assets=(DAILY_BARS, DAILY_INDICATORS), config={"verify": True})
    metadata = metadata_of(filled, DAILY_INDICATORS, "FB")
    assert metadata["recomputed"] == "written, because the indicators, their definitions or the benchmark changed"
    assert metadata["bars_without_benchmark"] == 0
    assert_computed(beside, "FB")


def assert_computed(graph: Graph, symbol: str) -> None:
    bars, other = (columns_to_frame(name, graph.database.bars.columns(name, Timeframe.D1)) for name in (symbol, "IBM"))
    closes, chosen = other.set_index("timestamp")["close"], graph.universe.daily_indicators
    expected = compute_indicators(bars, chosen, benchmark=closes, allow_benchmark_gaps=True)
    names = [column.name for column in indicator_columns(chosen)]
    pd.testing.assert_frame_equal(pd.read_parquet(file_of(graph, symbol))[names], expected[names], check_exact=True)


def test_a_benchmark_without_bars_is_said_and_keeps_nothing_back(beside: Graph) -> None:
    result = beside.run("FB", assets=(DAILY_BARS, DAILY_INDICATORS))
    metadata = metadata_of(result, DAILY_INDICATORS, "FB")
    assert metadata["bars_without_benchmark"] == metadata["dagster/partition_row_count"]
    assert metadata["not_compared"] == (
        "not compared with the benchmark IBM, which has no stored bars yet; materialize it first"
    )


def test_what_needs_volume_is_missing_of_an_index_and_said(tmp_path: Path) -> None:
    """The rest of its set is there: an index that is followed among shares need not do without them."""
    followed = {"indicator_sets": {"flow": ["obv", "rsi", "mfi"]}, "indicators": {"1d": "flow"}}
    with open_graph(tmp_path, symbols=("FB", "IBM"), start=date(2013, 1, 2), followed=followed) as graph:
        graph.run("FB", "IBM", assets=(DAILY_BARS,))
        shares = graph.database.bars.read("FB", Timeframe.D1)
        index = [held._replace(volume=0) for held in shares]
        graph.database.bars.write("FB", Timeframe.D1, fetched(*index), replace=True)
        made = graph.run("FB", "IBM", assets=(DAILY_INDICATORS,))
        assert metadata_of(made, DAILY_INDICATORS, "FB")["missing_without_volume"] == "obv, mfi_14"
        assert "missing_without_volume" not in metadata_of(made, DAILY_INDICATORS, "IBM")
        read = {symbol: pd.read_parquet(file_of(graph, symbol)) for symbol in ("FB", "IBM")}
    assert read["FB"][["obv", "mfi_14"]].isna().all(axis=None)
    assert read["FB"]["rsi_14"].notna().sum() == len(shares) - 14
    assert read["IBM"]["obv"].notna().all()


def test_lineage_and_code_version_say_what_a_series_is_compared_with(beside: Graph, tmp_path: Path) -> None:
    definition = indicators_of(beside)
    key = dg.AssetKey(DAILY_INDICATORS)
    lineage = definition.metadata_by_key[key]["dagster/column_lineage"].deps_by_column
    assert [dep.column_name for dep in lineage["relative_strength"]] == ["close"]
    read = {dep.column_name for dep in lineage["session_vwap"]}
    assert read == {"high", "low", "close", "volume", "timestamp"}
    followed = {**SESSIONS_AND_BESIDE, "benchmark": "FB"}
    with open_graph(tmp_path / "other", symbols=("FB", "IBM"), start=date(2013, 1, 2), followed=followed) as other:
        assert indicators_of(other).code_versions_by_key[key] != definition.code_versions_by_key[key]


def indicators_of(graph: Graph) -> dg.AssetsDefinition:
    return graph.definitions.get_assets_def(DAILY_INDICATORS)


def version_of(result: dg.ExecuteInProcessResult) -> str:
    """Return the data version of FB's series that a run recorded."""
    for event in result.get_asset_materialization_events():
        made = event.step_materialization_data.materialization
        if (made.asset_key.to_user_string(), made.partition) == (DAILY_INDICATORS, "FB") and made.tags is not None:
            return made.tags["dagster/data_version"]
    message = "FB was not materialized"
    raise AssertionError(message)
