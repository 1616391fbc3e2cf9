"""The system of record as a Dagster resource: a URL goes in, a ``MarketDatabase`` comes out."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from jutsu_assets.store.market import MarketDatabase


class DatabaseResource(dg.ConfigurableResource[MarketDatabase]):
    """The system of record; what an asset receives is a ``DataHandler``.

    Attributes:
        url: SQLAlchemy URL.
        source: The one source whose bars it keeps: ``schwab`` or ``simulator``.
    """

    url: str
    source: str

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[MarketDatabase]:
        """Yield the database, and close its connections when the run ends."""
        del context
        database = MarketDatabase(self.url, source=self.source)
        try:
            database.bars.refuse_other_source()
            yield database
        finally:
            database.close()
