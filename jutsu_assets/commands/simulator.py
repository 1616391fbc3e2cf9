"""The command that serves the simulator."""

import shlex
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime, time
from pathlib import Path

import click

from jutsu_assets.barfiles.reading import BrokenBars, DateOrder, DecimalMark, NoVolume, OnBadRow, Reading, Weekends
from jutsu_assets.schwab.tokens import FileTokenStore
from jutsu_assets.simulator.app import DEFAULT_CALLBACK_URLS, SchwabSimulator
from jutsu_assets.simulator.catalog import FAULTS, SETTINGS, newest_session
from jutsu_assets.simulator.folder import BarFolder
from jutsu_assets.simulator.market import MarketHistory
from jutsu_assets.simulator.pricehistory import NEW_YORK
from jutsu_assets.simulator.script import Script, read_script
from jutsu_assets.simulator.server import serve
from jutsu_core.errors import ConfigurationError

_LAST_PORT = 65535
_SCRATCH = Path("var/simulator")
_AFTER_SETTLING = time(20)
_AT_THE_TOKEN = {"rotate_refresh_tokens", "token_calls_in_20_seconds"}


_SHOWN_ROWS = 10
_READING: tuple[tuple[str, list[str] | None, str], ...] = (
    ("--timezone", None, "Where times without an offset are meant; New York, if not given."),
    ("--date-order", ["day_first", "month_first"], "How 03/04/2013 is meant, where the dates of a file leave it open."),
    ("--decimal", [".", ","], "How 12,345 is meant."),
    (
        "--on-bad-row",
        ["error", "quarantine"],
        "Whether a row that is no bar, or a file of none, is refused, or left out and shown.",
    ),
    ("--no-volume", ["error", "zero"], "Whether a row without a volume is refused, or has none."),
    ("--weekends", ["error", "keep"], "Whether daily bars of Saturdays and Sundays are refused."),
    (
        "--broken-bars",
        ["error", "keep"],
        "Whether candles whose prices contradict each other are no bars, or served as brokers do (the default).",
    ),
)
"""How the files of --data are read, where they do not say so themselves: jutsu_assets.barfiles.reading."""


def _how_to_read(command: Callable[..., None]) -> Callable[..., None]:
    rounding = "--data: Round prices of more than six decimals; they are refused otherwise."
    command = click.option("--round-to-scale", is_flag=True, help=rounding)(command)
    for flag, choices, text in reversed(_READING):
        kind = str if choices is None else click.Choice(choices)
        command = click.option(flag, type=kind, help=f"--data: {text}")(command)
    return command


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
@_how_to_read
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
    *,
    timezone: str | None,
    date_order: DateOrder | None,
    decimal: DecimalMark | None,
    on_bad_row: OnBadRow | None,
    no_volume: NoVolume | None,
    weekends: Weekends | None,
    broken_bars: BrokenBars | None,
    round_to_scale: bool,
) -> None:
    """Serve Schwab's protocol on this machine, over sample bars or bars of your own.

    What is fetched from it is kept in var/simulator, away from everything else.
    """
    reading = Reading(
        timezone=timezone,
        date_order=date_order,
        decimal=decimal,
        on_bad_row=on_bad_row or "error",
        no_volume=no_volume or "error",
        weekends=weekends or "error",
        broken_bars=broken_bars or "keep",
        round_to_scale=round_to_scale,
    )
    app = _simulator(_history(folder, reading), script, names, today)
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
            "JUTSU_DATABASE_READ_URL": "",
            "JUTSU_CACHE_URL": "",
        }.items():
            click.echo(f"  export {name}={shlex.quote(value) if value else ''}")
        click.echo(f"\nThen `jutsu demo` asks this simulator. To begin afresh: rm -r {_SCRATCH}/sample")
        if Path(".env").is_file():
            click.echo("Take the file .env away meanwhile: the commands of `dagster` believe it more than these.")
        click.echo("Ctrl-C ends it.")
        server.wait()


def _history(folder: Path | None, reading: Reading) -> MarketHistory:
    if folder is None:
        return MarketHistory.from_sample()
    market = BarFolder(folder, reading)
    if market.left_out:
        what = "rows" if all(row.line for row in market.left_out) else "rows and files"
        click.echo(f"{len(market.left_out):,} {what} were left out:")
        for row in market.left_out[:_SHOWN_ROWS]:
            click.echo(f"  {row.path}, {f'line {row.line}' if row.line else 'all of it'}, {row.reason}")
        if len(market.left_out) > _SHOWN_ROWS:
            click.echo(f"  and {len(market.left_out) - _SHOWN_ROWS:,} more")
    return market.history


def _simulator(
    history: MarketHistory, script: Path | None, names: tuple[str, ...], today: datetime | None
) -> SchwabSimulator:
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
