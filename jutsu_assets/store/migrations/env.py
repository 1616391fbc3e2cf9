"""Runs the migrations inside the transaction of whoever calls Alembic; it never commits by itself."""

from alembic import context

from jutsu_assets.store import schema
from jutsu_assets.store.upgrade import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
