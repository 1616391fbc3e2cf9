"""A symbol's report: which closes each period covers, what is partial, and real prices."""

import json
import math
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jutsu_core.errors import InvalidInputError
from jutsu_core.metrics.benchmark import benchmark_measures
from jutsu_core.metrics.catalog import BENCHMARK_METRICS, CATALOG, definitions_of
from jutsu_core.metrics.periods import last_weekday, symbol_performance

SPY = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "daily" / "SPY_D.csv"


def report_of(prices: dict[str, float], **rates: Any) -> dict[str, Any]:
    closes = pd.Series(list(prices.values()), index=pd.DatetimeIndex(list(prices), tz="UTC"))
    return symbol_performance(closes, **({"periods_per_year": 252, "risk_free_rate": 0.0} | rates))


def weekdays(first: str, last: str, seed: int = 1) -> "pd.Series[float]":
    days = pd.bdate_range(first, last, tz="UTC")
    steps = np.random.default_rng(seed).normal(0.0005, 0.01, len(days))
    return pd.Series(100 * np.cumprod(1 + steps), index=days)


THREE_YEARS = {
    "2003-06-30": 10.0,
    "2003-12-31": 12.0,
    "2004-01-02": 9.0,
    "2004-12-31": 15.0,
    "2005-01-03": 18.0,
    "2005-12-29": 16.5,
}


def test_a_calendar_year_starts_from_the_last_close_before_it() -> None:
    first, second, third = report_of(THREE_YEARS)["calendar_years"]
    assert (first["year"], first["base_date"], first["first_session"]) == (2003, "2003-06-30", "2003-12-31")
    assert first["total_return"] == pytest.approx(0.2)  # 12 / 10
    assert (second["base_date"], second["last_session"]) == ("2003-12-31", "2004-12-31")
    assert second["total_return"] == pytest.approx(0.25)  # 15 / 12
    assert second["max_drawdown"] == pytest.approx(-0.25)  # 9 / 12: from the base
    assert second["max_drawdown_peak"] == "2003-12-31"
    assert second["max_drawdown_trough"] == "2004-01-02"
    assert second["max_drawdown_recovery"] == "2004-12-31"
    assert second["sessions"] == 2
    assert second["win_rate"] == 0.5
    assert (second["best_day"], second["best_day_date"]) == (pytest.approx(15 / 9 - 1), "2004-12-31")
    assert (second["worst_day"], second["worst_day_date"]) == (pytest.approx(-0.25), "2004-01-02")
    assert third["total_return"] == pytest.approx(0.1)  # 16.5 / 15


def test_the_years_compound_to_the_whole() -> None:
    report = report_of(THREE_YEARS)
    product = math.prod(1 + row["total_return"] for row in report["calendar_years"])
    assert product == pytest.approx(1 + report["since_inception"]["total_return"])


@pytest.mark.parametrize(("last", "is_partial"), [("2005-12-29", True), ("2005-12-30", False), ("2006-01-03", False)])
def test_the_last_year_is_partial_before_its_last_weekday(last: str, *, is_partial: bool) -> None:
    report = report_of({"2003-12-31": 10.0, "2004-06-30": 10.0, "2004-12-31": 11.0, "2005-06-30": 12.0, last: 12.5})
    rows = {row["year"]: row["is_partial"] for row in report["calendar_years"]}
    assert rows[2003] is True
    assert rows[2004] is False
    assert rows[2005] is is_partial


def test_a_year_after_a_year_without_data_is_partial() -> None:
    report = report_of({"2002-12-31": 10.0, "2004-03-01": 11.0, "2004-12-31": 12.0})
    assert [(row["year"], row["is_partial"]) for row in report["calendar_years"]] == [(2002, True), (2004, True)]


@pytest.mark.parametrize("year", range(1990, 2030))
def test_last_weekday(year: int) -> None:
    day = last_weekday(year)
    assert day.weekday() < 5
    assert all(date(year, 12, later).weekday() >= 5 for later in range(day.day + 1, 32))


def test_every_whole_calendar_year_is_annualised() -> None:
    report = symbol_performance(weekdays("1999-12-20", "2012-12-31"), periods_per_year=261, risk_free_rate=0.0)
    whole = [row for row in report["calendar_years"] if not row["is_partial"]]
    assert [row["year"] for row in whole] == list(range(2000, 2013))
    for row in whole:
        assert row["is_annualised"] is True
        assert row["cagr"] == pytest.approx(row["total_return"], rel=0.01, abs=0.01)
        assert None not in (row["volatility"], row["sharpe_ratio"], row["sortino_ratio"], row["calmar_ratio"])
    assert report["calendar_years"][0]["sharpe_ratio"] is None


def test_the_last_years_count_back_from_the_last_session() -> None:
    report = report_of(
        {"2003-02-27": 8.0, "2003-02-28": 10.0, "2003-03-03": 10.5, "2005-09-05": 12.0, "2006-03-01": 15.0}
    )
    three = report["trailing"]["3y"]  # 2003-03-01 was a Saturday
    assert (three["base_date"], three["first_session"]) == ("2003-02-28", "2003-03-03")
    assert three["total_return"] == pytest.approx(0.5)
    assert three["elapsed_days"] == 1097
    assert three["cagr"] == pytest.approx(1.5 ** (365.25 / 1097) - 1)
    assert report["trailing"]["1y"] is report["trailing"]["5y"] is None
    assert report["trailing_unavailable"] == {
        "1y": "needs a close on or shortly before 2005-03-01; the last one then is of 2003-03-03",
        "5y": "needs a close on or before 2001-03-01; the first is 2003-02-27",
        "10y": "needs a close on or before 1996-03-01; the first is 2003-02-27",
    }


def test_a_history_of_exactly_one_year_has_a_last_year() -> None:
    assert report_of({"2004-02-29": 1.0, "2005-02-28": 2.0})["trailing"]["1y"] is None
    assert report_of({"2004-02-28": 1.0, "2005-02-28": 2.0})["trailing"]["1y"]["total_return"] == 1.0


def test_a_single_bar_has_no_figures() -> None:
    report = report_of({"2013-03-01": 10.0})
    row = report["since_inception"]
    assert (row["base_date"], row["first_session"], row["last_session"]) == ("2013-03-01", None, "2013-03-01")
    assert row["sessions"] == 0
    for name in ("total_return", "cagr", "volatility", "sharpe_ratio", "max_drawdown", "best_day", "win_rate"):
        assert row[name] is None
    assert len(report["trailing_unavailable"]) == 4
    json.dumps(report, allow_nan=False)


def test_a_price_that_never_moves_has_no_ratios() -> None:
    days = pd.bdate_range("2010-01-01", "2012-12-31", tz="UTC")
    report = symbol_performance(pd.Series(5.0, index=days), periods_per_year=252, risk_free_rate=0.02)
    row = report["since_inception"]
    assert (row["total_return"], row["cagr"], row["volatility"], row["max_drawdown"]) == (0.0, 0.0, 0.0, 0.0)
    assert (row["sharpe_ratio"], row["calmar_ratio"], row["max_drawdown_peak"]) == (None, None, None)
    json.dumps(report, allow_nan=False)


def test_scaling_the_prices_changes_only_the_prices() -> None:
    closes = weekdays("2009-06-01", "2012-12-31")
    rates: dict[str, Any] = {"periods_per_year": 252, "risk_free_rate": 0.01}
    one, four = symbol_performance(closes, **rates), symbol_performance(closes * 4, **rates)
    assert four.pop("first_close") == 4 * one.pop("first_close")
    assert four.pop("last_close") == 4 * one.pop("last_close")
    assert one == four


def test_later_prices_change_no_whole_year() -> None:
    closes = weekdays("2009-06-01", "2012-12-31")
    rates: dict[str, Any] = {"periods_per_year": 252, "risk_free_rate": 0.01}
    whole = symbol_performance(closes, **rates)["calendar_years"]
    until = symbol_performance(closes[:"2011-12-30"], **rates)["calendar_years"]
    assert whole[: len(until)] == until


def test_the_definitions_name_every_choice() -> None:
    definitions = report_of(THREE_YEARS, periods_per_year=260, risk_free_rate=0.03)["definitions"]
    assert (definitions["periods_per_year"], definitions["risk_free_rate"], definitions["ddof"]) == (260, 0.03, 1)
    row = report_of(THREE_YEARS)["since_inception"]
    spans = {"base_date", "first_session", "last_session", "elapsed_days", "is_annualised"}
    assert set(definitions["metrics"]) == set(row) - spans
    assert "return" in definitions["metrics"]["win_rate"]


def test_the_catalogue_is_keyed_by_its_names() -> None:
    for name, metric in CATALOG.items():
        assert metric.name == name
        assert metric.definition.endswith(".")
    with pytest.raises(InvalidInputError, match=r"^names\[0\] must be one of total_return, .*, was 'no such metric'"):
        definitions_of(("no such metric",))


@pytest.mark.parametrize(
    ("days", "values", "message"),
    [
        (["2013-03-01", "2013-03-04"], [1.0, math.nan], "row 1 of closes .* must be finite"),
        (["2013-03-01", "2013-03-04"], [1.0, -2.0], "row 1 of closes .* must be above 0, was -2.0"),
        (["2013-03-01", "2013-03-01"], [1.0, 2.0], "row 1 of the index of closes must be after"),
        (["2013-03-01 05:00"], [1.0], "row 0 of the index of closes must be 00:00 UTC of its session"),
        ([], [], "closes must be at least one row long, was empty"),
    ],
)
def test_bad_closes_are_refused(days: list[str], values: list[float], message: str) -> None:
    closes = pd.Series(values, index=pd.DatetimeIndex(days, tz="UTC"), dtype=float)
    with pytest.raises(InvalidInputError, match=message):
        symbol_performance(closes, periods_per_year=252, risk_free_rate=0.0)


def test_naive_closes_are_refused() -> None:
    closes = pd.Series([1.0], index=pd.DatetimeIndex(["2013-03-01"]))
    with pytest.raises(InvalidInputError, match="timezone-aware, was naive"):
        symbol_performance(closes, periods_per_year=252, risk_free_rate=0.0)


def test_the_closes_are_left_as_they_were() -> None:
    closes = weekdays("2009-06-01", "2012-12-31")
    before = closes.copy(deep=True)
    symbol_performance(closes, periods_per_year=252, risk_free_rate=0.0)
    pd.testing.assert_series_equal(closes, before)


def test_twenty_years_of_real_prices_agree_with_pandas() -> None:
    if not SPY.exists():
        pytest.skip("the shared market data is not here")
    frame = pd.read_csv(SPY, index_col=0)
    columns = {name.lower(): name for name in frame.columns}
    stamps = frame[columns["date"]] if "date" in columns else frame.index
    closes = pd.Series(frame[columns["close"]].to_numpy(float), index=pd.DatetimeIndex(stamps).tz_localize("UTC"))
    report = symbol_performance(closes, periods_per_year=252, risk_free_rate=0.0)
    change: Any = closes.pct_change().dropna()
    year_ends: Any = closes.resample("YE").last()
    for row in report["calendar_years"][1:]:
        inside = change[change.index.year == row["year"]]
        assert row["sessions"] == len(inside)
        assert row["best_day"] == pytest.approx(inside.max())
        if not row["is_partial"]:
            expected = year_ends.pct_change()[str(row["year"])].iloc[0]
            assert row["total_return"] == pytest.approx(expected)
            assert row["volatility"] == pytest.approx(inside.std() * 252**0.5)
            assert row["sharpe_ratio"] == pytest.approx(inside.mean() / inside.std() * 252**0.5)
    whole = report["since_inception"]
    assert whole["max_drawdown"] == pytest.approx((closes / closes.cummax() - 1).min())
    assert (whole["max_drawdown_peak"], whole["max_drawdown_trough"]) == ("2007-10-09", "2009-03-09")
    json.dumps(report, allow_nan=False)


def types_in(value: object) -> set[type]:
    if isinstance(value, dict):
        return set().union(*map(types_in, value.values()))
    if isinstance(value, list):
        return set().union(*map(types_in, value))
    return {type(value)}


def test_a_report_holds_plain_values_alone() -> None:
    """NumPy's float is a float to json, and none to whoever keeps metadata."""
    days = pd.bdate_range("2010-01-04", "2012-12-31", tz="UTC")
    closes = pd.Series(100 + np.sin(np.arange(len(days))), index=days)
    report = symbol_performance(closes, periods_per_year=252, risk_free_rate=0.02)
    assert types_in(report) <= {int, float, str, bool, type(None)}


def test_a_benchmark_is_compared_over_the_sessions_that_both_have() -> None:
    own, other = weekdays("2003-01-01", "2005-12-30"), weekdays("2002-01-01", "2006-06-30", seed=2)
    other = other.drop(other.index[400]).rename("SPY")
    told = symbol_performance(own, periods_per_year=252, risk_free_rate=0.02, benchmark=other)["benchmark"]
    both = own.index.intersection(other.index)
    moves = [series[both].pct_change().dropna() for series in (own, other)]
    expected = benchmark_measures(
        *moves, risk_free_rate=0.02, periods_per_year=252, elapsed_days=(both[-1] - both[0]).days
    )
    assert {name: told[name] for name in BENCHMARK_METRICS} == pytest.approx(dict(expected.values), rel=1e-12)
    assert (told["name"], told["first_session"], told["last_session"]) == ("SPY", "2003-01-01", "2005-12-30")
    assert told["sessions"] == len(both) - 1
    assert [row["year"] for row in told["years"]] == [2003, 2004, 2005]


def test_a_session_that_the_benchmark_alone_has_changes_nothing() -> None:
    own, other = weekdays("2003-01-01", "2004-12-30"), weekdays("2002-01-01", "2006-06-30", seed=2)
    settings: dict[str, Any] = {"periods_per_year": 252, "risk_free_rate": 0.0}
    whole = symbol_performance(own, benchmark=other, **settings)
    assert whole == symbol_performance(own, benchmark=other[own.index[0] : own.index[-1]], **settings)


@pytest.mark.parametrize("count", [0, 1])
def test_with_hardly_a_common_session_nothing_is_told_of_a_benchmark_and_why(count: int) -> None:
    own = weekdays("2003-01-01", "2004-12-30")
    other = own.shift(freq="7000D")
    other = pd.concat([own[:count], other])
    told = symbol_performance(own, periods_per_year=252, risk_free_rate=0.0, benchmark=other)["benchmark"]
    assert {told[name] for name in BENCHMARK_METRICS} == {None}
    assert set(told["undefined"]) == set(BENCHMARK_METRICS)


def test_without_a_benchmark_the_report_says_so() -> None:
    report = report_of(THREE_YEARS, periods_per_year=2)
    assert report["benchmark"] is None
    assert report["definitions"]["benchmark"] == "No benchmark was given."
    assert "beta" not in report["definitions"]["metrics"]
