"""The command that looks after Dagster's instance: where its run history is kept."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import MofNCompleteColumn, Progress

from jutsu_assets.clock import SystemClock
from jutsu_assets.commands.terminal import console
from jutsu_assets.instance.home import dagster_home, history_place
from jutsu_assets.instance.server import history_url, shown_history_url
from jutsu_assets.instance.switching import STORAGE, on_postgresql, switch_home
from jutsu_assets.settings import Settings
from jutsu_assets.starter import INSTANCE
from jutsu_core.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from jutsu_assets.instance.move import Moved

SettingsOf = Callable[[], Settings]


@click.group()
def instance() -> None:
    """Look after Dagster's instance: move its run history to PostgreSQL."""


@instance.command()
@click.argument("url", envvar="JUTSU_DAGSTER_URL")
@click.option("--copy-only", is_flag=True, help="Leave dagster.yaml as it is, and say what to put into it.")
@click.pass_obj
def move(settings_of: SettingsOf, url: str, *, copy_only: bool) -> None:
    """Move the run history to the PostgreSQL at URL, or at JUTSU_DAGSTER_URL, and let dagster.yaml name it.

    Everything or nothing is moved: runs, events, asset histories, checks, backfills, ticks, switches of schedules and
    sensors, limits of pools. No run may be in progress, and no daemon at work. SQLite stays as it is.
    """
    settings_of()
    home = dagster_home(os.environ, Path.cwd())
    folder = history_place(home, os.environ).folder
    if folder is None:
        message = f"the run history of {home} must be in SQLite to be moved, is in another database; nothing was done"
        raise StoreError(message)
    if not copy_only and (home / INSTANCE).is_file():
        on_postgresql((home / INSTANCE).read_text("utf-8"))  # what cannot be changed is better known before
    moved, shown = _moved(folder, url)
    rows = moved.rows
    click.echo(
        f"Moved {rows['runs']:,} runs, {rows['event_logs']:,} events of {rows['asset_keys']:,} assets,"
        f" {rows['bulk_actions']:,} backfills and {rows['job_ticks']:,} ticks to {shown}."
    )
    for line in _left(moved):
        click.echo(f"- {line}")
    if copy_only:
        click.echo(f"Put this into {home / INSTANCE} in the place of its storage:\n\n{STORAGE}")
    else:
        click.echo(f"{home / INSTANCE} names PostgreSQL now; what it was is kept in {switch_home(home)}.")
    click.echo(f"SQLite's files in {folder} are as they were, and used no more: remove them when all is well.")
    if not os.environ.get("JUTSU_DAGSTER_URL"):
        click.echo(f"Set JUTSU_DAGSTER_URL={shown} in the environment or in .env, then start `jutsu ui`.")


def _moved(folder: Path, url: str) -> "tuple[Moved, str]":
    try:
        from jutsu_assets.instance.move import move_history  # noqa: PLC0415 - Dagster takes seconds to import
    except ModuleNotFoundError as error:
        message = f"{error.name} must be installed to keep a history in PostgreSQL: pip install 'jutsu[postgres]'"
        raise ConfigurationError(message) from error
    target = history_url(url)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=console(), transient=True) as progress:
        task = progress.add_task("looking", total=None)
        moved = move_history(
            folder,
            target,
            SystemClock(),
            lambda table, done, total: progress.update(task, description=table, completed=done, total=total),
        )
    return moved, shown_history_url(target)


def _left(moved: "Moved") -> list[str]:
    """Return what was not moved, or not as it was, a line each."""
    lines = ["what runs printed stays in files of this machine: others do not see it"]
    if moved.logged_alone:
        lines.append(
            f"of {moved.logged_alone:,} runs that Dagster's own storage logged, lines that are of no asset stand at the"
            " end of the log, each with its time"
        )
    if moved.orphaned_tags:
        lines.append(f"{moved.orphaned_tags:,} tags of deleted runs were left out")
    return lines
