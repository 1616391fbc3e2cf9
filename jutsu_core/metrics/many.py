"""The core figures of many portfolios at once: a grid of parameters, or every symbol of a universe.

Each is what ``figures.period_figures`` says of its column, up to the last bits. Columns are worked on some at a
time, so that what is made of them stays in the cache.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from jutsu_core.arguments import refuse, require_flag, require_series, require_type
from jutsu_core.metrics.frames import checked_frame
from jutsu_core.metrics.kernels import DAYS_PER_YEAR, MEAN_ROUNDING, ROUNDING
from jutsu_core.metrics.returns import is_a_year
from jutsu_core.metrics.rhythm import rhythm_of
from jutsu_core.metrics.series import (
    MAX_RETURN,
    FloatArray,
    IntArray,
    checked_stamps,
    elapsed_days_between,
    risk_free_per_period,
)

MANY = (
    "total_return",
    "cagr",
    "volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "calmar_ratio",
    "max_drawdown",
    "best_day",
    "worst_day",
    "positive_days",
)
"""The figures, under the names of the catalogue."""

_AT_A_TIME = 32
_ROWS_AT_A_TIME = 126
_STRETCHES_AT_A_TIME = 2_048
_FEWEST_RETURNS = 2


class _Plan(NamedTuple):
    """How columns are measured: which returns count (``None`` for all), over how many days, per how much time."""

    kept: IntArray | None
    days: int
    is_annualised: bool
    periods_per_year: int
    risk_free: float


def many_figures(
    values: pd.DataFrame, *, periods_per_year: int, risk_free_rate: float, annualize_partial_years: bool = False
) -> pd.DataFrame:
    """Return the core figures of every column of ``values``.

    Args:
        values: Prices or equity, all above 0, one column a portfolio, one row a period with an aware time, oldest
            first; the first row is the base.
        periods_per_year: Values in a year, at least 1; ddof is 1 throughout.
        risk_free_rate: Annual effective rate as a fraction.
        annualize_partial_years: Whether to annualise less than a year.

    Returns:
        One row a portfolio, the columns ``MANY``; NaN for what is undefined.

    Raises:
        InvalidInputError: ``values`` is no frame of finite numbers above 0 with aware times, oldest first, a return
            is too large, or a parameter breaks its constraint.

    Examples:
        >>> days = pd.DatetimeIndex(["2012-12-31", "2013-01-02", "2013-01-03"], tz="UTC")
        >>> frame = pd.DataFrame({"A": [4.0, 5.0, 4.0], "B": [4.0, 4.0, 5.0]}, index=days)
        >>> found = many_figures(frame, periods_per_year=252, risk_free_rate=0.0)
        >>> found["total_return"].to_list(), found["max_drawdown"].round(12).to_list()
        ([0.0, 0.25], [-0.2, 0.0])
    """
    frame = require_type("values", values, pd.DataFrame, "a pandas DataFrame")
    array = _numbers(frame)
    label = require_series("values", pd.Series(0.0, index=frame.index))
    stamps = checked_stamps("values", label)
    rhythm = rhythm_of(stamps)
    kept = None
    if rhythm.has_holes and rhythm.longest is not None:
        kept = np.flatnonzero(np.diff(stamps) <= rhythm.longest)
    days = elapsed_days_between(stamps)
    is_annualised = require_flag("annualize_partial_years", annualize_partial_years) or is_a_year(days)
    risk_free = risk_free_per_period(risk_free_rate, periods_per_year=periods_per_year)
    plan = _Plan(kept, days, is_annualised, periods_per_year, risk_free)
    found = np.full((len(MANY), array.shape[1]), np.nan)
    starts = np.arange(0, len(array), _ROWS_AT_A_TIME)
    lows, highs = np.empty((2, array.shape[1], len(starts)))
    with np.errstate(all="ignore"):
        for first in range(0, array.shape[1], _AT_A_TIME):
            some = slice(first, first + _AT_A_TIME)
            block = np.ascontiguousarray(array[:, some].T)
            np.minimum.reduceat(block, starts, axis=1, out=lows[some])
            np.maximum.reduceat(block, starts, axis=1, out=highs[some])
            _check(block, lows[some].min(axis=1), highs[some].max(axis=1), frame, first)
            if len(stamps) > 1:
                found[:, some] = _figures(block, plan)
        if len(stamps) > 1:
            deepest = _deepest(array, lows, highs) - 1
            found[MANY.index("max_drawdown")] = deepest
            found[MANY.index("calmar_ratio")] = np.where(deepest < 0, found[MANY.index("cagr")] / -deepest, np.nan)
    best = found[MANY.index("best_day")]
    too_large = np.flatnonzero(best > MAX_RETURN)
    if len(too_large):
        column = frame.columns[too_large[0]]
        refuse(f"the highest return of values[{column!r}]", f"at most {MAX_RETURN:g}", best[too_large[0]])
    return pd.DataFrame(np.where(np.isfinite(found), found, np.nan).T, index=frame.columns, columns=list(MANY))


def _numbers(frame: pd.DataFrame) -> FloatArray:
    is_plain = all(dtype.kind in "fiu" for dtype in frame.dtypes)
    if not is_plain or not len(frame) or not frame.columns.is_unique or not len(frame.columns):
        return checked_frame("values", frame)
    found: FloatArray = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    return found


def _check(block: FloatArray, lowest: FloatArray, highest: FloatArray, frame: pd.DataFrame, first: int) -> None:
    """Check that the columns from ``first`` on are finite and above 0.

    Raises:
        InvalidInputError: One is not; the message names its first row that is not.
    """
    is_sound = (lowest > 0) & (highest < math.inf)
    if is_sound.all():
        return
    place = int(np.flatnonzero(~is_sound)[0])
    row = int(np.flatnonzero(~((block[place] > 0) & (block[place] < math.inf)))[0])
    what = f"row {row} of values[{frame.columns[first + place]!r}] ({frame.index[row]})"
    refuse(what, "finite and above 0", float(block[place, row]), "correct the row or drop it")


def _figures(block: FloatArray, plan: _Plan) -> list[FloatArray]:
    """Return every figure but those of drawdowns, which are NaN."""
    # As one series, at the full speed of the machine: what lies between two columns is no return, and left out.
    together, quotients = block.ravel(), np.empty(block.size)
    np.divide(together[1:], together[:-1], out=quotients[:-1])
    quotients[-1] = 1.0
    quotients -= 1
    returns = quotients.reshape(block.shape)[:, :-1]
    if plan.kept is not None:
        returns = np.ascontiguousarray(returns[:, plan.kept])
    n = returns.shape[1]
    growth = block[:, -1] / block[:, 0]
    unknown = np.full(len(block), np.nan)
    best, worst, positive = unknown, unknown, unknown
    if n:
        best, worst = returns.max(axis=1), returns.min(axis=1)
        positive = np.add.reduce((returns > 0).view(np.int8), axis=1, dtype=np.int32) / n
    cagr, ratios = unknown, (unknown, unknown, unknown)
    if plan.is_annualised and plan.days:
        cagr = growth ** (DAYS_PER_YEAR / plan.days) - 1
    if plan.is_annualised and n >= _FEWEST_RETURNS:
        ratios = _ratios(returns, best, worst, plan)
    return [growth - 1, cagr, *ratios, unknown, unknown, best, worst, positive]


def _ratios(
    returns: FloatArray, best: FloatArray, worst: FloatArray, plan: _Plan
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return volatility, Sharpe and Sortino ratio; the returns are used up."""
    n, a_year = returns.shape[1], math.sqrt(plan.periods_per_year)
    mean = returns.sum(axis=1) / n
    squares = np.vecdot(returns, returns)
    varied = squares - n * mean * mean
    # Where the mean is most of the squares, their difference would be rounding.
    far = np.flatnonzero(~(varied > squares / 2))
    if len(far):
        away = returns[far] - mean[far, None]
        varied[far] = np.vecdot(away, away)
    spread = np.sqrt(varied / (n - 1))
    is_still = ~(spread > ROUNDING + MEAN_ROUNDING * np.abs(mean)) & (best - worst <= ROUNDING)
    spread[is_still] = 0.0
    if plan.risk_free:
        returns -= plan.risk_free
    # Twice what falls short, and 0 where nothing does, exactly.
    returns -= np.abs(returns)
    short = np.sqrt(np.vecdot(returns, returns) / n) / 2
    is_short = (short > ROUNDING) | (plan.risk_free - worst > ROUNDING)
    excess = mean - plan.risk_free
    return (
        spread * a_year,
        np.where(spread > 0, excess / spread, np.nan) * a_year,
        np.where(is_short, excess / short, np.nan) * a_year,
    )


def _deepest(array: FloatArray, lows: FloatArray, highs: FloatArray) -> FloatArray:
    """Return the least quotient of a value and the highest until then, of every column.

    Only those stretches of rows are looked at one by one in which a fall could be deeper than from an earlier
    stretch's high to a later one's low.

    Args:
        array: Values, one column each.
        lows: The lowest of each stretch of rows, by column.
        highs: The highest.
    """
    before = np.zeros_like(highs)
    np.maximum.accumulate(highs[:, :-1], axis=1, out=before[:, 1:])
    deepest: FloatArray = np.minimum((lows[:, 1:] / before[:, 1:]).min(axis=1, initial=1.0), 1.0)
    columns, stretches = np.nonzero(lows / np.maximum(before, highs) < deepest[:, None])
    rows = np.arange(_ROWS_AT_A_TIME)
    for first in range(0, len(columns), _STRETCHES_AT_A_TIME):
        column, stretch = (places[first : first + _STRETCHES_AT_A_TIME] for places in (columns, stretches))
        # The last stretch may be shorter: its last row again changes nothing.
        within = np.minimum(stretch[:, None] * _ROWS_AT_A_TIME + rows, len(array) - 1)
        values = array[within, column[:, None]]
        until = np.maximum(np.maximum.accumulate(values, axis=1), before[column, stretch][:, None])
        np.minimum.at(deepest, column, (values / until).min(axis=1))
    return deepest
