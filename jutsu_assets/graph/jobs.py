"""Jobs: which assets are materialized together."""

import dagster as dg

from jutsu_assets.graph.assets.bars import DAILY_BARS
from jutsu_assets.graph.assets.indicators import DAILY_INDICATORS
from jutsu_assets.graph.assets.performance import SYMBOL_PERFORMANCE

DAILY_ASSETS = (DAILY_BARS, DAILY_INDICATORS, SYMBOL_PERFORMANCE)

daily_update = dg.define_asset_job(
    "daily_update",
    selection=dg.AssetSelection.assets(*DAILY_ASSETS),
    description="Bars from the source, then indicators and performance of what is stored.",
)
"""Brings everything daily up to date, for one symbol or for a range of them."""
