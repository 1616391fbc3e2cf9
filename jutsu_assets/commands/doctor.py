"""The command that examines everything, and mends what can be mended without loss."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from jutsu_assets.clock import SystemClock
from jutsu_assets.commands.quality import quality_findings
from jutsu_assets.commands.terminal import console
from jutsu_assets.instance.health import examine_history
from jutsu_assets.schwab.tokens import FileTokenStore, login_life
from jutsu_assets.settings import Settings
from jutsu_assets.store.coordination import RequestLedger
from jutsu_assets.store.engine import Database
from jutsu_assets.store.existing import stored_database
from jutsu_assets.store.failures import PartitionFailure, PartitionFailures
from jutsu_assets.store.health import StoreHealth, examine
from jutsu_assets.store.manifest import SeriesManifest
from jutsu_assets.universe import load_universe
from jutsu_core.errors import ConfigurationError, NoDataError
from jutsu_core.quality.findings import Severity

_NAMED = 5

SettingsOf = Callable[[], Settings]


@click.command()
@click.option("--mend", is_flag=True, help="End runs whose process is gone, and mend a run history with two heads.")
@click.option("--deep", is_flag=True, help="Read every bar and every value of the lake, and check the store's file.")
@click.pass_obj
def doctor(settings_of: SettingsOf, *, mend: bool, deep: bool) -> None:
    """Examine the store, the lake, the login and the run history; exit with 1 when something needs mending."""
    settings, shown = settings_of(), console()
    findings = [*_history_findings(shown, mend=mend), *_login_findings(settings, shown)]
    try:
        findings += _store_findings(settings, shown, deep=deep)
    except NoDataError as error:
        findings.append(str(error))
    for finding in findings:
        shown.print(f"- {finding}", style="yellow", markup=False, soft_wrap=True)
    shown.print("Nothing to mend." if not findings else f"{len(findings)} to mend.", style="bold")
    raise SystemExit(1 if findings else 0)


def _store_findings(settings: Settings, shown: Console, *, deep: bool) -> list[str]:
    with stored_database(settings) as database:
        with shown.status("Examining the store ..."):
            health = examine(database, deep=deep)
        shown.print(_health_table(settings, health, deep=deep))
        findings = list(health.findings)
        if health.contents is not None and health.contents.is_head:
            findings += _access_findings(settings, database, shown)
            findings += _symbol_findings(settings, database, shown)
            findings += _lake_findings(settings, database, shown, deep=deep)
    return findings


def _lake_findings(settings: Settings, database: Database, shown: Console, *, deep: bool) -> list[str]:
    from jutsu_assets.lake.verification import lake_findings  # noqa: PLC0415 - Arrow takes long to import

    files = SeriesManifest(database, SystemClock()).all_current()
    if not files:
        return []
    shown.print(f"lake: {len(files):,} files in {settings.lake_path}", highlight=False, soft_wrap=True)
    return lake_findings(settings.lake_path, files, deep=deep)


def _symbol_findings(settings: Settings, database: Database, shown: Console) -> list[str]:
    """Return what is not up to date, and what the rules found, of the symbols that are followed."""
    try:
        symbols = load_universe(settings.universe_path, SystemClock()).symbols
    except ConfigurationError as error:
        return [str(error)]
    for note in quality_findings(database, symbols, Severity.WARN):
        shown.print(f"to look at: {note}", markup=False, highlight=False, soft_wrap=True)
    return [*_failures(database, symbols), *quality_findings(database, symbols, Severity.ERROR)]


def _failures(database: Database, symbols: Sequence[str]) -> list[str]:
    """Return a line for each reason for which partitions failed, with the symbols that it met."""
    standing: dict[str, dict[str, list[PartitionFailure]]] = {}
    for failure in PartitionFailures(database, SystemClock()).all_standing():
        if failure.partition in symbols:
            standing.setdefault(failure.reason, {}).setdefault(failure.partition, []).append(failure)
    lines = []
    for reason, met in standing.items():
        first = next(iter(met.values()))
        more = f" and {len(met) - _NAMED:,} more symbols" if len(met) > _NAMED else ""
        lines.append(
            f"{', '.join(list(met)[:_NAMED])}{more}: {', '.join(failure.asset for failure in first)} failed at"
            f" {first[0].failed_at:%Y-%m-%d %H:%M} UTC: {reason}"
        )
    return lines


def _history_findings(shown: Console, *, mend: bool) -> list[str]:
    health = examine_history(os.environ, Path.cwd())
    place = health.folder or "in a database that Dagster looks after"
    shown.print(f"run history: {place}", highlight=False, soft_wrap=True)
    if not (mend and health.findings):
        return health.findings
    from jutsu_assets.instance.mending import mend_history  # noqa: PLC0415 - Dagster takes seconds to import

    for done in mend_history(health):
        shown.print(f"mended: {done}", markup=False, highlight=False, soft_wrap=True)
    return examine_history(os.environ, Path.cwd()).findings


def _health_table(settings: Settings, health: StoreHealth, *, deep: bool) -> Table:
    table = Table(show_header=False, title=f"{'SAMPLE' if settings.is_sample else 'Live'} store")
    rows = {
        "database": health.url,
        "library": f"{health.library} {health.version}",
        "journal": f"{health.journal_mode or 'server'}, synchronous {health.synchronous}",
        "size": f"{health.size_bytes:,} bytes" + (f" and {health.wal_bytes:,} ahead" if health.wal_bytes else ""),
    }
    if health.contents is not None:
        contents = health.contents
        rows |= {
            "schema": contents.schema_revision + (" (newest)" if contents.is_head else ""),
            "source": contents.source or "none yet",
            "bars": f"{contents.bars:,} of {contents.symbols:,} symbols",
            "revisions": f"{contents.revisions:,}",
            "quarantined": f"{contents.quarantined:,}",
        }
    rows["examined"] = "every bar" if deep else "counts and bounds (--deep reads every bar)"
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _login_findings(settings: Settings, console: Console) -> list[str]:
    if settings.credentials is None:
        console.print("login: none is needed for sample bars")
        return []
    life = login_life(FileTokenStore(settings.credentials.token_path), SystemClock().now())
    if life.ends_at is not None:
        console.print(
            f"login: until {life.ends_at:%Y-%m-%d %H:%M} UTC, {life.days_left:.1f} days left", highlight=False
        )
    return [] if life.standing == "sound" else [life.message]


def _access_findings(settings: Settings, database: Database, console: Console) -> list[str]:
    clock = SystemClock()
    ledger = RequestLedger(database, clock)
    state, sent = ledger.state(), ledger.sent_on(clock.now().date())
    standing = "is asked"
    if state.probe_at is not None:
        standing = f"is left alone until {state.probe_at:%Y-%m-%d %H:%M:%S} UTC"
    console.print(
        f"{settings.source}: {standing}; {sent:,} of {settings.daily_requests:,} requests today,"
        f" {state.retries_left} retries in the quota",
        highlight=False,
    )
    findings = []
    if state.is_open:
        findings.append(
            f"{state.failures} requests failed in a row (the last: {state.last_failure}); the next run after the"
            " pause asks again"
        )
    if sent >= settings.daily_requests:
        findings.append("the day's requests are spent: wait until tomorrow, or set JUTSU_DAILY_REQUESTS higher")
    return findings
