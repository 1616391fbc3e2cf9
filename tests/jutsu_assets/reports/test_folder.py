"""Pages on disk: whole, sealed, and known for what they were made of."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from jutsu_assets.reports.folder import ReportFolder
from jutsu_core.errors import StoreUnavailableError
from jutsu_core.metrics.periods import symbol_performance
from tests.jutsu_assets.reports.portfolio import portfolio_results

CLOSES = pd.Series([10.0, 11.0, 10.5], index=pd.bdate_range("2013-02-27", "2013-03-01", tz="UTC"))
REPORT = symbol_performance(CLOSES, periods_per_year=252, risk_free_rate=0.0)


@pytest.fixture
def folder(tmp_path: Path) -> ReportFolder:
    written = ReportFolder(tmp_path / "reports", "simulator")
    written.write_page("BRK/B", REPORT, CLOSES, made_of="some bars")
    written.write_overview({"BRK/B": REPORT})
    return written


def test_a_page_that_was_written_is_there_and_of_what_it_was_made_of(folder: ReportFolder) -> None:
    assert folder.has_page("BRK/B", "some bars")
    assert folder.has_overview()
    assert not folder.has_page("BRK/B", "other bars")
    assert not folder.has_page("IBM", "some bars")
    assert "</html>" in folder.page("BRK/B").read_text("utf-8")


def test_a_portfolio_has_a_page_that_no_symbol_has(folder: ReportFolder) -> None:
    results = portfolio_results()
    page = folder.write_portfolio_page(results, made_of="fills")
    assert folder.has_portfolio_page(results.name, "fills")
    assert not folder.has_portfolio_page(results.name, "others")
    assert page == folder.portfolio_page("Long & short")
    assert folder.portfolio_href("Long & short") == "../reports/portfolio@Long%2520%2526%2520short.html"
    assert folder.page("portfolio@Long & short") != page


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"BRK", b"BRX", 1)),
        lambda path: path.write_text("<html></html>"),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["deleted", "emptied", "cut", "edited", "another", "a folder"],
)
def test_a_page_that_is_not_what_was_written_is_none(folder: ReportFolder, damage: Callable[[Path], object]) -> None:
    for path in (folder.page("BRK/B"), folder.overview):
        damage(path)
    assert not folder.has_page("BRK/B", "some bars")
    assert not folder.has_overview()


def test_a_folder_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("in the way")
    with pytest.raises(StoreUnavailableError, match="must be writable"):
        ReportFolder(tmp_path / "reports", "simulator").write_page("IBM", REPORT, CLOSES, made_of="x")
    assert (tmp_path / "reports").read_text() == "in the way"
