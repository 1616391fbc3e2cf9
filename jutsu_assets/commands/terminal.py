"""What commands say alike: consoles that know whether anybody watches, and which universe is followed."""

import sys

import click
from rich.console import Console

from jutsu_assets.settings import Settings

_PIPED_WIDTH = 200


def console() -> Console:
    """Return a console: of the terminal, or else one whose tables do not wrap, without colours, bars and spinners."""
    if sys.stdout.isatty():
        return Console()
    return Console(width=_PIPED_WIDTH, no_color=True, force_terminal=False, force_interactive=False)


def say_which_universe(settings: Settings) -> None:
    """Say so, beside the output, where there is no universe file and that of the package is followed."""
    if settings.follows_packaged_universe:
        click.echo("No universe.yaml here: following the symbols of the sample bars. `jutsu init` writes one", err=True)
