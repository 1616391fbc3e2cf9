"""Indicators of direction: moving averages and their convergence.

What does not belong here: how fast prices move (``momentum``), how widely (``volatility``).
"""

from math import isqrt
from typing import NamedTuple

import numpy as np

from jutsu_core.indicators.composites import macd_composite
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
        ``ema`` do, the slow average's last. Where the fast average starts with its own first mean instead,
        the line differs by that start's rest: (1 - 2 / (fast + 1))^(slow - fast), 9.6 % of it at 12 and 26,
        when the line begins, and 1.3 % of that after 26 bars more. Averages that start with the first close
        (as pandas' with adjust=False) differ by the slow one's, 1.8 % after 52 bars.

    References:
        Gerald Appel (2005), Technical Analysis: Power Tools for Active Investors, ch. 8;
        started as TA-Lib does.

    Examples:
        >>> import numpy as np
        >>> macd(np.array([1.0, 2.0, 4.0, 8.0]), fast=2, slow=3, signal=1).macd.round(4)
        array([   nan,    nan, 0.6667, 1.1667])
    """
    return MacdSeries(*MACD.values(closes, fast=fast, slow=slow, signal=signal))


def wma(closes: FloatArray, *, period: int = 20) -> FloatArray:
    """Return the linearly weighted moving average: the newest close counts ``period`` times, the oldest once.

    Formula:
        WMA[t] = (period · close[t] + (period - 1) · close[t-1] + … + 1 · close[t-period+1])
            / (period · (period + 1) / 2)

    Args:
        closes: Finite prices, oldest first.
        period: Bars in the window, 1 or more.

    Returns:
        As many values as ``closes``, in their unit; NaN until the warm-up is over.

    Raises:
        InvalidInputError: ``closes`` or ``period`` breaks its contract.

    Warm-up:
        The first ``period - 1`` bars have no value; exact from then on.

    References:
        Perry J. Kaufman (2013), Trading Systems and Methods, 5th ed., ch. 7.

    Examples:
        >>> import numpy as np
        >>> wma(np.array([1.0, 4.0, 7.0]), period=2)
        array([nan,  3.,  6.])
    """
    (averages,) = WMA.values(closes, period=period)
    return averages


def dema(closes: FloatArray, *, period: int = 20) -> FloatArray:
    """Return the double exponential moving average, which lags less than the single one.

    Formula:
        DEMA = 2 · EMA - EMA of EMA, each started by a simple mean of ``period`` values

    Args:
        closes: Finite prices, oldest first.
        period: 1 or more.

    Returns:
        As many values as ``closes``, in their unit; NaN until the warm-up is over.

    Raises:
        InvalidInputError: ``closes`` or ``period`` breaks its contract.

    Warm-up:
        The first ``2 · period - 2`` bars have no value. The starts fade as those of ``ema`` do.

    References:
        Patrick G. Mulloy (1994), Smoothing Data with Faster Moving Averages, Stocks & Commodities 12:1.

    Examples:
        >>> import numpy as np
        >>> dema(np.array([1.0, 3.0, 5.0, 8.0]), period=2)
        array([       nan,        nan, 5.        , 7.88888889])
    """
    (averages,) = DEMA.values(closes, period=period)
    return averages


def tema(closes: FloatArray, *, period: int = 20) -> FloatArray:
    """Return the triple exponential moving average, which lags less than the double one.

    Formula:
        TEMA = 3 · EMA - 3 · EMA of EMA + EMA of EMA of EMA, each started by a simple mean of ``period`` values

    Args:
        closes: Finite prices, oldest first.
        period: 1 or more.

    Returns:
        As many values as ``closes``, in their unit; NaN until the warm-up is over.

    Raises:
        InvalidInputError: ``closes`` or ``period`` breaks its contract.

    Warm-up:
        The first ``3 · period - 3`` bars have no value. The starts fade as those of ``ema`` do.

    References:
        Patrick G. Mulloy (1994), Smoothing Data with Faster Moving Averages, Stocks & Commodities 12:1.

    Examples:
        >>> import numpy as np
        >>> tema(np.array([1.0, 3.0, 5.0, 7.0]), period=2)
        array([nan, nan, nan,  7.])
    """
    (averages,) = TEMA.values(closes, period=period)
    return averages


def kama(closes: FloatArray, *, period: int = 10, fast: int = 2, slow: int = 30) -> FloatArray:
    """Return Kaufman's adaptive moving average: quick where prices go somewhere, slow where they only wander.

    Formula:
        ER[t] = |close[t] - close[t-period]| / Σ |close[i] - close[i-1]|, i = t-period+1 … t; 0 where nothing moved
        c[t] = (ER[t] · (2 / (fast + 1) - 2 / (slow + 1)) + 2 / (slow + 1))²
        KAMA[period-1] = close[period-1]
        KAMA[t] = KAMA[t-1] + c[t] · (close[t] - KAMA[t-1])

    Args:
        closes: Finite prices, oldest first.
        period: Bars over which efficiency is judged, 1 or more.
        fast: Period of the average where prices go straight, 1 or more.
        slow: Period of the average where they go nowhere, above ``fast``.

    Returns:
        As many values as ``closes``, in their unit; NaN until the warm-up is over.

    Raises:
        InvalidInputError: ``closes`` or a parameter breaks its contract.

    Warm-up:
        The first ``period`` bars have no value. TA-Lib starts from the same close; StockCharts starts
        from the simple mean, and the difference loses the part c[t] at every bar: at the slowest
        (slow 30, c = 0.0042) half of it is left after 166 bars, at the fastest (fast 2, c = 0.444) after 2.

    References:
        Perry J. Kaufman (1995), Smarter Trading, ch. 7.

    Examples:
        >>> import numpy as np
        >>> kama(np.array([1.0, 2.0, 3.0]), period=1, fast=1, slow=2)
        array([nan,  2.,  3.])
    """
    (averages,) = KAMA.values(closes, period=period, fast=fast, slow=slow)
    return averages


def hma(closes: FloatArray, *, period: int = 20) -> FloatArray:
    """Return Hull's moving average, which all but removes the lag and may overshoot.

    Formula:
        HMA = WMA(⌊√period⌋) of (2 · WMA(⌊period / 2⌋) - WMA(period))

    Args:
        closes: Finite prices, oldest first.
        period: 2 or more.

    Returns:
        As many values as ``closes``, in their unit; NaN until the warm-up is over.

    Raises:
        InvalidInputError: ``closes`` or ``period`` breaks its contract.

    Warm-up:
        The first ``period + ⌊√period⌋ - 2`` bars have no value; exact from then on.

    References:
        Alan Hull (2005), How to reduce lag in a moving average. Some round √period to the nearest whole
        number instead, which gives another window for periods such as 20 (4 here, 4 there) and 14 (3, 4).

    Examples:
        >>> import numpy as np
        >>> hma(np.array([1.0, 2.0, 4.0, 7.0]), period=2)
        array([       nan, 2.33333333, 4.66666667, 8.        ])
    """
    (averages,) = HMA.values(closes, period=period)
    return averages


def _dema(close: Line, period: int) -> Line:
    once = close.exponential(period)
    return once * 2.0 - once.exponential(period)


def _tema(close: Line, period: int) -> Line:
    once = close.exponential(period)
    twice = once.exponential(period)
    # Of the differences, so that equal closes give exactly that close.
    return once + ((once - twice) * 2.0 - (twice - twice.exponential(period)))


def _kama(close: Line, period: int, fast: int, slow: int) -> Line:
    most, least = 2.0 / (fast + 1), 2.0 / (slow + 1)
    path = close.change().magnitude().total(period)
    efficiency = close.change(period).magnitude().over(path, 0.0).smaller(1.0)
    speed = efficiency * (most - least) + least
    (average,) = close.scan(
        lambda now, weight, before: (before + weight * (now - before),),
        lambda state, now, weight, _: (state[0] + weight * (now - state[0]),),
        speed * speed,
        close.lag(1),
        kernel=_kama_of_arrays,
    )
    return average


def _kama_of_arrays(closes: FloatArray, weights: FloatArray, before: FloatArray) -> tuple[FloatArray, ...]:
    rows = zip(closes.tolist(), weights.tolist(), strict=True)
    average = float(before[0]) if len(before) else 0.0
    return (np.array([average := average + weight * (now - average) for now, weight in rows], dtype=np.float64),)


def _hma(close: Line, period: int) -> Line:
    half, whole = close.weighted_mean(period // 2), close.weighted_mean(period)
    return (half + (half - whole)).weighted_mean(isqrt(period))


def _macd(close: Line, fast: int, slow: int, signal: int) -> tuple[Line, ...]:
    begin, step, kernel = macd_composite(fast, slow, signal)
    return close.scan(begin, step, results=3, warm_up=slow + signal - 2, kernel=kernel)


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
WMA = IndicatorDefinition(
    name="wma",
    title="Weighted moving average",
    inputs=("close",),
    parameters=(period_of(20),),
    results=(level("wma", "Linearly weighted moving average of the last {period} closes"),),
    formula=Line.weighted_mean,
    function=wma,
)
DEMA = IndicatorDefinition(
    name="dema",
    title="Double exponential moving average",
    inputs=("close",),
    parameters=(period_of(20),),
    results=(level("dema", "Double exponential moving average of the closes, period {period}"),),
    formula=_dema,
    function=dema,
)
TEMA = IndicatorDefinition(
    name="tema",
    title="Triple exponential moving average",
    inputs=("close",),
    parameters=(period_of(20),),
    results=(level("tema", "Triple exponential moving average of the closes, period {period}"),),
    formula=_tema,
    function=tema,
)
KAMA = IndicatorDefinition(
    name="kama",
    title="Kaufman's adaptive moving average",
    inputs=("close",),
    parameters=(period_of(10), period_of(2, "fast"), period_of(30, "slow", above="fast")),
    results=(level("kama", "Kaufman's adaptive average, efficiency over {period} bars, speeds {fast} to {slow}"),),
    formula=_kama,
    function=kama,
)
HMA = IndicatorDefinition(
    name="hma",
    title="Hull moving average",
    inputs=("close",),
    parameters=(period_of(20, minimum=2),),
    results=(level("hma", "Hull moving average of the closes, period {period}"),),
    formula=_hma,
    function=hma,
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
    revision=2,
)

RECORDS = (SMA, EMA, WMA, DEMA, TEMA, KAMA, HMA, MACD)
