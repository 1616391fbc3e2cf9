"""``portfolio_performance`` and ``portfolio_attribution``: what a portfolio did, and where that came from."""

import hashlib
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import numpy as np

from jutsu_assets.graph.assets.backtests import BACKTESTS
from jutsu_assets.graph.assets.making import Maker, make_each
from jutsu_assets.graph.assets.overview import Overview
from jutsu_assets.graph.assets.portfolio_subject import CODE_VERSION, PortfolioSubject
from jutsu_assets.graph.automation import follows_its_inputs
from jutsu_assets.graph.checks.portfolios import RECONCILES, judged, reconciles_spec
from jutsu_assets.graph.partitions import GROUP, OWNERS, requested_partitions
from jutsu_assets.graph.recording import Made, Recorder
from jutsu_assets.lake.files import Lake
from jutsu_assets.portfolios.explaining import TITLES
from jutsu_assets.portfolios.folders import Listed
from jutsu_assets.portfolios.report_files import ATTRIBUTION_SUFFIX, REPORT_SUFFIX, ReportFiles
from jutsu_assets.reports.folder import ReportFolder
from jutsu_assets.reports.portfolio_results import PortfolioResults
from jutsu_assets.reports.sparkline import markdown_image, sparkline_svg
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.universe import Universe
from jutsu_core.errors import JutsuError
from jutsu_core.metrics.trades import match_fills

PORTFOLIO_PERFORMANCE = "portfolio_performance"
PORTFOLIO_ATTRIBUTION = "portfolio_attribution"
_SHOWN = (
    "total_return",
    "cagr",
    "volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "calmar_ratio",
    "max_drawdown",
    "win_rate",
    "profit_factor",
    "round_trips",
    "net_profit",
)
_SHOWN_WITH_BARS = ("largest_adverse_excursion", "average_leverage", "largest_leverage")
_SHOWN_BESIDE = ("alpha", "beta", "tracking_error", "information_ratio", "relative_return")
_DESCRIPTIONS = {
    PORTFOLIO_PERFORMANCE: (
        "Return, risk and trades of every portfolio: each backtest, and each file in the folder portfolios. The report"
        " holds what it was made of: `jutsu verify-report` derives it again."
    ),
    PORTFOLIO_ATTRIBUTION: (
        "Where the return of every portfolio came from: by symbol, side, year, holding and trading, its exposure to the"
        " benchmark, and what groups added beyond theirs. The parts add up to what the fills explain; the rest stands"
        " beside."
    ),
}


def build_portfolios(
    universe: Universe, listed: Listed, partitions: dg.PartitionsDefinition[str]
) -> dg.AssetsDefinition:
    """Return the assets of portfolios, partitioned by portfolio, with their check."""
    of_backtest = dg.StaticPartitionMapping({name: name for name in listed.strategies})
    shared: dict[str, Any] = {
        "deps": [dg.AssetDep(BACKTESTS, partition_mapping=of_backtest)],
        "code_version": CODE_VERSION,
        "partitions_def": partitions,
        "owners": list(OWNERS),
        "group_name": GROUP,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)

        @dg.multi_asset(
            name="portfolios",
            specs=[
                dg.AssetSpec(
                    asset,
                    kinds=kinds,
                    description=_DESCRIPTIONS[asset],
                    automation_condition=follows_its_inputs(asset),
                    **shared,
                )
                for asset, kinds in (
                    (PORTFOLIO_PERFORMANCE, {"numpy", "html"}),
                    (PORTFOLIO_ATTRIBUTION, {"numpy", "json"}),
                )
            ],
            check_specs=[reconciles_spec(PORTFOLIO_PERFORMANCE, partitions)],
            can_subset=True,
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def portfolios(
            context: dg.AssetExecutionContext,
            database: dg.ResourceParam[MarketDatabase],
            lake: dg.ResourceParam[Lake],
            report_folder: dg.ResourceParam[ReportFolder],
        ) -> Iterator[dg.AssetCheckResult]:
            names = requested_partitions(context)
            recorder = Recorder(context, names, lambda _, name: [name] if name in listed.strategies else [])
            update = PortfolioUpdate(universe, listed, database, lake, report_folder)
            makers: dict[str, Maker] = {PORTFOLIO_PERFORMANCE: update, PORTFOLIO_ATTRIBUTION: AttributionUpdate(update)}
            try:
                chosen = {asset: maker for asset, maker in makers.items() if asset in recorder.selected}
                make_each(context, recorder, database, names, chosen)
            finally:
                if update.has_written:
                    Overview(universe, listed.names, database, report_folder).write()
                if any(key.name == RECONCILES for key in context.selected_asset_check_keys):
                    for name in names:
                        recorder.judged(judged(PORTFOLIO_PERFORMANCE, name, update.findings(name)))
            yield from ()  # every event is written by itself

    return portfolios


class PortfolioUpdate:
    """Brings the report and the page of one portfolio after another up to its fills, history and bars.

    Args:
        universe: How performance is measured.
        listed: What there is.
        database: Where bars are.
        lake: Where backtests are.
        folder: Holds the pages.
    """

    def __init__(
        self, universe: Universe, listed: Listed, database: MarketDatabase, lake: Lake, folder: ReportFolder
    ) -> None:
        self._universe, self._listed, self._database, self._lake = universe, listed, database, lake
        self._subject: PortfolioSubject | None = None
        self._findings: dict[str, list[Mapping[str, Any]]] = {}
        self.has_written = False
        self._files = ReportFiles(folder.root, REPORT_SUFFIX)
        self.attributions = ReportFiles(folder.root, ATTRIBUTION_SUFFIX)
        self.folder = folder

    @property
    def source(self) -> str:
        """Return where the bars come from."""
        return self._database.source

    def subject(self, name: str) -> PortfolioSubject:
        """Return the portfolio ``name``, the same one as long as no other is asked for."""
        if self._subject is None or self._subject.name != name:
            self._subject = PortfolioSubject(name, self._listed, self._universe, self._database, self._lake)
        return self._subject

    def findings(self, name: str) -> list[Mapping[str, Any]] | str:
        """Return what does not add up in the portfolio ``name``, as its report says; or why there is none."""
        if name not in self._findings:  # nothing was made of it in this run
            try:
                subject = self.subject(name)
                stored = self._files.current(name, subject.input_hash) or subject.stored
            except JutsuError as error:
                return str(error)
            self._findings[name] = stored["report"]["findings"]
        return self._findings[name]

    def make(self, name: str) -> Made:
        """Measure the portfolio ``name`` and write its report and page, unless both were made of the same.

        Raises:
            JutsuError: It could not be measured or written; what was there is kept.
        """
        began = time.perf_counter()
        subject = self.subject(name)
        input_hash = subject.input_hash
        stored = self._files.current(name, input_hash)
        is_current = stored is not None and self.folder.has_portfolio_page(name, input_hash)
        metadata: dict[str, Any] = {
            "was_rewritten": not is_current,
            "report": dg.MetadataValue.url(self.folder.portfolio_href(name)),
            "source": self.source,
        }
        first, last = (subject.given.history[row]["timestamp"].date() for row in (0, -1))
        if stored is None or not is_current:
            stored = subject.stored
            self._files.write(name, stored, made_of=input_hash)
            self.has_written = True
            page = self.folder.write_portfolio_page(_results(subject), made_of=input_hash)
            metadata |= _told(subject) | {
                "report_file": dg.MetadataValue.path(str(page.resolve())),
                "report_data": dg.MetadataValue.path(str(self._files.path(name).resolve())),
                "compute_seconds": round(time.perf_counter() - began, 3),
            }
        self._findings[name] = stored["report"]["findings"]
        said = f"{first} to {last}, {'unchanged' if is_current else 'written'}"
        return Made(input_hash, metadata, said, is_changed=not is_current)


class AttributionUpdate:
    """Brings the attribution of one portfolio after another up to its fills, history and bars.

    Args:
        portfolios: Reads them.
    """

    def __init__(self, portfolios: PortfolioUpdate) -> None:
        self._portfolios = portfolios

    def make(self, name: str) -> Made:
        """Attribute the return of the portfolio ``name``, unless that was made of the same.

        Raises:
            JutsuError: It could not be; what was there is kept.
        """
        files, subject = self._portfolios.attributions, self._portfolios.subject(name)
        input_hash = subject.input_hash
        is_current = files.current(name, input_hash) is not None
        metadata: dict[str, Any] = {"was_rewritten": not is_current, "source": self._portfolios.source}
        if not is_current:
            found = subject.attribution
            path = files.write(name, {"kind": "jutsu portfolio attribution", **found}, made_of=input_hash)
            numbers = {key: found[key] for key in ("total_return", "explained", "unexplained")}
            contributions = (found["contributions"] or {}).get("by_symbol", {})
            numbers |= {f"from_{symbol}": share for symbol, share in contributions.items()}
            metadata |= {key: _number(value) for key, value in numbers.items()}
            if found["groups"] is not None:
                metadata |= {f"beyond_benchmark_{key}": value for key, value in _by_effect(found["groups"]).items()}
            metadata |= {
                "notes": "; ".join(found["notes"]) or "none",
                "data": dg.MetadataValue.path(str(path.resolve())),
            }
        version = hashlib.sha256(f"attribution {input_hash}".encode()).hexdigest()
        return Made(version, metadata, "unchanged" if is_current else "written", is_changed=not is_current)


def _results(subject: PortfolioSubject) -> PortfolioResults:
    report = dict(subject.stored["report"])
    beside = subject.stored.get("beside")
    if beside is not None:
        report["notes"] = [*report["notes"], beside]
    contributions = subject.attribution["contributions"] or {}
    return PortfolioResults(
        name=subject.name,
        report=report,
        equity=subject.equity,
        growth=subject.growth if report["cash_flows"]["flows"] else None,
        benchmark=subject.benchmark,
        exposure=subject.exposure,
        fills=subject.given.fills,
        round_trips=match_fills(subject.given.fills, subject.given.options["matching"]),
        contributions={title: contributions[name] for name, title in TITLES.items() if name in contributions},
        beyond_benchmark=(subject.attribution["groups"] or {}).get("effects", {}),
    )


def _by_effect(groups: Mapping[str, Any]) -> dict[str, float]:
    return {effect: round(sum(parts.values()), 6) for effect, parts in groups["effects"].items()}


def _told(subject: PortfolioSubject) -> dict[str, Any]:
    report, values = subject.stored["report"], np.asarray(subject.growth, dtype=np.float64)
    chart = sparkline_svg(values, is_log=bool((values > 0).all()))
    return {
        "chart": dg.MetadataValue.md(markdown_image(chart, f"equity of {subject.name}")),
        "last_session": str(subject.equity.index[-1].date()),
        "benchmark": "none" if subject.benchmark is None else str(subject.benchmark.name),
        "findings": len(report["findings"]),
        **{name: _number(report[name]) for name in _SHOWN},
        **{name: _number(report["market"][name]) for name in _SHOWN_WITH_BARS if subject.bars is not None},
        **{name: _number(report["benchmark"][name]) for name in _SHOWN_BESIDE if subject.benchmark is not None},
    }


def _number(value: float | None) -> float | str:
    return "undefined" if value is None else round(value, 6)
