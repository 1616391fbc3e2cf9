"""What every indicator demands of its inputs, checked before any kernel runs.

A kernel does not defend itself: one NaN poisons a recursive average for the rest of the
series, and some kernels then answer with a plausible number instead of NaN. So an
indicator refuses what it cannot compute, and names the place.

What does not belong here: whether a bar is believable (``jutsu_core.quality``).
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from jutsu_core.bars import BAR_COLUMNS
from jutsu_core.errors import InvalidInputError

FloatArray = npt.NDArray[np.float64]

MAX_MAGNITUDE = 1e100
"""Largest absolute input: no square and no sum of as many values as fit into memory overflows."""

MAX_PERIOD = 100_000
"""Largest period, which is the kernels' own limit."""

MAX_DEVIATIONS = 100.0
"""Widest band, in standard deviations."""


def require_series(name: str, values: npt.ArrayLike) -> FloatArray:
    """Return ``values`` as a contiguous float64 array; the argument itself is never written to.

    Args:
        name: How an error calls the series.
        values: One-dimensional integers or floats, oldest first.

    Returns:
        The same array where it already has the right form, else a converted copy.

    Raises:
        InvalidInputError: Not one-dimensional, not numbers, or a value is NaN, infinite or
            beyond ``MAX_MAGNITUDE``; the first such index is named.

    Examples:
        >>> require_series("closes", [1, 2]).dtype
        dtype('float64')
        >>> require_series("closes", [1.0, float("nan")])
        Traceback (most recent call last):
        jutsu_core.errors.InvalidInputError: closes[1] must be a finite number, was nan
    """
    raw = np.asarray(values)
    if raw.ndim != 1:
        message = f"{name} must be one-dimensional, was {raw.ndim}-dimensional"
        raise InvalidInputError(message)
    if raw.dtype.kind not in "fiu":
        message = f"{name} must hold integers or floats, was {raw.dtype}"
        raise InvalidInputError(message)
    series = np.ascontiguousarray(raw, dtype=np.float64)
    # The comparison is False for NaN too, so one pass finds every kind of bad value.
    is_usable = np.abs(series) <= MAX_MAGNITUDE
    if not is_usable.all():
        index = int(np.argmin(is_usable))
        value = float(series[index])
        demand = f"at most {MAX_MAGNITUDE:g} in magnitude" if np.isfinite(value) else "a finite number"
        message = f"{name}[{index}] must be {demand}, was {value}"
        raise InvalidInputError(message)
    return series


def require_equal_lengths(**series: FloatArray) -> None:
    """Check that all ``series`` have as many values as the first.

    Raises:
        InvalidInputError: One of them is shorter or longer; it is named.

    Examples:
        >>> require_equal_lengths(highs=np.zeros(2), lows=np.zeros(3))
        Traceback (most recent call last):
        jutsu_core.errors.InvalidInputError: lows must have the 2 values that highs has, was 3
    """
    (first, reference), *others = series.items()
    for name, values in others:
        if len(values) != len(reference):
            message = f"{name} must have the {len(reference)} values that {first} has, was {len(values)}"
            raise InvalidInputError(message)


def require_period(name: str, value: object, *, minimum: int = 1) -> int:
    """Return ``value`` as an ``int``.

    Raises:
        InvalidInputError: Not an integer (``True`` is none), below ``minimum`` or above
            ``MAX_PERIOD``.

    Examples:
        >>> require_period("period", np.int64(14))
        14
        >>> require_period("period", 0)
        Traceback (most recent call last):
        jutsu_core.errors.InvalidInputError: period must be an integer from 1 to 100000, was 0
    """
    message = f"{name} must be an integer from {minimum} to {MAX_PERIOD}, was {value!r}"
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InvalidInputError(message)
    if not minimum <= value <= MAX_PERIOD:
        raise InvalidInputError(message)
    return int(value)


def require_number(name: str, value: object, *, above: float, maximum: float) -> float:
    """Return ``value`` as a ``float``.

    Raises:
        InvalidInputError: Not a number (``True`` is none), not greater than ``above``, or
            greater than ``maximum``.

    Examples:
        >>> require_number("deviations", 2, above=0, maximum=MAX_DEVIATIONS)
        2.0
    """
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    number = float(value) if is_number else np.nan  # type: ignore[arg-type]  # known from is_number
    if not above < number <= maximum:
        message = f"{name} must be a number above {above:g} and at most {maximum:g}, was {value!r}"
        raise InvalidInputError(message)
    return number


def require_bars(bars: pd.DataFrame) -> dict[str, FloatArray]:
    """Return the prices and volumes of ``bars`` by column name, after checking the frame.

    Args:
        bars: Columns ``BAR_COLUMNS``; rows of one symbol with strictly increasing aware times
            and finite numbers.

    Raises:
        InvalidInputError: A column is missing or of the wrong type, or a row breaks a rule;
            the first such row is named by position and time.

    Examples:
        >>> require_bars(pd.DataFrame({"close": [1.0]}))
        Traceback (most recent call last):
        jutsu_core.errors.InvalidInputError: bars must have the column symbol, was without it
    """
    for name in BAR_COLUMNS:
        if name not in bars.columns:
            message = f"bars must have the column {name}, was without it"
            raise InvalidInputError(message)
    numeric = BAR_COLUMNS[2:]
    # An empty frame has no types to speak of: pandas gives its columns the type object.
    if bars.empty:
        return {name: np.empty(0) for name in numeric}
    _require_one_symbol(bars)
    _require_increasing(bars)
    return {name: _finite_column(bars, name) for name in numeric}


def _require_one_symbol(bars: pd.DataFrame) -> None:
    """Check that every row carries the first row's symbol."""
    symbols = bars["symbol"]
    first = symbols.iloc[0]
    is_other = (symbols != first).fillna(value=True).to_numpy(dtype=bool) | symbols.isna().to_numpy()
    if is_other.any():
        row = int(np.argmax(is_other))
        message = f"{_row_name(bars, row)}: symbol must be {first}, was {symbols.iloc[row]}"
        raise InvalidInputError(message)


def _require_increasing(bars: pd.DataFrame) -> None:
    """Check that each row's time is an instant later than the one before."""
    times = bars["timestamp"]
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        message = f"timestamp must be a timezone-aware datetime column, was {times.dtype}"
        raise InvalidInputError(message)
    is_late_enough = (times.diff() > pd.Timedelta(0)).to_numpy(copy=True)
    # The first row has nothing before it, but must be a time all the same.
    is_late_enough[0] = not pd.isna(times.iloc[0])
    if not is_late_enough.all():
        row = int(np.argmin(is_late_enough))
        before = times.iloc[row - 1].isoformat() if row else "any time"
        message = f"{_row_name(bars, row)}: timestamp must be after {before}, was {times.iloc[row]}"
        raise InvalidInputError(message)


def _finite_column(bars: pd.DataFrame, name: str) -> FloatArray:
    """Return the column ``name`` as float64."""
    column = bars[name]
    if not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        message = f"{name} must hold integers or floats, was {column.dtype}"
        raise InvalidInputError(message)
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    is_finite = np.isfinite(values)
    if not is_finite.all():
        row = int(np.argmin(is_finite))
        message = f"{_row_name(bars, row)}: {name} must be a finite number, was {values[row]}"
        raise InvalidInputError(message)
    return values


def _row_name(bars: pd.DataFrame, row: int) -> str:
    """Return how an error calls the row at position ``row``."""
    return f"row {row} of bars ({bars['timestamp'].iloc[row]})"
