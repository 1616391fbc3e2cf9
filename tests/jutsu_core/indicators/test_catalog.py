import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jutsu_core.bars import BAR_COLUMNS
from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.accumulators import Accumulator
from jutsu_core.indicators.catalog import (
    DEFAULT_INDICATORS,
    IndicatorSpec,
    catalog_fingerprint,
    compute_arrays,
    compute_indicators,
    indicator,
    indicator_columns,
)
from jutsu_core.indicators.definitions import CATALOG, DEFINITIONS_REVISION
from jutsu_core.indicators.trend import sma
from jutsu_core.indicators.volatility import atr
from tests.jutsu_core.indicators.references import random_bars

DEFAULT_COLUMNS = [
    "sma_20",
    "sma_50",
    "sma_200",
    "ema_12",
    "ema_26",
    "rsi_14",
    "bollinger_upper_20_2",
    "bollinger_middle_20_2",
    "bollinger_lower_20_2",
    "macd_12_26_9",
    "macd_signal_12_26_9",
    "macd_histogram_12_26_9",
    "atr_14",
]


def test_the_default_columns_are_the_promised_ones() -> None:
    assert [column.name for column in indicator_columns()] == DEFAULT_COLUMNS


def test_a_column_is_described_with_its_parameters() -> None:
    upper = indicator("bollinger_bands", period=10, deviations=2.5).columns[0]
    assert upper.name == "bollinger_upper_10_2p5"
    assert upper.description == "SMA of 10 closes plus 2.5 population standard deviations"
    assert upper.warm_up_bars == 9
    assert upper.unit == "quote currency"
    assert not any("{" in column.description for column in indicator_columns())


def test_a_small_parameter_is_written_without_exponent() -> None:
    assert indicator("bollinger_bands", deviations=1e-5).columns[0].name == "bollinger_upper_20_0p00001"


def test_one_configuration_has_one_form() -> None:
    """2 and 2.0 deviations, NumPy's integers and Python's."""
    spec = IndicatorSpec("bollinger_bands", tuple(np.array([20, 2])))
    assert [type(value) for value in spec.arguments] == [int, float]
    assert spec == indicator("bollinger_bands")
    assert hash(spec) == hash(indicator("bollinger_bands"))
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301  # our own bytes


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("vma", {}, r"indicator must be one of sma, ema, .*, was 'vma' \(did you mean .*\?\)"),
        ("sma", {}, "period of sma must be given"),
        ("sma", {"period": 5, "span": 3}, "parameters of sma must be among period, was 'span'"),
        ("obv", {"period": 5}, "parameters of obv must be left out, as it has none, was 'period'"),
        ("sma", {"period": 5.0}, "period must be an integer"),
        ("macd", {"fast": 26}, r"slow must be greater than fast \(26\), was 26"),
        ("bollinger_bands", {"deviations": 0.0}, "deviations must be a number above 0"),
    ],
)
def test_a_bad_choice_is_refused(name: str, parameters: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        indicator(name, **parameters)


def test_a_spec_needs_all_its_arguments() -> None:
    with pytest.raises(InvalidInputError, match="macd must have 3 arguments"):
        IndicatorSpec("macd", (12, 26))


def test_the_frame_gains_one_float_column_a_result() -> None:
    bars = random_bars(250).assign(note="kept").set_index(pd.RangeIndex(7, 257))
    before = bars.copy(deep=True)
    frame = compute_indicators(bars)
    assert list(frame.columns) == [*BAR_COLUMNS, "note", *DEFAULT_COLUMNS]
    assert (frame[DEFAULT_COLUMNS].dtypes == "float64").all()
    pd.testing.assert_frame_equal(bars, before)
    pd.testing.assert_frame_equal(frame[list(bars.columns)], before)


def test_each_column_holds_its_indicator() -> None:
    bars = random_bars(60)
    frame = compute_indicators(bars, [indicator("atr"), indicator("sma", period=5)])
    closes = bars["close"].to_numpy()
    assert frame["sma_5"].to_numpy().tobytes() == sma(closes, period=5).tobytes()
    expected = atr(bars["high"].to_numpy(), bars["low"].to_numpy(), closes)
    assert frame["atr_14"].to_numpy().tobytes() == expected.tobytes()


def test_every_column_is_missing_exactly_until_its_warm_up_is_over() -> None:
    frame = compute_indicators(random_bars(250))
    for column in indicator_columns():
        missing = frame[column.name].isna().to_numpy()
        assert missing[: column.warm_up_bars].all(), column.name
        assert not missing[column.warm_up_bars :].any(), column.name


@pytest.mark.parametrize("typed", [True, False])
def test_no_bars_give_empty_columns(*, typed: bool) -> None:
    """Also from a frame whose columns have no types, as an empty one is easily made."""
    bars = random_bars(0) if typed else pd.DataFrame(columns=list(BAR_COLUMNS))
    frame = compute_indicators(bars)
    assert frame.empty
    assert list(frame.columns) == [*BAR_COLUMNS, *DEFAULT_COLUMNS]
    assert (frame[DEFAULT_COLUMNS].dtypes == "float64").all()


def test_one_bar_is_too_short_for_every_default() -> None:
    assert compute_indicators(random_bars(1))[DEFAULT_COLUMNS].isna().all(axis=None)


def test_a_name_is_the_indicator_with_its_defaults_wherever_indicators_are_chosen() -> None:
    average = indicator("sma", period=3)
    named: list[IndicatorSpec | str] = ["rsi", average, "macd"]
    chosen = [indicator("rsi"), average, indicator("macd")]
    bars = random_bars(40)
    pd.testing.assert_frame_equal(compute_indicators(bars, named), compute_indicators(bars, chosen))
    closes = {"close": bars["close"].to_numpy()}
    arrays = compute_arrays(closes, named)
    assert [arrays[name].tobytes() for name in arrays] == [
        row.tobytes() for row in compute_arrays(closes, chosen).values()
    ]
    assert indicator_columns(named) == indicator_columns(chosen)
    assert catalog_fingerprint(named) == catalog_fingerprint(chosen)
    assert Accumulator(named).columns == Accumulator(chosen).columns


@pytest.mark.parametrize(
    ("indicators", "message"),
    [
        (["sma"], "period of sma must be given"),
        (["rsi", "sma_20"], r"indicator must be one of sma, ema, .*, was 'sma_20' \(did you mean sma\?\)"),
        (["rsi", indicator("rsi")], "must fill different columns, was rsi_14 twice"),
        (
            "rsi",
            r'indicators must be a list, each item an IndicatorSpec such as indicator\("rsi"\), or the name of one',
        ),
        ([("sma", 20)], r"indicators\[0\] must be an IndicatorSpec .*, was tuple"),
        ({"sma": 20}, "indicators must be a list, each item an IndicatorSpec .*, was dict"),
        (indicator("rsi"), "indicators must be a list, each item an IndicatorSpec .*, was IndicatorSpec"),
        (None, "indicators must be a list, each item an IndicatorSpec .*, was None"),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        lambda chosen: compute_indicators(random_bars(3), chosen),
        lambda chosen: compute_arrays({"close": np.ones(3)}, chosen),
        indicator_columns,
        Accumulator,
    ],
    ids=["frame", "arrays", "columns", "accumulator"],
)
def test_what_is_no_choice_of_indicators_is_refused_everywhere_alike(
    call: Callable[[object], object], indicators: object, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        call(indicators)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"close": np.ones(3)}, "columns must be with high, which atr reads, was with close"),
        ({}, "columns must be with .*, was with none"),
        ([1.0], "columns must be arrays by name, was list"),
        ({"high": [1.0], "low": [1.0], "close": [1.0]}, "must be a one-dimensional array of float64, was list"),
        (dict.fromkeys(("high", "low", "close"), np.ones(3, np.int64)), "of float64, was 1-dimensional of int64"),
        (dict.fromkeys(("high", "low", "close"), np.ones((3, 1))), "of float64, was 2-dimensional of float64"),
        (
            {"high": np.ones(3), "low": np.ones(2), "close": np.ones(3)},
            "low must have the 3 values that high has, was 2",
        ),
        (dict.fromkeys(("high", "low", "close"), np.ma.ones(3)), "of float64, was MaskedArray"),
    ],
)
def test_arrays_that_are_not_those_of_bars_are_refused(columns: object, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        compute_arrays(columns, ["atr"])  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("other", [np.ones(2), np.ones(50), 7.0, None])
def test_arrays_that_nothing_reads_say_nothing_of_the_length(other: object) -> None:
    """Nor are they looked at."""
    arrays = compute_arrays({"other": other, "close": np.array([1.0, 2.0, 6.0])}, [indicator("sma", period=2)])  # type: ignore[dict-item]  # on purpose
    assert arrays["sma_2"][1:].tolist() == [1.5, 4.0]
    assert compute_arrays({"other": other}, []) == {}  # type: ignore[dict-item]  # on purpose


def test_no_indicators_give_the_bars_back() -> None:
    bars = random_bars(3)
    pd.testing.assert_frame_equal(compute_indicators(bars, []), bars)


@pytest.mark.parametrize("length", [1, 33, 34, 120, 200])
def test_a_longer_history_begins_with_the_same_bits(length: int) -> None:
    bars = random_bars(250)
    whole = compute_indicators(bars)[DEFAULT_COLUMNS].to_numpy()[:length]
    part = compute_indicators(bars.iloc[:length])[DEFAULT_COLUMNS].to_numpy()
    assert whole.tobytes() == part.tobytes()


def test_a_frame_that_was_already_computed_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="was with sma_20"):
        compute_indicators(compute_indicators(random_bars(30)))


def test_the_same_indicator_twice_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="was rsi_14 twice"):
        compute_indicators(random_bars(30), [indicator("rsi"), indicator("rsi", period=14)])


def test_a_bad_row_is_refused() -> None:
    bars = random_bars(30)
    bars.loc[4, "close"] = np.nan
    with pytest.raises(InvalidInputError, match=r"row 4 of bars.*close must be a finite number"):
        compute_indicators(bars)


def test_the_fingerprint_tells_configurations_apart() -> None:
    prints = {
        catalog_fingerprint(indicators)
        for indicators in (
            DEFAULT_INDICATORS,
            DEFAULT_INDICATORS[::-1],
            DEFAULT_INDICATORS[1:],
            [indicator("sma", period=20)],
            [indicator("ema", period=20)],
            [indicator("sma", period=21)],
        )
    }
    assert len(prints) == 6


def test_the_fingerprint_changes_with_the_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    before = catalog_fingerprint()
    monkeypatch.setattr("jutsu_core.indicators.catalog.DEFINITIONS_REVISION", DEFINITIONS_REVISION + 1)
    assert catalog_fingerprint() != before


def test_an_indicator_s_revision_changes_the_fingerprint_of_sets_that_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    holding, other = [indicator("sma", period=5), indicator("rsi")], [indicator("sma", period=5)]
    before = catalog_fingerprint(holding), catalog_fingerprint(other)
    revised = {**CATALOG, "rsi": replace(CATALOG["rsi"], revision=CATALOG["rsi"].revision + 1)}
    monkeypatch.setattr("jutsu_core.indicators.definitions.CATALOG", revised)
    assert catalog_fingerprint(holding) != before[0]
    assert catalog_fingerprint(other) == before[1]


def test_the_fingerprint_is_the_same_in_another_process() -> None:
    code = "from jutsu_core.indicators.catalog import catalog_fingerprint; print(catalog_fingerprint())"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == catalog_fingerprint()


def test_what_needs_volume_is_missing_of_an_index_where_that_is_allowed() -> None:
    """And of nothing else; one bar with volume is enough, and a volume below 0 is refused all the same."""
    bars = random_bars(60).assign(volume=0)
    chosen = [indicator("obv"), indicator("sma", period=5), indicator("mfi"), indicator("rsi")]
    with pytest.raises(InvalidInputError, match=r"obv needs volume, .* or say allow_no_volume=True"):
        compute_indicators(bars, chosen)
    made = compute_indicators(bars, chosen, allow_no_volume=True)
    assert made[["obv", "mfi_14"]].isna().all(axis=None)
    alone = compute_indicators(bars, [chosen[1], chosen[3]])
    pd.testing.assert_frame_equal(made[alone.columns], alone, check_exact=True)
    bars.loc[7, "volume"] = 1
    pd.testing.assert_frame_equal(
        compute_indicators(bars, chosen, allow_no_volume=True), compute_indicators(bars, chosen), check_exact=True
    )
    bars.loc[7, "volume"] = -1
    with pytest.raises(InvalidInputError, match="must be 0 or more, was -1"):
        compute_indicators(bars, chosen, allow_no_volume=True)
