"""``symbol_performance`` beside a benchmark: what is compared, and when it is compared again."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from jutsu_core.bars import Bar, Timeframe
from jutsu_core.ports import FetchedBars
from tests.support.graph import Graph, metadata_of, open_graph

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

START = date(2012, 11, 1)
SYMBOLS = ("AAPL", "IBM", "MSFT")


def write(graph: Graph, symbol: str, *bars: Bar) -> None:
    now = datetime(2014, 1, 1, tzinfo=UTC)
    graph.database.bars.write(
        symbol, Timeframe.D1, FetchedBars(start=bars[0].timestamp, end=now, asked_at=now, bars=bars)
    )


def measured_again(graph: Graph) -> list[str]:
    result = graph.run("AAPL", "MSFT", assets=("symbol_performance",))
    assert result.success
    return [symbol for symbol in SYMBOLS if metadata_of(result, "symbol_performance", symbol)["was_rewritten"]]


def test_each_symbol_stands_beside_the_benchmark_and_the_benchmark_alone(tmp_path: Path) -> None:
    with open_graph(tmp_path, symbols=SYMBOLS, start=START, followed={"benchmark": "IBM"}) as graph:
        result = graph.run("AAPL", "MSFT")
        assert result.success
        reports = graph.database.reports.all_current()
    assert {symbol: (reports[symbol]["benchmark"] or {}).get("name") for symbol in SYMBOLS} == {
        "AAPL": "IBM",
        "IBM": None,
        "MSFT": "IBM",
    }
    assert reports["MSFT"]["benchmark"]["beta"] is not None
    assert metadata_of(result, "symbol_performance", "MSFT")["benchmark"] == "IBM"
    pages = [(graph.settings.reports_path / f"{symbol}.html").read_text("utf-8") for symbol in ("MSFT", "IBM")]
    assert ["<h2>Beside IBM</h2>" in page for page in pages] == [True, False]


def test_the_benchmark_comes_first_so_that_one_run_is_enough(tmp_path: Path) -> None:
    with open_graph(tmp_path, symbols=SYMBOLS, start=START, followed={"benchmark": "MSFT"}) as graph:
        assert graph.run("AAPL", "MSFT").success
        assert graph.price_requests() == ["MSFT", "AAPL", "IBM"]
        assert measured_again(graph) == []


def test_a_session_of_the_benchmark_alone_makes_nothing_again_and_a_restated_one_everything(tmp_path: Path) -> None:
    with open_graph(tmp_path, symbols=SYMBOLS, start=START, followed={"benchmark": "IBM"}) as graph:
        assert graph.run("AAPL", "MSFT").success
        last = graph.database.bars.read("IBM", Timeframe.D1)[-1]
        write(graph, "IBM", last._replace(timestamp=datetime(2013, 3, 4, tzinfo=UTC)))
        assert measured_again(graph) == ["IBM"]
        write(graph, "IBM", last._replace(close=last.close + 10_000, high=last.high + 20_000))
        assert measured_again(graph) == ["AAPL", "IBM", "MSFT"]
        assert measured_again(graph) == []


def test_a_benchmark_without_bars_is_said_and_taken_when_it_is_there(tmp_path: Path) -> None:
    with open_graph(tmp_path, symbols=SYMBOLS, start=START, followed={"benchmark": "IBM"}) as graph:
        assert graph.run("AAPL").success
        report = graph.database.reports.all_current()["AAPL"]
        assert report["benchmark"] is None
        assert report["notes"] == [
            "not compared with the benchmark IBM, which has no stored bars yet; materialize it first"
        ]
        assert graph.run("IBM").success
        assert graph.run("AAPL").success
        assert graph.database.reports.all_current()["AAPL"]["benchmark"]["name"] == "IBM"
