"""Brings a store's schema up to today's, from that of any released version."""

import threading
from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table, text

from jutsu_assets.store import schema
from jutsu_assets.store.urls import shown_url
from jutsu_core.errors import SchemaVersionError

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""Every revision of the schema, oldest first; Alembic's scripts hold the way from each to the next."""

HEAD = REVISIONS[-1]

VERSION_TABLE = "jutsu_schema_version"
"""Where the revision stands: not in Alembic's usual table, which Dagster keeps in the same database."""

_VERSION = table(VERSION_TABLE, column("version_num"))
_ALEMBIC = threading.Lock()  # its operations stand in module globals


def revision_of(connection: Connection) -> str | None:
    """Return the revision of a store's schema; None where there is no store.

    Raises:
        SchemaVersionError: The store was made by newer code.
    """
    tables = set(inspect(connection).get_table_names())
    revision: str | None
    if schema.store_facts.name not in tables:
        return None
    if VERSION_TABLE in tables:
        revision = connection.scalar(select(_VERSION.c.version_num))
    else:
        revision = _revision_of_former(connection, has_alembics="alembic_version" in tables)
    if revision is not None and revision not in REVISIONS:
        message = (
            f"the schema of {shown_url(connection.engine.url)} must be one of revision"
            f" {HEAD} or older, is {revision}: a newer Jutsu made it; install that version, or choose another"
            " JUTSU_DATABASE_URL"
        )
        raise SchemaVersionError(message)
    return revision


def is_current(connection: Connection) -> bool:
    """Return whether there is nothing to upgrade.

    Raises:
        SchemaVersionError: The store was made by newer code.
    """
    return revision_of(connection) == HEAD and inspect(connection).has_table(VERSION_TABLE)


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, inside the transaction of ``connection``."""
    # Alembic takes a second to import, and is needed only where there is something to do.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    with _ALEMBIC:
        revision = revision_of(connection)
        if revision is not None and not inspect(connection).has_table(VERSION_TABLE):
            command.stamp(config, revision)
            _leave_alembics_table(connection)
        command.upgrade(config, "head")


def _revision_of_former(connection: Connection, *, has_alembics: bool) -> str | None:
    if has_alembics:
        numbers = connection.scalars(text("select version_num from alembic_version")).all()
        ours: list[str] = [number for number in numbers if _is_ours(number)]
        if ours:
            return ours[0]
    # 0.1.0 kept the version among the facts.
    facts = schema.store_facts
    version: str | None = connection.scalar(select(facts.c.value).where(facts.c.name == "schema_version"))
    return None if version is None else version.zfill(len(HEAD))


def _leave_alembics_table(connection: Connection) -> None:
    """Take our row out of the table that every user of Alembic shares by default, such as Dagster."""
    if not inspect(connection).has_table("alembic_version"):
        return
    for number in connection.scalars(text("select version_num from alembic_version")).all():
        if _is_ours(number):
            connection.execute(text("delete from alembic_version where version_num = :number"), {"number": number})
    if not connection.scalar(text("select count(*) from alembic_version")):
        connection.execute(text("drop table alembic_version"))


def _is_ours(number: str) -> bool:
    return len(number) == len(HEAD) and number.isdigit()  # those of others are hashes
