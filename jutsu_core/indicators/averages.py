"""Sums and averages over arrays that were already checked: what indicators are built of.

Two kinds. A **window** average sees only its window: the bits of a value depend on the values in
its window and on nothing else, neither on where the history starts nor on what has left the
window. A **recursive** average is given a start and folds in one value after another.

Prices are whole micros (``jutsu_core.bars``), and whole numbers add up without error: over them a
window's sum is the difference of two running sums, exact whatever the length, and its mean is the
one division of two exact numbers, correctly rounded. A window that holds anything else is summed
in floats, measured from its last value, in an order that depends on its length alone.

What does not belong here: checking inputs (``jutsu_core.indicators.inputs``) and anything
with an indicator's name.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import cache, cached_property
from math import fsum

import numpy as np
import numpy.typing as npt

from jutsu_core.bars import MICROS_PER_UNIT
from jutsu_core.indicators.inputs import MAX_PERIOD, FloatArray
from jutsu_core.indicators.kernels import require_kernel_defaults, ta_lib

IntArray = npt.NDArray[np.int64]
MultiplyAdd = Callable[[float, float, float], float]

MOST_MICROS = 2**46
"""Above it (70 million a share) a price counts as a float: no sum of ``MAX_PERIOD`` prices below overflows."""

WIDEST_WINDOW = 6_074_000_999
"""Micros: largest product of a window's length and range whose variance, n²·range² / 4, is below 2⁶³."""

MOST_RAMP = 511
"""Longest window whose weighted sum, weights 1 to n, is below 2⁶³ for every price up to ``MOST_MICROS``."""

_EXACT_FLOAT = 2**53
_CORRECTIONS = 8
_BLOCK = 64
_SPLIT = 2.0**27 + 1.0
_SMALL = 2.0**-800


class WholePrices:
    """Prices as whole micros, with running sums that all windows share.

    A price is whole if ``micros / 1_000_000`` is the very float; the others are counted.

    Args:
        values: Finite numbers, oldest first.
    """

    def __init__(self, values: FloatArray) -> None:
        rounded = values * float(MICROS_PER_UNIT)
        np.rint(rounded, out=rounded)
        scratch = rounded / float(MICROS_PER_UNIT)
        is_whole = scratch == values
        magnitudes = np.abs(rounded, out=scratch)
        # To find the place of the largest costs half of finding the largest itself.
        self._most = float(magnitudes[magnitudes.argmax()]) if len(values) else 0.0
        if self._most > MOST_MICROS:
            is_whole &= magnitudes <= MOST_MICROS
            self._most = MOST_MICROS
        self._others: IntArray | None = None
        if np.count_nonzero(is_whole) < len(values):
            self._others = _running(~is_whole)
            rounded[~is_whole] = 0.0
        self._sums = _running(rounded.astype(np.int64))
        # Floats are divided in half the time that integers take, and are as exact below 2⁵³.
        is_small = self._most * len(values) < _EXACT_FLOAT
        self._quick_sums = self._sums.astype(np.float64) if is_small else None

    @cached_property
    def _squares(self) -> IntArray:
        micros = self._micros()
        np.multiply(micros, micros, out=micros)
        return _running(micros)

    @cached_property
    def _range(self) -> int:
        micros = self._micros()
        return int(micros[micros.argmax()] - micros[micros.argmin()])

    @cached_property
    def _ramps(self) -> IntArray:
        return _running(self._sums)

    def _micros(self) -> IntArray:
        # A subtraction costs less than to hold them.
        return self._sums[1:] - self._sums[:-1]

    def _is_narrow(self, period: int) -> npt.NDArray[np.bool_] | None:
        """Return which windows have a range whose variance is exact, None if all have."""
        if period * self._range <= WIDEST_WINDOW:
            return None
        micros = self._micros()
        # A window lies in two neighbouring blocks; what is true of these need not be asked of every window.
        firsts = np.arange(0, len(micros), max(period, _BLOCK))
        tops, bottoms = np.maximum.reduceat(micros, firsts), np.minimum.reduceat(micros, firsts)
        tops[1:] = np.maximum(tops[1:], tops[:-1])
        bottoms[1:] = np.minimum(bottoms[1:], bottoms[:-1])
        if period * int(np.maximum.reduce(tops - bottoms)) <= WIDEST_WINDOW:
            return None
        values = micros.astype(np.float64)
        ranges = highest(values, period) - lowest(values, period)
        is_narrow: npt.NDArray[np.bool_] = period * ranges <= WIDEST_WINDOW
        return None if np.logical_and.reduce(is_narrow) else is_narrow

    def is_whole(self, period: int) -> npt.NDArray[np.bool_] | None:
        """Return which windows hold nothing but whole micros, from the first whole window on; None if all do."""
        return None if self._others is None else self._others[period:] == self._others[:-period]

    def first_mean(self, period: int) -> float | None:
        """Return the correctly rounded mean of the first window, None where it holds something else."""
        if self._others is not None and self._others[period]:
            return None
        return int(self._sums[period]) / (period * MICROS_PER_UNIT)

    def mean(self, period: int, out: FloatArray) -> None:
        """Write the correctly rounded mean of each window, from the first on."""
        sums = self._quick_sums
        if sums is None:
            _divide(self._sums[period:] - self._sums[:-period], period * MICROS_PER_UNIT, self._most * period, out)
        else:
            np.subtract(sums[period:], sums[:-period], out=out)
            np.divide(out, float(period * MICROS_PER_UNIT), out=out)

    def weighted_mean(self, period: int, out: FloatArray) -> None:
        """Write the correctly rounded mean with weights 1 to ``period``, for periods up to ``MOST_RAMP``."""
        # Σ (n-j)·m[t-j] = n·P[t] - (P[t-1] + … + P[t-n]), of sums that wrap and a result that fits.
        ramp = self._sums[period:] * period
        ramp -= self._ramps[period:-1]
        ramp += self._ramps[: len(self._sums) - period]
        weight = period * (period + 1) // 2
        _divide(ramp, weight * MICROS_PER_UNIT, self._most * weight, out)

    def deviation(self, period: int, out: FloatArray) -> npt.NDArray[np.bool_] | None:
        """Write the population standard deviation of each window; return which are exact, None if all are."""
        is_narrow = self._is_narrow(period)
        spread = self._squares[period:] - self._squares[:-period]
        spread *= period
        # The result's own place holds the square of the sum, until it is written.
        square = out.view(np.int64)
        np.subtract(self._sums[period:], self._sums[:-period], out=square)
        square *= square
        spread -= square
        if is_narrow is not None:
            spread *= is_narrow
        np.sqrt(spread, out=out)
        out /= float(period * MICROS_PER_UNIT)
        return is_narrow


def whole_micros(price: float) -> int | None:
    """Return ``price`` in whole micros, or None if it is none in the sense of ``WholePrices``.

    Examples:
        >>> whole_micros(0.1), whole_micros(1e-7)
        (100000, None)
    """
    micros = round(price * MICROS_PER_UNIT)
    return micros if micros / MICROS_PER_UNIT == price and abs(micros) <= MOST_MICROS else None


def all_missing(length: int) -> FloatArray:
    """Return ``length`` NaNs, the answer to a series that is too short.

    Examples:
        >>> all_missing(2)
        array([nan, nan])
    """
    return np.full(length, np.nan)


def smoothed(values: FloatArray, start: float, period: int) -> FloatArray:
    """Return the exponential average with weight 2 / (period + 1), from the value before the first on.

    Formula:
        e[0] = start
        e[t+1] = e[t] + (x[t] - e[t]) · 2 / (period + 1)

    Equal values that equal the start leave it where it is, to the bit. Wilder's average over n
    values is the one of period 2·n - 1, whose weight is 1 / n.

    Args:
        values: Finite numbers, oldest first.
        start: The average before them.
        period: 1 or more.

    Returns:
        A new array: one average more than there are values.

    Examples:
        >>> smoothed(np.array([4.0, 5.0]), 2.0, 3)
        array([2., 3., 4.])
    """
    if period == 1 or period > MAX_PERIOD:
        row = np.empty(1 + len(values))
        row[0] = start
        row[1:] = values if period == 1 else _smoothed_by_hand(values, start, period)
        return row
    # The kernel begins with a mean of its own. After one of zeros, a few values lead it to the start.
    lead = _lead(start, 2.0 / (period + 1))
    first = period + len(lead)
    row = np.empty(first + len(values))
    row[:period] = 0.0
    row[period:first] = lead
    row[first:] = values
    averages: FloatArray = ta_lib("EMA")(row, timeperiod=period)
    return averages[first - 1 :]


def highest(values: FloatArray, period: int) -> FloatArray:
    """Return the highest value of each window, from the first whole window on.

    Examples:
        >>> highest(np.array([3.0, 1.0, 2.0]), 2)
        array([3., 2.])
    """
    if period == 1 or len(values) < period:
        return values[period - 1 :].copy()
    extremes: FloatArray = ta_lib("MAX")(values, timeperiod=period)
    return extremes[period - 1 :]


def lowest(values: FloatArray, period: int) -> FloatArray:
    """Return the lowest value of each window, from the first whole window on.

    Examples:
        >>> lowest(np.array([3.0, 1.0, 2.0]), 2)
        array([1., 1.])
    """
    if period == 1 or len(values) < period:
        return values[period - 1 :].copy()
    extremes: FloatArray = ta_lib("MIN")(values, timeperiod=period)
    return extremes[period - 1 :]


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


def distance_sums(values: FloatArray, centers: FloatArray, period: int, *, squared: bool) -> FloatArray:
    """Return the sum over each window of the distances from its centre, or of their squares.

    Formula:
        d[t] = |x[t-period+1] - c[t]| + … + |x[t] - c[t]|, added in this order

    Args:
        values: Finite numbers, oldest first.
        centers: One for each whole window.
        period: Length of the window.
        squared: Whether the distances are squared.

    Examples:
        >>> distance_sums(np.array([1.0, 3.0, 3.0]), np.array([2.0, 3.0]), 2, squared=True)
        array([2., 0.])
    """
    count = len(centers)
    totals, scratch = np.zeros(count), np.empty(count)
    for first in range(period if count else 0):
        np.subtract(values[first : first + count], centers, out=scratch)
        if squared:
            np.multiply(scratch, scratch, out=scratch)
        else:
            np.abs(scratch, out=scratch)
        totals += scratch
    return totals


def product_sums(
    values: FloatArray, centers: FloatArray, others: FloatArray, other_centers: FloatArray, period: int
) -> FloatArray:
    """Return the sum over each window of the products of what values and others are from their centres.

    Formula:
        p[t] = (x[t-period+1] - c[t]) · (y[t-period+1] - d[t]) + … + (x[t] - c[t]) · (y[t] - d[t]), added in this order

    Args:
        values: Finite numbers, oldest first.
        centers: One for each whole window.
        others: As many numbers as ``values``.
        other_centers: As many as ``centers``.
        period: Length of the window.

    Examples:
        >>> product_sums(np.array([1.0, 3.0]), np.array([2.0]), np.array([5.0, 1.0]), np.array([3.0]), 2)
        array([-4.])
    """
    count = len(centers)
    totals, near, far = np.zeros(count), np.empty(count), np.empty(count)
    for first in range(period if count else 0):
        np.subtract(values[first : first + count], centers, out=near)
        np.subtract(others[first : first + count], other_centers, out=far)
        np.multiply(near, far, out=near)
        totals += near
    return totals


def _running(values: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> IntArray:
    """Return the sums of the first 0, 1, … values."""
    sums = np.empty(len(values) + 1, dtype=np.int64)
    sums[0] = 0
    np.add.accumulate(values, out=sums[1:], dtype=np.int64)
    return sums


def _divide(numerators: IntArray, denominator: int, most: float, out: FloatArray) -> None:
    """Write the correctly rounded quotients of numerators that are at most ``most``."""
    np.divide(numerators, float(denominator), out=out)
    # Beyond 2⁵³ the numerator itself would be rounded first; Python divides whole numbers exactly.
    if most >= _EXACT_FLOAT:
        for place in np.flatnonzero(np.abs(numerators) >= _EXACT_FLOAT).tolist():
            out[place] = int(numerators[place]) / denominator


def fused(factor: float, weight: float, addend: float) -> float:
    """Return factor · weight + addend with one rounding, as a fused multiply-add does.

    Examples:
        >>> fused(0.1, 10.0, -1.0) == 5.551115123125783e-17
        True
    """
    if -_SMALL < factor < _SMALL and -_SMALL < addend < _SMALL:
        # Products of halves would be too small for all of their digits.
        return float(Fraction(factor) * Fraction(weight) + Fraction(addend)) if factor else addend
    # Halves of 26 bits have exact products, and fsum rounds their sum once.
    split = _SPLIT * factor
    high = split - (split - factor)
    low = factor - high
    split = _SPLIT * weight
    weight_high = split - (split - weight)
    weight_low = weight - weight_high
    return fsum((high * weight_high, high * weight_low, low * weight_high, low * weight_low, addend))


def rounded_twice(factor: float, weight: float, addend: float) -> float:
    """Return factor · weight + addend, the product rounded before the sum is.

    Examples:
        >>> rounded_twice(0.1, 10.0, -1.0)
        0.0
    """
    return factor * weight + addend


def probe_values() -> FloatArray:
    """Return the values on which it is seen how the kernels of this machine round."""
    return np.modf(np.arange(2_000.0) * 0.754_877_666)[0] * 100.0


@cache
def kernel_multiply_add() -> MultiplyAdd:
    """Return how the kernel of recursive averages multiplies and adds on this machine.

    TA-Lib is built with and without fused arithmetic, and the two differ in the last bit. Whoever
    continues its series by hand has to do as it does.

    Raises:
        InvalidInputError: TA-Lib's process-wide settings were changed.
    """
    require_kernel_defaults("EMA")
    values = probe_values()
    averages = ta_lib("EMA")(values, timeperiod=12)[11:].tolist()
    steps = list(zip(averages[:-1], values[12:].tolist(), averages[1:], strict=True))

    def misses(multiply_add: MultiplyAdd) -> int:
        return sum(multiply_add(value - before, 2.0 / 13, before) != after for before, value, after in steps)

    return min((rounded_twice, fused), key=misses)


def _lead(start: float, weight: float) -> list[float]:
    """Return values after which an exponential average that began at 0 is exactly ``start``."""
    multiply_add = kernel_multiply_add()
    values: list[float] = []
    average = 0.0
    while average != start and len(values) < _CORRECTIONS:
        value = average + (start - average) / weight
        average = multiply_add(value - average, weight, average)
        values.append(value)
    return values


def _smoothed_by_hand(values: FloatArray, start: float, period: int) -> FloatArray:
    weight = 2.0 / (period + 1)
    multiply_add = kernel_multiply_add()
    average = start
    return np.array([average := multiply_add(value - average, weight, average) for value in values.tolist()])
