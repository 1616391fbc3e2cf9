"""``daily_indicators``: each symbol's indicator series over its whole stored history."""

import time
from collections.abc import Mapping
from typing import Any

import dagster as dg

from jutsu_assets.graph.assets.bars import DAILY_BARS
from jutsu_assets.graph.failures import work_through
from jutsu_assets.graph.metadata import OWNERS, image, indicator_schema
from jutsu_assets.lake.files import Lake
from jutsu_assets.reports.charts import indicator_chart_png
from jutsu_assets.store.market import MarketDatabase
from jutsu_core.bars import Timeframe, bars_to_frame
from jutsu_core.errors import NoDataError
from jutsu_core.indicators.catalog import (
    DEFAULT_INDICATORS,
    catalog_fingerprint,
    compute_indicators,
    indicator_columns,
)

DAILY_INDICATORS = "daily_indicators"
_CHARTED_BARS = 504


def build_daily_indicators(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Return the asset of daily indicator series, partitioned by symbol."""
    columns = indicator_columns(DEFAULT_INDICATORS)

    @dg.asset(
        name=DAILY_INDICATORS,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[DAILY_BARS],
        group_name="indicators",
        kinds={"talib", "parquet"},
        owners=list(OWNERS),
        code_version=catalog_fingerprint(DEFAULT_INDICATORS),
        metadata={"dagster/column_schema": indicator_schema(columns)},
        description=(
            "Indicators of each symbol's daily bars, computed over the whole stored history and kept as one"
            " Parquet file a symbol. Rewritten only when a bar or a definition changed."
        ),
    )
    def daily_indicators(
        context: dg.AssetExecutionContext,
        database: dg.ResourceParam[MarketDatabase],
        lake: dg.ResourceParam[Lake],
    ) -> None:
        work_through(context, lambda symbol: _update(symbol, database, lake), describe=_describe)

    return daily_indicators


def _update(symbol: str, database: MarketDatabase, lake: Lake) -> dict[str, Any]:
    began = time.perf_counter()
    version = database.bars.version(symbol, Timeframe.D1)
    if version is None:
        message = f"symbol {symbol!r} must have stored daily bars, has none; materialize {DAILY_BARS} for it first"
        raise NoDataError(message)
    input_hash = f"{version.content_hash[:32]}-{catalog_fingerprint(DEFAULT_INDICATORS)}"
    bars = bars_to_frame(symbol, database.bars.read(symbol, Timeframe.D1))
    series = compute_indicators(bars, DEFAULT_INDICATORS)
    was_current = lake.is_current(DAILY_INDICATORS, symbol, input_hash)
    if not was_current:
        lake.publish(DAILY_INDICATORS, symbol, series, input_hash=input_hash)
    file = lake.manifest.current(DAILY_INDICATORS, symbol)
    return {
        "chart": image(indicator_chart_png(series.tail(_CHARTED_BARS), symbol=symbol), f"indicators of {symbol}"),
        "dagster/partition_row_count": len(series),
        "first_session": str(version.first.date()),
        "last_session": str(version.last.date()),
        "was_rewritten": not was_current,
        "path": dg.MetadataValue.path(str(lake.root / file.path)) if file else None,
        "content_hash": file.content_hash if file else None,
        "bars_content_hash": version.content_hash,
        "source": database.source,
        "compute_seconds": round(time.perf_counter() - began, 3),
    }


def _describe(metadata: Mapping[str, Any]) -> str:
    state = "written" if metadata["was_rewritten"] else "unchanged"
    return f"{metadata['dagster/partition_row_count']:,} rows, {state}"
