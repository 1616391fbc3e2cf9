"""Bars as they were known: random histories of writes, read as of every instant, against full snapshots."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from jutsu_assets.store import schema
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_assets.store.handlers import DatabaseDataHandler
from jutsu_core.bars import BAR_COLUMNS, PRICE_COLUMNS, Bar, Timeframe, from_epoch, session_timestamp
from jutsu_core.errors import NoDataError
from jutsu_core.events import MarketDataEvent
from jutsu_core.ports import BEGINNING, END_OF_TIME, BarRevision, WriteResult, checked_window
from tests.support.builders import NOON, SettableClock, bar, days, fetched

D1 = Timeframe.D1
SYMBOLS = ("AAPL", "IBM", "MSFT")
NEVER = "NEVER"
TICK, DAY = timedelta(microseconds=1), timedelta(days=1)
POOL = days(date(2013, 1, 1), 31)
STAMPS = [session_timestamp(day) for day in POOL]
WINDOWS = [(BEGINNING, END_OF_TIME), (STAMPS[7], STAMPS[19] + timedelta(hours=6)), (STAMPS[3], STAMPS[3])]
ADVANCES = [timedelta(0), TICK, 2 * TICK, DAY, -TICK, -DAY, -3 * DAY]

State = dict[datetime, Bar]


@dataclass(frozen=True)
class Step:
    """One answer of a source, and how the clock moves before it is written."""

    symbol: str
    window: tuple[int, int]
    missing: frozenset[int]
    level: int
    every: int
    replace: bool
    advance: timedelta

    @property
    def start(self) -> datetime:
        return STAMPS[self.window[0]]

    @property
    def end(self) -> datetime:
        return STAMPS[self.window[1]]

    @property
    def came(self) -> State:
        """Return the bars of the answer; every so many say more than the others."""
        bars = [
            bar(POOL[n], str(self.level + (n % self.every == 0)), volume=1_000 + n)
            for n in range(*self.window)
            if n not in self.missing
        ]
        return {one.timestamp: one for one in bars}


def steps() -> st.SearchStrategy[Step]:
    places = st.integers(0, len(POOL) - 1)
    some = st.tuples(places, places).map(lambda pair: (min(pair), max(pair)))
    return st.builds(
        Step,
        symbol=st.sampled_from(SYMBOLS),
        window=st.one_of(st.just((0, len(POOL) - 1)), some),
        missing=st.one_of(st.frozensets(places, max_size=6), st.just(frozenset(range(len(POOL))))),
        level=st.integers(1, 3),
        every=st.integers(1, 5),
        replace=st.booleans(),
        advance=st.sampled_from(ADVANCES),
    )


def step(level: int, *, missing: Sequence[int] = (), advance: timedelta = timedelta(0), symbol: str = "AAPL") -> Step:
    """Return an answer about everything, which replaces."""
    return Step(symbol, (0, 30), frozenset(missing), level, 31, replace=True, advance=advance)


LIFE_OF_A_BAR = [
    step(1),
    step(2),
    step(2, missing=range(5, 9), advance=-DAY),
    step(2, symbol="IBM"),
    step(2, missing=range(30)),
    step(1, advance=3 * DAY),
    step(2),
]
"""Inserted, restated, withdrawn in part and in whole, and come back, by a clock that stands still or is set back."""


@dataclass
class Model:
    """Whole snapshots of every symbol, by the instant from which they were known."""

    snapshots: dict[str, list[tuple[datetime, State]]] = field(default_factory=lambda: {name: [] for name in SYMBOLS})

    def now(self, symbol: str) -> State:
        return self.snapshots[symbol][-1][1] if self.snapshots[symbol] else {}

    def known(self, symbol: str, moment: datetime) -> list[Bar]:
        """Return the bars of ``symbol`` as they were known at ``moment``, ascending."""
        state: State = {}
        for instant, snapshot in self.snapshots.get(symbol, []):
            if instant <= moment:
                state = snapshot
        return [state[stamp] for stamp in sorted(state)]

    def events(self, symbol: str, moment: datetime) -> list[MarketDataEvent]:
        return [MarketDataEvent.of_bar(symbol, one, D1) for one in self.known(symbol, moment)]

    def revisions(self, symbol: str) -> list[BarRevision]:
        """Return what each snapshot ended of the one before it."""
        found = []
        since: dict[datetime, datetime] = {}
        before: State = {}
        for instant, after in self.snapshots[symbol]:
            ended = [stamp for stamp in sorted(before) if after.get(stamp) != before[stamp]]
            found += [
                BarRevision(
                    former=before[stamp], recorded_at=since[stamp], superseded_at=instant, successor=after.get(stamp)
                )
                for stamp in ended
            ]
            since |= {stamp: instant for stamp, one in after.items() if before.get(stamp) != one}
            before = after
        return found

    def instants(self) -> list[datetime]:
        """Return every change, just before and just after it, before everything and after everything."""
        changes = {instant for snapshots in self.snapshots.values() for instant, _ in snapshots} or {NOON}
        around = {instant + tick for instant in changes for tick in (-TICK, timedelta(0), TICK)}
        return sorted(around | {min(changes) - DAY, max(changes) + DAY})


def recorded_at(database: Database, symbol: str) -> datetime | None:
    """Return when the partition last changed, as the database says."""
    table = schema.partition_versions
    query = select(table.c.recorded_at).where((table.c.symbol == symbol) & (table.c.timeframe == D1.value))
    with database.reading() as connection:
        found = connection.scalar(query)
    return None if found is None else from_epoch(found)


def write(one: Step, store: SqlBarStore, database: Database, model: Model) -> None:
    """Write one answer to the store, and bring the model to the same."""
    came, before, last = one.came, model.now(one.symbol), recorded_at(database, one.symbol)
    gone = {stamp for stamp in before if one.replace and one.start <= stamp < one.end and stamp not in came}
    after = {stamp: held for stamp, held in before.items() if stamp not in gone} | came
    result = store.write(one.symbol, D1, fetched(*came.values(), start=one.start, end=one.end), replace=one.replace)
    assert result == WriteResult(
        inserted=len(came.keys() - before.keys()),
        changed=sum(stamp in before and before[stamp] != bar for stamp, bar in came.items()),
        unchanged=sum(stamp in before and before[stamp] == bar for stamp, bar in came.items()),
        quarantined=0,
        withdrawn=len(gone),
    )
    instant = recorded_at(database, one.symbol)
    if after == before:
        assert instant == last, "nothing changed, and yet it was recorded"
        return
    assert instant is not None
    assert last is None or instant > last, "two changes must never meet"
    model.snapshots[one.symbol].append((instant, after))


def replay(history: Sequence[Step], database: Database) -> Iterator[Model]:
    """Empty the database and write ``history`` into it; yield the model, the same one, after every step."""
    with database.writing() as connection:
        for table in schema.metadata.tables.values():
            connection.execute(table.delete())
    clock, model = SettableClock(), Model()
    store = SqlBarStore(database, "scripted", clock)
    for one in history:
        clock.advance(one.advance)
        write(one, store, database, model)
        yield model


def handler_over(
    database: Database, moment: datetime | None, *, symbols: Sequence[str] | None = None
) -> DatabaseDataHandler:
    """Return a handler that shares the connections of ``database``: opening them takes longest."""
    handler = DatabaseDataHandler(str(database.url), as_of=moment, symbols=symbols)
    handler.database = database
    return handler


def assert_latest(handler: DatabaseDataHandler, events: dict[str, list[MarketDataEvent]]) -> None:
    for symbol, expected in events.items():
        if expected:
            assert handler.get_latest_bar(symbol) == expected[-1]
        else:
            with pytest.raises(NoDataError, match=f"symbol '{symbol}' must have stored 1d bars, has none"):
                handler.get_latest_bar(symbol)


def assert_ranges(handler: DatabaseDataHandler, events: dict[str, list[MarketDataEvent]]) -> None:
    for start, end in WINDOWS:
        asked = [*reversed(events), SYMBOLS[0]]
        first, after = checked_window(start, end, D1)
        inside = {symbol: [one for one in events[symbol] if first <= one.timestamp < after] for symbol in asked}
        for symbol, expected in inside.items():
            assert handler.get_bars_range(symbol, start, end, missing="skip") == expected
        batch = handler.get_bars_batch(asked, start, end, missing="skip")
        assert list(batch.items()) == list(inside.items())
        frame = handler.get_frame(asked, start, end, missing="skip")
        assert tuple(frame.columns) == BAR_COLUMNS
        rows = [
            (one.symbol, one.timestamp, *(float(getattr(one, name)) for name in PRICE_COLUMNS), one.volume)
            for expected in inside.values()
            for one in expected
        ]
        assert list(frame.itertuples(index=False, name=None)) == rows


def events_at(model: Model, moment: datetime | None) -> dict[str, list[MarketDataEvent]]:
    """Return the bars of every symbol, and of one that there never was, as known at ``moment``; now if None."""
    then = END_OF_TIME if moment is None else moment
    return {symbol: model.events(symbol, then) for symbol in (*SYMBOLS, NEVER)}


def assert_everything(database: Database, model: Model, moment: datetime | None) -> None:
    """Compare every method of a handler as of ``moment`` (as things are now if None) with the model."""
    handler = handler_over(database, moment)
    events = events_at(model, moment)
    in_order = sorted((one for found in events.values() for one in found), key=lambda one: (one.timestamp, one.symbol))
    assert list(handler.get_next_bar()) == in_order
    ranges = {
        symbol: (found[0].timestamp, found[-1].timestamp, len(found)) for symbol, found in events.items() if found
    }
    assert {str(row[0]): row[1:] for row in handler.symbols().itertuples(name=None)} == ranges
    chosen = ("MSFT", NEVER, "AAPL")
    streamed = handler_over(database, moment, symbols=chosen).get_next_bar(missing="skip")
    assert list(streamed) == [one for one in in_order if one.symbol in chosen]
    for _ in range(2):  # the second time from memory
        assert_latest(handler, events)
    assert_ranges(handler, events)


def examples(url: str) -> settings:
    return settings(max_examples=50 if url.startswith("sqlite") else 15, derandomize=True, database=None)


@pytest.mark.slow
def test_every_history_reads_as_it_was_known_at_every_instant(url: str, database: Database) -> None:
    @examples(url)
    @given(st.lists(steps(), max_size=8))
    @example(LIFE_OF_A_BAR)
    def holds(history: list[Step]) -> None:
        model = Model()
        for model in replay(history, database):  # noqa: B007 - the last one counts
            pass
        for moment in (*model.instants(), None):
            assert_everything(database, model, moment)
        store = SqlBarStore(database, "scripted", SettableClock())
        for symbol in SYMBOLS:
            assert store.revisions(symbol, D1) == model.revisions(symbol)

    holds()


@pytest.mark.slow
def test_a_handler_that_lives_through_a_history_is_never_out_of_date(url: str, database: Database) -> None:
    """It keeps latest bars in memory; some are asked after every write, some after every second or third."""

    @examples(url)
    @given(st.lists(steps(), max_size=12))
    @example(LIFE_OF_A_BAR)
    def holds(history: list[Step]) -> None:
        moments = (NOON - DAY, NOON, NOON + DAY, None)
        kept = [(every, moment, handler_over(database, moment)) for every in (1, 2, 3) for moment in moments]
        for number, model in enumerate(replay(history, database), start=1):
            for every, moment, handler in kept:
                if number % every == 0:
                    assert_latest(handler, events_at(model, moment))

    holds()


def test_a_latest_bar_in_memory_is_not_that_of_another_time_with_the_same_bars(
    database: Database, clock: SettableClock
) -> None:
    """As of tomorrow, the second of three writes counts, though the third brings back what the first said."""
    store, handler = SqlBarStore(database, "scripted", clock), handler_over(database, NOON + DAY)
    first, second = bar(POOL[0], "100"), bar(POOL[0], "101")
    store.write("AAPL", D1, fetched(first))
    assert handler.get_latest_bar("AAPL") == MarketDataEvent.of_bar("AAPL", first, D1)
    for restated in (second, first):
        clock.advance(DAY)
        store.write("AAPL", D1, fetched(restated))
    assert handler.get_latest_bar("AAPL") == MarketDataEvent.of_bar("AAPL", second, D1)
