"""The commands that show what the rules found in the stored bars, and keep what a person looked at."""

import getpass
from collections.abc import Callable, Sequence
from datetime import date, datetime

import click
from rich.table import Table

from jutsu_assets.clock import SystemClock
from jutsu_assets.commands.terminal import console
from jutsu_assets.settings import Settings
from jutsu_assets.store.engine import Database
from jutsu_assets.store.existing import stored_database
from jutsu_assets.store.findings import FindingsLedger
from jutsu_core.bars import Timeframe
from jutsu_core.quality.catalog import RULES
from jutsu_core.quality.findings import KeptFinding

WORST_SYMBOLS = 5
_RULE = click.Choice([rule.name for rule in RULES])
_SESSION = click.DateTime(["%Y-%m-%d"])
_D1 = Timeframe.D1

SettingsOf = Callable[[], Settings]


@click.group()
def quality() -> None:
    """Show what the rules of quality found in the stored bars, and keep what was looked at."""


@quality.command(name="list")
@click.argument("symbols", nargs=-1, metavar="[SYMBOL]...")
@click.option("--rule", type=_RULE, metavar="RULE", help="Of this rule alone.")
@click.option("--all", "with_acknowledged", is_flag=True, help="With those that were acknowledged.")
@click.pass_obj
def list_findings(
    settings_of: SettingsOf, symbols: tuple[str, ...], rule: str | None, *, with_acknowledged: bool
) -> None:
    """List the findings of every symbol, or of SYMBOLs, as the last runs recorded them."""
    with stored_database(settings_of(), upgrade=True) as database:
        found = FindingsLedger(database, SystemClock()).findings(_D1, symbols or None, rule)
    shown = [kept for kept in found if with_acknowledged or kept.acknowledgement is None]
    hidden = len(found) - len(shown)
    if shown:
        console().print(_table(shown))
    click.echo(f"{len(shown):,} findings" + (f", {hidden:,} acknowledged ones not shown (--all)" if hidden else ""))


@quality.command()
@click.argument("symbol")
@click.argument("rule", type=_RULE, metavar="RULE")
@click.option("--session", type=_SESSION, help="Of this session alone, such as 2013-03-01.")
@click.option("--reason", required=True, help="Why it may stay: kept, and shown wherever the finding is.")
@click.option("--by", "name", help="Who looked at it; the user of this machine, if not given.")
@click.pass_obj
def acknowledge(
    settings_of: SettingsOf, symbol: str, rule: str, session: datetime | None, reason: str, name: str | None
) -> None:
    """Keep what RULE found in SYMBOL: it stays listed as acknowledged, and fails no check any more."""
    if not reason.strip():
        message = "--reason must say why the finding may stay, was empty"
        raise click.UsageError(message)
    with stored_database(settings_of(), upgrade=True) as database:
        kept = FindingsLedger(database, SystemClock()).acknowledge(
            symbol, _D1, rule, _date(session), reason=reason.strip(), by=name or getpass.getuser()
        )
    click.echo(f"Acknowledged {len(kept):,} findings of {rule} in {symbol}. The next run shows the check so.")


@quality.command()
@click.argument("symbol")
@click.argument("rule", type=_RULE, metavar="RULE")
@click.option("--session", type=_SESSION, help="Of this session alone, such as 2013-03-01.")
@click.pass_obj
def withdraw(settings_of: SettingsOf, symbol: str, rule: str, session: datetime | None) -> None:
    """Take acknowledgements of RULE in SYMBOL back."""
    with stored_database(settings_of(), upgrade=True) as database:
        count = FindingsLedger(database, SystemClock()).withdraw(symbol, _D1, rule, _date(session))
    click.echo(f"Took {count:,} acknowledgements of {rule} in {symbol} back.")


def quality_findings(database: Database, symbols: Sequence[str]) -> list[str]:
    """Return what is open, for the doctor: a line a rule, the worst symbols first; of ``symbols`` alone."""
    verdicts = FindingsLedger(database, SystemClock()).verdicts(_D1, symbols)
    lines = []
    for rule in RULES:
        counts = {
            symbol: verdict.counts[rule.name] for symbol, verdict in verdicts.items() if rule.name in verdict.counts
        }
        if counts:
            worst = sorted(counts, key=lambda symbol: (-counts[symbol], symbol))
            named = ", ".join(f"{symbol} {counts[symbol]:,}" for symbol in worst[:WORST_SYMBOLS])
            more = f" and {len(worst) - WORST_SYMBOLS:,} more" if len(worst) > WORST_SYMBOLS else ""
            lines.append(
                f"{rule.name} is not true of {len(worst):,} symbols ({named}{more}):"
                f" `jutsu quality list --rule {rule.name}`"
            )
    return lines


def _date(session: datetime | None) -> date | None:
    return None if session is None else session.date()


def _table(findings: Sequence[KeptFinding]) -> Table:
    table = Table("symbol", "session", "rule", "finding", "acknowledged")
    for symbol, finding, acknowledgement in findings:
        table.add_row(
            symbol,
            "" if finding.session is None else str(finding.session),
            finding.rule,
            finding.text,
            ""
            if acknowledgement is None
            else f"{acknowledgement.by}, {acknowledgement.at:%Y-%m-%d}: {acknowledgement.reason}",
        )
    return table
