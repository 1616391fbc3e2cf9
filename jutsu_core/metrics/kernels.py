"""The arithmetic of every metric, over arrays that were already checked.

One formula each, stated where the metric is public (``returns``, ``drawdown``, ``risk``); a whole
report and a single figure are made of the same ones, so that they agree to the last bit.

What does not belong here: checking (``series``), labels, and when a figure is undefined for lack of
time (``figures``).
"""

import math
from typing import NamedTuple

import numpy as np

from jutsu_core.metrics.series import FloatArray

DAYS_PER_YEAR = 365.25
SHORTEST_YEAR_DAYS = 364

# Dividing two prices that carry rounding of half an ulp each leaves about 4e-16; a spread of returns
# below this is rounding, not movement.
ROUNDING = 1e-14

_DDOF = 1
# More than a sum of a million is off, as a share of its mean.
MEAN_ROUNDING = 1e-12


class Fall(NamedTuple):
    """The deepest fall of a series by the rows at which it begins, is deepest and is over; None where there is none."""

    depth: float
    peak: int | None = None
    trough: int | None = None
    recovery: int | None = None


def period_returns(values: FloatArray) -> FloatArray:
    """Return the simple return of each value over the one before it; what overflows is infinite."""
    with np.errstate(over="ignore"):
        return bare_returns(values)


def bare_returns(values: FloatArray) -> FloatArray:
    """Return what :func:`period_returns` does, where the caller says what becomes of an overflow."""
    returns: FloatArray = values[1:] / values[:-1]
    returns -= 1
    return returns


def whole_return(values: FloatArray) -> float:
    """Return the simple return of the last value over the first; infinite where it overflows."""
    return float(values[-1]) / float(values[0]) - 1


def falls(values: FloatArray) -> FloatArray:
    """Return how far each value stands below the highest so far, as a fraction of that; what overflows is infinite."""
    with np.errstate(over="ignore"):
        depths: FloatArray = values / np.maximum.accumulate(values)
    depths -= 1
    return depths


def deepest_fall(values: FloatArray) -> Fall:
    """Return the deepest fall below an earlier high, the first of equals."""
    with np.errstate(over="ignore"):
        return bare_fall(values)


def bare_fall(values: FloatArray) -> Fall:
    """Return what :func:`deepest_fall` does, where the caller says what becomes of an overflow."""
    highs = np.maximum.accumulate(values)
    depths = values / highs
    depths -= 1
    trough = int(depths.argmin())
    depth = float(depths[trough])
    if depth == 0:
        return Fall(0.0)
    high = highs[trough]
    # The highest so far never falls: from where it is reached first, the last row at it is not far.
    first = int(highs.searchsorted(high))
    peak = trough - int((values[first : trough + 1][::-1] == high).argmax())
    has_recovered = values[trough:] >= high
    later = int(has_recovered.argmax())
    return Fall(depth, peak, trough, trough + later if has_recovered[later] else None)


def annual_growth(values: FloatArray, days: int) -> float | None:
    """Return the growth per year over ``days``; None where it cannot be told."""
    if not days:
        return None
    growth = float(values[-1]) / float(values[0])
    if growth < 0:
        return None
    try:
        rate = growth ** (DAYS_PER_YEAR / days) - 1
    except OverflowError:
        return None
    return rate if math.isfinite(rate) else None


def deviation(returns: FloatArray) -> float:
    """Return the standard deviation, ddof 1, of two returns or more; 0 where they differ by rounding alone."""
    mean = mean_of(returns)
    distances = returns - mean
    distances *= distances
    # As np.std does it, bit for bit, without its many questions.
    spread = math.sqrt(np.add.reduce(distances) / (len(returns) - _DDOF))
    # No deviation is above the range, but for what the mean was rounded by: beyond that it need not be looked at.
    is_clear = spread > ROUNDING + MEAN_ROUNDING * abs(mean)
    return 0.0 if not is_clear and float(returns.max() - returns.min()) <= ROUNDING else spread


def shortfall_of(excess: FloatArray) -> float:
    """Return the root of the mean squared shortfall of the excess; 0 where it falls short by rounding alone."""
    shortfall = np.minimum(excess, 0.0)
    shortfall *= shortfall
    root = math.sqrt(mean_of(shortfall))
    # A root of a mean is never above the largest: where it is beyond rounding, so is that.
    return 0.0 if not root > ROUNDING and -float(excess.min()) <= ROUNDING else root


def mean_of(values: FloatArray) -> float:
    """Return the mean of at least one value."""
    return float(np.add.reduce(values)) / len(values)
