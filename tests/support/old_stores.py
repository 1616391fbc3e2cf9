"""Stores as released versions left them, with data in every table."""

from pathlib import Path

from sqlalchemy import create_engine, insert, text

from jutsu_assets.store import schema
from jutsu_core.bars import to_epoch
from tests.support.bar_store_contract import LONG_AGO, WEEK
from tests.support.builders import NOON, bar

DATA = Path(__file__).parents[1] / "data"
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
        "performance_reports": [{"subject": "AAPL", "input_hash": "a" * 64, "report": '{"closes": 5}'} | then],
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
