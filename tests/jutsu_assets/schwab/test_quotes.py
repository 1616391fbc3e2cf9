"""Quotes and market hours: exact, of the right session, and nothing believed that was not said."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from jutsu_assets.schwab.quotes import MarketHours, parse_hours, parse_quotes
from jutsu_core.bars import Bar, session_timestamp
from jutsu_core.errors import MalformedResponseError
from tests.jutsu_assets.simulator.wire import reference

FRIDAY = date(2024, 5, 17)


def quote(**changes: Any) -> dict[str, Any]:
    now = {"openPrice": 189.51, "highPrice": 190.81, "lowPrice": 189.18, "closePrice": 189.84, "totalVolume": 41}
    regular = {"regularMarketLastPrice": 189.87, "regularMarketTradeTime": 1715976000211}
    for name, value in changes.items():
        (regular if name in regular else now)[name] = value
    return {"assetMainType": "EQUITY", "symbol": "AAPL", "quote": now, "regular": regular}


def test_a_captured_quote_is_read_exactly() -> None:
    quotes = parse_quotes(reference("QuoteResponse_real.json").read_text("utf-8"))
    apple = quotes["AAPL"]
    assert (apple.session, apple.last, apple.previous_close) == (FRIDAY, Decimal("189.87"), Decimal("189.84"))
    assert apple.bar() == Bar(session_timestamp(FRIDAY), 189_510_000, 190_810_000, 189_180_000, 189_870_000, 41282925)
    assert "EUR/USD" not in quotes, "it does not trade in regular hours"


def test_unknown_symbols_have_no_quote() -> None:
    assert parse_quotes(reference("QuoteError.json").read_text("utf-8")) == {}
    mixed = {"AAPL": quote(), "errors": {"invalidSymbols": ["NONE"]}}
    assert set(parse_quotes(json.dumps(mixed))) == {"AAPL"}


@pytest.mark.parametrize(
    "changes",
    [
        {"openPrice": None},
        {"highPrice": "190"},
        {"lowPrice": True},
        {"closePrice": -1},
        {"totalVolume": None},
        {"totalVolume": 2**63},
        {"regularMarketLastPrice": float("nan")},
        {"regularMarketTradeTime": 0},
        {"regularMarketTradeTime": 10**18},
        {"regularMarketTradeTime": "1715976000211"},
    ],
)
def test_a_quote_with_something_missing_or_wrong_is_none(changes: dict[str, Any]) -> None:
    text = json.dumps({"AAPL": quote(**changes), "MSFT": quote()})
    assert set(parse_quotes(text)) == {"MSFT"}


@pytest.mark.parametrize(
    "changes", [{"highPrice": 189.0}, {"lowPrice": 189.9}, {"openPrice": 0}, {"openPrice": 189.1234567}]
)
def test_a_quote_whose_prices_break_a_rule_has_no_bar(changes: dict[str, Any]) -> None:
    assert parse_quotes(json.dumps({"AAPL": quote(**changes)}))["AAPL"].bar() is None


def test_a_trade_after_midnight_utc_is_of_the_day_before_in_new_york() -> None:
    late = int(datetime(2024, 5, 18, 1, tzinfo=UTC).timestamp() * 1000)
    assert parse_quotes(json.dumps({"AAPL": quote(regularMarketTradeTime=late)}))["AAPL"].session == FRIDAY


@pytest.mark.parametrize("text", ["", "[1]", "<HTML>", "null", '{"AAPL":[1]}', '{"AAPL":null}'])
def test_what_is_no_reply_about_quotes_is_malformed(text: str) -> None:
    with pytest.raises(MalformedResponseError, match="must be"):
        parse_quotes(text)


def test_captured_hours_are_read_whichever_key_holds_them() -> None:
    closed = parse_hours(reference("market_hours_equity.json").read_text("utf-8"), date(2025, 7, 20))
    assert closed == MarketHours(day=date(2025, 7, 20), is_open=False)
    ordinary = parse_hours(reference("market_hours_future_date.json").read_text("utf-8"), date(2025, 7, 21))
    assert (ordinary.opens_at, ordinary.closes_at) == (
        datetime(2025, 7, 21, 13, 30, tzinfo=UTC),
        datetime(2025, 7, 21, 20, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"equity": {}},
        {"equity": {"EQ": {"date": "2025-07-21", "isOpen": True}}},
        {"equity": {"EQ": {"date": "2025-07-22", "isOpen": False}}},
        {"equity": {"EQ": {"date": "soon", "isOpen": False}}},
        {"equity": {"EQ": {"date": "2025-07-21", "isOpen": True, "sessionHours": {"regularMarket": []}}}},
    ],
)
def test_hours_that_say_too_little_or_speak_of_another_day_are_malformed(content: dict[str, Any]) -> None:
    with pytest.raises(MalformedResponseError, match="2025-07-21"):
        parse_hours(json.dumps(content), date(2025, 7, 21))
