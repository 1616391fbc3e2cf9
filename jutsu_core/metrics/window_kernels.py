"""Sums, moments and falls of every window of a series, over arrays that were already checked.

A window is put together of windows half as long, and those of halves: about 2 * log2(w) passes over the series
instead of w, with a fixed tree of operations. So a value depends on the returns of its window alone, on nothing
that was before, and has no drift; the moments are merged (Chan, Golub and LeVeque), which cancels nothing.

What a window of one has, what two neighbours have together, and nothing else, is stated below. Windows are in the
order of their first return: of ``n`` returns there are ``n - window + 1``.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jutsu_core.metrics.kernels import ROUNDING
from jutsu_core.metrics.series import FloatArray

Parts = tuple[FloatArray, ...]
Merge = Callable[[Parts, int, Parts, int], Parts]


class Moments(NamedTuple):
    """Of every window its mean and the sum of the squared distances from it."""

    mean: FloatArray
    squares: FloatArray


class JointMoments(NamedTuple):
    """The moments of the windows of two series, and the sum of the products of their distances."""

    mean: FloatArray
    squares: FloatArray
    other_mean: FloatArray
    other_squares: FloatArray
    products: FloatArray


class Path(NamedTuple):
    """Of every window what 1 grew to, the highest and the lowest on the way, and the deepest fall as a quotient."""

    growth: FloatArray
    highest: FloatArray
    lowest: FloatArray
    fall: FloatArray


def sums(values: FloatArray, window: int) -> FloatArray:
    """Return the sum of every window."""
    return _merged((values,), window, _add)[0]


def moments(values: FloatArray, window: int) -> Moments:
    """Return the moments of every window."""
    return Moments(*_merged((values, np.zeros(len(values))), window, _gather))


def joint_moments(values: FloatArray, others: FloatArray, window: int) -> JointMoments:
    """Return the moments of every window of two series of the same periods."""
    still = np.zeros(len(values))
    return JointMoments(*_merged((values, still, others, still, still), window, _gather_both))


def paths(returns: FloatArray, window: int) -> Path:
    """Return the path that 1 takes through every window of returns."""
    growth = 1 + returns
    return Path(*_merged((growth, np.maximum(growth, 1.0), growth, np.minimum(growth, 1.0)), window, _join))


def deviations(values: FloatArray, squares: FloatArray, window: int) -> FloatArray:
    """Return the standard deviation, ddof 1, of every window; 0 where its values differ by rounding alone.

    Args:
        values: What the windows are of.
        squares: Sum of the squared distances of each from its mean.
        window: At least 2.
    """
    found: FloatArray = np.sqrt(squares / (window - 1))
    # A deviation is never above the range: where it is beyond rounding, so is that.
    for place in np.flatnonzero(found <= ROUNDING).tolist():
        within = values[place : place + window]
        if float(within.max() - within.min()) <= ROUNDING:
            found[place] = 0.0
    return found


def _merged(parts: Parts, window: int, merge: Merge) -> Parts:
    count = len(parts[0]) - window + 1
    whole: Parts | None = None
    covered, size = 0, 1
    while True:
        if window & size:
            # What is longer comes first, what was put together so far after it.
            whole = parts if whole is None else _side_by_side(parts, size, whole, covered, merge)
            covered += size
        if covered == window:
            break
        parts = _side_by_side(parts, size, parts, size, merge)
        size *= 2
    assert whole is not None  # noqa: S101 - a window has at least one bit
    return tuple(part[:count] for part in whole)


def _side_by_side(older: Parts, a: int, newer: Parts, b: int, merge: Merge) -> Parts:
    shifted = tuple(part[a:] for part in newer)
    count = min(len(older[0]), len(shifted[0]))
    return merge(tuple(part[:count] for part in older), a, tuple(part[:count] for part in shifted), b)


def _add(older: Parts, _a: int, newer: Parts, _b: int) -> Parts:
    return (older[0] + newer[0],)


def _gather(older: Parts, a: int, newer: Parts, b: int) -> Parts:
    mean, squares = older
    apart = newer[0] - mean
    share = b / (a + b)
    return mean + apart * share, squares + newer[1] + apart * apart * (a * share)


def _gather_both(older: Parts, a: int, newer: Parts, b: int) -> Parts:
    apart, other = newer[0] - older[0], newer[2] - older[2]
    products = older[4] + newer[4] + apart * other * (a * b / (a + b))
    return (*_gather(older[:2], a, newer[:2], b), *_gather(older[2:4], a, newer[2:4], b), products)


def _join(older: Parts, _a: int, newer: Parts, _b: int) -> Parts:
    growth, highest, lowest, fall = older
    low = growth * newer[2]
    return (
        growth * newer[0],
        np.maximum(highest, growth * newer[1]),
        np.minimum(lowest, low),
        np.minimum(np.minimum(fall, newer[3]), low / highest),
    )
