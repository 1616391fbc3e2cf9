"""What a metric accepts: series of prices, equity or returns, checked before any arithmetic.

One bad value would spread silently into every figure, so a series that breaks its contract is
refused and the message names the first offending row. A series is checked once, by the call that
was given it: beneath, ``kernels`` work on the arrays that come from here. What does not belong
here: formulas.
"""

import math
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Literal, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd

from jutsu_core.arguments import refuse, require_integer, require_number, require_series, shown
from jutsu_core.bars import from_epoch
from jutsu_core.sessions import EXCHANGE_ZONE, exchange_date, zone_of

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Positive = Literal["all", "first", "none"]

MAX_PERIODS_PER_YEAR = 10**12
"""More than microseconds in an hour of every day of it: beyond that, somebody means something else."""

MAX_RETURN = 1e100
"""Largest return, in magnitude: no square and no sum of as many as fit into memory overflows."""

# What a microsecond is in the units that pandas counts time in.
_PER_MICROSECOND = {"ns": (1, 1_000), "us": (1, 1), "ms": (1_000, 1), "s": (1_000_000, 1)}
_PLAIN_TYPES = {Decimal, float, int}
_MICROSECONDS_PER_DAY = 86_400_000_000


def checked_values(name: str, series: object, *, positive: Positive, may_be_empty: bool = False) -> FloatArray:
    """Return the values of ``series`` as float64, a copy.

    Args:
        name: What the caller calls the series; begins the message of an error.
        series: Numbers (``Decimal``, ``float`` or ``int``) in chronological order. An index of
            dates or times must be strictly increasing; another index is not looked at.
        positive: Which values must be above 0.
        may_be_empty: Whether no value at all is fine too.

    Raises:
        InvalidInputError: ``series`` is not a Series, is empty, is unsorted, repeats a time, or
            holds a value that is not finite or not positive where it must be.
    """
    checked = require_series(name, series)
    if not len(checked):
        if may_be_empty:
            return np.empty(0)
        refuse(name, "at least one row long", "empty")
    values = _floats(name, checked)
    is_finite = np.isfinite(values)
    if not is_finite.all():
        _refuse_first(name, checked, values, ~is_finite, "finite", "drop the row or fill the value in")
    if positive == "none" and (is_beyond := np.abs(values) > MAX_RETURN).any():
        _refuse_first(name, checked, values, is_beyond, f"at most {MAX_RETURN:g} in magnitude", "0.05 is five per cent")
    if positive == "all" and values.min() <= 0:
        _refuse_first(name, checked, values, values <= 0, "above 0", "correct the row or drop it")
    if positive == "first" and values[0] <= 0:
        _refuse_first(name, checked, values, values <= 0, "above 0 at the start", "begin with what there was at first")
    return values


def checked_stamps(name: str, series: "pd.Series[float]", *, daily: bool = False) -> IntArray:
    """Return when each row of ``series`` is, microseconds since 1970 UTC.

    Args:
        name: What the caller calls the series.
        series: A series that ``checked_values`` has passed.
        daily: Whether every label must be 00:00 UTC of its session date.

    Raises:
        InvalidInputError: The index does not hold timestamps, is naive, or is not daily though
            it must be.
    """
    index = series.index
    if not isinstance(index, pd.DatetimeIndex):
        remedy = f"label each row with its time: pd.DatetimeIndex({name}.index, tz='UTC')"
        refuse(f"the index of {name}", "a DatetimeIndex", f"a {type(index).__name__}", remedy)
    if index.tz is None:
        remedy = "say where the times are meant: tz_localize('UTC')"
        refuse(f"the index of {name}", "timezone-aware", f"naive from its first row, {index[0]}", remedy)
    times, over = _PER_MICROSECOND[index.unit]
    stamps: IntArray = index.asi8
    if times != over:
        stamps = stamps * times // over
    if daily:
        off = np.flatnonzero(stamps % _MICROSECONDS_PER_DAY)
        if len(off):
            remedy = f"label it with its date: {name}.index.normalize()"
            refuse(f"row {off[0]} of the index of {name}", "00:00 UTC of its session", index[off[0]], remedy)
    return stamps


def elapsed_days_between(stamps: IntArray, exchange_zone: str = EXCHANGE_ZONE) -> int:
    """Return the days from the session date of the first stamp to that of the last."""
    zone_of(exchange_zone)
    return (_session_of(int(stamps[-1]), exchange_zone) - _session_of(int(stamps[0]), exchange_zone)).days


@lru_cache(maxsize=2**13)  # the sessions of one symbol are those of the next
def _session_of(stamp: int, exchange_zone: str) -> date:
    return exchange_date(from_epoch(stamp), exchange_zone)


def require_finite(what: str, name: str, figure: float) -> float:
    """Return ``figure``.

    Raises:
        InvalidInputError: It is too large for a float, since two of the values of ``name`` lie too far apart.
    """
    if not math.isfinite(figure):
        refuse(f"the {what} of {name}", "finite", figure, "two of its values lie too far apart")
    return figure


def check_periods_per_year(periods_per_year: object) -> None:
    """Refuse a number of periods a year that is not an integer from 1 to ``MAX_PERIODS_PER_YEAR``.

    Raises:
        InvalidInputError: It is not.
    """
    if require_integer("periods_per_year", periods_per_year, minimum=1) > MAX_PERIODS_PER_YEAR:
        refuse("periods_per_year", f"at most {MAX_PERIODS_PER_YEAR:,}", shown(periods_per_year))


def risk_free_per_period(risk_free_rate: float, *, periods_per_year: int) -> float:
    """Return the risk-free return of one period that compounds to the annual rate.

    Formula:
        (1 + risk_free_rate) ** (1 / periods_per_year) - 1

    Args:
        risk_free_rate: Annual effective rate as a fraction, above -1.
        periods_per_year: Periods in a year.

    Raises:
        InvalidInputError: The rate is not finite or not above -1, or the periods are not a
            positive integer.

    Examples:
        >>> round(risk_free_per_period(0.1025, periods_per_year=2), 12)
        0.05
    """
    check_periods_per_year(periods_per_year)
    rate = require_number("risk_free_rate", risk_free_rate)
    if rate <= -1:
        refuse("risk_free_rate", "a fraction above -1", repr(risk_free_rate), "0.05 is five per cent")
    return math.expm1(math.log1p(rate) / periods_per_year)


def _floats(name: str, series: "pd.Series[float]") -> FloatArray:
    if series.dtype.kind in "fiu":
        return np.array(series.to_numpy(dtype=np.float64, na_value=np.nan), copy=True)
    values = series.tolist()
    if set(map(type, values)) <= _PLAIN_TYPES:
        try:
            return np.fromiter(map(float, values), np.float64, len(values))
        except (OverflowError, ValueError):
            pass  # the look at each names the row
    return np.array([require_number(f"row {row} of {name}", value) for row, value in enumerate(values)])


def _refuse_first(
    name: str, series: "pd.Series[float]", values: FloatArray, bad: npt.NDArray[np.bool_], must_be: str, remedy: str
) -> NoReturn:
    row = int(bad.argmax())
    refuse(f"row {row} of {name} ({series.index[row]})", must_be, float(values[row]), remedy)
