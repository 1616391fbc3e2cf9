"""Everything daily in one op: each symbol's bars, and what follows from them, as soon as they are there.

With an op an asset, one symbol that fails would keep what follows from every other one. So one op
works symbol by symbol: bars are brought up to date, then, from one read, all that is made of
them; while one symbol is computed the next is asked for. What failed is named at the end.
"""

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

import dagster as dg

from jutsu_assets.graph.assets.bars import DAILY_BARS, BarsUpdate, Fetched, HistoryConfig, bars_spec
from jutsu_assets.graph.assets.benchmark import BenchmarkCloses
from jutsu_assets.graph.assets.indicators import DAILY_INDICATORS, IndicatorsUpdate, indicators_spec
from jutsu_assets.graph.assets.overview import Overview
from jutsu_assets.graph.assets.performance import SYMBOL_PERFORMANCE, PerformanceUpdate, performance_spec
from jutsu_assets.graph.assets.subject import Subject
from jutsu_assets.graph.automation import follows_its_inputs, makes_tags
from jutsu_assets.graph.checks.bars import BARS_ARE_SOUND, check_specs, rule_results, symbol_evaluation
from jutsu_assets.graph.checks.login import LoginCheck
from jutsu_assets.graph.failures import is_hopeless
from jutsu_assets.graph.overlap import Arrived, overlapped
from jutsu_assets.graph.partitions import GROUP, OWNERS, requested_partitions
from jutsu_assets.graph.recording import Made, Recorder
from jutsu_assets.lake.files import Lake
from jutsu_assets.logs import logs_of_run
from jutsu_assets.reports.folder import ReportFolder
from jutsu_assets.schwab.handlers import SchwabDataHandler
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.universe import Universe
from jutsu_core.errors import JutsuError, StoreError
from jutsu_core.quality.inspection import Inspection

DAILY = "daily"
_QUIET, _SILENT = timedelta(days=4, hours=2), timedelta(days=6)
"""A heartbeat: nothing at all was materialized for longer than a weekend with a holiday. What is true of each symbol,
the checks tell: one fresh symbol turns this light green for all."""


def build_daily_assets(
    universe: Universe,
    partitions: dg.PartitionsDefinition[str],
    login: LoginCheck,
    portfolios: Sequence[str],
    *,
    partitions_per_run: int | None = None,
) -> dg.AssetsDefinition:
    """Return the daily assets, partitioned by symbol, with their checks.

    Args:
        universe: What is followed.
        partitions: Its symbols.
        login: What looks at the login.
        portfolios: Names of those that the overview has.
        partitions_per_run: How many symbols a run of a backfill takes at most; all if None.
    """
    shared = {
        "partitions_def": partitions,
        "owners": list(OWNERS),
        "group_name": GROUP,
        "freshness_policy": dg.FreshnessPolicy.time_window(fail_window=_SILENT, warn_window=_QUIET),
    }
    with warnings.catch_warnings():
        # Backfill policies are in beta and partitioned checks in preview: that is our decision to
        # carry, not something to tell every user at every start.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)

        @dg.multi_asset(
            name=DAILY,
            specs=[
                bars_spec(**shared),
                indicators_spec(
                    universe.daily_indicators,
                    universe.benchmark_symbol,
                    **shared,
                    automation_condition=follows_its_inputs(DAILY_INDICATORS),
                ),
                performance_spec(**shared, automation_condition=follows_its_inputs(SYMBOL_PERFORMANCE)),
            ],
            check_specs=[*check_specs(DAILY_BARS, partitions), login.spec(DAILY_BARS)],
            can_subset=True,
            backfill_policy=_policy(partitions_per_run),
        )
        def daily(
            context: dg.AssetExecutionContext,
            config: HistoryConfig,
            database: dg.ResourceParam[MarketDatabase],
            schwab: dg.ResourceParam[SchwabDataHandler],
            lake: dg.ResourceParam[Lake],
            report_folder: dg.ResourceParam[ReportFolder],
        ) -> Iterator[dg.AssetCheckResult]:
            checks = {key.name for key in context.selected_asset_check_keys}
            if login.name in checks:
                context.log_event(login.evaluation(DAILY_BARS))
            bars = BarsUpdate(universe, config, database, schwab)
            benchmark = BenchmarkCloses(universe.benchmark_symbol, database.bars)
            run = _DailyRun(
                context,
                bars,
                Inspection(
                    database.bars, database.findings, schwab.calendar, schwab.clock, first=universe.history_start
                ),
                database,
                {
                    DAILY_INDICATORS: IndicatorsUpdate(lake, database.source, universe.daily_indicators, benchmark),
                    SYMBOL_PERFORMANCE: PerformanceUpdate(
                        universe,
                        benchmark,
                        database,
                        report_folder,
                        Overview(universe, portfolios, database, report_folder),
                    ),
                },
                first=universe.benchmark_symbol,
            )
            with logs_of_run(os.environ):
                yield from run.work(universe.symbols)

    return daily


def _policy(partitions_per_run: int | None) -> dg.BackfillPolicy:
    if partitions_per_run is None:
        return dg.BackfillPolicy.single_run()
    return dg.BackfillPolicy.multi_run(max_partitions_per_run=partitions_per_run)


class _DailyRun:
    """Works through the partitions of one run."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        bars: BarsUpdate,
        inspection: Inspection,
        database: MarketDatabase,
        makers: Mapping[str, IndicatorsUpdate | PerformanceUpdate],
        *,
        first: str | None,
    ) -> None:
        self._context = context
        # What the others are compared with comes before them: made of its older bars they would be made again.
        self._symbols = sorted(requested_partitions(context), key=lambda symbol: symbol != first)
        self._recorder = Recorder(context, self._symbols)
        self._bars = bars
        self._inspection = inspection
        self._database = database
        selected = self._recorder.selected
        self._with_bars = DAILY_BARS in selected
        self._makers = {asset: maker for asset, maker in makers.items() if asset in selected}
        self._judges = {key.name for key in context.selected_asset_check_keys}
        self._standing = {(failure.asset, failure.partition) for failure in database.failures.all_standing()}

    def work(self, universe: Sequence[str]) -> Iterator[dg.AssetCheckResult]:
        """Bring the run's symbols up to date, one by one, and record each; then judge the ``universe`` by each rule.

        Raises:
            dagster.Failure: Some could not be; it names them.
        """
        symbols = self._symbols
        if not self._recorder.selected:
            self._look_again(universe)
        if self._with_bars and self._makers:
            self._context.instance.add_run_tags(self._context.run.run_id, makes_tags(self._makers))
        for done, came in enumerate(self._arrivals(symbols), start=1):
            said = self._make(came)
            if said:
                self._recorder.progress(came.key, said, done=done)
            if came.error is not None and is_hopeless(came.error):
                self._leave(symbols[done:], came.error)
                break
        for maker in self._makers.values():
            if isinstance(maker, PerformanceUpdate):
                maker.finish()
        yield from rule_results(DAILY_BARS, self._database.findings, universe, self._judges)
        self._recorder.finish()

    def _look_again(self, universe: Sequence[str]) -> None:
        """Judge what is stored, in a run of checks alone: of its partitions, or of all where it has none."""
        for symbol in self._symbols or universe:
            verdict = self._inspection.inspect(symbol)
            if symbol in self._symbols and BARS_ARE_SOUND in self._judges:
                self._recorder.judged(symbol_evaluation(DAILY_BARS, verdict))

    def _arrivals(self, symbols: Sequence[str]) -> Iterator[Arrived[Fetched]]:
        if not self._with_bars:
            return (Arrived(symbol, None, None) for symbol in symbols)
        trouble = self._bars.ask_for_quotes(symbols)
        if trouble:
            self._context.log.warning(trouble)
        return overlapped(symbols, self._bars.fetch, ends_with=is_hopeless)

    def _make(self, came: Arrived[Fetched]) -> dict[str, Made]:
        """Record what came for a symbol and what is made of it; return what there is to say of each asset."""
        symbol, said = came.key, {}
        subject = Subject(symbol, self._database.bars)
        try:
            if came.error is not None:
                raise came.error
            if came.result is not None:
                said[DAILY_BARS] = self._bars_made(subject, came.result)
        except JutsuError as error:
            self._failed(symbol, error, self._recorder.selected)
            self._judge(subject)
            return {}
        for asset, maker in self._makers.items():
            try:
                said[asset] = maker.make(subject)
                self._made(asset, symbol, said[asset])
            except JutsuError as error:
                self._failed(symbol, error, [asset])
        return said

    def _made(self, asset: str, symbol: str, made: Made) -> None:
        self._recorder.materialized(asset, symbol, made)
        if (asset, symbol) in self._standing:
            self._database.failures.clear(asset, symbol)

    def _failed(self, symbol: str, error: JutsuError, assets: Sequence[str]) -> None:
        self._recorder.failed(symbol, error, assets)
        self._note([symbol], assets, str(error))

    def _note(self, symbols: Sequence[str], assets: Sequence[str], reason: str) -> None:
        try:
            self._database.failures.record(symbols, assets, reason)
        except StoreError as error:
            # What failed may be the store itself; the run says so anyway.
            self._context.log.warning("failures are not noted for the doctor: %s", error)

    def _bars_made(self, subject: Subject, fetched: Fetched) -> Made:
        verdict = self._inspection.inspect(subject.symbol, lambda: subject.columns)
        made = self._bars.made(subject, fetched, verdict)
        self._made(DAILY_BARS, subject.symbol, made)
        self._recorder.judged(symbol_evaluation(DAILY_BARS, verdict))
        return made

    def _judge(self, subject: Subject) -> None:
        """Judge what is stored of a symbol that failed: a check without a verdict shows as failed itself."""
        if not self._with_bars:
            return
        try:
            self._recorder.judged(symbol_evaluation(DAILY_BARS, self._inspection.inspect(subject.symbol)))
        except StoreError as error:
            self._context.log.warning("%s: not judged: %s", subject.symbol, error)

    def _leave(self, symbols: Sequence[str], error: Exception) -> None:
        self._recorder.stop_before(symbols)
        self._note(symbols, self._recorder.selected, f"not tried: {error}")
        for symbol in symbols:
            self._judge(Subject(symbol, self._database.bars))
