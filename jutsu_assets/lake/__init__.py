"""Derived series in Parquet, queried with DuckDB."""
