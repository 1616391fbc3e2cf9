"""Jobs: which assets are materialized together."""

import dagster as dg

from jutsu_assets.graph.assets.backtests import BACKTESTS
from jutsu_assets.graph.assets.bars import DAILY_BARS
from jutsu_assets.graph.assets.indicators import DAILY_INDICATORS
from jutsu_assets.graph.assets.performance import SYMBOL_PERFORMANCE
from jutsu_assets.graph.assets.portfolios import PORTFOLIO_ATTRIBUTION, PORTFOLIO_PERFORMANCE

PORTFOLIO_ASSETS = (PORTFOLIO_PERFORMANCE, PORTFOLIO_ATTRIBUTION)
DAILY_ASSETS = (DAILY_BARS, DAILY_INDICATORS, SYMBOL_PERFORMANCE)

daily_update = dg.define_asset_job(
    "daily_update",
    selection=dg.AssetSelection.assets(*DAILY_ASSETS),
    description="Bars from the source, then indicators and performance of what is stored.",
)
"""Brings everything daily up to date, for one symbol or for a range of them."""

backtest_update = dg.define_asset_job(
    "backtest_update",
    selection=dg.AssetSelection.assets(BACKTESTS),
    description="What every strategy file would have traded over the stored bars.",
)
"""Brings backtests up to date, for one strategy file or for a range of them."""

portfolio_update = dg.define_asset_job(
    "portfolio_update",
    selection=dg.AssetSelection.assets(*PORTFOLIO_ASSETS),
    description="Performance and attribution of what backtests and portfolio files hold.",
)
"""Measures portfolios, one or a range of them."""
