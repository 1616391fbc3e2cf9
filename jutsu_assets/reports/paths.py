"""Lines as SVG paths: fewer points, none of the extremes lost, and few characters.

Arrays in, text out; what is drawn around a line is the matter of who draws.
"""

import numpy as np
from numpy.typing import NDArray


def extremes(values: NDArray[np.float64], buckets: int) -> NDArray[np.int64]:
    """Return where to look at ``values`` so that a line through there has the same extremes everywhere.

    Args:
        values: At least one number.
        buckets: Into how many stretches of equal length the values are cut.

    Returns:
        Indices, ascending: the first, the last, and the lowest and highest of every stretch; all of them if
        there are not more than that.

    Examples:
        >>> extremes(np.array([1.0, 2.0, 9.0, 2.0, 1.0, 0.0, 1.0, 1.5]), 2).tolist()
        [0, 2, 5, 7]
    """
    count = len(values)
    if count <= 2 * buckets:
        return np.arange(count)
    size = -(-count // buckets)
    # The last value, said again, changes neither the lowest nor the highest of its stretch.
    stretches = np.pad(values, (0, -count % size), mode="edge").reshape(-1, size)
    starts = size * np.arange(len(stretches))
    low, high = stretches.argmin(axis=1), stretches.argmax(axis=1)
    pairs = np.stack((starts + np.minimum(low, high), starts + np.maximum(low, high)), axis=1).ravel()
    found = np.concatenate(([0], np.minimum(pairs, count - 1), [count - 1]))
    # They rise already, but for those that are found twice.
    return found[np.concatenate(([True], found[1:] > found[:-1]))]


def line(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Return the data of a path through points, which are rounded to whole units of the drawing.

    A single point becomes a stroke of no length, which a round cap shows as a dot.

    Args:
        x: Never less than the one before.
        y: As many.

    Examples:
        >>> line(np.array([0.0, 9.6, 20.0, 30.0]), np.array([5.0, 2.0, 8.4, 8.0]))
        'M0,5l10-3,10,6,10,0'
        >>> line(np.array([3.0]), np.array([4.0]))
        'M3,4h0'
    """
    across, down = (np.rint(values).astype(np.int64) for values in (x, y))
    start = f"M{across[0]},{down[0]}"
    if len(across) == 1:
        return f"{start}h0"
    steps = np.diff(np.stack((across, down), axis=1), axis=0).ravel().tolist()
    # In one go, which is several times as fast as pair by pair. A minus separates as well as a comma does.
    told = ",".join(["%d"] * len(steps)) % tuple(steps)
    return f"{start}l{told.replace(',-', '-')}"
