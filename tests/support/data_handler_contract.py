"""What every :class:`jutsu_core.ports.DataHandler` does; one suite for all of them.

A subject is a subclass whose name begins with ``Test`` and which has a fixture ``handler`` over
the bars of the fixture ``history``, and nothing else. The dates are sessions of New York, so that
a handler that knows the calendar can be a subject too.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from jutsu_core.backtest.loop import EventLoop
from jutsu_core.bars import BAR_COLUMNS, Bar, bars_to_frame, from_micros, session_timestamp
from jutsu_core.errors import InvalidInputError, NoDataError
from jutsu_core.events import MarketDataEvent
from jutsu_core.ports import DataHandler
from tests.support.builders import bar
from tests.support.strategies import Whim
from tests.support.streamed_bars import StreamedBars

History = dict[str, list[Bar]]

SESSIONS = (date(2013, 2, 22), date(2013, 2, 25), date(2013, 2, 26), date(2013, 2, 27), date(2013, 2, 28))
BEGIN, FAR = datetime(2013, 2, 15, tzinfo=UTC), datetime(2013, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
FRAME_TYPES = {
    "symbol": "str",
    "timestamp": "datetime64[us, UTC]",
    "open": "float64",
    "high": "float64",
    "low": "float64",
    "close": "float64",
    "volume": "int64",
}
Window = tuple[datetime, datetime]
Ask = Callable[[DataHandler, datetime, datetime], object]
NEW_YORK = ZoneInfo("America/New_York")
UNKNOWN: dict[str, Callable[..., object]] = {
    "latest": lambda handler, symbol: handler.get_latest_bar(symbol),
    "range": lambda handler, symbol: handler.get_bars_range(symbol, BEGIN, FAR),
    "batch": lambda handler, symbol: handler.get_bars_batch(["MSFT", symbol], BEGIN, FAR),
    "frame": lambda handler, symbol: handler.get_frame(["MSFT", symbol], BEGIN, FAR),
    "frame of one": lambda handler, symbol: handler.get_frame([symbol], BEGIN, FAR),
    "frame of nothing": lambda handler, symbol: handler.get_frame([symbol], BEGIN, BEGIN),
}
ASKS: dict[str, Ask] = {
    "range": lambda handler, start, end: handler.get_bars_range("AAPL", start, end),
    "batch": lambda handler, start, end: handler.get_bars_batch(["AAPL"], start, end),
    "frame": lambda handler, start, end: handler.get_frame(["AAPL"], start, end),
}


def contract_history() -> History:
    """Return bars of three symbols whose sessions overlap, with prices that floats cannot hold."""
    return {
        "AAPL": [bar(day, f"{438 + n}.1799", volume=19_730_300 + n) for n, day in enumerate(SESSIONS)],
        "BRK/B": [bar(SESSIONS[0], "102.0001"), bar(SESSIONS[4], "103.3333")],
        "MSFT": [bar(day, f"{27 + n}.0003", volume=n) for n, day in enumerate(SESSIONS[1:4])],
    }


def event_of(symbol: str, one: Bar) -> MarketDataEvent:
    """Return a daily bar as the event it must come out as."""
    open_, high, low, close = (from_micros(micros) for micros in one[1:5])
    return MarketDataEvent(
        symbol=symbol, timestamp=one.timestamp, open=open_, high=high, low=low, close=close, volume=one.volume
    )


def events_of(history: History, symbol: str, start: datetime = BEGIN, end: datetime = FAR) -> list[MarketDataEvent]:
    """Return the bars of ``symbol`` in ``history`` with ``start ≤ timestamp < end``, as events."""
    return [event_of(symbol, one) for one in history.get(symbol, []) if start <= one.timestamp < end]


class DailyBoundsContract:
    """What bounds of daily bars mean, to handlers that tell a symbol they do not know from one without bars or not.

    The handler has the bars of AAPL of the five ``SESSIONS``, which the fixture ``history`` holds too.
    """

    @pytest.fixture
    def history(self) -> History:
        return contract_history()

    @pytest.fixture
    def handler(self, history: History) -> DataHandler:
        raise NotImplementedError

    def test_every_range_holds_the_sessions_that_its_bounds_mean(self, handler: DataHandler, history: History) -> None:
        """In UTC and on the exchange's clocks: a session's midnight, before it, within it, when its bar is final."""
        hours = (timedelta(0), timedelta(hours=9, minutes=31), timedelta(hours=16), timedelta(hours=17, minutes=29))
        later = (timedelta(hours=17, minutes=30), timedelta(hours=23, minutes=59))
        bounds: list[tuple[datetime, date]] = []
        for day in SESSIONS:
            local = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK)
            bounds += [(session_timestamp(day), day), *((local + hour, day) for hour in hours)]
            bounds += [(local + hour, day + DAY) for hour in later]
        for bound, session in bounds:
            key = session_timestamp(session)
            assert handler.get_bars_range("AAPL", BEGIN, bound) == events_of(history, "AAPL", BEGIN, key), bound
            if bound <= FAR:
                assert handler.get_bars_range("AAPL", bound, FAR) == events_of(history, "AAPL", key, FAR), bound

    @pytest.mark.parametrize("ask", ASKS.values(), ids=list(ASKS))
    def test_a_day_in_new_york_is_that_session_and_its_morning_does_not_know_its_close(
        self, handler: DataHandler, ask: Ask
    ) -> None:
        def sessions(start: datetime, end: datetime) -> list[date]:
            found: Any = ask(handler, start, end)
            if isinstance(found, pd.DataFrame):
                return list(found["timestamp"].dt.date)
            return [event.timestamp.date() for event in (found["AAPL"] if isinstance(found, dict) else found)]

        midnight, next_midnight = datetime(2013, 2, 26, tzinfo=NEW_YORK), datetime(2013, 2, 27, tzinfo=NEW_YORK)
        assert sessions(midnight, next_midnight) == [date(2013, 2, 26)]
        assert sessions(datetime(2013, 2, 22, tzinfo=NEW_YORK), midnight + timedelta(hours=9, minutes=31)) == [
            date(2013, 2, 22),
            date(2013, 2, 25),
        ]

    def test_ranges_that_meet_make_one_wherever_they_meet(self, handler: DataHandler) -> None:
        whole = handler.get_bars_range("AAPL", BEGIN, FAR)
        for hour in range(0, 24 * 14, 11):
            middle = BEGIN + timedelta(hours=hour)
            parts = handler.get_bars_range("AAPL", BEGIN, middle), handler.get_bars_range("AAPL", middle, FAR)
            assert [*parts[0], *parts[1]] == whole

    @pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
    def test_bounds_may_be_in_any_timezone(self, handler: DataHandler, history: History, zone: str) -> None:
        window = (session_timestamp(SESSIONS[1]), session_timestamp(SESSIONS[3]))
        start, end = (bound.astimezone(ZoneInfo(zone)) for bound in window)
        expected = events_of(history, "AAPL", *window)
        assert handler.get_bars_range("AAPL", start, end) == expected
        assert handler.get_bars_batch(["AAPL"], start, end) == {"AAPL": expected}
        assert len(handler.get_frame(["AAPL"], start, end)) == len(expected) == 2

    def test_a_bound_may_be_a_date(self, handler: DataHandler, history: History) -> None:
        """As it is typed in a notebook; a date is that of a session, whatever the hour is in UTC."""
        whole = events_of(history, "AAPL", session_timestamp(SESSIONS[0]), session_timestamp(SESSIONS[4]))
        for start, end in (("2013-02-22", "2013-02-28"), (SESSIONS[0], SESSIONS[4])):
            assert handler.get_bars_range("AAPL", start, end) == whole
            assert handler.get_bars_batch(["AAPL"], start, end) == {"AAPL": whole}
            assert list(handler.get_frame(["AAPL"], start, end)["timestamp"].dt.date) == list(SESSIONS[:4])

    @pytest.mark.parametrize("ask", ASKS.values(), ids=list(ASKS))
    @pytest.mark.parametrize(
        ("window", "problem"),
        [
            ((BEGIN.replace(tzinfo=None), FAR), "start must be timezone-aware"),
            ((BEGIN, FAR.replace(tzinfo=None)), "end must be timezone-aware"),
            ((FAR, BEGIN), "end must be at or after start"),
            (
                ("2013-02-30", FAR),
                "start must be a date such as '2010-01-04' or a timezone-aware datetime, was '2013-02",
            ),
            ((BEGIN, "2013-02"), "end must be a date such as '2010-01-04' or a timezone-aware datetime, was '2013-02'"),
        ],
        ids=["naive start", "naive end", "end before start", "no such date", "a month"],
    )
    def test_bounds_that_mean_no_range_are_refused(
        self, handler: DataHandler, ask: Callable[..., object], window: tuple[object, object], problem: str
    ) -> None:
        with pytest.raises(InvalidInputError, match=problem):
            ask(handler, *window)


class DataHandlerContract(DailyBoundsContract):
    """The whole behaviour; a subject adds the handler."""

    def test_it_is_a_data_handler(self, handler: DataHandler) -> None:
        assert isinstance(handler, DataHandler)

    def test_the_latest_bar_is_the_newest_of_its_symbol(self, handler: DataHandler, history: History) -> None:
        for symbol in history:
            assert handler.get_latest_bar(symbol) == events_of(history, symbol)[-1]

    def test_prices_are_exact_decimals_and_volume_is_a_whole_number(self, handler: DataHandler) -> None:
        latest = handler.get_latest_bar("AAPL")
        assert (latest.open, latest.high, latest.low, latest.close) == (
            Decimal("442.1799"),
            Decimal("442.6799"),
            Decimal("441.6799"),
            Decimal("442.1799"),
        )
        assert {type(price) for price in (latest.open, latest.high, latest.low, latest.close)} == {Decimal}
        assert type(latest.volume) is int
        assert latest.volume == 19_730_304

    def test_a_backtest_over_it_is_the_one_over_its_bars(self, handler: DataHandler, history: History) -> None:
        in_memory = StreamedBars(*(events_of(history, symbol) for symbol in history))
        results = [EventLoop(bars, Whim(1), cash=Decimal(100_000)).run() for bars in (handler, in_memory)]
        assert results[0] == results[1]
        assert results[0].fills

    def test_times_come_out_in_utc(self, handler: DataHandler) -> None:
        events = [
            handler.get_latest_bar("AAPL"),
            *handler.get_bars_range("AAPL", BEGIN, FAR),
            *handler.get_bars_batch(["MSFT"], BEGIN, FAR)["MSFT"],
            *handler.get_next_bar(),
        ]
        assert {event.timestamp.tzinfo for event in events} == {UTC}

    def test_a_symbol_without_bars_has_no_latest_one_and_the_error_says_which(self, handler: DataHandler) -> None:
        with pytest.raises(NoDataError, match=r"^symbol 'NONE' must have .* bar.*; \w+"):
            handler.get_latest_bar("NONE")

    @pytest.mark.parametrize("asked", ["APPL", "aapl"])
    @pytest.mark.parametrize("ask", UNKNOWN.values(), ids=list(UNKNOWN))
    def test_a_symbol_that_was_never_stored_is_an_error_that_names_the_nearest(
        self, handler: DataHandler, ask: Callable[..., object], asked: str
    ) -> None:
        expected = rf"^symbol '{asked}' must have .*1d bars \(the nearest that has: 'AAPL'.*\), has none in .*; \w+"
        with pytest.raises(NoDataError, match=expected):
            ask(handler, asked)

    def test_several_that_were_never_stored_are_named_together(self, handler: DataHandler) -> None:
        with pytest.raises(NoDataError, match=r"^symbols 'A1', 'A2', 'A3' and 1 more must have .*, have none in"):
            handler.get_frame(["A1", "AAPL", "A2", "A3", "A4"], BEGIN, FAR)

    def test_what_was_never_stored_may_be_left_out(self, handler: DataHandler, history: History) -> None:
        assert handler.get_bars_range("NONE", BEGIN, FAR, missing="skip") == []
        expected = {"NONE": [], "AAPL": events_of(history, "AAPL")}
        assert handler.get_bars_batch(["NONE", "AAPL"], BEGIN, FAR, missing="skip") == expected
        frame = handler.get_frame(["NONE", "AAPL"], BEGIN, FAR, missing="skip")
        pd.testing.assert_frame_equal(frame, bars_to_frame("AAPL", history["AAPL"]))
        assert list(handler.get_next_bar(missing="skip")) == list(handler.get_next_bar())
        with pytest.raises(InvalidInputError, match="missing must be 'error' or 'skip', was 'ignore'"):
            handler.get_frame(["AAPL"], BEGIN, FAR, missing="ignore")  # type: ignore[arg-type]  # the point

    @pytest.mark.parametrize("ask", UNKNOWN.values(), ids=list(UNKNOWN))
    def test_what_is_no_symbol_is_refused(self, handler: DataHandler, ask: Callable[..., object]) -> None:
        for bad in (None, 7, ["AAPL"]):
            with pytest.raises(InvalidInputError, match=r"symbols?(\[1\]|\[0\])? must be a text such as 'AAPL', was"):
                ask(handler, bad)

    def test_a_range_without_bars_is_empty(self, handler: DataHandler) -> None:
        assert handler.get_bars_range("MSFT", session_timestamp(SESSIONS[4]), FAR) == []
        assert handler.get_bars_range("MSFT", session_timestamp(SESSIONS[1]), session_timestamp(SESSIONS[1])) == []

    def test_the_stream_holds_every_bar_in_time_order_and_ties_by_symbol(
        self, handler: DataHandler, history: History
    ) -> None:
        every = [event for symbol in history for event in events_of(history, symbol)]
        assert list(handler.get_next_bar()) == sorted(every, key=lambda event: (event.timestamp, event.symbol))

    def test_two_streams_do_not_disturb_each_other_and_each_ends(self, handler: DataHandler, history: History) -> None:
        first, second = handler.get_next_bar(), handler.get_next_bar()
        total = sum(map(len, history.values()))
        pairs = [(next(first), next(second)) for _ in range(total)]
        assert all(one == other for one, other in pairs)
        assert next(first, None) is next(second, None) is None

    def test_a_batch_is_the_range_of_every_symbol_asked_for(self, handler: DataHandler) -> None:
        asked = ["MSFT", "NONE", "AAPL", "BRK/B", "MSFT"]
        window = (session_timestamp(SESSIONS[0]), session_timestamp(SESSIONS[3]))
        batch = handler.get_bars_batch(asked, *window, missing="skip")
        assert list(batch) == ["MSFT", "NONE", "AAPL", "BRK/B"]
        assert batch == {symbol: handler.get_bars_range(symbol, *window, missing="skip") for symbol in asked}
        assert [len(events) for events in batch.values()] == [2, 0, 3, 1]

    def test_a_frame_holds_the_same_bars_by_symbol_as_asked_and_then_by_time(
        self, handler: DataHandler, history: History
    ) -> None:
        frame = handler.get_frame(["MSFT", "NONE", "AAPL", "MSFT"], BEGIN, FAR, missing="skip")
        expected = [bars_to_frame(symbol, history[symbol]) for symbol in ("MSFT", "AAPL")]
        pd.testing.assert_frame_equal(frame, pd.concat(expected, ignore_index=True))

    def test_a_frame_is_half_open_too(self, handler: DataHandler) -> None:
        frame = handler.get_frame(["AAPL"], session_timestamp(SESSIONS[1]), session_timestamp(SESSIONS[3]))
        assert list(frame["timestamp"].dt.date) == list(SESSIONS[1:3])

    @pytest.mark.parametrize("symbols", [["AAPL"], ["NONE"], []], ids=["bars", "no bars", "no symbols"])
    def test_a_frame_has_the_same_columns_and_types_with_and_without_bars(
        self, handler: DataHandler, symbols: list[str]
    ) -> None:
        frame = handler.get_frame(symbols, BEGIN, FAR, missing="skip")
        assert tuple(frame.columns) == BAR_COLUMNS
        assert {str(name): str(kind) for name, kind in frame.dtypes.items()} == FRAME_TYPES
        assert list(frame.index) == list(range(len(frame)))

    def test_asking_for_no_symbols_finds_nothing(self, handler: DataHandler) -> None:
        assert handler.get_bars_batch([], BEGIN, FAR) == {}
        assert handler.get_frame([], BEGIN, FAR).empty

    def test_a_bound_may_be_left_out(self, handler: DataHandler, history: History) -> None:
        whole = events_of(history, "AAPL")
        assert handler.get_bars_range("AAPL") == handler.get_bars_batch(["AAPL"])["AAPL"] == whole
        assert handler.get_bars_range("AAPL", "2013-02-26") == whole[2:]
        assert handler.get_bars_range("AAPL", end="2013-02-26") == whole[:2]
        assert len(handler.get_frame(["AAPL"])) == len(whole)

    def test_one_symbol_may_be_given_as_its_text(self, handler: DataHandler) -> None:
        assert handler.get_bars_batch("AAPL", BEGIN, FAR) == handler.get_bars_batch(["AAPL"], BEGIN, FAR)
        pd.testing.assert_frame_equal(handler.get_frame("AAPL", BEGIN, FAR), handler.get_frame(["AAPL"], BEGIN, FAR))
        pd.testing.assert_frame_equal(handler.get_closes("AAPL"), handler.get_closes(["AAPL"]))

    def test_closes_stand_beside_each_other_by_symbol_and_time(self, handler: DataHandler, history: History) -> None:
        closes = handler.get_closes(["MSFT", "BRK/B", "AAPL"])
        assert (list(closes), closes.columns.name) == (["MSFT", "BRK/B", "AAPL"], "symbol")
        assert (list(closes.index), closes.index.name) == ([session_timestamp(day) for day in SESSIONS], "timestamp")
        assert str(closes.index.dtype) == "datetime64[us, UTC]"
        for symbol, bars in history.items():
            expected = {one.timestamp: one.close / 1_000_000 for one in bars}
            assert closes[symbol].dropna().to_dict() == expected
        assert list(handler.get_closes()) == ["AAPL", "BRK/B", "MSFT"]
        assert list(handler.get_closes("MSFT", "2013-02-26", "2013-02-27").index) == [session_timestamp(SESSIONS[2])]

    def test_closes_of_nothing_have_their_columns(self, handler: DataHandler) -> None:
        for symbols, columns in (([], []), (["NONE"], ["NONE"]), ("AAPL", ["AAPL"])):
            closes = handler.get_closes(symbols, FAR, FAR, missing="skip")
            assert (list(closes), len(closes), str(closes.index.dtype)) == (columns, 0, "datetime64[us, UTC]")
        beside = handler.get_closes(["NONE", "AAPL"], missing="skip")
        assert (len(beside), int(beside["NONE"].count()), int(beside["AAPL"].count())) == (5, 0, 5)
        with pytest.raises(NoDataError, match=r"^symbol 'NONE' must have"):
            handler.get_closes(["NONE", "AAPL"])

    def test_symbols_come_with_the_dates_from_and_until_which_there_are_bars(
        self, handler: DataHandler, history: History
    ) -> None:
        symbols = handler.symbols()
        assert (list(symbols.index), symbols.index.name) == (["AAPL", "BRK/B", "MSFT"], "symbol")
        assert {str(name): str(kind) for name, kind in symbols.dtypes.items()} == {
            "first": "datetime64[us, UTC]",
            "last": "datetime64[us, UTC]",
            "bars": "int64",
        }
        for symbol, bars in history.items():
            assert list(symbols.loc[symbol]) == [bars[0].timestamp, bars[-1].timestamp, len(bars)]
