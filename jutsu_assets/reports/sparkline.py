"""A small line for run metadata: where a series went, its lowest, highest and last value.

It stands in the event log once a partition and run, so it is drawn by hand, in less than a millisecond, and
as Markdown it has fewer than a thousand characters: what is longer the Dagster UI hides behind a link. It is
shown as a picture, which knows neither the fonts nor the colours of the page around it: both are chosen to be
read on light and on dark.
"""

import re
from html import escape
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from jutsu_assets.reports.paths import extremes, line
from jutsu_core.errors import InvalidInputError

_BUCKETS = 60
_LINE, _INK = "#4c7ef3", "#7d889c"
_LETTER_PIXELS, _TEXT_PIXELS, _MARGIN_PIXELS = 11, 16, 2
_LEAST_PIXELS, _MOST_PIXELS = 40, 2000
# What may stand as it is in an address of Markdown that is in pointed brackets.
_AS_IS = " /:=',;()"


def sparkline_svg(
    values: NDArray[np.float64], *, width: int = 360, height: int = 72, caption: str = "", is_log: bool = False
) -> str:
    """Return a line through ``values``, above it their lowest, highest and last.

    Args:
        values: Finite numbers, oldest first, at even distances.
        width: Pixels, from 40 to 2000.
        height: Pixels, from 40 to 2000.
        caption: A word before the numbers, such as ``RSI 14``.
        is_log: Whether equal heights are equal ratios, as they should be for decades of prices; it is said.

    Returns:
        One ``<svg>`` element; the same text for the same input.

    Raises:
        InvalidInputError: ``values`` is empty, not one-dimensional or has a number that is not finite, or, with
            ``is_log``, not above 0; or the size is out of bounds.
    """
    _check(values, width, height, is_log=is_log)
    places = extremes(values, _BUCKETS)
    top, bottom = _TEXT_PIXELS + _MARGIN_PIXELS, height - _MARGIN_PIXELS
    drawn = np.log(values[places]) if is_log else values[places]
    # Halved before they are subtracted: the largest floats have no difference.
    above, span = drawn / 2 - drawn.min() / 2, drawn.max() / 2 - drawn.min() / 2
    share = above / span if span > 0 else np.full(len(places), 0.5)
    x = _MARGIN_PIXELS + (width - 2 * _MARGIN_PIXELS) * places / max(len(values) - 1, 1)
    y = bottom - (bottom - top) * share
    numbers = {"low": values.min(), "high": values.max(), "last": values[-1]}
    words = [caption, *(f"{name} {_number(float(value))}" for name, value in numbers.items()), is_log * "log scale"]
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}'>"
        f"<text x='{_MARGIN_PIXELS}' y='{_LETTER_PIXELS}' fill='{_INK}' style='font:{_LETTER_PIXELS}px sans-serif'>"
        f"{escape(', '.join(word for word in words if word), quote=False)}</text>"
        f"<path fill='none' stroke='{_LINE}' stroke-linecap='round' d='{line(x, y)}'/></svg>"
    )


def markdown_image(svg: str, alt: str) -> str:
    r"""Return Markdown that shows ``svg`` as a picture, in the Dagster UI as elsewhere.

    Args:
        svg: One ``<svg>`` element with its namespace, without which it is no picture.
        alt: What is read out instead of it.

    Raises:
        InvalidInputError: ``svg`` is something else.

    Examples:
        >>> markdown_image("<svg xmlns='http://www.w3.org/2000/svg'/>", "closes [AAPL]")
        "![closes \\[AAPL\\]](<data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E>)"
    """
    if not re.match(r"<svg [^>]*xmlns=.http://www\.w3\.org/2000/svg", svg):
        message = f"svg must be one <svg> element with its namespace, began with {svg[:40]!r}; take sparkline_svg's"
        raise InvalidInputError(message)
    said = re.sub(r"([\\`*_\[\]<>!])", r"\\\1", " ".join(alt.split()))
    return f"![{said}](<data:image/svg+xml,{quote(svg, safe=_AS_IS)}>)"


def _check(values: NDArray[np.float64], width: int, height: int, *, is_log: bool) -> None:
    if values.ndim != 1 or not len(values):
        message = f"values must be a series of at least one number, had the shape {values.shape}"
        raise InvalidInputError(message)
    if not np.isfinite(values).all():
        place = int(np.flatnonzero(~np.isfinite(values))[0])
        message = f"values must be finite, was {values[place]} at {place}; leave the warm-up and what is missing out"
        raise InvalidInputError(message)
    if is_log and values.min() <= 0:
        message = f"values must be above 0 on a logarithmic scale, the lowest was {values.min()}; leave is_log out"
        raise InvalidInputError(message)
    for name, pixels in (("width", width), ("height", height)):
        if not _LEAST_PIXELS <= pixels <= _MOST_PIXELS:
            message = f"{name} must be from {_LEAST_PIXELS} to {_MOST_PIXELS} pixels, was {pixels}"
            raise InvalidInputError(message)


def _number(value: float) -> str:
    return f"{value:,.2f}" if 1 <= abs(value) < 1e9 else f"{value:.4g}"  # noqa: PLR2004 - 12 characters at most
