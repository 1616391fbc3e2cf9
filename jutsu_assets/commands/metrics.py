"""The command that prints metrics for Prometheus, or writes them for node_exporter."""

from collections.abc import Callable
from pathlib import Path

import click

from jutsu_assets.clock import SystemClock
from jutsu_assets.monitoring.metrics import MetricsPage, write_textfile
from jutsu_assets.monitoring.observed import Place
from jutsu_assets.settings import Settings


@click.command()
@click.option(
    "--textfile",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write them to this *.prom file of node_exporter's textfile collector, whole or not at all.",
)
@click.pass_obj
def metrics(settings_of: Callable[[], Settings], textfile: Path | None) -> None:
    """Print metrics of bars, requests, runs and findings, in Prometheus' format."""
    text = MetricsPage(Place.here(settings_of()), SystemClock()).text()
    if textfile is None:
        click.echo(text, nl=False)
    else:
        write_textfile(textfile, text)
