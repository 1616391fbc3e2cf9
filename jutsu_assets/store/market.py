"""The system of record as assets see it: a data handler, with what writes beside it."""

from jutsu_assets.clock import SystemClock
from jutsu_assets.settings import CONNECTIONS
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.coordination import RequestLedger
from jutsu_assets.store.failures import PartitionFailures
from jutsu_assets.store.findings import FindingsLedger
from jutsu_assets.store.handlers import DatabaseDataHandler
from jutsu_assets.store.manifest import SeriesManifest
from jutsu_assets.store.reports import PerformanceReports
from jutsu_assets.store.shared_bars import shared_bars
from jutsu_core.bars import Timeframe
from jutsu_core.ports import Clock
from jutsu_core.sessions import EXCHANGE_ZONE


class MarketDatabase(DatabaseDataHandler):
    """All that an asset needs of the system of record: a data handler, with what writes beside it.

    Args:
        db_url: SQLAlchemy URL of the system of record.
        source: The one source whose bars this database keeps.
        clock: Tells when something is recorded; the machine's clock if None.
        timeframe: Which bars to read through the data handler.
        exchange_zone: Where the exchange's clocks are: bounds of daily bars mean its sessions.
        connections: How many connections are open at most.
        cache_url: Where readers' Redis is: a write withdraws from it what it replaces. Nothing is read from it here.

    Raises:
        ConfigurationError: A URL cannot be understood, or Redis is named beside a SQLite store.

    Attributes:
        source: The one source whose bars this database keeps.
        bars: The store of bars.
        failures: Which partitions failed when they were last run.
        findings: What the rules said of the bars, and what a person keeps of that.
        ledger: What processes share about the broker: rate limit, breaker, retry quota.
        manifest: The current files of derived series.
        reports: The current performance reports.
    """

    def __init__(
        self,
        db_url: str,
        *,
        source: str,
        clock: Clock | None = None,
        timeframe: Timeframe = Timeframe.D1,
        exchange_zone: str = EXCHANGE_ZONE,
        connections: int = CONNECTIONS,
        cache_url: str | None = None,
    ) -> None:
        recording = clock or SystemClock()
        super().__init__(
            db_url,
            timeframe=timeframe,
            clock=recording,
            create=True,
            exchange_zone=exchange_zone,
            connections=connections,
        )
        self.source = source
        self._withdrawn = None if cache_url is None else shared_bars(self.database.url, cache_url)
        self.bars = SqlBarStore(self.database, source, recording, shared=self._withdrawn)
        self.failures = PartitionFailures(self.database, recording)
        self.findings = FindingsLedger(self.database, recording)
        self.ledger = RequestLedger(self.database, recording)
        self.manifest = SeriesManifest(self.database, recording)
        self.reports = PerformanceReports(self.database, recording)

    def close(self) -> None:
        """Give the connections back; the next question opens new ones."""
        super().close()
        if self._withdrawn is not None:
            self._withdrawn.close()
