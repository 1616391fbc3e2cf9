"""The ``jutsu`` command."""

import os
import shlex
import sys
import webbrowser
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jutsu_assets.settings import Settings, read_environment
from jutsu_core.errors import JutsuError

if TYPE_CHECKING:
    from jutsu_assets.schwab.simulator.app import SchwabSimulator

_LAST_PORT = 65535
_LOGIN_SECONDS = 300.0
_ADMINISTRATION = {
    "backup": "back_up",
    "copy": "copy",
    "doctor": "doctor",
    "restore": "bring_back",
    "revisions": "revisions",
}
_SCRATCH = Path("var/simulator")


class _Commands(click.Group):
    """Shows our own errors as one line; anything else is a fault of ours and keeps its traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_ADMINISTRATION])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ADMINISTRATION:
            return super().get_command(ctx, cmd_name)
        from jutsu_assets import administration  # noqa: PLC0415 - loads SQLAlchemy

        command: click.Command = getattr(administration, _ADMINISTRATION[cmd_name])
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except JutsuError as error:
            raise click.ClickException(str(error)) from error


class _WithFaults(click.Command):
    """Lists the names of all faults below its help; they are loaded only then."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from jutsu_assets.schwab.simulator.catalog import FAULTS  # noqa: PLC0415

        super().format_epilog(ctx, formatter)
        with formatter.section("Names of faults"):
            formatter.write_text(" ".join(FAULTS))


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
    from jutsu_assets.demo import run_demo  # noqa: PLC0415 - Dagster takes seconds to import

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
    from jutsu_assets.stored import stored_reports  # noqa: PLC0415
    from jutsu_assets.universe import load_universe  # noqa: PLC0415

    settings, console = _settings(), Console()
    universe = load_universe(settings.universe_path)
    show_results(console, stored_reports(settings), symbols=universe.symbols)
    show_place(console, settings.reports_path / OVERVIEW, is_sample=settings.is_sample)


@main.command()
@click.option("--manual", is_flag=True, help="Paste the address that the browser lands on, instead of it being heard.")
@click.option(
    "--browser/--no-browser", default=True, show_default=True, help="Whether to open the page, or only to print it."
)
def login(*, manual: bool, browser: bool) -> None:
    """Log in to Schwab, which lasts seven days: a page opens, and Jutsu hears when you allowed access.

    That needs a SCHWAB_CALLBACK_URL with a port on this machine, such as https://127.0.0.1:8182;
    the browser warns of its certificate once, which is made for this one login. With any other
    callback URL, or on a machine without a browser, the address is pasted.
    """
    from jutsu_assets.clock import SystemClock, SystemSleeper  # noqa: PLC0415
    from jutsu_assets.schwab.callback import can_be_heard  # noqa: PLC0415
    from jutsu_assets.schwab.login import Login  # noqa: PLC0415
    from jutsu_assets.schwab.throttle import Throttle  # noqa: PLC0415
    from jutsu_assets.schwab.tokens import FileTokenStore  # noqa: PLC0415
    from jutsu_assets.schwab.transport import transport_to  # noqa: PLC0415
    from jutsu_assets.store.coordination import RequestLedger  # noqa: PLC0415
    from jutsu_assets.store.engine import Database  # noqa: PLC0415

    settings = _settings()
    if settings.credentials is None or settings.base_url is None:
        message = "SCHWAB_API_KEY and SCHWAB_APP_SECRET must be set to log in; see the README"
        raise click.ClickException(message)
    if settings.simulator_url is not None:
        message = (
            f"SCHWAB_BASE_URL is the simulator {settings.simulator_url}, which needs no login: it writes its own"
            " token file when it starts, and prints its SCHWAB_TOKEN_PATH; unset SCHWAB_BASE_URL to log in to Schwab"
        )
        raise click.ClickException(message)
    credentials, clock = settings.credentials, SystemClock()
    tokens = FileTokenStore(credentials.token_path)
    with closing(Database(settings.database_url, SystemSleeper())) as database:
        attempt = Login(
            api_key=credentials.api_key,
            app_secret=credentials.app_secret,
            callback_url=credentials.callback_url,
            transport=transport_to(settings.base_url),
            throttle=Throttle(RequestLedger(database, clock), SystemSleeper()),
            tokens=tokens,
        )
        is_heard = not manual and can_be_heard(credentials.callback_url)
        received = _heard(attempt.url, credentials.callback_url, browser=browser) if is_heard else _pasted(attempt.url)
        attempt.finish(received, now_seconds=int(clock.now().timestamp()))
    click.echo(f"Logged in. {credentials.token_path} is good until {tokens.expires_at():%Y-%m-%d %H:%M} UTC.")


def _heard(url: str, callback_url: str, *, browser: bool) -> str:
    from jutsu_assets.clock import SystemClock  # noqa: PLC0415
    from jutsu_assets.schwab.callback import CallbackServer  # noqa: PLC0415

    with CallbackServer(callback_url, SystemClock().now()) as server:
        opened = browser and webbrowser.open(url)
        click.echo(
            f"{'A browser opens' if opened else 'Open'} this address; log in there and allow access:\n\n  {url}\n"
        )
        click.echo(f"It then lands on {callback_url}, on this machine: accept the warning about its certificate.")
        return server.wait(_LOGIN_SECONDS)


def _pasted(url: str) -> str:
    click.echo(f"Open this address in a browser, log in and allow access:\n\n  {url}\n")
    click.echo("The browser then lands on a page that cannot be shown; its address is what counts.")
    pasted: str = click.prompt("Paste that address within 30 seconds")
    return pasted


@main.command(cls=_WithFaults)
@click.option(
    "--port",
    type=click.IntRange(0, _LAST_PORT),
    default=8081,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@click.option(
    "--token-path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=_SCRATCH / "token.json",
    show_default=True,
    help="Where to write a token file of the simulator.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[:COUNT]",
    help="What goes wrong, in every request or in the first COUNT; may be given several times. Names below.",
)
@click.option(
    "--today",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day whose close is the newest bar; the last sample bar's, 2013-03-01, if not given.",
)
def simulator(port: int, token_path: Path, faults: tuple[str, ...], today: datetime | None) -> None:
    """Serve Schwab's token and price-history protocol on this machine, over sample bars.

    What is fetched from it is kept in var/simulator, away from everything else.
    """
    from jutsu_assets.schwab.simulator.server import serve  # noqa: PLC0415
    from jutsu_assets.schwab.tokens import FileTokenStore  # noqa: PLC0415

    app = _simulator(faults, today)
    login = app.issue_login()
    if any(fault.on == "token" for fault in app.faults.faults):
        login["token"]["expires_at"] = 1  # the client begins with a request for a token
    FileTokenStore(token_path.resolve()).write(login)
    with serve(app, port=port) as server:
        click.echo(
            f"Simulator on {server.url}, its clock stands at {app.now():%Y-%m-%d %H:%M} UTC. In another terminal:\n"
        )
        for name, value in {
            "SCHWAB_BASE_URL": server.url,
            "SCHWAB_API_KEY": app.key,
            "SCHWAB_APP_SECRET": app.secret,
            "SCHWAB_TOKEN_PATH": str(token_path.resolve()),
            "JUTSU_HOME": str(_SCRATCH.resolve()),
            "JUTSU_DATABASE_URL": "",
        }.items():
            click.echo(f"  export {name}={shlex.quote(value) if value else ''}")
        click.echo(f"\nThen `jutsu demo` asks this simulator. To begin afresh: rm -r {_SCRATCH}/sample")
        if Path(".env").is_file():
            click.echo("Take the file .env away meanwhile: the commands of `dagster` believe it more than these.")
        click.echo("Ctrl-C ends it.")
        server.wait()


def _simulator(faults: tuple[str, ...], today: datetime | None) -> "SchwabSimulator":
    from jutsu_assets.schwab.simulator.app import DEFAULT_NOW, SchwabSimulator  # noqa: PLC0415
    from jutsu_assets.schwab.simulator.catalog import named_plan, newest_session  # noqa: PLC0415
    from jutsu_assets.schwab.simulator.market import MarketHistory  # noqa: PLC0415
    from jutsu_assets.schwab.simulator.pricehistory import NEW_YORK  # noqa: PLC0415

    history = MarketHistory.from_sample()
    now = DEFAULT_NOW if today is None else today.replace(hour=20, tzinfo=NEW_YORK).astimezone(UTC)
    session = newest_session(history, now.astimezone(NEW_YORK).date())
    return SchwabSimulator(history, now=lambda: now, faults=named_plan(faults, session))


def _settings() -> Settings:
    # As Dagster's own commands do; what a resource reads by the name of its variable has to be there too.
    os.environ.update(read_environment())
    return Settings.from_environment(os.environ)
