"""What the kernel makes in one pass has the bits of the steps, also where the kernel by itself is wrong."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.indicators import composites
from jutsu_core.indicators.composites import macd_composite, rsi_composite
from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.momentum import rsi
from jutsu_core.indicators.programs import scanned
from jutsu_core.indicators.trend import macd
from tests.jutsu_core.indicators.references import random_walk

still = np.full(400, 9.3)
SERIES = {
    "a walk": random_walk(700),
    "nothing": np.empty(0),
    "one close": np.array([3.0]),
    "never changes": still,
    "falls only": 100.0 - np.arange(60.0),
    "falls once, then stands still": np.concatenate(([12.0, 11.0], still, still, still)),
    "falls, then rises": np.concatenate((100.0 - np.arange(30.0), np.arange(71.0, 90.0))),
    "rises once, then stands still": np.concatenate(([9.0], still)),
    "stands still between changes": np.concatenate((random_walk(40), still, still, random_walk(40, seed=3))),
    "so small that the kernel takes it for nothing": random_walk(60) * 1e-17,
}
every_series = pytest.mark.parametrize("closes", SERIES.values(), ids=SERIES)


def bits_after(columns: tuple[FloatArray, ...], warm_up: int) -> list[bytes]:
    return [(column[warm_up:] + 0.0).tobytes() for column in columns]


@every_series
@pytest.mark.parametrize("period", [1, 2, 3, 14])
def test_the_kernel_s_rsi_has_the_bits_of_the_steps(closes: FloatArray, period: int) -> None:
    begin, step, kernel = rsi_composite(period)
    assert kernel is not None
    assert bits_after(kernel(closes), period) == bits_after(scanned(begin, step, [closes], 1), period)


@every_series
@pytest.mark.parametrize("periods", [(2, 3, 1), (12, 26, 9), (3, 30, 40)])
def test_the_kernel_s_macd_has_the_bits_of_the_steps(closes: FloatArray, periods: tuple[int, int, int]) -> None:
    begin, step, kernel = macd_composite(*periods)
    assert kernel is not None
    warm_up = periods[1] + periods[2] - 2
    assert bits_after(kernel(closes), warm_up) == bits_after(scanned(begin, step, [closes], 3), warm_up)


@given(closes=st.lists(st.integers(1, 30), min_size=1, max_size=50), period=st.integers(1, 9))
def test_prices_that_often_stand_still_have_the_bits_of_the_steps(closes: list[int], period: int) -> None:
    begin, step, kernel = rsi_composite(period)
    values = np.array(closes) / 10.0
    assert kernel is not None
    assert bits_after(kernel(values), period) == bits_after(scanned(begin, step, [values], 1), period)


def test_an_rsi_stays_where_it_was_as_long_as_the_price_stands_still() -> None:
    """TA-Lib says 0 as soon as gains and losses are below 10⁻¹⁴, which 470 still bars suffice for."""
    closes = np.concatenate((np.array([10.0, 11.0, 10.5, 11.0, 10.7]), np.full(900, 10.7)))
    values = rsi(closes, period=4)
    np.testing.assert_allclose(values[5:], values[4], rtol=1e-9)


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Let the composites of other tests be neither seen nor kept."""
    rsi_composite.cache_clear()
    macd_composite.cache_clear()
    yield
    rsi_composite.cache_clear()
    macd_composite.cache_clear()


@pytest.mark.usefixtures("forgotten")
def test_a_kernel_that_rounds_otherwise_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    closes = random_walk(60)
    expected = [rsi(closes), *macd(closes)]
    for name in ("_rsi_rounding", "_macd_rounding"):
        monkeypatch.setattr(composites, name, lambda: None)
    rsi_composite.cache_clear()
    macd_composite.cache_clear()
    assert rsi_composite(14).kernel is None
    assert macd_composite(12, 26, 9).kernel is None
    for one, other in zip([rsi(closes), *macd(closes)], expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-14)


def test_a_kernel_is_known_by_every_bit() -> None:
    made = (random_walk(2_000),)
    assert composites._rounding_of(made, 14, lambda rounding: composites._rsi_steps(14, rounding)) is None
