"""The main figures over a moving window: how the risk and the skill of a portfolio changed.

A window that is not full yet has no figure. Every value is what the figure of the same name is of the
returns of that window alone; ``beta`` and ``alpha`` need a benchmark.
"""

import math
from collections.abc import Collection

import numpy as np
import pandas as pd

from jutsu_core.arguments import require_integer
from jutsu_core.metrics.benchmark import require_same_labels
from jutsu_core.metrics.kernels import ROUNDING
from jutsu_core.metrics.measures import checked_returns, risk_free_of
from jutsu_core.metrics.series import FloatArray
from jutsu_core.metrics.window_kernels import JointMoments, deviations, joint_moments, moments, paths, sums

ROLLING = ("total_return", "volatility", "sharpe_ratio", "sortino_ratio", "max_drawdown")
"""What a window of returns has by itself, under the names of the catalogue."""

BESIDE = ("beta", "alpha")
"""What it has beside a benchmark."""

_FEWEST = 2
_MOST = 10**9


def rolling_measures(
    returns: "pd.Series[float]",
    *,
    window: int,
    risk_free_rate: "float | pd.Series[float]",
    periods_per_year: int,
    benchmark: "pd.Series[float] | None" = None,
) -> pd.DataFrame:
    """Return the main figures of every window of ``returns``.

    Args:
        returns: Simple returns of one period each, above -1, oldest first.
        window: Periods of a window, at least 2.
        risk_free_rate: Annual effective rate, or the risk-free returns of the same periods.
        periods_per_year: Periods in a year, at least 1; figures are annualised however short the window.
        benchmark: Returns of the benchmark, with the same labels.

    Returns:
        A frame with the labels of ``returns`` and the columns ``total_return``, ``volatility``,
        ``sharpe_ratio``, ``sortino_ratio``, ``max_drawdown`` and, with a benchmark, ``beta`` and ``alpha``; NaN
        where a window is not full or a figure is undefined.

    Raises:
        InvalidInputError: A series is unsorted, not finite or not above -1, the labels differ, or a
            parameter breaks its constraint.

    Examples:
        >>> frame = rolling_measures(
        ...     pd.Series([0.1, -0.5, 0.2]), window=2, risk_free_rate=0.0, periods_per_year=252
        ... )
        >>> frame["total_return"].round(12).to_list()
        [nan, -0.45, -0.4]
    """
    values = checked_returns("returns", returns)
    wide = require_integer("window", window, minimum=_FEWEST, maximum=_MOST)
    risk_free, _ = risk_free_of(risk_free_rate, returns, periods_per_year)
    others = None
    if benchmark is not None:
        others = checked_returns("benchmark", benchmark)
        require_same_labels(returns, "benchmark", benchmark)
    found = rolling_arrays(
        values, window=wide, risk_free=risk_free, periods_per_year=periods_per_year, benchmark=others
    )
    return pd.DataFrame(found, index=returns.index)


def rolling_arrays(
    returns: FloatArray,
    *,
    window: int,
    risk_free: float | FloatArray,
    periods_per_year: int,
    benchmark: FloatArray | None = None,
    names: Collection[str] = ROLLING + BESIDE,
) -> dict[str, FloatArray]:
    """Return the figures ``names`` of every window of returns that were already checked.

    Args:
        returns: Simple returns of one period each.
        window: Periods of a window, at least 2.
        risk_free: Risk-free return of a period, or of each.
        periods_per_year: Periods in a year.
        benchmark: Returns of the benchmark of the same periods; without it there is nothing of ``BESIDE``.
        names: Which of ``ROLLING`` and ``BESIDE``.

    Returns:
        As many values as ``returns``, each of the window that ends there; NaN where it is not full or the figure
        is undefined.
    """
    wanted = [name for name in names if name in ROLLING or (name in BESIDE and benchmark is not None)]
    found: dict[str, FloatArray] = {}
    if len(returns) >= window:
        with np.errstate(all="ignore"):
            found = _figures(returns, window, risk_free, periods_per_year, benchmark, set(wanted))
    empty = np.full(min(len(returns), window - 1), np.nan)
    return {name: np.concatenate((empty, found.get(name, empty[:0]))) for name in wanted}


def _figures(
    returns: FloatArray,
    window: int,
    risk_free: float | FloatArray,
    periods_per_year: int,
    benchmark: FloatArray | None,
    wanted: set[str],
) -> dict[str, FloatArray]:
    a_year = math.sqrt(periods_per_year)
    excess = returns - risk_free
    found: dict[str, FloatArray] = {}
    if wanted & {"total_return", "max_drawdown"}:
        path = paths(returns, window)
        found |= {"total_return": path.growth - 1, "max_drawdown": path.fall - 1}
    other = None if benchmark is None or not wanted & {*BESIDE} else benchmark - risk_free
    each = moments(excess, window) if other is None else joint_moments(excess, other, window)
    apart = deviations(excess, each.squares, window)
    found["sharpe_ratio"] = _over(each.mean, apart) * a_year
    if "volatility" in wanted:
        # What is taken off every return does not change how they vary.
        is_shifted = isinstance(risk_free, float)
        own = apart if is_shifted else deviations(returns, moments(returns, window).squares, window)
        found["volatility"] = own * a_year
    if "sortino_ratio" in wanted:
        found["sortino_ratio"] = _over(each.mean, _shortfalls(excess, window)) * a_year
    if other is not None and isinstance(each, JointMoments):
        still = deviations(other, each.other_squares, window)
        beta = _over(each.products / (window - 1), still * still)
        found |= {"beta": beta, "alpha": (each.mean - beta * each.other_mean) * periods_per_year}
    return found


def _shortfalls(excess: FloatArray, window: int) -> FloatArray:
    """Return the root of the mean squared shortfall of every window; 0 where none is more than rounding."""
    short = np.minimum(excess, 0.0)
    found: FloatArray = np.sqrt(sums(short * short, window) / window)
    # The root of the mean is never above the largest: where it is beyond rounding, so is that.
    for place in np.flatnonzero(found <= ROUNDING).tolist():
        if -float(short[place : place + window].min()) <= ROUNDING:
            found[place] = 0.0
    return found


def _over(above: FloatArray, below: FloatArray) -> FloatArray:
    found: FloatArray = np.full(len(above), np.nan)
    np.divide(above, below, out=found, where=below > 0)
    return found
