"""Charts: size, signature, determinism, and that nothing global is left behind."""

import re
import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from jutsu_assets.reports.charts import (
    annual_returns_chart_svg,
    drawdown_chart_svg,
    equity_chart_svg,
    indicator_chart_png,
    is_logarithmic,
    png_data_uri,
    price_chart_png,
)
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


def closes(rows: int = 800) -> "pd.Series[float]":
    frame = bars(rows)
    return pd.Series(frame["close"].to_numpy(), index=pd.DatetimeIndex(frame["timestamp"]))


def size_of(png: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", png[16:24])
    return width, height


SVGS: list[Callable[[], str]] = [
    lambda: equity_chart_svg(closes()),
    lambda: drawdown_chart_svg(closes()),
    lambda: annual_returns_chart_svg({2010: 0.1, 2011: -0.2, 2012: None}),
]


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
    assert equity_chart_svg(closes(1))


@pytest.mark.parametrize("draw", SVGS)
def test_svgs_are_deterministic_and_load_nothing(draw: Callable[[], str]) -> None:
    settings = dict(mpl.rcParams)
    svg = draw()
    assert svg == draw()
    assert dict(mpl.rcParams) == settings
    root = ET.fromstring(svg)  # noqa: S314 - made above
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert svg.count("http") == 1  # the name of the namespace
    assert "var(--jutsu-" in svg
    links = {value for element in root.iter() for name, value in element.items() if name == "href"}
    known = {value for element in root.iter() for name, value in element.items() if name == "id"}
    assert {link.removeprefix("#") for link in links} <= known


def test_a_title_cannot_break_out_of_the_svg() -> None:
    svg = equity_chart_svg(closes(30), title='"><script>alert(1)</script>')
    assert "<script" not in svg
    ET.fromstring(svg)  # noqa: S314 - made above


def test_a_bar_for_every_year_that_has_a_return() -> None:
    years = annual_returns_chart_svg({2010: 0.1, 2011: -0.2, 2012: None})
    assert years.count("fill: var(--jutsu-gain") == 1
    assert years.count("fill: var(--jutsu-loss") == 1
    for year in ("2010", "2011", "2012"):
        assert f">{year}<" in years


def dates_of(svg: str) -> dict[str, str]:
    """Where the year numbers below a chart stand."""
    texts = re.findall(r"<text ([^>]*)>(\d{4})</text>", svg)
    return {year: re.sub(r".*?(?:translate\(| x=\")([\d.]+).*", r"\1", attributes) for attributes, year in texts}


@pytest.mark.parametrize("scale", [1.0, 40_000.0])
def test_price_and_drawdown_share_the_place_of_their_dates(scale: float) -> None:
    """However wide the numbers on the left are."""
    values = closes() * scale
    price, drawdown = dates_of(equity_chart_svg(values)), dates_of(drawdown_chart_svg(values))
    assert len(price) >= 2
    assert price == drawdown


@pytest.mark.parametrize(("highest", "is_log"), [(29.9, False), (30.0, True)])
def test_an_axis_is_logarithmic_once_the_highest_is_three_times_the_lowest(highest: float, *, is_log: bool) -> None:
    values = pd.Series([10.0, highest], index=pd.DatetimeIndex(["2012-01-03", "2012-12-31"], tz="UTC"))
    assert is_logarithmic(values) is is_log


def test_bad_input_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="frame must be at least one row long, was empty"):
        price_chart_png(bars(0))
    with pytest.raises(InvalidInputError, match="frame must be one with the column 'sma_9', was one with"):
        indicator_chart_png(bars(9), overlays=("sma_9",))
    with pytest.raises(InvalidInputError, match="overlays must be at most 2 columns"):
        indicator_chart_png(bars(9), overlays=("sma_20", "sma_50", "close"))
    with pytest.raises(InvalidInputError, match="values must be at least one row long"):
        equity_chart_svg(closes(0))
    with pytest.raises(InvalidInputError, match="returns must be at least one year long"):
        annual_returns_chart_svg({})
    with pytest.raises(InvalidInputError, match="png must be a PNG image"):
        png_data_uri(b"GIF89a")


def test_the_frame_is_left_as_it_was() -> None:
    frame = bars(60)
    before = frame.copy(deep=True)
    indicator_chart_png(frame)
    pd.testing.assert_frame_equal(frame, before)
