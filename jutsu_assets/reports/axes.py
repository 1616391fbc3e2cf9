"""Axes of charts on pages: round numbers, dates, and a sheet that is stretched within its labels.

A chart is as wide as its container and as high as it was told. Only the drawing inside is stretched, not its
strokes nor any text, so a page reads the same on a telephone. Colours are CSS variables with a fallback
(``var(--jutsu-line, #2563eb)``): a page decides whether it is light or dark. Labels that a narrow page has no
room for are of the class ``fine``.

The script of the pages (``templates/page.js``) draws a part of a chart in the same way: its four parts stand in
the order of :func:`framed`, and the steps of its axes are those of this module.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, FINE = 4000, 4
"""Units of a drawing across, and of each pixel of its height."""

GRID, INK = "var(--jutsu-grid, #d8dee8)", "var(--jutsu-ink, #55617a)"
GAIN, LOSS = "var(--jutsu-gain, #15803d)", "var(--jutsu-loss, #c2410c)"

_MOST_DATES, _MOST_NUMBERS = {"D": 12, "M": 9, "Y": 12}, 7  # a month has the longest name
_DUST = 1e-9  # of a step: what is lost when a number is divided by it
# How ticks may be apart in time: unit, how many of it, and about how many days that is.
_STEPS = (
    *(("D", days, float(days)) for days in (1, 2, 7)),
    *(("M", months, 30.4 * months) for months in (1, 3, 6)),
    *(("Y", years, 365.25 * years) for years in (1, 2, 5, 10, 20, 50, 100)),
)
_DATE_PART = {"D": slice(5, 10), "M": slice(7), "Y": slice(4)}
_UNIT_ORIGIN = {"D": 0, "M": 0, "Y": 1970}
# What is labelled in every decade of a logarithmic axis; the last that is not too many is taken.
_DECADES = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9))


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a share of an axis, from 0 to 1; ``is_fine`` where a narrow page does without."""

    share: float
    text: str
    is_fine: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """What is at the bottom and at the top of a drawing."""

    low: float
    high: float

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far up each of ``values`` is, from 0 to 1."""
        return (values - self.low) / (self.high - self.low)

    def ticks(self, numbers: Sequence[float], places: Sequence[float], text: Callable[[float], str]) -> list[Tick]:
        """Return a label for each of ``numbers``, which stand at ``places`` of this scale."""
        shares = self.shares(np.asarray(places, np.float64)).tolist()
        return [Tick(share, text(number)) for number, share in zip(numbers, shares, strict=True)]


def framed(body: str, height: int, across: Sequence[Tick], up: Sequence[Tick], title: str) -> str:
    """Return ``body``, which is drawn on a sheet of its own that is stretched, within its labels.

    Args:
        body: Elements of SVG, in units of the drawing.
        height: Pixels.
        across: Labels below.
        up: Labels on the left, each with a rule.
        title: The accessible name.
    """
    rules = "".join([f'<line x2="100%" y1="{_up(tick)}" y2="{_up(tick)}"/>' for tick in up])
    numbers = "".join([f'<text x="-8" y="{_up(tick)}" dy=".35em">{tick.text}</text>' for tick in up])
    dates = "".join([_below(tick) for tick in across])
    sheet = f'viewBox="0 0 {WIDTH} {FINE * height}" preserveAspectRatio="none"'
    return (
        f'<svg role="img" aria-label="{escape(title)}" style="display: block; width: calc(100% - 66px);'
        f' height: {height}px; margin: 10px 14px 26px 52px; overflow: visible; font-size: 12px">'
        f'<g style="stroke: {GRID}">{rules}</g>'
        f'<svg width="100%" height="100%" {sheet}>{body}</svg>'
        f'<g style="fill: {INK}; text-anchor: end">{numbers}</g>'
        f'<g style="fill: {INK}; text-anchor: middle">{dates}</g></svg>'
    )


def round_numbers(scale: Scale) -> list[float]:
    """Return round numbers within ``scale``, by ones, twos or fives of a power of ten.

    Examples:
        >>> round_numbers(Scale(9.8, 14.2))
        [10.0, 11.0, 12.0, 13.0, 14.0]
    """
    power = 10.0 ** np.floor(np.log10((scale.high - scale.low) / _MOST_NUMBERS))
    step = next(
        step * power for step in (1, 2, 5, 10, 20) if (scale.high - scale.low) / (step * power) <= _MOST_NUMBERS
    )
    first, last = np.ceil(scale.low / step - _DUST), np.floor(scale.high / step + _DUST)
    return [float(f"{count * step:.10g}") for count in range(int(first), int(last) + 1)]


def decade_numbers(scale: Scale) -> list[float]:
    """Return round numbers whose logarithms to the base of ten are within ``scale``.

    Examples:
        >>> decade_numbers(Scale(0.0, 2.0))
        [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
    """
    decades = 10.0 ** np.arange(np.floor(scale.low), np.ceil(scale.high) + 1)
    every = [
        [
            number
            for decade in decades
            for number in (decade * np.array(steps)).tolist()
            if scale.low <= np.log10(number) <= scale.high
        ]
        for steps in _DECADES
    ]
    fitting = [numbers for numbers in every if len(numbers) <= _MOST_NUMBERS]
    return max(fitting, key=len) if fitting else every[0][:: -(-len(every[0]) // _MOST_NUMBERS)]


def date_ticks(first: np.datetime64, last: np.datetime64, seconds: int) -> list[Tick]:
    """Return days, months or years from ``first`` to ``last``, which are ``seconds`` apart."""
    days = seconds / 86_400
    unit, step, _ = next((step for step in _STEPS if days / step[2] < _MOST_DATES[step[0]]), _STEPS[-1])
    every = np.arange(first.astype(f"M8[{unit}]"), last.astype(f"M8[{unit}]") + 1)
    number = every.astype(np.int64) + _UNIT_ORIGIN[unit]
    shares = (every.astype("M8[s]") - first).astype(np.int64) / seconds
    chosen = (number % step == 0) & (shares >= 0) & (shares <= 1)
    return [
        Tick(float(share), str(tick.astype("M8[D]"))[_DATE_PART[unit]], is_fine=bool(count // step % 2))
        for share, tick, count in zip(shares[chosen], every[chosen], number[chosen], strict=True)
    ]


def price_label(value: float) -> str:
    """Return a number of an axis, with thousands apart and millions short.

    Examples:
        >>> price_label(1500.0), price_label(2_500_000.0)
        ('1,500', '2.5M')
    """
    text = f"{value / 1e6:,.10g}M" if abs(value) >= 1e6 else f"{value:,.10g}"  # noqa: PLR2004 - no room for more
    return text.replace("-", "\N{MINUS SIGN}")


def percent_label(value: float) -> str:
    """Return a number of per cent.

    Examples:
        >>> percent_label(12.5)
        '12.5 %'
    """
    return f"{value:,.10g} %".replace("-", "\N{MINUS SIGN}")


def _below(tick: Tick) -> str:
    kind = ' class="fine"' if tick.is_fine else ""
    return f'<text{kind} x="{100 * tick.share:.2f}%" y="100%" dy="1.5em">{tick.text}</text>'


def _up(tick: Tick) -> str:
    return f"{100 * (1 - tick.share):.2f}%"
