"""The tear sheet of a portfolio: one self-contained file, as that of a symbol is."""

from markupsafe import Markup

from jutsu_assets.reports.page_charts import drawdown_chart_svg, equity_chart_svg
from jutsu_assets.reports.portfolio_results import PortfolioResults
from jutsu_assets.reports.template import render
from jutsu_assets.reports.wording import cells

_KEY_FIGURES = ("total_return", "cagr", "volatility", "sharpe_ratio", "sortino_ratio", "max_drawdown")


def render_portfolio_sheet(results: PortfolioResults, *, source: str, overview_href: str | None = None) -> str:
    """Return the page of one portfolio.

    Args:
        results: What was measured.
        source: Where the prices come from; ``simulator`` puts a warning on top of the page.
        overview_href: Link back to the overview, if there is one.

    Returns:
        A whole HTML document; the same text for the same input.
    """
    growth = results.equity if results.growth is None else results.growth
    charts = [
        ("Equity", "Total value", equity_chart_svg(results.equity, title=f"{results.name}: equity")),
        ("Drawdown", "Below the highest value so far", drawdown_chart_svg(growth, title=f"{results.name}: drawdown")),
    ]
    return render(
        "portfolio_sheet.html.jinja",
        source=source,
        name=results.name,
        report=results.report,
        first=str(results.equity.index[0])[:10],
        last=str(results.equity.index[-1])[:10],
        overview_href=overview_href,
        key_figures=cells(results.report, _KEY_FIGURES, {}),
        charts=[(name, note, Markup(svg)) for name, note, svg in charts],  # noqa: S704 - made here, of numbers alone
    )
