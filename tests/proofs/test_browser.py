"""The UI as a person uses it, in a browser: graph, dialog of partitions, backfill with a gap, failure, chart, report.

One ``jutsu ui`` over a simulator that does not know one of the symbols; the proofs build on each other, as a first
hour with Jutsu does. Pictures of it are kept in the folder that the variable JUTSU_PICTURES names, if there is one.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jutsu_assets.graph.assets.backtests import BACKTESTS
from jutsu_assets.graph.jobs import DAILY_ASSETS, PORTFOLIO_ASSETS
from jutsu_assets.simulator.market import MarketHistory
from tests.support.browser import chromium
from tests.support.live_dagster import PATIENCE_SECONDS, LiveDagster, live_dagster, sample_bars

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

FOLLOWED = ("AAPL", "APPL", "FB", "GOOG", "IBM", "MSFT")
MISTYPED = "APPL"
WITH_A_GAP = ("AAPL", MISTYPED, "GOOG")
BARS, _, PERFORMANCE = DAILY_ASSETS
PICTURES = os.environ.get("JUTSU_PICTURES")


@dataclass(frozen=True)
class Person:
    """A window of the UI, and what a person does in it.

    Attributes:
        page: The window.
        ui: What it shows.
    """

    page: Any
    ui: LiveDagster

    def go(self, *links: str) -> None:
        """Follow links of the navigation, or tabs of a page."""
        for link in links:
            name = re.compile(f"{link}$")  # in front of it there may be that of an icon
            self.page.get_by_role("link", name=name).or_(self.page.get_by_role("tab", name=name)).first.click()

    def look_at(self, asset: str, partition: str) -> None:
        """Open a partition of an asset from the catalog."""
        self.go("Catalog", asset, "Partitions")
        self.shown(partition).first.click()

    def launch(self, name: str, partitions: Sequence[str]) -> None:
        """Choose partitions in the dialog that is open, launch them, and look at what was launched."""
        self.page.get_by_text("Select a partition or create one").click()
        for partition in partitions:
            self.page.get_by_role("menuitem", name=partition).click()
        self.page.keyboard.press("Escape")
        self.picture(f"dialog-{name}")
        self.page.get_by_role("button", name="Launch").click()
        self.page.get_by_role("region", name="Notifications").get_by_text("View").click()

    def shown(self, text: str) -> Any:
        """Return every place where ``text`` can be seen; beside each name the UI keeps one that cannot."""
        return self.page.get_by_text(text).filter(visible=True)

    def sees(self, text: str) -> None:
        """Wait until ``text`` can be seen."""
        self.shown(text).first.wait_for()

    def picture(self, name: str) -> None:
        """Keep a picture, if pictures are kept; of the page alone, without what it tells for a moment."""
        if PICTURES:
            self.page.mouse.move(0, 0)
            self.page.get_by_role("region", name="Notifications").get_by_text("View").wait_for(state="hidden")
            self.page.screenshot(path=Path(PICTURES) / f"{name}.png")


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    history = MarketHistory({symbol: sample_bars(symbol) for symbol in FOLLOWED if symbol != MISTYPED})
    with chromium() as browser, live_dagster(tmp_path_factory.mktemp("browser"), history, FOLLOWED) as ui:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        page.goto(ui.url)
        yield Person(page, ui)


def test_the_lineage_opens_on_every_asset(person: Person) -> None:
    person.go("Lineage")
    for asset in (*DAILY_ASSETS, BACKTESTS, *PORTFOLIO_ASSETS):
        # In the list beside the graph, and as a node in it.
        person.shown(asset).nth(1).wait_for()
    person.picture("lineage")


def test_one_partition_is_materialized_from_the_dialog_and_shows_its_chart(person: Person) -> None:
    person.go("Catalog", BARS, "Partitions")
    person.page.get_by_role("button", name="Materialize").click()
    person.launch("first", ["AAPL"])
    person.sees("Success")
    person.look_at(BARS, "AAPL")
    person.sees(f"{len(sample_bars('AAPL'))} of {len(sample_bars('AAPL'))} sessions")
    chart = person.page.get_by_role("row", name="chart").get_by_role("img")
    assert chart.evaluate("image => image.complete && image.naturalWidth") > 0
    assert person.ui.stored("AAPL") == sample_bars("AAPL")
    person.picture("partition")


def test_a_backfill_with_a_gap_makes_what_can_be_made(person: Person) -> None:
    person.go("Lineage")
    person.sees(PERFORMANCE)
    person.page.get_by_role("textbox").last.focus()
    person.page.keyboard.type(" or ".join(f'key:"{asset}"' for asset in DAILY_ASSETS))
    person.page.keyboard.press("Enter")
    person.shown(BACKTESTS).first.wait_for(state="hidden")
    person.page.get_by_role("button", name="Materialize all").click()
    person.launch("gap", WITH_A_GAP)
    person.page.get_by_text("100% completed").nth(len(DAILY_ASSETS) - 1).wait_for()
    # Of each asset: how many were wanted, go on, succeeded, failed.
    rows = re.findall(r"100% completed\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", person.page.locator("body").inner_text())
    assert rows == [("3", "0", "2", "1")] * len(DAILY_ASSETS)
    person.picture("backfill")
    for found in person.ui.partitions().values():
        assert found == {"materialized": set(WITH_A_GAP) - {MISTYPED}, "failed": {MISTYPED}}


def test_a_symbol_that_failed_says_why(person: Person) -> None:
    person.look_at(BARS, MISTYPED)
    person.sees("failed, and did not materialize this asset")
    person.page.get_by_role("button", name="View all historical events").click()
    event = person.page.get_by_role("dialog").get_by_role("row", name=MISTYPED)
    event.get_by_role("button").click()
    person.page.get_by_role("dialog").get_by_text("check the spelling").first.wait_for()
    person.picture("failed-partition")
    person.page.get_by_role("button", name="OK").click()


def test_the_report_of_a_symbol_opens_from_its_partition(person: Person) -> None:
    person.look_at(PERFORMANCE, "GOOG")
    with person.page.context.expect_page() as opened:
        person.page.get_by_role("link", name="GOOG.html").click()
    report = opened.value
    report.get_by_role("heading", name="GOOG").first.wait_for()
    assert report.url == f"{person.ui.url}/reports/GOOG.html"
    assert report.locator("figure.chart svg path").count() > 0
    report.close()
