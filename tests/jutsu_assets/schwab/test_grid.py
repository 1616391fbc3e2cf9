"""Where bars stand: keys by timeframe, what was not asked for, and what is not final yet."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from jutsu_assets.schwab.grid import INTRADAY_SETTLING, MINUTES, Placement, grid_of
from jutsu_core.bars import Timeframe
from jutsu_core.calendar import TradingCalendar

NEW_YORK, CHICAGO = ZoneInfo("America/New_York"), ZoneInfo("America/Chicago")
CALENDAR = TradingCalendar("XNYS", date(2024, 1, 2), date(2024, 12, 31))
LONG_AFTER = datetime(2024, 12, 20, tzinfo=UTC)
YEAR = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)


def at(text: str, zone: ZoneInfo = NEW_YORK) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def place(
    timeframe: Timeframe,
    *moments: datetime,
    now: datetime = LONG_AFTER,
    window: tuple[datetime, datetime] = YEAR,
    extended_hours: bool = False,
) -> Placement:
    stamps = np.array([int(moment.timestamp() * 1000) for moment in moments], dtype=np.int64)
    return grid_of(timeframe, *window, CALENDAR, now, extended_hours=extended_hours).place(stamps)


def keys(placement: Placement) -> list[datetime]:
    return [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(key)) for key in placement.keys]


def midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


@pytest.mark.parametrize("stamp", ["2024-05-13", "2024-05-14", "2024-05-17"])
def test_a_week_is_known_by_its_monday_whatever_day_stamps_it(stamp: str) -> None:
    assert keys(place(Timeframe.W1, at(stamp, CHICAGO))) == [midnight("2024-05-13")]


@pytest.mark.parametrize(("stamp", "key"), [("2024-06-01", "2024-06-01"), ("2024-02-29", "2024-02-01")])
def test_a_month_is_known_by_its_first_day_even_a_saturday(stamp: str, key: str) -> None:
    placed = place(Timeframe.MO1, at(stamp, CHICAGO))
    assert (keys(placed), placed.faults) == ([midnight(key)], {})


def test_a_week_is_final_when_its_last_session_has_settled() -> None:
    """2024-03-29 is Good Friday: that week ends with Thursday's close."""
    friday, thursday = at("2024-04-05T16:00"), at("2024-03-28T16:00")
    settled = timedelta(minutes=90)
    ordinary, short = at("2024-04-01", CHICAGO), at("2024-03-25", CHICAGO)
    forming = {0: "bar must be final, its week is not over yet"}
    assert place(Timeframe.W1, ordinary, now=friday + settled - timedelta(seconds=1)).faults == forming
    assert place(Timeframe.W1, ordinary, now=friday + settled).faults == {}
    assert place(Timeframe.W1, short, now=thursday + settled - timedelta(seconds=1)).faults == forming
    assert place(Timeframe.W1, short, now=thursday + settled).faults == {}


def test_a_month_is_final_when_its_last_session_has_settled() -> None:
    may = at("2024-05-01", CHICAGO)
    close = at("2024-05-31T16:00") + timedelta(minutes=90)
    assert place(Timeframe.MO1, may, now=close - timedelta(seconds=1)).faults == {
        0: "bar must be final, its month is not over yet"
    }
    assert place(Timeframe.MO1, may, now=close).faults == {}


def test_a_period_beyond_the_calendar_is_not_over() -> None:
    window = YEAR[0], datetime(2026, 1, 1, tzinfo=UTC)
    placed = place(Timeframe.MO1, at("2025-01-01", CHICAGO), window=window, now=datetime(2025, 6, 1, tzinfo=UTC))
    assert placed.faults == {0: "bar must be final, its month is not over yet"}


def test_a_period_without_a_session_is_rejected() -> None:
    window = datetime(2020, 1, 1, tzinfo=UTC), YEAR[1]
    assert place(Timeframe.W1, at("2023-05-01", CHICAGO), window=window).faults == {
        0: "week must hold a session of the exchange"
    }


@pytest.mark.parametrize("timeframe", list(MINUTES))
def test_regular_bars_stand_from_the_open_to_before_the_close(timeframe: Timeframe) -> None:
    """The closing auction at 16:00 and the hours around were not asked for; nothing of it is an error."""
    moments = [at(f"2024-05-14T{clock}") for clock in ("04:00", "09:00", "09:30", "15:30", "16:00", "19:30")]
    placed = place(timeframe, *moments)
    assert placed.wanted.tolist() == [False, False, True, True, False, False]
    assert placed.faults == {}
    assert place(timeframe, *moments, extended_hours=True).wanted.all()
    assert keys(placed) == moments


def test_a_half_day_ends_at_one() -> None:
    placed = place(Timeframe.M30, at("2024-07-03T12:30"), at("2024-07-03T13:00"))
    assert placed.wanted.tolist() == [True, False]


@pytest.mark.parametrize(
    ("moment", "fault"),
    [
        ("2024-05-18T10:00", "bar must start within a session or its extended hours"),  # a Saturday
        ("2024-05-27T10:00", "bar must start within a session or its extended hours"),  # Memorial Day
        ("2024-05-14T03:30", "bar must start within a session or its extended hours"),
        ("2024-05-14T20:00", "bar must start within a session or its extended hours"),
        ("2024-05-14T10:01", "bar must start on a multiple of 30 min"),
        ("2024-05-14T10:00:30", "bar must start on a multiple of 30 min"),
    ],
)
@pytest.mark.parametrize("extended_hours", [False, True])
def test_a_bar_where_none_can_be_is_rejected(moment: str, fault: str, *, extended_hours: bool) -> None:
    placed = place(Timeframe.M30, at(moment), extended_hours=extended_hours)
    assert (placed.faults, placed.wanted.tolist()) == ({0: fault}, [True])


@pytest.mark.parametrize(("timeframe", "minutes"), MINUTES.items())
def test_a_bar_is_final_a_minute_after_its_end(timeframe: Timeframe, minutes: int) -> None:
    start = at("2024-05-14T10:00")
    final_at = start + timedelta(minutes=minutes) + INTRADAY_SETTLING
    forming = place(timeframe, start, now=final_at - timedelta(milliseconds=1))
    assert forming.faults == {0: "bar must be final, was still forming"}
    assert place(timeframe, start, now=final_at).faults == {}


@pytest.mark.parametrize(
    ("day", "hour"), [("2024-03-08", 14), ("2024-03-11", 13), ("2024-11-01", 13), ("2024-11-04", 14)]
)
def test_the_session_moves_with_the_clocks_of_new_york(day: str, hour: int) -> None:
    first = datetime.fromisoformat(f"{day}T{hour}:30").replace(tzinfo=UTC)
    placed = place(Timeframe.M1, first - timedelta(minutes=1), first)
    assert placed.wanted.tolist() == [False, True]


def test_a_phantom_of_a_session_to_come_is_never_final() -> None:
    """On a Sunday evening in summer, 05:00Z of Monday is midnight Chicago, as of a final bar."""
    sunday_evening = at("2024-07-07T20:00")
    placed = place(Timeframe.D1, at("2024-07-08", CHICAGO), at("2024-07-05", CHICAGO), now=sunday_evening)
    assert placed.faults == {0: "bar must be final, its session has not settled yet"}


def test_what_lies_outside_the_window_is_neither_wanted_nor_a_fault() -> None:
    window = at("2024-05-14T10:00"), at("2024-05-14T10:02")
    moments = [at(f"2024-05-14T{clock}") for clock in ("09:59", "10:00", "10:01", "10:02", "03:00")]
    placed = place(Timeframe.M1, *moments, window=window)
    assert (placed.wanted.tolist(), placed.faults) == ([False, True, True, False, False], {})


def test_no_candle_stands_nowhere() -> None:
    for timeframe in Timeframe:
        placed = place(timeframe)
        assert (placed.keys.tolist(), placed.wanted.tolist(), placed.faults) == ([], [], {})
