"""Many portfolios at once have the figures that each has alone."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jutsu_core.errors import InvalidInputError
from jutsu_core.metrics.figures import period_figures
from jutsu_core.metrics.kernels import deepest_fall
from jutsu_core.metrics.many import MANY, many_figures

SETTINGS: dict[str, Any] = {"periods_per_year": 252, "risk_free_rate": 0.02}


def frame(rows: int = 300, columns: int = 19) -> pd.DataFrame:
    steps = np.random.default_rng(4).normal(0.0005, 0.012, (rows, columns))
    index = pd.bdate_range("2012-03-01", periods=rows, tz="UTC")
    return pd.DataFrame(100 * np.cumprod(1 + steps, axis=0), index=index, columns=[f"P{n}" for n in range(columns)])


def check(values: pd.DataFrame, **options: Any) -> pd.DataFrame:
    """Check every figure against that of its column alone."""
    found = many_figures(values, **SETTINGS, **options)
    assert tuple(found.columns) == MANY
    assert list(found.index) == list(values.columns)
    for column in values.columns:
        told = period_figures(values[column].astype(float), **SETTINGS, **options)
        for name in MANY:
            expected = float("nan") if told[name] is None else told[name]
            assert found.loc[column, name] == pytest.approx(expected, rel=1e-11, abs=1e-15, nan_ok=True), (column, name)
    return found


@pytest.mark.parametrize("rows", [1, 2, 3, 100, 300])
@pytest.mark.parametrize("columns", [1, 8, 19])
@pytest.mark.parametrize("partial", [True, False])
def test_every_column_has_its_own_figures(rows: int, columns: int, *, partial: bool) -> None:
    check(frame(rows, columns), annualize_partial_years=partial)


@pytest.mark.parametrize("rows", [125, 126, 127, 253, 700])
def test_the_deepest_fall_is_the_same_however_long_and_wide(rows: int) -> None:
    """To the last bit, in stretches of rows and across them: walks, climbs, slides, spikes and pits."""
    noise = np.random.default_rng(rows)
    walks = 100 * np.exp(np.cumsum(noise.normal(0, noise.uniform(1e-6, 0.2, 50), (rows, 50)), axis=0))
    climbs = np.cumsum(noise.uniform(0, 1, (rows, 8)), axis=0) + 1
    pits, spikes = np.full((rows, 8), 5.0), np.full((rows, 8), 5.0)
    for column, row in enumerate(noise.integers(0, rows, 8)):
        pits[row, column], spikes[row, column] = 1.0, 50.0
    index = pd.bdate_range("2012-03-01", periods=rows, tz="UTC")
    values = pd.DataFrame(np.hstack([walks, climbs, climbs[::-1], pits, spikes]), index=index)
    found = many_figures(values, **SETTINGS)["max_drawdown"]
    assert found.to_list() == [deepest_fall(values[column].to_numpy()).depth for column in values.columns]


def test_a_mean_that_hides_the_deviation_leaves_it_as_it_is() -> None:
    values = frame(300, 3)
    values["steady"] = np.cumprod(1.05 + np.random.default_rng(5).normal(0, 1e-9, 300))
    check(values)


def test_the_layout_of_the_frame_does_not_matter() -> None:
    values = frame()
    copied = pd.DataFrame({name: values[name].to_numpy().copy() for name in values.columns}, index=values.index)
    pd.testing.assert_frame_equal(many_figures(values, **SETTINGS), many_figures(copied, **SETTINGS))


def test_decimals_and_integers_are_numbers_too() -> None:
    values = frame(40, 3).round(2)
    values["D"] = values["P0"].map(lambda value: Decimal(str(value)))
    values["I"] = np.arange(1, 41)
    check(values)


def test_what_does_not_vary_or_never_falls_is_undefined() -> None:
    values = frame(300, 1)
    values["flat"] = 7.0
    values["up"] = np.linspace(1.0, 2.0, 300)
    values["even"] = 1.001 ** np.arange(300)
    values["lost"] = np.r_[np.full(299, 1.0), 1e-300]
    found = check(values)
    assert found.loc["flat", ["sharpe_ratio", "calmar_ratio"]].isna().all()
    assert found.loc["flat", "volatility"] == 0.0


def test_a_hole_is_no_period() -> None:
    check(frame(600, 4).drop(frame(600, 4).index[200:260]))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            frame().replace({"P3": {frame()["P3"].iloc[7]: np.nan}}),
            r"row 7 of values\['P3'\] .* must be finite and above",
        ),
        (-frame(), r"row 0 of values\['P0'\] .* must be finite and above 0"),
        (frame() * np.inf, r"row 0 of values\['P0'\] .*, was inf"),
        (frame().tz_localize(None), "the index of values must be timezone-aware"),
        (frame()[::-1], "values must "),
        (frame().iloc[:0], "values must be at least one row long"),
        (frame().rename(columns={"P1": "P0"}), "values must be of columns that differ"),
        (frame().astype(str), "values.* must be"),
        (pd.DataFrame({"A": [1e-150, 1.0]}, index=frame().index[:2]), r"the highest return of values\['A'\] must be"),
    ],
)
def test_what_is_no_value_is_refused_by_its_place(values: pd.DataFrame, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        many_figures(values, **SETTINGS)
