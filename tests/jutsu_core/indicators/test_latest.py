from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.latest import (
    calculate_bollinger_bands,
    calculate_ema,
    calculate_rsi,
    calculate_sma,
)
from jutsu_core.indicators.momentum import rsi
from jutsu_core.indicators.trend import ema, sma
from jutsu_core.indicators.volatility import bollinger_bands
from tests.jutsu_core.indicators.references import column, published, random_walk

Calculation = Callable[[pd.Series, int], object]

CALCULATIONS: dict[str, Calculation] = {
    "sma": calculate_sma,
    "ema": calculate_ema,
    "rsi": calculate_rsi,
    "bollinger": lambda prices, period: calculate_bollinger_bands(prices, period, 2),
}
every_calculation = pytest.mark.parametrize("calculate", CALCULATIONS.values(), ids=CALCULATIONS.keys())


def test_sma_is_exact() -> None:
    """The floats sum to 0.6000000000000001; the decimals they print as sum to 0.6."""
    assert calculate_sma(pd.Series([9.0, 0.1, 0.2, 0.3]), 3) == Decimal("0.2")


def test_ema_by_hand() -> None:
    # (1+2+6)/3 = 3; 3 + (7-3)/2 = 5; 5 + (2-5)/2 = 3.5
    assert calculate_ema(pd.Series([1, 2, 6, 7, 2]), 3) == Decimal("3.5")


def test_rsi_by_hand() -> None:
    # changes +1 -1 +2: G = (1/2 + 2)/2 = 1.25, L = (1/2 + 0)/2 = 0.25
    last = calculate_rsi(pd.Series([10.0, 11.0, 10.0, 12.0]), 2)
    assert last.quantize(Decimal("1e-9")) == Decimal("83.333333333")


def test_bollinger_bands_by_hand() -> None:
    # mean 40/8 = 5; squares sum to 32; sd √(32/8) = 2
    prices = pd.Series([100.0, 2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])
    assert calculate_bollinger_bands(prices, 8, Decimal("1.5")) == (Decimal(8), Decimal(5), Decimal(2))


def test_rsi_of_the_published_table() -> None:
    """StockCharts' worked example: the first value that exists, and the last."""
    expected = published()["stockcharts_rsi14"]["values"]
    closes = pd.Series(column("reference/stockcharts/cs-rsi.csv", "Close"))
    for bars, value in ((15, expected[0]), (33, expected[18])):
        assert float(calculate_rsi(closes.iloc[:bars])) == pytest.approx(value, abs=0.00501)


def test_rsi_at_the_edges() -> None:
    rising = pd.Series([float(price) for price in range(1, 40)])
    assert calculate_rsi(rising) == 100
    assert calculate_rsi(rising.iloc[::-1]) == 0
    assert calculate_rsi(pd.Series([7.7] * 40)) == 50


def test_rsi_needs_one_price_more_than_its_period() -> None:
    prices = pd.Series(random_walk(14))
    with pytest.raises(ValueError, match="prices must hold at least 15 values, was 14"):
        calculate_rsi(prices)
    assert 0 <= calculate_rsi(pd.Series(random_walk(15))) <= 100


@every_calculation
def test_no_prices_are_refused(calculate: Calculation) -> None:
    with pytest.raises(InvalidInputError, match="prices must hold at least"):
        calculate(pd.Series([], dtype="float64"), 1)


@every_calculation
def test_too_few_prices_are_refused(calculate: Calculation) -> None:
    with pytest.raises(InvalidInputError, match=r"prices must hold at least \d values, was 4"):
        calculate(pd.Series([1.0, 2.0, 3.0, 4.0]), 5)


@every_calculation
@pytest.mark.parametrize("period", [0, -3, True, 2.0, None])
def test_a_bad_period_is_refused(calculate: Calculation, period: int) -> None:
    with pytest.raises(InvalidInputError, match="period must be an integer from 1"):
        calculate(pd.Series([1.0, 2.0, 3.0]), period)


@every_calculation
@pytest.mark.parametrize(
    "bad", [float("nan"), float("inf"), None, True, np.True_, "3", Decimal("NaN"), Decimal("sNaN"), pd.NA]
)
def test_what_is_no_finite_number_is_refused(calculate: Calculation, bad: object) -> None:
    prices = pd.Series([Decimal(1), 2.0, 3, bad, 4.0], dtype="object")
    with pytest.raises(InvalidInputError, match=r"prices\[3\] must be a finite number, was"):
        calculate(prices, 3)


@every_calculation
def test_a_nan_among_floats_is_refused(calculate: Calculation) -> None:
    with pytest.raises(InvalidInputError, match=r"prices\[2\] must be a finite number, was"):
        calculate(pd.Series([1.0, 2.0, float("nan"), 4.0]), 2)


@every_calculation
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e200, Decimal("NaN"), Decimal("1e200"), "3"])
def test_a_bad_price_before_those_that_tell_the_answer_is_refused_too(calculate: Calculation, bad: object) -> None:
    numbers: list[object] = [bad, *([Decimal(4)] * 9 if isinstance(bad, Decimal) else [4.0] * 9)]
    with pytest.raises(InvalidInputError, match=r"prices\[0\] must be (a finite number|at most 1e\+100)"):
        calculate(pd.Series(numbers), 2)


@every_calculation
@pytest.mark.parametrize("rows", [[2, 1, 0], [0, 2, 1], [0, 1, 1]])
def test_dates_out_of_order_are_refused(calculate: Calculation, rows: list[int]) -> None:
    index = pd.DatetimeIndex(["2024-01-02", "2024-01-03", "2024-01-04"], tz="UTC").take(rows)
    with pytest.raises(InvalidInputError, match=r"row \d of the index of prices must be after .*sort_index"):
        calculate(pd.Series([1.0, 2.0, 3.0], index=index), 2)


@pytest.mark.parametrize("scale", [1e-6, 0.01, 1.0, 123_456.789])
def test_whole_micros_and_their_texts_give_the_same_numbers(scale: float) -> None:
    """Floats that are whole micros are taken as integers; as decimals, by what they print as."""
    walk = [round(float(price) * scale, 6) for price in random_walk(60)]
    floats, texts = pd.Series(walk), pd.Series([Decimal(repr(price)) for price in walk])
    for calculate in (calculate_ema, calculate_rsi):
        one, other = calculate(floats, 7), calculate(texts, 7)
        assert abs(one - other) <= abs(other) * Decimal("1e-30")
    assert str(calculate_ema(pd.Series([100.0] * 9), 3)) == "100"


@every_calculation
def test_booleans_are_refused(calculate: Calculation) -> None:
    with pytest.raises(InvalidInputError, match="must be a finite number"):
        calculate(pd.Series([True, False, True]), 2)


@every_calculation
def test_a_list_is_refused(calculate: Calculation) -> None:
    with pytest.raises(InvalidInputError, match="prices must be a pandas Series, was list"):
        calculate([1.0, 2.0, 3.0], 2)  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize("std", [0, -1.0, float("nan"), float("inf"), True, None])
def test_a_bad_width_is_refused(std: float) -> None:
    with pytest.raises(InvalidInputError, match="std must be"):
        calculate_bollinger_bands(pd.Series([1.0, 2.0]), 2, std)


@every_calculation
def test_floats_integers_and_decimals_agree(calculate: Calculation) -> None:
    numbers = [3, 5, 4, 8, 7]
    answers = [
        calculate(pd.Series(numbers), 3),
        calculate(pd.Series(numbers, dtype="Int64"), 3),
        calculate(pd.Series([float(number) for number in numbers]), 3),
        calculate(pd.Series([np.float64(number) for number in numbers], dtype="object"), 3),
        calculate(pd.Series([Decimal(number) for number in numbers]), 3),
    ]
    assert answers.count(answers[0]) == len(answers)


@every_calculation
def test_the_caller_s_decimal_context_plays_no_part(calculate: Calculation) -> None:
    prices = pd.Series(random_walk(60))
    expected = calculate(prices, 14)
    with localcontext() as context:
        context.prec = 3
        context.clear_flags()
        assert calculate(prices, 14) == expected
        assert context.prec == 3
        assert not any(context.flags.values())


@every_calculation
def test_the_index_plays_no_part_and_the_prices_stay_as_they_are(calculate: Calculation) -> None:
    prices = pd.Series(random_walk(30), index=range(30, 0, -1))
    before = prices.copy()
    assert calculate(prices, 14) == calculate(prices.reset_index(drop=True), 14)
    pd.testing.assert_series_equal(prices, before)


@given(
    prices=st.lists(st.floats(1.0, 1_000.0, allow_nan=False), min_size=21, max_size=80),
    period=st.integers(2, 20),
)
def test_the_last_value_agrees_with_the_series(prices: list[float], period: int) -> None:
    series, closes = pd.Series(prices), np.array(prices)
    assert float(calculate_sma(series, period)) == pytest.approx(sma(closes, period=period)[-1], abs=1e-9)
    assert float(calculate_ema(series, period)) == pytest.approx(ema(closes, period=period)[-1], abs=1e-9)
    bands = calculate_bollinger_bands(series, period, 2)
    expected = [band[-1] for band in bollinger_bands(closes, period=period)]
    assert [float(band) for band in bands] == pytest.approx(expected, abs=1e-9)


@given(
    cents=st.lists(st.integers(100, 100_000), min_size=21, max_size=80),
    period=st.integers(2, 20),
)
def test_the_last_rsi_agrees_with_the_series(cents: list[int], period: int) -> None:
    """Prices in whole cents, as differences of arbitrary floats lose their digits."""
    closes = np.array(cents) / 100
    last = calculate_rsi(pd.Series(closes), period)
    assert float(last) == pytest.approx(rsi(closes, period=period)[-1], abs=1e-7)
