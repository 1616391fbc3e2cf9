"""The figures of one period: one row of a report, from the values of that period.

Both reports (of a symbol, of a portfolio) are made of these rows, so that a figure means the
same in both.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from jutsu_core.arguments import refuse, require_flag
from jutsu_core.bars import from_epoch, require_aware
from jutsu_core.metrics import kernels
from jutsu_core.metrics.rhythm import Rhythm, rhythm_of
from jutsu_core.metrics.series import (
    MAX_RETURN,
    FloatArray,
    IntArray,
    checked_stamps,
    checked_values,
    elapsed_days_between,
    require_finite,
    risk_free_per_period,
)
from jutsu_core.sessions import EXCHANGE_ZONE, exchange_date, zone_of

Label = Callable[[datetime], str]

_FEWEST_RETURNS = 2


def iso_date(label: datetime) -> str:
    """Return the exchange's date of a label as ISO text: of 00:00 UTC, that date.

    Raises:
        InvalidInputError: ``label`` is no aware datetime.

    Examples:
        >>> iso_date(pd.Timestamp("2013-03-01", tz="UTC"))
        '2013-03-01'
    """
    return exchange_date(require_aware("label", label)).isoformat()


@lru_cache(maxsize=2**13)  # the sessions of one symbol are those of the next
def _date_of(stamp: int) -> str:
    return exchange_date(from_epoch(stamp)).isoformat()


def iso_time(label: datetime) -> str:
    """Return a timezone-aware label as ISO text in UTC.

    Raises:
        InvalidInputError: ``label`` is no aware datetime.

    Examples:
        >>> iso_time(pd.Timestamp("2013-03-01 16:00", tz="America/New_York"))
        '2013-03-01T21:00:00+00:00'
    """
    return require_aware("label", label).isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How figures are annualised and labelled.

    Attributes:
        periods_per_year: Values in a year, at least 1.
        risk_free_rate: Annual effective rate as a fraction.
        annualize_partial_years: Whether to annualise less than a year.
        label: How a timestamp becomes text.
        exchange_zone: Where the exchange's clocks are; days are counted between its dates.

    Raises:
        InvalidInputError: One of them breaks its contract.
    """

    periods_per_year: int
    risk_free_rate: float
    annualize_partial_years: bool = False
    label: Label = iso_date
    exchange_zone: str = EXCHANGE_ZONE

    def __post_init__(self) -> None:
        risk_free_per_period(self.risk_free_rate, periods_per_year=self.periods_per_year)
        require_flag("annualize_partial_years", self.annualize_partial_years)
        zone_of(self.exchange_zone)
        if not callable(self.label):
            refuse("label", "a function that makes text of a time", repr(self.label), "leave it out, or take iso_time")


def period_figures(
    values: "pd.Series[float]",
    *,
    periods_per_year: int,
    risk_free_rate: float,
    annualize_partial_years: bool = False,
    label: Label = iso_date,
) -> dict[str, Any]:
    """Return the figures of the period that ``values`` cover.

    Args:
        values: Prices or equity, all above 0, with timezone-aware timestamps, oldest first; the
            first is the base.
        periods_per_year: Values in a year, at least 1; ddof is 1 throughout.
        risk_free_rate: Annual effective rate as a fraction.
        annualize_partial_years: Whether to annualise less than a year.
        label: How a timestamp, in UTC, becomes text.

    Returns:
        JSON-ready figures under the names of ``jutsu_core.metrics.catalog``, with the base and
        the sessions they cover; ``None`` for what is undefined.

    Raises:
        InvalidInputError: ``values`` or a parameter breaks its contract.

    Examples:
        >>> days = pd.DatetimeIndex(["2012-12-31", "2013-01-02", "2013-01-03"], tz="UTC")
        >>> row = period_figures(pd.Series([4.0, 5.0, 4.0], days), periods_per_year=252, risk_free_rate=0.0)
        >>> row["total_return"], row["best_day"], row["cagr"]
        (0.0, 0.25, None)
    """
    checked = checked_values("values", values, positive="all")
    scale = Scale(
        periods_per_year=periods_per_year,
        risk_free_rate=risk_free_rate,
        annualize_partial_years=annualize_partial_years,
        label=label,
    )
    stamps = checked_stamps("values", values)
    return figures_of("values", checked, stamps, scale, rhythm_of(stamps))


def figures_of(
    name: str, values: FloatArray, stamps: IntArray, scale: Scale, rhythm: Rhythm, risk_free: FloatArray | None = None
) -> dict[str, Any]:
    """Return what :func:`period_figures` does, of values and times that were already checked.

    Args:
        name: What the caller calls the values.
        values: All above 0, oldest first.
        stamps: When each was, microseconds since 1970 UTC.
        scale: How they are annualised and labelled.
        rhythm: Of the whole history, which may be longer; a return over a hole in it is no period's.
        risk_free: Risk-free return of each period, instead of the scale's rate.

    Raises:
        InvalidInputError: The ratio of two neighbours is too large for a float.
    """
    with np.errstate(over="ignore"):
        return _figures_of(name, values, stamps, scale, rhythm, risk_free)


def _figures_of(
    name: str, values: FloatArray, stamps: IntArray, scale: Scale, rhythm: Rhythm, risk_free: FloatArray | None
) -> dict[str, Any]:
    is_dated = scale.label is iso_date

    def at(row: int | None) -> str | None:
        if row is None:
            return None
        stamp = int(stamps[row])
        return _date_of(stamp) if is_dated else scale.label(from_epoch(stamp))

    every = kernels.bare_returns(values)
    returns, rows = every, None
    if rhythm.has_holes and rhythm.longest is not None and len(every):
        gaps = np.diff(stamps)
        if int(gaps.max()) > rhythm.longest:
            rows = np.flatnonzero(gaps <= rhythm.longest)
            returns = every[rows]
            risk_free = None if risk_free is None else risk_free[rows]
    count = len(returns)
    days = elapsed_days_between(stamps, scale.exchange_zone)
    is_annualised = scale.annualize_partial_years or days >= kernels.SHORTEST_YEAR_DAYS
    best = worst = top = bottom = None
    if count:
        best, worst = int(returns.argmax()), int(returns.argmin())
        top, bottom = float(returns[best]), float(returns[worst])
        if rows is not None:
            best, worst = int(rows[best]), int(rows[worst])
        if not math.isfinite(top):
            refuse(f"the return at row {best + 1} of {name} ({at(best + 1)})", "finite", top)
        if top > MAX_RETURN:
            refuse(f"the return at row {best + 1} of {name} ({at(best + 1)})", f"at most {MAX_RETURN:g}", top)
    fall = kernels.bare_fall(values)
    growth = kernels.annual_growth(values, days) if is_annualised else None
    return {
        "base_date": at(0),
        "first_session": at(1) if len(every) else None,
        "last_session": at(-1),
        "sessions": count,
        "elapsed_days": days,
        "is_annualised": is_annualised,
        "total_return": require_finite("total return", name, kernels.whole_return(values)) if len(every) else None,
        "cagr": growth,
        **_ratios(returns, scale, risk_free, is_annualised=is_annualised),
        "calmar_ratio": None if growth is None or fall.depth == 0 else growth / -fall.depth,
        "max_drawdown": fall.depth if len(every) else None,
        "max_drawdown_peak": at(fall.peak),
        "max_drawdown_trough": at(fall.trough),
        "max_drawdown_recovery": at(fall.recovery),
        "best_day": top,
        "best_day_date": None if best is None else at(best + 1),
        "worst_day": bottom,
        "worst_day_date": None if worst is None else at(worst + 1),
        "positive_days": int(np.count_nonzero(returns > 0)) / count if count else None,
    }


@lru_cache(maxsize=2**6)
def _per_period(risk_free_rate: float, periods_per_year: int) -> float:
    return risk_free_per_period(risk_free_rate, periods_per_year=periods_per_year)


def _ratios(
    returns: FloatArray, scale: Scale, each: FloatArray | None, *, is_annualised: bool
) -> dict[str, float | None]:
    if not is_annualised or len(returns) < _FEWEST_RETURNS:
        return dict.fromkeys(("volatility", "sharpe_ratio", "sortino_ratio"))
    a_year, spread = math.sqrt(scale.periods_per_year), kernels.deviation(returns)
    if each is None:
        excess = returns - _per_period(scale.risk_free_rate, scale.periods_per_year)
        apart = spread
    else:
        excess = returns - each
        apart = kernels.deviation(excess)
    mean, short = kernels.mean_of(excess), kernels.shortfall_of(excess)
    return {
        "volatility": spread * a_year,
        "sharpe_ratio": mean / apart * a_year if apart else None,
        "sortino_ratio": mean / short * a_year if short else None,
    }
