"""Running jobs in this process, for commands: the same graph and run history as the UI has."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from types import MappingProxyType
from typing import Any, NamedTuple

import dagster as dg

from jutsu_assets.definitions import build_defs
from jutsu_assets.graph.assets.backtests import BACKTESTS
from jutsu_assets.graph.assets.daily import DAILY
from jutsu_assets.graph.jobs import (
    DAILY_ASSETS,
    PORTFOLIO_ASSETS,
    backtest_update,
    daily_update,
    portfolio_update,
)
from jutsu_assets.graph.partitions import RANGE_END, RANGE_START
from jutsu_assets.instance.runs import end_dead_runs
from jutsu_assets.portfolios.folders import Listed
from jutsu_assets.settings import Settings
from jutsu_assets.universe import Universe

_LOGGER = "jutsu.progress"

Metadata = Mapping[str, Any]


@dataclass
class Progress:
    """What a run has done so far.

    Attributes:
        made: The metadata of every partition that is up to date, by asset and symbol, or portfolio.
        failed: Why a symbol is not, by symbol.
        troubles: What went wrong that is of no symbol.
        start_seconds: How long it took before the first run began.
    """

    made: dict[str, dict[str, Metadata]] = field(default_factory=lambda: {asset: {} for asset in DAILY_ASSETS})
    failed: dict[str, str] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    start_seconds: float = 0.0

    def total(self, asset: str, name: str) -> float:
        """Return the sum of a figure over the partitions of an asset; one without it counts nothing."""
        return sum(float(metadata.get(name, 0)) for metadata in self.made[asset].values())

    def is_changed(self, symbol: str) -> bool:
        """Return whether the run changed a bar of ``symbol``, or made anything of it anew."""
        bars = self.made[DAILY_ASSETS[0]].get(symbol, {})
        return bool(bars.get("rows_inserted") or bars.get("rows_changed") or bars.get("rows_withdrawn")) or any(
            self.made[asset].get(symbol, {}).get("was_rewritten") for asset in DAILY_ASSETS[1:]
        )


Listener = Callable[[str, Progress], None]
"""Hears of a symbol when it is done or has failed."""


def run_daily(
    settings: Settings,
    universe: Universe,
    symbols: Sequence[str],
    listener: Listener,
    *,
    verify: bool = False,
) -> Progress:
    """Bring ``symbols`` up to date, one run for each part of the universe in which they follow each other.

    Args:
        settings: Where things are.
        universe: What is followed.
        symbols: Which of it.
        listener: Hears of each symbol.
        verify: Whether to compare all that is stored with the source.

    Returns:
        What was done; failures are in it, none is raised.
    """
    daily = _Job(daily_update.name, universe.symbols, symbols, {DAILY: {"config": {"verify": verify}}})
    return _run(settings, universe, Progress(), listener, [daily])


def run_portfolios(
    settings: Settings, universe: Universe, there: Listed, names: Sequence[str], listener: Listener
) -> Progress:
    """Run the backtests among ``names``, and measure all of them.

    Args:
        settings: Where things are.
        universe: What is followed.
        there: What there is.
        names: Which portfolios.
        listener: Hears of each.

    Returns:
        What was done; failures are in it, none is raised.
    """
    progress = Progress(made={asset: {} for asset in (BACKTESTS, *PORTFOLIO_ASSETS)})
    jobs = [_Job(backtest_update.name, list(there.strategies), names), _Job(portfolio_update.name, there.names, names)]
    return _run(settings, universe, progress, listener, jobs)


class _Job(NamedTuple):
    """A job and what it is run for.

    Attributes:
        name: The job's.
        partitions: All that it has, in their order.
        chosen: Which of them; others that are named here are none of its own.
        ops: How its ops are configured.
    """

    name: str
    partitions: Sequence[str]
    chosen: Sequence[str]
    ops: Mapping[str, Any] = MappingProxyType({})


def _run(
    settings: Settings, universe: Universe, progress: Progress, listener: Listener, jobs: Sequence[_Job]
) -> Progress:
    """Run ``jobs`` one after another, each once for a part of its partitions in which the chosen follow each other."""
    began = time.perf_counter()
    handler = _Handler(progress, listener)
    definitions = build_defs(settings, universe=universe, loggers={"console": _logger(handler)})
    with dg.DagsterInstance.get() as instance:
        end_dead_runs(instance)
        progress.start_seconds = time.perf_counter() - began
        for job in jobs:
            for first, last in contiguous(job.partitions, job.chosen):
                definitions.resolve_job_def(job.name).execute_in_process(
                    instance=instance,
                    run_config={"loggers": {"console": {}}, "ops": dict(job.ops)},
                    tags={RANGE_START: first, RANGE_END: last},
                    raise_on_error=False,
                )
    return progress


def contiguous(universe: Sequence[str], symbols: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the first and last of each part of ``universe`` that ``symbols`` fill without a gap.

    Examples:
        >>> list(contiguous(["A", "B", "C", "D"], ["D", "A", "B"]))
        [('A', 'B'), ('D', 'D')]
    """
    wanted = set(symbols)
    for is_wanted, part in groupby(universe, key=wanted.__contains__):
        if is_wanted:
            found = list(part)
            yield found[0], found[-1]


class _Handler(logging.Handler):
    """Hears the events of a run as they are written."""

    def __init__(self, progress: Progress, listener: Listener) -> None:
        super().__init__(logging.DEBUG)
        self._progress = progress
        self._listener = listener
        self._heard: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is None:
            return
        if event.is_step_materialization:
            self._made(event.step_materialization_data.materialization)
        elif event.event_type_value == dg.DagsterEventType.ASSET_OBSERVATION.value:
            self._failed(event.asset_observation_data.asset_observation)
        elif record.levelno >= logging.ERROR and not _is_told(event):
            self._progress.troubles.append("\n".join(_told(event, record.getMessage())))

    def _made(self, materialization: dg.AssetMaterialization) -> None:
        asset, symbol = materialization.asset_key.to_user_string(), materialization.partition
        if symbol is not None and asset in self._progress.made:
            self._progress.made[asset][symbol] = {name: value.value for name, value in materialization.metadata.items()}
            if asset == list(self._progress.made)[-1]:
                self._tell(symbol)

    def _failed(self, observation: dg.AssetObservation) -> None:
        symbol, reason = observation.partition, observation.metadata.get("failed")
        if symbol is not None and reason is not None and symbol not in self._progress.failed:
            self._progress.failed[symbol] = str(reason.value)
            self._tell(symbol)

    def _tell(self, symbol: str) -> None:
        if symbol not in self._heard:
            self._heard.add(symbol)
            self._listener(symbol, self._progress)


def _is_told(event: dg.DagsterEvent) -> bool:
    """Return whether a failed step or run only sums up what was said of its partitions."""
    if event.is_step_failure:
        data = event.step_failure_data.user_failure_data
        return data is not None and "errors" in data.metadata
    return event.is_job_failure


def _told(event: dg.DagsterEvent, message: str) -> Iterator[str]:
    """Yield what went wrong, then what was beneath it, outermost first."""
    error = getattr(event.event_specific_data, "error", None)
    if error is None:
        yield message
    while error is not None:
        yield error.message.strip()
        error = error.cause


def _logger(handler: logging.Handler) -> dg.LoggerDefinition:
    def progress(_context: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.getLogger(_LOGGER)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.handlers = [handler]
        return logger

    return dg.LoggerDefinition(progress, description="Progress of a command")
