"""Runs the migrations inside the transaction of whoever calls Alembic; it never commits by itself."""

from alembic import context

from jutsu_assets.store import schema

context.configure(connection=context.config.attributes["connection"], target_metadata=schema.metadata)
context.run_migrations()
