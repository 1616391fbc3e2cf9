"""The production graph over a simulator of the test's own, with nothing waited for."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from jutsu_assets.clock import SystemClock
from jutsu_assets.definitions import build_defs
from jutsu_assets.graph.jobs import daily_update
from jutsu_assets.graph.partitions import RANGE_END, RANGE_START
from jutsu_assets.lake.files import Lake
from jutsu_assets.reports.folder import ReportFolder
from jutsu_assets.schwab.handlers import Market, SchwabDataHandler, open_handler
from jutsu_assets.schwab.tokens import MemoryTokenStore
from jutsu_assets.settings import Settings
from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.faults import FaultPlan
from jutsu_assets.simulator.market import MarketHistory
from jutsu_assets.simulator.transport import mount
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.universe import Universe
from tests.support.builders import SettableClock
from tests.support.schwab import MemoryLedger, RecordingSleeper, stale

SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
AFTER_THE_LAST_CLOSE = datetime(2013, 3, 2, 1, tzinfo=UTC)


@dataclass
class Graph:
    """A graph under test, with its parts."""

    settings: Settings
    universe: Universe
    simulator: SchwabSimulator
    database: MarketDatabase
    schwab: SchwabDataHandler
    tokens: MemoryTokenStore
    instance: dg.DagsterInstance
    definitions: dg.Definitions
    first: dg.ExecuteInProcessResult | None = None

    def run(
        self,
        first: str,
        last: str | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        assets: tuple[str, ...] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Materialize every daily asset, or some, for a range of symbols."""
        return self.definitions.resolve_job_def(daily_update.name).execute_in_process(
            instance=self.instance,
            tags={RANGE_START: first, RANGE_END: last or first},
            run_config={"ops": {"daily": {"config": dict(config or {})}}},
            raise_on_error=False,
            asset_selection=None if assets is None else [dg.AssetKey(asset) for asset in assets],
        )

    def price_requests(self) -> list[str]:
        """Return the symbols whose history was asked for, in order."""
        return [arrival.param("symbol") or "" for arrival in self.simulator.requests if "pricehistory" in arrival.path]

    def materialized(self, asset: str) -> list[str]:
        """Return the partitions that the instance holds a materialization of."""
        return sorted(self.instance.get_materialized_partitions(dg.AssetKey(asset)))


@contextmanager
def open_graph(
    folder: Path,
    *,
    symbols: tuple[str, ...] = SYMBOLS,
    start: date = date(2000, 3, 1),
    now: datetime = AFTER_THE_LAST_CLOSE,
    clock: SettableClock | None = None,
    faults: FaultPlan | None = None,
    history: MarketHistory | None = None,
    is_stale: bool = False,
    newest_session_from_quotes: bool = False,
    followed: Mapping[str, Any] | None = None,
) -> Iterator[Graph]:
    """Yield the production graph, its store below ``folder``, its source a simulator.

    ``followed`` holds further keys of the universe.
    """
    settings = Settings.from_environment({"JUTSU_HOME": str(folder)}, folder=folder)
    universe = Universe(
        symbols=symbols,
        history_start=start,
        newest_session_from_quotes=newest_session_from_quotes,
        **(followed or {}),
    )
    simulator = SchwabSimulator(history, now=clock.now if clock else lambda: now, faults=faults)
    database = MarketDatabase(settings.database_url, source=settings.source, clock=clock)
    machine, login = SettableClock(), simulator.issue_login()
    tokens = MemoryTokenStore(stale(login) if is_stale else login)
    schwab = open_handler(
        Market(symbols=symbols, history_start=start, calendar="XNYS"),
        MemoryLedger(machine),
        source=settings.source,
        clock=simulator,
        transport=mount(simulator),
        api_key=simulator.key,
        app_secret=simulator.secret,
        tokens=tokens,
        sleeper=RecordingSleeper(machine),
    )
    resources = {
        "database": database,
        "schwab": schwab,
        "lake": Lake(settings.lake_path, database.manifest, SystemClock()),
        "report_folder": ReportFolder(settings.reports_path, settings.source),
    }
    definitions = build_defs(settings, universe=universe, resources=resources)
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            yield Graph(settings, universe, simulator, database, schwab, tokens, instance, definitions)
    finally:
        schwab.fetcher.close()
        database.database.close()


def metadata_of(result: dg.ExecuteInProcessResult | None, asset: str, partition: str) -> dict[str, Any]:
    assert result is not None
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        if (materialization.asset_key.to_user_string(), materialization.partition) == (asset, partition):
            return {
                name: value.records if isinstance(value, dg.TableMetadataValue) else value.value
                for name, value in materialization.metadata.items()
            }
    message = f"no materialization of {asset} {partition}"
    raise AssertionError(message)
