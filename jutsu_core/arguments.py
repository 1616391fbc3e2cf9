"""What every public call of the core demands of its arguments, refused in one form.

A message is "``name`` must be …, was …; what to do", where ``name`` is the parameter as the caller
wrote it. What is checked here are types, and the order of a Series whose labels are dates: integers
and names say nothing about time and are not judged.

What does not belong here: what a number or a bar may be (``indicators.inputs``, ``metrics.series``,
``quality``).
"""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NoReturn, TypeGuard, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from jutsu_core.errors import InvalidInputError

T = TypeVar("T")
_NAT = np.iinfo(np.int64).min
_LONGEST_VALUE = 60
_DATE_TYPES = ("date", "datetime", "datetime64", "period")
_begins_with_a_date = re.compile(r"\d{4}-\d{2}-\d{2}").match
_WRITTEN_DATES = (
    (re.compile(r"\d{8}\b"), ("%Y%m%d",)),
    (re.compile(r"\d{4}/\d{1,2}/\d{1,2}\b"), ("%Y/%m/%d",)),
    (re.compile(r"\d{4}-\d{1,2}-\d{1,2}\b"), ("%Y-%m-%d",)),
    (re.compile(r"\d{1,2}/\d{1,2}/\d{4}\b"), ("%m/%d/%Y", "%d/%m/%Y")),
    (re.compile(r"\d{1,2}-\d{1,2}-\d{4}\b"), ("%d-%m-%Y", "%m-%d-%Y")),
    (re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}\b"), ("%d.%m.%Y",)),
    (re.compile(r"\d{1,2}-[A-Za-z]{3}-\d{4}\b"), ("%d-%b-%Y",)),
    (re.compile(r"\d{1,2} [A-Za-z]{3} \d{4}\b"), ("%d %b %Y",)),
    (re.compile(r"[A-Za-z]{3} \d{1,2}, \d{4}\b"), ("%b %d, %Y",)),
)
"""How dates are written in files besides ISO 8601, and how each may be read."""
_WRITTEN_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")


def refuse(what: str, must_be: str, was: object, remedy: str = "") -> NoReturn:
    """Raise the error of a broken contract.

    Raises:
        InvalidInputError: Always; "``what`` must be ``must_be``, was ``was``; ``remedy``".
    """
    message = f"{what} must be {must_be}, was {was}"
    raise InvalidInputError(f"{message}; {remedy}" if remedy else message)


def shown(value: object) -> str:
    """Return how an error shows ``value``: a scalar as it is written, anything else by its type.

    Examples:
        >>> shown("AAPL"), shown([1, 2]), shown(None)
        ("'AAPL'", 'list', 'None')
    """
    if isinstance(value, np.bool_ | np.integer | np.floating) and not isinstance(value, np.timedelta64 | np.longdouble):
        value = value.item()
    is_scalar = value is None or isinstance(value, str | bytes | bool | int | float | complex | Decimal | date)
    if not is_scalar and not isinstance(value, np.generic) and value is not pd.NaT:
        name, library = type(value).__name__, type(value).__module__.partition(".")[0]
        # What pandas has under the same name, another library has too.
        return f"{library}.{name}" if library not in {"builtins", "pandas"} and hasattr(pd, name) else name
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def require_type(name: str, value: object, kind: type[T], must_be: str, remedy: str = "") -> T:
    """Return ``value``.

    Raises:
        InvalidInputError: It is not a ``kind``.
    """
    if not isinstance(value, kind):
        is_frame = kind is pd.DataFrame and hasattr(value, "to_pandas")
        refuse(name, must_be, shown(value), f"{name}.to_pandas()" if is_frame else remedy)
    return value


def require_flag(name: str, value: object) -> bool:
    """Return ``value`` as a ``bool``.

    Raises:
        InvalidInputError: It is neither ``True`` nor ``False``.
    """
    if value is True or value is False:
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    return refuse(name, "True or False", shown(value))


def is_integer(value: object) -> TypeGuard[int]:
    """Return whether ``value`` is a whole number: no ``bool``, and no NumPy time span, which says that it is one.

    Examples:
        >>> is_integer(np.int64(3)), is_integer(True), is_integer(np.timedelta64(3, "D"))
        (True, False, False)
    """
    return isinstance(value, int | np.integer) and not isinstance(value, bool | np.timedelta64)


def require_integer(name: str, value: object, *, minimum: int | None = None, maximum: int | None = None) -> int:
    """Return ``value`` as an ``int``.

    Raises:
        InvalidInputError: It is not an integer (``True`` is none), below ``minimum`` or above ``maximum``.

    Examples:
        >>> require_integer("days", np.int64(3))
        3
    """
    number = int(value) if is_integer(value) else None
    if number is None or (minimum is not None and number < minimum) or (maximum is not None and number > maximum):
        least, most = (
            "" if limit is None else f" {words} {limit}"
            for words, limit in (("of at least", minimum), ("and at most", maximum))
        )
        refuse(name, f"an integer{least}{most}", shown(value))
    return number


def is_number(value: object) -> TypeGuard[float | Decimal]:
    """Return whether ``value`` is a real number, perhaps not a finite one.

    Examples:
        >>> is_number(Decimal("1.5")), is_number(True), is_number("1"), is_number(1j)
        (True, False, False, False)
    """
    return isinstance(value, Decimal | float | np.floating) or is_integer(value)


def require_number(name: str, value: object) -> float:
    """Return ``value`` as a finite float.

    Raises:
        InvalidInputError: ``value`` is not a ``Decimal``, ``float`` or ``int``, or is not finite.

    Examples:
        >>> require_number("total_value", Decimal("1.5"))
        1.5
    """
    try:
        number = float(value) if is_number(value) else math.nan
    except (OverflowError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        refuse(name, "a finite number", shown(value))
    return number


def require_date(name: str, value: object) -> date:
    """Return ``value``.

    Raises:
        InvalidInputError: It is not a date, or is a time, which lies on different dates around the world.

    Examples:
        >>> require_date("first", "2013-03-01")
        Traceback (most recent call last):
        jutsu_core.errors.InvalidInputError: first must be a datetime.date, was '2013-03-01'
    """
    if type(value) is date:  # nearly always
        return value
    if isinstance(value, datetime):
        refuse(name, "a datetime.date", f"the time {value!r}", "say which date of it: .date()")
    return require_type(name, value, date, "a datetime.date")


def require_items(name: str, values: object, kind: type[T], must_be: str) -> list[T]:
    """Return ``values`` as a list.

    Args:
        name: What the caller calls them; an error calls its third item ``name[2]``.
        values: Any iterable but a text.
        kind: What every item must be.
        must_be: How an error calls that, with its article.

    Raises:
        InvalidInputError: ``values`` is no iterable, or an item of it is not a ``kind``.

    Examples:
        >>> require_items("symbols", ["AAPL", None], str, "a text")
        Traceback (most recent call last):
        jutsu_core.errors.InvalidInputError: symbols[1] must be a text, was None
    """
    items = _listed(name, values, f"a list, each item {must_be}")
    if set(map(type, items)) <= {kind}:  # nearly always
        return items
    for row, item in enumerate(items):
        if not isinstance(item, kind):
            refuse(f"{name}[{row}]", must_be, shown(item))
    return items


def require_dates(name: str, values: object) -> list[date]:
    """Return ``values`` as a list.

    Raises:
        InvalidInputError: ``values`` is no iterable of dates.
    """
    items = _listed(name, values, "a list of dates")
    if set(map(type, items)) <= {date}:
        return items
    return [require_date(f"{name}[{row}]", item) for row, item in enumerate(items)]


def require_series(name: str, series: object) -> "pd.Series[Any]":
    """Return ``series``, whose labels say nothing against its order.

    Raises:
        InvalidInputError: It is not a Series, or its labels are dates that are not strictly increasing.

    Examples:
        >>> require_series("prices", [1.0, 2.0])
        Traceback (most recent call last):
        jutsu_core.errors.InvalidInputError: prices must be a pandas Series, was list; make one: pd.Series(prices)
    """
    if not isinstance(series, pd.Series):
        remedy = "choose one column" if isinstance(series, pd.DataFrame) else f"make one: pd.Series({name})"
        remedy = f"{name}.to_pandas()" if hasattr(series, "to_pandas") else remedy
        refuse(name, "a pandas Series", shown(series), remedy)
    require_ordered(name, series.index)
    return series


def require_ordered(name: str, index: pd.Index) -> None:
    """Check that labels that are dates or times are present, and each after the one before.

    Args:
        name: What the caller calls the Series.
        index: Its labels, of any kind; what is neither date nor time is not judged.

    Raises:
        InvalidInputError: A label is missing, out of order or there twice; the first such row is named.
    """
    stamps = _stamps(index)
    # NaT is the least integer, so a series that begins with another and only rises has none.
    if stamps is None or not len(stamps) or (stamps[0] != _NAT and bool((stamps[1:] > stamps[:-1]).all())):
        return
    missing = np.flatnonzero(stamps == _NAT)
    if len(missing):
        remedy = f"drop the row or fill its date in: {name}[{name}.index.notna()] is what has one"
        refuse(f"row {missing[0]} of the index of {name}", "a timestamp", "NaT", remedy)
    row = int(np.flatnonzero(stamps[1:] <= stamps[:-1])[0]) + 1
    remedy = f"each date once and oldest first, as {name}.sort_index() orders them"
    refuse(f"row {row} of the index of {name}", f"after {index[row - 1]}", index[row], remedy)


def times_of(index: pd.Index) -> pd.DatetimeIndex | None:
    """Return labels that are dates or times as times; a period's is its start. None for others.

    Examples:
        >>> times_of(pd.Index([date(2013, 3, 1)]))[0], times_of(pd.RangeIndex(2))
        (Timestamp('2013-03-01 00:00:00+0000', tz='UTC'), None)
    """
    if isinstance(index, pd.DatetimeIndex):
        return index
    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp()
    if isinstance(index, pd.CategoricalIndex):
        return times_of(index.astype(index.categories.dtype))
    if isinstance(index, pd.TimedeltaIndex | pd.RangeIndex | pd.MultiIndex | pd.IntervalIndex):
        return None
    if pd.api.types.is_numeric_dtype(index.dtype):
        return None
    is_arrow = getattr(index.dtype, "kind", "O") == "M"
    return (
        pd.DatetimeIndex(index) if is_arrow else _times_of_objects(index, pd.api.types.infer_dtype(index, skipna=True))
    )


def _listed(name: str, values: object, must_be: str) -> list[Any]:
    # Of a mapping or a frame, an iteration would give the names; an array without dimensions cannot be iterated.
    is_single = isinstance(values, str | bytes) or (isinstance(values, np.ndarray) and not values.ndim)
    if is_single or isinstance(values, Mapping | pd.DataFrame) or not isinstance(values, Iterable):
        refuse(name, must_be, shown(values))
    return list(values)


def _stamps(index: pd.Index) -> npt.NDArray[np.int64] | None:
    """Return the labels as integers that rise as time does, the least for a missing one; None if they are no times."""
    if isinstance(index, pd.DatetimeIndex | pd.PeriodIndex | pd.TimedeltaIndex):
        return index.asi8
    if isinstance(index, pd.RangeIndex) or pd.api.types.is_numeric_dtype(index.dtype):
        return None
    if isinstance(index, pd.MultiIndex):
        levels = (_stamps(index.get_level_values(level)) for level in range(index.nlevels))
        return next((stamps for stamps in levels if stamps is not None), None)
    if isinstance(index, pd.CategoricalIndex | pd.IntervalIndex):
        return _stamps(index.left if isinstance(index, pd.IntervalIndex) else index.astype(index.categories.dtype))
    is_arrow = getattr(index.dtype, "kind", "O") == "M"
    return pd.DatetimeIndex(index).asi8 if is_arrow else _stamps_of_objects(index)


def _stamps_of_objects(index: pd.Index) -> npt.NDArray[np.int64] | None:
    """Return what :func:`_stamps` does for Python's own dates and times, and for text that is written as a date."""
    kind = pd.api.types.infer_dtype(index, skipna=True)
    if kind == "period":
        return pd.PeriodIndex(index).asi8
    if kind in {"timedelta", "timedelta64"}:
        return pd.TimedeltaIndex(index).asi8
    times = _times_of_objects(index, kind)
    return None if times is None else times.asi8


def _times_of_objects(index: pd.Index, kind: str) -> pd.DatetimeIndex | None:
    """Return what :func:`times_of` does for labels that pandas calls ``kind``."""
    if kind == "period":
        return pd.PeriodIndex(index).to_timestamp()
    is_text = kind == "string" and all(map(_begins_with_a_date, index.dropna()))
    if kind == "string" and not is_text:
        return _written_times(index)
    if not is_text and kind not in _DATE_TYPES:
        return None
    try:
        times = pd.to_datetime(index, utc=True, format="ISO8601" if is_text else None)
    except (ValueError, TypeError):
        return None  # text that only begins like a date is a name
    return pd.DatetimeIndex(times)


def _written_times(index: pd.Index) -> pd.DatetimeIndex | None:
    """Return what :func:`times_of` does for text; where a date can be read in two ways, in the one that rises."""
    labels = index.dropna()
    forms = next((forms for begins, forms in _WRITTEN_DATES if all(map(begins.match, labels))), ())
    readings: list[pd.DatetimeIndex] = []
    for form in (day + time for day in forms for time in _WRITTEN_TIMES):
        try:
            times = pd.DatetimeIndex(pd.to_datetime(index, format=form))
        except (ValueError, TypeError):
            continue  # another form, or a name that only begins like a date
        stamps = times.asi8
        if bool((stamps[1:] > stamps[:-1]).all()):
            return times
        readings.append(times)
    return readings[0] if readings else None
