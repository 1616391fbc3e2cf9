"""Faults of the world below the store: many writers, kill -9, full disks, read-only files, a server that goes away."""

import multiprocessing
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.store import handlers, schema
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_assets.store.handlers import DatabaseDataHandler
from jutsu_assets.store.rows import bar_rows
from jutsu_core.bars import Bar, to_epoch
from jutsu_core.errors import StoreUnavailableError
from jutsu_core.ports import END_OF_TIME
from tests.support.builders import RecordingSleeper, SettableClock, bar, fetched
from tests.support.postgres import PostgresServer
from tests.support.processes import CHILD_SECONDS, Child, started, started_together
from tests.support.writers import (
    BARS,
    D1,
    SOURCE,
    A,
    B,
    alternate,
    named,
    open_store,
    state,
    states_held,
    version_of,
    write_as_nobody,
    write_number,
    write_own_and_shared,
    write_under_limits,
)

pytestmark = pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork"
)

REFUSED = "attempt to write a readonly database"
KILLS, KILLS_OF_A_PAIR = 50, 5
SEED = 20130301


@pytest.fixture
def store(database: Database, clock: SettableClock) -> SqlBarStore:
    return SqlBarStore(database, SOURCE, clock)


def everything(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return everything in the database, by table."""
    with database.reading() as connection:
        return {
            name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for name, table in schema.metadata.tables.items()
        }


def assert_sound(database: Database) -> None:
    """Let SQLite check every page of its file."""
    if database.is_sqlite:
        with database.reading() as connection:
            assert connection.scalar(text("PRAGMA integrity_check")) == "ok"


def backends(database: Database, name: str) -> set[int]:
    with database.reading() as connection:
        return backends_in(connection, name)


def backends_in(connection: Connection, name: str) -> set[int]:
    """Return the server's processes behind the connections called ``name``."""
    query = text("select pid from pg_stat_activity where application_name = :name")
    return set(connection.scalars(query, {"name": name}))


# Many at once.


@pytest.mark.slow
def test_eight_and_four_processes_writing_at_once_lose_nothing_and_mix_nothing(url: str, database: Database) -> None:
    """Eight build a partition each; four more do so too, and write one that they share in between."""
    store = SqlBarStore(database, SOURCE, SettableClock())
    assert store.version("SHARED", D1) is None  # the schema is there
    of_each = [(url, number, "SHARED" if number >= 8 else None) for number in range(12)]
    seen: set[tuple[Bar, ...]] = set()
    with started_together(write_own_and_shared, *of_each) as children:
        until = time.monotonic() + CHILD_SECONDS
        while any(child.process.is_alive() for child in children) and time.monotonic() < until:
            seen.add(tuple(store.read("SHARED", D1)))
        for child in children:
            child.hear_all()
    assert [child.process.exitcode for child in children] == [0] * 12
    for number in range(12):
        assert tuple(store.read(f"OWN{number}", D1)) == state(number)
        assert store.version(f"OWN{number}", D1) == version_of(state(number))
        assert store.revisions(f"OWN{number}", D1) == []
    whole = {state(number) for number in range(8, 12)}
    assert seen <= {(), *whole}, "bars of two writes must never mix, not even for a reader meanwhile"
    held = states_held(store, "SHARED")
    assert set(held) <= whole
    # What the writers say they did is what is there: no write was lost, and none counted twice.
    inserted, changed = (sum(child.said[-1][place] for child in children) for place in (0, 1))
    assert (inserted, changed) == (BARS, BARS * (len(held) - 1))
    assert len(held) > 1
    assert_sound(database)


# Kill -9.


def written(number: int, symbols: tuple[str, ...]) -> list[list[tuple[Bar, ...]]]:
    """Return every state of each symbol after so many writes of :func:`alternate`."""
    held: dict[str, list[tuple[Bar, ...]]] = {symbol: [] for symbol in symbols}
    for n in range(number):
        symbol, content = write_number(n, symbols)
        held[symbol].append(content)
    return list(held.values())


def live_and_die(child: Child, moments: random.Random) -> None:
    """Kill a child a random while after a random number of its reports."""
    for _ in range(moments.randrange(6)):
        child.hear()
    SystemSleeper().sleep(moments.uniform(0, 0.02))
    child.kill()


@pytest.mark.slow
def test_kill_9_at_fifty_random_moments_leaves_every_partition_old_or_new(url: str, database: Database) -> None:
    """Every life goes on where the last one was ended; what was reported as written is there."""
    moments = random.Random(SEED)  # noqa: S311 - the same moments in every run
    store = SqlBarStore(database, SOURCE, SettableClock())
    in_the_middle = 0
    ends: dict[tuple[str, str], int] = {}
    for kill in range(KILLS):
        pair = (f"PAIR{kill // KILLS_OF_A_PAIR}A", f"PAIR{kill // KILLS_OF_A_PAIR}B")
        done = ends.get(pair, 0)
        with started(alternate, named(url, f"life{kill}"), pair, done) as child:
            live_and_die(child, moments)
        assert child.process.exitcode == -9
        while not database.is_sqlite and backends(database, f"life{kill}"):
            SystemSleeper().sleep(0.002)  # the server still ends what the client began
        reported = [number + 1 for what, number in child.said if what == "done"]
        done = max([done, *reported])
        in_the_middle += bool(child.said) and child.said[-1][0] == "begun"
        held = [states_held(store, symbol) for symbol in pair]
        assert held in [written(done, pair), written(done + 1, pair)]
        ends[pair] = sum(map(len, held))
        assert_sound(database)
    assert in_the_middle > KILLS // 5
    for pair, done in ends.items():
        assert [states_held(store, symbol) for symbol in pair] == written(done, pair)
        store.write(pair[0], D1, fetched(*state(2)))
        assert tuple(store.read(pair[0], D1)) == state(2)


# A full disk.


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url, RecordingSleeper())
    yield database
    database.close()


def allow_pages(database: Database, more: int) -> None:
    """Let the one open connection add so many pages to the file, and no more."""
    with database.writing() as connection:
        pages = connection.scalar(text("PRAGMA page_count")) or 0
        assert connection.scalar(text(f"PRAGMA max_page_count = {pages + more}")) == pages + more


def test_a_full_disk_is_reported_wherever_it_strikes_and_the_store_stays_as_it_was(
    sqlite_database: Database, clock: SettableClock
) -> None:
    """One more page of room for every attempt, until there is enough for the revisions and for the new bars."""
    store = SqlBarStore(sqlite_database, SOURCE, clock)
    half = BARS // 2
    store.write("AAPL", D1, fetched(*A[:half]))
    before = everything(sqlite_database)
    for room in count():
        allow_pages(sqlite_database, room)
        try:
            store.write("AAPL", D1, fetched(*B))
        except StoreUnavailableError as error:
            assert "database or disk is full; nothing was half written" in str(error)  # noqa: PT017
            assert everything(sqlite_database) == before
            assert_sound(sqlite_database)
        else:
            break
    assert room > 3, "it must have been full in several places"
    assert tuple(store.read("AAPL", D1)) == B
    assert store.version("AAPL", D1) == version_of(B)
    said = [(one.former, one.successor) for one in store.revisions("AAPL", D1)]
    assert said == list(zip(A[:half], B, strict=False))
    assert_sound(sqlite_database)


def test_a_file_that_may_not_grow_is_reported_and_the_next_write_works(
    sqlite_url: str, sqlite_database: Database, clock: SettableClock
) -> None:
    """The system refuses to write, in another process, at several sizes."""
    store = SqlBarStore(sqlite_database, SOURCE, clock)
    store.write("AAPL", D1, fetched(*A))
    sqlite_database.close()
    limits = [40_000, 60_000, 80_000, 100_000]
    with started(write_under_limits, sqlite_url, limits) as child:
        child.hear_all()
    *refused, last = child.said
    assert len(refused) == len(limits)
    assert all("must be reachable and writable: OperationalError" in error for error in refused)
    assert last == "written"
    assert states_held(store, "AAPL") == [A, B]
    assert_sound(sqlite_database)


# Files that may only be read.


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Yield a folder below ones that everybody may enter; pytest's own are private."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("of_folder", "of_file", "read"),
    [(0o555, 0o444, REFUSED), (0o777, 0o444, "read 500"), (0o777, 0o000, "unable to open database file")],
    ids=["folder", "file", "nothing"],
)
def test_what_may_only_be_read_is_reported_and_left_alone(
    open_folder: Path, of_folder: int, of_file: int, read: str
) -> None:
    """SQLite's log lies beside the file, so that a folder without writing has no reading either."""
    path = open_folder / "jutsu.db"
    url = f"sqlite:///{path}"
    database, store = open_store(url)
    store.write("AAPL", D1, fetched(*A))
    database.close()
    before = path.read_bytes()
    path.chmod(of_file)
    open_folder.chmod(of_folder)
    with started(write_as_nobody, url) as child:
        child.hear_all()
    assert child.process.exitcode == 0
    was_read, was_written = child.said
    assert read in was_read
    assert was_written.startswith(f"the database {url} must be reachable and writable: OperationalError: ")
    assert (REFUSED if of_file else read) in was_written
    path.chmod(0o644)
    assert path.read_bytes() == before


def test_a_file_that_is_opened_for_reading_alone_is_read_and_left_alone(
    sqlite_url: str, sqlite_database: Database, clock: SettableClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As SQLite spells it; such a name is no path, and no folder is made of it."""
    SqlBarStore(sqlite_database, SOURCE, clock).write("AAPL", D1, fetched(*A))
    before = everything(sqlite_database)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    reading_alone = sqlite_url.replace("sqlite:///", "sqlite:///file:") + "?mode=ro&uri=true"
    database = Database(reading_alone, RecordingSleeper())
    store = SqlBarStore(database, SOURCE, clock)
    assert tuple(store.read("AAPL", D1)) == A
    with pytest.raises(StoreUnavailableError, match=f"{REFUSED}; nothing was half written"):
        store.write("AAPL", D1, fetched(*B))
    database.close()
    assert everything(sqlite_database) == before
    assert list(elsewhere.iterdir()) == []


# A server that goes away.

ENDINGS = {
    "inserting": ("before insert on bars", "new.ts = {middle}", ""),
    "keeping revisions": ("before insert on bar_revisions", "new.ts = {middle}", ""),
    "setting the version": ("before update on partition_versions", "true", ""),
    "committing": ("after insert on bars", "new.ts = {middle}", "constraint"),
}
"""When the server ends the writer's own connection; a constraint that is deferred is looked at by the commit."""


def end_the_writer(database: Database, place: str, middle: datetime) -> None:
    """Let the server itself end the connection that writes, as an administrator or a restart would."""
    event, when, kind = ENDINGS[place]
    function = (
        "create function ending() returns trigger language plpgsql as"
        " $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$"
    )
    trigger = (
        f"create {kind} trigger ending {event} {'deferrable initially deferred' if kind else ''}"
        f" for each row when ({when.format(middle=to_epoch(middle))}) execute function ending()"
    )
    with database.writing() as connection:
        connection.execute(text(function))
        connection.execute(text(trigger))


@pytest.mark.slow
@pytest.mark.parametrize("bars", [BARS, 5], ids=["many bars", "few bars"])
@pytest.mark.parametrize("place", ENDINGS)
def test_a_server_that_goes_away_during_a_write_leaves_nothing_half_written(
    postgres_url: str, clock: SettableClock, place: str, bars: int, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(postgres_url, RecordingSleeper())
    store = SqlBarStore(database, SOURCE, clock)
    store.write("AAPL", D1, fetched(*A[:bars]))
    before = everything(database)
    end_the_writer(database, place, A[bars // 2].timestamp)
    with pytest.raises(StoreUnavailableError, match=r"must be reachable and writable: .*; nothing was half written"):
        store.write("AAPL", D1, fetched(*B[:bars]))
    assert caplog.messages == [], "the error says it all"
    assert everything(database) == before
    with database.writing() as connection:
        connection.execute(text("drop function ending() cascade"))
    assert store.write("AAPL", D1, fetched(*B[:bars])).changed == bars
    assert states_held(store, "AAPL") == [A[:bars], B[:bars]]
    database.close()


def end_all(postgres: PostgresServer, name: str) -> None:
    """End every connection called ``name``, and wait until they have ended."""
    those = f"where application_name = '{name}'"
    postgres.execute(f"select pg_terminate_backend(pid, 30000) from pg_stat_activity {those}")  # noqa: S608 - our own


def test_a_write_that_lost_its_server_is_reported_and_the_next_one_works(
    postgres: PostgresServer, postgres_url: str, clock: SettableClock
) -> None:
    """The connection is ended from outside, between two statements of a transaction."""

    class Ending(SettableClock):
        def now(self) -> datetime:
            end_all(postgres, "loser")
            return super().now()

    database = Database(named(postgres_url, "loser"), RecordingSleeper())
    store = SqlBarStore(database, SOURCE, clock)
    store.write("AAPL", D1, fetched(*A))
    before = everything(database)
    with pytest.raises(StoreUnavailableError, match="nothing was half written"):
        SqlBarStore(database, SOURCE, Ending()).write("AAPL", D1, fetched(*B))
    assert everything(database) == before
    assert store.write("AAPL", D1, fetched(*B)).changed == BARS
    database.close()


def test_a_stream_goes_on_where_its_server_was_lost_between_two_bars(
    postgres: PostgresServer, postgres_url: str, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No connection is held between them, and each piece is of the state in which the stream began."""
    monkeypatch.setattr(handlers, "_STREAMED_ROWS", 0)
    monkeypatch.setattr(handlers, "_LEAST_STREAMED_ROWS", 2)
    handler = DatabaseDataHandler(named(postgres_url, "reader"), create=True)
    store = SqlBarStore(handler.database, SOURCE, clock)
    store.write("AAPL", D1, fetched(*A))
    stream = handler.get_next_bar()
    seen = [next(stream)]
    end_all(postgres, "reader")
    seen += stream
    assert [event.timestamp for event in seen] == [one.timestamp for one in A]
    handler.database.close()


def test_connections_that_ended_while_idle_are_not_noticed(
    postgres: PostgresServer, postgres_url: str, clock: SettableClock
) -> None:
    sleeper = RecordingSleeper()
    database, observer = Database(named(postgres_url, "idle"), sleeper), Database(postgres_url, sleeper)
    store = SqlBarStore(database, SOURCE, clock)
    store.write("AAPL", D1, fetched(*A))
    for use in (lambda: store.read("AAPL", D1), lambda: store.write("AAPL", D1, fetched(*A)).unchanged):
        with database.reading(), database.reading(), database.reading():
            before = backends(observer, "idle")
        end_all(postgres, "idle")
        assert backends(observer, "idle") == set()
        for _ in range(5):
            assert use() in (list(A), BARS)
        after = backends(observer, "idle")
        assert len(before) == 3
        assert len(after) >= 1
        assert not before & after
    assert sleeper.pauses == []
    database.close()
    observer.close()


def test_twelve_threads_reading_at_once_share_five_connections(postgres_url: str, clock: SettableClock) -> None:
    """The first five hold theirs until all five have one; every reader counts while it reads."""
    database = Database(named(postgres_url, "threads"), RecordingSleeper())
    SqlBarStore(database, SOURCE, clock).write("AAPL", D1, fetched(*A))
    place, five, all_here = count(), threading.Barrier(5), threading.Barrier(12)

    def read() -> list[set[int]]:
        seen = []
        all_here.wait(CHILD_SECONDS)
        for _ in range(10):
            with database.reading() as connection:
                if next(place) < 5:
                    five.wait(CHILD_SECONDS)
                assert len(bar_rows(connection).between("AAPL", D1.value, 0, to_epoch(END_OF_TIME))) == BARS
                seen.append(backends_in(connection, "threads"))
        return seen

    with ThreadPoolExecutor(12) as pool:
        seen = [found for future in [pool.submit(read) for _ in range(12)] for found in future.result()]
    assert len(seen) == 120
    assert max(map(len, seen)) == 5
    assert len(set().union(*seen)) == 5, "the same five throughout"
    database.close()


def test_a_writer_that_hangs_blocks_others_for_a_time_and_no_longer(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On both databases, with a clear error; the connection that waited is as good as before."""
    monkeypatch.setattr("jutsu_assets.store.engine._BUSY_TIMEOUT_SECONDS", 0.2)
    hanging, waiting = Database(url, SystemSleeper()), Database(url, SystemSleeper())
    store = SqlBarStore(waiting, "scripted", SystemClock())
    store.write("AAPL", D1, fetched(bar(date(2013, 2, 25))))
    with hanging.writing() as connection:
        hanging.take_turn(connection, "bars/AAPL/1d")
        with pytest.raises(StoreUnavailableError, match=r"lock"):
            store.write("AAPL", D1, fetched(bar(date(2013, 2, 26))))
    assert store.write("AAPL", D1, fetched(bar(date(2013, 2, 26)))).inserted == 1
    if waiting.is_sqlite:
        with waiting.asking() as connection:
            assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000
    hanging.close()
    waiting.close()
