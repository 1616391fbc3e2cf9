"""Checks of daily bars: what the rules of ``jutsu_core.quality`` find in the store, as truths.

A check judges every symbol of the universe that is stored, not only those of the run: it
has one light in the UI, and that light must not turn green because a sound symbol was
materialized after a broken one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import dagster as dg

from jutsu_assets.graph.metadata import table
from jutsu_assets.universe import Universe
from jutsu_core.bars import Bar, Timeframe
from jutsu_core.calendar import TradingCalendar
from jutsu_core.history import DailyHistory, sessions_without_bar
from jutsu_core.ports import BarStore
from jutsu_core.quality.rules import duplicated_sessions, faulty_bars, split_suspects

LISTED_FINDINGS = 50

Finding = Mapping[str, str]


class Subject(NamedTuple):
    """What the checks look at."""

    symbol: str
    bars: Sequence[Bar]
    store: BarStore
    history: DailyHistory
    calendar: TradingCalendar
    universe: Universe


class Check(NamedTuple):
    """A truth about daily bars, and what finds exceptions to it."""

    name: str
    description: str
    severity: dg.AssetCheckSeverity
    find: Callable[[Subject], Iterable[Finding]]


def _inconsistent(subject: Subject) -> Iterable[Finding]:
    for bar, fault in faulty_bars(subject.bars):
        yield {"symbol": subject.symbol, "session": str(bar.timestamp.date()), "finding": fault}


def _rescaled(subject: Subject) -> Iterable[Finding]:
    for bar, finding in split_suspects(subject.bars):
        yield {"symbol": subject.symbol, "session": str(bar.timestamp.date()), "finding": finding}


def _duplicated(subject: Subject) -> Iterable[Finding]:
    for session, same in duplicated_sessions(subject.bars):
        stamps = ", ".join(bar.timestamp.isoformat() for bar in same)
        yield {"symbol": subject.symbol, "session": str(session), "finding": f"{len(same)} bars: {stamps}"}


def _missing(subject: Subject) -> Iterable[Finding]:
    expected = subject.history.expected_sessions(subject.universe.history_start)
    for session in sessions_without_bar(expected, subject.store, subject.symbol, subject.calendar):
        yield {"symbol": subject.symbol, "session": str(session), "finding": "no bar"}


def _quarantined(subject: Subject) -> Iterable[Finding]:
    for rejected in subject.store.quarantined(subject.symbol, Timeframe.D1):
        session = "" if rejected.timestamp is None else str(rejected.timestamp.date())
        yield {"symbol": subject.symbol, "session": session, "finding": f"{rejected.reason}: {rejected.raw}"}


DAILY_BAR_CHECKS = (
    Check(
        "ohlc_is_consistent",
        "Every stored bar has prices above 0, high at least open and close, low at most open and close.",
        dg.AssetCheckSeverity.ERROR,
        _inconsistent,
    ),
    Check(
        "no_session_is_missing",
        "Every session of the exchange calendar has a bar, from the first stored bar to the newest complete"
        " session, or to the end of trading once the source has said that there is nothing more.",
        dg.AssetCheckSeverity.WARN,
        _missing,
    ),
    Check(
        "no_session_is_duplicated",
        "No session date has more than one bar.",
        dg.AssetCheckSeverity.ERROR,
        _duplicated,
    ),
    Check(
        "prices_are_on_one_scale",
        "No close is followed by a bar at a common split ratio of it, as if a split had been applied to one side"
        " only. Materialize the symbol with verify: true to fetch its whole history again.",
        dg.AssetCheckSeverity.WARN,
        _rescaled,
    ),
    Check(
        "no_candle_is_quarantined",
        "Nothing that the source sent broke a rule; what did is kept apart, as it came, with the reason.",
        dg.AssetCheckSeverity.WARN,
        _quarantined,
    ),
)


def check_specs(asset: str) -> list[dg.AssetCheckSpec]:
    """Return the specifications of all checks of ``asset``."""
    return [dg.AssetCheckSpec(check.name, asset=asset, description=check.description) for check in DAILY_BAR_CHECKS]


def evaluate(
    store: BarStore, history: DailyHistory, calendar: TradingCalendar, universe: Universe
) -> list[dg.AssetCheckResult]:
    """Return the result of every check over all stored symbols of the universe."""
    findings: dict[str, list[Finding]] = {check.name: [] for check in DAILY_BAR_CHECKS}
    judged = [symbol for symbol in universe.symbols if store.version(symbol, Timeframe.D1) is not None]
    for symbol in judged:
        bars = store.read(symbol, Timeframe.D1)
        subject = Subject(symbol, bars, store, history, calendar, universe)
        for check in DAILY_BAR_CHECKS:
            findings[check.name].extend(check.find(subject))
    return [_result(check, findings[check.name], judged) for check in DAILY_BAR_CHECKS]


def _result(check: Check, findings: list[Finding], judged: list[str]) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {"symbols": judged, "findings": len(findings)}
    if findings:
        metadata["exceptions"] = table(findings[:LISTED_FINDINGS])
    return dg.AssetCheckResult(check_name=check.name, passed=not findings, severity=check.severity, metadata=metadata)
