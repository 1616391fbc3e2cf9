"""Moves that are equal as decimals count as equal, whatever their floats say."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import pytest

from jutsu_core.bars import Bar
from jutsu_core.indicators.accumulators import Accumulator
from jutsu_core.indicators.catalog import indicator
from jutsu_core.indicators.direction import adx, parabolic_sar, supertrend
from tests.jutsu_core.indicators.answers import arithmetic

FIRST = datetime(2013, 3, 1, tzinfo=UTC)


def equal_moves() -> list[tuple[float, float, float, float]]:
    """Return first and second highs and lows, each with a rise and a fall of as many cents."""
    pairs = [(cents, step) for cents in range(1_000, 1_060) for step in (1, 10, 13)]
    return [(cents / 100, (cents + step) / 100, (cents - 50) / 100, (cents - 50 - step) / 100) for cents, step in pairs]


def test_of_a_rise_and_a_fall_that_are_equal_neither_counts() -> None:
    moves = equal_moves()
    assert len({np.sign((high - top) - (bottom - low)) for top, high, bottom, low in moves}) == 3
    for top, high, bottom, low in moves:
        lines = adx(np.array([top, high]), np.array([bottom, low]), np.array([top, low]), period=1)
        assert (lines.plus_di[1], lines.minus_di[1]) == (0.0, 0.0)


def test_a_cent_more_counts() -> None:
    for top, high, bottom, low in equal_moves():
        lines = adx(np.array([top, high + 0.01]), np.array([bottom, low]), np.array([top, low]), period=1)
        assert lines.plus_di[1] > 0
        lines = adx(np.array([top, high]), np.array([bottom, low - 0.01]), np.array([top, low]), period=1)
        assert lines.minus_di[1] > 0


@pytest.mark.parametrize("more", [0.0, 0.01])
def test_a_stop_begins_on_the_side_that_the_decimals_say(more: float) -> None:
    """Long unless the first fall is above the first rise; a bar on both sides turns it at once, so the other shows."""
    for top, high, bottom, low in equal_moves():
        stops = parabolic_sar(np.array([top, high, high]), np.array([bottom, low - more, low - more]))
        assert stops[1] == (low - more if more else high)


def test_a_stop_s_side_is_the_same_bar_by_bar() -> None:
    for top, high, bottom, low in equal_moves():
        prices = [round(price * 1e6) for price in (top, high, bottom, low)]
        bars = [Bar(FIRST + timedelta(day), prices[2], prices[day], prices[2 + day], prices[2], 1) for day in range(2)]
        accumulator = Accumulator(["parabolic_sar"])
        stops = [accumulator.update(bar)[0] for bar in bars]
        assert stops[1] == parabolic_sar(np.array([top, high]), np.array([bottom, low]))[1]


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("acceleration", [0.02, 0.1, 0.5])
def test_a_price_that_reaches_the_stop_as_decimals_turns_it(acceleration: float, side: int) -> None:
    """Neither a hair before it nor behind it; a hundredth of a cent short of it, it does not."""
    for cents in range(1_000, 1_100):
        start, far = (Fraction(cents + more, 100) for more in (0, 150 * side))
        stop = start + Fraction(repr(acceleration)) * (far - start)
        for short, turns in ((Fraction(0), True), (Fraction(side, 10_000), False)):
            inside = far - Fraction(side, 10)
            near = [float(price) for price in (start, inside, stop + short)]
            beyond = [float(price) for price in (far - Fraction(side, 2), far, inside)]
            highs, lows = (np.array(row) for row in ((beyond, near) if side > 0 else (near, beyond)))
            stops = parabolic_sar(highs, lows, acceleration=acceleration, most_acceleration=0.5)
            assert stops[2] == pytest.approx(float(far if turns else stop), rel=1e-12)


@pytest.mark.parametrize("acceleration", [0.1, 0.2, 0.5])
def test_stops_of_prices_in_cents_are_those_of_fractions(acceleration: float) -> None:
    """Whose bars often end at the stop; also bar by bar, to the bit."""
    spec = indicator("parabolic_sar", acceleration=acceleration, most_acceleration=0.5)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        closes = 1_000 + rng.integers(-10, 11, 40).cumsum()
        cents = {"high": closes + rng.integers(0, 12, 40), "low": closes - rng.integers(0, 12, 40)}
        exact = {name: [Fraction(value, 100) for value in row.tolist()] for name, row in cents.items()}
        (expected,) = arithmetic.parabolic_sar(exact, acceleration, 0.5)
        made = parabolic_sar(*(row / 100 for row in cents.values()), acceleration=acceleration, most_acceleration=0.5)
        np.testing.assert_allclose(made[1:], [float(stop or 0) for stop in expected[1:]], rtol=1e-12)
        accumulator = Accumulator([spec])
        rows = zip(*((row * 10_000).tolist() for row in (cents["low"], *cents.values(), cents["low"])), strict=True)
        bars = [Bar._make((FIRST + timedelta(day), *prices, 1)) for day, prices in enumerate(rows)]
        assert np.array([accumulator.update(bar)[0] for bar in bars]).tobytes() == made.tobytes()


def test_a_close_in_the_middle_of_the_first_bar_is_on_the_upper_side() -> None:
    for cents in range(300, 700):
        highs, lows, closes = (np.full(3, (cents + reach) / 100) for reach in (7, -7, 0))
        assert supertrend(highs, lows, closes, period=2, multiplier=1.5).side[2] == 1.0
        assert supertrend(highs, lows, closes - 0.01, period=2, multiplier=1.5).side[2] == -1.0


@pytest.mark.parametrize("multiplier", [0.25, 0.5, 1.0])
def test_a_close_at_a_band_has_not_crossed_it(multiplier: float) -> None:
    """Bars of one range, whose bands are whole cents that closes often meet; sides as in fractions."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        closes = 2_000 + rng.integers(-3, 4, 40).cumsum() * 10
        reach = int(rng.choice([30, 50, 70]))
        cents = {"high": closes + reach, "low": closes - reach, "close": closes}
        exact = {name: [Fraction(value, 100) for value in row.tolist()] for name, row in cents.items()}
        _, sides = arithmetic.supertrend(exact, 4, multiplier)
        made = supertrend(*(row / 100 for row in cents.values()), period=4, multiplier=multiplier)
        assert made.side[4:].tolist() == sides[4:]
