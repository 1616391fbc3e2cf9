"""The connection: the first schema, refusals, retries, transactions, threads and forks."""

import multiprocessing
import os
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, func, insert, inspect, select, text

from jutsu_assets.clock import SystemSleeper
from jutsu_assets.store import engine as engine_module
from jutsu_assets.store import schema
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_assets.store.health import examine
from jutsu_assets.store.upgrade import VERSION_TABLE
from jutsu_core.bars import Timeframe, from_epoch, to_epoch
from jutsu_core.errors import ConfigurationError, NoDataError, StoreUnavailableError
from tests.support.builders import RecordingSleeper, SettableClock
from tests.support.postgres import PostgresServer

FACTS = schema.store_facts


def set_fact(database: Database, name: str, value: str) -> None:
    with database.writing() as connection:
        connection.execute(insert(FACTS), {"name": name, "value": value})


def facts(database: Database) -> dict[str, str]:
    with database.reading() as connection:
        return {row.name: row.value for row in connection.execute(select(FACTS.c.name, FACTS.c.value))}


@given(st.datetimes(timezones=st.timezones()))
def test_instants_survive_the_round_trip_exactly(moment: datetime) -> None:
    assert from_epoch(to_epoch(moment)) == moment.astimezone(UTC)


def test_nothing_is_opened_before_the_first_transaction(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'below' / 'jutsu.db'}", RecordingSleeper())
    assert list(tmp_path.iterdir()) == []
    assert facts(database) == {"schema_version": "2"}
    database.close()
    assert (tmp_path / "below" / "jutsu.db").is_file()


def test_the_first_transaction_creates_every_table(database: Database) -> None:
    with database.reading() as connection:
        assert set(inspect(connection).get_table_names()) == {*schema.metadata.tables, VERSION_TABLE}


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP"])
def test_a_server_database_that_cannot_keep_every_character_is_refused(postgres: PostgresServer, encoding: str) -> None:
    with postgres.fresh_database_url(encoding) as url:
        database = Database(url, RecordingSleeper())
        with pytest.raises(ConfigurationError, match=rf"its encoding {encoding} does not: make another \(createdb"):
            facts(database)
        engine = create_engine(url)
        assert inspect(engine).get_table_names() == []
        engine.dispose()


@pytest.mark.parametrize("client", ["LATIN1", None])
@pytest.mark.parametrize("encoding", ["UTF8", "SQL_ASCII"])
def test_every_character_comes_back_whatever_the_client_is_set_to(
    postgres: PostgresServer, encoding: str, client: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if client is not None:
        monkeypatch.setenv("PGCLIENTENCODING", client)
    with postgres.fresh_database_url(encoding) as url:
        database = Database(url, RecordingSleeper())
        set_fact(database, "answer", '{"low": "→ ≤ 7", "名": "株"}')
        assert facts(database)["answer"] == '{"low": "→ ≤ 7", "名": "株"}'
        assert examine(database).is_sound
        database.close()


def test_sqlite_writes_ahead_and_waits_for_other_writers(sqlite_url: str) -> None:
    database = Database(sqlite_url, RecordingSleeper())
    with database.reading() as connection:
        pragmas = {
            name: connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "busy_timeout", "synchronous")
        }
    database.close()
    assert pragmas == {"journal_mode": "wal", "busy_timeout": 30_000, "synchronous": 1}


def test_postgres_reads_see_one_state_throughout(postgres_url: str) -> None:
    database, other = Database(postgres_url, RecordingSleeper()), Database(postgres_url, RecordingSleeper())
    with database.reading() as connection:
        before = connection.scalar(select(func.count()).select_from(FACTS))
        set_fact(other, "meanwhile", "written")
        assert connection.scalar(select(func.count()).select_from(FACTS)) == before
    assert "meanwhile" in facts(database)
    database.close()
    other.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite",
        "postgresql://host:port/name",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file::memory:?uri=true",
    ],
)
def test_a_url_that_names_no_database_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError, match="must be"):
        Database(url, RecordingSleeper())


@pytest.mark.parametrize("url", ["postgres//me:very-secret@host/name", "postgresql://me:very-secret@host:port/name"])
def test_a_url_that_cannot_be_understood_is_shown_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="JUTSU_DATABASE_URL must be a SQLAlchemy URL") as caught:
        Database(url, RecordingSleeper())
    assert "very-secret" not in str(caught.value)
    assert "host" in str(caught.value)


def test_a_password_is_not_shown() -> None:
    assert "very-secret" not in repr(Database("postgresql+psycopg://me:very-secret@host/name", RecordingSleeper()))


@pytest.mark.parametrize(
    "url", ["mongodb://me:very-secret@host/name", "postgresql+psycopg2://me:very-secret@host/name", "mysql://host/name"]
)
def test_a_database_or_driver_that_is_not_supported_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError, match="must be SQLite or PostgreSQL by psycopg") as caught:
        Database(url, RecordingSleeper())
    assert "very-secret" not in str(caught.value)


def test_a_driver_that_is_not_there_is_a_matter_of_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    sleeper = RecordingSleeper()
    with pytest.raises(ConfigurationError, match=r"driver of .* must be installed") as caught:
        facts(Database("postgresql://me:very-secret@host/name", sleeper))
    assert "very-secret" not in str(caught.value)
    assert sleeper.pauses == []


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_scheme_of_postgres_means_psycopg(postgres_url: str, scheme: str) -> None:
    database = Database(postgres_url.replace("postgresql+psycopg", scheme, 1), RecordingSleeper())
    assert facts(database) == {"schema_version": "2"}
    database.close()


def test_without_leave_to_create_nothing_is_made(url: str, tmp_path: Path) -> None:
    with pytest.raises(
        NoDataError, match=r"there must be a store at .*: there is none; .* JUTSU_DATABASE_URL says where"
    ):
        facts(Database(url, RecordingSleeper(), create=False))
    assert list(tmp_path.glob("*.db*")) == []
    database = Database(url, RecordingSleeper())
    facts(database)
    database.close()
    reader = Database(url, RecordingSleeper(), create=False)
    assert facts(reader) == {"schema_version": "2"}
    reader.close()


def test_a_file_without_a_store_is_left_as_it_is(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "jutsu.db").touch()
    with pytest.raises(NoDataError, match="there is none"):
        facts(Database(sqlite_url, RecordingSleeper(), create=False))
    assert [(path.name, path.stat().st_size) for path in tmp_path.iterdir()] == [("jutsu.db", 0)]


@pytest.mark.parametrize(("given", "most"), [({}, 5), ({"connections": 1}, 1), ({"connections": 7}, 7)])
def test_one_transaction_too_many_is_told_why_it_must_wait(
    url: str, monkeypatch: pytest.MonkeyPatch, given: dict[str, int], most: int
) -> None:
    monkeypatch.setitem(engine_module._POOL, "pool_timeout", 0.1)
    database = Database(url, RecordingSleeper(), **given)  # type: ignore[arg-type]
    with ExitStack() as open_ones:
        for _ in range(most):
            open_ones.enter_context(database.reading())
        said = rf"at most {most} transactions .* use fewer threads, or set JUTSU_DATABASE_POOL higher"
        with pytest.raises(StoreUnavailableError, match=said), database.reading():
            pass
    assert facts(database)
    database.close()


def test_a_server_that_isolates_more_by_default_makes_no_difference(postgres_url: str) -> None:
    """Under SERIALIZABLE the second of two writers that took turns would fail."""
    url = postgres_url + "%20-cdefault_transaction_isolation%3Dserializable"
    databases = [Database(url, SystemSleeper()) for _ in range(4)]

    def count_up(database: Database) -> None:
        for _ in range(10):
            with database.writing() as connection:
                database.take_turn(connection, "counter")
                number = connection.scalar(select(FACTS.c.value).where(FACTS.c.name == "counter"))
                connection.execute(FACTS.delete().where(FACTS.c.name == "counter"))
                connection.execute(FACTS.insert().values(name="counter", value=str(int(number or 0) + 1)))

    with databases[0].reading() as connection:
        assert connection.scalar(text("show default_transaction_isolation")) == "serializable"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count_up, databases))
    assert facts(databases[0])["counter"] == "40"
    for one in databases:
        one.close()


def test_waiting_for_writers_ends_when_they_do(url: str, database: Database) -> None:
    facts(database)
    other, seen = Database(url, SystemSleeper()), []
    entered, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with database.writing() as connection:
            database.take_turn(connection, "anything")
            entered.set()
            go_on.wait(30)
            seen.append("written")

    def wait() -> None:
        other.await_writers()
        seen.append("waited")

    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(write)
        assert entered.wait(30)
        waiting = pool.submit(wait)
        SystemSleeper().sleep(0.2)
        assert seen == []
        go_on.set()
        writing.result(30)
        waiting.result(30)
    assert seen == ["written", "waited"]
    other.close()


def test_a_database_that_cannot_be_opened_is_tried_three_times_with_growing_pauses(tmp_path: Path) -> None:
    """A folder stands where the file should be."""
    (tmp_path / "jutsu.db").mkdir()
    sleeper = RecordingSleeper()
    database = Database(f"sqlite:///{tmp_path / 'jutsu.db'}", sleeper)
    with pytest.raises(
        StoreUnavailableError, match=r"must be reachable and writable: OperationalError: unable to open"
    ):
        facts(database)
    assert sleeper.pauses == [0.5, 1.0]


def test_a_server_that_does_not_answer_is_tried_three_times() -> None:
    pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed")
    sleeper = RecordingSleeper()
    database = Database("postgresql+psycopg://me:very-secret@127.0.0.1:1/name", sleeper)
    with pytest.raises(StoreUnavailableError, match="must be reachable") as caught:
        facts(database)
    assert sleeper.pauses == [0.5, 1.0]
    assert "very-secret" not in str(caught.value)


def test_a_database_that_can_be_opened_after_all_is_used(tmp_path: Path) -> None:
    obstacle = tmp_path / "jutsu.db"
    obstacle.mkdir()

    class Remover(RecordingSleeper):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            obstacle.rmdir()

    sleeper = Remover()
    database = Database(f"sqlite:///{obstacle}", sleeper)
    assert facts(database) == {"schema_version": "2"}
    assert sleeper.pauses == [0.5]
    database.close()


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    database = Database(f"sqlite:///{tmp_path / 'file' / 'jutsu.db'}", RecordingSleeper())
    with pytest.raises(StoreUnavailableError, match=r"must be writable for the database: .* set JUTSU_HOME elsewhere"):
        facts(database)


def test_a_file_that_is_no_database_is_reported_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "jutsu.db"
    path.write_text("the diary of somebody else " * 100)
    with pytest.raises(StoreUnavailableError, match="file is not a database"):
        facts(Database(f"sqlite:///{path}", RecordingSleeper()))
    assert path.read_text() == "the diary of somebody else " * 100


def test_leaving_a_write_by_an_exception_rolls_it_back(database: Database) -> None:
    def interrupted() -> None:
        with database.writing() as connection:
            connection.execute(insert(FACTS), {"name": "half", "value": "written"})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "half" not in facts(database)


def test_readers_see_the_state_before_a_write_that_is_still_open(url: str, database: Database) -> None:
    other = Database(url, RecordingSleeper())
    with database.writing() as connection:
        connection.execute(insert(FACTS), {"name": "half", "value": "written"})
        assert "half" not in facts(other)
    assert facts(other)["half"] == "written"
    other.close()


def test_a_write_takes_the_lock_when_it_begins(url: str, database: Database) -> None:
    """A second writer waits its turn; it does not start on what the first is changing."""
    other = Database(url, RecordingSleeper())
    order: list[str] = []

    def second() -> None:
        with other.writing() as connection:
            other.take_turn(connection, "facts")
            connection.execute(insert(FACTS), {"name": "second", "value": "2"})
            order.append("second")

    with database.writing() as connection:
        database.take_turn(connection, "facts")
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        connection.execute(insert(FACTS), {"name": "first", "value": "1"})
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert facts(database).keys() >= {"first", "second"}
    other.close()


def test_more_threads_than_connections_take_turns(database: Database) -> None:
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda n: set_fact(database, f"thread{n}", "was here"), range(24)))
    assert len(facts(database)) == 25


def test_threads_on_a_fresh_database_make_one_schema(url: str) -> None:
    databases = [Database(url, RecordingSleeper()) for _ in range(10)]
    barrier = threading.Barrier(10)

    def start(database: Database) -> dict[str, str]:
        barrier.wait(30)
        return facts(database)

    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(start, databases))
    assert found == [{"schema_version": "2"}] * 10
    for database in databases:
        database.close()


def test_a_closed_database_opens_again_when_it_is_used(database: Database) -> None:
    set_fact(database, "before", "closing")
    database.close()
    database.close()
    assert facts(database)["before"] == "closing"


@pytest.fixture
def forked() -> "multiprocessing.context.ForkContext":
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system cannot fork")
    return multiprocessing.get_context("fork")


def _use_in_child(database: Database) -> None:
    set_fact(database, f"child{os.getpid()}", "was here")
    # What a parent opened is not the child's to close.
    database.close()


def _close_in_child(database: Database) -> None:
    database.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_database_in_use_survives_a_fork_on_both_sides(
    database: Database, forked: "multiprocessing.context.ForkContext"
) -> None:
    set_fact(database, "parent", "before")
    children = [
        forked.Process(target=work, args=(database,)) for work in (_use_in_child, _use_in_child, _close_in_child)
    ]
    for child in children:
        child.start()
    set_fact(database, "parent too", "meanwhile")
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    set_fact(database, "parent again", "after")
    assert len(facts(database)) == 1 + 3 + 2


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=36_500)))
def test_microseconds_keep_the_order_of_time(duration: timedelta) -> None:
    start = datetime(1970, 1, 1, tzinfo=UTC)
    assert (to_epoch(start + duration) > to_epoch(start)) == bool(duration)


def test_no_message_shows_a_password_wherever_it_stands() -> None:
    url = "postgresql+psycopg://me:hunter2@127.0.0.1:1/db?password=hunter3"
    database = Database(url, RecordingSleeper())
    shown = [repr(database), database.shown_url]
    for failing in (
        lambda: examine(database),
        lambda: SqlBarStore(database, "x", SettableClock()).version("A", Timeframe.D1),
    ):
        with pytest.raises(StoreUnavailableError) as caught:
            failing()
        shown.append("".join(traceback.format_exception(caught.value)))
    assert not [text for text in shown if "hunter2" in text or "hunter3" in text]
