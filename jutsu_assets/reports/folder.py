"""The folder of HTML reports: one page a symbol, and an overview that links them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from jutsu_assets.reports.tear_sheet import render_overview, render_tear_sheet
from jutsu_core.errors import StoreUnavailableError

OVERVIEW = "index.html"
REPORTS_ROUTE = "reports"
"""Where ``jutsu ui`` serves the folder, below the UI."""


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

    def href(self, symbol: str) -> str:
        """Return a link to the page of ``symbol`` for the UI: relative, so that it works wherever the UI is served."""
        # A percent sign in a file's name has to be escaped once more in a link to it.
        return f"../{REPORTS_ROUTE}/{quote(self.page(symbol).name)}"

    def write_page(self, symbol: str, report: Mapping[str, Any], closes: "pd.Series[float]") -> Path:
        """Write the page of ``symbol`` and return where it is.

        Raises:
            StoreUnavailableError: The folder cannot be written; the former page is kept.
        """
        html = render_tear_sheet(symbol, report, closes, source=self._source, overview_href=OVERVIEW)
        return self._write(self.page(symbol), html)

    def write_overview(self, reports: Mapping[str, Mapping[str, Any]]) -> Path:
        """Write the overview of ``reports`` and return where it is.

        Raises:
            StoreUnavailableError: The folder cannot be written; the former page is kept.
        """
        # A percent sign in a file's name has to be escaped once more in a link to it.
        hrefs = {symbol: quote(self.page(symbol).name) for symbol in reports}
        return self._write(self.overview, render_overview(reports, source=self._source, hrefs=hrefs))

    def _write(self, path: Path, html: str) -> Path:
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(html, encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            message = f"the report folder {self.root} must be writable: {error}; the former page is kept"
            raise StoreUnavailableError(message) from error
        finally:
            temporary.unlink(missing_ok=True)
        return path
