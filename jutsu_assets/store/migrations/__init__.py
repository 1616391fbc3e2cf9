"""Alembic's scripts: how a store of every released version becomes one of today's."""
