"""What a reader of a portfolio's report must know first: rows, times, benchmark and books that are not what they seem.

``reconciliation`` has the rules of the books; here are those of the history itself, and all of them in one list.
"""

import math
from collections.abc import Sequence

import numpy as np

from jutsu_core.bars import from_epoch
from jutsu_core.events import FillEvent
from jutsu_core.metrics.account import Account, idle_rows
from jutsu_core.metrics.figures import iso_time
from jutsu_core.metrics.options import Options
from jutsu_core.metrics.reconciliation import Finding, disagreements
from jutsu_core.metrics.rhythm import (
    REFUSED_FROM,
    Rhythm,
    change_in,
    disagreement,
    holes_in,
    long_gaps_in,
    rhythm_of,
)
from jutsu_core.metrics.series import FloatArray, IntArray
from jutsu_core.metrics.splits import split_suspects

# Five yearly values are a history; a symbol of five bars is one that has hardly been stored yet.
_FEWEST_GAPS = 4


def findings_of(
    account: Account, values: FloatArray, rhythm: Rhythm, fills: Sequence[FillEvent], options: Options
) -> list[Finding]:
    """Return what a reader must know first.

    Args:
        account: The history.
        values: Its values without what was paid in and out.
        rhythm: How often there is one.
        fills: Executed orders, as if all had been made after all splits.
        options: How the portfolio is measured.

    Raises:
        InvalidInputError: The rows are of another period than was said.
    """
    refused_from = math.inf if options.accepts_other_periods else REFUSED_FROM
    change = change_in(account.stamps)
    off = disagreement(
        "portfolio_history",
        rhythm,
        options.scale.periods_per_year,
        refused_from=refused_from,
        fewest_gaps=_FEWEST_GAPS,
        change=change,
    )
    changed = None if change is None else iso_time(account.at(change.row))
    found = [] if off is None else [Finding("rows_are_of_the_period", changed, off)]
    ruined = np.flatnonzero(values <= 0)
    if len(ruined):
        first = iso_time(account.at(int(ruined[0])))
        text = f"equity is 0 or below on {first}: returns are undefined from there on"
        found.append(Finding("equity_is_above_zero", first, text, len(ruined)))
    idle = idle_rows(account, options.flows_at)
    if idle:
        first = iso_time(account.at(idle[0]))
        text = f"all had been paid out in {len(idle)} periods, the first until {first}: each is a return of 0"
        found.append(Finding("account_is_not_empty", first, text, len(idle)))
    for row in holes_in(account.stamps, rhythm, change):
        first, last = iso_time(account.at(row - 1)), iso_time(account.at(row))
        found.append(Finding("no_hole", last, f"no row from {first} until {last}: no period's return"))
    lacking = long_gaps_in(account.stamps, rhythm, change)
    if lacking:
        first, last = (iso_time(account.at(row)) for row in (lacking[0] - 1, lacking[0]))
        more = f", and {len(lacking) - 1} times more" if len(lacking) > 1 else ""
        text = f"no row from {first} until {last}{more}: measured as one period, as nights and weekends are"
        found.append(Finding("no_hole", last, text, len(lacking)))
    found.extend(_stale_benchmark(account, rhythm, options.benchmark))
    found.extend(Finding("no_split_in_fills", None, text) for text in split_suspects(fills))
    return found + disagreements(account, fills, options.scale.exchange_zone)


def _stale_benchmark(account: Account, rhythm: Rhythm, benchmark: tuple[IntArray, FloatArray] | None) -> list[Finding]:
    """Return where the benchmark has no value of its own for so long that nothing is compared with anything."""
    if benchmark is None or not len(benchmark[0]):
        return []
    stamps = benchmark[0]
    own = rhythm_of(stamps)
    ages = account.stamps - stamps[np.maximum(stamps.searchsorted(account.stamps, side="right") - 1, 0)]
    longest = rhythm.longest if own.longest is None else own.longest
    old = np.flatnonzero(ages > longest) if longest else np.empty(0, np.int64)
    if len(old):
        first, last = (iso_time(from_epoch(int(account.stamps[old[0]] - age))) for age in (0, ages[old[0]]))
        text = f"the benchmark's last value on {first} is of {last}: it stands still in {len(old)} rows"
        return [Finding("benchmark_is_current", first, text, len(old))]
    if own.per_year is None or rhythm.per_year is None or rhythm.per_year < REFUSED_FROM * own.per_year:
        return []
    text = f"the benchmark has about {max(1, round(own.per_year))} values a year, and between two of them stands still"
    return [Finding("benchmark_is_current", None, f"{text}: beta and what else compares single periods means little")]


def note_of(finding: Finding) -> str:
    """Return a finding in words, with when it is and how often where its text does not say so."""
    is_dated = finding.at is None or finding.at in finding.text
    more = f" (and in {finding.times - 1} more rows)" if finding.times > 1 and not is_dated else ""
    return finding.text if is_dated else f"{finding.at}: {finding.text}{more}"
