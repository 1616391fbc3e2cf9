"""Derived series in Parquet, queried with DuckDB."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pandas as pd


def connect() -> "duckdb.DuckDBPyConnection":
    """Return an in-memory DuckDB with one view per lake asset, named after it.

    The place of the lake is read from the environment and a file ``.env``, as the ``jutsu``
    command does (``JUTSU_HOME``, ``JUTSU_DATABASE_URL``; see :mod:`jutsu_assets.settings`). The
    views hold the files that are current now: connect again to see what was materialized since.

    Prices are exact: ``DECIMAL(18, 6)`` in SQL, ``Decimal`` in Python.

    Raises:
        ConfigurationError: A setting is wrong.
        NoDataError: Nothing is stored yet; nothing is created.
        StoreUnavailableError: The system of record or a file of the lake cannot be read.
    """
    from jutsu_assets.lake.views import connect_to  # noqa: PLC0415 - DuckDB loads when it is used
    from jutsu_assets.settings import Settings, read_environment  # noqa: PLC0415

    return connect_to(Settings.from_environment(read_environment()))


def frame(query: str) -> "pd.DataFrame":
    """Return the rows of a SQL ``query`` over the views of :func:`connect`, prices as float64.

    Args:
        query: For example ``select * from daily_indicators where symbol = 'AAPL'``.

    Raises:
        ConfigurationError: A setting is wrong.
        InvalidInputError: ``query`` returns no rows at all, such as an empty one.
        NoDataError: Nothing is stored yet; nothing is created.
        StoreUnavailableError: The system of record or a file of the lake cannot be read.
        duckdb.Error: DuckDB refused the query.
    """
    from jutsu_assets.lake.views import to_frame  # noqa: PLC0415

    with connect() as connection:
        return to_frame(connection.sql(query))
