"""A small picture of each indicator for the docs page: the closes, and what it makes of them.

What does not belong here: charts of a user's own bars (the reports).
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from xml.sax.saxutils import escape

import numpy as np

from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.records import IndicatorDefinition, ResultDefinition

SHOWN_BARS = 120
"""How many bars a picture shows, the last ones of those given."""

_STEP = 4
_WIDTH = SHOWN_BARS * _STEP
_HEIGHT, _LOWER_HEIGHT, _GAP, _TOP = 120, 60, 8, 16
_CLOSE_COLOR = "#8a8f98"
_COLORS = ("#2563eb", "#d97706", "#059669", "#c026d3")
_GIVEN = {"period": 20.0, "bars_per_year": 252.0}


def indicator_picture(definition: IndicatorDefinition, bars: Mapping[str, FloatArray]) -> str:
    """Return an SVG of what ``definition`` makes of ``bars`` with its defaults, over their last ``SHOWN_BARS``.

    Results that are prices are drawn over the closes, others below them.

    Args:
        definition: The indicator.
        bars: What any indicator reads, by input; some hundred bars more than are shown.

    Examples:
        >>> from jutsu_core.indicators.definitions import CATALOG
        >>> closes = np.arange(200.0)
        >>> indicator_picture(CATALOG["sma"], {"close": closes}).count("<path")
        2
    """
    chosen = {one.name: _GIVEN[one.name] if one.default is None else one.default for one in definition.parameters}
    values = definition.values(
        *(bars[name] for name in definition.inputs),
        **{one.name: int(chosen[one.name]) if one.is_integer else chosen[one.name] for one in definition.parameters},
    )
    results = [(result, row[-SHOWN_BARS:]) for result, row in zip(definition.results, values, strict=True)]
    over = [(result, row) for result, row in results if result.when_prices_move == "moves"]
    below = [(result, row) for result, row in results if result.when_prices_move != "moves"]
    height = _TOP + _HEIGHT + (_GAP + _LOWER_HEIGHT if below else 0)
    colors = {result.name: _COLORS[place % len(_COLORS)] for place, result in enumerate(definition.results)}
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    style = 'font-family="sans-serif" font-size="10" fill="none" stroke-width="1.2"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>',
        f"<title>{escape(definition.title)}</title>",
        *_legend(colors),
        *_panel([*over], _TOP, _HEIGHT, colors, bars["close"][-SHOWN_BARS:]),
        *(_panel(below, _TOP + _HEIGHT + _GAP, _LOWER_HEIGHT, colors) if below else ()),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _legend(colors: Mapping[str, str]) -> Iterator[str]:
    left = 0
    for name, color in {"close": _CLOSE_COLOR, **colors}.items():
        yield f'<text x="{left}" y="10" fill="{color}">{escape(name)}</text>'
        left += 6 * len(name) + 12


def _panel(
    drawn: list[tuple[ResultDefinition, FloatArray]],
    top: int,
    height: int,
    colors: Mapping[str, str],
    closes: FloatArray | None = None,
) -> Iterator[str]:
    rows = [(colors[result.name], row) for result, row in drawn]
    if closes is not None:
        rows.insert(0, (_CLOSE_COLOR, closes))
    known = np.concatenate([row[np.isfinite(row)] for _, row in rows])
    least, most = float(known.min()), float(known.max())
    unit = (most - least) / height or 1.0
    for color, row in rows:
        yield f'<path stroke="{color}" d="{_path(row, top + height, least, unit)}"/>'
    yield f'<text x="{_WIDTH}" y="{top + 8}" text-anchor="end" fill="{_CLOSE_COLOR}">{most:.4g}</text>'
    yield f'<text x="{_WIDTH}" y="{top + height}" text-anchor="end" fill="{_CLOSE_COLOR}">{least:.4g}</text>'


def _path(row: FloatArray, bottom: int, least: float, unit: float) -> str:
    """Return the line in whole pixels: from where it begins, each point by its distance from the one before."""
    first = int(np.argmax(np.isfinite(row)))
    places = (bottom - np.rint((row[first:] - least) / unit).astype(np.int64)).tolist()
    moves = "".join(f"l{_STEP} {after - before}" for before, after in pairwise(places))
    return f"M{first * _STEP} {places[0]}{moves}".replace(" -", "-")
