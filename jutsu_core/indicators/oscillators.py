"""Oscillators made of averages and sums of several lengths.

What does not belong here: comparisons with one window's extremes (``momentum``).
"""

from typing import NamedTuple

from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.lines import FADED, Line
from jutsu_core.indicators.records import (
    PERCENT_UNIT,
    IndicatorDefinition,
    ResultDefinition,
    index,
    period_of,
)


class PpoSeries(NamedTuple):
    """The two lines of PPO, each as long as the closes."""

    ppo: FloatArray
    signal: FloatArray


class TsiSeries(NamedTuple):
    """The two lines of TSI, each as long as the closes."""

    tsi: FloatArray
    signal: FloatArray


def ppo(closes: FloatArray, *, fast: int = 12, slow: int = 26, signal: int = 9) -> PpoSeries:
    """Return the percentage price oscillator: MACD in percent of the slow average.

    Formula:
        ppo[t] = 100 · (EMA(fast)[t] - EMA(slow)[t]) / EMA(slow)[t]; the averages start together, as those of macd
        signal = EMA of ppo over ``signal`` bars

    Args:
        closes: Prices above 0, oldest first.
        fast: Period of the fast average, 2 or more.
        slow: Period of the slow average, above ``fast``.
        signal: Period of the signal line, 1 or more.

    Returns:
        Two lines in percent as long as ``closes``; NaN until the warm-up is over. Their difference is the histogram.

    Raises:
        InvalidInputError: ``closes`` or a period breaks its contract.

    Warm-up:
        The first ``slow + signal - 2`` bars have no value. The starts fade as those of ``macd`` do.

    References:
        Gerald Appel (2005), Technical Analysis: Power Tools for Active Investors, ch. 8, in percent as
        StockCharts defines it. TA-Lib's PPO has simple averages unless told otherwise.

    Examples:
        >>> import numpy as np
        >>> ppo(np.array([1.0, 2.0, 4.0, 8.0]), fast=2, slow=3, signal=1).ppo.round(2)
        array([  nan,   nan, 28.57, 22.58])
    """
    return PpoSeries(*PPO.values(closes, fast=fast, slow=slow, signal=signal))


def trix(closes: FloatArray, *, period: int = 15) -> FloatArray:
    """Return Hutson's TRIX: the rise of a triple smoothed average from bar to bar, in percent.

    Formula:
        e = EMA of EMA of EMA of the closes, each started by a simple mean of ``period`` values
        TRIX[t] = 100 · (e[t] - e[t-1]) / e[t-1]

    Args:
        closes: Prices above 0, oldest first.
        period: Period of each average, 1 or more.

    Returns:
        As many values as ``closes``, in percent; NaN until the warm-up is over.

    Raises:
        InvalidInputError: ``closes`` or ``period`` breaks its contract.

    Warm-up:
        The first ``3 · period - 2`` bars have no value. The starts fade as those of ``ema`` do.

    References:
        Jack K. Hutson (1983), Good TRIX, Stocks & Commodities 1:5; of prices, as charts draw it, not of logarithms.

    Examples:
        >>> import numpy as np
        >>> trix(np.array([2.0, 3.0]), period=1)
        array([nan, 50.])
    """
    (values,) = TRIX.values(closes, period=period)
    return values


def ultimate_oscillator(
    highs: FloatArray, lows: FloatArray, closes: FloatArray, *, short: int = 7, middle: int = 14, long: int = 28
) -> FloatArray:
    """Return Williams' ultimate oscillator: buying pressure over three spans.

    Formula:
        BP[t] = close[t] - min(low[t], close[t-1]); TR: Wilder's true range
        A(n) = Σ BP / Σ TR over n bars, 0.5 where Σ TR is 0
        UO = 100 · (4 · A(short) + 2 · A(middle) + A(long)) / 7

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        closes: As many.
        short: Bars of the first span, 1 or more.
        middle: Bars of the second span, 1 or more.
        long: Bars of the third span, 1 or more.

    Returns:
        As many values as ``closes``, from 0 to 100; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or a period breaks its contract, or the lengths differ.

    Warm-up:
        The first ``max(short, middle, long)`` bars have no value; exact from then on.

    References:
        Larry Williams (1985), The Ultimate Oscillator, Stocks & Commodities 3:4.

    Examples:
        >>> import numpy as np
        >>> highs = np.array([2.0, 3.0])
        >>> ultimate_oscillator(highs, highs - 1.0, highs - 0.25, short=1, middle=1, long=1)
        array([nan, 80.])
    """
    (values,) = ULTIMATE_OSCILLATOR.values(highs, lows, closes, short=short, middle=middle, long=long)
    return values


def tsi(closes: FloatArray, *, slow: int = 25, fast: int = 13, signal: int = 7) -> TsiSeries:
    """Return Blau's true strength index: doubly smoothed changes over their doubly smoothed sizes.

    Formula:
        m[t] = close[t] - close[t-1]
        TSI = 100 · EMA(fast) of EMA(slow) of m / EMA(fast) of EMA(slow) of |m|, 0 where the latter is 0
        signal = EMA of TSI over ``signal`` bars

    Args:
        closes: Finite prices, oldest first.
        slow: Period of the first smoothing, 1 or more.
        fast: Period of the second smoothing, 1 or more.
        signal: Period of the signal line, 1 or more.

    Returns:
        Two lines from -100 to 100 as long as ``closes``; NaN until the warm-up is over. A price that stands still
        leaves the TSI where it was, until after some 8,300 such bars at slow 25 the averages leave the range of
        float64 and count as 0.

    Raises:
        InvalidInputError: ``closes`` or a period breaks its contract.

    Warm-up:
        The first ``slow + fast + signal - 2`` bars have no value. The starts fade as those of ``ema`` do.

    References:
        William Blau (1991), True Strength Index, Stocks & Commodities 9:11.

    Examples:
        >>> import numpy as np
        >>> tsi(np.array([1.0, 2.0, 4.0]), slow=1, fast=1, signal=1).tsi
        array([ nan, 100., 100.])
    """
    return TsiSeries(*TSI.values(closes, slow=slow, fast=fast, signal=signal))


def _ppo(close: Line, fast: int, slow: int, signal: int) -> tuple[Line, ...]:
    average = close.exponential(slow)
    line = (close.skip(slow - fast).exponential(fast) - average).over(average, 0.0) * 100.0
    return line, line.exponential(signal)


def _trix(close: Line, period: int) -> Line:
    average = close.exponential(period).exponential(period).exponential(period)
    return average.change().over(average.lag(1), 0.0) * 100.0


def _ultimate_oscillator(high: Line, low: Line, close: Line, short: int, middle: int, long: int) -> Line:
    before = close.lag(1)
    bottom, top = low.smaller(before), high.larger(before)
    pressure, ranges = close - bottom, top - bottom
    parts = [pressure.total(period).over(ranges.total(period), 0.5) for period in (short, middle, long)]
    return ((parts[0] * 4.0 + parts[1] * 2.0 + parts[2]) * 100.0 / 7.0).within(0.0, 100.0)


def _tsi(close: Line, slow: int, fast: int, signal: int) -> tuple[Line, ...]:
    change = close.change()
    moved, size = (line.exponential(slow).exponential(fast) for line in (change, change.magnitude()))
    line = (moved.over(size.beyond(FADED), 0.0) * 100.0).within(-100.0, 100.0)
    return line, line.exponential(signal).within(-100.0, 100.0)


PPO = IndicatorDefinition(
    name="ppo",
    title="Percentage price oscillator",
    inputs=("close",),
    parameters=(
        period_of(12, "fast", minimum=2),
        period_of(26, "slow", minimum=2, above="fast"),
        period_of(9, "signal"),
    ),
    results=(
        ResultDefinition(
            name="ppo", description="EMA {fast} less EMA {slow} of the closes in percent of it", unit=PERCENT_UNIT
        ),
        ResultDefinition(name="ppo_signal", description="EMA {signal} of ppo {fast}/{slow}", unit=PERCENT_UNIT),
    ),
    formula=_ppo,
    function=ppo,
    needs_positive_prices=True,
)
TRIX = IndicatorDefinition(
    name="trix",
    title="TRIX",
    inputs=("close",),
    parameters=(period_of(15),),
    results=(
        ResultDefinition(
            name="trix", description="Rise of the triple EMA {period} from bar to bar in percent", unit=PERCENT_UNIT
        ),
    ),
    formula=_trix,
    function=trix,
    needs_positive_prices=True,
)
ULTIMATE_OSCILLATOR = IndicatorDefinition(
    name="ultimate_oscillator",
    title="Ultimate oscillator",
    inputs=("high", "low", "close"),
    parameters=(period_of(7, "short"), period_of(14, "middle"), period_of(28, "long")),
    results=(index("ultimate_oscillator", "Williams' ultimate oscillator over {short}, {middle} and {long} bars"),),
    formula=_ultimate_oscillator,
    function=ultimate_oscillator,
)
TSI = IndicatorDefinition(
    name="tsi",
    title="True strength index",
    inputs=("close",),
    parameters=(period_of(25, "slow"), period_of(13, "fast"), period_of(7, "signal")),
    results=(
        index("tsi", "Blau's true strength index, smoothed over {slow} and {fast}", least=-100.0),
        index("tsi_signal", "EMA {signal} of tsi {slow}/{fast}", least=-100.0),
    ),
    formula=_tsi,
    function=tsi,
    revision=2,
)

RECORDS = (PPO, TRIX, ULTIMATE_OSCILLATOR, TSI)
