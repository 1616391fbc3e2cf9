"""Prices that are equal as decimals count as equal, whatever their floats say."""

import numpy as np

from jutsu_core.indicators.volume import mfi


def test_equal_typical_prices_are_neither_rise_nor_fall() -> None:
    """Bars of 0.30 less for the high and 0.30 more for the low, in all prices of a dollar: the sum is the same."""
    signs = set()
    for cents in range(1_000, 1_100):
        closes = np.array([cents, cents, cents, cents + 1]) / 100
        highs = np.array([cents + 37, cents + 7, cents + 37, cents + 38]) / 100
        lows = np.array([cents - 41, cents - 11, cents - 41, cents - 40]) / 100
        typical = closes + ((highs - closes) + (lows - closes)) / 3
        signs |= set(np.sign(np.diff(typical[:3])))
        values = mfi(highs, lows, closes, np.full(4, 100.0), period=1)
        assert values[1:].tolist() == [50.0, 50.0, 100.0]
    assert signs == {-1.0, 0.0, 1.0}
