"""Derived series in Parquet, queried with DuckDB."""

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

_TO_THE_CALLER = 3
"""So many calls up a warning is the user's own line."""


def connect() -> "duckdb.DuckDBPyConnection":
    """Return an in-memory DuckDB with one view per lake asset, named after it.

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
    """Return the rows of a SQL ``query`` over the views of :func:`connect`, prices as float64.

    Args:
        query: For example ``select * from daily_indicators where symbol = 'AAPL'``.

    Raises:
        ConfigurationError: A setting is wrong.
        InvalidInputError: ``query`` returns no rows at all, such as an empty one.
        NoDataError: Nothing is stored yet; nothing is created.
        StoreUnavailableError: The system of record cannot be read, or no file of the lake.
        duckdb.Error: DuckDB refused the query.
    """
    from jutsu_assets.lake.views import to_frame  # noqa: PLC0415

    with _connected(_TO_THE_CALLER) as connection:
        return to_frame(connection.sql(query))


def _connected(stack_level: int) -> "duckdb.DuckDBPyConnection":
    from jutsu_assets.lake.views import connect_to  # noqa: PLC0415 - DuckDB loads when it is used
    from jutsu_assets.settings import Settings, read_environment  # noqa: PLC0415

    settings = Settings.from_environment(read_environment())
    said: list[str] = []
    connection = connect_to(settings, said.append)
    for message in said:
        warnings.warn(message, stacklevel=stack_level)
    return connection
