"""Pages in a real browser: they fit, print, zoom, sort and filter, are legible in the dark, and ask for nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jutsu_assets.reports.folder import ReportFolder
from jutsu_core.metrics.periods import symbol_performance
from tests.jutsu_assets.reports.portfolio import portfolio_results
from tests.support.browser import chromium

PAGES = ("long", "short", "portfolio", "overview")
# The width of the sheet between margins of 12 mm, in pixels of CSS.
PAPERS = {"A4": 703, "Letter": 725}


@dataclass(frozen=True)
class Browser:
    """A browser and the pages that it opens."""

    chromium: Any
    pages: dict[str, Path]

    def open(self, page: str, *, width: int = 1280, **options: Any) -> Any:
        """Return the page in a window of its own, which gathers what it complained of and asked for."""
        opened = self.chromium.new_page(viewport={"width": width, "height": 900}, **options)
        opened.complaints, opened.asked = [], []
        opened.on("console", lambda message: opened.complaints.append(message.text))
        opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.on("request", lambda request: opened.asked.append(request.url))
        opened.goto(self.pages[page].as_uri())
        return opened


def closes(rows: int, seed: int) -> "pd.Series[float]":
    steps = np.random.default_rng(seed).normal(0.0006, 0.015, rows)
    return pd.Series(50 * np.cumprod(1 + steps), index=pd.bdate_range("1993-03-01", periods=rows, tz="UTC"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, with a page of each kind."""
    folder = ReportFolder(tmp_path_factory.mktemp("reports"), "simulator")
    series = {"long": closes(5_040, 1), "short": closes(40, 2)}
    reports = {
        name: symbol_performance(values, periods_per_year=252, risk_free_rate=0.01) for name, values in series.items()
    }
    pages = {
        name: folder.write_page(name, reports[name], values, made_of="", benchmark=closes(5_040, 3).rename("SPY"))
        for name, values in series.items()
    }
    results = portfolio_results()
    pages["portfolio"] = folder.write_portfolio_page(results, made_of="")
    everything = {f"S{row:03d}": reports["long" if row % 2 else "short"] for row in range(60)}
    pages["overview"] = folder.write_overview(everything, {results.name: results.report})
    with chromium() as started:
        yield Browser(started, pages)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_its_window_and_asks_for_nothing(browser: Browser, page: str, width: int, scheme: str) -> None:
    opened = browser.open(page, width=width, color_scheme=scheme)
    assert opened.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert opened.complaints == []
    assert opened.asked == [browser.pages[page].as_uri()]
    opened.close()


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("paper", PAPERS)
def test_no_column_is_cut_on_paper_and_colours_stay(browser: Browser, page: str, paper: str) -> None:
    opened = browser.open(page, width=PAPERS[paper], color_scheme="dark")
    opened.emulate_media(media="print", color_scheme="dark")
    cut = """[...document.querySelectorAll("table, svg, dl")].filter(item =>
      item.checkVisibility() && item.getBoundingClientRect().right > innerWidth + 1).length"""
    assert opened.evaluate(cut) == 0
    assert opened.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert (
        opened.evaluate("getComputedStyle(document.querySelector('td') || document.body).printColorAdjust") == "exact"
    )
    # Paper is white, whatever the screen is.
    assert opened.evaluate("getComputedStyle(document.body).color") == "rgb(19, 26, 38)"
    # No definition begins on one sheet and ends on the next.
    whole = """[...document.querySelectorAll("dl > div, tr")].every(item =>
      getComputedStyle(item).breakInside === "avoid")"""
    assert opened.evaluate(whole)
    assert opened.pdf(format=paper)[:5] == b"%PDF-"
    opened.close()


LABELS = """[...document.querySelectorAll("figure.chart")].map(figure => [...figure.querySelectorAll("text")]
  .map(text => [text.getAttribute("x"), text.getAttribute("y"), text.textContent]))"""


@pytest.mark.parametrize("page", ["long", "short", "portfolio"])
def test_the_script_draws_the_whole_as_the_page_had_it(browser: Browser, page: str) -> None:
    opened = browser.open(page)
    before = opened.evaluate(LABELS)
    opened.locator("figure.chart").first.press("Escape")
    assert opened.evaluate(LABELS) == before
    opened.close()


def shown(opened: Any) -> str:
    text: str = opened.locator(".tools output").first.inner_text()
    return text


def test_a_chart_is_read_and_zoomed_by_mouse_and_keys(browser: Browser) -> None:
    opened = browser.open("long")
    chart = opened.locator("figure.chart").first
    whole, box = shown(opened), chart.bounding_box()
    values = closes(5_040, 1)
    opened.mouse.move(box["x"] + 600, box["y"] + 100)
    date, *lines = chart.locator(".tip").inner_text().split("\n")
    assert lines[0] == f"long {values[date]:,.2f}"
    assert lines[1].startswith("SPY ")
    assert opened.locator(".cursor:visible").count() == opened.locator("figure.chart").count()
    opened.mouse.down()
    opened.mouse.move(box["x"] + 700, box["y"] + 100, steps=3)
    opened.mouse.up()
    first, last = shown(opened).split(" to ")
    assert date <= first < last < whole.split(" to ")[1]
    chart.dblclick()
    assert shown(opened) == whole
    chart.press("End")
    chart.press("ArrowLeft")
    said = opened.locator(".tools output.unseen").inner_text()
    assert said.startswith(f"{values.index[-2]:%Y-%m-%d}: long {values.iloc[-2]:,.2f}")
    chart.press("+")
    assert shown(opened) != whole
    chart.press("Escape")
    assert shown(opened) == whole
    button = opened.get_by_role("button", name="1 year")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert shown(opened).endswith(f"to {values.index[-1]:%Y-%m-%d}")
    assert opened.complaints == []
    opened.close()


def column(opened: Any, table: int, place: int) -> list[str]:
    cells = opened.locator("table.sorted").nth(table).locator(f"tbody tr:visible > :nth-child({place})")
    return [text.strip() for text in cells.all_inner_texts()]


def test_the_overview_sorts_and_filters(browser: Browser) -> None:
    opened = browser.open("overview")
    table = opened.locator("table.sorted").nth(1)
    table.get_by_role("button", name="Sharpe").click()
    sharpes = column(opened, 1, 8)
    known = [float(text.replace("\N{MINUS SIGN}", "-")) for text in sharpes if text != "\N{EM DASH}"]
    assert known == sorted(known, reverse=True)
    assert sharpes[len(known) :] == ["\N{EM DASH}"] * (len(sharpes) - len(known))
    table.get_by_role("button", name="Symbol").click()
    assert column(opened, 1, 1) == [f"S{row:03d}" for row in range(60)]
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    table.get_by_role("button", name="Symbol").press("Enter")
    assert column(opened, 1, 1) == [f"S{row:03d}" for row in range(59, -1, -1)]
    table.get_by_role("button", name="Symbol").press(" ")
    opened.get_by_role("searchbox").fill("s00, s05")
    expected = [f"S{row:03d}" for row in (*range(10), *range(50, 60))]
    assert column(opened, 1, 1) == expected
    assert column(opened, 2, 1) == expected
    assert opened.locator(".filter output").inner_text() == "20 of 60"
    assert opened.complaints == []
    opened.close()


CONTRAST = """() => {
  const channels = color => { const c = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    c.fillStyle = color; c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data]; };
  const light = rgb => rgb.slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = item => { const layers = [];
    for (let at = item; at; at = at.parentElement) layers.push(channels(getComputedStyle(at).backgroundColor));
    const onto = (under, over) => under.map((v, i) => v + (over[i] - v) * over[3] / 255);
    return layers.reverse().reduce(onto, [255, 255, 255]); };
  return [...document.querySelectorAll("td, th, dd, dt, p, h1, h2, a, .value, .name, footer, button")]
    .filter(item => item.checkVisibility() && item.textContent.trim()).map(item => {
      const one = light(channels(getComputedStyle(item).color)), other = light(behind(item));
      const ratio = (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
      return [ratio, `${item.className}: ${item.textContent.slice(0, 40)}`];
    }).sort((a, b) => a[0] - b[0]).slice(0, 3);
}"""


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_legible(browser: Browser, page: str, scheme: str) -> None:
    opened = browser.open(page, color_scheme=scheme)
    least = opened.evaluate(CONTRAST)
    assert len(least) == 3
    assert [found for found in least if found[0] < 4.5] == []
    opened.close()


def test_a_page_is_whole_without_a_script(browser: Browser) -> None:
    opened = browser.open("long", java_script_enabled=False)
    assert opened.locator("figure.chart svg path").count() >= 8
    assert opened.locator(".tools").count() == 0
    assert not opened.locator(".filter").count()
    opened.close()


def test_a_page_may_not_ask_for_anything(browser: Browser) -> None:
    opened = browser.open("long")
    refused = opened.evaluate(
        """() => new Promise(done => {
          document.addEventListener("securitypolicyviolation", event => done(event.effectiveDirective));
          document.body.append(Object.assign(new Image(), {src: "http://127.0.0.1:9/x.png"}));
        })"""
    )
    assert refused == "img-src"
    ran = opened.evaluate(
        """() => { const script = document.createElement("script"); script.textContent = "window.ran = true";
          document.body.append(script); return window.ran === true; }"""
    )
    assert ran is False
    opened.close()
