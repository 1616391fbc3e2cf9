"""PNGs: size, signature, determinism."""

import struct

import numpy as np
import pandas as pd
import pytest

from jutsu_assets.reports.charts import indicator_chart_png, png_data_uri, price_chart_png
from jutsu_core.errors import InvalidInputError


def bars(rows: int = 5040) -> pd.DataFrame:
    steps = np.random.default_rng(3).normal(0.0004, 0.02, rows)
    frame = pd.DataFrame(
        {
            "timestamp": pd.bdate_range("1993-03-01", periods=rows, tz="UTC"),
            "close": 50 * np.cumprod(1 + steps),
        }
    )
    frame["sma_20"] = frame["close"].rolling(20).mean()
    frame["sma_50"] = frame["close"].rolling(50).mean()
    frame["rsi_14"] = np.random.default_rng(4).uniform(20, 80, rows)
    return frame


def size_of(png: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_pngs_are_small() -> None:
    price, indicators = price_chart_png(bars(), symbol="AAPL"), indicator_chart_png(bars(), symbol="AAPL")
    assert price.startswith(b"\x89PNG\r\n\x1a\n")
    assert (size_of(price), size_of(indicators)) == ((480, 160), (480, 240))
    assert len(price) < 15_000
    assert len(indicators) < 20_000


def test_the_same_bars_make_the_same_png() -> None:
    assert price_chart_png(bars(90)) == price_chart_png(bars(90))
    assert price_chart_png(bars(90)) != price_chart_png(bars(91))


def test_one_bar_and_odd_symbols_can_be_drawn() -> None:
    for symbol in ("$SPX", "$a_b$", "BRK/B", "<b>"):
        assert price_chart_png(bars(1), symbol=symbol)
    assert indicator_chart_png(bars(1), oscillator=None, overlays=())


def test_bad_input_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="frame must be at least one row long, was empty"):
        price_chart_png(bars(0))
    with pytest.raises(InvalidInputError, match="frame must be one with the column 'sma_9', was one with"):
        indicator_chart_png(bars(9), overlays=("sma_9",))
    with pytest.raises(InvalidInputError, match="overlays must be at most 2 columns"):
        indicator_chart_png(bars(9), overlays=("sma_20", "sma_50", "close"))
    with pytest.raises(InvalidInputError, match="png must be a PNG image"):
        png_data_uri(b"GIF89a")


def test_the_frame_is_left_as_it_was() -> None:
    frame = bars(60)
    before = frame.copy(deep=True)
    indicator_chart_png(frame)
    pd.testing.assert_frame_equal(frame, before)
