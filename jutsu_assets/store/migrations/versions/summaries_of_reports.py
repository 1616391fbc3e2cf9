"""What the lake's view shows of a report, beside the whole of it, which takes a database ten times as long to read."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_NAMES = ("since_inception", "first_session", "last_session", "closes", "first_close", "last_close")


def upgrade() -> None:
    """Add the column, and fill it from the reports that are there."""
    bind = op.get_bind()
    there = {column["name"] for column in sa.inspect(bind).get_columns("performance_reports")}
    if "summary" not in there:
        column: sa.Column[str] = sa.Column("summary", sa.Text(), nullable=False, server_default="[]")
        if bind.dialect.name == "sqlite":
            # It reads all of a row that stands before a column, and so the report must not.
            with op.batch_alter_table("performance_reports", recreate="always") as batch:
                batch.add_column(column, insert_after="input_hash")
        else:
            op.add_column("performance_reports", column)
    table = sa.table("performance_reports", sa.column("subject"), sa.column("report"), sa.column("summary"))
    for subject, report in bind.execute(sa.select(table.c.subject, table.c.report)).all():
        content = json.loads(report)
        summary = json.dumps([content.get(name) for name in _NAMES])
        bind.execute(table.update().where(table.c.subject == subject).values(summary=summary))
