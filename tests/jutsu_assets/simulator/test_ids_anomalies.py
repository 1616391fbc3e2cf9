"""Wrong candles by their ids: X1 to X12."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from jutsu_assets.simulator.catalog import named_fault
from jutsu_assets.simulator.market import DailyBar, MarketHistory
from jutsu_assets.simulator.pricehistory import Window
from tests.jutsu_assets.simulator.named import named
from tests.jutsu_assets.simulator.wire import (
    EVENING,
    FRIDAY,
    MONDAY,
    SESSIONS,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    days,
    small_market,
    stamp,
)

NEW_YORK = ZoneInfo("America/New_York")
YEAR = 365 * 86_400_000
Candles = list[dict[str, Any]]


def plain() -> Candles:
    return named().candles()


def asked(*names: str) -> httpx.Response:
    return named(*names).history(startDate=0, endDate=stamp(THURSDAY) + 1)


def candle_of(day: date, found: Candles) -> dict[str, Any]:
    return found[days(found).index(day)]


def test_x1_todays_bar_grows_with_the_clock_and_settles() -> None:
    moment = [datetime(2013, 2, 28, 14, 30, tzinfo=UTC)]
    wire = named("X1", now=lambda: moment[0])
    seen = []
    for _ in range(3):
        moment[0] += timedelta(hours=2)
        seen.append(wire.candles()[-1])
    assert [item["datetime"] for item in seen] == [stamp(THURSDAY, 5)] * 3
    assert seen[0]["volume"] < seen[1]["volume"] < seen[2]["volume"]
    moment[0] = EVENING
    assert wire.candles() == plain()
    assert wire.candles()[-1]["datetime"] == stamp(THURSDAY, 6)


def test_x2_the_newest_bar_is_missing_for_some_requests() -> None:
    wire = named("X2:2")
    assert [days(wire.candles())[-1] for _ in range(3)] == [WEDNESDAY, WEDNESDAY, THURSDAY]


@pytest.mark.parametrize(("hour", "newest"), [(8, WEDNESDAY), (9, WEDNESDAY), (12, THURSDAY), (20, THURSDAY)])
def test_x2_yesterdays_bar_is_missing_until_noon(hour: int, newest: date) -> None:
    now = datetime(2013, 3, 1, hour, 1, tzinfo=NEW_YORK)
    assert days(named("X2-noon", now=lambda: now).candles())[-1] == newest


def test_x3_the_last_bar_comes_again_on_the_monday_after() -> None:
    found = named("X3").candles()
    assert found == [*plain(), plain()[-1] | {"datetime": stamp(date(2013, 3, 4), 5)}]


def test_x4_holidays_and_other_days_without_a_session_have_bars() -> None:
    price = Decimal(10)
    sessions = (date(2013, 2, 15), date(2013, 2, 19))
    market = MarketHistory.from_bars({"JTS": [DailyBar(day, price, price, price, price, 1) for day in sessions]})
    holiday = date(2013, 2, 18)
    found = named("X4", market=market).candles()
    assert days(found) == [sessions[0], holiday, sessions[1]]
    assert found[1] == found[0] | {"datetime": stamp(holiday, 5)}
    assert days(named("X4").candles()) == list(SESSIONS)
    saturday = date(2013, 2, 23)
    assert days(named("X4-saturday").candles()) == [FRIDAY, saturday, *SESSIONS[1:]]


def high_is_low(item: dict[str, Any]) -> bool:
    return bool(item["high"] < max(item["open"], item["close"]))


def low_is_high(item: dict[str, Any]) -> bool:
    return bool(item["low"] > min(item["open"], item["close"]))


def high_is_below_low(item: dict[str, Any]) -> bool:
    return bool(item["high"] < item["low"])


@pytest.mark.parametrize(
    ("name", "is_broken"), [("X5", high_is_low), ("X5-low", low_is_high), ("X5-crossed", high_is_below_low)]
)
def test_x5_the_same_few_bars_are_broken_in_every_reply(name: str, is_broken: Callable[[dict[str, Any]], bool]) -> None:
    wire = named(name)
    found = wire.candles()
    assert found == wire.candles()
    assert [day for item, day in zip(found, days(found), strict=True) if is_broken(item)] == [
        TUESDAY,
        WEDNESDAY,
        THURSDAY,
    ]


def test_x6_only_the_newest_461_bars_come() -> None:
    price = Decimal(10)
    rows = [DailyBar(THURSDAY - timedelta(days=back), price, price, price, price, 1) for back in range(600)]
    found = named("X6", market=MarketHistory.from_bars({"JTS": rows})).candles()
    assert len(found) == 461
    assert days(found)[-1] == THURSDAY


def test_x7_history_changes_between_two_calls() -> None:
    restated = named("X7")
    assert restated.candles() == plain()
    assert restated.candles() == [*plain()[:-1], plain()[-1] | {"volume": 1}]
    withdrawn = named("X7-withdrawn")
    assert [withdrawn.candles(), withdrawn.candles()] == [plain(), plain()[:-1]]
    split = named("X7-split")
    before, after = split.candles(), split.candles()
    assert [item["close"] for item in after] == [item["close"] / 2 for item in before]
    assert [item["volume"] for item in after] == [item["volume"] * 2 for item in before]


def test_x8_sessions_are_missing_inside_the_window_and_at_its_end() -> None:
    assert days(named("X8").candles()) == [FRIDAY, MONDAY, TUESDAY, THURSDAY]
    wire = named("X8-short")
    assert days(wire.candles()) == list(SESSIONS[:-1])
    assert days(wire.candles(endDate=stamp(TUESDAY) + 1)) == [FRIDAY, MONDAY]


def test_x8_minutes_are_missing_inside_the_window() -> None:
    change = named_fault("X8-minutes", THURSDAY).candles
    assert change is not None
    opening = datetime.combine(THURSDAY, time(9, 30), tzinfo=NEW_YORK)
    minutes = [{"datetime": int((opening + timedelta(minutes=n)).timestamp()) * 1000} for n in range(390)]
    found = change(minutes, Window("JTS", 0, 1, EVENING, small_market()))
    gone = [at for at, item in enumerate(minutes) if item not in found]
    assert gone == list(range(30, 40))
    assert change(plain(), Window("JTS", 0, 1, EVENING, small_market())) == plain()


def test_x9_bars_come_twice_or_in_the_wrong_order() -> None:
    last = plain()[-1]
    assert named("X9").candles() == [*plain(), last]
    assert named("X9-conflicting").candles() == [*plain(), last | {"volume": 1}]
    assert named("X9-unsorted").candles() == plain()[::-1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("X10", '"close":null,'),
        ("X10-nan", '"close":NaN,'),
        ("X10-nan-text", '"close":"NaN",'),
        ("X10-negative", '"low":-1.5,'),
        ("X10-zero", '"open":0,'),
        ("X10-text", '"high":"55.25",'),
        ("X10-decimals", '"close":52.12345678,'),
        ("X10-volume-negative", '"volume":-1,'),
        ("X10-volume-huge", '"volume":10000000000000000000,'),
        ("X10-volume-fractional", '"volume":0.5,'),
    ],
)
def test_x10_a_field_holds_what_it_must_not(name: str, text: str) -> None:
    assert asked(name).text.count(text) == 1
    assert text not in asked().text


@pytest.mark.parametrize("field", ["volume", "close", "datetime"])
def test_x10_a_field_is_absent(field: str) -> None:
    found = asked(f"X10-{field}-absent").json()["candles"]
    assert [field in item for item in found] == [True] * 4 + [False]


@pytest.mark.parametrize(
    ("name", "moved"),
    [
        ("X11", stamp(THURSDAY) + 200 * YEAR),
        ("X11-outside", stamp(THURSDAY) - 60 * YEAR),
        ("X11-minute", stamp(THURSDAY) + 17_123),
        ("X11-seconds", stamp(THURSDAY) // 1000),
    ],
)
def test_x11_a_bar_carries_a_wrong_stamp(name: str, moved: int) -> None:
    found = asked(name).json()["candles"]
    assert [item["datetime"] for item in found] == [*(item["datetime"] for item in plain()[:-1]), moved]


def test_x12_the_envelope_is_wrong() -> None:
    right = asked().json()
    assert asked("X12").json() == right | {"symbol": "OTHER"}
    assert asked("X12-empty").json() == right | {"empty": True}
    assert asked("X12-null").json() == right | {"candles": None}
    assert asked("X12-absent").json() == {"symbol": "JTS", "empty": False}
    extended = json.loads(asked("X12-keys").text)
    assert extended.pop("unheardOf") == {"of": True}
    assert [item.pop("datetimeISO8601") for item in extended["candles"]] == [day.isoformat() for day in SESSIONS]
    assert extended == right
