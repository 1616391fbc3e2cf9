"""Where a return came from: parts that add up to it, exactly, over one period and over many.

**Linking.** The parts of single periods add up to the return of each; returns compound, and parts do not. So the
parts of a period are scaled by k[t] / K, ``k[t] = log(1 + r[t]) / r[t]`` and ``K = log(1 + R) / R`` of the whole
(Carino), and then add up to R.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from jutsu_core.arguments import refuse
from jutsu_core.metrics.frames import checked_frame
from jutsu_core.metrics.series import FloatArray

# Below this a return and its logarithm are one to the last bit, and their ratio is the limit, 1 - r/2.
_TINY = 1e-8
_SUMS_TO_ONE = 1e-9
# Beyond this logarithm no float is left.
_FARTHEST = 700.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Parts of a return.

    Attributes:
        periods: One row a period, one column a part; each row adds up to the period's return.
        linked: The parts of the whole; they add up to ``total``.
        by_period: What each period is of it; they add up to ``total`` too.
        total: The compounded return of all periods.
        residual: What ``linked`` lacks of ``total``: rounding, and nothing else.
    """

    periods: pd.DataFrame
    linked: "pd.Series[float]"
    by_period: "pd.Series[float]"
    total: float
    residual: float


def link_contributions(contributions: pd.DataFrame) -> Attribution:
    """Return contributions of many periods as those of the whole.

    Args:
        contributions: One row a period, oldest first, one column a part; the sum of a row is the return of its
            period, above -1.

    Raises:
        InvalidInputError: It is no frame of finite numbers, is unsorted, or the return of a period is not
            above -1.

    References:
        David Carino (1999), Combining Attribution Effects Over Time, Journal of Performance Measurement 3(4).

    Examples:
        >>> found = link_contributions(pd.DataFrame({"A": [0.1, 0.0], "B": [0.0, 0.1]}))
        >>> round(found.total, 12), found.linked.round(12).to_list()
        (0.21, [0.105, 0.105])
    """
    parts = checked_frame("contributions", contributions)
    returns = parts.sum(axis=1)
    return linked(contributions, parts, returns)


def brinson_fachler(
    weights: pd.DataFrame,
    returns: pd.DataFrame,
    benchmark_weights: pd.DataFrame,
    benchmark_returns: pd.DataFrame,
) -> Attribution:
    """Return by group what allocation, selection and their interaction added to the benchmark's return.

    Formula:
        allocation = (w - W) * (B - b); selection = W * (r - B); interaction = (w - W) * (r - B),
        with w and r of the portfolio's group, W and B of the benchmark's, b the benchmark's whole return.
        Over many periods each is scaled by k[t] / K of the portfolio's and the benchmark's returns
        (``k = (log(1 + r) - log(1 + b)) / (r - b)``), so that they add up to R - B.

    Args:
        weights: Share of each group in the portfolio at the start of each period; a row adds up to 1.
        returns: Return of each group in the portfolio; what a group without a weight returned does not count.
        benchmark_weights: The same of the benchmark.
        benchmark_returns: The same of the benchmark.

    Returns:
        Columns of two levels, effect and group; ``total`` is the return beyond the benchmark's, and
        ``residual`` what is missing of it: rounding.

    Raises:
        InvalidInputError: The frames are no numbers, have other labels or groups, weights do not add up to 1,
            or a whole return is not above -1.

    References:
        Brinson and Fachler (1985), Measuring Non-U.S. Equity Portfolio Performance; linked as Carino (1999).

    Examples:
        >>> groups = ["Bonds", "Stocks"]
        >>> frames = [pd.DataFrame([row], columns=groups) for row in ([0.2, 0.8], [0.0, 0.1], [0.5, 0.5], [0.0, 0.1])]
        >>> found = brinson_fachler(*frames)
        >>> round(float(found.linked["allocation"].sum()), 12), round(found.total, 12)
        (0.03, 0.03)
    """
    named = {
        "weights": weights,
        "returns": returns,
        "benchmark_weights": benchmark_weights,
        "benchmark_returns": benchmark_returns,
    }
    own, made, other, others = (checked_frame(name, frame) for name, frame in named.items())
    for name, frame in named.items():
        if not frame.index.equals(weights.index) or not frame.columns.equals(weights.columns):
            refuse(name, "of the same periods and groups as weights, in the same order", "of others")
    for name, shares in (("weights", own), ("benchmark_weights", other)):
        off = np.flatnonzero(np.abs(shares.sum(axis=1) - 1) > _SUMS_TO_ONE)
        if len(off):
            refuse(f"row {off[0]} of {name}", "shares that add up to 1", float(shares[off[0]].sum()))
    whole, benchmark = (own * made).sum(axis=1), (other * others).sum(axis=1)
    effects = {
        "allocation": (own - other) * (others - benchmark[:, None]),
        "selection": other * (made - others),
        "interaction": (own - other) * (made - others),
    }
    columns = pd.MultiIndex.from_product([list(effects), list(weights.columns)], names=["effect", "group"])
    periods = pd.DataFrame(np.hstack(list(effects.values())), index=weights.index, columns=columns)
    return linked(periods, periods.to_numpy(), whole, benchmark)


def linked(
    periods: pd.DataFrame, parts: FloatArray, returns: FloatArray, benchmark: FloatArray | None = None
) -> Attribution:
    """Return the parts of each period as those of the whole, beyond a benchmark if there is one.

    Raises:
        InvalidInputError: The return of a period is not above -1.
    """
    other = np.zeros(len(returns)) if benchmark is None else benchmark
    lost = np.minimum(returns, other)
    if lost.min() <= -1:
        refuse(f"the return of period {periods.index[int(lost.argmin())]}", "above -1", float(lost.min()))
    grown, whole = float(np.log1p(returns).sum()), float(np.log1p(other).sum())
    if max(abs(grown), abs(whole)) > _FARTHEST:
        refuse("the compounded return", "neither all lost nor too large for a float", f"that of {len(returns)} periods")
    scales = _logarithmic(np.log1p(returns), np.log1p(other))
    scale = float(_logarithmic(np.array([grown]), np.array([whole]))[0])
    total = float(np.expm1(grown) - np.expm1(whole))
    scaled = parts * (scales / scale)[:, None]
    whole_parts = scaled.sum(axis=0)
    return Attribution(
        periods=periods,
        linked=pd.Series(whole_parts, index=periods.columns),
        by_period=pd.Series(scaled.sum(axis=1), index=periods.index),
        total=total,
        residual=total - float(whole_parts.sum()),
    )


def _logarithmic(own: FloatArray, other: FloatArray) -> FloatArray:
    """Return the difference of two logarithms over that of what they are of; the limit where they are one."""
    apart = own - other
    is_tiny = np.abs(apart) < _TINY
    safe = np.where(is_tiny, 1.0, apart)
    # exp(other) * (exp(apart) - 1) is the difference of the two without cancelling.
    found: FloatArray = np.where(is_tiny, np.exp(-other) * (1 - apart / 2), safe / (np.exp(other) * np.expm1(safe)))
    return found
