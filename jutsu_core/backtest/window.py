"""Some symbols of a handler, between two instants: what a backtest is let to read."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import pandas as pd

from jutsu_core.arguments import refuse, shown
from jutsu_core.bounds import Bound
from jutsu_core.errors import NoDataError
from jutsu_core.events import MarketDataEvent
from jutsu_core.ports import (
    DataHandler,
    Missing,
    checked_symbols,
    checked_window,
    merge_in_time_order,
    require_symbol,
)


class Window(DataHandler):
    """A :class:`~jutsu_core.ports.DataHandler` over a part of another.

    Args:
        handler: Where the bars come from.
        symbols: Which of its symbols :meth:`get_next_bar` streams.
        start: First instant.
        end: First instant that is no longer of it.

    Raises:
        InvalidInputError: A parameter breaks its constraint.
    """

    def __init__(self, handler: DataHandler, symbols: str | Sequence[str], start: Bound, end: Bound) -> None:
        if not isinstance(handler, DataHandler):
            refuse("handler", "a DataHandler", shown(handler))
        self._handler, self._symbols = handler, checked_symbols(symbols)
        self._start, self._end = checked_window(start, end)

    def get_next_bar(self, *, missing: Missing = "error") -> Iterator[MarketDataEvent]:
        """Return the bars in time order, ties by symbol."""
        held = self._handler.get_bars_batch(self._symbols, self._start, self._end, missing=missing)
        return merge_in_time_order(held.values())

    def get_latest_bar(self, symbol: str) -> MarketDataEvent:
        """Return the newest bar of ``symbol`` that is of the window.

        Raises:
            NoDataError: There is none.
        """
        bars = self.get_bars_range(require_symbol(symbol))
        if not bars:
            message = (
                f"symbol {symbol!r} must have a bar from {self._start.isoformat()} to before {self._end.isoformat()},"
                " has none; choose another range"
            )
            raise NoDataError(message)
        return bars[-1]

    def get_bars_range(
        self, symbol: str, start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> list[MarketDataEvent]:
        """Return the bars of ``symbol`` with ``start ≤ timestamp < end`` that are of the window, ascending."""
        return self._handler.get_bars_range(symbol, *self._within(start, end), missing=missing)

    def get_bars_batch(
        self, symbols: str | Sequence[str], start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> dict[str, list[MarketDataEvent]]:
        """Return the bars of each of ``symbols`` that are of the window."""
        return self._handler.get_bars_batch(symbols, *self._within(start, end), missing=missing)

    def get_frame(
        self, symbols: str | Sequence[str], start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> pd.DataFrame:
        """Return the bars of ``symbols`` that are of the window as columns."""
        return self._handler.get_frame(symbols, *self._within(start, end), missing=missing)

    def _within(self, start: Bound, end: Bound) -> tuple[datetime, datetime]:
        first, after = checked_window(start, end)
        begin = min(max(first, self._start), self._end)
        return begin, max(begin, min(after, self._end))
