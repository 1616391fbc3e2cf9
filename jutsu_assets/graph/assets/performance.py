"""``symbol_performance``: how holding each symbol would have done, by year and since inception."""

import hashlib
import json
import time
from typing import Any

import dagster as dg

from jutsu_assets.graph.assets.bars import DAILY_BARS
from jutsu_assets.graph.assets.benchmark import BenchmarkCloses
from jutsu_assets.graph.assets.overview import Overview
from jutsu_assets.graph.assets.subject import Subject
from jutsu_assets.graph.recording import Made
from jutsu_assets.reports.folder import ReportFolder
from jutsu_assets.store.manifest import input_hash_of
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.store.reports import StoredReport
from jutsu_assets.universe import Universe
from jutsu_core.metrics.periods import symbol_performance

SYMBOL_PERFORMANCE = "symbol_performance"
CODE_VERSION = "6"
"""Raise it when a figure or the page changes: reports are made again where it differs."""
_SHOWN = (
    "total_return",
    "cagr",
    "volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "calmar_ratio",
    "max_drawdown",
    "win_rate",
)


def performance_spec(**shared: Any) -> dg.AssetSpec:  # noqa: ANN401 - Dagster's own keywords
    """Return what Dagster knows of ``symbol_performance``."""
    return dg.AssetSpec(
        SYMBOL_PERFORMANCE,
        deps=[DAILY_BARS],
        kinds={"numpy", "html"},
        code_version=CODE_VERSION,
        description=(
            "Return and risk of holding each symbol: for every calendar year, the last 1, 3, 5 and 10 years and"
            " since inception, and beside the universe's benchmark. Price returns of split-adjusted closes; dividends"
            " are not included."
        ),
        **shared,
    )


class PerformanceUpdate:
    """Brings the performance report of one symbol after another up to its bars.

    Args:
        universe: Says how performance is measured.
        benchmark: What symbols are compared with.
        database: Keeps the reports.
        folder: Holds the pages.
        overview: The page of them all.
    """

    def __init__(
        self,
        universe: Universe,
        benchmark: BenchmarkCloses,
        database: MarketDatabase,
        folder: ReportFolder,
        overview: Overview,
    ) -> None:
        self._overview = overview
        self._universe = universe
        self._database = database
        self._folder = folder
        self._settings = universe.performance.model_dump()
        self._benchmark = benchmark
        self._has_written = False

    def make(self, subject: Subject) -> Made:
        """Measure ``subject`` and write its page, unless both were made of the same.

        Raises:
            NoDataError: The symbol has no stored bars.
            StoreError: The report or its page could not be written; the former ones are kept.
        """
        version = subject.held()
        # Of the benchmark only what lies within the symbol's own history: a session that it alone has is none that
        # both have, and no reason to measure again.
        beside = [] if self._is_benchmark(subject) else self._benchmark.identity(version.first, version.last)
        content = json.dumps([self._settings, beside, CODE_VERSION], sort_keys=True)
        input_hash = input_hash_of(version.content_hash, hashlib.sha256(content.encode()).hexdigest())
        began = time.perf_counter()
        page = self._folder.page(subject.symbol)
        is_stored = self._database.reports.input_hash(subject.symbol) == input_hash
        is_current = is_stored and self._folder.has_page(subject.symbol, input_hash)
        metadata: dict[str, Any] = {
            "was_rewritten": not is_current,
            "report": dg.MetadataValue.url(self._folder.href(subject.symbol)),
            "source": self._database.source,
        }
        if not is_current:
            metadata["benchmark"] = self._benchmark.symbol or "none"
            metadata["report_file"] = dg.MetadataValue.path(str(page.resolve()))
            metadata["last_session"] = str(version.last.date())
            report = self._write(subject, input_hash)
            whole = report["since_inception"]
            metadata |= {f"since_inception_{name}": _number(whole[name]) for name in _SHOWN}
            metadata["compute_seconds"] = round(time.perf_counter() - began, 3)
        return Made(
            data_version=input_hash,
            metadata=metadata,
            said=f"{version.first.date()} to {version.last.date()}, {'unchanged' if is_current else 'written'}",
            is_changed=not is_current,
        )

    def finish(self) -> None:
        """Write the overview, where a page of it changed or it is not there.

        Raises:
            StoreError: It could not be written; the former one is kept.
        """
        if self._has_written or not self._overview.is_there:
            self._overview.write()

    def _write(self, subject: Subject, input_hash: str) -> dict[str, Any]:
        closes, settings = subject.closes, self._universe.performance
        benchmark = None if self._is_benchmark(subject) else self._benchmark.closes
        report = symbol_performance(
            closes,
            periods_per_year=settings.periods_per_year,
            risk_free_rate=settings.risk_free_rate,
            benchmark=benchmark,
        )
        if self._benchmark.trouble is not None and not self._is_benchmark(subject):
            report["notes"].append(self._benchmark.trouble)
        self._folder.write_page(subject.symbol, report, closes, made_of=input_hash, benchmark=benchmark)
        self._database.reports.save(subject.symbol, StoredReport(input_hash, report))
        self._has_written = True
        return report

    def _is_benchmark(self, subject: Subject) -> bool:
        return subject.symbol == self._benchmark.symbol


def _number(value: float | None) -> float | str:
    return "undefined" if value is None else round(value, 6)
