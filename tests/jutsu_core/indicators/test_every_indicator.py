"""What holds for every indicator in the catalogue, present and future."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.catalog import IndicatorSpec, indicator
from jutsu_core.indicators.definitions import CATALOG
from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.records import PRICE_UNIT
from tests.jutsu_core.indicators.references import random_bars

SHORT = {
    "sma": indicator("sma", period=3),
    "ema": indicator("ema", period=3),
    "rsi": indicator("rsi", period=3),
    "bollinger_bands": indicator("bollinger_bands", period=3),
    "macd": indicator("macd", fast=2, slow=4, signal=3),
    "atr": indicator("atr", period=3),
}
every_indicator = pytest.mark.parametrize("spec", SHORT.values(), ids=SHORT.keys())


def calculate(spec: IndicatorSpec, bars: pd.DataFrame) -> tuple[FloatArray, ...]:
    """Return the results of ``spec`` as a tuple, however many there are."""
    inputs = (bars[name].to_numpy() for name in spec.definition.inputs)
    results = spec.definition.function(*inputs, **spec.parameters)
    return results if isinstance(results, tuple) else (results,)


def test_every_indicator_is_tried_here() -> None:
    assert SHORT.keys() == CATALOG.keys()


@every_indicator
def test_as_many_results_as_promised(spec: IndicatorSpec) -> None:
    results = calculate(spec, random_bars(20))
    assert len(results) == len(spec.definition.results)
    assert all(result.dtype == np.float64 and result.shape == (20,) for result in results)


@every_indicator
def test_values_begin_when_the_warm_up_is_over(spec: IndicatorSpec) -> None:
    """Histories that end one bar before, at, and after the first value; and none at all."""
    warm_up = spec.warm_up_bars
    for length in (0, 1, warm_up, warm_up + 1, warm_up + 2, 40):
        for result in calculate(spec, random_bars(length)):
            assert len(result) == length
            assert np.isnan(result[:warm_up]).all()
            assert np.isfinite(result[warm_up:]).all()


@every_indicator
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_in_every_input(spec: IndicatorSpec, bad: float) -> None:
    for name in spec.definition.inputs:
        bars = random_bars(20)
        bars.loc[11, name] = bad
        with pytest.raises(InvalidInputError, match=rf"{name}s\[11\] must be a finite number"):
            calculate(spec, bars)


@every_indicator
def test_inputs_stay_as_they_are(spec: IndicatorSpec) -> None:
    """Also when they may not be written to at all."""
    bars = random_bars(20)
    before = bars.copy(deep=True)
    inputs = [bars[name].to_numpy(copy=True) for name in spec.definition.inputs]
    for values in inputs:
        values.flags.writeable = False
    spec.definition.function(*inputs, **spec.parameters)
    calculate(spec, bars)
    pd.testing.assert_frame_equal(bars, before)


@every_indicator
def test_results_are_the_caller_s_own(spec: IndicatorSpec) -> None:
    """Writing to one result changes neither an input nor another result."""
    bars = random_bars(20)
    inputs = [bars[name].to_numpy(copy=True) for name in spec.definition.inputs]
    results = spec.definition.function(*inputs, **spec.parameters)
    arrays = [*inputs, *(results if isinstance(results, tuple) else (results,))]
    for one, other in itertools.combinations(arrays, 2):
        assert not np.shares_memory(one, other)


@every_indicator
def test_prices_in_another_unit_give_results_in_that_unit(spec: IndicatorSpec) -> None:
    """By powers of two, so that not a bit may differ."""
    bars = random_bars(60)
    scaled = bars.copy()
    scaled[["open", "high", "low", "close"]] *= 1024.0
    pairs = zip(calculate(spec, bars), calculate(spec, scaled), spec.definition.results, strict=True)
    for result, other, definition in pairs:
        factor = 1024.0 if definition.unit == PRICE_UNIT else 1.0
        assert (result * factor).tobytes() == other.tobytes()


@every_indicator
def test_prices_that_move_together_move_levels_and_leave_distances(spec: IndicatorSpec) -> None:
    levels = {"sma", "ema", "bollinger_upper", "bollinger_middle", "bollinger_lower"}
    bars = random_bars(60)
    moved = bars.copy()
    moved[["open", "high", "low", "close"]] += 1_000.0
    pairs = zip(calculate(spec, bars), calculate(spec, moved), spec.definition.results, strict=True)
    for result, other, definition in pairs:
        shift = 1_000.0 if definition.name in levels else 0.0
        np.testing.assert_allclose(other, result + shift, atol=1e-8)


@every_indicator
def test_limits_of_parameters_are_those_of_the_function(spec: IndicatorSpec) -> None:
    """The catalogue neither promises what the function refuses nor hides what it can do."""
    inputs = [np.ones(5) for _ in spec.definition.inputs]
    for parameter in spec.definition.parameters:
        step = 1 if parameter.is_integer else 0
        below = {**spec.parameters, parameter.name: parameter.minimum - step}
        above = {**spec.parameters, parameter.name: parameter.maximum + 1}
        for refused in (below, above):
            with pytest.raises(InvalidInputError, match=parameter.name):
                spec.definition.function(*inputs, **refused)
            with pytest.raises(InvalidInputError, match=parameter.name):
                indicator(spec.name, **refused)
        largest = {**spec.parameters, parameter.name: parameter.maximum}
        if parameter.name != "fast":
            spec.definition.function(*inputs, **largest)
            indicator(spec.name, **largest)


@given(
    closes=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
    cut=st.integers(0, 60),
    name=st.sampled_from(sorted(SHORT)),
)
def test_the_future_changes_no_bit_of_the_past(closes: list[float], cut: int, name: str) -> None:
    values = np.array(closes)
    bars = pd.DataFrame({"high": values + 1.0, "low": values - 1.0, "close": values})
    whole = calculate(SHORT[name], bars)
    part = calculate(SHORT[name], bars.iloc[:cut])
    for complete, prefix in zip(whole, part, strict=True):
        assert complete[: len(prefix)].tobytes() == prefix.tobytes()
