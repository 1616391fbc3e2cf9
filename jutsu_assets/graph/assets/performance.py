"""``symbol_performance``: how holding each symbol would have done, by year and since inception."""

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pandas as pd

from jutsu_assets.graph.assets.bars import DAILY_BARS
from jutsu_assets.graph.failures import work_through
from jutsu_assets.graph.metadata import OWNERS, table
from jutsu_assets.reports.folder import ReportFolder
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.store.reports import StoredReport
from jutsu_assets.universe import Universe
from jutsu_core.bars import Timeframe, bars_to_frame
from jutsu_core.errors import NoDataError
from jutsu_core.metrics.periods import symbol_performance as measure

SYMBOL_PERFORMANCE = "symbol_performance"
CODE_VERSION = "1"
_SHOWN = (
    "total_return",
    "cagr",
    "volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "calmar_ratio",
    "max_drawdown",
    "win_rate",
)


def build_symbol_performance(universe: Universe, partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Return the asset of performance reports, partitioned by symbol."""

    @dg.asset(
        name=SYMBOL_PERFORMANCE,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[DAILY_BARS],
        group_name="performance",
        kinds={"numpy", "html"},
        owners=list(OWNERS),
        code_version=CODE_VERSION,
        description=(
            "Return and risk of holding each symbol: for every calendar year, the last 1, 3, 5 and 10 years and"
            " since inception. Price returns of split-adjusted closes; dividends are not included."
        ),
    )
    def symbol_performance(
        context: dg.AssetExecutionContext,
        database: dg.ResourceParam[MarketDatabase],
        report_folder: dg.ResourceParam[ReportFolder],
    ) -> None:
        try:
            work_through(context, lambda symbol: _update(symbol, universe, database, report_folder), describe=_describe)
        finally:
            reports = database.reports.all_current()
            report_folder.write_overview({name: reports[name] for name in universe.symbols if name in reports})

    return symbol_performance


def _update(symbol: str, universe: Universe, database: MarketDatabase, folder: ReportFolder) -> dict[str, Any]:
    began = time.perf_counter()
    version = database.bars.version(symbol, Timeframe.D1)
    if version is None:
        message = f"symbol {symbol!r} must have stored daily bars, has none; materialize {DAILY_BARS} for it first"
        raise NoDataError(message)
    settings = universe.performance
    bars = bars_to_frame(symbol, database.bars.read(symbol, Timeframe.D1))
    closes = pd.Series(bars["close"].to_numpy(), index=pd.DatetimeIndex(bars["timestamp"]), name=symbol)
    report = measure(closes, periods_per_year=settings.periods_per_year, risk_free_rate=settings.risk_free_rate)
    content = json.dumps([version.content_hash, settings.model_dump(), report], sort_keys=True)
    input_hash = hashlib.sha256(content.encode()).hexdigest()
    stored = database.reports.current(symbol)
    was_current = stored is not None and stored.input_hash == input_hash and folder.page(symbol).is_file()
    if not was_current:
        folder.write_page(symbol, report, closes)
        database.reports.save(symbol, StoredReport(input_hash, report))
    whole = report["since_inception"]
    return {
        "first_session": report["first_session"],
        "last_session": report["last_session"],
        "was_rewritten": not was_current,
        **{f"since_inception_{name}": _number(whole[name]) for name in _SHOWN},
        "calendar_years": table([_year_row(row) for row in report["calendar_years"]]),
        "report": dg.MetadataValue.url(folder.page(symbol).resolve().as_uri()),
        "bars_content_hash": version.content_hash,
        "source": database.source,
        "compute_seconds": round(time.perf_counter() - began, 3),
    }


def _year_row(row: Mapping[str, Any]) -> dict[str, Any]:
    figures = {name: _number(row[name]) for name in _SHOWN}
    return {"year": f"{row['year']}{' (partial)' if row['is_partial'] else ''}", **figures}


def _number(value: float | None) -> float | str:
    return "undefined" if value is None else round(value, 6)


def _describe(metadata: Mapping[str, Any]) -> str:
    state = "written" if metadata["was_rewritten"] else "unchanged"
    return f"{metadata['first_session']} to {metadata['last_session']}, {state}"
