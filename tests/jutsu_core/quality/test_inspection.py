"""An inspection judges what changed, and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest

from jutsu_core.bars import Bar, BarColumns, RejectedBar, Timeframe, session_timestamp
from jutsu_core.calendar import TradingCalendar
from jutsu_core.ports import FetchedBars
from jutsu_core.quality import inspection
from jutsu_core.quality.findings import Finding, Verdict, tallied
from jutsu_core.quality.inspection import Inspection
from tests.support.builders import SettableClock, bar, fetched
from tests.support.memory_store import MemoryBarStore

D1 = Timeframe.D1
FIRST = date(2013, 2, 1)
NYSE = TradingCalendar("XNYS", date(2013, 1, 2), date(2013, 12, 31))
FRIDAY_NIGHT = datetime(2013, 3, 2, 2, tzinfo=UTC)
SESSIONS = NYSE.sessions(FIRST, date(2013, 3, 1))


def traded(session: date) -> Bar:
    return bar(session, str(100 + session.day / 7)[:8], volume=1_000 + session.day)


class MemoryFindings:
    """Keeps verdicts for as long as it lives."""

    def __init__(self, clock: SettableClock) -> None:
        self._clock = clock
        self.recorded: list[tuple[str, list[Finding]]] = []
        self._verdicts: dict[str, Verdict] = {}

    def verdict(self, symbol: str, timeframe: Timeframe) -> Verdict | None:
        assert timeframe is D1
        return self._verdicts.get(symbol)

    def record(self, symbol: str, timeframe: Timeframe, *, basis: str, findings: Sequence[Finding]) -> Verdict:
        assert timeframe is D1
        self.recorded.append((symbol, list(findings)))
        self._verdicts[symbol] = Verdict(
            symbol=symbol, basis=basis, judged_at=self._clock.now(), counts=tallied(findings)
        )
        return self._verdicts[symbol]


class CountingStore(MemoryBarStore):
    """Counts how often the bars are read."""

    reads = 0

    def columns(self, *of: object, **bounds: object) -> BarColumns:
        self.reads += 1
        return super().columns(*of, **bounds)  # type: ignore[arg-type]


@dataclass
class World:
    """Friday night; the store holds AAPL up to that day."""

    clock: SettableClock = field(default_factory=lambda: SettableClock(FRIDAY_NIGHT))

    def __post_init__(self) -> None:
        self.store = CountingStore(self.clock)
        self.findings = MemoryFindings(self.clock)
        self.write(*SESSIONS)

    def write(self, *sessions: date, **changes: object) -> None:
        bars = [traded(day) for day in sessions]
        self.answer(fetched(*bars, asked_at=self.clock.now(), **changes))  # type: ignore[arg-type]

    def answer(self, answer: FetchedBars, *, replace: bool = False) -> None:
        self.store.write("AAPL", D1, answer, replace=replace)

    def inspection(self, first: date = FIRST) -> Inspection:
        return Inspection(self.store, self.findings, NYSE, self.clock, first=first)

    def inspect(self, symbol: str = "AAPL") -> Verdict:
        return self.inspection().inspect(symbol)


@pytest.fixture
def world() -> World:
    return World()


def test_what_did_not_change_is_not_read_again(world: World) -> None:
    first = world.inspect()
    assert first.is_sound
    world.clock.advance(timedelta(hours=9))
    assert world.inspect() == first
    assert (world.store.reads, len(world.findings.recorded)) == (1, 1)


def ask_again(world: World) -> None:
    world.write(SESSIONS[0], start=session_timestamp(FIRST), end=session_timestamp(SESSIONS[-1]))


def withdraw(world: World) -> None:
    start = session_timestamp(SESSIONS[3])
    world.answer(fetched(start=start, end=start + timedelta(days=1), asked_at=world.clock.now()), replace=True)


CHANGES: dict[str, Callable[[World], None]] = {
    "a restated bar": lambda world: world.answer(fetched(bar(SESSIONS[4], "101"), asked_at=world.clock.now())),
    "a withdrawn bar": withdraw,
    "an older bar": lambda world: world.write(date(2013, 1, 31)),
    "a broken candle": lambda world: world.write(SESSIONS[0], rejected=[RejectedBar("x", "bad")]),
    "a window that was asked for again": ask_again,
    "the next session": lambda world: world.clock.advance(timedelta(days=3)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_whatever_a_verdict_depends_on_brings_a_new_one(world: World, change: Callable[[World], None]) -> None:
    before = world.inspect()
    world.clock.advance(timedelta(minutes=1))
    change(world)
    after = world.inspect()
    assert after.basis != before.basis
    assert (world.store.reads, len(world.findings.recorded)) == (2, 2)
    assert world.inspect() == after
    assert world.store.reads == 2


def test_new_rules_judge_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = world.inspect()
    monkeypatch.setattr(inspection, "RULES_VERSION", "of tomorrow")
    assert world.inspect().basis != before.basis


def test_a_history_wanted_from_earlier_on_is_judged_anew(world: World) -> None:
    world.inspect()
    earlier = world.inspection(first=date(2013, 1, 30)).inspect("AAPL")
    assert earlier.counts == {"no_session_is_missing": 2}


def test_an_empty_answer_that_is_believed_later_changes_the_verdict(world: World) -> None:
    """Nothing about the bars changed: the source was asked again, late enough."""
    start, end = session_timestamp(date(2013, 1, 28)), session_timestamp(date(2013, 3, 2))
    earlier = world.inspection(first=date(2013, 1, 28))
    world.answer(fetched(start=start, end=end, asked_at=datetime(2013, 2, 1, tzinfo=UTC)))
    assert earlier.inspect("AAPL").counts == {"no_session_is_missing": 4}
    world.answer(fetched(start=start, end=end, asked_at=world.clock.now()))
    assert earlier.inspect("AAPL").is_sound


def test_the_newest_complete_session_is_missing_until_its_bar_is_there(world: World) -> None:
    world.clock.moment = datetime(2013, 3, 5, 2, tzinfo=UTC)
    assert world.inspect().counts == {"no_session_is_missing": 1}
    assert world.findings.recorded[-1][1] == [Finding("no_session_is_missing", date(2013, 3, 4), "no bar")]
    world.write(date(2013, 3, 4))
    assert world.inspect().is_sound


def test_a_symbol_without_a_bar_is_judged(world: World) -> None:
    verdict = world.inspect("NOSUCH")
    assert verdict.counts == {"bars_are_stored": 1, "no_session_is_missing": len(SESSIONS)}
    assert world.inspect("NOSUCH") is verdict


def test_before_the_first_session_nothing_is_expected(world: World) -> None:
    verdict = world.inspection(first=date(2013, 6, 3)).inspect("NOSUCH")
    assert verdict.counts == {"bars_are_stored": 1}


def test_bars_that_the_caller_needs_too_are_read_once_and_only_when_needed(world: World) -> None:
    asked = []

    def columns() -> BarColumns:
        asked.append(True)
        return BarColumns.of(world.store.read("AAPL", D1)[:-1])

    judged = world.inspection()
    assert judged.inspect("AAPL", columns).counts == {"no_session_is_missing": 1}
    assert judged.inspect("AAPL", columns).counts == {"no_session_is_missing": 1}
    assert (world.store.reads, len(asked)) == (0, 1)


def test_a_bar_that_is_written_while_it_is_judged_brings_a_new_verdict(world: World) -> None:
    def columns() -> BarColumns:
        read = BarColumns.of(world.store.read("AAPL", D1))
        withdraw(world)
        return read

    assert world.inspection().inspect("AAPL", columns).is_sound
    assert world.inspect().counts == {"no_session_is_missing": 1}
