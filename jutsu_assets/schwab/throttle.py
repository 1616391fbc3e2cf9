"""The rate limit: at most two requests in any second, counted over every process.

Every request to Schwab goes through a ``ThrottledTransport``, which takes its place here first:
those for bars, token calls and retries in ``fetcher``, and a person's login in ``login``. Nothing
else in Jutsu sends a request.
"""

import threading
from datetime import datetime, timedelta
from typing import Protocol

import httpx

from jutsu_core.ports import Clock, Sleeper

REQUESTS_PER_WINDOW = 2
WINDOW = timedelta(seconds=1.02)
"""A second, and a little more: a request that travels faster than the one before must not catch up."""


class RequestPlaces(Protocol):
    """Hands out places among the requests of all processes; the store implements it."""

    def claim(self, limit: int, window: timedelta) -> datetime | None:
        """Take a place, returning None, or return the instant at which to ask again."""
        ...


class Throttle:
    """Lets a caller through when the shared limit allows it.

    Args:
        places: What the processes share.
        clock: The machine's clock.
        sleeper: Waits.
        limit: Requests allowed in any window.
        window: Length of the window.

    Attributes:
        requests: How many callers this process let through.
        waited_seconds: How long they waited in all.
    """

    def __init__(
        self,
        places: RequestPlaces,
        clock: Clock,
        sleeper: Sleeper,
        *,
        limit: int = REQUESTS_PER_WINDOW,
        window: timedelta = WINDOW,
    ) -> None:
        self._places = places
        self._clock = clock
        self._sleeper = sleeper
        self._limit = limit
        self._window = window
        self._lock = threading.Lock()
        self.requests = 0
        self.waited_seconds = 0.0

    def acquire(self) -> None:
        """Return when one request may be sent; every return stands for one request."""
        waited = 0.0
        while (free_at := self._places.claim(self._limit, self._window)) is not None:
            pause = max((free_at - self._clock.now()).total_seconds(), 0.001)
            self._sleeper.sleep(pause)
            waited += pause
        with self._lock:
            self.requests += 1
            self.waited_seconds += waited


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
        self._throttle.acquire()
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the inner transport."""
        self._inner.close()
