"""What the rules found in each partition of bars, what a person keeps of it, and which partitions failed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the tables."""

    def key(length: int) -> sa.types.TypeEngine[str]:
        return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")

    def of_partition() -> list[sa.Column[str]]:
        return [sa.Column("symbol", key(32), nullable=False), sa.Column("timeframe", key(8), nullable=False)]

    op.create_table(
        "bar_verdicts",
        *of_partition(),
        sa.Column("basis", sa.String(64), nullable=False),
        sa.Column("judged_at", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("symbol", "timeframe"),
        comment="What the rules said of each partition, judged from basis: findings by rule, as JSON",
        if_not_exists=True,
    )
    op.create_table(
        "bar_findings",
        *of_partition(),
        sa.Column("rule", key(64), nullable=False),
        sa.Column("session", key(10), nullable=False),
        sa.Column("finding_hash", key(32), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("symbol", "timeframe", "rule", "session", "finding_hash"),
        comment="The exceptions to each rule in each partition; session is empty where there is none",
        if_not_exists=True,
    )
    op.create_table(
        "acknowledgements",
        *of_partition(),
        sa.Column("rule", key(64), nullable=False),
        sa.Column("session", key(10), nullable=False),
        sa.Column("finding_hash", key(32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("acknowledged_by", sa.Text(), nullable=False),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("symbol", "timeframe", "rule", "session", "finding_hash"),
        comment="Findings that a person looked at and keeps, with who, when and why",
        if_not_exists=True,
    )
    op.create_table(
        "partition_failures",
        sa.Column("asset", key(64), nullable=False),
        sa.Column("partition_key", key(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("failed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("asset", "partition_key"),
        comment="Partitions whose last run failed, and why; a success takes its row away",
        if_not_exists=True,
    )
