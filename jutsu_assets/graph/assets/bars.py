"""``daily_bars``: each symbol's daily history, kept equal to what the source holds."""

import time
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from jutsu_assets.graph.checks.bars import check_specs, evaluate
from jutsu_assets.graph.failures import work_through
from jutsu_assets.graph.metadata import OWNERS, bar_schema, coverage_by_year, image, table
from jutsu_assets.reports.charts import price_chart_png
from jutsu_assets.schwab.handlers import SchwabDataHandler
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.universe import Universe
from jutsu_core.bars import Timeframe, bars_to_frame
from jutsu_core.errors import ConfigurationError, SourceError
from jutsu_core.history import DailyHistory, HistoryRequest, HistoryUpdate, sessions_without_bar
from jutsu_core.quoted import QuotedSession, QuotedUpdates

DAILY_BARS = "daily_bars"
CODE_VERSION = "1"
FEWEST_QUOTED = 2
"""For one symbol alone history costs as much as a quote."""


class HistoryConfig(dg.Config):
    """Which part of the history to bring up to date; all of it by default.

    Attributes:
        start: First session date, ISO; the universe's ``history_start`` if empty.
        end: Last session date, ISO; the newest complete session if empty.
        verify: Ask again for what is already stored, compare, and withdraw what the source no longer has.
    """

    start: str = ""
    end: str = ""
    verify: bool = False


def build_daily_bars(universe: Universe, partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Return the asset of daily bars, partitioned by symbol."""

    @dg.asset(
        name=DAILY_BARS,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="bars",
        kinds={"schwab", "sql"},
        owners=list(OWNERS),
        code_version=CODE_VERSION,
        check_specs=check_specs(DAILY_BARS),
        metadata={"dagster/column_schema": bar_schema(), "dagster/table_name": "bars"},
        description=(
            "Daily bars of each symbol, split-adjusted as the source serves them. Materializing a symbol brings"
            " its whole configured history up to date and asks only for what is missing."
        ),
    )
    def daily_bars(
        context: dg.AssetExecutionContext,
        config: HistoryConfig,
        database: dg.ResourceParam[MarketDatabase],
        schwab: dg.ResourceParam[SchwabDataHandler],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        first = _session_date("start", config.start) or universe.history_start
        if first < universe.history_start:
            message = (
                f"start must be on or after the universe's history_start {universe.history_start}, was {first};"
                " set history_start earlier in the universe file for more history"
            )
            raise ConfigurationError(message)
        last = _session_date("end", config.end)
        history = DailyHistory(schwab.fetcher, database.bars, schwab.calendar, schwab.clock)
        updater = _Updater(universe, database, schwab, history)
        if universe.newest_session_from_quotes and not config.verify:
            updater.ask_for_quotes(context, list(context.partition_keys), first)
        work_through(
            context,
            lambda symbol: updater.update(HistoryRequest(symbol=symbol, first=first, last=last, verify=config.verify)),
            describe=_describe,
        )
        return dg.MaterializeResult(check_results=evaluate(database.bars, history, schwab.calendar, universe))

    return daily_bars


class _Updater:
    """Updates one symbol after another and says what happened to each."""

    def __init__(
        self, universe: Universe, database: MarketDatabase, schwab: SchwabDataHandler, history: DailyHistory
    ) -> None:
        self._universe = universe
        self._database = database
        self._schwab = schwab
        self._history = history
        self._quotes = QuotedUpdates(database.bars, history, schwab.calendar, schwab.clock)
        self._quoted: Mapping[str, QuotedSession] = {}

    def ask_for_quotes(self, context: dg.AssetExecutionContext, symbols: Sequence[str], first: date) -> None:
        """Ask once for the newest session of all symbols that lack nothing else."""
        wanted = self._quotes.candidates([HistoryRequest(symbol=symbol, first=first) for symbol in symbols])
        if len(wanted) < FEWEST_QUOTED:
            return
        try:
            self._quoted = self._schwab.fetcher.quoted_sessions(wanted)
        except SourceError as error:
            context.log.warning("quotes of %d symbols failed, asking for history: %s", len(wanted), error)

    def update(self, request: HistoryRequest) -> dict[str, Any]:
        connection = self._schwab.fetcher.connection
        throttle = connection.throttle
        spent, waited, sent = connection.request_seconds, throttle.waited_seconds, throttle.requests
        began = time.perf_counter()
        quoted = self._quoted.get(request.symbol)
        written = None if quoted is None else self._quotes.take(request.symbol, quoted)
        from_quote = written is not None
        update = HistoryUpdate(calls=0, written=written) if from_quote else self._history.update(request)
        total = time.perf_counter() - began
        spent, waited = connection.request_seconds - spent, throttle.waited_seconds - waited
        written = update.written
        return {
            **self._holdings(request.symbol),
            "calls": throttle.requests - sent,
            "rows_inserted": written.inserted if written else 0,
            "rows_changed": written.changed if written else 0,
            "rows_unchanged": self._rows(request.symbol) - (written.inserted + written.changed if written else 0),
            "rows_withdrawn": written.withdrawn if written else 0,
            "rows_quarantined": written.quarantined if written else 0,
            "was_restated": update.was_restated,
            "newest_from_quote": from_quote,
            "throttle_wait_seconds": round(waited, 3),
            "requests_today": throttle.sent_today,
            "requests_left_today": max(0, throttle.limits.daily_budget - throttle.sent_today),
            "fetch_seconds": round(spent - waited, 3),
            "store_seconds": round(total - spent, 3),
        }

    def _rows(self, symbol: str) -> int:
        version = self._database.bars.version(symbol, Timeframe.D1)
        return version.rows if version else 0

    def _holdings(self, symbol: str) -> dict[str, Any]:
        store = self._database.bars
        version = store.version(symbol, Timeframe.D1)
        if version is None:
            return {"dagster/partition_row_count": 0, "source": self._schwab.fetcher.name}
        expected = self._history.expected_sessions(self._universe.history_start)
        missing = sessions_without_bar(expected, store, symbol, self._schwab.calendar)
        bars = store.read(symbol, Timeframe.D1)
        present = [bar.timestamp.date() for bar in bars]
        return {
            "chart": image(price_chart_png(bars_to_frame(symbol, bars), symbol=symbol), f"closes of {symbol}"),
            "dagster/partition_row_count": version.rows,
            "first_session": str(version.first.date()),
            "last_session": str(version.last.date()),
            "missing_sessions": len(missing),
            "coverage_by_year": table(coverage_by_year(expected, present, missing)),
            "content_hash": version.content_hash,
            "source": self._schwab.fetcher.name,
        }


def _describe(metadata: Mapping[str, Any]) -> str:
    return (
        f"{metadata['dagster/partition_row_count']:,} bars, {metadata['rows_inserted']:,} new,"
        f" {metadata['rows_changed']:,} changed, {metadata['calls']} calls"
    )


def _session_date(name: str, text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"{name} must be a date such as 2015-01-02, was {text!r}"
        raise ConfigurationError(message) from None
