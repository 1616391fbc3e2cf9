from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.inputs import (
    benchmark_closes,
    require_bars,
    require_number,
    require_period,
    require_series,
)
from jutsu_core.indicators.latest import calculate_sma
from tests.jutsu_core.indicators.references import random_bars


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_value_that_is_not_finite_is_named(bad: float) -> None:
    with pytest.raises(InvalidInputError, match=r"closes\[2\] must be a finite number, was"):
        require_series("closes", np.array([1.0, 2.0, bad, bad]))


def test_a_value_whose_square_would_overflow_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"closes\[1\] must be at most 1e\+100 in magnitude"):
        require_series("closes", np.array([1.0, -1e200]))


def test_a_table_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="one-dimensional, was 2-dimensional"):
        require_series("closes", np.zeros((2, 2)))


@pytest.mark.parametrize("values", [[True, False], ["1", "2"], [None, 1.0], [1 + 1j]])
def test_what_is_no_number_is_refused(values: list[object]) -> None:
    with pytest.raises(InvalidInputError, match="must hold integers or floats"):
        require_series("closes", np.asarray(values))


@pytest.mark.parametrize(
    "values",
    [
        np.arange(10.0)[::2],
        np.arange(5)[::-1],
        np.arange(5.0, dtype=">f8"),
        np.arange(5.0, dtype=np.float32),
    ],
    ids=["strided", "reversed integers", "foreign byte order", "single precision"],
)
def test_any_layout_becomes_contiguous_float64(values: np.ndarray) -> None:
    series = require_series("closes", values)
    assert series.flags.c_contiguous
    assert series.dtype == np.dtype("=f8")
    assert series.tolist() == values.tolist()


@pytest.mark.parametrize("period", [0, -1, 100_001, True, np.True_, 2.0, "2", None])
def test_a_period_is_a_positive_integer(period: object) -> None:
    with pytest.raises(InvalidInputError, match="period must be an integer from 1 to 100000, was"):
        require_period("period", period)


@pytest.mark.parametrize("number", [0, -1.0, np.nan, np.inf, 100.5, True, "2", None])
def test_a_number_lies_within_its_limits(number: object) -> None:
    with pytest.raises(InvalidInputError, match="width must be a number above 0 and at most 100, was"):
        require_number("width", number, above=0, maximum=100)


def test_a_sound_frame_gives_its_numbers() -> None:
    bars = random_bars(3)
    assert require_bars(bars)["volume"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("name", ["symbol", "timestamp", "open", "high", "low", "close", "volume"])
def test_every_column_is_needed(name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"column {name}"):
        require_bars(random_bars(3).drop(columns=name))


@pytest.mark.parametrize("other", ["ELSE", None])
def test_a_second_symbol_is_refused(other: str | None) -> None:
    bars = random_bars(4)
    bars.loc[2, "symbol"] = other
    with pytest.raises(InvalidInputError, match=r"row 2 of bars \(2020-01-03.*symbol must be WALK"):
        require_bars(bars)


@pytest.mark.parametrize("dtype", ["object", "category", "string", "str"])
def test_symbols_of_any_kind_of_column_are_compared(dtype: str) -> None:
    bars = random_bars(4).astype({"symbol": dtype})
    assert len(require_bars(bars)["close"]) == 4
    for wrong in (["WALK", "WALK", "ELSE", "ELSE"], ["WALK", None, None, None], [None, "WALK", "WALK", "WALK"]):
        with pytest.raises(InvalidInputError, match=r"row \d of bars .*: symbol must be"):
            require_bars(bars.assign(symbol=pd.Series(wrong, dtype=dtype)))


def test_no_symbol_at_all_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"row 0 of bars .*: symbol must be the symbol of its bar, was nan; fi"):
        require_bars(random_bars(2).assign(symbol=pd.Series([None, None], dtype="str")))


def test_a_repeated_time_is_refused() -> None:
    bars = random_bars(4)
    bars["timestamp"] = bars["timestamp"].where(bars.index != 2, bars["timestamp"].shift(1))
    with pytest.raises(InvalidInputError, match=r"row 2 of bars.*timestamp must be after 2020-01-02"):
        require_bars(bars)


def test_rows_out_of_order_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"row 1 of bars.*timestamp must be after 2020-01-04"):
        require_bars(random_bars(4).iloc[::-1])


@pytest.mark.parametrize("row", [0, 2])
def test_a_missing_time_is_refused(row: int) -> None:
    bars = random_bars(4)
    bars.loc[row, "timestamp"] = pd.NaT
    with pytest.raises(InvalidInputError, match=f"row {row} of bars .NaT.: timestamp"):
        require_bars(bars)


def test_naive_times_are_refused() -> None:
    bars = random_bars(2)
    bars["timestamp"] = bars["timestamp"].dt.tz_localize(None)
    with pytest.raises(InvalidInputError, match="timezone-aware"):
        require_bars(bars)


@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_price_that_is_not_finite_is_refused(name: str, bad: float) -> None:
    bars = random_bars(4)
    bars.loc[3, name] = bad
    with pytest.raises(InvalidInputError, match=rf"row 3 of bars .*: {name} must be a finite number"):
        require_bars(bars)


@pytest.mark.parametrize("kind", ["complex128", "Sparse[complex128]", "bool", "boolean", "object", "str", "category"])
def test_a_column_of_no_real_numbers_is_refused(kind: str) -> None:
    bars = random_bars(3).assign(close=1.0).astype({"close": kind})
    with pytest.raises(InvalidInputError, match=r"close must hold integers or floats, was .*; convert it"):
        require_bars(bars)


@pytest.mark.filterwarnings("error")
@pytest.mark.skipif(bool(np.finfo(np.longdouble).max <= np.finfo(float).max), reason="long doubles are doubles here")
def test_a_long_double_beyond_floats_is_refused_without_a_warning() -> None:
    values = np.array([1.0, 2.0, 3.0], dtype=np.longdouble)
    values[1] *= np.longdouble("1e400")
    with pytest.raises(InvalidInputError, match=r"closes\[1\] must be a finite number, was inf"):
        require_series("closes", values)
    with pytest.raises(InvalidInputError, match=r"prices\[1\] must be a finite number, was inf"):
        calculate_sma(pd.Series(values), 1)
    with pytest.raises(InvalidInputError, match=r"row 1 of bars .*: close must be a finite number, was inf"):
        require_bars(random_bars(3).assign(close=values))


def test_a_missing_value_of_a_nullable_column_is_refused() -> None:
    volumes = pd.Series([1, None, 3], dtype="Int64")
    with pytest.raises(InvalidInputError, match=r"row 1 of bars.*volume must be a finite number"):
        require_bars(random_bars(3).assign(volume=volumes))


@pytest.mark.parametrize("number", [1e101, -1e200])
def test_a_price_whose_square_would_overflow_is_refused_in_a_frame_too(number: float) -> None:
    bars = random_bars(3)
    bars.loc[1, "close"] = number
    with pytest.raises(InvalidInputError, match=r"row 1 of bars .*: close must be at most 1e\+100 in magnitude"):
        require_bars(bars)


BARS = random_bars(3)


@pytest.mark.parametrize(
    ("bars", "remedy"),
    [
        (BARS.rename(columns=str.capitalize), r"rename the one that is: bars.rename(columns={'Symbol': 'symbol'})"),
        (BARS.rename(columns={"timestamp": "Date"}), r"bars.rename(columns={'Date': 'timestamp'})"),
        (BARS.set_index("timestamp"), "it is in the index: bars.reset_index('timestamp')"),
        (BARS.set_index(["symbol", "timestamp"]), "it is in the index: bars.reset_index('symbol')"),
        (BARS.drop(columns="symbol"), "say whose bars they are: bars.assign(symbol='AAPL')"),
        (BARS.drop(columns="low"), "bars have the columns symbol, timestamp, open, high, low, close, volume"),
        (
            pd.concat([BARS, BARS.assign(symbol="IBM")]),
            "take the bars of one symbol, bars[bars.symbol == 'WALK'], or one after another, bars.groupby(\"symbol\")",
        ),
        (BARS.iloc[::-1], 'order them, oldest first: bars.sort_values("timestamp")'),
        (BARS.iloc[[0, 1, 1]], 'keep one bar of each time: bars.drop_duplicates("timestamp")'),
        (BARS.assign(timestamp=BARS["timestamp"].dt.tz_localize(None)), 'bars.timestamp.dt.tz_localize("UTC")'),
        (BARS.assign(timestamp=["2013-01-02"] * 3), "make it one: pd.to_datetime(bars.timestamp, utc=True)"),
        (BARS.assign(timestamp=BARS["timestamp"].astype(object)), "pd.to_datetime(bars.timestamp, utc=True)"),
        (BARS.assign(close=BARS["close"].map(Decimal)), 'convert it: bars.astype({"close": float})'),
    ],
)
def test_what_to_do_with_a_frame_is_said(bars: pd.DataFrame, remedy: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        require_bars(bars)
    assert remedy in str(refused.value)


NAIVE = BARS["timestamp"].dt.tz_localize(None)
TIMES = [
    NAIVE,
    NAIVE.dt.to_period("D"),
    NAIVE.astype("timestamp[us][pyarrow]"),
    BARS.astype({"timestamp": "timestamp[us, tz=UTC][pyarrow]"})["timestamp"],
    BARS["timestamp"].astype(object),
    NAIVE.dt.date,
    NAIVE.astype(str),
    NAIVE.astype(str).astype("category"),
    NAIVE.astype("datetime64[s]").astype("int64"),
    NAIVE.astype("datetime64[s]").astype("int64").astype("float64"),
]


def remedied(error: InvalidInputError, **known: object) -> Any:
    """Return what the code at the end of an error makes of ``known``."""
    return eval(str(error).rpartition(": ")[2], {"pd": pd, **known})  # noqa: S307 - what the user is told to do


@pytest.mark.parametrize("times", TIMES, ids=lambda times: str(times.dtype))
def test_what_to_do_with_times_that_are_none_makes_them_some(times: "pd.Series[Any]") -> None:
    bars = BARS.assign(timestamp=times)
    with pytest.raises(InvalidInputError, match="timestamp must be a timezone-aware datetime column, was ") as refused:
        require_bars(bars)
    mended = bars.assign(timestamp=remedied(refused.value, bars=bars))
    assert require_bars(mended)["close"].tolist() == BARS["close"].tolist()
    assert (mended["timestamp"] == BARS["timestamp"]).all()


@pytest.mark.parametrize("times", [*TIMES[:-2], BARS["close"]], ids=lambda times: str(times.dtype))
def test_what_to_do_with_labels_that_are_no_times_makes_them_some(times: "pd.Series[Any]") -> None:
    benchmark = BARS["close"].set_axis(pd.Index(times))
    with pytest.raises(InvalidInputError, match="index of benchmark must be timezone-aware times, was ") as refused:
        benchmark_closes(BARS, benchmark, "rolling_beta", allow_gaps=False)
    mended = remedied(refused.value, bars=BARS, benchmark=benchmark)
    closes = benchmark_closes(BARS, mended, "rolling_beta", allow_gaps=False)
    assert closes.tolist() == BARS["close"].tolist()


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ([1.0], "make one: np.asarray(closes, dtype=float)"),
        (pd.DataFrame({"close": [1.0]}), "choose one column"),
        (np.ma.masked_invalid([1.0, np.nan]), "leave out what is masked: closes.compressed()"),
    ],
)
def test_what_to_do_with_what_is_no_series_is_said(values: object, remedy: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        require_series("closes", values)
    assert str(refused.value).endswith(remedy)


@pytest.mark.parametrize("closes", [["1", "2"], [True, False]])
def test_a_column_of_other_things_is_refused(closes: list[object]) -> None:
    with pytest.raises(InvalidInputError, match="close must hold integers or floats"):
        require_bars(random_bars(2).assign(close=pd.Series(closes)))
