"""The command that brings everything up to date, from a terminal or from cron."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from jutsu_assets.clock import SystemClock
from jutsu_assets.commands.running import Progress as RunProgress
from jutsu_assets.commands.running import run_daily, run_portfolios
from jutsu_assets.commands.terminal import console, say_which_universe
from jutsu_assets.graph.jobs import DAILY_ASSETS, PORTFOLIO_ASSETS
from jutsu_assets.instance.home import prepared_home
from jutsu_assets.portfolios.folders import listed
from jutsu_assets.reports.folder import OVERVIEW
from jutsu_assets.settings import Settings
from jutsu_assets.universe import Universe, load_universe
from jutsu_core.errors import ConfigurationError

UP_TO_DATE, SOME_FAILED, WRONG_USE = 0, 1, 2
NAMED_FAILURES = 3
_BARS = DAILY_ASSETS[0]

SettingsOf = Callable[[], Settings]


@click.command()
@click.argument("symbols", nargs=-1, metavar="[SYMBOL]...")
@click.option("--verify", is_flag=True, help="Compare all that is stored with the source, not only what is missing.")
@click.option("--require-live", is_flag=True, help="Fail where bars would be sample bars; as JUTSU_REQUIRE_LIVE=1.")
@click.pass_obj
def update(settings_of: SettingsOf, symbols: tuple[str, ...], *, verify: bool, require_live: bool) -> None:
    """Bring the stored bars and all that is derived from them up to date.

    Of the universe's symbols, then of backtests and portfolios; or of the SYMBOLs named alone. Exit status:
    0 all are up to date, 1 some are not, 2 wrong use.
    """
    shown = console()
    try:
        if require_live:
            os.environ["JUTSU_REQUIRE_LIVE"] = "1"
        settings = settings_of()
        universe = load_universe(settings.universe_path, SystemClock())
        there = listed(settings.universe_path.parent)
        chosen = _chosen(universe, symbols)
    except ConfigurationError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(WRONG_USE) from None
    say_which_universe(settings)
    os.environ["DAGSTER_HOME"] = str(prepared_home(os.environ, Path.cwd()))
    began = time.perf_counter()
    progress = _run(shown, settings, universe, chosen, verify=verify)
    # What trades many symbols is made of all of them: an update of some is no time for it.
    names = [] if symbols else there.names
    measured = run_portfolios(settings, universe, there, names, lambda *_: None) if names else None
    _summarise(shown, settings, progress, chosen, time.perf_counter() - began)
    is_done = not progress.failed and not progress.troubles and len(progress.made[_BARS]) == len(chosen)
    if measured is not None:
        is_done = _say_portfolios(shown, measured, names) and is_done
    raise SystemExit(UP_TO_DATE if is_done else SOME_FAILED)


def _say_portfolios(shown: Console, measured: RunProgress, names: Sequence[str]) -> bool:
    """Print a line of portfolios, and one for each that failed; return whether none did."""
    made = measured.made[PORTFOLIO_ASSETS[0]]
    changed = sum(bool(metadata.get("was_rewritten")) for metadata in made.values())
    lines = [f"{len(made):,} of {len(names):,} backtests and portfolios up to date, {changed:,} changed"]
    lines += [f"{name}: failed: {reason}" for name, reason in list(measured.failed.items())[:NAMED_FAILURES]]
    lines += [trouble.splitlines()[-1] for trouble in measured.troubles[:NAMED_FAILURES]]
    for line in lines:
        shown.print(line, markup=False, highlight=False, soft_wrap=True)
    return not measured.failed and not measured.troubles


def _chosen(universe: Universe, symbols: Sequence[str]) -> list[str]:
    unknown = [symbol for symbol in symbols if symbol not in universe.symbols]
    if unknown:
        message = (
            f"SYMBOL must be one of the universe, {', '.join(unknown)} is not; check the spelling, or add it to the"
            " universe file"
        )
        raise ConfigurationError(message)
    return [symbol for symbol in universe.symbols if not symbols or symbol in symbols]


def _run(shown: Console, settings: Settings, universe: Universe, chosen: list[str], *, verify: bool) -> RunProgress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as bar:
        task = bar.add_task("Updating", total=len(chosen))

        def hear(symbol: str, progress: RunProgress) -> None:
            bar.advance(task)
            bar.update(task, description=symbol)
            line = _line(symbol, progress)
            if line:
                bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

        return run_daily(settings, universe, chosen, hear, verify=verify)


def _line(symbol: str, progress: RunProgress) -> str:
    """Return what there is to say of a symbol, in one line; nothing of one that did not change."""
    if symbol in progress.failed:
        return f"{symbol}: failed: {progress.failed[symbol]}"
    if not progress.is_changed(symbol):
        return ""
    bars = progress.made[_BARS].get(symbol, {})
    recomputed = {asset: progress.made[asset].get(symbol, {}).get("recomputed") for asset in DAILY_ASSETS[1:]}
    return (
        f"{symbol}: {bars.get('dagster/partition_row_count', 0):,} bars, {bars.get('rows_inserted', 0):,} new,"
        f" {bars.get('rows_changed', 0):,} changed"
    ) + "".join(f"; {asset}: {said}" for asset, said in recomputed.items() if said)


def _summarise(
    shown: Console, settings: Settings, progress: RunProgress, chosen: Sequence[str], seconds: float
) -> None:
    """Print ten lines at most."""
    made = progress.made[_BARS]
    changed = sum(map(progress.is_changed, made))
    calls, inserted, restated, missing = (
        int(progress.total(_BARS, name)) for name in ("calls", "rows_inserted", "rows_changed", "missing_sessions")
    )
    kind = "SAMPLE DATA, from the simulator" if settings.is_sample else "Live bars, from Schwab"
    lines = [
        f"{kind}: {len(made):,} of {len(chosen):,} symbols up to date, {changed:,} changed, in {seconds:.0f} s",
        f"{calls:,} requests, {inserted:,} bars inserted, {restated:,} changed, {missing:,} sessions missing",
    ]
    if progress.failed:
        named = list(progress.failed)[:NAMED_FAILURES]
        more = len(progress.failed) - len(named)
        lines.append(f"{len(progress.failed):,} failed: {', '.join(named)}{f' and {more:,} more' if more else ''}")
    untried = len(chosen) - len(made.keys() | progress.failed.keys())
    if untried:
        lines.append(f"{untried:,} not tried")
    lines += [trouble.splitlines()[-1] for trouble in progress.troubles[:NAMED_FAILURES]]
    lines.append(f"Report: {settings.reports_path / OVERVIEW}")
    for line in lines:
        shown.print(line, markup=False, highlight=False, soft_wrap=True)
