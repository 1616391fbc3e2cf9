"""Migrations: from every released schema to today's, with data, on both databases."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, select, text

from jutsu_assets.clock import SystemClock
from jutsu_assets.store import migrations, schema
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_assets.store.reports import PerformanceReports
from jutsu_assets.store.upgrade import HEAD, REVISIONS, VERSION_TABLE
from jutsu_core.bars import Timeframe
from jutsu_core.errors import SchemaVersionError, StoreUnavailableError
from tests.support.bar_store_contract import FAR_AHEAD, LONG_AGO
from tests.support.builders import RecordingSleeper, SettableClock, fetched
from tests.support.old_stores import BARS, make_store_of_0_1

D1 = Timeframe.D1


def content(database: Database, name: str) -> list[tuple[object, ...]]:
    table = schema.metadata.tables[name]
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]


def summaries_in(database: Database) -> list[tuple[str, object]]:
    summaries = PerformanceReports(database, SettableClock()).summaries()
    return [(subject, json.loads(parts)) for subject, parts in summaries]


def test_who_only_reads_finds_the_summaries_of_a_store_of_0_1(url: str) -> None:
    make_store_of_0_1(url)
    reader = Database(url, RecordingSleeper(), create=False)
    assert summaries_in(reader) == [("AAPL", [None, None, None, 5, None, None])]
    reader.close()
    engine = create_engine(url)
    with engine.connect() as connection:
        assert not inspect(connection).has_table(VERSION_TABLE)
    engine.dispose()


def test_the_revisions_are_those_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == REVISIONS


def test_the_migrations_end_at_the_schema_that_the_code_uses(database: Database) -> None:
    with database.reading() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), schema.metadata)
        assert [found for found in differences if VERSION_TABLE not in str(found)] == []
        assert connection.scalar(text("select version_num from jutsu_schema_version")) == HEAD


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
    assert summaries_in(database) == [("AAPL", [None, None, None, 5, None, None])]
    store.write("MSFT", D1, fetched(*BARS))
    assert store.version("MSFT", D1) == version
    assert store.write("AAPL", D1, fetched(*BARS)).unchanged == 5


@pytest.mark.parametrize("is_old", [False, True])
def test_text_in_keys_is_ordered_by_its_bytes_whatever_the_servers_locale(postgres_url: str, *, is_old: bool) -> None:
    """An order that changes with the operating system leaves indexes wrong."""
    if is_old:
        make_store_of_0_1(postgres_url)
    database = Database(postgres_url, RecordingSleeper())
    ordered = text(
        "select t.relname, a.attname, c.collname from pg_index i join pg_class t on t.oid = i.indrelid"
        " join pg_attribute a on a.attrelid = t.oid and a.attnum = any(i.indkey)"
        " join pg_collation c on c.oid = a.attcollation where t.relnamespace = current_schema()::regnamespace"
    )
    with database.reading() as connection:
        found = {(row.relname, row.attname): row.collname for row in connection.execute(ordered)}
    keys = {(name, column.name) for name, table in schema.metadata.tables.items() for column in table.primary_key}
    assert found.pop((VERSION_TABLE, "version_num"))
    assert {of for of in keys if of[1] not in {"ts", "recorded_at", "sent_at", "start_ts", "end_ts"}} == found.keys()
    assert set(found.values()) == {"C"}
    database.close()


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
        assert not inspect(connection).has_table(VERSION_TABLE)
        assert connection.scalar(text("select value from store_facts where name = 'schema_version'")) == "1"
    engine.dispose()


@pytest.mark.parametrize("revision", ["9999", f"{int(HEAD) + 1:04}"])
def test_a_store_of_newer_code_is_refused_and_left_alone(url: str, database: Database, revision: str) -> None:
    content(database, "bars")
    with database.writing() as connection:
        connection.execute(text("update jutsu_schema_version set version_num = :revision"), {"revision": revision})
    database.close()
    with pytest.raises(SchemaVersionError, match=rf"revision {HEAD} or older, is {revision}: a newer Jutsu made it"):
        content(database, "bars")
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.scalar(text("select version_num from jutsu_schema_version")) == revision
    engine.dispose()


DAGSTERS = "7dc4f6d1cd5a"
"""A revision of somebody else who keeps Alembic's usual table in the same database."""


def execute(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def alembics_table(*numbers: str) -> list[str]:
    table = "create table alembic_version (version_num varchar(32) not null)"
    return [table, *(f"insert into alembic_version values ('{number}')" for number in numbers)]  # noqa: S608 - ours


def alembics(database: Database) -> list[str] | None:
    with database.reading() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return list(connection.scalars(text("select version_num from alembic_version order by 1")))


def test_a_schema_that_dagster_lives_in_too_is_shared(url: str, database: Database) -> None:
    execute(url, *alembics_table(DAGSTERS))
    SqlBarStore(database, "scripted", SettableClock()).write("AAPL", D1, fetched(*BARS))
    database.close()
    assert len(content(database, "bars")) == 5
    assert alembics(database) == [DAGSTERS]


@pytest.mark.slow
@pytest.mark.parametrize("beside", [[], [DAGSTERS]])
@pytest.mark.parametrize("revision", REVISIONS[1:])
def test_a_store_that_kept_its_revision_in_alembics_table_moves_it(
    url: str, database: Database, revision: str, beside: list[str]
) -> None:
    SqlBarStore(database, "scripted", SettableClock()).write("AAPL", D1, fetched(*BARS))
    database.close()
    execute(
        url,
        f"drop table {VERSION_TABLE}",
        *(["drop table api_access", "drop table api_days"] if revision == "0002" else []),
        *alembics_table(revision, *beside),
    )
    reader = Database(url, RecordingSleeper(), create=False)
    assert len(content(reader, "bars")) == 5
    assert alembics(reader) == sorted([revision, *beside])  # who only reads changes nothing
    reader.close()
    assert content(database, "api_days") == []
    assert alembics(database) == (beside or None)
    with database.reading() as connection:
        assert connection.scalar(text("select version_num from jutsu_schema_version")) == HEAD


def test_a_store_of_newer_code_is_found_in_alembics_table_too(url: str, database: Database) -> None:
    content(database, "bars")
    database.close()
    execute(url, f"drop table {VERSION_TABLE}", *alembics_table("0009"))
    with pytest.raises(SchemaVersionError, match="is 0009: a newer Jutsu made it"):
        content(database, "bars")
