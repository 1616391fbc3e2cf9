"""Drawdown: how far a value stands below the highest it has been.

The first value counts as a peak: a loss on the first day is a drawdown from what one started with.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from jutsu_core.arguments import require_integer
from jutsu_core.metrics.kernels import deepest_fall, falls
from jutsu_core.metrics.series import FloatArray, checked_values, require_finite

# More than any history has rows.
_MOST = 10**9


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


@dataclass(frozen=True, slots=True)
class DrawdownSpan:
    """One stretch below a high, from its peak to its recovery.

    Attributes:
        depth: Fraction of the peak at the trough, below 0.
        peak: Label of the last row at the peak.
        trough: Label of the first row at the bottom.
        recovery: Label of the first later row at least as high as the peak; ``None`` when there is none yet.
        periods: Rows from the peak to the recovery, or to the end.
        days: Days from the peak to the recovery, or to the end; ``None`` where the labels are no times.
    """

    depth: float
    peak: object
    trough: object
    recovery: object
    periods: int
    days: float | None


class Stretch(NamedTuple):
    """A drawdown by its rows; ``recovery`` is the number of rows where there is none."""

    depth: float
    peak: int
    trough: int
    recovery: int


def worst_drawdowns(values: "pd.Series[float]", *, count: int = 10) -> list[DrawdownSpan]:
    """Return the deepest drawdowns that do not overlap, deepest first; of equals the earlier.

    Args:
        values: Prices or equity, the first above 0, oldest first.
        count: How many at most.

    Returns:
        Each from the high before it until that is reached again.

    Raises:
        InvalidInputError: ``values`` is empty, unsorted, not finite, or does not start above 0, or ``count``
            is no integer of at least 1.

    Examples:
        >>> worst_drawdowns(pd.Series([100.0, 75.0, 110.0, 99.0]), count=1)
        [DrawdownSpan(depth=-0.25, peak=0, trough=1, recovery=2, periods=2, days=None)]
    """
    array = checked_values("values", values, positive="first")
    most = require_integer("count", count, minimum=1, maximum=_MOST)
    index = values.index
    spans = []
    for found in stretches(array)[:most]:
        last = min(found.recovery, len(array) - 1)
        took = index[last] - index[found.peak] if isinstance(index, pd.DatetimeIndex) else None
        spans.append(
            DrawdownSpan(
                depth=found.depth,
                peak=index[found.peak],
                trough=index[found.trough],
                recovery=index[found.recovery] if found.recovery < len(array) else None,
                periods=last - found.peak,
                days=None if took is None else took / pd.Timedelta(days=1),
            )
        )
    return spans


def stretches(values: FloatArray) -> list[Stretch]:
    """Return every drawdown of values whose first is above 0, deepest first."""
    depths = falls(values)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], (depths < 0).view(np.int8), [0]))))
    found = []
    for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        trough = first + int(depths[first:after].argmin())
        found.append(Stretch(float(depths[trough]), first - 1, trough, after))
    return sorted(found)


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
