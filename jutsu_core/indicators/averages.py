"""The averages that indicators are built of, over inputs that were already checked.

Two kinds. A **window** average sees only its window: each window is summed afresh in the
same order, so a value depends neither on where the history starts nor on anything that has
left the window. A **recursive** average starts at the first value and folds in one value
after another; it comes from TA-Lib.

What does not belong here: checking inputs (``jutsu_core.indicators.inputs``) and anything
with an indicator's name.
"""

import numpy as np
import talib
from talib import get_compatibility, get_unstable_period  # type: ignore[attr-defined]  # re-exported without being declared

from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.inputs import FloatArray

_BLOCK = 4096
"""Windows computed together: a block and its scratch space stay in a core's cache."""


def all_missing(length: int) -> FloatArray:
    """Return ``length`` NaNs, the answer to a series that is too short.

    Examples:
        >>> all_missing(2)
        array([nan, nan])
    """
    return np.full(length, np.nan)


def window_mean(values: FloatArray, period: int) -> FloatArray:
    """Return the mean of the last ``period`` values at each place.

    Formula:
        mean[t] = x[t] + ((x[t-period+1] - x[t]) + … + (x[t-1] - x[t])) / period

    Measured from the window's last value, so that equal values give exactly that value.

    Args:
        values: Finite numbers, oldest first.
        period: Length of the window.

    Returns:
        As many values, the first ``period - 1`` NaN.

    Examples:
        >>> window_mean(np.array([1.0, 2.0, 6.0]), 2)
        array([nan, 1.5, 4. ])
    """
    means = all_missing(len(values))
    for start in range(period - 1, len(values), _BLOCK):
        stop = min(start + _BLOCK, len(values))
        last = values[start:stop]
        total = np.zeros(stop - start)
        scratch = np.empty(stop - start)
        for lag in range(period - 1, 0, -1):
            np.subtract(values[start - lag : stop - lag], last, out=scratch)
            total += scratch
        means[start:stop] = last + total / period
    return means


def window_deviation(values: FloatArray, means: FloatArray, period: int) -> FloatArray:
    """Return the population standard deviation (ddof 0) of the last ``period`` values at each place.

    Formula:
        sd[t] = √(((x[t-period+1] - mean[t])² + … + (x[t] - mean[t])²) / period)

    Args:
        values: Finite numbers, oldest first.
        means: ``window_mean(values, period)``.
        period: Length of the window.

    Returns:
        As many values, the first ``period - 1`` NaN.

    Examples:
        >>> numbers = np.array([1.0, 3.0, 3.0])
        >>> window_deviation(numbers, window_mean(numbers, 2), 2)
        array([nan,  1.,  0.])
    """
    deviations = all_missing(len(values))
    for start in range(period - 1, len(values), _BLOCK):
        stop = min(start + _BLOCK, len(values))
        mean = means[start:stop]
        total = np.zeros(stop - start)
        scratch = np.empty(stop - start)
        for lag in range(period - 1, -1, -1):
            np.subtract(values[start - lag : stop - lag], mean, out=scratch)
            np.multiply(scratch, scratch, out=scratch)
            total += scratch
        deviations[start:stop] = np.sqrt(total / period)
    return deviations


def exponential_average(values: FloatArray, period: int) -> FloatArray:
    """Return the exponential average with weight 2 / (period + 1), started by a simple mean.

    Formula:
        e[period-1] = (x[0] + … + x[period-1]) / period
        e[t] = e[t-1] + (x[t] - e[t-1]) · 2 / (period + 1)

    Args:
        values: Finite numbers, oldest first.
        period: 1 or more; 1 gives the values themselves.

    Returns:
        As many values, the first ``period - 1`` NaN.

    Raises:
        InvalidInputError: TA-Lib's process-wide settings were changed.

    Examples:
        >>> exponential_average(np.array([1.0, 2.0, 3.0, 5.0]), 3)
        array([nan, nan, 2. , 3.5])
    """
    require_kernel_defaults("EMA")
    if period == 1:
        return values.copy()
    if len(values) < period:
        return all_missing(len(values))
    averages: FloatArray = talib.EMA(values, timeperiod=period)
    return averages


def wilder_average(values: FloatArray, period: int) -> FloatArray:
    """Return Wilder's average of the values after the first, which has no predecessor to differ from.

    Formula:
        w[period] = (x[1] + … + x[period]) / period
        w[t] = (w[t-1] · (period - 1) + x[t]) / period

    The kernel is TA-Lib's ATR: over a bar from 0 to x whose neighbours close at 0 the true
    range is x itself. Its RSI hides the two averages that tell "no change" from "only losses".

    Args:
        values: Finite numbers of 0 or more, oldest first; the first is not read.
        period: 1 or more.

    Returns:
        As many values, the first ``period`` NaN.

    Raises:
        InvalidInputError: TA-Lib's process-wide settings were changed.

    Examples:
        >>> wilder_average(np.array([9.0, 1.0, 3.0, 5.0]), 2)
        array([nan, nan, 2. , 3.5])
    """
    require_kernel_defaults("ATR")
    if len(values) <= period:
        return all_missing(len(values))
    zeros = np.zeros(len(values))
    averages: FloatArray = talib.ATR(values, zeros, zeros, timeperiod=period)
    return averages


def require_kernel_defaults(*functions: str) -> None:
    """Check that nobody in this process has changed what TA-Lib computes.

    TA-Lib keeps an "unstable period" for each function, which hides leading values, and its
    older releases a compatibility mode, which starts averages differently; all threads share them.

    Args:
        functions: TA-Lib functions about to be used.

    Raises:
        InvalidInputError: A setting is not the default; the remedy is named.
    """
    for function in functions:
        hidden = get_unstable_period(function)
        if hidden:
            message = (
                f"TA-Lib's unstable period of {function} must be 0, was {hidden}; "
                f"call talib.set_unstable_period({function!r}, 0)"
            )
            raise InvalidInputError(message)
    mode = get_compatibility()
    if mode:
        message = f"TA-Lib's compatibility mode must be 0, was {mode}; call talib.set_compatibility(0)"
        raise InvalidInputError(message)
