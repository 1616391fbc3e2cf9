"""What processes share through the database about the broker: places, the breaker, the retry quota.

A place is taken at a tick of a clock that nobody sets: this machine's monotonic one where the
store is a file, the server's own where it is a server, so that a step of a machine's clock
neither lets a burst through nor blocks anybody.
"""

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, text

from jutsu_assets.store import schema
from jutsu_assets.store.engine import Database
from jutsu_core.access import AccessState, Change, Claim, Limits, admit
from jutsu_core.bars import from_epoch, to_epoch
from jutsu_core.errors import RequestBudgetError
from jutsu_core.ports import Clock

_KEPT = timedelta(minutes=10)
_NAME = "schwab"
_TURN = "api_access"
_REQUESTS, _ACCESS, _DAYS = schema.api_requests, schema.api_access, schema.api_days
_MOMENTS = ("opened_at", "probe_at", "lease_until", "paused_until")
_SERVER_TICKS = text("select cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)")
_COUNT_DAY = text(
    "insert into api_days (day, requests) values (:day, 1)"
    " on conflict (day) do update set requests = api_days.requests + 1"
)


class RequestLedger:
    """The :class:`jutsu_core.access.AccessLedger` of all processes that share a store.

    Args:
        database: The system of record.
        clock: Tells the day, and when the breaker closes.
        ticks: Microseconds of a clock that nobody sets; the machine's or the server's if None.
    """

    def __init__(self, database: Database, clock: Clock, *, ticks: Callable[[], int] | None = None) -> None:
        self._database = database
        self._clock = clock
        self._ticks = ticks

    def claim(self, limits: Limits, holder: str) -> Claim:
        """Take a place among the requests of all processes, or learn how long to wait.

        The look and the entry are one write transaction, so that two processes never take
        the same place. Entries from the future (the machine was started anew) count as of now.

        Raises:
            CircuitOpenError: The breaker is open; no place was taken.
            RequestBudgetError: The day's budget is spent; no place was taken.
        """
        with self._database.writing() as connection:
            self._database.take_turn(connection, _TURN)
            now, tick, taken_at = self._clock.now(), self._tick(connection), time.monotonic()
            known = _read(connection)
            state, wait_until = admit(known, now, holder)
            sent = _sent_on(connection, now.date())
            if wait_until is not None:
                wait_seconds = (wait_until - now).total_seconds()
            elif sent >= limits.daily_budget:
                raise _budget_spent(limits.daily_budget, now.date())
            else:
                wait_seconds = self._take_place(connection, tick, limits)
            if not wait_seconds:
                connection.execute(_COUNT_DAY, {"day": now.date().isoformat()})
                if state != known:
                    _write(connection, state)
                sent += 1
        return Claim(wait_seconds=wait_seconds, taken_at=taken_at, state=known, sent_today=sent)

    def state(self) -> AccessState:
        """Return what is known of the broker."""
        with self._database.asking() as connection:
            return _read(connection)

    def change(self, change: Change) -> bool:
        """Replace the state by what ``change`` makes of it, alone; return False where it makes None of it."""
        with self._database.writing() as connection:
            self._database.take_turn(connection, _TURN)
            known = _read(connection)
            state = change(known, self._clock.now())
            if state is not None and state != known:
                _write(connection, state)
            return state is not None

    def sent_on(self, day: date) -> int:
        """Return how many requests were let through on ``day``, UTC."""
        with self._database.asking() as connection:
            return _sent_on(connection, day)

    def _tick(self, connection: Connection) -> int:
        if self._ticks is not None:
            return self._ticks()
        if self._database.is_sqlite:
            return time.monotonic_ns() // 1000
        return int(connection.scalar(_SERVER_TICKS))

    @staticmethod
    def _take_place(connection: Connection, tick: int, limits: Limits) -> float:
        window = to_micros(limits.window)
        _bring_back_from_future(connection, tick, limits.requests, window)
        query = select(_REQUESTS.c.sent_at).order_by(_REQUESTS.c.sent_at.desc()).limit(limits.requests)
        recent = list(connection.scalars(query))
        if len(recent) == limits.requests and recent[-1] > tick - window:
            wait: float = (recent[-1] + window - tick) / 1_000_000
            return wait
        sent_at = max(tick, recent[0] + 1) if recent else tick
        connection.execute(insert(_REQUESTS), {"sent_at": sent_at})
        kept = max(to_micros(_KEPT), window)
        connection.execute(delete(_REQUESTS).where(_REQUESTS.c.sent_at < tick - kept))
        return 0.0


def to_micros(duration: timedelta) -> int:
    """Return ``duration`` in whole microseconds."""
    return duration // timedelta(microseconds=1)


def _bring_back_from_future(connection: Connection, tick: int, limit: int, window: int) -> None:
    # A log that reaches far into the future would block until the clock catches up; forgotten
    # altogether, what was let through a moment ago would not count. Up to the limit they count as of now.
    count = connection.execute(delete(_REQUESTS).where(_REQUESTS.c.sent_at > tick + window)).rowcount
    if count:
        places = range(tick, tick - limit, -1)
        count += connection.execute(delete(_REQUESTS).where(_REQUESTS.c.sent_at.in_(places))).rowcount
        connection.execute(insert(_REQUESTS), [{"sent_at": place} for place in places[:count]])


def _read(connection: Connection) -> AccessState:
    row = connection.execute(select(_ACCESS).where(_ACCESS.c.name == _NAME)).mappings().first()
    if row is None:
        return AccessState()
    values: dict[str, Any] = {**row, "cool_down": timedelta(microseconds=row["cool_down"])}
    values |= {name: _moment(row[name]) for name in _MOMENTS}
    del values["name"]
    return AccessState(**values)


def _write(connection: Connection, state: AccessState) -> None:
    values = {column.name: getattr(state, column.name) for column in _ACCESS.c if column.name != "name"}
    values |= {name: value and to_epoch(value) for name, value in values.items() if name in _MOMENTS}
    values["cool_down"] = to_micros(state.cool_down)
    connection.execute(delete(_ACCESS).where(_ACCESS.c.name == _NAME))
    connection.execute(insert(_ACCESS), {"name": _NAME, **values})


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_epoch(micros)


def _sent_on(connection: Connection, day: date) -> int:
    query = select(func.coalesce(func.sum(_DAYS.c.requests), 0)).where(_DAYS.c.day == day.isoformat())
    return int(connection.scalar(query) or 0)


def _budget_spent(budget: int, day: date) -> RequestBudgetError:
    message = (
        f"all processes together must send at most {budget:,} requests a day, and did on {day} (UTC): wait until"
        " tomorrow, or set JUTSU_DAILY_REQUESTS higher"
    )
    return RequestBudgetError(message)
