"""The way to Schwab that every question takes: breaker, rate limit, retries, one refresh after a 401.

Retries are tenacity's: three attempts, 1 and 2 seconds apart (doubling up to 4) with jitter, on
429, 5xx, timeouts and connection faults only, and only while the retry quota that all
processes share pays for them. What Schwab asks us to wait is waited, or ends the attempts.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from jutsu_assets.schwab.breaker import Breaker
from jutsu_assets.schwab.session import TIMEOUT_SECONDS, call, http_date, open_client
from jutsu_assets.schwab.throttle import LIMITS, Throttle, ThrottledTransport
from jutsu_assets.schwab.tokens import TokenStore
from jutsu_assets.schwab.transport import WHOLE_REPLY_SECONDS, BoundedTransport
from jutsu_core.access import LONGEST_PAUSE, AccessLedger, Limits
from jutsu_core.errors import CircuitOpenError, TransientSourceError
from jutsu_core.ports import Clock, Sleeper

ATTEMPTS = 3
_logger = logging.getLogger("jutsu.schwab.connection")
_MOST_SECONDS_APART = WHOLE_REPLY_SECONDS
_T = TypeVar("_T")
_BACKOFF = wait_exponential(multiplier=1, min=1, max=4) + wait_random(0, 0.5)


class Answer(NamedTuple):
    """A successful reply.

    Attributes:
        text: Its body.
        asked_at: When it was asked for, by the market's clock, or by Schwab's own if that is earlier.
    """

    text: str
    asked_at: datetime


class SchwabConnection:
    """Asks Schwab, or a simulator of it, without ever asking too much.

    Args:
        api_key: App key.
        app_secret: App secret.
        tokens: Where the login's token is kept.
        transport: What carries requests; the rate limit is put in front of it here.
        ledger: What all processes share about Schwab.
        clock: The market's clock, which a simulator may set.
        sleeper: Waits for turns and between attempts.
        limits: What all processes together may send.
        timeout_seconds: How long to wait for a connection, and for every byte.
        whole_reply_seconds: How long to wait for the end of a reply.

    Attributes:
        throttle: The rate limit, with what it counted in this process.
        ledger: What all processes share about Schwab.
        request_seconds: Time spent on requests in this process, the throttle's wait included.
    """

    def __init__(
        self,
        *,
        api_key: str,
        app_secret: str,
        tokens: TokenStore,
        transport: httpx.BaseTransport,
        ledger: AccessLedger,
        clock: Clock,
        sleeper: Sleeper,
        limits: Limits = LIMITS,
        timeout_seconds: float = TIMEOUT_SECONDS,
        whole_reply_seconds: float = WHOLE_REPLY_SECONDS,
    ) -> None:
        self._app = (api_key, app_secret)
        self._tokens = tokens
        self.throttle = Throttle(ledger, sleeper, limits=limits)
        self.ledger = ledger
        self._transport = ThrottledTransport(BoundedTransport(transport, seconds=whole_reply_seconds), self.throttle)
        self._breaker = Breaker(ledger, self.throttle)
        self._clock = clock
        self._sleeper = sleeper
        self._timeout_seconds = timeout_seconds
        self._client: Any = None
        self._opening = threading.Lock()
        self._counting = threading.Lock()
        self._clocks_differ = False
        self.request_seconds = 0.0

    def authenticate(self) -> None:
        """Make sure that there is a live access token, refreshing it if need be.

        Raises:
            AuthenticationError: There is no token, or the login is dead.
            TransientSourceError: The token endpoint could not be reached.
        """

        def refresh_if_needed(client: Any) -> httpx.Response:  # noqa: ANN401 - schwab-py is untyped
            client.session.ensure_active_token()
            return httpx.Response(httpx.codes.OK)

        self.ask("authenticating", refresh_if_needed, lambda _: None)

    def ask(self, what: str, send: Callable[[Any], httpx.Response], read: Callable[[Answer], _T]) -> _T:
        """Return what ``read`` makes of the reply to one question.

        Args:
            what: What is asked, for messages.
            send: Sends the question through the schwab-py client that it is given.
            read: Understands the reply; what it raises counts as Schwab's failure.

        Raises:
            SourceError: Schwab could not be read.
        """
        began = time.perf_counter()
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=_pause,
            retry=retry_if_exception(_may_pass),
            before_sleep=self._pay_or_give_up,
            sleep=self._sleeper.sleep,
            reraise=True,
        )
        try:
            answer: _T = retrying(self._attempt, what, send, read)
            return answer
        finally:
            with self._counting:
                self.request_seconds += time.perf_counter() - began

    def now(self) -> datetime:
        """Return the current instant by the market's clock."""
        return self._clock.now()

    def close(self) -> None:
        """Close the connections."""
        with self._opening:
            if self._client is not None:
                self._client.session.close()
                self._client = None

    def _attempt(self, what: str, send: Callable[[Any], httpx.Response], read: Callable[[Answer], _T]) -> _T:
        with self._breaker.attempt():
            client = self._opened()
            asked_at = self._clock.now()

            def ask_again_after_401() -> httpx.Response:
                response = send(client)
                if response.status_code != httpx.codes.UNAUTHORIZED:
                    return response
                client.session.renew(response.request.headers["Authorization"].removeprefix("Bearer "))
                return send(client)

            response = call(ask_again_after_401, what=what)
            said_at = http_date(response.headers.get("Date", ""))
            self._compare_clocks(said_at)
            return read(Answer(response.text, asked_at if said_at is None else min(asked_at, said_at)))

    def _compare_clocks(self, said_at: datetime | None) -> None:
        """Say once where this machine's clock and Schwab's differ by more than a reply takes."""
        if said_at is None or self._clocks_differ:
            return
        ahead = (self._clock.now() - said_at).total_seconds()
        if abs(ahead) > _MOST_SECONDS_APART:
            self._clocks_differ = True
            _logger.warning(
                "this machine's clock is %.0f s %s Schwab's, and a bar counts as final by the earlier of both: set it"
                " right (NTP)",
                abs(ahead),
                "ahead of" if ahead > 0 else "behind",
            )

    def _pay_or_give_up(self, state: RetryCallState) -> None:
        if not self._breaker.pay_for_retry() and state.outcome is not None:
            _logger.warning("no retry: those that all processes share are spent; %s", state.outcome.exception())
            state.outcome.result()  # raises what the attempt raised
        error = state.outcome.exception() if state.outcome else None
        _logger.warning(
            "attempt %d of %d in %.1f s, after: %s", state.attempt_number + 1, ATTEMPTS, state.upcoming_sleep, error
        )

    def _opened(self) -> Any:  # noqa: ANN401 - schwab-py is untyped
        with self._opening:
            if self._client is None:
                self._client = open_client(
                    *self._app, self._tokens, self._transport, timeout_seconds=self._timeout_seconds
                )
            return self._client


def _may_pass(error: BaseException) -> bool:
    return (
        isinstance(error, TransientSourceError)
        and not isinstance(error, CircuitOpenError)
        and (error.retry_after_seconds or 0) <= LONGEST_PAUSE.total_seconds()
    )


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = getattr(error, "retry_after_seconds", None) or 0.0
    return max(float(_BACKOFF(state)), asked)
