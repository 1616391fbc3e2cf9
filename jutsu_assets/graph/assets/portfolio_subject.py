"""One portfolio while a run works on it: its fills, history and prices are read once for all that is made of them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from jutsu_assets.graph.assets.backtests import BACKTESTS, FILLS, HISTORY
from jutsu_assets.graph.assets.benchmark import BenchmarkCloses
from jutsu_assets.lake.files import Lake
from jutsu_assets.portfolios.explaining import closes_of, explained
from jutsu_assets.portfolios.folders import Listed
from jutsu_assets.portfolios.groups import Grouping
from jutsu_assets.portfolios.portfolio_file import load_portfolio_file
from jutsu_assets.portfolios.strategy_file import load_strategy_file
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.universe import NO_BENCHMARK, Universe
from jutsu_core.backtest.exact import ZERO
from jutsu_core.calendar import exchange_zone
from jutsu_core.errors import NoDataError
from jutsu_core.events import FillEvent
from jutsu_core.metrics.account import account_of, grown
from jutsu_core.metrics.stored_report import stored_report

CODE_VERSION = "3"
"""Raise it when a figure or the page changes: reports are made again where it differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a portfolio is measured by.

    Attributes:
        fills: Executed orders, oldest first.
        history: One row a period.
        content: What tells the two from any others.
        options: How the analyzer measures them.
        benchmark: The symbol that it is compared with; None for none.
        groups: What its symbols are of.
    """

    fills: list[FillEvent]
    history: list[dict[str, Any]]
    content: str
    options: Mapping[str, Any]
    benchmark: str | None
    groups: Grouping


class PortfolioSubject:
    """A portfolio: a backtest, or what another program wrote.

    Args:
        name: Its name.
        listed: What there is.
        universe: How performance is measured.
        database: Where bars are.
        lake: Where backtests are.
    """

    def __init__(self, name: str, listed: Listed, universe: Universe, database: MarketDatabase, lake: Lake) -> None:
        self.name = name
        self._listed, self._universe, self._database, self._lake = listed, universe, database, lake

    @cached_property
    def given(self) -> Given:
        """Return what it is measured by.

        Raises:
            ConfigurationError: Its file, or one that this names, is wrong.
            NoDataError: It is a backtest that was not run yet.
            StoreError: What is stored of it is not what was written.
        """
        path = self._listed.portfolios.get(self.name)
        return self._of_backtest(self._listed.strategies[self.name]) if path is None else self._of_file(path)

    @cached_property
    def input_hash(self) -> str:
        """Return what tells all that its report is made of from anything else."""
        given = self.given
        first, last = (given.history[row]["timestamp"] for row in (0, -1))
        bars = {symbol: self._closes(symbol).identity(first, last, of_whole_bars=True) for symbol in self.symbols}
        beside = self._market.identity(first, last)
        groups = [repr(given.groups), *(self._closes(symbol).identity(first, last) for symbol in self._of_groups)]
        made_of = [given.content, given.options, bars, beside, groups, CODE_VERSION]
        content = json.dumps(made_of, sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()

    @cached_property
    def stored(self) -> dict[str, Any]:
        """Return its report, with all that it was made of.

        Raises:
            InvalidInputError: The analyzer refuses fills or history.
        """
        given = self.given
        made = stored_report(
            given.fills, given.history, options=given.options, benchmark=self.benchmark, bars=self.bars
        )
        if self._trouble is not None:
            made["beside"] = self._trouble
        return made

    @property
    def symbols(self) -> list[str]:
        """Return what it traded."""
        return sorted({fill.symbol for fill in self.given.fills})

    @cached_property
    def bars(self) -> pd.DataFrame | None:
        """Return the stored bars of what it traded, within its time; None where there are none."""
        first, last = (self.given.history[row]["timestamp"] for row in (0, -1))
        if not self.symbols:
            return None
        # From the session of the first row on, whenever in it the row is.
        begin = first.replace(hour=0, minute=0, second=0, microsecond=0)
        frame = self._database.get_frame(self.symbols, begin, last + timedelta(days=1), missing="skip")
        frame = frame[frame["timestamp"] <= last].reset_index(drop=True)
        return frame if len(frame) else None

    @cached_property
    def equity(self) -> "pd.Series[float]":
        """Return its values, as they are in its history."""
        account = account_of(self.given.history)
        return pd.Series(account.equity, pd.DatetimeIndex(account.stamps.astype("datetime64[us]"), tz="UTC"))

    @cached_property
    def growth(self) -> "pd.Series[float]":
        """Return its values as they would be without what was paid in and out."""
        values = grown(account_of(self.given.history), self.given.options["flows_at"])
        return pd.Series(values, self.equity.index)

    @property
    def exposure(self) -> "pd.Series[float] | None":
        """Return the share that is not cash; None where a row does not say."""
        cash = account_of(self.given.history).cash
        if cash is None or (self.equity <= 0).any():
            return None
        return pd.Series(1 - cash / self.equity.to_numpy(), self.equity.index, name="invested")

    @cached_property
    def benchmark(self) -> "pd.Series[float] | None":
        """Return the closes of its benchmark; None where there are none from its first row on."""
        closes = self._market.closes
        return None if closes is None or closes.index[0] > self.equity.index[0] else closes

    @cached_property
    def attribution(self) -> dict[str, Any]:
        """Return where its return came from."""
        closes = closes_of(self._database, sorted({*self.symbols, *self._of_groups}), self.equity)
        account = account_of(self.given.history)
        flows = None if account.flows is None else pd.Series(account.flows, self.equity.index)
        return explained(
            self.given.fills,
            self.growth,
            self.stored["report"],
            closes,
            self.benchmark,
            self.given.groups,
            cash_flows=flows,
            flows_at=self.given.options["flows_at"],
        )

    @property
    def _of_groups(self) -> list[str]:
        """Return the symbols that the groups' benchmark is made of."""
        return self.given.groups.priced_by

    def _closes(self, symbol: str) -> BenchmarkCloses:
        return BenchmarkCloses(symbol, self._database.bars)

    @property
    def _trouble(self) -> str | None:
        if self._market.trouble is not None or self._market.symbol is None or self.benchmark is not None:
            return self._market.trouble
        first = self.equity.index[0].date()
        return f"not compared with {self._market.symbol}, which has no stored close at the first row, of {first}"

    @cached_property
    def _market(self) -> BenchmarkCloses:
        return BenchmarkCloses(self.given.benchmark, self._database.bars)

    def _of_backtest(self, path: Path) -> Given:
        files = [self._lake.manifest.current(asset, self.name) for asset in (FILLS, HISTORY)]
        if None in files:
            message = (
                f"the backtest {self.name!r} must have been run, and was not; materialize {BACKTESTS} for it first"
            )
            raise NoDataError(message)
        kept = [file for file in files if file is not None]
        fills, history = (self._lake.frame(file).to_dict("records") for file in kept)
        file = load_strategy_file(path)
        return Given(
            fills=[_fill(row) for row in fills],
            history=[_row(row) for row in history],
            content=" ".join(file.content_hash for file in kept),
            options=self._options(),
            benchmark=self._benchmark_symbol(file.benchmark),
            groups=file.groups,
        )

    def _of_file(self, path: Path) -> Given:
        file = load_portfolio_file(path)
        content = file.fingerprint()
        fills, history = file.read()
        said = {name: getattr(file, name) for name in ("flows_at", "matching", "annualize_partial_years")}
        return Given(
            fills=fills,
            history=history,
            content=content,
            options=self._options() | said | _chosen(file.periods_per_year, file.risk_free_rate),
            benchmark=self._benchmark_symbol(file.benchmark),
            groups=file.groups,
        )

    def _options(self) -> dict[str, Any]:
        settings = self._universe.performance
        return {
            "periods_per_year": settings.periods_per_year,
            "risk_free_rate": settings.risk_free_rate,
            "exchange_zone": exchange_zone(self._universe.calendar, self._universe.history_start.year).key,
            "flows_at": "end",
            "matching": "fifo",
        }

    def _benchmark_symbol(self, said: str | None) -> str | None:
        if said is None:
            return self._universe.benchmark_symbol
        return None if said == NO_BENCHMARK else said


def _chosen(periods_per_year: int | None, risk_free_rate: Any) -> dict[str, Any]:  # noqa: ANN401 - Decimal, or None
    chosen: dict[str, Any] = {} if periods_per_year is None else {"periods_per_year": periods_per_year}
    return chosen if risk_free_rate is None else chosen | {"risk_free_rate": float(risk_free_rate)}


def _fill(row: Mapping[Any, Any]) -> FillEvent:
    amounts = {name: row[name].normalize() for name in ("quantity", "fill_price", "commission", "slippage")}
    return FillEvent(
        symbol=str(row["symbol"]),
        timestamp=row["timestamp"].to_pydatetime(),
        direction=row["direction"],
        **{name: amount or ZERO for name, amount in amounts.items()},
    )


def _row(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "timestamp": row["timestamp"].to_pydatetime(),
        "total_value": row["total_value"],
        "cash": row["cash"],
        "positions": {symbol: float(held) for symbol, held in json.loads(row["positions"]).items()},
    }
