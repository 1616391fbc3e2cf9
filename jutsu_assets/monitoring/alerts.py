"""Alerts: what the checks find is told to a person once, and that it is over once.

What was told stands in the store. That the store itself cannot be reached stands in a file in the home meanwhile.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from jutsu_assets.clock import SystemSleeper
from jutsu_assets.monitoring.checks import CHECKS, STORE_CHECK, Problem, problems_of
from jutsu_assets.monitoring.notifiers import Notifier
from jutsu_assets.monitoring.observed import Observed
from jutsu_assets.store.alerts import Alerts
from jutsu_assets.store.engine import Database
from jutsu_assets.store.urls import sqlite_url
from jutsu_core.errors import StoreUnavailableError
from jutsu_core.ports import Clock

_logger = logging.getLogger("jutsu.alerts")


class Told(NamedTuple):
    """What one look told.

    Attributes:
        raised: Names of alerts whose beginning was told.
        over: Names of those whose end was.
        troubles: Which target did not take them, and why; it is told again by the next look.
    """

    raised: tuple[str, ...]
    over: tuple[str, ...]
    troubles: tuple[str, ...]


def look_and_tell(observed: Observed, notifiers: Sequence[Notifier], clock: Clock) -> Told:
    """Look at the quick checks of an installation, and tell what changed.

    Raises:
        StoreError: What was told cannot be kept; nothing is told.
        NoDataError: There is no store to keep it in.
    """
    looked = [check.name for check in CHECKS if check.is_quick]
    return tell(observed, problems_of(observed, only_quick=True), looked, notifiers, clock)


def tell(
    observed: Observed, problems: Sequence[Problem], looked: Sequence[str], notifiers: Sequence[Notifier], clock: Clock
) -> Told:
    """Tell each of ``notifiers`` which alerts began and ended since it was last told.

    Where the store cannot be reached, that alone is told: of everything else it is not known what was told.

    Args:
        observed: The installation.
        problems: What is wrong.
        looked: Names of the checks that were looked at: of others nothing is over.
        notifiers: The targets; each is told by itself, and again what it did not take.
        clock: Tells when.

    Raises:
        StoreError: What was told cannot be kept.
        NoDataError: There is no store to keep it in.
    """
    aside = observed.settings.home / "alerts.db"
    try:
        told = _told(observed.writable_database, _by_check(problems), looked, notifiers, clock)
    except StoreUnavailableError as error:
        aside.parent.mkdir(parents=True, exist_ok=True)
        return _told_aside(aside, {STORE_CHECK: str(error)}, notifiers, clock)
    if not aside.exists():
        return told
    over = _told_aside(aside, {}, notifiers, clock)
    if not over.troubles:
        aside.unlink(missing_ok=True)
    return Told(*(one + other for one, other in zip(told, over, strict=True)))


def _told_aside(aside: Path, wrong: Mapping[str, str], notifiers: Sequence[Notifier], clock: Clock) -> Told:
    with closing(Database(sqlite_url(aside), SystemSleeper())) as database:
        return _told(database, wrong, [STORE_CHECK], notifiers, clock)


def _told(
    database: Database, wrong: Mapping[str, str], looked: Sequence[str], notifiers: Sequence[Notifier], clock: Clock
) -> Told:
    """Tell what changed since ``database`` was told."""
    raised: dict[str, None] = {}
    over: dict[str, None] = {}
    troubles: list[str] = []
    for notifier in notifiers:
        alerts = Alerts(database, clock, notifier.key)
        claimed = alerts.settle(wrong, looked)
        if not claimed:
            continue
        trouble = notifier.tell(claimed)
        alerts.told(claimed, was_told=trouble is None)
        if trouble is not None:
            _logger.warning("not told: %s; the next look tries again", trouble)
            troubles.append(trouble)
            continue
        for alert in claimed:
            (over if alert.is_over else raised)[alert.name] = None
    return Told(tuple(raised), tuple(over), tuple(troubles))


def _by_check(problems: Sequence[Problem]) -> Mapping[str, str]:
    """Return what is wrong by check: what one finds of many symbols is one alert."""
    by_check: dict[str, list[str]] = {}
    for problem in problems:
        by_check.setdefault(problem.check, []).append(problem.said)
    return {name: "; ".join(said) for name, said in by_check.items()}
