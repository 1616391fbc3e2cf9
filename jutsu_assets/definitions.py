"""The one place where the graph is put together, for production, commands and tests alike.

Nothing happens at import: ``defs`` is called by Dagster when it loads definitions.
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from jutsu_assets.clock import SystemClock
from jutsu_assets.graph.assets.backtests import build_backtests
from jutsu_assets.graph.assets.daily import build_daily_assets
from jutsu_assets.graph.assets.portfolios import build_portfolios
from jutsu_assets.graph.checks.login import LoginCheck
from jutsu_assets.graph.jobs import backtest_update, daily_update, portfolio_update
from jutsu_assets.graph.partitions import named_partitions, symbol_partitions
from jutsu_assets.graph.resources.database import DatabaseResource
from jutsu_assets.graph.resources.lake import LakeResource
from jutsu_assets.graph.resources.report_folder import ReportFolderResource
from jutsu_assets.graph.resources.schwab import SchwabResource
from jutsu_assets.graph.schedules import build_schedules
from jutsu_assets.graph.sensors import build_alert_sensor, build_automation_sensor, build_login_sensor
from jutsu_assets.portfolios.folders import listed
from jutsu_assets.schwab.tokens import FileTokenStore
from jutsu_assets.settings import Settings
from jutsu_assets.universe import Universe, load_universe

REPOSITORY = "https://github.com/jutsu-trading/jutsu"


def build_defs(
    settings: Settings,
    *,
    universe: Universe | None = None,
    resources: Mapping[str, Any] | None = None,
    executor: dg.ExecutorDefinition | None = None,
    loggers: Mapping[str, dg.LoggerDefinition] | None = None,
) -> dg.Definitions:
    """Return the graph.

    Args:
        settings: Where things are, and where bars come from.
        universe: What is followed; read from the settings' file if None.
        resources: Replacements by key: ``database``, ``schwab``, ``lake``, ``report_folder``.
        executor: How steps run; in one process if None, because a process of its own costs a
            step four seconds.
        loggers: How runs report; Dagster's own console logger if None.

    Raises:
        ConfigurationError: The universe file is wrong, or two portfolios share a name.
    """
    clock = SystemClock()
    followed = universe or load_universe(settings.universe_path, clock)
    tokens = None if settings.credentials is None else FileTokenStore(settings.credentials.token_path)
    portfolios = listed(settings.universe_path.parent)
    login, is_on = LoginCheck(tokens, clock), settings.runs_by_itself
    return dg.Definitions(
        assets=_linked_to_code(
            [
                build_daily_assets(
                    followed,
                    symbol_partitions(followed),
                    login,
                    portfolios.names,
                    partitions_per_run=settings.partitions_per_run,
                ),
                build_backtests(followed, portfolios.strategies, named_partitions(portfolios.strategies)),
                build_portfolios(followed, portfolios, named_partitions(portfolios.names)),
            ]
        ),
        jobs=[daily_update, backtest_update, portfolio_update],
        schedules=build_schedules(followed, clock, is_on=is_on),
        sensors=[
            build_login_sensor(login, clock),
            build_automation_sensor(is_on=is_on),
            build_alert_sensor(settings, clock, is_on=is_on),
        ],
        resources={**_resources(settings, followed), **(resources or {})},
        executor=executor or dg.in_process_executor,
        loggers=loggers,
    )


def _linked_to_code(assets: Sequence[dg.AssetsDefinition]) -> Sequence[Any]:
    """Return ``assets`` with a link, for each, to where it is written."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # a decision of ours, nothing to tell every user
        return dg.link_code_references_to_git(
            assets_defs=dg.with_source_code_references(assets),
            git_url=REPOSITORY,
            git_branch="main",
            file_path_mapping=dg.AnchorBasedFilePathMapping(
                local_file_anchor=Path(__file__).parent, file_anchor_path_in_repository="jutsu_assets"
            ),
        )


def _resources(settings: Settings, universe: Universe) -> dict[str, Any]:
    database = DatabaseResource(
        settings.database_url, settings.source, universe.calendar, settings.connections, settings.cache_url
    )
    market: dict[str, Any] = {
        "symbols": list(universe.symbols),
        "history_start": universe.history_start.isoformat(),
        "calendar": universe.calendar,
    }
    login: dict[str, Any] = {}
    if settings.credentials is not None:
        login = {
            "base_url": settings.base_url,
            "api_key": dg.EnvVar("SCHWAB_API_KEY"),
            "app_secret": dg.EnvVar("SCHWAB_APP_SECRET"),
            "callback_url": settings.credentials.callback_url,
            "token_path": str(settings.credentials.token_path),
        }
    return {
        "database": database,
        "schwab": SchwabResource(database=database, daily_requests=settings.daily_requests, **market, **login),
        "lake": LakeResource(database=database, root=str(settings.lake_path)),
        "report_folder": ReportFolderResource(root=str(settings.reports_path), source=settings.source),
    }


@dg.definitions
def defs() -> dg.Definitions:
    """Return the graph that the environment describes."""
    return build_defs(Settings.from_environment(os.environ))
