"""Wrong candles: X1 to X12."""

import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

import pytest

from jutsu_assets.simulator import anomalies
from jutsu_assets.simulator.faults import Fault
from tests.jutsu_assets.simulator.wire import (
    EVENING,
    FRIDAY,
    MONDAY,
    SESSIONS,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    Wire,
    days,
    small_simulator,
    stamp,
)

MIDDAY = datetime(2013, 2, 28, 17, 45, tzinfo=UTC)
"""Half way through Thursday's session in New York."""
SATURDAY = date(2013, 2, 23)


def served(*faults: Fault, now: datetime = EVENING) -> list[dict[str, Any]]:
    return Wire(small_simulator(*faults, now=now)).candles()


def content(*faults: Fault) -> dict[str, Any]:
    found: dict[str, Any] = Wire(small_simulator(*faults)).history(startDate=0, endDate=stamp(THURSDAY)).json()
    return found


def at(candles: list[dict[str, Any]], day: date) -> dict[str, Any]:
    (item,) = [item for item, found in zip(candles, days(candles), strict=True) if found == day]
    return item


def test_x1_todays_bar_forms_under_a_new_york_stamp() -> None:
    candles = served(anomalies.forming_bar(), now=MIDDAY)
    assert days(candles) == list(SESSIONS)
    assert candles[-1] == {
        "open": 104,
        "high": 109.25,
        "low": 99,
        "close": 106.625,
        "volume": 502,
        "datetime": stamp(THURSDAY, 5),
    }


def test_x1_the_forming_bar_grows_with_the_clock_and_then_settles() -> None:
    opening = MIDDAY - timedelta(hours=3, minutes=15)
    clock = [opening]
    simulator = small_simulator(anomalies.forming_bar().times(4))
    simulator.now = lambda: clock[0]
    wire = Wire(simulator)
    volumes = []
    for hours in (0, 1, 4, 7):
        clock[0] = opening + timedelta(hours=hours)
        candles = wire.candles()
        volumes.append(candles[-1]["volume"] if days(candles)[-1] == THURSDAY else 0)
    assert volumes == sorted(set(volumes))
    assert volumes[0] == 0
    clock[0] = opening + timedelta(hours=8)
    assert wire.candles()[-1]["datetime"] == stamp(THURSDAY)
    assert wire.candles()[-1]["volume"] > volumes[-1]


@pytest.mark.parametrize("window", [{"endDate": stamp(WEDNESDAY)}, {"endDate": None}])
def test_x1_a_window_without_today_has_no_forming_bar(window: dict[str, Any]) -> None:
    wire = Wire(small_simulator(anomalies.forming_bar(Fraction(1, 2)), now=MIDDAY))
    assert days(wire.candles(**window))[-1] == WEDNESDAY


def test_x3_x4_a_bar_appears_on_a_day_without_a_session() -> None:
    candles = served(anomalies.phantom_bar(SATURDAY))
    assert days(candles) == [FRIDAY, SATURDAY, MONDAY, TUESDAY, WEDNESDAY, THURSDAY]
    assert candles[1] == candles[0] | {"datetime": stamp(SATURDAY, 5)}
    assert days(served(anomalies.phantom_bar(date(2000, 1, 1)))) == list(SESSIONS)


@pytest.mark.parametrize("shape", ["high", "low", "crossed"])
def test_x5_the_same_bars_are_broken_in_every_reply(shape: Literal["high", "low", "crossed"]) -> None:
    wire = Wire(small_simulator(anomalies.broken_ohlc(MONDAY, THURSDAY, shape=shape)))
    candles = wire.candles()
    assert candles == wire.candles()
    for item, day in zip(candles, days(candles), strict=True):
        broken = {
            "high": item["high"] < max(item["open"], item["close"]),
            "low": item["low"] > min(item["open"], item["close"]),
            "crossed": item["high"] < item["low"],
        }
        assert broken[shape] == (day in (MONDAY, THURSDAY))


def test_x6_only_the_newest_bars_come() -> None:
    assert days(served(anomalies.short_history(2))) == [WEDNESDAY, THURSDAY]


def test_x7_a_bar_is_restated_between_two_calls() -> None:
    wire = Wire(small_simulator(anomalies.restated(MONDAY, close=Decimal("54.5")).from_request(2)))
    before, after = wire.candles(), wire.candles()
    assert at(before, MONDAY)["close"] == 53.125
    assert at(after, MONDAY) == at(before, MONDAY) | {"close": 54.5}
    assert [a for a in after if a not in before] == [at(after, MONDAY)]


def test_x7_the_whole_history_is_rescaled() -> None:
    plain, scaled = served(), served(anomalies.rescaled(4))
    for was, item in zip(plain, scaled, strict=True):
        assert item["close"] == float(round(Decimal(str(was["close"])) / 4, 4))
        assert item["volume"] == was["volume"] * 4


def test_x2_x8_sessions_are_missing_until_a_set_request() -> None:
    wire = Wire(small_simulator(anomalies.missing_sessions(MONDAY, THURSDAY).times(1)))
    assert days(wire.candles()) == [FRIDAY, TUESDAY, WEDNESDAY]
    assert days(wire.candles()) == list(SESSIONS)


def test_x8_all_sessions_missing_is_an_empty_reply() -> None:
    assert content(anomalies.missing_sessions(*SESSIONS)) == {"candles": [], "symbol": "JTS", "empty": True}


@pytest.mark.parametrize("conflict", [{}, {"close": Decimal("54.5")}])
def test_x9_a_bar_comes_twice(conflict: dict[str, Any]) -> None:
    candles = served(anomalies.duplicated(MONDAY, **conflict))
    assert days(candles) == [FRIDAY, MONDAY, MONDAY, TUESDAY, WEDNESDAY, THURSDAY]
    assert (candles[1] == candles[2]) == (not conflict)


def test_x9_candles_come_unsorted() -> None:
    assert days(served(anomalies.unsorted_candles())) == list(SESSIONS)[::-1]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("close", None, "null"),
        ("close", "NaN", '"NaN"'),
        ("close", float("nan"), "NaN"),
        ("open", Decimal("-1.5"), "-1.5"),
        ("low", 0, "0"),
        ("high", "55.25", '"55.25"'),
        ("close", Decimal("52.12345678"), "52.12345678"),
        ("volume", -1, "-1"),
        ("volume", 10**19, "10000000000000000000"),
        ("volume", Decimal("0.5"), "0.5"),
    ],
)
def test_x10_a_field_holds_what_it_must_not(name: str, value: object, text: str) -> None:
    fault = anomalies.bad_value(MONDAY, name, value)
    body = Wire(small_simulator(fault)).history(startDate=stamp(MONDAY), endDate=stamp(MONDAY) + 1).text
    assert f'"{name}":{text},' in body
    (item,) = json.loads(body)["candles"]
    assert item[name] == pytest.approx(float(value), nan_ok=True) if isinstance(value, float | Decimal) else True
    assert not isinstance(value, float) or math.isnan(item[name])


@pytest.mark.parametrize("name", ["volume", "close", "datetime"])
def test_x10_a_field_is_absent(name: str) -> None:
    candles = content(anomalies.missing_key(MONDAY, name))["candles"]
    assert [name in item for item in candles] == [True, False, True, True, True]


@pytest.mark.parametrize("moved", [stamp(date(2200, 1, 3)), stamp(MONDAY) // 1000, stamp(MONDAY) + 17])
def test_x11_a_bar_carries_a_wrong_stamp(moved: int) -> None:
    candles = content(anomalies.restamped(MONDAY, moved))["candles"]
    assert [item["datetime"] for item in candles][1] == moved


def test_x12_the_envelope_is_wrong() -> None:
    assert content(anomalies.candles_are(None))["candles"] is None
    assert content(anomalies.candles_are({}))["candles"] == {}
    assert "candles" not in content(anomalies.candles_absent())
    assert content(anomalies.other_symbol("XYZ"))["symbol"] == "XYZ"
    contradicted = content(anomalies.contradictory_empty())
    assert (contradicted["empty"], len(contradicted["candles"])) == (True, 5)


def test_x12_unknown_keys_come_along() -> None:
    extended = content(anomalies.extra_keys())
    assert "unheardOf" in extended
    assert [item["datetimeISO8601"] for item in extended["candles"]] == [day.isoformat() for day in SESSIONS]


def test_anomalies_add_up_and_touch_only_their_symbol() -> None:
    faults = (anomalies.missing_sessions(MONDAY).for_symbol("JTS"), anomalies.unsorted_candles().for_symbol("JTS"))
    wire = Wire(small_simulator(*faults))
    assert days(wire.candles("JTS")) == [THURSDAY, WEDNESDAY, TUESDAY, FRIDAY]
    assert days(wire.candles("BRK/B")) == list(SESSIONS)


def test_the_market_itself_stays_as_it_is() -> None:
    wire = Wire(small_simulator(anomalies.broken_ohlc(MONDAY).times(1), anomalies.short_history(1).times(1)))
    wire.candles()
    assert wire.candles() == served()
