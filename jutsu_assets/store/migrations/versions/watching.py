"""What monitoring counts over all processes, and which alerts stand."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the counts to the days, and create the table of alerts."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("api_days")}
    for name in ("released", "retries", "failures", "openings", "waited"):
        if name in there:
            continue
        op.add_column("api_days", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "alerts",
        sa.Column("name", sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql"), primary_key=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.Column("cleared_at", sa.BigInteger(), nullable=True),
        comment="Alerts that stand, and those whose end was not told yet; a row goes when its end is told",
        if_not_exists=True,
    )
