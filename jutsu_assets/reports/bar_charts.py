"""Bars on pages: returns by year, and how often which return was. A bar under the pointer says its number."""

import math
from collections.abc import Mapping

import numpy as np

from jutsu_assets.reports.axes import (
    FINE,
    GAIN,
    INK,
    LOSS,
    WIDTH,
    Scale,
    Tick,
    framed,
    percent_label,
    price_label,
    round_numbers,
)
from jutsu_assets.reports.paths import line
from jutsu_core.errors import InvalidInputError
from jutsu_core.metrics.kernels import deviation
from jutsu_core.metrics.series import FloatArray

_AIR = 0.05
_MOST_YEARS = 14
_BAR_SHARE, _WIDEST_BAR = 0.68, 0.08
_FEWEST = 2
_STEPS_A_DEVIATION = 4  # about: a step is a round number
_WIDEST = 5  # deviations from the mean: what is farther away is counted at the ends


def annual_returns_chart_svg(returns: Mapping[int, float | None], *, title: str = "Annual returns") -> str:
    """Return a bar for every year's return, in per cent; a year without one leaves a gap.

    Args:
        returns: Fractions by calendar year.
        title: The accessible name of the chart.

    Returns:
        One ``<svg>`` element, fit to stand in a page; a bar under the pointer says its number.

    Raises:
        InvalidInputError: ``returns`` is empty.
    """
    if not returns:
        message = "returns must be at least one year long, was empty"
        raise InvalidInputError(message)
    height, first = 180, min(returns)
    count = max(returns) - first + 1
    known = {year: 100 * value for year, value in sorted(returns.items()) if value is not None}
    low, high = min(0.0, *known.values(), 0.0), max(0.0, *known.values(), 0.0)
    air = _AIR * (high - low) or 1.0
    scale = Scale(low - air if low < 0 else 0.0, high + air if high > 0 or low == high else 0.0)
    numbers = round_numbers(scale)
    step = -(-count // _MOST_YEARS)
    years = [
        Tick((year - first + 0.5) / count, str(year), is_fine=(year - first) // step % 2 > 0)
        for year in range(first, max(returns) + 1, step)
    ]
    width = min(_BAR_SHARE / count, _WIDEST_BAR)
    bars = "".join(
        [
            _bar(
                scale,
                height,
                (year - first + 0.5) / count,
                width,
                known[year],
                f"{year}: {percent_label(round(known[year], 1))}",
            )
            for year in known
        ]
    )
    return framed(bars, height, years, scale.ticks(numbers, numbers, percent_label), title)


def distribution_of(returns: FloatArray) -> list[tuple[float, float, int]]:
    """Return how many returns are in which range: its bounds in per cent, and the number.

    Ranges are a round number wide, about a quarter of the standard deviation; what is farther than five
    deviations from the mean is counted in the outermost ones. Nothing, where returns do not vary.

    Examples:
        >>> distribution_of(np.array([0.01, 0.02, 0.02, 0.03]))[:2]
        [(1.0, 1.5, 1), (1.5, 2.0, 0)]
    """
    spread = 100 * deviation(returns) if len(returns) >= _FEWEST else 0.0
    if not spread:
        return []
    wanted = spread / _STEPS_A_DEVIATION
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= wanted)
    middle = 100 * float(returns.mean())
    inside = np.clip(100 * returns, middle - _WIDEST * spread, middle + _WIDEST * spread)
    places = np.floor(inside / step + 1e-9).astype(np.int64)
    first = int(places.min())
    counts = np.bincount(places - first).tolist()
    return [
        (float(f"{step * (first + row):.10g}"), float(f"{step * (first + row + 1):.10g}"), count)
        for row, count in enumerate(counts)
    ]


def distribution_chart_svg(returns: FloatArray, *, title: str = "Distribution of returns") -> str:
    """Return how often which return was, and the line of a normal distribution of the same mean and deviation.

    Args:
        returns: Simple returns of single periods that vary.
        title: The accessible name of the chart.

    Raises:
        InvalidInputError: The returns do not vary.
    """
    ranges = distribution_of(returns)
    if not ranges:
        message = "returns must vary, did not; a distribution has nothing to show then"
        raise InvalidInputError(message)
    height = 200
    low, high = ranges[0][0], ranges[-1][1]
    across, scale = Scale(low, high), Scale(0.0, max(count for *_, count in ranges) * (1 + 2 * _AIR))
    step = ranges[0][1] - ranges[0][0]
    share = step / (high - low)
    bars = "".join(
        [
            _bar(
                scale,
                height,
                (begin + step / 2 - low) / (high - low),
                share * 0.9,
                count,
                f"{percent_label(begin)} to {percent_label(end)}: {count:,}",
                is_gain=begin >= 0,
            )
            for begin, end, count in ranges
            if count
        ]
    )
    at = np.linspace(low, high, 81)
    spread, middle = 100 * deviation(returns), 100 * float(returns.mean())
    normal = len(returns) * step * np.exp(-(((at - middle) / spread) ** 2) / 2) / (spread * math.sqrt(2 * math.pi))
    up = FINE * height * (1 - np.minimum(scale.shares(normal), 1.0))
    curve = (
        f'<path style="fill: none; stroke: {INK}; stroke-width: 1.2px; stroke-dasharray: 4 3"'
        f' vector-effect="non-scaling-stroke" d="{line(WIDTH * across.shares(at), up)}"/>'
    )
    numbers = round_numbers(across)
    dates = [Tick(tick.share, tick.text) for tick in across.ticks(numbers, numbers, percent_label)]
    counts = [number for number in round_numbers(scale) if number == int(number)]
    return framed(bars + curve, height, dates, scale.ticks(counts, counts, price_label), title)


def _bar(
    scale: Scale, height: int, middle: float, width: float, value: float, said: str, *, is_gain: bool | None = None
) -> str:
    zero, end = (FINE * height * (1 - scale.shares(np.array([0.0, value])))).tolist()
    colour = GAIN if (value >= 0 if is_gain is None else is_gain) else LOSS
    return (
        f'<rect style="fill: {colour}" x="{WIDTH * (middle - width / 2):.0f}" width="{WIDTH * width:.0f}"'
        f' y="{min(zero, end):.0f}" height="{abs(zero - end):.0f}">'
        f"<title>{said}</title></rect>"
    )
