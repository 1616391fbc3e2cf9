"""The folder of HTML reports as a Dagster resource."""

from pathlib import Path

import dagster as dg

from jutsu_assets.reports.folder import ReportFolder


class ReportFolderResource(dg.ConfigurableResource[ReportFolder]):
    """Where HTML reports are written.

    Attributes:
        root: The folder.
        source: Shown on every page: ``schwab`` or ``simulator``.
    """

    root: str
    source: str

    def create_resource(self, context: dg.InitResourceContext) -> ReportFolder:
        """Return the folder."""
        del context
        return ReportFolder(Path(self.root), self.source)
