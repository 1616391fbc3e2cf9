"""The command that serves the Dagster UI with the reports."""

import os
from collections.abc import Callable
from pathlib import Path

import click

from jutsu_assets.instance.home import prepared_home
from jutsu_assets.settings import Settings
from jutsu_assets.webserver.listener import listen
from jutsu_core.errors import ConfigurationError

_LAST_PORT = 65535
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 is every one.")
@click.option(
    "--port", "-p", type=click.IntRange(0, _LAST_PORT), default=3000, show_default=True, help="0 takes a free one."
)
@click.option("--path-prefix", default="", metavar="/PATH", help="Path that a proxy serves the UI below.")
@click.pass_obj
def ui(settings_of: Callable[[], Settings], host: str, port: int, path_prefix: str) -> None:
    """Serve the Dagster UI and the reports, and run what is scheduled, until Ctrl-C.

    What is shown is the workspace.yaml of this folder, or Jutsu's own graph where there is none.
    """
    settings, folder = settings_of(), Path.cwd()
    if path_prefix and (not path_prefix.startswith("/") or path_prefix.endswith("/")):
        message = f"--path-prefix must begin with a slash and not end with one, such as /jutsu, was {path_prefix!r}"
        raise ConfigurationError(message)
    listener = listen(host, port)
    home = prepared_home(os.environ, folder)
    # Runs are started by processes of their own, which look for their home here.
    os.environ["DAGSTER_HOME"] = str(home)
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"Dagster UI:  http://{shown}:{listener.getsockname()[1]}{path_prefix}/   (home: {home})")
    click.echo(f"Reports:     {settings.reports_path}")
    click.echo(f"Metrics:     {path_prefix}/metrics, for Prometheus")
    if host not in _LOOPBACK:
        click.echo("Whoever reaches this address can start runs: keep it inside a network that you trust.")
    from jutsu_assets.webserver.services import run_services  # noqa: PLC0415 - Dagster takes seconds to import

    if run_services(listener, folder=folder, home=home, settings=settings, path_prefix=path_prefix):
        message = "the Dagster daemon ended by itself, so the UI was stopped; what it said stands above"
        raise click.ClickException(message)
