"""The commands of portfolios: measure them, and derive a report again."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from jutsu_assets.clock import SystemClock
from jutsu_assets.commands.terminal import console, say_which_universe
from jutsu_assets.portfolios.folders import Listed, listed
from jutsu_assets.portfolios.report_files import REPORT_SUFFIX, ReportFiles, was_edited
from jutsu_assets.settings import Settings
from jutsu_assets.universe import load_universe
from jutsu_core.errors import ConfigurationError, InvalidInputError
from jutsu_core.metrics.stored_report import differences, places

UP_TO_DATE, SOME_FAILED, WRONG_USE = 0, 1, 2
SAME, DIFFERS = 0, 1
NAMED_DIFFERENCES = 20
CODE = "fingerprint.code"
_DASH = "-"
_COLUMNS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "return": (("total_return",), "{:+.1%}"),
    "Sharpe": (("sharpe_ratio",), "{:.2f}"),
    "drawdown": (("max_drawdown",), "{:.1%}"),
    "alpha": (("benchmark", "alpha"), "{:+.1%}"),
    "beta": (("benchmark", "beta"), "{:.2f}"),
}

SettingsOf = Callable[[], Settings]


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.pass_obj
def portfolios(settings_of: SettingsOf, names: tuple[str, ...]) -> None:
    """Run the backtests, measure the portfolios, and show where their tear sheets are.

    Of all files in the folders strategies and portfolios, or of those NAMEd. Exit status: 0 all are up to date,
    1 some are not, 2 wrong use.
    """
    from jutsu_assets.commands.running import run_portfolios  # noqa: PLC0415 - Dagster takes seconds to import
    from jutsu_assets.instance.home import prepared_home  # noqa: PLC0415

    try:
        settings = settings_of()
        universe = load_universe(settings.universe_path, SystemClock())
        there = listed(settings.universe_path.parent)
        chosen = _chosen(there, names)
    except ConfigurationError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(WRONG_USE) from None
    say_which_universe(settings)
    os.environ["DAGSTER_HOME"] = str(prepared_home(os.environ, Path.cwd()))
    progress = run_portfolios(settings, universe, there, chosen, lambda *_: None)
    shown = console()
    for name, reason in progress.failed.items():
        shown.print(f"{name}: failed: {reason}", markup=False, highlight=False, soft_wrap=True)
    for trouble in progress.troubles:
        shown.print(trouble, markup=False, highlight=False, soft_wrap=True)
    show_portfolios(shown, settings, chosen)
    raise SystemExit(SOME_FAILED if progress.failed or progress.troubles else UP_TO_DATE)


@click.command(name="verify-report")
@click.argument("file", type=click.Path(path_type=Path))
def verify_report(file: Path) -> None:
    """Derive the report in FILE again from the data that it holds, and say what differs.

    FILE is what portfolio_performance wrote, beside the tear sheet. Exit status: 0 nothing differs, 1 something
    does, or the file was edited, 2 wrong use.
    """
    try:
        told = json.loads(file.read_bytes())
        found = differences(told)
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, InvalidInputError) else f"{type(error).__name__}: {error}"
        click.echo(
            f"Error: FILE must be a report that portfolio_performance wrote, {file} is none that can be derived again:"
            f" {' '.join(reason.split())}; see report_data of its partition",
            err=True,
        )
        raise SystemExit(WRONG_USE) from None
    for line in places(found, NAMED_DIFFERENCES):
        click.echo(line)
    if any(place == CODE for place, *_ in found):
        click.echo(f"{CODE}: the report was made by other definitions than these, and may differ for that alone")
    if found:
        click.echo(f"{file}: {len(found):,} figures are not what its data give")
        raise SystemExit(DIFFERS)
    if was_edited(told):
        click.echo(f"{file}: every figure is what its data give, but the file was edited: its digest is another")
        raise SystemExit(DIFFERS)
    click.echo(f"{file}: every figure is what its data give")


def show_portfolios(shown: Console, settings: Settings, names: Sequence[str]) -> None:
    """Print what the stored reports of ``names`` say, and where their pages are; nothing where there is none."""
    files = ReportFiles(settings.reports_path, REPORT_SUFFIX)
    stored = {name: report for name in names if (report := files.stored(name)) is not None}
    if not stored:
        return
    table = Table(title="Portfolios")
    table.add_column("portfolio", no_wrap=True)
    table.add_column("vs")
    for heading in _COLUMNS:
        table.add_column(heading, justify="right")
    for name, told in stored.items():
        benchmark = told["given"]["benchmark"]
        cells = [_cell(told["report"], *how) for how in _COLUMNS.values()]
        table.add_row(name, _DASH if benchmark is None else benchmark["name"], *cells)
    shown.print(table)
    for name in stored:
        page = files.path(name).with_suffix(".html")
        shown.print(f"Tear sheet: {page}", markup=False, highlight=False, soft_wrap=True)


def known_portfolios(settings: Settings) -> list[str]:
    """Return the names of the strategy and portfolio files."""
    return listed(settings.universe_path.parent).names


def _chosen(there: Listed, names: tuple[str, ...]) -> list[str]:
    if unknown := [name for name in names if name not in there.names]:
        message = (
            f"NAME must be a file in the folders strategies or portfolios without its suffix, {', '.join(unknown)} is"
            f" not; there {'are' if there.names else 'is'} {', '.join(there.names) or 'none'}"
        )
        raise ConfigurationError(message)
    return [name for name in there.names if not names or name in names]


def _cell(report: Mapping[str, Any], keys: tuple[str, ...], form: str) -> str:
    value: Any = report
    for key in keys:
        value = value[key]
    return _DASH if value is None else form.format(value)
