"""The system of record as a Dagster resource: a URL goes in, a ``MarketDatabase`` comes out."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from jutsu_assets.clock import SystemClock
from jutsu_assets.settings import CONNECTIONS
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.store.shared_bars import shared_bars
from jutsu_assets.store.urls import database_url, shown_url
from jutsu_core.calendar import exchange_zone


class DatabaseResource(dg.ResourceDefinition):
    """The system of record; what an asset receives is a ``DataHandler``.

    It has no config, on purpose: what a resource is configured with stands in the UI, in the snapshot of
    every run and in the answers of the API, and a URL may hold a password. Where the database is, without
    what is secret, stands in the description.

    Args:
        url: SQLAlchemy URL.
        source: The one source whose bars it keeps: ``schwab`` or ``simulator``.
        calendar: Of the exchange on whose clocks the bounds of daily bars are read.
        connections: How many connections a run holds at most.
        cache_url: Where readers' Redis is, from which a write withdraws what it replaces.

    Raises:
        ConfigurationError: A URL cannot be understood, or names a database that is not supported.
    """

    def __init__(
        self,
        url: str,
        source: str,
        calendar: str = "XNYS",
        connections: int = CONNECTIONS,
        cache_url: str | None = None,
    ) -> None:
        # A function that holds the URL, not a partial one: that would show it when it is shown itself.
        @contextmanager
        def opened(context: dg.InitResourceContext) -> Iterator[MarketDatabase]:
            """Yield the database, and close its connections when the run ends."""
            del context
            zone = exchange_zone(calendar, SystemClock().now().year).key
            database = MarketDatabase(
                url, source=source, exchange_zone=zone, connections=connections, cache_url=cache_url
            )
            try:
                database.bars.refuse_other_source()
                yield database
            finally:
                database.close()

        if cache_url is not None:
            shared_bars(database_url(url), cache_url)
        place = shown_url(database_url(url))
        super().__init__(opened, description=f"The system of record, with the bars of {source}: {place}")
