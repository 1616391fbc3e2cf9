"""Volatility by the bars' own returns, annualised, and the pain of staying below a high.

Every estimator measures logarithms of prices, so prices must be above 0. How many bars a year has is
asked for each time: a default would be wrong for every other timeframe.

What does not belong here: widths in the unit of prices (``volatility``).
"""

from math import log, sqrt

from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.lines import Line
from jutsu_core.indicators.records import (
    PERCENT_UNIT,
    PLAIN_UNIT,
    IndicatorDefinition,
    ParameterDefinition,
    ResultDefinition,
    period_of,
)


def close_volatility(closes: FloatArray, *, period: int = 20, bars_per_year: int) -> FloatArray:
    """Return the annualised sample standard deviation of the last ``period`` logarithmic returns.

    Formula:
        r[t] = ln(close[t] / close[t-1])
        volatility = √(Σ (r - mean)² / (period - 1) · bars_per_year)

    Args:
        closes: Prices above 0, oldest first.
        period: Returns in the window, 2 or more.
        bars_per_year: 252 for daily bars of a stock exchange.

    Returns:
        As many values as ``closes``: 0.2 is 20 % a year; NaN until the warm-up is over.

    Raises:
        InvalidInputError: ``closes`` or a parameter breaks its contract.

    Warm-up:
        The first ``period`` bars have no value; exact from then on.

    References:
        John C. Hull (2017), Options, Futures, and Other Derivatives, 10th ed., ch. 15.4.

    Examples:
        >>> import numpy as np
        >>> close_volatility(np.array([1.0, 1.0, 1.0]), period=2, bars_per_year=252)
        array([nan, nan,  0.])
    """
    (values,) = CLOSE_VOLATILITY.values(closes, period=period, bars_per_year=bars_per_year)
    return values


def parkinson_volatility(highs: FloatArray, lows: FloatArray, *, period: int = 20, bars_per_year: int) -> FloatArray:
    """Return Parkinson's annualised volatility, which reads the ranges of the bars.

    Formula:
        volatility = √(Σ ln(high / low)² / (4 · ln 2 · period) · bars_per_year)

    Args:
        highs: Prices above 0, oldest first.
        lows: As many.
        period: Bars in the window, 1 or more.
        bars_per_year: 252 for daily bars of a stock exchange.

    Returns:
        As many values as ``highs``: 0.2 is 20 % a year; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or a parameter breaks its contract, or the lengths differ.

    Warm-up:
        The first ``period - 1`` bars have no value; exact from then on.

    References:
        Michael Parkinson (1980), The Extreme Value Method for Estimating the Variance of the Rate of Return,
        Journal of Business 53:1.

    Examples:
        >>> import numpy as np
        >>> parkinson_volatility(np.array([1.0, 2.0]), np.array([1.0, 1.0]), period=1, bars_per_year=1)
        array([0.        , 0.41627731])
    """
    (values,) = PARKINSON_VOLATILITY.values(highs, lows, period=period, bars_per_year=bars_per_year)
    return values


def garman_klass_volatility(
    opens: FloatArray, highs: FloatArray, lows: FloatArray, closes: FloatArray, *, period: int = 20, bars_per_year: int
) -> FloatArray:
    """Return Garman and Klass's annualised volatility, which reads the ranges and bodies of the bars.

    Formula:
        v[t] = ln(high / low)² / 2 - (2 · ln 2 - 1) · ln(close / open)²
        volatility = √(Σ v / period · bars_per_year), 0 where the sum is below 0

    Args:
        opens: Prices above 0, oldest first.
        highs: As many.
        lows: As many.
        closes: As many.
        period: Bars in the window, 1 or more.
        bars_per_year: 252 for daily bars of a stock exchange.

    Returns:
        As many values as ``closes``: 0.2 is 20 % a year; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or a parameter breaks its contract, or the lengths differ.

    Warm-up:
        The first ``period - 1`` bars have no value; exact from then on.

    References:
        Mark B. Garman and Michael J. Klass (1980), On the Estimation of Security Price Volatilities from
        Historical Data, Journal of Business 53:1 (the practical form of their estimator).

    Examples:
        >>> import numpy as np
        >>> one = np.array([1.0])
        >>> garman_klass_volatility(one, one * 2.0, one, one, period=1, bars_per_year=1)
        array([0.49012907])
    """
    chosen = {"period": period, "bars_per_year": bars_per_year}
    (values,) = GARMAN_KLASS_VOLATILITY.values(opens, highs, lows, closes, **chosen)
    return values


def yang_zhang_volatility(
    opens: FloatArray, highs: FloatArray, lows: FloatArray, closes: FloatArray, *, period: int = 20, bars_per_year: int
) -> FloatArray:
    """Return Yang and Zhang's annualised volatility, which also reads the jumps between bars.

    Formula:
        V = V_jump + k · V_body + (1 - k) · V_range; k = 0.34 / (1.34 + (period + 1) / (period - 1))
        V_jump: sample variance (ddof 1) of ln(open[t] / close[t-1]); V_body: that of ln(close / open)
        V_range: mean of ln(high / close) · ln(high / open) + ln(low / close) · ln(low / open)
        volatility = √(V · bars_per_year)

    Args:
        opens: Prices above 0, oldest first.
        highs: As many.
        lows: As many.
        closes: As many.
        period: Bars in the window, 2 or more.
        bars_per_year: 252 for daily bars of a stock exchange.

    Returns:
        As many values as ``closes``: 0.2 is 20 % a year; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or a parameter breaks its contract, or the lengths differ.

    Warm-up:
        The first ``period`` bars have no value; exact from then on.

    References:
        Dennis Yang and Qiang Zhang (2000), Drift-Independent Volatility Estimation Based on High, Low, Open,
        and Close Prices, Journal of Business 73:3.

    Examples:
        >>> import numpy as np
        >>> flat = np.array([1.0, 1.0, 1.0])
        >>> yang_zhang_volatility(flat, flat, flat, flat, period=2, bars_per_year=252)
        array([nan, nan,  0.])
    """
    chosen = {"period": period, "bars_per_year": bars_per_year}
    (values,) = YANG_ZHANG_VOLATILITY.values(opens, highs, lows, closes, **chosen)
    return values


def ulcer_index(closes: FloatArray, *, period: int = 14) -> FloatArray:
    """Return Martin's ulcer index: the root mean square of how far closes stand below their latest high.

    Formula:
        D[t] = 100 · (close[t] - max(close[t-period+1 … t])) / max(close[t-period+1 … t])
        UI[t] = √((D[t-period+1]² + … + D[t]²) / period)

    Args:
        closes: Prices above 0, oldest first.
        period: Bars in both windows, 1 or more.

    Returns:
        As many values as ``closes``, in percent; NaN until the warm-up is over.

    Raises:
        InvalidInputError: ``closes`` or ``period`` breaks its contract.

    Warm-up:
        The first ``2 · period - 2`` bars have no value; exact from then on.

    References:
        Peter G. Martin and Byron McCann (1989), The Investor's Guide to Fidelity Funds, ch. 5. They measure falls
        from the highest close since the span began; here each is measured from the highest of the ``period`` closes
        that end with it, as StockCharts rolls it. So a value is never below theirs, and needs ``period - 1`` bars more.

    Examples:
        >>> import numpy as np
        >>> ulcer_index(np.array([2.0, 1.0, 1.0]), period=2)
        array([        nan,         nan, 35.35533906])
    """
    (values,) = ULCER_INDEX.values(closes, period=period)
    return values


def log_ratio(above: Line, below: Line) -> Line:
    """Return the natural logarithm of one price over another, which no common unit changes."""
    return above.over(below, 1.0).logarithm()


def _sample_variance(line: Line, period: int) -> Line:
    return line.distances(line.mean(period), period, squared=True) / float(period - 1)


def _close_volatility(close: Line, period: int, bars_per_year: int) -> Line:
    returns = log_ratio(close, close.lag(1))
    return _sample_variance(returns, period).root() * sqrt(bars_per_year)


def _parkinson_volatility(high: Line, low: Line, period: int, bars_per_year: int) -> Line:
    ranges = log_ratio(high, low)
    return ((ranges * ranges).total(period) / (4.0 * log(2.0) * period)).root() * sqrt(bars_per_year)


def _garman_klass_volatility(
    opening: Line, high: Line, low: Line, close: Line, period: int, bars_per_year: int
) -> Line:
    ranges, body = log_ratio(high, low), log_ratio(close, opening)
    variance = ranges * ranges / 2.0 - body * body * (2.0 * log(2.0) - 1.0)
    return (variance.total(period).larger(0.0) / float(period)).root() * sqrt(bars_per_year)


def _yang_zhang_volatility(opening: Line, high: Line, low: Line, close: Line, period: int, bars_per_year: int) -> Line:
    share = 0.34 / (1.34 + (period + 1) / (period - 1))
    jump, body = log_ratio(opening, close.lag(1)), log_ratio(close, opening)
    ranges = log_ratio(high, close) * log_ratio(high, opening) + log_ratio(low, close) * log_ratio(low, opening)
    within = (ranges.total(period).larger(0.0) / float(period)) * (1.0 - share)
    variance = (_sample_variance(jump, period) + _sample_variance(body, period) * share) + within
    return variance.root() * sqrt(bars_per_year)


def _ulcer_index(close: Line, period: int) -> Line:
    high = close.highest(period)
    fall = (close - high).over(high, 0.0) * 100.0
    return ((fall * fall).total(period) / float(period)).root()


_BARS_PER_YEAR = ParameterDefinition(name="bars_per_year", minimum=1, maximum=100_000)


def _annual(name: str, description: str) -> ResultDefinition:
    return ResultDefinition(name=name, description=description, unit=f"{PLAIN_UNIT} per year", least=0.0)


CLOSE_VOLATILITY = IndicatorDefinition(
    name="close_volatility",
    title="Historical volatility, close to close",
    inputs=("close",),
    parameters=(period_of(20, minimum=2), _BARS_PER_YEAR),
    results=(
        _annual("close_volatility", "Sample deviation of {period} logarithmic returns, {bars_per_year} bars a year"),
    ),
    formula=_close_volatility,
    function=close_volatility,
    needs_positive_prices=True,
)
PARKINSON_VOLATILITY = IndicatorDefinition(
    name="parkinson_volatility",
    title="Historical volatility, Parkinson",
    inputs=("high", "low"),
    parameters=(period_of(20), _BARS_PER_YEAR),
    results=(_annual("parkinson_volatility", "Parkinson's volatility of {period} bars, {bars_per_year} bars a year"),),
    formula=_parkinson_volatility,
    function=parkinson_volatility,
    needs_positive_prices=True,
)
GARMAN_KLASS_VOLATILITY = IndicatorDefinition(
    name="garman_klass_volatility",
    title="Historical volatility, Garman and Klass",
    inputs=("open", "high", "low", "close"),
    parameters=(period_of(20), _BARS_PER_YEAR),
    results=(
        _annual("garman_klass_volatility", "Garman and Klass's volatility of {period} bars, {bars_per_year} a year"),
    ),
    formula=_garman_klass_volatility,
    function=garman_klass_volatility,
    needs_positive_prices=True,
)
YANG_ZHANG_VOLATILITY = IndicatorDefinition(
    name="yang_zhang_volatility",
    title="Historical volatility, Yang and Zhang",
    inputs=("open", "high", "low", "close"),
    parameters=(period_of(20, minimum=2), _BARS_PER_YEAR),
    results=(_annual("yang_zhang_volatility", "Yang and Zhang's volatility of {period} bars, {bars_per_year} a year"),),
    formula=_yang_zhang_volatility,
    function=yang_zhang_volatility,
    needs_positive_prices=True,
)
ULCER_INDEX = IndicatorDefinition(
    name="ulcer_index",
    title="Ulcer index",
    inputs=("close",),
    parameters=(period_of(14),),
    results=(
        ResultDefinition(
            name="ulcer_index",
            description="Root mean square of the falls below the highest of {period} closes",
            unit=PERCENT_UNIT,
            least=0.0,
            most=100.0,
        ),
    ),
    formula=_ulcer_index,
    function=ulcer_index,
    needs_positive_prices=True,
)

RECORDS = (
    CLOSE_VOLATILITY,
    PARKINSON_VOLATILITY,
    GARMAN_KLASS_VOLATILITY,
    YANG_ZHANG_VOLATILITY,
    ULCER_INDEX,
)
