"""Lines over time on pages: SVG by hand, byte for byte the same for the same input; no files, no fonts.

A chart stands in the page as it is: readable without a script, and in print. With the script of the page it can
be read value by value and zoomed into; the numbers for that stand in the page once (``embedded``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jutsu_assets.reports.axes import (
    FINE,
    WIDTH,
    Scale,
    date_ticks,
    decade_numbers,
    framed,
    percent_label,
    price_label,
    round_numbers,
)
from jutsu_assets.reports.paths import extremes, line
from jutsu_core.errors import InvalidInputError
from jutsu_core.metrics.kernels import falls
from jutsu_core.metrics.series import FloatArray, checked_stamps, checked_values

Unit = Literal["price", "percent", "ratio"]

COLOURS = ("line", "second", "third", "fourth")
"""Colours of lines, in the order of their need."""

_BUCKETS = 360
_LOG_SCALE_FROM = 3.0
_AIR = 0.05  # of the range of values, above and below the line
_LABELS = {"price": price_label, "percent": percent_label, "ratio": price_label}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart.

    Attributes:
        name: What it is of.
        points: A value for each time of the chart; NaN where there is none, an interruption.
        colour: One of ``COLOURS``, or ``loss``.
    """

    name: str
    points: FloatArray
    colour: str = COLOURS[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChart:
    """Lines that share their axes.

    Attributes:
        name: Heading on the page.
        note: What is shown, in a sentence.
        title: The accessible name.
        lines: At least one; the first is the one that the chart is about.
        unit: What the numbers are; ``percent`` of values that are per cent already.
        height: Pixels.
        is_log: Whether equal heights are equal ratios.
        area: How opaque the area beneath the first line is; 0 for none.
        hangs: Whether the lines hang from 0 at the top, as falls do.
        falls_of: Numbers of the lines in the page of which these are the falls, if they are; they are not said again.
    """

    name: str
    note: str
    title: str
    lines: tuple[Line, ...]
    unit: Unit = "price"
    height: int = 260
    is_log: bool = False
    area: float = 0.0
    hangs: bool = False
    falls_of: tuple[int, ...] = ()


def line_chart_svg(chart: LineChart, moments: NDArray[np.datetime64]) -> str:
    """Return a chart over ``moments``, which are seconds in UTC.

    Returns:
        One ``<svg>`` element, fit to stand in a page.
    """
    drawn = [np.log10(item.points) if chart.is_log else item.points for item in chart.lines]
    scale = _scale(drawn, hangs=chart.hangs)
    numbers = decade_numbers(scale) if chart.is_log else round_numbers(scale)
    places = np.log10(numbers).tolist() if chart.is_log else numbers
    begin, end = moments[0], moments[-1]
    span = max(int((end - begin).astype(np.int64)), 1)
    x = WIDTH * (moments - begin).astype(np.int64) / span
    base = 0.0 if chart.hangs else min(max(0.0, scale.low), scale.high) if chart.unit == "percent" else scale.low
    parts = []
    # The first line is drawn last, above the others.
    for place in range(len(chart.lines) - 1, -1, -1):
        opacity = chart.area if place == 0 else 0.0
        parts.append(_drawn(x, drawn[place], scale, chart.lines[place].colour, chart.height, opacity, base))
    ticks = scale.ticks(numbers, places, _LABELS[chart.unit])
    return framed("".join(parts), chart.height, date_ticks(begin, end, span), ticks, chart.title)


def figure(chart: LineChart, moments: NDArray[np.datetime64], numbered: Sequence[int]) -> str:
    """Return the chart as a figure that the script of the page knows.

    Args:
        chart: What is drawn.
        moments: When.
        numbered: Numbers of its lines among the numbers that the page has.
    """
    told = {
        "unit": chart.unit,
        "lines": " ".join(map(str, chart.falls_of or numbered)),
        "names": "|".join(item.name.replace("|", "/") for item in chart.lines),
        "colours": " ".join(item.colour for item in chart.lines),
        "height": str(chart.height),
    }
    flags = {"log": chart.is_log, "hangs": chart.hangs, "falls": bool(chart.falls_of), "area": chart.area > 0}
    attributes = "".join(f' data-{name}="{escape(text)}"' for name, text in told.items())
    attributes += "".join(f" data-{name}" for name, is_so in flags.items() if is_so)
    legend = "".join(
        f'<span><i style="background: var(--jutsu-{item.colour})"></i>{escape(item.name)}</span>'
        for item in chart.lines
    )
    caption = f"<figcaption>{legend}</figcaption>" if len(chart.lines) > 1 else ""
    return f'<figure class="chart"{attributes}>{caption}{line_chart_svg(chart, moments)}</figure>'


def course(values: "pd.Series[float]", name: str) -> tuple[FloatArray, NDArray[np.datetime64]]:
    """Return values and their times, as charts have them.

    Raises:
        InvalidInputError: The values are no finite numbers with aware times, oldest first, or there are none.
    """
    array = checked_values(name, values, positive="none")
    return array, checked_stamps(name, values).astype("M8[us]").astype("M8[s]")


def is_logarithmic(values: FloatArray) -> bool:
    """Return whether ``values`` are drawn on a logarithmic axis, which a reader must be told: from three to one on.

    Examples:
        >>> is_logarithmic(np.array([10.0, 29.0])), is_logarithmic(np.array([10.0, 30.0]))
        (False, True)
    """
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return low > 0 and high / low >= _LOG_SCALE_FROM


def falls_of(values: FloatArray) -> FloatArray:
    """Return how far values stand below their highest so far, in per cent.

    Raises:
        InvalidInputError: The first is not above 0.

    Examples:
        >>> falls_of(np.array([4.0, 5.0, 4.0])).round(9).tolist()
        [0.0, 0.0, -20.0]
    """
    if not values[0] > 0:
        message = f"values must begin above 0, began with {values[0]}; a fall is a share of what there was"
        raise InvalidInputError(message)
    return falls(values) * 100


def _scale(drawn: Sequence[FloatArray], *, hangs: bool) -> Scale:
    low = min(float(np.nanmin(values)) for values in drawn)
    if hangs:
        return Scale((low or -1.0) * (1 + _AIR), 0.0)
    high = max(float(np.nanmax(values)) for values in drawn)
    air = _AIR * (high - low) or max(abs(high), 1.0) * _AIR
    return Scale(low - air, high + air)


def _drawn(
    x: NDArray[np.float64],
    values: FloatArray,
    scale: Scale,
    colour: str,
    height: int,
    opacity: float,
    base: float,
) -> str:
    up = FINE * height
    is_told = np.isfinite(values)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], is_told, [False])).view(np.int8)))
    runs = []
    for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        places = first + extremes(values[first:after], _BUCKETS)
        runs.append((x[places], line(x[places], up * (1 - scale.shares(values[places])))))
    strokes = "".join(path for _, path in runs)
    ink = f"var(--jutsu-{colour}, #2563eb)"
    # The stroke has a path of its own: that of an area would have a wall at both ends.
    body = ""
    if opacity:
        bottom = round(up * (1 - float(scale.shares(np.array([base]))[0])))
        area = "".join(f"{path}V{bottom}H{round(across[0])}z" for across, path in runs)
        body = f'<path style="fill: {ink}; fill-opacity: {opacity}" d="{area}"/>'
    return (
        f'{body}<path style="fill: none; stroke: {ink}; stroke-width: 1.3px; stroke-linejoin: round;'
        f' stroke-linecap: round" vector-effect="non-scaling-stroke" d="{strokes}"/>'
    )
