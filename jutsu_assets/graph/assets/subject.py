"""One symbol while a run works on it: what is made of its bars reads them once."""

from functools import cached_property

import pandas as pd

from jutsu_core.bars import BarColumns, Timeframe, columns_to_frame
from jutsu_core.errors import NoDataError
from jutsu_core.ports import BarStore, PartitionVersion


class Subject:
    """The stored daily bars of one symbol, read when first asked for, and once.

    Args:
        symbol: Ticker.
        store: Where its bars are.
    """

    def __init__(self, symbol: str, store: BarStore) -> None:
        self.symbol = symbol
        self._store = store

    @cached_property
    def version(self) -> PartitionVersion | None:
        """Return what the partition holds, or None while it holds nothing."""
        return self._store.version(self.symbol, Timeframe.D1)

    @cached_property
    def columns(self) -> BarColumns:
        """Return the bars as arrays, oldest first."""
        return self._store.columns(self.symbol, Timeframe.D1)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Return the bars as a frame of floats, oldest first.

        Raises:
            StoreError: What is recorded of them is not what they say: what is made of them would be known by
                a hash that is not theirs.
        """
        self._store.refuse_untrue(self.symbol, Timeframe.D1)
        return columns_to_frame(self.symbol, self.columns)

    def held(self) -> PartitionVersion:
        """Return what the partition holds.

        Raises:
            NoDataError: It holds nothing.
        """
        if self.version is None:
            message = (
                f"symbol {self.symbol!r} must have stored daily bars, has none; materialize daily_bars for it first"
            )
            raise NoDataError(message)
        return self.version
