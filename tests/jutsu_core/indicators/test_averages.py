from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from talib import set_unstable_period  # type: ignore[attr-defined]  # re-exported without being declared

from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.averages import window_deviation, window_mean
from jutsu_core.indicators.momentum import rsi
from jutsu_core.indicators.trend import ema, macd
from jutsu_core.indicators.volatility import atr
from tests.jutsu_core.indicators.references import random_walk


@pytest.fixture
def restored_kernel() -> Iterator[None]:
    """Give TA-Lib its unstable periods back, whatever the test does."""
    yield
    set_unstable_period("ALL", 0)


@pytest.mark.parametrize("period", [1, 2, 37, 200, 5_000])
def test_window_averages_agree_with_pandas(period: int) -> None:
    """More values than one block holds, so that windows cross from block to block."""
    values = random_walk(9_000)
    rolling = pd.Series(values).rolling(period)
    means = window_mean(values, period)
    np.testing.assert_allclose(means, rolling.mean(), rtol=1e-11)
    np.testing.assert_allclose(window_deviation(values, means, period), rolling.std(ddof=0), atol=1e-6)


def test_a_window_does_not_see_what_came_before_it() -> None:
    """Bit for bit: the same window in a history that starts later, and in other blocks."""
    values = random_walk(9_000)
    for start in (1, 13, 4_096, 8_000):
        whole, tail = window_mean(values, 50), window_mean(values[start:], 50)
        assert whole[start + 49 :].tobytes() == tail[49:].tobytes()
        whole_sd = window_deviation(values, whole, 50)
        tail_sd = window_deviation(values[start:], tail, 50)
        assert whole_sd[start + 49 :].tobytes() == tail_sd[49:].tobytes()


def test_a_spike_leaves_no_residue() -> None:
    """A running sum would keep the spike's rounding error for ever."""
    values = np.full(100, 0.1)
    values[30] = 1e15
    means = window_mean(values, 10)
    assert (means[40:] == 0.1).all()
    assert (window_deviation(values, means, 10)[40:] == 0.0).all()


def test_equal_values_average_to_themselves() -> None:
    """0.1 summed ten times is not 1.0 in floats, so a plain mean would miss it."""
    assert (window_mean(np.full(50, 0.1), 10)[9:] == 0.1).all()


@pytest.mark.usefixtures("restored_kernel")
def test_a_changed_unstable_period_is_refused() -> None:
    """It would lengthen the warm-up of every series in the process."""
    closes = random_walk(60)
    set_unstable_period("EMA", 5)
    with pytest.raises(InvalidInputError, match="unstable period of EMA must be 0, was 5"):
        ema(closes, period=5)
    with pytest.raises(InvalidInputError, match="unstable period of EMA must be 0, was 5"):
        macd(closes)
    set_unstable_period("EMA", 0)
    set_unstable_period("ATR", 3)
    with pytest.raises(InvalidInputError, match="unstable period of ATR must be 0, was 3"):
        rsi(closes)
    with pytest.raises(InvalidInputError, match="unstable period of ATR must be 0, was 3"):
        atr(closes, closes, closes)


def test_a_changed_compatibility_mode_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older kernels would start exponential averages with the first price; newer ones ignore it."""
    monkeypatch.setattr("jutsu_core.indicators.averages.get_compatibility", lambda: 1)
    with pytest.raises(InvalidInputError, match="compatibility mode must be 0, was 1"):
        ema(random_walk(60), period=5)
