"""Schwab as a Dagster resource: settings go in, a ``SchwabDataHandler`` comes out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg

from jutsu_assets.schwab.handlers import Market, SchwabDataHandler, open_handler, open_live
from jutsu_assets.schwab.throttle import LIMITS
from jutsu_assets.schwab.tokens import MemoryTokenStore
from jutsu_assets.settings import DAILY_REQUESTS, SAMPLE_SOURCE, Credentials
from jutsu_assets.store.market import MarketDatabase
from jutsu_core.access import AccessLedger, Limits


class SchwabResource(dg.ConfigurableResource[SchwabDataHandler]):
    """Schwab, or its simulator; what an asset receives is a ``DataHandler``.

    The key and the secret are given as environment variables, so that the UI shows their
    names and never their values.

    Attributes:
        database: Where processes share the rate limit.
        symbols: Which symbols are read.
        history_start: First session date, ISO.
        calendar: Code of the exchange calendar.
        base_url: Origin of the API; empty for the simulator inside the process.
        api_key: App key.
        app_secret: App secret.
        callback_url: Callback URL of the app.
        token_path: Token file.
        daily_requests: How many requests all processes together may send in a day, UTC.
    """

    database: dg.ResourceDependency[MarketDatabase]
    symbols: list[str]
    history_start: str
    calendar: str
    base_url: str = ""
    api_key: str = ""
    app_secret: str = ""
    callback_url: str = ""
    token_path: str = ""
    daily_requests: int = DAILY_REQUESTS

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[SchwabDataHandler]:
        """Yield the handler, and close its connections when the run ends."""
        handler = self._open()
        if handler.fetcher.name != "schwab" and context.log is not None:
            context.log.warning(
                "SAMPLE DATA: bars come from the simulator, not from Schwab. Set SCHWAB_API_KEY and"
                " SCHWAB_APP_SECRET and log in for live bars; sample and live bars are kept apart."
            )
        try:
            yield handler
        finally:
            handler.fetcher.close()

    def _open(self) -> SchwabDataHandler:
        market = Market(
            symbols=tuple(self.symbols),
            history_start=date.fromisoformat(self.history_start),
            calendar=self.calendar,
        )
        limits = replace(LIMITS, daily_budget=self.daily_requests)
        if not self.base_url:
            return open_simulated(market, self.database.ledger, limits)
        credentials = Credentials(
            api_key=self.api_key,
            app_secret=self.app_secret,
            callback_url=self.callback_url,
            token_path=Path(self.token_path),
        )
        return open_live(market, self.database.ledger, credentials, self.base_url, limits)


def open_simulated(market: Market, ledger: AccessLedger, limits: Limits = LIMITS) -> SchwabDataHandler:
    """Return a handler over the simulator inside this process: sample bars, no port, no credentials.

    Raises:
        ConfigurationError: The sample data are not installed.
    """
    from jutsu_assets.simulator.app import SchwabSimulator  # noqa: PLC0415 - live use never loads it
    from jutsu_assets.simulator.transport import mount  # noqa: PLC0415

    simulator = SchwabSimulator()
    return open_handler(
        market,
        ledger,
        limits=limits,
        source=SAMPLE_SOURCE,
        clock=simulator,
        transport=mount(simulator),
        api_key=simulator.key,
        app_secret=simulator.secret,
        tokens=MemoryTokenStore(simulator.issue_login()),
    )
