"""Killing a materialization leaves every partition whole, and the next run completes it."""

import random
import signal
import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from jutsu_assets.settings import Settings
from jutsu_assets.store.market import MarketDatabase
from jutsu_core.bars import Timeframe
from tests.support.graph import SYMBOLS, open_graph
from tests.support.processes import started

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill -9"),
]

ROWS = {"AAPL": 3270, "FB": 196, "GOOG": 2148, "IBM": 3270, "MSFT": 3270}


def materialize(reports: Connection, folder: Path) -> None:
    """Run the daily job over a store, and say when it begins and has ended."""
    with open_graph(folder) as graph:
        reports.send("ready")
        graph.run("AAPL", "MSFT")
        reports.send("done")


def stored_rows(folder: Path) -> dict[str, int]:
    """Rows of each stored partition, after checking that its version describes exactly what is there."""
    settings = Settings.from_environment({"JUTSU_HOME": str(folder)}, folder=folder)
    database = MarketDatabase(settings.database_url, source=settings.source)
    rows = {}
    try:
        for symbol in SYMBOLS:
            version = database.bars.version(symbol, Timeframe.D1)
            bars = database.bars.read(
                symbol, Timeframe.D1, datetime(1990, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
            )
            assert (version is None) == (not bars)
            if version is not None:
                assert (version.rows, version.first, version.last) == (len(bars), bars[0].timestamp, bars[-1].timestamp)
                rows[symbol] = len(bars)
    finally:
        database.database.close()
    return rows


def test_kill_9_leaves_whole_partitions_and_the_next_run_completes(tmp_path: Path) -> None:
    moments = random.Random(20130301)  # noqa: S311 - the same moments in every run
    killed = 0
    for round_number in range(3):
        with started(materialize, tmp_path) as worker:
            worker.hear()
            time.sleep(0.3 + moments.random() * (1.0 + 0.4 * round_number))  # noqa: TID251 - a real process is running
            worker.kill()
        killed += worker.process.exitcode == -signal.SIGKILL
        rows = stored_rows(tmp_path)
        assert rows == {symbol: ROWS[symbol] for symbol in rows}
    assert killed > 0
    with open_graph(tmp_path) as graph:
        assert graph.run("AAPL", "MSFT").success
        for asset in ("daily_bars", "daily_indicators", "symbol_performance"):
            assert graph.materialized(asset) == sorted(SYMBOLS)
    assert stored_rows(tmp_path) == ROWS
