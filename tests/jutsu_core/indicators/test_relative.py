"""Beside a benchmark: laws of the formulas, and which benchmarks are refused."""

from fractions import Fraction
from itertools import pairwise
from math import sqrt

import numpy as np
import pandas as pd
import pytest

from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.catalog import compute_indicators, indicator
from jutsu_core.indicators.relative import (
    relative_strength,
    rolling_beta,
    rolling_correlation,
    spread_z_score,
)
from tests.jutsu_core.indicators.references import random_bars, random_walk

CLOSES, BENCHMARK = random_walk(200), random_walk(200, seed=3)


def test_beta_and_correlation_agree_with_pandas() -> None:
    own, other = pd.Series(CLOSES).pct_change(), pd.Series(BENCHMARK).pct_change()
    expected = own.rolling(20).cov(other) / other.rolling(20).var()
    np.testing.assert_allclose(rolling_beta(CLOSES, BENCHMARK, period=20), expected, rtol=1e-9, atol=1e-11)
    expected = own.rolling(20).corr(other)
    np.testing.assert_allclose(rolling_correlation(CLOSES, BENCHMARK, period=20), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("spike", [1.0, 1e3, 1e9])
@pytest.mark.parametrize("is_benchmark_s", [False, True])
def test_a_spike_costs_no_digits(spike: float, *, is_benchmark_s: bool) -> None:
    """Returns of ever so different sizes, against fractions: what one varies drowns not what both have in common."""
    closes, others = CLOSES[:40].round(2), BENCHMARK[:40].round(2)
    (others if is_benchmark_s else closes)[20] *= spike
    own, other = ([Fraction(b) / Fraction(a) - 1 for a, b in pairwise(prices.tolist())] for prices in (closes, others))
    beta, correlation = rolling_beta(closes, others, period=7), rolling_correlation(closes, others, period=7)
    for bar in range(7, 40):
        ours, theirs = own[bar - 7 : bar], other[bar - 7 : bar]
        common, width, other_width = covariance(ours, theirs), covariance(ours, ours), covariance(theirs, theirs)
        assert beta[bar] == pytest.approx(float(common / other_width), rel=1e-11)
        expected = float(common) / (sqrt(width) * sqrt(other_width))
        assert correlation[bar] == pytest.approx(expected, rel=1e-11)


def covariance(ours: list[Fraction], theirs: list[Fraction]) -> Fraction:
    middle, other_middle = sum(ours) / Fraction(len(ours)), sum(theirs) / Fraction(len(theirs))
    products = ((one - middle) * (two - other_middle) for one, two in zip(ours, theirs, strict=True))
    return sum(products, Fraction(0)) / len(ours)


def test_a_price_beside_itself_is_one_and_does_not_stray() -> None:
    assert set(rolling_beta(CLOSES, CLOSES, period=20)[20:]) == {1.0}
    np.testing.assert_allclose(rolling_correlation(CLOSES, CLOSES, period=20)[20:], 1.0, rtol=1e-15)
    assert set(relative_strength(CLOSES, CLOSES)) == {1.0}
    assert set(spread_z_score(CLOSES, CLOSES, period=20)[19:]) == {0.0}


def test_twice_the_returns_are_twice_the_beta() -> None:
    returns = BENCHMARK[1:] / BENCHMARK[:-1] - 1.0
    geared = np.concatenate(((50.0,), 50.0 * np.cumprod(1.0 + 2.0 * returns)))
    np.testing.assert_allclose(rolling_beta(geared, BENCHMARK, period=20)[20:], 2.0, rtol=1e-9)


def test_a_score_turns_its_sign_when_both_change_places() -> None:
    one, other = spread_z_score(CLOSES, BENCHMARK, period=20), spread_z_score(BENCHMARK, CLOSES, period=20)
    np.testing.assert_allclose(one, -other, rtol=1e-9, atol=1e-12)


BARS = random_bars(30)
SERIES = pd.Series(BENCHMARK[:30], index=pd.DatetimeIndex(BARS["timestamp"]))
BETA = [indicator("sma", period=3), indicator("rolling_beta", period=5)]


def test_a_benchmark_is_found_by_its_times() -> None:
    """Also where it has more of them, and in another unit and zone."""
    extra = pd.Series(
        [1.0, 2.0], index=pd.DatetimeIndex(["1999-01-04", "2020-01-02 12:00"], tz="UTC", dtype="datetime64[ns, UTC]")
    )
    longer = pd.concat([SERIES, extra]).sort_index().tz_convert("Asia/Tokyo")
    expected = rolling_beta(BARS["close"].to_numpy(), BENCHMARK[:30], period=5)
    for benchmark in (SERIES, longer):
        frame = compute_indicators(BARS, BETA, benchmark=benchmark)
        assert frame["rolling_beta_5"].to_numpy().tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (None, "benchmark must be given, was None; rolling_beta compares with one: pass its closes, or leave it out"),
        (SERIES.drop(SERIES.index[7]), r"benchmark must be with a close for row 7 of bars \(2020-01-08 .*was without"),
        (SERIES.iloc[9:], r"benchmark must be with a close for row 0 of bars .*; update the benchmark, leave out bars"),
        (SERIES.reset_index(drop=True), "index of benchmark must be timezone-aware times, was int64"),
        (SERIES.tz_localize(None), "index of benchmark must be timezone-aware times, was datetime64"),
        (SERIES.iloc[::-1], "row 1 of the index of benchmark must be after"),
        (SERIES.where(SERIES.index != SERIES.index[4]), r"benchmark\[4\] must be a finite number, was nan"),
        (SERIES.where(SERIES.index != SERIES.index[4], 0.0), r"benchmark of row 4 of bars .* must be above 0, was 0; "),
        (BENCHMARK[:30], "benchmark must be a pandas Series of closes, was ndarray"),
    ],
)
def test_a_benchmark_that_cannot_be_is_refused(other: object, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        compute_indicators(BARS, BETA, benchmark=other)  # type: ignore[arg-type]  # on purpose


def test_no_bars_beside_a_benchmark_give_empty_columns() -> None:
    assert compute_indicators(BARS.iloc[:0], BETA, benchmark=SERIES)["rolling_beta_5"].empty


COMPARING = [
    indicator("rolling_beta", period=5),
    indicator("rolling_correlation", period=4),
    indicator("relative_strength"),
    indicator("spread_z_score", period=3),
]


def test_what_compares_is_that_of_the_bars_that_both_have() -> None:
    """And what does not compare is that of all."""
    gaps = [0, 7, 8, 29]
    holed = SERIES.drop(SERIES.index[gaps])
    specs = [indicator("sma", period=3), *COMPARING, indicator("rsi")]
    frame = compute_indicators(BARS, specs, benchmark=holed, allow_benchmark_gaps=True)
    both = BARS.drop(index=gaps)
    expected = compute_indicators(both, COMPARING, benchmark=holed).iloc[:, 7:]
    names = expected.columns.tolist()
    assert frame.loc[both.index, names].to_numpy().tobytes() == expected.to_numpy().tobytes()
    assert frame.loc[gaps, names].isna().to_numpy().all()
    alone = compute_indicators(BARS, [indicator("sma", period=3), indicator("rsi")])
    pd.testing.assert_frame_equal(frame[alone.columns], alone)


def test_a_benchmark_without_a_bar_of_these_times_compares_with_nothing() -> None:
    other = SERIES.set_axis(pd.DatetimeIndex(BARS["timestamp"]) - pd.Timedelta(days=4_000))
    frame = compute_indicators(BARS, COMPARING, benchmark=other, allow_benchmark_gaps=True)
    assert frame.iloc[:, 7:].isna().to_numpy().all()


def test_a_price_of_the_benchmark_that_cannot_be_divided_by_is_refused_beside_gaps_too() -> None:
    holed = SERIES.where(SERIES.index != SERIES.index[4], 0.0).drop(SERIES.index[2])
    with pytest.raises(InvalidInputError, match=r"benchmark of row 4 of bars .* must be above 0, was 0; "):
        compute_indicators(BARS, BETA, benchmark=holed, allow_benchmark_gaps=True)


@pytest.mark.parametrize("growth", [1.01, 1.1, 0.97])
def test_returns_that_only_rounding_varies_do_not_vary(growth: float) -> None:
    """A price that grows by one part at every bar is no measure of anything, nor is it moved by a benchmark."""
    steady = 10.0 * growth ** np.arange(60.0)
    moving = random_walk(60)
    assert set(rolling_correlation(steady, moving, period=5)[5:]) == {0.0}
    assert set(rolling_correlation(moving, steady, period=5)[5:]) == {0.0}
    assert set(rolling_beta(moving, steady, period=5)[5:]) == {0.0}


@pytest.mark.parametrize("factor", [3, 7, 1_500])
def test_a_constant_ratio_of_decimals_has_no_score(factor: int) -> None:
    cents = np.random.default_rng(2).integers(100, 2_000, 60)
    scores = spread_z_score(cents * factor / 100.0, cents / 100.0, period=5)
    assert set(scores[4:]) == {0.0}


def test_the_smallest_move_of_a_large_price_is_no_rounding() -> None:
    """One micro in 700,000: it is seen in every measure."""
    closes = np.full(70, 700_000.0)
    closes[40] += 1e-6
    assert (np.abs(spread_z_score(closes, np.full(70, 100.0))[59:]) > 0).all()
    assert (np.abs(rolling_correlation(closes, BENCHMARK[:70])[60:]) > 0).all()
    assert (np.abs(rolling_beta(BENCHMARK[:70], closes)[60:]) > 0).all()
