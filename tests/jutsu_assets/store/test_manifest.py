"""The manifest of the lake: one current file a partition, replaced whole."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select

from jutsu_assets.store import schema
from jutsu_assets.store.engine import Database
from jutsu_assets.store.manifest import SeriesFile, SeriesManifest
from jutsu_core.bars import to_epoch
from jutsu_core.errors import StoreUnavailableError
from tests.support.builders import NOON, RecordingSleeper, SettableClock

FIRST = SeriesFile(
    asset="daily_indicators",
    partition_key="AAPL",
    path="daily_indicators/AAPL-0001.parquet",
    input_hash="bars-1",
    content_hash="series-1",
    rows=3_270,
)
SECOND = replace(FIRST, path="daily_indicators/AAPL-0002.parquet", input_hash="bars-2", content_hash="series-2", rows=1)


@pytest.fixture
def manifest(database: Database, clock: SettableClock) -> SeriesManifest:
    return SeriesManifest(database, clock)


def test_an_empty_manifest_knows_no_file(manifest: SeriesManifest) -> None:
    assert manifest.current("daily_indicators", "AAPL") is None
    assert manifest.all_current() == []


def test_a_published_file_is_the_current_one_of_its_partition_and_of_no_other(manifest: SeriesManifest) -> None:
    manifest.publish(FIRST)
    assert manifest.current("daily_indicators", "AAPL") == FIRST
    for asset, key in (("daily_indicators", "MSFT"), ("other", "AAPL"), ("AAPL", "daily_indicators")):
        assert manifest.current(asset, key) is None


def test_a_later_file_takes_the_place_of_the_former(manifest: SeriesManifest) -> None:
    manifest.publish(FIRST)
    manifest.publish(SECOND)
    assert manifest.current("daily_indicators", "AAPL") == SECOND
    assert manifest.all_current() == [SECOND]


def test_the_same_file_computed_from_other_input_changes_the_input_hash_alone(manifest: SeriesManifest) -> None:
    manifest.publish(FIRST)
    manifest.publish(replace(FIRST, input_hash="bars-9"))
    assert manifest.current("daily_indicators", "AAPL") == replace(FIRST, input_hash="bars-9")


def test_all_files_come_ordered_by_asset_and_partition(manifest: SeriesManifest) -> None:
    files = [replace(FIRST, asset=asset, partition_key=key) for asset in ("a", "b") for key in ("AAPL", "BRK/B", "X'")]
    for file in reversed(files):
        manifest.publish(file)
    assert manifest.all_current() == files


def test_it_is_recorded_when_a_file_became_current(
    manifest: SeriesManifest, database: Database, clock: SettableClock
) -> None:
    manifest.publish(FIRST)
    clock.moment = NOON.replace(hour=20)
    manifest.publish(SECOND)
    with database.reading() as connection:
        assert list(connection.scalars(select(schema.lake_files.c.recorded_at))) == [to_epoch(clock.moment)]


def test_another_process_sees_what_was_published(manifest: SeriesManifest, url: str) -> None:
    other = Database(url, RecordingSleeper())
    reader = SeriesManifest(other, SettableClock())
    assert reader.current("daily_indicators", "AAPL") is None
    for file in (FIRST, SECOND):
        manifest.publish(file)
        assert reader.current("daily_indicators", "AAPL") == file
    other.close()


def test_a_file_that_cannot_be_published_leaves_the_former_one_current(manifest: SeriesManifest) -> None:
    """The database itself refuses the row, after the former one was removed."""
    manifest.publish(FIRST)
    with pytest.raises(StoreUnavailableError, match="nothing was half written"):
        manifest.publish(replace(SECOND, rows=None))  # type: ignore[arg-type]
    assert manifest.all_current() == [FIRST]


def test_a_reader_meanwhile_finds_one_whole_file_or_the_other_and_never_none(
    manifest: SeriesManifest, url: str
) -> None:
    manifest.publish(FIRST)
    other = Database(url, RecordingSleeper())
    reader = SeriesManifest(other, SettableClock())
    stop = threading.Event()

    def read() -> list[SeriesFile | None]:
        found = []
        while not stop.is_set():
            found.append(reader.current("daily_indicators", "AAPL"))
        return found

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            for _ in range(30):
                manifest.publish(SECOND)
                manifest.publish(FIRST)
        finally:
            stop.set()
        found = reading.result()
    other.close()
    assert found
    assert all(file in (FIRST, SECOND) for file in found)


def test_threads_that_publish_one_partition_leave_one_whole_file(manifest: SeriesManifest) -> None:
    files = [replace(FIRST, path=f"{n}", input_hash=f"{n}", content_hash=f"{n}", rows=n) for n in range(40)]
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(manifest.publish, files))
    (left,) = manifest.all_current()
    assert left in files
