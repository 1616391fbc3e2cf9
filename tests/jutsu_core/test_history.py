"""Keeping a daily history up to date: what is asked, when, and what the store holds afterwards.

What happens to the scale of prices after a split has its own tests in ``test_one_scale``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.bars import Bar, RejectedBar, Timeframe, session_timestamp
from jutsu_core.calendar import SETTLING_TIME, TradingCalendar
from jutsu_core.errors import (
    InvalidInputError,
    MalformedResponseError,
    SourceError,
    SourceUnavailableError,
    UnknownSymbolError,
)
from jutsu_core.history import DailyHistory, HistoryRequest, HistoryUpdate, sessions_without_bar
from jutsu_core.ports import FetchedBars, PartitionVersion, WriteResult
from jutsu_core.windows import BELIEVED_AFTER, BELIEVED_FOR
from tests.support.builders import ScriptedSource, SettableClock, bar, fetched
from tests.support.memory_store import MemoryBarStore

D1 = Timeframe.D1
NYSE = TradingCalendar("XNYS", date(2013, 1, 1), date(2013, 12, 31))
FIRST, FRIDAY, MONDAY = date(2013, 2, 1), date(2013, 3, 1), date(2013, 3, 4)
SESSIONS = NYSE.sessions(FIRST, date(2013, 4, 30))
HISTORY = NYSE.sessions(FIRST, FRIDAY)
SETTLED_MONDAY = NYSE.close(MONDAY) + SETTLING_TIME
INSTANT = timedelta(microseconds=1)


def traded(session: date) -> Bar:
    """What really happened on ``session``: every day has its own close."""
    return bar(session, str(100 + session.toordinal() % 50), volume=session.toordinal())


def halved(one: Bar) -> Bar:
    """The same bar after a split 2:1."""
    return Bar(one.timestamp, one.open // 2, one.high // 2, one.low // 2, one.close // 2, one.volume * 2)


def written(inserted: int = 0, *, changed: int = 0, unchanged: int = 0, quarantined: int = 0) -> WriteResult:
    return WriteResult(inserted=inserted, changed=changed, unchanged=unchanged, quarantined=quarantined)


@dataclass
class World:
    """Noon of Monday 2013-03-04; the source holds the bars of every session, those to come included."""

    clock: SettableClock
    source: ScriptedSource
    store: MemoryBarStore

    def update(self, *, first: date = FIRST, last: date | None = None, verify: bool = False) -> HistoryUpdate:
        return self.history().update(HistoryRequest(symbol="AAPL", first=first, last=last, verify=verify))

    def history(self) -> DailyHistory:
        return DailyHistory(self.source, self.store, NYSE, self.clock)

    def hold(self, sessions: Iterable[date]) -> None:
        """Store the bars of ``sessions``, asked for so early that no hole is believed."""
        bars = map(traded, sorted(sessions))
        self.store.write("AAPL", D1, fetched(*bars, asked_at=session_timestamp(FIRST)))

    def held(self) -> list[Bar]:
        return self.store.read("AAPL", D1)

    def state(self) -> tuple[PartitionVersion | None, object, object]:
        """Return everything that the store knows."""
        store = self.store
        return store.version("AAPL", D1), store.coverage("AAPL", D1), store.quarantined("AAPL", D1)

    def missing(self) -> list[date]:
        return sessions_without_bar(self.history().expected_sessions(FIRST), self.store, "AAPL", NYSE)


def new_world() -> World:
    clock = SettableClock()
    return World(clock, ScriptedSource(clock, map(traded, SESSIONS)), MemoryBarStore(clock))


@pytest.fixture
def world() -> World:
    return new_world()


def test_the_first_run_asks_for_the_whole_history_in_one_question(world: World) -> None:
    assert world.update() == HistoryUpdate(calls=1, written=written(20))
    assert world.source.questions == [(FIRST, FRIDAY)]
    assert world.held() == [traded(day) for day in HISTORY]


def test_the_second_run_asks_nothing_and_writes_nothing(world: World) -> None:
    world.update()
    assert world.update() == HistoryUpdate(calls=0, written=None)
    assert (len(world.source.questions), world.store.writes) == (1, 1)


def test_over_a_weekend_nothing_is_asked(world: World) -> None:
    world.clock.moment = NYSE.close(FRIDAY) + SETTLING_TIME
    world.update()
    world.clock.moment = SETTLED_MONDAY - INSTANT
    assert world.update().calls == 0


def test_the_next_day_asks_for_that_day_and_five_sessions_of_overlap(world: World) -> None:
    world.update()
    world.clock.moment = SETTLED_MONDAY
    assert world.update() == HistoryUpdate(calls=1, written=written(1, unchanged=5))
    assert world.source.questions[1:] == [(date(2013, 2, 25), MONDAY)]
    assert world.held() == [traded(day) for day in [*HISTORY, MONDAY]]


def test_a_bar_of_today_is_not_stored_before_it_has_settled(world: World) -> None:
    world.update()
    for moment in (NYSE.close(MONDAY) - timedelta(hours=3), NYSE.close(MONDAY), SETTLED_MONDAY - INSTANT):
        world.clock.moment = moment
        world.source.hold(bar(MONDAY, "1"))
        assert world.update(last=MONDAY).calls == 0
        assert world.update(verify=True).written == written(unchanged=20)
    world.source.hold(traded(MONDAY))
    world.clock.moment = SETTLED_MONDAY
    world.update()
    assert world.held()[-1] == traded(MONDAY)
    assert {last for _, last in world.source.questions} == {FRIDAY, MONDAY}


def test_an_overlap_that_was_restated_fetches_the_whole_history_again(world: World) -> None:
    world.update()
    world.clock.moment = SETTLED_MONDAY
    world.source.hold(*(halved(traded(day)) for day in [*HISTORY, MONDAY]))
    assert world.update() == HistoryUpdate(calls=2, written=written(1, changed=20), was_restated=True)
    assert world.source.questions[1:] == [(date(2013, 2, 25), MONDAY), (FIRST, MONDAY)]
    assert world.held() == [halved(traded(day)) for day in [*HISTORY, MONDAY]]
    assert world.store.writes == 2
    assert world.update().calls == 0


def test_a_correction_inside_the_overlap_is_taken_over_without_another_question(world: World) -> None:
    world.update()
    world.clock.moment = SETTLED_MONDAY
    world.source.hold(bar(date(2013, 2, 26), "7"))
    assert world.update() == HistoryUpdate(calls=1, written=written(1, changed=1, unchanged=4))
    assert bar(date(2013, 2, 26), "7") in world.held()


def test_a_correction_further_back_is_found_by_verifying(world: World) -> None:
    world.update()
    world.source.hold(bar(date(2013, 2, 5), "7"))
    assert world.update().calls == 0
    assert world.update(verify=True) == HistoryUpdate(calls=1, written=written(changed=1, unchanged=19))
    assert world.source.questions[1:] == [(FIRST, FRIDAY)]
    assert world.held()[2] == bar(date(2013, 2, 5), "7")


def test_the_limits_of_a_request_limit_what_is_asked(world: World) -> None:
    world.update(first=date(2013, 2, 9), last=date(2013, 2, 18))  # a Saturday and a holiday
    assert world.source.questions == [(date(2013, 2, 11), date(2013, 2, 15))]
    world.update(first=date(2013, 2, 20), last=date(2013, 12, 31))
    assert world.source.questions[1:] == [(date(2013, 2, 11), FRIDAY)]


def test_a_hole_is_asked_for_with_an_overlap_on_both_sides(world: World) -> None:
    hole = HISTORY[9]
    world.hold(day for day in HISTORY if day != hole)
    assert world.update() == HistoryUpdate(calls=1, written=written(1, unchanged=10))
    assert world.source.questions == [(HISTORY[4], HISTORY[14])]
    assert world.held() == [traded(day) for day in HISTORY]


def test_an_unknown_symbol_is_an_error_each_time_and_nothing_is_stored(world: World) -> None:
    world.source.bars = {}
    expected = r"symbol 'AAPL' must be one that scripted knows, .* from 2013-02-01 to 2013-03-01; check the spelling"
    for _ in range(2):
        with pytest.raises(UnknownSymbolError, match=expected):
            world.update()
    assert world.store.writes == 0
    assert world.state() == (None, [], [])
    assert len(world.source.questions) == 2


def test_a_symbol_that_is_not_listed_yet_in_a_part_of_history_is_not_unknown(world: World) -> None:
    world.source.drop(*HISTORY[:10])
    assert world.update(last=HISTORY[5]) == HistoryUpdate(calls=1, written=written())
    assert world.update(last=HISTORY[5]).calls == 0
    assert world.update().written == written(10)


def test_a_symbol_whose_every_bar_is_broken_is_not_unknown(world: World) -> None:
    world.source.bars = {}
    world.source.rejected = (RejectedBar("{}", "high must be at least open", session_timestamp(FRIDAY)),)
    assert world.update().written == written(quarantined=1)
    assert world.store.quarantined("AAPL", D1) == list(world.source.rejected)


def test_a_symbol_that_is_traded_no_more_is_asked_for_a_week_and_then_left_alone(world: World) -> None:
    world.source.drop(*(day for day in SESSIONS if day > FRIDAY))
    world.update()
    world.clock.moment = NYSE.close(MONDAY) + BELIEVED_AFTER
    assert world.update(last=MONDAY) == HistoryUpdate(calls=1, written=written(unchanged=5))
    assert world.update(last=MONDAY).calls == 0
    assert world.held() == [traded(day) for day in HISTORY]


def test_sessions_before_the_listing_are_remembered_as_empty(world: World) -> None:
    world.source.drop(*HISTORY[:10])
    assert world.update().written == written(10)
    assert world.update().calls == 0
    world.clock.moment = SETTLED_MONDAY
    world.update()
    assert world.source.questions[1:] == [(date(2013, 2, 25), MONDAY)]


def test_an_empty_answer_is_believed_from_seven_days_after_the_close_on(world: World) -> None:
    world.source.drop(*HISTORY[:-1])
    doubted = HISTORY[-2]
    believed = NYSE.close(doubted) + BELIEVED_AFTER
    for moment, calls in ((believed - INSTANT, 1), (believed - INSTANT, 1), (believed, 1), (believed, 0)):
        world.clock.moment = moment
        assert world.update(last=FRIDAY).calls == calls
    assert world.source.questions == [(FIRST, FRIDAY), (doubted, FRIDAY), (doubted, FRIDAY)]


def test_an_empty_answer_is_believed_for_thirty_days(world: World) -> None:
    world.source.drop(*HISTORY[:10])
    world.update()
    world.clock.advance(BELIEVED_FOR - INSTANT)
    assert world.update(last=FRIDAY).calls == 0
    world.clock.advance(INSTANT)
    assert world.update(last=FRIDAY).calls == 1
    assert world.source.questions[1:] == [(FIRST, HISTORY[14])]


def test_a_bar_that_comes_late_is_stored(world: World) -> None:
    world.source.drop(HISTORY[-2])
    world.update()
    world.source.hold(traded(HISTORY[-2]))
    assert world.update().written == written(1, unchanged=6)
    assert world.held() == [traded(day) for day in HISTORY]


class CutOff(ScriptedSource):
    """Answers the first question and fails from the second on."""

    def fetch(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> FetchedBars:
        if self.questions:
            self.failure = lambda: SourceUnavailableError("gone")
        return super().fetch(symbol, timeframe, start, end)


@pytest.mark.parametrize("failure", [SourceUnavailableError, MalformedResponseError])
def test_a_source_that_fails_leaves_the_store_as_it_was(world: World, failure: Callable[[str], SourceError]) -> None:
    world.source.failure = lambda: failure("gone")
    with pytest.raises(SourceError, match="gone"):
        world.update()
    assert world.state() == (None, [], [])
    world.source.failure = None
    world.update()
    before = world.state()
    world.clock.moment = SETTLED_MONDAY
    world.source.failure = lambda: failure("gone")
    with pytest.raises(SourceError, match="gone"):
        world.update()
    assert world.state() == before
    world.source.failure = None
    assert world.update().written == written(1, unchanged=5)


def test_a_source_that_fails_between_two_questions_leaves_the_store_as_it_was(world: World) -> None:
    """The overlap came and was restated; the whole history did not come."""
    world.update()
    before = world.state()
    world.clock.moment = SETTLED_MONDAY
    world.source = CutOff(world.clock, (halved(traded(day)) for day in SESSIONS))
    with pytest.raises(SourceUnavailableError, match="gone"):
        world.update()
    assert len(world.source.questions) == 2
    assert world.state() == before


class Overtaken(ScriptedSource):
    """While it answers, another process brings the same partition up to date."""

    def __init__(self, world: World, other: Callable[[], object]) -> None:
        super().__init__(world.clock, world.source.bars.values())
        self._other: Callable[[], object] | None = other

    def fetch(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> FetchedBars:
        answer = super().fetch(symbol, timeframe, start, end)
        if self._other is not None:
            self._other()
            self._other = None
        return answer


@pytest.mark.parametrize("before", [[], HISTORY[:3], HISTORY[3:6], HISTORY[:-1]])
@pytest.mark.parametrize("meanwhile", [HISTORY, HISTORY[:5], HISTORY[-5:]])
def test_what_another_process_wrote_meanwhile_is_neither_lost_nor_in_the_way(
    world: World, before: list[date], meanwhile: list[date]
) -> None:
    if before:
        world.hold(before)
    world.source = Overtaken(world, lambda: world.hold(meanwhile))
    world.update()
    assert world.held() == [traded(session) for session in HISTORY]


def test_before_the_first_session_has_settled_nothing_is_expected(world: World) -> None:
    world.clock.moment = datetime(2013, 1, 2, 12, tzinfo=UTC)
    assert world.history().expected_sessions(date(2013, 1, 1)) == []


def test_a_window_without_a_complete_session_is_refused(world: World) -> None:
    world.history().require_session(FIRST, FIRST)
    with pytest.raises(InvalidInputError, match="a complete session of XNYS must lie from 2013-01-05 to 2013-01-06"):
        world.history().require_session(date(2013, 1, 5), date(2013, 1, 6))


def test_expected_sessions_end_with_the_newest_complete_one(world: World) -> None:
    history = world.history()
    assert history.expected_sessions(FIRST) == HISTORY
    assert history.expected_sessions(FIRST, date(2013, 12, 31)) == HISTORY
    assert history.expected_sessions(FIRST, HISTORY[3]) == HISTORY[:4]
    assert history.expected_sessions(FRIDAY, FIRST) == []


def test_a_hole_stays_missing_even_when_the_source_has_nothing_for_it(world: World) -> None:
    world.source.drop(HISTORY[3])
    world.update()
    assert world.update().calls == 0
    assert world.missing() == [HISTORY[3]]


def test_sessions_outside_the_stored_bars_are_missing_until_an_empty_answer_is_believed(world: World) -> None:
    world.source.drop(*HISTORY[:4], *HISTORY[-2:])
    assert world.missing() == HISTORY
    world.update()
    assert world.missing() == HISTORY[-2:]
    world.clock.moment = NYSE.close(FRIDAY) + BELIEVED_AFTER
    world.update(last=FRIDAY)
    assert [day for day in world.missing() if day <= FRIDAY] == []


@given(
    stored=st.sets(st.sampled_from(HISTORY)), absent=st.sets(st.sampled_from(HISTORY), max_size=2), verify=st.booleans()
)
def test_whatever_is_held_an_update_makes_the_store_equal_to_the_source(
    stored: set[date], absent: set[date], *, verify: bool
) -> None:
    """Two of twenty sessions may be lost without the answer being refused."""
    world = new_world()
    world.source.drop(*absent)
    world.hold(stored - absent)
    world.update(verify=verify)
    assert world.held() == [traded(day) for day in HISTORY if day not in absent]
    assert world.missing() == [day for day in HISTORY if day in absent and is_expected(day, absent)]


def is_expected(day: date, absent: set[date]) -> bool:
    """Whether a missing ``day`` lies between two bars, or closed less than a week ago."""
    present = [one for one in HISTORY if one not in absent]
    return present[0] < day < present[-1] or NYSE.close(day) + BELIEVED_AFTER > SettableClock().now()
