"""The numbers in a page: what was put in comes out, to seven digits."""

import json
from base64 import b64decode
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jutsu_assets.reports.embedded import kept_rows, numbers_json

DAYS = pd.bdate_range("2012-03-01", periods=6).to_numpy().astype("M8[s]")
VALUES = np.array([np.nan, 430.47, 1234.56, 0.0, -2.5, 7.0])


def array(text: str, kind: str) -> Any:
    return np.frombuffer(b64decode(text), kind)


def times(told: dict[str, Any]) -> list[int]:
    if "times" in told:
        return [int(moment) for moment in array(told["times"], "<f8")]
    gaps = array(told["gaps"], "<u2").astype(np.int64) * told["unit"]
    return [told["first"], *(told["first"] + np.cumsum(gaps)).tolist()]


def test_times_and_values_come_out_as_they_went_in() -> None:
    told = json.loads(numbers_json(DAYS, [VALUES, 10 * VALUES]))
    assert times(told) == DAYS.astype(np.int64).tolist()
    assert told["unit"] == 86_400
    for line, values in zip(told["lines"], (VALUES, 10 * VALUES), strict=True):
        np.testing.assert_allclose(array(line["f4"], "<f4"), values, rtol=1e-7)


@pytest.mark.parametrize("seconds", [[0], [0, 1], [0, 60, 120, 400_000], [0, 1, 9_000_000], [7, 7 + 40 * 365 * 86_400]])
def test_any_distance_of_times_is_kept(seconds: list[int]) -> None:
    moments = np.array(seconds, "M8[s]")
    assert times(json.loads(numbers_json(moments, []))) == seconds


@pytest.mark.parametrize("scale", [1e-40, 1e-9, 1e37, 1e90])
def test_numbers_of_any_size_are_kept(scale: float) -> None:
    (line,) = json.loads(numbers_json(DAYS, [VALUES * scale]))["lines"]
    found = array(line["f4"], "<f4") if "f4" in line else array(line["f8"], "<f8")
    np.testing.assert_allclose(found, VALUES * scale, rtol=1e-6)


@pytest.mark.parametrize("values", [VALUES, VALUES * np.nan, np.full(6, 0.3), np.full(6, -1.0)])
def test_a_coarse_line_is_near_enough(values: Any) -> None:
    told = json.loads(numbers_json(DAYS, [VALUES], [values]))
    line = told["lines"][1]
    steps = array(line["u2"], "<u2")
    found = np.where(steps == 65_535, np.nan, line["low"] + steps * ((line["high"] - line["low"]) / 65_534))
    spread = np.nanmax(values) - np.nanmin(values) if np.isfinite(values).any() else 0.0
    np.testing.assert_allclose(found, values, atol=max(spread, 1e-9) / 65_000)


def test_the_block_cannot_end_its_script() -> None:
    assert not set(numbers_json(DAYS, [VALUES], [VALUES])) & set("<>&'")


def test_a_long_series_keeps_its_extremes() -> None:
    values = np.random.default_rng(1).normal(size=50_000)
    rows = kept_rows(values)
    assert len(rows) <= 6_002
    assert {0, 49_999, int(values.argmin()), int(values.argmax())} <= set(rows.tolist())
    assert (np.diff(rows) > 0).all()
