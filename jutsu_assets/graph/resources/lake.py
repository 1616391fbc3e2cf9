"""The lake as a Dagster resource: a folder goes in, a ``Lake`` comes out."""

from pathlib import Path

import dagster as dg

from jutsu_assets.clock import SystemClock
from jutsu_assets.lake.files import Lake
from jutsu_assets.store.market import MarketDatabase


class LakeResource(dg.ConfigurableResource[Lake]):
    """The folder of derived series.

    Attributes:
        database: Keeps the manifest.
        root: The folder.
    """

    database: dg.ResourceDependency[MarketDatabase]
    root: str

    def create_resource(self, context: dg.InitResourceContext) -> Lake:
        """Return the lake.

        Raises:
            StoreUnavailableError: Several machines share the store, and this one lacks the folder that they share.
        """
        del context
        lake = Lake(Path(self.root), self.database.manifest, SystemClock())
        if not self.database.database.is_sqlite:  # beside a file, what is lost is simply made again
            lake.require_folder()
        return lake
