"""The history of a portfolio as arrays, and the returns of it that no deposit makes.

**Cash flows.** What is paid in (above 0) or out (below 0) stands in its row under ``cash_flow``, and the
row's value has it already. A flow at the ``end`` of its period earned nothing in it, one at the ``start``
worked all of it::

    end:    r[t] = (value[t] - flow[t]) / value[t-1] - 1
    start:  r[t] = value[t] / (value[t-1] + flow[t]) - 1

These compound to the time-weighted return: what the manager made of each unit, however many there were. The
money-weighted return is the one rate at which the first value and every flow grow to the last value: what
the owner made. A flow in the first row is part of the starting equity.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from jutsu_core.arguments import refuse, require_number, shown
from jutsu_core.bars import from_epoch, require_aware, to_epoch
from jutsu_core.metrics.series import MAX_RETURN, FloatArray, IntArray, require_finite

FlowsAt = Literal["end", "start"]

_HALVINGS = 200
# What floats may leave of an account of which all was paid out, as a share of the most that was in it.
_ROUNDED = 1e-12
_FEW = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A history that was checked.

    Attributes:
        stamps: When each row was, microseconds since 1970 UTC.
        equity: Total values, the first above 0.
        flows: What was paid in or out by row; ``None`` where no row says so.
        cash: Cash by row; ``None`` unless every row says so.
        positions: What each row says of its positions, by symbol or in one amount; ``None`` unless every row does.
        are_bare: Whether the positions by symbol are bare numbers, which may be worths or numbers of shares.
    """

    stamps: IntArray
    equity: FloatArray
    flows: FloatArray | None = None
    cash: FloatArray | None = None
    positions: tuple[Mapping[str, float] | float, ...] | None = None
    are_bare: bool = False

    def at(self, row: int) -> datetime:
        """Return when ``row`` was, UTC."""
        return from_epoch(int(self.stamps[row]))


def account_of(portfolio_history: object) -> Account:
    """Return the rows of a history as arrays.

    Raises:
        InvalidInputError: The history is no list of rows, a row breaks its contract, or they are not each
            after the one before; the message names the first.
    """
    is_frame = hasattr(portfolio_history, "columns")  # pandas', Polars' or Arrow's: an iteration gives no rows of it
    if isinstance(portfolio_history, str | bytes | Mapping) or is_frame or not isinstance(portfolio_history, Iterable):
        must_be = "a list of rows with 'timestamp' and 'total_value'"
        remedy = 'of a frame: frame.to_dict("records"), of Polars frame.to_dicts(), of Arrow table.to_pylist()'
        refuse("portfolio_history", must_be, shown(portfolio_history), remedy)
    rows = list(portfolio_history)
    if not rows:
        refuse("portfolio_history", "at least one row long", "empty", "begin with the starting equity")
    values, stamps = _columns_of(rows) or _columns_by_row(rows)
    if values[0] <= 0:
        refuse("total_value in row 0 of portfolio_history", "above 0 (the starting equity)", values[0])
    flows = _amounts("cash_flow", rows)
    if flows is not None:
        flows[0] = 0.0
    cash = _amounts("cash", rows)
    positions = tuple(
        _positions_of(entry["positions"], row)
        for row, entry in enumerate(rows)
        if "positions" in entry and _is_told(entry, "positions")
    )
    return Account(
        stamps=stamps,
        equity=values,
        flows=flows if flows is not None and flows.any() else None,
        cash=cash if all(_is_told(entry, "cash") for entry in rows) else None,
        positions=positions if len(positions) == len(rows) else None,
        are_bare=len(positions) == len(rows) and all(_is_bare(entry["positions"]) for entry in rows),
    )


def grown(account: Account, flows_at: FlowsAt) -> FloatArray:
    """Return the values as they would be without the flows: the first one, grown by the returns of each period.

    Where all had been paid out, nothing was at work, and the period counts as a return of 0.

    Raises:
        InvalidInputError: A flow of the start of its period leaves nothing to grow, or one of the end grew though
            there was nothing before it.
    """
    flows, values = account.flows, account.equity
    if flows is None:
        return values
    before, after = _at_work(account, flows, flows_at)
    was_nothing = is_nothing(before, values)
    is_idle = was_nothing & is_nothing(after, values)
    empty = np.flatnonzero((before <= 0) & ~is_idle)
    if len(empty) and flows_at == "start":
        row = int(empty[0]) + 1
        must_be = f"less than all that there was, {values[row - 1]:g}, when it is paid out first"
        refuse(f"cash_flow in row {row} of portfolio_history", must_be, flows[row], "or say flows_at='end'")
    with np.errstate(all="ignore"):
        growth = np.where(is_idle, 1.0, np.where((before > 0) & ~was_nothing, after / before, 0.0))
        found = np.concatenate((values[:1], values[0] * np.cumprod(growth)))
    require_finite("growth", "portfolio_history", float(np.abs(found).max()))
    begun = np.flatnonzero(was_nothing & ~is_idle & (found[:-1] > 0))
    if len(begun):
        row = int(begun[0]) + 1
        must_be = f"all that there was at its end, {values[row]:g}, since there was nothing before it"
        refuse(f"cash_flow in row {row} of portfolio_history", must_be, flows[row], "or say flows_at='start'")
    return found


def idle_rows(account: Account, flows_at: FlowsAt) -> list[int]:
    """Return the rows of the periods in which nothing was at work, since all had been paid out."""
    if account.flows is None:
        return []
    before, after = (is_nothing(part, account.equity) for part in _at_work(account, account.flows, flows_at))
    return [int(row) + 1 for row in np.flatnonzero(before & after)]


def _at_work(account: Account, flows: FloatArray, flows_at: FlowsAt) -> tuple[FloatArray, FloatArray]:
    """Return what there was in each period at its start, and what that became, without what was paid in or out."""
    values = account.equity
    return (values[:-1] + flows[1:], values[1:]) if flows_at == "start" else (values[:-1], values[1:] - flows[1:])


def is_nothing(amounts: FloatArray, values: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which amounts are no more than rounding leaves of an account that held ``values``.

    Examples:
        >>> is_nothing(np.array([1e-9, 1.0]), np.array([5_000.0])).tolist()
        [True, False]
    """
    found: npt.NDArray[np.bool_] = np.abs(amounts) <= _ROUNDED * float(np.abs(values).max())
    return found


def money_weighted_return(account: Account) -> float | str:
    """Return the rate of the whole time at which what was paid in grows to the last value; why not, if there is none.

    Formula:
        the R with value[0] * (1 + R) + sum(flow[t] * (1 + R) ** ((T - t) / T)) = value[T], by elapsed time
    """
    span = int(account.stamps[-1] - account.stamps[0])
    if not span:
        return "a single row has no return"
    left = (account.stamps[-1] - account.stamps) / span
    amounts = np.zeros(len(left)) if account.flows is None else account.flows.copy()
    amounts[0] += account.equity[0]
    amounts[-1] -= account.equity[-1]
    paid = np.flatnonzero(amounts)
    amounts, left = amounts[paid], left[paid]

    def too_much(growth: float) -> float:
        return float(np.dot(amounts, growth**left))

    # What is paid in and out in turn may have several such rates, and then none of them means anything.
    grid = np.concatenate(([1e-12], np.geomspace(1e-6, 1e6, 481)))
    found = np.power(grid[:, None], left) @ amounts if len(left) <= _FEW else np.array([too_much(x) for x in grid])
    crossings = np.flatnonzero((found[:-1] < 0) != (found[1:] < 0))
    if len(crossings) != 1:
        return "no rate, or more than one, explains what was paid in and out"
    low, high = float(grid[crossings[0]]), float(grid[crossings[0] + 1])
    is_low_negative = too_much(low) < 0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if (too_much(middle) < 0) == is_low_negative else (low, middle)
    return (low + high) / 2 - 1


def _columns_of(rows: Sequence[Any]) -> tuple[FloatArray, IntArray] | None:
    """Return what :func:`_columns_by_row` does, in less time; None where a row is not as nearly all are."""
    if not all(isinstance(row, Mapping) for row in rows):
        return None
    try:
        times = [row["timestamp"] for row in rows]
        amounts = [row["total_value"] for row in rows]
        if set(map(type, times)) == {datetime} and set(map(type, amounts)) <= {float, int, Decimal}:
            stamps = np.fromiter(map(to_epoch, times), np.int64, len(times))
            values = np.fromiter(map(float, amounts), np.float64, len(amounts))
            is_sound = bool((stamps[1:] > stamps[:-1]).all()) and bool(np.isfinite(values).all())
            return (values, stamps) if is_sound else None
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    return None


def _columns_by_row(rows: Sequence[object]) -> tuple[FloatArray, IntArray]:
    """Return the values and the times of rows that are looked at one by one; an error names the first bad one."""
    stamps, values = np.empty(len(rows), dtype=np.int64), np.empty(len(rows))
    previous: datetime | None = None
    for row, entry in enumerate(rows):
        stamp, value = _row_of(entry, row)
        if previous is not None and stamp <= previous:
            what = f"timestamp in row {row} of portfolio_history"
            refuse(what, f"after {previous.isoformat()}", stamp.isoformat(), "one row a period, oldest first")
        stamps[row], values[row], previous = to_epoch(stamp), value, stamp
    return values, stamps


def _row_of(entry: object, row: int) -> tuple[datetime, float]:
    """Return the time, UTC, and the total value of one row of a history."""
    where = f"row {row} of portfolio_history"
    if not isinstance(entry, Mapping):
        refuse(where, "a mapping with 'timestamp' and 'total_value'", shown(entry))
    for key in ("timestamp", "total_value"):
        if key not in entry:
            refuse(where, f"a mapping with {key!r}", f"without it: {entry!r}")
    stamp, value = entry["timestamp"], entry["total_value"]
    if stamp is pd.NaT or not isinstance(stamp, datetime) or stamp.utcoffset() is None:
        remedy = "such as datetime(2024, 1, 2, tzinfo=UTC)"
        if isinstance(stamp, datetime) and not pd.isna(stamp):
            remedy = "say where it is meant: .replace(tzinfo=UTC), or of a column .dt.tz_localize('UTC')"
        refuse(f"timestamp in {where}", "a timezone-aware datetime", repr(stamp), remedy)
    return require_aware("timestamp", stamp), require_number(f"total_value in {where}", value)


def _is_told(entry: Mapping[str, Any], key: str) -> bool:
    return entry.get(key) is not None


def _is_bare(positions: object) -> bool:
    return isinstance(positions, Mapping) and not any(isinstance(amount, Mapping) for amount in positions.values())


def _amounts(key: str, rows: list[Mapping[str, Any]]) -> FloatArray | None:
    """Return the amounts under ``key``, 0 where a row has none; ``None`` where no row has one."""
    told = [(row, entry[key]) for row, entry in enumerate(rows) if key in entry and entry[key] is not None]
    if not told:
        return None
    amounts = np.zeros(len(rows))
    for row, amount in told:
        what = f"{key} in row {row} of portfolio_history"
        if amount is pd.NA or (isinstance(amount, float) and math.isnan(amount)):
            refuse(what, "a finite number", shown(amount), "leave the key out, or give None, where there is none")
        amounts[row] = _amount(what, amount)
    return amounts


def _positions_of(value: object, row: int) -> Mapping[str, float] | float:
    where = f"positions in row {row} of portfolio_history"
    if not isinstance(value, Mapping):
        if isinstance(value, Iterable):
            must_be = "what they are worth, in one amount or by symbol"
            refuse(where, must_be, shown(value), "as {'AAPL': 1250.0}; leave the key out if it is not known")
        return _amount(where, value)
    amounts: dict[str, float] = {}
    for symbol, amount in value.items():
        if not isinstance(symbol, str):
            refuse(f"a symbol of {where}", "a text", shown(symbol))
        amounts[symbol] = _worth(f"{symbol} of {where}", amount)
    return amounts


def _amount(what: str, value: object) -> float:
    """Return a finite amount that can be summed and multiplied.

    Raises:
        InvalidInputError: It is none.
    """
    number = require_number(what, value)
    if abs(number) > MAX_RETURN:
        refuse(what, f"at most {MAX_RETURN:g} in magnitude", number)
    return number


def _worth(what: str, amount: object) -> float:
    """Return an amount, or that of a mapping with ``market_value``, or with ``quantity`` and ``price``."""
    if not isinstance(amount, Mapping):
        return _amount(what, amount)
    if "market_value" in amount:
        return _amount(f"market_value of {what}", amount["market_value"])
    if not {"quantity", "price"} <= amount.keys():
        refuse(what, "a number, or a mapping with 'market_value', or with 'quantity' and 'price'", repr(amount))
    quantity, price = (_amount(f"{key} of {what}", amount[key]) for key in ("quantity", "price"))
    if price < 0:
        refuse(f"price of {what}", "at least 0", price, "a short position has a quantity below 0")
    return quantity * price
