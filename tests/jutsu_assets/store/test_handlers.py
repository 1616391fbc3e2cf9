"""Bars through the interface that a backtesting engine reads: the contract, and what a database adds to it."""

import pickle
import re
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
import pytest

from jutsu_assets.clock import SystemClock
from jutsu_assets.graph.resources.database import DatabaseResource
from jutsu_assets.graph.resources.schwab import SchwabResource
from jutsu_assets.store import handlers
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_assets.store.handlers import CSVDataHandler, DatabaseDataHandler
from jutsu_assets.store.maintenance import backup
from jutsu_assets.store.manifest import SeriesFile
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.store.reports import StoredReport
from jutsu_core.access import Limits
from jutsu_core.backtest.window import Window
from jutsu_core.bars import MAX_MICROS, MAX_VOLUME, Bar, Timeframe, bars_to_frame, from_micros
from jutsu_core.errors import InvalidInputError, MixedSourceError, NoDataError, StoreUnavailableError
from jutsu_core.ports import BEGINNING, END_OF_TIME, DataHandler
from tests.support.builders import NOON, RecordingSleeper, SettableClock, bar, days, fetched
from tests.support.data_handler_contract import (
    BEGIN,
    FAR,
    SESSIONS,
    DataHandlerContract,
    History,
    contract_history,
    event_of,
    events_of,
)
from tests.support.processes import started
from tests.support.writers import open_store

D1 = Timeframe.D1
DAY = timedelta(days=1)
Opener = Callable[..., DatabaseDataHandler]


@pytest.fixture
def store(database: Database, clock: SettableClock) -> SqlBarStore:
    """A writer with a connection of its own, as another process has."""
    return SqlBarStore(database, "scripted", clock)


@pytest.fixture
def opened(url: str) -> Iterator[Opener]:
    """Open handlers over the database; they are closed when the test ends."""
    handlers_: list[DatabaseDataHandler] = []

    def open_one(**options: object) -> DatabaseDataHandler:
        handlers_.append(DatabaseDataHandler(url, **options))  # type: ignore[arg-type]
        return handlers_[-1]

    yield open_one
    for handler in handlers_:
        handler.database.close()


def hold(store: SqlBarStore, history: History) -> None:
    for symbol, bars in history.items():
        store.write(symbol, D1, fetched(*bars))


def every_method(handler: DataHandler) -> list[Callable[[], object]]:
    """Return a call of every method that reads."""
    return [
        lambda: handler.get_latest_bar("AAPL"),
        lambda: handler.get_bars_range("AAPL", BEGIN, FAR),
        lambda: handler.get_bars_batch(["AAPL"], BEGIN, FAR),
        lambda: handler.get_frame(["AAPL"], BEGIN, FAR),
        lambda: list(handler.get_next_bar()),
    ]


def reads(handler: DatabaseDataHandler, ask: Callable[[], object], folder: Path) -> list[str]:
    """Return the tables that ``ask`` reads, one for each statement that reaches the database."""
    with handler.database.reading() as connection:  # the only connection, which every later call reuses
        driver: Any = connection.connection.driver_connection
    if handler.database.is_sqlite:
        statements: list[str] = []
        driver.set_trace_callback(statements.append)
        ask()
        driver.set_trace_callback(None)
    else:
        if sys.platform != "linux":
            pytest.skip("psycopg follows what is sent to a server on Linux alone")
        driver.prepare_threshold = None  # every statement is sent in words
        log = folder / "statements"
        with log.open("w") as file:
            driver.pgconn.trace(file.fileno())
            ask()
            driver.pgconn.untrace()
        sent = [line.split("\t") for line in log.read_text(errors="replace").splitlines()]
        statements = [columns[-1] for columns in sent if columns[1:2] == ["F"] and columns[3] in ("Parse", "Query")]
    return [
        table for one in statements for table in re.findall(r"select .* from (?!json_each)(\w+)", one, flags=re.DOTALL)
    ]


class TestDatabaseDataHandler(DataHandlerContract):
    """Over the system of record."""

    @pytest.fixture
    def handler(self, history: History, store: SqlBarStore, opened: Opener) -> DataHandler:
        hold(store, history)
        return opened()


@pytest.mark.slow
class TestDatabaseDataHandlerAsOf(DataHandlerContract):
    """Over the bars as they were known, although all of them were restated and one symbol came later."""

    @pytest.fixture
    def handler(self, history: History, store: SqlBarStore, clock: SettableClock, opened: Opener) -> DataHandler:
        hold(store, history)
        clock.advance(DAY)
        hold(store, {symbol: [bar(one.timestamp, "7") for one in bars] for symbol, bars in history.items()})
        hold(store, {"NONE": [bar(SESSIONS[0])]})
        return opened(as_of=NOON)


@pytest.mark.slow
class TestWindow(DataHandlerContract):
    """Over all of the system of record, through a window."""

    @pytest.fixture
    def handler(self, history: History, store: SqlBarStore, opened: Opener) -> DataHandler:
        hold(store, history)
        return Window(opened(), list(history), BEGIN, FAR + DAY)


class TestCSVDataHandler(DataHandlerContract):
    """Over a folder of files."""

    @pytest.fixture
    def handler(self, history: History, tmp_path: Path) -> DataHandler:
        for symbol, bars in history.items():
            bars_to_frame(symbol, bars).to_csv(tmp_path / f"{quote(symbol, safe='')}.csv", index=False)
        return CSVDataHandler(tmp_path)


def test_the_error_names_symbol_timeframe_place_and_remedy(store: SqlBarStore, opened: Opener) -> None:
    hold(store, {"MSFT": [bar(SESSIONS[0])]})
    with pytest.raises(NoDataError) as caught:
        opened().get_latest_bar("AAPL")
    message = str(caught.value)
    assert message.startswith("symbol 'AAPL' must have stored 1d bars, has none in Database(")
    assert message.endswith("; materialize its partition of the bars asset first")


def test_an_empty_store_streams_nothing(opened: Opener) -> None:
    assert list(opened(create=True).get_next_bar()) == []


def test_a_url_that_leads_to_no_store_is_an_error_of_every_method_and_makes_none(
    opened: Opener, tmp_path: Path
) -> None:
    handler = opened()
    for ask in every_method(handler):
        with pytest.raises(NoDataError, match=r"there must be a store at .*; the first materialization makes one"):
            ask()
    assert list(tmp_path.glob("*.db*")) == []


def test_a_store_that_is_made_later_is_found(store: SqlBarStore, opened: Opener) -> None:
    handler = opened()
    with pytest.raises(NoDataError):
        handler.get_latest_bar("AAPL")
    hold(store, {"AAPL": [bar(SESSIONS[0])]})
    assert handler.get_latest_bar("AAPL").close == 100


def test_a_handler_gives_its_connections_back(store: SqlBarStore, url: str) -> None:
    hold(store, {"AAPL": [bar(SESSIONS[0])]})
    with DatabaseDataHandler(url) as handler:
        assert handler.get_latest_bar("AAPL").close == 100
        pool: Any = handler.database._ready_engine().pool  # what nothing of ours would show
        assert pool.checkedin() == 1
    assert pool.checkedin() == 0
    assert handler.get_latest_bar("AAPL").close == 100
    handler.close()


def test_reading_a_backup_leaves_it_as_it_was(sqlite_url: str, tmp_path: Path) -> None:
    store = SqlBarStore(Database(sqlite_url, RecordingSleeper()), "scripted", SettableClock())
    hold(store, {"AAPL": [bar(SESSIONS[0])]})
    folder = tmp_path / "backups"
    folder.mkdir()
    copy = folder / "copy.db"
    backup(Database(sqlite_url, RecordingSleeper()), copy)
    before = copy.read_bytes()
    for as_of in (None, SystemClock().now()):
        with DatabaseDataHandler(f"sqlite:///{copy}", as_of=as_of) as handler:
            assert handler.get_latest_bar("AAPL").close == 100
            assert len(list(handler.get_next_bar())) == 1
            assert len(handler.get_frame(["AAPL"], BEGIN, FAR)) == 1
            assert list(folder.iterdir()) == [copy]
    assert copy.read_bytes() == before


@pytest.mark.slow
def test_more_symbols_than_a_statement_has_parameters_are_one_batch(store: SqlBarStore, opened: Opener) -> None:
    hold(store, {"AAPL": [bar(SESSIONS[0])], "ZZZ'\"": [bar(SESSIONS[1])]})
    symbols = ["AAPL", "ZZZ'\"", *(f"S{number}" for number in range(270_000))]
    batch = opened().get_bars_batch(symbols, BEGIN, FAR, missing="skip")
    assert len(batch) == len(symbols)
    assert [symbol for symbol, events in batch.items() if events] == ["AAPL", "ZZZ'\""]


def test_bounds_at_the_ends_of_time_are_read_or_refused(store: SqlBarStore, opened: Opener) -> None:
    hold(store, {"AAPL": [bar(SESSIONS[0])]})
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert len(opened().get_bars_range("AAPL", first, last)) == 1
    ahead, behind = timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))
    with pytest.raises(InvalidInputError, match="start must lie in the years 1 to 9999 of UTC, was 0001-01-01T00:00"):
        opened().get_bars_range("AAPL", datetime.min.replace(tzinfo=ahead), last)
    with pytest.raises(InvalidInputError, match="end must lie in the years 1 to 9999 of UTC"):
        opened().get_bars_range("AAPL", first, datetime.max.replace(tzinfo=behind))


def test_nobody_knows_what_will_be_known(opened: Opener) -> None:
    clock = SettableClock(NOON)
    opened(as_of=NOON, clock=clock)
    with pytest.raises(
        InvalidInputError, match=r"as_of must not be after now, 2013-03-04T12:00:00\+00:00, was 2013-03-05"
    ):
        opened(as_of=NOON + DAY, clock=clock)


def test_what_is_known_now_waits_for_who_is_writing(url: str, database: Database) -> None:
    """A writer took the time, then a reader asks as of a later one: every read must tell the same."""
    taken, go_on = threading.Event(), threading.Event()

    class StoppingClock(SystemClock):
        def now(self) -> datetime:
            moment = super().now()
            taken.set()
            assert go_on.wait(30)
            return moment

    store = SqlBarStore(database, "scripted", SystemClock())
    hold(store, {"AAPL": [bar(SESSIONS[0])]})
    writer = SqlBarStore(database, "scripted", StoppingClock())
    with ThreadPoolExecutor(2) as pool, DatabaseDataHandler(url) as now:
        assert now.get_latest_bar("AAPL").close == 100
        writing = pool.submit(writer.write, "AAPL", D1, fetched(bar(SESSIONS[0], "101")))
        assert taken.wait(30)
        with DatabaseDataHandler(url, as_of=SystemClock().now()) as then:
            reading = pool.submit(then.get_latest_bar, "AAPL")
            with pytest.raises(TimeoutError):
                reading.result(0.2)
            assert now.get_latest_bar("AAPL").close == 100
            go_on.set()
            writing.result(30)
            assert reading.result(30).close == 101
            hold(store, {"AAPL": [bar(SESSIONS[0], "102")]})
            assert then.get_latest_bar("AAPL").close == 101
            assert now.get_latest_bar("AAPL").close == 102


def test_the_smallest_and_the_largest_values_come_out_exactly(store: SqlBarStore, opened: Opener) -> None:
    least = Bar(bar(SESSIONS[0]).timestamp, 1, 1, 1, 1, 0)
    most = Bar(bar(SESSIONS[1]).timestamp, MAX_MICROS - 1, MAX_MICROS, 1, MAX_MICROS - 2, MAX_VOLUME)
    hold(store, {"AAPL": [least, most]})
    first, second = opened().get_bars_range("AAPL", BEGINNING, END_OF_TIME)
    assert (str(first.low), first.volume) == ("0.000001", 0)
    assert str(second.high) == "9223372036854.775807"
    assert (second.open, second.close) == (from_micros(MAX_MICROS - 1), from_micros(MAX_MICROS - 2))
    assert second.volume == MAX_VOLUME


@pytest.mark.parametrize("symbol", ["BRK/B", "$SPX", "O'Neil", '"quoted"', "100%", "Ünie", "?"])
def test_a_symbol_is_taken_as_it_is_spelled(store: SqlBarStore, opened: Opener, symbol: str) -> None:
    hold(store, {symbol: [bar(SESSIONS[0])], "AAPL": [bar(SESSIONS[0], "7")]})
    handler = opened()
    assert handler.get_latest_bar(symbol).close == 100
    assert [event.symbol for event in handler.get_bars_batch([symbol], BEGIN, FAR)[symbol]] == [symbol]
    assert list(handler.get_frame([symbol], BEGIN, FAR)["symbol"]) == [symbol]
    assert {event.symbol for event in handler.get_next_bar()} == {symbol, "AAPL"}
    with pytest.raises(NoDataError):
        handler.get_latest_bar("aapl")


def test_timeframes_do_not_mix_and_reach_the_events(store: SqlBarStore, opened: Opener) -> None:
    hold(store, {"AAPL": [bar(SESSIONS[0])]})
    store.write("AAPL", Timeframe.M5, fetched(bar(NOON, "7"), bar(NOON + timedelta(minutes=5), "8")))
    store.write("MSFT", Timeframe.M5, fetched(bar(NOON, "9")))
    daily, fine = opened(), opened(timeframe=Timeframe.M5)
    assert daily.get_latest_bar("AAPL").timeframe is D1
    assert {event.timeframe for event in fine.get_next_bar()} == {Timeframe.M5}
    assert [int(event.close) for event in fine.get_next_bar()] == [7, 9, 8]
    assert [event.symbol for event in daily.get_next_bar()] == ["AAPL"]
    with pytest.raises(NoDataError, match="symbol 'MSFT' must have stored 1d bars"):
        daily.get_latest_bar("MSFT")


def test_symbols_choose_what_streams_and_nothing_else(store: SqlBarStore, opened: Opener) -> None:
    hold(store, contract_history())
    chosen = opened(symbols=["MSFT", "NONE", "MSFT"])
    assert list(chosen.get_next_bar(missing="skip")) == events_of(contract_history(), "MSFT")
    with pytest.raises(NoDataError, match="symbol 'NONE' must have stored 1d bars"):
        next(chosen.get_next_bar())
    assert chosen.get_latest_bar("AAPL") == events_of(contract_history(), "AAPL")[-1]


def test_a_choice_of_no_symbols_streams_nothing(store: SqlBarStore, opened: Opener) -> None:
    hold(store, contract_history())
    assert list(opened(symbols=[]).get_next_bar()) == []


def test_arguments_that_cannot_be_meant_are_refused(opened: Opener) -> None:
    with pytest.raises(InvalidInputError, match=r"symbols\[0\] must be a text such as 'AAPL', was 7"):
        opened(symbols=[7])
    with pytest.raises(InvalidInputError, match="as_of must be timezone-aware, was the naive 2013-03-04T12:00:00"):
        opened(as_of=NOON.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        *(
            ({"cache_size": bad}, f"cache_size must be an integer of at least 0, was {bad!r}")
            for bad in (-1, "5", None)
        ),
        *(({"cache_size": bad}, f"cache_size must be an integer of at least 0, was {bad!r}") for bad in (1.5, True)),
        *(({"timeframe": bad}, f"timeframe must be a Timeframe, was {bad!r}") for bad in ("1d", None)),
        *(({"db_url": bad}, "db_url must be a text such as 'sqlite") for bad in (Path("jutsu.db"), None, 5)),
        ({"create": "yes"}, "create must be True or False, was 'yes'"),
        ({"exchange_zone": 5}, "exchange_zone must be an IANA name"),
        ({"as_of": "2024-01-08"}, "as_of must be a timezone-aware datetime, was '2024-01-08'; such as datetime\\("),
        ({"symbols": 5}, "symbols must be a list"),
    ],
)
def test_an_argument_of_another_type_is_refused(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        DatabaseDataHandler(**{"db_url": "sqlite:////nowhere/jutsu.db", **arguments})


@pytest.mark.parametrize("symbol", ["\ud800", "AAPL\0", "AA\nPL"])
def test_a_symbol_that_no_database_can_be_asked_for_is_refused(opened: Opener, symbol: str) -> None:
    handler = opened()
    for ask in (
        lambda: handler.get_latest_bar(symbol),
        lambda: handler.get_bars_range(symbol, BEGINNING, END_OF_TIME),
        lambda: handler.get_bars_batch([symbol], BEGINNING, END_OF_TIME),
        lambda: handler.get_frame(symbol, BEGINNING, END_OF_TIME),
        lambda: opened(symbols=[symbol]),
    ):
        with pytest.raises(InvalidInputError, match="must be a text such as 'AAPL', was"):
            ask()


@pytest.mark.parametrize("cache_size", [0, 1, 1000])
def test_what_others_write_is_seen_at_once_whatever_is_kept(
    store: SqlBarStore, opened: Opener, cache_size: int
) -> None:
    """New bars, a restatement, one taken back, a withdrawal, and the return: none may be hidden by a kept bar."""
    handler = opened(cache_size=cache_size)
    first, second = bar(SESSIONS[0]), bar(SESSIONS[1])
    hold(store, {"MSFT": [first]})
    for bars, replace, close in (
        ([first], False, 100),
        ([second], False, 100),
        ([bar(SESSIONS[1], "101")], False, 101),
        ([second], False, 100),
        ([bar(SESSIONS[0], "7")], True, 7),
        ([first, second], False, 100),
    ):
        store.write("AAPL", D1, fetched(*bars, start=BEGIN, end=FAR), replace=replace)
        (last,) = handler.get_bars_range("AAPL", BEGIN, FAR)[-1:]
        for _ in range(2):
            assert handler.get_latest_bar("AAPL") == last
            assert handler.get_latest_bar("MSFT") == event_of("MSFT", first)
        assert last.close == close
        assert [event for event in handler.get_next_bar() if event.symbol == "AAPL"][-1] == last


def test_a_withdrawn_history_has_no_latest_bar(store: SqlBarStore, opened: Opener) -> None:
    handler = opened()
    hold(store, contract_history())
    assert handler.get_latest_bar("AAPL").symbol == "AAPL"
    store.write("AAPL", D1, fetched(start=BEGIN, end=FAR), replace=True)
    with pytest.raises(NoDataError, match="symbol 'AAPL' must have stored 1d bars"):
        handler.get_latest_bar("AAPL")
    assert {event.symbol for event in handler.get_next_bar()} == {"BRK/B", "MSFT"}


def test_an_unchanged_latest_bar_is_kept_in_memory_up_to_the_size_asked_for(store: SqlBarStore, opened: Opener) -> None:
    hold(store, contract_history())
    handler, forgetful = opened(cache_size=2), opened(cache_size=0)
    kept = handler.get_latest_bar("AAPL")
    handler.get_latest_bar("MSFT")
    assert handler.get_latest_bar("AAPL") is kept
    handler.get_latest_bar("BRK/B")  # MSFT was asked for longest ago, and goes
    assert handler.get_latest_bar("AAPL") is kept
    handler.get_latest_bar("MSFT")
    handler.get_latest_bar("BRK/B")
    assert handler.get_latest_bar("AAPL") is not kept
    assert forgetful.get_latest_bar("AAPL") is not forgetful.get_latest_bar("AAPL")


def test_threads_may_share_a_handler_whose_memory_is_small(store: SqlBarStore, opened: Opener) -> None:
    hold(store, contract_history())
    handler = opened(cache_size=1)
    asked = ["AAPL", "MSFT", "BRK/B"] * 60
    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(handler.get_latest_bar, asked))
    assert found == [events_of(contract_history(), symbol)[-1] for symbol in asked]


def test_a_kept_latest_bar_is_not_read_again_until_it_may_have_changed(
    store: SqlBarStore, opened: Opener, tmp_path: Path
) -> None:
    hold(store, contract_history())
    handler, forgetful = opened(cache_size=1), opened(cache_size=0)

    def reads_of_latest(one: DatabaseDataHandler, symbol: str) -> list[str]:
        return reads(one, lambda: one.get_latest_bar(symbol), tmp_path)

    asked, kept, stale = ["bars"], ["partition_versions"], ["partition_versions", "bars"]
    assert [reads_of_latest(handler, "AAPL") for _ in range(3)] == [asked, kept, kept]
    hold(store, {"AAPL": [bar(SESSIONS[4], "7")]})
    assert [reads_of_latest(handler, "AAPL") for _ in range(2)] == [stale, kept]
    hold(store, {"MSFT": [bar(SESSIONS[4], "7")]})
    assert reads_of_latest(handler, "AAPL") == kept, "a write of another symbol must not disturb"
    assert [reads_of_latest(handler, symbol) for symbol in ("MSFT", "MSFT", "AAPL")] == [asked, kept, asked]
    assert [reads_of_latest(forgetful, "AAPL") for _ in range(2)] == [asked, asked]


def test_a_batch_is_one_query_and_so_is_a_range(store: SqlBarStore, opened: Opener, tmp_path: Path) -> None:
    hold(store, contract_history())
    handler = opened()
    asked = list(contract_history())
    assert reads(handler, lambda: handler.get_bars_batch(asked, BEGIN, FAR), tmp_path) == ["bars"]
    assert reads(handler, lambda: handler.get_bars_range("AAPL", BEGIN, FAR), tmp_path) == ["bars"]


def test_a_stream_reads_nothing_before_its_first_bar_and_then_piece_by_piece(
    store: SqlBarStore, opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "_STREAMED_ROWS", 0)
    monkeypatch.setattr(handlers, "_LEAST_STREAMED_ROWS", 10)
    hold(store, {"AAPL": [bar(day) for day in days(SESSIONS[0], 25)]})
    handler = opened(symbols=["AAPL"])

    def take(count: int) -> None:
        with closing(handler.get_next_bar()) as stream:  # type: ignore[type-var]
            assert len(list(islice(stream, count))) == count

    asked = {count: reads(handler, partial(take, count), tmp_path) for count in (0, 1, 10, 11, 20, 21)}
    assert asked[0] == []
    counts = {count: tables.count("bars") for count, tables in asked.items()}
    assert counts == {0: 0, 1: 1, 10: 1, 11: 2, 20: 2, 21: 3}


def peak_of_stream(handler: DatabaseDataHandler, bars: int) -> int:
    """Return the most memory that Python held while ``bars`` bars streamed, bytes."""
    assert sum(1 for _ in handler.get_next_bar()) == bars  # what is kept for the next time, is
    tracemalloc.start()
    try:
        assert sum(1 for _ in handler.get_next_bar()) == bars
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_a_stream_of_any_length_takes_the_same_memory(
    store: SqlBarStore, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "_STREAMED_ROWS", 1_000)
    bars = [bar(day) for day in days(date(1900, 1, 1), 40_000)]
    store.write("AAPL", D1, fetched(*bars))
    store.write("AAPL", Timeframe.W1, fetched(*bars[:10_000]))
    short = peak_of_stream(opened(timeframe=Timeframe.W1), 10_000)
    assert peak_of_stream(opened(), 40_000) < 2.5 * short, "four times as long"


def append_in_child(reports: Connection, url: str) -> None:
    """Add a session to AAPL and a symbol, and leave."""
    database, store = open_store(url)
    for symbol in ("AAPL", "NEW"):
        store.write(symbol, D1, fetched(bar(SESSIONS[4], "500")))
    database.close()
    reports.send("written")


def test_what_another_process_writes_is_seen_at_once_but_not_in_a_stream_that_began(
    store: SqlBarStore, opened: Opener, url: str
) -> None:
    hold(store, {"AAPL": [bar(SESSIONS[0]), bar(SESSIONS[1])]})
    handler = opened()
    assert handler.get_latest_bar("AAPL").close == 100
    with closing(handler.get_next_bar()) as stream:  # type: ignore[type-var]
        seen = [next(stream)]
        with started(append_in_child, url) as child:
            child.hear_all()
        assert child.said == ["written"]
        assert handler.get_latest_bar("AAPL").close == 500
        assert len(handler.get_bars_range("AAPL", BEGIN, FAR)) == 3
        assert [event.timestamp.date() for event in (*seen, *stream)] == list(SESSIONS[:2])
    assert [event.symbol for event in handler.get_next_bar()] == ["AAPL", "AAPL", "AAPL", "NEW"]


def read_in_child(reports: Connection, handler: DataHandler) -> None:
    """Report all bars as a handler that came from another process gives them."""
    reports.send(list(handler.get_next_bar()))


@pytest.mark.parametrize("is_used", [False, True])
def test_a_handler_may_be_sent_to_another_process(store: SqlBarStore, opened: Opener, *, is_used: bool) -> None:
    """As a pool of processes does, each of which tests a strategy; connections stay behind."""
    hold(store, contract_history())
    handler = opened(symbols=["AAPL"], as_of=NOON)
    if is_used:
        handler.get_latest_bar("AAPL")
    with started(read_in_child, handler) as child:
        child.hear_all()
    assert child.said == [list(handler.get_next_bar())]
    assert {event.symbol for event in child.said[0]} == {"AAPL"}


def test_a_handler_that_was_sent_makes_a_store_only_if_the_sent_one_would(opened: Opener) -> None:
    reader, maker = (pickle.loads(pickle.dumps(opened(create=creates))) for creates in (False, True))  # noqa: S301 - ours
    with pytest.raises(NoDataError, match="there is none"):
        next(reader.get_next_bar())
    assert list(maker.get_next_bar()) == []
    maker.close()


def test_a_stream_is_of_one_state_whatever_is_written_meanwhile(store: SqlBarStore, opened: Opener) -> None:
    hold(store, contract_history())
    handler = opened()
    before = list(handler.get_next_bar())
    stream = handler.get_next_bar()
    seen = [next(stream)]
    hold(store, {"AAPL": [bar(day, "7") for day in SESSIONS], "NEW": [bar(SESSIONS[4])]})
    assert seen + list(stream) == before
    after = list(handler.get_next_bar())
    assert {event.symbol for event in after} == {"AAPL", "BRK/B", "MSFT", "NEW"}
    assert {event.close for event in after if event.symbol == "AAPL"} == {7}


def test_streams_that_are_given_up_give_their_connections_back(store: SqlBarStore, opened: Opener) -> None:
    """Five connections are all there are."""
    hold(store, contract_history())
    handler = opened()
    for _ in range(8):
        stream = handler.get_next_bar()
        assert next(stream).timestamp.date() == SESSIONS[0]
        stream.close()  # type: ignore[attr-defined]
    assert handler.get_latest_bar("AAPL").symbol == "AAPL"


@pytest.mark.parametrize("at_a_time", [1, 2, 5, 6])
def test_a_stream_loses_and_repeats_nothing_where_one_read_ends_and_the_next_begins(
    store: SqlBarStore, opened: Opener, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    monkeypatch.setattr(handlers, "_STREAMED_ROWS", 0)
    monkeypatch.setattr(handlers, "_LEAST_STREAMED_ROWS", at_a_time)
    hold(store, contract_history())
    every = [event for symbol in contract_history() for event in events_of(contract_history(), symbol)]
    found = list(opened().get_next_bar())
    assert found == sorted(every, key=lambda event: (event.timestamp, event.symbol))


def test_bars_are_read_as_they_were_known_at_an_instant(
    store: SqlBarStore, clock: SettableClock, opened: Opener
) -> None:
    first, second = (session for session in SESSIONS[:2])
    answers: list[tuple[list[Bar], bool]] = [
        ([bar(first, "100")], False),
        ([bar(first, "50"), bar(second, "51")], False),
        ([bar(second, "51")], True),
    ]
    for bars, replace in answers:
        store.write("AAPL", D1, fetched(*bars, start=BEGIN, end=FAR), replace=replace)
        clock.advance(DAY)
    expected = {NOON: [100], NOON + DAY: [50, 51], NOON + 2 * DAY: [51], NOON + 9 * DAY: [51]}
    for instant, closes in expected.items():
        for moment in (instant, instant + DAY - timedelta(microseconds=1)):
            handler = opened(as_of=moment)
            assert [int(event.close) for event in handler.get_bars_range("AAPL", BEGIN, FAR)] == closes
            assert [int(event.close) for event in handler.get_next_bar()] == closes
            assert list(handler.get_frame(["AAPL"], BEGIN, FAR)["close"]) == closes
            assert handler.get_latest_bar("AAPL").close == closes[-1]
    with pytest.raises(NoDataError, match=r"as known at 2013-03-03T12:00:00\+00:00; materialize"):
        opened(as_of=NOON - DAY).get_latest_bar("AAPL")


def test_a_long_history_is_read_whole(store: SqlBarStore, opened: Opener) -> None:
    """More rows than are fetched at a time."""
    bars = [bar(day, volume=n) for n, day in enumerate(days(date(1950, 1, 1), 21_000))]
    hold(store, {"AAPL": bars})
    frame = opened().get_frame(["AAPL"], BEGINNING, END_OF_TIME)
    assert list(frame["volume"]) == list(range(21_000))


def test_a_database_that_fails_is_reported_by_every_method(tmp_path: Path) -> None:
    (tmp_path / "jutsu.db").write_text("no database " * 100)
    url = f"sqlite:///{tmp_path / 'jutsu.db'}"
    handler = DatabaseDataHandler(url)
    handler.database = Database(url, RecordingSleeper())
    for ask in every_method(handler):
        with pytest.raises(StoreUnavailableError, match="file is not a database"):
            ask()
    handler.database.close()


ONE_A_DAY = Limits(requests=1, window=DAY, daily_budget=10)


def test_the_market_database_reads_what_its_parts_write(url: str, clock: SettableClock) -> None:
    market = MarketDatabase(url, source="scripted", clock=clock)
    market.bars.write("AAPL", D1, fetched(bar(SESSIONS[0])))
    file = SeriesFile(
        asset="daily", partition_key="AAPL", path="daily/a.parquet", input_hash="i", content_hash="c", rows=1
    )
    market.manifest.publish(file)
    market.reports.save("AAPL", StoredReport("i", {"return": 0.5}))
    assert market.ledger.claim(ONE_A_DAY, "me").wait_seconds == 0
    market.database.close()
    other = MarketDatabase(url, source="another", clock=clock)
    assert isinstance(other, DataHandler)
    assert other.get_latest_bar("AAPL").close == 100
    assert other.manifest.current("AAPL", "daily") is None
    assert other.manifest.current("daily", "AAPL") == file
    assert other.reports.current("AAPL") == StoredReport("i", {"return": 0.5})
    assert other.ledger.claim(ONE_A_DAY, "me").wait_seconds > 80_000
    with pytest.raises(MixedSourceError, match="holds bars of 'scripted', and these come from 'another'"):
        other.bars.write("AAPL", D1, fetched(bar(SESSIONS[0])))
    other.database.close()


def test_what_the_resources_give_an_asset_are_data_handlers(sqlite_url: str) -> None:
    database = DatabaseResource(url=sqlite_url, source="simulator")
    schwab = SchwabResource(database=database, symbols=["AAPL"], history_start="2012-01-03", calendar="XNYS")
    with dg.build_resources({"database": database, "schwab": schwab}) as resources:
        assert isinstance(resources.database, DataHandler)
        assert isinstance(resources.database, MarketDatabase)
        assert isinstance(resources.schwab, DataHandler)
        latest = resources.schwab.get_latest_bar("AAPL")
        resources.database.bars.write("AAPL", D1, fetched(bar(latest.timestamp, latest.close)))
        assert resources.database.get_latest_bar("AAPL").close == latest.close
