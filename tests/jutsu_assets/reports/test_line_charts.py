"""Lines over time: axes, determinism, interruptions, and that they stay inside the element that they are."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from jutsu_assets.reports.line_charts import (
    Line,
    LineChart,
    course,
    falls_of,
    figure,
    is_logarithmic,
    line_chart_svg,
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


def price(values: "pd.Series[float]", title: str = "Price") -> str:
    points, moments = course(values, "values")
    chart = LineChart(
        name="Price", note="", title=title, lines=(Line("X", points),), is_log=is_logarithmic(points), area=0.1
    )
    return line_chart_svg(chart, moments)


def drawdown(values: "pd.Series[float]") -> str:
    points, moments = course(values, "values")
    lines = (Line("X", falls_of(points), "loss"),)
    chart = LineChart(name="Drawdown", note="", title="Drawdown", lines=lines, unit="percent", hangs=True, area=0.2)
    return line_chart_svg(chart, moments)


SVGS: list[Callable[[], str]] = [lambda: price(closes()), lambda: drawdown(closes())]


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
    svg = price(closes(30), title)
    assert ET.fromstring(svg).attrib["aria-label"] == title  # noqa: S314 - made above
    assert "<script" not in svg


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_values_can_be_drawn(rows: int) -> None:
    for draw in (price, drawdown):
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
    assert list(labels(price(line_to(low, high)), "end")) == expected


def test_a_number_of_a_logarithmic_axis_stands_where_it_belongs() -> None:
    places = labels(price(line_to(1.0, 100.0)), "end")
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
    svg = price(closes(rows))
    assert list(labels(svg, "middle")) == expected
    fine = svg.count('class="fine"')
    assert abs(fine - len(expected) / 2) <= 1


@pytest.mark.parametrize("scale", [1.0, 40_000.0])
def test_price_and_drawdown_share_the_place_of_their_dates(scale: float) -> None:
    """However wide the numbers on the left are."""
    values = closes() * scale
    above, below = (labels(draw(values), "middle") for draw in (price, drawdown))
    assert len(above) >= 2
    assert above == below


def test_dates_are_those_of_utc() -> None:
    east = closes(400).tz_convert("Asia/Tokyo")
    assert price(east) == price(closes(400))


def test_falls_hang_from_the_top() -> None:
    places = labels(drawdown(pd.concat([line_to(10, 20, 50), line_to(20, 9, 60).shift(50, freq="B")])), "end")
    assert places["0 %"] == 0.0
    assert f"{MINUS}50 %" in places
    assert max(places.values()) <= 100


@pytest.mark.parametrize(("highest", "is_log"), [(29.9, False), (30.0, True)])
def test_an_axis_is_logarithmic_once_the_highest_is_three_times_the_lowest(highest: float, *, is_log: bool) -> None:
    assert is_logarithmic(np.array([10.0, highest])) is is_log


def test_bad_input_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="values must be at least one row long, was empty"):
        course(closes(0), "values")
    with pytest.raises(InvalidInputError, match=r"row 4 of values .* must be finite, was nan"):
        course(closes(9).where(lambda values: values != values.iloc[4]), "values")
    with pytest.raises(InvalidInputError, match=r"values must begin above 0, began with 0\.0"):
        falls_of(np.array([0.0, 1.0]))


def chart_of(*lines: Line, **options: object) -> LineChart:
    return LineChart(name="N", note="", title="T", lines=lines, **options)  # type: ignore[arg-type]  # of the cases


MOMENTS = pd.bdate_range("2012-01-02", periods=6).to_numpy().astype("M8[s]")


def test_a_line_is_interrupted_where_there_is_no_value() -> None:
    points = np.array([np.nan, 1.0, 2.0, np.nan, 3.0, 4.0])
    svg = line_chart_svg(chart_of(Line("X", points), area=0.1), MOMENTS)
    strokes = re.findall(r'fill: none[^"]*"[^>]* d="([^"]*)"', svg)
    assert [path.count("M") for path in strokes] == [2]
    assert "nan" not in svg
    assert re.search(r'fill-opacity: 0.1" d="M[^z]*zM[^z]*z"', svg)


def test_lines_share_their_axis_and_the_first_is_on_top() -> None:
    svg = line_chart_svg(chart_of(Line("A", np.arange(6.0)), Line("B", 10 * np.arange(6.0), "second")), MOMENTS)
    assert "50" in labels(svg, "end")
    assert svg.index("--jutsu-second") < svg.index("--jutsu-line")


def test_a_figure_says_what_the_script_must_know() -> None:
    lines = (Line("<A>|", np.arange(6.0)), Line("B", np.arange(6.0), "second"))
    html = figure(chart_of(*lines, unit="percent", hangs=True, falls_of=(3, 4)), MOMENTS, (3, 4))
    assert 'data-unit="percent" data-lines="3 4" data-names="&lt;A&gt;/|B" data-colours="line second"' in html
    assert re.search(r'data-height="260" data-hangs data-falls>', html)
    assert "<figcaption>" in html
    assert "<A>" not in html
    assert "<figcaption>" not in figure(chart_of(lines[0]), MOMENTS, (0,))
