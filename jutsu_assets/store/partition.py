"""One write of one partition of bars: what differs, and how it enters the tables.

Everything here happens inside the one transaction that its caller opened, after the lock.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert

from jutsu_assets.store import schema
from jutsu_assets.store.content import EMPTY, BarRow, Content, changed, content_of, from_hex, to_hex
from jutsu_assets.store.engine import to_epoch
from jutsu_assets.store.rows import BarRows, run
from jutsu_core.bars import RejectedBar, Timeframe
from jutsu_core.ports import FetchedBars

_OF_PARTITION = "symbol = ? and timeframe = ?"

VERSION = f"select content_hash, bars, first_ts, last_ts, recorded_at from partition_versions where {_OF_PARTITION}"
"""What a write has to know of a partition before anything else, by symbol and timeframe."""

LATER = (
    f"select start_ts, end_ts, asked_at, bars from coverage where {_OF_PARTITION}"
    " and asked_at > ? and start_ts < ? and end_ts > ?"
)
"""Windows that a later answer covered, by symbol, timeframe, asked_at, end and start."""


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
    """What came, against what is held: new, changed and withdrawn bars, and what changed ones said before."""

    new: list[BarRow]
    changed: list[BarRow]
    former: list[BarRow]
    withdrawn: list[BarRow]
    unchanged: int

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.withdrawn)

    @classmethod
    def between(cls, came: Mapping[int, BarRow], held: Mapping[int, BarRow], *, replace: bool) -> "Difference":
        """Return how ``held`` bars become those that ``came``, by ts; the others go only when told to ``replace``."""
        new = [row for ts, row in came.items() if ts not in held]
        restated = [row for ts, row in came.items() if ts in held and held[ts] != row]
        return cls(
            new=new,
            changed=restated,
            former=[held[row[0]] for row in restated],
            withdrawn=[row for ts, row in held.items() if ts not in came] if replace else [],
            unchanged=len(came) - len(new) - len(restated),
        )


class PartitionWrite:
    """One write transaction's view of one partition.

    Args:
        rows: The bars, within a transaction that holds the partition's lock.
        symbol: Ticker.
        timeframe: Which of its bars.
        stored: What :data:`VERSION` found.
        source: Where the bars come from.
        now: The time by the clock, microseconds since 1970.
    """

    def __init__(
        self,
        rows: BarRows,
        symbol: str,
        timeframe: Timeframe,
        *,
        stored: tuple[Any, ...] | None,
        source: str,
        now: int,
    ) -> None:
        self._connection = rows.connection
        self._rows = rows
        self._of = (symbol, timeframe.value)
        self._source = source
        self._stored = None if stored is None else StoredVersion(from_hex(stored[0]), *stored[1:])
        # Always later than the partition's last change, even where the clock is coarse or was
        # set back: the times of a bar's revisions must not meet.
        self._now = now if self._stored is None else max(now, self._stored.recorded_at + 1)

    def difference(self, fetched: FetchedBars, *, replace: bool) -> Difference:
        """Return what ``fetched`` changes."""
        came: list[BarRow] = sorted([(to_epoch(bar[0]), *bar[1:]) for bar in fetched.bars])
        stored = self._stored
        is_beyond = stored is not None and bool(came) and came[0][0] > stored.last and not replace
        if stored is None or is_beyond or not (came or replace):
            return Difference(came, [], [], [], 0)
        first, last = (came[0][0], came[-1][0]) if came else (0, 0)
        # Where the answer spans the whole partition, equal hashes spare the reading of what is held.
        spans_all = (len(came), first, last) == (stored.bars, stored.first, stored.last)
        if spans_all and content_of(came) == stored.content:
            return Difference([], [], [], [], len(came))
        start, end = (to_epoch(fetched.start), to_epoch(fetched.end)) if replace else (first, last + 1)
        held = {row[0]: row for row in self._rows.between(*self._of, start, end)}
        return Difference.between({row[0]: row for row in came}, held, replace=replace)

    def apply(self, difference: Difference, fetched: FetchedBars | None) -> None:
        """Bring bars, revisions, version and coverage up to what was ``fetched``; no coverage if None."""
        changed, withdrawn = ([row[0] for row in rows] for rows in (difference.changed, difference.withdrawn))
        put = [*difference.new, *difference.changed]
        with self._rows.together(len(put)):
            if changed or withdrawn:
                self._rows.supersede(*self._of, changed, withdrawn, self._now)
            if put:
                self._rows.put(*self._of, put, self._source, self._now)
            if difference:
                self._set_version(difference)
            if fetched is not None:
                self._cover(fetched)

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

    def _cover(self, fetched: FetchedBars) -> None:
        # A later answer about a wider window says all that the former ones said.
        window = (to_epoch(fetched.start), to_epoch(fetched.end))
        inside = f"delete from coverage where {_OF_PARTITION} and start_ts >= ? and end_ts <= ?"
        run(self._connection, inside, (*self._of, *window))
        sql = "insert into coverage (symbol, timeframe, start_ts, end_ts, asked_at, bars) values (?, ?, ?, ?, ?, ?)"
        run(self._connection, sql, (*self._of, *window, to_epoch(fetched.asked_at), len(fetched.bars)))

    def _set_version(self, difference: Difference) -> None:
        content = changed(
            self._stored.content if self._stored else EMPTY,
            added=[*difference.new, *difference.changed],
            removed=[*difference.former, *difference.withdrawn],
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
        if difference.withdrawn:
            bounds = (f"(select {bound}(ts) from bars where {_OF_PARTITION})" for bound in ("min", "max"))
            sql = f"select {', '.join(bounds)}"
            first, last = run(self._connection, sql, (*self._of, *self._of)).fetchone()
            return first, last
        stamps = [row[0] for row in difference.new]
        if self._stored and self._stored.bars:
            stamps += [self._stored.first, self._stored.last]
        return min(stamps), max(stamps)
