"""Rules that every bar must keep by itself, on one bar and on many.

A rule returns what is wrong, never raises: its callers decide whether a finding keeps a bar
out (the fetcher), fails a check (the asset) or fills a table (the UI).
"""

from collections.abc import Sequence

import numpy as np

from jutsu_core.bars import MAX_VOLUME, Bar, BarColumns, from_epoch, from_micros
from jutsu_core.quality.series import Places, rescaled


def bar_fault(bar: Bar) -> str | None:
    """Return the first rule that ``bar`` breaks, in words, or None if it keeps them all.

    The rules: every price above 0; ``high ≥ max(open, close)``; ``low ≤ min(open, close)``;
    volume between 0 and 2⁶³-1.

    Examples:
        >>> from datetime import UTC, datetime
        >>> bar_fault(Bar(datetime(2013, 3, 1, tzinfo=UTC), 2_000_000, 1_000_000, 1_000_000, 1_000_000, 5))
        'high must be at least open and close, was 1.000000 with open 2.000000, close 1.000000'
    """
    for name in ("open", "high", "low", "close"):
        price = getattr(bar, name)
        if price <= 0:
            return f"{name} must be above 0, was {from_micros(price)}"
    for name, extreme, word in (
        ("high", max(bar.open, bar.close), "least"),
        ("low", min(bar.open, bar.close), "most"),
    ):
        price = getattr(bar, name)
        if (price < extreme) if name == "high" else (price > extreme):
            return (
                f"{name} must be at {word} open and close, was {from_micros(price)}"
                f" with open {from_micros(bar.open)}, close {from_micros(bar.close)}"
            )
    if not 0 <= bar.volume <= MAX_VOLUME:
        return f"volume must be between 0 and {MAX_VOLUME}, was {bar.volume}"
    return None


def inconsistent(bars: BarColumns) -> Places:
    """Yield the bars that break a rule of :func:`bar_fault`, with what is wrong."""
    opens, highs, lows, closes = bars.open, bars.high, bars.low, bars.close
    broken = (
        (np.minimum(np.minimum(opens, closes), np.minimum(highs, lows)) <= 0)
        | (highs < np.maximum(opens, closes))
        | (lows > np.minimum(opens, closes))
        | (bars.volume < 0)
    )
    for place in np.flatnonzero(broken).tolist():
        stamp, *values = bars.values[place].tolist()
        fault = bar_fault(Bar(from_epoch(stamp), *values))
        if fault is not None:
            yield place, fault


def split_suspects(bars: Sequence[Bar]) -> list[tuple[Bar, str]]:
    """Return the bars at which the price scale seems to change: :func:`jutsu_core.quality.series.rescaled` of bars.

    Args:
        bars: Ascending.
    """
    return [(bars[place], text) for place, text in rescaled(BarColumns.of(bars))]
