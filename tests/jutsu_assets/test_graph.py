"""The graph as a user runs it: bars, indicators and performance of real symbols, end to end."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from jutsu_assets.definitions import build_defs, defs
from jutsu_assets.graph.jobs import DAILY_ASSETS
from jutsu_assets.lake.views import connect_to
from jutsu_assets.settings import Settings
from jutsu_assets.simulator.faults import Fault, FaultPlan
from jutsu_core.bars import Timeframe
from jutsu_core.errors import ConfigurationError
from jutsu_core.ports import DataHandler
from jutsu_core.quality.catalog import RULES
from tests.support.graph import SYMBOLS, Graph, metadata_of, open_graph

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """The graph after one run over the whole universe."""
    with open_graph(tmp_path_factory.mktemp("whole")) as graph:
        graph.first = graph.run("AAPL", "MSFT")
        assert graph.first.success
        yield graph


def check_of(result: dg.ExecuteInProcessResult, name: str) -> Any:
    return next(item for item in result.get_asset_check_evaluations() if item.check_name == name)


def test_one_run_materializes_every_partition_of_every_asset(whole: Graph) -> None:
    for asset in ("daily_bars", "daily_indicators", "symbol_performance"):
        assert whole.materialized(asset) == sorted(SYMBOLS)


def test_each_symbol_costs_one_request(whole: Graph) -> None:
    assert whole.price_requests()[:5] == list(SYMBOLS)


def test_a_second_run_asks_nothing_and_changes_nothing(whole: Graph) -> None:
    requests = len(whole.simulator.requests)
    before = {symbol: whole.database.bars.version(symbol, Timeframe.D1) for symbol in SYMBOLS}
    files = whole.database.manifest.all_current()
    reports = whole.database.reports.all_current()
    result = whole.run("AAPL", "MSFT")
    assert result.success
    assert len(whole.simulator.requests) == requests
    assert {symbol: whole.database.bars.version(symbol, Timeframe.D1) for symbol in SYMBOLS} == before
    assert whole.database.manifest.all_current() == files
    assert whole.database.reports.all_current() == reports
    metadata = metadata_of(result, "daily_bars", "FB")
    assert (metadata["calls"], metadata["rows_inserted"], metadata["rows_changed"]) == (0, 0, 0)
    assert metadata["rows_unchanged"] == 196


def test_every_partition_says_where_its_bars_come_from(whole: Graph) -> None:
    """Live and sample runs may share one Dagster instance; their partitions must be told apart."""
    result = whole.run("IBM")
    for asset in ("daily_bars", "daily_indicators", "symbol_performance"):
        assert metadata_of(result, asset, "IBM")["source"] == "simulator"


def test_history_before_listing_is_known_to_be_empty_and_shown(whole: Graph) -> None:
    metadata = metadata_of(whole.first, "daily_bars", "FB")
    assert metadata["first_session"] == "2012-05-18"
    assert metadata["missing_sessions"] == 0
    assert metadata["coverage"].startswith("196 of 3,270 sessions; not whole: 2000 0/212, 2001 0/248, ")
    assert metadata["coverage"].endswith("2011 0/252, 2012 155/250")


def test_what_an_asset_receives_is_a_data_handler(whole: Graph) -> None:
    assert isinstance(whole.database, DataHandler)
    assert isinstance(whole.schwab, DataHandler)
    window = (datetime(2012, 5, 1, tzinfo=UTC), datetime(2012, 6, 1, tzinfo=UTC))
    assert whole.database.get_bars_batch(["FB", "IBM"], *window) == whole.schwab.get_bars_batch(["FB", "IBM"], *window)


def adjusted_closes(symbol: str) -> "pd.Series[float]":
    """Closes computed from the sample package alone, by the published splits."""
    import bokeh_sampledata.stocks as sample  # noqa: PLC0415

    data = getattr(sample, symbol)
    closes = pd.Series(data["close"], index=pd.to_datetime(data["date"]), dtype=float)
    splits = {"AAPL": ["2000-06-21", "2005-02-28"], "MSFT": ["2003-02-18"]}
    for ex_date in splits.get(symbol, []):
        closes[closes.index < ex_date] /= 2
    return closes.round(4)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_stored_closes_agree_with_the_sample_package(whole: Graph, symbol: str) -> None:
    frame = whole.database.get_frame([symbol], datetime(2000, 1, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC))
    expected = adjusted_closes(symbol)
    assert list(frame["timestamp"].dt.tz_localize(None)) == list(expected.index)
    # Halving twice may leave a half in the fifth decimal, which rounds either way in binary.
    np.testing.assert_allclose(frame["close"], expected, atol=1.01e-4, rtol=0)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_performance_agrees_with_an_independent_pandas_computation(whole: Graph, symbol: str) -> None:
    report = whole.database.reports.all_current()[symbol]
    frame = whole.database.get_frame([symbol], datetime(2000, 1, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC))
    closes = frame.set_index("timestamp")["close"]
    daily = closes.pct_change()
    years = frame["timestamp"].dt.year.to_numpy()
    for row in report["calendar_years"]:
        inside = closes[years == row["year"]]
        before = closes[years < row["year"]]
        path = pd.concat([before.iloc[-1:], inside])
        assert row["total_return"] == pytest.approx(path.iloc[-1] / path.iloc[0] - 1, rel=1e-12)
        assert row["max_drawdown"] == pytest.approx((path / path.cummax() - 1).min(), rel=1e-12)
        returns = daily[years == row["year"]].iloc[int(before.empty) :]
        if row["is_partial"]:
            assert row["sharpe_ratio"] is None
        else:
            assert row["volatility"] == pytest.approx(returns.std() * 252**0.5, rel=1e-9)
            assert row["sharpe_ratio"] == pytest.approx(returns.mean() / returns.std() * 252**0.5, rel=1e-9)


def test_indicators_agree_with_an_independent_pandas_computation(whole: Graph) -> None:
    with connect_to(whole.settings) as connection:
        series = connection.sql("select * from daily_indicators where symbol = 'IBM' order by timestamp")
        frame = series.to_arrow_table().to_pandas()
    closes = frame["close"].astype(float)
    np.testing.assert_allclose(frame["sma_50"], closes.rolling(50).mean(), rtol=1e-10)
    middle, deviation = closes.rolling(20).mean(), closes.rolling(20).std(ddof=0)
    np.testing.assert_allclose(frame["bollinger_upper_20_2"], middle + 2 * deviation, rtol=1e-9)
    change = closes.diff()
    gain, loss = change.clip(lower=0), -change.clip(upper=0)
    seeded = [
        pd.concat([pd.Series([side.iloc[1:15].mean()]), side.iloc[15:]]).ewm(alpha=1 / 14, adjust=False).mean()
        for side in (gain, loss)
    ]
    rsi = 100 - 100 / (1 + seeded[0].to_numpy() / seeded[1].to_numpy())
    np.testing.assert_allclose(frame["rsi_14"].to_numpy()[14:], rsi, rtol=1e-9)
    assert frame["rsi_14"].iloc[:14].isna().all()


def test_reports_are_written_as_pages(whole: Graph) -> None:
    overview = (whole.settings.reports_path / "index.html").read_text(encoding="utf-8")
    for symbol in SYMBOLS:
        assert f"{symbol}.html" in overview
        assert symbol in (whole.settings.reports_path / f"{symbol}.html").read_text(encoding="utf-8")


def test_all_checks_pass_on_sound_data(whole: Graph) -> None:
    """All but one: the sample's AAPL of 2003-01-29 repeats the day before, as the package has it."""
    evaluations = whole.run("AAPL", "MSFT").get_asset_check_evaluations()
    failed = [(item.check_name, item.partition) for item in evaluations if not item.passed]
    assert failed == [("bars_are_sound", "AAPL"), ("no_bar_is_stale", None)]
    assert {item.check_name for item in evaluations} == {rule.name for rule in RULES} | {
        "bars_are_sound",
        "login_is_alive",
    }
    assert [item.partition for item in evaluations if item.check_name == "bars_are_sound"] == list(SYMBOLS)


def test_one_unknown_symbol_fails_alone_and_is_named(tmp_path: Path) -> None:
    with open_graph(tmp_path, symbols=("AAPL", "NOSUCH", "IBM")) as graph:
        result = graph.run("AAPL", "IBM")
        assert not result.success
        assert graph.materialized("daily_bars") == ["AAPL", "IBM"]
        assert graph.database.bars.version("NOSUCH", Timeframe.D1) is None
        assert graph.database.bars.coverage("NOSUCH", Timeframe.D1) == []
        failure = result.failure_data_for_node("daily")
        assert failure is not None
        assert "NOSUCH" in str(failure.error)
        assert "check the spelling" in str(failure.error)
        run = graph.instance.get_run_by_id(result.run_id)
        assert run is not None
        assert run.tags["dagster/retry_on_asset_or_op_failure"] == "false"


def test_a_dead_token_stops_the_run_at_once_and_writes_nothing(tmp_path: Path) -> None:
    with open_graph(tmp_path) as graph:
        graph.simulator.expire_access_tokens()
        graph.simulator.revoke_refresh_tokens()
        result = graph.run("AAPL", "MSFT")
        assert not result.success
        assert set(graph.price_requests()) <= {"AAPL"}
        failure = result.failure_data_for_node("daily")
        assert failure is not None
        assert "jutsu login" in str(failure.error)
        assert "Not tried after that: FB, GOOG, IBM, MSFT" in str(failure.error)
        assert graph.database.bars.version("AAPL", Timeframe.D1) is None


def test_an_unreachable_server_is_left_alone_after_five_requests(tmp_path: Path) -> None:
    faults = FaultPlan([Fault.connection("ConnectError").always()])
    with open_graph(tmp_path, faults=faults) as graph:
        result = graph.run("AAPL", "MSFT")
        assert not result.success
        assert graph.price_requests() == ["AAPL"] * 3 + ["FB"] * 2
        failure = result.failure_data_for_node("daily")
        assert failure is not None
        assert "left alone until" in str(failure.error)
        assert "Not tried after that: GOOG, IBM, MSFT" in str(failure.error)
        assert graph.materialized("daily_bars") == []
        assert graph.database.bars.version("AAPL", Timeframe.D1) is None


def test_a_split_restates_the_whole_history(tmp_path: Path) -> None:
    """Bars stored before AAPL's split of 2005-02-28 are all halved by the first update after it."""
    with open_graph(tmp_path, symbols=("AAPL",), now=datetime(2005, 2, 26, 1, tzinfo=UTC)) as graph:
        assert graph.run("AAPL").success
        before = graph.database.get_latest_bar("AAPL").close
    with open_graph(tmp_path, symbols=("AAPL",), now=datetime(2005, 3, 2, 1, tzinfo=UTC)) as graph:
        result = graph.run("AAPL")
        metadata = metadata_of(result, "daily_bars", "AAPL")
        assert metadata["was_restated"]
        assert metadata["calls"] == 2
        assert metadata["rows_changed"] == metadata["rows_unchanged"] + metadata["rows_changed"]
        day = datetime(2005, 2, 25, tzinfo=UTC)
        after = graph.database.get_bars_range("AAPL", day, datetime(2005, 2, 26, tzinfo=UTC))[0].close
        assert after * 2 == before


def test_the_graph_has_the_promised_keys_groups_and_partitions(tmp_path: Path) -> None:
    with open_graph(tmp_path) as graph:
        nodes = {node.key.to_user_string(): node for node in graph.definitions.resolve_asset_graph().asset_nodes}
        by_symbol = ("daily_bars", "daily_indicators", "symbol_performance")
        by_portfolio = ("backtests", "portfolio_performance", "portfolio_attribution")
        # Of several groups the page of the lineage shows closed boxes, and no asset.
        assert {key: node.group_name for key, node in nodes.items()} == dict.fromkeys(by_symbol + by_portfolio, "daily")
        for name, node in nodes.items():
            assert node.partitions_def is not None
            expected = SYMBOLS if name in by_symbol else ("moving_average_cross",)
            assert node.partitions_def.get_partition_keys() == list(expected)
            assert node.description
            assert node.owners
            assert node.kinds
            assert node.code_version
        parents = {name: {key.to_user_string() for key in node.parent_keys} for name, node in nodes.items()}
        assert parents["daily_indicators"] == parents["symbol_performance"] == parents["backtests"] == {"daily_bars"}
        assert parents["portfolio_performance"] == parents["portfolio_attribution"] == {"backtests"}


def test_definitions_load_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Dagster calls finds the universe file and makes nothing on disk."""
    universe = tmp_path / "universe.yaml"
    universe.write_text("symbols: [IBM]\nhistory_start: 2012-01-03\n", encoding="utf-8")
    monkeypatch.setenv("JUTSU_UNIVERSE", str(universe))
    monkeypatch.setenv("JUTSU_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SCHWAB_API_KEY", raising=False)
    repository = defs()
    assert repository.resolve_asset_graph().get_all_asset_keys() >= {dg.AssetKey("daily_bars")}
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("told", [None, 2])
def test_a_backfill_is_one_run_unless_workers_are_to_share_it(tmp_path: Path, told: int | None) -> None:
    settings = replace(Settings.from_environment({}, folder=tmp_path), partitions_per_run=told)
    nodes = build_defs(settings).resolve_asset_graph().asset_nodes
    daily = [node for node in nodes if node.key.to_user_string() in DAILY_ASSETS]
    assert [node.backfill_policy and node.backfill_policy.max_partitions_per_run for node in daily] == [told] * 3


def test_history_config_limits_what_is_asked(tmp_path: Path) -> None:
    with open_graph(tmp_path, symbols=("IBM",)) as graph:
        config = {"start": "2005-01-03", "end": "2005-12-30"}
        assert graph.run("IBM", config=config).success
        version = graph.database.bars.version("IBM", Timeframe.D1)
        assert version is not None
        assert (version.first.date(), version.last.date()) == (date(2005, 1, 3), date(2005, 12, 30))
        bad = graph.run("IBM", config={"start": "01/03/2005"})
        failure = bad.failure_data_for_node("daily")
        assert failure is not None
        assert "start must be a date such as 2015-01-02, was '01/03/2005'" in str(failure.error)
        early = graph.run("IBM", config={"start": "1999-01-04"}).failure_data_for_node("daily")
        assert early is not None
        assert "start must be on or after the universe's history_start 2000-03-01, was 1999-01-04" in str(early.error)


def test_a_window_without_a_session_is_refused_before_any_partition_is_touched(tmp_path: Path) -> None:
    with open_graph(tmp_path, symbols=("IBM",)) as graph:
        assert graph.run("IBM").success
        refused = graph.run("IBM", config={"start": "2012-01-07", "end": "2012-01-08"})
        failure = refused.failure_data_for_node("daily")
        assert failure is not None
        assert "a complete session of XNYS must lie from 2012-01-07 to 2012-01-08" in str(failure.error)
        assert graph.database.failures.all_standing() == []


def test_a_universe_that_starts_after_the_sample_ends_is_refused_by_name(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match=r"history_start must be on or before today, which is 2013-03-02"),
        open_graph(tmp_path, start=date(2015, 1, 2)),
    ):
        pytest.fail("the graph must not open")


def test_overriding_the_executor_and_resources_uses_the_same_assembly(tmp_path: Path) -> None:
    with open_graph(tmp_path) as graph:
        rebuilt = build_defs(graph.settings, universe=graph.universe, executor=dg.multiprocess_executor)
        assert rebuilt.executor is dg.multiprocess_executor
