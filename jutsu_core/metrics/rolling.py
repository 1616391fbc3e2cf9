"""The main figures over a moving window: how the risk and the skill of a portfolio changed.

A window that is not full yet has no figure. Every value is what the figure of the same name is of the
returns of that window alone; ``beta`` and ``alpha`` need a benchmark.
"""

import math

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from jutsu_core.arguments import require_integer
from jutsu_core.metrics.benchmark import require_same_labels
from jutsu_core.metrics.kernels import ROUNDING
from jutsu_core.metrics.measures import checked_returns, risk_free_of
from jutsu_core.metrics.series import FloatArray

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
    frame = pd.DataFrame(index=returns.index)
    others = None
    if benchmark is not None:
        others = checked_returns("benchmark", benchmark)
        require_same_labels(returns, "benchmark", benchmark)
    each = np.broadcast_to(np.asarray(risk_free, dtype=np.float64), values.shape)
    columns = _columns(values, each, others, wide, periods_per_year) if len(values) >= wide else {}
    names = ["total_return", "volatility", "sharpe_ratio", "sortino_ratio", "max_drawdown"]
    for name in names + (["beta", "alpha"] if benchmark is not None else []):
        full = np.full(len(values), np.nan)
        if name in columns:
            full[wide - 1 :] = columns[name]
        frame[name] = full
    return frame


def _columns(
    values: FloatArray, risk_free: FloatArray, others: FloatArray | None, window: int, periods_per_year: int
) -> dict[str, FloatArray]:
    returns = sliding_window_view(values, window)
    excess = sliding_window_view(values - risk_free, window)
    a_year = math.sqrt(periods_per_year)
    mean = excess.mean(axis=1)
    grown = np.cumprod(np.concatenate((np.ones((len(returns), 1)), 1 + returns), axis=1), axis=1)
    shortfall = np.minimum(excess, 0.0)
    short = np.sqrt((shortfall * shortfall).mean(axis=1))
    own = _deviations(excess)
    found = {
        "total_return": grown[:, -1] - 1,
        "volatility": _deviations(returns) * a_year,
        "sharpe_ratio": _over(mean, own) * a_year,
        "sortino_ratio": _over(mean, np.where(-shortfall.min(axis=1) > ROUNDING, short, 0.0)) * a_year,
        "max_drawdown": (grown / np.maximum.accumulate(grown, axis=1)).min(axis=1) - 1,
    }
    if others is not None:
        other = sliding_window_view(others - risk_free, window)
        middle = other.mean(axis=1)
        together = ((excess - mean[:, None]) * (other - middle[:, None])).sum(axis=1) / (window - 1)
        found["beta"] = _over(together, _deviations(other) ** 2)
        found["alpha"] = (mean - found["beta"] * middle) * periods_per_year
    return found


def _deviations(windows: FloatArray) -> FloatArray:
    varies = windows.max(axis=1) - windows.min(axis=1) > ROUNDING
    found: FloatArray = np.where(varies, windows.std(axis=1, ddof=1), 0.0)
    return found


def _over(above: FloatArray, below: FloatArray) -> FloatArray:
    found: FloatArray = np.full(len(above), np.nan)
    np.divide(above, below, out=found, where=below > 0)
    return found
