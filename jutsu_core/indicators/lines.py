"""The algebra in which indicators are written once, for whole series and for one bar after another.

A ``Line`` is a row of numbers that begins at some bar and has one for each bar from there on. An
indicator's formula takes lines and returns lines; it neither knows nor asks whether a line is a
whole array (``ArrayLine``) or grows by the bar (``jutsu_core.indicators.accumulators``). Both do
the same operations on the same numbers in the same order, so both give the same bits.

What does not belong here: checking inputs (``inputs``) and anything with an indicator's name.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import fsum, sqrt
from typing import Literal, NamedTuple

import numpy as np
import talib

from jutsu_core.bars import MICROS_PER_UNIT
from jutsu_core.indicators.averages import (
    MOST_RAMP,
    WholePrices,
    distance_sums,
    highest,
    lowest,
    smoothed,
    whole_micros,
)
from jutsu_core.indicators.inputs import FloatArray


class Operation(NamedTuple):
    """One thing to do with numbers: with arrays of them, and with single ones; both give the same bits."""

    arrays: Callable[..., FloatArray]
    numbers: Callable[..., float]


def _choose_numbers(left: float, right: float, above: float, otherwise: float) -> float:
    return above if left > right else otherwise


def _choose_arrays(left: FloatArray, right: FloatArray, above: FloatArray, otherwise: FloatArray) -> FloatArray:
    return np.where(left > right, above, otherwise)


def _ratio_arrays(left: FloatArray, right: FloatArray, otherwise: float) -> FloatArray:
    is_defined = right != 0
    # A masked division costs three times a plain one.
    if is_defined.all():
        quotients: FloatArray = np.divide(left, right)
        return quotients
    quotients = np.full(len(left), otherwise)
    np.divide(left, right, out=quotients, where=is_defined)
    return quotients


ADD = Operation(np.add, lambda left, right: left + right)
SUBTRACT = Operation(np.subtract, lambda left, right: left - right)
MULTIPLY = Operation(np.multiply, lambda left, right: left * right)
DIVIDE = Operation(np.divide, lambda left, right: left / right)
LARGER = Operation(np.maximum, max)
SMALLER = Operation(np.minimum, min)
MAGNITUDE = Operation(np.abs, abs)
ROOT = Operation(np.sqrt, sqrt)
# The logarithm of the array's own kernel: the C library's may differ in the last bit.
LOGARITHM = Operation(np.log, lambda value: float(np.log(np.array([value]))[0]))
CHOOSE = Operation(_choose_arrays, _choose_numbers)
RATIO = Operation(_ratio_arrays, lambda left, right, otherwise: left / right if right != 0 else otherwise)

State = tuple[float, ...]
_FEW = 64
_NUMBERS = (float, int)
ExactKind = Literal["mean", "weighted_mean", "deviation"]


class Line(ABC):
    """A number for each bar from ``start`` on.

    Attributes:
        start: Place of the first bar with a number, counted from 0.
    """

    start: int

    def __init__(self) -> None:
        self._shared: dict[tuple[str, int], Line] = {}

    @abstractmethod
    def apply(self, operation: Operation, *others: "Line | float") -> "Line":
        """Return the line of what ``operation`` makes of this one and ``others``, where all have numbers."""

    @abstractmethod
    def lag(self, bars: int) -> "Line":
        """Return what this line was ``bars`` bars ago."""

    @abstractmethod
    def skip(self, bars: int) -> "Line":
        """Return this line without its first ``bars`` numbers."""

    @abstractmethod
    def highest(self, period: int) -> "Line":
        """Return the highest of the last ``period`` numbers."""

    @abstractmethod
    def lowest(self, period: int) -> "Line":
        """Return the lowest of the last ``period`` numbers."""

    @abstractmethod
    def since_highest(self, period: int) -> "Line":
        """Return how many bars ago the highest of the last ``period + 1`` numbers was; of equals, the last."""

    @abstractmethod
    def cumulative(self) -> "Line":
        """Return the sum of all numbers so far, added one after another."""

    @abstractmethod
    def distances(self, center: "Line", period: int, *, squared: bool) -> "Line":
        """Return the sum of the distances of the last ``period`` numbers from ``center``, or of their squares."""

    @abstractmethod
    def scan(
        self,
        begin: Callable[..., State],
        step: Callable[..., State],
        *others: "Line",
        results: int = 1,
        kernel: Callable[..., tuple[FloatArray, ...]] | None = None,
    ) -> "tuple[Line, ...]":
        """Return lines that a state makes bar by bar.

        Args:
            begin: Makes the state of the first bar from the numbers of that bar.
            step: Makes the next from the state and the numbers of its bar.
            others: Further lines whose numbers are handed over, after this line's.
            results: How many leading numbers of the state are results.
            kernel: A function of whole arrays that gives the same bits, faster.
        """

    @abstractmethod
    def _smoothed(self, first: int, period: int) -> "Line":
        """Return the exponential average of ``period``, started by the mean of the first ``first`` numbers."""

    @abstractmethod
    def _exact(self, kind: ExactKind, period: int) -> "Line | None":
        """Return the line of windows of whole micros, where this line has any; None where it has none."""

    def __add__(self, other: "Line | float") -> "Line":
        return self.apply(ADD, other)

    def __sub__(self, other: "Line | float") -> "Line":
        return self.apply(SUBTRACT, other)

    def __mul__(self, other: "Line | float") -> "Line":
        return self.apply(MULTIPLY, other)

    def __truediv__(self, other: float) -> "Line":
        return self.apply(DIVIDE, other)

    def over(self, other: "Line", otherwise: float) -> "Line":
        """Return the quotient, and ``otherwise`` where ``other`` is 0."""
        return self.apply(RATIO, other, otherwise)

    def larger(self, other: "Line | float") -> "Line":
        """Return the larger of the two."""
        return self.apply(LARGER, other)

    def smaller(self, other: "Line | float") -> "Line":
        """Return the smaller of the two."""
        return self.apply(SMALLER, other)

    def within(self, least: float, most: float) -> "Line":
        """Return this line, kept between two numbers that only rounding could cross."""
        return self.larger(least).smaller(most)

    def magnitude(self) -> "Line":
        """Return the numbers without their signs."""
        return self.apply(MAGNITUDE)

    def root(self) -> "Line":
        """Return the square roots."""
        return self.apply(ROOT)

    def logarithm(self) -> "Line":
        """Return the natural logarithms."""
        return self.apply(LOGARITHM)

    def choose(self, other: "Line | float", above: "Line | float", otherwise: "Line | float") -> "Line":
        """Return ``above`` where this line is above ``other``, else ``otherwise``."""
        return self.apply(CHOOSE, other, above, otherwise)

    def change(self, period: int = 1) -> "Line":
        """Return how much the line rose in ``period`` bars."""
        return self - self.lag(period)

    def exponential(self, period: int) -> "Line":
        """Return the exponential average, weight 2 / (period + 1), started by the mean of ``period`` numbers."""
        return self._kept("exponential", period, lambda: self._smoothed(period, period))

    def wilder(self, period: int) -> "Line":
        """Return Wilder's average, weight 1 / period, started by the mean of ``period`` numbers."""
        return self._kept("wilder", period, lambda: self._smoothed(period, 2 * period - 1))

    def mean(self, period: int) -> "Line":
        """Return the mean of the last ``period`` numbers: correctly rounded if they are prices in whole micros."""
        return self._kept("mean", period, lambda: self._exact("mean", period) or self._mean_of_floats(period))

    def weighted_mean(self, period: int) -> "Line":
        """Return the mean of the last ``period`` numbers with weights 1, 2, …, ``period``."""
        exact = self._exact("weighted_mean", period) if period <= MOST_RAMP else None
        return exact or self._weighted_mean_of_floats(period)

    def deviation(self, period: int) -> "Line":
        """Return the population standard deviation (ddof 0) of the last ``period`` numbers."""
        return self._kept("deviation", period, lambda: self._exact("deviation", period) or self._spread(period))

    def total(self, period: int) -> "Line":
        """Return the sum of the last ``period`` numbers, in an order that depends on ``period`` alone."""
        if period == 1:
            return self
        return self._kept("total", period, lambda: self._total(period))

    def mean_by(self, weights: "Line", period: int) -> "Line":
        """Return the mean of the last ``period`` numbers weighted by ``weights``; the last number where these are 0.

        Measured from the last number, so that equal numbers give exactly that number.
        """
        return self + self._moments(weights, period, {}).over(weights.total(period), 0.0)

    def _kept(self, what: str, period: int, make: Callable[[], "Line"]) -> "Line":
        """Return the line that was made for the same once before, or make it."""
        key = (what, period)
        line = self._shared.get(key)
        if line is None:
            line = self._shared[key] = make()
        return line

    # A window of n is the newest half of it, a power of two, and the rest that came before. Halves
    # are shared, so that a window costs the logarithm of its length.

    def _total(self, period: int) -> "Line":
        half = newest_half(period)
        return self.total(half) + self.total(period - half).lag(half)

    def _distance(self, period: int) -> "Line":
        """Return the sum of what the last ``period`` (2 or more) numbers differ from the last one."""
        return self._kept("distance", period, lambda: self._distance_of_halves(period))

    def _distance_of_halves(self, period: int) -> "Line":
        half = newest_half(period)
        rest = period - half
        sums = (self.lag(half) - self) * float(rest)
        if rest > 1:
            sums = self._distance(rest).lag(half) + sums
        return self._distance(half) + sums if half > 1 else sums

    def _ramp(self, period: int) -> "Line":
        """Return what ``_distance`` does, with weights 1 to ``period``."""
        return self._kept("ramp", period, lambda: self._ramp_of_halves(period))

    def _ramp_of_halves(self, period: int) -> "Line":
        half = newest_half(period)
        rest = period - half
        sums = (self.lag(half) - self) * (rest * (rest + 1) / 2)
        if rest > 1:
            sums = self._ramp(rest).lag(half) + sums
        if half > 1:
            sums = (self._ramp(half) + self._distance(half) * float(rest)) + sums
        return sums

    def _moments(self, weights: "Line", period: int, made: "dict[int, Line]") -> "Line":
        """Return what ``_distance`` does, with ``weights``."""
        if period == 1:
            return (self - self) * weights
        if period not in made:
            half = newest_half(period)
            rest = period - half
            moved = (self.lag(half) - self) * weights.total(rest).lag(half)
            before = self._moments(weights, rest, made).lag(half) + moved
            made[period] = self._moments(weights, half, made) + before
        return made[period]

    def _mean_of_floats(self, period: int) -> "Line":
        # Measured from the last number, so that equal numbers give exactly that number.
        return self if period == 1 else self + self._distance(period) / float(period)

    def _weighted_mean_of_floats(self, period: int) -> "Line":
        return self if period == 1 else self + self._ramp(period) / (period * (period + 1) / 2)

    def _spread(self, period: int) -> "Line":
        return (self.distances(self.mean(period), period, squared=True) / float(period)).root()


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


def newest_half(period: int) -> int:
    """Return the largest power of two below ``period``, which is 2 or more.

    Examples:
        >>> newest_half(20), newest_half(16), newest_half(2)
        (16, 8, 1)
    """
    return 1 << ((period - 1).bit_length() - 1)


def mean_of(values: list[float]) -> float:
    """Return the mean of one window of floats, with the bits of ``Line.mean``.

    Examples:
        >>> mean_of([1 / 3] * 10) == 1 / 3
        True
    """
    return values[-1] if len(values) == 1 else values[-1] + distance_of(values) / len(values)


def start_of(values: list[float], *, is_price: bool) -> float:
    """Return the mean of the values that an exponential average starts with.

    Examples:
        >>> start_of([0.1] * 10, is_price=False)
        0.1
    """
    if is_price:
        micros = [whole_micros(value) for value in values]
        if None not in micros:
            return sum(filter(None, micros)) / (len(micros) * MICROS_PER_UNIT)
    # Measured from the last, so that equal values start with exactly that value.
    last = values[-1]
    return last + fsum(value - last for value in values) / len(values)


def distance_of(values: list[float]) -> float:
    """Return the sum of what two or more numbers differ from the last, with the bits of ``Line.mean``."""
    half = newest_half(len(values))
    rest = len(values) - half
    total = (values[rest - 1] - values[-1]) * rest
    if rest > 1:
        total = distance_of(values[:rest]) + total
    return distance_of(values[rest:]) + total if half > 1 else total


def ramp_of(values: list[float]) -> float:
    """Return what ``distance_of`` does, with weights 1 to the number of values, with the bits of ``Line``."""
    half = newest_half(len(values))
    rest = len(values) - half
    total = (values[rest - 1] - values[-1]) * (rest * (rest + 1) / 2)
    if rest > 1:
        total = ramp_of(values[:rest]) + total
    if half > 1:
        total = (ramp_of(values[rest:]) + distance_of(values[rest:]) * rest) + total
    return total


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
