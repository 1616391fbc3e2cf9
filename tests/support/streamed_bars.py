"""A handler over bars in memory, for whoever reads nothing but the stream of them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import NoReturn

import pandas as pd

from jutsu_core.bars import session_timestamp
from jutsu_core.bounds import Bound
from jutsu_core.events import MarketDataEvent
from jutsu_core.ports import DataHandler, Missing, merge_in_time_order
from tests.support.builders import event


def priced(symbol: str, day: date, opened: str, closed: str) -> MarketDataEvent:
    """Return the daily bar of ``symbol`` with that open and that close."""
    prices = Decimal(opened), Decimal(closed)
    return event(
        symbol=symbol,
        timestamp=session_timestamp(day),
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[1],
    )


class StreamedBars(DataHandler):
    """Streams what it is given, and nobody asks it for anything else.

    Args:
        streams: Bars, each stream ascending; they are merged.
    """

    def __init__(self, *streams: Iterable[MarketDataEvent]) -> None:
        self._streams = [list(stream) for stream in streams]

    def get_next_bar(self, *, missing: Missing = "error") -> Iterator[MarketDataEvent]:
        del missing
        return merge_in_time_order(self._streams)

    def get_latest_bar(self, symbol: str) -> NoReturn:
        raise AssertionError(symbol)

    def get_bars_range(
        self, symbol: str, start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> NoReturn:
        raise AssertionError((symbol, start, end, missing))

    def get_bars_batch(
        self, symbols: str | Sequence[str], start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> NoReturn:
        raise AssertionError((symbols, start, end, missing))

    def get_frame(
        self, symbols: str | Sequence[str], start: Bound = None, end: Bound = None, *, missing: Missing = "error"
    ) -> pd.DataFrame:
        raise AssertionError((symbols, start, end, missing))


class UnmergedBars(StreamedBars):
    """Streams what it is given in that very order, whatever it is."""

    def __init__(self, *bars: object) -> None:
        self._bars = bars

    def get_next_bar(self, *, missing: Missing = "error") -> Iterator[MarketDataEvent]:
        del missing
        return iter(self._bars)  # type: ignore[arg-type]  # the point
