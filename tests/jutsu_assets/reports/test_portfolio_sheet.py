"""The tear sheet of a portfolio: complete, escaped, and the same for the same input."""

from jutsu_assets.reports.portfolio_sheet import render_portfolio_sheet
from jutsu_assets.reports.wording import percent, ratio
from tests.jutsu_assets.reports.page import Page
from tests.jutsu_assets.reports.portfolio import portfolio_results


def test_the_sheet_shows_the_key_figures() -> None:
    results = portfolio_results()
    texts = Page(render_portfolio_sheet(results, source="simulator")).texts
    assert {"Long & short", percent(results.report["total_return"], signed=True)} <= set(texts)
    assert ratio(results.report["sharpe_ratio"]) in texts
    assert "Sample data, not live." in texts


def test_the_same_results_make_the_same_page() -> None:
    assert render_portfolio_sheet(portfolio_results(), source="s") == render_portfolio_sheet(
        portfolio_results(), source="s"
    )
