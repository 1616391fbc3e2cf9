"""What every :class:`jutsu_core.ports.BarStore` does; one suite for the fake and for the real one.

A subject is a subclass whose name begins with ``Test`` and which has a fixture ``store``, whose
clock is the fixture ``clock``.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from jutsu_core.bars import Bar, BarColumns, RejectedBar, Timeframe, session_timestamp
from jutsu_core.errors import InvalidInputError
from jutsu_core.ports import BarRevision, BarStore, CoverageWindow, FetchedBars, WriteResult
from tests.support.builders import NOON, SettableClock, bar, days, fetched

D1 = Timeframe.D1
LONG_AGO, FAR_AHEAD = datetime(1990, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
WEEK = days(date(2013, 2, 25), 5)
BEGIN, FINISH = session_timestamp(WEEK[0]), session_timestamp(WEEK[4])


class BarStoreContract:
    """The behaviour; a subject adds the store."""

    @pytest.fixture
    def store(self) -> BarStore:
        raise NotImplementedError

    def test_an_empty_partition_has_nothing_and_no_version(self, store: BarStore) -> None:
        assert store.read("AAPL", D1, LONG_AGO, FAR_AHEAD) == []
        assert store.timestamps("AAPL", D1) == []
        assert store.coverage("AAPL", D1) == []
        assert store.quarantined("AAPL", D1) == []
        assert store.version("AAPL", D1) is None

    def test_what_is_written_is_read_back_exactly(self, store: BarStore) -> None:
        bars = [bar(day, "438.1799", volume=n) for n, day in enumerate(WEEK)]
        assert store.write("AAPL", D1, fetched(*bars)) == WriteResult(inserted=5, changed=0, unchanged=0, quarantined=0)
        assert store.read("AAPL", D1, LONG_AGO, FAR_AHEAD) == bars

    def test_the_version_counts_bars_and_knows_the_first_and_the_last(self, store: BarStore) -> None:
        store.write("AAPL", D1, fetched(*(bar(day) for day in WEEK)))
        version = store.version("AAPL", D1)
        assert version is not None
        assert (version.rows, version.first.date(), version.last.date()) == (5, WEEK[0], WEEK[-1])

    def test_writing_the_same_again_changes_nothing(self, store: BarStore) -> None:
        answer = fetched(*(bar(day) for day in WEEK))
        store.write("AAPL", D1, answer)
        before = store.version("AAPL", D1)
        assert store.write("AAPL", D1, answer) == WriteResult(inserted=0, changed=0, unchanged=5, quarantined=0)
        assert store.version("AAPL", D1) == before
        assert store.read("AAPL", D1, LONG_AGO, FAR_AHEAD) == list(answer.bars)
        assert len(store.coverage("AAPL", D1)) == 1

    @pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume"])
    def test_a_bar_that_differs_in_any_value_is_changed_and_counted(self, store: BarStore, field: str) -> None:
        store.write("AAPL", D1, fetched(*(bar(day) for day in WEEK)))
        before = store.version("AAPL", D1)
        restated = bar(WEEK[2])
        restated = restated._replace(**{field: getattr(restated, field) + 1})
        answer = fetched(bar(WEEK[1]), restated, bar(date(2013, 3, 2)))
        assert store.write("AAPL", D1, answer) == WriteResult(inserted=1, changed=1, unchanged=1, quarantined=0)
        assert store.read("AAPL", D1, restated.timestamp, restated.timestamp + timedelta(days=1)) == [restated]
        after = store.version("AAPL", D1)
        assert before is not None
        assert after is not None
        assert after.content_hash != before.content_hash
        assert after.rows == 6

    def test_the_content_hash_depends_on_the_bars_alone(self, store: BarStore) -> None:
        """Neither the order nor the number of writes shows in it."""
        bars = [bar(day) for day in WEEK]
        store.write("AAPL", D1, fetched(*bars))
        for one in reversed(bars):
            store.write("MSFT", D1, fetched(one))
        whole, piecewise = store.version("AAPL", D1), store.version("MSFT", D1)
        assert whole == piecewise

    def test_a_bar_may_be_restated_often_within_one_instant(self, store: BarStore) -> None:
        """A clock may be coarse, or stand still."""
        for close in ("100", "101", "102", "100"):
            store.write("AAPL", D1, fetched(bar(WEEK[0], close)))
        assert store.read("AAPL", D1, LONG_AGO, FAR_AHEAD) == [bar(WEEK[0], "100")]

    def test_bars_that_were_not_in_the_answer_stay(self, store: BarStore) -> None:
        store.write("AAPL", D1, fetched(*(bar(day) for day in WEEK)))
        store.write("AAPL", D1, fetched(start=LONG_AGO, end=FAR_AHEAD))
        assert len(store.timestamps("AAPL", D1)) == 5

    def test_reading_is_half_open(self, store: BarStore) -> None:
        bars = [bar(day) for day in WEEK]
        store.write("AAPL", D1, fetched(*bars))
        assert store.read("AAPL", D1, bars[1].timestamp, bars[3].timestamp) == bars[1:3]
        assert store.read("AAPL", D1, bars[1].timestamp, bars[1].timestamp) == []

    def test_columns_are_what_is_read_as_arrays(self, store: BarStore) -> None:
        bars = [bar(day, f"{430 + n}.1799", volume=n) for n, day in enumerate(WEEK)]
        store.write("AAPL", D1, fetched(*bars))
        store.write("MSFT", D1, fetched(bar(WEEK[0], "7")))
        for bounds in ((), (bars[1].timestamp, bars[3].timestamp), (bars[1].timestamp, bars[1].timestamp)):
            columns = store.columns("AAPL", D1, *bounds)
            assert columns.values.dtype == np.int64
            assert columns.values.tolist() == BarColumns.of(store.read("AAPL", D1, *bounds)).values.tolist()
        assert len(store.columns("AAPL", D1)) == 5
        assert len(store.columns("IBM", D1)) == 0

    def test_columns_take_bounds_in_any_timezone(self, store: BarStore) -> None:
        bars = [bar(day) for day in WEEK]
        store.write("AAPL", D1, fetched(*bars))
        start, end = (bars[n].timestamp.astimezone(ZoneInfo("America/New_York")) for n in (1, 3))
        assert [str(day) for day in store.columns("AAPL", D1, start, end).sessions] == [str(WEEK[1]), str(WEEK[2])]

    def test_the_state_stays_while_nothing_changes(self, store: BarStore, clock: SettableClock) -> None:
        empty = store.state("AAPL", D1)
        store.write("MSFT", D1, fetched(bar(WEEK[0])))
        assert store.state("AAPL", D1) == empty
        answer = fetched(*(bar(day) for day in WEEK), rejected=[RejectedBar("x", "bad")])
        store.write("AAPL", D1, answer)
        before = store.state("AAPL", D1)
        clock.advance(timedelta(days=1))
        store.write("AAPL", D1, answer)
        store.write("AAPL", Timeframe.M1, fetched(bar(WEEK[0])))
        assert store.state("AAPL", D1) == before

    @pytest.mark.parametrize(
        "change",
        [
            fetched(bar(WEEK[1], "100.000001"), start=BEGIN, end=FINISH),
            fetched(bar(WEEK[1], volume=7), start=BEGIN, end=FINISH),
            fetched(bar(WEEK[4]), start=BEGIN, end=FINISH + timedelta(days=1)),
            fetched(start=BEGIN, end=FINISH, rejected=[RejectedBar("x", "bad")]),
            fetched(start=BEGIN, end=FINISH + timedelta(days=1)),
            fetched(start=BEGIN + timedelta(days=1), end=FINISH, asked_at=NOON + timedelta(seconds=1)),
            fetched(start=BEGIN, end=FINISH, asked_at=NOON + timedelta(hours=1)),
        ],
        ids=["a price", "a volume", "a bar", "a broken candle", "a wider window", "a window within", "asked again"],
    )
    def test_the_state_differs_when_anything_does(self, store: BarStore, change: FetchedBars) -> None:
        store.write("AAPL", D1, fetched(*(bar(day) for day in WEEK[:3]), start=BEGIN, end=FINISH))
        before = store.state("AAPL", D1)
        store.write("AAPL", D1, change)
        assert store.state("AAPL", D1) != before

    def test_the_state_differs_when_one_of_many_windows_was_asked_again(
        self, store: BarStore, clock: SettableClock
    ) -> None:
        """Neither the first nor the last of them."""
        stamps = [session_timestamp(day) for day in WEEK]
        for n, hours in enumerate((0, 1, 9, 2)):
            window = fetched(start=stamps[n], end=stamps[n + 1], asked_at=NOON + timedelta(hours=hours))
            store.write("AAPL", D1, window)
        clock.advance(timedelta(hours=8))
        before = store.state("AAPL", D1)
        store.write("AAPL", D1, fetched(start=stamps[1], end=stamps[2], asked_at=NOON + timedelta(hours=8)))
        assert store.state("AAPL", D1) != before

    def test_the_state_differs_when_the_clock_reaches_what_was_asked_ahead_of_it(
        self, store: BarStore, clock: SettableClock
    ) -> None:
        """Until then nobody believes it."""
        store.write("AAPL", D1, fetched(start=BEGIN, end=FINISH, asked_at=NOON + timedelta(days=3)))
        before = store.state("AAPL", D1)
        clock.advance(timedelta(days=2))
        assert store.coverage("AAPL", D1)
        assert store.state("AAPL", D1) != before

    def test_bounds_may_be_in_any_timezone(self, store: BarStore) -> None:
        bars = [bar(day) for day in WEEK]
        store.write("AAPL", D1, fetched(*bars))
        new_york = ZoneInfo("America/New_York")
        start, end = (bars[n].timestamp.astimezone(new_york) for n in (1, 3))
        assert store.read("AAPL", D1, start, end) == bars[1:3]

    def test_bars_come_back_ascending_whatever_the_order_they_came_in(self, store: BarStore) -> None:
        bars = [bar(day) for day in WEEK]
        for chosen in (bars[3:], bars[:1], list(reversed(bars[1:3]))):
            store.write("AAPL", D1, fetched(*chosen))
        assert store.timestamps("AAPL", D1) == [one.timestamp for one in bars]
        assert store.read("AAPL", D1, LONG_AGO, FAR_AHEAD) == bars

    def test_times_come_back_in_utc(self, store: BarStore) -> None:
        store.write("AAPL", D1, fetched(bar(WEEK[0])))
        (stamp,) = store.timestamps("AAPL", D1)
        assert stamp.tzinfo is UTC

    def test_symbols_and_timeframes_do_not_mix(self, store: BarStore) -> None:
        store.write("AAPL", D1, fetched(bar(WEEK[0], "10"), rejected=[RejectedBar("x", "bad")]))
        store.write("MSFT", D1, fetched(bar(WEEK[0], "20")))
        store.write("AAPL", Timeframe.M1, fetched(bar(WEEK[0], "30")))
        for symbol, timeframe, close in (("AAPL", D1, "10"), ("MSFT", D1, "20"), ("AAPL", Timeframe.M1, "30")):
            assert store.read(symbol, timeframe, LONG_AGO, FAR_AHEAD) == [bar(WEEK[0], close)]
            assert len(store.coverage(symbol, timeframe)) == 1
        assert store.quarantined("MSFT", D1) == []
        assert store.quarantined("AAPL", Timeframe.M1) == []
        assert store.timestamps("aapl", D1) == []

    def test_a_window_is_remembered_even_when_nothing_came(self, store: BarStore) -> None:
        start, end = (datetime(2000, 1, day, tzinfo=UTC) for day in (1, 5))
        store.write("AAPL", D1, fetched(start=start, end=end))
        assert store.coverage("AAPL", D1) == [CoverageWindow(start=start, end=end, asked_at=NOON, bars=0)]
        assert store.version("AAPL", D1) is None

    def test_a_later_window_replaces_those_inside_it_and_no_others(self, store: BarStore) -> None:
        stamps = [datetime(2000, 1, day, tzinfo=UTC) for day in range(1, 10)]
        later = NOON + timedelta(days=1)
        for first, last in ((0, 2), (3, 4), (4, 8)):
            store.write("AAPL", D1, fetched(start=stamps[first], end=stamps[last]))
        store.write("AAPL", D1, fetched(start=stamps[0], end=stamps[5], asked_at=later))
        assert store.coverage("AAPL", D1) == [
            CoverageWindow(start=stamps[4], end=stamps[8], asked_at=NOON, bars=0),
            CoverageWindow(start=stamps[0], end=stamps[5], asked_at=later, bars=0),
        ]

    def test_the_same_window_asked_again_is_remembered_once_with_the_later_time(self, store: BarStore) -> None:
        later = NOON + timedelta(days=1)
        for asked_at in (NOON, later):
            store.write("AAPL", D1, fetched(start=LONG_AGO, end=FAR_AHEAD, asked_at=asked_at))
        assert [window.asked_at for window in store.coverage("AAPL", D1)] == [later]

    def test_rejected_bars_are_quarantined_once(self, store: BarStore) -> None:
        rejected = [
            RejectedBar('{"high": 1}', "high must be at least open", datetime(2013, 2, 25, tzinfo=UTC)),
            RejectedBar('{"datetime": "?"}', "datetime must be a number"),
        ]
        answer = fetched(bar(WEEK[1]), rejected=[*rejected, rejected[0]])
        assert store.write("AAPL", D1, answer).quarantined == 2
        assert store.write("AAPL", D1, answer).quarantined == 0
        kept = store.quarantined("AAPL", D1)
        assert len(kept) == 2
        assert set(kept) == set(rejected)

    def test_a_quarantined_bar_changes_no_bar(self, store: BarStore) -> None:
        store.write("AAPL", D1, fetched(bar(WEEK[0])))
        before = store.version("AAPL", D1)
        store.write("AAPL", D1, fetched(bar(WEEK[0]), rejected=[RejectedBar("x", "bad")]))
        assert store.version("AAPL", D1) == before

    def test_a_restated_bar_leaves_a_revision(self, store: BarStore, clock: SettableClock) -> None:
        first, second = bar(WEEK[0], "100"), bar(WEEK[0], "101.25")
        store.write("AAPL", D1, fetched(first))
        clock.advance(timedelta(days=1))
        store.write("AAPL", D1, fetched(second))
        assert store.revisions("AAPL", D1) == [
            BarRevision(former=first, recorded_at=NOON, superseded_at=NOON + timedelta(days=1), successor=second)
        ]

    def test_a_write_that_replaces_withdraws_what_did_not_come(self, store: BarStore, clock: SettableClock) -> None:
        bars = [bar(day) for day in WEEK]
        store.write("AAPL", D1, fetched(*bars))
        clock.advance(timedelta(days=1))
        answer = fetched(bars[1], bars[3], start=bars[1].timestamp, end=bars[4].timestamp)
        result = store.write("AAPL", D1, answer, replace=True)
        assert result == WriteResult(inserted=0, changed=0, unchanged=2, quarantined=0, withdrawn=1)
        assert store.read("AAPL", D1, LONG_AGO, FAR_AHEAD) == [bars[0], bars[1], bars[3], bars[4]]
        (revision,) = store.revisions("AAPL", D1)
        assert (revision.former, revision.successor) == (bars[2], None)
        version = store.version("AAPL", D1)
        assert version is not None
        assert version.rows == 4

    def test_a_partition_whose_bars_were_all_withdrawn_is_empty(self, store: BarStore) -> None:
        bars = [bar(day) for day in WEEK]
        store.write("AAPL", D1, fetched(*bars))
        assert store.write("AAPL", D1, fetched(start=LONG_AGO, end=FAR_AHEAD), replace=True).withdrawn == 5
        assert store.version("AAPL", D1) is None
        assert store.read("AAPL", D1, LONG_AGO, FAR_AHEAD) == []
        assert len(store.revisions("AAPL", D1)) == 5

    def test_a_withdrawn_bar_may_come_back(self, store: BarStore) -> None:
        one = bar(WEEK[0])
        store.write("AAPL", D1, fetched(one, bar(WEEK[1])))
        first = store.version("AAPL", D1)
        store.write("AAPL", D1, fetched(bar(WEEK[1]), start=one.timestamp, end=FAR_AHEAD), replace=True)
        assert store.write("AAPL", D1, fetched(one)).inserted == 1
        assert store.version("AAPL", D1) == first
        (revision,) = store.revisions("AAPL", D1)
        assert revision.successor is None

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"close": 100.5}, "close must be an int .prices in micros., was 100.5 of type float"),
            ({"open": Decimal(100)}, "open must be an int .* of type Decimal"),
            ({"high": "110000000"}, "high must be an int .* of type str"),
            ({"low": None}, "low must be an int .* of type NoneType"),
            ({"volume": float("nan")}, "volume must be an int .* of type float"),
            ({"volume": True}, "volume must be an int of at most 63 bits, was True"),
            ({"close": 2**63}, "close must be an int of at most 63 bits"),
            ({"volume": -1}, "volume must be between 0 and"),
            ({"low": 0}, "low must be above 0"),
            ({"high": 1}, "high must be at least open and close"),
            ({"timestamp": datetime(2013, 2, 26)}, "timestamp must be timezone-aware"),  # noqa: DTZ001 - on purpose
            ({"timestamp": FAR_AHEAD}, "timestamp must lie in the window"),
            ({"timestamp": session_timestamp(WEEK[0])}, "timestamp must occur once in an answer, came twice"),
        ],
    )
    def test_what_cannot_be_kept_exactly_is_refused_and_nothing_is_written(
        self, store: BarStore, changes: dict[str, Any], message: str
    ) -> None:
        store.write("AAPL", D1, fetched(*(bar(day, "50") for day in WEEK[:2])))
        before = (store.version("AAPL", D1), store.coverage("AAPL", D1), store.revisions("AAPL", D1))
        wrong = (bar(WEEK[0]), bar(WEEK[1])._replace(**changes), bar(WEEK[2]))
        answer = FetchedBars(start=BEGIN, end=FINISH, asked_at=NOON, bars=wrong)
        for replace in (False, True):
            with pytest.raises(InvalidInputError, match=message):
                store.write("AAPL", D1, answer, replace=replace)
        assert (store.version("AAPL", D1), store.coverage("AAPL", D1), store.revisions("AAPL", D1)) == before
        assert [one.close for one in store.read("AAPL", D1)] == [50_000_000] * 2

    def test_integers_of_numpy_are_integers(self, store: BarStore) -> None:
        sound = bar(WEEK[0])
        numbers: Any = [np.int64(value) for value in (*sound[1:5], 7)]
        store.write("AAPL", D1, fetched(Bar(sound.timestamp, *numbers)))
        (kept,) = store.read("AAPL", D1)
        assert kept == sound._replace(volume=7)
        assert {type(value) for value in kept[1:]} == {int}
        assert store.write("AAPL", D1, fetched(sound._replace(volume=7))).unchanged == 1

    @pytest.mark.parametrize("symbol", ["", " ", "A" * 33, "AA\x00PL", " AAPL", "\ud800", 5])
    def test_a_symbol_that_not_every_database_keeps_is_refused(self, store: BarStore, symbol: str) -> None:
        with pytest.raises(InvalidInputError, match="symbol must be a text of 1 to 32 printable characters"):
            store.write(symbol, D1, fetched(bar(WEEK[0])))

    def test_a_raw_candle_with_what_no_database_keeps_costs_no_sound_bar(self, store: BarStore) -> None:
        wild = RejectedBar("\x00\ud800?", "unreadable")
        for _ in range(2):
            store.write("AAPL", D1, fetched(bar(WEEK[0]), rejected=(wild,)))
        assert len(store.read("AAPL", D1)) == len(store.quarantined("AAPL", D1)) == 1

    def test_an_answer_that_a_later_one_overtook_says_nothing(self, store: BarStore) -> None:
        """Two processes ask; the one that asked first writes last."""
        early, late = NOON, NOON + timedelta(hours=1)
        store.write(
            "AAPL", D1, fetched(*(bar(day, "100") for day in WEEK[:3]), start=BEGIN, end=FINISH, asked_at=early)
        )
        store.write("AAPL", D1, fetched(*(bar(day, "50") for day in WEEK[:3]), start=BEGIN, end=FINISH, asked_at=late))
        before = store.version("AAPL", D1)
        stale = fetched(*(bar(day, "100") for day in WEEK[:4]), start=BEGIN, end=FINISH, asked_at=early)
        for replace in (False, True):
            assert store.write("AAPL", D1, stale, replace=replace) == WriteResult(
                inserted=0, changed=0, unchanged=0, quarantined=0
            )
        assert store.version("AAPL", D1) == before
        assert [window.asked_at for window in store.coverage("AAPL", D1)] == [late]

    def test_beside_what_a_later_answer_covers_an_earlier_one_still_counts(self, store: BarStore) -> None:
        late = fetched(bar(WEEK[1], "50"), asked_at=NOON + timedelta(hours=1))
        store.write("AAPL", D1, late)
        stale = fetched(*(bar(day, "100") for day in WEEK), asked_at=NOON)
        assert store.write("AAPL", D1, stale, replace=True).inserted == 4
        assert [one.close for one in store.read("AAPL", D1)] == [
            50_000_000 if day == WEEK[1] else 100_000_000 for day in WEEK
        ]
        assert len(store.coverage("AAPL", D1)) == 1, "what was not wholly believed is asked for again"

    def test_a_clock_that_was_ahead_silences_no_later_answer(self, store: BarStore, clock: SettableClock) -> None:
        """What it says was asked in years to come is not believed now."""
        clock.advance(timedelta(days=3650))
        store.write("AAPL", D1, fetched(bar(WEEK[0], "1"), start=BEGIN, end=FINISH, asked_at=clock.now()))
        clock.advance(-timedelta(days=3650))
        assert store.coverage("AAPL", D1) == []
        right = fetched(*(bar(day, "2") for day in WEEK[:4]), start=BEGIN, end=FINISH, asked_at=clock.now())
        assert store.write("AAPL", D1, right).inserted == 3
        assert [one.close for one in store.read("AAPL", D1)] == [2_000_000] * 4
        assert [window.asked_at for window in store.coverage("AAPL", D1)] == [clock.now()]

    def test_an_answer_that_replaces_with_the_same_changes_nothing(self, store: BarStore) -> None:
        answer = fetched(*(bar(day) for day in WEEK), start=LONG_AGO, end=FAR_AHEAD)
        store.write("AAPL", D1, answer)
        before = store.version("AAPL", D1)
        result = store.write("AAPL", D1, answer, replace=True)
        assert result == WriteResult(inserted=0, changed=0, unchanged=5, quarantined=0, withdrawn=0)
        assert store.version("AAPL", D1) == before
        assert store.revisions("AAPL", D1) == []
