"""``daily_bars``: each symbol's daily history, kept equal to what the source holds."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import dagster as dg
import numpy as np
from numpy.typing import NDArray

from jutsu_assets.graph.assets.subject import Subject
from jutsu_assets.graph.metadata import bar_schema, coverage
from jutsu_assets.graph.recording import Made
from jutsu_assets.reports.sparkline import markdown_image, sparkline_svg
from jutsu_assets.schwab.handlers import SchwabDataHandler
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.universe import Universe
from jutsu_core.bars import MICROS_PER_UNIT, Timeframe
from jutsu_core.errors import ConfigurationError, MalformedResponseError, SourceError
from jutsu_core.history import DailyHistory, HistoryRequest, HistoryUpdate
from jutsu_core.ports import WriteResult
from jutsu_core.quality.findings import Verdict
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


def bars_spec(**shared: Any) -> dg.AssetSpec:  # noqa: ANN401 - Dagster's own keywords
    """Return what Dagster knows of ``daily_bars``."""
    return dg.AssetSpec(
        DAILY_BARS,
        kinds={"schwab", "sql"},
        code_version=CODE_VERSION,
        metadata={"dagster/column_schema": bar_schema(), "dagster/table_name": "bars"},
        description=(
            "Daily bars of each symbol, split-adjusted as the source serves them. Materializing a symbol brings"
            " its whole configured history up to date and asks only for what is missing. A partition that failed says"
            " why in its newest event; `jutsu doctor` lists what failed and what is not right, with the remedy."
        ),
        **shared,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What bringing one symbol's bars up to date did.

    Attributes:
        update: What was asked and written.
        is_quoted: Whether the newest session came from a quote.
        requests: Requests that were sent, retries included.
        waited_seconds: How long their turns were waited for.
        fetch_seconds: How long the source took.
        store_seconds: How long planning and writing took.
        sent_today: Requests that all processes sent today, UTC.
    """

    update: HistoryUpdate
    is_quoted: bool
    requests: int
    waited_seconds: float
    fetch_seconds: float
    store_seconds: float
    sent_today: int

    @property
    def written(self) -> WriteResult:
        """Return what changed in the store."""
        return self.update.written or WriteResult(inserted=0, changed=0, unchanged=0, quarantined=0)


class BarsUpdate:
    """Brings the bars of one symbol after another up to date.

    Args:
        universe: What is followed.
        config: Which part of the history.
        database: Where bars are kept.
        schwab: Where they come from.

    Raises:
        InvalidInputError: The configured part is no part of the history, or holds no session.
    """

    def __init__(
        self, universe: Universe, config: HistoryConfig, database: MarketDatabase, schwab: SchwabDataHandler
    ) -> None:
        self.history = DailyHistory(schwab.fetcher, database.bars, schwab.calendar, schwab.clock)
        self._universe = universe
        self._database = database
        self._schwab = schwab
        self._quotes = QuotedUpdates(database.bars, self.history, schwab.calendar, schwab.clock)
        self._quoted: Mapping[str, QuotedSession] = {}
        self._first = _session_date("start", config.start) or universe.history_start
        self._last = _session_date("end", config.end)
        self._verify = config.verify
        if self._first < universe.history_start:
            message = (
                f"start must be on or after the universe's history_start {universe.history_start}, was {self._first};"
                " set history_start earlier in the universe file for more history"
            )
            raise ConfigurationError(message)
        if self._last is not None and self._last < self._first:
            message = f"end must be on or after start {self._first}, was {self._last}; exchange them, or leave one out"
            raise ConfigurationError(message)
        if config.start or config.end:
            self.history.require_session(self._first, self._last)

    def ask_for_quotes(self, symbols: Sequence[str]) -> str | None:
        """Ask once for the newest session of all symbols that lack nothing else; return what went wrong, if it did."""
        if not self._universe.newest_session_from_quotes or self._verify:
            return None
        wanted = self._quotes.candidates([HistoryRequest(symbol=symbol, first=self._first) for symbol in symbols])
        if len(wanted) < FEWEST_QUOTED:
            return None
        try:
            self._quoted = self._schwab.fetcher.quoted_sessions(wanted)
        except SourceError as error:
            return f"quotes of {len(wanted)} symbols failed, asking for history: {error}"
        return None

    def fetch(self, symbol: str) -> Fetched:
        """Bring the bars of ``symbol`` up to date.

        Raises:
            JutsuError: It could not be; what is stored is as it was.
        """
        connection = self._schwab.fetcher.connection
        throttle = connection.throttle
        spent, waited, sent = connection.request_seconds, throttle.waited_seconds, throttle.requests
        began = time.perf_counter()
        quoted = self._quoted.get(symbol)
        written = None if quoted is None else self._quotes.take(symbol, quoted)
        is_quoted = written is not None
        update = HistoryUpdate(calls=0, written=written) if is_quoted else self._update(symbol)
        total = time.perf_counter() - began
        spent, waited = connection.request_seconds - spent, throttle.waited_seconds - waited
        return Fetched(
            update=update,
            is_quoted=is_quoted,
            requests=throttle.requests - sent,
            waited_seconds=waited,
            fetch_seconds=spent - waited,
            store_seconds=total - spent,
            sent_today=throttle.sent_today,
        )

    def made(self, subject: Subject, fetched: Fetched, verdict: Verdict) -> Made:
        """Return what is to be recorded of the bars of ``subject``.

        Raises:
            MalformedResponseError: Nothing that the source sent of the symbol could be stored.
        """
        version = subject.version
        if version is None:
            raise self._nothing_sound(subject.symbol)
        written = fetched.written
        is_changed = bool(written.inserted or written.changed or written.withdrawn)
        metadata: dict[str, Any] = self._picture(subject) if is_changed else {}
        metadata |= {
            "dagster/partition_row_count": version.rows,
            "rows_inserted": written.inserted,
            "rows_changed": written.changed,
            "rows_unchanged": version.rows - written.inserted - written.changed,
            "calls": fetched.requests,
            "missing_sessions": verdict.counts.get("no_session_is_missing", 0),
            "source": self._database.source,
        }
        if fetched.requests or is_changed:
            metadata |= {
                "first_session": str(version.first.date()),
                "last_session": str(version.last.date()),
                **self._costs(fetched),
            }
        return Made(
            data_version=version.content_hash,
            metadata=metadata,
            said=(
                f"{version.rows:,} bars, {written.inserted:,} new, {written.changed:,} changed,"
                f" {fetched.requests} calls"
            ),
            is_changed=is_changed,
        )

    @cached_property
    def _expected(self) -> NDArray[np.datetime64]:
        return np.array(self.history.expected_sessions(self._universe.history_start), dtype="datetime64[D]")

    def _picture(self, subject: Subject) -> dict[str, Any]:
        closes = subject.columns.close / MICROS_PER_UNIT
        chart = markdown_image(sparkline_svg(closes, is_log=True), f"closes of {subject.symbol}")
        return {"chart": dg.MetadataValue.md(chart), "coverage": coverage(self._expected, subject.columns.sessions)}

    def _costs(self, fetched: Fetched) -> dict[str, Any]:
        budget = self._schwab.fetcher.connection.throttle.limits.daily_budget
        rare = {
            "rows_withdrawn": fetched.written.withdrawn,
            "rows_quarantined": fetched.written.quarantined,
            "was_restated": fetched.update.was_restated,
        }
        return {
            # What hardly ever happens is worth no place in every event.
            **{name: value for name, value in rare.items() if value},
            "newest_from_quote": fetched.is_quoted,
            "throttle_wait_seconds": round(fetched.waited_seconds, 3),
            "requests_today": fetched.sent_today,
            "requests_left_today": max(0, budget - fetched.sent_today),
            "fetch_seconds": round(fetched.fetch_seconds, 3),
            "store_seconds": round(fetched.store_seconds, 3),
        }

    def _update(self, symbol: str) -> HistoryUpdate:
        request = HistoryRequest(symbol=symbol, first=self._first, last=self._last, verify=self._verify)
        return self.history.update(request)

    def _nothing_sound(self, symbol: str) -> MalformedResponseError:
        rejected = self._database.bars.quarantined(symbol, Timeframe.D1)
        reason = f"; the newest: {rejected[-1].reason}" if rejected else ""
        message = (
            f"symbol {symbol!r} must have a sound bar to store, but all {len(rejected):,} candles that"
            f" {self._schwab.fetcher.name} sent broke a rule{reason}; they are kept: `jutsu quality list {symbol}`."
            " Report them to the source, or take the symbol out of the universe"
        )
        return MalformedResponseError(message)


def _session_date(name: str, text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"{name} must be a date such as 2015-01-02, was {text!r}"
        raise ConfigurationError(message) from None
