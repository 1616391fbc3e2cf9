"""Returns explained by the returns of factors, with how sure one can be of each exposure."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from jutsu_core.arguments import refuse, require_number
from jutsu_core.metrics.frames import checked_frame
from jutsu_core.metrics.series import FloatArray, checked_values

_ALPHA = "alpha"


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """Returns explained by factors, by ordinary least squares.

    Attributes:
        coefficients: ``alpha`` (of a period) and the exposure to each factor.
        standard_errors: Of each of them, for errors of one variance.
        t_values: Coefficients over their standard errors; NaN where those are 0.
        r_squared: Share of the variance that the factors explain; ``None`` for returns that do not vary.
        residual_deviation: Standard deviation of what is left, by the degrees of freedom.
        contributions: Part of the mean excess return that each coefficient explains; they add up to it.
        mean: The mean excess return.
        periods: How many returns there were.
    """

    coefficients: "pd.Series[float]"
    standard_errors: "pd.Series[float]"
    t_values: "pd.Series[float]"
    r_squared: float | None
    residual_deviation: float
    contributions: "pd.Series[float]"
    mean: float
    periods: int


def factor_regression(
    returns: "pd.Series[float]",
    factors: pd.DataFrame,
    *,
    risk_free_returns: "pd.Series[float] | float" = 0.0,
) -> Regression:
    """Return how far factors explain the excess returns, with the standard errors of each exposure.

    Formula:
        returns - risk_free = alpha + sum(beta[i] * factors[i]) + error, by least squares;
        se = sqrt(diag(inv(X'X)) * sum(error**2) / (n - k - 1))

    Args:
        returns: Simple returns of one period each, oldest first.
        factors: Returns of the factors, with the labels of ``returns``; one column each.
        risk_free_returns: Risk-free return of a period, or of each.

    Raises:
        InvalidInputError: The data are no finite numbers, labels differ, there are not more returns than
            coefficients, or a factor is a combination of the others or does not vary.

    Examples:
        >>> days = pd.RangeIndex(4)
        >>> market = pd.DataFrame({"market": [0.01, -0.02, 0.03, 0.0]}, index=days)
        >>> found = factor_regression(pd.Series([0.03, -0.03, 0.07, 0.01], index=days), market)
        >>> found.coefficients.round(12).to_dict()
        {'alpha': 0.01, 'market': 2.0}
    """
    own = checked_values("returns", returns, positive="none")
    columns = checked_frame("factors", factors)
    names = [_ALPHA, *(str(name) for name in factors.columns)]
    if len(set(names)) < len(names):
        refuse(
            "the columns of factors", f"texts that differ, and none {_ALPHA!r}, which is the rest", names[1:], "rename"
        )
    if not factors.index.equals(returns.index):
        refuse("the index of factors", "that of returns", "another", "factors.reindex(returns.index)")
    excess = own - _each("risk_free_returns", risk_free_returns, returns)
    n, k = columns.shape
    free = n - k - 1
    if free < 1:
        refuse("returns", f"at least {k + 2} long for {k} factors", f"{n} long", "give a longer history")
    design = np.column_stack((np.ones(n), columns))
    # Each column at its own size, so that a factor in per cent and one in fractions are judged alike.
    sizes = np.sqrt((design * design).sum(axis=0))
    if (sizes == 0).any() or np.linalg.matrix_rank(design / sizes) < k + 1:
        refuse("factors", "independent of each other, and to vary", "of lower rank", "leave one of them out")
    inverse = np.linalg.pinv(design / sizes) / sizes[:, None]
    found = inverse @ excess
    error = excess - design @ found
    variance = float(error @ error) / free
    errors = np.sqrt((inverse * inverse).sum(axis=1) * variance)
    mean = float(excess.mean())
    varied = float(((excess - mean) ** 2).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        t_values = np.where(errors > 0, found / errors, np.nan)
    return Regression(
        coefficients=pd.Series(found, names),
        standard_errors=pd.Series(errors, names),
        t_values=pd.Series(t_values, names),
        r_squared=1 - float(error @ error) / varied if varied else None,
        residual_deviation=variance**0.5,
        contributions=pd.Series(found * design.mean(axis=0), names),
        mean=mean,
        periods=n,
    )


def _each(name: str, value: object, returns: "pd.Series[float]") -> float | FloatArray:
    if not isinstance(value, pd.Series):
        return require_number(name, value)
    each = checked_values(name, value, positive="none")
    if not value.index.equals(returns.index):
        refuse(f"the index of {name}", "that of returns", "another", f"{name}.reindex(returns.index)")
    return each
