"""Lines whose numbers are all known: formulas over whole series.

What does not belong here: operations that every kind of line does alike (``lines``).
"""

from collections.abc import Callable

import numpy as np
import talib

from jutsu_core.indicators.averages import WholePrices, distance_sums, highest, lowest, smoothed
from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.lines import ExactKind, Line, Operation, State
from jutsu_core.indicators.one_window import start_of

_FEW = 64
_NUMBERS = (float, int)


class ArrayLine(Line):
    """A line whose numbers are all known.

    Args:
        values: The numbers, oldest first; never written to.
        start: Place of the bar of the first.
        prices: Whether they are prices, whose whole micros are summed exactly.

    Examples:
        >>> close = ArrayLine(np.array([1.0, 2.0, 6.0]), is_price=True)
        >>> close.mean(2).padded(3)
        array([nan, 1.5, 4. ])
    """

    def __init__(self, values: FloatArray, start: int = 0, *, is_price: bool = False) -> None:
        super().__init__()
        self.values = values
        self.start = start
        self._is_price = is_price
        self._made_whole: WholePrices | None = None

    @property
    def length(self) -> int:
        """Return how many bars there are, those without a number counted too; no less than ``start``."""
        return self.start + len(self.values)

    def padded(self, length: int) -> FloatArray:
        """Return a new array of ``length`` numbers, NaN before the line's first."""
        row = np.empty(length)
        self.write(row)
        return row

    def write(self, row: FloatArray) -> None:
        """Write the line into ``row``, which has a place for every bar; NaN before the line's first number."""
        row[: self.start] = np.nan
        # Which zero a minimum or a maximum takes is the machine's choice; + 0.0 leaves one.
        np.add(self.values[: max(len(row) - self.start, 0)], 0.0, out=row[self.start :])

    def apply(self, operation: Operation, *others: "Line | float") -> "ArrayLine":  # noqa: D102 - as the base says
        # Numbers first: to ask a number whether it is a line costs more than the arithmetic.
        start = self.start
        for other in others:
            if not isinstance(other, _NUMBERS) and other.start > start:
                start = other.start
        operands: list[FloatArray | float] = [self.values[start - self.start :]]
        for other in others:
            if isinstance(other, _NUMBERS):
                operands.append(other)
            elif isinstance(other, ArrayLine):
                operands.append(other.values[start - other.start :])
        return ArrayLine(operation.arrays(*operands), start)

    def lag(self, bars: int) -> "ArrayLine":  # noqa: D102
        kept = max(len(self.values) - bars, 0)
        return ArrayLine(self.values[:kept], self.start + bars)

    def skip(self, bars: int) -> "ArrayLine":  # noqa: D102
        return ArrayLine(self.values[bars:], self.start + bars, is_price=self._is_price)

    def highest(self, period: int) -> "ArrayLine":  # noqa: D102
        return ArrayLine(highest(self.values, period), self.start + period - 1)

    def lowest(self, period: int) -> "ArrayLine":  # noqa: D102
        return ArrayLine(lowest(self.values, period), self.start + period - 1)

    def since_highest(self, period: int) -> "ArrayLine":  # noqa: D102
        return ArrayLine(since_highest(self.values, period), self.start + period)

    def cumulative(self) -> "ArrayLine":  # noqa: D102
        return ArrayLine(np.cumsum(self.values), self.start)

    def distances(self, center: Line, period: int, *, squared: bool) -> "ArrayLine":  # noqa: D102
        if not isinstance(center, ArrayLine):
            raise TypeError
        return ArrayLine(distance_sums(self.values, center.values, period, squared=squared), center.start)

    def scan(  # noqa: D102
        self,
        begin: Callable[..., State],
        step: Callable[..., State],
        *others: Line,
        results: int = 1,
        kernel: Callable[..., tuple[FloatArray, ...]] | None = None,
    ) -> tuple[Line, ...]:
        lines = [line for line in (self, *others) if isinstance(line, ArrayLine)]
        start = max(line.start for line in lines)
        columns = [line.values[start - line.start :] for line in lines]
        made = _scanned(begin, step, columns, results) if kernel is None else kernel(*columns)
        return tuple(ArrayLine(column, start) for column in made)

    def _smoothed(self, first: int, period: int) -> "ArrayLine":
        if len(self.values) < first:
            return ArrayLine(self.values[:0], self.start + first - 1)
        # The running sums of all prices cost more than a few prices one by one; both give the same bits.
        if self._is_price and (self._made_whole is not None or first > _FEW):
            start = self._whole.first_mean(first)
        else:
            start = start_of(self.values[:first].tolist(), is_price=self._is_price)
        if start is None:
            start = start_of(self.values[:first].tolist(), is_price=False)
        return ArrayLine(smoothed(self.values[first:], start, period), self.start + first - 1)

    @property
    def _whole(self) -> WholePrices:
        # Two threads may both make it: they make the same.
        if self._made_whole is None:
            self._made_whole = WholePrices(self.values)
        return self._made_whole

    def _exact(self, kind: ExactKind, period: int) -> "ArrayLine | None":
        if not self._is_price or len(self.values) < period:
            return None
        whole = self._whole
        is_exact = whole.is_whole(period)
        if is_exact is not None and not is_exact.any():
            return None
        if kind == "deviation":
            values, is_narrow = whole.deviation(period)
            if is_narrow is not None:
                is_exact = is_narrow if is_exact is None else is_exact & is_narrow
        else:
            values = whole.mean(period) if kind == "mean" else whole.weighted_mean(period)
        if is_exact is not None and not is_exact.all():
            values = np.where(is_exact, values, self._in_floats(kind, period))
        return ArrayLine(values, self.start + period - 1)

    def _in_floats(self, kind: ExactKind, period: int) -> FloatArray:
        made = {"mean": self._mean_of_floats, "weighted_mean": self._weighted_mean_of_floats, "deviation": self._spread}
        line = made[kind](period)
        return line.values if isinstance(line, ArrayLine) else np.empty(0)


def since_highest(values: FloatArray, period: int) -> FloatArray:
    """Return how many values ago the highest of each window of ``period + 1`` was; of equals, the last.

    Examples:
        >>> since_highest(np.array([3.0, 1.0, 2.0, 2.0]), 2)
        array([2., 0.])
    """
    if len(values) <= period:
        return values[:0]
    _, up = talib.AROON(values, values, timeperiod=period)
    return np.rint(period - up[period:] * period / 100)


def _scanned(
    begin: Callable[..., State], step: Callable[..., State], columns: list[FloatArray], results: int
) -> tuple[FloatArray, ...]:
    rows = zip(*(column.tolist() for column in columns), strict=True)
    first = next(rows, None)
    if first is None:
        return tuple(np.empty(0) for _ in range(results))
    states = [state := begin(*first)]
    for row in rows:
        state = step(state, *row)
        states.append(state)
    return tuple(np.array([state[place] for state in states]) for place in range(results))
