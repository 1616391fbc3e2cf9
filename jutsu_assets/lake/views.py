"""DuckDB views over the current files of the lake, and beside them what the store alone knows."""

import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pandas as pd
import pyarrow as pa

from jutsu_assets.clock import SystemClock
from jutsu_assets.lake.beside import BAR_TYPES, indicator_types, put_bars, put_figures, put_nothing
from jutsu_assets.lake.names import INDICATORS, path_of
from jutsu_assets.lake.sandbox import close_off
from jutsu_assets.lake.selection import selection
from jutsu_assets.lake.verification import sound_files
from jutsu_assets.settings import Settings
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_assets.store.existing import nothing_stored, shown_database
from jutsu_assets.store.manifest import SeriesFile, SeriesManifest
from jutsu_assets.store.reports import PerformanceReports
from jutsu_assets.universe import load_universe
from jutsu_core.bars import Timeframe
from jutsu_core.errors import ConfigurationError, InvalidInputError, StoreUnavailableError
from jutsu_core.indicators.catalog import DEFAULT_INDICATORS, IndicatorSpec

BARS, PERFORMANCE = "daily_bars", "symbol_performance"
_EXACT = re.compile(r"""("(?:[^"]|"")*"|'(?:[^']|'')*')|DECIMAL\([0-9]+,[0-9]+\)|U?HUGEINT""")
"""A number that is no float, anywhere in the text of a type, or what stands in quotes there, which is none.

Python would have a ``Decimal``; a sum of volumes is a HUGEINT.
"""
_SPAN = "INTERVAL"
_BARS_OF_THE_STORE, _REPORTS_OF_THE_STORE = "stored.bars", "stored.reports"


def connect_to(
    settings: Settings, warn: Callable[[str], object] = warnings.warn, *, is_closed: bool = False
) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB with one view per asset of ``settings``; see :func:`jutsu_assets.lake.connect`.

    A file that is not what was written costs its own partition: the views are of the others.

    Args:
        settings: Where the lake is, and its manifest.
        warn: Is told what is left out, and why.
        is_closed: Whether the connection can open no other files, and write none.

    Raises:
        NoDataError: Nothing is stored yet; nothing is created.
        StoreUnavailableError: The system of record cannot be read, or no file of the lake.
    """
    with ThreadPoolExecutor(1) as aside, shown_database(settings) as database:
        bars = SqlBarStore(database, settings.source, SystemClock())
        # DuckDB takes longer to begin than what it is to show takes to be found, and neither keeps the other waiting.
        finding = aside.submit(_found, settings, database, bars, warn)
        connection = duckdb.connect(":memory:")
        try:
            files, held = finding.result()
            connection.execute("SET TimeZone = 'UTC'; create schema stored")
            _put_series(connection, settings, files)
            _put_bars(connection, settings, files, bars, held)
            put_figures(connection, PERFORMANCE, _REPORTS_OF_THE_STORE, PerformanceReports(database, SystemClock()))
            if is_closed:
                close_off(connection, [path_of(settings.lake_path, file) for file in files])
        except duckdb.Error as error:
            connection.close()
            message = (
                f"the files of the lake must be readable together: {first_line(error)}; delete the file named here,"
                " and materialize its asset and symbol again"
            )
            raise StoreUnavailableError(message) from error
        except BaseException:
            connection.close()
            raise
    return connection


def _found(
    settings: Settings, database: Database, bars: SqlBarStore, warn: Callable[[str], object]
) -> tuple[list[SeriesFile], dict[str, str]]:
    """Return the files that are what was written, and by symbol what tells its stored bars from any others."""
    files = SeriesManifest(database, SystemClock()).all_current()
    held = bars.content_hashes(Timeframe.D1)
    if not files and not held:
        raise nothing_stored(settings, database)
    return sound_files(settings.lake_path, files, warn), held


def _put_series(connection: duckdb.DuckDBPyConnection, settings: Settings, files: Sequence[SeriesFile]) -> None:
    """Make a view of each asset that has files, named after it, and an empty table where the indicators have none."""
    by_asset: defaultdict[str, list[SeriesFile]] = defaultdict(list)
    for file in files:
        by_asset[file.asset].append(file)
    for asset, those in by_asset.items():
        connection.execute(f"create view {_quoted(asset)} as {selection(settings.lake_path, those)}")
    if INDICATORS not in by_asset:
        put_nothing(connection, INDICATORS, indicator_types(_chosen(settings)))


def _put_bars(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    files: Sequence[SeriesFile],
    bars: SqlBarStore,
    held: dict[str, str],
) -> None:
    """Make the view of the bars that the store has: from the series that were made of them, and of others from it."""
    series = [file for file in files if file.asset == INDICATORS]
    made = [file for file in series if file.partition_key in held and file.is_made_of(held[file.partition_key])]
    others = sorted(held.keys() - {file.partition_key for file in made})
    # That they are all is the rule, and spares DuckDB to know them twice.
    parts = [INDICATORS if len(made) == len(series) else f"({selection(settings.lake_path, made)})"] if made else []
    if others:
        put_bars(connection, _BARS_OF_THE_STORE, bars, others)
        parts.append(_BARS_OF_THE_STORE)
    if not parts:
        put_nothing(connection, BARS, BAR_TYPES)
        return
    rows = " union all ".join(f"select {', '.join(BAR_TYPES)} from {part}" for part in parts)  # noqa: S608 - our names
    connection.execute(f"create view {BARS} as {rows}")


def _chosen(settings: Settings) -> Sequence[IndicatorSpec]:
    try:
        return load_universe(settings.universe_path).daily_indicators
    except ConfigurationError:
        # Who asks about what is stored need not mend the file of what is to be stored.
        return DEFAULT_INDICATORS


def to_frame(relation: duckdb.DuckDBPyRelation | None) -> pd.DataFrame:
    """Return the rows of ``relation`` with what is exact in SQL as float64, ready to calculate with.

    DuckDB's own ``df()`` does the same, but calls what pandas 3.1 has deprecated.

    Raises:
        InvalidInputError: There is no relation, because the statement returned no rows at all.
    """
    if relation is None:
        message = "query must be one that returns rows, such as select * from daily_indicators"
        raise InvalidInputError(message)
    sources = enumerate(zip(relation.columns, relation.types, strict=True), start=1)
    columns = [_to_calculate_with(f"#{place}", name, str(kind)) for place, (name, kind) in sources]
    table = relation.project(", ".join(columns)).to_arrow_table()
    for place, kind in enumerate(relation.types):
        if str(kind) == _SPAN:
            table = table.set_column(place, table.column_names[place], table.column(place).cast(pa.duration("us")))
    return table.to_pandas()  # type: ignore[no-any-return]


def _to_calculate_with(source: str, name: str, kind: str) -> str:
    """Return the SQL of the column ``source``, with floats for exact numbers and microseconds for a span."""
    # DuckDB rounds a price to the nearest float; Arrow's own cast is off by one digit at the end.
    plain = _EXACT.sub(lambda found: found[1] or "DOUBLE", kind)
    if kind == _SPAN:
        return f"epoch_us({source}) as {_quoted(name)}"
    return source if plain == kind else f"{source}::{plain} as {_quoted(name)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def first_line(error: Exception) -> str:
    """Return what DuckDB says first: its other lines are guesses and a picture of the query."""
    return next(iter(str(error).splitlines()), type(error).__name__)
