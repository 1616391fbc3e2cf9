"""Migrations: from every released schema to today's, with data, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, insert, inspect, select, text

from jutsu_assets.clock import SystemClock
from jutsu_assets.store import migrations, schema
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_assets.store.upgrade import HEAD, REVISIONS
from jutsu_core.bars import Timeframe, to_epoch
from jutsu_core.errors import SchemaVersionError, StoreUnavailableError
from tests.support.bar_store_contract import FAR_AHEAD, LONG_AGO, WEEK
from tests.support.builders import NOON, RecordingSleeper, SettableClock, bar, fetched

D1 = Timeframe.D1
DATA = Path(__file__).parents[2] / "data"
BARS = [bar(day, f"{100 + n}.{n}") for n, day in enumerate(WEEK)]


def make_store_of_0_1(url: str) -> None:
    """Leave at ``url`` what 0.1.0 left: its tables, its version among the facts, and data in every table."""
    engine = create_engine(url)
    of: dict[str, object] = {"symbol": "AAPL", "timeframe": "1d"}
    then: dict[str, object] = {"recorded_at": to_epoch(NOON)}
    rows: list[dict[str, object]] = [
        dict(zip(("ts", "open", "high", "low", "close", "volume"), (to_epoch(b[0]), *b[1:]), strict=True)) for b in BARS
    ]
    window: dict[str, object] = {
        "start_ts": to_epoch(LONG_AGO),
        "end_ts": to_epoch(NOON),
        "asked_at": to_epoch(NOON),
        "bars": 5,
    }
    version: dict[str, object] = {"bars": 5, "first_ts": rows[0]["ts"], "last_ts": rows[-1]["ts"]}
    file: dict[str, object] = {
        "asset": "daily_indicators",
        "partition_key": "AAPL",
        "path": "x.parquet",
        "series_rows": 5,
    }
    facts: list[dict[str, object]] = [
        {"name": "schema_version", "value": "1"},
        {"name": "source", "value": "scripted"},
    ]
    data: dict[str, list[dict[str, object]]] = {
        "store_facts": facts,
        "bars": [of | row | {"source": "scripted"} | then for row in rows],
        "bar_revisions": [of | rows[0] | {"source": "scripted", "recorded_at": 1, "superseded_at": to_epoch(NOON)}],
        "quarantined_bars": [of | {"raw_hash": "h", "ts": None, "raw": "x", "reason": "bad", "source": "s"} | then],
        "coverage": [of | window],
        "partition_versions": [of | {"content_hash": "a" * 64} | version | then],
        "lake_files": [file | {"input_hash": "a" * 64, "content_hash": "c" * 64} | then],
        "performance_reports": [{"subject": "AAPL", "input_hash": "a" * 64, "report": "{}"} | then],
        "api_requests": [{"sent_at": to_epoch(NOON)}],
    }
    dialect = "sqlite" if url.startswith("sqlite") else "postgres"
    tables = (DATA / f"tables_of_0_1.{dialect}.sql").read_text().split(";")[:-1]
    with engine.begin() as connection:
        for statement in tables:
            connection.execute(text(statement))
        for name, table_rows in data.items():
            connection.execute(insert(schema.metadata.tables[name]), table_rows)
    engine.dispose()


def content(database: Database, name: str) -> list[tuple[object, ...]]:
    table = schema.metadata.tables[name]
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]


def test_the_revisions_are_those_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == REVISIONS


def test_the_migrations_end_at_the_schema_that_the_code_uses(database: Database) -> None:
    with database.reading() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), schema.metadata)
        assert [found for found in differences if "alembic_version" not in str(found)] == []
        assert connection.scalar(text("select version_num from alembic_version")) == HEAD


def test_a_store_of_0_1_keeps_everything_and_gets_new_content_hashes(url: str, database: Database) -> None:
    make_store_of_0_1(url)
    store = SqlBarStore(database, "scripted", SettableClock())
    assert store.read("AAPL", D1, LONG_AGO, FAR_AHEAD) == BARS
    version = store.version("AAPL", D1)
    assert version is not None
    assert version.content_hash != "a" * 64
    assert version.rows == 5
    assert (
        len(store.revisions("AAPL", D1)) == len(store.quarantined("AAPL", D1)) == len(store.coverage("AAPL", D1)) == 1
    )
    for name in ("lake_files", "performance_reports", "api_requests"):
        assert len(content(database, name)) == 1
    store.write("MSFT", D1, fetched(*BARS))
    assert store.version("MSFT", D1) == version
    assert store.write("AAPL", D1, fetched(*BARS)).unchanged == 5


def test_a_store_of_0_1_is_upgraded_once_by_many_at_a_time(url: str) -> None:
    make_store_of_0_1(url)
    databases = [Database(url, RecordingSleeper()) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda one: SqlBarStore(one, "scripted", SystemClock()).version("AAPL", D1), databases))
    assert len(set(found)) == 1
    for one in databases:
        one.close()


def test_code_of_0_1_refuses_an_upgraded_store(database: Database) -> None:
    """It looks for its own number, 1, among the facts."""
    assert ("schema_version", "2") in content(database, "store_facts")


def test_a_migration_that_fails_leaves_the_store_as_it_was(url: str) -> None:
    make_store_of_0_1(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("drop table partition_versions"))
    with pytest.raises(StoreUnavailableError, match="partition_versions"):
        SqlBarStore(Database(url, RecordingSleeper()), "scripted", SettableClock()).version("AAPL", D1)
    with engine.connect() as connection:
        assert not inspect(connection).has_table("alembic_version")
        assert connection.scalar(text("select value from store_facts where name = 'schema_version'")) == "1"
    engine.dispose()


@pytest.mark.parametrize("revision", ["9999", "0004"])
def test_a_store_of_newer_code_is_refused_and_left_alone(url: str, database: Database, revision: str) -> None:
    content(database, "bars")
    with database.writing() as connection:
        connection.execute(text("update alembic_version set version_num = :revision"), {"revision": revision})
    database.close()
    with pytest.raises(SchemaVersionError, match=rf"revision {HEAD} or older, is {revision}: a newer Jutsu made it"):
        content(database, "bars")
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.scalar(text("select version_num from alembic_version")) == revision
    engine.dispose()
