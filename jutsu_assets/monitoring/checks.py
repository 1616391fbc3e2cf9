"""Everything that can be wrong with an installation: a table of checks, each with its remedy."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from jutsu_assets.monitoring.observed import MOST_SECONDS_APART, MOST_SECONDS_BEHIND, Observed
from jutsu_core.errors import JutsuError, NoDataError, StoreError
from jutsu_core.quality.catalog import RULES
from jutsu_core.quality.findings import Severity, Verdict

Gravity = Literal["error", "warning"]

_NAMED = 5
_LEAST_FREE_BYTES = 2**29


class Check(NamedTuple):
    """One thing that can be wrong.

    Attributes:
        name: A truth: what holds while nothing is wrong.
        look: Returns what is wrong, a line each.
        remedy: What to do about it.
        gravity: An error needs mending; a warning wants to be looked at.
        tells: Whether the lines name a remedy of their own.
        is_quick: Whether it may be asked every few seconds: it counts no bars and opens no file of the lake.
        is_mended: Whether ``jutsu doctor --mend`` mends it.
    """

    name: str
    look: Callable[[Observed], Iterable[str]]
    remedy: str
    gravity: Gravity = "error"
    tells: bool = False
    is_quick: bool = True
    is_mended: bool = False


class Problem(NamedTuple):
    """Something that is wrong.

    Attributes:
        check: Name of the check that found it.
        gravity: How grave it is.
        said: What it is, in one line.
        remedy: What to do.
    """

    check: str
    gravity: Gravity
    said: str
    remedy: str


def problems_of(observed: Observed, *, only_quick: bool = False) -> list[Problem]:
    """Return what is wrong, in the order of :data:`CHECKS`; what cannot be read is said once.

    Args:
        observed: The installation.
        only_quick: Whether to leave out what takes longer than a look.
    """
    problems: list[Problem] = []
    seen: set[str] = set()
    for check in CHECKS:
        if only_quick and not check.is_quick:
            continue
        for said, tells in _looked(check, observed):
            if said not in seen:
                seen.add(said)
                line = said if tells else f"{said}; {check.remedy}"
                problems.append(Problem(check.name, check.gravity, line, check.remedy))
    return problems


def _looked(check: Check, observed: Observed) -> Iterator[tuple[str, bool]]:
    try:
        for said in check.look(observed):
            yield said, check.tells
    except JutsuError as error:
        yield str(error), True


def listed(names: Sequence[str]) -> str:
    """Return the first of ``names``, and how many more there are.

    Examples:
        >>> listed(["A", "B"]), listed(["A", "B", "C", "D", "E", "F", "G"])
        ('A, B', 'A, B, C, D, E and 2 more symbols')
    """
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more symbols" if more > 0 else "")


def _history(observed: Observed) -> Iterable[str]:
    return [] if observed.history.is_whole else observed.history.findings


def _dead_runs(observed: Observed) -> Iterable[str]:
    return observed.history.findings if observed.history.is_whole else []


def _queue(observed: Observed) -> Iterable[str]:
    waiting = observed.outcomes.waiting
    if waiting:
        yield f"{len(waiting):,} runs have been waiting for more than an hour, such as {next(iter(waiting))}"


def _slots(observed: Observed) -> Iterable[str]:
    for run_id, pool in observed.outcomes.held_slots.items():
        yield f"run {run_id} has ended and holds a slot of {pool}"


def _universe(observed: Observed) -> Iterable[str]:
    return [] if observed.universe.symbols else ["the universe names no symbol"]


def _there(observed: Observed) -> Iterable[str]:
    observed.is_of_today  # noqa: B018 - who cannot be asked says why
    return []


def _library(observed: Observed) -> Iterable[str]:
    return [found for found in observed.store.findings if observed.store.has_wal_reset_bug and "WAL-reset" in found]


def _store(observed: Observed) -> Iterable[str]:
    library = set(_library(observed))
    return [found for found in observed.store.findings if found not in library]


def _of_today(look: Callable[[Observed], Iterable[str]]) -> Callable[[Observed], Iterable[str]]:
    """Return ``look`` for a store with today's tables; of an older one another check says so."""

    def looked(observed: Observed) -> Iterable[str]:
        try:
            is_today = observed.is_of_today
        except (NoDataError, StoreError):
            return []  # the check that there is a store says so
        return look(observed) if is_today else []

    return looked


def _writable(observed: Observed) -> Iterable[str]:
    if (refusal := observed.write_refusal) is not None:
        yield f"the store at {observed.database.shown_url} must be writable, but the server {refusal}"


def _replica(observed: Observed) -> Iterable[str]:
    observed.replica_lag  # noqa: B018 - who cannot be read says why
    return []


def _replica_lag(observed: Observed) -> Iterable[str]:
    lag = observed.replica_lag
    if lag is not None and (lag.seconds is None or lag.seconds > MOST_SECONDS_BEHIND):
        since = "for an unknown time" if lag.seconds is None else f"and {lag.seconds:,.0f} s"
        yield f"the read replica is {lag.bytes_behind:,} bytes {since} behind"


def _broker(observed: Observed) -> Iterable[str]:
    return [] if observed.broker_fault is None else [observed.broker_fault]


def _cache(observed: Observed) -> Iterable[str]:
    return [] if observed.cache_fault is None else [observed.cache_fault]


def _breaker(observed: Observed) -> Iterable[str]:
    state = observed.access
    if state.is_open:
        yield f"{state.failures} requests failed in a row (the last: {state.last_failure})"


def _requests(observed: Observed) -> Iterable[str]:
    if observed.sent_today >= observed.settings.daily_requests:
        yield "the day's requests are spent"


def _retries(observed: Observed) -> Iterable[str]:
    if not observed.access.retries_left:
        yield f"the retries that all processes share are spent (the last failure: {observed.access.last_failure})"


def _login(observed: Observed) -> Iterable[str]:
    life = observed.login
    return [] if life is None or life.standing == "sound" else [life.message]


def _lake(observed: Observed) -> Iterable[str]:
    if not observed.files:
        return []
    from jutsu_assets.lake.verification import lake_findings  # noqa: PLC0415 - Arrow takes long to import

    return lake_findings(observed.settings.lake_path, observed.files, deep=observed.is_deep)


def _strays(observed: Observed) -> Iterable[str]:
    if strays := observed.strays:
        size = sum(path.stat().st_size for path in strays if path.exists())
        yield f"{len(strays):,} files that nothing names lie in {observed.settings.lake_path} ({size:,} bytes)"


def _partitions(observed: Observed) -> Iterable[str]:
    """Return a line for each reason for which partitions failed, with the symbols that it met."""
    by_reason: dict[str, dict[str, list[str]]] = {}
    first = {failure.reason: failure.failed_at for failure in reversed(observed.failures)}
    for failure in observed.failures:
        by_reason.setdefault(failure.reason, {}).setdefault(failure.partition, []).append(failure.asset)
    for reason, met in by_reason.items():
        assets = ", ".join(next(iter(met.values())))
        yield f"{listed(list(met))}: {assets} failed at {first[reason]:%Y-%m-%d %H:%M} UTC: {reason}"


def _found(severity: Severity) -> Callable[[Observed], Iterable[str]]:
    return lambda observed: findings_by_rule(observed.verdicts, severity)


def findings_by_rule(verdicts: Mapping[str, Verdict], severity: Severity | None = None) -> list[str]:
    """Return what is open in the bars of symbols: a line a rule, with the worst symbols and what to do.

    Args:
        verdicts: What the rules say of each symbol.
        severity: Of rules of this severity alone.
    """
    lines = []
    for rule in RULES:
        counts = {symbol: of.counts[rule.name] for symbol, of in verdicts.items() if rule.name in of.counts}
        if not counts or severity not in (None, rule.severity):
            continue
        worst = [
            f"{symbol} {counts[symbol]:,}" for symbol in sorted(counts, key=lambda symbol: (-counts[symbol], symbol))
        ]
        lines.append(
            f"{rule.name}: {sum(counts.values()):,} open ({listed(worst)}); see `jutsu quality list --rule"
            f" {rule.name}`. {rule.description}"
        )
    return lines


def _stale(observed: Observed) -> Iterable[str]:
    for asset, symbols in observed.stale.items():
        yield f"{asset} of {listed(symbols)} is not made of the bars that are stored"


def _nothing(observed: Observed) -> Iterable[str]:
    if not observed.newest and observed.unasked:
        yield f"none of the {len(observed.universe.symbols):,} symbols that are followed has a bar"


def _unasked(observed: Observed) -> Iterable[str]:
    if observed.newest and observed.unasked:
        yield f"{listed(observed.unasked)}: nothing was ever asked of what the universe file follows"


def _lag(observed: Observed) -> Iterable[str]:
    if behind := observed.behind:
        worst = sorted(behind, key=lambda symbol: (-behind[symbol], symbol))
        yield f"{listed([f'{symbol} {behind[symbol]:,}' for symbol in worst])} lack so many of the newest sessions"


def _disk(observed: Observed) -> Iterable[str]:
    if observed.free_bytes < _LEAST_FREE_BYTES:
        yield f"{observed.settings.home} has room for {observed.free_bytes:,} bytes alone"


def _clock(observed: Observed) -> Iterable[str]:
    if abs(seconds := observed.clock_ahead_seconds) > MOST_SECONDS_APART:
        yield f"this machine's clock is {abs(seconds):,.0f} s {'ahead of' if seconds > 0 else 'behind'} the database's"


STORE_CHECK: Final = "there_is_a_store"
"""The check without which nothing else is known."""

CHECKS: tuple[Check, ...] = (
    Check(
        "run_history_is_whole",
        _history,
        "do what the line says; `jutsu doctor --mend` mends two heads",
        tells=True,
        is_mended=True,
    ),
    Check("no_run_is_dead", _dead_runs, "end it by `jutsu doctor --mend`", tells=True, is_mended=True),
    Check("no_slot_is_held", _slots, "`jutsu doctor --mend` frees it", is_mended=True),
    Check(
        "the_queue_moves",
        _queue,
        "see that a daemon runs (`jutsu ui`, or the service of the daemon), and what holds the queue in the UI",
    ),
    Check(
        "the_broker_listens",
        _broker,
        "start it, or correct JUTSU_CELERY_BROKER: what is launched meanwhile fails",
    ),
    Check("the_login_is_alive", _login, "run `jutsu login`", tells=True),
    Check("the_universe_can_be_read", _universe, "correct the universe file", tells=True),
    Check(STORE_CHECK, _there, "run `jutsu update`, or see JUTSU_HOME and JUTSU_DATABASE_URL", tells=True),
    Check("the_sqlite_library_is_sound", _library, "pip install pysqlite3", tells=True, is_quick=False),
    Check("the_store_is_sound", _store, "restore a backup (jutsu restore FILE)", tells=True, is_quick=False),
    Check(
        "the_store_takes_writes",
        _of_today(_writable),
        "name the server that takes writes in JUTSU_DATABASE_URL, or let its user write; a replica for readers goes"
        " into JUTSU_DATABASE_READ_URL",
    ),
    Check(
        "the_replica_serves",
        _of_today(_replica),
        "start it, or unset JUTSU_DATABASE_READ_URL: readers read the primary then",
        tells=True,
    ),
    Check(
        "replica_is_close",
        _of_today(_replica_lag),
        "see pg_stat_replication on the primary and the replica's log; or unset JUTSU_DATABASE_READ_URL",
        gravity="warning",
    ),
    Check(
        "the_cache_answers",
        _of_today(_cache),
        "start it, or unset JUTSU_CACHE_URL; the database answers meanwhile, and what is written is withdrawn late",
        gravity="warning",
    ),
    Check("the_breaker_is_closed", _of_today(_breaker), "the next run after the pause asks again"),
    Check("requests_are_left", _of_today(_requests), "wait until tomorrow, or set JUTSU_DAILY_REQUESTS higher"),
    Check(
        "retries_are_left",
        _of_today(_retries),
        "wait: five successes bring one back; if it stays so, see the source's status page",
        gravity="warning",
    ),
    Check("partitions_are_made", _of_today(_partitions), "as the reason says; then `jutsu update`", tells=True),
    Check("something_is_stored", _of_today(_nothing), "run `jutsu update`, which says what keeps it"),
    Check("every_symbol_was_asked_for", _of_today(_unasked), "run `jutsu update`", gravity="warning"),
    Check("bars_are_sound", _of_today(_found(Severity.ERROR)), "mend or acknowledge it (`jutsu quality`)", tells=True),
    Check(
        "bars_are_usual",
        _of_today(_found(Severity.WARN)),
        "look at it, and acknowledge it (`jutsu quality acknowledge`)",
        gravity="warning",
        tells=True,
    ),
    Check("bars_are_fresh", _of_today(_lag), "run `jutsu update`; see that schedules or cron run", gravity="warning"),
    Check("series_follow_their_bars", _of_today(_stale), "run `jutsu update`", gravity="warning"),
    Check("the_lake_is_whole", _of_today(_lake), "materialize it again", tells=True, is_quick=False),
    Check(
        "the_lake_is_swept",
        _of_today(_strays),
        "`jutsu doctor --mend` removes them",
        gravity="warning",
        is_quick=False,
        is_mended=True,
    ),
    Check("the_disk_has_room", _disk, "make room, or move JUTSU_HOME"),
    Check("the_clock_is_right", _of_today(_clock), "set the clock of this machine right (NTP)"),
)
"""All of them, in the order in which they are told."""
