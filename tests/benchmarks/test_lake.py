"""Speed of the lake beside what one would write first, and beside the same work on one file.

No absolute time is asserted; ``make bench`` prints medians: 500 symbols of 5,040 bars, and few where nothing is timed.
"""

import dataclasses
import os
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.lake.files import Lake
from jutsu_assets.lake.indicators import read_indicators
from jutsu_assets.lake.tables import series_table, to_parquet
from jutsu_assets.lake.views import connect_to, to_frame
from jutsu_assets.settings import Settings
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_assets.store.manifest import SeriesManifest, input_hash_of
from jutsu_core.bars import MICROS_PER_UNIT, PRICE_COLUMNS, Bar, BarColumns, Timeframe, session_timestamp
from jutsu_core.indicators.catalog import compute_arrays
from jutsu_core.ports import FetchedBars

D1 = Timeframe.D1
CLOSES = "select max(close), avg(rsi_14) from daily_indicators where symbol = 'S007'"


@dataclasses.dataclass(frozen=True)
class Filled:
    """A lake with its store."""

    settings: Settings
    store: SqlBarStore
    lake: Lake
    symbols: int
    bars: int

    @property
    def paths(self) -> list[str]:
        return [str(self.lake.root / file.path) for file in self.lake.manifest.all_current()]


def walk(count: int) -> BarColumns:
    closes = (np.exp(np.random.default_rng(7).normal(0, 0.01, count).cumsum()) * 1e8).astype(np.int64)
    stamps = [session_timestamp(date(1990, 1, 1) + timedelta(days=n)) for n in range(count)]
    rows = zip(stamps, closes.tolist(), range(count), strict=True)
    return BarColumns.of([Bar(stamp, mid, mid + 9, mid - 9, mid + 1, 1_000 + n) for stamp, mid, n in rows])


def computed(bars: BarColumns) -> dict[str, Any]:
    inputs = {name: getattr(bars, name) / MICROS_PER_UNIT for name in PRICE_COLUMNS}
    return compute_arrays(inputs | {"volume": bars.volume.astype(np.float64)})


@pytest.fixture(scope="module")
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    symbols, count = (8, 300) if request.config.getoption("benchmark_disable") else (500, 5_040)
    folder = tmp_path_factory.mktemp("lake")
    settings = Settings.from_environment({"JUTSU_HOME": str(folder)}, folder=folder)
    database, clock = Database(settings.database_url, SystemSleeper()), SystemClock()
    store = SqlBarStore(database, settings.source, clock)
    lake = Lake(settings.lake_path, SeriesManifest(database, clock), clock)
    bars = walk(count)
    stamps = [session_timestamp(day.item()) for day in bars.sessions]
    answer = tuple(Bar(stamp, *row[1:]) for stamp, row in zip(stamps, bars.values.tolist(), strict=True))
    asked = FetchedBars(start=stamps[0], end=stamps[-1] + timedelta(days=1), asked_at=clock.now(), bars=answer)
    results = computed(bars)
    for number in range(symbols):
        symbol = f"S{number:03d}"
        store.write(symbol, D1, asked)
        input_hash = input_hash_of(store.versions(D1)[symbol].content_hash, "definitions")
        lake.publish("daily_indicators", symbol, series_table(symbol, bars, results), input_hash=input_hash)
    yield Filled(settings, store, lake, symbols, count)
    database.close()


def view_of(paths: list[str]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    connection.read_parquet(paths, union_by_name=True).create_view("daily_indicators")
    return connection


@pytest.mark.benchmark(group="a query of one symbol of many")
def test_one_symbol(benchmark: Any, filled: Filled) -> None:
    with connect_to(filled.settings) as connection:
        assert benchmark(lambda: connection.execute(CLOSES).fetchall())[0][0] is not None


@pytest.mark.benchmark(group="a query of one symbol of many")
def test_one_symbol_of_its_own_file(benchmark: Any, filled: Filled) -> None:
    with view_of([path for path in filled.paths if Path(path).name.startswith("S007-")]) as connection:
        assert benchmark(lambda: connection.execute(CLOSES).fetchall())[0][0] is not None


@pytest.mark.benchmark(group="a query of one symbol of many")
def test_one_symbol_through_every_file(benchmark: Any, filled: Filled) -> None:
    with view_of(filled.paths) as connection:
        assert benchmark(lambda: connection.execute(CLOSES).fetchall())[0][0] is not None


@pytest.mark.benchmark(group="connecting to the lake")
def test_connect(benchmark: Any, filled: Filled) -> None:
    benchmark(lambda: connect_to(filled.settings).close())


@pytest.mark.benchmark(group="connecting to the lake")
def test_connect_to_nothing(benchmark: Any) -> None:
    """What DuckDB itself takes."""
    benchmark(lambda: duckdb.connect(":memory:").close())


@pytest.mark.benchmark(group="connecting to the lake")
def test_connect_after_reading_every_byte(benchmark: Any, filled: Filled) -> None:
    def connect() -> None:
        for file in filled.lake.manifest.all_current():
            os.utime(filled.lake.root / file.path)
        connect_to(filled.settings).close()

    benchmark(connect)
    for file in filled.lake.manifest.all_current():
        assert filled.lake.standing(file.asset, file.partition_key, file.input_hash).file == file


@pytest.mark.benchmark(group="all bars as a frame")
def test_all_bars(benchmark: Any, filled: Filled) -> None:
    with connect_to(filled.settings) as connection:
        frame = benchmark(lambda: to_frame(connection.sql("select * from daily_bars")))
    assert len(frame) == filled.symbols * filled.bars


@pytest.mark.benchmark(group="all bars as a frame")
def test_all_bars_as_indicators(benchmark: Any, filled: Filled) -> None:
    def read() -> Any:
        names = ["open", "high", "low", "close", "volume"]
        return read_indicators(filled.settings, None, names, (None, None), as_of=None, into="pandas", warn=pytest.fail)

    assert len(benchmark(read)) == filled.symbols * filled.bars


@pytest.mark.benchmark(group="from the store to Parquet, one symbol")
def test_store_to_parquet(benchmark: Any, filled: Filled) -> None:
    def make() -> bytes:
        bars = filled.store.true_columns("S007", D1)
        return to_parquet(series_table("S007", bars, computed(bars)))

    assert benchmark(make)


@pytest.mark.benchmark(group="from the store to Parquet, one symbol")
def test_parquet_alone(benchmark: Any, filled: Filled) -> None:
    bars = filled.store.true_columns("S007", D1)
    table = series_table("S007", bars, computed(bars))
    assert benchmark(to_parquet, table)
