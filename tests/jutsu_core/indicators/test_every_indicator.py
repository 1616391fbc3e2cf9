"""What holds for every indicator in the catalogue, present and future."""

import inspect
import itertools
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.catalog import IndicatorSpec, indicator
from jutsu_core.indicators.definitions import CATALOG
from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.records import MONEY_UNIT, PRICE_UNIT, VOLUME_UNIT
from tests.jutsu_core.indicators import references
from tests.jutsu_core.indicators.answers.arithmetic import CHOICES, FOLDER, answers, lines_of

PRICES = ["open", "high", "low", "close", "benchmark"]
SHORT = {name: indicator(name, **chosen) for name, chosen in CHOICES.items()}
every_indicator = pytest.mark.parametrize("spec", SHORT.values(), ids=SHORT.keys())


def random_bars(length: int) -> pd.DataFrame:
    """Return bars with everything that an indicator may read: sessions of five bars, and a benchmark's closes."""
    beside = references.random_walk(length, seed=11) + 20.0
    return references.random_bars(length).assign(session=np.arange(length) // 5, benchmark=beside)


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
        for result in calculate(spec, random_bars(length).assign(volume=7)):
            assert len(result) == length
            assert np.isnan(result[:warm_up]).all()
            assert np.isfinite(result[warm_up:]).all()


@every_indicator
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_in_every_input(spec: IndicatorSpec, bad: float) -> None:
    for name in spec.definition.inputs:
        bars = random_bars(20).astype({"volume": float, "session": float})
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
def test_answers_are_what_the_arithmetic_beside_them_says(spec: IndicatorSpec) -> None:
    assert (FOLDER / f"{spec.name}.csv").read_text(encoding="utf-8").splitlines() == lines_of(spec.name)


@every_indicator
def test_values_are_those_calculated_by_hand(spec: IndicatorSpec) -> None:
    """Every bar, and apart the three that say most: before the warm-up is over, after it, and the last."""
    _, *rows = lines_of(spec.name)
    expected = np.array([[float(cell or "nan") for cell in row.split(",")] for row in rows]).T
    warm_up = spec.warm_up_bars
    results = calculate(spec, answered_bars())
    for result, answered in zip(results, expected, strict=True):
        scale = np.nanmax(np.abs(answered))
        np.testing.assert_allclose(result, answered, rtol=1e-13, atol=1e-13 * scale)
        assert warm_up == 0 or np.isnan(result[warm_up - 1])
        for bar in (warm_up, -1):
            assert result[bar] == pytest.approx(answered[bar], rel=1e-13, abs=1e-13 * scale)


def decimal_bars(seed: int, unit: int) -> dict[str, FloatArray]:
    """Return 80 bars in whole ``unit`` micros that move by a few of them, so that moves, sums and ranges tie."""
    rng = np.random.default_rng(seed)
    closes = 1_000 + rng.integers(-5, 6, 80).cumsum()
    closes[30:50] = closes[30]
    opens = np.concatenate((closes[:1], closes[:-1])) + rng.integers(-3, 4, 80) * (closes != closes[30])
    highs = np.maximum(opens, closes) + rng.integers(0, 8, 80)
    lows = np.minimum(opens, closes) - rng.integers(0, 8, 80)
    prices = {"open": opens, "high": highs, "low": lows, "close": closes, "benchmark": closes[::-1] + 500}
    volumes = rng.integers(1, 9, 80) * 100
    return {name: row * unit / 1e6 for name, row in prices.items()} | {
        "volume": volumes.astype(float),
        "session": np.arange(80) // 5 * 1.0,
    }


@every_indicator
@pytest.mark.parametrize("unit", [10_000, 62_500, 100], ids=["cents", "sixteenths", "hundredths of a cent"])
def test_what_ties_in_decimals_ties_in_floats(spec: IndicatorSpec, unit: int) -> None:
    """A rise of 0.10 beside a fall of 0.10, equal typical prices, a price that stands still: as in fractions."""
    for seed in (1, 3):
        bars = decimal_bars(seed, unit)
        exact = {name: [Fraction(repr(value)) for value in row.tolist()] for name, row in bars.items()}
        results = calculate(spec, pd.DataFrame(bars))
        for result, answer in zip(results, answers(spec.name, exact), strict=True):
            expected = np.array([np.nan if value is None else float(value) for value in answer])
            np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9 * np.nanmax(np.abs(expected)))


@every_indicator
def test_values_lie_in_the_range_that_the_record_says(spec: IndicatorSpec) -> None:
    """Also of bars without range, of prices that only rise, and of a spike."""
    flat = random_bars(60).assign(**dict.fromkeys(PRICES, 7.1))
    rising = random_bars(60)
    rising[PRICES] = np.add.outer(np.arange(1.0, 61.0), [0.0, 0.5, -0.5, 0.5, 1.0])
    spiked = random_bars(60)
    spiked.loc[30, PRICES] = 1e9
    for bars in (random_bars(300), flat, rising, spiked):
        bars["volume"] = bars["volume"].to_numpy() % 5
        for result, definition in zip(calculate(spec, bars), spec.definition.results, strict=True):
            values = result[spec.warm_up_bars :]
            assert np.isfinite(values).all()
            assert definition.least is None or (values >= definition.least).all()
            assert definition.most is None or (values <= definition.most).all()


@every_indicator
def test_prices_in_another_unit_give_results_in_that_unit(spec: IndicatorSpec) -> None:
    """By powers of two, so that not a bit may differ; logarithms of ratios stay too."""
    check_scaling(spec, PRICES, {PRICE_UNIT: 1024.0})


@every_indicator
def test_volumes_in_another_unit_give_results_in_that_unit(spec: IndicatorSpec) -> None:
    check_scaling(spec, ["volume"], {VOLUME_UNIT: 1024.0})


def check_scaling(spec: IndicatorSpec, columns: list[str], factors: dict[str, float]) -> None:
    bars = random_bars(60)
    scaled = bars.copy()
    scaled[columns] *= 1024.0
    factors = {MONEY_UNIT: 1024.0, **factors}
    pairs = zip(calculate(spec, bars), calculate(spec, scaled), spec.definition.results, strict=True)
    for result, other, definition in pairs:
        assert (result * factors.get(definition.unit, 1.0)).tobytes() == other.tobytes()


@every_indicator
def test_prices_that_move_together_move_levels_and_leave_distances(spec: IndicatorSpec) -> None:
    bars = random_bars(60)
    moved = bars.copy()
    moved[PRICES] += 1_000.0
    pairs = zip(calculate(spec, bars), calculate(spec, moved), spec.definition.results, strict=True)
    for result, other, definition in pairs:
        shift = 1_000.0 if definition.when_prices_move == "moves" else 0.0
        scale = 1.0 + np.nanmax(np.abs(result))
        is_law = np.allclose(other, result + shift, rtol=0, atol=1e-9 * scale, equal_nan=True)
        assert is_law == (definition.when_prices_move != "changes")


@every_indicator
def test_a_constant_price_is_a_level_to_the_bit(spec: IndicatorSpec) -> None:
    bars = random_bars(60).assign(**dict.fromkeys(PRICES, 0.1))
    for result, definition in zip(calculate(spec, bars), spec.definition.results, strict=True):
        values = result[spec.warm_up_bars :]
        if definition.when_prices_move == "moves":
            assert (values == 0.1).all()
        elif definition.unit == PRICE_UNIT:
            assert (values == 0.0).all()
        else:
            assert (values == values[0]).all() or definition.unit == VOLUME_UNIT


@every_indicator
def test_limits_of_parameters_are_those_of_the_function(spec: IndicatorSpec) -> None:
    """The catalogue neither promises what the function refuses nor hides what it can do."""
    inputs = [np.ones(5) for _ in spec.definition.inputs]
    exceeded = {parameter.above for parameter in spec.definition.parameters}
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
        if parameter.name not in exceeded:
            spec.definition.function(*inputs, **largest)
            indicator(spec.name, **largest)


@every_indicator
def test_defaults_of_the_record_are_those_of_the_function(spec: IndicatorSpec) -> None:
    keywords = {
        name: None if parameter.default is parameter.empty else parameter.default
        for name, parameter in inspect.signature(spec.definition.function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert keywords == {parameter.name: parameter.default for parameter in spec.definition.parameters}
    assert spec.definition.function.__name__ == spec.name


@every_indicator
def test_prices_without_logarithm_and_indexes_without_volume_are_refused(spec: IndicatorSpec) -> None:
    inputs = spec.definition.inputs
    bars = answered_bars().astype(float)
    if spec.definition.needs_positive_prices:
        bad = bars.copy()
        bad.loc[7, inputs[-2] if inputs[-1] == "volume" else inputs[-1]] = 0.0
        with pytest.raises(InvalidInputError, match=r"s\[7\] must be above 0, was 0; "):
            calculate(spec, bad)
    if "volume" in inputs:
        with pytest.raises(
            InvalidInputError, match=f"volume must be above 0 in some bar, was 0 in all 40; {spec.name}"
        ):
            calculate(spec, bars.assign(volume=0.0))
        bars.loc[3, "volume"] = -1.0
        with pytest.raises(InvalidInputError, match=r"volumes\[3\] must be 0 or more, was -1"):
            calculate(spec, bars)


@every_indicator
def test_the_docstring_says_formula_warm_up_and_source(spec: IndicatorSpec) -> None:
    text = inspect.getdoc(spec.definition.function) or ""
    sections = ["Formula:", "Args:", "Returns:", "Raises:", "Warm-up:", "References:", "Examples:"]
    places = [text.find(f"\n{section}\n") for section in sections]
    assert -1 not in places
    assert places == sorted(places)
    for name in spec.parameters:
        assert f"    {name}: " in text


@given(
    closes=st.lists(st.integers(1, 10**8), min_size=1, max_size=60),
    cut=st.integers(0, 60),
    name=st.sampled_from(sorted(SHORT)),
)
def test_the_future_changes_no_bit_of_the_past(closes: list[int], cut: int, name: str) -> None:
    values = np.array(closes) / 1e4
    bars = pd.DataFrame({"open": values, "high": values + 1.0, "low": values * 0.9, "close": values, "volume": 7.0})
    bars = bars.assign(session=np.arange(len(bars)) // 5, benchmark=np.sqrt(values))
    whole = calculate(SHORT[name], bars)
    part = calculate(SHORT[name], bars.iloc[:cut])
    for complete, prefix in zip(whole, part, strict=True):
        assert complete[: len(prefix)].tobytes() == prefix.tobytes()


@every_indicator
def test_a_window_s_value_does_not_depend_on_where_the_history_begins(spec: IndicatorSpec) -> None:
    """Of those whose docstring says "exact from then on"; the others say how their start fades."""
    is_exact = "exact from then on" in (inspect.getdoc(spec.definition.function) or "")
    bars = answered_bars().astype(float)
    whole, tail = calculate(spec, bars), calculate(spec, bars.iloc[7:])
    pairs = zip(whole, tail, strict=True)
    assert is_exact == all(
        one[7 + spec.warm_up_bars :].tobytes() == two[spec.warm_up_bars :].tobytes() for one, two in pairs
    )


def answered_bars() -> pd.DataFrame:
    """Return the bars that answers were calculated for."""
    return pd.read_csv(FOLDER / "bars.csv")
