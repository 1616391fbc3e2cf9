"""Windows over whole micros against arithmetic in fractions; over anything else against their contract."""

import math
import threading
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.indicators.averages import MOST_MICROS, WIDEST_WINDOW, WholePrices, whole_micros
from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.lines import Line
from jutsu_core.indicators.one_window import mean_of, ramp_of, start_of
from jutsu_core.indicators.programs import Plan
from tests.jutsu_core.indicators.references import random_walk

WINDOWS: dict[str, Callable[[Line, int], Line]] = {
    "mean": Line.mean,
    "weighted_mean": Line.weighted_mean,
    "deviation": Line.deviation,
}
every_window = pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)

micros = st.one_of(
    st.integers(-MOST_MICROS, MOST_MICROS),
    st.integers(1, 10**9),
    st.integers(1, 10**6).map(lambda cents: cents * 10_000),
    st.just(100_000),
)
whole_series = st.lists(micros, min_size=1, max_size=40)
mixed_series = st.lists(st.one_of(micros.map(lambda m: m / 1e6), st.floats(-1e9, 1e9)), min_size=1, max_size=40)


Formula = Callable[[Line], Line]


def values_of(formula: Formula, values: FloatArray, *, is_price: bool = True) -> FloatArray:
    """Return what ``formula`` makes of ``values``, from its first number on."""
    plan, row = Plan({"values": is_price}), np.empty(len(values))
    line = formula(plan.lines["values"])
    plan.result(line)
    plan.program().run([values], [row])
    assert np.isnan(row[: line.start]).all()
    return row[line.start :]


def prices(values: list[int]) -> FloatArray:
    return np.array(values, dtype=np.int64) / 1_000_000


def windows(values: list[int], period: int) -> list[list[int]]:
    return [values[end - period : end] for end in range(period, len(values) + 1)]


@given(values=whole_series, period=st.integers(1, 40))
def test_the_mean_of_whole_micros_is_the_correctly_rounded_one(values: list[int], period: int) -> None:
    expected = [float(Fraction(sum(window), period * 10**6)) for window in windows(values, period)]
    assert values_of(lambda line: line.mean(period), prices(values)).tolist() == expected


@given(values=whole_series, period=st.integers(1, 40))
def test_the_weighted_mean_of_whole_micros_is_the_correctly_rounded_one(values: list[int], period: int) -> None:
    expected = [
        float(
            Fraction(sum((place + 1) * value for place, value in enumerate(window)), period * (period + 1) // 2 * 10**6)
        )
        for window in windows(values, period)
    ]
    assert values_of(lambda line: line.weighted_mean(period), prices(values)).tolist() == expected


@given(values=st.lists(st.integers(1, 10**8), min_size=1, max_size=40), period=st.integers(1, 40))
def test_the_deviation_of_whole_micros_has_an_exact_square(values: list[int], period: int) -> None:
    """One rounding of the exact integer, one of its root, one of the division."""
    found = values_of(lambda line: line.deviation(period), prices(values)).tolist()
    for window, deviation in zip(windows(values, period), found, strict=True):
        spread = period * sum(value * value for value in window) - sum(window) ** 2
        assert period * (max(window) - min(window)) <= WIDEST_WINDOW
        assert deviation == math.sqrt(float(spread)) / (period * 10**6)


@given(values=whole_series, period=st.integers(1, 40))
def test_a_wide_window_s_deviation_is_right_all_the_same(values: list[int], period: int) -> None:
    found = values_of(lambda line: line.deviation(period), prices(values)).tolist()
    for window, deviation in zip(windows(values, period), found, strict=True):
        mean = Fraction(sum(window), period)
        variance = sum((value - mean) ** 2 for value in window) / period / 10**12
        assert deviation == pytest.approx(math.sqrt(variance), rel=1e-9, abs=1e-7)


@every_window
@given(values=mixed_series, period=st.integers(1, 40), start=st.integers(0, 40))
def test_a_window_has_the_same_bits_wherever_the_history_starts(
    window: Callable[[Line, int], Line], values: list[float], period: int, start: int
) -> None:
    """Also where some windows hold floats that are no whole micros."""
    row = np.array(values)
    whole = values_of(lambda line: window(line, period), row)
    tail = values_of(lambda line: window(line, period), row[start:])
    assert whole[len(whole) - len(tail) :].tobytes() == tail.tobytes()


@every_window
@given(values=mixed_series, period=st.integers(1, 40), end=st.integers(0, 40))
def test_a_window_has_the_same_bits_wherever_the_history_ends(
    window: Callable[[Line, int], Line], values: list[float], period: int, end: int
) -> None:
    row = np.array(values)
    whole = values_of(lambda line: window(line, period), row)
    head = values_of(lambda line: window(line, period), row[:end])
    assert whole[: len(head)].tobytes() == head.tobytes()


@pytest.mark.parametrize("period", [1, 2, 3, 20, 200, 511, 512, 4_999])
@pytest.mark.parametrize("is_price", [True, False])
def test_windows_agree_with_pandas(period: int, *, is_price: bool) -> None:
    values = random_walk(6_000) if not is_price else random_walk(6_000).round(2)
    rolling = pd.Series(values).rolling(period)

    def made(window: Callable[[Line, int], Line]) -> FloatArray:
        return values_of(lambda line: window(line, period), values, is_price=is_price)

    np.testing.assert_allclose(made(Line.mean), rolling.mean()[period - 1 :], rtol=1e-11)
    np.testing.assert_allclose(made(Line.total), rolling.sum()[period - 1 :], rtol=1e-11)
    np.testing.assert_allclose(made(Line.deviation), rolling.std(ddof=0)[period - 1 :], atol=1e-6)
    if period < 1_000:
        weights = np.arange(1, period + 1)
        expected = np.lib.stride_tricks.sliding_window_view(values, period) @ weights / weights.sum()
        np.testing.assert_allclose(made(Line.weighted_mean), expected, rtol=1e-11)


@pytest.mark.parametrize("constant", [0.1, 123.45, 1 / 3, 1e-9, 5e9])
@pytest.mark.parametrize("period", [1, 2, 7, 20, 200, 600])
@pytest.mark.parametrize("average", [Line.mean, Line.weighted_mean, Line.exponential, Line.wilder])
def test_equal_values_average_to_themselves(constant: float, period: int, average: Callable[[Line, int], Line]) -> None:
    """0.1 summed ten times is not 1.0 in floats, so a plain mean would miss it, and keep missing it in a recursion."""
    row = np.full(700, constant)
    assert (values_of(lambda line: average(line, period), row) == constant).all()
    assert (values_of(lambda line: line.deviation(period), row) == 0.0).all()
    plan, means = Plan({"values": True, "weights": False}), np.empty(700)
    plan.result(plan.lines["values"].mean_by(plan.lines["weights"], period))
    plan.program().run([row, random_walk(700)], [means])
    assert (means[period - 1 :] == constant).all()


@every_window
@pytest.mark.parametrize("price", [0.1, 1 / 3])
def test_a_spike_leaves_no_residue(window: Callable[[Line, int], Line], price: float) -> None:
    """A running sum would keep the spike's rounding error for ever."""
    values = np.full(100, price)
    values[30] = 1e9
    left = values_of(lambda line: window(line, 10), values)[31:]
    assert (left == values_of(lambda line: window(line, 10), np.full(100, price))[31:]).all()


@given(values=mixed_series)
def test_one_window_alone_has_the_bits_of_the_series(values: list[float]) -> None:
    period, row = len(values), np.array(values)
    assert values_of(lambda line: line.mean(period), row, is_price=False).tolist() == [mean_of(values)]
    if len(values) > 1:
        expected = values[-1] + ramp_of(values) / (len(values) * (len(values) + 1) / 2)
        assert values_of(lambda line: line.weighted_mean(period), row, is_price=False).tolist() == [expected]


@given(values=mixed_series, period=st.integers(1, 9))
def test_recursive_averages_start_with_the_mean_to_the_bit(values: list[float], period: int) -> None:
    for average in (Line.exponential, Line.wilder):
        made = values_of(lambda line, average=average: average(line, period), np.array(values))  # type: ignore[misc]
        if len(values) >= period:
            assert made[0] == start_of(values[:period], is_price=True)
            expected = float(sum(map(Fraction, values[:period])) / period)
            np.testing.assert_allclose(made[:1], [expected], rtol=1e-9, atol=1e-6)


@given(values=st.lists(st.integers(-20, 20).map(float), min_size=3, max_size=40), period=st.integers(2, 12))
def test_how_long_ago_the_highest_was_counts_the_last_of_equals(values: list[float], period: int) -> None:
    found = values_of(lambda line: line.since_highest(period), np.array(values)).tolist()
    rows = [values[end - period - 1 : end][::-1] for end in range(period + 1, len(values) + 1)]
    assert found == [row.index(max(row)) for row in rows]


def test_threads_do_not_disturb_each_other() -> None:
    values = random_walk(3_000).round(2)

    plan = Plan({"values": True})
    for line in (
        plan.lines["values"].mean(20),
        plan.lines["values"].deviation(50),
        plan.lines["values"].exponential(12),
    ):
        plan.result(line)
    program = plan.program()

    def bits() -> bytes:
        rows = np.empty((3, len(values)))
        program.run([values], list(rows))
        return rows.tobytes()

    expected, found = bits(), []
    threads = [threading.Thread(target=lambda: found.append(bits())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


@given(value=st.one_of(micros.map(lambda m: m / 1e6), st.floats(-1e12, 1e12)))
def test_single_prices_and_arrays_agree_on_what_is_whole(value: float) -> None:
    is_whole: npt.NDArray[np.bool_] | None = WholePrices(np.array([value])).is_whole(1)
    assert (is_whole is None) == (whole_micros(value) is not None)


@pytest.mark.parametrize("period", [2, 20, 70, 200])
def test_windows_narrow_and_wide_are_told_apart_wherever_they_lie(period: int) -> None:
    """Also at the seams of the blocks by which ranges are judged."""
    limit = WIDEST_WINDOW // period
    for place in (0, 63, 64, 65, 127, 128, 300, 399):
        for height in (limit, limit + 1):
            values = [1_000_000] * 400
            values[place] += height
            found = values_of(lambda line: line.deviation(period), prices(values))
            for end in (0, len(found) - 1, min(place, len(found) - 1), max(place - period + 1, 0)):
                window = values[end : end + period]
                spread = period * sum(value * value for value in window) - sum(window) ** 2
                if period * (max(window) - min(window)) <= WIDEST_WINDOW:
                    assert found[end] == math.sqrt(spread) / (period * 10**6)
                else:
                    assert found[end] == pytest.approx(math.sqrt(spread) / (period * 10**6), rel=1e-12)
