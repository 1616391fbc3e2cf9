"""The demo: the main job over the whole universe, with progress, a table of results and a split of the time.

Its bars are always sample bars: of the simulator inside the process, or of one on this machine.
"""

import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from rich.console import Console
from rich.table import Table

from jutsu_assets.definitions import build_defs
from jutsu_assets.graph.jobs import daily_update
from jutsu_assets.reports.folder import OVERVIEW
from jutsu_assets.reports.results import show_place, show_results
from jutsu_assets.settings import Settings
from jutsu_assets.store.existing import stored_reports
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
_ANNOUNCED = "SAMPLE DATA"
_COUNTS = ("calls", "rows_inserted", "rows_changed", "rows_unchanged")

# What the Makefile notes of an installation, and by what it says that it was in the same call of make.
_INSTALLATION = ".installation"
_MAKE_BEGAN = "JUTSU_MAKE_BEGAN"

Materialized = Mapping[str, list[Mapping[str, Any]]]


def run_demo(settings: Settings) -> int:
    """Run the daily update for every symbol, then show what came of it.

    Args:
        settings: Where things are; live ones are replaced by those of sample bars.

    Returns:
        The exit status: 0 when every partition succeeded.
    """
    console = Console()
    began = time.perf_counter()
    universe = load_universe(settings.universe_path)
    sample = settings.as_sample()
    _announce(console, settings, sample)
    console.print(f"Materializing bars, indicators and performance of {', '.join(universe.symbols)} ...")
    if not os.environ.get("DAGSTER_HOME"):
        os.environ["DAGSTER_HOME"] = str(Path.cwd())
    definitions = build_defs(sample, universe=universe, loggers={"console": _progress_logger(console)})
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
        console.print(
            "[bold red]The run failed[/]; what succeeded is kept. Mend what is named above, then run it again."
        )
        return 1
    show_results(console, stored_reports(sample), symbols=universe.symbols)
    _show_counts(console, materialized)
    _show_time(console, materialized, start_seconds=started - began, run_seconds=ended - started)
    _show_next(console, sample)
    return 0


def _announce(console: Console, settings: Settings, sample: Settings) -> None:
    where = f"the simulator at {sample.simulator_url}" if sample.simulator_url else "the built-in simulator"
    console.print(
        f"[bold yellow]{_ANNOUNCED}[/]: bars come from {where}, not from Schwab.", highlight=False, soft_wrap=True
    )
    if sample is not settings:
        console.print("The demo does not use the Schwab credentials that are set, nor the live store.")


def _show_next(console: Console, sample: Settings) -> None:
    show_place(console, sample.reports_path / OVERVIEW, is_sample=True)
    console.print("UI:      make dev, then http://127.0.0.1:3000", highlight=False)
    if sys.prefix != sys.base_prefix:
        environment = Path(sys.prefix)
        shown = environment.relative_to(Path.cwd()) if environment.is_relative_to(Path.cwd()) else environment
        console.print(f"Shell:   source {shown / 'bin' / 'activate'}, then jutsu --help", markup=False, soft_wrap=True)


def _install_seconds() -> float | None:
    """Return how long the installation took if it was part of the same call of make, else None."""
    try:
        began, ended = Path(sys.prefix, _INSTALLATION).read_text(encoding="utf-8").split()
        return float(ended) - float(began) if began == os.environ.get(_MAKE_BEGAN) else None
    except (OSError, ValueError):
        return None


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
    installing = _install_seconds()
    rows = {
        **({} if installing is None else {"install": installing}),
        "Dagster start": start_seconds,
        **stages,
        "Dagster events, checks, charts": run_seconds - sum(stages.values()),
    }
    for stage, seconds in rows.items():
        table.add_row(stage, f"{seconds:.2f} s")
    console.print(table)


class _ProgressHandler(logging.Handler):
    """Prints what assets say of their progress, and every warning and error once."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console
        self._has_failed_step = False

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        text = meta.get("orig_message") or record.getMessage()
        if text.startswith(_ANNOUNCED):
            return
        if event is not None:
            text = self._failure(event, text) if record.levelno >= logging.ERROR else ""
        if text:
            step = meta.get("step_key") or ""
            self._console.print(f"  {step:<19} {text}", markup=False, highlight=False, soft_wrap=True)

    def _failure(self, event: dg.DagsterEvent, text: str) -> str:
        """Return what ``event`` says that was not printed yet: a failed run repeats its failed steps."""
        if event.is_step_failure:
            self._has_failed_step = True
            metadata = _partitions_that_failed(event)
            if metadata is not None:
                # The error of each partition was logged, and printed, when it happened.
                untried = metadata.get("not_tried", [])
                return f"Not tried after that: {', '.join(untried)}" if untried else ""
        elif event.is_job_failure and self._has_failed_step:
            return ""
        return "\n".join([text, *_causes(event)])


def _partitions_that_failed(event: dg.DagsterEvent) -> Mapping[str, Any] | None:
    """Return the metadata of a failure that names partitions, as ``failures`` raises it; None for any other."""
    data = event.step_failure_data.user_failure_data
    if data is None or "errors" not in data.metadata:
        return None
    return {name: value.value for name, value in data.metadata.items()}


def _causes(event: dg.DagsterEvent) -> list[str]:
    """Return what went wrong beneath a failed event, outermost first."""
    error = getattr(event.event_specific_data, "error", None)
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
