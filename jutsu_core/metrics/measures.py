"""What the distribution of returns says: tails, shape, drawdown and return for risk.

Each formula stands in the record of the same name (``jutsu_core.metrics.return_records``); each figure is
computed from the same few sums, once.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from jutsu_core.arguments import refuse, require_flag, require_integer, require_number, require_type
from jutsu_core.metrics.answer import Answer, Measured, measured
from jutsu_core.metrics.kernels import DAYS_PER_YEAR, ROUNDING, annual_growth, deviation, falls, mean_of
from jutsu_core.metrics.return_records import RETURN_RECORDS
from jutsu_core.metrics.returns import is_a_year
from jutsu_core.metrics.series import FloatArray, checked_values, risk_free_per_period

UNDER_A_YEAR = "less than a year"
TOO_FEW = "fewer than two returns"
NO_VARIATION = "the returns do not vary"

_NORMAL = NormalDist()
_TAIL = 0.05
_Z = _NORMAL.inv_cdf(_TAIL)
_DENSITY = _NORMAL.pdf(_Z) / _TAIL
# The first three moments of a normal variable below its quantile.
_BELOW = (-_DENSITY, 1 - _Z * _DENSITY, -(_Z**2 + 2) * _DENSITY)
_EULER = 0.5772156649015329
_STERLING_MARGIN = 0.1
_MOST_TRIALS = 10**9
_NO_RETURN = "no return"
_NO_FALL = "no value is below an earlier one"
_LOST_ALL = "all was lost"
_NOT_GIVEN = "the number of trials and the variance of their Sharpe ratios were not given"


@dataclass(frozen=True, slots=True)
class Trials:
    """The trials of which a backtest is the chosen one.

    Attributes:
        count: How many there were, at least 2.
        variance: Variance of their Sharpe ratios, each of a single period, at least 0.

    Raises:
        InvalidInputError: One of them breaks its contract.
    """

    count: int
    variance: float

    def __post_init__(self) -> None:
        require_integer("count", self.count, minimum=2, maximum=_MOST_TRIALS)
        if require_number("variance", self.variance) < 0:
            refuse("variance", "at least 0", self.variance)


class Context(NamedTuple):
    """What the measures of a series are made of.

    Attributes:
        returns: Of single periods, none of them over a hole.
        growth: The value itself, holes and all, one more.
        risk_free: Of a period, or of each.
        periods_per_year: Periods in a year.
        annual_rate: The risk-free rate of a year.
        days: Elapsed days; ``None`` for less than a year, of which nothing is annualised.
        trials: Of which the series was chosen.
    """

    returns: FloatArray
    growth: FloatArray
    risk_free: float | FloatArray
    periods_per_year: int
    annual_rate: float
    days: int | None
    trials: Trials | None = None


def return_measures(
    returns: "pd.Series[float]",
    *,
    risk_free_rate: "float | pd.Series[float]",
    periods_per_year: int,
    elapsed_days: int | None = None,
    annualize_partial_years: bool = False,
    trials: Trials | None = None,
) -> Measured:
    """Return every measure of ``returns``, as the catalogue's family ``returns`` defines it.

    Args:
        returns: Simple returns of one period each, above -1, oldest first.
        risk_free_rate: Annual effective rate, or the risk-free returns of the same periods.
        periods_per_year: Periods in a year, at least 1.
        elapsed_days: Days from the base to the last return; as many as so many periods are, if not given.
        annualize_partial_years: Whether to annualise less than a year too.
        trials: The trials of which this is the best one, for the deflated Sharpe ratio.

    Returns:
        All names of the family; ``None`` where undefined, with the reason.

    Raises:
        InvalidInputError: ``returns`` is unsorted, not finite or not above -1, a risk-free return is
            missing, or a parameter breaks its constraint.

    Examples:
        >>> found = return_measures(
        ...     pd.Series([0.1, -0.05, 0.0]), risk_free_rate=0.0, periods_per_year=252, annualize_partial_years=True
        ... )
        >>> round(found.values["omega_ratio"], 12), found.undefined["excess_kurtosis"]
        (2.0, 'fewer than four returns')
    """
    checked = checked_returns("returns", returns)
    risk_free, annual_rate = risk_free_of(risk_free_rate, returns, periods_per_year)
    if elapsed_days is not None:
        require_integer("elapsed_days", elapsed_days, minimum=0)
    days = round(len(checked) / periods_per_year * DAYS_PER_YEAR) if elapsed_days is None else elapsed_days
    is_annualised = require_flag("annualize_partial_years", annualize_partial_years) or is_a_year(days)
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.concatenate(([1.0], np.cumprod(1 + checked)))
    return measured(
        measures_of(
            Context(
                checked,
                values,
                risk_free,
                periods_per_year,
                annual_rate,
                days if is_annualised else None,
                None if trials is None else require_type("trials", trials, Trials, "Trials(count, variance)"),
            )
        )
    )


def checked_returns(name: str, returns: object) -> FloatArray:
    """Return simple returns as an array.

    Raises:
        InvalidInputError: They are no series of finite numbers above -1, oldest first.
    """
    values = checked_values(name, returns, positive="none", may_be_empty=True)
    below = np.flatnonzero(values <= -1)
    if len(below):
        refuse(f"row {below[0]} of {name}", "above -1: nothing is left to grow", float(values[below[0]]))
    return values


def risk_free_of(
    rate: "float | pd.Series[float]", returns: "pd.Series[float]", periods_per_year: int
) -> tuple[float | FloatArray, float]:
    """Return the risk-free return of a period, or of each of ``returns``, and the rate of a year.

    Raises:
        InvalidInputError: The rate is no fraction above -1, or a series of it lacks a label of ``returns``.
    """
    if not isinstance(rate, pd.Series):
        return risk_free_per_period(rate, periods_per_year=periods_per_year), float(rate)
    checked_returns("risk_free_rate", rate)
    missing = returns.index.difference(rate.index)
    if len(missing):
        must_be = f"a return for each of returns, also for {missing[0]}"
        refuse("risk_free_rate", must_be, f"without {len(missing)} of them", "fill them in")
    each: FloatArray = np.asarray(rate.reindex(returns.index), dtype=np.float64)
    risk_free_per_period(0.0, periods_per_year=periods_per_year)
    return each, annual_of(each, periods_per_year)


def annual_of(risk_free: FloatArray, periods_per_year: int) -> float:
    """Return the annual rate that compounds as the risk-free returns of single periods did."""
    if not len(risk_free):
        return 0.0
    try:
        return math.expm1(float(np.log1p(risk_free).mean()) * periods_per_year)
    except OverflowError:
        return math.inf  # what is made of it is undefined


def measures_of(context: Context) -> dict[str, Answer]:
    """Return every measure of the family ``returns``; what is too large for a float is not finite."""
    with np.errstate(all="ignore"):
        return _measures_of(context)


def _measures_of(context: Context) -> dict[str, Answer]:
    returns, n = context.returns, len(context.returns)
    if not n:
        return {record.name: _NO_RETURN for record in RETURN_RECORDS}
    excess = returns - context.risk_free
    shape = shape_of(returns)
    is_up, is_down = returns > 0, returns < 0
    ups, downs = int(np.count_nonzero(is_up)), int(np.count_nonzero(is_down))
    gains = float(np.add.reduce(np.maximum(returns, 0.0)))
    pains = float(np.add.reduce(np.minimum(returns, 0.0)))
    average_up: Answer = gains / ups if ups else "no return is above 0"
    average_down: Answer = pains / downs if downs else "no return is below 0"
    return {
        "mean_return": shape.mean,
        **_of_growth(returns),
        "average_up": average_up,
        "average_down": average_down,
        "longest_up": float(longest_run(is_up)),
        "longest_down": float(longest_run(is_down)),
        **_of_excess(context, excess),
        **_tails(returns, shape),
        **_of_falls(context),
        "gain_to_pain": (gains + pains) / -pains if downs else "no return is below 0",
        "kelly_fraction": kelly(average_up, average_down, ups, downs),
        **_sharpes(context, _shifted(shape, context.risk_free) or shape_of(excess)),
    }


class Shape(NamedTuple):
    """Mean, deviation (``None`` of a single return), and of returns that vary the skew and excess kurtosis."""

    size: int
    mean: float
    spread: float | None
    moments: tuple[float, float] | None


def shape_of(returns: FloatArray) -> Shape:
    """Return what the moments of at least one return say."""
    mean = mean_of(returns)
    spread = deviation(returns) if len(returns) > 1 else None
    return Shape(len(returns), mean, spread, moments_of(returns, mean) if spread else None)


def _shifted(shape: Shape, risk_free: float | FloatArray) -> Shape | None:
    # What is taken off every return changes neither how they vary nor their shape.
    return shape._replace(mean=shape.mean - risk_free) if isinstance(risk_free, float) else None


def kelly(average_win: Answer, average_loss: Answer, wins: int, losses: int) -> Answer:
    """Return the share of the capital that grows fastest; why there is none, if so."""
    if isinstance(average_win, str):
        return average_win
    if isinstance(average_loss, str):
        return average_loss
    if not average_win:
        return "what was won is too small for a float"
    share = wins / (wins + losses)
    return share - (1 - share) * -average_loss / average_win


def longest_run(is_one: npt.NDArray[np.bool_]) -> int:
    """Return how many in a row are true at most."""
    ends = np.concatenate(([-1], np.flatnonzero(~is_one), [len(is_one)]))
    return int((ends[1:] - ends[:-1]).max()) - 1


def _of_excess(context: Context, excess: FloatArray) -> dict[str, Answer]:
    shortfall = np.minimum(excess, 0.0)
    short = -float(np.add.reduce(shortfall))
    is_short = -float(excess.min()) > ROUNDING
    downside = math.sqrt(mean_of(shortfall * shortfall) * context.periods_per_year)
    over = float(np.add.reduce(excess)) + short
    return {
        "downside_deviation": UNDER_A_YEAR if context.days is None else downside,
        "omega_ratio": over / short if is_short else "no return falls short of the risk-free one",
    }


def _tails(returns: FloatArray, shape: Shape) -> dict[str, Answer]:
    n, mean, spread, moments = shape
    ordered = np.partition(returns, _around(n))
    bottom, top = _quantile(ordered, _TAIL), _quantile(ordered, 1 - _TAIL)
    found: dict[str, Answer] = {
        "var_historical": bottom,
        "cvar_historical": mean_of(returns[returns <= bottom]),
        "tail_ratio": abs(top) / abs(bottom) if bottom else "the 5th percentile is 0",
    }
    found |= _shape(n, moments)
    if spread is None:
        names = ("var_gaussian", "cvar_gaussian", "var_cornish_fisher", "cvar_cornish_fisher")
        return found | dict.fromkeys(names, TOO_FEW)
    found |= {"var_gaussian": mean + spread * _Z, "cvar_gaussian": mean - spread * _DENSITY}
    quantile, below = (NO_VARIATION, NO_VARIATION) if moments is None else _corrected(*moments)
    return found | {
        "var_cornish_fisher": quantile if isinstance(quantile, str) else mean + spread * quantile,
        "cvar_cornish_fisher": below if isinstance(below, str) else mean + spread * below,
    }


def moments_of(returns: FloatArray, mean: float) -> tuple[float, float]:
    """Return skew and excess kurtosis of the population of returns that vary."""
    away = returns - mean
    # By their largest, since the moments of what is large or small would not fit into a float.
    away /= max(float(away.max()), -float(away.min()))
    squares = away * away
    second = mean_of(squares)
    return mean_of(squares * away) / second**1.5, mean_of(squares * squares) / second**2 - 3


def _shape(n: int, moments: tuple[float, float] | None) -> dict[str, Answer]:
    skew: Answer = "fewer than three returns"
    kurtosis: Answer = "fewer than four returns"
    if n > 2:  # noqa: PLR2004 - as the reason says
        skew = NO_VARIATION if moments is None else moments[0] * math.sqrt(n * (n - 1)) / (n - 2)
    if n > 3:  # noqa: PLR2004 - as the reason says
        kurtosis = NO_VARIATION if moments is None else (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * moments[1] + 6)
    return {"skewness": skew, "excess_kurtosis": kurtosis}


def _corrected(skew: float, kurtosis: float) -> tuple[Answer, Answer]:
    """Return the quantile that skew and kurtosis correct, and the mean of those below it."""
    slope = 1 + _Z * skew / 3 + (_Z**2 - 1) * kurtosis / 8 - (6 * _Z**2 - 5) * skew**2 / 36

    def correct(first: float, second: float, third: float) -> float:
        return (
            first
            + (second - 1) * skew / 6
            + (third - 3 * first) * kurtosis / 24
            - (2 * third - 5 * first) * skew**2 / 36
        )

    quantile, below = correct(_Z, _Z**2, _Z**3), correct(*_BELOW)
    # It must rise on its way from the tail to the mean and the median, or it is no quantile.
    if slope <= 0 or quantile >= min(0.0, correct(0.0, 0.0, 0.0)) or below > quantile:
        reason = "skew and kurtosis are too large for the expansion"
        return reason, reason
    return quantile, below


def _around(n: int) -> list[int]:
    """Return the places between which the two percentiles lie."""
    return sorted({place for share in (_TAIL, 1 - _TAIL) for place in _neighbours(n, share)})


def _neighbours(n: int, share: float) -> tuple[int, int]:
    below = int((n - 1) * share)
    return below, min(below + 1, n - 1)


def _quantile(ordered: FloatArray, share: float) -> float:
    """Return a quantile by linear interpolation of values of which those around it are in their place."""
    n = len(ordered)
    below, above = (float(ordered[place]) for place in _neighbours(n, share))
    place = (n - 1) * share
    return below + (above - below) * (place - int(place))


def _of_growth(returns: FloatArray) -> dict[str, Answer]:
    if returns.min() <= -1:
        return {"geometric_mean_return": _LOST_ALL, "stability": TOO_FEW if len(returns) == 1 else _LOST_ALL}
    logs = np.log1p(returns)
    return {"geometric_mean_return": math.expm1(mean_of(logs)), "stability": _stability(logs)}


def _stability(logs: FloatArray) -> Answer:
    n = len(logs)
    if n == 1:
        return TOO_FEW
    path = np.cumsum(logs)
    path -= mean_of(path)
    steps = np.arange(n) - (n - 1) / 2
    varied = float(np.dot(path, path))
    if varied <= ROUNDING**2 * n:
        return "the growth does not vary"
    return min(1.0, float(np.dot(path, steps)) ** 2 / (varied * n * (n * n - 1) / 12))


def _of_falls(context: Context) -> dict[str, Answer]:
    values, days = context.growth, context.days
    depths = falls(values)
    deepest = -float(depths.min())
    ulcer = math.sqrt(float(np.dot(depths, depths)) / (len(values) - 1))
    growth: Answer = UNDER_A_YEAR
    if days is not None:
        annual = annual_growth(values, days)
        growth = "no growth a year can be told" if annual is None else annual
    under = depths < 0
    begins = np.flatnonzero(under & ~np.concatenate(([False], under[:-1])))
    average: Answer = _NO_FALL
    if len(begins):
        # Between two drawdowns all depths are 0, so the least of each stretch is that of the drawdown in it.
        average = float(np.minimum.reduceat(depths, begins).mean())
    martin = sterling = growth
    if not isinstance(growth, str):
        martin = (growth - context.annual_rate) / ulcer if ulcer else _NO_FALL
        sterling = growth / (deepest + _STERLING_MARGIN)
    return {
        "ulcer_index": ulcer,
        "average_drawdown": average,
        "martin_ratio": martin,
        "sterling_ratio": sterling,
        "recovery_factor": (float(values[-1] / values[0]) - 1) / deepest if deepest else _NO_FALL,
    }


def _sharpes(context: Context, shape: Shape) -> dict[str, Answer]:
    names = ("probabilistic_sharpe_ratio", "deflated_sharpe_ratio")
    n, mean, spread, moments = shape
    if not spread or moments is None:
        return dict.fromkeys(names, TOO_FEW if n == 1 else NO_VARIATION)
    sharpe = mean / spread
    skew, kurtosis = moments
    variance = 1 - skew * sharpe + (kurtosis + 2) / 4 * sharpe**2
    if variance <= 0:
        return dict.fromkeys(names, "no Sharpe ratio can have these moments")

    def probability_above(least: float) -> float:
        return _NORMAL.cdf((sharpe - least) * math.sqrt((n - 1) / variance))

    trials = context.trials
    deflated: Answer = _NOT_GIVEN
    if trials is not None:
        inverse = _NORMAL.inv_cdf
        expected = (1 - _EULER) * inverse(1 - 1 / trials.count) + _EULER * inverse(1 - 1 / (trials.count * math.e))
        deflated = probability_above(math.sqrt(trials.variance) * expected)
    return dict(zip(names, (probability_above(0.0), deflated), strict=True))
