"""One write of one partition of bars: what differs, and how it enters the tables.

Everything here happens inside the one transaction that its caller opened, after the lock.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert

from jutsu_assets.store import schema
from jutsu_assets.store.content import EMPTY, Content, changed, content_of, from_hex, to_hex
from jutsu_assets.store.rows import BarRows, run
from jutsu_core.bars import RejectedBar, Timeframe, to_epoch
from jutsu_core.ports import CoverageWindow, FetchedBars

_OF_PARTITION = "symbol = ? and timeframe = ?"
EARLIEST, LATEST = -(2**63), 2**63 - 1
"""Before and after every stamp."""

STANDING = (
    "select (select value from store_facts where name = 'source'),"
    " held.content_hash, held.bars, held.first_ts, held.last_ts, held.recorded_at,"
    " asked.start_ts, asked.end_ts, asked.asked_at, asked.bars"
    " from (select 1) as one"
    " left join partition_versions as held on held.symbol = ? and held.timeframe = ?"
    " left join coverage as asked on asked.symbol = ? and asked.timeframe = ? and start_ts <= ? and end_ts >= ?"
)
"""What a write has to know before anything else, in one question: the source of the whole store, what the
partition holds, and, a row each, the windows that overlap a given one or touch it. By symbol and timeframe,
again, and that window's end and start."""


def _storable(text: str) -> str:
    # What no database keeps must not take the sound bars of an answer with it.
    return text.replace("\x00", "\\x00").encode(errors="backslashreplace").decode()


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """What ``partition_versions`` says of a partition; ``bars`` is 0 after all were withdrawn."""

    content: Content
    bars: int
    first: int
    last: int
    recorded_at: int


@dataclass(frozen=True, slots=True)
class Difference:
    """What came, against what is held: new, changed and withdrawn bars, and what changed ones said before.

    All are arrays of shape (n, 6), ascending.

    Attributes:
        unchanged: How many bars came as they are held.
        in_a_row: Whether no bar that stays as it is stands between those that change or go.
    """

    new: NDArray[np.int64]
    changed: NDArray[np.int64]
    former: NDArray[np.int64]
    withdrawn: NDArray[np.int64]
    unchanged: int
    in_a_row: bool = True

    def __bool__(self) -> bool:
        return bool(len(self.new) or len(self.changed) or len(self.withdrawn))

    @property
    def ended(self) -> NDArray[np.int64]:
        """Return the stamps of the bars that change or go, ascending."""
        return np.sort(_joined(self.changed, self.withdrawn)[:, 0])

    @classmethod
    def between(cls, came: NDArray[np.int64], held: NDArray[np.int64], *, replace: bool) -> "Difference":
        """Return how ``held`` bars become those that ``came``; the others go only when told to ``replace``."""
        if not len(held):
            return cls.of_new(came)
        places = np.searchsorted(held[:, 0], came[:, 0])
        twins = held[np.minimum(places, len(held) - 1)]
        is_held = twins[:, 0] == came[:, 0]
        differs = is_held & (twins != came).any(axis=1)
        stays = np.ones(len(held), dtype=np.bool_)
        stays[places[differs]] = False
        withdrawn = held[:0]
        if replace:
            comes = np.zeros(len(held), dtype=np.bool_)
            comes[places[is_held]] = True
            withdrawn = held[~comes]
            stays &= comes
        (ends,) = np.nonzero(~stays)
        return cls(
            new=came[~is_held],
            changed=came[differs],
            former=twins[differs],
            withdrawn=withdrawn,
            unchanged=int(np.count_nonzero(is_held) - np.count_nonzero(differs)),
            in_a_row=len(ends) == 0 or bool(ends[-1] - ends[0] + 1 == len(ends)),
        )

    @classmethod
    def of_new(cls, came: NDArray[np.int64]) -> "Difference":
        """Return that all bars are new."""
        return cls(new=came, changed=came[:0], former=came[:0], withdrawn=came[:0], unchanged=0)

    @classmethod
    def none(cls, came: NDArray[np.int64]) -> "Difference":
        """Return that all bars came as they are held."""
        return cls(new=came[:0], changed=came[:0], former=came[:0], withdrawn=came[:0], unchanged=len(came))


def _joined(some: NDArray[np.int64], more: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([some, more]) if len(more) else some


class PartitionWrite:
    """One write transaction's view of one partition.

    Args:
        rows: The bars, within a transaction that holds the partition's lock.
        symbol: Ticker.
        timeframe: Which of its bars.
        stored: What :data:`STANDING` found of the partition.
        source: Where the bars come from.
        now: The time by the clock, microseconds since 1970.
    """

    def __init__(
        self,
        rows: BarRows,
        symbol: str,
        timeframe: Timeframe,
        *,
        stored: tuple[Any, ...],
        source: str,
        now: int,
    ) -> None:
        self._connection = rows.connection
        self._rows = rows
        self._of = (symbol, timeframe.value)
        self._source = source
        self._stored = None if stored[0] is None else StoredVersion(from_hex(stored[0]), *stored[1:])
        self._was_wrong = False
        # Always later than the partition's last change, even where the clock is coarse or was
        # set back: the times of a bar's revisions must not meet.
        self._now = now if self._stored is None else max(now, self._stored.recorded_at + 1)

    @property
    def recorded_at(self) -> int:
        """Return when what this write changes is recorded, microseconds since 1970."""
        return self._now

    @property
    def was_wrong(self) -> bool:
        """Return whether what is recorded of the partition is corrected, whatever came."""
        return self._was_wrong

    def difference(self, came: NDArray[np.int64], window: tuple[datetime, datetime], *, replace: bool) -> Difference:
        """Return what the bars that ``came`` change.

        With ``replace`` all bars inside the ``window`` are at stake, and what is recorded of the
        partition is not believed: where it disagrees with the bars it is corrected.
        """
        if replace:
            held = self._corrected()
            start, end = to_epoch(window[0]), to_epoch(window[1])
            return Difference.between(came, held[(held[:, 0] >= start) & (held[:, 0] < end)], replace=True)
        stored = self._stored
        if stored is None or not len(came):
            return Difference.of_new(came)
        first, last = int(came[0, 0]), int(came[-1, 0])
        if first > stored.last:
            return Difference.of_new(came)
        # Where the answer spans the whole partition, equal hashes spare the reading of what is held.
        spans_all = (len(came), first, last) == (stored.bars, stored.first, stored.last)
        if spans_all and content_of(came) == stored.content:
            return Difference.none(came)
        return Difference.between(came, self._rows.array(*self._of, first, last + 1), replace=False)

    def _corrected(self) -> NDArray[np.int64]:
        """Return all bars that are held, after making what is recorded of them true."""
        held = self._rows.array(*self._of, EARLIEST, LATEST)
        first, last = (int(held[0, 0]), int(held[-1, 0])) if len(held) else (0, 0)
        recorded_at = self._stored.recorded_at if self._stored else 0
        true = StoredVersion(content_of(held), len(held), first, last, recorded_at)
        if (self._stored or true) != true or (self._stored is None and len(held)):
            self._was_wrong = True
            newest = run(self._connection, f"select max(recorded_at) from bars where {_OF_PARTITION}", self._of)
            self._now = max(self._now, (newest.fetchone()[0] or 0) + 1)
            self._stored = true
        return held

    def apply(self, difference: Difference, fetched: FetchedBars | None, touching: Iterable[CoverageWindow]) -> None:
        """Bring bars, revisions, version and coverage up to what was ``fetched``; no coverage if None.

        Args:
            difference: What changes.
            fetched: The answer.
            touching: The windows that :data:`STANDING` found.
        """
        with self._rows.together():
            if len(ended := difference.ended):
                self._rows.supersede(*self._of, ended, self._now, in_a_row=difference.in_a_row)
            put = _joined(difference.new, difference.changed)
            if len(put):
                self._rows.put(*self._of, put, self._source, self._now)
            if difference or self._was_wrong:
                self._set_version(difference)
            if fetched is not None:
                self._cover(fetched, touching)

    def quarantine(self, rejected: Iterable[RejectedBar]) -> int:
        """Keep what broke a rule, each once; return how many were not kept yet."""
        rows = {}
        for bar in rejected:
            raw_hash = hashlib.sha256(f"{bar.reason}\n{bar.raw}".encode(errors="backslashreplace")).hexdigest()
            rows[raw_hash] = {
                "symbol": self._of[0],
                "timeframe": self._of[1],
                "raw_hash": raw_hash,
                "ts": None if bar.timestamp is None else to_epoch(bar.timestamp),
                "raw": _storable(bar.raw),
                "reason": bar.reason,
                "source": self._source,
                "recorded_at": self._now,
            }
        if not rows:
            return 0
        sql = f"select raw_hash from quarantined_bars where {_OF_PARTITION}"
        known = {row[0] for row in run(self._connection, sql, self._of).fetchall()}
        fresh = [row for raw_hash, row in rows.items() if raw_hash not in known]
        if fresh:
            self._connection.execute(insert(schema.quarantined_bars), fresh)
        return len(fresh)

    def _cover(self, fetched: FetchedBars, touching: Iterable[CoverageWindow]) -> None:
        window = (to_epoch(fetched.start), to_epoch(fetched.end))
        # A later answer about a wider window says all that the former ones said.
        if any(fetched.start <= former.start and former.end <= fetched.end for former in touching):
            inside = f"delete from coverage where {_OF_PARTITION} and start_ts >= ? and end_ts <= ?"
            run(self._connection, inside, (*self._of, *window))
        sql = "insert into coverage (symbol, timeframe, start_ts, end_ts, asked_at, bars) values (?, ?, ?, ?, ?, ?)"
        run(self._connection, sql, (*self._of, *window, to_epoch(fetched.asked_at), len(fetched.bars)))

    def _set_version(self, difference: Difference) -> None:
        content = changed(
            self._stored.content if self._stored else EMPTY,
            added=_joined(difference.new, difference.changed),
            removed=_joined(difference.former, difference.withdrawn),
        )
        count = (self._stored.bars if self._stored else 0) + len(difference.new) - len(difference.withdrawn)
        first, last = self._bounds(difference, count)
        sql = (
            "insert into partition_versions (symbol, timeframe, content_hash, bars, first_ts, last_ts, recorded_at)"
            " values (?, ?, ?, ?, ?, ?, ?) on conflict (symbol, timeframe) do update set"
            " content_hash = excluded.content_hash, bars = excluded.bars, first_ts = excluded.first_ts,"
            " last_ts = excluded.last_ts, recorded_at = excluded.recorded_at"
        )
        run(self._connection, sql, (*self._of, to_hex(content), count, first, last, self._now))

    def _bounds(self, difference: Difference, count: int) -> tuple[int, int]:
        if not count:
            return 0, 0
        if len(difference.withdrawn):
            bounds = (f"(select {bound}(ts) from bars where {_OF_PARTITION})" for bound in ("min", "max"))
            sql = f"select {', '.join(bounds)}"
            first, last = run(self._connection, sql, (*self._of, *self._of)).fetchone()
            return first, last
        stamps: list[int] = difference.new[[0, -1], 0].tolist() if len(difference.new) else []
        if self._stored and self._stored.bars:
            stamps += [self._stored.first, self._stored.last]
        return min(stamps), max(stamps)
