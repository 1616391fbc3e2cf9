"""What a partition of bars holds, as one hash that a change of few bars updates cheaply.

The hash of a partition is the sum of the hashes of its bars, in four independent lanes modulo
2⁶⁴: it depends on the bars alone, not on their order or on how they came, and replacing one bar
of many costs one subtraction and one addition. It finds every accident; it is no signature.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

BarRow = tuple[int, int, int, int, int, int]
"""A bar as it is stored: ts, open, high, low, close, volume."""

_WIDTH = 6
_LANES = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93],
    dtype=np.uint64,
).reshape(-1, 1)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFT_1, _SHIFT_2, _SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)
_MASK = 2**64 - 1

Content = tuple[int, int, int, int]
"""The four lanes of a hash."""

EMPTY: Content = (0, 0, 0, 0)


def content_of(values: ArrayLike) -> Content:
    """Return the hash of bars, of shape (n, 6) as :data:`BarRow` has them.

    Formula: every value enters each lane through SplitMix64's finaliser, chained over the
    six columns; the lanes of all bars are added modulo 2⁶⁴.

    Examples:
        >>> one, other = (0, 4, 5, 3, 4, 100), (86_400_000_000, 4, 6, 3, 5, 90)
        >>> content_of([one, other]) == content_of([other, one])
        True
        >>> changed(content_of([one]), added=[other], removed=[]) == content_of([one, other])
        True
    """
    bars = np.asarray(values, dtype=np.int64).reshape(-1, _WIDTH)
    if not len(bars):
        return EMPTY
    state = _LANES  # of one bar; the first addition makes it one column a bar
    for column in np.ascontiguousarray(bars.T).view(np.uint64):
        state = _mixed(state + (column + _LANES))
    first, second, third, fourth = (int(lane) for lane in state.sum(axis=1, dtype=np.uint64))
    return first, second, third, fourth


def changed(content: Content, *, added: ArrayLike, removed: ArrayLike) -> Content:
    """Return the hash of a partition after ``removed`` bars left it and ``added`` ones came."""
    plus, minus = content_of(added), content_of(removed)
    first, second, third, fourth = (
        (was + came - left) & _MASK for was, came, left in zip(content, plus, minus, strict=True)
    )
    return first, second, third, fourth


def to_hex(content: Content) -> str:
    """Return the hash as 64 hexadecimal digits."""
    return "".join(f"{lane:016x}" for lane in content)


def from_hex(text: str) -> Content:
    """Return the hash that :func:`to_hex` wrote; that of no bars for what it cannot have written."""
    try:
        first, second, third, fourth = (int(text[start : start + 16], 16) for start in range(0, 64, 16))
    except ValueError:
        return EMPTY
    return first, second, third, fourth


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return ``state`` after the finaliser, worked out in its own place."""
    state ^= state >> _SHIFT_1
    state *= _MIX_1
    state ^= state >> _SHIFT_2
    state *= _MIX_2
    state ^= state >> _SHIFT_3
    return state
