"""What each kind of parameter refuses: values that mean nothing, by what is wrong with them."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from jutsu_core.bars import Bar
from tests.support.builders import NOON

FRIDAY = date(2013, 3, 1)
DAYS = pd.date_range("2013-03-01", periods=6, tz="UTC")
NUMBERS = [3.0, 4.0, 5.0, 4.0, 6.0, 7.0]
DATED = pd.Series(NUMBERS, index=DAYS)
TEXTS = [day.date().isoformat() for day in DAYS]
NAN, INF = float("nan"), float("inf")

Bad = dict[str, object]


def with_value(value: object, at: int, dtype: str = "object") -> pd.Series:
    values: list[object] = [*NUMBERS]
    values[at] = value
    return pd.Series(values, index=DAYS, dtype=dtype)


def labelled(labels: Any) -> pd.Series:
    return pd.Series(NUMBERS, index=labels)


def disordered(index: pd.Index) -> Bad:
    """Return series whose labels fall, come twice, or are missing."""
    kind = f"{index.dtype} as {type(index).__name__}"
    wrong: Bad = {
        f"newest first, {kind}": labelled(index[::-1]),
        f"a label twice, {kind}": labelled(index.take([0, 1, 1, 2, 3, 4])),
        f"one out of order, {kind}": labelled(index.take([0, 1, 2, 4, 3, 5])),
    }
    return wrong


NO_NUMBERS: Bad = {
    "booleans": pd.Series([True] * 6),
    "nullable booleans": pd.Series([True] * 6, dtype="boolean"),
    "complex numbers": pd.Series([1j] * 6),
    "texts": pd.Series(["1"] * 6),
    "text among numbers": with_value("3", 2),
    "a boolean among numbers": with_value(True, 2),  # noqa: FBT003 - the point
    "None among numbers": with_value(None, 2),
    "NA among numbers": with_value(pd.NA, 2),
    "times": pd.Series(DAYS),
    "time spans": pd.Series(pd.to_timedelta([1.0] * 6, unit="D")),
    "NaN first": with_value(NAN, 0, "float64"),
    "NaN last": with_value(NAN, 5, "float64"),
    "infinity first": with_value(INF, 0, "float64"),
    "minus infinity": with_value(-INF, 3, "float64"),
    "a missing integer": with_value(None, 1, "Int64"),
    "a missing float": with_value(None, 1, "Float64"),
}
DECIMALS: Bad = {
    "Decimal NaN first": with_value(Decimal("NaN"), 0),
    "a signalling NaN": with_value(Decimal("sNaN"), 4),
    "Decimal infinity": with_value(Decimal("Infinity"), 0),
    "a Decimal beyond floats": with_value(Decimal("1e400"), 0),
    "an integer beyond floats": with_value(10**400, 0),
}
DISORDERED: Bad = {
    **disordered(DAYS),
    **disordered(DAYS.tz_localize(None)),
    **disordered(DAYS.tz_convert("America/New_York")),
    **disordered(DAYS.as_unit("s")),
    **disordered(pd.period_range("2013-03", periods=6, freq="M")),
    **disordered(pd.to_timedelta(range(6), unit="D")),
    **disordered(pd.CategoricalIndex(DAYS)),
    "dates of Python": labelled(pd.Index([day.date() for day in DAYS][::-1], dtype=object)),
    "times of Python": labelled(pd.Index([day.to_pydatetime() for day in DAYS][::-1], dtype=object)),
    "dates as text": labelled(TEXTS[::-1]),
    "two levels": labelled(pd.MultiIndex.from_arrays([["A"] * 6, DAYS[::-1]])),
    "a missing date": labelled(DAYS.insert(2, pd.NaT)[:6]),
    "a missing first date": labelled(DAYS.insert(0, pd.NaT)[:6]),
    "a missing date of Python": labelled(pd.Index([*(day.date() for day in DAYS[:5]), None], dtype=object)),
}
NO_SERIES: Bad = {
    "None": None,
    "a number": 7,
    "a text": "AAPL",
    "a list": NUMBERS,
    "an array": np.array(NUMBERS),
    "a frame": pd.DataFrame({"close": NUMBERS}),
    "an index": DAYS,
    "a mapping": {"close": 1.0},
}
EMPTY: Bad = {"an empty series": pd.Series([], dtype="float64")}
BELOW: Bad = {"zero": with_value(0.0, 3, "float64"), "a negative value": with_value(-1.0, 3, "float64")}
BELOW_FIRST: Bad = {"a base of zero": with_value(0.0, 0, "float64")}
FAR_APART: Bad = {"a ratio beyond floats": pd.Series([1e-300, 1e300], index=DAYS[:2])}
NAIVE: Bad = {"no dates": pd.Series(NUMBERS), "naive dates": labelled(DAYS.tz_localize(None))}
NOT_DAILY: Bad = {"a time of day": labelled(DAYS + pd.Timedelta(hours=1))}

EVERY_SERIES = NO_SERIES | NO_NUMBERS | DECIMALS | DISORDERED
ARRAYS: Bad = {
    **{name: bad for name, bad in NO_SERIES.items() if name != "an array"},
    **NO_NUMBERS,
    **DISORDERED,
    "two dimensions": np.ones((2, 3)),
    "no dimension": np.float64(1.0),
    "an array of objects": np.array(NUMBERS, dtype=object),
    "an array of booleans": np.ones(6, dtype=bool),
    "an array of texts": np.array(["1"] * 6),
    "an array of complex numbers": np.ones(6, dtype=complex),
    "an array of times": DAYS.to_numpy(),
    "an array with NaN": np.array([1.0, NAN, 1.0, 1.0, 1.0, 1.0]),
    "an array with infinity": np.array([INF, 1.0, 1.0, 1.0, 1.0, 1.0]),
    "an array too large": np.array([1e200] * 6),
    "a masked array": np.ma.masked_greater(np.array(NUMBERS), 6.0),
}
INTEGERS: Bad = {
    "None": None,
    "text": "2",
    "a float": 2.0,
    "a boolean": True,
    "NaN": NAN,
    "a list": [2],
    "a time span": np.timedelta64(2, "D"),
    "a Decimal": Decimal(2),
}
PERIODS: Bad = INTEGERS | {"zero": 0, "negative": -3, "too large": 100_001}
YEARLY: Bad = INTEGERS | {"zero": 0, "negative": -3, "beyond floats": 10**400}
REALS: Bad = {
    "None": None,
    "text": "2",
    "a boolean": True,
    "NaN": NAN,
    "infinity": INF,
    "a complex number": 2j,
    "a list": [2.0],
    "a signalling NaN": Decimal("sNaN"),
    "a time span": np.timedelta64(2, "D"),
}
WIDTHS: Bad = REALS | {"zero": 0, "negative": -1.0}
RATES: Bad = REALS | {"a loss of all": -1.0}
FLAGS: Bad = {"None": None, "text": "yes", "a number": 1}
DATES: Bad = {
    "None": None,
    "text": "2013-03-01",
    "a time": NOON,
    "a number": 20130301,
    "NaT": pd.NaT,
    "a list": [FRIDAY],
}
DATE_LISTS: Bad = {
    "None": None,
    "text": "2013-03-01",
    "a number": 7,
    "texts": ["2013-03-01"],
    "times": [NOON],
    "one None": [None],
}
MOMENTS: Bad = {"None": None, "text": "2013-03-01", "a date": FRIDAY, "naive": datetime(2013, 3, 1), "NaT": pd.NaT}  # noqa: DTZ001
BOUNDS: Bad = {name: bad for name, bad in MOMENTS.items() if name in ("naive", "NaT")} | {
    "a word": "yesterday",
    "a month": "2013-03",
    "no such date": "2013-02-30",
    "a time without a zone": "2013-03-01T09:30",
    "a number": 20130301,
    "a list": ["2013-03-01"],
    "NumPy's date": np.datetime64("2013-03-01"),
}
SYMBOLS: Bad = {"None": None, "a number": 7, "a list": ["AAPL"]}
NAMES: Bad = SYMBOLS | {"unknown": "no such"}
ZONES: Bad = SYMBOLS | {"unknown": "Mars/Olympus", "a path": "/etc/passwd", "empty": ""}
CODES: Bad = SYMBOLS
BARS: Bad = {
    "None": None,
    "text": "AAPL",
    "numbers": [1, 2],
    "rows": [(NOON, 1, 1, 1, 1, 1)],
    "a float": [Bar(NOON, 1.5, 2, 1, 2, 3)],  # type: ignore[arg-type]  # the point
}
FRAMES: Bad = {"None": None, "a list": [1], "a column": DATED}
TRADES: Bad = {
    "None": None,
    "text": "AAPL",
    "a number": 7,
    "rows": [{"symbol": "AAPL"}],
    "a frame": pd.DataFrame({"a": [1]}),
}
TRIPS: Bad = {"None": None, "text": "AAPL", "a number": 7, "rows": [{"net_profit": 1}], "a trip": 1}
HISTORIES: Bad = {
    "None": None,
    "text": "AAPL",
    "a number": 7,
    "empty": [],
    "a frame": pd.DataFrame({"timestamp": [NOON], "total_value": [1.0]}),
    "one row": {"timestamp": NOON, "total_value": 1.0},
    "numbers": [1.0],
    "no value": [{"timestamp": NOON}],
    "a naive time": [{"timestamp": datetime(2013, 3, 1), "total_value": 1.0}],  # noqa: DTZ001 - the point
    "newest first": [{"timestamp": NOON, "total_value": 1.0}, {"timestamp": NOON - timedelta(1), "total_value": 1.0}],
    "NaN": [{"timestamp": NOON, "total_value": NAN}],
}
PRICES: Bad = {"None": None, "a float": 1.5, "an integer": 1, "text": "1.5", "NaN": Decimal("NaN"), "zero": Decimal(0)}
COSTS: Bad = {"None": None, "a float": 1.5, "text": "1.5", "NaN": Decimal("NaN"), "negative": Decimal(-1)}
VOLUMES: Bad = {"None": None, "a float": 1.5, "text": "1", "a boolean": True, "negative": -1}
CHOICES: Bad = {
    "None": None,
    "a number": 7,
    "unknown": "HOLD",
    "a list": ["BUY"],
    "an array": np.array(["BUY", "SELL"]),
}
ANYTHING: Bad = {"None": None, "text": "AAPL", "a number": 7, "a list": [1]}
LISTS: Bad = {"None": None, "text": "AAPL", "a number": 7, "numbers": [1]}
