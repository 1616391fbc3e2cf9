"""A report with its data: derived again it is the same to the last bit, and what was changed is named."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jutsu_core.errors import InvalidInputError
from jutsu_core.events import FillEvent
from jutsu_core.metrics.stored_report import Difference, as_bytes, differences, places, stored_report

FIRST = datetime(2013, 1, 1, tzinfo=UTC)


BARS = pd.DataFrame(
    {
        "symbol": ["IBM"] * 400,
        "timestamp": [FIRST + timedelta(days=day) for day in range(400)],
        "high": np.linspace(101, 201, 400),
        "low": np.linspace(99, 198, 400),
        "close": np.linspace(100, 200, 400),
    }
)


def portfolio(seed: int = 1) -> tuple[list[FillEvent], list[dict[str, Any]], "pd.Series[float]"]:
    moves = np.random.default_rng(seed).normal(0, 0.01, 400)
    values = 1000 * np.cumprod(1 + moves)
    times = [FIRST + timedelta(days=day) for day in range(400)]
    history: list[dict[str, Any]] = [
        {"timestamp": when, "total_value": Decimal(str(round(value, 6))) if row % 2 else float(value), "note": object()}
        for row, (when, value) in enumerate(zip(times, values, strict=True))
    ]
    history[7] |= {"cash_flow": Decimal("1E+2"), "positions": None}
    for row in history:
        row |= {"positions": {"IBM": 2.5, "AAPL": {"quantity": 3, "price": Decimal("1.50")}}, "cash": 5}
    fills = [
        FillEvent(
            symbol="IBM",
            timestamp=times[day],
            direction="BUY" if day % 20 else "SELL",
            quantity=Decimal("1.10"),
            fill_price=Decimal("1E+2"),
        )
        for day in range(10, 100, 10)
    ]
    return fills, history, pd.Series(values[::-1].copy(), pd.DatetimeIndex(times), name="SPY")


OPTIONS = {"periods_per_year": 365, "risk_free_rate": 0.01, "matching": "closing_order", "flows_at": "start"}


@pytest.mark.parametrize("with_benchmark", [True, False])
def test_a_report_comes_back_through_its_bytes_to_the_last_bit(*, with_benchmark: bool) -> None:
    fills, history, benchmark = portfolio()
    stored = stored_report(fills, history, options=OPTIONS, benchmark=benchmark if with_benchmark else None, bars=BARS)
    raw = as_bytes(stored)
    assert stored["report"]["market"]["largest_leverage"] is not None
    assert differences(json.loads(raw)) == []
    assert as_bytes(json.loads(raw)) == raw
    assert (
        as_bytes(
            stored_report(*portfolio()[:2], options=OPTIONS, benchmark=benchmark if with_benchmark else None, bars=BARS)
        )
        == raw
    )


def test_what_was_changed_is_named_with_both_values() -> None:
    fills, history, _ = portfolio()
    stored = json.loads(as_bytes(stored_report(fills, history, options=OPTIONS)))
    sharpe = stored["report"]["sharpe_ratio"]
    stored["report"]["sharpe_ratio"] = np.nextafter(sharpe, 9)
    stored["report"]["drawdowns"].pop()
    stored["report"]["more"] = 1
    found = differences(stored)
    assert [difference.place for difference in found if "drawdowns" not in difference.place] == ["sharpe_ratio", "more"]
    assert Difference("sharpe_ratio", np.nextafter(sharpe, 9), sharpe) in found
    assert any(difference.place.startswith("drawdowns.") for difference in found)


def test_data_that_were_changed_change_the_fingerprint() -> None:
    fills, history, _ = portfolio()
    stored = json.loads(as_bytes(stored_report(fills, history, options=OPTIONS)))
    stored["given"]["trades"][0]["slippage"] = "0.000001"
    assert "fingerprint.data" in [difference.place for difference in differences(stored)]


def test_the_fingerprint_does_not_depend_on_how_the_same_is_written() -> None:
    fills, history, _ = portfolio()
    other = [{**row, "positions": dict(reversed(row["positions"].items()))} for row in history]
    same = [
        FillEvent(
            symbol=fill.symbol,
            timestamp=fill.timestamp,
            direction=fill.direction,
            quantity=fill.quantity * Decimal("1.000"),
            fill_price=Decimal(100),
        )
        for fill in fills
    ]
    assert (
        stored_report(fills, history, options=OPTIONS)["report"]
        == stored_report(same, other, options=OPTIONS)["report"]
    )


def changed(place: list[str | int], value: object) -> dict[str, Any]:
    fills, history, benchmark = portfolio()
    stored: Any = json.loads(as_bytes(stored_report(fills, history, options=OPTIONS, benchmark=benchmark, bars=BARS)))
    under = stored
    for part in place[:-1]:
        under = under[part]
    under[place[-1]] = value
    return stored  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (["kind"], "else", "stored must be a report of the kind 'jutsu portfolio report'"),
        (["given"], [], "'given' of the stored report must be a group of keys, was "),
        (["report"], None, "'report' of the stored report must be a group of keys"),
        (["given", "options"], None, "'options' of the stored report must be a group of keys"),
        (["given", "options", "flows_at"], 3, "option flows_at must be what the analyzer takes, was 3"),
        (["given", "options", "trials"], 3, "options must be of periods_per_year, risk_free_rate"),
        (["given", "trades"], {}, "'trades' of the stored report must be a list"),
        (["given", "trades", 2], 5, "trade 2 of the stored report must be a fill, its amounts as texts, was 5"),
        (["given", "trades", 0, "quantity"], "many", "trade 0 of the stored report must be a fill"),
        (["given", "trades", 0, "timestamp"], "2013-01-01", "trade 0 of the stored report must be a fill"),
        (["given", "portfolio_history", 3], 5, "row 3 of the stored history must be a group of keys, was 5"),
        (["given", "portfolio_history", 3, "timestamp"], 5, "row 3 of the stored history must be a time as ISO text"),
        (
            ["given", "portfolio_history", 3, "total_value"],
            "x",
            "row 3 of the stored history must be a time as ISO text",
        ),
        (["given", "portfolio_history", 3, "total_value"], None, "total_value in row 3 of portfolio_history"),
        (["given", "benchmark"], 5, "'times' of the stored report must be a list"),
        (["given", "benchmark", "times", 0], "x", "benchmark of the stored report must be times and as many numbers"),
        (["given", "bars"], 5, "'times' of the stored report must be a list"),
        (["given", "bars", "IBM", "high"], [1], "bars of IBM of the stored report must be times and as many prices"),
        (["given", "bars", "IBM", "low", 3], -1, "row 3 of low of bars"),
        (["given", "benchmark", "values"], [1], "benchmark of the stored report must be times and as many numbers"),
    ],
)
def test_a_file_that_is_no_stored_report_is_refused_by_name(place: list[str | int], value: object, said: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        differences(changed(place, value))
    assert said in str(error.value)


@pytest.mark.parametrize("stored", [None, [], "text", {}])
def test_what_is_none_at_all_is_refused(stored: object) -> None:
    with pytest.raises(InvalidInputError, match="stored must be a report of the kind"):
        differences(stored)


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="stored must be what JSON can hold"):
        as_bytes({"a": float("nan")})


def test_many_differences_are_counted() -> None:
    found = [Difference(str(row), row, None) for row in range(5)]
    assert places(found, 2)[-1] == "and 3 more"
