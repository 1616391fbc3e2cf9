"""When a quote will do for the newest session, and when history is asked."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import pytest

from jutsu_core.bars import Bar, Timeframe, session_timestamp
from jutsu_core.calendar import SETTLING_TIME, TradingCalendar
from jutsu_core.history import DailyHistory, HistoryRequest
from jutsu_core.quoted import QUOTED_IN_A_ROW, QuotedSession, QuotedUpdates
from tests.support.builders import ScriptedSource, SettableClock, bar
from tests.support.memory_store import MemoryBarStore

D1 = Timeframe.D1
NYSE = TradingCalendar("XNYS", date(2013, 1, 2), date(2013, 12, 31))
FIRST, MONDAY, TUESDAY, WEDNESDAY = date(2013, 2, 1), date(2013, 3, 4), date(2013, 3, 5), date(2013, 3, 6)
REQUEST = HistoryRequest(symbol="AAPL", first=FIRST)


def traded(session: date) -> Bar:
    return bar(session, str(100 + session.toordinal() % 50), volume=session.toordinal())


def quote(session: date, **changes: object) -> QuotedSession:
    known = NYSE.sessions(FIRST, session)
    told = QuotedSession(bar=traded(session), previous_close=traded(known[-2]).close, asked_at=evening(session))
    return replace(told, **changes)  # type: ignore[arg-type]


def evening(session: date) -> datetime:
    return NYSE.close(session) + SETTLING_TIME


@dataclass
class World:
    """The store holds what the source said on Monday evening; now it is Tuesday evening."""

    clock: SettableClock
    store: MemoryBarStore
    history: DailyHistory
    quotes: QuotedUpdates

    def go_to(self, session: date) -> None:
        self.clock.moment = evening(session)

    def stored(self) -> list[Bar]:
        return list(self.store.read("AAPL", D1))


@pytest.fixture
def world() -> World:
    clock = SettableClock()
    source = ScriptedSource(clock, map(traded, NYSE.sessions(FIRST, date(2013, 6, 28))))
    store = MemoryBarStore(clock)
    history = DailyHistory(source, store, NYSE, clock)
    made = World(clock, store, history, QuotedUpdates(store, history, NYSE, clock))
    made.go_to(MONDAY)
    history.update(REQUEST)
    made.go_to(TUESDAY)
    return made


def test_a_quote_of_the_one_missing_session_is_stored_as_its_bar(world: World) -> None:
    assert world.quotes.candidates([REQUEST]) == ["AAPL"]
    written = world.quotes.take("AAPL", quote(TUESDAY))
    assert written is not None
    assert written.inserted == 1
    assert world.stored() == [traded(session) for session in NYSE.sessions(FIRST, TUESDAY)]
    assert world.quotes.candidates([REQUEST]) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"bar": traded(MONDAY)},
        {"bar": traded(WEDNESDAY)},
        {"previous_close": traded(MONDAY).close // 2},
        {"previous_close": traded(MONDAY).close + 1},
    ],
    ids=["yesterday", "tomorrow", "after a split", "restated"],
)
def test_a_quote_that_may_differ_from_history_is_not_taken(world: World, changes: dict[str, object]) -> None:
    before = world.stored()
    assert world.quotes.take("AAPL", quote(TUESDAY, **changes)) is None
    assert world.stored() == before


def test_a_session_that_is_held_already_is_not_taken(world: World) -> None:
    world.history.update(REQUEST)
    before = world.stored()
    assert world.quotes.take("AAPL", quote(TUESDAY)) is None
    assert world.stored() == before


def test_where_more_is_missing_or_nothing_is_held_history_is_asked(world: World) -> None:
    assert world.quotes.candidates([replace(REQUEST, symbol="MSFT")]) == []
    assert world.quotes.candidates([replace(REQUEST, verify=True)]) == []
    world.go_to(WEDNESDAY)
    assert world.quotes.candidates([REQUEST]) == []


def test_before_the_session_has_settled_nothing_is_wanted(world: World) -> None:
    world.clock.advance(-timedelta(microseconds=1))
    assert world.quotes.candidates([REQUEST]) == []
    assert world.quotes.take("AAPL", quote(TUESDAY)) is None


def test_history_is_asked_again_after_a_week_of_quotes(world: World) -> None:
    in_a_row: list[int] = []
    for session in NYSE.sessions(TUESDAY, date(2013, 4, 30)):
        world.go_to(session)
        if world.quotes.candidates([REQUEST]):
            assert world.quotes.take("AAPL", quote(session)) is not None
            in_a_row[-1:] = [(in_a_row or [0])[-1] + 1]
        else:
            world.history.update(REQUEST)
            in_a_row.append(0)
    assert max(in_a_row) == QUOTED_IN_A_ROW
    assert len(in_a_row) > 4
    assert world.stored() == [traded(session) for session in NYSE.sessions(FIRST, date(2013, 4, 30))]


def test_nothing_is_known_before_the_first_session(world: World) -> None:
    world.clock.moment = session_timestamp(date(2013, 1, 2))
    assert world.quotes.candidates([REQUEST]) == []
    assert world.quotes.take("AAPL", quote(TUESDAY)) is None
