"""The numbers of a page's charts, in the page: what its script reads and zooms into.

Base64 of little-endian numbers: a tenth of the time of writing them as text, for pages are written by the hundred
every evening. Values keep seven digits; times are exact.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jutsu_assets.reports.paths import extremes
from jutsu_core.metrics.series import FloatArray

_MOST = 6_000  # rows of a page: more are thinned, and no extreme of the first line is lost
_LARGEST_GAP = 65_535
_STEPS, _NOTHING = 65_534, 65_535
_SMALLEST, _LARGEST = 1e-30, 1e30  # beyond, a number of four bytes has not seven digits


def kept_rows(values: FloatArray) -> NDArray[np.int64]:
    """Return which rows of a long series a page has.

    Examples:
        >>> kept_rows(np.array([1.0, 2.0])).tolist()
        [0, 1]
    """
    return extremes(values, _MOST // 2)


def numbers_json(
    moments: NDArray[np.datetime64], lines: Sequence[FloatArray], coarse: Sequence[FloatArray] = ()
) -> str:
    """Return the data block of a page, JSON that holds no character that ends a script.

    Args:
        moments: Times in seconds, rising.
        lines: As many values each; NaN where there is none.
        coarse: More of them, of which a 65,000th of their range is near enough; numbered after ``lines``.
    """
    seconds = moments.astype(np.int64)
    gaps = np.diff(seconds)
    unit = int(np.gcd.reduce(gaps)) if len(gaps) else 1
    told: dict[str, Any] = {"first": int(seconds[0]), "unit": unit}
    if len(gaps) and int(gaps.max()) // unit > _LARGEST_GAP:
        told["times"] = _text(seconds.astype("<f8"))
    else:
        told["gaps"] = _text((gaps // unit).astype("<u2"))
    told["lines"] = [*map(_line, lines), *map(_coarse_line, coarse)]
    return json.dumps(told, separators=(",", ":"))


def _line(values: FloatArray) -> dict[str, Any]:
    size = np.abs(values[np.isfinite(values) & (values != 0)])
    is_wide = len(size) and (float(size.max()) > _LARGEST or float(size.min()) < _SMALLEST)
    return {"f8": _text(values.astype("<f8"))} if is_wide else {"f4": _text(values.astype("<f4"))}


def _coarse_line(values: FloatArray) -> dict[str, Any]:
    is_told = np.isfinite(values)
    known = values[is_told]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    steps = np.full(len(values), _NOTHING, dtype="<u2")
    steps[is_told] = np.rint((known - low) * (_STEPS / (high - low))) if high > low else 0
    return {"low": low, "high": high, "u2": _text(steps)}


def _text(array: NDArray[Any]) -> str:
    return b64encode(array.tobytes()).decode()
