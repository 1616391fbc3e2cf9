"""What is recorded of the bars of every symbol, in one look that reads no bar."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from jutsu_assets.store import schema
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_core.bars import Timeframe, from_epoch
from jutsu_core.ports import PartitionVersion

_TOTALS = select(
    select(func.count()).select_from(schema.bar_revisions).scalar_subquery(),
    select(func.count()).select_from(schema.quarantined_bars).scalar_subquery(),
    select(func.max(schema.partition_versions.c.recorded_at)).scalar_subquery(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What a store says that it holds.

    Attributes:
        partitions: What each symbol's bars are; a symbol without a bar is absent.
        revisions: Bars that were restated or withdrawn.
        quarantined: Bars that broke a rule.
        last_recorded_at: When a bar was last recorded; None where there is none.
    """

    partitions: Mapping[str, PartitionVersion]
    revisions: int
    quarantined: int
    last_recorded_at: datetime | None

    @property
    def bars(self) -> int:
        """Return the number of bars."""
        return sum(held.rows for held in self.partitions.values())


def holdings_of(database: Database, store: SqlBarStore, timeframe: Timeframe) -> Holdings:
    """Return what is recorded of the bars of ``timeframe``, and how many were restated or broken in all."""
    with database.reading() as connection:
        revisions, quarantined, recorded_at = connection.execute(_TOTALS).one()
    return Holdings(
        partitions=store.versions(timeframe),
        revisions=revisions,
        quarantined=quarantined,
        last_recorded_at=None if recorded_at is None else from_epoch(recorded_at),
    )
