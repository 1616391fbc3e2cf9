"""What an account's history and its fills say that cannot both be: named, so that no figure hides it.

**Which fills a row has.** A row at 00:00 UTC is the end of the session of that date and has the fills of
that date on the exchange's clocks and before; every other row has the fills until its time.

**Positions** by symbol that are bare numbers are worths or numbers of shares, whichever more rows agree with:
the first add up with cash to the total, the second are what the fills leave.

**Tolerance.** Sums may differ by a hundredth of the currency, or by a millionth of the account, whichever
is more.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from jutsu_core.bars import to_epoch
from jutsu_core.events import FillEvent
from jutsu_core.metrics.account import Account
from jutsu_core.metrics.series import FloatArray, IntArray
from jutsu_core.sessions import zone_of

Rule = Literal[
    "total_is_cash_and_positions",
    "cash_follows_fills",
    "positions_follow_fills",
    "no_jump_without_a_reason",
    "fills_within_history",
    "rows_are_of_the_period",
    "no_hole",
    "no_split_in_fills",
    "equity_is_above_zero",
    "account_is_not_empty",
    "benchmark_is_current",
]

_DAY = 86_400_000_000
_YEAR = 365.25 * _DAY
_LEAST_TOLERANCE = 0.01
_RELATIVE_TOLERANCE = 1e-6
_SAME_SHARES = 1e-9
# Without a position the value may earn interest, and no more than that.
_IDLE_RETURN_A_YEAR = 0.15
# A jump is a return of a tenth or more and ten times the usual one, or of a fiftieth and forty times that.
_JUMPS = ((0.1, 10), (0.02, 40))
# What a payment with its sign turned round leaves unexplained, as a share of it.
_SAME_PAYMENT = 0.1
_FEWEST_RETURNS = 3


class Finding(NamedTuple):
    """What is not right, where.

    Attributes:
        rule: What does not hold.
        at: When it first does not, as ISO text; ``None`` where it is no moment.
        text: In words, with the numbers.
        times: In how many rows.
    """

    rule: Rule
    at: str | None
    text: str
    times: int = 1

    def as_row(self) -> dict[str, Any]:
        """Return the finding as JSON-ready data."""
        return self._asdict()


def rows_of_fills(stamps: IntArray, fills: Sequence[FillEvent], exchange_zone: str) -> IntArray:
    """Return the first row that has each fill; the number of rows for one after the last."""
    moments = sessions_of(stamps, [fill.timestamp for fill in fills], exchange_zone)
    rows: IntArray = np.searchsorted(stamps, moments, side="left")
    return rows


def sessions_of(stamps: IntArray, times: Sequence[datetime], exchange_zone: str) -> IntArray:
    """Return ``times`` as rows at ``stamps`` have them: 00:00 UTC of their sessions, where all rows are such."""
    moments = np.fromiter((to_epoch(when) for when in times), np.int64, len(times))
    if not (stamps % _DAY).any():
        # As exchange_date has it, for all at once.
        there = pd.DatetimeIndex(moments.astype("datetime64[us]"), tz="UTC").tz_convert(zone_of(exchange_zone))
        local = there.tz_localize(None).as_unit("us").asi8
        moments = np.where(moments % _DAY == 0, moments, local // _DAY * _DAY)
    return moments


def disagreements(account: Account, fills: Sequence[FillEvent], exchange_zone: str) -> list[Finding]:
    """Return where the history does not add up, or not to the fills."""
    rows = rows_of_fills(account.stamps, fills, exchange_zone)
    shares = _shares_by_row(account, fills, rows)
    return [
        *_sums(account, shares),
        *_cash(account, fills, rows),
        *_positions(account, shares),
        *_jumps(account, fills, rows),
        *_outside(account, fills, rows),
    ]


def _sums(account: Account, shares: Sequence[Mapping[str, float]]) -> list[Finding]:
    if account.cash is None or account.positions is None:
        return []
    gaps = _gaps(account, account.positions)
    off = np.abs(gaps) > _tolerance(account)
    if account.are_bare and shares and _differing(account.positions, shares) < int(off.sum()):
        return []  # they are numbers of shares, whose worth is not told
    words = "total_value is {gap:+,.2f} beside cash and positions"
    return _worst(account, "total_is_cash_and_positions", gaps, words)


def _gaps(account: Account, positions: Sequence[Mapping[str, float] | float]) -> FloatArray:
    worth = [sum(held.values()) if isinstance(held, Mapping) else held for held in positions]
    cash = 0.0 if account.cash is None else account.cash
    found: FloatArray = account.equity - cash - np.array(worth, dtype=np.float64)
    return found


def _differing(positions: Sequence[Mapping[str, float] | float], shares: Sequence[Mapping[str, float]]) -> int:
    """Return in how many rows the positions are not those numbers of shares."""
    return sum(
        not isinstance(told, Mapping)
        or any(
            not math.isclose(told.get(symbol, 0.0), held.get(symbol, 0.0), rel_tol=_SAME_SHARES, abs_tol=_SAME_SHARES)
            for symbol in told.keys() | held.keys()
        )
        for told, held in zip(positions, shares, strict=True)
    )


def _cash(account: Account, fills: Sequence[FillEvent], rows: IntArray) -> list[Finding]:
    """Return where cash changes by what neither fills nor cash flows paid."""
    if account.cash is None or not fills:
        return []
    paid = np.zeros(len(account.stamps) + 1)
    np.add.at(paid, rows, [float(cash_of(fill)) for fill in fills])
    flows = np.zeros(len(account.stamps)) if account.flows is None else account.flows
    gaps = np.concatenate(([0.0], np.diff(account.cash) - paid[1:-1] - flows[1:]))
    words = "cash changed by {gap:+,.2f} beside fills and cash flows (as interest, dividends and fees do)"
    return _worst(account, "cash_follows_fills", gaps, words)


def _positions(account: Account, shares: Sequence[Mapping[str, float]]) -> list[Finding]:
    """Return where positions are not those that the fills leave: in number if they are shares, else in sign."""
    if account.positions is None or not shares:
        return []
    differing = _differing(account.positions, shares)
    are_shares = account.are_bare and (
        account.cash is None or differing < int((np.abs(_gaps(account, account.positions)) > _tolerance(account)).sum())
    )
    for row, (told, held) in enumerate(zip(account.positions, shares, strict=True)):
        if not isinstance(told, Mapping):
            continue
        for symbol in sorted(told.keys() | held.keys()):
            amount, quantity = told.get(symbol, 0.0), held.get(symbol, 0.0)
            is_same = bool(np.sign(amount) == np.sign(quantity))
            if are_shares:
                is_same = math.isclose(amount, quantity, rel_tol=_SAME_SHARES, abs_tol=_SAME_SHARES)
            if not is_same:
                what = "has" if are_shares else "is worth"
                text = f"{symbol} {what} {amount:,.2f} in the history, and the fills leave {quantity:g} shares of it"
                return [Finding("positions_follow_fills", account.at(row).isoformat(), text)]
    return []


def _shares_by_row(account: Account, fills: Sequence[FillEvent], rows: IntArray) -> list[Mapping[str, float]]:
    """Return how many shares of each symbol the fills leave at each row; nothing where that is not compared."""
    if account.positions is None or not fills:
        return []
    held: dict[str, Decimal] = {}
    told: dict[str, float] = {}
    found: list[Mapping[str, float]] = []
    at = 0
    for row in range(len(account.positions)):
        while at < len(fills) and rows[at] <= row:
            fill = fills[at]
            left = held[fill.symbol] = held.get(fill.symbol, Decimal(0)) + signed(fill)
            told = told | {fill.symbol: float(left)}
            at += 1
        found.append(told)
    return found


def _jumps(account: Account, fills: Sequence[FillEvent], rows: IntArray) -> list[Finding]:
    """Return where the value changes as no open position and no fill could make it."""
    values = account.equity
    if len(values) == 1 or (values < 0).any():
        return []
    flows = np.zeros(len(values)) if account.flows is None else account.flows
    gains = np.diff(values) - flows[1:]
    # Of nothing there is no share, and none that is usual.
    is_told = values[:-1] > 0
    sizes = np.divide(np.abs(gains), values[:-1], out=np.zeros(len(gains)), where=is_told)
    is_odd = np.zeros(len(sizes), dtype=bool)
    if np.count_nonzero(is_told) >= _FEWEST_RETURNS:
        # The usual return is that of the other periods, so the jump itself is not among them.
        usual = np.median(np.sort(sizes[is_told])[:-1])
        for least, times in _JUMPS:
            is_odd |= (sizes >= least) & (sizes >= times * usual) & ((usual > 0) | (least >= _JUMPS[0][0]))
    turned = np.abs(np.diff(values) + flows[1:]) <= _SAME_PAYMENT * np.abs(flows[1:])
    is_odd |= turned & (flows[1:] != 0) & (sizes >= _JUMPS[0][0])
    if fills:
        open_for = _open_for(len(values), fills, rows)
        idle = _IDLE_RETURN_A_YEAR * np.diff(account.stamps) / _YEAR
        is_odd = (is_odd & (np.abs(gains) > open_for)) | ((open_for == 0) & (sizes > idle))
    found = np.flatnonzero(is_odd)
    if not len(found):
        return []
    row = int(found[0]) + 1
    text = (
        f"the value jumps from {values[row - 1]:,.2f} to {values[row]:,.2f}, which no fill explains;"
        " if money was paid in or out, give it as cash_flow in that row"
    )
    if flows[row]:
        text = (
            f"the value goes from {values[row - 1]:,.2f} to {values[row]:,.2f}, which neither fills nor"
            f" the cash_flow of {flows[row]:+,.2f} explain; what is paid in is above 0, what is paid out below"
        )
    return [Finding("no_jump_without_a_reason", account.at(row).isoformat(), text, len(found))]


def _open_for(count: int, fills: Sequence[FillEvent], rows: IntArray) -> FloatArray:
    """Return, for each period, what the positions in it were last traded for, with what was traded in it."""
    held: dict[str, Decimal] = {}
    worth: dict[str, float] = {}
    total = 0.0
    states, traded = np.zeros(len(fills) + 1), np.zeros(count + 1)
    for at, fill in enumerate(fills):
        quantity = held[fill.symbol] = held.get(fill.symbol, Decimal(0)) + signed(fill)
        price = float(fill.fill_price)
        total -= worth.pop(fill.symbol, 0.0)
        if quantity:
            worth[fill.symbol] = abs(float(quantity)) * price
            total += worth[fill.symbol]
        # What rounding leaves is no position.
        total = total if worth else 0.0
        states[at + 1] = total
        traded[rows[at]] += float(fill.quantity) * price
    # What the first row has was traded before the first period began.
    before = states[np.searchsorted(rows, np.arange(1, count), side="left")]
    amounts: FloatArray = before + traded[1:count]
    return amounts


def _outside(account: Account, fills: Sequence[FillEvent], rows: IntArray) -> list[Finding]:
    late = int((rows == len(account.stamps)).sum())
    if not late:
        return []
    first = fills[len(fills) - late]
    text = f"{late} of {len(fills)} fills are after the last row, the first on {first.timestamp.isoformat()}"
    return [Finding("fills_within_history", account.at(-1).isoformat(), text, late)]


def cash_of(fill: FillEvent) -> Decimal:
    """Return what a fill brought in, costs taken off: below 0 for what was bought."""
    return -signed(fill) * fill.fill_price - fill.commission - fill.slippage


def signed(fill: FillEvent) -> Decimal:
    """Return how a fill changes the position: above 0 for what was bought."""
    return fill.quantity if fill.direction == "BUY" else -fill.quantity


def _worst(account: Account, rule: Rule, gaps: FloatArray, text: str) -> list[Finding]:
    """Return the first row whose gap is beyond the tolerance, with the largest gap of all."""
    found = np.flatnonzero(np.abs(gaps) > _tolerance(account))
    if not len(found):
        return []
    row = int(found[0])
    return [Finding(rule, account.at(row).isoformat(), text.format(gap=gaps[row]), len(found))]


def _tolerance(account: Account) -> FloatArray:
    found: FloatArray = np.maximum(_LEAST_TOLERANCE, _RELATIVE_TOLERANCE * np.abs(account.equity))
    return found
