"""A window lets through what lies in it; that it is a handler like every other, the contract says."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from jutsu_core.backtest.window import Window
from jutsu_core.errors import NoDataError
from jutsu_core.events import MarketDataEvent
from jutsu_core.ports import BEGINNING, END_OF_TIME, Missing
from tests.support.streamed_bars import StreamedBars, priced

DAYS = [date(2013, 3, day) for day in (1, 4, 5, 6)]
BARS = {symbol: [priced(symbol, day, "5", "6") for day in DAYS] for symbol in ("AAPL", "IBM")}
START, END = datetime(2013, 3, 4, tzinfo=UTC), datetime(2013, 3, 6, tzinfo=UTC)


class HeldBars(StreamedBars):
    """Answers from memory."""

    def get_bars_range(  # type: ignore[override]  # its parent answers nothing at all
        self, symbol: str, start: datetime, end: datetime, *, missing: Missing = "error"
    ) -> list[MarketDataEvent]:
        del missing
        return [bar for bar in BARS[symbol] if start <= bar.timestamp < end]

    def get_bars_batch(  # type: ignore[override]  # the same
        self, symbols: Sequence[str], start: datetime, end: datetime, *, missing: Missing = "error"
    ) -> dict[str, list[MarketDataEvent]]:
        return {symbol: self.get_bars_range(symbol, start, end, missing=missing) for symbol in symbols}

    def get_frame(  # type: ignore[override]  # the same
        self, symbols: Sequence[str], start: datetime, end: datetime, *, missing: Missing = "error"
    ) -> pd.DataFrame:
        del symbols, missing
        return pd.DataFrame({"start": [start], "end": [end]})


WINDOW = Window(HeldBars(), ["IBM", "AAPL"], START, END)


def test_it_streams_its_symbols_within_its_bounds_in_time_order() -> None:
    streamed = [(bar.timestamp.day, bar.symbol) for bar in WINDOW.get_next_bar()]
    assert streamed == [(4, "AAPL"), (4, "IBM"), (5, "AAPL"), (5, "IBM")]
    assert {bar.symbol for bar in Window(HeldBars(), ["IBM"], START, END).get_next_bar()} == {"IBM"}


def test_whatever_is_asked_for_it_tells_nothing_outside() -> None:
    for start, end in ((BEGINNING, END_OF_TIME), (START, END_OF_TIME), (BEGINNING, END)):
        assert [bar.timestamp.day for bar in WINDOW.get_bars_range("IBM", start, end)] == [4, 5]
        assert [bar.timestamp.day for bar in WINDOW.get_bars_batch(["IBM"], start, end)["IBM"]] == [4, 5]
        assert WINDOW.get_frame(["IBM"], start, end).iloc[0].to_list() == [START, END]
    assert WINDOW.get_latest_bar("IBM").timestamp.day == 5


@pytest.mark.parametrize(
    ("start", "end"), [(END, END_OF_TIME), (BEGINNING, START), (END + timedelta(days=1), END_OF_TIME)]
)
def test_what_is_asked_beside_it_is_empty(start: datetime, end: datetime) -> None:
    assert WINDOW.get_bars_range("IBM", start, end) == []


def test_a_window_without_a_bar_has_no_latest_one() -> None:
    empty = Window(HeldBars(), ["IBM"], END + timedelta(days=1), END + timedelta(days=2))
    with pytest.raises(NoDataError, match="symbol 'IBM' must have a bar from 2013-03-07"):
        empty.get_latest_bar("IBM")
