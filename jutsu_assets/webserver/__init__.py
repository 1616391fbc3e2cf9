"""Dagster's webserver with the report folder beside its UI."""
