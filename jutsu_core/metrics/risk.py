"""Risk and return for risk, annualised from the returns of single periods.

Every figure here is annual. So each function wants to know how long its returns span
(``elapsed_days`` from the base to the last value) and answers ``None`` for less than a year, or for
a span that nobody gave, unless ``annualize_partial_years`` asks for it. What counts as a year
stands in ``jutsu_core.metrics.returns``. ``periods_per_year`` has no default: 252 is right for US
daily bars and wrong for all else.
"""

import math

import pandas as pd

from jutsu_core.arguments import require_flag, require_integer, require_number, require_type
from jutsu_core.metrics.drawdown import Drawdown
from jutsu_core.metrics.kernels import deviation, mean_of, shortfall_of
from jutsu_core.metrics.returns import is_a_year
from jutsu_core.metrics.series import FloatArray, check_periods_per_year, checked_values, risk_free_per_period

_FEWEST_RETURNS = 2


def volatility(
    returns: "pd.Series[float]",
    *,
    periods_per_year: int,
    elapsed_days: int | None = None,
    annualize_partial_years: bool = False,
) -> float | None:
    """Return the annualised standard deviation of ``returns``.

    Formula:
        std(returns, ddof=1) * sqrt(periods_per_year)

    Args:
        returns: Simple returns of one period each, as fractions, oldest first.
        periods_per_year: Periods in a year, at least 1.
        elapsed_days: Days from the base to the last return.
        annualize_partial_years: Whether to answer for less than a year too.

    Returns:
        A fraction per year, 0 for equal returns. ``None`` under two returns, and under a year
        unless asked for.

    Raises:
        InvalidInputError: ``returns`` is unsorted or not finite, or ``periods_per_year`` is not
            a positive integer.

    Examples:
        >>> returns = pd.Series([0.01, 0.03])  # std: sqrt(2 * 0.01**2 / 1)
        >>> round(volatility(returns, periods_per_year=50, annualize_partial_years=True), 12)
        0.1
    """
    check_periods_per_year(periods_per_year)
    values = _enough(returns, elapsed_days, annualize_partial_years=annualize_partial_years)
    return None if values is None else deviation(values) * math.sqrt(periods_per_year)


def sharpe_ratio(
    returns: "pd.Series[float]",
    *,
    risk_free_rate: float,
    periods_per_year: int,
    elapsed_days: int | None = None,
    annualize_partial_years: bool = False,
) -> float | None:
    """Return the annualised Sharpe ratio.

    Formula:
        e[t] = returns[t] - f, f = (1 + risk_free_rate) ** (1 / periods_per_year) - 1;
        mean(e) / std(e, ddof=1) * sqrt(periods_per_year)

    Args:
        returns: Simple returns of one period each, as fractions, oldest first.
        risk_free_rate: Annual effective rate as a fraction, above -1.
        periods_per_year: Periods in a year, at least 1.
        elapsed_days: Days from the base to the last return.
        annualize_partial_years: Whether to answer for less than a year too.

    Returns:
        A ratio. ``None`` under two returns, for returns that do not vary, and under a year
        unless asked for.

    Raises:
        InvalidInputError: ``returns`` is unsorted or not finite, or a parameter breaks its
            constraint.

    References:
        William F. Sharpe (1994), The Sharpe Ratio, Journal of Portfolio Management 21(1).

    Examples:
        >>> returns = pd.Series([0.01, 0.03])  # mean 0.02, std sqrt(0.0002), sqrt(2 * 0.0004 / 0.0002)
        >>> sharpe = sharpe_ratio(
        ...     returns, risk_free_rate=0.0, periods_per_year=2, annualize_partial_years=True
        ... )
        >>> round(sharpe, 12)
        2.0
    """
    risk_free = risk_free_per_period(risk_free_rate, periods_per_year=periods_per_year)
    values = _enough(returns, elapsed_days, annualize_partial_years=annualize_partial_years)
    return None if values is None else _annual_ratio(values - risk_free, deviation(values), periods_per_year)


def sortino_ratio(
    returns: "pd.Series[float]",
    *,
    risk_free_rate: float,
    periods_per_year: int,
    elapsed_days: int | None = None,
    annualize_partial_years: bool = False,
) -> float | None:
    """Return the annualised Sortino ratio, with the risk-free return as its target.

    Formula:
        e[t] = returns[t] - f, f = (1 + risk_free_rate) ** (1 / periods_per_year) - 1;
        mean(e) / sqrt(sum(min(e, 0)**2) / n) * sqrt(periods_per_year), n over all periods

    Args:
        returns: Simple returns of one period each, as fractions, oldest first.
        risk_free_rate: Annual effective rate as a fraction, above -1.
        periods_per_year: Periods in a year, at least 1.
        elapsed_days: Days from the base to the last return.
        annualize_partial_years: Whether to answer for less than a year too.

    Returns:
        A ratio. ``None`` under two returns, when no return falls short of the target, and under
        a year unless asked for.

    Raises:
        InvalidInputError: ``returns`` is unsorted or not finite, or a parameter breaks its
            constraint.

    References:
        Frank A. Sortino and Lee N. Price (1994), Performance Measurement in a Downside Risk
        Framework, Journal of Investing 3(3).

    Examples:
        >>> returns = pd.Series([0.03, -0.01])  # mean 0.01, downside sqrt(0.0001 / 2)
        >>> sortino = sortino_ratio(
        ...     returns, risk_free_rate=0.0, periods_per_year=2, annualize_partial_years=True
        ... )
        >>> round(sortino, 12)
        2.0
    """
    risk_free = risk_free_per_period(risk_free_rate, periods_per_year=periods_per_year)
    values = _enough(returns, elapsed_days, annualize_partial_years=annualize_partial_years)
    excess = None if values is None else values - risk_free
    return None if excess is None else _annual_ratio(excess, shortfall_of(excess), periods_per_year)


def calmar_ratio(annual_growth: float | None, drawdown: Drawdown) -> float | None:
    """Return the compound annual growth rate over the size of the maximum drawdown.

    Formula:
        CAGR / |max drawdown|, both over the same, whole period

    Args:
        annual_growth: The CAGR as a fraction; ``None`` where it is undefined.
        drawdown: The maximum drawdown of the same period.

    Returns:
        A ratio; ``None`` without a drawdown or without a CAGR.

    Raises:
        InvalidInputError: ``annual_growth`` is no finite number, or ``drawdown`` no :class:`Drawdown`.

    References:
        Terry W. Young (1991), Calmar Ratio: A Smoother Tool, Futures 20(1); there over the last
        36 months, here over the period asked for.

    Examples:
        >>> calmar_ratio(0.2, Drawdown(-0.1, None, None, None))
        2.0
    """
    growth = None if annual_growth is None else require_number("annual_growth", annual_growth)
    depth = require_type("drawdown", drawdown, Drawdown, "a Drawdown", "take what max_drawdown returns").depth
    return None if growth is None or depth == 0 else growth / -depth


def _annual_ratio(excess: FloatArray, risk: float, periods_per_year: int) -> float | None:
    return mean_of(excess) / risk * math.sqrt(periods_per_year) if risk else None


def _enough(
    returns: "pd.Series[float]", elapsed_days: int | None, *, annualize_partial_years: bool
) -> FloatArray | None:
    """Return the values to annualise, or ``None`` where there is nothing to say."""
    values = checked_values("returns", returns, positive="none", may_be_empty=True)
    is_wanted = require_flag("annualize_partial_years", annualize_partial_years)
    if elapsed_days is not None:
        require_integer("elapsed_days", elapsed_days)
    is_long_enough = is_wanted or is_a_year(elapsed_days)
    return values if is_long_enough and len(values) >= _FEWEST_RETURNS else None
