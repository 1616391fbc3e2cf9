"""Bars in the system of record: the atomic, idempotent write of a partition, and its reads."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from jutsu_assets.store import schema
from jutsu_assets.store.engine import Database, from_epoch, to_epoch
from jutsu_core.bars import Bar, RejectedBar, Timeframe
from jutsu_core.errors import MixedSourceError
from jutsu_core.ports import BarStore, Clock, CoverageWindow, FetchedBars, PartitionVersion, WriteResult

_BARS = schema.bars
_VALUES = (_BARS.c.open, _BARS.c.high, _BARS.c.low, _BARS.c.close, _BARS.c.volume)
_Values = tuple[int, ...]


def _of(table: Any, symbol: str, timeframe: Timeframe) -> Any:  # noqa: ANN401 - SQLAlchemy's expression types
    return (table.c.symbol == symbol) & (table.c.timeframe == timeframe.value)


class SqlBarStore(BarStore):
    """A :class:`jutsu_core.ports.BarStore` in SQL.

    Args:
        database: The system of record.
        source: The one source whose bars this store keeps.
        clock: Tells when something was recorded.
    """

    def __init__(self, database: Database, source: str, clock: Clock) -> None:
        self._database = database
        self._source = source
        self._clock = clock

    def write(self, symbol: str, timeframe: Timeframe, fetched: FetchedBars) -> WriteResult:
        """Bring the partition up to what was fetched; see :meth:`jutsu_core.ports.BarStore.write`.

        Raises:
            MixedSourceError: The store keeps the bars of another source.
            StoreUnavailableError: The database failed; the partition is as it was.
        """
        came = {to_epoch(bar.timestamp): tuple(bar[1:]) for bar in fetched.bars}
        with self._database.writing() as connection:
            self._lock_partition(connection, symbol, timeframe)
            now = self._recording_time(connection, symbol, timeframe)
            self._claim_source(connection)
            held = self._held(connection, symbol, timeframe, came)
            new = [ts for ts in came if ts not in held]
            changed = [ts for ts in came if ts in held and held[ts] != came[ts]]
            self._supersede(connection, symbol, timeframe, changed, now)
            self._insert(connection, symbol, timeframe, {ts: came[ts] for ts in new}, now)
            self._change(connection, symbol, timeframe, {ts: came[ts] for ts in changed}, now)
            quarantined = self._quarantine(connection, symbol, timeframe, fetched.rejected, now)
            self._cover(connection, symbol, timeframe, fetched)
            if new or changed:
                self._set_version(connection, symbol, timeframe, now)
        return WriteResult(
            inserted=len(new),
            changed=len(changed),
            unchanged=len(came) - len(new) - len(changed),
            quarantined=quarantined,
        )

    def read(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> list[Bar]:
        """Return the stored bars with ``start ≤ timestamp < end``, ascending."""
        query = (
            select(_BARS.c.ts, *_VALUES)
            .where(_of(_BARS, symbol, timeframe), _BARS.c.ts >= to_epoch(start), _BARS.c.ts < to_epoch(end))
            .order_by(_BARS.c.ts)
        )
        with self._database.reading() as connection:
            return [Bar(from_epoch(row[0]), *row[1:]) for row in connection.execute(query)]

    def timestamps(self, symbol: str, timeframe: Timeframe) -> list[datetime]:
        """Return the timestamps of all stored bars, ascending."""
        query = select(_BARS.c.ts).where(_of(_BARS, symbol, timeframe)).order_by(_BARS.c.ts)
        with self._database.reading() as connection:
            return [from_epoch(ts) for ts in connection.scalars(query)]

    def coverage(self, symbol: str, timeframe: Timeframe) -> list[CoverageWindow]:
        """Return the windows that were asked for, oldest question first."""
        table = schema.coverage
        query = (
            select(table.c.start_ts, table.c.end_ts, table.c.asked_at, table.c.bars)
            .where(_of(table, symbol, timeframe))
            .order_by(table.c.asked_at, table.c.start_ts)
        )
        with self._database.reading() as connection:
            return [
                CoverageWindow(start=from_epoch(start), end=from_epoch(end), asked_at=from_epoch(asked_at), bars=bars)
                for start, end, asked_at, bars in connection.execute(query)
            ]

    def version(self, symbol: str, timeframe: Timeframe) -> PartitionVersion | None:
        """Return what the partition holds, or None while it holds nothing."""
        table = schema.partition_versions
        query = select(table.c.content_hash, table.c.bars, table.c.first_ts, table.c.last_ts).where(
            _of(table, symbol, timeframe)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        content_hash, rows, first, last = row
        return PartitionVersion(content_hash=content_hash, rows=rows, first=from_epoch(first), last=from_epoch(last))

    def quarantined(self, symbol: str, timeframe: Timeframe) -> list[RejectedBar]:
        """Return the bars that broke a rule, oldest first."""
        table = schema.quarantined_bars
        query = (
            select(table.c.raw, table.c.reason, table.c.ts)
            .where(_of(table, symbol, timeframe))
            .order_by(table.c.recorded_at, table.c.ts, table.c.raw_hash)
        )
        with self._database.reading() as connection:
            return [
                RejectedBar(raw=raw, reason=reason, timestamp=None if ts is None else from_epoch(ts))
                for raw, reason, ts in connection.execute(query)
            ]

    def _lock_partition(self, connection: Connection, symbol: str, timeframe: Timeframe) -> None:
        if self._database.is_sqlite:
            return  # BEGIN IMMEDIATE already holds the only write lock there is
        key = int.from_bytes(hashlib.sha256(f"{symbol}/{timeframe}".encode()).digest()[:8], "big", signed=True)
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": key})

    def _recording_time(self, connection: Connection, symbol: str, timeframe: Timeframe) -> int:
        # Always later than the partition's last change, even where the clock is coarse or was
        # set back: the times of a bar's revisions must not meet.
        table = schema.partition_versions
        last = connection.scalar(select(table.c.recorded_at).where(_of(table, symbol, timeframe)))
        now = to_epoch(self._clock.now())
        return now if last is None else max(now, last + 1)

    def _claim_source(self, connection: Connection) -> None:
        facts = schema.store_facts
        owner = connection.scalar(select(facts.c.value).where(facts.c.name == "source"))
        if owner is None:
            connection.execute(insert(facts), {"name": "source", "value": self._source})
        elif owner != self._source:
            message = (
                f"{self._database!r} must keep bars of one source: it holds bars of {owner!r}, and these come"
                f" from {self._source!r}; give each source its own JUTSU_DATABASE_URL"
            )
            raise MixedSourceError(message)

    @staticmethod
    def _held(
        connection: Connection, symbol: str, timeframe: Timeframe, came: dict[int, _Values]
    ) -> dict[int, _Values]:
        if not came:
            return {}
        query = select(_BARS.c.ts, *_VALUES).where(
            _of(_BARS, symbol, timeframe), _BARS.c.ts >= min(came), _BARS.c.ts <= max(came)
        )
        return {row[0]: tuple(row[1:]) for row in connection.execute(query)}

    @staticmethod
    def _supersede(connection: Connection, symbol: str, timeframe: Timeframe, changed: Sequence[int], now: int) -> None:
        if not changed:
            return
        former = select(
            _BARS.c.symbol, _BARS.c.timeframe, _BARS.c.ts, *_VALUES, _BARS.c.source, _BARS.c.recorded_at
        ).where(_of(_BARS, symbol, timeframe), _BARS.c.ts == bindparam("changed_ts"))
        table = schema.bar_revisions
        columns = [column for column in table.c if column.name != "superseded_at"]
        for ts in changed:
            row = connection.execute(former, {"changed_ts": ts}).one()
            values = {column.name: value for column, value in zip(columns, row, strict=True)}
            connection.execute(insert(table), values | {"superseded_at": now})

    def _insert(
        self, connection: Connection, symbol: str, timeframe: Timeframe, rows: dict[int, _Values], now: int
    ) -> None:
        if rows:
            connection.execute(insert(_BARS), self._as_rows(symbol, timeframe, rows, now))

    def _change(
        self, connection: Connection, symbol: str, timeframe: Timeframe, rows: dict[int, _Values], now: int
    ) -> None:
        if rows:
            statement = update(_BARS).where(_of(_BARS, symbol, timeframe), _BARS.c.ts == bindparam("key_ts"))
            values = self._as_rows(symbol, timeframe, rows, now)
            connection.execute(statement, [{"key_ts": row.pop("ts"), **row} for row in values])

    def _as_rows(self, symbol: str, timeframe: Timeframe, rows: dict[int, _Values], now: int) -> list[dict[str, Any]]:
        fixed = {
            "symbol": symbol,
            "timeframe": timeframe.value,
            "source": self._source,
            "recorded_at": now,
        }
        return [
            {
                **fixed,
                "ts": ts,
                "open": values[0],
                "high": values[1],
                "low": values[2],
                "close": values[3],
                "volume": values[4],
            }
            for ts, values in rows.items()
        ]

    def _quarantine(
        self,
        connection: Connection,
        symbol: str,
        timeframe: Timeframe,
        rejected: Iterable[RejectedBar],
        now: int,
    ) -> int:
        table = schema.quarantined_bars
        known = set(connection.scalars(select(table.c.raw_hash).where(_of(table, symbol, timeframe))))
        rows = {}
        for bar in rejected:
            raw_hash = hashlib.sha256(f"{bar.reason}\n{bar.raw}".encode()).hexdigest()
            rows[raw_hash] = {
                "symbol": symbol,
                "timeframe": timeframe.value,
                "raw_hash": raw_hash,
                "ts": None if bar.timestamp is None else to_epoch(bar.timestamp),
                "raw": bar.raw,
                "reason": bar.reason,
                "source": self._source,
                "recorded_at": now,
            }
        fresh = [row for raw_hash, row in rows.items() if raw_hash not in known]
        if fresh:
            connection.execute(insert(table), fresh)
        return len(fresh)

    @staticmethod
    def _cover(connection: Connection, symbol: str, timeframe: Timeframe, fetched: FetchedBars) -> None:
        table = schema.coverage
        start, end = to_epoch(fetched.start), to_epoch(fetched.end)
        connection.execute(
            delete(table).where(_of(table, symbol, timeframe), table.c.start_ts >= start, table.c.end_ts <= end)
        )
        connection.execute(
            insert(table),
            {
                "symbol": symbol,
                "timeframe": timeframe.value,
                "start_ts": start,
                "end_ts": end,
                "asked_at": to_epoch(fetched.asked_at),
                "bars": len(fetched.bars),
            },
        )

    @staticmethod
    def _set_version(connection: Connection, symbol: str, timeframe: Timeframe, now: int) -> None:
        query = select(_BARS.c.ts, *_VALUES).where(_of(_BARS, symbol, timeframe)).order_by(_BARS.c.ts)
        digest = hashlib.sha256()
        for row in connection.execute(query):
            digest.update(",".join(map(str, row)).encode() + b"\n")
        rows, first, last = connection.execute(
            select(func.count(), func.min(_BARS.c.ts), func.max(_BARS.c.ts)).where(_of(_BARS, symbol, timeframe))
        ).one()
        table = schema.partition_versions
        connection.execute(delete(table).where(_of(table, symbol, timeframe)))
        connection.execute(
            insert(table),
            {
                "symbol": symbol,
                "timeframe": timeframe.value,
                "content_hash": digest.hexdigest(),
                "bars": rows,
                "first_ts": first,
                "last_ts": last,
                "recorded_at": now,
            },
        )
