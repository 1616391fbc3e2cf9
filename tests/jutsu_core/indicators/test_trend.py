import numpy as np
import pandas as pd
import pytest

from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.trend import ema, macd, sma
from tests.jutsu_core.indicators.references import published, random_walk


def seeded_ewm(values: FloatArray, period: int) -> FloatArray:
    """Return the SMA-started exponential average as pandas computes it."""
    started = pd.Series(values[period - 1 :]).copy()
    started.iloc[0] = values[:period].mean()
    averages = started.ewm(span=period, adjust=False).mean().to_numpy()
    return np.concatenate([np.full(period - 1, np.nan), averages])


def test_sma_by_hand() -> None:
    averages = sma(np.array([1.0, 2.0, 6.0, 7.0, 2.0]), period=3)
    assert np.isnan(averages[:2]).all()
    # Sums of three: 1+2+6 = 9, 2+6+7 = 15, 6+7+2 = 15
    assert averages[2:].tolist() == [3.0, 5.0, 5.0]


def test_ema_by_hand() -> None:
    averages = ema(np.array([1.0, 2.0, 6.0, 7.0, 2.0]), period=3)
    assert np.isnan(averages[:2]).all()
    # The start (1+2+6)/3 = 3; weight 2/(3+1) = 0.5: 3 + (7-3)/2 = 5; 5 + (2-5)/2 = 3.5
    assert averages[2:].tolist() == [3.0, 5.0, 3.5]


def test_ema_of_one_bar_is_the_close() -> None:
    closes = random_walk(5)
    averages = ema(closes, period=1)
    assert averages.tolist() == closes.tolist()
    assert averages is not closes


def test_macd_by_hand() -> None:
    """Both averages start at bar 3: the fast one from closes 2 and 3, not from 0 and 1."""
    lines = macd(np.array([9.0, 1.0, 2.0, 4.0, 6.0, 1.5]), fast=2, slow=4, signal=2)
    # fast, weight 2/3: (2+4)/2 = 3;  3 + (6-3)·2/3 = 5;  5 + (1.5-5)·2/3 = 8/3
    # slow, weight 2/5: (9+1+2+4)/4 = 4;  4 + (6-4)·2/5 = 4.8;  4.8 + (1.5-4.8)·2/5 = 3.48
    # macd, their distance: -1;  0.2;  8/3 - 3.48
    # signal, weight 2/3: (-1+0.2)/2 = -0.4;  -0.4 + (macd + 0.4)·2/3
    last = 8 / 3 - 3.48
    last_signal = -0.4 + (last + 0.4) * 2 / 3
    for line in lines:
        assert np.isnan(line[:4]).all()
    np.testing.assert_allclose(lines.macd[4:], [0.2, last], rtol=1e-13)
    np.testing.assert_allclose(lines.signal[4:], [-0.4, last_signal], rtol=1e-13)
    np.testing.assert_allclose(lines.histogram[4:], [0.6, last - last_signal], rtol=1e-13)


def test_sma_and_ema_of_the_published_intel_table() -> None:
    """StockCharts' worked example, at the first value, in the middle and at the last."""
    table = published()["stockcharts_ema10_sma10_INTC"]
    closes, first = np.array(table["closes"]), table["first_index"]
    for series, expected in ((sma(closes, period=10), "sma10"), (ema(closes, period=10), "ema10")):
        assert np.isnan(series[:first]).all()
        np.testing.assert_allclose(series[first:], table[expected], atol=table["tolerance"])


def test_ema_agrees_with_pandas() -> None:
    closes = random_walk(700)
    np.testing.assert_allclose(ema(closes, period=26), seeded_ewm(closes, 26), rtol=1e-12)


def test_macd_agrees_with_pandas() -> None:
    closes = random_walk(700)
    # 14 = 26 - 12: the fast average starts so late that it ends where the slow one starts.
    fast = np.concatenate([np.full(14, np.nan), seeded_ewm(closes[14:], 12)])
    distance = fast - seeded_ewm(closes, 26)
    signal = np.concatenate([np.full(25, np.nan), seeded_ewm(distance[25:], 9)])
    distance[:33] = np.nan
    lines = macd(closes)
    np.testing.assert_allclose(lines.macd, distance, atol=1e-11)
    np.testing.assert_allclose(lines.signal, signal, atol=1e-11)
    np.testing.assert_allclose(lines.histogram, distance - signal, atol=1e-11)


@pytest.mark.parametrize("slow", [12, 11])
def test_macd_refuses_a_slow_average_that_is_not_slower(slow: int) -> None:
    with pytest.raises(InvalidInputError, match=rf"slow must be greater than fast \(12\), was {slow}"):
        macd(random_walk(60), slow=slow)


def test_macd_refuses_a_fast_average_of_one_bar() -> None:
    with pytest.raises(InvalidInputError, match="fast must be an integer from 2"):
        macd(random_walk(60), fast=1)
