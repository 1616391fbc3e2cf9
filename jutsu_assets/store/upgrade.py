"""Brings a store's schema up to today's, from that of any released version."""

import threading
from pathlib import Path

from sqlalchemy import URL, Connection, inspect, select, text

from jutsu_assets.store import schema
from jutsu_core.errors import SchemaVersionError

REVISIONS = ("0001", "0002", "0003")
"""Every revision of the schema, oldest first; Alembic's scripts hold the way from each to the next."""

HEAD = REVISIONS[-1]

_ALEMBIC = threading.Lock()  # its operations stand in module globals


def shown_url(url: URL) -> str:
    """Return ``url`` without a password, wherever it stands.

    Examples:
        >>> from sqlalchemy import make_url
        >>> shown_url(make_url("postgresql+psycopg://me:secret@host/db?password=secret"))
        'postgresql+psycopg://me:***@host/db'
    """
    return url.difference_update_query(["password"]).render_as_string(hide_password=True)


def revision_of(connection: Connection) -> str | None:
    """Return the revision of a store's schema; None of a fresh one.

    Raises:
        SchemaVersionError: The store was made by newer code.
    """
    inspector = inspect(connection)
    revision: str | None
    if inspector.has_table("alembic_version"):
        revision = connection.scalar(text("select version_num from alembic_version"))
    elif inspector.has_table(schema.store_facts.name):
        revision = _revision_before_alembic(connection)
    else:
        return None
    if revision is not None and revision not in REVISIONS:
        message = (
            f"the schema of {shown_url(connection.engine.url)} must be one of revision"
            f" {HEAD} or older, is {revision}: a newer Jutsu made it; install that version, or choose another"
            " JUTSU_DATABASE_URL"
        )
        raise SchemaVersionError(message)
    return revision


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, inside the transaction of ``connection``."""
    # Alembic takes a second to import, and is needed only where there is something to do.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    with _ALEMBIC:
        if revision_of(connection) == REVISIONS[0] and not inspect(connection).has_table("alembic_version"):
            command.stamp(config, REVISIONS[0])
        command.upgrade(config, "head")


def _revision_before_alembic(connection: Connection) -> str | None:
    # 0.1.0 kept the version among the facts.
    facts = schema.store_facts
    version = connection.scalar(select(facts.c.value).where(facts.c.name == "schema_version"))
    return None if version is None else version.zfill(4)
