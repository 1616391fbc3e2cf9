"""Text in keys is ordered by its bytes on PostgreSQL too, whatever the operating system's idea of an order."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_OF_PARTITION = (("symbol", 32), ("timeframe", 8))
_KEYS: dict[str, tuple[tuple[str, int], ...]] = {
    "store_facts": (("name", 64),),
    "bars": _OF_PARTITION,
    "bar_revisions": _OF_PARTITION,
    "quarantined_bars": (*_OF_PARTITION, ("raw_hash", 64)),
    "coverage": _OF_PARTITION,
    "partition_versions": _OF_PARTITION,
    "lake_files": (("asset", 64), ("partition_key", 64)),
    "performance_reports": (("subject", 64),),
    "api_access": (("name", 32),),
    "api_days": (("day", 10),),
}


def upgrade() -> None:
    """Change the order of these columns; SQLite orders by bytes anyway."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, columns in _KEYS.items():
        # All columns of a table at once: each statement builds its index anew.
        changes = ", ".join(f'alter column {name} type varchar({length}) collate "C"' for name, length in columns)
        op.execute(sa.text(f"alter table {table} {changes}"))
