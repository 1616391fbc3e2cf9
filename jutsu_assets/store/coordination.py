"""What processes share through the database: the log of requests that the rate limit is counted over."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select

from jutsu_assets.store import schema
from jutsu_assets.store.engine import Database, from_epoch, to_epoch
from jutsu_core.ports import Clock

_KEPT = timedelta(minutes=10)
_REQUESTS = schema.api_requests


class RequestLog:
    """The times at which any process was let through to the broker.

    Args:
        database: The system of record, shared by all processes.
        clock: The machine's clock, which those processes share too.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def claim(self, limit: int, window: timedelta) -> datetime | None:
        """Take a place among at most ``limit`` in any ``window``, or learn when one will be free.

        The look and the entry are one write transaction, so that two processes never take
        the same place. Entries from the future (the clock was set back) count as of now.

        Returns:
            None when a place was taken; otherwise the instant at which to ask again.
        """
        with self._database.writing() as connection:
            self._database.take_turn(connection, "api_requests")
            now = to_epoch(self._clock.now())
            self._bring_back_from_future(connection, now, limit, window)
            query = select(_REQUESTS.c.sent_at).order_by(_REQUESTS.c.sent_at.desc()).limit(limit)
            recent = list(connection.scalars(query))
            if len(recent) == limit and recent[-1] > now - to_micros(window):
                return from_epoch(recent[-1]) + window
            sent_at = max(now, recent[0] + 1) if recent else now
            connection.execute(insert(_REQUESTS), {"sent_at": sent_at})
            connection.execute(delete(_REQUESTS).where(_REQUESTS.c.sent_at < now - to_micros(max(_KEPT, window))))
        return None

    @staticmethod
    def _bring_back_from_future(connection: Connection, now: int, limit: int, window: timedelta) -> None:
        # A log that reaches far into the future would block until the clock catches up; forgotten
        # altogether, what was let through a moment ago would not count. Up to the limit they count as of now.
        count = connection.execute(delete(_REQUESTS).where(_REQUESTS.c.sent_at > now + to_micros(window))).rowcount
        if count:
            places = range(now, now - limit, -1)
            count += connection.execute(delete(_REQUESTS).where(_REQUESTS.c.sent_at.in_(places))).rowcount
            connection.execute(insert(_REQUESTS), [{"sent_at": place} for place in places[:count]])

    def count_since(self, moment: datetime) -> int:
        """Return how many requests were let through at or after ``moment`` (kept for ten minutes)."""
        query = select(func.count()).where(_REQUESTS.c.sent_at >= to_epoch(moment))
        with self._database.reading() as connection:
            return connection.scalar(query) or 0


def to_micros(duration: timedelta) -> int:
    """Return ``duration`` in whole microseconds."""
    return duration // timedelta(microseconds=1)
