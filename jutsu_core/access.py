"""Access to a source that many processes share: its circuit breaker, its retry quota, its limit.

All of it is arithmetic over an :class:`AccessState`, which one store keeps for all processes
(see :class:`AccessLedger`). The breaker has three states:

- **closed**: requests go; five failures in a row, over all processes, open it;
- **open**: requests are refused at once until the cool-down ends;
- **half-open**: the first who asks then becomes the probe, alone, on a lease that runs out, so
  that a probe that was killed blocks nobody. Its success closes the breaker, its failure
  doubles the cool-down.

A ``Retry-After`` that is short makes everybody wait, a long one opens the breaker for that time.

The retry quota keeps an outage from multiplying the load: a retry costs what five successes
bring back, and what is saved up is worth ten retries.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import NamedTuple, Protocol

from jutsu_core.arguments import require_type
from jutsu_core.bars import require_aware
from jutsu_core.errors import CircuitOpenError

FAILURES_TO_OPEN = 5
FIRST_COOL_DOWN = timedelta(seconds=30)
LONGEST_COOL_DOWN = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(seconds=30)
"""A longer ``Retry-After`` is not waited for: the breaker opens."""
LONGEST_REST = timedelta(hours=1)
PROBE_LEASE = timedelta(minutes=2)
RETRY_COST = 5
MOST_CREDITS = 10 * RETRY_COST


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessState:
    """What all processes know about a source.

    Attributes:
        failures: Failures in a row.
        opened_at: When the breaker opened; None while it is closed.
        probe_at: When the next probe may go.
        cool_down: How long the breaker stays open.
        lease_holder: Who probes.
        lease_until: Until when nobody else may.
        paused_until: Until when the source asked everybody to wait.
        retry_credits: What is left of the retry quota.
        last_failure: What went wrong last.
    """

    failures: int = 0
    opened_at: datetime | None = None
    probe_at: datetime | None = None
    cool_down: timedelta = FIRST_COOL_DOWN
    lease_holder: str = ""
    lease_until: datetime | None = None
    paused_until: datetime | None = None
    retry_credits: int = MOST_CREDITS
    last_failure: str = ""

    @property
    def is_open(self) -> bool:
        """Whether requests are refused, but for a probe."""
        return self.opened_at is not None

    @property
    def is_sound(self) -> bool:
        """Whether a success has nothing to mend here."""
        return not self.failures and not self.is_open and self.retry_credits == MOST_CREDITS

    @property
    def retries_left(self) -> int:
        """How many retries the quota still pays for."""
        return self.retry_credits // RETRY_COST


class Admission(NamedTuple):
    """How a request may go: at once where ``wait_until`` is None; ``state`` is to be kept."""

    state: AccessState
    wait_until: datetime | None


def admit(state: AccessState, now: datetime, holder: str) -> Admission:
    """Let a request through, make it wait, or refuse it.

    Args:
        state: What is known of the source.
        now: The current instant.
        holder: Who asks; a probe is recognised by it.

    Raises:
        CircuitOpenError: The breaker is open, and it is not yet time for a probe, or another one is under way.
        InvalidInputError: An argument is not of its type.
    """
    _check(state, holder)
    now = require_aware("now", now)
    if state.opened_at is None or state.probe_at is None:
        wait_until = _believable(state.paused_until, now, LONGEST_PAUSE)
        return Admission(state, wait_until)
    if state.lease_holder == holder:
        return Admission(state, None)
    probe_at = _believable(state.probe_at, now, LONGEST_REST)
    refused_until = probe_at or _believable(state.lease_until, now, PROBE_LEASE)
    if refused_until is not None:
        raise _refusal(state, refused_until)
    return Admission(replace(state, lease_holder=holder, lease_until=now + PROBE_LEASE), None)


def after_success(state: AccessState, holder: str) -> AccessState:
    """Return the state after a request of ``holder`` was answered.

    An answer to a request that was under way when the breaker opened does not close it.

    Raises:
        InvalidInputError: An argument is not of its type.
    """
    _check(state, holder)
    credits_ = min(state.retry_credits + 1, MOST_CREDITS)
    if state.is_open and state.lease_holder != holder:
        return replace(state, retry_credits=credits_)
    return AccessState(retry_credits=credits_, last_failure=state.last_failure)


def after_failure(
    state: AccessState, now: datetime, holder: str, reason: str, *, rest: timedelta = timedelta(0)
) -> AccessState:
    """Return the state after a request of ``holder`` failed.

    Args:
        state: What was known of the source.
        now: The current instant.
        holder: Whose request it was.
        reason: What went wrong, for people.
        rest: How long the source wants to be left alone, if it said so.

    Raises:
        InvalidInputError: An argument is not of its type.
    """
    _check(state, holder)
    now = require_aware("now", now)
    require_type("reason", reason, str, "a text")
    require_type("rest", rest, timedelta, "a timedelta")
    failed = replace(state, failures=state.failures + 1, last_failure=reason)
    if state.is_open:
        if state.lease_holder != holder:
            return failed
        return _opened(failed, now, max(min(2 * state.cool_down, LONGEST_COOL_DOWN), rest))
    if rest > LONGEST_PAUSE:
        return _opened(failed, now, rest)
    if failed.failures >= FAILURES_TO_OPEN:
        return _opened(failed, now, max(FIRST_COOL_DOWN, rest))
    return replace(failed, paused_until=now + rest) if rest else failed


def after_retry(state: AccessState, _: datetime) -> AccessState | None:
    """Return the state with one retry paid for, or None where the quota does not pay for one.

    Raises:
        InvalidInputError: ``state`` is no :class:`AccessState`.
    """
    require_type("state", state, AccessState, "an AccessState")
    left = state.retry_credits - RETRY_COST
    return replace(state, retry_credits=left) if left >= 0 else None


def _check(state: object, holder: object) -> None:
    require_type("state", state, AccessState, "an AccessState")
    require_type("holder", holder, str, "a text")


def _opened(state: AccessState, now: datetime, cool_down: timedelta) -> AccessState:
    rest = min(cool_down, LONGEST_REST)
    return replace(
        state,
        opened_at=state.opened_at or now,
        probe_at=now + rest,
        cool_down=min(rest, LONGEST_COOL_DOWN),
        lease_holder="",
        lease_until=None,
        paused_until=None,
    )


def _believable(moment: datetime | None, now: datetime, longest: timedelta) -> datetime | None:
    # A moment further ahead than it can have been set to was set before the clock was put back.
    return moment if moment is not None and now < moment <= now + longest else None


def _refusal(state: AccessState, until: datetime) -> CircuitOpenError:
    message = (
        f"the source is left alone until {until:%Y-%m-%d %H:%M:%S} UTC, after {state.failures} failures in a row"
        f" (the last: {state.last_failure or 'unknown'}); run again after that: the first request then is a probe"
    )
    return CircuitOpenError(message, probe_at=until)


def is_admitted(state: AccessState, now: datetime, holder: str) -> bool:
    """Return whether a request that ``holder`` reserved earlier may leave now, as things stand.

    Raises:
        InvalidInputError: An argument is not of its type.
    """
    try:
        return admit(state, now, holder) == Admission(state, None)
    except CircuitOpenError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What all processes together may send.

    Attributes:
        requests: Requests that may leave in any ``window``.
        window: Its length.
        daily_budget: Requests in one day, UTC.
        lateness: How long after its reserved instant a request may still leave. What is reserved
            next keeps so much more distance, so that ``requests`` come in ``window + lateness``.
    """

    requests: int
    window: timedelta
    daily_budget: int
    lateness: timedelta = timedelta(milliseconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The answer to a claim for a reservation among the requests of all processes.

    Attributes:
        wait_seconds: How long after ``taken_at`` the reserved instant comes; without a
            reservation, how long to wait before asking again.
        taken_at: When the ledger's clock was read, at the latest, on the monotonic clock of the process, in seconds.
        state: What is known of the source.
        sent_today: Requests of all processes since midnight UTC, this one included.
        day: On which day the request counts.
        reservation: The ledger's name of the reservation; None where the source asked everybody to wait.
    """

    wait_seconds: float
    taken_at: float
    state: AccessState
    sent_today: int
    day: date
    reservation: int | None

    @property
    def instant(self) -> float:
        """When the request may leave, on the monotonic clock of the process, in seconds."""
        return self.taken_at + self.wait_seconds


Change = Callable[[AccessState, datetime], AccessState | None]
"""Makes a new state of the old one and the current instant; None where it cannot."""


class AccessLedger(Protocol):
    """Keeps what processes share about a source; the store implements it."""

    def claim(self, limits: Limits, holder: str, lead_seconds: float = 0.0) -> Claim:
        """Reserve the next free instant for one request, or learn how long the source is paused.

        Args:
            limits: What all processes together may send.
            holder: Who asks.
            lead_seconds: How far ahead the instant must lie, so that the answer arrives before it.

        Raises:
            CircuitOpenError: The breaker is open.
            RequestBudgetError: The day's budget is spent.
        """
        ...

    def confirms(self, claim: Claim, holder: str) -> bool:
        """Return whether a reservation of some time ago still stands, and the source may still be asked."""
        ...

    def cancel(self, claim: Claim) -> None:
        """Give back a reservation whose request did not leave, and never will: it does not count."""
        ...

    def left_late(self, claim: Claim, limits: Limits, by_seconds: float) -> None:
        """Enter that a request left later than its reservation allowed: who counted on that, and waits, does not stand.

        Args:
            claim: Of the request.
            limits: What all processes together may send.
            by_seconds: How much later than at the latest.
        """
        ...

    def state(self) -> AccessState:
        """Return what is known of the source."""
        ...

    def change(self, change: Change) -> bool:
        """Replace the state by what ``change`` makes of it, alone; return False where it makes None of it."""
        ...

    def sent_on(self, day: date) -> int:
        """Return how many requests all processes sent on ``day``, UTC."""
        ...
