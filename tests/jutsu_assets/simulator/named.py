"""A client in front of a small simulator whose behaviours are set by their names."""

from typing import Any

from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.catalog import named_plan
from jutsu_assets.simulator.market import MarketHistory
from tests.jutsu_assets.simulator.wire import EVENING, THURSDAY, Wire, small_market


def named(*names: str, market: MarketHistory | None = None, **options: Any) -> Wire:
    """Return a client; what is about one bar is about Thursday's, the newest."""
    if "clock" not in options:
        options.setdefault("now", lambda: EVENING)
    plan = named_plan(names, THURSDAY)
    return Wire(SchwabSimulator(market or small_market(), faults=plan, **options))
