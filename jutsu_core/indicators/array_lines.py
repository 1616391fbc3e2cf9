"""Lines whose numbers are all known: formulas over whole series.

What does not belong here: operations that every kind of line does alike (``lines``).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jutsu_core.indicators.averages import WholePrices, distance_sums, highest, lowest, smoothed
from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.kernels import ta_lib
from jutsu_core.indicators.lines import ExactKind, Line, Operation, State
from jutsu_core.indicators.one_window import start_of

_FEW = 64
_NUMBERS = (float, int)
# To add it costs half of adding the number 0.0, which is made an array of each time.
_ZERO = np.zeros(())


class ArrayLine(Line):
    """A line whose numbers are all known.

    Args:
        values: The numbers, oldest first; never written to.
        start: Place of the bar of the first.
        is_price: Whether they are prices, whose whole micros are summed exactly.
        column: The array with a place for every bar whose tail ``values`` are, where nobody else reads or
            writes it: the line then becomes a result without a copy.

    Examples:
        >>> close = ArrayLine(np.array([1.0, 2.0, 6.0]), is_price=True)
        >>> close.mean(2).padded(3)
        array([nan, 1.5, 4. ])
    """

    def __init__(
        self, values: FloatArray, start: int = 0, *, is_price: bool = False, column: FloatArray | None = None
    ) -> None:
        self.values = values
        self.start = start
        self._is_price = is_price
        self._column = column
        self._made_whole: WholePrices | None = None

    @classmethod
    def of(cls, column: FloatArray, start: int) -> "ArrayLine":
        """Return the line of what stands in ``column``, a new array, from the bar ``start`` on."""
        return cls(column[start:], start, column=column)

    @property
    def length(self) -> int:
        """Return how many bars there are, those without a number counted too; no less than ``start``."""
        return self.start + len(self.values)

    def padded(self, length: int) -> FloatArray:
        """Return ``length`` numbers that nobody else has, NaN before the line's first."""
        column, self._column = self._column, None
        if column is None or len(column) != length:
            column = np.empty(length)
        self.write(column)
        return column

    def write(self, column: FloatArray) -> None:
        """Write the line into ``column``, which has a place for every bar; NaN before the line's first number."""
        start, values = self.start, self.values
        column[:start] = np.nan
        written = column[start:]
        is_whole = len(written) == len(values)
        # Which zero a minimum or a maximum takes is the machine's choice; + 0.0 leaves one.
        np.add(values if is_whole else values[: len(written)], _ZERO, out=written)
        # Who reads the line after this reads it there, so that its numbers are held once.
        if is_whole:
            self.values = written

    def among(self, is_own: NDArray[np.bool_]) -> "ArrayLine":
        """Return this line with a place for further bars too, NaN there: its own are those that ``is_own`` says."""
        column = np.full(len(is_own), np.nan)
        column[np.flatnonzero(is_own)[self.start :]] = self.values
        return ArrayLine.of(column, 0)

    def apply(self, operation: Operation, *others: "Line | float") -> "ArrayLine":  # noqa: D102 - as the base says
        # Numbers first: to ask a number whether it is a line costs more than the arithmetic.
        start = self.start
        for other in others:
            if not isinstance(other, _NUMBERS) and other.start > start:
                start = other.start
        operands: list[Any] = [self.values[start - self.start :]]
        for other in others:
            if isinstance(other, _NUMBERS):
                operands.append(other)
            elif isinstance(other, ArrayLine):
                operands.append(other.values[start - other.start :])
        column = np.empty(start + len(operands[0]))
        values = column[start:]
        operation.arrays(*operands, out=values)
        return ArrayLine(values, start, column=column)

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
        warm_up: int = 0,
        kernel: Callable[..., tuple[FloatArray, ...]] | None = None,
    ) -> tuple[Line, ...]:
        lines = [line for line in (self, *others) if isinstance(line, ArrayLine)]
        start = max(line.start for line in lines)
        columns = [line.values[start - line.start :] for line in lines]
        made = scanned(begin, step, columns, results) if kernel is None else kernel(*columns)
        if not start:
            return tuple(ArrayLine.of(column, warm_up) for column in made)
        return tuple(ArrayLine(column[warm_up:], start + warm_up) for column in made)

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
        ahead = self.start + first - 1
        return ArrayLine.of(smoothed(self.values[first:], start, period, ahead=ahead), ahead)

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
        start = self.start + period - 1
        column = np.empty(self.length)
        values = column[start:]
        if kind == "deviation":
            is_narrow = whole.deviation(period, out=values)
            if is_narrow is not None:
                is_exact = is_narrow if is_exact is None else is_exact & is_narrow
        elif kind == "mean":
            whole.mean(period, out=values)
        else:
            whole.weighted_mean(period, out=values)
        if is_exact is not None and not is_exact.all():
            np.copyto(values, self._in_floats(kind, period), where=~is_exact)
        return ArrayLine(values, start, column=column)

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
    _, up = ta_lib("AROON")(values, values, timeperiod=period)
    since: FloatArray = np.rint(period - up[period:] * period / 100)
    return since


def scanned(
    begin: Callable[..., State], step: Callable[..., State], columns: Sequence[FloatArray], results: int
) -> tuple[FloatArray, ...]:
    """Return what ``Line.scan`` says, state by state.

    Examples:
        >>> scanned(lambda x: (x,), lambda state, x: (state[0] + x,), [np.array([1.0, 2.0])], 1)
        (array([1., 3.]),)
    """
    rows = zip(*(column.tolist() for column in columns), strict=True)
    first = next(rows, None)
    if first is None:
        return tuple(np.empty(0) for _ in range(results))
    states = [state := begin(*first)]
    for row in rows:
        state = step(state, *row)
        states.append(state)
    return tuple(np.array([state[place] for state in states]) for place in range(results))
