"""The core figures of many portfolios beside peers: ``python -m tests.benchmarks.metric_peers``.

Each peer computes, of the same prices, those of our ten figures that it has. None is a dependency of Jutsu: where
one is not installed (``pip install vectorbt empyrical-reloaded quantstats``), the table says so. Libraries that
take one series at a time are timed over a twentieth of the portfolios, and multiplied.
"""

import argparse
import gc
import importlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jutsu_core.metrics.many import MANY, many_figures

DAYS, PART = 2_520, 20


class Peer(NamedTuple):
    """What is timed.

    Attributes:
        figures: How many of our figures it computes.
        call: Computes them.
        times: By how much its time is multiplied, where it computes a part.
    """

    figures: int
    call: Callable[[], object]
    times: int = 1


def prices_of(portfolios: int, days: int) -> pd.DataFrame:
    """Return random walks, one column a portfolio."""
    moves = np.random.default_rng(10).normal(0.0005, 0.01, (days, portfolios))
    return pd.DataFrame(100 * np.cumprod(1 + moves, axis=0), index=pd.bdate_range("2010-01-01", periods=days, tz="UTC"))


def by_vectorbt(prices: pd.DataFrame) -> Peer:
    """Return all ten as matrices, compiled beforehand by a first call."""
    importlib.import_module("vectorbt")

    def compute() -> list[Any]:
        returns: Any = prices.pct_change().iloc[1:]
        of = returns.vbt.returns(freq="1D", year_freq="252D")
        found = [of.total(), of.annualized(), of.annualized_volatility(), of.sharpe_ratio(), of.sortino_ratio()]
        return [*found, of.calmar_ratio(), of.max_drawdown(), returns.max(), returns.min(), (returns > 0).mean()]

    compute()
    return Peer(10, compute)


def by_empyrical(prices: pd.DataFrame) -> Peer:
    """Return nine, series by series."""
    kernels = importlib.import_module("empyrical")
    part = prices.iloc[:, : max(1, prices.shape[1] // PART)]
    names = ("cum_returns_final", "annual_return", "annual_volatility", "sharpe_ratio", "sortino_ratio", "calmar_ratio")

    def compute() -> list[Any]:
        returns = part.pct_change().iloc[1:]
        columns = [returns[name] for name in returns]
        found = [getattr(kernels, name)(column) for column in columns for name in (*names, "max_drawdown")]
        return [*found, *(column.max() for column in columns), *(column.min() for column in columns)]

    return Peer(9, compute, prices.shape[1] // part.shape[1])


def by_quantstats(prices: pd.DataFrame) -> Peer:
    """Return all ten, series by series."""
    kernels = importlib.import_module("quantstats").stats
    part = prices.iloc[:, : max(1, prices.shape[1] // PART)].tz_localize(None)
    names = ("comp", "cagr", "volatility", "sharpe", "sortino", "calmar", "max_drawdown", "best", "worst", "win_rate")

    def compute() -> list[Any]:
        returns = part.pct_change().iloc[1:]
        return [getattr(kernels, name)(returns[column]) for column in returns for name in names]

    return Peer(10, compute, prices.shape[1] // part.shape[1])


PEERS: Mapping[str, Callable[[pd.DataFrame], Peer]] = {
    "vectorbt": by_vectorbt,
    "empyrical-reloaded": by_empyrical,
    "quantstats": by_quantstats,
}


def best_seconds(call: Callable[[], object], rounds: int) -> float:
    """Return the shortest of some times, of the processor: what else the machine does is left out."""
    found = []
    for _ in range(rounds):
        gc.collect()
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    return min(found)


def table(portfolios: int, rounds: int) -> list[str]:
    """Return the report, in Markdown."""
    prices = prices_of(portfolios, DAYS)

    def ours() -> object:
        return many_figures(prices, periods_per_year=252, risk_free_rate=0.0)

    lines = [f"| {portfolios:,} portfolios of {DAYS:,} days | figures | ms | times ours |", "| --- | --- | --- | --- |"]
    bare = best_seconds(ours, rounds)
    lines.append(f"| Jutsu (`many_figures`) | {len(MANY)} | {bare * 1e3:,.0f} | 1.0 |")
    for name, make in PEERS.items():
        try:
            peer = make(prices)
        except ModuleNotFoundError:
            lines.append(f"| {name} | not installed | | |")
            continue
        # Ours once more beside each, so that what else the machine does falls on both.
        bare = best_seconds(ours, rounds)
        took = best_seconds(peer.call, max(1, rounds if peer.times == 1 else rounds // 3)) * peer.times
        lines.append(f"| {name} | {peer.figures} | {took * 1e3:,.0f} | {took / bare:,.1f} |")
    return [*lines, "", f"Load of the machine: {os.getloadavg()[0]:.1f}."]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portfolios", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    sys.stdout.write("\n".join(table(chosen.portfolios, chosen.rounds)) + "\n")


if __name__ == "__main__":
    main()
