"""Metrics for Prometheus, read from what is stored: the same over all processes and after a restart.

A page of metrics is asked for every few seconds, so that nothing here counts bars or opens a file of
the lake. What cannot be read is left out; ``jutsu_problems`` says so, by the check that found it.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from jutsu_assets.monitoring.checks import CHECKS, problems_of
from jutsu_assets.monitoring.observed import Observed, Place
from jutsu_assets.whole_files import write_whole
from jutsu_core.errors import ConfigurationError, JutsuError
from jutsu_core.ports import Clock
from jutsu_core.quality.catalog import RULES

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_READABLE_BY_ALL = 0o644
_GOOD_FOR_SECONDS = 5.0
_MISSING = "no_session_is_missing"

Sample = tuple[tuple[str, ...], float]


class Metric(NamedTuple):
    """One metric.

    Attributes:
        name: By Prometheus' conventions: a unit at its end, ``_total`` after what only grows.
        kind: ``counter`` for what only grows, else ``gauge``.
        help: What it is.
        samples: Returns its values, each with those of its labels.
        labels: Names of its labels.
        of_store: Whether it needs a store with today's tables.
    """

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: Callable[[Observed], Iterable[Sample]]
    labels: tuple[str, ...] = ()
    of_store: bool = True


def _one(read: Callable[[Observed], float | None]) -> Callable[[Observed], Iterable[Sample]]:
    def samples(observed: Observed) -> Iterator[Sample]:
        if (value := read(observed)) is not None:
            yield (), value

    return samples


def _problems(observed: Observed) -> Iterator[Sample]:
    found = Counter(problem.check for problem in problems_of(observed, only_quick=True))
    for check in CHECKS:
        if check.is_quick:
            yield (check.name, check.gravity), found[check.name]


def _findings(observed: Observed) -> Iterator[Sample]:
    for rule in RULES:
        total = sum(verdict.counts.get(rule.name, 0) for verdict in observed.verdicts.values())
        yield (rule.name, rule.severity.name.lower()), total


def _missing(observed: Observed) -> float:
    return sum(verdict.counts.get(_MISSING, 0) for verdict in observed.verdicts.values())


def _failed(observed: Observed) -> Iterator[Sample]:
    for asset, count in sorted(Counter(failure.asset for failure in observed.failures).items()):
        yield (asset,), count


def _stale(observed: Observed) -> Iterator[Sample]:
    made = {file.asset for file in observed.files} | observed.stale.keys()
    for asset in sorted(made):
        yield (asset,), len(observed.stale.get(asset, ()))


def _runs(observed: Observed) -> Iterator[Sample]:
    for status, count in sorted(observed.outcomes.counts.items()):
        yield (status.lower(),), count


def _run_ends(observed: Observed) -> Iterator[Sample]:
    for status, ended in sorted(observed.outcomes.last_ended.items()):
        yield (status.lower(),), ended.timestamp()


def _login_seconds(observed: Observed) -> float | None:
    life = observed.login
    if life is None:
        return None
    return 0.0 if life.ends_at is None else max(0.0, (life.ends_at - observed.now).total_seconds())


def _replica_seconds(observed: Observed) -> float | None:
    lag = observed.replica_lag
    return None if lag is None else lag.seconds


def _recorded_at(observed: Observed) -> float | None:
    moment = observed.holdings.last_recorded_at
    return None if moment is None else moment.timestamp()


def _newest(observed: Observed) -> float | None:
    held = [version.last.timestamp() for version in observed.holdings.partitions.values()]
    return max(held, default=None)


METRICS: tuple[Metric, ...] = (
    Metric(
        "jutsu_build_info",
        "gauge",
        "1; which version this is, and where its bars come from.",
        lambda observed: [((version("jutsu"), observed.settings.source), 1.0)],
        ("version", "source"),
        of_store=False,
    ),
    Metric(
        "jutsu_problems",
        "gauge",
        "How many problems each quick check of jutsu doctor finds.",
        _problems,
        ("check", "gravity"),
        of_store=False,
    ),
    Metric(
        "jutsu_requests_reserved_total",
        "counter",
        "Turns that all processes reserved to send a request; those that were given back included.",
        _one(lambda observed: observed.counts.reserved),
    ),
    Metric(
        "jutsu_requests_released_total",
        "counter",
        "Turns that were given back unused: reserved less released are the requests sent.",
        _one(lambda observed: observed.counts.released),
    ),
    Metric(
        "jutsu_request_retries_total",
        "counter",
        "Attempts of all processes that followed a failed one.",
        _one(lambda observed: observed.counts.retries),
    ),
    Metric(
        "jutsu_request_failures_total",
        "counter",
        "Attempts of all processes that the source did not answer.",
        _one(lambda observed: observed.counts.failures),
    ),
    Metric(
        "jutsu_request_wait_seconds_total",
        "counter",
        "How long all processes waited for their turns.",
        _one(lambda observed: observed.counts.waited_seconds),
    ),
    Metric(
        "jutsu_requests_today",
        "gauge",
        "Requests of all processes on this day, UTC.",
        _one(lambda observed: observed.sent_today),
    ),
    Metric(
        "jutsu_requests_today_limit",
        "gauge",
        "How many requests may be sent in a day.",
        _one(lambda observed: observed.settings.daily_requests),
        of_store=False,
    ),
    Metric(
        "jutsu_breaker_open",
        "gauge",
        "1 while the source is left alone because it failed again and again.",
        _one(lambda observed: observed.access.is_open),
    ),
    Metric(
        "jutsu_breaker_openings_total",
        "counter",
        "How often the breaker opened, or stayed open after a probe.",
        _one(lambda observed: observed.counts.openings),
    ),
    Metric(
        "jutsu_retries_left",
        "gauge",
        "Retries that the quota of all processes still pays for.",
        _one(lambda observed: observed.access.retries_left),
    ),
    Metric(
        "jutsu_login_remaining_seconds",
        "gauge",
        "How long the login still lives; absent where none is needed.",
        _one(_login_seconds),
        of_store=False,
    ),
    Metric("jutsu_bars", "gauge", "Stored bars.", _one(lambda observed: observed.holdings.bars)),
    Metric(
        "jutsu_symbols_stored",
        "gauge",
        "Symbols with a stored bar.",
        _one(lambda observed: len(observed.holdings.partitions)),
    ),
    Metric(
        "jutsu_symbols_followed",
        "gauge",
        "Symbols of the universe.",
        _one(lambda observed: len(observed.universe.symbols)),
    ),
    Metric(
        "jutsu_bar_revisions",
        "gauge",
        "Bars that were restated or withdrawn; what they said is kept.",
        _one(lambda observed: observed.holdings.revisions),
    ),
    Metric(
        "jutsu_bars_quarantined",
        "gauge",
        "Bars that broke a rule and are kept apart.",
        _one(lambda observed: observed.holdings.quarantined),
    ),
    Metric(
        "jutsu_bars_recorded_timestamp_seconds",
        "gauge",
        "When a bar was last recorded.",
        _one(_recorded_at),
    ),
    Metric(
        "jutsu_newest_session_timestamp_seconds",
        "gauge",
        "The newest stored session of any symbol.",
        _one(_newest),
    ),
    Metric("jutsu_sessions_missing", "gauge", "Gaps: sessions without a bar.", _one(_missing)),
    Metric("jutsu_findings_open", "gauge", "Open findings by rule.", _findings, ("rule", "severity")),
    Metric(
        "jutsu_symbols_behind",
        "gauge",
        "Followed symbols that lack the newest session.",
        _one(lambda observed: len(observed.behind)),
    ),
    Metric(
        "jutsu_lag_sessions",
        "gauge",
        "By how many sessions the worst of them lags.",
        _one(lambda observed: max(observed.behind.values(), default=0)),
    ),
    Metric("jutsu_partitions_failed", "gauge", "Partitions whose last run failed.", _failed, ("asset",)),
    Metric(
        "jutsu_partitions_stale", "gauge", "Partitions that are made of other bars than are stored.", _stale, ("asset",)
    ),
    Metric("jutsu_runs", "gauge", "Runs in Dagster's history by status.", _runs, ("status",), of_store=False),
    Metric(
        "jutsu_run_ended_timestamp_seconds",
        "gauge",
        "When the last run of each outcome ended.",
        _run_ends,
        ("status",),
        of_store=False,
    ),
    Metric(
        "jutsu_replica_lag_seconds",
        "gauge",
        "How old is what the read replica shows: 0 while it shows all that there is; absent where there is none.",
        _one(_replica_seconds),
    ),
    Metric(
        "jutsu_disk_free_bytes",
        "gauge",
        "Room on the disk that Jutsu writes to.",
        _one(lambda observed: observed.free_bytes),
        of_store=False,
    ),
)
"""All of them, by their place on the page."""


class _Families(Collector):
    def __init__(self, observed: Observed) -> None:
        self._observed = observed

    def collect(self) -> Iterator[Family]:
        """Yield every metric that can be read."""
        for metric in METRICS:
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = kind(metric.name, metric.help, labels=metric.labels)
            for labels, value in self._samples(metric):
                family.add_metric(labels, float(value))
            if family.samples:
                yield family

    def _samples(self, metric: Metric) -> list[Sample]:
        try:
            if metric.of_store and not self._observed.is_of_today:
                return []
            return list(metric.samples(self._observed))
        except JutsuError:  # the problems say what cannot be read
            return []


def exposition(observed: Observed) -> str:
    """Return the page of metrics, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(observed))
    return generate_latest(registry).decode()


class MetricsPage:
    """The page of metrics of one installation, looked up at most once in some seconds, whoever asks.

    Args:
        place: The installation.
        clock: Tells what is now.
        stopwatch: Seconds of a clock that nobody sets.
    """

    def __init__(self, place: Place, clock: Clock, *, stopwatch: Callable[[], float] = time.monotonic) -> None:
        self._place = place
        self._clock = clock
        self._stopwatch = stopwatch
        self._turn = threading.Lock()
        self._looked: tuple[float, str] | None = None

    def text(self) -> str:
        """Return the page."""
        with self._turn:
            if self._looked is None or self._stopwatch() - self._looked[0] >= _GOOD_FOR_SECONDS:
                with Observed.opened(self._place, self._clock) as observed:
                    self._looked = (self._stopwatch(), exposition(observed))
            return self._looked[1]


def write_textfile(path: Path, text: str) -> None:
    """Replace ``path`` by a file that holds ``text``, whole or not at all, for node_exporter's textfile collector.

    Raises:
        ConfigurationError: It is not named ``*.prom``, which alone the collector reads, or cannot be written.
    """
    if path.suffix != ".prom":
        message = f"the textfile must be named *.prom, or node_exporter does not read it, was {path.name!r}; rename it"
        raise ConfigurationError(message)
    try:
        write_whole(path, text.encode(), mode=_READABLE_BY_ALL)
    except OSError as error:
        message = f"the textfile {path} must be writable: {error.strerror}; make its folder, or name another"
        raise ConfigurationError(message) from error
