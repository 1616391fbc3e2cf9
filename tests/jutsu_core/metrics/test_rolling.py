"""Every window has the figures that its returns alone have, to the bit wherever it stands in a history."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from jutsu_core.metrics.benchmark import benchmark_measures
from jutsu_core.metrics.catalog import CATALOG
from jutsu_core.metrics.figures import period_figures
from jutsu_core.metrics.rolling import BESIDE, ROLLING, rolling_arrays
from jutsu_core.metrics.series import FloatArray

R: FloatArray = np.random.default_rng(5).normal(0.0005, 0.012, 130)
B: FloatArray = 0.5 * R + np.random.default_rng(6).normal(0.0, 0.01, 130)
DAYS = pd.date_range("2012-03-01", periods=131, tz="UTC")
YEAR: dict[str, Any] = {"periods_per_year": 252}


def rolling(returns: FloatArray = R, window: int = 21, **options: Any) -> dict[str, FloatArray]:
    return rolling_arrays(returns, window=window, **({"risk_free": 0.0001} | YEAR | options))


def of_one_window(own: FloatArray, other: FloatArray, risk_free: FloatArray) -> dict[str, Any]:
    index = DAYS[: len(own)]
    equity = pd.Series([1.0, *np.cumprod(1 + own)], index=DAYS[: len(own) + 1])
    settings: dict[str, Any] = {**YEAR, "annualize_partial_years": True}
    told = period_figures(equity, risk_free_rate=1.0001**252 - 1, **settings)
    series = [pd.Series(values, index=index) for values in (own, other, risk_free)]
    return told | benchmark_measures(series[0], series[1], risk_free_rate=series[2], **settings)[0]


def test_a_rolling_figure_is_called_as_the_catalogue_calls_it() -> None:
    assert {*ROLLING, *BESIDE} <= CATALOG.keys()


@pytest.mark.parametrize("window", [2, 3, 7, 16, 21, 63, 64, 127, 130])
def test_a_window_has_the_figures_of_its_returns(window: int) -> None:
    found = rolling(window=window, benchmark=B)
    assert set(found) == {*ROLLING, *BESIDE}
    each = np.full(len(R), 0.0001)
    for end in {window, (window + 130) // 2, 130}:
        span = slice(end - window, end)
        told = of_one_window(R[span], B[span], each[span])
        for name, values in found.items():
            expected = float("nan") if told[name] is None else told[name]
            assert values[end - 1] == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)
    for values in found.values():
        assert np.isnan(values[: window - 1]).all()
        assert len(values) == len(R)


def test_what_was_before_a_window_leaves_no_trace() -> None:
    """Not even a crash: a running sum would carry its rounding for ever."""
    shocked = np.concatenate(([1e6, -0.999, 1e-9], R))
    whole = rolling(shocked, benchmark=np.concatenate((np.full(3, 0.5), B)))
    for name, values in rolling(benchmark=B).items():
        np.testing.assert_array_equal(whole[name][23:], values[20:])


@pytest.mark.parametrize("level", [0.0, 0.1, -0.05, 1e-18])
def test_returns_that_do_not_vary_have_no_ratio(level: float) -> None:
    still = np.full(50, level)
    found = rolling(still, benchmark=still, risk_free=0.0)
    assert (found["volatility"][20:] == 0).all()
    assert np.isnan(found["sharpe_ratio"]).all()
    assert np.isnan(found["beta"]).all()
    assert np.isnan(found["alpha"]).all()
    assert (np.isnan(found["sortino_ratio"][20:]) == (level > -1e-14)).all()


def test_variation_that_is_rounding_is_none_and_what_is_more_is_one() -> None:
    for step, is_still in ((4e-15, True), (4e-14, False)):
        returns: FloatArray = np.where(np.arange(50) % 2, 0.01 + step, 0.01)
        assert ((rolling(returns)["volatility"][20:] == 0) == is_still).all()


@pytest.mark.parametrize("factor", [0.5, 2.0, -1.0])
def test_figures_follow_the_scale(factor: float) -> None:
    before, after = (rolling(values, risk_free=0.0, benchmark=B) for values in (R, factor * R))
    np.testing.assert_allclose(after["volatility"], abs(factor) * before["volatility"], rtol=1e-12)
    np.testing.assert_allclose(after["sharpe_ratio"], np.sign(factor) * before["sharpe_ratio"], rtol=1e-9)
    np.testing.assert_allclose(after["beta"], factor * before["beta"], rtol=1e-9)


def test_a_risk_free_return_of_each_period_counts_in_its_window() -> None:
    each = np.linspace(0.0, 0.001, len(R))
    found = rolling(risk_free=each, benchmark=B)
    excess, other = (pd.Series(values - each) for values in (R, B))
    np.testing.assert_allclose(
        found["sharpe_ratio"], excess.rolling(21).mean() / excess.rolling(21).std() * 252**0.5, rtol=1e-9
    )
    np.testing.assert_allclose(found["beta"], excess.rolling(21).cov(other) / other.rolling(21).var(), rtol=1e-9)


def test_only_what_was_asked_for_is_there() -> None:
    whole = rolling(benchmark=B)
    for names in (("sharpe_ratio",), ("beta",), ("volatility", "max_drawdown"), ("sortino_ratio", "alpha")):
        found = rolling(benchmark=B, names=names)
        assert tuple(found) == names
        for name, values in found.items():
            np.testing.assert_array_equal(values, whole[name])
    assert set(rolling()) == set(ROLLING)


@pytest.mark.parametrize("rows", [0, 1, 20])
def test_too_few_returns_fill_no_window(rows: int) -> None:
    for values in rolling(R[:rows], benchmark=B[:rows]).values():
        assert len(values) == rows
        assert np.isnan(values).all()
