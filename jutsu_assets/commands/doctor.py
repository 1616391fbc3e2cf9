"""The command that examines everything, and mends what can be mended without loss."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from jutsu_assets.clock import SystemClock
from jutsu_assets.commands.terminal import console
from jutsu_assets.instance.server import named_history_url, shown_history_url
from jutsu_assets.monitoring.checks import CHECKS, Problem, problems_of
from jutsu_assets.monitoring.observed import Observed, Place
from jutsu_assets.settings import Settings
from jutsu_assets.store.health import StoreHealth
from jutsu_core.errors import JutsuError

if TYPE_CHECKING:
    from jutsu_assets.monitoring.notifiers import Notifier

SOUND, TO_MEND, WRONG_USE = 0, 1, 2

SettingsOf = Callable[[], Settings]


@click.command()
@click.option("--mend", is_flag=True, help="End dead runs, free slots, sweep stray files, mend a two-headed history.")
@click.option("--deep", is_flag=True, help="Read every bar and every value of the lake, and check the store's file.")
@click.option("--strict", is_flag=True, help="Exit with 1 also for what is only to be looked at.")
@click.option(
    "--notify", is_flag=True, help="Tell the targets of JUTSU_NOTIFY what began and ended since the last look."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for monitoring.")
@click.pass_obj
def doctor(settings_of: SettingsOf, *, mend: bool, deep: bool, strict: bool, notify: bool, as_json: bool) -> None:
    """Examine the store, the lake, the login and the run history; exit with 1 when something needs mending.

    Exit status: 0 nothing needs mending, 1 something does, 2 wrong use or wrong settings.
    """
    try:
        place = Place.here(settings_of())
        notifiers = _notifiers(place) if notify else []
    except JutsuError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(WRONG_USE) from None
    mended = list(_mended(place)) if mend else []
    with Observed.opened(place, SystemClock(), is_deep=deep) as observed:
        problems = problems_of(observed)
        if as_json:
            click.echo(json.dumps(_as_json(observed, problems, mended), indent=2, ensure_ascii=False))
        else:
            _show(console(), observed, problems, mended)
        if notify:
            _notify(observed, problems, notifiers)
    counted = [problem for problem in problems if strict or problem.gravity == "error"]
    raise SystemExit(TO_MEND if counted else SOUND)


def _mended(place: Place) -> Iterator[str]:
    """Mend what can be mended without loss, and yield what was done."""
    with Observed.opened(place, SystemClock()) as observed:
        if observed.history.findings or observed.outcomes.held_slots:
            from jutsu_assets.instance.mending import mend_history  # noqa: PLC0415 - Dagster takes seconds to import

            yield from mend_history(observed.history, observed.outcomes.held_slots)
        with suppress(JutsuError):  # the checks say what keeps the lake from being looked at
            for stray in observed.strays:
                with suppress(OSError):
                    stray.unlink()
                    yield f"{stray} is removed: nothing names it"


def _notifiers(place: Place) -> "list[Notifier]":
    from jutsu_assets.monitoring.notifiers import notifiers_of  # noqa: PLC0415 - mail and HTTP, for who asks for it

    return notifiers_of(place.environment)


def _notify(observed: Observed, problems: Sequence[Problem], notifiers: "Sequence[Notifier]") -> None:
    """Tell what changed; what cannot be told is said beside the output, by the log, and changes no exit status."""
    from jutsu_assets.monitoring.alerts import tell  # noqa: PLC0415

    try:
        tell(observed, problems, [check.name for check in CHECKS], notifiers, SystemClock())
    except JutsuError as error:
        click.echo(f"not told: {error}", err=True)


def _as_json(observed: Observed, problems: Sequence[Problem], mended: Sequence[str]) -> dict[str, object]:
    return {
        "at": observed.now.isoformat(),
        "source": observed.settings.source,
        "is_sound": not any(problem.gravity == "error" for problem in problems),
        "problems": [problem._asdict() for problem in problems],
        "mended": list(mended),
    }


def _show(shown: Console, observed: Observed, problems: Sequence[Problem], mended: Sequence[str]) -> None:
    for fact in _facts(observed):
        shown.print(fact, highlight=False, markup=False, soft_wrap=True)
    for done in mended:
        shown.print(f"mended: {done}", markup=False, highlight=False, soft_wrap=True)
    with suppress(JutsuError):
        shown.print(_health_table(observed.settings, observed.store, deep=observed.is_deep))
    errors = [problem for problem in problems if problem.gravity == "error"]
    for problem in problems:
        if problem.gravity == "warning":
            shown.print(f"to look at: {problem.said}", markup=False, highlight=False, soft_wrap=True)
    for problem in errors:
        shown.print(f"- {problem.said}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    shown.print("Nothing to mend." if not errors else f"{len(errors)} to mend.", style="bold")


def _facts(observed: Observed) -> Iterator[str]:
    """Yield a line on each part that can be read; what cannot be is a problem, and stands among them."""
    for fact in (_history_fact, _login_fact, _access_fact, _lake_fact, _replica_fact, _cache_fact):
        with suppress(JutsuError):
            if line := fact(observed):
                yield line


def _history_fact(observed: Observed) -> str:
    place = observed.history.place
    if place.is_on_our_server:
        return f"run history: {shown_history_url(named_history_url(place.written_url, observed.place.environment))}"
    return f"run history: {place.folder or 'in a database that Dagster looks after'}"


def _login_fact(observed: Observed) -> str:
    life = observed.login
    if life is None:
        return "login: none is needed for sample bars"
    if life.ends_at is None:
        return ""
    return f"login: until {life.ends_at:%Y-%m-%d %H:%M} UTC, {life.days_left:.1f} days left"


def _access_fact(observed: Observed) -> str:
    if not observed.is_of_today:
        return ""
    settings, state = observed.settings, observed.access
    standing = "is asked"
    if state.probe_at is not None:
        standing = f"is left alone until {state.probe_at:%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"{settings.source}: {standing}; {observed.sent_today:,} of {settings.daily_requests:,} requests today,"
        f" {state.retries_left} retries in the quota"
    )


def _lake_fact(observed: Observed) -> str:
    if not observed.is_of_today or not observed.files:
        return ""
    return f"lake: {len(observed.files):,} files in {observed.settings.lake_path}"


def _replica_fact(observed: Observed) -> str:
    lag = observed.replica_lag
    if lag is None:
        return ""
    if not lag.bytes_behind:
        return "read replica: shows all that there is"
    since = "for an unknown time" if lag.seconds is None else f"and {lag.seconds:,.1f} s"
    return f"read replica: {lag.bytes_behind:,} bytes {since} behind"


def _cache_fact(observed: Observed) -> str:
    is_there = observed.settings.cache_url is not None and observed.cache_fault is None
    return "newest bars: a Redis has them for readers" if is_there else ""


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
