"""The arithmetic behind the answers: every indicator by its definition, in fractions, one bar at a time.

Nothing here is shared with the library, and nothing is fast: sums are summed, averages are divided, and
roots and logarithms are taken to 50 digits. ``python -m tests.jutsu_core.indicators.answers.arithmetic``
writes the answers (one CSV an indicator beside this file) for ``bars.csv``; a test recalculates them.
"""

import csv
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path

FOLDER = Path(__file__).parent
DIGITS = 50
SHOWN = 25

Number = Fraction | Decimal
Column = list[Fraction | None]
Bars = dict[str, list[Fraction]]

HALF = Fraction(1, 2)
NOTHING = Fraction(0)

CHOICES: dict[str, dict[str, float]] = {
    "sma": {"period": 3},
    "ema": {"period": 4},
    "wma": {"period": 4},
    "dema": {"period": 3},
    "tema": {"period": 3},
    "kama": {"period": 4, "fast": 2, "slow": 9},
    "hma": {"period": 9},
    "macd": {"fast": 3, "slow": 6, "signal": 4},
    "adx": {"period": 5},
    "aroon": {"period": 6},
    "parabolic_sar": {"acceleration": 0.05, "most_acceleration": 0.2},
    "supertrend": {"period": 4, "multiplier": 1.5},
    "ichimoku": {"conversion": 3, "base": 5, "span": 9, "shift": 4},
    "rsi": {"period": 5},
    "stochastic_fast": {"period": 5, "signal": 3},
    "stochastic": {"period": 5, "smoothing": 3, "signal": 2},
    "stochastic_rsi": {"period": 4, "window": 5, "smoothing": 2, "signal": 3},
    "williams_r": {"period": 5},
    "cci": {"period": 5},
    "roc": {"period": 4},
    "momentum": {"period": 4},
    "ppo": {"fast": 3, "slow": 6, "signal": 4},
    "trix": {"period": 4},
    "ultimate_oscillator": {"short": 2, "middle": 4, "long": 7},
    "tsi": {"slow": 5, "fast": 3, "signal": 4},
    "bollinger_bands": {"period": 6, "deviations": 2.5},
    "bollinger_position": {"period": 6, "deviations": 2.0},
    "atr": {"period": 5},
    "natr": {"period": 5},
    "keltner_channels": {"period": 6, "atr_period": 4, "multiplier": 1.5},
    "donchian_channels": {"period": 6},
    "standard_deviation": {"period": 6},
    "close_volatility": {"period": 6, "bars_per_year": 252},
    "parkinson_volatility": {"period": 6, "bars_per_year": 252},
    "garman_klass_volatility": {"period": 6, "bars_per_year": 252},
    "yang_zhang_volatility": {"period": 6, "bars_per_year": 252},
    "ulcer_index": {"period": 5},
    "session_vwap": {},
    "rolling_vwap": {"period": 5},
    "obv": {},
    "accumulation_distribution": {},
    "chaikin_oscillator": {"fast": 3, "slow": 6},
    "chaikin_money_flow": {"period": 5},
    "mfi": {"period": 5},
    "force_index": {"period": 4},
    "rolling_beta": {"period": 6},
    "rolling_correlation": {"period": 6},
    "relative_strength": {},
    "spread_z_score": {"period": 6},
}
"""Short periods, so that the bars hold every phase of an indicator."""


def fractions_of(value: float) -> Fraction:
    return Fraction(repr(value))


def root(value: Fraction) -> Fraction:
    with localcontext(prec=DIGITS) as context:
        return Fraction(context.sqrt(Decimal(value.numerator) / Decimal(value.denominator)))


def logarithm(value: Fraction) -> Fraction:
    with localcontext(prec=DIGITS) as context:
        return Fraction(context.ln(Decimal(value.numerator) / Decimal(value.denominator)))


def windows(column: Sequence[Fraction | None], period: int) -> list[list[Fraction] | None]:
    """Return, for each bar, the last ``period`` values, None where one is missing."""
    found: list[list[Fraction] | None] = []
    for bar in range(len(column)):
        window = [value for value in column[max(bar - period + 1, 0) : bar + 1] if value is not None]
        found.append(window if len(window) == period else None)
    return found


def over_windows(column: Sequence[Fraction | None], period: int, what: Callable[[list[Fraction]], Fraction]) -> Column:
    return [None if window is None else what(window) for window in windows(column, period)]


def mean(window: list[Fraction]) -> Fraction:
    return sum(window, NOTHING) / len(window)


def added(window: list[Fraction]) -> Fraction:
    return sum(window, NOTHING)


def variance(window: list[Fraction], *, less: int = 0) -> Fraction:
    middle = mean(window)
    return sum(((value - middle) ** 2 for value in window), NOTHING) / (len(window) - less)


def weighted(window: list[Fraction]) -> Fraction:
    total = sum(((place + 1) * value for place, value in enumerate(window)), NOTHING)
    return total / (len(window) * (len(window) + 1) // 2)


def smoothed(column: Sequence[Fraction | None], period: int, weight: Fraction) -> Column:
    """Return the average that starts with the mean of the first ``period`` values there are."""
    first = next((bar for bar, value in enumerate(column) if value is not None), len(column))
    averages: Column = [None] * len(column)
    average = NOTHING
    for bar, value in enumerate(column):
        if value is None or bar < first + period - 1:
            continue
        if bar == first + period - 1:
            average = mean([value for value in column[first : bar + 1] if value is not None])
        else:
            average = average * (1 - weight) + value * weight
        averages[bar] = average
    return averages


def exponential(column: Sequence[Fraction | None], period: int) -> Column:
    return smoothed(column, period, Fraction(2, period + 1))


def wilder(column: Sequence[Fraction | None], period: int) -> Column:
    return smoothed(column, period, Fraction(1, period))


def each(what: Callable[..., Fraction], *columns: Sequence[Fraction | None]) -> Column:
    """Return ``what`` of the values of each bar, None where one is missing."""
    return [None if None in row else what(*row) for row in zip(*columns, strict=True)]


def before(column: Sequence[Fraction | None], bars: int = 1) -> Column:
    return [None] * min(bars, len(column)) + list(column[: max(len(column) - bars, 0)])


def quotient(above: Fraction, below: Fraction, otherwise: Fraction) -> Fraction:
    return above / below if below else otherwise


def true_ranges(bars: Bars) -> Column:
    return each(
        lambda high, low, last: max(high - low, abs(high - last), abs(low - last)),
        bars["high"],
        bars["low"],
        before(bars["close"]),
    )


def typical(bars: Bars) -> list[Fraction]:
    return [(high + low + close) / 3 for high, low, close in zip(bars["high"], bars["low"], bars["close"], strict=True)]


def sma(bars: Bars, period: int) -> list[Column]:
    return [over_windows(bars["close"], period, mean)]


def ema(bars: Bars, period: int) -> list[Column]:
    return [exponential(bars["close"], period)]


def wma(bars: Bars, period: int) -> list[Column]:
    return [over_windows(bars["close"], period, weighted)]


def dema(bars: Bars, period: int) -> list[Column]:
    once = exponential(bars["close"], period)
    return [each(lambda one, two: 2 * one - two, once, exponential(once, period))]


def tema(bars: Bars, period: int) -> list[Column]:
    once = exponential(bars["close"], period)
    twice = exponential(once, period)
    return [each(lambda one, two, three: 3 * one - 3 * two + three, once, twice, exponential(twice, period))]


def kama(bars: Bars, period: int, fast: int, slow: int) -> list[Column]:
    close = bars["close"]
    most, least = Fraction(2, fast + 1), Fraction(2, slow + 1)
    averages: Column = [None] * len(close)
    average = close[period - 1]
    for bar in range(period, len(close)):
        path = sum((abs(close[k] - close[k - 1]) for k in range(bar - period + 1, bar + 1)), NOTHING)
        efficiency = quotient(abs(close[bar] - close[bar - period]), path, NOTHING)
        average += (efficiency * (most - least) + least) ** 2 * (close[bar] - average)
        averages[bar] = average
    return [averages]


def hma(bars: Bars, period: int) -> list[Column]:
    half, whole = (over_windows(bars["close"], length, weighted) for length in (period // 2, period))
    return [over_windows(each(lambda one, two: 2 * one - two, half, whole), int(period**0.5), weighted)]


def macd(bars: Bars, fast: int, slow: int, signal: int) -> list[Column]:
    close = bars["close"]
    late: Column = [None] * (slow - fast) + list(close[slow - fast :])
    line = each(lambda one, two: one - two, exponential(late, fast), exponential(close, slow))
    average = exponential(line, signal)
    return [line, average, each(lambda one, two: one - two, line, average)]


def adx(bars: Bars, period: int) -> list[Column]:
    up = each(lambda now, last: now - last, bars["high"], before(bars["high"]))
    down = each(lambda now, last: last - now, bars["low"], before(bars["low"]))
    plus = each(lambda rise, fall: rise if rise > max(fall, NOTHING) else NOTHING, up, down)
    minus = each(lambda rise, fall: fall if fall > max(rise, NOTHING) else NOTHING, up, down)
    ranges = wilder(true_ranges(bars), period)
    plus_di, minus_di = (
        each(lambda moved, width: 100 * quotient(moved, width, NOTHING), wilder(column, period), ranges)
        for column in (plus, minus)
    )
    index = each(lambda one, two: 100 * quotient(abs(one - two), one + two, NOTHING), plus_di, minus_di)
    return [plus_di, minus_di, wilder(index, period)]


def aroon(bars: Bars, period: int) -> list[Column]:
    def share(window: list[Fraction], best: Callable[[list[Fraction]], Fraction]) -> Fraction:
        return Fraction(100 * (period - window[::-1].index(best(window))), period)

    return [
        over_windows(bars["high"], period + 1, lambda window: share(window, max)),
        over_windows(bars["low"], period + 1, lambda window: share(window, min)),
    ]


def parabolic_sar(bars: Bars, acceleration: float, most_acceleration: float) -> list[Column]:
    high, low = bars["high"], bars["low"]
    step, most = fractions_of(acceleration), fractions_of(most_acceleration)
    fall, rise = low[0] - low[1], high[1] - high[0]
    is_long = not (fall > 0 and fall > rise)
    stop, extreme = (low[0], high[1]) if is_long else (high[0], low[1])
    speed = step
    stops: Column = [None]
    for bar in range(1, len(high)):
        last = max(bar - 1, 1)
        if is_long and low[bar] <= stop:
            is_long, stop, extreme, speed = False, max(extreme, high[last], high[bar]), low[bar], step
            stops.append(stop)
        elif not is_long and high[bar] >= stop:
            is_long, stop, extreme, speed = True, min(extreme, low[last], low[bar]), high[bar], step
            stops.append(stop)
        else:
            stops.append(stop)
            if (high[bar] > extreme) if is_long else (low[bar] < extreme):
                extreme, speed = (high[bar] if is_long else low[bar]), min(speed + step, most)
        stop += speed * (extreme - stop)
        stop = min(stop, low[last], low[bar]) if is_long else max(stop, high[last], high[bar])
    return [stops]


def supertrend(bars: Bars, period: int, multiplier: float) -> list[Column]:
    ranges = wilder(true_ranges(bars), period)
    line: Column = []
    side: Column = []
    upper = lower = NOTHING
    is_up = True
    for bar, width in enumerate(ranges):
        if width is None:
            line.append(None)
            side.append(None)
            continue
        middle, reach = (bars["high"][bar] + bars["low"][bar]) / 2, fractions_of(multiplier) * width
        close = bars["close"]
        if side[-1] is None:
            upper, lower, is_up = middle + reach, middle - reach, close[bar] >= middle
        else:
            if middle + reach < upper or close[bar - 1] > upper:
                upper = middle + reach
            if middle - reach > lower or close[bar - 1] < lower:
                lower = middle - reach
            is_up = close[bar] >= lower if is_up else close[bar] > upper
        line.append(lower if is_up else upper)
        side.append(Fraction(1 if is_up else -1))
    return [line, side]


def ichimoku(bars: Bars, conversion: int, base: int, span: int, shift: int) -> list[Column]:
    def middle(period: int) -> Column:
        high, low = over_windows(bars["high"], period, max), over_windows(bars["low"], period, min)
        return each(lambda top, bottom: (top + bottom) / 2, high, low)

    turning, standard = middle(conversion), middle(base)
    lead = each(lambda one, two: (one + two) / 2, turning, standard)
    return [turning, standard, before(lead, shift), before(middle(span), shift)]


def rsi(bars: Bars, period: int) -> list[Column]:
    change = each(lambda now, last: now - last, bars["close"], before(bars["close"]))
    gain = wilder(each(lambda moved: max(moved, NOTHING), change), period)
    loss = wilder(each(lambda moved: max(-moved, NOTHING), change), period)
    return [each(lambda up, down: 100 * quotient(up, up + down, HALF), gain, loss)]


def place(column: Sequence[Fraction | None], high: Sequence[Fraction | None], low: Sequence[Fraction | None]) -> Column:
    return each(lambda now, top, bottom: 100 * quotient(now - bottom, top - bottom, HALF), column, high, low)


def stochastic_fast(bars: Bars, period: int, signal: int) -> list[Column]:
    return stochastic(bars, period, 1, signal)


def stochastic(bars: Bars, period: int, smoothing: int, signal: int) -> list[Column]:
    high, low = over_windows(bars["high"], period, max), over_windows(bars["low"], period, min)
    line = over_windows(place(bars["close"], high, low), smoothing, mean)
    return [line, over_windows(line, signal, mean)]


def stochastic_rsi(bars: Bars, period: int, window: int, smoothing: int, signal: int) -> list[Column]:
    (index,) = rsi(bars, period)
    raw = place(index, over_windows(index, window, max), over_windows(index, window, min))
    line = over_windows(raw, smoothing, mean)
    return [line, over_windows(line, signal, mean)]


def williams_r(bars: Bars, period: int) -> list[Column]:
    high, low = over_windows(bars["high"], period, max), over_windows(bars["low"], period, min)
    return [each(lambda where: where - 100, place(bars["close"], high, low))]


def cci(bars: Bars, period: int) -> list[Column]:
    def one(window: list[Fraction]) -> Fraction:
        middle = mean(window)
        spread = mean([abs(value - middle) for value in window])
        return quotient(window[-1] - middle, Fraction(15, 1000) * spread, NOTHING)

    return [over_windows(typical(bars), period, one)]


def roc(bars: Bars, period: int) -> list[Column]:
    return [each(lambda now, then: 100 * (now - then) / then, bars["close"], before(bars["close"], period))]


def momentum(bars: Bars, period: int) -> list[Column]:
    return [each(lambda now, then: now - then, bars["close"], before(bars["close"], period))]


def ppo(bars: Bars, fast: int, slow: int, signal: int) -> list[Column]:
    distance = macd(bars, fast, slow, signal)[0]
    line = each(lambda apart, average: 100 * apart / average, distance, exponential(bars["close"], slow))
    return [line, exponential(line, signal)]


def trix(bars: Bars, period: int) -> list[Column]:
    average = exponential(exponential(exponential(bars["close"], period), period), period)
    return [each(lambda now, last: 100 * (now - last) / last, average, before(average))]


def ultimate_oscillator(bars: Bars, short: int, middle: int, long: int) -> list[Column]:
    pressure = each(lambda close, low, last: close - min(low, last), bars["close"], bars["low"], before(bars["close"]))
    ranges = true_ranges(bars)
    parts = [
        each(
            lambda up, width: quotient(up, width, HALF),
            *(over_windows(column, period, added) for column in (pressure, ranges)),
        )
        for period in (short, middle, long)
    ]
    return [each(lambda one, two, three: 100 * (4 * one + 2 * two + three) / 7, *parts)]


def tsi(bars: Bars, slow: int, fast: int, signal: int) -> list[Column]:
    change = each(lambda now, last: now - last, bars["close"], before(bars["close"]))
    moved = exponential(exponential(change, slow), fast)
    size = exponential(exponential(each(abs, change), slow), fast)
    line = each(lambda one, two: 100 * quotient(one, two, NOTHING), moved, size)
    return [line, exponential(line, signal)]


def bollinger_bands(bars: Bars, period: int, deviations: float) -> list[Column]:
    middle = over_windows(bars["close"], period, mean)
    (deviation,) = standard_deviation(bars, period)
    factor = fractions_of(deviations)
    return [
        each(lambda centre, width: centre + factor * width, middle, deviation),
        middle,
        each(lambda centre, width: centre - factor * width, middle, deviation),
    ]


def bollinger_position(bars: Bars, period: int, deviations: float) -> list[Column]:
    upper, middle, lower = bollinger_bands(bars, period, deviations)
    return [
        each(lambda close, top, bottom: quotient(close - bottom, top - bottom, HALF), bars["close"], upper, lower),
        each(lambda top, centre, bottom: (top - bottom) / centre, upper, middle, lower),
    ]


def atr(bars: Bars, period: int) -> list[Column]:
    return [wilder(true_ranges(bars), period)]


def natr(bars: Bars, period: int) -> list[Column]:
    return [each(lambda width, close: 100 * width / close, atr(bars, period)[0], bars["close"])]


def keltner_channels(bars: Bars, period: int, atr_period: int, multiplier: float) -> list[Column]:
    middle, width = exponential(bars["close"], period), atr(bars, atr_period)[0]
    factor = fractions_of(multiplier)
    return [
        each(lambda centre, reach: centre + factor * reach, middle, width),
        middle,
        each(lambda centre, reach: centre - factor * reach, middle, width),
    ]


def donchian_channels(bars: Bars, period: int) -> list[Column]:
    high, low = over_windows(bars["high"], period, max), over_windows(bars["low"], period, min)
    return [high, each(lambda top, bottom: (top + bottom) / 2, high, low), low]


def standard_deviation(bars: Bars, period: int) -> list[Column]:
    return [over_windows(bars["close"], period, lambda window: root(variance(window)))]


def log_ratio(above: Sequence[Fraction | None], below: Sequence[Fraction | None]) -> Column:
    return each(lambda one, two: logarithm(one / two), above, below)


def close_volatility(bars: Bars, period: int, bars_per_year: int) -> list[Column]:
    returns = log_ratio(bars["close"], before(bars["close"]))
    return [over_windows(returns, period, lambda window: root(variance(window, less=1) * bars_per_year))]


def parkinson_volatility(bars: Bars, period: int, bars_per_year: int) -> list[Column]:
    squares = each(lambda ratio: ratio**2 / (4 * logarithm(Fraction(2))), log_ratio(bars["high"], bars["low"]))
    return [over_windows(squares, period, lambda window: root(mean(window) * bars_per_year))]


def garman_klass_volatility(bars: Bars, period: int, bars_per_year: int) -> list[Column]:
    share = 2 * logarithm(Fraction(2)) - 1
    variances = each(
        lambda span, body: span**2 / 2 - share * body**2,
        log_ratio(bars["high"], bars["low"]),
        log_ratio(bars["close"], bars["open"]),
    )
    return [over_windows(variances, period, lambda window: root(mean(window) * bars_per_year))]


def yang_zhang_volatility(bars: Bars, period: int, bars_per_year: int) -> list[Column]:
    share = Fraction(34, 100) / (Fraction(134, 100) + Fraction(period + 1, period - 1))
    jump = over_windows(log_ratio(bars["open"], before(bars["close"])), period, lambda window: variance(window, less=1))
    body = over_windows(log_ratio(bars["close"], bars["open"]), period, lambda window: variance(window, less=1))
    ranges = over_windows(
        each(
            lambda a, b, c, d: a * b + c * d,
            log_ratio(bars["high"], bars["close"]),
            log_ratio(bars["high"], bars["open"]),
            log_ratio(bars["low"], bars["close"]),
            log_ratio(bars["low"], bars["open"]),
        ),
        period,
        mean,
    )
    return [each(lambda a, b, c: root((a + share * b + (1 - share) * c) * bars_per_year), jump, body, ranges)]


def ulcer_index(bars: Bars, period: int) -> list[Column]:
    high = over_windows(bars["close"], period, max)
    squares = each(lambda close, top: (100 * (close - top) / top) ** 2, bars["close"], high)
    return [over_windows(squares, period, lambda window: root(mean(window)))]


def session_vwap(bars: Bars) -> list[Column]:
    price, volume, session = typical(bars), bars["volume"], bars["session"]
    averages: Column = []
    for bar, own in enumerate(session):
        held = [other for other in range(bar + 1) if session[other] == own]
        money = sum((price[other] * volume[other] for other in held), NOTHING)
        averages.append(quotient(money, sum((volume[other] for other in held), NOTHING), price[bar]))
    return [averages]


def rolling_vwap(bars: Bars, period: int) -> list[Column]:
    price, volume = typical(bars), bars["volume"]
    money = over_windows([one * two for one, two in zip(price, volume, strict=True)], period, added)
    return [each(quotient, money, over_windows(volume, period, added), price)]


def obv(bars: Bars) -> list[Column]:
    close, volume = bars["close"], bars["volume"]
    totals: Column = []
    total = NOTHING
    for bar, traded in enumerate(volume):
        rise = close[bar] - close[bar - 1] if bar else Fraction(1)
        total += traded * ((rise > 0) - (rise < 0))
        totals.append(total)
    return [totals]


def money_flow(bars: Bars) -> Column:
    return each(
        lambda high, low, close, volume: quotient((close - low) - (high - close), high - low, NOTHING) * volume,
        bars["high"],
        bars["low"],
        bars["close"],
        bars["volume"],
    )


def accumulation_distribution(bars: Bars) -> list[Column]:
    flow = money_flow(bars)
    return [[sum((value for value in flow[: bar + 1] if value is not None), NOTHING) for bar in range(len(flow))]]


def chaikin_oscillator(bars: Bars, fast: int, slow: int) -> list[Column]:
    (line,) = accumulation_distribution(bars)
    return [each(lambda one, two: one - two, exponential(line, fast), exponential(line, slow))]


def chaikin_money_flow(bars: Bars, period: int) -> list[Column]:
    flow, volume = (over_windows(column, period, added) for column in (money_flow(bars), bars["volume"]))
    return [each(lambda moved, traded: quotient(moved, traded, NOTHING), flow, volume)]


def mfi(bars: Bars, period: int) -> list[Column]:
    price = typical(bars)
    flow = [one * two for one, two in zip(price, bars["volume"], strict=True)]
    rising = each(lambda now, last, money: money if now > last else NOTHING, price, before(price), flow)
    falling = each(lambda now, last, money: money if now < last else NOTHING, price, before(price), flow)
    up, down = (over_windows(column, period, added) for column in (rising, falling))
    return [each(lambda one, two: 100 * quotient(one, one + two, HALF), up, down)]


def force_index(bars: Bars, period: int) -> list[Column]:
    moved = each(lambda now, last, volume: (now - last) * volume, bars["close"], before(bars["close"]), bars["volume"])
    return [exponential(moved, period)]


def returns_beside(bars: Bars, period: int) -> tuple[Column, Column, Column]:
    """Return the variances of the returns and of the benchmark's, and their covariance, over ``period`` returns."""
    own, other = (
        each(lambda now, last: now / last - 1, bars[name], before(bars[name])) for name in ("close", "benchmark")
    )
    common: Column = []
    for mine, theirs in zip(windows(own, period), windows(other, period), strict=True):
        if mine is None or theirs is None:
            common.append(None)
            continue
        middle, centre = mean(mine), mean(theirs)
        common.append(mean([(one - middle) * (two - centre) for one, two in zip(mine, theirs, strict=True)]))
    return over_windows(own, period, variance), over_windows(other, period, variance), common


def rolling_beta(bars: Bars, period: int) -> list[Column]:
    _, other, common = returns_beside(bars, period)
    return [each(lambda moved, width: quotient(moved, width, NOTHING), common, other)]


def rolling_correlation(bars: Bars, period: int) -> list[Column]:
    return [each(lambda one, two, moved: quotient(moved, root(one * two), NOTHING), *returns_beside(bars, period))]


def relative_strength(bars: Bars) -> list[Column]:
    return [each(lambda close, other: close / other, bars["close"], bars["benchmark"])]


def spread_z_score(bars: Bars, period: int) -> list[Column]:
    def score(window: list[Fraction]) -> Fraction:
        return quotient(window[-1] - mean(window), root(variance(window)), NOTHING)

    return [over_windows(log_ratio(bars["close"], bars["benchmark"]), period, score)]


def read_bars() -> Bars:
    with (FOLDER / "bars.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [Fraction(row[name]) for row in rows] for name in rows[0]}


def answers(name: str, bars: Bars | None = None) -> list[Column]:
    """Return the columns of the indicator ``name`` for ``bars``, or ``bars.csv``, which begin together."""
    columns: list[Column] = globals()[name](bars or read_bars(), **CHOICES[name])
    return [
        [None if None in row else value for value, row in zip(column, zip(*columns, strict=True), strict=True)]
        for column in columns
    ]


def written(value: Fraction | None) -> str:
    if value is None:
        return ""
    with localcontext(prec=SHOWN):
        return f"{+(Decimal(value.numerator) / Decimal(value.denominator))}"


def lines_of(name: str) -> list[str]:
    """Return the lines of the answers' file: the parameters, then one line a bar."""
    head = ", ".join(f"{parameter}={value}" for parameter, value in CHOICES[name].items())
    rows = zip(*answers(name), strict=True)
    return [f"# {name}({head})", *(",".join(map(written, row)) for row in rows)]


def main() -> None:
    for name in CHOICES:
        (FOLDER / f"{name}.csv").write_text("\n".join(lines_of(name)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
