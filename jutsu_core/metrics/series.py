"""What a metric accepts: series of prices, equity or returns, checked before any arithmetic.

One bad value would spread silently into every figure, so a series that breaks its contract is
refused and the message names the first offending row. What does not belong here: formulas.
"""

import math
from collections.abc import Hashable
from datetime import date
from decimal import Decimal
from typing import Literal, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd

from jutsu_core.errors import InvalidInputError

FloatArray = npt.NDArray[np.float64]
Positive = Literal["all", "first", "none"]

# Dividing two prices that carry rounding of half an ulp each leaves about 4e-16; a spread of returns
# below this is rounding, not movement.
ROUNDING = 1e-14

_NAT = np.iinfo(np.int64).min


def refuse(what: str, must_be: str, was: object) -> NoReturn:
    """Raise the error of a broken contract.

    Raises:
        InvalidInputError: Always; "``what`` must be ``must_be``, was ``was``".
    """
    message = f"{what} must be {must_be}, was {was}"
    raise InvalidInputError(message)


def session_date(label: Hashable) -> date:
    """Return the UTC date of an index label.

    Examples:
        >>> session_date(pd.Timestamp("2013-03-01", tz="UTC"))
        datetime.date(2013, 3, 1)
    """
    if not isinstance(label, pd.Timestamp):
        refuse("an index label", "a timestamp", repr(label))
    return label.tz_convert("UTC").date() if label.tzinfo is not None else label.date()


def checked_number(what: str, value: object) -> float:
    """Return ``value`` as a finite float.

    Raises:
        InvalidInputError: ``value`` is not a ``Decimal``, ``float`` or ``int``, or is not finite.

    Examples:
        >>> checked_number("total_value", Decimal("1.5"))
        1.5
    """
    is_number = isinstance(value, (Decimal, float, int, np.floating, np.integer))
    if not is_number or isinstance(value, bool):
        refuse(what, "a finite number", repr(value))
    try:
        number = float(value)  # type: ignore[arg-type]  # the union above is what float takes
    except (OverflowError, ValueError):
        refuse(what, "a finite number", repr(value))
    if not math.isfinite(number):
        refuse(what, "a finite number", repr(value))
    return number


def checked_values(name: str, series: object, *, positive: Positive) -> FloatArray:
    """Return the values of ``series`` as float64, a copy.

    Args:
        name: What the caller calls the series; begins the message of an error.
        series: Numbers (``Decimal``, ``float`` or ``int``) in chronological order. An index of
            timestamps must be strictly increasing; another index is not looked at.
        positive: Which values must be above 0.

    Raises:
        InvalidInputError: ``series`` is not a Series, is empty, is unsorted, repeats a time, or
            holds a value that is not finite or not positive where it must be.
    """
    if not isinstance(series, pd.Series):
        refuse(name, "a pandas Series", f"a {type(series).__name__}")
    if series.empty:
        refuse(name, "at least one row long", "empty")
    _check_order(name, series.index)
    if series.dtype.kind in "fiu":
        values = np.array(series.to_numpy(dtype=np.float64, na_value=np.nan), copy=True)
    else:
        rows = enumerate(series)
        values = np.array([checked_number(f"row {row} of {name}", value) for row, value in rows])
    _check_rows(name, series, values, ~np.isfinite(values), "finite")
    if positive == "all":
        _check_rows(name, series, values, values <= 0, "above 0")
    elif positive == "first":
        _check_rows(name, series, values[:1], values[:1] <= 0, "above 0 at the start")
    return values


def checked_dates(name: str, series: "pd.Series[float]", *, daily: bool = False) -> pd.DatetimeIndex:
    """Return the index of ``series``, timezone-aware and in UTC.

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
        refuse(f"the index of {name}", "a DatetimeIndex", f"a {type(index).__name__}")
    if index.tz is None:
        refuse(f"the index of {name}", "timezone-aware", f"naive from its first row, {index[0]}")
    utc = index.tz_convert("UTC")
    if daily:
        off = np.flatnonzero(np.asarray(utc != utc.normalize()))
        if len(off):
            refuse(f"row {off[0]} of the index of {name}", "00:00 UTC of its session", utc[off[0]])
    return utc


def check_periods_per_year(periods_per_year: object) -> None:
    """Refuse a number of periods a year that is not an integer of at least 1.

    Raises:
        InvalidInputError: It is not.
    """
    if not isinstance(periods_per_year, int) or isinstance(periods_per_year, bool) or periods_per_year < 1:
        refuse("periods_per_year", "an integer of at least 1", repr(periods_per_year))


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
    if checked_number("risk_free_rate", risk_free_rate) <= -1:
        refuse("risk_free_rate", "a fraction above -1", repr(risk_free_rate))
    return math.expm1(math.log1p(float(risk_free_rate)) / periods_per_year)


def _check_order(name: str, index: pd.Index) -> None:
    if not isinstance(index, pd.DatetimeIndex):
        return
    stamps = index.asi8
    # Nearly every series is in order, and is checked by each figure that is made of it. NaT is the least integer.
    if len(stamps) and stamps[0] != _NAT and bool((stamps[1:] > stamps[:-1]).all()):
        return
    missing = np.flatnonzero(np.asarray(index.isna()))
    if len(missing):
        refuse(f"row {missing[0]} of the index of {name}", "a timestamp", "NaT")
    wrong = np.flatnonzero(np.diff(stamps) <= 0)
    if len(wrong):
        row = int(wrong[0]) + 1
        refuse(f"row {row} of the index of {name}", f"after {index[row - 1]}", index[row])


def _check_rows(
    name: str, series: "pd.Series[float]", values: FloatArray, bad: npt.NDArray[np.bool_], must_be: str
) -> None:
    if bad.any():
        row = int(bad.argmax())
        refuse(f"row {row} of {name} ({series.index[row]})", must_be, float(values[row]))
