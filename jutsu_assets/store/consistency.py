"""Whether what a store says of its bars is what its bars say."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from jutsu_assets.store.content import EMPTY, changed, to_hex
from jutsu_assets.store.rows import bar_rows, run
from jutsu_core.answers import CLOCK_TOLERANCE
from jutsu_core.bars import PRICE_COLUMNS, from_epoch, to_epoch

Held = tuple[int, int, int]
"""How many bars there are, and the instants of the first and the last."""

MEND = "restore a backup (jutsu restore FILE)"
_AT_A_TIME = 20_000
_INTEGERS = {
    "bars": ("ts", *PRICE_COLUMNS, "volume", "recorded_at"),
    "bar_revisions": ("ts", *PRICE_COLUMNS, "volume", "recorded_at", "superseded_at"),
}
_HELD = "select symbol, timeframe, count(*), min(ts), max(ts) from bars group by symbol, timeframe"
_RECORDED = """
select v.symbol, v.timeframe, v.bars, v.first_ts, v.last_ts,
    (select ts from bars b where b.symbol = v.symbol and b.timeframe = v.timeframe order by ts limit 1),
    (select ts from bars b where b.symbol = v.symbol and b.timeframe = v.timeframe order by ts desc limit 1)
from partition_versions v where v.bars > 0
"""
# A bar that is current ends never; one that was withdrawn has no row here.
_OVERLAPS = """
select symbol, timeframe, count(distinct ts) from (
    select symbol, timeframe, ts, recorded_at, superseded_at,
        lead(recorded_at) over (partition by symbol, timeframe, ts order by recorded_at) as next_at
    from (
        select symbol, timeframe, ts, recorded_at, superseded_at from bar_revisions
        union all
        select b.symbol, b.timeframe, b.ts, b.recorded_at, 9223372036854775807
        from (select distinct symbol, timeframe, ts from bar_revisions) as r
        cross join bars as b where b.symbol = r.symbol and b.timeframe = r.timeframe and b.ts = r.ts
    ) as said
) as followed
where superseded_at <= recorded_at or superseded_at > next_at
group by symbol, timeframe order by symbol, timeframe
"""


def partitions_of(connection: Connection) -> dict[tuple[str, str], Held]:
    """Return the bars of each symbol and timeframe, counted one by one: half a microsecond a bar."""
    rows = run(connection, _HELD).fetchall()
    return {(symbol, timeframe): (count, first, last) for symbol, timeframe, count, first, last in rows}


def partitions_at_a_glance(connection: Connection) -> dict[tuple[str, str], Held]:
    """Return the same as :func:`partitions_of`, ten times as fast where what is recorded adds up.

    Where there are as many bars in all as are recorded, and the bounds of every partition are the
    recorded ones, so are the numbers; unless one partition lost as many bars as another one got.
    """
    (total,) = run(connection, "select count(*) from bars").fetchone()
    rows = run(connection, _RECORDED).fetchall()
    if total != sum(row[2] for row in rows) or any(row[3:5] != row[5:] for row in rows):
        return partitions_of(connection)
    return {row[:2]: row[2:5] for row in rows}


def inconsistencies_of(
    connection: Connection, held: Mapping[tuple[str, str], Held], *, has_hashes: bool, deep: bool
) -> tuple[str, ...]:
    """Return where bars, versions and revisions disagree, a sentence each.

    Args:
        connection: A read transaction.
        held: What :func:`partitions_of` said in it.
        has_hashes: Whether the store's schema is of a revision that hashes as this code does.
        deep: Read every value of every bar; otherwise bars are counted, and their bounds looked at.
    """
    versions = "select symbol, timeframe, bars, first_ts, last_ts, content_hash from partition_versions"
    recorded = {row[:2]: row[2:] for row in run(connection, versions).fetchall()}
    names = ("number of bars", "first bar", "last bar", *(["content hash"] if deep and has_hashes else []))
    unreadable = _without_integers(connection) if deep else {}
    found = [
        f"{count} bars of {symbol} {timeframe} in {table} hold what is no integer, such as {example!r}, and cannot be"
        f" read: {MEND}, or delete the partition's rows from bars, bar_revisions, coverage and partition_versions and"
        " materialize it again"
        for (symbol, timeframe), (table, count, example) in unreadable.items()
    ]
    for symbol, timeframe in sorted(recorded.keys() | held.keys()):
        if (symbol, timeframe) in unreadable:
            continue
        said = recorded.get((symbol, timeframe))
        true: tuple[object, ...] = held.get((symbol, timeframe), (0, 0, 0))
        if deep and has_hashes:
            true = (*true, _content_hash(connection, symbol, timeframe))
        wrong = [name for n, name in enumerate(names) if said is None or said[n] != true[n]]
        if wrong:
            found.append(
                f"what is recorded of {symbol} {timeframe} disagrees with its bars ({', '.join(wrong)}): {MEND}, or"
                " materialize it with the config verify: true, which asks for all of it again and corrects both"
            )
    for symbol, timeframe, count in run(connection, _OVERLAPS).fetchall():
        found.append(
            f"{count} bars of {symbol} {timeframe} have revisions that overlap in time, so that reading as of an"
            f" instant finds two: {MEND}, or delete the wrong rows from bar_revisions"
        )
    return tuple(found)


def _without_integers(connection: Connection) -> dict[tuple[str, str], tuple[str, int, object]]:
    """Return which partitions hold what is no integer, in which table, how often, and one example.

    SQLite takes anything into any column; a server does not.
    """
    found: dict[tuple[str, str], tuple[str, int, object]] = {}
    if connection.dialect.name != "sqlite":
        return found
    for table, columns in _INTEGERS.items():
        wrong = " or ".join(f"typeof({column}) <> 'integer'" for column in columns)
        example = "coalesce(" + ", ".join(f"iif(typeof({one}) <> 'integer', {one}, null)" for one in columns) + ")"
        sql = f"select symbol, timeframe, count(*), {example} from {table} where {wrong} group by 1, 2"  # noqa: S608 - our own names
        for symbol, timeframe, count, value in run(connection, sql).fetchall():
            found.setdefault((symbol, timeframe), (table, count, value))
    return found


def recorded_ahead(connection: Connection, now: datetime) -> list[str]:
    """Return what was recorded at an instant that is to come, a sentence each."""
    limit = to_epoch(now + CLOCK_TOLERANCE)
    sql = "select symbol, timeframe, recorded_at from partition_versions where recorded_at > ? order by 1, 2"
    return [
        f"{symbol} {timeframe} was recorded at {from_epoch(at).isoformat()}, which is to come: a clock was ahead, and"
        f" reading as of an instant before then shows former bars; {MEND} that was made before"
        for symbol, timeframe, at in run(connection, sql, (limit,)).fetchall()
    ]


def _content_hash(connection: Connection, symbol: str, timeframe: str) -> str:
    rows, after, content = bar_rows(connection), -(2**63), EMPTY
    while some := rows.between(symbol, timeframe, after, 2**63 - 1, limit=_AT_A_TIME):
        after = some[-1][0] + 1
        content = changed(content, added=some, removed=[])
    return to_hex(content)
