"""Where the return of a portfolio came from, as far as stored prices tell: contributions, and what they leave open."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jutsu_core.errors import InvalidInputError
from jutsu_core.events import FillEvent
from jutsu_core.metrics.answer import measured
from jutsu_core.metrics.contributions import Earned, attribute_fills
from jutsu_core.metrics.reconciliation import cash_of, signed
from jutsu_core.metrics.regression import factor_regression
from jutsu_core.ports import DataHandler

_FEWEST_RETURNS = 3
TITLES: Mapping[str, str] = {"by_symbol": "By symbol", "by_side": "By side", "by_activity": "Holding and trading"}


def explained(
    fills: Sequence[FillEvent],
    equity: "pd.Series[float]",
    report: Mapping[str, Any],
    closes: Mapping[str, "pd.Series[float]"],
    benchmark: "pd.Series[float] | None",
) -> dict[str, Any]:
    """Return the attribution of a portfolio, JSON-ready.

    Args:
        fills: Executed orders, oldest first.
        equity: Total values by aware times, as they would be without what was paid in and out.
        report: What the analyzer returned for them.
        closes: Stored closes by symbol.
        benchmark: Values of the benchmark.

    Returns:
        ``realised`` (of the net profit, by symbol, side and year), ``contributions`` (fractions of the return that
        the fills made, by symbol, side, activity and year; ``None`` where there are no prices), ``explained`` (what
        they add up to), ``unexplained`` (the rest of the total return), ``factors`` (exposure to the benchmark with
        standard errors; ``None`` without one) and ``notes``.
    """
    notes: list[str] = []
    earned = _earned(fills, equity, closes, notes)
    total = report["total_return"]
    return {
        "realised": report["attribution"],
        "contributions": None if earned is None else _contributions(earned),
        "explained": None if earned is None else earned.by_symbol.total,
        "unexplained": None if earned is None or total is None else total - earned.by_symbol.total,
        "total_return": total,
        "factors": _factors(equity, benchmark, notes),
        "notes": notes,
    }


def closes_of(
    handler: DataHandler, symbols: Sequence[str], equity: "pd.Series[float]"
) -> dict[str, "pd.Series[float]"]:
    """Return the stored closes of ``symbols`` until the last row of ``equity``; those without any are left out."""
    if not symbols:
        return {}
    begin = pd.Timestamp("1900-01-01", tz="UTC").to_pydatetime()
    frame = handler.get_frame(symbols, begin, (equity.index[-1] + pd.Timedelta(days=1)).to_pydatetime(), missing="skip")
    return {
        str(symbol): pd.Series(bars["close"].to_numpy(), pd.DatetimeIndex(bars["timestamp"]))
        for symbol, bars in frame.groupby("symbol", observed=True)
    }


def _earned(
    fills: Sequence[FillEvent],
    equity: "pd.Series[float]",
    closes: Mapping[str, "pd.Series[float]"],
    notes: list[str],
) -> Earned | None:
    symbols = sorted({fill.symbol for fill in fills})
    absent = [symbol for symbol in symbols if symbol not in closes]
    if not symbols or absent:
        why = f"no stored prices of {', '.join(absent)}" if absent else "there are no fills"
        notes.append(f"the return is not attributed: {why}")
        return None
    # Before its first close a symbol is not held, and any price will do.
    prices = pd.DataFrame({symbol: closes[symbol].reindex(equity.index, method="ffill").bfill() for symbol in symbols})
    if prices.isna().any(axis=None):
        notes.append("the return is not attributed: a symbol has no stored price until the last row")
        return None
    try:
        return attribute_fills(list(fills), prices, starting_equity=_start(fills, equity, prices))
    except InvalidInputError as error:
        notes.append(f"the return is not attributed: {error}")
        return None


def _start(fills: Sequence[FillEvent], equity: "pd.Series[float]", prices: pd.DataFrame) -> float:
    """Return what there was before the first row: its value less what fills until then gained."""
    gained = 0.0
    first = equity.index[0].to_pydatetime()
    for fill in fills:
        if fill.timestamp > first:
            break
        gained += float(signed(fill)) * float(prices[fill.symbol].iloc[0]) + float(cash_of(fill))
    return float(equity.iloc[0]) - gained


def _contributions(earned: Earned) -> dict[str, dict[str, float]]:
    years = pd.DatetimeIndex(earned.by_symbol.by_period.index).year
    by_year = earned.by_symbol.by_period.groupby(years).sum()
    return {
        **{name: {str(part): float(value) for part, value in getattr(earned, name).linked.items()} for name in TITLES},
        "by_year": {str(year): float(value) for year, value in by_year.items()},
    }


def _factors(
    equity: "pd.Series[float]", benchmark: "pd.Series[float] | None", notes: list[str]
) -> dict[str, Any] | None:
    if benchmark is None or len(equity) < _FEWEST_RETURNS + 1 or (equity <= 0).any():
        return None
    market = benchmark.reindex(equity.index, method="ffill")
    moves = pd.DataFrame({"portfolio": equity, "benchmark": market}).pct_change().iloc[1:]
    if not np.isfinite(moves.to_numpy()).all():
        return None
    try:
        found = factor_regression(moves["portfolio"], moves[["benchmark"]])
    except InvalidInputError as error:
        notes.append(f"no regression on the benchmark: {error}")
        return None
    parts = {
        name: measured({str(key): float(value) for key, value in getattr(found, name).items()})[0]
        for name in ("coefficients", "standard_errors", "t_values")
    }
    return {**parts, "r_squared": found.r_squared, "periods": found.periods}
