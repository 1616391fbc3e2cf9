"""What every :class:`jutsu_core.ports.BarStore` does; one suite for the fake and for the real one.

A subject is a subclass whose name begins with ``Test`` and which has a fixture ``store``, whose
clock is the fixture ``clock``.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from jutsu_core.bars import RejectedBar, Timeframe
from jutsu_core.ports import BarRevision, BarStore, CoverageWindow, WriteResult
from tests.support.builders import NOON, SettableClock, bar, days, fetched

D1 = Timeframe.D1
LONG_AGO, FAR_AHEAD = datetime(1990, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
WEEK = days(date(2013, 2, 25), 5)


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

    def test_an_answer_that_replaces_with_the_same_changes_nothing(self, store: BarStore) -> None:
        answer = fetched(*(bar(day) for day in WEEK), start=LONG_AGO, end=FAR_AHEAD)
        store.write("AAPL", D1, answer)
        before = store.version("AAPL", D1)
        result = store.write("AAPL", D1, answer, replace=True)
        assert result == WriteResult(inserted=0, changed=0, unchanged=5, quarantined=0, withdrawn=0)
        assert store.version("AAPL", D1) == before
        assert store.revisions("AAPL", D1) == []
