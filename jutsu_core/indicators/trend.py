"""Indicators of direction: moving averages and their convergence.

What does not belong here: how fast prices move (``momentum``), how widely (``volatility``).
"""

from typing import NamedTuple

from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.lines import Line
from jutsu_core.indicators.records import IndicatorDefinition, distance, level, period_of


class MacdSeries(NamedTuple):
    """The three lines of MACD, each as long as the closes."""

    macd: FloatArray
    signal: FloatArray
    histogram: FloatArray


def sma(closes: FloatArray, *, period: int) -> FloatArray:
    """Return the simple moving average of the last ``period`` closes.

    Formula:
        SMA[t] = (close[t-period+1] + … + close[t]) / period

    Args:
        closes: Finite prices, oldest first.
        period: Bars in the window, 1 or more.

    Returns:
        As many values as ``closes``, in their unit; NaN until the warm-up is over. Each
        window is summed afresh: a value does not depend on what came before its window.

    Raises:
        InvalidInputError: ``closes`` or ``period`` breaks its contract.

    Warm-up:
        The first ``period - 1`` bars have no value; exact from then on.

    References:
        John J. Murphy (1999), Technical Analysis of the Financial Markets, ch. 9.

    Examples:
        >>> import numpy as np
        >>> sma(np.array([10.0, 11.0, 12.0, 16.0]), period=3)
        array([nan, nan, 11., 13.])
    """
    (averages,) = SMA.values(closes, period=period)
    return averages


def ema(closes: FloatArray, *, period: int) -> FloatArray:
    """Return the exponential moving average of the closes so far.

    Formula:
        EMA[period-1] = (close[0] + … + close[period-1]) / period
        EMA[t] = EMA[t-1] + (close[t] - EMA[t-1]) · 2 / (period + 1)

    Args:
        closes: Finite prices, oldest first.
        period: 1 or more; the weight of the newest close is 2 / (period + 1).

    Returns:
        As many values as ``closes``, in their unit; NaN until the warm-up is over.

    Raises:
        InvalidInputError: ``closes`` or ``period`` breaks its contract, or TA-Lib's
            process-wide settings were changed.

    Warm-up:
        The first ``period - 1`` bars have no value. The start keeps the weight
        (1 - 2 / (period + 1))^k after k more bars: 13.5 % at k = period, 1.8 % at 2 · period.

    References:
        John J. Murphy (1999), Technical Analysis of the Financial Markets, ch. 9;
        started by the simple average, as TA-Lib and StockCharts do.

    Examples:
        >>> import numpy as np
        >>> ema(np.array([10.0, 11.0, 12.0, 14.0]), period=3)
        array([ nan,  nan, 11. , 12.5])
    """
    (averages,) = EMA.values(closes, period=period)
    return averages


def macd(closes: FloatArray, *, fast: int = 12, slow: int = 26, signal: int = 9) -> MacdSeries:
    """Return the distance of a fast from a slow exponential average, and its own average.

    Formula:
        macd[t] = EMA(fast)[t] - EMA(slow)[t]
        signal[t] = EMA of macd over ``signal`` bars
        histogram[t] = macd[t] - signal[t]

    Both averages start together at bar ``slow - 1``: the slow one with the mean of the first
    ``slow`` closes, the fast one with the mean of the ``fast`` closes that end there, so it
    differs from ``ema(closes, period=fast)``, which starts earlier. The signal starts with
    the mean of the first ``signal`` values of macd, and no line is shown before it.

    Args:
        closes: Finite prices, oldest first.
        fast: Period of the fast average, 2 or more.
        slow: Period of the slow average, above ``fast``.
        signal: Period of the signal line, 1 or more.

    Returns:
        Three lines as long as ``closes``, in their unit; NaN until the warm-up is over.

    Raises:
        InvalidInputError: ``closes`` or a period breaks its contract, or TA-Lib's
            process-wide settings were changed.

    Warm-up:
        The first ``slow + signal - 2`` bars have no value. The starts fade as those of
        ``ema`` do, the slow average's last.

    References:
        Gerald Appel (2005), Technical Analysis: Power Tools for Active Investors, ch. 8;
        started as TA-Lib does.

    Examples:
        >>> import numpy as np
        >>> macd(np.array([1.0, 2.0, 4.0, 8.0]), fast=2, slow=3, signal=1).macd.round(4)
        array([   nan,    nan, 0.6667, 1.1667])
    """
    return MacdSeries(*MACD.values(closes, fast=fast, slow=slow, signal=signal))


def _macd(close: Line, fast: int, slow: int, signal: int) -> tuple[Line, ...]:
    distance_of_both = close.skip(slow - fast).exponential(fast) - close.exponential(slow)
    average = distance_of_both.exponential(signal)
    return distance_of_both, average, distance_of_both - average


SMA = IndicatorDefinition(
    name="sma",
    title="Simple moving average",
    inputs=("close",),
    parameters=(period_of(None),),
    results=(level("sma", "Simple moving average of the last {period} closes"),),
    formula=Line.mean,
    function=sma,
)
EMA = IndicatorDefinition(
    name="ema",
    title="Exponential moving average",
    inputs=("close",),
    parameters=(period_of(None),),
    results=(level("ema", "Exponential moving average of the closes, period {period}, SMA start"),),
    formula=Line.exponential,
    function=ema,
)
MACD = IndicatorDefinition(
    name="macd",
    title="Moving average convergence/divergence",
    inputs=("close",),
    parameters=(
        period_of(12, "fast", minimum=2),
        period_of(26, "slow", minimum=2, above="fast"),
        period_of(9, "signal"),
    ),
    results=(
        distance("macd", "EMA {fast} less EMA {slow} of the closes, started together"),
        distance("macd_signal", "EMA {signal} of macd {fast}/{slow}"),
        distance("macd_histogram", "macd {fast}/{slow} less its signal {signal}"),
    ),
    formula=_macd,
    function=macd,
)

RECORDS = (SMA, EMA, MACD)
