"""The circuit breaker, the retry quota and the day counts that all processes share."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables."""
    moments = ("opened_at", "probe_at", "lease_until", "paused_until")
    op.create_table(
        "api_access",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("cool_down", sa.BigInteger(), nullable=False),
        sa.Column("lease_holder", sa.String(64), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in moments),
        sa.Column("retry_credits", sa.Integer(), nullable=False),
        sa.Column("last_failure", sa.Text(), nullable=False),
        comment="What all processes know of the broker: its circuit breaker and the retry quota",
    )
    op.create_table(
        "api_days",
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("requests", sa.Integer(), nullable=False),
        comment="How many requests were let through on each day, UTC",
    )
