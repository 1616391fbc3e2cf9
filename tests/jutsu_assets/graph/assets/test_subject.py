"""One symbol while a run works on it: its bars are read once, and nothing is made of bars that are not as recorded."""

import pandas as pd
import pytest

from jutsu_assets.graph.assets.subject import Subject
from jutsu_core.bars import BarColumns, Timeframe, session_timestamp
from jutsu_core.errors import NoDataError, StoreError
from tests.support.builders import NOON, SettableClock, bar, fetched
from tests.support.memory_store import MemoryBarStore

DAYS = [NOON.date().replace(day=day) for day in (1, 2)]


class CountingStore(MemoryBarStore):
    """Counts how often bars are read, and says of them what it is told to."""

    reads = 0
    is_true = True

    def columns(self, *of: object, **bounds: object) -> BarColumns:
        self.reads += 1
        return super().columns(*of, **bounds)  # type: ignore[arg-type]

    def true_columns(self, symbol: str, timeframe: Timeframe) -> BarColumns:
        if not self.is_true:
            message = "what is recorded must be what the bars say"
            raise StoreError(message)
        return super().true_columns(symbol, timeframe)


@pytest.fixture
def store() -> CountingStore:
    made = CountingStore(SettableClock(NOON))
    made.write("AAPL", Timeframe.D1, fetched(*(bar(day, "7.25") for day in DAYS)))
    return made


def test_bars_are_read_once_for_all_that_is_made_of_them(store: CountingStore) -> None:
    subject = Subject("AAPL", store)
    assert store.reads == 0
    closes = subject.closes
    assert subject.columns is subject.true_columns
    assert store.reads == 1
    index = pd.DatetimeIndex([session_timestamp(day) for day in DAYS]).as_unit("us")
    pd.testing.assert_series_equal(closes, pd.Series([7.25, 7.25], index, name="AAPL"), check_freq=False)


def test_of_bars_that_are_not_as_recorded_nothing_is_made_and_they_are_judged(store: CountingStore) -> None:
    store.is_true = False
    subject = Subject("AAPL", store)
    assert list(subject.columns.close) == [7_250_000, 7_250_000]
    for _ in range(2):
        with pytest.raises(StoreError, match="what is recorded must be"):
            assert subject.true_columns
        with pytest.raises(StoreError, match="what is recorded must be"):
            assert subject.closes.empty
    assert store.reads == 1


def test_a_symbol_without_bars_is_refused(store: CountingStore) -> None:
    with pytest.raises(
        NoDataError, match=r"symbol 'IBM' must have stored daily bars, has none; materialize daily_bars"
    ):
        Subject("IBM", store).held()
    assert len(Subject("IBM", store).columns) == 0
