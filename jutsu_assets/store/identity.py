"""Which store a server of PostgreSQL holds, whatever address it is reached by."""

from typing import NamedTuple

from sqlalchemy import Connection, text

_MAY_ASK = text("select has_function_privilege('pg_control_system()', 'execute')")
_SERVER = text("select system_identifier from pg_control_system()")
_STORE = text(
    "select (select oid from pg_database where datname = current_database()), to_regclass('store_facts')::oid::bigint"
)


class StoreIdentity(NamedTuple):
    """Numbers that the servers give out: a replica has those of its primary, to the last table.

    Attributes:
        server: Of the servers that come of one ``initdb``; 0 where this user may not ask for it.
        database: Of the database among theirs.
        store: Of a table of the store, which tells two schemas apart.
    """

    server: int
    database: int
    store: int


def identity_of(connection: Connection) -> StoreIdentity:
    """Return which store ``connection`` reads."""
    server = connection.scalar(_SERVER) if connection.scalar(_MAY_ASK) else 0
    return StoreIdentity(server or 0, *connection.execute(_STORE).one())
