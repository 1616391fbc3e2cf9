"""Bars in SQL: the contract of every store, and what only this one promises."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from jutsu_assets.store import schema
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_core.bars import MAX_VOLUME, Bar, RejectedBar, Timeframe, to_epoch
from jutsu_core.errors import InvalidInputError, MixedSourceError, StoreError, StoreUnavailableError
from jutsu_core.ports import BarStore
from tests.support.bar_store_contract import FAR_AHEAD, LONG_AGO, WEEK, BarStoreContract
from tests.support.builders import NOON, SettableClock, bar, fetched
from tests.support.memory_store import MemoryBarStore
from tests.support.processes import started_together
from tests.support.writers import start_fresh

D1 = Timeframe.D1
DAY = timedelta(days=1)
CHILD_SECONDS = 60.0


class TestMemoryBarStore(BarStoreContract):
    """The fake that the core's tests stand on."""

    @pytest.fixture
    def store(self, clock: SettableClock) -> BarStore:
        return MemoryBarStore(clock)


class TestSqlBarStore(BarStoreContract):
    """The real one."""

    @pytest.fixture
    def store(self, database: Database, clock: SettableClock) -> BarStore:
        return SqlBarStore(database, "scripted", clock)


@pytest.fixture
def store(database: Database, clock: SettableClock) -> SqlBarStore:
    return SqlBarStore(database, "scripted", clock)


def table_rows(database: Database, name: str) -> list[tuple[object, ...]]:
    """Return everything in a table, in the order of its key."""
    table = schema.metadata.tables[name]
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]


def everything(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return everything in the database, by table."""
    return {name: table_rows(database, name) for name in schema.metadata.tables}


def refuse(database: Database, event: str, *, when: str, because: str) -> None:
    """Let the database itself refuse some rows of ``bars``."""
    if database.is_sqlite:
        statements = [
            f"create trigger refuse before {event} on bars when {when} begin select raise(abort, '{because}'); end"
        ]
    else:
        statements = [
            f"create function refusal() returns trigger language plpgsql as $$ begin raise '{because}'; end $$",
            f"create trigger refuse before {event} on bars for each row when ({when}) execute function refusal()",
        ]
    with database.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_a_restated_bar_leaves_its_former_values_with_both_times(
    store: SqlBarStore, database: Database, clock: SettableClock
) -> None:
    first, second, third = (bar(WEEK[0], close) for close in ("100", "101.25", "102"))
    times = []
    for restated in (first, second, second, third):
        store.write("AAPL", D1, fetched(restated))
        times.append(to_epoch(clock.moment))
        clock.advance(DAY)
    ts = to_epoch(first.timestamp)
    assert table_rows(database, "bar_revisions") == [
        ("AAPL", "1d", ts, *first[1:], "scripted", times[0], times[1]),
        ("AAPL", "1d", ts, *second[1:], "scripted", times[1], times[3]),
    ]
    assert table_rows(database, "bars") == [("AAPL", "1d", ts, *third[1:], "scripted", times[3])]


def test_only_the_bars_that_differ_are_recorded_anew(
    store: SqlBarStore, database: Database, clock: SettableClock
) -> None:
    store.write("AAPL", D1, fetched(*(bar(day) for day in WEEK)))
    clock.advance(DAY)
    store.write("AAPL", D1, fetched(*(bar(day, "7" if day == WEEK[2] else "100") for day in WEEK)))
    recorded = [row[-1] for row in table_rows(database, "bars")]
    later, sooner = to_epoch(NOON + DAY), to_epoch(NOON)
    assert recorded == [sooner, sooner, later, sooner, sooner]
    assert len(table_rows(database, "bar_revisions")) == 1


@pytest.mark.parametrize("step", [timedelta(0), -DAY], ids=["the clock stands still", "the clock is set back"])
def test_the_times_of_revisions_never_meet_whatever_the_clock_does(
    store: SqlBarStore, database: Database, clock: SettableClock, step: timedelta
) -> None:
    for close in range(1, 6):
        store.write("AAPL", D1, fetched(bar(WEEK[0], str(close))))
        clock.advance(step)
    revisions = table_rows(database, "bar_revisions")
    spans = [row[-2:] for row in revisions]
    assert len(spans) == 4
    assert spans == [(to_epoch(NOON) + n, to_epoch(NOON) + n + 1) for n in range(4)]


def test_a_rewrite_of_the_same_touches_nothing_but_the_coverage(
    store: SqlBarStore, database: Database, clock: SettableClock
) -> None:
    rejected = [RejectedBar("x", "bad")]
    store.write("AAPL", D1, fetched(*(bar(day) for day in WEEK), rejected=rejected))
    before = everything(database)
    clock.advance(DAY)
    store.write("AAPL", D1, fetched(*(bar(day) for day in WEEK), rejected=rejected))
    assert everything(database) == before


def test_bars_of_another_source_are_refused_and_nothing_is_written(
    store: SqlBarStore, database: Database, clock: SettableClock
) -> None:
    store.write("AAPL", D1, fetched(bar(WEEK[0])))
    before = everything(database)
    other = SqlBarStore(database, "schwab", clock)
    with pytest.raises(MixedSourceError, match="must keep bars of one source: it holds bars of 'scripted'"):
        other.write("MSFT", D1, fetched(bar(WEEK[0])))
    assert everything(database) == before


def test_a_row_that_fails_in_the_middle_rolls_everything_back(store: SqlBarStore, database: Database) -> None:
    """The third of five new bars is refused, after a restatement, by the database itself."""
    store.write("AAPL", D1, fetched(bar(WEEK[0])))
    refuse(database, "insert", when=f"new.ts = {to_epoch(bar(WEEK[3]).timestamp)}", because="no room")
    before = everything(database)
    answer = fetched(
        bar(WEEK[0], "1"), *(bar(day) for day in WEEK[1:]), start=LONG_AGO, rejected=[RejectedBar("x", "bad")]
    )
    with pytest.raises(StoreUnavailableError, match=r"no room.*; nothing was half written"):
        store.write("AAPL", D1, answer)
    assert everything(database) == before


def test_a_change_that_fails_keeps_no_revision(store: SqlBarStore, database: Database) -> None:
    store.write("AAPL", D1, fetched(*(bar(day) for day in WEEK)))
    refuse(database, "insert", when="true", because="read only")
    before = everything(database)
    with pytest.raises(StoreUnavailableError, match="read only"):
        store.write("AAPL", D1, fetched(bar(WEEK[1], "7")))
    assert everything(database) == before


def test_a_volume_beyond_64_bits_writes_nothing_of_its_answer(store: SqlBarStore, database: Database) -> None:
    store.write("AAPL", D1, fetched(bar(WEEK[0])))
    before = everything(database)
    with pytest.raises(InvalidInputError, match="volume must be an int of at most 63 bits"):
        store.write("AAPL", D1, fetched(bar(WEEK[0], "1"), bar(WEEK[1]), bar(WEEK[2], volume=MAX_VOLUME + 1)))
    assert everything(database) == before


def test_the_largest_values_are_kept_exactly(store: SqlBarStore) -> None:
    most = MAX_VOLUME
    largest = Bar(bar(WEEK[0]).timestamp, most - 1, most, most - 3, most - 2, most)
    store.write("AAPL", D1, fetched(largest))
    assert store.read("AAPL", D1, LONG_AGO, FAR_AHEAD) == [largest]


@pytest.mark.parametrize(
    ("harm", "wrong"),
    [
        (
            "update bars set close = 7 where symbol = 'AAPL' and ts = (select max(ts) from bars)",
            "content hash",
        ),
        ("update partition_versions set content_hash = '' where symbol = 'AAPL'", "content hash"),
        (
            "delete from bars where symbol = 'AAPL' and ts = (select max(ts) from bars)",
            "content hash, number of bars, last bar",
        ),
        ("delete from partition_versions where symbol = 'AAPL'", "content hash, number of bars, first bar, last bar"),
    ],
    ids=["a price", "the hash", "a bar that is gone", "the version"],
)
def test_what_is_recorded_of_a_partition_must_be_what_its_bars_say(
    store: SqlBarStore, database: Database, harm: str, wrong: str
) -> None:
    answer = fetched(*(bar(day) for day in WEEK), start=LONG_AGO, end=FAR_AHEAD)
    for symbol in ("AAPL", "MSFT"):
        store.write(symbol, D1, answer)
    store.refuse_untrue("AAPL", D1)
    with database.writing() as connection:
        connection.execute(text(harm))
    with pytest.raises(StoreError, match=rf"recorded of AAPL 1d must be .* \({wrong}\): .* verify: true"):
        store.refuse_untrue("AAPL", D1)
    store.refuse_untrue("MSFT", D1)
    store.refuse_untrue("NEVER", D1)
    store.write("AAPL", D1, answer, replace=True)
    store.refuse_untrue("AAPL", D1)


def test_a_partition_whose_bars_were_all_withdrawn_is_true(store: SqlBarStore) -> None:
    store.write("AAPL", D1, fetched(bar(WEEK[0]), start=LONG_AGO, end=FAR_AHEAD))
    store.write("AAPL", D1, fetched(start=LONG_AGO, end=FAR_AHEAD), replace=True)
    store.refuse_untrue("AAPL", D1)


@pytest.mark.slow
def test_ten_processes_on_a_fresh_database_make_one_schema(url: str, database: Database) -> None:
    with started_together(start_fresh, *((url, number) for number in range(10))) as children:
        for child in children:
            child.hear_all()
    assert [child.said for child in children] == [[1]] * 10
    assert sorted(table_rows(database, "store_facts")) == [("schema_version", "2"), ("source", "scripted")]
    assert len(table_rows(database, "bars")) == 10


def test_versions_and_content_hashes_say_the_same_of_every_symbol_with_a_bar(store: SqlBarStore) -> None:
    assert store.content_hashes(D1) == {}
    bars = [bar(day, "100") for day in WEEK]
    store.write("AAPL", D1, fetched(*bars))
    store.write("IBM", D1, fetched(*bars[:2]))
    store.write("MSFT", D1, fetched(start=bars[0].timestamp, end=bars[1].timestamp))
    assert list(store.versions(D1)) == ["AAPL", "IBM"]
    assert store.content_hashes(D1) == {symbol: version.content_hash for symbol, version in store.versions(D1).items()}
    assert store.content_hashes(Timeframe.M1) == {}
