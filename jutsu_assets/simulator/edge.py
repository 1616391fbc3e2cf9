"""What stands in front of everything: the rate limit, and the block of an address that ignores it."""

from collections import deque

from jutsu_assets.simulator import replies
from jutsu_assets.simulator.faults import Incoming
from jutsu_assets.simulator.replies import Reply
from jutsu_assets.simulator.switches import Switches

REFUSALS_SECONDS = 60.0
"""Refusals of the rate limit count as sustained excess while they are this close together."""
TOKEN_CALLS_SECONDS = 20.0


class Edge:
    """Counts requests and refuses what is too much; all clients together are one address.

    The caller serialises the calls.

    Args:
        switches: How much is too much, and what follows.
    """

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._requests = _Recent(1.0)
        self._refusals = _Recent(REFUSALS_SECONDS)
        self._token_calls = _Recent(TOKEN_CALLS_SECONDS)
        self._blocked_until: float | None = None
        self._warns_again = False

    def refusal(self, incoming: Incoming) -> Reply | None:
        """Count the request; return the reply that it gets here, or None if it may pass."""
        now = incoming.elapsed
        recent = self._requests.add(now)
        token_calls = self._token_calls.add(now) if incoming.kind == "token" else 0
        if self._blocked_until is not None:
            return self._while_blocked(incoming)
        switches = self._switches
        if switches.token_calls_in_20_seconds is not None and token_calls > switches.token_calls_in_20_seconds:
            return self._block(incoming, warns_again=False)
        if switches.requests_per_second is None or recent <= switches.requests_per_second:
            return None
        if switches.refusals_before_block is not None and self._refusals.add(now) > switches.refusals_before_block:
            return self._block(incoming, warns_again=True)
        return self._too_many()

    def _block(self, incoming: Incoming, *, warns_again: bool) -> Reply:
        self._blocked_until = incoming.elapsed + self._switches.block_seconds
        self._warns_again = warns_again
        return replies.edge_block(incoming.path)

    def _while_blocked(self, incoming: Incoming) -> Reply | None:
        if self._blocked_until is not None and incoming.elapsed < self._blocked_until:
            return replies.edge_block(incoming.path)
        self._blocked_until = None
        for recent in (self._requests, self._refusals, self._token_calls):
            recent.forget()
        return self._too_many() if self._warns_again else None

    def _too_many(self) -> Reply:
        return replies.too_many_requests(self._switches.limit_retry_after)


class _Recent:
    """Counts events of the last so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._times: deque[float] = deque()

    def add(self, now: float) -> int:
        self._times.append(now)
        while self._times[0] <= now - self._seconds:
            self._times.popleft()
        return len(self._times)

    def forget(self) -> None:
        self._times.clear()
