"""Newest bars in Redis: never older than a write that was committed, and never an error because of Redis."""

import pickle
import socket
import sys
import threading
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from jutsu_assets.clock import SystemClock
from jutsu_assets.monitoring.checks import problems_of
from jutsu_assets.settings import Settings
from jutsu_assets.store.handlers import DatabaseDataHandler
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.store.rows import bar_rows
from jutsu_assets.store.shared_bars import (
    GOOD_FOR_SECONDS,
    PATIENCE_SECONDS,
    REST_SECONDS,
    KeptBar,
    SharedBars,
    shown_cache_url,
)
from jutsu_core.bars import Timeframe
from jutsu_core.errors import ConfigurationError, InvalidInputError, NoDataError
from tests.jutsu_assets.monitoring.conftest import Installation
from tests.support.builders import bar, fetched
from tests.support.redis import RedisServer, running_redis

D1 = Timeframe.D1
FRIDAY, MONDAY = date(2013, 3, 1), date(2013, 3, 4)
HIDDEN = "S3CRET"
NOWHERE = "redis://127.0.0.1:1/0"


class Stopwatch:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[RedisServer]:
    """A Redis that a test may stop."""
    yield redis_server
    redis_server.stop()
    redis_server.start()


class Place:
    """A store whose writer knows of Redis, with a bar of Friday."""

    def __init__(self, url: str, cache_url: str) -> None:
        self.url, self.cache_url = url, cache_url
        self.market = MarketDatabase(url, source="simulator", cache_url=cache_url)
        self.write(FRIDAY)

    def write(self, day: date, close: str = "100") -> None:
        self.market.bars.write("AAPL", D1, fetched(bar(day, close), asked_at=SystemClock().now()))

    def handler(self) -> DatabaseDataHandler:
        return DatabaseDataHandler(self.url, cache_url=self.cache_url)


@pytest.fixture
def place(postgres_url: str, redis_server: RedisServer) -> Iterator[Place]:
    made = Place(postgres_url, redis_server.url)
    yield made
    made.market.close()


def close_of(handler: DatabaseDataHandler) -> Decimal:
    return handler.get_latest_bar("AAPL").close


def test_a_bar_that_one_reader_read_another_reads_from_redis(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.handler() as one, place.handler() as other:
        first = one.get_latest_bar("AAPL")
        other.get_latest_bar("AAPL")  # which tells it what store it is of
        monkeypatch.setattr(other.database, "asking", lambda: pytest.fail("the database is not asked"))
        assert other.get_latest_bar("AAPL") == first


def test_when_a_write_returns_nobody_reads_what_it_replaced(place: Place) -> None:
    with place.handler() as one, place.handler() as other:
        for number in range(101, 121):
            place.write(FRIDAY, str(number))
            assert close_of(one) == close_of(other) == number
        place.write(MONDAY, "7")
        assert close_of(other) == close_of(one) == 7


def test_many_readers_beside_a_writer_never_read_what_was_replaced_before_they_asked(place: Place) -> None:
    committed, is_done = [100], threading.Event()
    late: list[tuple[int, Decimal]] = []
    reads = [0] * 4

    def read(number: int) -> None:
        with place.handler() as bars:
            while not is_done.is_set():
                least = committed[0]
                if (found := close_of(bars)) < least:
                    late.append((least, found))
                reads[number] += 1

    readers = [threading.Thread(target=read, args=(number,)) for number in range(len(reads))]
    for reader in readers:
        reader.start()
    for close in range(101, 161):
        place.write(FRIDAY, str(close))
        committed[0] = close
    is_done.set()
    for reader in readers:
        reader.join(20)
    assert late == []
    assert min(reads) > 0


def test_a_slow_reader_does_not_bring_back_what_was_replaced(place: Place) -> None:
    with place.handler() as slow, place.handler() as other:
        shared = slow._shared
        assert shared is not None
        with slow.database.asking() as connection:
            asked_at = shared.now()
            found = bar_rows(connection).newest("AAPL", "1d")
            assert found is not None
            _, recorded_at, row = found
            place.write(FRIDAY, "200")
            shared.keep(connection, "AAPL", "1d", KeptBar(recorded_at, row), asked_at=asked_at)
            assert shared.newest("AAPL", "1d") is None
        assert close_of(other) == 200
        assert close_of(slow) == 200


def test_a_reader_that_took_a_minute_is_not_believed(place: Place) -> None:
    watch = Stopwatch()
    shared = SharedBars(place.cache_url, stopwatch=watch)
    with place.market.database.asking() as connection:
        asked_at = shared.now()
        watch.seconds += GOOD_FOR_SECONDS
        shared.keep(connection, "AAPL", "1d", KeptBar(2**62, (1, 2, 3, 4, 5, 6)), asked_at=asked_at)
        shared.keep(connection, "IBM", "1d", KeptBar(2**62, (1, 2, 3, 4, 5, 6)), asked_at=shared.now())
    assert shared.newest("AAPL", "1d") is None
    assert shared.newest("IBM", "1d") == KeptBar(2**62, (1, 2, 3, 4, 5, 6))
    shared.close()


def test_while_a_write_is_open_readers_see_what_was_before_and_keep_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdrawn, commits = threading.Event(), threading.Event()
    withdraw = SharedBars.withdraw

    def halting(*arguments: object) -> None:
        withdraw(*arguments)  # type: ignore[arg-type]
        withdrawn.set()
        assert commits.wait(10)

    with place.handler() as one, place.handler() as other:
        assert close_of(one) == 100
        monkeypatch.setattr(SharedBars, "withdraw", halting)
        writer = threading.Thread(target=place.write, args=(FRIDAY, "300"))
        writer.start()
        assert withdrawn.wait(10)
        assert close_of(one) == close_of(other) == 100
        commits.set()
        writer.join(10)
        assert close_of(one) == close_of(other) == 300


def test_a_write_that_is_rolled_back_changes_no_answer(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    withdraw = SharedBars.withdraw

    def failing(*arguments: object) -> None:
        withdraw(*arguments)  # type: ignore[arg-type]
        raise ArithmeticError

    with place.handler() as bars:
        assert close_of(bars) == 100
        with monkeypatch.context() as patched:
            patched.setattr(SharedBars, "withdraw", failing)
            with pytest.raises(ArithmeticError):
                place.write(FRIDAY, "300")
        assert close_of(bars) == 100
        place.write(FRIDAY, "400")
        assert close_of(bars) == 400


def test_a_write_that_changes_nothing_withdraws_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedBars, "withdraw", lambda *_: pytest.fail("nothing is to be withdrawn"))
    place.write(FRIDAY, "100")


def test_two_stores_on_one_server_share_a_redis_and_no_bar(place: Place, postgres: object) -> None:
    with postgres.fresh_url() as url:  # type: ignore[attr-defined]
        other = Place(url, place.cache_url)
        other.write(FRIDAY, "55")
        with place.handler() as one, other.handler() as two:
            assert [close_of(one), close_of(two)] * 2 == [100, 55] * 2
        other.market.close()


def test_readers_and_writers_go_on_when_redis_dies_and_use_it_when_it_is_back(
    place: Place, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    watch = Stopwatch()
    with place.handler() as bars:
        assert bars._shared is not None
        bars._shared._stopwatch = watch
        assert close_of(bars) == 100
        redis.stop()
        assert [close_of(bars) for _ in range(3)] == [100] * 3
        place.write(FRIDAY, "200")
        assert close_of(bars) == 200
        said = [record.getMessage() for record in caplog.records if record.name == "jutsu.store.shared_bars"]
        assert len(said) == 2  # the reader's, and the writer's
        assert all("does not answer, and is not asked for 5 s" in line for line in said)
        redis.start()
        watch.seconds += REST_SECONDS
        assert close_of(bars) == 200
        assert bars._shared.newest("AAPL", "1d") is not None


def test_a_redis_that_hangs_costs_its_patience_once(postgres_url: str) -> None:
    pytest.importorskip("redis")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        watch = Stopwatch()
        cache_url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with (
            MarketDatabase(postgres_url, source="simulator") as market,
            DatabaseDataHandler(postgres_url, cache_url=cache_url) as bars,
        ):
            market.bars.write("AAPL", D1, fetched(bar(FRIDAY)))
            assert bars._shared is not None
            bars._shared._stopwatch = watch
            assert [close_of(bars) for _ in range(50)] == [100] * 50
            fault = bars._shared.fault()
    assert fault is not None
    assert fault.startswith("the Redis redis://127.0.0.1:")
    assert PATIENCE_SECONDS < 1


def test_the_doctor_tells_whether_redis_answers(postgres_url: str, redis: RedisServer, tmp_path: Path) -> None:
    at = Installation(tmp_path, {"JUTSU_DATABASE_URL": postgres_url, "JUTSU_CACHE_URL": redis.url})
    at.write()
    with at.look() as observed:
        assert [found for found in problems_of(observed) if found.check == "the_cache_answers"] == []
    redis.stop()
    with at.look() as observed:
        (found,) = (found for found in problems_of(observed) if found.check == "the_cache_answers")
    assert found.gravity == "warning"
    assert found.said.startswith(f"the Redis {redis.url} must answer, does not: ConnectionError: ")
    assert found.said.endswith("what is written is withdrawn late")
    at.market.close()


def test_a_handler_is_sent_to_another_process(place: Place) -> None:
    with place.handler() as bars:
        close_of(bars)
        with pickle.loads(pickle.dumps(bars)) as sent:  # noqa: S301 - our own
            assert close_of(sent) == 100


def test_a_symbol_without_a_bar_is_refused_as_without_redis(place: Place) -> None:
    with place.handler() as bars, pytest.raises(NoDataError, match="IBM"):
        bars.get_latest_bar("IBM")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis",
        "redis://",
        "http://cache:6379",
        f"redis://me:{HIDDEN}@cache:port",
        f"redis://me:{HIDDEN}@cache:0",
        f"redis://me:a@{HIDDEN}@cache",
        f"redis://me:{HIDDEN}/cache:6379",
        f"redis://me:{HIDDEN}@cache/jutsu",
        f"redis://me:{HIDDEN}@cache#0",
        f"redis://me:{HIDDEN}@cache /0",
    ],
)
def test_what_is_no_address_of_a_redis_is_refused_unseen(url: str) -> None:
    with pytest.raises(ConfigurationError, match="JUTSU_CACHE_URL must be the address of a Redis such as") as refusal:
        DatabaseDataHandler("postgresql://host/jutsu", cache_url=url)
    assert HIDDEN not in str(refusal.value)


@pytest.mark.parametrize("query", ["nonsense=1", "db=first", f"password={HIDDEN}&socket_timeouts=1"])
def test_a_parameter_that_the_client_does_not_know_is_refused(query: str) -> None:
    pytest.importorskip("redis")
    with pytest.raises(ConfigurationError, match="JUTSU_CACHE_URL must have parameters that redis-py knows") as refusal:
        SharedBars(f"redis://127.0.0.1:1/?{query}").fault()
    assert HIDDEN not in str(refusal.value)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid", f"{'long' * 20}.example", "a..b"])
def test_a_server_that_cannot_be_reached_is_told_in_one_line(host: str) -> None:
    pytest.importorskip("redis")
    fault = SharedBars(f"redis://me:{HIDDEN}@{host}").fault()
    assert fault is not None
    assert "must answer, does not: " in fault
    assert HIDDEN not in fault


def test_an_address_is_shown_without_what_is_secret() -> None:
    url = f"redis://me:{HIDDEN}@cache.example:6379/1?password={HIDDEN}"
    assert shown_cache_url(url) == "redis://***@cache.example:6379/1"
    settings = Settings.from_environment({"JUTSU_CACHE_URL": url})
    assert settings.cache_url == url
    assert HIDDEN not in f"{SharedBars(url)!r}{settings!r}"


def test_redis_beside_a_file_is_refused(sqlite_url: str) -> None:
    for opened in (DatabaseDataHandler, lambda url, **more: MarketDatabase(url, source="simulator", **more)):
        with pytest.raises(ConfigurationError, match="JUTSU_CACHE_URL must be unset where the store is SQLite"):
            opened(sqlite_url, cache_url=NOWHERE)


@pytest.mark.parametrize("more", [{"read_url": "postgresql://replica/jutsu"}, {"as_of": SystemClock().now()}])
def test_redis_has_what_the_primary_says_now_alone(more: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match="cache_url must be left out with read_url and as_of"):
        DatabaseDataHandler("postgresql://host/jutsu", cache_url=NOWHERE, **more)  # type: ignore[arg-type]


def test_who_does_not_name_a_redis_loads_no_client(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)  # an import fails
    with MarketDatabase(sqlite_url, source="simulator") as market, DatabaseDataHandler(sqlite_url) as bars:
        market.bars.write("AAPL", D1, fetched(bar(FRIDAY)))
        assert close_of(bars) == 100


def test_a_client_that_is_not_installed_is_named(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with (
        MarketDatabase(postgres_url, source="simulator") as market,
        DatabaseDataHandler(postgres_url, cache_url=NOWHERE) as bars,
    ):
        market.bars.write("AAPL", D1, fetched(bar(FRIDAY)))
        with pytest.raises(ConfigurationError, match=r'pip install "jutsu\[redis\]"'):
            close_of(bars)
