from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from talib import set_unstable_period  # type: ignore[attr-defined]  # re-exported without being declared

from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.averages import distance_sums, fused, highest, kernel_multiply_add, lowest, smoothed
from jutsu_core.indicators.composites import _macd_rounding, _rsi_rounding
from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.momentum import rsi
from jutsu_core.indicators.trend import ema, macd
from jutsu_core.indicators.volatility import atr
from tests.jutsu_core.indicators.references import random_walk


@pytest.fixture
def restored_kernel() -> Iterator[None]:
    """Give TA-Lib its unstable periods back, whatever the test does."""
    yield
    set_unstable_period("ALL", 0)


@given(start=st.floats(-1e9, 1e9), period=st.integers(2, 400))
def test_a_recursive_average_begins_with_the_very_start(start: float, period: int) -> None:
    assume(start == 0 or abs(start) > 1e-200)
    values = random_walk(30)
    averages = smoothed(values, start, period)
    assert averages[0] == start
    expected = start
    for value, average in zip(values.tolist(), averages[1:].tolist(), strict=True):
        expected = kernel_multiply_add()(value - expected, 2.0 / (period + 1), expected)
        assert average == expected


@given(factor=st.floats(-1e9, 1e9), weight=st.floats(1e-6, 1), addend=st.floats(-1e9, 1e9))
def test_a_fused_step_rounds_once(factor: float, weight: float, addend: float) -> None:
    for size in (1.0, 2.0**-800, 2.0**-900, 2.0**-1000, 2.0**-1060):
        check_fused(factor * size, weight, addend * size)
        check_fused(factor * size, weight, addend)


def check_fused(factor: float, weight: float, addend: float) -> None:
    assert fused(factor, weight, addend) == float(Fraction(factor) * Fraction(weight) + Fraction(addend))


def test_a_period_beyond_the_kernel_s_limit_is_smoothed_all_the_same() -> None:
    assert smoothed(np.array([2.0]), 1.0, 199_999).tolist() == [1.0, 1.00001]


@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("period", [1, 2, 9, 60])
def test_distances_of_a_window_have_the_same_bits_in_every_length_of_series(period: int, *, squared: bool) -> None:
    """And the order of the sum is that of the window, oldest first."""
    values, centers = random_walk(40_000), random_walk(40_000, seed=3)
    long = distance_sums(values, centers[period - 1 :], period, squared=squared)
    for count in (1, 2, 3, 17, 400):
        end = count + period - 1
        short = distance_sums(values[:end], centers[period - 1 : end], period, squared=squared)
        assert short.tobytes() == long[:count].tobytes()
    by_hand = 0.0
    for value in values[:period].tolist():
        far = value - float(centers[period - 1])
        by_hand += far * far if squared else abs(far)
    assert long[0] == by_hand


@pytest.mark.parametrize("find", [highest, lowest])
def test_a_window_longer_than_the_series_has_no_extremes(find: Callable[[FloatArray, int], FloatArray]) -> None:
    assert find(np.ones(3), 4).tolist() == []
    assert find(np.ones(3), 1).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.usefixtures("restored_kernel")
def test_a_changed_unstable_period_is_refused() -> None:
    """It would lengthen the warm-up of every series in the process."""
    closes = random_walk(60)
    set_unstable_period("EMA", 5)
    with pytest.raises(InvalidInputError, match="unstable period of EMA must be 0, was 5"):
        ema(closes, period=5)
    with pytest.raises(InvalidInputError, match="unstable period of EMA must be 0, was 5"):
        macd(closes)
    with pytest.raises(InvalidInputError, match="unstable period of EMA must be 0, was 5"):
        atr(closes, closes, closes)
    set_unstable_period("EMA", 0)
    set_unstable_period("RSI", 4)
    with pytest.raises(InvalidInputError, match="unstable period of RSI must be 0, was 4"):
        rsi(closes)


@pytest.mark.usefixtures("restored_kernel")
def test_how_kernels_round_is_not_learnt_while_their_settings_are_changed() -> None:
    """It is learnt once in a process, and what was learnt then would be wrong for ever."""
    learnt = (kernel_multiply_add, _macd_rounding, _rsi_rounding)
    before = [learn() for learn in learnt]
    for learn in learnt:
        learn.cache_clear()
    for name in ("EMA", "RSI"):
        set_unstable_period(name, 5)
    for learn in learnt:
        with pytest.raises(InvalidInputError, match=r"unstable period of (EMA|RSI) must be 0, was 5"):
            learn()
    for name in ("EMA", "RSI"):
        set_unstable_period(name, 0)
    assert [learn() for learn in learnt] == before


def test_a_changed_compatibility_mode_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older kernels would start exponential averages with the first price; newer ones ignore it."""
    monkeypatch.setattr("talib.get_compatibility", lambda: 1)
    with pytest.raises(InvalidInputError, match="compatibility mode must be 0, was 1"):
        ema(random_walk(60), period=5)
