"""Returns: from prices to what one would have gained, over a period and per year.

A series of prices or of equity begins with its **base**, the value before the first return;
n values make n - 1 returns. Every rate is a fraction: 0.05 is five per cent.

**A year** is at least 364 days from the base to the last value. That is 52 weeks, the shortest
distance between the last sessions of two consecutive calendar years (31 December 2004 to
30 December 2005), so that every full calendar year counts as one. Under a year nothing is
annualised unless the caller asks, because a good month compounded twelve times is a forecast.
"""

from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd

from jutsu_core.arguments import refuse, require_date, require_flag, require_integer
from jutsu_core.metrics.kernels import SHORTEST_YEAR_DAYS, annual_growth, period_returns, whole_return
from jutsu_core.metrics.series import checked_stamps, checked_values, elapsed_days_between, require_finite
from jutsu_core.sessions import EXCHANGE_ZONE


class ExtremeReturn(NamedTuple):
    """The best or the worst return of a series, and the label of its row."""

    label: object
    value: float


def simple_returns(prices: "pd.Series[float]") -> "pd.Series[float]":
    """Return the simple return of every price over the one before it.

    Formula:
        r[t] = prices[t] / prices[t-1] - 1

    Args:
        prices: Prices or equity, all above 0, oldest first.

    Returns:
        One value fewer than ``prices``, as fractions, labelled with the later of the two rows;
        empty for a single price.

    Raises:
        InvalidInputError: ``prices`` is empty, unsorted, or holds a value that is not finite or
            not above 0, or a ratio of two of them is not finite.

    Examples:
        >>> simple_returns(pd.Series([100.0, 110.0, 99.0])).round(12).to_list()
        [0.1, -0.1]
    """
    values = checked_values("prices", prices, positive="all")
    returns = period_returns(values)
    is_finite = np.isfinite(returns)
    if not is_finite.all():
        row = int(is_finite.argmin()) + 1
        refuse(f"the return at row {row} of prices ({prices.index[row]})", "finite", float(returns[row - 1]))
    return pd.Series(returns, index=prices.index[1:], dtype=np.float64)


def total_return(prices: "pd.Series[float]") -> float | None:
    """Return what the whole period gained.

    Formula:
        prices[last] / prices[first] - 1

    Args:
        prices: Prices or equity, the first above 0, oldest first.

    Returns:
        A fraction, not annualised; ``None`` for a single price.

    Raises:
        InvalidInputError: ``prices`` is empty, unsorted, not finite, or does not start above 0.

    Examples:
        >>> total_return(pd.Series([100.0, 90.0, 150.0]))
        0.5
    """
    values = checked_values("prices", prices, positive="first")
    return require_finite("total return", "prices", whole_return(values)) if len(values) > 1 else None


def elapsed_days(first: date, last: date) -> int:
    """Return the days from ``first`` to ``last``.

    Examples:
        >>> elapsed_days(date(2004, 12, 31), date(2005, 12, 30))
        364
    """
    return (require_date("last", last) - require_date("first", first)).days


def is_a_year(days: int | None) -> bool:
    """Return whether ``days`` from the base to the last value are a year (see the module).

    Args:
        days: Elapsed days; ``None`` when nobody knows, which is not a year.

    Examples:
        >>> is_a_year(364), is_a_year(363), is_a_year(None)
        (True, False, False)
    """
    return days is not None and require_integer("days", days) >= SHORTEST_YEAR_DAYS


def cagr(
    prices: "pd.Series[float]", *, annualize_partial_years: bool = False, exchange_zone: str = EXCHANGE_ZONE
) -> float | None:
    """Return the compound annual growth rate by elapsed calendar time.

    Formula:
        (prices[last] / prices[first]) ** (365.25 / days) - 1, days from the first to the last date

    Args:
        prices: Prices or equity with timezone-aware timestamps, the first above 0, oldest first.
        annualize_partial_years: Whether to answer for less than a year too.
        exchange_zone: Where the exchange's clocks are: days are counted between its dates.

    Returns:
        A fraction per year. ``None`` under a year unless asked for, when no day has passed, when
        the last value is below 0, and when the rate is too large for a float.

    Raises:
        InvalidInputError: ``prices`` is empty, unsorted, naive, not finite, or does not start
            above 0, or the zone is unknown.

    References:
        CFA Institute, Global Investment Performance Standards (2020): no annualised performance
        for periods of less than one year.

    Examples:
        >>> days = pd.DatetimeIndex(["2000-12-31", "2004-12-31"], tz="UTC")  # 1461 = 4 * 365.25
        >>> round(cagr(pd.Series([100.0, 146.41], index=days)), 12)
        0.1
    """
    values = checked_values("prices", prices, positive="first")
    days = elapsed_days_between(checked_stamps("prices", prices), exchange_zone)
    if not (require_flag("annualize_partial_years", annualize_partial_years) or is_a_year(days)):
        return None
    return annual_growth(values, days)


def best_return(returns: "pd.Series[float]") -> ExtremeReturn | None:
    """Return the highest return and its label, the earliest of equals; ``None`` without returns.

    Raises:
        InvalidInputError: ``returns`` is unsorted or not finite.

    Examples:
        >>> best_return(pd.Series([0.1, 0.2, 0.2]))
        ExtremeReturn(label=1, value=0.2)
    """
    values = checked_values("returns", returns, positive="none", may_be_empty=True)
    if not len(values):
        return None
    row = int(values.argmax())
    return ExtremeReturn(returns.index[row], float(values[row]))


def worst_return(returns: "pd.Series[float]") -> ExtremeReturn | None:
    """Return the lowest return and its label, the earliest of equals; ``None`` without returns.

    Raises:
        InvalidInputError: ``returns`` is unsorted or not finite.

    Examples:
        >>> worst_return(pd.Series([0.1, -0.2, -0.2]))
        ExtremeReturn(label=1, value=-0.2)
    """
    values = checked_values("returns", returns, positive="none", may_be_empty=True)
    if not len(values):
        return None
    row = int(values.argmin())
    return ExtremeReturn(returns.index[row], float(values[row]))


def positive_share(returns: "pd.Series[float]") -> float | None:
    """Return the share of returns above 0; a return of 0 counts as not positive.

    Returns:
        A fraction from 0 to 1; ``None`` without returns.

    Raises:
        InvalidInputError: ``returns`` is unsorted or not finite.

    Examples:
        >>> positive_share(pd.Series([0.1, 0.0, -0.1, 0.2]))
        0.5
    """
    values = checked_values("returns", returns, positive="none", may_be_empty=True)
    return float((values > 0).mean()) if len(values) else None
