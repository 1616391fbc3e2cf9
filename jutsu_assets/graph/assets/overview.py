"""The page of all reports: the newest of every symbol and every portfolio that is followed."""

from collections.abc import Sequence

from jutsu_assets.portfolios.report_files import REPORT_SUFFIX, ReportFiles
from jutsu_assets.reports.folder import ReportFolder
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.universe import Universe


class Overview:
    """Writes the overview anew, from what is stored.

    Args:
        universe: Which symbols stand in it.
        portfolios: Names of the portfolios that do.
        database: Keeps the reports of symbols.
        folder: Holds the pages, and the reports of portfolios.
    """

    def __init__(
        self, universe: Universe, portfolios: Sequence[str], database: MarketDatabase, folder: ReportFolder
    ) -> None:
        self._universe, self._portfolios, self._database, self._folder = universe, portfolios, database, folder

    @property
    def is_there(self) -> bool:
        """Return whether there is one, and it is what was written."""
        return self._folder.has_overview()

    def write(self) -> None:
        """Write it.

        Raises:
            StoreError: It could not be written; the former one is kept.
        """
        symbols = self._database.reports.all_current()
        files = ReportFiles(self._folder.root, REPORT_SUFFIX)
        stored = {name: (files.stored(name) or {}).get("report") for name in self._portfolios}
        self._folder.write_overview(
            {name: symbols[name] for name in self._universe.symbols if name in symbols},
            {name: report for name, report in stored.items() if isinstance(report, dict)},
        )
