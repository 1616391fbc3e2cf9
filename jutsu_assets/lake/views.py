"""DuckDB views over the current files of the lake."""

from collections import defaultdict
from pathlib import Path

import duckdb
import pandas as pd

from jutsu_assets.clock import SystemClock
from jutsu_assets.settings import Settings
from jutsu_assets.store.existing import nothing_stored, stored_database
from jutsu_assets.store.manifest import SeriesFile, SeriesManifest
from jutsu_core.errors import InvalidInputError, StoreUnavailableError


def connect_to(settings: Settings) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB with one view per lake asset of ``settings``.

    Raises:
        NoDataError: Nothing is stored yet; nothing is created.
        StoreUnavailableError: The system of record or a file of the lake cannot be read.
    """
    with stored_database(settings) as database:
        files = SeriesManifest(database, SystemClock()).all_current()
        if not files:
            raise nothing_stored(settings, database)
    paths: dict[str, list[str]] = defaultdict(list)
    for file in files:
        paths[file.asset].append(_present(settings.lake_path / file.path, file))
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    for asset, names in paths.items():
        try:
            connection.read_parquet(names, union_by_name=True).create_view(asset)
        except duckdb.Error as error:
            connection.close()
            message = (
                f"the files of {asset} in the lake must be whole: {first_line(error)}; delete the file named here,"
                f" and materialize {asset} of its symbol again"
            )
            raise StoreUnavailableError(message) from error
    return connection


def to_frame(relation: duckdb.DuckDBPyRelation | None) -> pd.DataFrame:
    """Return the rows of ``relation`` with prices as float64, ready to calculate with.

    DuckDB's own ``df()`` does the same, but calls what pandas 3.1 has deprecated.

    Raises:
        InvalidInputError: There is no relation, because the statement returned no rows at all.
    """
    if relation is None:
        message = "query must be one that returns rows, such as select * from daily_indicators"
        raise InvalidInputError(message)
    # DuckDB rounds a price to the nearest float; Arrow's own cast is off by one digit at the end.
    columns = ", ".join(
        f"#{place}::double as {_quoted(name)}" if kind.id == "decimal" else f"#{place}"
        for place, (name, kind) in enumerate(zip(relation.columns, relation.types, strict=True), start=1)
    )
    return relation.project(columns).to_arrow_table().to_pandas()  # type: ignore[no-any-return]


def _present(path: Path, file: SeriesFile) -> str:
    if not path.is_file():
        message = f"the lake must hold {path}, which is missing; materialize {file.asset} of {file.partition_key} again"
        raise StoreUnavailableError(message)
    return str(path)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def first_line(error: Exception) -> str:
    """Return what DuckDB says first: its other lines are guesses and a picture of the query."""
    return next(iter(str(error).splitlines()), type(error).__name__)
