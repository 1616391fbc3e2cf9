"""Partitions: one per symbol, in the universe's order, for everything daily.

Schwab returns a symbol's whole daily history in one call, so nothing finer would save a
request, and every partition of an asset costs Dagster about 30 ms a run.
"""

import dagster as dg

from jutsu_assets.universe import Universe


def symbol_partitions(universe: Universe) -> dg.StaticPartitionsDefinition:
    """Return the partitions that all daily assets share."""
    return dg.StaticPartitionsDefinition(list(universe.symbols))
