"""Charts of pages: SVG by hand, bytes for bytes the same for the same input; no files, no fonts, no script.

A chart is as wide as its container and as high as it was told. Only the drawing inside is stretched, not its
strokes nor any text, so a page reads the same on a telephone. Colours are CSS variables with a fallback
(``var(--jutsu-line, #2563eb)``): a page decides whether it is light or dark. Labels that a narrow page has no
room for are of the class ``fine``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jutsu_assets.reports.paths import extremes, line
from jutsu_core.errors import InvalidInputError
from jutsu_core.metrics.drawdown import drawdown_series

_LINE, _GAIN = "var(--jutsu-line, #2563eb)", "var(--jutsu-gain, #15803d)"
_LOSS, _GRID, _INK = "var(--jutsu-loss, #c2410c)", "var(--jutsu-grid, #d8dee8)", "var(--jutsu-ink, #55617a)"

_WIDTH, _FINE = 4000, 4  # units of a drawing across, and of each pixel of its height
_BUCKETS = 480
_LOG_SCALE_FROM = 3.0
_MOST_DATES, _MOST_NUMBERS, _MOST_YEARS = 12, 7, 14
_BAR_SHARE, _WIDEST_BAR = 0.68, 0.08
_DUST = 1e-9  # of a step: what is lost when a number is divided by it
_AIR = 0.05  # of the range of values, above and below the line
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
class _Tick:
    """A label at a share of an axis, from 0 to 1; ``is_fine`` where a narrow page does without."""

    share: float
    text: str
    is_fine: bool = False


@dataclass(frozen=True, slots=True)
class _Scale:
    """What is at the bottom and at the top of a drawing."""

    low: float
    high: float

    def shares(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far up each of ``values`` is, from 0 to 1."""
        return (values - self.low) / (self.high - self.low)

    def ticks(self, numbers: Sequence[float], places: Sequence[float], text: Callable[[float], str]) -> list[_Tick]:
        """Return a label for each of ``numbers``, which stand at ``places`` of this scale."""
        shares = self.shares(np.asarray(places, np.float64)).tolist()
        return [_Tick(share, text(number)) for number, share in zip(numbers, shares, strict=True)]


def equity_chart_svg(values: "pd.Series[float]", *, title: str = "Price") -> str:
    """Return the course of prices or equity; logarithmic once the highest is 3 times the lowest.

    Args:
        values: Finite values with timestamps, oldest first.
        title: The accessible name of the chart.

    Returns:
        One ``<svg>`` element, fit to stand in a page.

    Raises:
        InvalidInputError: ``values`` is empty or has a value that is not finite.
    """
    array = _values(values)
    is_log = is_logarithmic(values)
    drawn = np.log10(array).astype(np.float64) if is_log else array
    low, high = float(drawn.min()), float(drawn.max())
    air = _AIR * (high - low) or max(abs(high), 1.0) * _AIR
    scale = _Scale(low - air, high + air)
    numbers = _log_numbers(scale) if is_log else _numbers(scale)
    ticks = scale.ticks(numbers, np.log10(numbers).tolist() if is_log else numbers, _price)
    return _over_time(values, drawn, scale, ticks, _Look(_LINE, 0.08, 1.3, base=scale.low, height=260), title)


def is_logarithmic(values: "pd.Series[float]") -> bool:
    """Whether :func:`equity_chart_svg` draws ``values`` on a logarithmic axis, which its reader must be told.

    Examples:
        >>> is_logarithmic(pd.Series([10.0, 29.0])), is_logarithmic(pd.Series([10.0, 30.0]))
        (False, True)
    """
    array = _values(values)
    low, high = float(array.min()), float(array.max())
    return low > 0 and high / low >= _LOG_SCALE_FROM


def drawdown_chart_svg(values: "pd.Series[float]", *, title: str = "Drawdown") -> str:
    """Return how far the values stood below their highest so far, in per cent.

    Args:
        values: Values above 0 with timestamps, oldest first.
        title: The accessible name of the chart.

    Returns:
        One ``<svg>`` element, fit to stand in a page.

    Raises:
        InvalidInputError: ``values`` is empty or breaks the contract of ``drawdown_series``.
    """
    _values(values)
    falls = np.asarray(drawdown_series(values), np.float64) * 100
    scale = _Scale((float(falls.min()) or -1.0) * (1 + _AIR), 0.0)
    numbers = _numbers(scale)
    look = _Look(_LOSS, 0.22, 0.9, base=0.0, height=160)
    return _over_time(values, falls, scale, scale.ticks(numbers, numbers, _per_cent), look, title)


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
    scale = _Scale(low - air if low < 0 else 0.0, high + air if high > 0 or low == high else 0.0)
    numbers = _numbers(scale)
    step = -(-count // _MOST_YEARS)
    years = [
        _Tick((year - first + 0.5) / count, str(year), is_fine=(year - first) // step % 2 > 0)
        for year in range(first, max(returns) + 1, step)
    ]
    bars = "".join([_bar(scale, height, (year - first + 0.5) / count, count, year, known[year]) for year in known])
    return _chart(bars, height, years, scale.ticks(numbers, numbers, _per_cent), title)


@dataclass(frozen=True, slots=True)
class _Look:
    """How a line over time looks: its colour, the area between it and ``base``, its width in pixels."""

    colour: str
    opacity: float
    stroke: float
    base: float
    height: int


def _over_time(
    values: "pd.Series[float]", drawn: NDArray[np.float64], scale: _Scale, ticks: list[_Tick], look: _Look, title: str
) -> str:
    moments = _moments(values)
    begin, span = moments[0], max(int((moments[-1] - moments[0]).astype(np.int64)), 1)
    places = extremes(drawn, _BUCKETS)
    x = _WIDTH * (moments[places] - begin).astype(np.int64) / span
    up = _FINE * look.height
    y = up * (1 - scale.shares(drawn[places]))
    path = line(x, y)
    base = round(up * (1 - float(scale.shares(np.array([look.base]))[0])))
    # The stroke has a path of its own: that of an area would have a wall at both ends.
    body = (
        f'<path style="fill: {look.colour}; fill-opacity: {look.opacity}" d="{path}V{base}H{round(x[0])}z"/>'
        f'<path style="fill: none; stroke: {look.colour}; stroke-width: {look.stroke}px; stroke-linejoin: round;'
        f' stroke-linecap: round" vector-effect="non-scaling-stroke" d="{path}"/>'
    )
    return _chart(body, look.height, _dates(begin, moments[-1], span), ticks, title)


def _bar(scale: _Scale, height: int, middle: float, count: int, year: int, value: float) -> str:
    zero, end = (_FINE * height * (1 - scale.shares(np.array([0.0, value])))).tolist()
    width = _WIDTH * min(_BAR_SHARE / count, _WIDEST_BAR)
    colour = _GAIN if value >= 0 else _LOSS
    return (
        f'<rect style="fill: {colour}" x="{_WIDTH * middle - width / 2:.0f}" width="{width:.0f}"'
        f' y="{min(zero, end):.0f}" height="{abs(zero - end):.0f}">'
        f"<title>{year}: {_per_cent(round(value, 1))}</title></rect>"
    )


def _chart(body: str, height: int, across: list[_Tick], up: list[_Tick], title: str) -> str:
    """Return ``body``, which is drawn on a sheet of its own that is stretched, within its labels."""
    rules = "".join([f'<line x2="100%" y1="{_up(tick)}" y2="{_up(tick)}"/>' for tick in up])
    numbers = "".join([f'<text x="-8" y="{_up(tick)}" dy=".35em">{tick.text}</text>' for tick in up])
    dates = "".join([_date(tick) for tick in across])
    sheet = f'viewBox="0 0 {_WIDTH} {_FINE * height}" preserveAspectRatio="none"'
    return (
        f'<svg role="img" aria-label="{escape(title)}" style="display: block; width: calc(100% - 66px);'
        f' height: {height}px; margin: 10px 14px 26px 52px; overflow: visible; font-size: 12px">'
        f'<g style="stroke: {_GRID}">{rules}</g>'
        f'<svg width="100%" height="100%" {sheet}>{body}</svg>'
        f'<g style="fill: {_INK}; text-anchor: end">{numbers}</g>'
        f'<g style="fill: {_INK}; text-anchor: middle">{dates}</g></svg>'
    )


def _date(tick: _Tick) -> str:
    kind = ' class="fine"' if tick.is_fine else ""
    return f'<text{kind} x="{100 * tick.share:.2f}%" y="100%" dy="1.5em">{tick.text}</text>'


def _up(tick: _Tick) -> str:
    return f"{100 * (1 - tick.share):.2f}%"


def _numbers(scale: _Scale) -> list[float]:
    """Return round numbers within ``scale``, by ones, twos or fives of a power of ten."""
    power = 10.0 ** np.floor(np.log10((scale.high - scale.low) / _MOST_NUMBERS))
    step = next(
        step * power for step in (1, 2, 5, 10, 20) if (scale.high - scale.low) / (step * power) <= _MOST_NUMBERS
    )
    first, last = np.ceil(scale.low / step - _DUST), np.floor(scale.high / step + _DUST)
    return [float(f"{count * step:.10g}") for count in range(int(first), int(last) + 1)]


def _log_numbers(scale: _Scale) -> list[float]:
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


def _dates(first: np.datetime64, last: np.datetime64, seconds: int) -> list[_Tick]:
    days = seconds / 86_400
    unit, step, _ = next((step for step in _STEPS if days / step[2] < _MOST_DATES), _STEPS[-1])
    every = np.arange(first.astype(f"M8[{unit}]"), last.astype(f"M8[{unit}]") + 1)
    number = every.astype(np.int64) + _UNIT_ORIGIN[unit]
    shares = (every.astype("M8[s]") - first).astype(np.int64) / seconds
    chosen = (number % step == 0) & (shares >= 0) & (shares <= 1)
    return [
        _Tick(float(share), str(tick.astype("M8[D]"))[_DATE_PART[unit]], is_fine=bool(count // step % 2))
        for share, tick, count in zip(shares[chosen], every[chosen], number[chosen], strict=True)
    ]


def _price(value: float) -> str:
    text = f"{value / 1e6:,.10g}M" if abs(value) >= 1e6 else f"{value:,.10g}"  # noqa: PLR2004 - no room for more
    return text.replace("-", "\N{MINUS SIGN}")


def _per_cent(value: float) -> str:
    return f"{value:,.10g} %".replace("-", "\N{MINUS SIGN}")


def _values(values: "pd.Series[float]") -> NDArray[np.float64]:
    if values.empty:
        message = "values must be at least one row long, was empty"
        raise InvalidInputError(message)
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all():
        message = f"values must be finite, was {array[~np.isfinite(array)][0]}; leave out what is missing"
        raise InvalidInputError(message)
    return array


def _moments(values: "pd.Series[float]") -> NDArray[np.datetime64]:
    index = pd.DatetimeIndex(values.index)
    utc = index if index.tz is None else index.tz_convert("UTC").tz_localize(None)
    return utc.to_numpy().astype("M8[s]")
