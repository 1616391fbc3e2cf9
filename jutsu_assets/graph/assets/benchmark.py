"""The bars of the benchmark while a run works: read once, and part of what everything beside them is made of."""

import hashlib
from datetime import datetime
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jutsu_core.bars import MICROS_PER_UNIT, BarColumns, Timeframe, to_epoch
from jutsu_core.ports import BarStore


class BenchmarkCloses:
    """The stored daily closes of a benchmark.

    Args:
        symbol: Its ticker; None where there is no benchmark.
        store: Where its bars are.
    """

    def __init__(self, symbol: str | None, store: BarStore) -> None:
        self.symbol = symbol
        self._store = store
        self._digests: dict[tuple[int, int, bool], str] = {}

    @cached_property
    def closes(self) -> "pd.Series[float] | None":
        """Return its closes by 00:00 UTC of their sessions, oldest first; None where there are none.

        Raises:
            StoreError: What is recorded of its bars is not what they say.
        """
        columns = self._columns
        if columns is None or self.symbol is None:
            return None
        self._store.refuse_untrue(self.symbol, Timeframe.D1)
        index = pd.DatetimeIndex(columns.timestamps.astype("datetime64[us]"), tz="UTC")
        return pd.Series(columns.close / MICROS_PER_UNIT, index=index, name=self.symbol)

    def at(self, timestamps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the close at each of ``timestamps``, microseconds since 1970 UTC; NaN where it has none.

        Raises:
            StoreError: As :attr:`closes` does.
        """
        beside = np.full(len(timestamps), np.nan)
        closes, columns = self.closes, self._columns
        if closes is not None and columns is not None:
            _, own, other = np.intersect1d(timestamps, columns.timestamps, assume_unique=True, return_indices=True)
            beside[own] = closes.to_numpy()[other]
        return beside

    @property
    def trouble(self) -> str | None:
        """Return why there is nothing to compare with though there should be, or None."""
        if self.symbol is None or self._columns is not None:
            return None
        return f"not compared with the benchmark {self.symbol}, which has no stored bars yet; materialize it first"

    def identity(self, first: datetime, last: datetime, *, of_whole_bars: bool = False) -> list[str]:
        """Return what tells its closes as they are known from ``first`` to ``last`` from any others.

        Args:
            first: First instant.
            last: Last instant.
            of_whole_bars: Whether the bars are told apart by more than their closes.
        """
        columns = self._columns
        if columns is None or self.symbol is None:
            return [self.symbol or ""]
        # With the bar that was the last one then, where none is of that very instant.
        begin = max(0, int(columns.timestamps.searchsorted(to_epoch(first), side="right")) - 1)
        end = int(columns.timestamps.searchsorted(to_epoch(last), side="right"))
        # Most symbols have the same history, and are many.
        key = (begin, end, of_whole_bars)
        if key not in self._digests:
            digest = hashlib.sha256(np.ascontiguousarray(columns.timestamps[begin:end]).tobytes())
            told = columns.values[begin:end] if of_whole_bars else columns.close[begin:end]  # noqa: PD011 - no pandas
            digest.update(np.ascontiguousarray(told).tobytes())
            self._digests[key] = digest.hexdigest()
        return [self.symbol, self._digests[key]]

    @cached_property
    def _columns(self) -> BarColumns | None:
        if self.symbol is None:
            return None
        columns = self._store.columns(self.symbol, Timeframe.D1)
        return columns if len(columns.timestamps) else None
