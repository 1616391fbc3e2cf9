"""Indicators that weigh prices with the volume traded at them.

Sums of whole volumes are exact up to 2⁵³. An index has no volume: these refuse a series without any.

What does not belong here: anything that reads prices alone.
"""

import numpy as np

from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.lines import Line, State
from jutsu_core.indicators.momentum import typical_price
from jutsu_core.indicators.records import (
    INDEX_UNIT,
    MONEY_UNIT,
    PLAIN_UNIT,
    VOLUME_UNIT,
    IndicatorDefinition,
    ResultDefinition,
    level,
    period_of,
)


def session_vwap(
    highs: FloatArray, lows: FloatArray, closes: FloatArray, volumes: FloatArray, sessions: FloatArray
) -> FloatArray:
    """Return the average typical price of the session so far, weighted by volume.

    Formula:
        typical = (high + low + close) / 3
        VWAP[t] = Σ typical · volume / Σ volume over the bars of the session up to t; typical[t] where none was traded

    A daily bar is all of its session, so of daily bars it is the typical price.

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        closes: As many.
        volumes: As many, 0 or more.
        sessions: As many numbers, equal for the bars of one session, such as its day.

    Returns:
        As many values as ``closes``, in their unit.

    Raises:
        InvalidInputError: A series breaks its contract, the lengths differ, or there is no volume.

    Warm-up:
        None. Where the history begins within a session, that one is averaged from there.

    References:
        Stephen A. Berkowitz, Dennis E. Logue and Eugene A. Noser (1988), The Total Cost of Transactions on the
        NYSE, Journal of Finance 43:1; of bars, each at its typical price, instead of single trades. A session is
        a date on the exchange's clocks, so bars of extended hours count.

    Examples:
        >>> import numpy as np
        >>> closes = np.array([1.0, 5.0, 4.0])
        >>> session_vwap(closes, closes, closes, np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0]))
        array([1., 2., 4.])
    """
    (values,) = SESSION_VWAP.values(highs, lows, closes, volumes, sessions)
    return values


def rolling_vwap(
    highs: FloatArray, lows: FloatArray, closes: FloatArray, volumes: FloatArray, *, period: int = 20
) -> FloatArray:
    """Return the average typical price of the last ``period`` bars, weighted by volume.

    Formula:
        typical = (high + low + close) / 3
        VWAP[t] = Σ typical · volume / Σ volume over ``period`` bars; typical[t] where no volume was traded

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        closes: As many.
        volumes: As many, 0 or more.
        period: Bars in the window, 1 or more.

    Returns:
        As many values as ``closes``, in their unit; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or ``period`` breaks its contract, the lengths differ, or there is no volume.

    Warm-up:
        The first ``period - 1`` bars have no value; exact from then on.

    References:
        Stephen A. Berkowitz, Dennis E. Logue and Eugene A. Noser (1988), The Total Cost of Transactions on the
        NYSE, Journal of Finance 43:1, over a moving window of bars instead of one day's trades.

    Examples:
        >>> import numpy as np
        >>> closes = np.array([1.0, 5.0])
        >>> rolling_vwap(closes, closes, closes, np.array([3.0, 1.0]), period=2)
        array([nan,  2.])
    """
    (values,) = ROLLING_VWAP.values(highs, lows, closes, volumes, period=period)
    return values


def obv(closes: FloatArray, volumes: FloatArray) -> FloatArray:
    """Return Granville's on-balance volume: all volume so far, added on rises and subtracted on falls.

    Formula:
        OBV[0] = volume[0]
        OBV[t] = OBV[t-1] + volume[t] if close[t] > close[t-1], - volume[t] if it is below, else as it was

    Args:
        closes: Finite prices, oldest first.
        volumes: As many, 0 or more.

    Returns:
        As many values as ``closes``, in the unit of volume. Its level depends on where the history begins;
        differences do not.

    Raises:
        InvalidInputError: A series breaks its contract, the lengths differ, or there is no volume.

    Warm-up:
        None.

    References:
        Joseph E. Granville (1963), Granville's New Key to Stock Market Profits; begun with the first volume, as
        TA-Lib does.

    Examples:
        >>> import numpy as np
        >>> obv(np.array([1.0, 2.0, 1.5]), np.array([10.0, 5.0, 3.0]))
        array([10., 15., 12.])
    """
    (values,) = OBV.values(closes, volumes)
    return values


def accumulation_distribution(
    highs: FloatArray, lows: FloatArray, closes: FloatArray, volumes: FloatArray
) -> FloatArray:
    """Return Chaikin's accumulation/distribution line: all volume so far, weighted by where bars closed.

    Formula:
        CLV = ((close - low) - (high - close)) / (high - low), 0 where high is low
        AD[t] = AD[t-1] + CLV[t] · volume[t], AD before the first bar 0

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        closes: As many.
        volumes: As many, 0 or more.

    Returns:
        As many values as ``closes``, in the unit of volume. Its level depends on where the history begins.

    Raises:
        InvalidInputError: A series breaks its contract, the lengths differ, or there is no volume.

    Warm-up:
        None.

    References:
        Marc Chaikin, in Steven B. Achelis (2000), Technical Analysis from A to Z, "Accumulation/Distribution".

    Examples:
        >>> import numpy as np
        >>> one = np.array([1.0])
        >>> accumulation_distribution(one * 3.0, one, one * 2.5, one * 10.0)
        array([5.])
    """
    (values,) = ACCUMULATION_DISTRIBUTION.values(highs, lows, closes, volumes)
    return values


def chaikin_oscillator(
    highs: FloatArray, lows: FloatArray, closes: FloatArray, volumes: FloatArray, *, fast: int = 3, slow: int = 10
) -> FloatArray:
    """Return the distance of a fast from a slow exponential average of the accumulation/distribution line.

    Formula:
        CO = EMA(fast) of AD - EMA(slow) of AD, each started by a simple mean of its period

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        closes: As many.
        volumes: As many, 0 or more.
        fast: Period of the fast average, 1 or more.
        slow: Period of the slow average, above ``fast``.

    Returns:
        As many values as ``closes``, in the unit of volume; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or a period breaks its contract, the lengths differ, or there is no volume.

    Warm-up:
        The first ``slow - 1`` bars have no value. TA-Lib starts both averages with the first value of AD; the
        difference keeps the weight (1 - 2 / (slow + 1))^k after k more bars: 1.8 % at slow 10 and k = 20.

    References:
        Marc Chaikin, in Steven B. Achelis (2000), Technical Analysis from A to Z, "Chaikin Oscillator".

    Examples:
        >>> import numpy as np
        >>> one = np.array([1.0, 1.0])
        >>> chaikin_oscillator(one * 3.0, one, one * 2.5, one * 10.0, fast=1, slow=2)
        array([nan, 2.5])
    """
    (values,) = CHAIKIN_OSCILLATOR.values(highs, lows, closes, volumes, fast=fast, slow=slow)
    return values


def chaikin_money_flow(
    highs: FloatArray, lows: FloatArray, closes: FloatArray, volumes: FloatArray, *, period: int = 20
) -> FloatArray:
    """Return Chaikin's money flow: the share of the last ``period`` bars' volume that was accumulated.

    Formula:
        CMF[t] = Σ CLV · volume / Σ volume over ``period`` bars, 0 where no volume was traded
        CLV: as in ``accumulation_distribution``

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        closes: As many.
        volumes: As many, 0 or more.
        period: Bars in the window, 1 or more.

    Returns:
        As many values as ``closes``, from -1 to 1; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or ``period`` breaks its contract, the lengths differ, or there is no volume.

    Warm-up:
        The first ``period - 1`` bars have no value; exact from then on.

    References:
        Marc Chaikin, in Steven B. Achelis (2000), Technical Analysis from A to Z, "Chaikin Money Flow".

    Examples:
        >>> import numpy as np
        >>> one = np.array([1.0, 1.0])
        >>> chaikin_money_flow(one * 3.0, one, one * 2.5, one * 10.0, period=2)
        array([nan, 0.5])
    """
    (values,) = CHAIKIN_MONEY_FLOW.values(highs, lows, closes, volumes, period=period)
    return values


def mfi(
    highs: FloatArray, lows: FloatArray, closes: FloatArray, volumes: FloatArray, *, period: int = 14
) -> FloatArray:
    """Return the money flow index: an RSI of typical prices that counts each bar by the money that moved.

    Formula:
        typical = (high + low + close) / 3; flow = typical · volume
        P: Σ of flows over ``period`` bars whose typical price rose; N: of those whose fell
        MFI = 100 · P / (P + N), 50 where both are 0

    Args:
        highs: Prices above 0, oldest first.
        lows: As many.
        closes: As many.
        volumes: As many, 0 or more.
        period: Changes summed, 1 or more.

    Returns:
        As many values as ``closes``, from 0 to 100; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or ``period`` breaks its contract, the lengths differ, or there is no volume.

    Warm-up:
        The first ``period`` bars have no value; exact from then on.

    References:
        Gene Quong and Avrum Soudack (1989), Volume-Weighted RSI: Money Flow, Stocks & Commodities 7:3. Equal typical
        prices are neither rise nor fall; TA-Lib, which compares floats, may count them as either.

    Examples:
        >>> import numpy as np
        >>> closes = np.array([1.0, 3.0, 1.0])
        >>> mfi(closes, closes, closes, np.array([1.0, 1.0, 1.0]), period=2)
        array([nan, nan, 75.])
    """
    (values,) = MFI.values(highs, lows, closes, volumes, period=period)
    return values


def force_index(closes: FloatArray, volumes: FloatArray, *, period: int = 13) -> FloatArray:
    """Return Elder's force index: the change of the close times the volume behind it, smoothed.

    Formula:
        raw[t] = (close[t] - close[t-1]) · volume[t]
        FI = EMA of raw over ``period`` bars

    Args:
        closes: Finite prices, oldest first.
        volumes: As many, 0 or more.
        period: Period of the average, 1 or more; 1 is the raw index.

    Returns:
        As many values as ``closes``, in the unit of prices times that of volume; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or ``period`` breaks its contract, the lengths differ, or there is no volume.

    Warm-up:
        The first ``period`` bars have no value. The start fades as that of ``ema`` does.

    References:
        Alexander Elder (1993), Trading for a Living, ch. 8.

    Examples:
        >>> import numpy as np
        >>> force_index(np.array([1.0, 3.0]), np.array([5.0, 10.0]), period=1)
        array([nan, 20.])
    """
    (values,) = FORCE_INDEX.values(closes, volumes, period=period)
    return values


def _rolling_vwap(high: Line, low: Line, close: Line, volume: Line, period: int) -> Line:
    return typical_price(high, low, close).mean_by(volume, period)


def _session_vwap(high: Line, low: Line, close: Line, volume: Line, session: Line) -> Line:
    # Prices are measured from the session's first, so that equal ones give exactly that price.
    def begin(price: float, traded: float, session: float) -> State:
        return (price, price, 0.0, traded, session)

    def step(state: State, price: float, traded: float, session: float) -> State:
        _, first, moved, total, session_before = state
        if session != session_before:
            return begin(price, traded, session)
        moved, total = moved + (price - first) * traded, total + traded
        return (first + moved / total if total else price, first, moved, total, session)

    (line,) = typical_price(high, low, close).scan(begin, step, volume, session)
    return line


def _obv(close: Line, volume: Line) -> Line:
    def begin(last: float, traded: float) -> State:
        return (traded, last)

    def step(state: State, last: float, traded: float) -> State:
        total, before = state
        return (total + traded if last > before else total - traded if last < before else total, last)

    (line,) = close.scan(begin, step, volume, kernel=_obv_of_arrays)
    return line


def _obv_of_arrays(closes: FloatArray, volumes: FloatArray) -> tuple[FloatArray, ...]:
    signed = volumes.copy()
    signed[1:] *= np.sign(np.diff(closes))
    return (np.cumsum(signed),)


def _accumulated(high: Line, low: Line, close: Line, volume: Line) -> Line:
    place = ((close - low) - (high - close)).over(high - low, 0.0).within(-1.0, 1.0)
    return place * volume


def _accumulation_distribution(high: Line, low: Line, close: Line, volume: Line) -> Line:
    return _accumulated(high, low, close, volume).cumulative()


def _chaikin_oscillator(high: Line, low: Line, close: Line, volume: Line, fast: int, slow: int) -> Line:
    line = _accumulation_distribution(high, low, close, volume)
    return line.exponential(fast) - line.exponential(slow)


def _chaikin_money_flow(high: Line, low: Line, close: Line, volume: Line, period: int) -> Line:
    flow = _accumulated(high, low, close, volume).total(period)
    return flow.over(volume.total(period), 0.0).within(-1.0, 1.0)


def _mfi(high: Line, low: Line, close: Line, volume: Line, period: int) -> Line:
    typical = typical_price(high, low, close)
    flow, before = typical * volume, typical.lag(1)
    # Equal sums of three prices are equal, though their floats may differ.
    noise = typical.rounding(before) * 2.0
    rising = typical.choose(before + noise, flow, 0.0).total(period)
    falling = before.choose(typical + noise, flow, 0.0).total(period)
    return (rising.over(rising + falling, 0.5) * 100.0).within(0.0, 100.0)


def _force_index(close: Line, volume: Line, period: int) -> Line:
    return (close.change() * volume).exponential(period)


SESSION_VWAP = IndicatorDefinition(
    name="session_vwap",
    title="Volume-weighted average price of the session",
    inputs=("high", "low", "close", "volume", "session"),
    parameters=(),
    results=(level("session_vwap", "Average typical price of the session so far, weighted by volume"),),
    formula=_session_vwap,
    function=session_vwap,
)
ROLLING_VWAP = IndicatorDefinition(
    name="rolling_vwap",
    title="Volume-weighted average price, rolling",
    inputs=("high", "low", "close", "volume"),
    parameters=(period_of(20),),
    results=(level("rolling_vwap", "Average typical price of {period} bars, weighted by volume"),),
    formula=_rolling_vwap,
    function=rolling_vwap,
)
OBV = IndicatorDefinition(
    name="obv",
    title="On-balance volume",
    inputs=("close", "volume"),
    parameters=(),
    results=(
        ResultDefinition(
            name="obv",
            description="Granville's on-balance volume since the first stored bar",
            unit=VOLUME_UNIT,
            when_prices_move="stays",
        ),
    ),
    formula=_obv,
    function=obv,
)
ACCUMULATION_DISTRIBUTION = IndicatorDefinition(
    name="accumulation_distribution",
    title="Accumulation/distribution line",
    inputs=("high", "low", "close", "volume"),
    parameters=(),
    results=(
        ResultDefinition(
            name="accumulation_distribution",
            description="Chaikin's accumulation/distribution since the first stored bar",
            unit=VOLUME_UNIT,
            when_prices_move="stays",
        ),
    ),
    formula=_accumulation_distribution,
    function=accumulation_distribution,
)
CHAIKIN_OSCILLATOR = IndicatorDefinition(
    name="chaikin_oscillator",
    title="Chaikin oscillator",
    inputs=("high", "low", "close", "volume"),
    parameters=(period_of(3, "fast"), period_of(10, "slow", above="fast")),
    results=(
        ResultDefinition(
            name="chaikin_oscillator",
            description="EMA {fast} less EMA {slow} of the accumulation/distribution line",
            unit=VOLUME_UNIT,
            when_prices_move="stays",
        ),
    ),
    formula=_chaikin_oscillator,
    function=chaikin_oscillator,
)
CHAIKIN_MONEY_FLOW = IndicatorDefinition(
    name="chaikin_money_flow",
    title="Chaikin money flow",
    inputs=("high", "low", "close", "volume"),
    parameters=(period_of(20),),
    results=(
        ResultDefinition(
            name="chaikin_money_flow",
            description="Share of the volume of {period} bars that was accumulated, -1 to 1",
            unit=PLAIN_UNIT,
            least=-1.0,
            most=1.0,
            when_prices_move="stays",
        ),
    ),
    formula=_chaikin_money_flow,
    function=chaikin_money_flow,
)
MFI = IndicatorDefinition(
    name="mfi",
    title="Money flow index",
    inputs=("high", "low", "close", "volume"),
    parameters=(period_of(14),),
    results=(
        ResultDefinition(
            name="mfi", description="Money flow index over {period} changes", unit=INDEX_UNIT, least=0.0, most=100.0
        ),
    ),
    formula=_mfi,
    function=mfi,
    needs_positive_prices=True,
    revision=2,
)

FORCE_INDEX = IndicatorDefinition(
    name="force_index",
    title="Force index",
    inputs=("close", "volume"),
    parameters=(period_of(13),),
    results=(
        ResultDefinition(
            name="force_index",
            description="EMA {period} of the change of the close times volume",
            unit=MONEY_UNIT,
            when_prices_move="stays",
        ),
    ),
    formula=_force_index,
    function=force_index,
)

RECORDS = (
    SESSION_VWAP,
    ROLLING_VWAP,
    OBV,
    ACCUMULATION_DISTRIBUTION,
    CHAIKIN_OSCILLATOR,
    CHAIKIN_MONEY_FLOW,
    MFI,
    FORCE_INDEX,
)
