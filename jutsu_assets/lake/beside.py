"""What the views hold that is in no file of the lake: bars nothing was made of yet, and figures of reports.

Both are read through the store's own library, never by DuckDB, since two SQLite libraries in one process lose data.
"""

from collections.abc import Mapping, Sequence

import duckdb

from jutsu_assets.lake.tables import as_table
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.reports import SUMMARY, PerformanceReports
from jutsu_core.bars import Timeframe, columns_to_frame
from jutsu_core.indicators.catalog import IndicatorSpec

BAR_TYPES = {
    "symbol": "varchar",
    "timestamp": "timestamptz",
    **dict.fromkeys(("open", "high", "low", "close"), "decimal(18, 6)"),
    "volume": "bigint",
}
"""The columns of bars, as SQL has them."""

_WHOLE = {
    "first_session": "date",
    "last_session": "date",
    "closes": "bigint",
    "first_close": "double",
    "last_close": "double",
}
_FIGURES = {
    "total_return": "double",
    "cagr": "double",
    "volatility": "double",
    "sharpe_ratio": "double",
    "sortino_ratio": "double",
    "calmar_ratio": "double",
    "max_drawdown": "double",
    "max_drawdown_peak": "date",
    "max_drawdown_trough": "date",
    "max_drawdown_recovery": "date",
    "win_rate": "double",
    "best_day": "double",
    "best_day_date": "date",
    "worst_day": "double",
    "worst_day_date": "date",
}


def indicator_types(indicators: Sequence[IndicatorSpec]) -> dict[str, str]:
    """Return the columns of a series of ``indicators``, as SQL has them."""
    return BAR_TYPES | {column: "double" for spec in indicators for column in spec.column_names}


def put_nothing(connection: duckdb.DuckDBPyConnection, name: str, types: Mapping[str, str]) -> None:
    """Make an empty table ``name`` with the columns ``types``: what an asset is of which nothing is there yet."""
    connection.execute(f"create table {name} ({', '.join(f'{column} {kind}' for column, kind in types.items())})")


def put_bars(connection: duckdb.DuckDBPyConnection, table: str, bars: SqlBarStore, symbols: Sequence[str]) -> None:
    """Make ``table`` of the daily bars of ``symbols``, as the store has them now."""
    put_nothing(connection, table, BAR_TYPES)
    for symbol in symbols:
        came = as_table(columns_to_frame(symbol, bars.columns(symbol, Timeframe.D1)))
        connection.register("came", came)
        connection.execute(f"insert into {table} select * from came")  # noqa: S608 - our own name
        connection.unregister("came")


def put_figures(connection: duckdb.DuckDBPyConnection, view: str, table: str, reports: PerformanceReports) -> None:
    """Make ``view`` of the key figures of every current report, a row a symbol, over ``table``, which has their JSON.

    JSON becomes columns when it is asked for: most who connect do not.
    """
    raw = reports.summaries()
    if not raw:
        put_nothing(connection, view, {"symbol": "varchar"} | _WHOLE | _FIGURES)
        return
    symbols, parts = map(list, zip(*raw, strict=True))
    columns = "unnest(?::varchar[]) as symbol, unnest(?::varchar[]) as parts"
    connection.execute(f"create table {table} as select {columns}", [symbols, parts])
    whole = ", ".join(f"(parts ->> {SUMMARY.index(name)})::{kind} as {name}" for name, kind in _WHOLE.items())
    # One expression for all of them: DuckDB takes longer to understand many than to work them out.
    figures = ", ".join(f'"{name}": "{kind}"' for name, kind in _FIGURES.items())
    columns = f"symbol, {whole}, unnest(from_json(parts -> {SUMMARY.index('since_inception')}, '{{{figures}}}'))"
    connection.execute(f"create view {view} as select {columns} from {table}")  # noqa: S608 - our own names
