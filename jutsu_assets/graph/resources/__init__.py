"""Dagster resources: config in, domain object out."""
