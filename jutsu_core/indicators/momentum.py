"""Indicators of speed: how the recent gains compare with the recent losses.

What does not belong here: averages of prices (``trend``), the width of moves (``volatility``).
"""

from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.lines import Line
from jutsu_core.indicators.records import IndicatorDefinition, index, period_of

NEUTRAL_RSI = 50.0
"""The RSI of a price that has never changed: no gain, no loss, and so no direction."""


def rsi(closes: FloatArray, *, period: int = 14) -> FloatArray:
    """Return Wilder's relative strength index.

    Formula:
        gain[t] = max(close[t] - close[t-1], 0); loss[t] = max(close[t-1] - close[t], 0)
        G[period] = mean of gain[1 … period]; G[t] = (G[t-1] · (period - 1) + gain[t]) / period
        L likewise from loss
        RSI[t] = 100 · G[t] / (G[t] + L[t]), and 50 where both are 0

    Both are 0 exactly as long as the price has never changed. After a change, a price that
    stands still leaves the RSI where it was (until, some ten thousand still bars later at
    period 14, the averages leave the range of float64).

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


def _rsi(close: Line, period: int) -> Line:
    change = close.change()
    gain = change.larger(0.0).wilder(period)
    loss = (change * -1.0).larger(0.0).wilder(period)
    # Dividing first keeps "only gains" at exactly 100.
    return gain.over(gain + loss, NEUTRAL_RSI / 100.0) * 100.0


RSI = IndicatorDefinition(
    name="rsi",
    title="Relative strength index",
    inputs=("close",),
    parameters=(period_of(14),),
    results=(index("rsi", "Wilder's relative strength index over {period} changes; 50 before any change"),),
    formula=_rsi,
    function=rsi,
)

RECORDS = (RSI,)
