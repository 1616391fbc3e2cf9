"""Returns, drawdown and risk: hand-calculated answers, published references, scaling, bad input."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.errors import InvalidInputError
from jutsu_core.metrics.drawdown import Drawdown, drawdown_series, max_drawdown
from jutsu_core.metrics.returns import (
    best_return,
    cagr,
    positive_share,
    simple_returns,
    total_return,
    worst_return,
)
from jutsu_core.metrics.risk import calmar_ratio, sharpe_ratio, sortino_ratio, volatility

SHARED = Path(__file__).resolve().parents[3].parent / "shared"
REFERENCES = SHARED / "data" / "reference" / "reference_values.json"
FULL: dict[str, Any] = {"periods_per_year": 252, "annualize_partial_years": True}


def series(*values: float) -> "pd.Series[float]":
    return pd.Series(values, index=pd.date_range("2013-01-01", periods=len(values), tz="UTC"))


def between(first: str, last: str, *values: float) -> "pd.Series[float]":
    return pd.Series(values, index=pd.DatetimeIndex([first, last], tz="UTC"))


def reference(name: str) -> dict[str, Any]:
    if not REFERENCES.exists():
        pytest.skip("the shared reference values are not here")
    values: dict[str, Any] = json.loads(REFERENCES.read_text())[name]
    return values


def test_returns_by_hand() -> None:
    prices = series(100.0, 110.0, 99.0, 99.0, 118.8)
    returns = simple_returns(prices)  # 110/100, 99/110, 99/99, 118.8/99
    assert returns.to_list() == pytest.approx([0.1, -0.1, 0.0, 0.2])
    assert returns.index.equals(prices.index[1:])
    assert total_return(prices) == pytest.approx(0.188)
    best, worst = best_return(returns), worst_return(returns)
    assert best is not None
    assert worst is not None
    assert best.label == prices.index[4]
    assert best.value == pytest.approx(0.2)
    assert worst.label == prices.index[2]
    assert worst.value == pytest.approx(-0.1)
    assert positive_share(returns) == 0.5


def test_a_single_price_has_no_return() -> None:
    one = series(100.0)
    empty = simple_returns(one)
    assert empty.empty
    assert total_return(one) is None
    assert cagr(one, annualize_partial_years=True) is None
    assert best_return(empty) is None
    assert worst_return(empty) is None
    assert positive_share(empty) is None
    assert volatility(empty, **FULL) is None
    assert max_drawdown(one) == Drawdown(0.0, None, None, None)


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [("2004-12-31", "2005-12-30", 364), ("1999-12-31", "2000-12-29", 364), ("2011-12-30", "2012-12-31", 367)],
)
def test_every_full_calendar_year_is_a_year(first: str, last: str, days: int) -> None:
    assert cagr(between(first, last, 100.0, 110.0)) == pytest.approx(1.1 ** (365.25 / days) - 1)


def test_under_a_year_nothing_is_annualised_unless_asked() -> None:
    prices = between("2005-01-03", "2006-01-01", 100.0, 110.0)  # 363 days
    assert cagr(prices) is None
    assert cagr(prices, annualize_partial_years=True) == pytest.approx(1.1 ** (365.25 / 363) - 1)
    returns = pd.Series([0.01, 0.03])
    assert volatility(returns, periods_per_year=252, elapsed_days=363) is None
    assert volatility(returns, periods_per_year=252) is None
    assert volatility(returns, periods_per_year=252, elapsed_days=364) is not None
    rates: dict[str, Any] = {"risk_free_rate": 0.0, "periods_per_year": 252, "elapsed_days": 363}
    assert sharpe_ratio(returns, **rates) is None
    assert sortino_ratio(returns, **rates) is None


def test_days_are_counted_between_dates_of_the_exchange() -> None:
    """Values of two evenings in New York: 364 days by its dates, though one has UTC's next date by summer time."""
    evenings = pd.DatetimeIndex(["2012-12-31 19:30", "2013-12-30 20:30"], tz="America/New_York")
    for index in (evenings, evenings.tz_convert("UTC"), evenings.tz_convert("Asia/Tokyo").as_unit("ns")):
        assert cagr(pd.Series([100.0, 110.0], index=index)) == pytest.approx(1.1 ** (365.25 / 364) - 1)
    year = pd.DatetimeIndex(["2012-12-31 22:00", "2013-12-31 01:00"], tz="UTC")  # 31 December and 30 December there
    assert cagr(pd.Series([100.0, 110.0], index=year)) == pytest.approx(1.1 ** (365.25 / 364) - 1)
    in_tokyo = cagr(pd.Series([100.0, 110.0], index=year), exchange_zone="Asia/Tokyo")  # 1 January and 31 December
    assert in_tokyo == pytest.approx(1.1 ** (365.25 / 364) - 1)


def test_a_rate_too_large_for_a_float_is_undefined() -> None:
    assert cagr(between("2005-01-03", "2005-01-04", 1.0, 1e9), annualize_partial_years=True) is None


def test_a_loss_below_zero_has_no_growth_rate() -> None:
    assert cagr(between("2005-01-03", "2007-01-03", 1.0, -1.0)) is None
    assert cagr(between("2005-01-03", "2007-01-03", 1.0, 0.0)) == -1.0


def test_risk_by_hand() -> None:
    returns = pd.Series([0.02, -0.01, 0.03, 0.00])
    # mean 0.01; squares 1, 4, 4, 1 (e-4), sum 10e-4; ddof 1: 10e-4 / 3
    deviation = math.sqrt(10e-4 / 3)
    assert volatility(returns, periods_per_year=12, annualize_partial_years=True) == pytest.approx(
        deviation * math.sqrt(12)
    )
    rates: dict[str, Any] = {"risk_free_rate": 0.0, "periods_per_year": 12, "annualize_partial_years": True}
    assert sharpe_ratio(returns, **rates) == pytest.approx(0.01 / deviation * math.sqrt(12))
    # one shortfall of 0.01 over four periods: sqrt(1e-4 / 4) = 0.005
    assert sortino_ratio(returns, **rates) == pytest.approx(0.01 / 0.005 * math.sqrt(12))


def test_the_risk_free_rate_is_taken_off_per_period() -> None:
    returns = pd.Series([0.02, -0.01, 0.03, 0.00])
    annual = 1.005**12 - 1  # 0.5 % a month
    rates: dict[str, Any] = {
        "risk_free_rate": annual,
        "periods_per_year": 12,
        "annualize_partial_years": True,
    }
    assert sharpe_ratio(returns, **rates) == pytest.approx(0.005 / math.sqrt(10e-4 / 3) * math.sqrt(12))
    # excess: 1.5, -1.5, 2.5, -0.5 (%); shortfalls 1.5 and 0.5
    downside = math.sqrt((0.015**2 + 0.005**2) / 4)
    assert sortino_ratio(returns, **rates) == pytest.approx(0.005 / downside * math.sqrt(12))


def test_returns_that_do_not_vary_have_no_sharpe_ratio() -> None:
    flat = pd.Series([0.01] * 5)
    compounded = simple_returns(series(*(100 * 1.01**n for n in range(6))))
    for returns in (flat, compounded):
        assert volatility(returns, **FULL) == 0.0
        assert sharpe_ratio(returns, risk_free_rate=0.0, **FULL) is None
        assert sortino_ratio(returns, risk_free_rate=0.0, **FULL) is None


def test_calmar_is_growth_over_the_fall() -> None:
    assert calmar_ratio(0.1, Drawdown(-0.25, None, None, None)) == pytest.approx(0.4)
    assert calmar_ratio(None, Drawdown(-0.25, None, None, None)) is None
    assert calmar_ratio(0.1, Drawdown(0.0, None, None, None)) is None


def test_drawdown_starts_from_the_first_value() -> None:
    values = series(100.0, 90.0, 95.0, 80.0, 100.0, 120.0)
    assert drawdown_series(values).to_list() == pytest.approx([0.0, -0.1, -0.05, -0.2, 0.0, 0.0])
    days = values.index
    fall = max_drawdown(values)
    assert fall.depth == pytest.approx(-0.2)
    assert (fall.peak, fall.trough, fall.recovery) == (days[0], days[3], days[4])


def test_drawdown_takes_the_last_day_at_the_peak_and_may_not_recover() -> None:
    values = series(50.0, 100.0, 100.0, 60.0, 99.0)
    days = values.index
    fall = max_drawdown(values)
    assert fall.depth == pytest.approx(-0.4)
    assert (fall.peak, fall.trough, fall.recovery) == (days[2], days[3], None)


def test_of_two_equal_drawdowns_the_first_counts() -> None:
    values = series(100.0, 50.0, 100.0, 50.0)
    days = values.index
    assert max_drawdown(values) == Drawdown(-0.5, days[0], days[1], days[2])


def test_empyrical_published_values() -> None:
    table = reference("empyrical_mixed_returns_daily")
    returns = pd.Series([value for value in table["returns"] if value is not None])
    expected = table["expected"]
    assert volatility(returns, **FULL) == pytest.approx(expected["annual_volatility_252"], rel=1e-12)
    assert sharpe_ratio(returns, risk_free_rate=0.0, **FULL) == pytest.approx(expected["sharpe_rf0"], rel=1e-12)
    assert sortino_ratio(returns, risk_free_rate=0.0, **FULL) == pytest.approx(expected["sortino_mar0"], rel=1e-12)
    equity = pd.Series([1.0, *(1 + returns).cumprod()])
    assert max_drawdown(equity).depth == pytest.approx(expected["max_drawdown"], rel=1e-12)
    assert total_return(equity) == pytest.approx(expected["cum_return_final"], abs=1e-5)


def test_empyrical_published_values_of_a_fall() -> None:
    table = reference("empyrical_negative_returns")
    returns = pd.Series(table["returns_pct"]) / 100
    assert sharpe_ratio(returns, risk_free_rate=0.0, **FULL) == pytest.approx(table["sharpe_rf0"], rel=1e-12)
    assert sortino_ratio(returns, risk_free_rate=0.0, **FULL) == pytest.approx(table["sortino"], rel=1e-12)
    equity = pd.Series([1.0, *(1 + returns).cumprod()])
    assert max_drawdown(equity).depth == pytest.approx(table["max_drawdown"], abs=1e-6)


def test_an_independent_computation_agrees() -> None:
    noise = np.random.default_rng(7).normal(0.0005, 0.012, 600)
    prices = pd.Series(100 * np.cumprod(1 + noise), index=pd.date_range("2010-01-01", periods=600, tz="UTC"))
    change = prices.pct_change().dropna()
    returns = simple_returns(prices)
    pd.testing.assert_series_equal(returns, change, check_freq=False)
    assert volatility(returns, periods_per_year=252, elapsed_days=599) == pytest.approx(change.std() * 252**0.5)
    excess = change - (1.03 ** (1 / 252) - 1)
    rates: dict[str, Any] = {"risk_free_rate": 0.03, "periods_per_year": 252, "elapsed_days": 599}
    assert sharpe_ratio(returns, **rates) == pytest.approx(excess.mean() / excess.std() * 252**0.5)
    downside = excess.clip(upper=0).pow(2).mean() ** 0.5
    assert sortino_ratio(returns, **rates) == pytest.approx(excess.mean() / downside * 252**0.5)
    assert max_drawdown(prices).depth == pytest.approx((prices / prices.cummax() - 1).min())


positive_prices = st.lists(st.floats(min_value=1.0, max_value=1000.0), min_size=3, max_size=40)


@given(values=positive_prices, power=st.integers(min_value=-8, max_value=8))
def test_the_unit_of_the_price_does_not_matter(values: list[float], power: int) -> None:
    """A power of two scales without rounding, so the answers are the same bits."""
    prices, scaled = series(*values), series(*(value * 2.0**power for value in values))
    assert simple_returns(prices).equals(simple_returns(scaled))
    assert max_drawdown(prices) == max_drawdown(scaled)
    assert cagr(prices, annualize_partial_years=True) == cagr(scaled, annualize_partial_years=True)


@given(values=positive_prices)
def test_a_drawdown_lies_between_total_loss_and_none(values: list[float]) -> None:
    prices: Any = series(*values)
    fall = max_drawdown(prices)
    assert -1 < fall.depth <= 0
    assert (fall.depth == 0) == (values == sorted(values))
    if fall.depth < 0:
        assert prices[fall.trough] / prices[fall.peak] - 1 == fall.depth
        assert fall.recovery is None or prices[fall.recovery] >= prices[fall.peak]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, math.nan], r"row 1 of prices \(2013-01-02.*\) must be finite, was nan"),
        ([1.0, 2.0, math.inf], r"row 2 of prices .* must be finite, was inf"),
        ([1.0, 0.0], r"row 1 of prices .* must be above 0, was 0.0"),
        ([-1.0, 1.0], r"row 0 of prices .* must be above 0, was -1.0"),
        ([], "prices must be at least one row long, was empty"),
        ([1e-300, 1e300], r"the return at row 1 of prices .* must be finite, was inf"),
    ],
)
def test_bad_prices_are_refused(values: list[float], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        simple_returns(series(*values))


@pytest.mark.parametrize("figure", [total_return, drawdown_series, max_drawdown])
def test_a_figure_too_large_for_a_float_is_refused(figure: Any) -> None:
    """Of steps that are none of them too large."""
    values = [1e-200, 1.0, 1e200] if figure is total_return else [1e-150, -1e200]
    with pytest.raises(InvalidInputError, match=r"^the (total return|fall) of \w+ must be finite, was -?inf; two"):
        figure(series(*values))


@pytest.mark.parametrize("bad", [None, [1.0, 2.0], np.array([1.0])])
def test_only_a_series_is_accepted(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match="prices must be a pandas Series, was"):
        simple_returns(bad)


@pytest.mark.parametrize("bad", [True, "1", None])
def test_only_numbers_are_accepted(bad: object) -> None:
    with pytest.raises(InvalidInputError, match="row 1 of prices must be a finite number"):
        simple_returns(pd.Series([1.0, bad], dtype=object))


@pytest.mark.parametrize("days", [["2013-01-02", "2013-01-01"], ["2013-01-01", "2013-01-01"]])
def test_unsorted_or_repeated_times_are_refused(days: list[str]) -> None:
    first, last = days
    with pytest.raises(InvalidInputError, match="row 1 of the index of values must be after 2013-01-0"):
        max_drawdown(between(first, last, 1.0, 2.0))


def test_a_missing_time_is_refused() -> None:
    index = pd.DatetimeIndex(["2013-01-01", None], tz="UTC")
    with pytest.raises(InvalidInputError, match="row 1 of the index of values must be a timestamp"):
        max_drawdown(pd.Series([1.0, 2.0], index=index))


def test_growth_needs_aware_times() -> None:
    with pytest.raises(InvalidInputError, match="must be timezone-aware, was naive"):
        cagr(pd.Series([1.0, 2.0], index=pd.DatetimeIndex(["2013-01-01", "2014-01-01"])))
    with pytest.raises(InvalidInputError, match="must be a DatetimeIndex, was a RangeIndex"):
        cagr(pd.Series([1.0, 2.0]))


@pytest.mark.parametrize("periods", [0, -1, 252.0, True])
def test_periods_per_year_must_be_a_positive_integer(periods: Any) -> None:
    with pytest.raises(InvalidInputError, match="periods_per_year must be an integer of at least 1, was"):
        volatility(pd.Series([0.1, 0.2]), periods_per_year=periods)


@pytest.mark.parametrize("rate", [-1.0, math.nan, math.inf])
def test_the_risk_free_rate_must_be_a_fraction(rate: float) -> None:
    with pytest.raises(InvalidInputError, match="risk_free_rate must be"):
        sharpe_ratio(pd.Series([0.1, 0.2]), risk_free_rate=rate, periods_per_year=252)


def test_inputs_are_left_as_they_were() -> None:
    prices = series(100.0, 80.0, 120.0)
    before = prices.copy(deep=True)
    returns = simple_returns(prices)
    sharpe_ratio(returns, risk_free_rate=0.01, **FULL)
    max_drawdown(prices)
    cagr(prices)
    pd.testing.assert_series_equal(prices, before)
