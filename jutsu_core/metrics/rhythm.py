"""How often a series has a row, read from its times, and where it has none for so long that it has a hole.

**Rows a year** are counted over all gaps but the holes, so that nights, weekends and holidays count as
what they are.

**A hole** is a gap of more than two weeks that is also more than five times the usual (the median) one. Fewer
than six gaps have no usual one. The change of price over a hole is real, but it is no period's return: the
year keeps it, the best day does not.
"""

from typing import NamedTuple

import numpy as np

from jutsu_core.arguments import refuse
from jutsu_core.metrics.series import IntArray

HOLES = (
    "A gap of more than 14 days that is also more than 5 times the usual one is a hole: the change over it counts "
    "for the total return, the growth and the drawdown, and is no period's return."
)

_DAY = 86_400_000_000
_YEAR = 365.25 * _DAY
FEWEST_GAPS = 6
_SHORTEST_HOLE = 14 * _DAY
_TIMES_THE_USUAL = 5
# Business days against calendar days are a factor of 1.45: named, not refused, for many books are kept daily.
NAMED_FROM = 1.15
REFUSED_FROM = 1.5
# Within two weeks nobody can see how long nights and weekends are: 24 hours of 7 days are 5.2 times a session's.
_REFUSED_FROM_WHEN_SHORT = 6.0


class Rhythm(NamedTuple):
    """How often a series has a row.

    Attributes:
        per_year: Rows a year; ``None`` for a single one.
        longest: The longest gap that is no hole, microseconds; ``None`` where there are too few to tell.
        span: Microseconds without the holes.
        gaps: How many gaps there are, holes and all.
        has_holes: Whether one of them is a hole.
    """

    per_year: float | None
    longest: int | None
    span: int
    gaps: int
    has_holes: bool = False

    def is_hole(self, gap: int) -> bool:
        """Return whether a gap of so many microseconds is a hole."""
        return self.longest is not None and gap > self.longest


def rhythm_of(stamps: IntArray) -> Rhythm:
    """Return how often a series has a row whose times, microseconds since 1970, are ``stamps``."""
    gaps = np.diff(stamps)
    if len(gaps) < FEWEST_GAPS:
        span = int(gaps.sum())
        return Rhythm(len(gaps) / span * _YEAR if span else None, None, span, len(gaps))
    middle = len(gaps) // 2
    usual = int(np.partition(gaps, middle)[middle])
    longest = max(_SHORTEST_HOLE, _TIMES_THE_USUAL * usual)
    has_holes = int(gaps.max()) > longest
    kept = gaps[gaps <= longest] if has_holes else gaps
    span = int(kept.sum())
    return Rhythm(len(kept) / span * _YEAR, longest, span, len(gaps), has_holes)


def holes_in(stamps: IntArray, rhythm: Rhythm) -> list[int]:
    """Return the rows before which there is a hole."""
    if not rhythm.has_holes:
        return []
    return [int(row) + 1 for row in np.flatnonzero(np.diff(stamps) > rhythm.longest)]


def disagreement(
    name: str,
    rhythm: Rhythm,
    periods_per_year: int,
    *,
    refused_from: float = REFUSED_FROM,
    fewest_gaps: int = FEWEST_GAPS,
) -> str | None:
    """Return what to say of rows that are not ``periods_per_year``; ``None`` where they agree.

    Args:
        name: What the caller calls the rows.
        rhythm: How often there is one.
        periods_per_year: What figures are annualised by.
        refused_from: By which factor the two may differ before the answer would be a lie.
        fewest_gaps: How many gaps tell how far apart rows are.

    Raises:
        InvalidInputError: They differ by more.
    """
    if rhythm.per_year is None or rhythm.gaps < fewest_gaps:
        return None
    times = max(rhythm.per_year / periods_per_year, periods_per_year / rhythm.per_year)
    is_short = rhythm.span < _SHORTEST_HOLE
    limit = max(refused_from, _REFUSED_FROM_WHEN_SHORT) if is_short else refused_from
    rows = f"the rows of {name} are about {max(1, round(rhythm.per_year))} a year"
    if times > limit:
        must_be = f"what the rows are: about {max(1, round(rhythm.per_year))}"
        remedy = f"{rows}; give that, or say accept_other_periods=True to PerformanceAnalyzer if it is meant"
        refuse("periods_per_year", must_be, periods_per_year, remedy)
    if times < NAMED_FROM or is_short:
        return None
    return (
        f"{rows} and were measured with periods_per_year={periods_per_year}:"
        f" volatility and ratios are off by {times**0.5 - 1:.0%}"
    )
