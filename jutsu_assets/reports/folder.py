"""The folder of HTML reports: one page a symbol and a portfolio, and an overview that links them.

A page ends in a comment that says what it was made of, and seals what stands before it: a page that
was emptied, cut or edited is known without anything being kept beside it, and written again.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from jutsu_assets.reports.overview import render_overview
from jutsu_assets.reports.portfolio_results import PortfolioResults
from jutsu_assets.reports.portfolio_sheet import render_portfolio_sheet
from jutsu_assets.reports.tear_sheet import render_tear_sheet
from jutsu_assets.whole_files import write_whole
from jutsu_core.errors import StoreUnavailableError

OVERVIEW = "index.html"
REPORTS_ROUTE = "reports"
"""Where ``jutsu ui`` serves the folder, below the UI."""

# In the name of a symbol's page an at sign is escaped, so that none begins like this.
_PORTFOLIO = "portfolio@"


class ReportFolder:
    """Writes pages whole or not at all.

    Args:
        root: The folder.
        source: Shown on every page; ``simulator`` puts a warning on top.
    """

    def __init__(self, root: Path, source: str) -> None:
        self.root = root
        self._source = source

    @property
    def overview(self) -> Path:
        """Return where the overview is."""
        return self.root / OVERVIEW

    def page(self, symbol: str) -> Path:
        """Return where the page of ``symbol`` is."""
        return self.root / f"{quote(symbol, safe='')}.html"

    def portfolio_page(self, portfolio: str) -> Path:
        """Return where the page of ``portfolio`` is: a symbol's is never called so, whatever the symbol."""
        return self.root / f"{_PORTFOLIO}{quote(portfolio, safe='')}.html"

    def href(self, symbol: str) -> str:
        """Return a link to the page of ``symbol`` for the UI: relative, so that it works wherever the UI is served."""
        return f"../{REPORTS_ROUTE}/{_link(self.page(symbol))}"

    def portfolio_href(self, portfolio: str) -> str:
        """Return a link to the page of ``portfolio`` for the UI, relative as that of a symbol."""
        return f"../{REPORTS_ROUTE}/{_link(self.portfolio_page(portfolio))}"

    def has_page(self, symbol: str, made_of: str) -> bool:
        """Return whether the page of ``symbol`` was made of the same, and is what was written."""
        return _is_whole(self.page(symbol), made_of)

    def has_portfolio_page(self, portfolio: str, made_of: str) -> bool:
        """Return whether the page of ``portfolio`` was made of the same, and is what was written."""
        return _is_whole(self.portfolio_page(portfolio), made_of)

    def has_overview(self) -> bool:
        """Return whether the overview is what was written."""
        return _is_whole(self.overview, OVERVIEW)

    def write_page(
        self,
        symbol: str,
        report: Mapping[str, Any],
        closes: "pd.Series[float]",
        *,
        made_of: str,
        benchmark: "pd.Series[float] | None" = None,
    ) -> Path:
        """Write the page of ``symbol`` and return where it is.

        Args:
            symbol: Whose page it is.
            report: Its performance.
            closes: What is drawn.
            made_of: Identifies what the page is made of.
            benchmark: Closes of what it is drawn beside; its name is shown.

        Raises:
            StoreUnavailableError: The folder cannot be written; the former page is kept.
        """
        html = render_tear_sheet(
            symbol, report, closes, source=self._source, overview_href=OVERVIEW, benchmark=benchmark
        )
        return self._write(self.page(symbol), html, made_of)

    def write_portfolio_page(self, results: PortfolioResults, *, made_of: str) -> Path:
        """Write the page of a portfolio and return where it is.

        Args:
            results: What was measured; its name is that of the page.
            made_of: Identifies what the page is made of.

        Raises:
            StoreUnavailableError: The folder cannot be written; the former page is kept.
        """
        html = render_portfolio_sheet(results, source=self._source, overview_href=OVERVIEW)
        return self._write(self.portfolio_page(results.name), html, made_of)

    def write_overview(
        self, reports: Mapping[str, Mapping[str, Any]], portfolios: Mapping[str, Mapping[str, Any]] | None = None
    ) -> Path:
        """Write the overview of symbols and portfolios and return where it is.

        Args:
            reports: Performance by symbol.
            portfolios: What ``calculate_metrics`` returned, by the names of portfolios.

        Raises:
            StoreUnavailableError: The folder cannot be written; the former page is kept.
        """
        hrefs = {symbol: _link(self.page(symbol)) for symbol in reports}
        html = render_overview(
            reports,
            source=self._source,
            hrefs=hrefs,
            portfolios=portfolios,
            portfolio_hrefs={name: _link(self.portfolio_page(name)) for name in portfolios or {}},
        )
        return self._write(self.overview, html, OVERVIEW)

    def _write(self, path: Path, html: str, made_of: str) -> Path:
        content = html.encode()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content + _seal(content, made_of))
        except OSError as error:
            message = f"the report folder {self.root} must be writable: {error}; the former page is kept"
            raise StoreUnavailableError(message) from error
        return path


def _link(page: Path) -> str:
    # A percent sign in a file's name has to be escaped once more in a link to it.
    return quote(page.name, safe="@")


def _seal(content: bytes, made_of: str) -> bytes:
    digest = hashlib.sha256(f"{made_of}\n".encode() + content).hexdigest()
    return f"<!-- sealed {digest} -->\n".encode()


def _is_whole(path: Path, made_of: str) -> bool:
    try:
        raw = path.read_bytes()
    except OSError:
        return False
    length = len(raw) - len(_seal(b"", made_of))
    return length >= 0 and raw[length:] == _seal(raw[:length], made_of)
