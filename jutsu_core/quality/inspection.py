"""Judging what is stored, and only what changed since it was judged last."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from jutsu_core.bars import BarColumns, Timeframe
from jutsu_core.calendar import TradingCalendar
from jutsu_core.ports import BarStore, Clock
from jutsu_core.quality.catalog import RULES_VERSION, Subject, judge
from jutsu_core.quality.findings import Findings, Verdict


class Inspection:
    """Judges the daily bars of one symbol after another by all rules, and keeps the verdicts.

    A verdict stands as long as nothing changed that it depends on: the stored bars, what the source
    was asked for, what was quarantined, the sessions expected by now, and the rules themselves.

    Args:
        store: Where bars are.
        findings: Where verdicts are kept.
        calendar: Sessions of the exchange.
        clock: Tells which session is the newest complete one.
        first: First session date wanted of every symbol.
    """

    def __init__(
        self, store: BarStore, findings: Findings, calendar: TradingCalendar, clock: Clock, *, first: date
    ) -> None:
        self._store = store
        self._findings = findings
        self._calendar = calendar
        self._clock = clock
        self._first = first
        self._expected: tuple[date | None, NDArray[np.datetime64]] = (None, np.array([], dtype="datetime64[D]"))

    def inspect(self, symbol: str, columns: Callable[[], BarColumns] | None = None) -> Verdict:
        """Return the verdict on ``symbol``: the recorded one where it still stands, a new one otherwise.

        Args:
            symbol: Ticker; one without a stored bar is judged too.
            columns: Reads its bars, where the caller needs them too. It is called only where something
                changed, and after what identifies the bars was read: those of before could be
                outdated, and the verdict on them would stand.

        Raises:
            StoreError: The store could not be read, or the verdict not be recorded.
        """
        newest = self._calendar.last_complete_session(self._clock.now())
        content = (RULES_VERSION, self._store.state(symbol, Timeframe.D1), self._calendar.name, self._first, newest)
        basis = hashlib.sha256(repr(content).encode()).hexdigest()
        known = self._findings.verdict(symbol, Timeframe.D1)
        if known is not None and known.basis == basis:
            return known
        subject = Subject(
            bars=self._store.columns(symbol, Timeframe.D1) if columns is None else columns(),
            expected=self._expected_until(newest),
            coverage=self._store.coverage(symbol, Timeframe.D1),
            quarantined=self._store.quarantined(symbol, Timeframe.D1),
            calendar=self._calendar,
        )
        return self._findings.record(symbol, Timeframe.D1, basis=basis, findings=judge(subject))

    def _expected_until(self, newest: date | None) -> NDArray[np.datetime64]:
        if newest != self._expected[0]:
            sessions: Sequence[date] = (
                [] if newest is None or newest < self._first else self._calendar.sessions(self._first, newest)
            )
            self._expected = (newest, np.array(sessions, dtype="datetime64[D]"))
        return self._expected[1]
