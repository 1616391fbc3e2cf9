"""Interfaces and pure calculations: no Dagster, SQL, network, files or wall clock."""
