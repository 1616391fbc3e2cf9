"""Partitions: one per symbol, in the universe's order, for everything daily; one per strategy and portfolio file.

Schwab returns a symbol's whole daily history in one call, so nothing finer would save a
request, and every partition of an asset costs Dagster's event log some kilobytes a run.
"""

from collections.abc import Iterable, Sequence

import dagster as dg

from jutsu_assets.universe import Universe
from jutsu_core.errors import InvalidInputError

GROUP = "daily"
"""That of all assets: of one group the page of the lineage shows the assets, of several it shows closed boxes."""
OWNERS = ("team:jutsu",)
"""Those of all assets."""
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def symbol_partitions(universe: Universe) -> dg.StaticPartitionsDefinition:
    """Return the partitions that all daily assets share."""
    return dg.StaticPartitionsDefinition(list(universe.symbols))


def named_partitions(names: Iterable[str]) -> dg.StaticPartitionsDefinition:
    """Return a partition for each of ``names``, which may be none."""
    return dg.StaticPartitionsDefinition(list(names))


def requested_partitions(context: dg.AssetExecutionContext) -> Sequence[str]:
    """Return the partitions that the run is to bring up to date; none where it is about checks alone.

    Raises:
        InvalidInputError: There are none: a range that was given backwards holds nothing, and
            Dagster would call that a success.
    """
    keys = list(context.partition_keys) if context.has_partition_key_range or context.has_partition_key else []
    if keys or not context.selected_asset_keys:
        return keys
    first, last = (context.run.tags.get(tag, "") for tag in (RANGE_START, RANGE_END))
    message = (
        f"a partition range must go forwards in the universe's order, was {first}...{last}, which holds nothing;"
        f" did you mean {last}...{first}?"
        if first and last
        else "a run must name a partition or a range of them, named none; add --partition or --partition-range"
    )
    raise InvalidInputError(message)
