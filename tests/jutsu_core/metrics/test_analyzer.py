"""The analyzer: one call for a backtest, and what it refuses or calls undefined."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from jutsu_core.errors import InvalidInputError, NoDataError
from jutsu_core.events import FillEvent
from jutsu_core.metrics.analyzer import PerformanceAnalyzer

START = datetime(2012, 3, 1, tzinfo=UTC)


def history(*values: Any) -> list[dict[str, Any]]:
    return [{"timestamp": START + timedelta(days=day), "total_value": value} for day, value in enumerate(values)]


def fill(day: int, direction: Literal["BUY", "SELL"], price: int) -> FillEvent:
    return FillEvent(
        symbol="AAPL",
        timestamp=START + timedelta(days=day),
        direction=direction,
        quantity=Decimal(10),
        fill_price=Decimal(price),
        commission=Decimal(1),
    )


TRADES = [fill(0, "BUY", 10), fill(1, "SELL", 12), fill(2, "SELL", 12), fill(3, "BUY", 13)]


def test_a_backtest_by_hand() -> None:
    metrics = PerformanceAnalyzer().calculate_metrics(TRADES, history(Decimal(100), 110.0, 99, Decimal("118.8")))
    assert metrics["total_return"] == pytest.approx(0.188)
    assert metrics["max_drawdown"] == pytest.approx(-0.1)
    assert metrics["max_drawdown_peak"] == "2012-03-02T00:00:00+00:00"
    assert metrics["max_drawdown_recovery"] == "2012-03-04T00:00:00+00:00"
    assert metrics["positive_days"] == pytest.approx(2 / 3)
    # (12 - 10) * 10 - 2 = 18 and (12 - 13) * 10 - 2 = -12
    assert metrics["win_rate"] == 0.5
    assert metrics["profit_factor"] == 1.5
    assert metrics["net_profit"] == 6.0
    assert (metrics["average_win"], metrics["average_loss"], metrics["expectancy"]) == (18.0, -12.0, 3.0)
    assert (metrics["fills"], metrics["round_trips"]) == (4, 2)
    assert metrics["notes"] == []
    json.dumps(metrics, allow_nan=False)


def test_three_days_are_not_annualised_unless_asked() -> None:
    rows = history(100, 110, 99, 118.8)
    plain = PerformanceAnalyzer().calculate_metrics([], rows)
    for name in ("cagr", "volatility", "sharpe_ratio", "sortino_ratio", "calmar_ratio"):
        assert plain[name] is None
    asked = PerformanceAnalyzer(annualize_partial_years=True).calculate_metrics([], rows)
    returns = pd.Series([0.1, -0.1, 0.2])
    assert asked["sharpe_ratio"] == pytest.approx(returns.mean() / returns.std() * 252**0.5)
    assert asked["sharpe_ratio"] == pytest.approx(PerformanceAnalyzer().calculate_sharpe_ratio(returns))


def test_a_year_of_equity_is_annualised() -> None:
    rows = history(*(100 + day % 7 for day in range(365)))
    metrics = PerformanceAnalyzer(periods_per_year=365, risk_free_rate=0.01).calculate_metrics([], rows)
    assert metrics["elapsed_days"] == 364
    assert metrics["sharpe_ratio"] is not None
    definitions = metrics["definitions"]
    assert (definitions["periods_per_year"], definitions["risk_free_rate"]) == (365, 0.01)
    assert set(definitions["metrics"]) <= set(metrics)


def test_without_trades_and_with_one_row_all_is_undefined() -> None:
    metrics = PerformanceAnalyzer().calculate_metrics([], history(100))
    for name in ("total_return", "max_drawdown", "sharpe_ratio", "win_rate", "profit_factor", "net_profit"):
        assert metrics[name] is None
    assert metrics["round_trips"] == 0


def test_losing_everything_leaves_return_and_drawdown() -> None:
    metrics = PerformanceAnalyzer().calculate_metrics([], history(100, 120, -30, 0))
    assert metrics["total_return"] == -1.0
    assert metrics["max_drawdown"] == pytest.approx(-1.25)  # -30 / 120 - 1
    assert metrics["max_drawdown_trough"] == "2012-03-03T00:00:00+00:00"
    assert metrics["volatility"] is None
    assert metrics["notes"] == [
        "equity is 0 or below on 2012-03-03T00:00:00+00:00: returns are undefined from there on"
    ]
    assert set(metrics) == set(PerformanceAnalyzer().calculate_metrics([], history(100, 120)))
    json.dumps(metrics, allow_nan=False)


def test_other_time_zones_are_turned_into_utc() -> None:
    eastern = timezone(timedelta(hours=-5))
    rows = [{"timestamp": datetime(2012, 3, 1, 20, 0, tzinfo=eastern), "total_value": 1}]
    metrics = PerformanceAnalyzer().calculate_metrics([], rows)
    assert metrics["base_date"] == "2012-03-02T01:00:00+00:00"


def test_rows_of_every_kind_give_the_same_report() -> None:
    """Nearly all hold plain datetimes and numbers, which are taken by the column; the others row by row."""
    values = (100, 110, 99, 118)
    plain = PerformanceAnalyzer().calculate_metrics([], history(*values))
    unusual: list[list[dict[str, Any]]] = [
        history(*(Decimal(value) for value in values)),
        history(*(np.float64(value) for value in values)),
        [row | {"timestamp": pd.Timestamp(row["timestamp"])} for row in history(*values)],
        [row | {"timestamp": row["timestamp"].astimezone(ZoneInfo("Asia/Tokyo"))} for row in history(*values)],
        [row | {"cash": 1} for row in history(*values)],
    ]
    for rows in unusual:
        assert PerformanceAnalyzer().calculate_metrics([], rows) == plain
    counted = PerformanceAnalyzer(periods_per_year=np.int64(252)).calculate_metrics([], history(*values))  # type: ignore[arg-type]  # NumPy's integers are integers
    assert json.dumps(counted) == json.dumps(plain)


def test_days_elapse_on_the_exchange_s_dates() -> None:
    """From the morning of Thursday to the evening of Friday in New York, which is Saturday in UTC."""
    moments = (datetime(2012, 3, 1, 15, tzinfo=UTC), datetime(2012, 3, 3, 1, tzinfo=UTC))
    for values, total in ((("1", "2"), 1.0), (("1", "0"), -1.0)):
        rows = [{"timestamp": at, "total_value": Decimal(value)} for at, value in zip(moments, values, strict=True)]
        metrics = PerformanceAnalyzer().calculate_metrics([], rows)
        assert (metrics["elapsed_days"], metrics["total_return"]) == (1, total)
        assert PerformanceAnalyzer(exchange_zone="Europe/London").calculate_metrics([], rows)["elapsed_days"] == 2


@pytest.mark.parametrize(
    ("step", "count", "periods_per_year", "told"),
    [
        (timedelta(days=30), 120, 252, "about 12 a year and were measured with periods_per_year=252"),
        (timedelta(days=7), 60, 252, "about 52 a year"),
        (timedelta(days=1), 200, 12, "about 365 a year and were measured with periods_per_year=12"),
        (timedelta(days=30), 120, 12, ""),
        (timedelta(days=7), 60, 52, ""),
        (timedelta(days=1), 400, 252, "about 365 a year"),
        (timedelta(days=1), 400, 365, ""),
        (timedelta(days=30), 1, 252, ""),
        (timedelta(minutes=1), 391, 98_280, ""),
    ],
)
def test_rows_of_another_period_are_told(step: timedelta, count: int, periods_per_year: int, told: str) -> None:
    rows = [{"timestamp": START + number * step, "total_value": 100 + number % 7} for number in range(count)]
    analyzer = PerformanceAnalyzer(periods_per_year=periods_per_year, accept_other_periods=True)
    notes = analyzer.calculate_metrics([], rows)["notes"]
    assert [told in note for note in notes] == [True] * bool(told)


def test_an_equity_curve_is_called_so() -> None:
    newest_first = pd.Series([1.0, 2.0], index=pd.DatetimeIndex(["2012-03-02", "2012-03-01"], tz="UTC"))
    with pytest.raises(InvalidInputError, match=r"^row 1 of the index of equity_curve must be after 2012-03-02"):
        PerformanceAnalyzer().calculate_max_drawdown(newest_first)
    with pytest.raises(InvalidInputError, match=r"^row 1 of equity_curve \(1\) must be finite, was nan"):
        PerformanceAnalyzer().calculate_max_drawdown(pd.Series([1.0, math.nan]))


def test_the_win_rate_of_round_trips() -> None:
    analyzer = PerformanceAnalyzer()
    assert analyzer.calculate_win_rate(TRADES) == 0.5
    with pytest.raises(NoDataError, match="at least one closed round trip, got none from 1 fills"):
        analyzer.calculate_win_rate(TRADES[:1])


def test_the_drawdown_of_a_curve() -> None:
    analyzer = PerformanceAnalyzer()
    assert analyzer.calculate_max_drawdown(pd.Series([100.0, 75.0, 110.0])) == -0.25
    assert analyzer.calculate_max_drawdown(pd.Series([Decimal(100), Decimal(75)])) == -0.25
    assert analyzer.calculate_max_drawdown(pd.Series([100.0, 101.0])) == 0.0
    with pytest.raises(InvalidInputError, match=r"must be above 0 at the start, was 0\.0"):
        analyzer.calculate_max_drawdown(pd.Series([0.0, 101.0]))


@pytest.mark.parametrize("returns", [[], [0.1], [0.1, 0.1, 0.1]])
def test_a_sharpe_ratio_that_is_undefined_is_an_error(returns: list[float]) -> None:
    with pytest.raises(NoDataError, match=f"at least two returns that vary, got {len(returns)}"):
        PerformanceAnalyzer().calculate_sharpe_ratio(pd.Series(returns, dtype=float))


def test_the_gap_that_pct_change_leaves_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"row 0 of returns \(0\) must be finite, was nan"):
        PerformanceAnalyzer().calculate_sharpe_ratio(pd.Series([1.0, 2.0, 3.0]).pct_change())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "portfolio_history must be at least one row long, was empty"),
        (history(0), "total_value in row 0 .* must be above 0"),
        (history(1, math.nan), "total_value in row 1 .* must be a finite number, was nan"),
        (history(1, Decimal("Infinity")), "total_value in row 1 .* must be a finite number"),
        (history(1, "2"), "total_value in row 1 .* must be a finite number, was '2'"),
        (history(*[1, True]), "total_value in row 1 .* must be a finite number, was True"),
        (history(1, 2)[::-1], "timestamp in row 1 .* must be after 2012-03-02"),
        (history(1) * 2, "timestamp in row 1 .* must be after 2012-03-01"),
        ([{"timestamp": pd.NaT, "total_value": 1}], "timestamp in row 0 .* timezone-aware datetime, was NaT"),
        ([{"timestamp": "2012-03-01", "total_value": 1}], "timestamp in row 0 .* timezone-aware datetime"),
        ([{"total_value": 1}], "row 0 of portfolio_history must be a mapping with 'timestamp'"),
    ],
)
def test_a_bad_history_is_refused(rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        PerformanceAnalyzer().calculate_metrics([], rows)


def test_a_naive_time_is_refused() -> None:
    rows = [{"timestamp": START.replace(tzinfo=None), "total_value": 1}]
    with pytest.raises(InvalidInputError, match=r"timestamp in row 0 .* must be a timezone-aware datetime"):
        PerformanceAnalyzer().calculate_metrics([], rows)


def test_bad_rates_are_refused_at_once() -> None:
    with pytest.raises(InvalidInputError, match="periods_per_year must be an integer of at least 1, was 0"):
        PerformanceAnalyzer(periods_per_year=0)
    with pytest.raises(InvalidInputError, match="risk_free_rate must be a fraction above -1, was -2"):
        PerformanceAnalyzer(risk_free_rate=-2)


def test_the_inputs_are_left_as_they_were() -> None:
    rows, trades = history(100, 110, 99), list(TRADES)
    PerformanceAnalyzer().calculate_metrics(trades, rows)
    assert rows == history(100, 110, 99)
    assert trades == TRADES
