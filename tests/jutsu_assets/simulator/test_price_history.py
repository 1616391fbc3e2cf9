"""Price history, normal and refused: P1 to P19, B1 to B5, F6, R1."""

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.endpoints import PRICE_HISTORY
from jutsu_assets.simulator.market import DailyBar, MarketHistory
from jutsu_assets.simulator.switches import Switches
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

NOTHING = {"candles": [], "symbol": "JTS", "empty": True}
MATRIX = [
    ("month", (1, 2, 3, 6), ("daily", "weekly")),
    ("year", (1, 2, 3, 5, 10, 15, 20), ("daily", "weekly", "monthly")),
    ("ytd", (1,), ("daily", "weekly")),
]
LEGAL = [(kind, p, frequency) for kind, periods, frequencies in MATRIX for p in periods for frequency in frequencies]


@pytest.fixture
def wire() -> Wire:
    return Wire(small_simulator())


def long_market() -> MarketHistory:
    """A flat bar on the 15th and the 16th of every month from 1990 to February 2013."""
    rows = [
        DailyBar(date(1990 + n // 12, n % 12 + 1, day), Decimal(n + 1), Decimal(n + 2), Decimal(n), Decimal(n + 1), 1)
        for n in range(23 * 12 + 2)
        for day in (15, 16)
    ]
    return MarketHistory.from_bars({"JTS": rows})


def long_wire() -> Wire:
    return Wire(SchwabSimulator(long_market(), now=lambda: EVENING))


@pytest.mark.parametrize(("kind", "period", "frequency"), LEGAL)
def test_p1_every_legal_row_is_answered(kind: str, period: int, frequency: str) -> None:
    wire = long_wire()
    asked: dict[str, Any] = {"periodType": kind, "period": period, "frequencyType": frequency}
    alone = wire.history(**asked).json()
    dated = wire.history(**asked, frequency=1, startDate=0, endDate=stamp(date(2030, 1, 1))).json()
    assert not alone["empty"]
    sessions = [bar.session for bar in long_market().daily("JTS", as_of=THURSDAY)]
    expected = {
        "daily": len(sessions),
        "weekly": len({session.isocalendar()[:2] for session in sessions}),
        "monthly": len({(session.year, session.month) for session in sessions}),
    }
    assert len(dated["candles"]) == expected[frequency]


@pytest.mark.parametrize(("kind", "frequency"), [("month", "weekly"), ("year", "monthly"), ("ytd", "weekly")])
def test_p1_absent_parameters_take_their_defaults(kind: str, frequency: str) -> None:
    wire = long_wire()
    short = wire.history(periodType=kind, frequencyType=None)
    full = wire.history(periodType=kind, frequencyType=frequency, period=1, frequency=1)
    assert short.json() == full.json()


def test_p1_minutes_are_legal(wire: Wire) -> None:
    for frequency in (1, 5, 10, 15, 30):
        reply = wire.history(
            periodType="day", frequencyType="minute", frequency=frequency, needExtendedHoursData="false"
        )
        assert len(reply.json()["candles"]) == 4 * 390 / frequency, "four sessions before today"
    assert wire.history(periodType=None, frequencyType=None).json()["candles"]


@pytest.mark.parametrize("extended", ["true", "false", None])
def test_p4_daily_bars_are_stamped_at_midnight_in_chicago(wire: Wire, extended: str | None) -> None:
    candles = wire.candles(needExtendedHoursData=extended)
    assert [item["datetime"] for item in candles] == [stamp(day) for day in SESSIONS]


def test_p4_in_summer_midnight_in_chicago_is_five_o_clock() -> None:
    history = MarketHistory.from_bars({"JTS": [(date(2012, 7, 5), *[Decimal(1)] * 4, 1)]})  # type: ignore[list-item]
    wire = Wire(SchwabSimulator(history, now=lambda: EVENING))
    assert [item["datetime"] for item in wire.candles()] == [stamp(date(2012, 7, 5), 5)]


def test_p5_weeks_and_months_join_their_sessions(wire: Wire) -> None:
    first, second = wire.candles(frequencyType="weekly")
    assert days([first, second]) == [date(2013, 2, 18), MONDAY]
    daily = wire.candles()[1:]
    assert second == {
        "open": daily[0]["open"],
        "high": max(item["high"] for item in daily),
        "low": min(item["low"] for item in daily),
        "close": daily[-1]["close"],
        "volume": sum(item["volume"] for item in daily),
        "datetime": stamp(MONDAY),
    }
    (month,) = wire.candles(frequencyType="monthly")
    assert days([month]) == [date(2013, 2, 1)]


def test_p5_the_stamp_of_a_week_is_a_switch() -> None:
    wire = Wire(small_simulator(switches=Switches(weekly_stamp="first_session")))
    assert days(wire.candles(frequencyType="weekly")) == [FRIDAY, MONDAY]


def test_p6_previous_close_is_the_one_before_the_first_candle(wire: Wire) -> None:
    content = wire.history(startDate=stamp(TUESDAY), endDate=stamp(THURSDAY), needPreviousClose="true").json()
    assert content["previousClose"] == 53.125
    assert content["previousCloseDate"] == stamp(MONDAY)


@pytest.mark.parametrize("asked", ["true", "false", None])
def test_p6_before_the_first_bar_there_is_no_previous_close(wire: Wire, asked: str | None) -> None:
    content = wire.history(startDate=0, needPreviousClose=asked).json()
    assert list(content) == ["candles", "symbol", "empty"]


def test_p7_numbers_are_written_as_schwab_writes_them(wire: Wire) -> None:
    text = wire.history(startDate=stamp(FRIDAY), endDate=stamp(FRIDAY) + 1).text
    assert text == (
        '{"candles":[{"open":50,"high":55.25,"low":45,"close":52.625,"volume":2002,"datetime":1361512800000}],'
        '"symbol":"JTS","empty":false}'
    )


@pytest.mark.parametrize(
    "window",
    [
        {"startDate": stamp(date(1999, 1, 1)), "endDate": stamp(date(1999, 2, 1))},
        {"startDate": stamp(date(2013, 2, 23)), "endDate": stamp(date(2013, 2, 24))},
        {"startDate": stamp(date(2020, 1, 1)), "endDate": stamp(date(2021, 1, 1))},
        {"startDate": stamp(date(2020, 1, 1))},
    ],
)
def test_p8_a_window_without_data_is_empty(wire: Wire, window: dict[str, Any]) -> None:
    reply = wire.history(**window, needPreviousClose="true")
    assert reply.status_code == 200
    assert reply.json() == NOTHING


@pytest.mark.parametrize("symbol", ["NONE", "BRK.B", "$SPX.X", "jts"])
def test_p9_an_unknown_symbol_is_empty_too(wire: Wire, symbol: str) -> None:
    assert wire.history(symbol).json() == {"candles": [], "symbol": symbol, "empty": True}


def test_p9_as_a_switch_an_unknown_symbol_is_not_found() -> None:
    wire = Wire(small_simulator(switches=Switches(unknown_symbol_is_404=True)))
    assert wire.history("NONE").status_code == 404
    assert wire.history("JTS").status_code == 200


def test_p10_a_share_class_takes_a_slash(wire: Wire) -> None:
    reply = wire.http.get(f"{PRICE_HISTORY}?symbol=BRK%2FB&periodType=year&frequencyType=daily", headers=wire.bearer())
    assert reply.json()["symbol"] == "BRK/B"
    assert not reply.json()["empty"]


def test_p11_without_an_end_nothing_of_today_is_served(wire: Wire) -> None:
    assert days(wire.history(startDate=0).json()["candles"]) == list(SESSIONS[:-1])


def test_p12_an_end_in_the_future_serves_up_to_now(wire: Wire) -> None:
    assert days(wire.candles()) == list(SESSIONS)


@pytest.mark.parametrize(
    ("now", "newest"),
    [
        (datetime(2013, 2, 28, 21, 59, tzinfo=UTC), WEDNESDAY),
        (datetime(2013, 2, 28, 22, 0, tzinfo=UTC), THURSDAY),
        (datetime(2013, 2, 27, 4, 59, tzinfo=UTC), TUESDAY),
    ],
)
def test_todays_bar_comes_when_it_is_settled(now: datetime, newest: date) -> None:
    assert days(Wire(small_simulator(now=now)).candles())[-1] == newest


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ({"periodType": "month", "period": 2}, date(2013, 1, 15)),
        ({"periodType": "year", "period": 1}, date(2012, 3, 15)),
        ({"periodType": "ytd"}, date(2013, 1, 15)),
        ({"periodType": "year", "period": 2, "endDate": stamp(date(2012, 6, 20))}, date(2010, 7, 15)),
        ({"periodType": "month", "period": 1, "endDate": stamp(date(2012, 3, 31))}, date(2012, 3, 15)),
    ],
)
def test_p13_without_a_start_the_period_counts_back_from_the_end(asked: dict[str, Any], first: date) -> None:
    assert days(long_wire().history(**asked).json()["candles"])[0] == first


def test_p15_daily_bars_are_clipped_to_both_bounds(wire: Wire) -> None:
    inside = wire.candles(startDate=stamp(MONDAY), endDate=stamp(WEDNESDAY), period=20)
    assert days(inside) == [MONDAY, TUESDAY, WEDNESDAY]
    later = wire.candles(startDate=stamp(MONDAY) + 1, endDate=stamp(WEDNESDAY))
    assert days(later) == [TUESDAY, WEDNESDAY]


def test_p15_whether_the_end_is_included_is_a_switch() -> None:
    wire = Wire(small_simulator(switches=Switches(inclusive_end=False)))
    assert days(wire.candles(startDate=stamp(MONDAY), endDate=stamp(WEDNESDAY))) == [MONDAY, TUESDAY]


def test_p16_start_zero_is_everything_and_period_twenty_alone_is_twenty_years() -> None:
    wire = long_wire()
    everything = days(wire.history(startDate=0).json()["candles"])
    assert everything[0] == date(1990, 1, 15)
    assert days(wire.history(period=20).json()["candles"])[0] == date(1993, 3, 15)


def test_p19_history_is_in_terms_of_the_simulators_today() -> None:
    before = Wire(small_simulator(now=datetime(2013, 2, 27, 1, 0, tzinfo=UTC))).candles()
    after = Wire(small_simulator()).candles()
    assert [item["close"] for item in before] == [105.25, 106.25, 107.25]
    assert [item["close"] for item in after[:3]] == [52.625, 53.125, 53.625]
    assert [item["volume"] for item in before] == [1001, 1002, 1003]
    assert [item["volume"] for item in after[:3]] == [2002, 2004, 2006]
    assert after[3]["close"] == 108.25


@pytest.mark.parametrize(
    ("asked", "parameter", "detail"),
    [
        ({"periodType": None}, "frequencyType", "Invalid frequencyType DAILY for periodType DAY"),
        ({"periodType": "day"}, "frequencyType", "Invalid frequencyType DAILY for periodType DAY"),
        ({"frequencyType": "minute"}, "frequencyType", "Invalid frequencyType MINUTE for periodType YEAR"),
        (
            {"periodType": "ytd", "frequencyType": "monthly"},
            "frequencyType",
            "Invalid frequencyType MONTHLY for periodType YTD",
        ),
        ({"startDate": "2013-01-01"}, "startDate", "StartDate must be miliseconds from epoch"),
        ({"endDate": -1}, "startDate", "StartDate must be miliseconds from epoch"),
        ({"startDate": 5, "endDate": 5}, "startDate", "Invalid date range"),
        ({"startDate": 6, "endDate": 5}, "startDate", "Invalid date range"),
        ({"period": 4}, "period", "Invalid value"),
        ({"period": "one"}, "period", "Invalid value"),
        ({"frequency": 5}, "frequency", "Invalid value"),
        ({"periodType": "decade"}, "periodType", "Invalid value"),
        ({"frequencyType": "hourly"}, "frequencyType", "Invalid value"),
        ({"symbol": ""}, "symbol", "Missing parameter"),
        ({"symbol": None}, "symbol", "Missing parameter"),
    ],
)
def test_b1_to_b5_illegal_questions_are_refused(wire: Wire, asked: dict[str, Any], parameter: str, detail: str) -> None:
    reply = wire.history(**({"symbol": "JTS"} | asked))
    assert reply.status_code == 400
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Schwab-Resource-Version"] == "1"
    (error,) = reply.json()["errors"]
    assert error.pop("id")
    assert error == {"status": "400", "title": "Bad Request", "detail": detail, "source": {"parameter": parameter}}


def test_b2_refusing_seconds_is_a_switch(wire: Wire) -> None:
    seconds = stamp(MONDAY) // 1000
    assert wire.history(startDate=seconds).status_code == 200
    strict = Wire(small_simulator(switches=Switches(refuse_seconds=True)))
    assert strict.history(startDate=seconds).status_code == 400
    assert strict.history(startDate=0).status_code == 200


def test_f6_replies_are_gzip_only_where_the_client_takes_it(wire: Wire) -> None:
    headers = wire.bearer()
    url = f"{PRICE_HISTORY}?symbol=JTS&periodType=year&frequencyType=daily"
    with wire.http.stream("GET", url, headers=headers) as packed:
        body = b"".join(packed.iter_raw())
    plain = wire.http.get(url, headers=headers | {"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Content-Length"] == str(len(body))
    assert "Content-Encoding" not in plain.headers
    assert json.loads(gzip.decompress(body)) == plain.json()


def test_price_history_has_no_header_of_schwabs_own(wire: Wire) -> None:
    names = {name.lower() for name in wire.history().headers}
    assert names == {"content-type", "content-length", "content-encoding"}


def test_r1_more_than_the_set_number_a_second_are_refused() -> None:
    wire = Wire(small_simulator(switches=Switches(requests_per_second=2)))
    assert [wire.history().status_code for _ in range(3)] == [200, 200, 429]
