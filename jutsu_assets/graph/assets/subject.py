"""One symbol while a run works on it: what is made of its bars reads them once."""

from datetime import UTC
from functools import cached_property

import pandas as pd

from jutsu_core.bars import MICROS_PER_UNIT, BarColumns, Timeframe
from jutsu_core.errors import NoDataError, StoreError
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

    @property
    def columns(self) -> BarColumns:
        """Return the bars as arrays, oldest first, whatever is recorded of them."""
        return self._read[0]

    @property
    def true_columns(self) -> BarColumns:
        """Return the bars as arrays, oldest first, of which something may be made.

        Raises:
            StoreError: What is recorded of them is not what they say: what is made of them would be known by
                a hash that is not theirs.
        """
        columns, error = self._read
        if error is not None:
            raise error
        return columns

    @property
    def closes(self) -> "pd.Series[float]":
        """Return the closes by session, oldest first.

        Raises:
            StoreError: As :attr:`true_columns` does.
        """
        columns = self.true_columns
        index = pd.DatetimeIndex(columns.timestamps.astype("datetime64[us]")).tz_localize(UTC)
        return pd.Series(columns.close / MICROS_PER_UNIT, index=index, name=self.symbol)

    @cached_property
    def _read(self) -> tuple[BarColumns, StoreError | None]:
        """The bars, and what is wrong with what is recorded of them: bars that nothing is made of are judged too."""
        try:
            return self._store.true_columns(self.symbol, Timeframe.D1), None
        except StoreError as error:
            return self._store.columns(self.symbol, Timeframe.D1), error

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
