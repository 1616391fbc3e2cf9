"""Bars, indicators and figures beside each other, whatever was materialized, and one file a symbol."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from jutsu_assets.lake.files import Lake
from jutsu_assets.lake.views import connect_to
from jutsu_assets.settings import Settings
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_assets.store.manifest import input_hash_of
from jutsu_assets.store.reports import PerformanceReports, StoredReport
from jutsu_core.bars import Timeframe
from jutsu_core.indicators.catalog import DEFAULT_INDICATORS, indicator_columns
from jutsu_core.metrics.periods import symbol_performance
from tests.jutsu_assets.lake.conftest import Publish, Series
from tests.support.builders import SettableClock, bar, days, fetched

D1 = Timeframe.D1
MARCH = days(date(2013, 3, 1), 3)
Store = Callable[..., None]
BAR_TYPES = {
    "symbol": "VARCHAR",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    **dict.fromkeys(("open", "high", "low", "close"), "DECIMAL(18,6)"),
    "volume": "BIGINT",
}


@pytest.fixture
def bars(app_settings: Settings, database: Database, clock: SettableClock) -> SqlBarStore:
    return SqlBarStore(database, app_settings.source, clock)


@pytest.fixture
def store(bars: SqlBarStore) -> Store:
    """Store three bars of a symbol, all of one close."""

    def put(symbol: str, close: str = "100.1799") -> None:
        bars.write(symbol, D1, fetched(*(bar(day, close) for day in MARCH)))

    return put


@pytest.fixture
def make(lake: Lake, bars: SqlBarStore, series: Series) -> Store:
    """Publish the indicators of a symbol, made of the bars that are stored now."""

    def publish(symbol: str, close: str = "100.1799", **columns: object) -> None:
        input_hash = input_hash_of(bars.versions(D1)[symbol].content_hash, "definitions")
        lake.publish("daily_indicators", symbol, series(symbol, close, **columns), input_hash=input_hash)

    return publish


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    return connection.execute(query).fetchall()


def types_of(connection: duckdb.DuckDBPyConnection, view: str) -> dict[str, str]:
    return {str(name): str(kind) for name, kind, *_ in rows(connection, f"describe {view}")}


@pytest.mark.parametrize("is_closed", [False, True])
def test_bars_come_from_the_series_made_of_them_and_from_the_store_where_there_is_none(
    app_settings: Settings, store: Store, make: Store, *, is_closed: bool
) -> None:
    """Whether indicators were never made, were made of former bars, or their file is not what was written."""
    for symbol in ("AAPL", "IBM", "MSFT", "NVDA"):
        store(symbol)
        if symbol != "IBM":
            make(symbol, sma=1.5)
    store("MSFT", "7")
    next(app_settings.lake_path.rglob("NVDA-*")).unlink()
    warned: list[str] = []
    with connect_to(app_settings, warned.append, is_closed=is_closed) as connection:
        assert types_of(connection, "daily_bars") == BAR_TYPES
        assert rows(connection, "select symbol, count(*), max(close) from daily_bars group by 1 order by 1") == [
            ("AAPL", 3, Decimal("100.1799")),
            ("IBM", 3, Decimal("100.1799")),
            ("MSFT", 3, Decimal(7)),
            ("NVDA", 3, Decimal("100.1799")),
        ]
        made = rows(connection, "select symbol, max(close), max(sma) from daily_indicators group by 1 order by 1")
        assert made == [("AAPL", Decimal("100.1799"), 1.5), ("MSFT", Decimal("100.1799"), 1.5)]
        assert rows(connection, "show tables") == [("daily_bars",), ("daily_indicators",), ("symbol_performance",)]
    assert len(warned) == 1


def test_of_what_is_not_stored_there_are_no_bars(app_settings: Settings, publish: Publish, store: Store) -> None:
    """A series of a symbol that the store no longer has is no bar of it."""
    store("AAPL")
    publish("daily_indicators", symbol="GONE")
    with connect_to(app_settings) as connection:
        assert rows(connection, "select distinct symbol from daily_bars") == [("AAPL",)]
        assert rows(connection, "select distinct symbol from daily_indicators") == [("GONE",)]


def test_what_was_not_materialized_yet_is_empty_and_has_its_columns(
    app_settings: Settings, store: Store, tmp_path: Path
) -> None:
    """Of indicators, those that the universe file chooses, or the default ones where it cannot be read."""
    store("AAPL")
    settings = replace(app_settings, universe_path=tmp_path / "universe.yaml")
    expected = {column.name: "DOUBLE" for column in indicator_columns(DEFAULT_INDICATORS)}
    with connect_to(settings) as connection:
        assert types_of(connection, "daily_indicators") == BAR_TYPES | expected
        assert rows(connection, "select * from daily_indicators join symbol_performance using (symbol)") == []
    settings.universe_path.write_text(
        "symbols: [AAPL]\nhistory_start: 2013-01-02\nindicators: {1d: swing}\nindicator_sets: {swing: [rsi]}\n", "utf-8"
    )
    with connect_to(settings) as connection:
        assert types_of(connection, "daily_indicators") == BAR_TYPES | {"rsi_14": "DOUBLE"}


def test_performance_is_a_row_a_symbol_with_the_figures_of_its_report(
    app_settings: Settings, database: Database, clock: SettableClock, store: Store
) -> None:
    reports, whole = PerformanceReports(database, clock), {}
    for symbol, end in (("AAPL", 150.0), ("BRK/B", 50.0)):
        store(symbol)
        stamps = pd.bdate_range("2011-01-03", "2013-02-28", tz="UTC")
        closes = pd.Series(np.linspace(100.0, end, len(stamps)), stamps)
        whole[symbol] = symbol_performance(closes, periods_per_year=252, risk_free_rate=0.0)
        reports.save(symbol, StoredReport("1", whole[symbol]))
    with connect_to(app_settings, is_closed=True) as connection:
        found = connection.sql("select * from symbol_performance").to_arrow_table().to_pylist()
        kinds = types_of(connection, "symbol_performance")
    assert [row["symbol"] for row in found] == ["AAPL", "BRK/B"]
    for row in found:
        report = whole[str(row["symbol"])]
        expected = report["since_inception"] | {name: report[name] for name in report if "close" in name}
        expected |= {"first_session": report["first_session"], "last_session": report["last_session"]}
        for name, value in row.items():
            said = value.isoformat() if isinstance(value, date) else value
            assert said == (row["symbol"] if name == "symbol" else expected[name]), name
    assert kinds["cagr"] == "DOUBLE"
    assert kinds["max_drawdown_peak"] == kinds["first_session"] == "DATE"
    assert found[0]["sortino_ratio"] is None  # nothing fell


def scanned(connection: duckdb.DuckDBPyConnection, query: str) -> set[str]:
    """Return which files ``query`` opens, as DuckDB's own account of it says."""
    account = connection.execute(f"explain analyze {query}").fetchall()[0][1]
    return {line.strip(" │") for line in account.splitlines() if "Scanning Files" in line}


@pytest.mark.parametrize("symbol", ["AAPL", "BRK/B", "$SPX"])
@pytest.mark.parametrize("view", ["daily_bars", "daily_indicators"])
def test_a_query_of_a_symbol_opens_its_own_file(
    app_settings: Settings, store: Store, make: Store, view: str, symbol: str
) -> None:
    for other in ("AAPL", "BRK/B", "IBM", "$SPX"):
        store(other)
        make(other, sma=1.5)
    with connect_to(app_settings) as connection:
        connection.execute(f"create view closes as select symbol, sum(close) from {view} group by 1")  # noqa: S608
        assert scanned(connection, f"from closes where symbol = '{symbol}'") == {"Scanning Files: 1/4"}
        assert scanned(connection, f"from closes where symbol in ('IBM', '{symbol}')") == {"Scanning Files: 2/4"}
        assert [row[0] for row in rows(connection, f"from closes where symbol = '{symbol}'")] == [symbol]


def test_a_key_that_is_no_symbol_says_nothing_about_rows(app_settings: Settings, lake: Lake, series: Series) -> None:
    both = pd.concat([series("AAPL"), series("MSFT")])
    lake.publish("panel", "AAPL", both, input_hash="1")
    lake.publish("panel", "MSFT", series("IBM"), input_hash="1")
    with connect_to(app_settings) as connection:
        assert rows(connection, "select symbol, count(*) from panel group by 1 order by 1") == [
            ("AAPL", 3),
            ("IBM", 3),
            ("MSFT", 3),
        ]
        assert rows(connection, "select count(*) from panel where symbol = 'AAPL'") == [(3,)]
