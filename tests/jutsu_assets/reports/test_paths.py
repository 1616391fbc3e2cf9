"""Lines as paths: nothing is lost that a reader would look for."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jutsu_assets.reports.paths import extremes, line

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400).map(np.array)


@given(NUMBERS, st.integers(1, 40))
def test_the_ends_and_the_extremes_of_every_stretch_are_kept(values: NDArray[np.float64], buckets: int) -> None:
    places = extremes(values, buckets)
    assert places[0] == 0
    assert places[-1] == len(values) - 1
    assert (np.diff(places) > 0).all()
    assert len(places) <= 2 * buckets + 2
    size = -(-len(values) // buckets)
    for start in range(0, len(values), size):
        stretch, kept = values[start : start + size], values[places[(places >= start) & (places < start + size)]]
        assert (kept.min(), kept.max()) == (stretch.min(), stretch.max())


@pytest.mark.parametrize("count", [1, 2, 119, 120])
def test_few_values_are_all_kept(count: int) -> None:
    assert extremes(np.zeros(count), 60).tolist() == list(range(count))


@given(NUMBERS, st.integers(0, 9))
def test_the_path_ends_where_its_last_point_is(y: NDArray[np.float64], step: int) -> None:
    """Steps are rounded places subtracted, not subtracted places rounded, so errors do not add up."""
    numbers = re.findall(r"-?\d+", line(np.linspace(0.0, step * len(y), len(y)), y).removesuffix("h0"))
    assert len(numbers) == 2 * len(y)
    assert sum(map(int, numbers[1::2])) == round(y[-1])
