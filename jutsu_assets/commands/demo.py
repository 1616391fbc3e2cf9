"""The demo: all jobs over the whole universe and every strategy, with progress, results and a split of the time.

Its bars are always sample bars: of the simulator inside the process, or of one on this machine.
"""

import os
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from jutsu_assets.clock import SystemClock
from jutsu_assets.commands.portfolios import show_portfolios
from jutsu_assets.commands.running import Progress, run_daily, run_portfolios
from jutsu_assets.graph.assets.bars import DAILY_BARS
from jutsu_assets.graph.assets.indicators import DAILY_INDICATORS
from jutsu_assets.graph.assets.performance import SYMBOL_PERFORMANCE
from jutsu_assets.portfolios.folders import listed
from jutsu_assets.reports.folder import OVERVIEW
from jutsu_assets.reports.results import show_place, show_results
from jutsu_assets.settings import Settings
from jutsu_assets.store.existing import stored_reports
from jutsu_assets.universe import load_universe

_STAGES = {
    "throttle wait": (DAILY_BARS, "throttle_wait_seconds"),
    "fetch": (DAILY_BARS, "fetch_seconds"),
    "store": (DAILY_BARS, "store_seconds"),
    "indicators": (DAILY_INDICATORS, "compute_seconds"),
    "performance": (SYMBOL_PERFORMANCE, "compute_seconds"),
}
_COUNTS = ("calls", "rows_inserted", "rows_changed", "rows_unchanged")

# What the Makefile notes of an installation, and by what it says that it was in the same call of make.
_INSTALLATION = ".installation"
_MAKE_BEGAN = "JUTSU_MAKE_BEGAN"


def run_demo(settings: Settings) -> int:
    """Run the daily update for every symbol, then every backtest, and show what came of it.

    Args:
        settings: Where things are; live ones are replaced by those of sample bars.

    Returns:
        The exit status: 0 when every partition succeeded.
    """
    console = Console()
    began = time.perf_counter()
    sample = settings.as_sample()
    universe = load_universe(sample.universe_path, SystemClock())
    _announce(console, settings, sample)
    console.print(f"Materializing bars, indicators and performance of {', '.join(universe.symbols)} ...")
    progress = run_daily(
        sample, universe, universe.symbols, lambda symbol, so_far: _show_symbol(console, symbol, so_far)
    )
    ended = time.perf_counter()
    if progress.failed or progress.troubles:
        for trouble in progress.troubles:
            console.print(trouble, markup=False, highlight=False, soft_wrap=True)
        console.print(
            "[bold red]The run failed[/]; what succeeded is kept. Mend what is named above, then run it again."
        )
        return 1
    there = listed(sample.universe_path.parent)
    measured = run_portfolios(sample, universe, there, there.names, lambda *_: None)
    spent = time.perf_counter() - ended
    show_results(console, stored_reports(sample), symbols=universe.symbols)
    _show_counts(console, progress)
    _show_time(console, progress, ended - began, spent if there.names else None)
    _show_next(console, sample)
    for trouble in [*(f"{name}: failed: {why}" for name, why in measured.failed.items()), *measured.troubles]:
        console.print(trouble, markup=False, highlight=False, soft_wrap=True)
    show_portfolios(console, sample, there.names)
    return 1 if measured.failed or measured.troubles else 0


def _announce(console: Console, settings: Settings, sample: Settings) -> None:
    where = f"the simulator at {sample.simulator_url}" if sample.simulator_url else "the built-in simulator"
    console.print(
        f"[bold yellow]SAMPLE DATA[/]: bars come from {where}, not from Schwab.", highlight=False, soft_wrap=True
    )
    if sample is not settings:
        console.print("The demo does not use the Schwab credentials that are set, nor the live store.")


def _show_next(console: Console, sample: Settings) -> None:
    show_place(console, sample.reports_path / OVERVIEW, is_sample=True)
    console.print("UI:      jutsu ui, then http://127.0.0.1:3000", highlight=False)
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


def _show_symbol(console: Console, symbol: str, progress: Progress) -> None:
    if symbol in progress.failed:
        line = progress.failed[symbol]
    else:
        bars = progress.made[DAILY_BARS][symbol]
        made = [asset for asset in (DAILY_INDICATORS, SYMBOL_PERFORMANCE) if progress.made[asset].get(symbol)]
        state = "written" if any(progress.made[asset][symbol].get("was_rewritten") for asset in made) else "unchanged"
        line = (
            f"{bars['dagster/partition_row_count']:,} bars, {bars['rows_inserted']:,} new,"
            f" {bars['rows_changed']:,} changed, {bars['calls']} calls; indicators and performance {state}"
        )
    console.print(f"  {symbol}: {line}", markup=False, highlight=False, soft_wrap=True)


def _show_counts(console: Console, progress: Progress) -> None:
    calls, inserted, changed, unchanged = (int(progress.total(DAILY_BARS, name)) for name in _COUNTS)
    console.print(f"{calls} requests, {inserted:,} bars inserted, {changed:,} changed, {unchanged:,} unchanged")


def _show_time(console: Console, progress: Progress, seconds: float, portfolios: float | None) -> None:
    """Show what took how long; one symbol is asked for while another is computed, so that stages overlap."""
    stages = {stage: progress.total(*of) for stage, of in _STAGES.items()}
    table = Table(title="Where the time went", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    installing = _install_seconds()
    rows = {
        **({} if installing is None else {"install": installing}),
        "Dagster start": progress.start_seconds,
        **stages,
        "Dagster events, checks": max(0.0, seconds - progress.start_seconds - sum(stages.values())),
        **({} if portfolios is None else {"backtests, portfolios": portfolios}),
        "in all": seconds + (portfolios or 0.0),
    }
    for stage, spent in rows.items():
        table.add_row(stage, f"{spent:.2f} s")
    console.print(table)
