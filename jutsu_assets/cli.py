"""The ``jutsu`` command."""

import os
import sys
from pathlib import Path

import click

from jutsu_assets.settings import Settings
from jutsu_core.errors import JutsuError


class _Commands(click.Group):
    """Shows our own errors as one line; anything else is a fault of ours and keeps its traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except JutsuError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Market-data bars, indicators and performance reports as Dagster assets."""


@main.command()
def demo() -> None:
    """Materialize bars, indicators and performance of every symbol, and show the results."""
    from jutsu_assets.demo import run_demo  # noqa: PLC0415 - Dagster takes seconds to import

    sys.exit(run_demo(_settings()))


@main.command()
@click.argument("query")
def sql(query: str) -> None:
    """Run a QUERY in DuckDB over the lake's series, for example: select * from daily_indicators."""
    import duckdb  # noqa: PLC0415 - loaded by those who ask

    from jutsu_assets.lake.views import connect_to  # noqa: PLC0415

    with connect_to(_settings()) as connection:
        try:
            click.echo(connection.sql(query) or "done")
        except duckdb.Error as error:
            raise click.ClickException(str(error)) from error


@main.command()
def report() -> None:
    """Show the stored performance of every symbol as a table, and where the pages are."""
    from jutsu_assets.demo import show_results  # noqa: PLC0415

    show_results(_settings())


@main.command()
def login() -> None:
    """Log in to Schwab: open the URL that is printed, and paste the address that you land on."""
    from jutsu_assets.clock import SystemClock  # noqa: PLC0415
    from jutsu_assets.schwab.login import ManualLogin  # noqa: PLC0415
    from jutsu_assets.schwab.throttle import transport_to  # noqa: PLC0415
    from jutsu_assets.schwab.tokens import FileTokenStore  # noqa: PLC0415

    settings = _settings()
    if settings.credentials is None or settings.base_url is None:
        message = "SCHWAB_API_KEY and SCHWAB_APP_SECRET must be set to log in; see the README"
        raise click.ClickException(message)
    credentials = settings.credentials
    tokens = FileTokenStore(credentials.token_path)
    attempt = ManualLogin(
        api_key=credentials.api_key,
        app_secret=credentials.app_secret,
        callback_url=credentials.callback_url,
        transport=transport_to(settings.base_url),
        tokens=tokens,
    )
    click.echo(f"Open this address in a browser, log in and allow access:\n\n  {attempt.url}\n")
    click.echo("The browser then lands on a page that cannot be shown; its address is what counts.")
    received = click.prompt("Paste that address within 30 seconds")
    attempt.finish(received, now_seconds=int(SystemClock().now().timestamp()))
    click.echo(f"Logged in. {credentials.token_path} is good until {tokens.expires_at():%Y-%m-%d %H:%M} UTC.")


@main.command()
@click.option("--port", default=8081, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option(
    "--token-path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("var/simulator_token.json"),
    show_default=True,
    help="Where to write a token file of the simulator.",
)
def simulator(port: int, token_path: Path) -> None:
    """Serve Schwab's token and price-history protocol on this machine, over sample bars."""
    from jutsu_assets.schwab.simulator.app import SchwabSimulator  # noqa: PLC0415
    from jutsu_assets.schwab.simulator.server import serve  # noqa: PLC0415
    from jutsu_assets.schwab.tokens import FileTokenStore  # noqa: PLC0415

    app = SchwabSimulator()
    FileTokenStore(token_path.resolve()).write(app.issue_login())
    with serve(app, port=port) as server:
        click.echo(f"Simulator on {server.url}, its today is {app.now():%Y-%m-%d}. In another terminal:\n")
        for name, value in {
            "SCHWAB_BASE_URL": server.url,
            "SCHWAB_API_KEY": app.key,
            "SCHWAB_APP_SECRET": app.secret,
            "SCHWAB_TOKEN_PATH": str(token_path.resolve()),
        }.items():
            click.echo(f"  export {name}={value}")
        click.echo("\nCtrl-C ends it.")
        server.wait()


def _settings() -> Settings:
    return Settings.from_environment(os.environ)
