"""The newest session of many symbols from quotes: the same bars as from history, or history itself."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jutsu_assets.simulator.catalog import named_plan
from jutsu_core.bars import Bar, Timeframe
from tests.support.graph import Graph, metadata_of, open_graph

pytestmark = pytest.mark.slow

SYMBOLS = ("AAPL", "MSFT")
BARS_ALONE = ("daily_bars",)
START = date(2012, 6, 1)
WEDNESDAY_EVENING = datetime(2013, 2, 28, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def bars_of(graph: Graph) -> dict[str, list[Bar]]:
    return {symbol: list(graph.database.bars.read(symbol, Timeframe.D1)) for symbol in SYMBOLS}


def evening(
    folder: Path, day: int, *faults: str, quotes: bool = True, verify: bool = False
) -> tuple[dict[str, list[Bar]], dict[str, int], dict[str, Mapping[str, Any]]]:
    """Run the daily update some days after Wednesday; return the bars, the requests by path, the metadata."""
    now = WEDNESDAY_EVENING + day * DAY
    plan = named_plan(faults, now.date() - DAY)
    with open_graph(
        folder, symbols=SYMBOLS, start=START, now=now, faults=plan, newest_session_from_quotes=quotes
    ) as graph:
        result = graph.run(*SYMBOLS, config={"verify": verify} if verify else None, assets=BARS_ALONE)
        assert result.success
        paths = [arrival.path.rpartition("/")[2] for arrival in graph.simulator.requests]
        counts = {path: paths.count(path) for path in set(paths) - {"token"}}
        return bars_of(graph), counts, {symbol: metadata_of(result, "daily_bars", symbol) for symbol in SYMBOLS}


def test_the_next_day_takes_one_request_and_gives_the_bars_that_history_gives(tmp_path: Path) -> None:
    """Compared bar for bar with a store that was brought up by history alone."""
    evening(tmp_path / "quotes", 0)
    evening(tmp_path / "history", 0)
    quoted, counts, metadata = evening(tmp_path / "quotes", 1)
    asked, history_counts, _ = evening(tmp_path / "history", 1, quotes=False)
    assert quoted == asked
    assert (counts, history_counts) == ({"quotes": 1}, {"pricehistory": 2})
    assert {entry["newest_from_quote"] for entry in metadata.values()} == {True}
    assert {entry["rows_inserted"] for entry in metadata.values()} == {1}
    confirmed, counts, metadata = evening(tmp_path / "quotes", 1, verify=True)
    assert (confirmed, counts) == (quoted, {"pricehistory": 2})
    assert sum(entry["rows_changed"] for entry in metadata.values()) == 0


def test_the_first_run_and_a_longer_gap_ask_history(tmp_path: Path) -> None:
    _, counts, _ = evening(tmp_path, 0)
    assert counts == {"pricehistory": 2}
    _, counts, _ = evening(tmp_path, 2)
    assert counts == {"pricehistory": 2}, "two sessions were missing"


@pytest.mark.parametrize("fault", ["R15-page", "R11"])
def test_quotes_that_fail_are_no_failure(tmp_path: Path, fault: str) -> None:
    evening(tmp_path, 0)
    now = WEDNESDAY_EVENING + DAY
    plan = named_plan([fault], date(2013, 2, 28))
    plan = type(plan)([one.on_path("quotes") for one in plan.faults])
    with open_graph(
        tmp_path, symbols=SYMBOLS, start=START, now=now, faults=plan, newest_session_from_quotes=True
    ) as graph:
        assert graph.run(*SYMBOLS, assets=BARS_ALONE).success
        assert len(graph.price_requests()) == 2


def test_a_stored_close_that_the_quote_contradicts_asks_history(tmp_path: Path) -> None:
    """As after a split: the quote tells yesterday's close in today's shares."""
    evening(tmp_path, 0, "rescaled")
    bars, counts, metadata = evening(tmp_path, 1)
    assert counts == {"quotes": 1, "pricehistory": 4}
    assert {entry["was_restated"] for entry in metadata.values()} == {True}
    expected, _, _ = evening(tmp_path / "apart", 1, quotes=False)
    assert bars == expected
