"""The simulator's replies beside replies that were recorded live: the same keys, the same types, at every level."""

import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.market import MarketHistory
from tests.jutsu_assets.simulator.wire import Wire, reference, stamp

NOON = datetime(2013, 2, 28, 17, tzinfo=UTC)
NEVER_SERVED = {
    *("declarationDate", "divExDate", "divPayDate", "lastEarningsDate", "nextDivExDate", "nextDivPayDate"),
}
"""What only a company with dividends and earnings has; the simulator knows of none."""


def asked(path: str, now: datetime = NOON, **params: str) -> Any:
    wire = Wire(SchwabSimulator(MarketHistory.from_sample(), now=lambda: now))
    response = wire.http.get(f"/marketdata/v1/{path}", params=params, headers=wire.bearer())
    assert response.status_code == 200, response.text
    return response.json()


def recorded(name: str) -> Any:
    path = reference(name)
    return json.loads(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_text("utf-8"))


def assert_alike(ours: Any, theirs: Any, where: str) -> None:
    """Compare keys and types; numbers may be whole or not, as prices are at Schwab."""
    if isinstance(theirs, Mapping):
        assert set(ours) == set(theirs) - NEVER_SERVED, where
        for name in ours:
            assert_alike(ours[name], theirs[name], f"{where}.{name}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list), where
        for index, item in enumerate(ours):
            assert_alike(item, theirs[0], f"{where}[{index}]")
    else:
        numbers = (int, float)
        both = isinstance(ours, numbers) and isinstance(theirs, numbers) and not isinstance(theirs, bool)
        assert both or type(ours) is type(theirs), f"{where}: {ours!r} beside {theirs!r}"


def test_a_quote() -> None:
    ours = asked("quotes", symbols="AAPL")
    assert_alike(ours["AAPL"], recorded("QuoteResponse_real.json")["AAPL"], "quote")
    assert list(ours["AAPL"]) == list(recorded("QuoteResponse_real.json")["AAPL"]), "in the same order"


def test_unknown_symbols_among_quotes() -> None:
    assert_alike(asked("quotes", symbols="NONE"), recorded("QuoteError.json"), "errors")
    mixed = asked("quotes", symbols="NONE,IBM")
    assert (set(mixed), mixed["errors"]) == ({"IBM", "errors"}, {"invalidSymbols": ["NONE"]})


@pytest.mark.parametrize("market", ["equity", "option"])
def test_the_hours_of_an_open_day(market: str) -> None:
    ours = asked("markets", markets=market, date="2013-03-01")
    assert_alike(ours[market], recorded("market_hours_future_date.json")[market], market)


def test_the_hours_of_a_closed_day() -> None:
    ours = asked("markets", markets="equity", date="2013-03-02")
    assert_alike(ours, recorded("market_hours_equity.json"), "hours")


def test_the_hours_of_a_half_day_end_at_one() -> None:
    now = datetime(2012, 11, 20, 17, tzinfo=UTC)
    hours = asked("markets/equity", now, date="2012-11-23")["equity"]["EQ"]["sessionHours"]
    assert hours["regularMarket"] == [{"start": "2012-11-23T09:30:00-05:00", "end": "2012-11-23T13:00:00-05:00"}]


def test_instruments() -> None:
    theirs = recorded("Instruments_real.json")["instruments"]
    plain = next(item for item in theirs if "fundamental" not in item)
    ours = asked("instruments", symbol="AAPL", projection="symbol-search")["instruments"]
    assert len(ours) == 1
    assert_alike(ours[0], plain, "instrument")
    assert asked("instruments", symbol="NONE", projection="symbol-search") == {"instruments": []}


def test_movers_in_session_and_none_after_it() -> None:
    ours = asked("movers/$SPX")["screeners"]
    assert len(ours) == 5
    assert_alike(ours, recorded("Mover_real.json")["screeners"], "movers")
    assert asked("movers/$SPX", NOON + timedelta(hours=5)) == {"screeners": []}


def test_minutes() -> None:
    theirs = recorded("CandleList_real2.json.gz")
    ours = asked(
        "pricehistory",
        symbol="AAPL",
        periodType="day",
        frequencyType="minute",
        startDate=str(stamp(NOON.date())),
        endDate=str(stamp(NOON.date(), 17)),
        needPreviousClose="true",
    )
    assert_alike(ours, theirs, "minutes")
    assert len(ours["candles"]) > 100


@pytest.mark.parametrize(
    ("path", "params", "detail"),
    [
        ("quotes", {}, "Search combination should have min of 1."),
        ("quotes", {"symbols": ",".join(f"S{n}" for n in range(501))}, "Search combination should not exceed 500."),
        ("quotes", {"symbols": "AAPL", "fields": "colour"}, "valid fields should be any of all,fundamental"),
        ("markets", {"markets": "equity", "date": "2013-02-27"}, "Invalid date"),
        ("markets", {"markets": "equity", "date": "2014-03-02"}, "Invalid date"),
        ("markets", {"markets": "moon"}, "Invalid value"),
        ("instruments", {"symbol": "AAPL", "projection": "guess"}, "Invalid value"),
    ],
)
def test_what_is_refused(path: str, params: dict[str, str], detail: str) -> None:
    wire = Wire(SchwabSimulator(MarketHistory.from_sample(), now=lambda: NOON))
    response = wire.http.get(f"/marketdata/v1/{path}", params=params, headers=wire.bearer())
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["detail"].startswith(detail)


@pytest.mark.parametrize("path", ["BRK/B/quotes", "NONE/quotes", "chains", "expirationchain", "nowhere"])
def test_what_there_is_not(path: str) -> None:
    wire = Wire(SchwabSimulator(MarketHistory.from_sample(), now=lambda: NOON))
    response = wire.http.get(f"/marketdata/v1/{path}", headers=wire.bearer())
    assert response.status_code == 404
    assert response.json()["errors"][0]["title"] == "Not Found"
