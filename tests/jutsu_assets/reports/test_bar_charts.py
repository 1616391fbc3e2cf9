"""Bars: one for each year and each range, where their numbers say, with a title to read."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from jutsu_assets.reports.bar_charts import annual_returns_chart_svg, distribution_chart_svg, distribution_of
from jutsu_core.errors import InvalidInputError
from tests.jutsu_assets.reports.test_line_charts import MINUS, labels

RETURNS = np.random.default_rng(4).normal(0.0005, 0.01, 2_000)


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


def test_no_year_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="returns must be at least one year long"):
        annual_returns_chart_svg({})


def test_every_return_is_counted_once() -> None:
    ranges = distribution_of(RETURNS)
    assert sum(count for *_, count in ranges) == len(RETURNS)
    assert [low for low, *_ in ranges[1:]] == [high for _, high, _ in ranges[:-1]]
    for low, high, count in ranges[1:-1]:
        assert count == np.count_nonzero((low - 1e-9 <= 100 * RETURNS) & (high - 1e-9 > 100 * RETURNS))


def test_what_is_far_away_is_counted_at_the_ends() -> None:
    far = np.concatenate((RETURNS, [3.0, -0.9]))
    ranges = distribution_of(far)
    assert sum(count for *_, count in ranges) == len(far)
    assert len(ranges) < 60


@pytest.mark.parametrize("returns", [[], [0.1], [0.0, 0.0], [0.1, 0.1, 0.1]])
def test_returns_that_do_not_vary_have_no_distribution(returns: list[float]) -> None:
    assert distribution_of(np.array(returns)) == []
    with pytest.raises(InvalidInputError, match="returns must vary"):
        distribution_chart_svg(np.array(returns))


def test_the_distribution_says_its_numbers() -> None:
    svg = distribution_chart_svg(RETURNS, title="X & Y")
    assert ET.fromstring(svg).attrib["aria-label"] == "X & Y"  # noqa: S314 - made above
    said = re.findall(r"<title>([^<]*)</title>", svg)
    drawn = [(low, high, count) for low, high, count in distribution_of(RETURNS) if count]
    assert len(said) == len(drawn)
    assert said[0] == f"{drawn[0][0]:.10g} % to {drawn[0][1]:.10g} %: {drawn[0][2]}".replace("-", MINUS)
    assert svg == distribution_chart_svg(RETURNS, title="X & Y")
    assert "0 %" in labels(svg, "middle")
