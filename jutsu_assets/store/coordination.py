"""What processes share through the database about the broker: reservations, the breaker, the retry quota.

A request reserves the next free instant of a clock that nobody sets: this machine's monotonic one
where the store is a file, the server's own where it is a server, so that a step of a machine's
clock neither lets a burst through nor blocks anybody.

A reservation's row is the instant by which its request has left: the reserved one, and how late
it may be, and how little its process knows of the ledger's clock. The ``requests + 1``st is
reserved a window after that, so the limit holds whatever each of them made of its time. One that left
later still, because the machine stalled it after its last look at the clock, says so, and whoever was
to leave too soon after it, and waits, reserves anew.
"""

import math
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, literal, select, text

from jutsu_assets.store import schema
from jutsu_assets.store.engine import Database
from jutsu_core.access import AccessState, Change, Claim, Limits, admit, is_admitted
from jutsu_core.bars import from_epoch, to_epoch
from jutsu_core.errors import RequestBudgetError
from jutsu_core.ports import Clock

_MICROS = 1_000_000
_NAME = "schwab"
_TURN = "api_access"
_REQUESTS, _ACCESS, _DAYS = schema.api_requests, schema.api_access, schema.api_days
_MOMENTS = ("opened_at", "probe_at", "lease_until", "paused_until")
_BESIDE = 1_000
"""Microseconds: entries of one instant are one apart, which says nothing of when a request leaves."""
_SERVER_TICKS = text("select cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)")
_COUNT_DAY = text(
    "insert into api_days (day, requests, waited) values (:day, 1, :waited)"
    " on conflict (day) do update set requests = api_days.requests + 1, waited = api_days.waited + excluded.waited"
)
# What is given back is counted, so that both numbers only grow: who watches takes one that falls for a new beginning.
_UNCOUNT_DAY = text(
    "update api_days set requests = requests - 1, released = released + 1 where day = :day and requests > 0"
)
_COUNT_CHANGE = text(
    "insert into api_days (day, requests, retries, failures, openings) values (:day, 0, :retries, :failures, :openings)"
    " on conflict (day) do update set retries = api_days.retries + excluded.retries,"
    " failures = api_days.failures + excluded.failures, openings = api_days.openings + excluded.openings"
)


class AccessCounts(NamedTuple):
    """What all processes did to reach the broker, since the store was made; none of it ever falls.

    Attributes:
        reserved: Turns that were reserved.
        released: Those of them that were given back unused.
        retries: Attempts after a failure.
        failures: Attempts that failed.
        openings: How often the breaker opened.
        waited_seconds: How long turns were waited for.
    """

    reserved: int
    released: int
    retries: int
    failures: int
    openings: int
    waited_seconds: float


class RequestLedger:
    """The :class:`jutsu_core.access.AccessLedger` of all processes that share a store.

    Args:
        database: The system of record.
        clock: Tells the day, and when the breaker closes.
        ticks: Microseconds of a clock that nobody sets; the machine's or the server's if None.
        stopwatch: Seconds of the process's clock that nobody sets, by which reservations are waited for.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        ticks: Callable[[], int] | None = None,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ticks = ticks
        self._stopwatch = stopwatch

    def claim(self, limits: Limits, holder: str, lead_seconds: float = 0.0) -> Claim:
        """Reserve the next free instant for one request, or learn how long the source is paused.

        The look and the entry are one write transaction, so that two processes never reserve the
        same. The instant is told by the stopwatch as the latest that it can be: the ledger's clock
        was read somewhere between the question and its answer.

        Args:
            limits: What all processes together may send.
            holder: Who asks.
            lead_seconds: How far ahead the instant must lie, so that the answer arrives before it.

        Raises:
            CircuitOpenError: The breaker is open; nothing was reserved.
            RequestBudgetError: The day's budget is spent; nothing was reserved.
        """
        with self._database.writing() as connection:
            self._database.take_turn(connection, _TURN)
            now, asked_at = self._clock.now(), self._stopwatch()
            tick = self._tick(connection)
            taken_at = self._stopwatch()
            known = _read(connection)
            state, wait_until = admit(known, now, holder)
            sent = _sent_on(connection, now.date())
            if wait_until is not None:
                wait_seconds, reservation = (wait_until - now).total_seconds(), None
            elif sent >= limits.daily_budget:
                raise _budget_spent(limits.daily_budget, now.date())
            else:
                leeway = to_micros(limits.lateness) + math.ceil((taken_at - asked_at) * _MICROS)
                earliest = tick + math.ceil(lead_seconds * _MICROS)
                instant, reservation = _reserve(connection, tick, earliest, limits, leeway)
                wait_seconds = (instant - tick) / _MICROS
                waited = max(0, instant - tick)
                connection.execute(_COUNT_DAY, {"day": now.date().isoformat(), "waited": waited})
                if state != known:
                    _write(connection, state)
                sent += 1
        return Claim(
            wait_seconds=wait_seconds,
            taken_at=taken_at,
            state=known,
            sent_today=sent,
            day=now.date(),
            reservation=reservation,
        )

    def confirms(self, claim: Claim, holder: str) -> bool:
        """Return whether a reservation of some time ago still stands, and the broker may still be asked.

        It does not stand where the clock of the ledger was set since.
        """
        query = select(_REQUESTS.c.sent_at).where(_REQUESTS.c.sent_at == claim.reservation)
        with self._database.asking() as connection:
            stands = connection.scalar(query) is not None
            return stands and is_admitted(_read(connection), self._clock.now(), holder)

    def cancel(self, claim: Claim) -> None:
        """Give back a reservation whose request did not leave, and never will: it does not count."""
        with self._database.writing() as connection:
            self._database.take_turn(connection, _TURN)
            connection.execute(delete(_REQUESTS).where(_REQUESTS.c.sent_at == claim.reservation))
            connection.execute(_UNCOUNT_DAY, {"day": claim.day.isoformat()})

    def left_late(self, claim: Claim, limits: Limits, by_seconds: float) -> None:
        """Enter that a request left later than its reservation allowed: who counted on that, and waits, does not stand.

        Args:
            claim: Of the request.
            limits: What all processes together may send.
            by_seconds: How much later than at the latest.
        """
        if claim.reservation is None:
            return
        with self._database.writing() as connection:
            self._database.take_turn(connection, _TURN)
            left = claim.reservation + math.ceil(by_seconds * _MICROS)
            connection.execute(delete(_REQUESTS).where(_REQUESTS.c.sent_at == claim.reservation))
            _enter(connection, left)
            _make_room_after(connection, left, self._tick(connection), limits)

    def state(self) -> AccessState:
        """Return what is known of the broker."""
        with self._database.asking() as connection:
            return _read(connection)

    def change(self, change: Change) -> bool:
        """Replace the state by what ``change`` makes of it, alone; return False where it makes None of it."""
        with self._database.writing() as connection:
            self._database.take_turn(connection, _TURN)
            known = _read(connection)
            now = self._clock.now()
            state = change(known, now)
            if state is not None and state != known:
                _write(connection, state)
                if any(counted := _counted(known, state)):
                    of_day = dict(zip(("retries", "failures", "openings"), counted, strict=True))
                    connection.execute(_COUNT_CHANGE, {"day": now.date().isoformat(), **of_day})
            return state is not None

    def sent_on(self, day: date) -> int:
        """Return how many requests were let through on ``day``, UTC."""
        with self._database.asking() as connection:
            return _sent_on(connection, day)

    def counts(self) -> AccessCounts:
        """Return what all processes did since the store was made."""
        with self._database.asking() as connection:
            sums = [func.coalesce(func.sum(_DAYS.c[name]), 0) for name in ("requests", *schema.DAY_COUNTS)]
            requests, released, retries, failures, openings, waited = map(int, connection.execute(select(*sums)).one())
        return AccessCounts(requests + released, released, retries, failures, openings, waited / _MICROS)

    def _tick(self, connection: Connection) -> int:
        if self._ticks is not None:
            return self._ticks()
        if self._database.is_sqlite:
            return time.monotonic_ns() // 1000
        return int(connection.scalar(_SERVER_TICKS))


def to_micros(duration: timedelta) -> int:
    """Return ``duration`` in whole microseconds."""
    return duration // timedelta(microseconds=1)


def _counted(was: AccessState, now: AccessState) -> tuple[int, int, int]:
    """Return how many retries, failures and openings of the breaker lie between two states."""
    is_retry = now.retry_credits < was.retry_credits
    is_opening = now.opened_at is not None and now.probe_at != was.probe_at
    return int(is_retry), int(now.failures > was.failures), int(is_opening)


class _Outlook(NamedTuple):
    """The newest row; that one a window after which the next may leave; how many are ahead."""

    newest: int | None
    binding: int | None
    ahead: int


def _reserve(connection: Connection, tick: int, earliest: int, limits: Limits, leeway: int) -> tuple[int, int]:
    """Enter the next free instant from ``earliest`` on; return it, and by when the request has left."""
    window = to_micros(limits.window)
    outlook = _look_ahead(connection, tick, limits.requests)
    # Each of those ahead waits for others of them, so that a queue of some is so long, and seldom has gaps.
    farthest = max(earliest + leeway, tick + 2 * (outlook.ahead // limits.requests + 1) * (window + leeway))
    if outlook.newest is not None and outlook.newest > farthest:
        _bring_back(connection, farthest, tick + leeway, limits.requests)
        outlook = _look_ahead(connection, tick, limits.requests)
    instant = earliest if outlook.binding is None else max(earliest, outlook.binding + window)
    leaves_by = instant + leeway
    if outlook.newest is not None:
        leaves_by = max(leaves_by, outlook.newest + 1)
    connection.execute(delete(_REQUESTS).where(_REQUESTS.c.sent_at <= tick - window))
    connection.execute(insert(_REQUESTS), {"sent_at": leaves_by})
    return instant, leaves_by


def _look_ahead(connection: Connection, tick: int, limit: int) -> _Outlook:
    moment = _REQUESTS.c.sent_at
    newest = select(func.max(moment)).scalar_subquery()
    binding = select(moment).order_by(moment.desc()).limit(1).offset(limit - 1).scalar_subquery()
    ahead = select(func.count()).where(moment > literal(tick, moment.type)).scalar_subquery()
    return _Outlook(*connection.execute(select(newest, binding, ahead)).one())


def _bring_back(connection: Connection, farthest: int, leaves_by: int, limit: int) -> None:
    # A row that lies too far in the future (the machine was started anew) would block until the clock
    # catches up; forgotten altogether, what left a moment ago would not count. Up to the limit they
    # count as of now. Who waits for such an instant finds that it does not stand.
    moment = _REQUESTS.c.sent_at
    count = connection.execute(delete(_REQUESTS).where(moment > farthest)).rowcount
    count += connection.execute(delete(_REQUESTS).where(moment.between(leaves_by - limit + 1, leaves_by))).rowcount
    brought = range(leaves_by, leaves_by - min(count, limit), -1)
    connection.execute(insert(_REQUESTS), [{"sent_at": moment} for moment in brought])


def _make_room_after(connection: Connection, left: int, tick: int, limits: Limits) -> None:
    """Move those that wait, and would leave too soon after ``left``, to where there is room; whoever waits finds out.

    None is forgotten: who looked for the last time already leaves all the same, and counts as what leaves later.
    """
    moment, stay = _REQUESTS.c.sent_at, list[int]()
    distance = to_micros(limits.window) + to_micros(limits.lateness)
    for entered in list(connection.scalars(select(moment).where(moment > left - distance).order_by(moment))):
        free_at = stay[-limits.requests] + distance if len(stay) >= limits.requests else entered
        if entered > max(tick, left) and entered + _BESIDE < free_at:
            connection.execute(delete(_REQUESTS).where(moment == entered))
            _enter(connection, free_at)
        else:
            stay.append(entered)


def _enter(connection: Connection, sent_at: int) -> None:
    """Enter a request at ``sent_at``, or as soon after it as nobody else is entered."""
    while connection.scalar(select(_REQUESTS.c.sent_at).where(_REQUESTS.c.sent_at == sent_at)) is not None:
        sent_at += 1
    connection.execute(insert(_REQUESTS), {"sent_at": sent_at})


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
