"""Partition backfills that the graph launches by itself, so that the UI shows each with its progress.

A schedule may only ask for runs; a backfill is what a user launches, cancels, resumes and reads
there. So a schedule puts one into the queue, under an identity of its own: asked for twice, it is
launched once.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.execution.backfill import PartitionBackfill

from jutsu_core.ports import Clock

LAUNCHED_BY = "jutsu/schedule"


class Wanted(NamedTuple):
    """A backfill that is to be there.

    Attributes:
        identity: Names it; one of the same identity is not launched again.
        title: What the UI calls it.
        description: Why it was launched.
        partitions: Which ones; none is no backfill.
        run_config: How its runs are configured.
    """

    identity: str
    title: str
    description: str
    partitions: Sequence[str]
    run_config: Mapping[str, Any]


def launch(
    context: dg.ScheduleEvaluationContext, wanted: Wanted, assets: Sequence[str], *, by: str, clock: Clock
) -> dg.SkipReason:
    """Put ``wanted`` into the queue of backfills, and return what is to be said of that."""
    if not wanted.partitions:
        return dg.SkipReason(f"{wanted.title}: nothing to do")
    instance = context.instance
    if instance.get_backfill(wanted.identity) is not None:
        return dg.SkipReason(f"{wanted.title}: backfill {wanted.identity} is there already")
    targets = {AssetKeyPartitionKey(dg.AssetKey(asset), key) for asset in assets for key in wanted.partitions}
    backfill = PartitionBackfill.from_asset_graph_subset(
        backfill_id=wanted.identity,
        backfill_timestamp=clock.now().timestamp(),
        tags={LAUNCHED_BY: by},
        dynamic_partitions_store=instance,
        asset_graph_subset=AssetGraphSubset.from_asset_partition_set(targets, context.repository_def.asset_graph),
        title=wanted.title,
        description=wanted.description,
        run_config=dict(wanted.run_config),
    )
    instance.add_backfill(backfill)
    return dg.SkipReason(
        f"{wanted.title}: backfill {wanted.identity} of {len(wanted.partitions):,} partitions was launched;"
        " see Runs, Backfills"
    )
