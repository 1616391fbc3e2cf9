"""A read replica beside the system of record: whether it is one, of this store, and how far it has come.

A replica is a second PostgreSQL that follows the first (streaming replication). What it shows is what the
first one said a moment ago: good for whoever shows what is stored, never for who decides by it.
"""

import logging
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from jutsu_assets.settings import CONNECTIONS
from jutsu_assets.store.engine import Database
from jutsu_assets.store.health import looking_at
from jutsu_assets.store.identity import StoreIdentity, identity_of
from jutsu_assets.store.upgrade import revision_of
from jutsu_assets.store.urls import DATABASE_URL, READ_URL, replica_url
from jutsu_core.answers import CLOCK_TOLERANCE
from jutsu_core.arguments import require_type
from jutsu_core.errors import ConfigurationError, StoreUnavailableError

_logger = logging.getLogger("jutsu.store.replica")
_STATE = text(
    "select pg_is_in_recovery(), pg_postmaster_start_time(), (select value from store_facts where name = 'source')"
)
# With synchronous_commit off a write shows before it is on its way, and the end of what is on its way is no bound.
_WRITTEN = text(
    "select (case current_setting('synchronous_commit') when 'off' then pg_current_wal_insert_lsn()"
    " else pg_current_wal_lsn() end)::text as place, clock_timestamp() as at"
)
_BEHIND = text(
    "select pg_wal_lsn_diff(cast(:place as pg_lsn), pg_last_wal_replay_lsn())::bigint as bytes,"
    " pg_last_xact_replay_timestamp() as replayed_until"
)
_FOLLOWS = text("select pg_is_in_recovery(), pg_last_xact_replay_timestamp()")
_PAUSES = (0.0, 0.01, 0.04, 0.15, 0.3, 0.5)
"""How long a replica is waited for, which on a good day is some milliseconds behind."""
_CONNECT_SECONDS = "3"


class Lag(NamedTuple):
    """How far a replica is behind.

    Attributes:
        bytes_behind: How much of what the primary wrote it does not show; 0 if it shows all of it.
        seconds: How old is what it shows, by the primary's clock: 0 if it shows all that there is, else since the
            last write that it shows. None where it shows none since it was started.
    """

    bytes_behind: int
    seconds: float | None


class _Seen(NamedTuple):
    identity: StoreIdentity
    follows: bool
    started_at: datetime
    source: str | None
    revision: str | None


def replica_of(primary: Database, read_url: str, *, connections: int = CONNECTIONS) -> Database:
    """Return the replica of ``primary`` that ``read_url`` names; nothing is opened yet.

    Args:
        primary: The system of record.
        read_url: SQLAlchemy URL of the replica.
        connections: How many connections to it are open at most.

    Raises:
        ConfigurationError: The URL cannot be understood, or one of both is no PostgreSQL.
    """
    given = require_type("read_url", read_url, str, "a text such as 'postgresql://reader@replica/jutsu'")
    replica_url(given, primary.url)
    return Database(read_url, primary.sleeper, create=False, connections=connections, setting=READ_URL)


def require_replica_of(primary: Database, replica: Database) -> None:
    """Make sure that ``replica`` is one of the store in ``primary``.

    While the primary does not answer, a server that follows another is taken for its replica: that readers need no
    primary is what a replica is for.

    Raises:
        ConfigurationError: It is of another store, or follows no other server.
        StoreUnavailableError: It does not answer.
    """
    with replica.reading() as connection:
        seen = _seen(connection, replica)
    try:
        with _quick_look(primary) as connection:
            original = _seen(connection, primary)
    except StoreUnavailableError as error:
        if not seen.follows:
            raise ConfigurationError(_no_replica(primary, replica, "follows no other server")) from error
        _logger.warning("%r is read, and was not compared with its primary: %s", replica, error)
        return
    if seen.identity != original.identity:
        raise ConfigurationError(_no_replica(primary, replica, "is another store"))
    if not seen.follows and seen.started_at != original.started_at:
        raise ConfigurationError(_no_replica(primary, replica, "follows it no longer: it was promoted"))
    if (seen.revision, seen.source) != (original.revision, original.source):
        message = (
            f"the replica {replica.shown_url} must show what its primary {primary.shown_url} has, tables of revision"
            f" {original.revision} with bars of {original.source!r}, shows those of {seen.revision} with bars of"
            f" {seen.source!r}: wait until it has caught up, or unset {READ_URL}"
        )
        raise StoreUnavailableError(message)


def lag_of(primary: Database, replica: Database) -> Lag:
    """Return how far ``replica`` is behind what ``primary`` has written by now; it is waited for a second at most.

    Raises:
        StoreUnavailableError: One of both does not answer.
    """
    with primary.asking() as connection:
        place, now = connection.execute(_WRITTEN).one()
    return _lag_behind(replica, place, now)


def settled(replica: Database, primary: Database | None, moment: datetime, *, is_recent: bool) -> Database:
    """Return which of both shows for good all that was known at ``moment``, the replica if it does.

    Writes take their time when they begin, and show when they end. So a replica shows all that was known at an
    instant when it shows a write of a day later, or all that the primary has when every write that was under way
    has ended there.

    Args:
        replica: What is to be read: a replica, or what may be one.
        primary: Its primary; None where that is not known.
        moment: The instant.
        is_recent: Whether what was known then may be on its way still.

    Raises:
        StoreUnavailableError: The replica is behind, and the primary does not answer or is not known.
    """
    with replica.asking() as connection:
        follows, replayed_until = connection.execute(_FOLLOWS).one()
    if not follows:
        if is_recent:
            replica.await_writers()
        return replica
    if replayed_until is not None and replayed_until >= moment + CLOCK_TOLERANCE:
        return replica
    if primary is None:
        remedy = f"read the primary, or give db_url the primary and read_url the replica ({READ_URL} does for commands)"
        raise StoreUnavailableError(_behind(replica, moment, replayed_until, remedy))
    try:
        primary.await_writers()
        lag = lag_of(primary, replica)
    except StoreUnavailableError as error:
        remedy = f"then its primary must answer, did not: {error}"
        raise StoreUnavailableError(_behind(replica, moment, replayed_until, remedy)) from error
    if lag.bytes_behind:
        _logger.info("%r is %d bytes behind: what was known then is read from its primary", replica, lag.bytes_behind)
        return primary
    return replica


def _lag_behind(replica: Database, place: str, now: datetime) -> Lag:
    waited, behind, replayed_until = 0.0, 0, None
    for pause in _PAUSES:
        if pause:
            replica.sleeper.sleep(pause)
        with replica.asking() as connection:
            behind, replayed_until = connection.execute(_BEHIND, {"place": place}).one()
        # A primary that was taken for a replica shows everything, and replays nothing.
        if behind is None or behind <= 0:
            return Lag(0, waited)
        waited += pause
    return Lag(behind, None if replayed_until is None else max(waited, (now - replayed_until).total_seconds()))


def _quick_look(database: Database) -> AbstractContextManager[Connection]:
    """Return a transaction that is begun at the first attempt, or not: readers go on without it."""
    is_bounded = "connect_timeout" in database.url.query
    url = database.url if is_bounded else database.url.update_query_dict({"connect_timeout": _CONNECT_SECONDS})
    return looking_at(url, shown=database.url)


def _seen(connection: Connection, database: Database) -> _Seen:
    revision = revision_of(connection)
    if revision is None:
        raise database.nothing_there()
    follows, started_at, source = connection.execute(_STATE).one()
    return _Seen(identity_of(connection), follows, started_at, source, revision)


def _no_replica(primary: Database, replica: Database, fault: str) -> str:
    return (
        f"{READ_URL} must name a replica of the store that {DATABASE_URL} names, {primary.shown_url}, but"
        f" {replica.shown_url} {fault}; correct one of both, or unset {READ_URL}"
    )


def _behind(replica: Database, moment: datetime, replayed_until: datetime | None, remedy: str) -> str:
    shows = "nothing since it was started" if replayed_until is None else replayed_until.astimezone(UTC).isoformat()
    enough = (moment + CLOCK_TOLERANCE).isoformat()
    return (
        f"to be sure to show all that was known at {moment.isoformat()} by itself, the replica {replica.shown_url} must"
        f" show what was written at {enough}, and what it shows ends at {shows}: {remedy}"
    )
