"""The command that serves the simulator."""

import shlex
import textwrap
from datetime import UTC, datetime, time
from pathlib import Path

import click

from jutsu_assets.schwab.tokens import FileTokenStore
from jutsu_assets.simulator.app import DEFAULT_CALLBACK_URLS, SchwabSimulator
from jutsu_assets.simulator.catalog import FAULTS, SETTINGS, newest_session
from jutsu_assets.simulator.folder import history_from_folder
from jutsu_assets.simulator.market import MarketHistory
from jutsu_assets.simulator.pricehistory import NEW_YORK
from jutsu_assets.simulator.script import Script, read_script
from jutsu_assets.simulator.server import serve
from jutsu_core.errors import ConfigurationError

_LAST_PORT = 65535
_SCRATCH = Path("var/simulator")
_AFTER_SETTLING = time(20)
_AT_THE_TOKEN = {"rotate_refresh_tokens", "token_calls_in_20_seconds"}


class _WithFaults(click.Command):
    """Lists the names of all faults below its help."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        with formatter.section("Names of faults"):
            formatter.write(textwrap.fill(" ".join((*FAULTS, *SETTINGS)), formatter.width, break_on_hyphens=False))
            formatter.write("\n")


@click.command(cls=_WithFaults)
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
    "--data",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Serve the bars of a folder of CSV or Parquet files instead of the sample bars.",
)
@click.option(
    "--fault",
    "names",
    multiple=True,
    metavar="NAME[:COUNT]",
    help="What goes wrong, in every request or in the first COUNT; may be given several times. Names below.",
)
@click.option(
    "--faults",
    "script",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A YAML file that says what goes wrong, when, how often, and by which clock; see docs/simulator.md.",
)
@click.option(
    "--today",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day whose close is the newest bar; that of the newest bar there is, if not given.",
)
def simulator(
    port: int,
    token_path: Path,
    folder: Path | None,
    names: tuple[str, ...],
    script: Path | None,
    today: datetime | None,
) -> None:
    """Serve Schwab's protocol on this machine, over sample bars or bars of your own.

    What is fetched from it is kept in var/simulator, away from everything else.
    """
    app = _simulator(folder, script, names, today)
    login = app.issue_login()
    if _begins_with_a_token(app):
        login["token"]["expires_at"] = 1
    # The port comes first: where another simulator has it, the token file is that one's.
    with serve(app, port=port) as server:
        FileTokenStore(token_path.resolve()).write(login)
        click.echo(
            f"Simulator on {server.url}, its clock stands at {app.now():%Y-%m-%d %H:%M} UTC. In another terminal:\n"
        )
        for name, value in {
            "SCHWAB_BASE_URL": server.url,
            "SCHWAB_API_KEY": app.key,
            "SCHWAB_APP_SECRET": app.secret,
            "SCHWAB_CALLBACK_URL": DEFAULT_CALLBACK_URLS.rpartition(",")[2],
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


def _simulator(
    folder: Path | None, script: Path | None, names: tuple[str, ...], today: datetime | None
) -> SchwabSimulator:
    history = MarketHistory.from_sample() if folder is None else history_from_folder(folder)
    written = Script() if script is None else read_script(script)
    now = written.clock.now or _evening(history, today)
    session = newest_session(history, now.astimezone(NEW_YORK).date())
    return SchwabSimulator(
        history, clock=written.started_clock(now), faults=written.plan(session, names=names), switches=None
    )


def _evening(history: MarketHistory, today: datetime | None) -> datetime:
    day = history.last_session if today is None else today.date()
    if day is None:
        message = "the folder of --data must hold bars, holds none"
        raise ConfigurationError(message)
    return datetime.combine(day, _AFTER_SETTLING, tzinfo=NEW_YORK).astimezone(UTC)


def _begins_with_a_token(app: SchwabSimulator) -> bool:
    """Return whether the client should begin with a request for a token: where something is to happen to it there."""
    return any(fault.on == "token" for fault in app.faults.faults) or not _AT_THE_TOKEN.isdisjoint(app.faults.settings)
