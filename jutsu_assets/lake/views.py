"""DuckDB views over the current files of the lake."""

from collections import defaultdict
from pathlib import Path

import duckdb

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.settings import Settings
from jutsu_assets.store.engine import Database
from jutsu_assets.store.manifest import SeriesManifest


def connect_to(settings: Settings) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB with one view per lake asset of ``settings``.

    Raises:
        StoreUnavailableError: The system of record cannot be read.
    """
    database = Database(settings.database_url, SystemSleeper())
    try:
        files = SeriesManifest(database, SystemClock()).all_current()
    finally:
        database.close()
    paths: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        paths[file.asset].append(settings.lake_path / file.path)
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    for asset, names in paths.items():
        relation = connection.read_parquet([str(name) for name in names], union_by_name=True)
        relation.create_view(asset)
    return connection
