"""Indicators of width: how far prices move, whichever way.

What does not belong here: direction (``trend``) and speed (``momentum``).
"""

from typing import NamedTuple

from jutsu_core.indicators.inputs import MAX_DEVIATIONS, FloatArray
from jutsu_core.indicators.lines import Line
from jutsu_core.indicators.records import IndicatorDefinition, distance, level, number_of, period_of


class BollingerBands(NamedTuple):
    """The three bands, each as long as the closes."""

    upper: FloatArray
    middle: FloatArray
    lower: FloatArray


def bollinger_bands(closes: FloatArray, *, period: int = 20, deviations: float = 2.0) -> BollingerBands:
    """Return the simple moving average and the bands ``deviations`` standard deviations away.

    Formula:
        middle[t] = SMA(period)[t]
        sd[t] = √(Σ (close[i] - middle[t])² / period), i = t-period+1 … t  (population, ddof 0)
        upper[t] = middle[t] + deviations · sd[t]; lower[t] = middle[t] - deviations · sd[t]

    Args:
        closes: Finite prices, oldest first.
        period: Bars in the window, 1 or more.
        deviations: Half the width of the band in standard deviations, above 0, at most 100.

    Returns:
        Three bands as long as ``closes``, in their unit; NaN until the warm-up is over. Each
        window is summed afresh: a value does not depend on what came before its window.

    Raises:
        InvalidInputError: ``closes``, ``period`` or ``deviations`` breaks its contract.

    Warm-up:
        The first ``period - 1`` bars have no value; exact from then on.

    References:
        John Bollinger (2001), Bollinger on Bollinger Bands, ch. 7.

    Examples:
        >>> import numpy as np
        >>> bands = bollinger_bands(np.array([1.0, 3.0, 3.0]), period=2, deviations=2)
        >>> bands.upper, bands.lower
        (array([nan,  4.,  3.]), array([nan,  0.,  3.]))
    """
    return BollingerBands(*BOLLINGER_BANDS.values(closes, period=period, deviations=deviations))


def atr(highs: FloatArray, lows: FloatArray, closes: FloatArray, *, period: int = 14) -> FloatArray:
    """Return Wilder's average true range.

    Formula:
        TR[t] = max(high[t] - low[t], |high[t] - close[t-1]|, |low[t] - close[t-1]|), t ≥ 1
        ATR[period] = mean of TR[1 … period]
        ATR[t] = (ATR[t-1] · (period - 1) + TR[t]) / period

    Bar 0 has no true range, as it has no close before it.

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        closes: As many.
        period: Ranges averaged, 1 or more.

    Returns:
        As many values as ``closes``, in their unit; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or ``period`` breaks its contract, the lengths differ, or
            TA-Lib's process-wide settings were changed.

    Warm-up:
        The first ``period`` bars have no value. The start keeps the weight
        (1 - 1 / period)^k after k more bars: 2.5 % at period 14 and k = 50.

    References:
        J. Welles Wilder (1978), New Concepts in Technical Trading Systems, section III.

    Examples:
        >>> import numpy as np
        >>> highs, lows = np.array([11.0, 12.0, 15.0]), np.array([9.0, 11.0, 14.0])
        >>> atr(highs, lows, np.array([10.0, 12.0, 14.0]), period=1)
        array([nan,  2.,  3.])
    """
    (averages,) = ATR.values(highs, lows, closes, period=period)
    return averages


def _bollinger_bands(close: Line, period: int, deviations: float) -> tuple[Line, ...]:
    middle = close.mean(period)
    reach = close.deviation(period) * deviations
    return middle + reach, middle, middle - reach


def true_range(high: Line, low: Line, close: Line) -> Line:
    """Return Wilder's true range, from the second bar on: the first has no close before it.

    Formula:
        TR[t] = max(high[t] - low[t], |high[t] - close[t-1]|, |low[t] - close[t-1]|)
    """
    before = close.lag(1)
    return (high - low).larger((high - before).magnitude()).larger((low - before).magnitude())


def _atr(high: Line, low: Line, close: Line, period: int) -> Line:
    return true_range(high, low, close).wilder(period)


BOLLINGER_BANDS = IndicatorDefinition(
    name="bollinger_bands",
    title="Bollinger bands",
    inputs=("close",),
    parameters=(period_of(20), number_of("deviations", 2.0, maximum=MAX_DEVIATIONS)),
    results=(
        level("bollinger_upper", "SMA of {period} closes plus {deviations} population standard deviations"),
        level("bollinger_middle", "SMA of {period} closes, the middle of the Bollinger bands"),
        level("bollinger_lower", "SMA of {period} closes less {deviations} population standard deviations"),
    ),
    formula=_bollinger_bands,
    function=bollinger_bands,
)
ATR = IndicatorDefinition(
    name="atr",
    title="Average true range",
    inputs=("high", "low", "close"),
    parameters=(period_of(14),),
    results=(distance("atr", "Wilder's average true range over {period} bars", least=0.0),),
    formula=_atr,
    function=atr,
)

RECORDS = (BOLLINGER_BANDS, ATR)
