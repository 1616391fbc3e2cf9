"""What is said of a wrong argument, and which labels of a Series are judged."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jutsu_core.arguments import require_items, require_ordered, require_series, shown
from jutsu_core.errors import InvalidInputError
from tests.support.bad_values import DAYS

THREE = DAYS[:3]


@pytest.mark.parametrize(
    "index",
    [
        pd.Index([3, 2, 1]),
        pd.Index([1, 1, 1]),
        pd.Index([3.5, 2.5, 1.5]),
        pd.Index([None, None, None]),
        pd.Index(["c", "b", "a"]),
        pd.Index(["2024-10 put", "2024-09 put", "2024-10 put"]),
        pd.Index(["2024-13-45", "2024-12-45", "2024-11-45"]),
        pd.Index(["12345680", "12345679", "12345678"]),
        pd.Index(["20241004 put", "20240904 put", "20240804 put"]),
        pd.Index(["31/31/2024", "30/30/2024", "29/29/2024"]),
        pd.CategoricalIndex(["c", "b", "a"]),
        pd.MultiIndex.from_tuples([("A", 3), ("A", 2), ("A", 1)]),
        pd.RangeIndex(3, 0, -1),
        pd.Index([]),
    ],
    ids=repr,
)
def test_labels_that_are_no_dates_are_not_judged(index: pd.Index) -> None:
    require_ordered("prices", index)


@pytest.mark.parametrize(
    "index",
    [
        THREE,
        THREE.tz_localize(None),
        pd.Index([day.date() for day in THREE], dtype=object),
        pd.Index([day.to_pydatetime() for day in THREE], dtype=object),
        pd.Index([day.date().isoformat() for day in THREE]),
        pd.period_range("2013-03", periods=3, freq="M"),
        pd.CategoricalIndex(THREE),
        pd.IntervalIndex.from_breaks(DAYS[:4]),
        pd.MultiIndex.from_arrays([["A"] * 3, THREE]),
        pd.Index(list(THREE)).astype("timestamp[us, tz=UTC][pyarrow]"),
        pd.Index([day.date() for day in THREE]).astype("date32[pyarrow]"),
    ],
    ids=lambda index: f"{type(index).__name__} {index.dtype}",
)
def test_dates_in_order_pass_and_others_are_named(index: Any) -> None:
    require_ordered("prices", index)
    with pytest.raises(InvalidInputError, match=r"^row 1 of the index of prices must be after .*prices\.sort_index"):
        require_ordered("prices", index[::-1])
    with pytest.raises(InvalidInputError, match=r"^row 2 of the index of prices must be after "):
        require_ordered("prices", index.take([0, 1, 1]))


@pytest.mark.parametrize(
    "form",
    [
        "%Y%m%d",
        "%Y/%m/%d",
        "%m/%d/%Y",
        "%d/%m/%Y",
        "%d-%m-%Y",
        "%d.%m.%Y",
        "%d-%b-%Y",
        "%b %d, %Y",
        "%m/%d/%Y %H:%M",
        "%d %b %Y %I:%M:%S %p",
    ],
)
def test_dates_written_in_any_common_form_are_judged(form: str) -> None:
    """Over a change of month and of year, where the order of the letters is another."""
    dates = pd.Index(pd.to_datetime(["2019-12-30", "2020-01-02", "2020-02-01", "2020-11-13"]).strftime(form))
    require_ordered("prices", dates)
    with pytest.raises(InvalidInputError, match=r"^row 1 of the index of prices must be after .*prices\.sort_index"):
        require_ordered("prices", dates[::-1])
    with pytest.raises(InvalidInputError, match=r"^row 2 of the index of prices must be after "):
        require_ordered("prices", dates.take([0, 1, 1]))


@pytest.mark.parametrize("dates", [["01/02/2020", "02/01/2020", "03/01/2020"], ["01/02/2020", "01/03/2020"]])
def test_dates_that_can_be_read_in_two_ways_pass_where_they_rise_in_one(dates: list[str]) -> None:
    require_ordered("prices", pd.Index(dates))


def test_numbers_of_numpy_and_frames_of_others_are_shown_as_what_they_are() -> None:
    class DataFrame:
        """As another library calls its own."""

    DataFrame.__module__ = "polars.dataframe.frame"
    values = (np.float64("nan"), np.True_, np.int8(3), np.timedelta64(3, "D"), DataFrame())
    assert [shown(value) for value in values] == ["nan", "True", "3", "np.timedelta64(3,'D')", "polars.DataFrame"]


def test_an_error_shows_a_scalar_as_it_is_written_and_anything_else_by_its_type() -> None:
    assert [shown(value) for value in (None, 1.5, "A", date(2013, 3, 1), pd.NaT)] == [
        "None",
        "1.5",
        "'A'",
        "datetime.date(2013, 3, 1)",
        "NaT",
    ]
    assert [shown(value) for value in ([1] * 9_999, pd.DataFrame(), np.zeros(3))] == ["list", "DataFrame", "ndarray"]
    assert len(shown("x" * 10_000)) < 70


def test_what_to_do_is_said() -> None:
    with pytest.raises(InvalidInputError, match=r"must be a pandas Series, was DataFrame; choose one column$"):
        require_series("prices", pd.DataFrame({"close": [1.0]}))
    with pytest.raises(InvalidInputError, match=r"must be a pandas Series, was list; make one: pd\.Series\(prices\)$"):
        require_series("prices", [1.0])


def test_an_array_without_dimensions_is_no_list() -> None:
    with pytest.raises(InvalidInputError, match="symbols must be a list, each item a text, was ndarray"):
        require_items("symbols", np.array("AAPL"), str, "a text")


def test_any_iterable_is_a_list_but_a_mapping_or_a_text() -> None:
    assert require_items("symbols", iter(("A", "B")), str, "a text") == ["A", "B"]
    for bad in ("AB", b"AB", {"A": 1}):
        with pytest.raises(InvalidInputError, match="symbols must be a list, each item a text, was"):
            require_items("symbols", bad, str, "a text")
