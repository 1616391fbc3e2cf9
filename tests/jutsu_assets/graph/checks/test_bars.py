"""Every check of daily bars has a case in which it fails, with the exception named."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from jutsu_assets.simulator.anomalies import broken_ohlc, missing_sessions
from jutsu_assets.simulator.faults import Fault, FaultPlan
from jutsu_assets.store import schema
from jutsu_core.bars import to_epoch
from tests.support.graph import Graph, open_graph

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

START = date(2012, 1, 3)
BROKEN_DAY = date(2012, 6, 15)


def results(graph: Graph) -> dict[str, Any]:
    run = graph.run("IBM")
    return {item.check_name: item for item in run.get_asset_check_evaluations()}


def run_with(tmp_path: Path, *faults: Fault) -> dict[str, Any]:
    with open_graph(tmp_path, symbols=("IBM",), start=START, faults=FaultPlan(list(faults))) as graph:
        return results(graph)


def exceptions_of(evaluation: Any) -> list[dict[str, str]]:
    return [record.data for record in evaluation.metadata["exceptions"].records]


def insert_bar(graph: Graph, stamp: datetime, **values: int) -> None:
    """Write a bar as a foreign program would, past every rule."""
    row = {
        "symbol": "IBM",
        "timeframe": "1d",
        "ts": to_epoch(stamp),
        "open": 100_000_000,
        "high": 101_000_000,
        "low": 99_000_000,
        "close": 100_000_000,
        "volume": 1,
        "source": "simulator",
        "recorded_at": 0,
        **values,
    }
    with graph.database.database.writing() as connection:
        connection.execute(schema.bars.insert(), row)


def test_a_session_that_the_source_left_out_is_missing(tmp_path: Path) -> None:
    evaluations = run_with(tmp_path, missing_sessions(BROKEN_DAY))
    check = evaluations["no_session_is_missing"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert exceptions_of(check) == [{"symbol": "IBM", "session": "2012-06-15", "finding": "no bar"}]
    assert evaluations["ohlc_is_consistent"].passed


def test_a_broken_candle_is_quarantined_not_stored(tmp_path: Path) -> None:
    evaluations = run_with(tmp_path, broken_ohlc(BROKEN_DAY))
    quarantined = evaluations["no_candle_is_quarantined"]
    assert not quarantined.passed
    [exception] = exceptions_of(quarantined)
    assert (exception["symbol"], exception["session"]) == ("IBM", "2012-06-15")
    assert "high must be at least open and close" in exception["finding"]
    assert evaluations["ohlc_is_consistent"].passed
    assert not evaluations["no_session_is_missing"].passed


def test_a_stored_bar_with_broken_prices_is_inconsistent(tmp_path: Path) -> None:
    with open_graph(tmp_path, symbols=("IBM",), start=START) as graph:
        assert results(graph)["ohlc_is_consistent"].passed
        insert_bar(graph, datetime(2011, 12, 30, tzinfo=UTC), low=100_500_000)
        check = results(graph)["ohlc_is_consistent"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    [exception] = exceptions_of(check)
    assert exception["session"] == "2011-12-30"
    assert exception["finding"].startswith("low must be at most open and close, was 100.5")


def test_a_second_key_on_the_same_session_is_a_duplicate(tmp_path: Path) -> None:
    with open_graph(tmp_path, symbols=("IBM",), start=START) as graph:
        assert results(graph)["no_session_is_duplicated"].passed
        insert_bar(graph, datetime(2012, 6, 15, 5, tzinfo=UTC))
        check = results(graph)["no_session_is_duplicated"]
    assert not check.passed
    [exception] = exceptions_of(check)
    assert exception["session"] == "2012-06-15"
    assert "2012-06-15T05:00:00+00:00" in exception["finding"]


def test_a_sound_symbol_does_not_hide_a_broken_one(tmp_path: Path) -> None:
    """The check's one light stays red while any stored symbol is broken."""
    faults = FaultPlan([missing_sessions(BROKEN_DAY).for_symbol("IBM")])
    with open_graph(tmp_path, symbols=("IBM", "MSFT"), start=START, faults=faults) as graph:
        graph.run("IBM")
        evaluations = {item.check_name: item for item in graph.run("MSFT").get_asset_check_evaluations()}
    assert not evaluations["no_session_is_missing"].passed
    assert exceptions_of(evaluations["no_session_is_missing"])[0]["symbol"] == "IBM"


def test_a_close_at_a_split_ratio_of_the_one_before_is_on_another_scale(tmp_path: Path) -> None:
    with open_graph(tmp_path, symbols=("IBM",), start=START) as graph:
        assert results(graph)["prices_are_on_one_scale"].passed
        half = dict.fromkeys(("open", "high", "low", "close"), 91_935_000)
        insert_bar(graph, datetime(2011, 12, 30, tzinfo=UTC), **half)
        check = results(graph)["prices_are_on_one_scale"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    [exception] = exceptions_of(check)
    assert exception["session"] == "2012-01-03"
    assert "as if split 1:2 here and not before" in exception["finding"]
