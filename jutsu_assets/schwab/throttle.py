"""The rate limit: at most two requests in any second, counted over every process.

Every request to Schwab goes through a ``ThrottledTransport``, which acquires its turn here first:
those for bars, token calls and retries in ``fetcher``, and a person's login in ``login``. Nothing
else in Jutsu sends a request.

A turn is an instant that is reserved ahead: who asks learns at once when its request may leave,
and sleeps until then, so that nobody wakes up in vain. A reservation is worth something only if
the request leaves at its instant. Whoever is late (the connection had to be opened first, the
process was paused) lets it go and reserves another. Between the last look at the clock and the first
byte a busy machine may stall a thread all the same: who left late tells the others, and those who
were to leave too soon after it, and look again before they do, reserve anew.
"""

import logging
import math
import os
import secrets
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta

import httpx

from jutsu_assets.settings import DAILY_REQUESTS
from jutsu_core.access import AccessLedger, Claim, Limits
from jutsu_core.errors import StoreError
from jutsu_core.ports import Sleeper

REQUESTS_PER_WINDOW = 2
WINDOW = timedelta(seconds=1.005)
"""A second, and what may pass between the last look at the clock and the first byte."""
LATENESS = timedelta(milliseconds=20)
"""A thread that computes beside the one that sends keeps it from running for 5 ms, and again."""
LIMITS = Limits(requests=REQUESTS_PER_WINDOW, window=WINDOW, lateness=LATENESS, daily_budget=DAILY_REQUESTS)

_LOOK_AHEAD_SECONDS = 0.1
_FEWEST_EARLY_SECONDS, _MOST_EARLY_SECONDS = 0.001, 0.025
"""Whoever sleeps wakes late on a machine that is busy; so it wakes early, and looks at the clock until it is time."""
_SHORTEST_PAUSE_SECONDS = 0.001
_REMEMBERED, _LONGEST_LEAD_SECONDS, _MARGIN = 5, 1.0, 1.5
_TOLD_SECONDS, _SECONDS_BETWEEN_LINES = 1.0, 60.0
_logger = logging.getLogger("jutsu.schwab.throttle")
DEPARTURE, DEPARTED = "http11.send_request_headers.started", "http11.send_request_headers.complete"
"""What httpx calls the moments before the first byte leaves, on a connection that is open, and after it has left."""


class Throttle:
    """Lets a caller through when the shared limit allows it.

    Args:
        ledger: What the processes share.
        sleeper: Waits.
        limits: What all processes together may send.
        stopwatch: Seconds of a clock that nobody sets.

    Attributes:
        requests: How many requests of this process were let through.
        let_go: How many reservations were too late to be used, or did not stand any more.
        waited_seconds: How long it waited for reserved instants in all.
        sent_today: Requests of all processes on this day, UTC, when one was last let through here.
    """

    def __init__(
        self,
        ledger: AccessLedger,
        sleeper: Sleeper,
        *,
        limits: Limits = LIMITS,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self._ledger = ledger
        self._sleeper = sleeper
        self._stopwatch = stopwatch
        self._name = secrets.token_hex(4)
        self._costs: deque[float] = deque(maxlen=_REMEMBERED)
        self._ways: deque[float] = deque(maxlen=_REMEMBERED)
        self._oversleeps: deque[float] = deque(maxlen=_REMEMBERED)
        self._counting = threading.Lock()
        self._thread = threading.local()
        self._long_waits: list[float] = []
        self._told_at = -math.inf
        self.requests = 0
        self.let_go = 0
        self.waited_seconds = 0.0
        self.sent_today = 0

    @property
    def holder(self) -> str:
        """Return the name by which the ledger knows the calling thread."""
        return f"{self._name}-{os.getpid()}-{threading.get_ident()}"

    @property
    def last_claim(self) -> Claim | None:
        """Return what the calling thread last claimed since it began its attempt, if anything."""
        return getattr(self._thread, "claim", None)

    def begin_attempt(self) -> None:
        """Forget what the calling thread claimed before."""
        self._thread.claim = None

    def acquire(self) -> Claim:
        """Return when one request may be sent; every return stands for one request.

        Raises:
            CircuitOpenError: The breaker is open.
            RequestBudgetError: The day's budget is spent.
        """
        return self._acquired(early_seconds=0.0)

    def approach(self) -> Claim:
        """Return a little before one request may be sent, as long as the way to :meth:`depart` takes usually.

        What never departs takes no time on its way, and so is let through at its instant.

        Raises:
            CircuitOpenError: The breaker is open.
            RequestBudgetError: The day's budget is spent.
        """
        with self._counting:
            early_seconds = min(_MARGIN * max(self._ways, default=0.0), _LONGEST_LEAD_SECONDS)
        claim = self._acquired(early_seconds=early_seconds)
        self._thread.set_out_at = self._stopwatch()
        return claim

    def depart(self, claim: Claim) -> Claim:
        """Return ``claim`` at its instant or, where that has passed, another one; to be used at once.

        Raises:
            CircuitOpenError: ``claim`` came too late, and the breaker is open by now.
            RequestBudgetError: ``claim`` came too late, and the day's budget is spent by now.
        """
        with self._counting:
            self._ways.append(self._stopwatch() - self._thread.set_out_at)
        self._sleep_until(claim.instant)
        if not self._is_late(claim):
            return claim
        with self._counting:
            self.requests -= 1
        self._let_go(claim)
        return self.acquire()

    def departed(self, claim: Claim) -> None:
        """Tell the others of a request that has left, and left late: something stalled it after the last look.

        Where the ledger does not hear of it, the request goes on all the same.
        """
        late_seconds = self._stopwatch() - claim.instant - self.limits.lateness.total_seconds()
        if late_seconds <= 0:
            return
        try:
            self._ledger.left_late(claim, self.limits, late_seconds)
        except StoreError as error:
            _logger.warning("a request left %.2f s late, and nobody could be told: %s", late_seconds, error)

    def _acquired(self, *, early_seconds: float) -> Claim:
        claim = self._reserved(early_seconds)
        with self._counting:
            self.requests += 1
        return claim

    def _reserved(self, early_seconds: float) -> Claim:
        while True:
            # An instant that passes before the ledger's answer is here (a distant server) is of no use.
            lead_seconds = self._lead_seconds()
            claim = self._ledger.claim(self.limits, self.holder, lead_seconds)
            if claim.state.is_open and claim.state.lease_holder != self.holder:
                _logger.info("breaker half open: this request probes, after %d failures", claim.state.failures)
            if claim.reservation is None:
                self._sleeper.sleep(max(claim.wait_seconds, _SHORTEST_PAUSE_SECONDS))
                self._waited(claim.wait_seconds)
                continue
            with self._counting:
                self._costs.append(self._stopwatch() - claim.taken_at)
                self.sent_today = claim.sent_today
            if self._reaches(claim, early_seconds, _LOOK_AHEAD_SECONDS + lead_seconds):
                self._thread.claim = claim
                return claim
            self._let_go(claim)

    def _reaches(self, claim: Claim, early_seconds: float, look_ahead: float) -> bool:
        """Sleep until shortly before the instant of ``claim``; return whether it may be used."""
        remaining = claim.instant - self._stopwatch()
        self._waited(max(0.0, remaining))
        if remaining > look_ahead:
            self._sleeper.sleep(remaining - look_ahead)
            # Meanwhile the breaker may have opened, the source asked for a pause, or a clock been set.
            if not self._ledger.confirms(claim, self.holder):
                return False
        self._sleep_until(claim.instant - early_seconds)
        return not self._is_late(claim)

    def _sleep_until(self, instant: float) -> None:
        with self._counting:
            early = max(_FEWEST_EARLY_SECONDS, _MARGIN * max(self._oversleeps, default=0.0))
        wake_at = instant - min(early, _MOST_EARLY_SECONDS)
        if (remaining := wake_at - self._stopwatch()) > 0:
            self._sleeper.sleep(remaining)
            with self._counting:
                self._oversleeps.append(self._stopwatch() - wake_at)
        # Every sleep, however short, lets go of the interpreter, which a thread that computes then keeps for a while.
        before, now = -math.inf, self._stopwatch()
        while before < now < instant:
            before, now = now, self._stopwatch()
        if now < instant:
            self._sleeper.sleep(instant - now)  # a stopwatch that stands still meanwhile

    def _is_late(self, claim: Claim) -> bool:
        return self._stopwatch() - claim.instant > self.limits.lateness.total_seconds()

    def _let_go(self, claim: Claim) -> None:
        self._thread.claim = None
        self._ledger.cancel(claim)
        with self._counting:
            self.let_go += 1

    def _lead_seconds(self) -> float:
        # The medians: most will take no longer, and one that stalled, or opened a connection, teaches nothing.
        with self._counting:
            usual = sum(statistics.median(costs) for costs in (self._costs, self._ways) if costs)
        return min(_MARGIN * usual, _LONGEST_LEAD_SECONDS)

    def _waited(self, seconds: float) -> None:
        with self._counting:
            self.waited_seconds += seconds
            if seconds <= _TOLD_SECONDS:
                return
            self._long_waits.append(seconds)
            now = self._stopwatch()
            # Where several share the limit every request waits so long: one line stands for those of a minute.
            if now - self._told_at < _SECONDS_BETWEEN_LINES:
                return
            waits, self._long_waits, self._told_at = self._long_waits, [], now
        _logger.info(
            "waits for a turn: %.1f s now; %d over a second since the last line, %.0f s in all; %s requests a window"
            " are shared by all processes",
            seconds,
            len(waits),
            sum(waits),
            self.limits.requests,
        )


class ThrottledTransport(httpx.BaseTransport):
    """Sends requests through another transport, each after its turn.

    Args:
        inner: What really sends.
        throttle: Whose turn it is.
    """

    def __init__(self, inner: httpx.BaseTransport, throttle: Throttle) -> None:
        self._inner = inner
        self._throttle = throttle

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Wait for a turn, then send."""
        claim = self._throttle.approach()

        def on_event(name: str, _: Mapping[str, object]) -> None:
            nonlocal claim
            if name == DEPARTURE:
                claim = self._throttle.depart(claim)
            elif name == DEPARTED:
                self._throttle.departed(claim)

        request.extensions = {**request.extensions, "trace": on_event}
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the inner transport."""
        self._inner.close()
