"""A portfolio that was measured, for pages of it: two symbols, long and short, beside a benchmark."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from jutsu_assets.reports.portfolio_results import PortfolioResults
from jutsu_core.events import FillEvent
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from jutsu_core.metrics.contributions import attribute_fills
from jutsu_core.metrics.trades import round_trips

DAYS = pd.bdate_range("2009-03-02", periods=700, tz="UTC")


def prices() -> pd.DataFrame:
    noise = np.random.default_rng(11).normal(0.0006, 0.012, (len(DAYS), 3))
    return pd.DataFrame(100 * np.cumprod(1 + noise, axis=0), index=DAYS, columns=["AAPL", "IBM", "SPY"])


def fills(closes: pd.DataFrame) -> list[FillEvent]:
    """AAPL is bought and sold, IBM sold and bought back, every 20 sessions."""
    return [
        FillEvent(
            symbol=symbol,
            timestamp=DAYS[row].to_pydatetime() + timedelta(hours=20),
            direction="BUY" if (symbol == "AAPL") == (row // 20 % 2 == 0) else "SELL",
            quantity=Decimal(300 if symbol == "AAPL" else 100),
            fill_price=Decimal(str(round(float(closes[symbol].iloc[row]), 2))),
            commission=Decimal(1),
        )
        for row in range(20, 640, 20)
        for symbol in ("AAPL", "IBM")
    ]


def portfolio_results(**changes: Any) -> PortfolioResults:
    closes = prices()
    done = fills(closes)
    earned = attribute_fills(done, closes[["AAPL", "IBM"]], starting_equity=100_000)
    benchmark = closes["SPY"].rename("SPY")
    rows = [
        {"timestamp": day.to_pydatetime(), "total_value": value}
        for day, value in zip(DAYS, earned.equity.to_list(), strict=True)
    ]
    results = PortfolioResults(
        name="Long & short",
        report=PerformanceAnalyzer(benchmark=benchmark).calculate_metrics(done, rows),
        equity=earned.equity,
        benchmark=benchmark,
        exposure=pd.DataFrame({"long": np.linspace(0, 0.4, len(DAYS)), "short": np.linspace(0, -0.2, len(DAYS))}, DAYS),
        fills=done,
        round_trips=round_trips(done),
        contributions={"By symbol": {str(name): float(part) for name, part in earned.by_symbol.linked.items()}},
    )
    return replace(results, **changes)
