"""Which partitions failed when they were last run, and why: what the doctor and the nightly repair read."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Delete, delete, insert, select

from jutsu_assets.store import schema
from jutsu_assets.store.engine import Database
from jutsu_core.bars import from_epoch, to_epoch
from jutsu_core.ports import Clock

_FAILURES = schema.partition_failures


class PartitionFailure(NamedTuple):
    """That a partition is not up to date.

    Attributes:
        asset: Name of the asset.
        partition: The partition.
        reason: Why.
        failed_at: When its run said so.
    """

    asset: str
    partition: str
    reason: str
    failed_at: datetime


class PartitionFailures:
    """Keeps the failures that stand: a later success of the partition takes its own away.

    Args:
        database: The system of record.
        clock: Tells when something failed.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def all_standing(self) -> list[PartitionFailure]:
        """Return every failure that stands, by partition and asset."""
        query = select(_FAILURES).order_by(_FAILURES.c.partition_key, _FAILURES.c.asset)
        with self._database.reading() as connection:
            return [
                PartitionFailure(row.asset, row.partition_key, row.reason, from_epoch(row.failed_at))
                for row in connection.execute(query)
            ]

    def record(self, partitions: Iterable[str], assets: Collection[str], reason: str) -> None:
        """Note that ``partitions`` of each of ``assets`` failed for ``reason``."""
        failed_at = to_epoch(self._clock.now())
        rows = [
            {"asset": asset, "partition_key": partition, "reason": reason, "failed_at": failed_at}
            for partition in partitions
            for asset in assets
        ]
        if not rows:
            return
        with self._database.writing() as connection:
            self._database.take_turn(connection, "partition_failures")
            for row in rows:
                connection.execute(_of(str(row["asset"]), str(row["partition_key"])))
            connection.execute(insert(_FAILURES), rows)

    def clear(self, asset: str, partition: str) -> None:
        """Take away what stands of a partition."""
        with self._database.writing() as connection:
            self._database.take_turn(connection, "partition_failures")
            connection.execute(_of(asset, partition))


def _of(asset: str, partition: str) -> Delete:
    return delete(_FAILURES).where((_FAILURES.c.asset == asset) & (_FAILURES.c.partition_key == partition))
