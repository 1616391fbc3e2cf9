"""The arithmetic beneath every metric, where floats are at their worst."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jutsu_core.metrics.kernels import deepest_fall, deviation, shortfall_of
from jutsu_core.metrics.measures import longest_run

PRICES = arrays(np.float64, st.integers(1, 40), elements=st.integers(1, 6).map(float))


@pytest.mark.parametrize("level", [0.0, 0.1, 1000.1, 1e50, -3e-18])
@pytest.mark.parametrize("count", [2, 3, 1_000])
def test_what_is_the_same_does_not_deviate_though_its_mean_is_rounded(level: float, count: int) -> None:
    assert deviation(np.full(count, level)) == 0.0


def test_a_spread_beyond_rounding_counts_however_small() -> None:
    assert deviation(np.array([0.0, 1e-15])) == 0.0
    assert deviation(np.array([0.0, 2e-14])) == pytest.approx(2e-14 / math.sqrt(2))
    assert deviation(np.array([1000.0, 1000.0 + 1e-9])) == pytest.approx(1e-9 / math.sqrt(2), rel=1e-3)


def test_a_shortfall_beyond_rounding_counts_however_rare() -> None:
    assert shortfall_of(np.array([0.1, -1e-15])) == 0.0
    assert shortfall_of(np.append(np.full(999, 0.1), -2e-14)) == pytest.approx(2e-14 / math.sqrt(1_000))


@given(PRICES)
def test_the_deepest_fall_is_found_with_its_rows(values: np.ndarray) -> None:
    fall = deepest_fall(values)
    depths = [value / max(values[: row + 1]) - 1 for row, value in enumerate(values)]
    assert fall.depth == min(depths)
    if fall.depth == 0:
        assert fall[1:] == (None, None, None)
        return
    assert fall.trough == depths.index(min(depths))
    high = max(values[: fall.trough + 1])
    assert fall.peak == max(row for row in range(fall.trough) if values[row] == high)
    later = [row for row in range(fall.trough, len(values)) if values[row] >= high]
    assert fall.recovery == (later[0] if later else None)


@given(st.lists(st.booleans(), max_size=30))
def test_the_longest_run_is_counted(told: list[bool]) -> None:
    text = "".join("x" if item else " " for item in told)
    assert longest_run(np.array(told, dtype=bool)) == max(map(len, text.split(" ")))
