"""The command that begins a folder."""

import os
from collections.abc import Callable
from contextlib import chdir, closing
from pathlib import Path

import click

from jutsu_assets.instance.home import prepared_home
from jutsu_assets.settings import Settings
from jutsu_assets.starter import STARTER_FILES, packaged
from jutsu_assets.store.existing import writable_database
from jutsu_core.errors import ConfigurationError

SettingsOf = Callable[[], Settings]


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.pass_obj
def init(settings_of: SettingsOf, folder: Path) -> None:
    """Write the files that Jutsu begins with into FOLDER, and make its stores ready.

    FOLDER is the current one if it is not given. A file that is there is kept. What can be
    begun by one process alone is begun here: run it once before many start at once.
    """
    write_starter_files(folder)
    with chdir(folder):
        settings = settings_of()
        with closing(writable_database(settings)) as database, database.reading():
            click.echo(f"ready   {database.shown_url}")
        click.echo(f"ready   {begin_history()}")


def write_starter_files(folder: Path) -> None:
    """Write the starter files into ``folder``, and say which; what is there is kept.

    Raises:
        ConfigurationError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in STARTER_FILES:
            try:
                (folder / name).parent.mkdir(exist_ok=True)
                with (folder / name).open("xb") as file:
                    file.write(packaged(name).read_bytes())
            except FileExistsError:
                click.echo(f"kept    {folder / name}")
            else:
                click.echo(f"written {folder / name}")
    except OSError as error:
        message = f"FOLDER must be a folder that can be written, {folder} is not: {error.strerror}; choose another"
        raise ConfigurationError(message) from error


def begin_history() -> Path:
    """Begin the run history of the working directory's Dagster home; return that home."""
    import dagster as dg  # noqa: PLC0415 - takes seconds to import

    home = prepared_home(os.environ, Path.cwd())
    with dg.DagsterInstance.from_config(str(home)):
        return home
