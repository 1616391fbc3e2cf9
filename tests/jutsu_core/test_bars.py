"""Bars: exact prices whatever the decimal context, spellings of timeframes, times, frames."""

import re
from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, Inexact, Rounded, localcontext
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.bars import (
    BAR_COLUMNS,
    MAX_MICROS,
    MAX_VOLUME,
    MICROS_PER_UNIT,
    PRICE_COLUMNS,
    Bar,
    BarColumns,
    RejectedBar,
    Timeframe,
    bars_to_frame,
    columns_to_frame,
    from_micros,
    require_aware,
    session_timestamp,
    to_epoch,
    to_micros,
)
from jutsu_core.errors import InvalidInputError
from tests.support.builders import bar, days

MICROS = st.integers(-MAX_MICROS, MAX_MICROS)
CONTEXTS = st.builds(
    Context,
    prec=st.integers(1, 50),
    rounding=st.sampled_from([ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN]),
    Emin=st.sampled_from([0, -999_999]),
    Emax=st.sampled_from([0, 999_999]),
    traps=st.sampled_from([[], [Inexact, Rounded]]),
)
WEEK = days(date(2013, 2, 25), 5)


@given(MICROS, CONTEXTS)
def test_micros_survive_the_round_trip_whatever_the_decimal_context(micros: int, context: Context) -> None:
    with localcontext(context):
        assert to_micros(from_micros(micros)) == micros


@given(st.decimals(-9_000_000_000_000, 9_000_000_000_000, places=6), CONTEXTS)
def test_prices_survive_the_round_trip_whatever_the_decimal_context(price: Decimal, context: Context) -> None:
    with localcontext(context):
        assert from_micros(to_micros(price)) == price


@given(st.decimals(-1_000_000, 1_000_000, places=6), st.integers(7, 60), CONTEXTS)
def test_a_seventh_decimal_is_never_rounded_away(price: Decimal, place: int, context: Context) -> None:
    text = str(price) + "0" * (place - 7) + "1"
    with localcontext(context), pytest.raises(InvalidInputError, match="price must have at most 6 decimals, was"):
        to_micros(Decimal(text))


def test_a_price_has_six_decimals() -> None:
    assert str(from_micros(1)) == "0.000001"
    assert str(from_micros(190_000_000)) == "190.000000"
    assert to_micros(Decimal("1E+3")) == 1_000_000_000
    assert to_micros(Decimal("1.50000000000")) == 1_500_000


@pytest.mark.parametrize("price", ["9223372036854.775807", "-9223372036854.775807"])
def test_the_largest_price_fits_into_64_bits(price: str) -> None:
    assert abs(to_micros(Decimal(price))) == MAX_MICROS


@pytest.mark.parametrize(
    ("price", "must"),
    [
        ("NaN", "be a finite number"),
        ("sNaN", "be a finite number"),
        ("Infinity", "be a finite number"),
        ("-Infinity", "be a finite number"),
        ("9223372036854.775808", "be below 9223372036854"),
        ("-9223372036854.775808", "be below 9223372036854"),
        ("1E+1000000", "be below 9223372036854"),
        ("0.0000001", "have at most 6 decimals"),
        ("1E-1000000", "have at most 6 decimals"),
    ],
)
def test_a_price_that_cannot_be_kept_exactly_is_refused(price: str, must: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^price must {must}, was {re.escape(str(Decimal(price)))}$"):
        to_micros(Decimal(price))


@pytest.mark.parametrize("frame", Timeframe)
def test_every_timeframe_is_parsed_from_its_spelling(frame: Timeframe) -> None:
    assert Timeframe.parse(frame.value) is frame
    assert Timeframe.parse(str(frame)) is frame


@pytest.mark.parametrize("text", ["", "1D", " 1d", "d1", "D1", "2d", "1"])
def test_any_other_spelling_is_refused_with_those_that_are_known(text: str) -> None:
    known = "1m, 5m, 10m, 15m, 30m, 1d, 1w, 1mo"
    with pytest.raises(InvalidInputError, match=f"^timeframe must be one of {known}, was {text!r}$"):
        Timeframe.parse(text)


@given(st.dates())
def test_a_daily_bar_is_kept_at_midnight_utc_of_its_session(session: date) -> None:
    stamp = session_timestamp(session)
    assert stamp.tzinfo is UTC
    assert (stamp.date(), stamp.time()) == (session, datetime.min.time())


@given(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1), timezones=st.timezones()))  # noqa: DTZ001 - hypothesis adds it
def test_an_aware_time_is_the_same_instant_in_utc(moment: datetime) -> None:
    answer = require_aware("start", moment)
    assert answer.tzinfo is UTC
    assert answer == moment.astimezone(UTC)


def test_a_naive_time_is_refused_with_what_to_do() -> None:
    naive = datetime(2013, 3, 1, tzinfo=UTC).replace(tzinfo=None)
    expected = "^start must be timezone-aware, was the naive 2013-03-01T00:00:00; add tzinfo=datetime.UTC$"
    with pytest.raises(InvalidInputError, match=expected):
        require_aware("start", naive)


@pytest.mark.parametrize("value", [None, "2013-03-01", 0, date(2013, 3, 1), pd.NaT])
def test_what_is_no_time_is_refused(value: object) -> None:
    """NaT says that it is a datetime, and is none."""
    expected = f"end must be a timezone-aware datetime, was {value!r}"
    with pytest.raises(InvalidInputError, match=f"^{re.escape(expected)}$"):
        require_aware("end", value)


def test_bars_sort_by_time() -> None:
    bars = [bar(day, str(100 - n)) for n, day in enumerate(WEEK)]
    assert sorted([bars[3], bars[0], bars[4], bars[2], bars[1]]) == bars


@pytest.mark.parametrize("record", [bar(WEEK[0]), RejectedBar("{}", "high must be at least open")])
def test_records_cannot_be_changed(record: Any) -> None:
    with pytest.raises((AttributeError, FrozenInstanceError)):
        record.timestamp = None


def test_rejected_bars_are_the_same_when_all_they_say_is_the_same() -> None:
    one = RejectedBar("{}", "bad")
    assert one.timestamp is None
    assert {one, RejectedBar("{}", "bad"), RejectedBar("{}", "bad", session_timestamp(WEEK[0]))} == {
        one,
        RejectedBar("{}", "bad", session_timestamp(WEEK[0])),
    }


def test_a_frame_has_one_row_a_bar_in_the_given_order() -> None:
    bars = [bar(WEEK[1], "101.25", volume=7), bar(WEEK[0], "100", volume=MAX_VOLUME)]
    frame = bars_to_frame("BRK/B", bars)
    assert list(frame.itertuples(index=False, name=None)) == [
        ("BRK/B", pd.Timestamp(bars[0].timestamp), 101.25, 101.75, 100.75, 101.25, 7),
        ("BRK/B", pd.Timestamp(bars[1].timestamp), 100.0, 100.5, 99.5, 100.0, MAX_VOLUME),
    ]
    assert list(frame.index) == [0, 1]


@pytest.mark.parametrize("bars", [[], [bar(WEEK[0])]], ids=["no bar", "one bar"])
def test_a_frame_has_the_same_columns_and_types_however_many_bars(bars: list[Bar]) -> None:
    frame = bars_to_frame("AAPL", bars)
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
        "symbol": "str",
        "timestamp": "datetime64[us, UTC]",
        **dict.fromkeys(PRICE_COLUMNS, "float64"),
        "volume": "int64",
    }
    assert tuple(frame.columns) == BAR_COLUMNS
    assert len(frame) == len(bars)


def test_a_frame_keeps_microseconds_and_takes_any_iterable() -> None:
    stamp = datetime(2013, 3, 1, 14, 30, tzinfo=UTC) + timedelta(microseconds=1)
    frame = bars_to_frame("AAPL", iter([bar(stamp)]))
    assert frame["timestamp"].iloc[0] == pd.Timestamp(stamp)
    assert frame["timestamp"].dt.tz_convert(ZoneInfo("America/New_York")).iloc[0].hour == 9


@given(st.lists(st.tuples(*[st.integers(1, 3_000_000_000 * MICROS_PER_UNIT)] * 4), min_size=1, max_size=5))
def test_prices_below_three_billion_come_back_exactly_from_a_frame(rows: list[tuple[int, int, int, int]]) -> None:
    frame = bars_to_frame("AAPL", [Bar(session_timestamp(WEEK[0]), *prices, 1) for prices in rows])
    back = frame[list(PRICE_COLUMNS)].mul(MICROS_PER_UNIT).round().astype("int64")
    assert list(back.itertuples(index=False, name=None)) == rows


STAMPS = st.datetimes(datetime(1677, 9, 22), datetime(2262, 4, 10), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
PRICES = st.integers(1, MAX_MICROS)
BARS = st.lists(st.builds(Bar, STAMPS, PRICES, PRICES, PRICES, PRICES, st.integers(0, MAX_VOLUME)), max_size=5)


@given(BARS)
def test_columns_hold_exactly_what_the_bars_do(bars: list[Bar]) -> None:
    columns = BarColumns.of(iter(bars))
    assert len(columns) == len(bars)
    of_bars = zip(
        columns.timestamps, columns.open, columns.high, columns.low, columns.close, columns.volume, strict=True
    )
    assert [tuple(map(int, values)) for values in of_bars] == [(to_epoch(one.timestamp), *one[1:]) for one in bars]
    assert columns.sessions.tolist() == [one.timestamp.date() for one in bars]
    assert {array.dtype for array in (columns.timestamps, columns.open, columns.volume)} == {np.dtype(np.int64)}


def test_columns_may_be_made_of_an_array() -> None:
    columns = BarColumns(np.array([[0, 1, 2, 3, 4, 5], [86_400_000_000 - 1, 6, 7, 8, 9, 10]], dtype=np.int64))
    assert (len(columns), columns.close.tolist(), columns.volume.tolist()) == (2, [4, 9], [5, 10])
    assert [str(session) for session in columns.sessions] == ["1970-01-01", "1970-01-01"]


@given(BARS)
def test_a_frame_of_columns_is_the_frame_of_the_bars(bars: list[Bar]) -> None:
    """By hand, beside what makes both: beyond 2⁵³ micros, where no frame is exact, micros are rounded first."""
    by_hand = pd.DataFrame(
        {
            "symbol": pd.Series(["BRK/B"] * len(bars), dtype="str"),
            "timestamp": pd.Series([one.timestamp for one in bars], dtype="datetime64[us, UTC]"),
            **{
                name: pd.Series([float(getattr(one, name)) / MICROS_PER_UNIT for one in bars], dtype="float64")
                for name in PRICE_COLUMNS
            },
            "volume": pd.Series([one.volume for one in bars], dtype="int64"),
        }
    )
    pd.testing.assert_frame_equal(bars_to_frame("BRK/B", bars), by_hand, check_exact=True)
    pd.testing.assert_frame_equal(columns_to_frame("BRK/B", BarColumns.of(bars)), by_hand, check_exact=True)


def test_a_frame_that_is_changed_leaves_its_columns_alone() -> None:
    bars = [bar(day) for day in WEEK]
    columns = BarColumns.of(bars)
    frame = columns_to_frame("AAPL", columns)
    frame.loc[:, "volume"] = 0
    frame.loc[:, "close"] = 0.0
    frame.loc[:, "timestamp"] = pd.Timestamp(2000, 1, 1, tz="UTC")
    assert columns.volume.tolist() == [one.volume for one in bars]
    assert columns.close.tolist() == [one.close for one in bars]
    assert columns.timestamps.tolist() == [to_epoch(one.timestamp) for one in bars]
