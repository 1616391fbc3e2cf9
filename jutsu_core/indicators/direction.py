"""Indicators of a trend's side and strength: whether prices go up, down or nowhere, and where they would turn.

What does not belong here: moving averages (``trend``) and speed (``momentum``).
"""

from typing import NamedTuple

import numpy as np

from jutsu_core.indicators.averages import kernel_multiply_add
from jutsu_core.indicators.inputs import MAX_DEVIATIONS, FloatArray
from jutsu_core.indicators.kernels import ta_lib
from jutsu_core.indicators.lines import FADED, NOISE, Line, State
from jutsu_core.indicators.programs import scanned
from jutsu_core.indicators.records import IndicatorDefinition, index, level, number_of, period_of
from jutsu_core.indicators.volatility import true_range

_LARGEST_STEP = 1.0
_STOP_ERRORS = 4.0


class DirectionalMovement(NamedTuple):
    """The three lines of the directional movement system, each as long as the closes."""

    plus_di: FloatArray
    minus_di: FloatArray
    adx: FloatArray


class Aroon(NamedTuple):
    """The two lines of Aroon, each as long as the highs."""

    up: FloatArray
    down: FloatArray


class Supertrend(NamedTuple):
    """The line and its side, each as long as the closes."""

    line: FloatArray
    side: FloatArray


class Ichimoku(NamedTuple):
    """The lines that are known at a bar, each as long as the highs."""

    conversion: FloatArray
    base: FloatArray
    span_a: FloatArray
    span_b: FloatArray


def adx(highs: FloatArray, lows: FloatArray, closes: FloatArray, *, period: int = 14) -> DirectionalMovement:
    """Return Wilder's directional indicators and the average directional index.

    Formula:
        up[t] = high[t] - high[t-1]; down[t] = low[t-1] - low[t]
        +DM[t] = up[t] if up[t] > down[t] and up[t] > 0, else 0; -DM[t] likewise from down
        +DI = 100 · W(+DM) / W(TR); -DI = 100 · W(-DM) / W(TR); 0 where W(TR) is 0
        DX = 100 · |+DI - -DI| / (+DI + -DI), 0 where both are 0; ADX = W(DX)
        W: Wilder's average, started by the mean of the first ``period`` values

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        closes: As many.
        period: Bars averaged, 1 or more.

    Returns:
        Three lines from 0 to 100 as long as ``closes``; NaN until the warm-up is over. While bars have no range at
        all, both DI stay where they were, until after some 9,000 such bars at period 14 the averages leave the range
        of float64 and count as 0.

    Raises:
        InvalidInputError: A series or ``period`` breaks its contract, or the lengths differ.

    Warm-up:
        The first ``2 · period - 1`` bars have no value, as the ADX has none. TA-Lib starts the averages of
        movement with one value less; the difference keeps the weight (1 - 1 / period)^k after k more bars:
        2.5 % at period 14 and k = 50.

    References:
        J. Welles Wilder (1978), New Concepts in Technical Trading Systems, section IV. Where ``up`` and ``down`` are
        equal, neither counts; TA-Lib, which compares floats, then counts the one that rounding made larger. In 5,241
        daily bars of SPY the two are equal 9 times; in four of these the ADX went up to 2.03 apart, and were within
        0.02 again a hundred bars later. Elsewhere they agree to 10⁻¹³.

    Examples:
        >>> highs, lows = np.array([2.0, 3.0, 5.0, 4.0]), np.array([1.0, 2.0, 3.0, 2.0])
        >>> adx(highs, lows, highs, period=1).plus_di
        array([ nan, 100., 100.,   0.])
    """
    return DirectionalMovement(*ADX.values(highs, lows, closes, period=period))


def aroon(highs: FloatArray, lows: FloatArray, *, period: int = 25) -> Aroon:
    """Return how recently the highest high and the lowest low of the last ``period`` + 1 bars were.

    Formula:
        up[t] = 100 · (period - bars since the highest of high[t-period … t]) / period
        down[t] likewise from the lowest low; of equal extremes the last counts

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        period: Bars looked back, 2 or more.

    Returns:
        Two lines from 0 to 100 as long as ``highs``; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or ``period`` breaks its contract, or the lengths differ.

    Warm-up:
        The first ``period`` bars have no value; exact from then on.

    References:
        Tushar Chande and Stanley Kroll (1994), The New Technical Trader, ch. 6.

    Examples:
        >>> aroon(np.array([3.0, 1.0, 2.0]), np.array([2.0, 0.0, 0.0]), period=2)
        Aroon(up=array([nan, nan,  0.]), down=array([ nan,  nan, 100.]))
    """
    return Aroon(*AROON.values(highs, lows, period=period))


def parabolic_sar(
    highs: FloatArray, lows: FloatArray, *, acceleration: float = 0.02, most_acceleration: float = 0.2
) -> FloatArray:
    """Return Wilder's parabolic stop-and-reverse: the price at which a position would turn.

    Formula:
        SAR[t+1] = SAR[t] + AF · (EP - SAR[t]), no nearer to the price than the last two lows (long) or highs (short)
        EP: the extreme price since the turn; AF: ``acceleration``, more by as much at each new extreme, at
        most ``most_acceleration``
        When a low reaches the SAR of a long position (a high that of a short one), the position turns: the
        SAR is then the extreme price, and AF starts again.

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        acceleration: Step of the acceleration factor, above 0, at most 1.
        most_acceleration: Its largest value, above 0, at most 1; no step is larger.

    Returns:
        As many values as ``highs``, in their unit; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or a parameter breaks its contract, or the lengths differ.

    Warm-up:
        The first bar has no value. Wilder leaves the first side to the trader; as in TA-Lib it is short where
        the second bar's low fell by more than its high rose, else long. The other choice gives another series until
        two turns in a row fall on the same bars.

    References:
        J. Welles Wilder (1978), New Concepts in Technical Trading Systems, section II.

    Examples:
        >>> parabolic_sar(np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0]))
        array([ nan, 1.  , 1.04])
    """
    chosen = {"acceleration": acceleration, "most_acceleration": most_acceleration}
    (stops,) = PARABOLIC_SAR.values(highs, lows, **chosen)
    return stops


def supertrend(
    highs: FloatArray, lows: FloatArray, closes: FloatArray, *, period: int = 10, multiplier: float = 3.0
) -> Supertrend:
    """Return Seban's Supertrend: a band ``multiplier`` average true ranges away that follows the price one way.

    Formula:
        upper = (high + low) / 2 + multiplier · ATR(period); lower likewise with minus
        final upper[t] = upper[t] if it is below final upper[t-1] or close[t-1] is above that, else final upper[t-1]
        final lower[t] likewise, mirrored
        side: 1 while closes stay above the final lower band (the line), -1 while below the final upper band

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        closes: As many.
        period: Ranges averaged, 1 or more.
        multiplier: Average true ranges between middle and band, above 0, at most 100.

    Returns:
        The line in the unit of prices and the side, 1 or -1, as long as ``closes``; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or a parameter breaks its contract, or the lengths differ.

    Warm-up:
        The first ``period`` bars have no value. The first side is up where the close is not below the middle
        of its bar; others begin always up or always down, which is forgotten at the first turn.

    References:
        Olivier Seban (2009), Tout le monde mérite d'être riche, as published for trading platforms.

    Examples:
        >>> highs = np.array([2.0, 3.0, 4.0])
        >>> supertrend(highs, highs - 1.0, highs, period=1, multiplier=1.0)
        Supertrend(line=array([nan, 1.5, 2.5]), side=array([nan,  1.,  1.]))
    """
    return Supertrend(*SUPERTREND.values(highs, lows, closes, period=period, multiplier=multiplier))


def ichimoku(
    highs: FloatArray, lows: FloatArray, *, conversion: int = 9, base: int = 26, span: int = 52, shift: int = 26
) -> Ichimoku:
    """Return the lines of Ichimoku Kinko Hyo that are known at a bar.

    Formula:
        middle(n)[t] = (highest high of n bars + lowest low of n bars) / 2
        conversion = middle(conversion); base = middle(base)
        span_a[t] = (conversion[t-shift] + base[t-shift]) / 2; span_b[t] = middle(span)[t-shift]

    The spans are those that a chart draws at bar t, so they were known ``shift`` bars before. The lagging line
    is the close drawn ``shift`` bars back: at its bar it would be the future, so there is no column of it.

    Args:
        highs: Finite prices, oldest first.
        lows: As many.
        conversion: Bars of the conversion line (Tenkan), 1 or more.
        base: Bars of the base line (Kijun), 1 or more.
        span: Bars of the second leading span (Senkou B), 1 or more.
        shift: Bars that the spans are drawn ahead, 1 or more. Charts that count today as the first of 26
            draw them where a shift of 25 does.

    Returns:
        Four lines as long as ``highs``, in their unit; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or a period breaks its contract, or the lengths differ.

    Warm-up:
        The first ``max(conversion, base, span) - 1 + shift`` bars have no value; exact from then on.

    References:
        Goichi Hosoda (1969), Ichimoku Kinko Hyo; Manesh Patel (2010), Trading with Ichimoku Clouds, ch. 2.

    Examples:
        >>> highs = np.array([2.0, 3.0, 4.0])
        >>> ichimoku(highs, highs - 1.0, conversion=1, base=1, span=2, shift=1).span_b
        array([nan, nan,  2.])
    """
    return Ichimoku(*ICHIMOKU.values(highs, lows, conversion=conversion, base=base, span=span, shift=shift))


def _adx(high: Line, low: Line, close: Line, period: int) -> tuple[Line, ...]:
    up, down = high.change(), low.lag(1) - low
    # Of a rise and a fall that are equal neither counts: they are compared as the decimals that they stand for.
    noise = high.rounding(low, high.lag(1), low.lag(1))
    ranges = true_range(high, low, close).wilder(period).beyond(FADED)
    plus = up.choose(down + noise, up.larger(0.0), 0.0).wilder(period).beyond(FADED).over(ranges, 0.0)
    minus = down.choose(up + noise, down.larger(0.0), 0.0).wilder(period).beyond(FADED).over(ranges, 0.0)
    strength = (plus - minus).magnitude().over(plus + minus, 0.0).wilder(period)
    return tuple((line * 100.0).within(0.0, 100.0) for line in (plus, minus, strength))


def _aroon(high: Line, low: Line, period: int) -> tuple[Line, ...]:
    ages = (high.since_highest(period), (low * -1.0).since_highest(period))
    return tuple((age * -1.0 + float(period)) * 100.0 / float(period) for age in ages)


def _parabolic_sar(high: Line, low: Line, acceleration: float, most_acceleration: float) -> Line:
    most, first_speed = most_acceleration, min(acceleration, most_acceleration)
    multiply_add = kernel_multiply_add()

    def begin(top: float, bottom: float, top_before: float, bottom_before: float) -> State:
        fall, rise = bottom_before - bottom, top - top_before
        is_long = not (fall > 0 and fall - rise > NOISE.numbers(top, bottom, top_before, bottom_before))
        extreme, stop = (top, bottom_before) if is_long else (bottom, top_before)
        return step((0.0, stop, extreme, first_speed, float(is_long), top, bottom), top, bottom, 0.0, 0.0)

    def step(state: State, top: float, bottom: float, _: float, __: float) -> State:
        _, stop, extreme, speed, is_long, top_before, bottom_before = state
        # The short side is the long one upside down.
        sign = 1.0 if is_long else -1.0
        near, far = (bottom, top) if is_long else (top, bottom)
        near_before, far_before = (bottom_before, top_before) if is_long else (top_before, bottom_before)
        # The stop is a decimal too: a price that is at it has reached it, though rounding may have put it a hair off.
        if sign * (near - stop) <= _STOP_ERRORS * NOISE.numbers(near, stop):
            stop = sign * max(sign * extreme, sign * far_before, sign * far)
            following = multiply_add(first_speed, near - stop, stop)
            following = sign * max(sign * following, sign * far_before, sign * far)
            return (stop, following, near, first_speed, 1.0 - is_long, top, bottom)
        if sign * far > sign * extreme:
            extreme, speed = far, min(speed + first_speed, most)
        following = multiply_add(speed, extreme - stop, stop)
        following = sign * min(sign * following, sign * near_before, sign * near)
        return (stop, following, extreme, speed, is_long, top, bottom)

    def kernel(
        tops: FloatArray, bottoms: FloatArray, tops_before: FloatArray, bottoms_before: FloatArray
    ) -> tuple[FloatArray, ...]:
        if not len(tops):
            return (np.empty(0),)
        columns = (tops, bottoms, tops_before, bottoms_before)
        first = [float(column[0]) for column in columns]
        fall, rise = first[3] - first[1], first[0] - first[2]
        # Where a rise and a fall are equal, the kernel takes the side that rounding says.
        if fall > 0 and 0 < fall - rise <= NOISE.numbers(*first):
            return tuple(scanned(begin, step, columns, 1))
        tops, bottoms = np.concatenate((tops_before[:1], tops)), np.concatenate((bottoms_before[:1], bottoms))
        stops: FloatArray = ta_lib("SAR")(tops, bottoms, acceleration=first_speed, maximum=most)[1:]
        largest = max(np.maximum.reduce(tops), -np.minimum.reduce(bottoms))
        noise = _STOP_ERRORS * NOISE.numbers(largest, largest)
        if _is_nearly_reached(stops, tops[1:], noise) or _is_nearly_reached(stops, bottoms[1:], noise):
            return tuple(scanned(begin, step, columns, 1))
        return (stops,)

    (stops,) = high.scan(begin, step, low, high.lag(1), low.lag(1), kernel=kernel)
    return stops


def _is_nearly_reached(stops: FloatArray, prices: FloatArray, noise: float) -> bool:
    """Return whether a price may be at a stop but for rounding, which is no matter of floats that are equal."""
    apart = stops - prices
    np.abs(apart, out=apart)
    return bool(np.count_nonzero(apart <= noise) + np.count_nonzero(apart) > len(apart))


def _supertrend(high: Line, low: Line, close: Line, period: int, multiplier: float) -> tuple[Line, ...]:
    middle = low + (high - low) / 2.0
    reach = true_range(high, low, close).wilder(period) * multiplier

    upper, lower = middle + reach, middle - reach

    def begin(upper: float, lower: float, last: float, noise: float) -> State:
        # The bands stand as far above the middle as below it, and are rounded by themselves.
        is_up = (last - lower) - (upper - last) >= -0.5 * noise
        return (lower if is_up else upper, 1.0 if is_up else -1.0, upper, lower, last)

    def step(state: State, upper: float, lower: float, last: float, noise: float) -> State:
        _, side, upper_before, lower_before, last_before = state
        # A close that is at a band has not crossed it, though rounding may have put it a hair beyond.
        upper = upper if upper < upper_before or last_before > upper_before + noise else upper_before
        lower = lower if lower > lower_before or last_before < lower_before - noise else lower_before
        has_turned = last < lower - noise if side > 0 else last > upper + noise
        side = -side if has_turned else side
        return (lower if side > 0 else upper, side, upper, lower, last)

    return upper.scan(begin, step, lower, close, upper.rounding(lower, close) * 4.0, results=2)


def _ichimoku(high: Line, low: Line, conversion: int, base: int, span: int, shift: int) -> tuple[Line, ...]:
    def middle(period: int) -> Line:
        bottom = low.lowest(period)
        return bottom + (high.highest(period) - bottom) / 2.0

    turning, standard = middle(conversion), middle(base)
    lead = turning + (standard - turning) / 2.0
    return turning, standard, lead.lag(shift), middle(span).lag(shift)


ADX = IndicatorDefinition(
    name="adx",
    title="Directional movement: +DI, -DI and ADX",
    inputs=("high", "low", "close"),
    parameters=(period_of(14),),
    results=(
        index("plus_di", "Wilder's +DI over {period} bars"),
        index("minus_di", "Wilder's -DI over {period} bars"),
        index("adx", "Wilder's average directional index over {period} bars"),
    ),
    formula=_adx,
    function=adx,
    revision=3,
)
AROON = IndicatorDefinition(
    name="aroon",
    title="Aroon",
    inputs=("high", "low"),
    parameters=(period_of(25, minimum=2),),
    results=(
        index("aroon_up", "How recent the highest high of {period} bars is; 100 is now"),
        index("aroon_down", "How recent the lowest low of {period} bars is; 100 is now"),
    ),
    formula=_aroon,
    function=aroon,
)
PARABOLIC_SAR = IndicatorDefinition(
    name="parabolic_sar",
    title="Parabolic stop and reverse",
    inputs=("high", "low"),
    parameters=(
        number_of("acceleration", 0.02, maximum=_LARGEST_STEP),
        number_of("most_acceleration", 0.2, maximum=_LARGEST_STEP),
    ),
    results=(level("parabolic_sar", "Wilder's parabolic SAR, step {acceleration}, at most {most_acceleration}"),),
    formula=_parabolic_sar,
    function=parabolic_sar,
    revision=3,
)
SUPERTREND = IndicatorDefinition(
    name="supertrend",
    title="Supertrend",
    inputs=("high", "low", "close"),
    parameters=(period_of(10), number_of("multiplier", 3.0, maximum=MAX_DEVIATIONS)),
    results=(
        level("supertrend", "Supertrend line, {multiplier} ATRs of {period} bars from the middle"),
        index("supertrend_side", "1 above the Supertrend line, -1 below", least=-1.0, most=1.0),
    ),
    formula=_supertrend,
    function=supertrend,
    revision=2,
)
ICHIMOKU = IndicatorDefinition(
    name="ichimoku",
    title="Ichimoku Kinko Hyo",
    inputs=("high", "low"),
    parameters=(period_of(9, "conversion"), period_of(26, "base"), period_of(52, "span"), period_of(26, "shift")),
    results=(
        level("ichimoku_conversion", "Conversion line (Tenkan): middle of {conversion} bars"),
        level("ichimoku_base", "Base line (Kijun): middle of {base} bars"),
        level("ichimoku_span_a", "Leading span A, drawn {shift} bars ahead: what was known then"),
        level("ichimoku_span_b", "Leading span B of {span} bars, drawn {shift} bars ahead: what was known then"),
    ),
    formula=_ichimoku,
    function=ichimoku,
)

RECORDS = (ADX, AROON, PARABOLIC_SAR, SUPERTREND, ICHIMOKU)
