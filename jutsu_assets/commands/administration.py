"""The commands that look after the system of record: revisions, backup, restore, copy."""

import csv
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.commands.terminal import console
from jutsu_assets.settings import Settings
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.copying import copy_store
from jutsu_assets.store.engine import Database
from jutsu_assets.store.existing import shown_database, stored_database, writable_database
from jutsu_assets.store.maintenance import backup, restore
from jutsu_core.bars import PRICE_COLUMNS, Bar, Timeframe, from_micros
from jutsu_core.errors import NoDataError
from jutsu_core.ports import BarRevision

SettingsOf = Callable[[], Settings]

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("symbol")
@click.option("--timeframe", default=Timeframe.D1.value, show_default=True, help="Which bars, for example 1d.")
@click.option("--csv", "as_csv", is_flag=True, help="Print them as CSV, with times to the microsecond.")
@click.pass_obj
def revisions(settings_of: SettingsOf, symbol: str, timeframe: str, *, as_csv: bool) -> None:
    """List which bars of SYMBOL were restated or withdrawn, when, and what they said before."""
    settings, chosen = settings_of(), Timeframe.parse(timeframe)
    with shown_database(settings) as database:
        store = SqlBarStore(database, settings.source, SystemClock())
        changes = store.revisions(symbol, chosen)
        if not changes and store.version(symbol, chosen) is None:
            message = (
                f"symbol {symbol!r} must have stored {chosen.value} bars, has none in {database.shown_url};"
                " check the spelling"
            )
            raise NoDataError(message)
    if as_csv:
        _print_csv(changes)
        return
    table = Table("bar", "changed at (UTC)", "known since (UTC)", "was", "became", title=f"Revisions of {symbol}")
    for change in changes:
        table.add_row(
            f"{change.former.timestamp:%Y-%m-%d %H:%M}".removesuffix(" 00:00"),
            f"{change.superseded_at:%Y-%m-%d %H:%M:%S.%f}",
            f"{change.recorded_at:%Y-%m-%d %H:%M:%S.%f}",
            _shown(change.former),
            "withdrawn" if change.successor is None else _shown(change.successor),
        )
    console().print(table if changes else f"No bar of {symbol} was ever restated or withdrawn.")


@click.command(name="backup")
@click.argument("file", type=_FILE)
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@click.pass_obj
def back_up(settings_of: SettingsOf, file: Path, *, overwrite: bool) -> None:
    """Copy the store into FILE, consistently, while others may write."""
    with (
        closing(writable_database(settings_of())) as database,
        console().status("Copying and checking the store ..."),
    ):
        made = backup(database, file, overwrite=overwrite)
    click.echo(
        f"{made.target}: {made.contents.bars:,} bars of {made.contents.symbols:,} symbols, {made.size_bytes:,} bytes."
    )
    for finding in made.findings:
        click.echo(f"- {finding}")


@click.command(name="restore")
@click.argument("file", type=_FILE)
@click.option("--force", is_flag=True, help="Even over bars of another source, or from or over a damaged store.")
@click.confirmation_option(prompt="This replaces what the store holds now. Go on?")
@click.pass_obj
def bring_back(settings_of: SettingsOf, file: Path, *, force: bool) -> None:
    """Make the store what the backup FILE holds; others may have it open."""
    with (
        closing(writable_database(settings_of())) as database,
        console().status("Checking and copying the backup ..."),
    ):
        done = restore(database, file, force=force)
    before = "nothing" if done.former is None else f"{done.former.bars:,} bars"
    click.echo(
        f"{done.url} held {before} and holds {done.contents.bars:,} bars of {done.contents.symbols:,} symbols now."
    )
    if done.set_aside is not None:
        click.echo(f"What was there could not be opened, and was moved to {done.set_aside}.")
    click.echo("Materialize daily_indicators and symbol_performance to bring what is derived up to it.")


@click.command()
@click.argument("url")
@click.pass_obj
def copy(settings_of: SettingsOf, url: str) -> None:
    """Copy the store to the empty database at URL, for example to move to PostgreSQL."""
    with (
        stored_database(settings_of(), upgrade=True) as source,
        closing(Database(url, SystemSleeper())) as target,
        Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console(), transient=True) as progress,
    ):
        task = progress.add_task("counting", total=None)
        copied = copy_store(
            source,
            target,
            lambda table, done, total: progress.update(task, description=table, completed=done, total=total),
        )
        shown = target.shown_url
    click.echo(f"Copied {sum(copied.rows.values()):,} rows ({copied.rows['bars']:,} bars) to {shown}.")
    click.echo("Point JUTSU_DATABASE_URL there, then run `jutsu doctor`.")


def _print_csv(changes: list[BarRevision]) -> None:
    of_bar = (*PRICE_COLUMNS, "volume")
    became = [f"new_{name}" for name in of_bar]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["timestamp", "recorded_at", "superseded_at", *of_bar, *became])
    for change in changes:
        times = (change.former.timestamp, change.recorded_at, change.superseded_at)
        writer.writerow([*(time.isoformat() for time in times), *_values(change.former), *_values(change.successor)])


def _values(bar: Bar | None) -> list[str]:
    if bar is None:  # withdrawn
        return [""] * (len(PRICE_COLUMNS) + 1)
    return [*(str(from_micros(getattr(bar, name))) for name in PRICE_COLUMNS), str(bar.volume)]


def _shown(bar: Bar) -> str:
    # Whole, without the zeros at the end: what changed may be the last digit.
    prices = " ".join(f"{from_micros(price).normalize():f}" for price in (bar.open, bar.high, bar.low, bar.close))
    return f"{prices}  {bar.volume:,}"
