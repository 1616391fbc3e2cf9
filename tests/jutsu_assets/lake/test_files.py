"""Series in Parquet: written whole or not at all, named by what they hold, swept after a grace."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from jutsu_assets.lake.files import SWEEP_GRACE, Lake, Standing
from jutsu_assets.lake.tables import as_table, content_hash, series_table
from jutsu_assets.lake.verification import lake_findings
from jutsu_assets.store.engine import Database
from jutsu_assets.store.manifest import SeriesFile, SeriesManifest
from jutsu_core.bars import Bar, BarColumns, bars_to_frame, from_micros
from jutsu_core.errors import StoreUnavailableError
from tests.support.builders import NOON, RecordingSleeper, SettableClock, bar, days

Series = Callable[..., pd.DataFrame]
Publish = Callable[..., SeriesFile]
MINUTE = timedelta(minutes=1)
FIRST, SECOND = "100.1799", "50.08995"


def names(lake: Lake, asset: str = "daily") -> set[str]:
    """Return the names of everything in the asset's folder, hidden files too."""
    return {path.name for path in (lake.root / asset).iterdir()}


def closes(path: Path) -> set[Decimal]:
    return set(pq.read_table(path)["close"].to_pylist())


def make_old(path: Path) -> None:
    """Let ``path`` seem written long before every clock of these tests."""
    os.utime(path, (0, 0))


@given(st.lists(st.integers(1, 3 * 10**15), min_size=1, max_size=50))
def test_prices_become_exact_decimals(prices: list[int]) -> None:
    frame = bars_to_frame("AAPL", [Bar(NOON, micros, micros, micros, micros, 0) for micros in prices])
    table = as_table(frame)
    for name in ("open", "high", "low", "close"):
        assert table.schema.field(name).type == pa.decimal64(18, 6)
        assert table[name].to_pylist() == [from_micros(micros) for micros in prices]


def test_times_are_utc_microseconds_and_other_columns_keep_their_type(series: Series) -> None:
    table = as_table(series(rows=2, sma=[np.nan, 1.5], side=[1, -1], is_high=[True, False]))
    assert {field.name: str(field.type) for field in table.schema} == {
        "symbol": "dictionary<values=string, indices=int32, ordered=0>",
        "timestamp": "timestamp[us, tz=UTC]",
        **dict.fromkeys(("open", "high", "low", "close"), "decimal64(18, 6)"),
        "volume": "int64",
        "sma": "double",
        "side": "int64",
        "is_high": "bool",
    }
    assert table["timestamp"].to_pylist() == [datetime(2013, 3, day, tzinfo=UTC) for day in (1, 2)]
    assert table["sma"].to_pylist() == [None, 1.5]


def test_an_empty_series_has_its_columns(lake: Lake, series: Series) -> None:
    file = lake.publish("daily", "AAPL", series(rows=0), input_hash="x")
    assert file.rows == 0
    assert pq.read_schema(lake.root / file.path).names == list(series().columns)


def test_a_folder_that_should_hold_files_and_is_not_there_is_named(lake: Lake, series: Series) -> None:
    lake.require_folder()  # nothing is named yet
    lake.publish("daily", "AAPL", series(rows=2), input_hash="x")
    lake.require_folder()
    elsewhere = Lake(lake.root / "elsewhere", lake.manifest, SettableClock())
    with pytest.raises(StoreUnavailableError, match=r"elsewhere must be the folder of the 1 files"):
        elsewhere.require_folder()
    assert not elsewhere.root.exists()
    elsewhere.root.mkdir()  # what is lost may be made again
    elsewhere.require_folder()


def test_a_published_series_is_current_and_read_back_whole(lake: Lake, series: Series) -> None:
    frame = series(sma=[np.nan, 1.0, 2.5])
    file = lake.publish("daily", "BRK/B", frame, input_hash="bars-1")
    assert lake.manifest.all_current() == [file]
    assert (file.asset, file.partition_key, file.input_hash, file.rows) == ("daily", "BRK/B", "bars-1", 3)
    assert pq.read_table(lake.root / file.path).cast(as_table(frame).schema).equals(as_table(frame))
    assert names(lake) == {Path(file.path).name}


def test_whether_a_series_is_current_depends_on_its_input_and_its_file(lake: Lake, publish: Publish) -> None:
    assert lake.standing("daily", "AAPL", f"bars at {FIRST}") == Standing(None, None)
    file = publish()
    assert lake.standing("daily", "AAPL", f"bars at {FIRST}") == Standing(file, None)
    assert lake.standing("daily", "AAPL", f"bars at {SECOND}") == Standing(None, None)
    assert lake.standing("daily", "MSFT", f"bars at {FIRST}") == Standing(None, None)
    (lake.root / file.path).unlink()
    assert lake.standing("daily", "AAPL", f"bars at {FIRST}") == Standing(None, "is missing")
    publish()
    assert lake.standing("daily", "AAPL", f"bars at {FIRST}") == Standing(file, None)


def test_a_file_without_a_seal_is_readable_and_written_again(lake: Lake, publish: Publish, database: Database) -> None:
    """Files of earlier versions are named by the content alone."""
    file = publish()
    former = f"daily/AAPL-{file.content_hash[:16]}.parquet"
    (lake.root / file.path).rename(lake.root / former)
    with database.writing() as connection:
        connection.execute(text("update lake_files set path = :path"), {"path": former})
    assert lake_findings(lake.root, lake.manifest.all_current(), deep=True) == []
    assert lake.standing("daily", "AAPL", f"bars at {FIRST}") == Standing(None, None)
    assert publish() == file


@pytest.mark.parametrize("rows", [0, 3])
def test_a_table_made_of_arrays_is_the_one_made_of_a_frame(series: Series, rows: int) -> None:
    """So that a series is known by the same hash, whichever way it was made."""
    results = {"sma": np.array([np.nan, -0.0, 2.5])[:rows], "ema": np.arange(3.0)[:rows]}
    frame = series("BRK/B", rows=rows, **results)
    columns = BarColumns.of([bar(day, "100.1799") for day in days(date(2013, 3, 1), rows)])
    made = series_table("BRK/B", columns, results)
    assert made.equals(as_table(frame))
    assert made.schema.equals(as_table(frame).schema)
    assert content_hash(made) == content_hash(as_table(frame))


def test_the_content_hash_depends_on_the_content_alone(lake: Lake, series: Series, clock: SettableClock) -> None:
    """Neither the time, the partition's former file, the input nor the frame's own index shows in it."""
    first = lake.publish("daily", "AAPL", series(sma=[np.nan, 1, 2]), input_hash="bars-1")
    before = (lake.root / first.path).read_bytes()
    lake.publish("daily", "AAPL", series(close="7"), input_hash="bars-2")
    clock.advance(timedelta(days=400))
    longer = series(rows=6, sma=[9, 9, 9, np.nan, 1, 2])
    longer["timestamp"] -= pd.Timedelta(days=3)
    again = lake.publish("daily", "AAPL", longer.iloc[3:], input_hash="bars-3")
    assert (again.content_hash, again.path) == (first.content_hash, first.path)
    assert (lake.root / again.path).read_bytes() == before


def test_a_value_that_is_undefined_has_one_hash_however_it_came_to_be(lake: Lake, series: Series) -> None:
    """A NaN has a sign, which depends on the processor and is not in the file."""
    hashes = {lake.publish("daily", "AAPL", series(sma=sma), input_hash="x").content_hash for sma in (np.nan, -np.nan)}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    "changes",
    [{"close": "100.179901"}, {"rows": 2}, {"symbol": "MSFT"}, {"sma": 1.0}, {"sma": np.nan}, {"other": 0.0}],
    ids=["price", "rows", "symbol", "value", "no value", "column"],
)
def test_any_other_content_has_another_hash_and_another_file(
    lake: Lake, series: Series, changes: dict[str, object]
) -> None:
    first = lake.publish("daily", "AAPL", series(**({"sma": 0.0} if "sma" in changes else {})), input_hash="x")
    other = lake.publish("daily", "AAPL", series(**changes), input_hash="x")
    assert other.content_hash != first.content_hash
    assert other.path != first.path


@pytest.mark.parametrize("key", ["BRK/B", "../AAPL", "$SPX", "a b", "%41", "C:\\x", "*?[]{}", "Ünie", ".", ".."])
def test_a_partition_of_any_name_stays_in_its_folder_with_a_file_of_its_own(
    lake: Lake, series: Series, key: str
) -> None:
    file = lake.publish("daily", key, series(), input_hash="x")
    other = lake.publish("daily", "AAPL", series(), input_hash="x")
    assert (lake.root / file.path).resolve().parent == (lake.root / "daily").resolve()
    assert file.path != other.path
    assert len(names(lake)) == 2


def test_a_writer_that_cannot_finish_leaves_the_former_series_current(
    lake: Lake, publish: Publish, series: Series
) -> None:
    """The disk refuses the file in the middle: here by a limit on how long a file may be."""
    resource = pytest.importorskip("resource", reason="only POSIX limits how long a file may be")
    former = publish()
    big = series(rows=20_000, noise=np.random.default_rng(1).random(20_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(StoreUnavailableError, match=r"must be writable: .*; the former series stays current"):
            lake.publish("daily", "AAPL", big, input_hash="bars-2")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert lake.manifest.all_current() == [former]
    assert names(lake) == {Path(former.path).name}
    assert closes(lake.root / former.path) == {Decimal(FIRST)}


def test_a_folder_in_the_place_of_a_file_is_put_aside(lake: Lake, publish: Publish, clock: SettableClock) -> None:
    file = publish()
    path = lake.root / file.path
    path.unlink()
    path.mkdir()
    (path / "somebody's").write_text("notes")
    assert publish() == file
    assert closes(path) == {Decimal(FIRST)}
    (aside,) = names(lake) - {path.name}
    assert (lake.root / "daily" / aside / "somebody's").read_text() == "notes"
    clock.advance(SWEEP_GRACE * 2)
    publish(symbol="MSFT")
    assert aside in names(lake)


def test_a_lake_that_cannot_be_made_is_reported(lake: Lake, publish: Publish) -> None:
    lake.root.parent.mkdir(parents=True)
    lake.root.write_text("not a folder")
    with pytest.raises(StoreUnavailableError, match=f"the lake {lake.root} must be writable"):
        publish()
    assert lake.manifest.all_current() == []


def test_a_manifest_that_cannot_be_changed_leaves_the_former_series_current(
    lake: Lake, publish: Publish, database: Database
) -> None:
    former = publish()
    with database.writing() as connection:
        connection.execute(
            text("create trigger refuse before insert on lake_files begin select raise(abort, 'no room'); end")
        )
    with pytest.raises(StoreUnavailableError, match="no room"):
        publish(close=SECOND)
    assert lake.manifest.all_current() == [former]
    assert closes(lake.root / former.path) == {Decimal(FIRST)}


def test_a_reader_of_the_former_file_is_not_disturbed(lake: Lake, publish: Publish) -> None:
    """A file is never written over: who holds it reads it to its end, who has its name finds it."""
    former = lake.root / publish().path
    with former.open("rb") as held:
        start = held.read(10)
        publish(close=SECOND)
        assert start + held.read() == former.read_bytes()
    assert closes(former) == {Decimal(FIRST)}


def test_the_grace_of_the_former_file_starts_when_it_is_replaced(
    lake: Lake, publish: Publish, clock: SettableClock
) -> None:
    former = lake.root / publish().path
    make_old(former)
    publish(close=SECOND)
    assert former.is_file()
    clock.advance(SWEEP_GRACE)
    publish(symbol="MSFT")
    assert former.is_file()
    clock.advance(timedelta(seconds=1))
    publish(symbol="IBM")
    assert not former.is_file()
    assert {path.name.split("-")[0] for path in (lake.root / "daily").iterdir()} == {"AAPL", "MSFT", "IBM"}


def test_the_sweep_removes_old_strays_and_nothing_else(lake: Lake, publish: Publish, clock: SettableClock) -> None:
    current, other = (lake.root / publish(symbol=symbol).path for symbol in ("AAPL", "MSFT"))
    elsewhere = lake.root / publish(asset="weekly").path
    folder = lake.root / "daily" / "folder"
    folder.mkdir()
    killed, unknown, fresh, stray = (
        lake.root / asset / name
        for asset, name in (
            ("daily", ".AAPL-0.parquet.123"),
            ("daily", "AAPL-0.parquet"),
            ("daily", ".MSFT-0.parquet.456"),
            ("weekly", "AAPL-0.parquet"),
        )
    )
    for path in (killed, unknown, fresh, stray):
        path.write_bytes(b"half of a ser")
    for path in (current, other, elsewhere, folder, killed, unknown, stray):
        make_old(path)
    within = (clock.moment - SWEEP_GRACE + MINUTE).timestamp()
    os.utime(fresh, (within, within))
    publish(symbol="IBM")
    kept = {path: path.exists() for path in (current, other, elsewhere, folder, killed, unknown, fresh, stray)}
    assert [path for path, exists in kept.items() if not exists] == [killed, unknown]


def test_a_series_that_returns_to_what_it_was_is_current_and_stays(
    lake: Lake, publish: Publish, clock: SettableClock
) -> None:
    first = publish()
    publish(close=SECOND)
    clock.advance(SWEEP_GRACE / 2)
    assert publish() == first
    clock.advance(SWEEP_GRACE * 2)
    publish(symbol="MSFT")
    assert closes(lake.root / first.path) == {Decimal(FIRST)}
    assert len(names(lake)) == 2


def test_threads_that_publish_one_partition_all_succeed_and_leave_whole_files(lake: Lake, series: Series) -> None:
    """The same content twice at a time, so that they meet on one name."""
    frames = [series(close=close, rows=2_000) for close in (FIRST, SECOND) for _ in range(2)]
    barrier = threading.Barrier(len(frames))

    def work(frame: pd.DataFrame) -> SeriesFile:
        barrier.wait(30)
        return lake.publish("daily", "AAPL", frame, input_hash="x")

    for _ in range(5):
        with ThreadPoolExecutor(len(frames)) as pool:
            published = list(pool.map(work, frames))
        current = lake.manifest.current("daily", "AAPL")
        assert current in published
        assert names(lake) == {Path(file.path).name for file in published}
        for file, close in zip(published, (FIRST, FIRST, SECOND, SECOND), strict=True):
            assert closes(lake.root / file.path) == {Decimal(close)}


def test_a_reader_meanwhile_always_finds_a_whole_current_file(
    lake: Lake, publish: Publish, database: Database, clock: SettableClock
) -> None:
    publish()
    other = Database(database.url.render_as_string(hide_password=False), RecordingSleeper())
    reader = SeriesManifest(other, clock)
    stop = threading.Event()

    def read() -> set[Decimal]:
        found: set[Decimal] = set()
        while not stop.is_set():
            file = reader.current("daily", "AAPL")
            assert file is not None
            one = closes(lake.root / file.path)
            assert len(one) == 1
            found |= one
        return found

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            for close in (SECOND, FIRST) * 15:
                publish(close=close)
        finally:
            stop.set()
        found = reading.result()
    other.close()
    assert found
    assert found <= {Decimal(FIRST), Decimal(SECOND)}
