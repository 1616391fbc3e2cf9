import numpy as np
import pandas as pd
import pytest

from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.trend import sma
from jutsu_core.indicators.volatility import atr, bollinger_bands
from tests.jutsu_core.indicators.references import column, random_bars, random_walk


def test_bollinger_bands_by_hand() -> None:
    bands = bollinger_bands(np.array([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), period=8, deviations=1.5)
    # mean 40/8 = 5; squares 9+1+1+1+0+0+4+16 = 32; sd √(32/8) = 2 (ddof 1 would give 2.138)
    assert (bands.upper[7], bands.middle[7], bands.lower[7]) == (8.0, 5.0, 2.0)
    for band in bands:
        assert np.isnan(band[:7]).all()


def test_bollinger_bands_of_the_published_example() -> None:
    """StockCharts' worked example, whole columns."""
    table = "reference/stockcharts/cs-bbands.csv"
    bands = bollinger_bands(column(table, "Close"), period=20, deviations=2)
    for band, name in ((bands.upper, "HighBand"), (bands.middle, "MiddleBand"), (bands.lower, "LowBand")):
        np.testing.assert_allclose(band, column(table, name), atol=2e-6)


def test_bollinger_bands_agree_with_pandas() -> None:
    closes = random_walk(700)
    rolling = pd.Series(closes).rolling(20)
    bands = bollinger_bands(closes, deviations=2.5)
    np.testing.assert_allclose(bands.upper, rolling.mean() + 2.5 * rolling.std(ddof=0), rtol=1e-9)
    np.testing.assert_allclose(bands.lower, rolling.mean() - 2.5 * rolling.std(ddof=0), rtol=1e-9)


def test_the_middle_band_is_the_moving_average() -> None:
    closes = random_walk(100)
    assert bollinger_bands(closes).middle.tobytes() == sma(closes, period=20).tobytes()


def test_the_bands_of_a_constant_price_have_no_width() -> None:
    bands = bollinger_bands(np.full(50, 0.1))
    assert (bands.upper[19:] == 0.1).all()
    assert (bands.lower[19:] == 0.1).all()


@pytest.mark.parametrize("deviations", [0, -2.0, float("nan"), 101, True])
def test_a_bad_width_is_refused(deviations: float) -> None:
    with pytest.raises(InvalidInputError, match="deviations must be a number above 0"):
        bollinger_bands(random_walk(30), deviations=deviations)


def test_atr_by_hand() -> None:
    highs = np.array([50.0, 12.0, 15.0, 14.0, 9.0])
    lows = np.array([1.0, 10.0, 13.0, 11.0, 8.0])
    closes = np.array([10.0, 11.0, 14.0, 12.0, 8.5])
    # TR from bar 1 (bar 0, however wide, has none):
    # 12-10 = 2;  15-11 = 4 (gap up);  14-11 = 3;  12-8 = 4 (gap down)
    # period 2: (2+4)/2 = 3;  (3+3)/2 = 3;  (3+4)/2 = 3.5
    average = atr(highs, lows, closes, period=2)
    assert np.isnan(average[:2]).all()
    assert average[2:].tolist() == [3.0, 3.0, 3.5]


def test_atr_agrees_with_pandas() -> None:
    bars = random_bars(700)
    before = bars["close"].shift(1)
    ranges = pd.concat(
        [bars["high"] - bars["low"], (bars["high"] - before).abs(), (bars["low"] - before).abs()], axis=1
    ).max(axis=1)
    started = ranges.iloc[14:].copy()
    started.iloc[0] = ranges.iloc[1:15].mean()
    expected = started.ewm(alpha=1 / 14, adjust=False).mean().to_numpy()
    average = atr(bars["high"].to_numpy(), bars["low"].to_numpy(), bars["close"].to_numpy())
    assert np.isnan(average[:14]).all()
    np.testing.assert_allclose(average[14:], expected, rtol=1e-11)


@pytest.mark.parametrize(("sizes", "named"), [((5, 4, 5), "lows"), ((5, 5, 6), "closes"), ((1, 0, 0), "lows")])
def test_series_of_different_lengths_are_refused(sizes: tuple[int, int, int], named: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{named} must have the {sizes[0]} values that highs has"):
        atr(*(np.ones(size) for size in sizes), period=2)
