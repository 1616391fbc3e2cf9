"""The rules for daily bars, each once: its name is a truth, its function finds the exceptions to it."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jutsu_core.bars import BarColumns, RejectedBar, to_epoch
from jutsu_core.calendar import TradingCalendar
from jutsu_core.ports import CoverageWindow
from jutsu_core.quality.findings import Finding, Severity, cleaned
from jutsu_core.quality.rules import inconsistent
from jutsu_core.quality.series import Places, duplicated, rescaled, spikes, stale
from jutsu_core.windows import BELIEVED_AFTER

RULES_VERSION = "2"
"""Raise it when a rule changes: every partition is judged anew."""


class Subject(NamedTuple):
    """What the rules look at.

    Attributes:
        bars: The stored bars, oldest first.
        expected: The sessions that should have one by now, ascending, as dates.
        coverage: The windows that the source was asked for.
        quarantined: What came and broke a rule.
        calendar: The exchange's sessions.
    """

    bars: BarColumns
    expected: NDArray[np.datetime64]
    coverage: Sequence[CoverageWindow]
    quarantined: Sequence[RejectedBar]
    calendar: TradingCalendar


class Rule(NamedTuple):
    """A truth about daily bars, and what finds exceptions to it."""

    name: str
    description: str
    severity: Severity
    find: Callable[[Subject], Iterable[Finding]]


def missing_sessions(subject: Subject) -> NDArray[np.datetime64]:
    """Return the expected sessions that should have a bar and have none.

    The same as :func:`jutsu_core.history.sessions_without_bar`: sessions before the first bar and
    after the last are not missing once the source has said that there is nothing (not listed yet,
    delisted); a hole between two bars always is.
    """
    present, expected = subject.bars.sessions, subject.expected
    absent = expected[~np.isin(expected.astype(np.int64), present.astype(np.int64))]
    if not len(absent):
        return absent
    believed = _believed_empty(absent, subject.coverage, subject.calendar)
    if len(present):
        believed &= (absent < present.min()) | (absent > present.max())
    lost: NDArray[np.datetime64] = absent[~believed]
    return lost


def _believed_empty(
    absent: NDArray[np.datetime64], coverage: Iterable[CoverageWindow], calendar: TradingCalendar
) -> NDArray[np.bool_]:
    """Return for which sessions, ascending, the source was asked late enough and had nothing."""
    believed = np.zeros(len(absent), dtype=np.bool_)
    stamps = absent.astype("datetime64[us]").astype(np.int64)
    sessions: list[date] = absent.tolist()
    for window in coverage:
        first, after = np.searchsorted(stamps, [to_epoch(window.start), to_epoch(window.end)]).tolist()
        # Sessions close in their order: those that were settled by then are the first ones.
        settled_by = window.asked_at - BELIEVED_AFTER
        believed[first : bisect_right(sessions, settled_by, first, max(first, after), key=calendar.close)] = True
    return believed


def _at_bars(name: str, find: Callable[[BarColumns], Places]) -> Callable[[Subject], Iterable[Finding]]:
    def found(subject: Subject) -> Iterable[Finding]:
        sessions = subject.bars.sessions
        for place, text in find(subject.bars):
            yield Finding(name, sessions[place].item(), cleaned(text))

    return found


def _absent(subject: Subject) -> Iterable[Finding]:
    if not len(subject.bars):
        yield Finding("bars_are_stored", None, "no bar is stored")


def _missing(subject: Subject) -> Iterable[Finding]:
    for session in missing_sessions(subject).tolist():
        yield Finding("no_session_is_missing", session, "no bar")


def _quarantined(subject: Subject) -> Iterable[Finding]:
    for rejected in subject.quarantined:
        session = None if rejected.timestamp is None else rejected.timestamp.date()
        yield Finding("no_candle_is_quarantined", session, cleaned(f"{rejected.reason}: {rejected.raw}"))


RULES = (
    Rule(
        "bars_are_stored",
        "Every symbol that was asked for has at least one bar. If one has none, check its spelling, look at what was"
        " quarantined, or take it out of the universe.",
        Severity.ERROR,
        _absent,
    ),
    Rule(
        "ohlc_is_consistent",
        "Every stored bar has prices above 0, high at least open and close, low at most open and close. Such a bar came"
        " past the rules, from another program: materialize the symbol with verify: true to replace it.",
        Severity.ERROR,
        _at_bars("ohlc_is_consistent", inconsistent),
    ),
    Rule(
        "no_session_is_missing",
        "Every session of the exchange calendar has a bar, from the first stored bar to the newest complete"
        " session, or to the end of trading once the source has said that there is nothing more. Materialize the"
        " symbol to ask again.",
        Severity.WARN,
        _missing,
    ),
    Rule(
        "no_session_is_duplicated",
        "No session date has more than one bar. The second came from another program, with another time of day:"
        " materialize the symbol with verify: true, which withdraws what the source does not send.",
        Severity.ERROR,
        _at_bars("no_session_is_duplicated", duplicated),
    ),
    Rule(
        "prices_are_on_one_scale",
        "No close is followed by a bar at a split's ratio of it, as if a split had been applied to one side"
        " only. Materialize the symbol with verify: true to fetch its whole history again; acknowledge it where the"
        " price really moved like that.",
        Severity.WARN,
        _at_bars("prices_are_on_one_scale", rescaled),
    ),
    Rule(
        "no_price_is_a_spike",
        "No price is more than twice, or less than half, of everything around it. Compare it with another source;"
        " materialize the symbol with verify: true, or acknowledge it where it was traded.",
        Severity.WARN,
        _at_bars("no_price_is_a_spike", spikes),
    ),
    Rule(
        "no_bar_is_stale",
        "No bar repeats the prices of the bar before, as where a vendor filled a gap. Compare it with another source;"
        " materialize the symbol with verify: true, or acknowledge it where trading was like that.",
        Severity.WARN,
        _at_bars("no_bar_is_stale", stale),
    ),
    Rule(
        "no_candle_is_quarantined",
        "Nothing that the source sent broke a rule; what did is kept apart, as it came, with the reason. Materialize"
        " the symbol to ask again; acknowledge it where the source does not mend it.",
        Severity.WARN,
        _quarantined,
    ),
)


def judge(subject: Subject) -> list[Finding]:
    """Return every exception to every rule once, by rule, then by time."""
    return list(dict.fromkeys(finding for rule in RULES for finding in rule.find(subject)))
