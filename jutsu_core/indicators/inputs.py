"""What every indicator demands of its inputs, checked before any kernel runs.

A kernel does not defend itself: one NaN poisons a recursive average for the rest of the
series, and some kernels then answer with a plausible number instead of NaN. So an
indicator refuses what it cannot compute, and names the place.

What does not belong here: whether a bar is believable (``jutsu_core.quality``).
"""

from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionDtype

from jutsu_core.arguments import is_integer, is_number, refuse, require_ordered, require_type, shown, times_of
from jutsu_core.bars import BAR_COLUMNS
from jutsu_core.errors import InvalidInputError
from jutsu_core.sessions import zone_of

FloatArray = npt.NDArray[np.float64]

MAX_MAGNITUDE = 1e100
"""Largest absolute input: no square and no sum of as many values as fit into memory overflows."""

MAX_PERIOD = 100_000
"""Largest period, which is the kernels' own limit."""

_CALLED_INSTEAD = ("date", "datetime", "time")
"""What a column of times is called elsewhere."""

_MICROS_PER_DAY = 86_400_000_000
_MISSING_TIME = np.iinfo(np.int64).min

MAX_DEVIATIONS = 100.0
"""Widest band, in standard deviations."""


def require_series(name: str, values: object) -> FloatArray:
    """Return ``values`` as a contiguous float64 array; the argument itself is never written to.

    Args:
        name: How an error calls the series.
        values: One-dimensional integers or floats, oldest first: an array, or a Series, whose labels must
            rise if they are dates.

    Returns:
        The same array where it already has the right form, else a converted copy.

    Raises:
        InvalidInputError: Neither an array nor a Series, not one-dimensional, not numbers, out of order, or
            a value is NaN, infinite or beyond ``MAX_MAGNITUDE``; the first such index is named.

    Examples:
        >>> require_series("closes", np.array([1, 2])).dtype
        dtype('float64')
        >>> require_series("closes", np.array([1.0, float("nan")]))
        Traceback (most recent call last):
        jutsu_core.errors.InvalidInputError: closes[1] must be a finite number, was nan; drop it or fill it in
    """
    if isinstance(values, pd.Series):
        require_ordered(name, values.index)
        values = _array_of(values)
    if not isinstance(values, np.ndarray) or isinstance(values, np.ma.MaskedArray):
        remedy = f"make one: np.asarray({name}, dtype=float)"
        if isinstance(values, np.ma.MaskedArray):
            # As an array it would show what is masked.
            remedy = f"leave out what is masked: {name}.compressed()"
        elif isinstance(values, pd.DataFrame):
            remedy = "choose one column"
        refuse(name, "a NumPy array or a pandas Series", shown(values), remedy)
    if values.ndim != 1:
        refuse(name, "one-dimensional", f"{values.ndim}-dimensional", "choose one column")
    if values.dtype.kind not in "fiu":
        message = f"{name} must hold integers or floats, was {values.dtype}; convert them: {name}.astype(float)"
        raise InvalidInputError(message)
    series = as_floats(values)
    if (index := _first_refused(series)) is not None:
        refuse_value(f"{name}[{index}]", float(series[index]), is_finite=bool(np.isfinite(series[index])))
    return series


def refuse_value(name: str, value: object, *, is_finite: bool) -> NoReturn:
    """Raise the error of a price that cannot be computed with: no number at all, not finite, or too large.

    Raises:
        InvalidInputError: Always.
    """
    demand = f"at most {MAX_MAGNITUDE:g} in magnitude" if is_finite else "a finite number"
    refuse(name, demand, shown(value), "drop it or fill it in")


def as_floats(values: npt.NDArray[Any]) -> FloatArray:
    """Return real numbers as a contiguous float64 array: the same one where it is that already.

    Examples:
        >>> as_floats(np.array([1, 2])).dtype
        dtype('float64')
    """
    if values.dtype == np.float64:
        return np.ascontiguousarray(values, dtype=np.float64)
    # Of a long double beyond float64 an infinity remains, which is refused as any other.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=np.float64)


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
    period = int(value) if is_integer(value) else None
    if period is None or not minimum <= period <= MAX_PERIOD:
        refuse(name, f"an integer from {minimum} to {MAX_PERIOD}", shown(value))
    return period


def require_number(name: str, value: object, *, above: float, maximum: float) -> float:
    """Return ``value`` as a ``float``.

    Raises:
        InvalidInputError: Not a number (``True`` is none), not greater than ``above``, or
            greater than ``maximum``.

    Examples:
        >>> require_number("deviations", 2, above=0, maximum=MAX_DEVIATIONS)
        2.0
    """
    try:
        number = float(value) if is_number(value) else np.nan
    except (OverflowError, ValueError):
        number = np.nan
    if not above < number <= maximum:
        refuse(name, f"a number above {above:g} and at most {maximum:g}", shown(value))
    return number


def require_bars(bars: pd.DataFrame) -> dict[str, FloatArray]:
    """Return the prices and volumes of ``bars`` by column name, after checking the frame.

    Args:
        bars: Columns ``BAR_COLUMNS``; rows of one symbol with strictly increasing aware times
            and finite numbers.

    Raises:
        InvalidInputError: ``bars`` is no frame, a column is missing, there twice or of the wrong type, or
            a row breaks a rule; the first such row is named by position and time.

    Examples:
        >>> require_bars([1.0])
        Traceback (most recent call last):
        jutsu_core.errors.InvalidInputError: bars must be a pandas DataFrame, was list; bars_to_frame makes one of bars
    """
    require_type("bars", bars, pd.DataFrame, "a pandas DataFrame", "bars_to_frame makes one of bars")
    names = bars.columns.tolist()
    for name in BAR_COLUMNS:
        if (count := names.count(name)) > 1:
            refuse(f"column {name} of bars", "there once", f"there {count} times", "drop the others")
        if not count:
            message = f"bars must have the column {name}, was without it; {_remedy_of_missing(bars, name)}"
            raise InvalidInputError(message)
    numeric = BAR_COLUMNS[2:]
    # An empty frame has no types to speak of: pandas gives its columns the type object.
    if bars.empty:
        return {name: np.empty(0) for name in numeric}
    _require_one_symbol(bars)
    _require_increasing(bars)
    return {name: _finite_column(bars, name) for name in numeric}


def _remedy_of_missing(bars: pd.DataFrame, name: str) -> str:
    """Return how ``bars`` get the column ``name``, from what they have instead."""
    if name in bars.index.names:
        return f"it is in the index: bars.reset_index({name!r})"
    texts = [str(other) for other in bars.columns]
    near = next((other for other in texts if other.strip().lower() == name), None)
    if near is None and name == "timestamp":
        near = next((other for other in texts if other.strip().lower() in _CALLED_INSTEAD), None)
    if near is not None:
        return f"rename the one that is: bars.rename(columns={{{near!r}: {name!r}}})"
    if name == "symbol":
        return "say whose bars they are: bars.assign(symbol='AAPL')"
    return f"bars have the columns {', '.join(BAR_COLUMNS)}"


def _first_refused(values: FloatArray) -> int | None:
    """Return the place of the first value that is not finite or beyond ``MAX_MAGNITUDE``; None if there is none."""
    # The place of the largest; of NaN, wherever there is one, and no comparison with it holds.
    magnitudes = np.abs(values)
    if not len(values) or magnitudes[magnitudes.argmax()] <= MAX_MAGNITUDE:
        return None
    return int(np.argmin(magnitudes <= MAX_MAGNITUDE))


def _array_of(series: "pd.Series[Any]") -> object:
    is_nullable = pd.api.types.is_extension_array_dtype(series.dtype) and series.dtype.kind in "fiu"
    return series.to_numpy(dtype=np.float64, na_value=np.nan) if is_nullable else series.to_numpy()


def _require_one_symbol(bars: pd.DataFrame) -> None:
    """Check that every row carries the first row's symbol."""
    symbols = bars["symbol"]
    values = symbols.array
    first = values[0]
    # To compare all with the one before costs a quarter of comparing them with the first.
    if not pd.isna(first) and values[1:].equals(values[:-1]):
        return
    is_other = (symbols != first).fillna(value=True).to_numpy(dtype=bool) | symbols.isna().to_numpy()
    if is_other.any():
        row = int(np.argmax(is_other))
        other = symbols.iloc[row]
        remedy = "fill it in, or drop the row"
        if not pd.isna(first) and not pd.isna(other):
            remedy = (
                f"take the bars of one symbol, bars[bars.symbol == {first!r}], or one after another,"
                ' bars.groupby("symbol")'
            )
        must_be = "the symbol of its bar" if pd.isna(first) else str(first)
        refuse(f"{row_name(bars, row)}: symbol", must_be, other, remedy)


def _remedy_of_times(dtype: np.dtype[Any] | ExtensionDtype) -> str:
    """Return how a column of times becomes one of aware times."""
    if isinstance(dtype, pd.PeriodDtype):
        return 'take their starts: bars.timestamp.dt.to_timestamp().dt.tz_localize("UTC")'
    if pd.api.types.is_numeric_dtype(dtype):
        return 'if they count seconds since 1970, make it one: pd.to_datetime(bars.timestamp, unit="s", utc=True)'
    if isinstance(dtype, np.dtype) and dtype.kind == "M":
        return 'say whose clocks they are: bars.timestamp.dt.tz_localize("UTC")'
    return "make it one: pd.to_datetime(bars.timestamp, utc=True)"


def _require_increasing(bars: pd.DataFrame) -> None:
    """Check that each row's time is an instant later than the one before."""
    times = bars["timestamp"]
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        refuse("timestamp", "a timezone-aware datetime column", times.dtype, _remedy_of_times(times.dtype))
    # The stamps as numbers; a missing one is the lowest.
    moments = np.asarray(times.array, dtype=f"datetime64[{times.dtype.unit}]").view(np.int64)
    is_late_enough = moments > _MISSING_TIME
    is_late_enough[1:] &= moments[1:] > moments[:-1]
    if not np.logical_and.reduce(is_late_enough):
        row = int(np.argmin(is_late_enough))
        time, before = times.iloc[row], times.iloc[row - 1].isoformat() if row else "any time"
        if pd.isna(time):
            remedy = "fill it in, or drop the row"
        elif time == times.iloc[row - 1]:
            remedy = 'keep one bar of each time: bars.drop_duplicates("timestamp")'
        else:
            remedy = 'order them, oldest first: bars.sort_values("timestamp")'
        refuse(f"{row_name(bars, row)}: timestamp", f"after {before}", time, remedy)


def _finite_column(bars: pd.DataFrame, name: str) -> FloatArray:
    """Return the column ``name`` as float64."""
    column = bars[name]
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiu":
        # To ask for missing values of a column of plain numbers costs ten times as much.
        values = as_floats(column.to_numpy())
    elif pd.api.types.is_numeric_dtype(dtype) and dtype.kind not in "bc":
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        message = f'{name} must hold integers or floats, was {dtype}; convert it: bars.astype({{"{name}": float}})'
        raise InvalidInputError(message)
    if (row := _first_refused(values)) is not None:
        refuse_value(f"{row_name(bars, row)}: {name}", float(values[row]), is_finite=bool(np.isfinite(values[row])))
    return values


def session_numbers(bars: pd.DataFrame, exchange_zone: str) -> FloatArray:
    """Return a number for each bar that those of one session have in common: the day on the exchange's clocks.

    A label of a session, 00:00 UTC of its date, is read as any other instant: it cannot be told from the bar of an
    evening, and as labels are whole days apart, each has a day of its own all the same.

    Raises:
        InvalidInputError: The zone is unknown.
    """
    times = pd.DatetimeIndex(bars["timestamp"]).as_unit("us")
    local = times.tz_convert(zone_of(exchange_zone)).tz_localize(None).asi8
    days: FloatArray = (local // _MICROS_PER_DAY).astype(np.float64)
    return days


def _remedy_of_labels(index: "pd.Index[Any]") -> str:
    """Return how the benchmark's closes are labelled with aware times."""
    if isinstance(index, pd.DatetimeIndex):
        return 'say whose clocks they are: benchmark.tz_localize("UTC")'
    if isinstance(index, pd.PeriodIndex):
        return 'take their starts: benchmark.to_timestamp().tz_localize("UTC")'
    if times_of(index) is None:
        return 'take the times of its bars as labels: bars.set_index("timestamp")["close"]'
    return "make them so: benchmark.set_axis(pd.to_datetime(benchmark.index, utc=True))"


def benchmark_closes(
    bars: pd.DataFrame, benchmark: "pd.Series[float] | None", indicator: str, *, allow_gaps: bool
) -> FloatArray:
    """Return the benchmark's close at the time of each bar.

    Args:
        bars: Checked bars.
        benchmark: Closes with aware times; those at other times than the bars' are left out.
        indicator: Which indicator asks.
        allow_gaps: Whether there may be bars that it has no close for; theirs is NaN.

    Raises:
        InvalidInputError: There is no benchmark, it is no such series, or it has no close for a bar and must have
            one; the first such bar is named.
    """
    if benchmark is None:
        refuse("benchmark", "given", "None", f"{indicator} compares with one: pass its closes, or leave it out")
    closes = require_series("benchmark", benchmark)
    index = benchmark.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        refuse("index of benchmark", "timezone-aware times", index.dtype, _remedy_of_labels(index))
    if bars.empty:
        return np.empty(0)
    places = index.get_indexer(pd.DatetimeIndex(bars["timestamp"]))
    is_there = places >= 0
    if is_there.all():
        return closes[places]
    if not allow_gaps:
        row = int(np.argmin(is_there))
        remedy = "update the benchmark, leave out bars from before it begins, or say allow_benchmark_gaps=True"
        refuse("benchmark", f"with a close for {row_name(bars, row)}", "without one", remedy)
    beside = np.full(len(bars), np.nan)
    beside[is_there] = closes[places[is_there]]
    return beside


def row_name(bars: pd.DataFrame, row: int) -> str:
    """Return how an error calls the row at position ``row``."""
    return f"row {row} of bars ({bars['timestamp'].iloc[row]})"
