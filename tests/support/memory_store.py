"""A :class:`jutsu_core.ports.BarStore` in memory, held to the same contract as the real one."""

import dataclasses
import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import compress

from jutsu_core.answers import CLOCK_TOLERANCE, are_outside, checked_answer, checked_symbol, later_windows
from jutsu_core.bars import Bar, BarColumns, RejectedBar, Timeframe
from jutsu_core.ports import (
    BEGINNING,
    END_OF_TIME,
    BarRevision,
    BarStore,
    Clock,
    CoverageWindow,
    FetchedBars,
    PartitionVersion,
    WriteResult,
)
from tests.support.builders import SettableClock


@dataclass
class _Partition:
    bars: dict[datetime, Bar] = field(default_factory=dict)
    coverage: list[CoverageWindow] = field(default_factory=list)
    quarantined: list[RejectedBar] = field(default_factory=list)
    recorded: dict[datetime, datetime] = field(default_factory=dict)
    revisions: list[BarRevision] = field(default_factory=list)
    changed_at: datetime | None = None


class MemoryBarStore(BarStore):
    """Keeps bars for as long as it lives.

    Args:
        clock: Tells when something was recorded; stands still if None.

    Attributes:
        writes: How often it was written to.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SettableClock()
        self._partitions: defaultdict[tuple[str, Timeframe], _Partition] = defaultdict(_Partition)
        self.writes = 0

    def write(self, symbol: str, timeframe: Timeframe, fetched: FetchedBars, *, replace: bool = False) -> WriteResult:
        self.writes += 1
        partition = self._partitions[checked_symbol(symbol), timeframe]
        fetched, values = checked_answer(fetched)
        overtaken_by = later_windows(fetched, partition.coverage, self._clock.now())
        if overtaken_by:
            kept = tuple(compress(fetched.bars, are_outside(values, overtaken_by)))
            fetched, replace = dataclasses.replace(fetched, bars=kept), False
        came = {bar.timestamp: bar for bar in fetched.bars}
        held = dict(partition.bars)
        withdrawn = [stamp for stamp in held if replace and fetched.start <= stamp < fetched.end and stamp not in came]
        inserted = [stamp for stamp in came if stamp not in held]
        changed = [stamp for stamp in came if stamp in held and held[stamp] != came[stamp]]
        if inserted or changed or withdrawn:
            now = self._now(partition)
            for stamp in sorted([*changed, *withdrawn]):
                partition.revisions.append(
                    BarRevision(
                        former=partition.bars.pop(stamp),
                        recorded_at=partition.recorded.pop(stamp),
                        superseded_at=now,
                        successor=came.get(stamp),
                    )
                )
            partition.bars |= came
            partition.recorded |= dict.fromkeys([*inserted, *changed], now)
        known = {(bar.raw, bar.reason) for bar in partition.quarantined}
        fresh = {(bar.raw, bar.reason): bar for bar in fetched.rejected if (bar.raw, bar.reason) not in known}
        partition.quarantined.extend(fresh.values())
        if not overtaken_by:
            others = [one for one in partition.coverage if one.start < fetched.start or one.end > fetched.end]
            asked_at, bars = fetched.asked_at, len(fetched.bars)
            asked = CoverageWindow(start=fetched.start, end=fetched.end, asked_at=asked_at, bars=bars)
            partition.coverage = sorted([*others, asked], key=lambda window: (window.asked_at, window.start))
        return WriteResult(
            inserted=len(inserted),
            changed=len(changed),
            unchanged=len(came) - len(inserted) - len(changed),
            quarantined=len(fresh),
            withdrawn=len(withdrawn),
        )

    def read(
        self, symbol: str, timeframe: Timeframe, start: datetime = BEGINNING, end: datetime = END_OF_TIME
    ) -> list[Bar]:
        bars = self._partitions[symbol, timeframe].bars
        return [bars[stamp] for stamp in sorted(bars) if start <= stamp < end]

    def columns(
        self, symbol: str, timeframe: Timeframe, start: datetime = BEGINNING, end: datetime = END_OF_TIME
    ) -> BarColumns:
        return BarColumns.of(self.read(symbol, timeframe, start, end))

    def state(self, symbol: str, timeframe: Timeframe) -> str:
        partition = self._partitions[symbol, timeframe]
        return repr((sorted(partition.bars.values()), self.coverage(symbol, timeframe), partition.quarantined))

    def timestamps(self, symbol: str, timeframe: Timeframe) -> list[datetime]:
        return sorted(self._partitions[symbol, timeframe].bars)

    def coverage(self, symbol: str, timeframe: Timeframe) -> list[CoverageWindow]:
        believed = self._clock.now() + CLOCK_TOLERANCE
        return [window for window in self._partitions[symbol, timeframe].coverage if window.asked_at <= believed]

    def version(self, symbol: str, timeframe: Timeframe) -> PartitionVersion | None:
        bars = self._partitions[symbol, timeframe].bars
        if not bars:
            return None
        stamps = sorted(bars)
        content = repr([tuple(bars[stamp]) for stamp in stamps])
        return PartitionVersion(
            content_hash=hashlib.sha256(content.encode()).hexdigest(),
            rows=len(stamps),
            first=stamps[0],
            last=stamps[-1],
        )

    def quarantined(self, symbol: str, timeframe: Timeframe) -> list[RejectedBar]:
        return list(self._partitions[symbol, timeframe].quarantined)

    def revisions(self, symbol: str, timeframe: Timeframe) -> list[BarRevision]:
        return list(self._partitions[symbol, timeframe].revisions)

    def _now(self, partition: _Partition) -> datetime:
        now = self._clock.now()
        if partition.changed_at is not None:
            now = max(now, partition.changed_at + timedelta(microseconds=1))
        partition.changed_at = now
        return now
