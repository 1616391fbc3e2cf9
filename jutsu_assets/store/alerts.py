"""Which alerts stand and were told: kept, so that a restart repeats none and two processes tell each once."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from jutsu_assets.store import schema
from jutsu_assets.store.engine import Database
from jutsu_core.bars import from_epoch, to_epoch
from jutsu_core.ports import Clock

LEASE = timedelta(minutes=2)
"""So long others leave an alert alone that is being told; who tells takes less, or was killed."""

_ALERTS = schema.alerts


class Alert(NamedTuple):
    """An alert that is to be told.

    Attributes:
        name: What it is of.
        message: What is, or was, wrong.
        raised_at: When it was first seen.
        is_over: Whether its end is to be told, not its beginning.
    """

    name: str
    message: str
    raised_at: datetime
    is_over: bool


class Alerts:
    """Keeps the alerts of one target.

    A row says when its alert was told: null before that, the negative end of a lease while somebody
    tells it. A row whose end is told goes.

    Args:
        database: The system of record.
        clock: Tells when something is raised or told.
        target: Tells the alerts of one target from those of others.
    """

    def __init__(self, database: Database, clock: Clock, target: str) -> None:
        self._database = database
        self._clock = clock
        self._target = target

    def settle(self, wrong: Mapping[str, str], looked: Collection[str]) -> list[Alert]:
        """Bring what stands up to what is wrong now, and return what is to be told by the caller alone.

        Args:
            wrong: What is wrong, by name.
            looked: Of which names it is known whether something is wrong; others stay as they are.
        """
        claimed: list[Alert] = []
        with self._database.writing() as connection:
            self._database.take_turn(connection, _ALERTS.name)
            now = self._clock.now()
            stamp, lease = to_epoch(now), -to_epoch(now + LEASE)
            query = select(_ALERTS).where(_ALERTS.c.name.in_([self._key(name) for name in looked]))
            standing = {row.name: row for row in connection.execute(query)}
            for name in looked:
                key, row, message = self._key(name), standing.get(self._key(name)), wrong.get(name)
                if row is None:
                    if message is not None:
                        values = {"name": key, "message": message, "raised_at": stamp, "told_at": lease}
                        connection.execute(insert(_ALERTS), values)
                        claimed.append(Alert(name, message, now, is_over=False))
                    continue
                if row.told_at is not None and row.told_at < -stamp:  # somebody is telling it
                    continue
                is_told = row.told_at is not None and (row.told_at > 0 or row.cleared_at is not None)
                if message is None and not is_told:
                    connection.execute(delete(_ALERTS).where(_ALERTS.c.name == key))
                elif message is None:
                    self._change(connection, key, cleared_at=row.cleared_at or stamp, told_at=lease)
                    claimed.append(Alert(name, row.message, from_epoch(row.raised_at), is_over=True))
                elif is_told:
                    # What comes back before its end was told has not ended.
                    self._change(connection, key, message=message, cleared_at=None, told_at=stamp)
                else:
                    self._change(connection, key, message=message, told_at=lease)
                    claimed.append(Alert(name, message, from_epoch(row.raised_at), is_over=False))
        return claimed

    def told(self, alerts: Collection[Alert], *, was_told: bool) -> None:
        """Note whether what :meth:`settle` returned was told; what was not is returned anew by the next look."""
        with self._database.writing() as connection:
            self._database.take_turn(connection, _ALERTS.name)
            stamp = to_epoch(self._clock.now())
            for alert in alerts:
                key = self._key(alert.name)
                if alert.is_over and was_told:
                    connection.execute(delete(_ALERTS).where(_ALERTS.c.name == key))
                else:
                    self._change(connection, key, told_at=stamp if was_told or alert.is_over else None)

    @staticmethod
    def _change(connection: Connection, key: str, **values: object) -> None:
        connection.execute(update(_ALERTS).where(_ALERTS.c.name == key).values(**values))

    def _key(self, name: str) -> str:
        return f"{self._target}/{name}"
