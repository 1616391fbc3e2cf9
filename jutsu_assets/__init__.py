"""Dagster assets, resources and everything else that touches the world."""
