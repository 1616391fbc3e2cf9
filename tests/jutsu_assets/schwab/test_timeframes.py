"""Every timeframe from the request to the bars, over the simulator: regular and extended hours, long windows, today."""

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from jutsu_assets.schwab.fetcher import SchwabDataFetcher
from jutsu_assets.schwab.tokens import MemoryTokenStore
from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.catalog import named_plan
from jutsu_assets.simulator.switches import Switches
from jutsu_core.bars import Bar, Timeframe
from jutsu_core.calendar import TradingCalendar
from jutsu_core.errors import RequestRefusedError
from tests.support.schwab import FixedClock, fetcher_of

NEW_YORK = ZoneInfo("America/New_York")
NYSE = TradingCalendar("XNYS", date(2012, 1, 3), date(2013, 12, 31))
MINUTES = {Timeframe.M1: 1, Timeframe.M5: 5, Timeframe.M10: 10, Timeframe.M15: 15, Timeframe.M30: 30}
NOON = datetime(2013, 2, 28, 17, tzinfo=UTC)
"""Thursday noon in New York, the market is open."""


def ready(*faults: str, now: datetime = NOON, **switches: object) -> tuple[SchwabSimulator, SchwabDataFetcher]:
    plan = named_plan(faults, date(2013, 2, 28))
    simulator = SchwabSimulator(now=lambda: now, faults=plan, switches=Switches(**switches))  # type: ignore[arg-type]
    return simulator, fetcher_of(simulator, MemoryTokenStore(simulator.issue_login()), clock=FixedClock(now))


def together(bars: tuple[Bar, ...], minutes: int) -> list[Bar]:
    """Return bars of some minutes made of one-minute bars, by the clock of New York."""

    def start(bar: Bar) -> datetime:
        return bar.timestamp - timedelta(minutes=bar.timestamp.minute % minutes)

    made = []
    for key, group in itertools.groupby(bars, key=start):
        rows = list(group)
        high, low = max(row.high for row in rows), min(row.low for row in rows)
        made.append(Bar(key, rows[0].open, high, low, rows[-1].close, sum(row.volume for row in rows)))
    return made


@pytest.mark.parametrize("timeframe", list(MINUTES))
def test_regular_sessions_come_whole_and_alike_in_every_timeframe(timeframe: Timeframe) -> None:
    _, fetcher = ready()
    start, end = datetime(2013, 2, 25, tzinfo=UTC), datetime(2013, 2, 28, tzinfo=UTC)
    fetched = fetcher.fetch("AAPL", timeframe, start, end)
    assert len(fetched.bars) == 3 * 390 / MINUTES[timeframe]
    assert fetched.rejected == ()
    for bar in fetched.bars:
        session = bar.timestamp.astimezone(NEW_YORK).date()
        assert NYSE.open(session) <= bar.timestamp < NYSE.close(session)
    one = fetcher.fetch("AAPL", Timeframe.M1, start, end).bars
    assert list(fetched.bars) == together(one, MINUTES[timeframe])


def test_extended_hours_are_there_if_asked_for() -> None:
    _, fetcher = ready()
    start, end = datetime(2013, 2, 27, tzinfo=UTC), datetime(2013, 2, 28, 5, tzinfo=UTC)
    regular = fetcher.fetch("AAPL", Timeframe.M1, start, end).bars
    whole = fetcher.fetch("AAPL", Timeframe.M1, start, end, extended_hours=True).bars
    assert set(regular) < set(whole)
    clocks = {bar.timestamp.astimezone(NEW_YORK).strftime("%H:%M") for bar in set(whole) - set(regular)}
    assert min(clocks) >= "04:00"
    assert max(clocks) <= "19:59"
    assert "16:00" in clocks


def test_the_minute_that_is_forming_is_never_a_bar() -> None:
    now = NOON + timedelta(seconds=30)
    _, fetcher = ready(now=now)
    fetched = fetcher.fetch("AAPL", Timeframe.M1, NOON - timedelta(minutes=10), NOON + timedelta(hours=1))
    assert fetched.bars[-1].timestamp == NOON - timedelta(minutes=2), "a minute settles for a minute"
    assert [rejected.timestamp for rejected in fetched.rejected] == [NOON - timedelta(minutes=1), NOON]
    assert {rejected.reason for rejected in fetched.rejected} == {"bar must be final, was still forming"}


def test_a_long_window_of_minutes_takes_several_requests_and_has_every_minute_once() -> None:
    simulator, fetcher = ready()
    start = NOON - timedelta(days=35)
    bars = fetcher.fetch("IBM", Timeframe.M1, start, NOON).bars
    assert len(simulator.requests) == 4
    expected = [
        opened + timedelta(minutes=n)
        for session in NYSE.sessions(start.date(), NOON.date())
        for opened in [NYSE.open(session)]
        for n in range(390)
        if start <= opened + timedelta(minutes=n) <= NOON - timedelta(minutes=2)
    ]
    assert [bar.timestamp for bar in bars] == expected


def test_bounds_inside_a_session_are_clipped_though_whole_sessions_come() -> None:
    simulator, fetcher = ready(minute_tail=True)
    start, end = NOON - timedelta(minutes=61), NOON - timedelta(minutes=30)
    bars = fetcher.fetch("IBM", Timeframe.M1, start, end).bars
    assert (bars[0].timestamp, bars[-1].timestamp, len(bars)) == (start, end - timedelta(minutes=1), 31)
    assert len(simulator.requests) == 1


def test_weeks_and_months_are_those_that_are_over() -> None:
    _, fetcher = ready()
    start, end = datetime(2012, 12, 1, tzinfo=UTC), datetime(2013, 4, 1, tzinfo=UTC)
    weeks = fetcher.fetch("AAPL", Timeframe.W1, start, end)
    assert weeks.bars[0].timestamp == datetime(2012, 12, 3, tzinfo=UTC)
    assert weeks.bars[-1].timestamp == datetime(2013, 2, 18, tzinfo=UTC)
    months = fetcher.fetch("AAPL", Timeframe.MO1, start, end)
    assert [bar.timestamp.month for bar in months.bars] == [12, 1]
    days = fetcher.fetch("AAPL", Timeframe.D1, datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 2, 1, tzinfo=UTC)).bars
    january = months.bars[-1]
    assert (january.open, january.close) == (days[0].open, days[-1].close)
    assert (january.high, january.low) == (max(bar.high for bar in days), min(bar.low for bar in days))
    assert january.volume == sum(bar.volume for bar in days)
    for fetched in (weeks, months):
        assert {rejected.reason.split(",")[0] for rejected in fetched.rejected} <= {"bar must be final"}


def test_a_week_is_the_same_whichever_day_stamps_it() -> None:
    start, end = datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 2, 20, tzinfo=UTC)
    weeks = [
        ready(weekly_stamp=stamp)[1].fetch("AAPL", Timeframe.W1, start, end).bars
        for stamp in ("monday", "first_session")
    ]
    assert weeks[0] == weeks[1]
    assert weeks[0][2].timestamp == datetime(2013, 1, 21, tzinfo=UTC), "a Monday without a session"


def test_minutes_add_up_to_the_day() -> None:
    _, fetcher = ready()
    day = datetime(2013, 2, 27, tzinfo=UTC)
    minutes = fetcher.fetch("AAPL", Timeframe.M1, day, day + timedelta(days=1)).bars
    (daily,) = fetcher.fetch("AAPL", Timeframe.D1, day, day + timedelta(days=1)).bars
    assert (minutes[0].open, minutes[-1].close) == (daily.open, daily.close)
    assert (max(bar.high for bar in minutes), min(bar.low for bar in minutes)) == (daily.high, daily.low)
    assert sum(bar.volume for bar in minutes) <= daily.volume


def test_fetch_bars_speaks_of_its_timeframe() -> None:
    _, fetcher = ready()
    bars = fetcher.fetch_bars("AAPL", "30m", NOON - timedelta(hours=2), NOON)
    assert {bar["timeframe"] for bar in bars} == {"30m"}
    assert bars[0]["timestamp"] == NOON - timedelta(hours=2)


EVENING = datetime(2013, 3, 1, 1, tzinfo=UTC)


def test_quotes_of_many_symbols_take_one_request_and_say_what_the_daily_bars_say() -> None:
    simulator, fetcher = ready(now=EVENING)
    symbols = list(simulator.history.symbols)
    quotes = fetcher.fetch_quotes([*symbols, "NONE"])
    assert len(simulator.requests) == 1
    assert sorted(quotes) == symbols
    day = datetime(2013, 2, 28, tzinfo=UTC)
    for symbol in symbols:
        (daily,) = fetcher.fetch(symbol, Timeframe.D1, day, day + timedelta(days=1)).bars
        assert quotes[symbol].bar() == daily


def test_more_than_five_hundred_symbols_take_another_request() -> None:
    simulator, fetcher = ready(now=EVENING)
    names = [f"Q{number}" for number in range(500)]
    assert set(fetcher.fetch_quotes([*names, "AAPL"])) == {"AAPL"}
    assert [len((arrival.param("symbols") or "").split(",")) for arrival in simulator.requests] == [500, 1]
    assert fetcher.fetch_quotes([]) == {}


def test_quotes_take_the_same_way_as_everything_else() -> None:
    simulator, fetcher = ready(now=EVENING)
    simulator.expire_access_tokens()
    assert set(fetcher.fetch_quotes(["BRK/B", "$SPX", "IBM"])) == {"IBM"}
    assert [arrival.status for arrival in simulator.requests] == [401, 200, 200]


def test_market_hours_of_an_open_a_closed_and_a_short_day() -> None:
    _, fetcher = ready(now=datetime(2012, 11, 20, 17, tzinfo=UTC))
    ordinary = fetcher.fetch_market_hours(date(2012, 11, 21))
    assert (ordinary.opens_at, ordinary.closes_at) == (NYSE.open(ordinary.day), NYSE.close(ordinary.day))
    assert not fetcher.fetch_market_hours(date(2012, 11, 22)).is_open
    assert fetcher.fetch_market_hours(date(2012, 11, 23)).closes_at == datetime(2012, 11, 23, 18, tzinfo=UTC)
    with pytest.raises(RequestRefusedError, match="market hours of 2012-11-19: Schwab answered 400"):
        fetcher.fetch_market_hours(date(2012, 11, 19))
