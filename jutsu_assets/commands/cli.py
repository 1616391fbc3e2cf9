"""The ``jutsu`` command."""

import importlib
import os
import sys

import click

from jutsu_assets.settings import Settings, read_environment
from jutsu_core.errors import JutsuError

_ELSEWHERE = {
    "backup": ("administration", "back_up"),
    "copy": ("administration", "copy"),
    "doctor": ("administration", "doctor"),
    "login": ("login", "login"),
    "restore": ("administration", "bring_back"),
    "revisions": ("administration", "revisions"),
    "simulator": ("simulator", "simulator"),
}
"""Commands by name: the module that holds each, and its function there; loaded by who asks for it."""


class _Commands(click.Group):
    """Shows our own errors as one line; anything else is a fault of ours and keeps its traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, function = _ELSEWHERE[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"jutsu_assets.commands.{module}"), function)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except JutsuError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(ctx: click.Context) -> None:
    """Market-data bars, indicators and performance reports as Dagster assets."""
    ctx.obj = _settings


@main.command()
def demo() -> None:
    """Materialize SAMPLE bars, indicators and performance of every symbol, and show the results.

    Schwab credentials are not used, even where there are some.
    """
    from jutsu_assets.commands.demo import run_demo  # noqa: PLC0415 - Dagster takes seconds to import

    sys.exit(run_demo(_settings()))


@main.command()
@click.argument("query")
def sql(query: str) -> None:
    """Run a QUERY in DuckDB over the lake's series, for example: select * from daily_indicators."""
    import duckdb  # noqa: PLC0415 - loaded by those who ask

    from jutsu_assets.lake.views import connect_to, first_line  # noqa: PLC0415

    try:
        if not duckdb.extract_statements(query):
            message = "QUERY must be a SQL statement, such as: select * from daily_indicators"
            raise click.UsageError(message)
        with connect_to(_settings()) as connection:
            relation: object = connection.sql(query)  # None for a statement without rows
            click.echo("done" if relation is None else relation)
    except duckdb.CatalogException as error:
        message = f'{first_line(error)} What there is: jutsu sql "show tables"'
        raise click.ClickException(message) from error
    except duckdb.IOException as error:
        raise click.ClickException(first_line(error)) from error
    except duckdb.Error as error:
        raise click.ClickException(str(error)) from error


@main.command()
def report() -> None:
    """Show the stored performance of the universe's symbols as a table, and where the pages are."""
    from rich.console import Console  # noqa: PLC0415

    from jutsu_assets.reports.folder import OVERVIEW  # noqa: PLC0415
    from jutsu_assets.reports.results import show_place, show_results  # noqa: PLC0415
    from jutsu_assets.store.existing import stored_reports  # noqa: PLC0415
    from jutsu_assets.universe import load_universe  # noqa: PLC0415

    settings, console = _settings(), Console()
    universe = load_universe(settings.universe_path)
    show_results(console, stored_reports(settings), symbols=universe.symbols)
    show_place(console, settings.reports_path / OVERVIEW, is_sample=settings.is_sample)


def _settings() -> Settings:
    # As Dagster's own commands do; what a resource reads by the name of its variable has to be there too.
    os.environ.update(read_environment())
    return Settings.from_environment(os.environ)
