"""DuckDB views over the current files of the lake."""

import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping

import duckdb
import pandas as pd

from jutsu_assets.clock import SystemClock
from jutsu_assets.lake.sandbox import close_off
from jutsu_assets.lake.verification import faults_of, lake_findings, left_out
from jutsu_assets.settings import Settings
from jutsu_assets.store.existing import nothing_stored, stored_database
from jutsu_assets.store.manifest import SeriesManifest
from jutsu_core.errors import InvalidInputError, StoreUnavailableError


def connect_to(
    settings: Settings, warn: Callable[[str], object] = warnings.warn, *, is_closed: bool = False
) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB with one view per lake asset of ``settings``.

    A file that is not what was written costs its own partition: the views are of the others.

    Args:
        settings: Where the lake is, and its manifest.
        warn: Is told what is left out, and why.
        is_closed: Whether the connection can open no other files, and write none.

    Raises:
        NoDataError: Nothing is stored yet; nothing is created.
        StoreUnavailableError: The system of record cannot be read, or no file of the lake.
    """
    with stored_database(settings) as database:
        files = SeriesManifest(database, SystemClock()).all_current()
        if not files:
            raise nothing_stored(settings, database)
    root = settings.lake_path
    faults = faults_of(root, files)
    if len(faults) == len(files):
        message = f"the lake must hold what was written: {'; '.join(lake_findings(root, files))}"
        raise StoreUnavailableError(message)
    if faults:
        warn(left_out(root, faults))
    paths: dict[str, list[str]] = defaultdict(list)
    for file in files:
        if file not in faults:
            paths[file.asset].append(str(root / file.path))
    return _with_views(paths, is_closed=is_closed)


def _with_views(paths: Mapping[str, list[str]], *, is_closed: bool) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    try:
        connection.execute("SET TimeZone = 'UTC'")
        for asset, names in paths.items():
            connection.read_parquet(names, union_by_name=True).create_view(asset)
        if is_closed:
            close_off(connection, [name for names in paths.values() for name in names])
    except duckdb.Error as error:
        connection.close()
        message = (
            f"the files of the lake must be readable together: {first_line(error)}; delete the file named here, and"
            " materialize its asset and symbol again"
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


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def first_line(error: Exception) -> str:
    """Return what DuckDB says first: its other lines are guesses and a picture of the query."""
    return next(iter(str(error).splitlines()), type(error).__name__)
