"""What each symbol, side and activity contributed to the return that fills made.

What a position that was held into a period earned from its last price to this one is of holding it; what a
fill gained from its price to the end of the period, costs taken off, is of trading.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import NamedTuple, get_args

import numpy as np
import pandas as pd

from jutsu_core.arguments import refuse, require_number, shown
from jutsu_core.events import FillEvent
from jutsu_core.metrics.account import FlowsAt, is_nothing
from jutsu_core.metrics.attribution import Attribution, linked
from jutsu_core.metrics.frames import checked_frame
from jutsu_core.metrics.reconciliation import rows_of_fills, signed
from jutsu_core.metrics.series import FloatArray, IntArray, checked_stamps, checked_values
from jutsu_core.metrics.trades import checked_fills
from jutsu_core.sessions import EXCHANGE_ZONE

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earned:
    """What each symbol, side and activity earned, of the starting equity and its growth.

    Attributes:
        money: One row a part (``row`` of the prices, ``symbol``, ``side``, ``activity``, ``amount``).
        by_symbol: Contributions of the symbols.
        by_side: Those of ``long`` and ``short`` positions.
        by_activity: Those of ``holding`` and ``trading``.
        equity: Value of the portfolio at the end of each period, from the fills, prices and cash flows alone.
        at_work: What there was at the start of each period, with what was paid in or out then; 0 where all had been.
        held: What was held of each symbol into each period, at its last price, over what was at work.
    """

    money: pd.DataFrame
    by_symbol: Attribution
    by_side: Attribution
    by_activity: Attribution
    equity: "pd.Series[float]"
    at_work: "pd.Series[float]"
    held: pd.DataFrame


class _Part(NamedTuple):
    """What was earned in a period, by whom, how."""

    row: int
    symbol: str
    side: str
    activity: str
    amount: float


def attribute_fills(
    fills: Iterable[FillEvent],
    prices: pd.DataFrame,
    *,
    starting_equity: float,
    cash_flows: "pd.Series[float] | None" = None,
    flows_at: FlowsAt = "end",
) -> Earned:
    """Return what each symbol, side and activity contributed to the return of what the fills made.

    Formula:
        holding[t] = position[t-1] * (price[t] - price[t-1]);
        trading[t] = sum(signed quantity * (price[t] - fill price) - costs); contribution = amount / equity[t-1],
        or over that and the cash flow of the period where flows come at its start

    Args:
        fills: Executed orders, oldest first.
        prices: Prices above 0, one column a symbol, one row a period with an aware time, oldest first; a fill
            belongs to the first row at or after it, or at 00:00 UTC to that of its session.
        starting_equity: What there was, in cash, before the first row; above 0.
        cash_flows: What was paid in (above 0) or out in each row's period, with the rows of ``prices``.
        flows_at: Whether that came at the ``end`` of the period or at its ``start``.

    Returns:
        Contributions that add up to the time-weighted return of the equity: by symbol, side and activity, each linked.

    Raises:
        InvalidInputError: A fill is of no row, its symbol has no price, prices are
            not above 0, cash flows are of other rows, or what is at work does not stay above 0.

    Examples:
        >>> from datetime import UTC, datetime
        >>> days = pd.date_range("2013-03-01", periods=2, tz="UTC")
        >>> bought = FillEvent(
        ...     symbol="IBM",
        ...     timestamp=datetime(2013, 3, 1, 15, tzinfo=UTC),
        ...     direction="BUY",
        ...     quantity=Decimal(1),
        ...     fill_price=Decimal(90),
        ... )
        >>> found = attribute_fills([bought], pd.DataFrame({"IBM": [100.0, 110.0]}, index=days), starting_equity=1000)
        >>> found.by_activity.linked.round(12).to_dict(), round(found.by_symbol.total, 12)
        ({'holding': 0.009950494241, 'trading': 0.010049505759}, 0.02)
    """
    checked = checked_fills("fills", fills)
    told = checked_frame("prices", prices)
    if (told <= 0).any():
        refuse("prices", "above 0", float(told.min()))
    start = require_number("starting_equity", starting_equity)
    if start <= 0:
        refuse("starting_equity", "above 0", start)
    rows = _rows_of(checked, prices)
    symbols = [str(name) for name in prices.columns]
    parts, held = _parts(checked, rows, told, symbols)
    places = np.array([part.row for part in parts], dtype=np.int64)
    amounts = np.array([part.amount for part in parts])
    gains = np.zeros(len(told))
    np.add.at(gains, places, amounts)
    flows = _flows(cash_flows, prices, flows_at)
    equity = start + np.cumsum(gains + flows)
    at_work = np.concatenate(([start], equity[:-1])) + (flows if flows_at == "start" else 0.0)
    # Where all had been paid out, nothing was earned of nothing.
    is_idle = (gains == 0) & is_nothing(at_work, equity)
    at_work = np.where(is_idle, 0.0, at_work)
    before = np.where(is_idle, np.inf, at_work)
    ruined = np.flatnonzero((before <= 0) | (before + gains <= 0))
    if len(ruined):
        refuse("starting_equity", "enough for the losses", f"gone on {prices.index[ruined[0]]}")

    def by(labels: list[str], names: list[str]) -> Attribution:
        shares = np.zeros((len(told), len(names)))
        np.add.at(shares, (places, np.array([names.index(label) for label in labels], dtype=np.int64)), amounts)
        shares /= before[:, None]
        return linked(pd.DataFrame(shares, index=prices.index, columns=names), shares, shares.sum(axis=1))

    return Earned(
        money=pd.DataFrame([part._asdict() for part in parts], columns=list(_Part._fields)),
        by_symbol=by([part.symbol for part in parts], symbols),
        by_side=by([part.side for part in parts], ["long", "short"]),
        by_activity=by([part.activity for part in parts], ["holding", "trading"]),
        equity=pd.Series(equity, index=prices.index),
        at_work=pd.Series(at_work, index=prices.index),
        held=pd.DataFrame(_worth(held, told) / before[:, None], index=prices.index, columns=symbols),
    )


def _flows(cash_flows: "pd.Series[float] | None", prices: pd.DataFrame, flows_at: str) -> FloatArray:
    """Return what was paid in or out in each row's period.

    Raises:
        InvalidInputError: Cash flows are no finite numbers of the rows of ``prices``, or nobody knows when they came.
    """
    if shown(flows_at) not in map(repr, get_args(FlowsAt)):
        refuse("flows_at", "'end' or 'start'", shown(flows_at))
    if cash_flows is None:
        return np.zeros(len(prices))
    flows = checked_values("cash_flows", cash_flows, positive="none")
    if not cash_flows.index.equals(prices.index):
        refuse(
            "the index of cash_flows", "that of prices", "another", "cash_flows.reindex(prices.index, fill_value=0.0)"
        )
    return flows


def _rows_of(fills: list[FillEvent], prices: pd.DataFrame) -> IntArray:
    """Return the row of each fill.

    Raises:
        InvalidInputError: It has none, or its symbol has no price.
    """
    stamps = checked_stamps("prices", pd.Series(0.0, index=prices.index))
    rows = rows_of_fills(stamps, fills, EXCHANGE_ZONE)
    late = np.flatnonzero(rows == len(stamps))
    if len(late):
        was = fills[late[0]].timestamp.isoformat()
        refuse(f"fills: trade {late[0]}", f"at or before the last price, {prices.index[-1]}", was)
    for row, fill in enumerate(fills):
        if fill.symbol not in prices.columns:
            was = f"without it, though trade {row} is of it"
            refuse("prices", f"with a column {fill.symbol!r}", was, "give the prices of every symbol")
    return rows


def _parts(
    fills: list[FillEvent], rows: IntArray, prices: FloatArray, symbols: list[str]
) -> tuple[list[_Part], FloatArray]:
    """Return what was earned, row by row, and how many shares of each symbol were held into each row."""
    places = {symbol: place for place, symbol in enumerate(symbols)}
    position = dict.fromkeys(symbols, _ZERO)
    changed = np.full(prices.shape, np.nan)
    traded: list[_Part] = []
    for fill, row in zip(fills, rows.tolist(), strict=True):
        place = places[fill.symbol]
        traded.extend(_traded(row, fill, position[fill.symbol], float(prices[row, place])))
        position[fill.symbol] += signed(fill)
        changed[row, place] = float(position[fill.symbol])
    held = np.zeros(prices.shape)
    held[1:] = pd.DataFrame(changed).ffill().fillna(0.0).to_numpy()[:-1]
    moves = np.diff(prices, axis=0)
    holding = [
        _Part(row, symbols[place], _side(held[row, place]), "holding", float(held[row, place] * moves[row - 1, place]))
        for row, place in np.argwhere(held).tolist()
    ]
    return sorted([*holding, *traded], key=attrgetter("row")), held


def _worth(held: FloatArray, prices: FloatArray) -> FloatArray:
    found = np.zeros_like(held)
    found[1:] = held[1:] * prices[:-1]
    return found


def _side(position: Decimal | float) -> str:
    return "long" if position > 0 else "short"


def _traded(row: int, fill: FillEvent, before: Decimal, price: float) -> list[_Part]:
    """Return what a fill gained: of the position that it closes, and of the one that it opens."""
    change = signed(fill)
    closing = _ZERO
    if before and (before > 0) != (change > 0):
        closing = max(change, -before) if change < 0 else min(change, -before)
    costs = float(fill.commission + fill.slippage)
    parts = []
    for quantity, position in ((closing, before), (change - closing, change)):
        if quantity:
            gain = float(quantity) * (price - float(fill.fill_price)) - costs * float(abs(quantity) / fill.quantity)
            parts.append(_Part(row, fill.symbol, _side(position), "trading", gain))
    return parts
