"""The simulator's replies against Schwab's own specification and a reply that was captured live."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.market import MarketHistory
from jutsu_assets.simulator.pricehistory import chicago_midnight
from tests.jutsu_assets.simulator.wire import Wire, reference

TYPES: dict[str, tuple[type, ...]] = {
    "number": (int, Decimal),
    "integer": (int,),
    "string": (str,),
    "boolean": (bool,),
    "array": (list,),
}
OPTIONAL = {"datetimeISO8601", "previousCloseDateISO8601"}
"""In the specification and in no capture."""


@pytest.fixture(scope="module")
def sample_reply() -> dict[str, Any]:
    wire = Wire(SchwabSimulator(MarketHistory.from_sample()))
    text = wire.history("AAPL", startDate=1_000_000_000_000, needPreviousClose="true").text
    content: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return content


def assert_shape(value: dict[str, Any], schema: dict[str, Any]) -> None:
    properties = schema["properties"]
    assert set(value) == set(properties) - OPTIONAL
    for name, item in value.items():
        assert isinstance(item, TYPES[properties[name]["type"]]), name


def test_a_reply_has_the_shape_of_the_specification(sample_reply: dict[str, Any]) -> None:
    schemas = json.loads(reference("market_data.openapi.json").read_text("utf-8"))["components"]["schemas"]
    assert_shape(sample_reply, schemas["CandleList"])
    for item in sample_reply["candles"]:
        assert_shape(item, schemas["Candle"])


def test_a_captured_reply_and_ours_look_alike(sample_reply: dict[str, Any]) -> None:
    captured = json.loads(reference("rb_daily.json").read_text("utf-8"), parse_float=Decimal)
    ours, theirs = sample_reply["candles"], captured["candles"]
    assert list(ours[0]) == list(theirs[0])
    assert set(captured) == set(sample_reply) - {"previousClose", "previousCloseDate"}
    for item in (*ours, *theirs):
        assert isinstance(item["volume"], int)
        assert isinstance(item["datetime"], int)
        trading_date = datetime.fromtimestamp(item["datetime"] / 1000, tz=UTC).date()
        assert item["datetime"] == chicago_midnight(trading_date)
        for name in ("open", "high", "low", "close"):
            price = item[name]
            if isinstance(price, Decimal):
                assert price != price.to_integral_value()
                assert -4 <= price.as_tuple().exponent < 0  # type: ignore[operator] # finite


def test_refusals_have_the_shape_of_the_specification() -> None:
    content = json.loads(reference("ErrorResponse.json").read_text("utf-8"))
    wire = Wire(SchwabSimulator(MarketHistory.from_bars({})))
    known = {name for error in content["errors"] for name in error}
    for response in (wire.history(None), wire.http.get("/nowhere"), wire.http.get("/marketdata/v1/pricehistory")):
        assert list(response.json()) == ["errors"]
        for error in response.json()["errors"]:
            assert set(error) <= known
            assert {"id", "status", "title"} <= set(error)
