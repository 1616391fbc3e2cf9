"""Indicators of speed: how the recent gains compare with the recent losses.

What does not belong here: averages of prices (``trend``), the width of moves (``volatility``).
"""

from typing import NamedTuple

from jutsu_core.indicators.composites import rsi_composite
from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.lines import ROUNDING, Line
from jutsu_core.indicators.records import (
    PERCENT_UNIT,
    PLAIN_UNIT,
    IndicatorDefinition,
    ResultDefinition,
    distance,
    index,
    period_of,
)


class Stochastic(NamedTuple):
    """%K and its average %D, each as long as the closes."""

    k: FloatArray
    d: FloatArray


def rsi(closes: FloatArray, *, period: int = 14) -> FloatArray:
    """Return Wilder's relative strength index.

    Formula:
        gain[t] = max(close[t] - close[t-1], 0); loss[t] = max(close[t-1] - close[t], 0)
        G[period] = mean of gain[1 … period]; G[t] = (G[t-1] · (period - 1) + gain[t]) / period
        L likewise from loss
        RSI[t] = 100 · G[t] / (G[t] + L[t]), and 50 where both are 0

    Both are 0 exactly as long as the price has never changed. After a change, a price that
    stands still leaves the RSI where it was (until, some 9,000 still bars later at period 14,
    the averages leave the range of float64 and count as 0).

    Args:
        closes: Finite prices, oldest first.
        period: Changes averaged, 1 or more.

    Returns:
        As many values as ``closes``, from 0 (only losses) to 100 (only gains); NaN until the
        warm-up is over.

    Raises:
        InvalidInputError: ``closes`` or ``period`` breaks its contract, or TA-Lib's
            process-wide settings were changed.

    Warm-up:
        The first ``period`` bars have no value. In each average the start keeps the weight
        (1 - 1 / period)^k after k more bars: 2.5 % at period 14 and k = 50.

    References:
        J. Welles Wilder (1978), New Concepts in Technical Trading Systems, section VI.

    Examples:
        >>> import numpy as np
        >>> rsi(np.array([10.0, 11.0, 10.0, 12.0]), period=2)
        array([        nan,         nan, 50.        , 83.33333333])
    """
    (values,) = RSI.values(closes, period=period)
    return values


def stochastic_fast(
    highs: FloatArray, lows: FloatArray, closes: FloatArray, *, period: int = 14, signal: int = 3
) -> Stochastic:
    """Return Lane's fast stochastic: where the close stands between the extremes of the last ``period`` bars.

    Formula:
        %K[t] = 100 · (close[t] - lowest low) / (highest high - lowest low), 50 where the two are equal
        %D = simple average of ``signal`` %K

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        closes: As many.
        period: Bars in the window, 1 or more.
        signal: Values averaged for %D, 1 or more.

    Returns:
        Two lines from 0 to 100 as long as ``closes``; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or a period breaks its contract, or the lengths differ.

    Warm-up:
        The first ``period + signal - 2`` bars have no value; exact from then on.

    References:
        George C. Lane (1984), Lane's Stochastics, Stocks & Commodities 2:3. A range of 0 is 50 here, as an
        RSI without changes is; TA-Lib says 0.

    Examples:
        >>> import numpy as np
        >>> highs = np.array([2.0, 3.0])
        >>> stochastic_fast(highs, highs - 1.0, highs - 0.5, period=2, signal=1).k
        array([nan, 75.])
    """
    return Stochastic(*STOCHASTIC_FAST.values(highs, lows, closes, period=period, signal=signal))


def stochastic(
    highs: FloatArray, lows: FloatArray, closes: FloatArray, *, period: int = 14, smoothing: int = 3, signal: int = 3
) -> Stochastic:
    """Return Lane's slow stochastic: the fast one, whose %K is averaged first.

    Formula:
        raw[t] = 100 · (close[t] - lowest low) / (highest high - lowest low), 50 where the two are equal
        %K = simple average of ``smoothing`` raw values; %D = simple average of ``signal`` %K

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        closes: As many.
        period: Bars in the window, 1 or more.
        smoothing: Values averaged for %K, 1 or more.
        signal: Values averaged for %D, 1 or more.

    Returns:
        Two lines from 0 to 100 as long as ``closes``; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or a period breaks its contract, or the lengths differ.

    Warm-up:
        The first ``period + smoothing + signal - 3`` bars have no value; exact from then on.

    References:
        George C. Lane (1984), Lane's Stochastics, Stocks & Commodities 2:3.

    Examples:
        >>> import numpy as np
        >>> highs = np.array([2.0, 3.0])
        >>> stochastic(highs, highs - 1.0, highs - 0.5, period=1, smoothing=2, signal=1).k
        array([nan, 50.])
    """
    chosen = {"period": period, "smoothing": smoothing, "signal": signal}
    return Stochastic(*STOCHASTIC.values(highs, lows, closes, **chosen))


def stochastic_rsi(
    closes: FloatArray, *, period: int = 14, window: int = 14, smoothing: int = 3, signal: int = 3
) -> Stochastic:
    """Return where Wilder's RSI stands between its own extremes of the last ``window`` bars.

    Formula:
        raw[t] = 100 · (RSI[t] - lowest RSI) / (highest RSI - lowest RSI), 50 where the two are equal (to 10⁻¹³ a bar)
        %K = simple average of ``smoothing`` raw values; %D = simple average of ``signal`` %K

    Args:
        closes: Finite prices, oldest first.
        period: Changes averaged in the RSI, 1 or more.
        window: RSIs compared, 1 or more.
        smoothing: Values averaged for %K, 1 or more; Chande and Kroll's own is 1.
        signal: Values averaged for %D, 1 or more.

    Returns:
        Two lines from 0 to 100 as long as ``closes``; NaN until the warm-up is over.

    Raises:
        InvalidInputError: ``closes`` or a period breaks its contract.

    Warm-up:
        The first ``period + window + smoothing + signal - 3`` bars have no value. The RSI's start fades.

    References:
        Tushar Chande and Stanley Kroll (1994), The New Technical Trader, ch. 6, who show it from 0 to 1; TA-Lib's
        STOCHRSI smooths nothing but %D.

    Examples:
        >>> import numpy as np
        >>> closes = np.array([1.0, 2.0, 1.0, 3.0])
        >>> stochastic_rsi(closes, period=1, window=2, smoothing=1, signal=1).k
        array([ nan,  nan,   0., 100.])
    """
    chosen = {"period": period, "window": window, "smoothing": smoothing, "signal": signal}
    return Stochastic(*STOCHASTIC_RSI.values(closes, **chosen))


def williams_r(highs: FloatArray, lows: FloatArray, closes: FloatArray, *, period: int = 14) -> FloatArray:
    """Return Williams' %R: how far the close stands below the highest high of the last ``period`` bars.

    Formula:
        %R[t] = -100 · (highest high - close[t]) / (highest high - lowest low), -50 where the two are equal

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        closes: As many.
        period: Bars in the window, 1 or more.

    Returns:
        As many values as ``closes``, from -100 to 0; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or ``period`` breaks its contract, or the lengths differ.

    Warm-up:
        The first ``period - 1`` bars have no value; exact from then on.

    References:
        Larry Williams (1973), How I Made One Million Dollars Last Year Trading Commodities.

    Examples:
        >>> import numpy as np
        >>> highs = np.array([2.0, 3.0])
        >>> williams_r(highs, highs - 1.0, highs - 0.5, period=2)
        array([ nan, -25.])
    """
    (values,) = WILLIAMS_R.values(highs, lows, closes, period=period)
    return values


def cci(highs: FloatArray, lows: FloatArray, closes: FloatArray, *, period: int = 20) -> FloatArray:
    """Return Lambert's commodity channel index.

    Formula:
        typical = (high + low + close) / 3; mean = simple average of ``period`` typical prices
        D[t] = (|typical[t-period+1] - mean[t]| + … + |typical[t] - mean[t]|) / period
        CCI[t] = (typical[t] - mean[t]) / (0.015 · D[t]), 0 where D is 0

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        closes: As many.
        period: Bars in the window, 1 or more.

    Returns:
        As many values as ``closes``; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or ``period`` breaks its contract, or the lengths differ.

    Warm-up:
        The first ``period - 1`` bars have no value; exact from then on.

    References:
        Donald R. Lambert (1980), Commodity Channel Index, Commodities 9:10.

    Examples:
        >>> import numpy as np
        >>> cci(*[np.array([1.0, 2.0, 6.0])] * 3, period=3).round(4)
        array([ nan,  nan, 100.])
    """
    (values,) = CCI.values(highs, lows, closes, period=period)
    return values


def roc(closes: FloatArray, *, period: int = 10) -> FloatArray:
    """Return the rate of change: the rise over the last ``period`` bars in percent.

    Formula:
        ROC[t] = 100 · (close[t] - close[t-period]) / close[t-period]

    Args:
        closes: Prices above 0, oldest first.
        period: Bars looked back, 1 or more.

    Returns:
        As many values as ``closes``, in percent; NaN until the warm-up is over.

    Raises:
        InvalidInputError: ``closes`` or ``period`` breaks its contract.

    Warm-up:
        The first ``period`` bars have no value; exact from then on.

    References:
        John J. Murphy (1999), Technical Analysis of the Financial Markets, ch. 10; in percent of change, where
        he divides the prices.

    Examples:
        >>> import numpy as np
        >>> roc(np.array([2.0, 3.0]), period=1)
        array([nan, 50.])
    """
    (values,) = ROC.values(closes, period=period)
    return values


def momentum(closes: FloatArray, *, period: int = 10) -> FloatArray:
    """Return the rise of the close over the last ``period`` bars.

    Formula:
        MOM[t] = close[t] - close[t-period]

    Args:
        closes: Finite prices, oldest first.
        period: Bars looked back, 1 or more.

    Returns:
        As many values as ``closes``, in their unit; NaN until the warm-up is over.

    Raises:
        InvalidInputError: ``closes`` or ``period`` breaks its contract.

    Warm-up:
        The first ``period`` bars have no value; exact from then on.

    References:
        John J. Murphy (1999), Technical Analysis of the Financial Markets, ch. 10.

    Examples:
        >>> import numpy as np
        >>> momentum(np.array([2.0, 3.0]), period=1)
        array([nan,  1.])
    """
    (values,) = MOMENTUM.values(closes, period=period)
    return values


def _rsi(close: Line, period: int) -> Line:
    begin, step, kernel = rsi_composite(period)
    (line,) = close.scan(begin, step, warm_up=period, kernel=kernel)
    return line


def typical_price(high: Line, low: Line, close: Line) -> Line:
    """Return the mean of high, low and close, measured from the close: equal prices give exactly that price."""
    return close + ((high - close) + (low - close)) / 3.0


def _place(line: Line, highest: Line, lowest: Line, middle: float) -> Line:
    """Return where a line stands between two others, 0 to 100."""
    return ((line - lowest).over(highest - lowest, middle) * 100.0).within(0.0, 100.0)


def _averaged(raw: Line, smoothing: int, signal: int) -> tuple[Line, ...]:
    line = raw.mean(smoothing).within(0.0, 100.0)
    return line, line.mean(signal).within(0.0, 100.0)


def _stochastic_fast(high: Line, low: Line, close: Line, period: int, signal: int) -> tuple[Line, ...]:
    return _stochastic(high, low, close, period, 1, signal)


def _stochastic(high: Line, low: Line, close: Line, period: int, smoothing: int, signal: int) -> tuple[Line, ...]:
    return _averaged(_place(close, high.highest(period), low.lowest(period), 0.5), smoothing, signal)


def _stochastic_rsi(close: Line, period: int, window: int, smoothing: int, signal: int) -> tuple[Line, ...]:
    line = _rsi(close, period)
    lowest = line.lowest(window)
    # While a price stands still its RSI does, but for a rounding with every bar of the window.
    width = (line.highest(window) - lowest).beyond(400.0 * ROUNDING * window)
    place = ((line - lowest).over(width, 0.5) * 100.0).within(0.0, 100.0)
    return _averaged(place, smoothing, signal)


def _williams_r(high: Line, low: Line, close: Line, period: int) -> Line:
    highest = high.highest(period)
    below = (highest - close).over(highest - low.lowest(period), 0.5)
    return (below * -100.0).within(-100.0, 0.0)


def _cci(high: Line, low: Line, close: Line, period: int) -> Line:
    typical = typical_price(high, low, close)
    mean = typical.mean(period)
    spread = typical.distances(mean, period, squared=False) / float(period)
    # Equal sums of three prices do not vary, though their floats may.
    noise = typical.magnitude().highest(period) * (4.0 * ROUNDING)
    return (typical - mean).over(spread.beyond(noise) * 0.015, 0.0)


def _roc(close: Line, period: int) -> Line:
    return close.change(period).over(close.lag(period), 0.0) * 100.0


RSI = IndicatorDefinition(
    name="rsi",
    title="Relative strength index",
    inputs=("close",),
    parameters=(period_of(14),),
    results=(index("rsi", "Wilder's relative strength index over {period} changes; 50 before any change"),),
    formula=_rsi,
    function=rsi,
    revision=3,
)

STOCHASTIC_FAST = IndicatorDefinition(
    name="stochastic_fast",
    title="Stochastic, fast",
    inputs=("high", "low", "close"),
    parameters=(period_of(14), period_of(3, "signal")),
    results=(
        index("stochastic_fast_k", "Fast %K: place of the close in the range of {period} bars"),
        index("stochastic_fast_d", "Fast %D: simple average of {signal} fast %K"),
    ),
    formula=_stochastic_fast,
    function=stochastic_fast,
)
STOCHASTIC = IndicatorDefinition(
    name="stochastic",
    title="Stochastic, slow",
    inputs=("high", "low", "close"),
    parameters=(period_of(14), period_of(3, "smoothing"), period_of(3, "signal")),
    results=(
        index("stochastic_k", "Slow %K: place of the close in the range of {period} bars, averaged over {smoothing}"),
        index("stochastic_d", "Slow %D: simple average of {signal} slow %K"),
    ),
    formula=_stochastic,
    function=stochastic,
)
STOCHASTIC_RSI = IndicatorDefinition(
    name="stochastic_rsi",
    title="Stochastic RSI",
    inputs=("close",),
    parameters=(period_of(14), period_of(14, "window"), period_of(3, "smoothing"), period_of(3, "signal")),
    results=(
        index("stochastic_rsi_k", "Place of RSI {period} in its range of {window} bars, averaged over {smoothing}"),
        index("stochastic_rsi_d", "Simple average of {signal} stochastic RSI %K"),
    ),
    formula=_stochastic_rsi,
    function=stochastic_rsi,
    revision=3,
)
WILLIAMS_R = IndicatorDefinition(
    name="williams_r",
    title="Williams %R",
    inputs=("high", "low", "close"),
    parameters=(period_of(14),),
    results=(index("williams_r", "Williams' %R over {period} bars", least=-100.0, most=0.0),),
    formula=_williams_r,
    function=williams_r,
)
CCI = IndicatorDefinition(
    name="cci",
    title="Commodity channel index",
    inputs=("high", "low", "close"),
    parameters=(period_of(20),),
    results=(
        ResultDefinition(
            name="cci",
            description="Lambert's commodity channel index over {period} bars",
            unit=PLAIN_UNIT,
            when_prices_move="stays",
        ),
    ),
    formula=_cci,
    function=cci,
    revision=2,
)
ROC = IndicatorDefinition(
    name="roc",
    title="Rate of change",
    inputs=("close",),
    parameters=(period_of(10),),
    results=(
        ResultDefinition(name="roc", description="Rise of the close over {period} bars in percent", unit=PERCENT_UNIT),
    ),
    formula=_roc,
    function=roc,
    needs_positive_prices=True,
)
MOMENTUM = IndicatorDefinition(
    name="momentum",
    title="Momentum",
    inputs=("close",),
    parameters=(period_of(10),),
    results=(distance("momentum", "Rise of the close over {period} bars"),),
    formula=Line.change,
    function=momentum,
)

RECORDS = (RSI, STOCHASTIC_FAST, STOCHASTIC, STOCHASTIC_RSI, WILLIAMS_R, CCI, ROC, MOMENTUM)
