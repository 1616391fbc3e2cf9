"""Bars from Charles Schwab: one request planned, throttled, retried, parsed and validated.

Retries are tenacity's: three attempts, 1 and 2 seconds apart (doubling up to 4), on 429, 5xx,
timeouts and connection faults only. Every attempt takes its turn at the shared rate limit,
because the limit sits in the transport beneath.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from jutsu_assets.schwab.candles import parse_daily, read_envelope
from jutsu_assets.schwab.session import call, open_client
from jutsu_assets.schwab.throttle import Throttle, ThrottledTransport
from jutsu_assets.schwab.tokens import TokenStore
from jutsu_core.bars import Timeframe, from_micros, require_aware
from jutsu_core.calendar import TradingCalendar
from jutsu_core.errors import InvalidInputError, TransientSourceError
from jutsu_core.ports import BarSource, Clock, FetchedBars, Sleeper

ATTEMPTS = 3
LONGEST_RETRY_AFTER_SECONDS = 30.0
_MARGIN = timedelta(days=1)
_T = TypeVar("_T")
_BACKOFF = wait_exponential(multiplier=1, min=1, max=4)


class SchwabDataFetcher(BarSource):
    """Reads price history from Schwab, or from a simulator of it.

    Args:
        api_key: App key.
        app_secret: App secret.
        tokens: Where the login's token is kept.
        transport: What carries requests; the rate limit is put in front of it here.
        throttle: The rate limit that all processes share.
        calendar: Sessions of the exchange.
        clock: Tells when an answer came; it is the market's clock, which a simulator may set.
        sleeper: Waits between attempts.
        name: Kept beside every bar: ``schwab`` or ``simulator``.

    Attributes:
        throttle: The rate limit, with what it counted in this process.
        request_seconds: Time spent on requests in this process, the throttle's wait included.
    """

    def __init__(
        self,
        *,
        api_key: str,
        app_secret: str,
        tokens: TokenStore,
        transport: httpx.BaseTransport,
        throttle: Throttle,
        calendar: TradingCalendar,
        clock: Clock,
        sleeper: Sleeper,
        name: str,
    ) -> None:
        self._api_key = api_key
        self._app_secret = app_secret
        self._tokens = tokens
        self._transport = ThrottledTransport(transport, throttle)
        self._calendar = calendar
        self._clock = clock
        self._sleeper = sleeper
        self._name = name
        self._client: Any = None
        self._opening = threading.Lock()
        self.throttle = throttle
        self.request_seconds = 0.0

    @property
    def name(self) -> str:
        """Return ``schwab`` or ``simulator``."""
        return self._name

    def authenticate(self) -> None:
        """Make sure that there is a live access token, refreshing it if need be.

        Raises:
            AuthenticationError: There is no token, or the login is dead.
            TransientSourceError: The token endpoint could not be reached.
        """
        session = self._opened().session

        def refresh_if_needed() -> httpx.Response:
            session.ensure_active_token()
            return httpx.Response(httpx.codes.OK)

        self._with_retries(lambda: call(refresh_if_needed, what="authenticating"))

    def handle_rate_limit(self) -> None:
        """Wait for a turn at the shared limit and take it.

        Requests of this class take their own turns. This is for a caller who is about to send
        one request to Schwab by other means and wants it counted.
        """
        self.throttle.acquire()

    def fetch_bars(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Return the sound bars of ``symbol`` with ``start ≤ timestamp < end``, ascending.

        Args:
            symbol: As Schwab spells it: ``AAPL``, ``BRK/B``, ``$SPX``.
            timeframe: ``1d``.
            start: Timezone-aware.
            end: Timezone-aware, after ``start``.

        Returns:
            Dictionaries with ``symbol``, ``timestamp`` (UTC datetime), ``open``, ``high``,
            ``low``, ``close`` (Decimal), ``volume`` (int) and ``timeframe``.

        Raises:
            InvalidInputError: An argument breaks its contract; nothing was asked.
            SourceError: Schwab could not be read.
        """
        fetched = self.fetch(symbol, Timeframe.parse(timeframe), start, end)
        return [
            {
                "symbol": symbol,
                "timestamp": bar.timestamp,
                "open": from_micros(bar.open),
                "high": from_micros(bar.high),
                "low": from_micros(bar.low),
                "close": from_micros(bar.close),
                "volume": bar.volume,
                "timeframe": timeframe,
            }
            for bar in fetched.bars
        ]

    def fetch(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> FetchedBars:
        """Return what Schwab holds for ``start ≤ timestamp < end``, with what it sent broken.

        Raises:
            InvalidInputError: An argument breaks its contract; nothing was asked.
            SourceError: Schwab could not be read.
        """
        first, after = require_aware("start", start), require_aware("end", end)
        if not symbol.strip():
            message = f"symbol must be a non-empty string, was {symbol!r}"
            raise InvalidInputError(message)
        if timeframe is not Timeframe.D1:
            message = (
                f"timeframe must be {Timeframe.D1.value}, was {timeframe.value}; other timeframes are not fetched yet"
            )
            raise InvalidInputError(message)
        if after <= first:
            message = f"end must be after start {first.isoformat()}, was {after.isoformat()}"
            raise InvalidInputError(message)
        began = time.perf_counter()
        try:
            text = self._with_retries(lambda: self._price_history(symbol, first, after))
        finally:
            self.request_seconds += time.perf_counter() - began
        sessions = self._calendar.sessions(first.date(), after.date())
        parsed = parse_daily(read_envelope(text, symbol), first, after, sessions)
        return FetchedBars(
            start=first, end=after, asked_at=self._clock.now(), bars=parsed.bars, rejected=parsed.rejected
        )

    def close(self) -> None:
        """Close the connections."""
        with self._opening:
            if self._client is not None:
                self._client.session.close()
                self._client = None

    def _opened(self) -> Any:  # noqa: ANN401 - schwab-py is untyped
        with self._opening:
            if self._client is None:
                self._client = open_client(self._api_key, self._app_secret, self._tokens, self._transport)
            return self._client

    def _price_history(self, symbol: str, start: datetime, end: datetime) -> str:
        client = self._opened()
        history = client.PriceHistory

        def ask() -> httpx.Response:
            response: httpx.Response = client.get_price_history(
                symbol,
                period_type=history.PeriodType.YEAR,
                period=history.Period.TWENTY_YEARS,
                frequency_type=history.FrequencyType.DAILY,
                frequency=history.Frequency.DAILY,
                start_datetime=start - _MARGIN,
                end_datetime=end + _MARGIN,
                need_extended_hours_data=False,
            )
            return response

        def ask_again_after_401() -> httpx.Response:
            response = ask()
            if response.status_code != httpx.codes.UNAUTHORIZED:
                return response
            client.session.renew(response.request.headers["Authorization"].removeprefix("Bearer "))
            return ask()

        return call(ask_again_after_401, what=f"daily history of {symbol}").text

    def _with_retries(self, attempt: Callable[[], _T]) -> _T:
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=_wait,
            retry=retry_if_exception_type(TransientSourceError),
            sleep=self._sleeper.sleep,
            reraise=True,
        )
        return retrying(attempt)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = getattr(error, "retry_after_seconds", None) or 0.0
    return max(float(_BACKOFF(state)), min(asked, LONGEST_RETRY_AFTER_SECONDS))
