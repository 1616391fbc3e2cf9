"""What is timed beside each other computes the same."""

import numpy as np
import pytest

from jutsu_core.bars import bars_to_frame
from jutsu_core.indicators.catalog import compute_arrays
from tests.benchmarks.indicator_peers import (
    NAMES,
    by_pandas,
    by_polars,
    by_polars_talib,
    by_talib,
    peak_over_result,
    single_calls,
    table,
)
from tests.benchmarks.test_calculations import inputs_of, random_bars

BARS = random_bars(1_500)
INPUTS = inputs_of(BARS)
LEFT_OUT = {"bollinger_middle_20_2", "macd_histogram_12_26_9"}
OURS = [column for name, column in compute_arrays(INPUTS).items() if name not in LEFT_OUT]


def check_columns(columns: list[object]) -> None:
    """Compare the last bars, where the starts of averages have faded."""
    for name, own, other in zip(NAMES, OURS, columns, strict=True):
        np.testing.assert_allclose(np.asarray(other, dtype=np.float64)[-200:], own[-200:], rtol=1e-8, err_msg=name)


def test_the_bare_loop_computes_our_columns() -> None:
    check_columns(by_talib(INPUTS))


def test_pandas_computes_our_columns() -> None:
    frame = by_pandas(bars_to_frame("IBM", BARS))
    check_columns([frame[name] for name in NAMES])


def test_polars_computes_our_columns() -> None:
    polars = pytest.importorskip("polars", reason="Polars is no dependency")
    frame = by_polars(polars)(polars.DataFrame(INPUTS))
    check_columns([frame[name].to_numpy() for name in NAMES])


def test_polars_talib_computes_our_columns() -> None:
    polars = pytest.importorskip("polars", reason="Polars is no dependency")
    kernels = pytest.importorskip("polars_talib", reason="polars-talib is no dependency")
    frame = by_polars_talib(polars, kernels)(polars.DataFrame(INPUTS))
    check_columns([frame[name].to_numpy() for name in NAMES])


@pytest.mark.parametrize("name", ["rsi", "macd", "atr", "obv", "parabolic_sar", "roc", "williams_r", "mfi"])
def test_single_calls_are_of_the_same_indicator(name: str) -> None:
    """Of those whose parameters by default are TA-Lib's."""
    ours, kernel = (np.atleast_2d(np.asarray(call())) for call in single_calls(1_500)[name])
    np.testing.assert_allclose(ours[:, -1], kernel[:, -1], rtol=1e-8)
    assert ours.shape == kernel.shape


def test_results_take_most_of_the_memory() -> None:
    assert peak_over_result(5_040) < 1.6


@pytest.mark.slow
def test_the_table_has_a_ratio_for_every_peer() -> None:
    lines = table(1, 300, 1)
    assert lines[2].startswith("| TA-Lib, a bare loop on arrays | ")
    assert lines[2].endswith(" | 1.00 |")
    assert sum(line.startswith("| `") for line in lines) == len(single_calls(60))
