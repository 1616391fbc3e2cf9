"""Bars straight from Schwab, through the interface that a backtesting engine reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import httpx
import pandas as pd

from jutsu_assets.clock import SystemSleeper
from jutsu_assets.schwab.connection import SchwabConnection
from jutsu_assets.schwab.fetcher import SchwabDataFetcher
from jutsu_assets.schwab.market_clock import market_clock
from jutsu_assets.schwab.throttle import LIMITS
from jutsu_assets.schwab.tokens import FileTokenStore, MemoryTokenStore
from jutsu_assets.schwab.transport import transport_to
from jutsu_assets.settings import LIVE_SOURCE, SAMPLE_SOURCE, SCHWAB_ORIGIN, Credentials
from jutsu_core.access import AccessLedger, Limits
from jutsu_core.bars import Bar, Timeframe, bars_to_frame, session_timestamp
from jutsu_core.bounds import Bound
from jutsu_core.calendar import TradingCalendar
from jutsu_core.errors import ConfigurationError, NoDataError
from jutsu_core.events import MarketDataEvent
from jutsu_core.ports import (
    Clock,
    DataHandler,
    Missing,
    Sleeper,
    checked_symbols,
    checked_window,
    merge_in_time_order,
    skips_missing,
)

_CALENDAR_MARGIN = timedelta(days=40)  # of a monthly bar on either side
_LATEST_LOOKBACK = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What is read from a source: which symbols, since when, on which exchange.

    Attributes:
        symbols: Which symbols a stream of all bars holds.
        history_start: First session date of that stream.
        calendar: Code of the exchange calendar.
    """

    symbols: tuple[str, ...]
    history_start: date
    calendar: str


class SchwabDataHandler(DataHandler):
    """A :class:`jutsu_core.ports.DataHandler` that asks Schwab; every read costs a request.

    Schwab does not tell a symbol that it does not know from one without a bar in the range: both come
    as no bars, whatever ``missing`` says. :meth:`get_latest_bar` refuses both. A range without bounds is the market's
    history until today; :meth:`symbols` asks for all of it.

    Args:
        fetcher: Asks Schwab.
        market: What :meth:`get_next_bar` streams.
        calendar: Sessions of the exchange.
        clock: The market's clock.

    Attributes:
        fetcher: Asks Schwab.
        calendar: Sessions of the exchange.
        clock: The market's clock; a simulator's "today" may lie in the past.
    """

    def __init__(self, fetcher: SchwabDataFetcher, *, market: Market, calendar: TradingCalendar, clock: Clock) -> None:
        self.fetcher = fetcher
        self.calendar = calendar
        self.clock = clock
        self._market = market

    def get_next_bar(self, *, missing: Missing = "error") -> Iterator[MarketDataEvent]:
        """Return the daily bars of the market's symbols in time order, one request a symbol."""
        skips_missing(missing)
        start, end = session_timestamp(self._market.history_start), self._tomorrow()
        return merge_in_time_order(self.get_bars_range(symbol, start, end) for symbol in self._market.symbols)

    def get_latest_bar(self, symbol: str) -> MarketDataEvent:
        """Return the newest final daily bar of ``symbol``.

        Raises:
            NoDataError: Schwab has no bar of the last two weeks.
        """
        now = self.clock.now()
        bars = self.get_bars_range(symbol, now - _LATEST_LOOKBACK, self._tomorrow())
        if not bars:
            message = (
                f"symbol {symbol!r} must have a daily bar in the two weeks before {now.date()}, but"
                f" {self.fetcher.name} has none; check the spelling, or whether it still trades"
            )
            raise NoDataError(message)
        return bars[-1]

    def get_bars_range(
        self, symbol: str, start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> list[MarketDataEvent]:
        """Return the daily bars of ``symbol`` with ``start ≤ timestamp < end``, in one request."""
        skips_missing(missing)
        return [MarketDataEvent.of_bar(symbol, bar, Timeframe.D1) for bar in self._bars(symbol, start, end)]

    def get_bars_batch(
        self, symbols: str | Sequence[str], start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> dict[str, list[MarketDataEvent]]:
        """Return the daily bars of each of ``symbols``, one request a symbol."""
        skips_missing(missing)
        return {symbol: self.get_bars_range(symbol, start, end) for symbol in checked_symbols(symbols)}

    def get_frame(
        self, symbols: str | Sequence[str], start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> pd.DataFrame:
        """Return the daily bars of ``symbols`` as columns, one request a symbol."""
        skips_missing(missing)
        frames = [bars_to_frame(symbol, self._bars(symbol, start, end)) for symbol in checked_symbols(symbols)]
        return pd.concat(frames, ignore_index=True) if frames else bars_to_frame("", [])

    def _tomorrow(self) -> datetime:
        # A bound within today would hide the bar of a half day until the usual hour; what is not final never comes.
        return session_timestamp(self.clock.now().astimezone(UTC).date() + timedelta(days=1))

    def _bars(self, symbol: str, start: Bound, end: Bound) -> tuple[Bar, ...]:
        # Without bounds, what the market's history is.
        start = session_timestamp(self._market.history_start) if start is None else start
        end = self._tomorrow() if end is None else end
        first, after = checked_window(start, end, Timeframe.D1, exchange_zone=self.calendar.zone)
        if first == after:
            return ()
        return self.fetcher.fetch(symbol, Timeframe.D1, first, after).bars


def open_live(
    market: Market, ledger: AccessLedger, credentials: Credentials, base_url: str, limits: Limits = LIMITS
) -> SchwabDataHandler:
    """Return a handler over Schwab, or over a simulator at ``base_url`` on this machine."""
    is_live = base_url == SCHWAB_ORIGIN
    return open_handler(
        market,
        ledger,
        limits=limits,
        source=LIVE_SOURCE if is_live else SAMPLE_SOURCE,
        clock=market_clock(base_url),
        transport=transport_to(base_url),
        api_key=credentials.api_key,
        app_secret=credentials.app_secret,
        tokens=FileTokenStore(credentials.token_path),
    )


def open_handler(
    market: Market,
    ledger: AccessLedger,
    *,
    source: str,
    clock: Clock,
    transport: httpx.BaseTransport,
    api_key: str,
    app_secret: str,
    tokens: FileTokenStore | MemoryTokenStore,
    sleeper: Sleeper | None = None,
    limits: Limits = LIMITS,
) -> SchwabDataHandler:
    """Return a handler put together from its parts.

    Args:
        market: What is read.
        ledger: What processes share to keep the rate limit and the breaker.
        source: Kept beside every bar.
        clock: The market's clock.
        transport: What carries requests.
        api_key: App key.
        app_secret: App secret.
        tokens: Where the login's token is kept.
        sleeper: Waits for turns and between attempts; really, if None.
        limits: What all processes together may send.

    Raises:
        ConfigurationError: The market's history starts after today.
    """
    today = clock.now().astimezone(UTC).date()
    if market.history_start > today:
        message = (
            f"history_start must be on or before today, which is {today} for {source} bars, was"
            f" {market.history_start}; set an earlier one in the universe file"
        )
        raise ConfigurationError(message)
    calendar = TradingCalendar(market.calendar, market.history_start - _CALENDAR_MARGIN, today + _CALENDAR_MARGIN)
    connection = SchwabConnection(
        api_key=api_key,
        app_secret=app_secret,
        tokens=tokens,
        transport=transport,
        ledger=ledger,
        clock=clock,
        sleeper=sleeper or SystemSleeper(),
        limits=limits,
    )
    fetcher = SchwabDataFetcher(connection, calendar=calendar, name=source)
    return SchwabDataHandler(fetcher, market=market, calendar=calendar, clock=clock)
