"""Derived series in Parquet, queried with DuckDB."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def connect() -> "duckdb.DuckDBPyConnection":
    """Return an in-memory DuckDB with one view per lake asset, named after it.

    The place of the lake is read from the environment (``JUTSU_HOME``, ``JUTSU_DATABASE_URL``;
    see :mod:`jutsu_assets.settings`). The views hold the files that are current now: connect
    again to see what was materialized since.

    Raises:
        ConfigurationError: A setting is wrong.
        StoreUnavailableError: The system of record cannot be read.
    """
    from jutsu_assets.lake.views import connect_to  # noqa: PLC0415 - DuckDB loads when it is used
    from jutsu_assets.settings import Settings  # noqa: PLC0415

    return connect_to(Settings.from_environment(os.environ))
