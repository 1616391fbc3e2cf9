"""A :class:`jutsu_core.ports.BarStore` in memory, held to the same contract as the real one."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from jutsu_core.bars import Bar, RejectedBar, Timeframe
from jutsu_core.ports import BarStore, CoverageWindow, FetchedBars, PartitionVersion, WriteResult


@dataclass
class _Partition:
    bars: dict[datetime, Bar] = field(default_factory=dict)
    coverage: list[CoverageWindow] = field(default_factory=list)
    quarantined: list[RejectedBar] = field(default_factory=list)


class MemoryBarStore(BarStore):
    """Keeps bars for as long as it lives.

    Attributes:
        writes: How often it was written to.
    """

    def __init__(self) -> None:
        self._partitions: defaultdict[tuple[str, Timeframe], _Partition] = defaultdict(_Partition)
        self.writes = 0

    def write(self, symbol: str, timeframe: Timeframe, fetched: FetchedBars) -> WriteResult:
        self.writes += 1
        partition = self._partitions[symbol, timeframe]
        came = {bar.timestamp: bar for bar in fetched.bars}
        inserted = sum(stamp not in partition.bars for stamp in came)
        unchanged = sum(partition.bars.get(stamp) == bar for stamp, bar in came.items())
        partition.bars |= came
        known = {(bar.raw, bar.reason) for bar in partition.quarantined}
        fresh = {(bar.raw, bar.reason): bar for bar in fetched.rejected if (bar.raw, bar.reason) not in known}
        partition.quarantined.extend(fresh.values())
        outside = [window for window in partition.coverage if window.start < fetched.start or window.end > fetched.end]
        asked = CoverageWindow(start=fetched.start, end=fetched.end, asked_at=fetched.asked_at, bars=len(fetched.bars))
        partition.coverage = sorted([*outside, asked], key=lambda window: (window.asked_at, window.start))
        return WriteResult(
            inserted=inserted,
            changed=len(came) - inserted - unchanged,
            unchanged=unchanged,
            quarantined=len(fresh),
        )

    def read(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> list[Bar]:
        bars = self._partitions[symbol, timeframe].bars
        return [bars[stamp] for stamp in sorted(bars) if start <= stamp < end]

    def timestamps(self, symbol: str, timeframe: Timeframe) -> list[datetime]:
        return sorted(self._partitions[symbol, timeframe].bars)

    def coverage(self, symbol: str, timeframe: Timeframe) -> list[CoverageWindow]:
        return list(self._partitions[symbol, timeframe].coverage)

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
