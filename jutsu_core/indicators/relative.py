"""Indicators of a price beside a benchmark's: how it moves with it, and how far it has come from it.

The benchmark's closes belong to the very bars of the price; ``compute_indicators`` finds them by their stamps.

What does not belong here: measures of a whole portfolio beside a benchmark (``jutsu_core.metrics.benchmark``).
"""

from math import sqrt

from jutsu_core.indicators.historical import log_ratio
from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.lines import ROUNDING, Line
from jutsu_core.indicators.records import PLAIN_UNIT, IndicatorDefinition, ResultDefinition, period_of


def rolling_beta(closes: FloatArray, benchmarks: FloatArray, *, period: int = 60) -> FloatArray:
    """Return how much the returns of the last ``period`` bars moved for each unit that the benchmark's moved.

    Formula:
        r[t] = close[t] / close[t-1] - 1; b[t] likewise of the benchmark
        beta = covariance(r, b) / variance(b) over ``period`` returns; 0 where the benchmark's do not vary

    Args:
        closes: Prices above 0, oldest first.
        benchmarks: As many closes of the benchmark, above 0.
        period: Returns in the window, 2 or more.

    Returns:
        As many values as ``closes``; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or ``period`` breaks its contract, or the lengths differ.

    Warm-up:
        The first ``period`` bars have no value; exact from then on.

    References:
        William F. Sharpe (1963), A Simplified Model for Portfolio Analysis, Management Science 9:2. Of simple
        returns, nothing subtracted for a risk-free rate, whose changes of a day are too small to be seen.

    Examples:
        >>> import numpy as np
        >>> benchmark = np.array([1.0, 2.0, 2.0])
        >>> rolling_beta(np.array([1.0, 3.0, 3.0]), benchmark, period=2)
        array([nan, nan,  2.])
    """
    (values,) = ROLLING_BETA.values(closes, benchmarks, period=period)
    return values


def rolling_correlation(closes: FloatArray, benchmarks: FloatArray, *, period: int = 60) -> FloatArray:
    """Return the correlation of the returns of the last ``period`` bars with the benchmark's.

    Formula:
        r[t] = close[t] / close[t-1] - 1; b[t] likewise of the benchmark
        correlation = covariance(r, b) / √(variance(r) · variance(b)) over ``period`` returns
        0 where one of them does not vary

    Args:
        closes: Prices above 0, oldest first.
        benchmarks: As many closes of the benchmark, above 0.
        period: Returns in the window, 2 or more.

    Returns:
        As many values as ``closes``, from -1 to 1; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or ``period`` breaks its contract, or the lengths differ.

    Warm-up:
        The first ``period`` bars have no value; exact from then on.

    References:
        Karl Pearson (1896), Regression, Heredity and Panmixia, Philosophical Transactions of the Royal Society A
        187; of simple returns.

    Examples:
        >>> import numpy as np
        >>> rolling_correlation(np.array([1.0, 3.0, 3.0]), np.array([1.0, 2.0, 2.0]), period=2)
        array([nan, nan,  1.])
    """
    (values,) = ROLLING_CORRELATION.values(closes, benchmarks, period=period)
    return values


def relative_strength(closes: FloatArray, benchmarks: FloatArray) -> FloatArray:
    """Return the price in units of its benchmark: it rises while the price does better.

    Formula:
        RS[t] = close[t] / benchmark[t]

    Args:
        closes: Prices above 0, oldest first.
        benchmarks: As many closes of the benchmark, above 0.

    Returns:
        As many values as ``closes``. Its level says nothing; its changes do.

    Raises:
        InvalidInputError: A series breaks its contract, or the lengths differ.

    Warm-up:
        None; exact from then on.

    References:
        John J. Murphy (1999), Technical Analysis of the Financial Markets, ch. 19, "relative strength ratio";
        not Wilder's index (``rsi``).

    Examples:
        >>> import numpy as np
        >>> relative_strength(np.array([3.0]), np.array([2.0]))
        array([1.5])
    """
    (values,) = RELATIVE_STRENGTH.values(closes, benchmarks)
    return values


def spread_z_score(closes: FloatArray, benchmarks: FloatArray, *, period: int = 60) -> FloatArray:
    """Return how many of its standard deviations the spread to the benchmark stands from its mean.

    Formula:
        spread[t] = ln(close[t] / benchmark[t])
        z = (spread[t] - mean) / sd over ``period`` bars (ddof 0); 0 where the spread does not vary

    Args:
        closes: Prices above 0, oldest first.
        benchmarks: As many closes of the benchmark, above 0.
        period: Bars in the window, 2 or more.

    Returns:
        As many values as ``closes``; NaN until the warm-up is over.

    Raises:
        InvalidInputError: A series or ``period`` breaks its contract, or the lengths differ.

    Warm-up:
        The first ``period - 1`` bars have no value; exact from then on.

    References:
        Ganapathy Vidyamurthy (2004), Pairs Trading: Quantitative Methods and Analysis, ch. 5, with one unit of
        the benchmark for one of the price.

    Examples:
        >>> import numpy as np
        >>> spread_z_score(np.array([1.0, 1.0, 2.0]), np.ones(3), period=2)
        array([nan,  0.,  1.])
    """
    (values,) = SPREAD_Z_SCORE.values(closes, benchmarks, period=period)
    return values


def _returns(close: Line) -> Line:
    return close.change().over(close.lag(1), 0.0)


def _squares(line: Line, period: int) -> Line:
    """Return the sum of the squared distances from the mean of the window."""
    return line.distances(line.mean(period), period, squared=True)


def _common(own: Line, other: Line, period: int) -> Line:
    """Return the sum of the products of the distances from both means."""
    return own.products(own.mean(period), other, other.mean(period), period)


def _variation(returns: Line, period: int) -> Line:
    """Return the sum of the squared distances from the mean of the window, 0 where there is rounding alone."""
    noise = (returns.magnitude().highest(period) + 1.0) * (4.0 * ROUNDING * sqrt(period))
    return _squares(returns, period).beyond(noise * noise)


def _rolling_beta(close: Line, benchmark: Line, period: int) -> Line:
    own, other = _returns(close), _returns(benchmark)
    return _common(own, other, period).over(_variation(other, period), 0.0)


def _rolling_correlation(close: Line, benchmark: Line, period: int) -> Line:
    own, other = _returns(close), _returns(benchmark)
    # One root each, as the product of two small variances may be too small for a float.
    width = _variation(own, period).root() * _variation(other, period).root()
    return _common(own, other, period).over(width, 0.0).within(-1.0, 1.0)


def _relative_strength(close: Line, benchmark: Line) -> Line:
    return close.over(benchmark, 0.0)


def _spread_z_score(close: Line, benchmark: Line, period: int) -> Line:
    spread = log_ratio(close, benchmark)
    # A constant ratio of decimals is none of floats.
    noise = (spread.magnitude() + 1.0) * (4.0 * ROUNDING)
    return (spread - spread.mean(period)).over(spread.deviation(period).beyond(noise), 0.0)


ROLLING_BETA = IndicatorDefinition(
    name="rolling_beta",
    title="Beta, rolling",
    inputs=("close", "benchmark"),
    parameters=(period_of(60, minimum=2),),
    results=(
        ResultDefinition(
            name="rolling_beta",
            description="Beta of {period} returns to the benchmark's; 0 where those do not vary",
            unit=PLAIN_UNIT,
        ),
    ),
    formula=_rolling_beta,
    function=rolling_beta,
    needs_positive_prices=True,
    revision=3,
)
ROLLING_CORRELATION = IndicatorDefinition(
    name="rolling_correlation",
    title="Correlation, rolling",
    inputs=("close", "benchmark"),
    parameters=(period_of(60, minimum=2),),
    results=(
        ResultDefinition(
            name="rolling_correlation",
            description="Correlation of {period} returns with the benchmark's; 0 where one does not vary",
            unit=PLAIN_UNIT,
            least=-1.0,
            most=1.0,
        ),
    ),
    formula=_rolling_correlation,
    function=rolling_correlation,
    needs_positive_prices=True,
    revision=3,
)
RELATIVE_STRENGTH = IndicatorDefinition(
    name="relative_strength",
    title="Relative strength",
    inputs=("close", "benchmark"),
    parameters=(),
    results=(
        ResultDefinition(
            name="relative_strength",
            description="Close over the benchmark's close",
            unit=PLAIN_UNIT,
            least=0.0,
        ),
    ),
    formula=_relative_strength,
    function=relative_strength,
    needs_positive_prices=True,
)
SPREAD_Z_SCORE = IndicatorDefinition(
    name="spread_z_score",
    title="Z-score of the spread",
    inputs=("close", "benchmark"),
    parameters=(period_of(60, minimum=2),),
    results=(
        ResultDefinition(
            name="spread_z_score",
            description="Logarithmic spread to the benchmark, in standard deviations from its mean of {period} bars",
            unit=PLAIN_UNIT,
        ),
    ),
    formula=_spread_z_score,
    function=spread_z_score,
    needs_positive_prices=True,
    revision=2,
)

RECORDS = (ROLLING_BETA, ROLLING_CORRELATION, RELATIVE_STRENGTH, SPREAD_Z_SCORE)
