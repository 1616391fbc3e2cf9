"""The rate limit: at most two requests in any second, counted over every process.

Every request to Schwab goes through a ``ThrottledTransport``, which takes its place here first:
those for bars, token calls and retries in ``fetcher``, and a person's login in ``login``. Nothing
else in Jutsu sends a request.

A place is worth something only if the request leaves at once. Whoever is late (the connection
had to be opened first, the process was paused) lets its place go and takes another.
"""

import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta

import httpx

from jutsu_assets.settings import DAILY_REQUESTS
from jutsu_core.access import AccessLedger, Claim, Limits
from jutsu_core.ports import Sleeper

REQUESTS_PER_WINDOW = 2
WINDOW = timedelta(seconds=1.02)
"""A second, and what two requests may differ in their way from the ledger to the server."""
LATEST_DEPARTURE_SECONDS = 0.01
LIMITS = Limits(requests=REQUESTS_PER_WINDOW, window=WINDOW, daily_budget=DAILY_REQUESTS)

_SHORTEST_PAUSE_SECONDS = 0.001
_REMEMBERED_COSTS, _FEWEST_COSTS = 20, 5
DEPARTURE = "http11.send_request_headers.started"
"""What httpx calls the moment before the first byte leaves, on a connection that is open."""


class Throttle:
    """Lets a caller through when the shared limit allows it.

    Args:
        ledger: What the processes share.
        sleeper: Waits.
        limits: What all processes together may send.
        stopwatch: Seconds of a clock that nobody sets.

    Attributes:
        requests: How many places this process took.
        waited_seconds: How long it waited for them in all.
        sent_today: Requests of all processes on this day, UTC, when a place was last taken here.
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
        self._costs: deque[float] = deque(maxlen=_REMEMBERED_COSTS)
        self._turn = threading.Lock()
        self._thread = threading.local()
        self.requests = 0
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
        began = self._stopwatch()
        # One thread asks for all of its process: those that wake up together hold each other up.
        with self._turn:
            self.waited_seconds += self._stopwatch() - began
            while (claim := self._ledger.claim(self.limits, self.holder)).wait_seconds:
                pause = max(claim.wait_seconds, _SHORTEST_PAUSE_SECONDS)
                self._sleeper.sleep(pause)
                self.waited_seconds += pause
            self._costs.append(self._stopwatch() - claim.taken_at)
            self.requests += 1
            self.sent_today = claim.sent_today
        self._thread.claim = claim
        return claim

    def depart(self, claim: Claim) -> Claim:
        """Return ``claim`` if it is still good, or another one, to be used at once."""
        while self._stopwatch() - claim.taken_at > LATEST_DEPARTURE_SECONDS + self._usual_cost():
            claim = self.acquire()
        return claim

    def _usual_cost(self) -> float:
        # What every claim costs (a distant server) delays all alike, and brings no two together;
        # what a few cost may be a stall.
        return min(self._costs) if len(self._costs) >= _FEWEST_COSTS else 0.0


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
        claim = self._throttle.acquire()

        def on_event(name: str, _: Mapping[str, object]) -> None:
            nonlocal claim
            if name == DEPARTURE:
                claim = self._throttle.depart(claim)

        request.extensions = {**request.extensions, "trace": on_event}
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the inner transport."""
        self._inner.close()
