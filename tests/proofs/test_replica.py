"""Readers on a replica: two real servers, of which one follows the other, falls behind, fails and is promoted.

The tests run in order: the last one leaves no pair behind.
"""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.commands.cli import main
from jutsu_assets.lake.indicators import read_indicators
from jutsu_assets.lake.views import connect_to
from jutsu_assets.monitoring import checks
from jutsu_assets.monitoring.checks import problems_of
from jutsu_assets.monitoring.metrics import exposition
from jutsu_assets.settings import Settings
from jutsu_assets.store.engine import Database
from jutsu_assets.store.existing import shown_database, stored_database
from jutsu_assets.store.handlers import DatabaseDataHandler
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.store.replica import lag_of, replica_of, require_replica_of
from jutsu_core.bars import Timeframe
from jutsu_core.errors import ConfigurationError, StoreUnavailableError
from tests.jutsu_assets.monitoring.conftest import Installation
from tests.support.builders import bar, fetched
from tests.support.postgres import StreamingPair, streaming_pair

D1 = Timeframe.D1
FRIDAY, MONDAY = date(2013, 3, 1), date(2013, 3, 4)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamingPair]:
    with streaming_pair(tmp_path_factory.mktemp("pair")) as servers:
        yield servers


class Place:
    """A store on both servers, with a bar of Friday."""

    def __init__(self, pair: StreamingPair, url: str, read_url: str) -> None:
        self.pair, self.url, self.read_url = pair, url, read_url
        self.market = MarketDatabase(url, source="simulator")
        self.write(FRIDAY)
        pair.catch_up()

    def write(self, *days: date) -> None:
        self.market.bars.write("AAPL", D1, fetched(*map(bar, days), asked_at=SystemClock().now()))

    def handler(self, *, as_of: datetime | None = None) -> DatabaseDataHandler:
        return DatabaseDataHandler(self.url, read_url=self.read_url, as_of=as_of)

    def newest(self, *, as_of: datetime | None = None) -> date:
        with self.handler(as_of=as_of) as bars:
            return bars.get_latest_bar("AAPL").timestamp.date()


@pytest.fixture
def place(pair: StreamingPair) -> Iterator[Place]:
    with pair.fresh_urls() as (url, read_url):
        made = Place(pair, url, read_url)
        yield made
        made.market.close()


def settings_of(place: Place, folder: Path) -> Settings:
    environment = {"JUTSU_DATABASE_URL": place.url, "JUTSU_DATABASE_READ_URL": place.read_url}
    return Settings.from_environment(environment, folder=folder)


def test_a_reader_sees_what_the_replica_shows(place: Place) -> None:
    with place.handler() as bars, place.pair.held_back():
        place.write(MONDAY)
        assert place.market.get_latest_bar("AAPL").timestamp.date() == MONDAY
        assert bars.get_latest_bar("AAPL").timestamp.date() == FRIDAY
        assert [event.timestamp.date() for event in bars.get_next_bar()] == [FRIDAY]
    assert place.newest() == MONDAY


def test_who_decides_reads_the_primary_and_who_shows_the_replica(place: Place, tmp_path: Path) -> None:
    settings = settings_of(place, tmp_path)
    with shown_database(settings) as shown, stored_database(settings) as decided:
        assert shown.shown_url == replica_of(decided, place.read_url).shown_url
        assert decided.shown_url == place.market.database.shown_url


def test_sql_and_indicators_are_of_the_replica_and_with_an_instant_of_who_knows_it(
    place: Place, tmp_path: Path
) -> None:
    (tmp_path / "universe.yaml").write_text("symbols: [AAPL]\nhistory_start: 2013-01-02\n", encoding="utf-8")
    settings = settings_of(place, tmp_path)
    with place.pair.held_back():
        place.write(MONDAY)
        then = SystemClock().now()
        with connect_to(settings) as connection:
            assert connection.execute("select max(timestamp)::date from daily_bars").fetchone() == (FRIDAY,)
        table = read_indicators(
            settings, "AAPL", "close", (None, None), as_of=then, into="arrow", warn=lambda _: pytest.fail("is whole")
        )
        assert [stamp.date() for stamp in table["timestamp"].to_pylist()] == [FRIDAY, MONDAY]


def test_lag_is_zero_when_all_is_shown_and_counted_when_not(place: Place) -> None:
    with closing(replica_of(place.market.database, place.read_url)) as replica:
        assert lag_of(place.market.database, replica).bytes_behind == 0
        with place.pair.held_back():
            place.write(MONDAY)
            behind = lag_of(place.market.database, replica)
            assert behind.bytes_behind > 0
            assert behind.seconds is not None
            assert behind.seconds > 0.9  # for so long it was waited for
        assert lag_of(place.market.database, replica).bytes_behind == 0


def test_what_was_known_is_read_from_the_replica_when_it_shows_it(place: Place) -> None:
    place.write(MONDAY)
    with place.handler(as_of=SystemClock().now()) as bars:
        assert bars.get_latest_bar("AAPL").timestamp.date() == MONDAY
        assert bars._primary is not None
        assert bars._primary._engine is None  # one process does not hold the connections of two
        assert bars.database.shown_url == replica_of(place.market.database, place.read_url).shown_url


def test_what_was_known_is_read_from_the_primary_when_the_replica_is_behind(place: Place) -> None:
    with place.pair.held_back():
        place.write(MONDAY)
        then = SystemClock().now()
        assert place.newest(as_of=then) == MONDAY
    assert place.newest(as_of=then) == MONDAY


def test_a_write_that_is_under_way_is_waited_for_at_the_primary(place: Place) -> None:
    """Its time is before the instant, and a replica knows nothing of it until it ends."""
    found: list[date] = []
    with ExitStack() as stack:
        writer = Database(place.url, SystemSleeper())
        connection = stack.enter_context(writer.writing())
        writer.take_turn(connection, "bars/AAPL/1d")
        then = SystemClock().now()
        reader = threading.Thread(target=lambda: found.append(place.newest(as_of=then)))
        reader.start()
        reader.join(0.3)
        assert reader.is_alive()
        assert found == []
    reader.join(20)
    writer.close()
    assert found == [FRIDAY]


def test_what_was_known_long_ago_needs_no_primary(place: Place) -> None:
    then = SystemClock().now() - timedelta(days=2)
    with DatabaseDataHandler(place.read_url, as_of=then) as bars:
        assert bars.symbols().empty


def test_a_replica_alone_does_not_tell_what_was_known_lately(place: Place) -> None:
    with (
        DatabaseDataHandler(place.read_url, as_of=SystemClock().now()) as bars,
        pytest.raises(StoreUnavailableError, match=r"by itself, the replica .* must show what was written at .*: read"),
    ):
        bars.get_latest_bar("AAPL")


def test_a_replica_of_another_store_is_refused(place: Place, pair: StreamingPair) -> None:
    with pair.fresh_urls() as (url, read_url):
        other = MarketDatabase(url, source="schwab")
        other.bars.write("AAPL", D1, fetched(bar(FRIDAY)))
        other.close()
        pair.catch_up()
        with (
            closing(replica_of(place.market.database, read_url)) as replica,
            pytest.raises(ConfigurationError, match=r"JUTSU_DATABASE_READ_URL must name a replica .* is another store"),
        ):
            require_replica_of(place.market.database, replica)


def lag_in(page: str) -> float:
    (said,) = re.findall(r"^jutsu_replica_lag_seconds (.+)$", page, re.MULTILINE)
    return float(said)


def test_the_doctor_and_the_metrics_tell_how_far_it_is_behind(
    pair: StreamingPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MOST_SECONDS_BEHIND", 0.5)
    with pair.fresh_urls() as (url, read_url):
        at = Installation(tmp_path, {"JUTSU_DATABASE_URL": url, "JUTSU_DATABASE_READ_URL": read_url})
        at.clock.moment = SystemClock().now()
        at.write()
        pair.catch_up()
        with at.look() as observed:
            assert lag_in(exposition(observed)) <= 0.5
            assert not {"the_replica_serves", "replica_is_close"} & {found.check for found in problems_of(observed)}
        with pair.held_back():
            at.write(day=MONDAY)
            with at.look() as observed:
                (found,) = (found for found in problems_of(observed) if found.check == "replica_is_close")
                assert re.match(r"the read replica is [\d,]+ bytes and [\d,]+ s behind; see ", found.said)
                assert lag_in(exposition(observed)) > 0.9
        at.market.close()


def test_while_the_replica_is_down_readers_are_told_what_to_unset(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"JUTSU_DATABASE_URL": place.url, "JUTSU_DATABASE_READ_URL": place.read_url}.items():
        monkeypatch.setenv(name, value)
    with place.pair.stopped("standby"):
        refused = CliRunner().invoke(main, ["revisions", "AAPL"])
        assert refused.exit_code == 1
        assert (
            "it is the read replica: start it, or unset JUTSU_DATABASE_READ_URL to read the primary" in refused.output
        )
        place.write(MONDAY)  # a writer needs no replica
    place.pair.catch_up()
    assert CliRunner().invoke(main, ["revisions", "AAPL"]).output.startswith("No bar of AAPL was ever restated")


def test_while_the_primary_is_down_readers_go_on(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.market.close()
    with place.pair.stopped("primary"), caplog.at_level(logging.WARNING, "jutsu.store.replica"):
        assert place.newest() == FRIDAY
        assert "was not compared with its primary" in caplog.text
        with pytest.raises(StoreUnavailableError, match="then its primary must answer, did not"):
            place.newest(as_of=SystemClock().now())


def test_a_replica_that_was_promoted_is_refused(pair: StreamingPair, place: Place) -> None:
    pair.standby.execute("select pg_promote()")
    with pytest.raises(
        ConfigurationError, match="follows it no longer: it was promoted; correct one of both, or unset"
    ):
        place.newest()
