"""Connecting to the lake: what the views hold, what they are called, and that nothing is changed through them."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from jutsu_assets import lake as lake_room
from jutsu_assets.lake.files import Lake
from jutsu_assets.lake.views import connect_to
from jutsu_assets.settings import Settings
from jutsu_assets.store.engine import Database
from jutsu_assets.store.manifest import SeriesFile, SeriesManifest
from jutsu_core.errors import ConfigurationError, NoDataError, StoreUnavailableError
from tests.support.builders import RecordingSleeper, SettableClock

Publish = Callable[..., SeriesFile]
VARIABLES = ("JUTSU_HOME", "JUTSU_DATABASE_URL", "SCHWAB_API_KEY", "SCHWAB_APP_SECRET", "SCHWAB_BASE_URL")


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine, and no file ``.env`` of the project, reaches a test."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    return connection.execute(query).fetchall()


def files_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*.parquet")}


def test_every_asset_is_a_view_over_all_its_partitions(app_settings: Settings, publish: Publish) -> None:
    for asset, symbols in (("daily", ("AAPL", "BRK/B", "$SPX")), ("weekly", ("AAPL",))):
        for symbol in symbols:
            publish(asset, symbol)
    with connect_to(app_settings) as connection:
        found = rows(connection, "select view_name from duckdb_views() where not internal order by 1")
        assert found == [("daily",), ("weekly",)]
        assert rows(connection, "select symbol, count(*) from daily group by 1 order by 1") == [
            ("$SPX", 3),
            ("AAPL", 3),
            ("BRK/B", 3),
        ]
        assert rows(connection, "select count(*) from weekly") == [(3,)]


def test_prices_are_exact_times_are_utc_and_what_is_undefined_is_null(app_settings: Settings, publish: Publish) -> None:
    publish(sma=[np.nan, 1.0, 2.5])
    with connect_to(app_settings) as connection:
        types = {name: kind for name, kind, *_ in rows(connection, "describe daily")}
        found = rows(connection, "select timestamp, close, volume, sma from daily order by timestamp limit 2")
        assert rows(connection, "select strftime(min(timestamp), '%Y-%m-%d %H') from daily") == [("2013-03-01 00",)]
    assert types == {
        "symbol": "VARCHAR",
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        **dict.fromkeys(("open", "high", "low", "close"), "DECIMAL(18,6)"),
        "volume": "BIGINT",
        "sma": "DOUBLE",
    }
    assert found == [
        (datetime(2013, 3, 1, tzinfo=UTC), Decimal("100.179900"), 1000, None),
        (datetime(2013, 3, 2, tzinfo=UTC), Decimal("100.179900"), 1000, 1.0),
    ]


def test_only_current_files_show(app_settings: Settings, publish: Publish, lake: Lake) -> None:
    former = publish(close="1")
    publish(close="2")
    (lake.root / "daily" / "stray.parquet").write_bytes((lake.root / former.path).read_bytes())
    (lake.root / "daily" / ".killed.parquet.1").write_bytes(b"half of a ser")
    with connect_to(app_settings) as connection:
        assert rows(connection, "select distinct close from daily") == [(Decimal(2),)]


def test_partitions_of_older_definitions_lack_values_not_rows(app_settings: Settings, publish: Publish) -> None:
    publish(symbol="AAPL", sma=1.5)
    publish(symbol="MSFT", rsi=50.0)
    with connect_to(app_settings) as connection:
        assert rows(connection, "select distinct symbol, sma, rsi from daily order by 1") == [
            ("AAPL", 1.5, None),
            ("MSFT", None, 50.0),
        ]


@pytest.mark.parametrize("asset", ["order", "Mixed", 'we"ird', "daily; drop view x", "with space", "Ünie"])
def test_a_view_has_the_very_name_of_its_asset(app_settings: Settings, publish: Publish, asset: str) -> None:
    publish(asset)
    quoted = '"' + asset.replace('"', '""') + '"'
    with connect_to(app_settings) as connection:
        assert rows(connection, f"select count(*) from {quoted}") == [(3,)]  # noqa: S608
        assert rows(connection, "select view_name from duckdb_views() where not internal") == [(asset,)]


@pytest.mark.parametrize("symbol", ["O'Neil", "*", "[A]", "a?", "{b}", "x=1", "../up", "%2F", '"'])
def test_a_partition_may_have_any_name(app_settings: Settings, publish: Publish, symbol: str) -> None:
    """DuckDB would read some of these as patterns of file names."""
    publish(symbol=symbol, close="7")
    publish(symbol="AAPL")
    for is_closed in (False, True):
        with connect_to(app_settings, is_closed=is_closed) as connection:
            assert rows(connection, "select distinct symbol from daily where close = 7") == [(symbol,)]
            assert rows(connection, "select count(*) from daily") == [(6,)]


@pytest.mark.parametrize("home", ["it's", "[data]", "star*", "what?", "{x}", "|a||b|", "symbol=FOO", "a b", "Ünie"])
def test_the_lake_may_lie_in_a_folder_of_any_name(app_settings: Settings, publish: Publish) -> None:
    """DuckDB would read some of these as patterns, and one as a value of the column symbol."""
    publish()
    for is_closed in (False, True):
        with connect_to(app_settings, is_closed=is_closed) as connection:
            assert rows(connection, "select distinct symbol from daily") == [("AAPL",)]


def test_a_connection_keeps_what_was_current_and_the_next_one_sees_what_is(
    app_settings: Settings, publish: Publish
) -> None:
    publish(close="1")
    with connect_to(app_settings) as early:
        publish(close="2")
        publish("weekly")
        with connect_to(app_settings) as late:
            closes = [rows(one, "select distinct close from daily") for one in (early, late)]
            assert closes == [[(Decimal(1),)], [(Decimal(2),)]]
            assert rows(late, "select count(*) from weekly") == [(3,)]
        with pytest.raises(duckdb.CatalogException, match="weekly"):
            early.execute("select * from weekly")


@pytest.mark.parametrize(
    "statement",
    ["insert into daily select * from daily", "delete from daily", "update daily set close = 0", "drop table daily"],
)
def test_nothing_is_written_through_a_view(
    app_settings: Settings, publish: Publish, lake: Lake, statement: str
) -> None:
    publish()
    before = files_below(lake.root)
    with connect_to(app_settings) as connection, pytest.raises(duckdb.Error):
        connection.execute(statement)
    assert files_below(lake.root) == before


def test_what_is_made_in_a_connection_stays_in_it(app_settings: Settings, publish: Publish, lake: Lake) -> None:
    publish()
    before = files_below(lake.root)
    with connect_to(app_settings) as one, connect_to(app_settings) as other:
        one.execute("create table mine as select * from daily; drop view daily")
        assert rows(one, "select count(*) from mine") == [(3,)]
        assert rows(other, "select count(*) from daily") == [(3,)]
        with pytest.raises(duckdb.CatalogException, match="mine"):
            other.execute("select * from mine")
    assert files_below(lake.root) == before


def test_a_connection_does_not_hold_the_database(app_settings: Settings, publish: Publish, database: Database) -> None:
    publish()
    with connect_to(app_settings) as connection:
        with database.writing() as writing:
            writing.exec_driver_sql("delete from lake_files")
        assert rows(connection, "select count(*) from daily") == [(3,)]
    with pytest.raises(NoDataError):
        connect_to(app_settings)


def test_a_store_that_cannot_be_read_is_reported(app_settings: Settings) -> None:
    app_settings.home.mkdir(parents=True)
    (app_settings.home / "jutsu.db").write_text("no database " * 100)
    with pytest.raises(StoreUnavailableError, match="file is not a database"):
        connect_to(app_settings)


def test_the_environment_says_where_the_lake_and_its_manifest_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    database, clock = Database(url, RecordingSleeper()), SettableClock()
    lake = Lake(tmp_path / "home" / "sample" / "lake", SeriesManifest(database, clock), clock)
    stamps = pd.DatetimeIndex([date(2013, 3, 1)], tz="UTC")
    lake.publish("daily", "AAPL", pd.DataFrame({"timestamp": stamps, "close": [1.25]}), input_hash="x")
    database.close()
    monkeypatch.setenv("JUTSU_HOME", "home")
    with pytest.raises(NoDataError):
        lake_room.connect()
    monkeypatch.setenv("JUTSU_DATABASE_URL", url)
    with lake_room.connect() as connection:
        assert rows(connection, "select close from daily") == [(Decimal("1.25"),)]


def test_sample_series_do_not_show_as_live_ones(publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    publish()
    with lake_room.connect() as connection:
        assert rows(connection, "select count(*) from daily") == [(3,)]
    monkeypatch.setenv("SCHWAB_API_KEY", "key")
    monkeypatch.setenv("SCHWAB_APP_SECRET", "secret")
    with pytest.raises(NoDataError, match="live"):
        lake_room.connect()


def test_a_wrong_setting_is_refused(publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    publish()
    monkeypatch.setenv("SCHWAB_API_KEY", "key")
    with pytest.raises(ConfigurationError, match="SCHWAB_APP_SECRET must be set"):
        lake_room.connect()


def test_duckdb_is_loaded_by_those_who_connect_alone() -> None:
    check = "import sys, jutsu_assets.lake; sys.exit('duckdb' in sys.modules)"
    root = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", check], cwd=root, check=False).returncode == 0
