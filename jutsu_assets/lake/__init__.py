"""Derived series in Parquet, queried with DuckDB."""

import warnings
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jutsu_core.arguments import require_type
from jutsu_core.bounds import Bound

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from jutsu_assets.lake.indicators import Into
    from jutsu_assets.settings import Settings

_TO_THE_CALLER = 3
"""So many calls up a warning is the user's own line."""


def connect() -> "duckdb.DuckDBPyConnection":
    """Return an in-memory DuckDB with ``daily_bars``, ``daily_indicators`` and ``symbol_performance``.

    There is one view per asset, named after it. ``daily_bars`` are all that are stored, from the files of the
    indicators where those were made of them; ``symbol_performance`` is a row a symbol, with the figures of its
    report since inception. What nothing was materialized of yet is empty, and has its columns. A query of one symbol
    opens the one file that has it.

    The place of the lake is read from the environment and a file ``.env``, as the ``jutsu``
    command does (``JUTSU_HOME``, ``JUTSU_DATABASE_URL``; see :mod:`jutsu_assets.settings`). The
    views hold the files that are current now: connect again to see what was materialized since.

    Prices are exact: ``DECIMAL(18, 6)`` in SQL, ``Decimal`` in Python.

    A file that is not what was written costs its own symbol: a ``UserWarning`` names it, and the
    views are of the others.

    Raises:
        ConfigurationError: A setting is wrong.
        NoDataError: Nothing is stored yet; nothing is created.
        StoreUnavailableError: The system of record cannot be read, or no file of the lake.
    """
    return _connected(_TO_THE_CALLER)


def frame(query: str) -> "pd.DataFrame":
    """Return the rows of a SQL ``query`` over the views of :func:`connect`, prices and what is made of them as float64.

    Args:
        query: For example ``select * from daily_indicators where symbol = 'AAPL'``.

    Raises:
        ConfigurationError: A setting is wrong.
        InvalidInputError: ``query`` is no text, or returns no rows at all, such as an empty one.
        NoDataError: Nothing is stored yet; nothing is created.
        StoreUnavailableError: The system of record cannot be read, or no file of the lake.
        duckdb.Error: DuckDB refused the query.
    """
    from jutsu_assets.lake.views import to_frame  # noqa: PLC0415

    require_type("query", query, str, "a text of SQL", "such as 'select * from daily_indicators'")
    with _connected(_TO_THE_CALLER) as connection:
        return to_frame(connection.sql(query))


def get_indicators(
    symbols: str | Sequence[str] | None = None,
    names: str | Sequence[str] | None = None,
    start: Bound = None,
    end: Bound = None,
    as_of: datetime | None = None,
    *,
    into: "Into" = "pandas",
) -> Any:  # noqa: ANN401 - a frame of one of three libraries, of which two are not loaded
    """Return stored indicators of ``symbols`` with ``start ≤ timestamp < end``.

    The set is the one that the universe file chooses for daily bars.

    A file that is not what was written costs its own symbol: a ``UserWarning`` names it. So does one of another set,
    of another definition of what is asked for, or beside another benchmark, where all symbols are asked for.

    Args:
        symbols: One symbol or several; all that have indicators if None.
        names: Columns (``rsi_14``, ``close``) or indicators, which stand for their columns (``bollinger_bands``);
            all of the set, and the bars, if None.
        start: The first bound: a date such as ``"2010-01-04"``, or an aware instant, which means a session as it
            does for bars.
        end: The second one.
        as_of: Compute them of the bars as they were known at this instant; what is current now if None.
        into: ``pandas``, ``arrow`` or ``polars``.

    Returns:
        The columns ``symbol`` and ``timestamp``, then those asked for, floats but for ``volume``, ordered by symbol
        as asked and then by time; nothing (NaN in pandas) until an indicator's warm-up is over.

    Raises:
        ConfigurationError: A setting or the universe file is wrong, or Polars is not installed.
        InvalidInputError: The set has no such column or indicator, or a bound is none.
        NoDataError: A symbol has no stored indicators, or with ``as_of`` no bars that were known then.
        StoreUnavailableError: The system of record cannot be read, or no file; or that of a symbol that was named was
            made of another set, of another definition of what is asked for, or beside another benchmark.

    Examples:
        >>> get_indicators("AAPL", ["close", "rsi"], "2010-01-04", "2011-01-01")  # doctest: +SKIP
    """
    from jutsu_assets.lake.indicators import read_indicators  # noqa: PLC0415 - Arrow loads when it is used

    said: list[str] = []
    table = read_indicators(_settings(), symbols, names, (start, end), as_of=as_of, into=into, warn=said.append)
    _warn(said, _TO_THE_CALLER)
    return table


def _connected(stack_level: int) -> "duckdb.DuckDBPyConnection":
    from jutsu_assets.lake.views import connect_to  # noqa: PLC0415 - DuckDB loads when it is used

    said: list[str] = []
    connection = connect_to(_settings(), said.append)
    _warn(said, stack_level + 1)
    return connection


def _settings() -> "Settings":
    from jutsu_assets.settings import Settings, read_environment  # noqa: PLC0415 - loads when it is used

    return Settings.from_environment(read_environment())


def _warn(said: Sequence[str], stack_level: int) -> None:
    for message in said:
        warnings.warn(message, stacklevel=stack_level)
