"""What may be a read replica, and what is refused: on one server. That it follows is proved on two, in the proofs."""

from contextlib import closing
from datetime import date, timedelta

import pytest

from jutsu_assets.clock import SystemClock
from jutsu_assets.settings import Settings
from jutsu_assets.store.engine import Database
from jutsu_assets.store.existing import shown_database
from jutsu_assets.store.handlers import DatabaseDataHandler
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.store.replica import lag_of, replica_of, require_replica_of
from jutsu_core.bars import Timeframe
from jutsu_core.errors import (
    ConfigurationError,
    InvalidInputError,
    MixedSourceError,
    NoDataError,
    StoreUnavailableError,
)
from tests.support.builders import RecordingSleeper, bar, fetched
from tests.support.postgres import PostgresServer

FRIDAY = date(2013, 3, 1)
HIDDEN = "S3CRET"


@pytest.fixture
def stored(postgres_url: str) -> str:
    with MarketDatabase(postgres_url, source="simulator") as database:
        database.bars.write("AAPL", Timeframe.D1, fetched(bar(FRIDAY)))
    return postgres_url


def settings_of(url: str, read_url: str, *, source: str = "simulator") -> Settings:
    settings = Settings.from_environment({"JUTSU_DATABASE_URL": url, "JUTSU_DATABASE_READ_URL": read_url})
    assert settings.source == "simulator"
    object.__setattr__(settings, "source", source)
    return settings


@pytest.mark.parametrize(
    ("primary", "replica", "said"),
    [
        (
            "sqlite:////data/jutsu.db",
            "postgresql://replica/jutsu",
            "JUTSU_DATABASE_URL must be PostgreSQL where JUTSU_D",
        ),
        ("postgresql://host/jutsu", "sqlite:////data/jutsu.db", "JUTSU_DATABASE_READ_URL must be PostgreSQL where JUT"),
        ("postgresql://host/jutsu", f"mysql://me:{HIDDEN}@host/db", "JUTSU_DATABASE_READ_URL must be SQLite or Postgr"),
        ("postgresql://host/jutsu", f"host=db password={HIDDEN}", "JUTSU_DATABASE_READ_URL must be a SQLAlchemy URL"),
        ("postgresql://host/jutsu", f"postgresql://me:p@{HIDDEN}@host/db", "JUTSU_DATABASE_READ_URL must hold one @"),
    ],
)
def test_a_replica_is_postgresql_beside_postgresql(primary: str, replica: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refusal, DatabaseDataHandler(primary, read_url=replica):
        pytest.fail("the handler must not open")
    assert said in str(refusal.value)
    assert HIDDEN not in str(refusal.value)


def test_a_replica_without_a_server_beside_it_is_refused_by_commands() -> None:
    settings = Settings.from_environment({"JUTSU_DATABASE_READ_URL": f"postgresql://me:{HIDDEN}@replica/jutsu"})
    with (
        pytest.raises(
            ConfigurationError, match="set JUTSU_DATABASE_URL to that first server, or unset JUTSU_DATABASE_R"
        ),
        shown_database(settings),
    ):
        pytest.fail("nothing must be opened")
    assert HIDDEN not in repr(settings)


def test_a_url_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="read_url must be a text such as"):
        DatabaseDataHandler("postgresql://host/jutsu", read_url=7)  # type: ignore[arg-type]


def test_what_is_written_is_no_replica() -> None:
    with pytest.raises(InvalidInputError, match="read_url must be left out with create"):
        DatabaseDataHandler("postgresql://host/jutsu", create=True, read_url="postgresql://replica/jutsu")


def test_the_primary_may_be_named_twice(stored: str) -> None:
    """As after a failover to the replica, whose address stands in both variables then."""
    with shown_database(settings_of(stored, stored)) as database:
        assert lag_of(database, database) == (0, 0.0)
    with DatabaseDataHandler(stored, read_url=stored, as_of=SystemClock().now()) as bars:
        assert bars.get_latest_bar("AAPL").timestamp.date() == FRIDAY


def test_another_store_on_the_same_server_is_refused(stored: str, postgres: PostgresServer) -> None:
    with postgres.fresh_url() as other:
        with MarketDatabase(other, source="simulator") as database:
            database.bars.refuse_other_source()
        with (
            pytest.raises(ConfigurationError, match=r"JUTSU_DATABASE_READ_URL must name a replica .* is another store"),
            shown_database(settings_of(stored, other)),
        ):
            pytest.fail("the other must not open")


def test_a_server_without_a_store_is_refused(stored: str, postgres: PostgresServer) -> None:
    with postgres.fresh_url() as empty:
        for url, read_url, said in [
            (stored, empty, "the read replica: there is none; correct JUTSU_DATABASE_READ_URL"),
            (empty, stored, "JUTSU_HOME or JUTSU_DATABASE_URL says where to look"),
        ]:
            with (
                DatabaseDataHandler(url, read_url=read_url) as bars,
                pytest.raises(NoDataError, match=said),
            ):
                bars.get_latest_bar("AAPL")


def test_bars_of_another_source_are_refused(stored: str) -> None:
    with pytest.raises(MixedSourceError), shown_database(settings_of(stored, stored, source="schwab")):
        pytest.fail("sample bars must not be shown as live ones")


def test_a_server_that_follows_nobody_is_none_while_the_primary_is_silent(stored: str) -> None:
    silent = Database("postgresql://me@127.0.0.1:1/jutsu", RecordingSleeper())
    with (
        closing(replica_of(silent, stored)) as replica,
        pytest.raises(
            ConfigurationError, match="follows no other server; correct one of both, or unset JUTSU_DATABASE_R"
        ),
    ):
        require_replica_of(silent, replica)


def test_a_replica_that_is_down_is_named_with_what_to_unset(stored: str) -> None:
    primary = Database(stored, RecordingSleeper(), create=False)
    with (
        closing(primary),
        closing(replica_of(primary, f"postgresql://me:{HIDDEN}@127.0.0.1:1/jutsu")) as replica,
        pytest.raises(StoreUnavailableError, match="unset JUTSU_DATABASE_READ_URL to read the primary") as refusal,
    ):
        require_replica_of(primary, replica)
    assert HIDDEN not in str(refusal.value)


def test_what_was_known_long_ago_waits_for_no_writer(stored: str) -> None:
    with (
        MarketDatabase(stored, source="simulator") as writer,
        writer.database.writing() as connection,
    ):
        writer.database.take_turn(connection, "bars/AAPL/1d")
        with DatabaseDataHandler(stored, as_of=SystemClock().now() - timedelta(days=2)) as bars:
            assert bars.symbols().empty
