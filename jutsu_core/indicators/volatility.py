"""Indicators of width: how far prices move, whichever way.

What does not belong here: direction (``trend``) and speed (``momentum``).
"""

from typing import NamedTuple

import numpy as np

from jutsu_core.indicators.inputs import MAX_DEVIATIONS, FloatArray
from jutsu_core.indicators.kernels import ta_lib
from jutsu_core.indicators.lines import Line, State
from jutsu_core.indicators.records import (
    PERCENT_UNIT,
    PLAIN_UNIT,
    IndicatorDefinition,
    ResultDefinition,
    distance,
    level,
    number_of,
    period_of,
)


class BollingerBands(NamedTuple):
    """The three bands, each as long as the closes."""

    upper: FloatArray
    middle: FloatArray
    lower: FloatArray


class BollingerPosition(NamedTuple):
    """Two ratios, each as long as the closes."""

    percent_b: FloatArray
    bandwidth: FloatArray


class Channels(NamedTuple):
    """The three lines of a channel, each as long as the closes."""

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


def bollinger_position(closes: FloatArray, *, period: int = 20, deviations: float = 2.0) -> BollingerPosition:
    """Return where the close stands between its Bollinger bands, and how far these are apart.

    Formula:
        percent_b = (close - lower) / (upper - lower), 0.5 where the bands meet
        bandwidth = (upper - lower) / middle

    Args:
        closes: Prices above 0, oldest first.
        period: Bars in the window, 1 or more.
        deviations: Half the width of the band in standard deviations, above 0, at most 100.

    Returns:
        Two ratios as long as ``closes``; NaN until the warm-up is over.

    Raises:
        InvalidInputError: ``closes`` or a parameter breaks its contract.

    Warm-up:
        The first ``period - 1`` bars have no value; exact from then on.

    References:
        John Bollinger (2001), Bollinger on Bollinger Bands, ch. 8. He shows bandwidth as a ratio; charts
        that show it in percent multiply by 100.

    Examples:
        >>> import numpy as np
        >>> bollinger_position(np.array([1.0, 3.0]), period=2, deviations=2).percent_b
        array([ nan, 0.75])
    """
    chosen = {"period": period, "deviations": deviations}
    return BollingerPosition(*BOLLINGER_POSITION.values(closes, **chosen))


def natr(highs: FloatArray, lows: FloatArray, closes: FloatArray, *, period: int = 14) -> FloatArray:
    """Return Wilder's average true range in percent of the close.

    Formula:
        NATR = 100 · ATR(period) / close

    Args:
        highs: Prices above 0, oldest first.
        lows: As many.
        closes: As many.
        period: Ranges averaged, 1 or more.

    Returns:
        As many values as ``closes``, in percent; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or ``period`` breaks its contract, or the lengths differ.

    Warm-up:
        That of ``atr``: the first ``period`` bars.

    References:
        John Forman (2006), Cross-Market Evaluations with Normalized Average True Range, Stocks & Commodities 24:5.

    Examples:
        >>> import numpy as np
        >>> natr(np.array([11.0, 12.0]), np.array([9.0, 11.0]), np.array([10.0, 12.5]), period=1)
        array([nan, 16.])
    """
    (values,) = NATR.values(highs, lows, closes, period=period)
    return values


def keltner_channels(
    highs: FloatArray,
    lows: FloatArray,
    closes: FloatArray,
    *,
    period: int = 20,
    atr_period: int = 10,
    multiplier: float = 2.0,
) -> Channels:
    """Return an exponential average of the closes and the channel of average true ranges around it.

    Formula:
        middle = EMA(period); upper = middle + multiplier · ATR(atr_period); lower = middle - multiplier · ATR

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        closes: As many.
        period: Period of the average, 1 or more.
        atr_period: Ranges averaged, 1 or more.
        multiplier: Average true ranges between middle and edge, above 0, at most 100.

    Returns:
        Upper, middle and lower line as long as ``closes``, in their unit; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or a parameter breaks its contract, or the lengths differ.

    Warm-up:
        The first ``max(period - 1, atr_period)`` bars have no value. The starts fade as those of ``ema`` and ``atr``.

    References:
        Linda Bradford Raschke's form, with ATR in place of the simple average of ranges of Chester W. Keltner
        (1960), How to Make Money in Commodities; as StockCharts draws it.

    Examples:
        >>> import numpy as np
        >>> highs = np.array([2.0, 3.0])
        >>> keltner_channels(highs, highs - 1.0, highs, period=1, atr_period=1, multiplier=1.0).upper
        array([nan,  4.])
    """
    chosen = {"period": period, "atr_period": atr_period, "multiplier": multiplier}
    return Channels(*KELTNER_CHANNELS.values(highs, lows, closes, **chosen))


def donchian_channels(highs: FloatArray, lows: FloatArray, *, period: int = 20) -> Channels:
    """Return the highest high and the lowest low of the last ``period`` bars, and their middle.

    Formula:
        upper = max(high[t-period+1 … t]); lower = min(low[t-period+1 … t]); middle = (upper + lower) / 2

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        period: Bars in the window, today's included, 1 or more.

    Returns:
        Upper, middle and lower line as long as ``highs``, in their unit; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or ``period`` breaks its contract, or the lengths differ.

    Warm-up:
        The first ``period - 1`` bars have no value; exact from then on.

    References:
        Richard Donchian's four-week rule, in Perry J. Kaufman (2013), Trading Systems and Methods, ch. 5. A
        breakout is a close beyond the channel of the bar before.

    Examples:
        >>> import numpy as np
        >>> donchian_channels(np.array([2.0, 3.0]), np.array([1.0, 2.0]), period=2).middle
        array([nan,  2.])
    """
    return Channels(*DONCHIAN_CHANNELS.values(highs, lows, period=period))


def standard_deviation(closes: FloatArray, *, period: int = 20) -> FloatArray:
    """Return the population standard deviation of the last ``period`` closes.

    Formula:
        sd[t] = √(Σ (close[i] - mean)² / period), i = t-period+1 … t  (ddof 0)

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
        John Bollinger (2001), Bollinger on Bollinger Bands, ch. 7, whose bands are built of it. The sample's
        (ddof 1) is √(period / (period - 1)) times as large.

    Examples:
        >>> import numpy as np
        >>> standard_deviation(np.array([1.0, 3.0, 3.0]), period=2)
        array([nan,  1.,  0.])
    """
    (values,) = STANDARD_DEVIATION.values(closes, period=period)
    return values


def _bollinger_bands(close: Line, period: int, deviations: float) -> tuple[Line, ...]:
    middle = close.mean(period)
    reach = close.deviation(period) * deviations
    return middle + reach, middle, middle - reach


def true_range(high: Line, low: Line, close: Line) -> Line:
    """Return Wilder's true range, from the second bar on: the first has no close before it.

    Formula:
        TR[t] = max(high[t] - low[t], |high[t] - close[t-1]|, |low[t] - close[t-1]|)
    """
    (ranges,) = high.scan(_first_range, _next_range, low, close, warm_up=1, kernel=_ranges_of)
    return ranges


def _first_range(high: float, low: float, close: float) -> State:
    return (high - low, close)


def _next_range(state: State, high: float, low: float, close: float) -> State:
    before = state[1]
    return (max(high - low, abs(high - before), abs(low - before)), close)


def _ranges_of(high: FloatArray, low: FloatArray, close: FloatArray) -> tuple[FloatArray, ...]:
    return (ta_lib("TRANGE")(high, low, close) if len(high) else np.empty(0),)


def _atr(high: Line, low: Line, close: Line, period: int) -> Line:
    return true_range(high, low, close).wilder(period)


def _bollinger_position(close: Line, period: int, deviations: float) -> tuple[Line, ...]:
    upper, middle, lower = _bollinger_bands(close, period, deviations)
    width = upper - lower
    return (close - lower).over(width, 0.5), width.over(middle, 0.0)


def _natr(high: Line, low: Line, close: Line, period: int) -> Line:
    return _atr(high, low, close, period).over(close, 0.0) * 100.0


def _keltner_channels(
    high: Line, low: Line, close: Line, period: int, atr_period: int, multiplier: float
) -> tuple[Line, ...]:
    middle = close.exponential(period)
    reach = _atr(high, low, close, atr_period) * multiplier
    return middle + reach, middle, middle - reach


def _donchian_channels(high: Line, low: Line, period: int) -> tuple[Line, ...]:
    upper, lower = high.highest(period), low.lowest(period)
    return upper, lower + (upper - lower) / 2.0, lower


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

BOLLINGER_POSITION = IndicatorDefinition(
    name="bollinger_position",
    title="Bollinger %b and bandwidth",
    inputs=("close",),
    parameters=(period_of(20), number_of("deviations", 2.0, maximum=MAX_DEVIATIONS)),
    results=(
        ResultDefinition(
            name="percent_b",
            description="Place of the close between the Bollinger bands of {period} closes: 0 the lower, 1 the upper",
            unit=PLAIN_UNIT,
            when_prices_move="stays",
        ),
        ResultDefinition(
            name="bandwidth",
            description="Width of the Bollinger bands of {period} closes over their middle",
            unit=PLAIN_UNIT,
            least=0.0,
        ),
    ),
    formula=_bollinger_position,
    function=bollinger_position,
    needs_positive_prices=True,
)
NATR = IndicatorDefinition(
    name="natr",
    title="Normalized average true range",
    inputs=("high", "low", "close"),
    parameters=(period_of(14),),
    results=(
        ResultDefinition(
            name="natr",
            description="Wilder's average true range over {period} bars in percent of the close",
            unit=PERCENT_UNIT,
            least=0.0,
        ),
    ),
    formula=_natr,
    function=natr,
    needs_positive_prices=True,
)
KELTNER_CHANNELS = IndicatorDefinition(
    name="keltner_channels",
    title="Keltner channels",
    inputs=("high", "low", "close"),
    parameters=(period_of(20), period_of(10, "atr_period"), number_of("multiplier", 2.0, maximum=MAX_DEVIATIONS)),
    results=(
        level("keltner_upper", "EMA {period} of the closes plus {multiplier} ATRs of {atr_period} bars"),
        level("keltner_middle", "EMA {period} of the closes, the middle of the Keltner channels"),
        level("keltner_lower", "EMA {period} of the closes less {multiplier} ATRs of {atr_period} bars"),
    ),
    formula=_keltner_channels,
    function=keltner_channels,
)
DONCHIAN_CHANNELS = IndicatorDefinition(
    name="donchian_channels",
    title="Donchian channels",
    inputs=("high", "low"),
    parameters=(period_of(20),),
    results=(
        level("donchian_upper", "Highest high of {period} bars"),
        level("donchian_middle", "Middle of the highest high and the lowest low of {period} bars"),
        level("donchian_lower", "Lowest low of {period} bars"),
    ),
    formula=_donchian_channels,
    function=donchian_channels,
)
STANDARD_DEVIATION = IndicatorDefinition(
    name="standard_deviation",
    title="Standard deviation",
    inputs=("close",),
    parameters=(period_of(20),),
    results=(distance("standard_deviation", "Population standard deviation of {period} closes", least=0.0),),
    formula=Line.deviation,
    function=standard_deviation,
)

RECORDS = (
    BOLLINGER_BANDS,
    BOLLINGER_POSITION,
    ATR,
    NATR,
    KELTNER_CHANNELS,
    DONCHIAN_CHANNELS,
    STANDARD_DEVIATION,
)
