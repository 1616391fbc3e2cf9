"""Published answers and real prices, read from the data folder beside the checkout.

A checkout without that folder skips the tests that need it; copies are not kept in the
project, as not all of the data may be passed on.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jutsu_core.indicators.inputs import FloatArray

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"


def need(relative: str) -> Path:
    """Return the path of a data file, or skip the test that asks."""
    path = DATA / relative
    if not path.exists():
        pytest.skip(f"reference data {relative} is not beside this checkout")
    return path


def published() -> dict[str, Any]:
    """Return the published values by the name of their table."""
    values: dict[str, Any] = json.loads(need("reference/reference_values.json").read_text())
    return values


def column(relative: str, name: str) -> FloatArray:
    """Return one column of a data file, blanks as NaN."""
    return pd.read_csv(need(relative))[name].to_numpy(dtype=np.float64)


def random_walk(length: int, *, seed: int = 7) -> FloatArray:
    """Return prices that wander around 100 by about 1 % a bar."""
    steps = np.random.default_rng(seed).normal(0.0, 0.01, length)
    return np.asarray(100.0 * np.exp(np.cumsum(steps)), dtype=np.float64)


def random_bars(length: int, *, seed: int = 7) -> pd.DataFrame:
    """Return daily bars of one symbol around a random walk."""
    closes = random_walk(length, seed=seed)
    spans = np.random.default_rng(seed + 1).uniform(0.1, 2.0, (2, length))
    return pd.DataFrame(
        {
            "symbol": pd.Series(["WALK"] * length, dtype="str"),
            "timestamp": pd.date_range("2020-01-01", periods=length, freq="D", tz="UTC", unit="us"),
            "open": closes,
            "high": closes + spans[0],
            "low": closes - spans[1],
            "close": closes,
            "volume": np.arange(length, dtype=np.int64),
        }
    )
