"""A partition's content hash becomes a sum over its bars, so that a change of few bars is cheap."""

import sqlalchemy as sa
from alembic import op

from jutsu_assets.store.content import content_of, to_hex

revision = "0002"
down_revision = "0001"

_FACTS = sa.table("store_facts", sa.column("name"), sa.column("value"))
_BARS = sa.table("bars", *(sa.column(name) for name in ("symbol", "timeframe", "ts")))
_VALUES: tuple[sa.ColumnClause[int], ...] = tuple(
    sa.column(name) for name in ("ts", "open", "high", "low", "close", "volume")
)
_VERSIONS = sa.table(
    "partition_versions", *(sa.column(name) for name in ("symbol", "timeframe", "content_hash", "bars"))
)


def upgrade() -> None:
    """Compute every partition's content hash anew; make code of 0.1 refuse the store."""
    connection = op.get_bind()
    for symbol, timeframe in connection.execute(sa.select(_VERSIONS.c.symbol, _VERSIONS.c.timeframe)).all():
        bars = sa.select(*_VALUES).select_from(_BARS).where(_BARS.c.symbol == symbol, _BARS.c.timeframe == timeframe)
        rows = [tuple(row) for row in connection.execute(bars)]
        connection.execute(
            sa.update(_VERSIONS)
            .where(_VERSIONS.c.symbol == symbol, _VERSIONS.c.timeframe == timeframe)
            .values(content_hash=to_hex(content_of(rows)))
        )
    # Code of 0.1 looks for its schema version here, and would write hashes of the former kind.
    connection.execute(sa.delete(_FACTS).where(_FACTS.c.name == "schema_version"))
    connection.execute(sa.insert(_FACTS).values(name="schema_version", value="2"))
