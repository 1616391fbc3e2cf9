"""The tables of 0.1.0."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_Column = tuple[str, Any]
_SYMBOL, _TIMEFRAME = ("symbol", sa.String(32)), ("timeframe", sa.String(8))
_VALUES: tuple[_Column, ...] = tuple((name, sa.BigInteger()) for name in ("open", "high", "low", "close", "volume"))
_TS, _RECORDED_AT = ("ts", sa.BigInteger()), ("recorded_at", sa.BigInteger())
_SOURCE = ("source", sa.String(32))


def _create(
    name: str,
    *columns: _Column,
    key: tuple[str, ...],
    nullable: tuple[str, ...] = (),
    comment: str,
    **options: bool,
) -> None:
    op.create_table(
        name,
        *(
            sa.Column(column, kind, nullable=column in nullable, autoincrement=False if column == "sent_at" else "auto")
            for column, kind in columns
        ),
        sa.PrimaryKeyConstraint(*key),
        comment=comment,
        **options,
    )


def upgrade() -> None:
    """Create the tables of 0.1.0."""
    _create(
        "store_facts",
        ("name", sa.String(64)),
        ("value", sa.Text()),
        key=("name",),
        comment="Facts about the store itself: its schema version, and the one source of its bars",
    )
    _create(
        "bars",
        *(_SYMBOL, _TIMEFRAME, _TS, *_VALUES, _SOURCE, _RECORDED_AT),
        key=("symbol", "timeframe", "ts"),
        comment="The current bars; a daily bar's ts is 00:00 UTC of its session date",
        sqlite_with_rowid=False,
    )
    _create(
        "bar_revisions",
        *(_SYMBOL, _TIMEFRAME, _TS, *_VALUES, _SOURCE, _RECORDED_AT, ("superseded_at", sa.BigInteger())),
        key=("symbol", "timeframe", "ts", "recorded_at"),
        comment="What a bar said before it was restated, from recorded_at until superseded_at",
        sqlite_with_rowid=False,
    )
    _create(
        "quarantined_bars",
        *(_SYMBOL, _TIMEFRAME, ("raw_hash", sa.String(64)), _TS, ("raw", sa.Text()), ("reason", sa.Text())),
        *(_SOURCE, _RECORDED_AT),
        key=("symbol", "timeframe", "raw_hash"),
        nullable=("ts",),
        comment="What came over the wire and broke a rule, as it came, with the reason",
    )
    _create(
        "coverage",
        *(_SYMBOL, _TIMEFRAME, ("start_ts", sa.BigInteger()), ("end_ts", sa.BigInteger())),
        *(("asked_at", sa.BigInteger()), ("bars", sa.Integer())),
        key=("symbol", "timeframe", "start_ts", "end_ts"),
        comment="Which windows were asked for, when, and how many bars came",
    )
    _create(
        "partition_versions",
        *(_SYMBOL, _TIMEFRAME, ("content_hash", sa.String(64)), ("bars", sa.Integer())),
        *(("first_ts", sa.BigInteger()), ("last_ts", sa.BigInteger()), _RECORDED_AT),
        key=("symbol", "timeframe"),
        comment="What each partition of bars holds; the hash changes when, and only when, a bar does",
    )
    _create(
        "lake_files",
        *(("asset", sa.String(64)), ("partition_key", sa.String(64)), ("path", sa.Text())),
        *(("input_hash", sa.String(64)), ("content_hash", sa.String(64)), ("series_rows", sa.Integer()), _RECORDED_AT),
        key=("asset", "partition_key"),
        comment="The manifest of derived series: the one current file of each partition, relative to the lake",
    )
    _create(
        "performance_reports",
        *(("subject", sa.String(64)), ("input_hash", sa.String(64)), ("report", sa.Text()), _RECORDED_AT),
        key=("subject",),
        comment="The current performance report of each subject, as JSON",
    )
    _create(
        "api_requests",
        ("sent_at", sa.BigInteger()),
        key=("sent_at",),
        comment="When requests were let through to the broker; the shared limit is counted over these",
    )
