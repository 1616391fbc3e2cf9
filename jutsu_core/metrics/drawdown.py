"""Drawdown: how far a value stands below the highest it has been.

The first value counts as a peak: a loss on the first day is a drawdown from what one started with.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from jutsu_core.metrics.kernels import deepest_fall, falls
from jutsu_core.metrics.series import checked_values, require_finite


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall of a series.

    Attributes:
        depth: Fraction of the peak, at most 0; 0 when the series never falls.
        peak: Label of the last row at the peak; ``None`` without a drawdown.
        trough: Label of the first row at the bottom; ``None`` without a drawdown.
        recovery: Label of the first later row at least as high as the peak; ``None`` when there
            is none yet.
    """

    depth: float
    peak: object
    trough: object
    recovery: object


def drawdown_series(values: "pd.Series[float]") -> "pd.Series[float]":
    """Return how far each value stands below the highest so far.

    Formula:
        d[t] = values[t] / max(values[0..t]) - 1

    Args:
        values: Prices or equity, the first above 0, oldest first.

    Returns:
        Fractions, each at most 0, with the index of ``values``. Below -1 only where the value
        itself is below 0.

    Raises:
        InvalidInputError: ``values`` is empty, unsorted, not finite, or does not start above 0.

    Examples:
        >>> drawdown_series(pd.Series([100.0, 80.0, 120.0, 90.0])).round(12).to_list()
        [0.0, -0.2, 0.0, -0.25]
    """
    depths = falls(checked_values("values", values, positive="first"))
    require_finite("fall", "values", float(depths.min()))
    return pd.Series(depths, index=values.index, dtype=np.float64)


def max_drawdown(values: "pd.Series[float]") -> Drawdown:
    """Return the deepest fall below an earlier high; the first of equals.

    Formula:
        min over t of values[t] / max(values[0..t]) - 1

    Args:
        values: Prices or equity, the first above 0, oldest first.

    Returns:
        The depth as a fraction of at most 0, not annualised, with the rows of peak, trough and
        recovery.

    Raises:
        InvalidInputError: ``values`` is empty, unsorted, not finite, or does not start above 0.

    Examples:
        >>> max_drawdown(pd.Series([100.0, 75.0, 90.0, 110.0]))
        Drawdown(depth=-0.25, peak=0, trough=1, recovery=3)
        >>> max_drawdown(pd.Series([100.0, 101.0]))
        Drawdown(depth=0.0, peak=None, trough=None, recovery=None)
    """
    fall = deepest_fall(checked_values("values", values, positive="first"))
    require_finite("fall", "values", fall.depth)
    peak, trough, recovery = (None if row is None else values.index[row] for row in fall[1:])
    return Drawdown(fall.depth, peak, trough, recovery)
