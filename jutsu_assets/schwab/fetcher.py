"""Bars from Charles Schwab: what is asked, and what becomes of the answer.

How a question reaches Schwab (rate limit, breaker, retries, tokens) is in ``connection``.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import httpx

from jutsu_assets.schwab.candles import ParsedCandles, parse_candles, read_envelope
from jutsu_assets.schwab.connection import Answer, SchwabConnection
from jutsu_assets.schwab.grid import grid_of
from jutsu_assets.schwab.pricehistory import AskedWindow, PriceHistoryQuestion, check_symbol, questions
from jutsu_assets.schwab.quotes import MOST_SYMBOLS, MarketHours, Quote, parse_hours, parse_quotes
from jutsu_core.bars import Timeframe, from_micros
from jutsu_core.calendar import TradingCalendar
from jutsu_core.errors import ReplyTooLargeError
from jutsu_core.ports import BarSource, FetchedBars
from jutsu_core.quoted import QuotedSession

_SHORTEST_WINDOW = timedelta(days=2)


class SchwabDataFetcher(BarSource):
    """Reads price history, quotes and market hours from Schwab, or from a simulator of it.

    Args:
        connection: The way to Schwab.
        calendar: Sessions of the exchange.
        name: Kept beside every bar: ``schwab`` or ``simulator``.

    Attributes:
        connection: The way to Schwab, with what it counted in this process.
    """

    def __init__(self, connection: SchwabConnection, *, calendar: TradingCalendar, name: str) -> None:
        self.connection = connection
        self._calendar = calendar
        self._name = name

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
        self.connection.authenticate()

    def handle_rate_limit(self) -> None:
        """Wait for a turn at the shared limit and take it.

        Requests of this class take their own turns. This is for a caller who is about to send
        one request to Schwab by other means and wants it counted.

        Raises:
            CircuitOpenError: Schwab is left alone at present.
            RequestBudgetError: The day's budget is spent.
        """
        self.connection.throttle.acquire()

    def fetch_bars(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Return the sound, final bars of ``symbol`` with ``start ≤ timestamp < end``, ascending.

        Args:
            symbol: As Schwab spells it: ``AAPL``, ``BRK/B``, ``$SPX``.
            timeframe: ``1m``, ``5m``, ``10m``, ``15m``, ``30m``, ``1d``, ``1w`` or ``1mo``.
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

    def fetch(
        self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime, *, extended_hours: bool = False
    ) -> FetchedBars:
        """Return what Schwab holds for ``start ≤ timestamp < end``, with what it sent broken.

        A long window of minutes takes several requests: Schwab would drop the oldest bars of
        a long reply without a word.

        Args:
            symbol: As Schwab spells it.
            timeframe: Any that Schwab serves.
            start: Timezone-aware.
            end: Timezone-aware, after ``start``.
            extended_hours: Whether minutes before the open and after the close are wanted.

        Raises:
            InvalidInputError: An argument breaks its contract; nothing was asked.
            SourceError: Schwab could not be read.
        """
        windows = questions(symbol, timeframe, start, end, extended_hours=extended_hours)
        parts = [part for window in windows for part in self._ask_whole(timeframe, window)]
        return FetchedBars(
            start=windows[0].start,
            end=windows[-1].end,
            asked_at=min(asked_at for asked_at, _ in parts),
            bars=tuple(bar for _, parsed in parts for bar in parsed.bars),
            rejected=tuple(candle for _, parsed in parts for candle in parsed.rejected),
        )

    def fetch_quotes(self, symbols: list[str]) -> dict[str, Quote]:
        """Return the current quotes of ``symbols``, up to 500 in one request.

        Returns:
            By symbol; one that Schwab does not know, or has no trade of, is absent.

        Raises:
            InvalidInputError: A symbol cannot be one of Schwab's; nothing was asked.
            SourceError: Schwab could not be read.
        """
        for symbol in symbols:
            check_symbol(symbol)
        quotes: dict[str, Quote] = {}
        for first in range(0, len(symbols), MOST_SYMBOLS):
            some = symbols[first : first + MOST_SYMBOLS]
            what = f"quotes of {len(some)} symbols"
            quotes |= self.connection.ask(
                what, partial(_send_for_quotes, some), lambda answer: parse_quotes(answer.text)
            )
        return quotes

    def quoted_sessions(self, symbols: Sequence[str]) -> dict[str, QuotedSession]:
        """Return the latest sessions of ``symbols`` as their quotes tell them; one without a sound bar is absent.

        Raises:
            SourceError: Schwab could not be read.
        """
        asked_at = self.connection.now()
        sessions: dict[str, QuotedSession] = {}
        for symbol, quote in self.fetch_quotes(list(symbols)).items():
            bar, previous = quote.bar(), quote.previous_micros()
            if bar is not None and previous is not None:
                sessions[symbol] = QuotedSession(bar=bar, previous_close=previous, asked_at=asked_at)
        return sessions

    def fetch_market_hours(self, day: date) -> MarketHours:
        """Return when the equity market trades on ``day``, which must lie from today to a year ahead.

        Raises:
            SourceError: Schwab could not be read, or refused the day.
        """
        return self.connection.ask(
            f"market hours of {day}",
            lambda client: client.get_market_hours([client.MarketHours.Market.EQUITY], date=day),
            lambda answer: parse_hours(answer.text, day),
        )

    def close(self) -> None:
        """Close the connections."""
        self.connection.close()

    def _ask_whole(self, timeframe: Timeframe, window: AskedWindow) -> list[tuple[datetime, ParsedCandles]]:
        """Ask for a window; in halves where Schwab's gateway cannot hold the reply."""
        try:
            return [self._ask(timeframe, window)]
        except ReplyTooLargeError:
            if window.end - window.start < 2 * _SHORTEST_WINDOW:
                raise
        question = window.question
        middle = window.start + (window.end - window.start) / 2
        halves = [
            half
            for bounds in ((window.start, middle), (middle, window.end))
            for half in questions(question.symbol, timeframe, *bounds, extended_hours=question.extended_hours)
        ]
        return [part for half in halves for part in self._ask_whole(timeframe, half)]

    def _ask(self, timeframe: Timeframe, window: AskedWindow) -> tuple[datetime, ParsedCandles]:
        question = window.question

        def read(answer: Answer) -> tuple[datetime, list[Any]]:
            return answer.asked_at, read_envelope(answer.text, question.symbol)

        what = f"{timeframe.value} history of {question.symbol}"
        asked_at, candles = self.connection.ask(what, lambda client: _send(client, question), read)
        grid = grid_of(
            timeframe, window.start, window.end, self._calendar, asked_at, extended_hours=question.extended_hours
        )
        return asked_at, parse_candles(candles, grid)


def _send_for_quotes(symbols: list[str], client: Any) -> httpx.Response:  # noqa: ANN401 - schwab-py is untyped
    response: httpx.Response = client.get_quotes(symbols)
    return response


def _send(client: Any, question: PriceHistoryQuestion) -> httpx.Response:  # noqa: ANN401 - schwab-py is untyped
    history = client.PriceHistory
    response: httpx.Response = client.get_price_history(
        question.symbol,
        period_type=history.PeriodType(question.period_type),
        period=history.Period(question.period),
        frequency_type=history.FrequencyType(question.frequency_type),
        frequency=history.Frequency(question.frequency),
        start_datetime=question.start,
        end_datetime=question.end,
        need_extended_hours_data=question.extended_hours,
    )
    return response
