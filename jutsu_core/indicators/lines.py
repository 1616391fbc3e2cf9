"""The algebra in which indicators are written once, for whole series and for one bar after another.

A ``Line`` is a row of numbers that begins at some bar and has one for each bar from there on. An
indicator's formula takes lines and returns lines; it neither knows nor asks whether a line is a
whole array (``programs``) or grows by the bar (``jutsu_core.indicators.stream_lines``). Both do
the same operations on the same numbers in the same order, so both give the same bits.

What does not belong here: checking inputs (``inputs``) and anything with an indicator's name.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import sqrt
from operator import add, mul, sub, truediv
from typing import Final, Literal, NamedTuple

import numpy as np

from jutsu_core.indicators.averages import MOST_RAMP
from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.one_window import newest_half


class Operation(NamedTuple):
    """One thing to do with numbers: with arrays of them, and with single ones; both give the same bits.

    Attributes:
        arrays: Takes the operands, numbers among them as arrays without a dimension, and returns a new array.
        numbers: Takes the operands.
    """

    arrays: Callable[..., FloatArray]
    numbers: Callable[..., float]


def _choose_numbers(left: float, right: float, above: float, otherwise: float) -> float:
    return above if left > right else otherwise


def _choose_arrays(left: FloatArray, right: FloatArray, above: FloatArray, otherwise: FloatArray) -> FloatArray:
    return np.where(left > right, above, otherwise)


def _ratio_arrays(left: FloatArray, right: FloatArray, otherwise: FloatArray) -> FloatArray:
    is_defined = right != 0
    # A masked division costs three times a plain one.
    if np.logical_and.reduce(is_defined):
        return left / right
    ratios = np.full(len(right), otherwise)
    np.divide(left, right, out=ratios, where=is_defined)
    return ratios


def _within_arrays(values: FloatArray, least: FloatArray, most: FloatArray) -> FloatArray:
    kept = np.maximum(values, least)
    return np.minimum(kept, most, out=kept)


def _noise_of_arrays(first: FloatArray, *others: FloatArray) -> FloatArray:
    size = np.abs(first)
    for other in others:
        size += np.abs(other)
    size *= ROUNDING
    return size


def _noise_of_numbers(first: float, *others: float) -> float:
    # One after another, as of arrays: the sum of floats is Python's own since 3.12.
    size = abs(first)
    for other in others:
        size += abs(other)
    return size * ROUNDING


ROUNDING: Final = 2.0**-52
"""What a number may be off by as its share of it: twice the distance to the nearest float."""

ADD = Operation(np.add, add)
SUBTRACT = Operation(np.subtract, sub)
MULTIPLY = Operation(np.multiply, mul)
DIVIDE = Operation(np.divide, truediv)
LARGER = Operation(np.maximum, max)
SMALLER = Operation(np.minimum, min)
MAGNITUDE = Operation(np.abs, abs)
ROOT = Operation(np.sqrt, sqrt)
# The logarithm of the array's own kernel: the C library's may differ in the last bit.
LOGARITHM = Operation(np.log, lambda value: float(np.log(value)))
CHOOSE = Operation(_choose_arrays, _choose_numbers)
RATIO = Operation(_ratio_arrays, lambda left, right, otherwise: left / right if right != 0 else otherwise)
# Several operations in one: each by itself costs a step of a program, and an array.
WITHIN = Operation(_within_arrays, lambda value, least, most: min(max(value, least), most))
NOISE = Operation(_noise_of_arrays, _noise_of_numbers)

FADED: Final = 2.0**-960
"""An average that decayed to less is near the end of what floats can tell apart, and counts as 0 where it divides."""

State = tuple[float, ...]
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
    def products(self, center: "Line", other: "Line", other_center: "Line", period: int) -> "Line":
        """Return the sum of the products of what the last ``period`` numbers of both lines are from their centres."""

    @abstractmethod
    def scan(
        self,
        begin: Callable[..., State],
        step: Callable[..., State],
        *others: "Line",
        results: int = 1,
        warm_up: int = 0,
        kernel: Callable[..., tuple[FloatArray, ...]] | None = None,
    ) -> "tuple[Line, ...]":
        """Return lines that a state makes bar by bar.

        Args:
            begin: Makes the state of the first bar from the numbers of that bar.
            step: Makes the next from the state and the numbers of its bar.
            others: Further lines whose numbers are handed over, after this line's.
            results: How many leading numbers of the state are results.
            warm_up: How many of the first states have no results yet.
            kernel: A function of whole arrays that gives the same bits, faster; its arrays are new, have a number
                for each bar of the lines, and say nothing of the first ``warm_up``.
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
        return self.apply(WITHIN, least, most)

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

    def rounding(self, *others: "Line") -> "Line":
        """Return by how much a sum or difference of this line and ``others`` may be off by rounding alone.

        Prices are decimals and no floats: of 10.3 - 10.2 and 10.2 - 10.1, which are equal, one is the larger.
        """
        return self.apply(NOISE, *others)

    def beyond(self, noise: "Line | float") -> "Line":
        """Return this line, which is not below 0, and 0 where it is no more than ``noise``."""
        return self.choose(noise, self, 0.0)

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
        return self._kept("mean", period, lambda: self._window("mean", period))

    def weighted_mean(self, period: int) -> "Line":
        """Return the mean of the last ``period`` numbers with weights 1, 2, …, ``period``."""
        if period > MOST_RAMP:
            return self.window_of_floats("weighted_mean", period)
        return self._window("weighted_mean", period)

    def deviation(self, period: int) -> "Line":
        """Return the population standard deviation (ddof 0) of the last ``period`` numbers."""
        return self._kept("deviation", period, lambda: self._window("deviation", period))

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

    def _window(self, kind: ExactKind, period: int) -> "Line":
        return self._exact(kind, period) or self.window_of_floats(kind, period)

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

    def window_of_floats(self, kind: ExactKind, period: int) -> "Line":
        """Return what ``mean``, ``weighted_mean`` or ``deviation`` is where a window holds no whole micros."""
        if kind == "deviation":
            return (self.distances(self.mean(period), period, squared=True) / float(period)).root()
        return self._mean_of_floats(period) if kind == "mean" else self._weighted_mean_of_floats(period)

    def _mean_of_floats(self, period: int) -> "Line":
        # Measured from the last number, so that equal numbers give exactly that number.
        return self if period == 1 else self + self._distance(period) / float(period)

    def _weighted_mean_of_floats(self, period: int) -> "Line":
        return self if period == 1 else self + self._ramp(period) / (period * (period + 1) / 2)
