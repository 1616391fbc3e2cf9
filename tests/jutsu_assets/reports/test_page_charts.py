"""Charts of pages: axes, determinism, and that they stay inside the element that they are."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from jutsu_assets.reports.page_charts import (
    annual_returns_chart_svg,
    drawdown_chart_svg,
    equity_chart_svg,
    is_logarithmic,
)
from jutsu_core.errors import InvalidInputError

MINUS = "\N{MINUS SIGN}"


def closes(rows: int = 800, first: str = "1993-03-01", zone: str = "UTC") -> "pd.Series[float]":
    steps = np.random.default_rng(3).normal(0.0004, 0.02, rows)
    return pd.Series(50 * np.cumprod(1 + steps), index=pd.bdate_range(first, periods=rows, tz=zone))


def line_to(low: float, high: float, days: int = 300) -> "pd.Series[float]":
    return pd.Series(np.linspace(low, high, days), index=pd.bdate_range("2010-01-04", periods=days, tz="UTC"))


def labels(svg: str, anchor: str) -> dict[str, float]:
    """The labels of one axis, ``end`` for that on the left and ``middle`` for that below, with their place."""
    group = re.search(rf'<g style="[^"]*text-anchor: {anchor}">(.*?)</g>', svg)
    assert group is not None
    place = "y" if anchor == "end" else "x"
    return {text: float(at) for at, text in re.findall(rf'<text[^>]* {place}="([-\d.]+)%"[^>]*>([^<]*)<', group[1])}


SVGS: list[Callable[[], str]] = [
    lambda: equity_chart_svg(closes()),
    lambda: drawdown_chart_svg(closes()),
    lambda: annual_returns_chart_svg({2010: 0.1, 2011: -0.2, 2012: None}),
]


@pytest.mark.parametrize("draw", SVGS)
def test_charts_are_deterministic_and_load_nothing(draw: Callable[[], str]) -> None:
    svg = draw()
    assert svg == draw()
    assert ET.fromstring(svg).tag == "svg"  # noqa: S314 - made above
    assert not re.search(r"http|href|url\(|script", svg)
    assert "var(--jutsu-" in svg
    assert len(svg) < 30_000


@pytest.mark.parametrize("title", ['"><script>alert(1)</script>', "$a_b$", "BRK/B"])
def test_a_title_is_only_a_name(title: str) -> None:
    svg = equity_chart_svg(closes(30), title=title)
    assert ET.fromstring(svg).attrib["aria-label"] == title  # noqa: S314 - made above
    assert "<script" not in svg


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_values_can_be_drawn(rows: int) -> None:
    for draw in (equity_chart_svg, drawdown_chart_svg):
        svg = draw(closes(rows))
        ET.fromstring(svg)  # noqa: S314 - made above
        assert "nan" not in svg
        assert "inf" not in svg


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (10.0, 14.0, ["10", "11", "12", "13", "14"]),
        (98.0, 101.5, ["98", "99", "100", "101"]),
        (0.011, 0.013, ["0.011", "0.0115", "0.012", "0.0125", "0.013"]),
        (1.0, 80.0, ["1", "2", "5", "10", "20", "50"]),
        (2.0, 7.0, ["2", "2.5", "3", "4", "5", "6", "7"]),
        (0.5, 600_000.0, ["1", "10", "100", "1,000", "10,000", "100,000", "1M"]),
        (900_000.0, 3_000_000.0, ["900,000", "1M", "1.5M", "2M", "2.5M", "3M"]),
        (-300.0, 900.0, [f"{MINUS}200", "0", "200", "400", "600", "800"]),
    ],
)
def test_prices_are_labelled_with_round_numbers(low: float, high: float, expected: list[str]) -> None:
    assert list(labels(equity_chart_svg(line_to(low, high)), "end")) == expected


def test_a_number_of_a_logarithmic_axis_stands_where_it_belongs() -> None:
    places = labels(equity_chart_svg(line_to(1.0, 100.0)), "end")
    assert places["10"] == pytest.approx(50, abs=0.01)
    assert places["1"] - places["2"] == pytest.approx(places["10"] - places["20"], abs=0.02)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (5, ["03-01", "03-02", "03-03", "03-04", "03-05"]),
        (100, ["1993-03", "1993-04", "1993-05", "1993-06", "1993-07"]),
        (520, ["1993-04", "1993-07", "1993-10", "1994-01", "1994-04", "1994-07", "1994-10", "1995-01"]),
        (1700, ["1994", "1995", "1996", "1997", "1998", "1999"]),
        (5040, ["1994", "1996", "1998", "2000", "2002", "2004", "2006", "2008", "2010", "2012"]),
        (10_080, ["1995", "2000", "2005", "2010", "2015", "2020", "2025", "2030"]),
    ],
)
def test_dates_are_labelled_by_days_months_or_years(rows: int, expected: list[str]) -> None:
    svg = equity_chart_svg(closes(rows))
    assert list(labels(svg, "middle")) == expected
    fine = svg.count('class="fine"')
    assert abs(fine - len(expected) / 2) <= 1


@pytest.mark.parametrize("scale", [1.0, 40_000.0])
def test_price_and_drawdown_share_the_place_of_their_dates(scale: float) -> None:
    """However wide the numbers on the left are."""
    values = closes() * scale
    price, drawdown = (labels(draw(values), "middle") for draw in (equity_chart_svg, drawdown_chart_svg))
    assert len(price) >= 2
    assert price == drawdown


def test_dates_are_those_of_utc() -> None:
    east = closes(400).tz_convert("Asia/Tokyo")
    assert equity_chart_svg(east) == equity_chart_svg(closes(400))


def test_falls_hang_from_the_top() -> None:
    places = labels(drawdown_chart_svg(pd.concat([line_to(10, 20, 50), line_to(20, 9, 60).shift(50, freq="B")])), "end")
    assert places["0 %"] == 0.0
    assert f"{MINUS}50 %" in places
    assert max(places.values()) <= 100


def bars(svg: str) -> dict[str, tuple[float, float]]:
    """Where the bars of years begin and end, from 0 at the top, by what they say of themselves."""
    found = re.findall(r'<rect [^>]*y="(\d+)" height="(\d+)"><title>([^<]*)</title>', svg)
    height = re.search(r'viewBox="0 0 4000 (\d+)"', svg)
    assert height is not None
    return {
        said: (100 * int(y) / int(height[1]), 100 * (int(y) + int(tall)) / int(height[1])) for y, tall, said in found
    }


def test_a_bar_for_every_year_that_has_a_return() -> None:
    svg = annual_returns_chart_svg({2010: 0.1, 2011: -0.2, 2012: None})
    drawn, numbers = bars(svg), labels(svg, "end")
    assert set(drawn) == {"2010: 10 %", f"2011: {MINUS}20 %"}
    assert drawn["2010: 10 %"] == pytest.approx((numbers["10 %"], numbers["0 %"]), abs=0.3)
    assert drawn[f"2011: {MINUS}20 %"] == pytest.approx((numbers["0 %"], numbers[f"{MINUS}20 %"]), abs=0.3)
    assert (svg.count("fill: var(--jutsu-gain"), svg.count("fill: var(--jutsu-loss")) == (1, 1)
    assert list(labels(svg, "middle")) == ["2010", "2011", "2012"]


@pytest.mark.parametrize("returns", [{2010: None}, {2010: 0.0}, {2010: 0.5}, {2010: -0.5}, {2010: 1e-9}])
def test_zero_is_always_on_the_axis_of_years(returns: dict[int, float | None]) -> None:
    assert "0 %" in labels(annual_returns_chart_svg(returns), "end")


def test_many_years_are_not_all_labelled() -> None:
    svg = annual_returns_chart_svg(dict.fromkeys(range(1985, 2026), 0.1))
    assert len(labels(svg, "middle")) == 14
    assert len(bars(svg)) == 41


@pytest.mark.parametrize(("highest", "is_log"), [(29.9, False), (30.0, True)])
def test_an_axis_is_logarithmic_once_the_highest_is_three_times_the_lowest(highest: float, *, is_log: bool) -> None:
    values = pd.Series([10.0, highest], index=pd.DatetimeIndex(["2012-01-03", "2012-12-31"], tz="UTC"))
    assert is_logarithmic(values) is is_log


def test_bad_input_is_refused() -> None:
    for draw in (equity_chart_svg, drawdown_chart_svg):
        with pytest.raises(InvalidInputError, match="values must be at least one row long, was empty"):
            draw(closes(0))
        with pytest.raises(InvalidInputError, match="values must be finite, was nan; leave out what is missing"):
            draw(closes(9).where(lambda values: values != values.iloc[4]))
    with pytest.raises(InvalidInputError, match="returns must be at least one year long"):
        annual_returns_chart_svg({})
