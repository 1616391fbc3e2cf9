"""The hash of a partition's bars is what it always was, worked out here number by number."""

import numpy as np
import pytest

from jutsu_assets.store.content import EMPTY, content_of

LANES = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)
MASK = 2**64 - 1
BARS = np.array([[0, 4, 5, 3, 4, 100], [86_400_000_000, 4, 6, 3, 2**63 - 1, 90], [-1, 1, 1, 1, 1, 0]], dtype=np.int64)


def finalised(state: int) -> int:
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB & MASK
    return state ^ (state >> 31)


def lane_of(bars: list[list[int]], lane: int) -> int:
    total = 0
    for values in bars:
        state = lane
        for value in values:
            state = finalised((state + value + lane) & MASK)
        total += state
    return total & MASK


@pytest.mark.parametrize("count", [1, 2, 3])
def test_each_lane_is_the_sum_of_its_finaliser_chained_over_the_values_of_each_bar(count: int) -> None:
    bars = BARS[:count]
    before = bars.copy()
    # Twice, since the arithmetic is done in place.
    for _ in range(2):
        assert content_of(bars) == tuple(lane_of(bars.tolist(), lane) for lane in LANES)
    assert np.array_equal(bars, before)


def test_how_the_array_lies_in_memory_is_nothing_to_it() -> None:
    assert content_of(np.asfortranarray(BARS)) == content_of(np.repeat(BARS, 2, axis=0)[::2]) == content_of(BARS)
    assert content_of([]) == content_of(BARS[:0]) == EMPTY
