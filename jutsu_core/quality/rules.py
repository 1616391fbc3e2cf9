"""Rules that every bar must keep, on one bar and on a series of bars.

A rule returns what is wrong, never raises: its callers decide whether a finding keeps a bar
out (the fetcher), fails a check (the asset) or fills a table (the UI).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise

from jutsu_core.bars import MAX_VOLUME, Bar, from_micros

_SPLIT_TOLERANCE = 0.03
_WHOLE_RATIOS = (*range(2, 21), 25, 30, 40, 50, 100)
_SPLIT_RATIOS = (
    *((1 / n, f"{n}:1") for n in _WHOLE_RATIOS),
    *((float(n), f"1:{n}") for n in _WHOLE_RATIOS),
    (2 / 3, "3:2"),
    (3 / 2, "2:3"),
)


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


def faulty_bars(bars: Iterable[Bar]) -> list[tuple[Bar, str]]:
    """Return the bars that break a rule of :func:`bar_fault`, with what is wrong."""
    return [(bar, fault) for bar in bars if (fault := bar_fault(bar)) is not None]


def split_suspects(bars: Sequence[Bar]) -> list[tuple[Bar, str]]:
    """Return the bars at which the price scale seems to change, as where a split was applied to one side only.

    Formula: the open and the close, each divided by the close before, both lie within 3 % of n:1,
    1:n (n from 2 to 20, 25, 30, 40, 50 and 100), 3:2 or 2:3. A real move of that size on one day is
    rare, and is found too.

    Args:
        bars: Ascending.
    """
    suspects = []
    for before, bar in pairwise(bars):
        if before.close <= 0:
            continue
        for ratio, words in _SPLIT_RATIOS:
            if all(abs(price / before.close / ratio - 1) <= _SPLIT_TOLERANCE for price in (bar.open, bar.close)):
                was, now = from_micros(before.close), from_micros(bar.close)
                suspects.append((bar, f"close {was} became {now}: as if split {words} here and not before"))
                break
    return suspects


def duplicated_sessions(bars: Iterable[Bar]) -> list[tuple[date, Sequence[Bar]]]:
    """Return the session dates that have more than one daily bar, with those bars.

    A key cannot occur twice in a store, but two keys can fall on one date: that is what a
    writer with another idea of a session's timestamp leaves behind.
    """
    by_date: dict[date, list[Bar]] = defaultdict(list)
    for bar in bars:
        by_date[bar.timestamp.date()].append(bar)
    return [(session, same) for session, same in sorted(by_date.items()) if len(same) > 1]
