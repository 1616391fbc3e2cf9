"""The commands about what the rules of quality found: list it, keep what a person looked at, take that back."""

import getpass
from collections.abc import Callable, Sequence
from datetime import date

import click
from rich.table import Table
from rich.text import Text

from jutsu_assets.clock import SystemClock
from jutsu_assets.commands.terminal import console
from jutsu_assets.monitoring.checks import findings_by_rule
from jutsu_assets.settings import Settings
from jutsu_assets.store.engine import Database
from jutsu_assets.store.existing import stored_database
from jutsu_assets.store.findings import FindingsLedger
from jutsu_core.bars import Timeframe
from jutsu_core.errors import InvalidInputError, NoDataError
from jutsu_core.quality.catalog import RULES
from jutsu_core.quality.findings import KeptFinding, Severity, Verdict

SettingsOf = Callable[[], Settings]

MOST_SHOWN = 1_000


@click.group()
def quality() -> None:
    """Show what the rules of quality found in the stored bars, and keep what was looked at."""


@quality.command(name="list")
@click.argument("symbols", nargs=-1, metavar="[SYMBOL]...")
@click.option("--rule", help="Only what this rule found.")
@click.option("--all", "with_kept", is_flag=True, help="What was acknowledged too, with who, when and why.")
@click.pass_obj
def list_findings(settings_of: SettingsOf, symbols: tuple[str, ...], rule: str | None, *, with_kept: bool) -> None:
    """List what was found and nobody acknowledged, of SYMBOLs or of all, when they were last materialized."""
    _require_rule(rule)
    with stored_database(settings_of(), upgrade=True) as database:
        ledger = FindingsLedger(database, SystemClock())
        verdicts = ledger.verdicts(Timeframe.D1, symbols or None)
        _require_judged(symbols, verdicts, database)
        listed = [
            known
            for known in ledger.findings(Timeframe.D1, symbols or None, rule)
            if with_kept or known.acknowledgement is None
        ]
    found, kept = _total(verdicts, rule, "counts"), _total(verdicts, rule, "acknowledged")
    if listed:
        console().print(_table(listed[:MOST_SHOWN], with_kept=with_kept))
    click.echo(f"{len(verdicts):,} symbols judged: {found:,} findings open, {kept:,} acknowledged.")
    if (unseen := found + (kept if with_kept else 0) - len(listed[:MOST_SHOWN])) > 0:
        click.echo(f"{unseen:,} more are not shown: name a SYMBOL or a --rule, or mend or acknowledge some of these.")


@quality.command()
@click.argument("symbol")
@click.argument("rule")
@click.option("--session", help="The one session date, such as 2013-03-01; every session that is listed if left out.")
@click.option("--reason", required=True, help="Why it is right as it is, for who reads it later.")
@click.option("--by", help="Who looked at it; the user of this machine if left out.")
@click.pass_obj
def acknowledge(
    settings_of: SettingsOf, symbol: str, rule: str, session: str | None, reason: str, by: str | None
) -> None:
    """Keep what RULE found in the bars of SYMBOL: it stays listed, and fails nothing any more.

    What is kept is this fault. Another one of the same session is found anew.
    """
    _require_rule(rule)
    day, who = _date(session), by or _user()
    with stored_database(settings_of(), upgrade=True) as database:
        ledger = FindingsLedger(database, SystemClock())
        _require_judged([symbol], ledger.verdicts(Timeframe.D1, [symbol]), database)
        chosen = ledger.acknowledge(symbol, Timeframe.D1, rule, day, reason=reason, by=who)
    click.echo(f"{len(chosen):,} of {rule} in {symbol} acknowledged by {who}; the next run's checks count it so.")


@quality.command()
@click.argument("symbol")
@click.argument("rule")
@click.option("--session", help="The one session date, such as 2013-03-01; every acknowledged one if left out.")
@click.pass_obj
def withdraw(settings_of: SettingsOf, symbol: str, rule: str, session: str | None) -> None:
    """Take back what was acknowledged of RULE in the bars of SYMBOL: it is open again."""
    _require_rule(rule)
    day = _date(session)
    with stored_database(settings_of(), upgrade=True) as database:
        count = FindingsLedger(database, SystemClock()).withdraw(symbol, Timeframe.D1, rule, day)
    click.echo(f"{count:,} of {rule} in {symbol} withdrawn; the next run's checks count it so.")


def quality_findings(database: Database, symbols: Sequence[str], severity: Severity | None = None) -> list[str]:
    """Return what is open in the bars of ``symbols``: a line a rule, with the worst symbols and what to do.

    Args:
        database: A store with today's schema; only its ledger is read.
        symbols: Those that are followed.
        severity: Of rules of this severity alone.
    """
    return findings_by_rule(FindingsLedger(database, SystemClock()).verdicts(Timeframe.D1, symbols), severity)


def _table(listed: Sequence[KeptFinding], *, with_kept: bool) -> Table:
    table = Table("symbol", "session", "rule", "finding", *(["acknowledged"] if with_kept else []))
    for symbol, (rule, session, text), kept in listed:
        said = "" if kept is None else f"{kept.at:%Y-%m-%d} by {kept.by}: {kept.reason}"
        cells = [symbol, "" if session is None else str(session), rule, text, *([said] if with_kept else [])]
        table.add_row(*map(Text, cells))  # what a source sent is no markup
    return table


def _total(verdicts: dict[str, Verdict], rule: str | None, name: str) -> int:
    counts = (getattr(verdict, name) for verdict in verdicts.values())
    return sum(sum(of.values()) if rule is None else of.get(rule, 0) for of in counts)


def _require_rule(rule: str | None) -> None:
    names = [known.name for known in RULES]
    if rule is not None and rule not in names:
        message = f"rule must be one of {', '.join(names)}, was {rule!r}"
        raise InvalidInputError(message)


def _require_judged(symbols: Sequence[str], verdicts: dict[str, Verdict], database: Database) -> None:
    unknown = [symbol for symbol in symbols if symbol not in verdicts]
    if unknown or not verdicts:
        message = (
            f"the bars of {', '.join(unknown) or 'some symbol'} must have been judged, were not in"
            f" {database.shown_url}; check the spelling, or run `jutsu update`"
        )
        raise NoDataError(message)


def _date(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        message = f"session must be a date such as 2013-03-01, was {text!r}"
        raise InvalidInputError(message) from None


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may have no name for who runs there
        message = "by must say who looked at it, and this machine has no name for its user: give --by NAME"
        raise InvalidInputError(message) from None
