"""The small line of run metadata: its size, its extremes, and that Markdown cannot break it."""

import re
import xml.etree.ElementTree as ET
from urllib.parse import unquote

import numpy as np
import pytest
from numpy.typing import NDArray

from jutsu_assets.reports.sparkline import markdown_image, sparkline_svg
from jutsu_core.errors import InvalidInputError

NAMESPACE = "{http://www.w3.org/2000/svg}"


def prices(count: int = 5040) -> NDArray[np.float64]:
    return np.asarray(30 * np.cumprod(1 + np.random.default_rng(7).normal(0.0005, 0.02, count)))


def points(svg: str) -> list[tuple[int, int]]:
    """Where the line goes, in pixels."""
    (path,) = ET.fromstring(svg).findall(f".//{NAMESPACE}path")  # noqa: S314 - made above
    numbers = [int(number) for number in re.findall(r"-?\d+", path.attrib["d"].removesuffix("h0"))]
    return [(x, y) for x, y in np.cumsum(np.reshape(numbers, (-1, 2)), axis=0).tolist()]


@pytest.mark.parametrize("scale", [1.0, -1.0, 1e-4, 40_000.0, 1e12])
@pytest.mark.parametrize("values", [prices(), np.random.default_rng(2).uniform(1, 2, 5040), np.tile([1.0, 2.0], 2520)])
def test_twenty_years_fit_into_what_the_ui_shows_without_a_click(values: NDArray[np.float64], scale: float) -> None:
    """Markdown of a thousand characters and more stands behind a link there."""
    svg = sparkline_svg(values * scale, is_log=scale > 0)
    assert len(markdown_image(svg, "closes of BRK/B")) < 1000
    assert 110 < len(points(svg)) <= 122


def test_one_spike_among_thousands_is_seen() -> None:
    values = np.full(5040, 10.0)
    values[1234], values[4321] = 1.0, 100.0
    drawn = points(sparkline_svg(values, width=360, height=72))
    assert (max(y for _, y in drawn), min(y for _, y in drawn)) == (72 - 2, 16 + 2)
    assert (drawn[0][0], drawn[-1][0]) == (2, 358)


def test_the_numbers_are_written_above() -> None:
    svg = sparkline_svg(np.array([3.0, 1_250.5, 0.25, 12.345]), caption="a<b>")
    assert re.findall(r"<text [^>]*>(.*)</text>", svg) == ["a&lt;b&gt;, low 0.25, high 1,250.50, last 12.35"]


@pytest.mark.parametrize("values", [np.array([5.0]), np.full(400, 5.0), np.full(2, -3.0)])
def test_what_does_not_move_is_drawn_in_the_middle(values: NDArray[np.float64]) -> None:
    drawn = points(sparkline_svg(values))
    assert {y for _, y in drawn} == {(16 + 72) // 2}


def test_on_a_logarithmic_scale_ratios_are_heights() -> None:
    svg = sparkline_svg(np.array([1.0, 10.0, 100.0]), is_log=True)
    assert [y for _, y in points(svg)] == [70, 44, 18]
    assert "last 100.00, log scale<" in svg
    with pytest.raises(InvalidInputError, match=r"values must be above 0 on a logarithmic scale, the lowest was 0\.0"):
        sparkline_svg(np.array([1.0, 0.0]), is_log=True)


def test_the_largest_numbers_are_drawn() -> None:
    assert points(sparkline_svg(np.array([-1.7e308, 1.7e308]))) == [(2, 70), (358, 18)]


def test_the_same_values_make_the_same_picture() -> None:
    assert sparkline_svg(prices(90)) == sparkline_svg(prices(90))
    assert sparkline_svg(prices(90)) != sparkline_svg(prices(91))


def test_bad_values_are_refused() -> None:
    for shape in ((0,), (2, 2)):
        with pytest.raises(InvalidInputError, match="values must be a series of at least one number, had the shape"):
            sparkline_svg(np.zeros(shape))
    for odd in (np.nan, np.inf, -np.inf):
        with pytest.raises(InvalidInputError, match=f"values must be finite, was {odd} at 2; leave the warm-up"):
            sparkline_svg(np.array([1.0, 2.0, odd, odd]))
    with pytest.raises(InvalidInputError, match="width must be from 40 to 2000 pixels, was 39"):
        sparkline_svg(prices(9), width=39)
    with pytest.raises(InvalidInputError, match="height must be from 40 to 2000 pixels, was 2001"):
        sparkline_svg(prices(9), height=2001)


def test_markdown_holds_the_picture_and_nothing_ends_it_early() -> None:
    svg = sparkline_svg(prices(), caption="(closes) #1 100% <x> \"q\" 'a'")
    markdown = markdown_image(svg, "closes] of\n[AAPL](x) <b>")
    alt, address = re.fullmatch(r"!\[(.*)\]\(<data:image/svg\+xml,([^\n<>\"#]*)>\)", markdown, flags=re.DOTALL).groups()  # type: ignore[union-attr]
    assert unquote(address) == svg
    assert alt == r"closes\] of \[AAPL\](x) \<b\>"


@pytest.mark.parametrize("svg", ["", "<svg><path/></svg>", "<html></html>", "![x](y)"])
def test_what_is_no_picture_is_refused(svg: str) -> None:
    with pytest.raises(InvalidInputError, match="svg must be one <svg> element with its namespace"):
        markdown_image(svg, "x")
