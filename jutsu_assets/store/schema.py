"""The tables of the system of record, as they are after the last migration.

Every time is an integer: microseconds since 1970-01-01 UTC. Every price is an integer:
micros (10⁻⁶ of the quote currency). Both are exact on every database.
"""

from sqlalchemy import BigInteger, Column, Integer, MetaData, PrimaryKeyConstraint, String, Table, Text
from sqlalchemy.types import TypeEngine

metadata = MetaData()


def _name(length: int) -> TypeEngine[str]:
    """Return the type of a text that is part of a key: its order is that of its bytes, on every database.

    PostgreSQL orders text as a library of its operating system does. An update of that may leave an
    index wrong, which a key of such text would not survive.
    """
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def _prices() -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False) for name in ("open", "high", "low", "close", "volume")]


store_facts = Table(
    "store_facts",
    metadata,
    Column("name", _name(64), primary_key=True),
    Column("value", Text, nullable=False),
    comment="Facts about the store itself: its schema version, and the one source of its bars",
)

bars = Table(
    "bars",
    metadata,
    Column("symbol", _name(32), nullable=False),
    Column("timeframe", _name(8), nullable=False),
    Column("ts", BigInteger, nullable=False),
    *_prices(),
    Column("source", String(32), nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("symbol", "timeframe", "ts"),
    sqlite_with_rowid=False,
    comment="The current bars; a daily bar's ts is 00:00 UTC of its session date",
)

bar_revisions = Table(
    "bar_revisions",
    metadata,
    Column("symbol", _name(32), nullable=False),
    Column("timeframe", _name(8), nullable=False),
    Column("ts", BigInteger, nullable=False),
    *_prices(),
    Column("source", String(32), nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("superseded_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("symbol", "timeframe", "ts", "recorded_at"),
    sqlite_with_rowid=False,
    comment="What a bar said before it was restated, from recorded_at until superseded_at",
)

quarantined_bars = Table(
    "quarantined_bars",
    metadata,
    Column("symbol", _name(32), nullable=False),
    Column("timeframe", _name(8), nullable=False),
    Column("raw_hash", _name(64), nullable=False),
    Column("ts", BigInteger, nullable=True),
    Column("raw", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("source", String(32), nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("symbol", "timeframe", "raw_hash"),
    comment="What came over the wire and broke a rule, as it came, with the reason",
)

coverage = Table(
    "coverage",
    metadata,
    Column("symbol", _name(32), nullable=False),
    Column("timeframe", _name(8), nullable=False),
    Column("start_ts", BigInteger, nullable=False),
    Column("end_ts", BigInteger, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("bars", Integer, nullable=False),
    PrimaryKeyConstraint("symbol", "timeframe", "start_ts", "end_ts"),
    comment="Which windows were asked for, when, and how many bars came",
)

partition_versions = Table(
    "partition_versions",
    metadata,
    Column("symbol", _name(32), nullable=False),
    Column("timeframe", _name(8), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("bars", Integer, nullable=False),
    Column("first_ts", BigInteger, nullable=False),
    Column("last_ts", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("symbol", "timeframe"),
    comment="What each partition of bars holds; the hash changes when, and only when, a bar does",
)

bar_verdicts = Table(
    "bar_verdicts",
    metadata,
    Column("symbol", _name(32), nullable=False),
    Column("timeframe", _name(8), nullable=False),
    Column("basis", String(64), nullable=False),
    Column("judged_at", BigInteger, nullable=False),
    Column("counts", Text, nullable=False),
    PrimaryKeyConstraint("symbol", "timeframe"),
    comment="What the rules said of each partition, judged from basis: findings by rule, as JSON",
)

bar_findings = Table(
    "bar_findings",
    metadata,
    Column("symbol", _name(32), nullable=False),
    Column("timeframe", _name(8), nullable=False),
    Column("rule", _name(64), nullable=False),
    Column("session", _name(10), nullable=False),
    Column("finding_hash", _name(32), nullable=False),
    Column("finding", Text, nullable=False),
    PrimaryKeyConstraint("symbol", "timeframe", "rule", "session", "finding_hash"),
    comment="The exceptions to each rule in each partition; session is empty where there is none",
)

acknowledgements = Table(
    "acknowledgements",
    metadata,
    Column("symbol", _name(32), nullable=False),
    Column("timeframe", _name(8), nullable=False),
    Column("rule", _name(64), nullable=False),
    Column("session", _name(10), nullable=False),
    Column("finding_hash", _name(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("acknowledged_by", Text, nullable=False),
    Column("acknowledged_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("symbol", "timeframe", "rule", "session", "finding_hash"),
    comment="Findings that a person looked at and keeps, with who, when and why",
)

partition_failures = Table(
    "partition_failures",
    metadata,
    Column("asset", _name(64), nullable=False),
    Column("partition_key", _name(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("failed_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("asset", "partition_key"),
    comment="Partitions whose last run failed, and why; a success takes its row away",
)

lake_files = Table(
    "lake_files",
    metadata,
    Column("asset", _name(64), nullable=False),
    Column("partition_key", _name(64), nullable=False),
    Column("path", Text, nullable=False),
    Column("input_hash", String(64), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("series_rows", Integer, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("asset", "partition_key"),
    comment="The manifest of derived series: the one current file of each partition, relative to the lake",
)

performance_reports = Table(
    "performance_reports",
    metadata,
    Column("subject", _name(64), primary_key=True),
    Column("input_hash", String(64), nullable=False),
    Column("summary", Text, nullable=False, server_default="[]"),
    Column("report", Text, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    comment="The current performance report of each subject, as JSON",
)

api_requests = Table(
    "api_requests",
    metadata,
    Column("sent_at", BigInteger, primary_key=True, autoincrement=False),
    comment="When requests were let through to the broker; the shared limit is counted over these",
)

api_access = Table(
    "api_access",
    metadata,
    Column("name", _name(32), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("opened_at", BigInteger, nullable=True),
    Column("probe_at", BigInteger, nullable=True),
    Column("cool_down", BigInteger, nullable=False),
    Column("lease_holder", String(64), nullable=False),
    Column("lease_until", BigInteger, nullable=True),
    Column("paused_until", BigInteger, nullable=True),
    Column("retry_credits", Integer, nullable=False),
    Column("last_failure", Text, nullable=False),
    comment="What all processes know of the broker: its circuit breaker and the retry quota",
)

DAY_COUNTS = ("released", "retries", "failures", "openings", "waited")
"""What is counted of a day besides: reservations given back, retries, failures, openings of the breaker, and how long
turns were waited for, in microseconds."""

api_days = Table(
    "api_days",
    metadata,
    Column("day", _name(10), primary_key=True),
    Column("requests", Integer, nullable=False),
    *(Column(name, BigInteger, nullable=False, server_default="0") for name in DAY_COUNTS),
    comment="How many requests were let through on each day, UTC",
)

alerts = Table(
    "alerts",
    metadata,
    Column("name", _name(64), primary_key=True),
    Column("message", Text, nullable=False),
    Column("raised_at", BigInteger, nullable=False),
    Column("told_at", BigInteger, nullable=True),
    Column("cleared_at", BigInteger, nullable=True),
    comment="Alerts that stand, and those whose end was not told yet; a row goes when its end is told",
)
