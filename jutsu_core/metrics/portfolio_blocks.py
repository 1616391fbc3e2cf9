"""Blocks of a portfolio's report that need its account and its trades, and no other block.

``portfolio`` puts them together; a figure that cannot be told is ``None``.
"""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from itertools import groupby
from typing import Any

import numpy as np

from jutsu_core.bars import to_epoch
from jutsu_core.events import FillEvent
from jutsu_core.metrics import trades as trade_metrics
from jutsu_core.metrics.account import Account, money_weighted_return
from jutsu_core.metrics.answer import Answer, Measured, measured
from jutsu_core.metrics.drawdown import stretches
from jutsu_core.metrics.figures import iso_time
from jutsu_core.metrics.kernels import DAYS_PER_YEAR, annual_growth
from jutsu_core.metrics.money import EXACT
from jutsu_core.metrics.reconciliation import signed
from jutsu_core.metrics.rhythm import Rhythm, Spans, calendar_spans
from jutsu_core.metrics.series import FloatArray
from jutsu_core.metrics.trades import RoundTrip

_DAY = 86_400_000_000
_WORST = 10
_ZERO = Decimal(0)


def drawdowns(account: Account, values: FloatArray) -> list[dict[str, Any]]:
    """Return the ten deepest drawdowns that do not overlap, deepest first."""
    rows = []
    for found in stretches(values)[:_WORST]:
        last = min(found.recovery, len(values) - 1)
        rows.append(
            {
                "depth": found.depth,
                "peak": iso_time(account.at(found.peak)),
                "trough": iso_time(account.at(found.trough)),
                "recovery": iso_time(account.at(found.recovery)) if found.recovery < len(values) else None,
                "periods": last - found.peak,
                "days": float(account.stamps[last] - account.stamps[found.peak]) / _DAY,
                "days_to_trough": float(account.stamps[found.trough] - account.stamps[found.peak]) / _DAY,
            }
        )
    return rows


def period_table(account: Account, values: FloatArray, rhythm: Rhythm) -> dict[str, list[dict[str, Any]]]:
    """Return the return of each month and year, from the last value before it; after a hole from its first one."""
    return {
        "months": _period_rows(values, calendar_spans(account.stamps, rhythm, "M")),
        "years": _period_rows(values, calendar_spans(account.stamps, rhythm, "Y")),
    }


def _period_rows(values: FloatArray, spans: Spans) -> list[dict[str, Any]]:
    returns = (values[spans.lasts] / values[spans.bases] - 1).tolist()
    return [
        {"period": label, "return": value if math.isfinite(value) else None}
        for label, value in zip(spans.labels, returns, strict=True)
    ]


def cash_flow_figures(account: Account, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was paid in and out, and what the owner made beside what the manager did."""
    flows = np.zeros(1) if account.flows is None else account.flows
    earned = money_weighted_return(account)
    days, whole = figures["elapsed_days"], None if isinstance(earned, str) else earned
    annual = None if whole is None or not figures["is_annualised"] else annual_growth(np.array([1, 1 + whole]), days)
    told: dict[str, Answer] = {
        "net": float(flows.sum()),
        "money_weighted_return": earned,
        "money_weighted_annual": "less than a year" if annual is None else annual,
    }
    return {
        "flows": int(np.count_nonzero(flows)),
        "time_weighted_return": figures["total_return"],
        **measured(told).values,
    }


def top_trade_figures(fills: Sequence[FillEvent], trips: Sequence[RoundTrip]) -> dict[str, Any]:
    """Return the figures of trades that stand at the top of a report."""
    figures: dict[str, Decimal | float | None] = {
        "win_rate": trade_metrics.win_rate(trips),
        "profit_factor": trade_metrics.profit_factor(trips),
        "average_win": trade_metrics.average_win(trips),
        "average_loss": trade_metrics.average_loss(trips),
        "expectancy": trade_metrics.expectancy(trips),
        "net_profit": _sum(trips) if trips else None,
    }
    told = {name: "undefined" if figure is None else float(figure) for name, figure in figures.items()}
    return {"fills": len(fills), "round_trips": len(trips), **measured(told).values}


def _sum(trips: Sequence[RoundTrip]) -> Decimal:
    with localcontext(EXACT):
        return sum((trip.net_profit for trip in trips), _ZERO)


def realised(trips: Sequence[RoundTrip]) -> dict[str, dict[str, float | None]]:
    """Return which part of the net profit each symbol, side and year of closing made; each adds up to it."""
    keys = {
        "by_symbol": lambda trip: trip.symbol,
        "by_side": lambda trip: trip.side,
        "by_year": lambda trip: str(trip.exit_time.year),
    }
    return {
        name: measured(
            {label: float(_sum(list(group))) for label, group in groupby(sorted(trips, key=key), key=key)}
        ).values
        for name, key in keys.items()
    }


def activity(account: Account, fills: Sequence[FillEvent]) -> Measured:
    """Return how much was traded, and how long a position was open."""
    span = int(account.stamps[-1] - account.stamps[0])
    if not span:
        return measured({"turnover": "no time has passed", "exposure": "no time has passed"})
    with localcontext(EXACT):
        traded = float(sum((fill.quantity * fill.fill_price for fill in fills), _ZERO))
    mean = float(account.equity.mean())
    a_year = mean * span / _DAY / DAYS_PER_YEAR
    return measured(
        {
            "turnover": traded / 2 / a_year if a_year > 0 else "the mean value of the portfolio is not above 0",
            "exposure": _open_time(account, fills) / span,
        }
    )


def _open_time(account: Account, fills: Sequence[FillEvent]) -> int:
    """Return how many microseconds between the first row and the last a position was open."""
    first, last = int(account.stamps[0]), int(account.stamps[-1])
    held: dict[str, Decimal] = {}
    since: int | None = None
    total = 0
    for fill in fills:
        moment = min(max(to_epoch(fill.timestamp), first), last)
        left = held.pop(fill.symbol, _ZERO) + signed(fill)
        if left:
            held[fill.symbol] = left
        if held and since is None:
            since = moment
        elif not held and since is not None:
            total, since = total + moment - since, None
    return total if since is None else total + last - since
