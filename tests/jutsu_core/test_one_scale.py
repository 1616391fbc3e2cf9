"""Stored prices are never on two scales, whatever part of a history is asked for after a split."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jutsu_core.bars import Bar, RejectedBar, Timeframe, session_timestamp
from jutsu_core.calendar import TradingCalendar
from jutsu_core.errors import InvalidInputError, MalformedResponseError
from jutsu_core.history import DailyHistory, HistoryRequest, HistoryUpdate
from jutsu_core.quality.rules import split_suspects
from tests.support.builders import ScriptedSource, SettableClock, bar
from tests.support.memory_store import MemoryBarStore

D1 = Timeframe.D1
FIRST, SPLIT_DAY = date(2012, 1, 3), date(2013, 2, 28)
CALENDAR = TradingCalendar("XNYS", date(2011, 12, 1), date(2013, 12, 31))
SESSIONS = CALENDAR.sessions(FIRST, date(2013, 12, 30))
BEFORE, AFTER = datetime(2013, 2, 28, 2, tzinfo=UTC), datetime(2013, 3, 1, 2, tzinfo=UTC)


@dataclass
class World:
    """A source whose prices halve with a split, and a history that was up to date the evening before."""

    clock: SettableClock
    source: ScriptedSource
    store: MemoryBarStore
    history: DailyHistory

    def update(self, **wanted: object) -> HistoryUpdate:
        return self.history.update(HistoryRequest(**{"symbol": "AAPL", "first": FIRST} | wanted))  # type: ignore[arg-type]

    def bars(self) -> list[Bar]:
        return self.store.read("AAPL", D1)


def world(*, held_from: date = FIRST) -> World:
    clock = SettableClock(BEFORE)
    source = ScriptedSource(clock, (bar(day, "88") for day in SESSIONS if day < SPLIT_DAY))
    store = MemoryBarStore(clock)
    made = World(clock, source, store, DailyHistory(source, store, CALENDAR, clock))
    made.update(first=held_from)
    clock.moment = AFTER
    source.hold(*(bar(day, "44") for day in SESSIONS if day <= SPLIT_DAY))
    return made


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"first": SPLIT_DAY},
        {"first": date(2013, 1, 3), "verify": True},
        {"first": date(2012, 4, 2), "last": date(2012, 6, 29), "verify": True},
        {"last": date(2012, 6, 29), "verify": True},
        {"verify": True},
    ],
    ids=["all", "the last day", "a recent part", "a part in the middle", "the first part", "all, verifying"],
)
def test_a_split_is_taken_over_whole_whatever_is_asked_for(wanted: dict[str, object]) -> None:
    after = world()
    after.update(**wanted)
    assert {one.close for one in after.bars()} == {44_000_000}
    after.update()
    assert [one.timestamp.date() for one in after.bars()] == [day for day in SESSIONS if day <= SPLIT_DAY]


def test_older_history_added_after_a_split_brings_the_rest_along() -> None:
    after = world(held_from=date(2012, 7, 2))
    update = after.update(last=date(2012, 6, 29))
    assert update.was_restated
    assert {one.close for one in after.bars()} == {44_000_000}


@settings(max_examples=60)
@given(st.data())
def test_no_request_leaves_two_scales(data: st.DataObject) -> None:
    after = world(held_from=data.draw(st.sampled_from(SESSIONS[:250])))
    for _ in range(data.draw(st.integers(1, 3))):
        first = data.draw(st.sampled_from(SESSIONS[:290]))
        last = data.draw(st.none() | st.sampled_from([day for day in SESSIONS[:291] if day >= first]))
        after.update(first=first, last=last, verify=data.draw(st.booleans()))
        assert split_suspects(after.bars()) == []


def test_a_correction_of_the_newest_bar_does_not_fetch_everything_again() -> None:
    clock = SettableClock(BEFORE)
    source = ScriptedSource(clock, (bar(day) for day in SESSIONS if day <= SPLIT_DAY))
    store = MemoryBarStore(clock)
    history = DailyHistory(source, store, CALENDAR, clock)
    history.update(HistoryRequest(symbol="AAPL", first=FIRST))
    clock.moment = AFTER
    source.hold(bar(date(2013, 2, 27), volume=5))
    update = history.update(HistoryRequest(symbol="AAPL", first=FIRST))
    assert (update.calls, update.was_restated) == (1, False)
    assert update.written is not None
    assert (update.written.inserted, update.written.changed) == (1, 1)


def test_bars_that_a_restated_history_no_longer_holds_are_withdrawn() -> None:
    after = world()
    after.source.drop(date(2012, 5, 1))
    update = after.update()
    assert update.written is not None
    assert update.written.withdrawn == 1
    assert {one.close for one in after.bars()} == {44_000_000}
    assert [r.former.timestamp.date() for r in after.store.revisions("AAPL", D1) if r.successor is None] == [
        date(2012, 5, 1)
    ]


def test_a_bar_that_came_broken_in_a_restated_history_does_not_stay_on_the_old_scale() -> None:
    after = world()
    broken = date(2012, 5, 1)
    after.source.drop(broken)
    after.source.rejected = (RejectedBar("x", "broken", session_timestamp(broken)),)
    after.update()
    assert {one.close for one in after.bars()} == {44_000_000}


@pytest.mark.parametrize("wanted", [{}, {"verify": True}], ids=["restated", "verifying"])
def test_an_answer_that_lost_most_of_the_history_replaces_nothing(wanted: dict[str, object]) -> None:
    after = world()
    before = after.bars()
    after.source.drop(*(day for day in SESSIONS[:200]))
    with pytest.raises(MalformedResponseError, match=r"sent only \d+ of the 289 sessions held; nothing was written"):
        after.update(**wanted)
    assert after.bars() == before


def test_verifying_withdraws_what_the_source_no_longer_has() -> None:
    clock = SettableClock(BEFORE)
    source = ScriptedSource(clock, (bar(day) for day in SESSIONS if day < SPLIT_DAY))
    store = MemoryBarStore(clock)
    history = DailyHistory(source, store, CALENDAR, clock)
    history.update(HistoryRequest(symbol="AAPL", first=FIRST))
    source.drop(date(2012, 5, 1))
    update = history.update(HistoryRequest(symbol="AAPL", first=FIRST, verify=True))
    assert update.written is not None
    assert (update.written.withdrawn, update.written.unchanged) == (1, 288)


@pytest.mark.parametrize("wanted", [{"verify": True}, {}], ids=["verifying", "at the edge of the overlap"])
def test_a_sound_bar_stays_when_its_candle_comes_broken_later(wanted: dict[str, object]) -> None:
    clock = SettableClock(BEFORE)
    source = ScriptedSource(clock, (bar(day) for day in SESSIONS if day <= SPLIT_DAY))
    store = MemoryBarStore(clock)
    same = World(clock, source, store, DailyHistory(source, store, CALENDAR, clock))
    same.update()
    held = same.bars()
    clock.moment = AFTER
    edge = held[-5].timestamp.date()
    source.drop(edge)
    source.rejected = (RejectedBar("x", "broken", session_timestamp(edge)),)
    assert not same.update(**wanted).was_restated
    assert same.bars()[:-1] == held


class TestWhatIsBelieved:
    """An empty answer is believed for a time, a broken one for less."""

    @pytest.fixture
    def clock(self) -> SettableClock:
        return SettableClock(datetime(2013, 3, 2, 1, tzinfo=UTC))

    def kept(self, clock: SettableClock, source: ScriptedSource) -> tuple[DailyHistory, MemoryBarStore]:
        store = MemoryBarStore(clock)
        return DailyHistory(source, store, CALENDAR, clock), store

    def test_an_answer_that_was_cut_short_is_completed_a_month_later(self, clock: SettableClock) -> None:
        late = [day for day in SESSIONS if date(2012, 9, 4) <= day <= date(2013, 3, 1)]
        source = ScriptedSource(clock, map(bar, late))
        history, store = self.kept(clock, source)
        request = HistoryRequest(symbol="AAPL", first=FIRST, last=date(2013, 3, 1))
        history.update(request)
        source.hold(*(bar(day) for day in SESSIONS if day < late[0]))
        clock.advance(timedelta(days=29))
        assert history.update(request).calls == 0
        clock.advance(timedelta(days=1))
        assert history.update(request).calls == 1
        assert store.read("AAPL", D1)[0].timestamp.date() == FIRST

    def test_a_session_whose_candle_came_broken_is_asked_for_again_the_next_day(self, clock: SettableClock) -> None:
        broken = date(2012, 6, 1)
        source = ScriptedSource(clock, (bar(day) for day in SESSIONS if day <= date(2013, 3, 1) and day != broken))
        source.rejected = (RejectedBar("x", "broken", session_timestamp(broken)),)
        history, store = self.kept(clock, source)
        request = HistoryRequest(symbol="AAPL", first=FIRST, last=date(2013, 3, 1))
        history.update(request)
        assert history.update(request).calls == 0
        source.rejected = ()
        source.hold(bar(broken))
        clock.advance(timedelta(days=1))
        assert history.update(request).calls == 1
        assert len(store.timestamps("AAPL", D1)) == len([day for day in SESSIONS if day <= date(2013, 3, 1)])


@pytest.mark.parametrize(
    ("first", "last"),
    [(date(2013, 3, 4), None), (date(2012, 12, 25), date(2012, 12, 25)), (date(2013, 1, 3), date(2013, 1, 2))],
    ids=["in the future", "a holiday", "reversed"],
)
def test_a_request_without_a_complete_session_is_refused(first: date, last: date | None) -> None:
    after = world()
    with pytest.raises(InvalidInputError, match=r"a complete session of XNYS must lie from .* newest complete one is"):
        after.update(first=first, last=last)


def test_a_request_before_the_calendar_begins_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"sessions must lie within 2011-12-01\.\.2013-12-31"):
        world().update(first=date(2010, 1, 4))
