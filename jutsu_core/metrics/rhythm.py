"""How often a series has a row, read from its times, and where it has none for so long that it has a hole.

**Rows a year** are counted over all gaps but the holes, so that nights, weekends and holidays count as
what they are.

**A hole** is a gap of more than two weeks that is also more than five times the usual (the median) one. The change
of price over a hole is real, but it is no period's return: the year keeps it, the best day does not.

**A change** is where rows of one period are followed by rows of another: by days that were months, or by hours that
were days. No number of periods a year is right for both.
"""

from typing import Literal, NamedTuple

import numpy as np

from jutsu_core.arguments import refuse
from jutsu_core.metrics.series import IntArray

HOLES = (
    "A gap of more than 14 days that is also more than 5 times the usual one is a hole: the change over it counts "
    "for the total return, the growth and the drawdown, and is no period's return."
)

_DAY = 86_400_000_000
_YEAR = 365.25 * _DAY
# As many gaps tell how far apart rows are; fewer of at least a year are told too, but refused by nobody.
FEWEST_GAPS = 6
_FEWEST_OF_A_YEAR = 2
_SHORTEST_YEAR = 364 * _DAY
_SHORTEST_HOLE = 14 * _DAY
# As after 11 September 2001; golden weeks last longer.
_LONGEST_CLOSE = 7 * _DAY
_TIMES_THE_USUAL = 5
# Business days against calendar days are a factor of 1.45: named, not refused, for many books are kept daily.
NAMED_FROM = 1.15
REFUSED_FROM = 1.5
# Within two weeks nobody can see how long nights and weekends are: 24 hours of 7 days are 5.2 times a session's.
_REFUSED_FROM_WHEN_SHORT = 6.0

# Of a dozen gaps two are a night, a weekend or a hole; others of one period are alike to half.
_DOZEN, _LEFT_OUT, _FEWEST_DOZENS = 12, 2, 2
_LIKE, _REGULAR_SHARE = 1.5, 0.9
# Weeks of two sessions are no other period than weeks of five, nor is a week of a decade.
_ANOTHER, _LEAST_SHARE, _MOST_SWITCHES = 2.0, 0.05, 4


class Rhythm(NamedTuple):
    """How often a series has a row.

    Attributes:
        per_year: Rows a year; ``None`` for a single one.
        longest: The longest gap that is no hole, microseconds; ``None`` for a single row or a single gap.
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


class Change(NamedTuple):
    """Where the rows of a series begin to be of another period.

    Attributes:
        row: About the first one that is.
        before: Rows a year of the first period.
        after: Rows a year of the other.
    """

    row: int
    before: float
    after: float


def rhythm_of(stamps: IntArray) -> Rhythm:
    """Return how often a series has a row whose times, microseconds since 1970, are ``stamps``."""
    gaps = np.diff(stamps)
    if len(gaps) < _FEWEST_OF_A_YEAR:
        span = int(gaps.sum())
        return Rhythm(len(gaps) / span * _YEAR if span else None, None, span, len(gaps))
    # Of few gaps the shorter ones are usual: a day, a weekend and eight years are two days and a hole.
    middle = len(gaps) // 2 if len(gaps) >= FEWEST_GAPS else (len(gaps) - 1) // 2
    usual = int(np.partition(gaps, middle)[middle])
    longest = max(_SHORTEST_HOLE, _TIMES_THE_USUAL * usual)
    has_holes = int(gaps.max()) > longest
    kept = gaps[gaps <= longest] if has_holes else gaps
    span = int(kept.sum())
    return Rhythm(len(kept) / span * _YEAR, longest, span, len(gaps), has_holes)


def holes_in(stamps: IntArray, rhythm: Rhythm, change: Change | None = None) -> list[int]:
    """Return the rows before which there is a hole, also beside the longer of two periods."""
    if not rhythm.has_holes or rhythm.longest is None:
        return []
    usual = 0.0 if change is None else _YEAR / min(change.before, change.after)
    longest = max(rhythm.longest, _TIMES_THE_USUAL * usual)
    return [int(row) + 1 for row in np.flatnonzero(np.diff(stamps) > longest)]


def change_in(stamps: IntArray) -> Change | None:
    """Return where a series that has rows of two periods first changes from one to the other; None where it does not.

    Rows are looked at by the dozen, without the two longest gaps of each: nights, weekends and holes. What is too
    irregular to have two periods has none.
    """
    gaps = np.diff(stamps)
    count = len(gaps) // _DOZEN
    if count < _FEWEST_DOZENS:
        return None
    dozens = np.sort(gaps[: count * _DOZEN].reshape(count, _DOZEN), axis=1)[:, :-_LEFT_OUT].mean(axis=1)
    fewest, most = float(dozens.min()), float(dozens.max())
    if most < _ANOTHER * fewest:
        return None
    is_slow = dozens > (fewest * most) ** 0.5
    usual = np.where(is_slow, np.median(dozens[is_slow]), np.median(dozens[~is_slow]))
    is_regular = np.maximum(dozens / usual, usual / dozens) <= _LIKE
    switches = np.flatnonzero(np.diff(is_slow))
    times = float(usual.max() / usual.min())
    if times < _ANOTHER or is_regular.mean() < _REGULAR_SHARE or len(switches) > _MOST_SWITCHES:
        return None
    share = float(is_slow.mean())
    of_time = share * times / (share * times + 1 - share)
    if max(share, of_time) < _LEAST_SHARE or min(share, of_time) > 1 - _LEAST_SHARE:
        return None
    first = int(switches[0])
    by_dozen = gaps[: count * _DOZEN].reshape(count, _DOZEN)[is_regular]
    fast, slow = (_per_year(by_dozen[is_slow[is_regular] == which].ravel()) for which in (False, True))
    return Change((first + 1) * _DOZEN, *((slow, fast) if is_slow[first] else (fast, slow)))


def _per_year(gaps: IntArray) -> float:
    kept = gaps[gaps <= max(_SHORTEST_HOLE, _TIMES_THE_USUAL * int(np.median(gaps)))]
    return len(kept) / float(kept.sum()) * _YEAR


def disagreement(
    name: str,
    rhythm: Rhythm,
    periods_per_year: int,
    *,
    refused_from: float = REFUSED_FROM,
    fewest_gaps: int = FEWEST_GAPS,
    change: Change | None = None,
) -> str | None:
    """Return what to say of rows that are not ``periods_per_year``; ``None`` where they agree.

    Args:
        name: What the caller calls the rows.
        rhythm: How often there is one.
        periods_per_year: What figures are annualised by.
        refused_from: By which factor the two may differ before the answer would be a lie.
        fewest_gaps: How many gaps are enough to refuse it.
        change: Where their period changes, if it does.

    Raises:
        InvalidInputError: They differ by more.
    """
    is_told = rhythm.gaps >= fewest_gaps or (rhythm.gaps >= _FEWEST_OF_A_YEAR and rhythm.span >= _SHORTEST_YEAR)
    if rhythm.per_year is None or not is_told:
        return None
    times = max(rhythm.per_year / periods_per_year, periods_per_year / rhythm.per_year)
    is_short = rhythm.span < _SHORTEST_HOLE
    limit = max(refused_from, _REFUSED_FROM_WHEN_SHORT) if is_short else refused_from
    a_year = f"about {max(1, round(rhythm.per_year))} a year"
    if change is not None:
        a_year = f"about {max(1, round(change.before))} a year, and later about {max(1, round(change.after))}"
    if times > limit and rhythm.gaps >= fewest_gaps:
        must_be = f"what the rows are: {a_year.removesuffix(' a year')}"
        remedy = "give that" if change is None else "give the rows of one period and that"
        escape = "or say accept_other_periods=True to PerformanceAnalyzer if it is meant"
        refuse("periods_per_year", must_be, periods_per_year, f"the rows of {name} are {a_year}; {remedy}, {escape}")
    rows = f"the rows of {name} are {a_year}"
    if change is not None:
        return (
            f"{rows}: no periods_per_year is right for both, volatility and ratios mix them; give those of one period"
        )
    if times < NAMED_FROM or is_short:
        return None
    return (
        f"{rows} and were measured with periods_per_year={periods_per_year}:"
        f" volatility and ratios are off by {times**0.5 - 1:.0%}"
    )


def long_gaps_in(stamps: IntArray, rhythm: Rhythm, change: Change | None = None) -> list[int]:
    """Return the rows before which rows lack for longer than exchanges close, and yet for no hole."""
    if rhythm.longest is None or rhythm.longest > _SHORTEST_HOLE:
        return []
    least = (
        _LONGEST_CLOSE if change is None else max(_LONGEST_CLOSE, _ANOTHER * _YEAR / min(change.before, change.after))
    )
    gaps = np.diff(stamps)
    return [int(row) + 1 for row in np.flatnonzero((gaps > least) & (gaps <= rhythm.longest))]


class Spans(NamedTuple):
    """The months or years of a series that have a return.

    Attributes:
        labels: What each is called, such as 2013-03 or 2013.
        bases: The rows from which they start: the last one before them; after a hole their first.
        lasts: Their last rows.
    """

    labels: list[str]
    bases: IntArray
    lasts: IntArray


def calendar_spans(stamps: IntArray, rhythm: Rhythm, unit: Literal["M", "Y"]) -> Spans:
    """Return the months (``M``) or years (``Y``) of a series whose times are ``stamps``."""
    labels = stamps.astype("datetime64[us]").astype(f"datetime64[{unit}]")
    firsts = np.concatenate(([0], np.flatnonzero(labels[1:] != labels[:-1]) + 1))
    lasts = np.concatenate((firsts[1:], [len(labels)])) - 1
    before = np.maximum(firsts - 1, 0)
    is_based = firsts > 0
    if rhythm.longest is not None:
        is_based &= stamps[firsts] - stamps[before] <= rhythm.longest
    bases = np.where(is_based, before, firsts)
    kept = lasts > bases
    return Spans(np.datetime_as_string(labels[firsts[kept]]).tolist(), bases[kept], lasts[kept])
