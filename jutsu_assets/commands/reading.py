"""The commands that read what is stored: sql, report."""

from collections.abc import Callable

import click
import duckdb

from jutsu_assets.clock import SystemClock
from jutsu_assets.commands.portfolios import known_portfolios, show_portfolios
from jutsu_assets.commands.terminal import console, say_which_universe
from jutsu_assets.lake.sandbox import writing_in
from jutsu_assets.lake.views import connect_to, first_line
from jutsu_assets.reports.folder import OVERVIEW
from jutsu_assets.reports.results import show_place, show_results
from jutsu_assets.settings import Settings
from jutsu_assets.store.existing import stored_reports
from jutsu_assets.universe import load_universe
from jutsu_core.errors import NoDataError

_UNSAFE = "to let it do all that DuckDB can: jutsu sql --unsafe"
_LOCKED = "configuration has been locked"

SettingsOf = Callable[[], Settings]


@click.command()
@click.argument("query")
@click.option(
    "--unsafe", is_flag=True, help="Let QUERY do all that DuckDB can: read and write any file, attach, install, set."
)
@click.pass_obj
def sql(settings_of: SettingsOf, query: str, *, unsafe: bool) -> None:
    """Run a QUERY in DuckDB over the lake's series, for example: select * from daily_indicators.

    It reads the lake, and nothing else; it writes nothing.
    """
    try:
        if not duckdb.extract_statements(query):
            message = "QUERY must be a SQL statement, such as: select * from daily_indicators"
            raise click.UsageError(message)
        if not unsafe and (what := writing_in(query)):
            message = f"QUERY must read, and {what} may do more; {_UNSAFE}"
            raise click.ClickException(message)
        with connect_to(settings_of(), _warn, is_closed=not unsafe) as connection:
            relation: object = connection.sql(query)  # None for a statement without rows
            click.echo("done" if relation is None else relation)
    except duckdb.CatalogException as error:
        message = f'{first_line(error)} What there is: jutsu sql "show tables"'
        raise click.ClickException(message) from error
    except duckdb.PermissionException as error:
        message = f"QUERY must read the lake alone: {first_line(error)}; {_UNSAFE}"
        raise click.ClickException(message) from error
    except duckdb.IOException as error:
        raise click.ClickException(first_line(error)) from error
    except duckdb.Error as error:
        message = f"{error}\n{_UNSAFE}" if _LOCKED in str(error) else str(error)
        raise click.ClickException(message) from error


def _warn(message: str) -> None:
    click.echo(f"Warning: {message}", err=True)


@click.command()
@click.argument("symbols", nargs=-1, metavar="[SYMBOL]...")
@click.pass_obj
def report(settings_of: SettingsOf, symbols: tuple[str, ...]) -> None:
    """Show the stored performance of SYMBOLs, or of the universe, and where the pages are."""
    settings, shown = settings_of(), console()
    reports = stored_reports(settings, may_lag=True)
    if unknown := [symbol for symbol in symbols if symbol not in reports]:
        message = (
            f"{', '.join(unknown)} must have a stored report, has none; there are reports of {', '.join(reports)}:"
            " check the spelling, or materialize symbol_performance"
        )
        raise NoDataError(message)
    if symbols:
        chosen = dict.fromkeys(symbols)
        show_results(shown, {symbol: reports[symbol] for symbol in chosen}, symbols=chosen)
    else:
        say_which_universe(settings)
        show_results(shown, reports, symbols=load_universe(settings.universe_path, SystemClock()).symbols)
        show_portfolios(shown, settings, known_portfolios(settings))
    show_place(shown, settings.reports_path / OVERVIEW, is_sample=settings.is_sample)
