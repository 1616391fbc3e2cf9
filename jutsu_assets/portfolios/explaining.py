"""Where the return of a portfolio came from, as far as stored prices tell: contributions, and what they leave open."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jutsu_assets.portfolios.groups import Group, Grouping
from jutsu_core.errors import InvalidInputError
from jutsu_core.events import FillEvent
from jutsu_core.metrics.account import FlowsAt
from jutsu_core.metrics.answer import measured
from jutsu_core.metrics.contributions import Earned, attribute_fills
from jutsu_core.metrics.group_attribution import EFFECTS, attribute_groups
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
    groups: Grouping | None = None,
    *,
    cash_flows: "pd.Series[float] | None" = None,
    flows_at: FlowsAt = "end",
) -> dict[str, Any]:
    """Return the attribution of a portfolio, JSON-ready.

    Args:
        fills: Executed orders, oldest first.
        equity: Total values by aware times, as they would be without what was paid in and out.
        report: What the analyzer returned for them.
        closes: Stored closes by symbol.
        benchmark: Values of the benchmark.
        groups: What its symbols are of; none if absent.
        cash_flows: What was paid in or out in each period of ``equity``.
        flows_at: When in its period that came.

    Returns:
        ``realised`` (of the net profit, by symbol, side and year), ``contributions`` (fractions of the return that
        the fills made, by symbol, side, activity and year; ``None`` where there are no prices), ``explained`` (what
        they add up to), ``unexplained`` (the rest of the total return), ``factors`` (exposure to the benchmark with
        standard errors; ``None`` without one), ``groups`` (what they added beyond the benchmark that is made of
        them: ``effects`` by effect and group, ``total``, ``benchmark_return`` and ``residual``; ``None`` without
        groups) and ``notes``.
    """
    notes: list[str] = []
    prices = _prices(fills, equity, closes, notes)
    earned = beyond = None
    if prices is not None:
        money: dict[str, Any] = {
            "starting_equity": _start(fills, equity, prices),
            "cash_flows": cash_flows,
            "flows_at": flows_at,
        }
        earned = _earned(fills, prices, money, notes)
        if earned is not None and groups is not None and groups.members:
            beyond = _beyond(groups, fills, prices, closes, money, earned.by_symbol.total, notes)
    total = report["total_return"]
    return {
        "realised": report["attribution"],
        "contributions": None if earned is None else _contributions(earned),
        "explained": None if earned is None else earned.by_symbol.total,
        "unexplained": None if earned is None or total is None else total - earned.by_symbol.total,
        "total_return": total,
        "factors": _factors(equity, benchmark, notes),
        "groups": beyond,
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


def _prices(
    fills: Sequence[FillEvent],
    equity: "pd.Series[float]",
    closes: Mapping[str, "pd.Series[float]"],
    notes: list[str],
) -> pd.DataFrame | None:
    """Return the last price of every traded symbol at each row; None where one has none."""
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
    return prices


def _earned(
    fills: Sequence[FillEvent], prices: pd.DataFrame, money: Mapping[str, Any], notes: list[str]
) -> Earned | None:
    try:
        return attribute_fills(list(fills), prices, **money)
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


def _beyond(
    groups: Grouping,
    fills: Sequence[FillEvent],
    prices: pd.DataFrame,
    closes: Mapping[str, "pd.Series[float]"],
    money: Mapping[str, Any],
    explained_return: float,
    notes: list[str],
) -> dict[str, Any] | None:
    """Return what the groups added beyond the benchmark that is made of them, JSON-ready.

    Args:
        groups: The groups.
        fills: Executed orders, oldest first.
        prices: Of every symbol that was traded, one row a row of the history.
        closes: Stored closes by symbol.
        money: What there was before the first row, and what was paid in or out after it.
        explained_return: What the fills made in all.
        notes: Is told why, where there is no answer.

    Returns:
        ``effects`` by effect and group, ``total`` beyond the benchmark, ``benchmark_return`` and ``residual``; None
        where a symbol is of no group, or one that the benchmark is made of has no stored price.
    """
    of = {symbol: group.name for group in groups.members for symbol in group.symbols}
    strays = [symbol for symbol in prices.columns if symbol not in of]
    unknown = [symbol for symbol in groups.priced_by if symbol not in closes]
    if strays or unknown:
        why = f"{', '.join(strays)} is of none" if strays else f"no stored prices of {', '.join(unknown)}"
        notes.append(f"nothing is attributed to the groups: {why}")
        return None
    levels = {group.name: _level(group, closes, prices.index) for group in groups.members}
    weights = {group.name: float(group.weight) for group in groups.members}
    try:
        beside = pd.DataFrame(levels, index=prices.index)
        found = attribute_groups(fills, prices, of, weights, beside, rebalanced=groups.rebalanced, **money)
    except InvalidInputError as error:
        notes.append(f"nothing is attributed to the groups: {error}")
        return None
    effects: dict[str, dict[str, float]] = {effect: {} for effect in EFFECTS}
    for (effect, group), value in zip(found.linked.index.to_list(), found.linked.to_list(), strict=True):
        effects[effect][group] = value
    return {
        "effects": effects,
        "total": found.total,
        "benchmark_return": explained_return - found.total,
        "residual": found.residual,
    }


def _level(group: Group, closes: Mapping[str, "pd.Series[float]"], index: pd.Index) -> "pd.Series[float]":
    """Return what one unit of the group became: of several symbols in equal shares, held to them in every period.

    A symbol counts from its first price on; before any of the group has one, nothing moves.
    """
    held = pd.DataFrame({symbol: closes[symbol].reindex(index, method="ffill") for symbol in group.priced_by})
    moves = held.pct_change(fill_method=None).mean(axis=1).fillna(0.0)
    return (1 + moves).cumprod()
