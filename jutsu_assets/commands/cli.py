"""The ``jutsu`` command: a table of commands, each loaded by who runs it."""

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from jutsu_core.errors import JutsuError

if TYPE_CHECKING:
    from jutsu_assets.settings import Settings


class Entry(NamedTuple):
    """Where a command is, and what it says of itself in a line.

    Attributes:
        module: Its module beside this one.
        function: Its function there.
        help: The first sentence of its help.
    """

    module: str
    function: str
    help: str


COMMANDS = {
    "backup": Entry("administration", "back_up", "Copy the store into FILE, consistently, while others may write."),
    "capacity": Entry(
        "capacity",
        "capacity",
        "Say what a universe takes: requests, minutes, rows, events and disk, from measured costs.",
    ),
    "copy": Entry(
        "administration", "copy", "Copy the store to the empty database at URL, for example to move to PostgreSQL."
    ),
    "demo": Entry(
        "cli", "demo", "Materialize SAMPLE bars, indicators, performance and a backtest, and show the results."
    ),
    "doctor": Entry(
        "doctor",
        "doctor",
        "Examine the store, the lake, the login and the run history; exit with 1 when something needs mending.",
    ),
    "init": Entry("init", "init", "Write the files that Jutsu begins with into FOLDER, and make its stores ready."),
    "instance": Entry("instance", "instance", "Look after Dagster's instance: move its run history to PostgreSQL."),
    "login": Entry(
        "login",
        "login",
        "Log in to Schwab, which lasts seven days: a page opens, and Jutsu hears when you allowed access.",
    ),
    "portfolios": Entry(
        "portfolios",
        "portfolios",
        "Run the backtests, measure the portfolios, and show where their tear sheets are.",
    ),
    "metrics": Entry(
        "metrics", "metrics", "Print metrics of bars, requests, runs and findings, in Prometheus' format."
    ),
    "quality": Entry(
        "quality", "quality", "Show what the rules of quality found in the stored bars, and keep what was looked at."
    ),
    "report": Entry(
        "reading", "report", "Show the stored performance of SYMBOLs, or of the universe, and where the pages are."
    ),
    "restore": Entry(
        "administration", "bring_back", "Make the store what the backup FILE holds; others may have it open."
    ),
    "revisions": Entry(
        "administration",
        "revisions",
        "List which bars of SYMBOL were restated or withdrawn, when, and what they said before.",
    ),
    "simulator": Entry(
        "simulator", "simulator", "Serve Schwab's protocol on this machine, over sample bars or bars of your own."
    ),
    "sql": Entry(
        "reading", "sql", "Run a QUERY in DuckDB over the lake's series, for example: select * from daily_indicators."
    ),
    "ui": Entry("ui", "ui", "Serve the Dagster UI and the reports, and run what is scheduled, until Ctrl-C."),
    "update": Entry("update", "update", "Bring the stored bars and all that is derived from them up to date."),
    "verify-report": Entry(
        "portfolios",
        "verify_report",
        "Derive the report in FILE again from the data that it holds, and say what differs.",
    ),
}
"""Commands by name. A line of help stands here too, so that a list of them loads none."""


class _Commands(click.Group):
    """Shows our own errors, and the machine's, as one line; any other is a fault of ours and keeps its traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        # Of the module that runs as the command there must not be a second one, under its own name.
        module = sys.modules[__name__] if entry.module == "cli" else _load(entry.module)
        command: click.Command = getattr(module, entry.function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].help) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> object:
        from jutsu_assets.logs import logs_as_they_were  # noqa: PLC0415 - a list of commands needs none

        try:
            with logs_as_they_were():
                return super().invoke(ctx)
        except JutsuError as error:
            raise click.ClickException(str(error)) from error
        except Exception as error:
            if (said := _of_the_machine(error)) is None:
                raise
            message = (
                f"what lies in JUTSU_HOME and DAGSTER_HOME must be readable and writable, was not: {said}; make room on"
                " the disk, set the rights of the folder right, or name another"
            )
            raise click.ClickException(message) from error


def _of_the_machine(error: BaseException) -> str | None:
    """Return what kept Dagster, or us, from a file or a database, in one line; None where it is another fault.

    Of a database the error of the driver tells, of whichever library; Dagster raises it as SQLAlchemy's cause.
    """
    driver = getattr(error, "orig", error)
    is_refused = isinstance(error, OSError) and error.errno is not None and error.filename is not None
    if not is_refused and not any(kind.__name__ == "OperationalError" for kind in type(driver).__mro__):
        return None
    return f"{type(driver).__name__}: {' '.join(str(driver).split())}"


def _load(module: str) -> object:
    return importlib.import_module(f"jutsu_assets.commands.{module}")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jutsu", prog_name="jutsu")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Market-data bars, indicators and performance reports as Dagster assets."""
    ctx.obj = _settings


@click.command()
def demo() -> None:
    """Materialize SAMPLE bars, indicators, performance and a backtest, and show the results.

    Schwab credentials are not used, even where there are some.
    """
    from jutsu_assets.commands.demo import run_demo  # noqa: PLC0415 - Dagster takes seconds to import
    from jutsu_assets.commands.terminal import say_which_universe  # noqa: PLC0415
    from jutsu_assets.instance.home import prepared_home  # noqa: PLC0415

    settings = _settings()
    say_which_universe(settings.as_sample())
    os.environ["DAGSTER_HOME"] = str(prepared_home(os.environ, Path.cwd()))
    sys.exit(run_demo(settings))


def _settings() -> "Settings":
    from jutsu_assets.logs import configure_logs  # noqa: PLC0415 - a list of commands needs none
    from jutsu_assets.settings import Settings, read_environment  # noqa: PLC0415

    # As Dagster's own commands do; what a resource reads by the name of its variable has to be there too.
    os.environ.update(read_environment())
    # Dagster asks only its own settings file, which need not be there, and this.
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    configure_logs(os.environ)
    return Settings.from_environment(os.environ)
