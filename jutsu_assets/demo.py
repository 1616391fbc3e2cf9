"""The demo: the main job over the whole universe, with progress, a table of results and a split of the time."""

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from rich.console import Console
from rich.table import Table

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.definitions import build_defs
from jutsu_assets.jobs import daily_update
from jutsu_assets.settings import Settings
from jutsu_assets.store.engine import Database
from jutsu_assets.store.reports import PerformanceReports
from jutsu_assets.universe import load_universe

_RANGE_START = "dagster/asset_partition_range_start"
_RANGE_END = "dagster/asset_partition_range_end"
_STAGES = {
    "throttle wait": ("daily_bars", "throttle_wait_seconds"),
    "fetch": ("daily_bars", "fetch_seconds"),
    "store": ("daily_bars", "store_seconds"),
    "indicators": ("daily_indicators", "compute_seconds"),
    "performance": ("symbol_performance", "compute_seconds"),
}
_COUNTS = ("calls", "rows_inserted", "rows_changed", "rows_unchanged")

Materialized = Mapping[str, list[Mapping[str, Any]]]


def run_demo(settings: Settings) -> int:
    """Run the daily update for every symbol, then show what came of it.

    Returns:
        The exit status: 0 when every partition succeeded.
    """
    console = Console()
    began = time.perf_counter()
    universe = load_universe(settings.universe_path)
    if settings.is_sample:
        console.print("[bold yellow]SAMPLE DATA[/]: bars come from the built-in simulator, not from Schwab.")
    console.print(f"Materializing bars, indicators and performance of {', '.join(universe.symbols)} ...")
    os.environ.setdefault("DAGSTER_HOME", str(Path.cwd()))
    definitions = build_defs(settings, universe=universe, loggers={"console": _progress_logger(console)})
    with dg.DagsterInstance.get() as instance:
        started = time.perf_counter()
        result = definitions.resolve_job_def(daily_update.name).execute_in_process(
            instance=instance,
            run_config={"loggers": {"console": {}}},
            tags={_RANGE_START: universe.symbols[0], _RANGE_END: universe.symbols[-1]},
            raise_on_error=False,
        )
        ended = time.perf_counter()
        materialized = _materialized(result)
    if not result.success:
        console.print("[bold red]The run failed[/]; what succeeded is kept, and the next run completes it.")
        return 1
    show_results(settings)
    _show_counts(console, materialized)
    _show_time(console, materialized, start_seconds=started - began, run_seconds=ended - started)
    console.print(f"\nReport:  {settings.reports_path / 'index.html'}\nUI:      make dev, then http://127.0.0.1:3000")
    return 0


def show_results(settings: Settings) -> None:
    """Print the stored performance of every symbol, by year."""
    database = Database(settings.database_url, SystemSleeper())
    try:
        reports = PerformanceReports(database, SystemClock()).all_current()
    finally:
        database.close()
    table = Table(title="Price performance (split-adjusted, dividends not included)")
    table.add_column("symbol")
    table.add_column("period")
    for heading in ("return", "volatility", "Sharpe", "max drawdown"):
        table.add_column(heading, justify="right")
    for symbol, report in reports.items():
        for row in report["calendar_years"]:
            table.add_row(symbol, f"{row['year']}{'*' if row['is_partial'] else ''}", *_figures(row))
        table.add_row(symbol, "all", *_figures(report["since_inception"]), style="bold", end_section=True)
    console = Console()
    console.print(table)
    console.print("* part of a year: nothing is annualised")


def _figures(row: Mapping[str, Any]) -> list[str]:
    percents = [_text(row["total_return"], "{:+.1%}"), _text(row["volatility"], "{:.1%}")]
    return [*percents, _text(row["sharpe_ratio"], "{:.2f}"), _text(row["max_drawdown"], "{:.1%}")]


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _materialized(result: dg.ExecuteInProcessResult) -> Materialized:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        key = materialization.asset_key.to_user_string()
        found.setdefault(key, []).append({name: value.value for name, value in materialization.metadata.items()})
    return found


def _show_counts(console: Console, materialized: Materialized) -> None:
    calls, inserted, changed, unchanged = (
        sum(int(row[name]) for row in materialized.get("daily_bars", [])) for name in _COUNTS
    )
    console.print(f"{calls} requests, {inserted:,} bars inserted, {changed:,} changed, {unchanged:,} unchanged")


def _show_time(console: Console, materialized: Materialized, *, start_seconds: float, run_seconds: float) -> None:
    stages = {
        stage: sum(float(row[name]) for row in materialized.get(asset, [])) for stage, (asset, name) in _STAGES.items()
    }
    table = Table(title="Where the time went", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    rows = {
        "Dagster start": start_seconds,
        **stages,
        "Dagster events, checks, charts": run_seconds - sum(stages.values()),
    }
    for stage, seconds in rows.items():
        table.add_row(stage, f"{seconds:.2f} s")
    console.print(table)


class _ProgressHandler(logging.Handler):
    """Prints what assets say of their progress, and every warning and error."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is None or record.levelno >= logging.ERROR:
            step = meta.get("step_key") or ""
            text = meta.get("orig_message") or record.getMessage()
            text = "\n".join([text, *_causes(event)])
            self._console.print(f"  {step:<19} {text}", markup=False, highlight=False, soft_wrap=True)


def _causes(event: dg.DagsterEvent | None) -> list[str]:
    """Return what went wrong beneath a failed event, outermost first."""
    error = getattr(event.event_specific_data, "error", None) if event is not None else None
    lines = []
    while error is not None:
        lines.append(f"    {error.message.strip()}")
        error = error.cause
    return lines


def _progress_logger(console: Console) -> dg.LoggerDefinition:
    def progress(_context: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.getLogger("jutsu.demo")
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.handlers = [_ProgressHandler(console)]
        return logger

    return dg.LoggerDefinition(progress, description="Progress of the demo")
