"""Bars in the system of record: the atomic, idempotent write of a partition, and its reads."""

import logging
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from jutsu_assets.store import schema
from jutsu_assets.store.consistency import MEND
from jutsu_assets.store.content import EMPTY, BarRow, content_of, to_hex
from jutsu_assets.store.engine import Database
from jutsu_assets.store.partition import EARLIEST, LATEST, STANDING, Difference, PartitionWrite
from jutsu_assets.store.rows import bar_rows, run
from jutsu_assets.store.shared_bars import SharedBars
from jutsu_core.answers import CLOCK_TOLERANCE, are_outside, checked_answer, checked_symbol, later_windows
from jutsu_core.bars import Bar, BarColumns, RejectedBar, Timeframe, from_epoch, to_epoch
from jutsu_core.errors import MixedSourceError, StoreError
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

_logger = logging.getLogger("jutsu.store.bars")
_PARTITION = "where symbol = ? and timeframe = ?"
_STATE = (
    f"select content_hash, bars from partition_versions {_PARTITION}",
    # Three questions, because one that counts and compares looks at every bar: 0.9 ms instead of 0.3.
    f"select count(*) from bars {_PARTITION}",
    f"select ts from bars {_PARTITION} order by ts limit 1",
    f"select ts from bars {_PARTITION} order by ts desc limit 1",
    f"select count(*), max(recorded_at) from quarantined_bars {_PARTITION}",
)
_COVERAGE = (
    f"select start_ts, end_ts, asked_at, bars from coverage {_PARTITION} and asked_at <= ? order by asked_at, start_ts"
)
_OWNER = "select value from store_facts where name = 'source'"


def _of(table: Any, symbol: str, timeframe: Timeframe) -> Any:  # noqa: ANN401 - SQLAlchemy's expression types
    return (table.c.symbol == symbol) & (table.c.timeframe == timeframe.value)


def _versions() -> Any:  # noqa: ANN401 - SQLAlchemy's expression types
    table = schema.partition_versions
    return select(table.c.symbol, table.c.content_hash, table.c.bars, table.c.first_ts, table.c.last_ts)


def _version(row: Any) -> PartitionVersion:  # noqa: ANN401 - a row of ``_versions``
    return PartitionVersion(
        content_hash=row.content_hash,
        rows=row.bars,
        first=from_epoch(row.first_ts),
        last=from_epoch(row.last_ts),
    )


def _bar(row: BarRow) -> Bar:
    return Bar(from_epoch(row[0]), *row[1:])


def _window(start: int, end: int, asked_at: int, bars: int) -> CoverageWindow:
    return CoverageWindow(start=from_epoch(start), end=from_epoch(end), asked_at=from_epoch(asked_at), bars=bars)


def _bar_of(row: Any) -> Bar:  # noqa: ANN401 - a row of ``bars`` or of ``bar_revisions``
    return Bar(from_epoch(row.ts), row.open, row.high, row.low, row.close, row.volume)


class SqlBarStore(BarStore):
    """A :class:`jutsu_core.ports.BarStore` in SQL.

    Args:
        database: The system of record.
        source: The one source whose bars this store keeps.
        clock: Tells when something was recorded.
        shared: The newest bars that other processes read, from which a write withdraws what it replaces.
    """

    def __init__(self, database: Database, source: str, clock: Clock, *, shared: SharedBars | None = None) -> None:
        self._database = database
        self._source = source
        self._clock = clock
        self._shared = shared

    def write(self, symbol: str, timeframe: Timeframe, fetched: FetchedBars, *, replace: bool = False) -> WriteResult:
        """Bring the partition up to what was fetched; see :meth:`jutsu_core.ports.BarStore.write`.

        Raises:
            InvalidInputError: The symbol or a bar cannot be kept as it is; nothing was written.
            MixedSourceError: The store keeps the bars of another source.
            StoreUnavailableError: The database failed; the partition is as it was.
        """
        of_partition = (checked_symbol(symbol), timeframe.value)
        fetched, came = checked_answer(fetched)
        asked = (*of_partition, *of_partition, to_epoch(fetched.end), to_epoch(fetched.start))
        with self._database.writing() as connection:
            rows = bar_rows(connection)
            with rows.together():  # one round trip for the lock and what it protects
                self._database.take_turn(connection, f"bars/{symbol}/{timeframe.value}")
                standing = run(connection, STANDING, asked)
            found = standing.fetchall()
            owner, stored = found[0][0], found[0][1:6]
            is_claimed = self._claim_source(connection, owner)
            touching = [_window(*row[6:]) for row in found if row[6] is not None]
            now = self._clock.now()
            overtaken_by = later_windows(fetched, touching, now)
            if overtaken_by:
                came = came[are_outside(came, overtaken_by)]
            partition = PartitionWrite(rows, symbol, timeframe, stored=stored, source=self._source, now=to_epoch(now))
            replaces = replace and not overtaken_by
            difference = partition.difference(came, (fetched.start, fetched.end), replace=replaces)
            quarantined = partition.quarantine(fetched.rejected)
            partition.apply(difference, None if overtaken_by else fetched, touching)
            if self._shared is not None and (difference or partition.was_wrong):
                self._shared.withdraw(connection, *of_partition, partition.recorded_at)
        result = WriteResult(
            inserted=len(difference.new),
            changed=len(difference.changed),
            unchanged=difference.unchanged,
            quarantined=quarantined,
            withdrawn=len(difference.withdrawn),
        )
        if is_claimed:
            _logger.info("%r keeps the bars of %r from now on, and of no other source", self._database, self._source)
        self._tell(f"{symbol} {timeframe.value}", result, difference, fetched)
        return result

    def read(
        self, symbol: str, timeframe: Timeframe, start: datetime = BEGINNING, end: datetime = END_OF_TIME
    ) -> list[Bar]:
        """Return the stored bars with ``start ≤ timestamp < end``, ascending."""
        with self._database.reading() as connection:
            rows = bar_rows(connection).between(symbol, timeframe.value, to_epoch(start), to_epoch(end))
        return [_bar(row) for row in rows]

    def columns(
        self, symbol: str, timeframe: Timeframe, start: datetime = BEGINNING, end: datetime = END_OF_TIME
    ) -> BarColumns:
        """Return the stored bars with ``start ≤ timestamp < end`` as arrays, ascending."""
        with self._database.reading() as connection:
            rows = bar_rows(connection)
            return BarColumns(rows.array(symbol, timeframe.value, to_epoch(start), to_epoch(end)))

    def state(self, symbol: str, timeframe: Timeframe) -> str:
        """Return a text that differs whenever bars, coverage or quarantine of a partition do.

        Bars are counted besides: a row that another program put there has changed no version.
        """
        partition = (symbol, timeframe.value)
        with self._database.reading() as connection:
            found = [run(connection, sql, partition).fetchall() for sql in _STATE]
            found.append(run(connection, _COVERAGE, (*partition, self._believed())).fetchall())
        return repr([[tuple(row) for row in rows] for rows in found])

    def versions(self, timeframe: Timeframe) -> dict[str, PartitionVersion]:
        """Return by symbol what its partition holds; a symbol without a bar is absent."""
        with self._database.reading() as connection:
            rows = connection.execute(_versions().where(schema.partition_versions.c.timeframe == timeframe.value))
            return {row.symbol: _version(row) for row in rows if row.bars}

    def content_hashes(self, timeframe: Timeframe) -> dict[str, str]:
        """Return by symbol what tells the bars of its partition from any others; a symbol without a bar is absent."""
        sql = "select symbol, content_hash from partition_versions where timeframe = ? and bars > 0"
        with self._database.reading() as connection:
            return dict(run(connection, sql, (timeframe.value,)).fetchall())

    def last_whole_answers(self, timeframe: Timeframe, begun_by: datetime) -> dict[str, datetime]:
        """Return by symbol when the source was last asked for a history that begins at ``begun_by`` at the latest."""
        table = schema.coverage
        query = (
            select(table.c.symbol, func.max(table.c.asked_at))
            .where((table.c.timeframe == timeframe.value) & (table.c.start_ts <= to_epoch(begun_by)))
            .group_by(table.c.symbol)
        )
        with self._database.reading() as connection:
            return {symbol: from_epoch(asked_at) for symbol, asked_at in connection.execute(query)}

    def timestamps(self, symbol: str, timeframe: Timeframe) -> list[datetime]:
        """Return the timestamps of all stored bars, ascending."""
        sql = "select ts from bars where symbol = ? and timeframe = ? order by ts"
        with self._database.reading() as connection:
            rows = run(connection, sql, (symbol, timeframe.value)).fetchall()
        return [from_epoch(ts) for (ts,) in rows]

    def coverage(self, symbol: str, timeframe: Timeframe) -> list[CoverageWindow]:
        """Return the windows that were asked for, oldest question first; none from a clock that was ahead."""
        with self._database.reading() as connection:
            rows = run(connection, _COVERAGE, (symbol, timeframe.value, self._believed())).fetchall()
        return [_window(*row) for row in rows]

    def version(self, symbol: str, timeframe: Timeframe) -> PartitionVersion | None:
        """Return what the partition holds, or None while it holds nothing."""
        query = _versions().where(_of(schema.partition_versions, symbol, timeframe))
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return _version(row) if row is not None and row.bars else None

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

    def revisions(self, symbol: str, timeframe: Timeframe) -> list[BarRevision]:
        """Return what bars said before they were restated or withdrawn, oldest change first."""
        former, current = schema.bar_revisions, schema.bars
        ended = select(former).where(_of(former, symbol, timeframe)).order_by(former.c.superseded_at, former.c.ts)
        with self._database.reading() as connection:
            revisions = connection.execute(ended).all()
            held = connection.execute(select(current).where(_of(current, symbol, timeframe))).all()
        said = {(row.ts, row.recorded_at): _bar_of(row) for row in (*revisions, *held)}
        return [
            BarRevision(
                former=_bar_of(row),
                recorded_at=from_epoch(row.recorded_at),
                superseded_at=from_epoch(row.superseded_at),
                # What replaced a bar was recorded at the very moment at which the bar ended.
                successor=said.get((row.ts, row.superseded_at)),
            )
            for row in revisions
        ]

    def refuse_other_source(self) -> None:
        """Make sure that what is stored came from this store's source, before anything is made of it.

        Raises:
            MixedSourceError: The store keeps the bars of another source.
        """
        with self._database.reading() as connection:
            found = run(connection, _OWNER).fetchone()
            self._check_owner(found[0] if found else None)

    def true_columns(self, symbol: str, timeframe: Timeframe) -> BarColumns:
        """Return all stored bars as arrays, after making sure that what is recorded of them is what they say.

        Both are read in one transaction. What is derived is known by the recorded hash: if a bar was changed past
        the store, nothing would be made anew of it.

        Raises:
            StoreError: Number, bounds or content hash are not those of the bars.
        """
        sql = f"select content_hash, bars, first_ts, last_ts from partition_versions {_PARTITION}"
        with self._database.reading() as connection:
            recorded = run(connection, sql, (symbol, timeframe.value)).fetchone()
            held = bar_rows(connection).array(symbol, timeframe.value, EARLIEST, LATEST)
        first, last = (int(held[0, 0]), int(held[-1, 0])) if len(held) else (0, 0)
        said = (to_hex(EMPTY), 0, 0, 0) if recorded is None else tuple(recorded)
        true = (to_hex(content_of(held)), len(held), first, last)
        names = ("content hash", "number of bars", "first bar", "last bar")
        wrong = [name for name, one, other in zip(names, said, true, strict=True) if one != other]
        if wrong:
            message = (
                f"what is recorded of {symbol} {timeframe.value} must be what its bars say, disagrees with them"
                f" ({', '.join(wrong)}): something else than Jutsu wrote to {self._database!r}, or the disk failed;"
                f" {MEND}, or materialize it with the config verify: true, which asks for all of it again and corrects"
                " both"
            )
            raise StoreError(message)
        return BarColumns(held)

    def _believed(self) -> int:
        """Return until when a question may be said to be asked, microseconds since 1970 UTC."""
        return to_epoch(self._clock.now() + CLOCK_TOLERANCE)

    def _claim_source(self, connection: Connection, owner: str | None) -> bool:
        """Make the store keep the bars of this source; return whether it kept those of none before."""
        is_free = owner is None
        if is_free:
            insert = "insert into store_facts (name, value) values ('source', ?) on conflict (name) do nothing"
            is_free = run(connection, insert, (self._source,)).rowcount > 0
            (owner,) = run(connection, _OWNER).fetchone()
        self._check_owner(owner)
        return is_free

    @staticmethod
    def _tell(partition: str, result: WriteResult, difference: Difference, fetched: FetchedBars) -> None:
        """Say in a line each what a write did that nobody expects of it."""
        if ended := result.changed + result.withdrawn:
            _logger.warning(
                "%s restated: %d bars changed and %d withdrawn, %s to %s; what they said is kept as revisions",
                partition,
                result.changed,
                result.withdrawn,
                *(from_epoch(int(difference.ended[place])).isoformat() for place in (0, ended - 1)),
            )
        if result.quarantined:
            _logger.warning(
                "%s quarantined: %d bars broke a rule; the first: %s",
                partition,
                result.quarantined,
                fetched.rejected[0].reason,
            )

    def _check_owner(self, owner: str | None) -> None:
        if owner not in (None, self._source):
            message = (
                f"{self._database!r} must keep bars of one source: it holds bars of {owner!r}, and these come"
                f" from {self._source!r}; give each source its own JUTSU_DATABASE_URL"
            )
            raise MixedSourceError(message)
