"""Killing a materialization leaves every partition whole, and the next run completes it."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jutsu_assets.settings import Settings
from jutsu_assets.store.market import MarketDatabase
from jutsu_core.bars import Timeframe
from tests.support.graph import SYMBOLS, open_graph

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill -9"),
]

ROWS = {"AAPL": 3270, "FB": 196, "GOOG": 2148, "IBM": 3270, "MSFT": 3270}
WORKER = """
import sys
from pathlib import Path
from tests.support.graph import open_graph
with open_graph(Path(sys.argv[1])) as graph:
    print("ready", flush=True)
    graph.run("AAPL", "MSFT")
    print("done", flush=True)
"""


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
    root = Path(__file__).resolve().parents[2]
    moments = random.Random(20130301)  # noqa: S311 - the same moments in every run
    killed = 0
    for round_number in range(3):
        worker = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WORKER, str(tmp_path)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        time.sleep(0.3 + moments.random() * (1.0 + 0.4 * round_number))  # noqa: TID251 - a real process is running
        worker.send_signal(signal.SIGKILL)
        killed += worker.wait() == -signal.SIGKILL
        worker.stdout.close()
        rows = stored_rows(tmp_path)
        assert rows == {symbol: ROWS[symbol] for symbol in rows}
    assert killed > 0
    with open_graph(tmp_path) as graph:
        assert graph.run("AAPL", "MSFT").success
        for asset in ("daily_bars", "daily_indicators", "symbol_performance"):
            assert graph.materialized(asset) == sorted(SYMBOLS)
    assert stored_rows(tmp_path) == ROWS
