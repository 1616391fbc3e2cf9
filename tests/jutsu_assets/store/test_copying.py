"""Moving a store to another database keeps everything, down to what was known when."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from jutsu_assets.store import schema
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.copying import copy_store
from jutsu_assets.store.engine import Database
from jutsu_assets.store.failures import PartitionFailures
from jutsu_assets.store.findings import FindingsLedger
from jutsu_assets.store.handlers import DatabaseDataHandler
from jutsu_assets.store.manifest import input_hash_of
from jutsu_assets.store.reports import PerformanceReports, StoredReport
from jutsu_assets.store.upgrade import HEAD
from jutsu_core.bars import RejectedBar, Timeframe
from jutsu_core.errors import NoDataError, StoreError
from jutsu_core.quality.findings import Finding
from tests.support.bar_store_contract import FAR_AHEAD, LONG_AGO, WEEK
from tests.support.builders import NOON, RecordingSleeper, SettableClock, bar, fetched
from tests.support.old_stores import make_store_of_0_1

D1 = Timeframe.D1
HOLE = Finding("no_session_is_missing", WEEK[0], "no bar")
AWKWARD = '{"low": "≤\\N\t\\t", "high":\n"\\.", "name": "株"}'


def nothing(_table: str, _done: int, _total: int) -> None:
    """Show no progress."""


def everything(database: Database) -> dict[str, list[tuple[object, ...]]]:
    with database.reading() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for table in schema.metadata.sorted_tables
            if table is not schema.api_requests
        }


def fill(database: Database) -> None:
    clock = SettableClock()
    store = SqlBarStore(database, "scripted", clock)
    store.write("AAPL", D1, fetched(*(bar(day) for day in WEEK), rejected=[RejectedBar(AWKWARD, "bad")]))
    clock.advance(timedelta(days=1))
    store.write("AAPL", D1, fetched(*(bar(day, "50") for day in WEEK)))
    store.write("MSFT", D1, fetched(bar(WEEK[0])))
    ledger = FindingsLedger(database, clock)
    ledger.record("AAPL", D1, basis="b", findings=[HOLE, Finding("no_candle_is_quarantined", None, AWKWARD)])
    ledger.acknowledge("AAPL", D1, HOLE.rule, WEEK[0], reason=AWKWARD, by="ada")
    PartitionFailures(database, clock).record(["IBM"], ["daily_bars"], AWKWARD)


@pytest.fixture(params=["from sqlite", pytest.param("from postgres", marks=pytest.mark.slow)])
def way(request: pytest.FixtureRequest, sqlite_url: str, postgres_url: str) -> Iterator[tuple[Database, Database]]:
    urls = (sqlite_url, postgres_url) if request.param == "from sqlite" else (postgres_url, sqlite_url)
    source, target = (Database(url, RecordingSleeper()) for url in urls)
    yield source, target
    source.close()
    target.close()


def test_everything_arrives(way: tuple[Database, Database]) -> None:
    source, target = way
    fill(source)
    seen: list[tuple[str, int, int]] = []
    copied = copy_store(source, target, lambda *told: seen.append(told))
    assert everything(target) == everything(source)
    assert copied.rows["bars"] == 6
    kept = {table: len(everything(target)[table]) for table in ("bar_verdicts", "bar_findings", "acknowledgements")}
    assert kept == {"bar_verdicts": 1, "bar_findings": 2, "acknowledgements": 1}
    assert len(everything(target)["partition_failures"]) == 1
    assert copied.rows["bar_revisions"] == 5
    assert {"bars", "bar_revisions", "coverage"} <= {table for table, _, _ in seen}
    assert {total for _, _, total in seen} == {sum(copied.rows.values())}
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert seen[-1][1] == seen[-1][2]


def test_what_was_known_when_is_the_same_in_the_copy(way: tuple[Database, Database]) -> None:
    source, target = way
    fill(source)
    copy_store(source, target, nothing)
    then = NOON + timedelta(hours=1)
    known = []
    for database in way:
        handler = DatabaseDataHandler(database.url.render_as_string(hide_password=False), as_of=then)
        known.append(handler.get_bars_range("AAPL", LONG_AGO, FAR_AHEAD))
        handler.database.close()
    assert known[0] == known[1]
    assert {event.close for event in known[1]} == {100}


def test_the_copy_goes_on_as_a_store(way: tuple[Database, Database]) -> None:
    source, target = way
    fill(source)
    copy_store(source, target, nothing)
    store = SqlBarStore(target, "scripted", SettableClock())
    assert store.write("AAPL", D1, fetched(*(bar(day, "50") for day in WEEK))).unchanged == 5


def test_a_target_that_holds_something_is_refused_and_left_alone(way: tuple[Database, Database]) -> None:
    source, target = way
    fill(source)
    SqlBarStore(target, "scripted", SettableClock()).write("IBM", D1, fetched(bar(WEEK[0])))
    before = everything(target)
    with pytest.raises(StoreError, match=r"must be empty to take a copy, but its table \w+ holds rows"):
        copy_store(source, target, nothing)
    assert everything(target) == before


def test_a_copy_onto_itself_is_refused(database: Database) -> None:
    with pytest.raises(StoreError, match="must go to another database"):
        copy_store(database, database, nothing)


def test_a_copy_that_is_interrupted_leaves_nothing(way: tuple[Database, Database]) -> None:
    source, target = way
    fill(source)

    def interrupt(table: str, _done: int, _total: int) -> None:
        if table == "bars":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_store(source, target, interrupt)
    assert everything(target)["bars"] == []
    copy_store(source, target, nothing)
    assert everything(target) == everything(source)


def test_an_older_store_is_refused_and_left_alone(url: str, tmp_path: Path) -> None:
    make_store_of_0_1(url)
    source = Database(url, RecordingSleeper(), create=False)
    target = Database(f"sqlite:///{tmp_path / 'target.db'}", RecordingSleeper())
    with pytest.raises(StoreError, match=rf"must be of revision {HEAD} to be copied, is 0001"):
        copy_store(source, target, nothing)
    assert everything(target)["bars"] == []
    source.close()
    target.close()


def test_a_mistyped_source_is_an_error_and_makes_no_store(tmp_path: Path) -> None:
    source, target = (f"sqlite:///{tmp_path / name}.db" for name in ("typo", "target"))
    with pytest.raises(NoDataError, match="there must be a store at"):
        copy_store(Database(source, RecordingSleeper(), create=False), Database(target, RecordingSleeper()), nothing)
    assert list(tmp_path.iterdir()) == []


def test_a_hash_that_sqlite_let_in_although_it_is_too_long_arrives_as_long_as_it_may_be(
    sqlite_url: str, postgres_url: str
) -> None:
    source, target = (Database(url, RecordingSleeper()) for url in (sqlite_url, postgres_url))
    hashed = f"{'a' * 32}-{'b' * 64}"
    PerformanceReports(source, SettableClock()).save("AAPL", StoredReport(hashed, {}))
    copy_store(source, target, nothing)
    assert (
        PerformanceReports(target, SettableClock()).input_hash("AAPL")
        == hashed[:64]
        == input_hash_of("a" * 64, "b" * 64)
    )
    source.close()
    target.close()
