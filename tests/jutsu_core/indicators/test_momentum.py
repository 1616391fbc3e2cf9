import numpy as np
import pytest
import talib

from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.momentum import cci, rsi
from tests.jutsu_core.indicators.references import column, published, random_walk


def rsi_step_by_step(closes: FloatArray, period: int) -> FloatArray:
    """Return Wilder's RSI in plain Python, straight from the definition."""
    changes = np.diff(closes).tolist()
    gain = sum(max(change, 0.0) for change in changes[:period]) / period
    loss = sum(max(-change, 0.0) for change in changes[:period]) / period
    values = [np.nan] * period + [100 * gain / (gain + loss)]
    for change in changes[period:]:
        gain = (gain * (period - 1) + max(change, 0.0)) / period
        loss = (loss * (period - 1) + max(-change, 0.0)) / period
        values.append(100 * gain / (gain + loss))
    return np.array(values)


def test_rsi_by_hand() -> None:
    index = rsi(np.array([10.0, 11.0, 10.0, 12.0, 9.0]), period=2)
    assert np.isnan(index[:2]).all()
    # changes +1 -1 +2 -3
    # G: (1+0)/2 = 0.5;   (0.5+2)/2 = 1.25;   (1.25+0)/2 = 0.625
    # L: (0+1)/2 = 0.5;   (0.5+0)/2 = 0.25;   (0.25+3)/2 = 1.625
    np.testing.assert_allclose(index[2:], [50.0, 100 * 1.25 / 1.5, 100 * 0.625 / 2.25], rtol=1e-15)


def test_rsi_of_the_published_table() -> None:
    """StockCharts' worked example, all 19 values to two decimals."""
    table = published()["stockcharts_rsi14"]
    index = rsi(column("reference/stockcharts/cs-rsi.csv", "Close"))
    first = table["first_index"]
    assert np.isnan(index[:first]).all()
    np.testing.assert_allclose(index[first : first + 19], table["values"], atol=0.00501)


def test_rsi_of_the_kernel_s_regression_series() -> None:
    table = published()["talib_regtest_sref_rsi14"]
    index = rsi(column("reference/talib_sref_close.csv", "close"))
    for place, expected in table["expected"].items():
        assert index[int(place)] == pytest.approx(expected, abs=table["tolerance"])


@pytest.mark.parametrize("period", [1, 2, 14, 50])
def test_rsi_agrees_with_its_definition(period: int) -> None:
    closes = random_walk(700)
    np.testing.assert_allclose(rsi(closes, period=period), rsi_step_by_step(closes, period), rtol=1e-10)


def test_rsi_agrees_with_the_kernel_s_own() -> None:
    closes = random_walk(700)
    np.testing.assert_allclose(rsi(closes), talib.RSI(closes, 14), rtol=1e-12)


def test_rsi_of_a_constant_price_is_neutral() -> None:
    """TA-Lib says 0 here, which would read as "oversold" for ever."""
    index = rsi(np.full(40, 12.3))
    assert np.isnan(index[:14]).all()
    assert (index[14:] == 50.0).all()


def test_rsi_is_neutral_only_until_the_first_change() -> None:
    index = rsi(np.array([5.0, 5.0, 5.0, 5.0, 4.0, 4.0]), period=2)
    # One loss after four equal prices: G = 0 and L > 0 from there on.
    assert index[2:].tolist() == [50.0, 50.0, 0.0, 0.0]


def test_rsi_stays_where_it_was_while_the_price_stands_still() -> None:
    """Both averages fade alike; a kernel that calls a small sum zero would drop to 0."""
    index = rsi(np.array([10.0, 11.0, 10.5] + [10.5] * 1_500), period=2)
    np.testing.assert_allclose(index[2:950], 100 * 1.0 / 1.5, rtol=1e-12)
    assert set(index[950:].round(9)) == {round(100 * 1.0 / 1.5, 9), 50.0}


def test_only_gains_give_exactly_100() -> None:
    assert (rsi(np.linspace(1.0, 31.0, 300))[14:] == 100.0).all()


def test_only_losses_give_exactly_0() -> None:
    assert (rsi(np.linspace(100.0, 70.0, 300))[14:] == 0.0).all()


def test_rsi_does_not_change_with_the_unit() -> None:
    """Down to units in which every change is far below the kernels' idea of zero."""
    closes = random_walk(200)
    for scale in (2.0**-80, 2.0**-7, 2.0**40):
        assert rsi(closes * scale).tobytes() == rsi(closes).tobytes()


def test_rsi_does_not_change_when_all_prices_move_together() -> None:
    closes = random_walk(200)
    np.testing.assert_allclose(rsi(closes + 1_000), rsi(closes), atol=1e-7)


def test_rsi_of_mirrored_prices_is_mirrored() -> None:
    closes = random_walk(200)
    np.testing.assert_allclose(rsi(200 - closes), 100 - rsi(closes), atol=1e-8)


def test_a_typical_price_that_does_not_vary_has_no_channel_index() -> None:
    """Of sums of cents that are equal, whose floats are not; and one cent more is seen."""
    rng = np.random.default_rng(0)
    for cents in range(1_000, 1_100):
        closes = cents + rng.integers(-5, 6, 6)
        highs = closes + rng.integers(8, 30, 6)
        lows = 3 * cents - closes - highs
        assert set(cci(highs / 100, lows / 100, closes / 100, period=6)[5:]) == {0.0}
        highs[-1] += 1
        assert cci(highs / 100, lows / 100, closes / 100, period=6)[5] == pytest.approx(200.0)
