"""What groups of symbols added to the return of a benchmark that holds the same groups.

The effects are Brinson's and Fachler's, of what was held into each period; what fills gained or cost within a
period is no decision between groups, and stands beside them.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

import numpy as np
import pandas as pd

from jutsu_core.arguments import refuse, require_number, shown
from jutsu_core.events import FillEvent
from jutsu_core.metrics.account import FlowsAt
from jutsu_core.metrics.attribution import Attribution, linked
from jutsu_core.metrics.contributions import attribute_fills
from jutsu_core.metrics.frames import checked_frame
from jutsu_core.metrics.series import FloatArray

Rebalanced = Literal["every_period", "never"]

CASH = "cash"
"""The group of what is not invested; it earns nothing, in the benchmark neither."""
EFFECTS = ("allocation", "selection", "interaction", "trading")
_SUMS_TO_ONE = 1e-9
# Where long and short of a group nearly cancel, no return can be told of what little is left.
_LEAST_NET = 1e-3


def attribute_groups(
    fills: Iterable[FillEvent],
    prices: pd.DataFrame,
    groups: Mapping[str, str],
    benchmark_weights: Mapping[str, float],
    benchmark_prices: pd.DataFrame,
    *,
    starting_equity: float,
    rebalanced: Rebalanced = "every_period",
    cash_flows: "pd.Series[float] | None" = None,
    flows_at: FlowsAt = "end",
) -> Attribution:
    """Return by effect and group what a portfolio earned beyond a benchmark of the same groups.

    Formula:
        As :func:`jutsu_core.metrics.attribution.brinson_fachler`, with w = held value of the group at the end of the
        period before / equity then, and r what holding it returned; where a group is not held, r = B.
        trading = what fills of the period gained until its end, costs taken off, / equity at the end of the period
        before. The effects of a period add up to its return less the benchmark's, the linked ones to R - B.

    Args:
        fills: Executed orders, oldest first.
        prices: Prices above 0, one column a symbol, one row a period with an aware time, oldest first.
        groups: By symbol, the group that it is of.
        benchmark_weights: By group its share of the benchmark, from 0 to 1; what they lack of 1 is cash.
        benchmark_prices: Prices above 0 of each group in the benchmark, one column a group, the rows of ``prices``.
        starting_equity: What there was, in cash, before the first row; above 0.
        rebalanced: Whether the benchmark is held to its weights at the start of ``every_period``, or was bought at
            them in the first row and ``never`` again, so that they drift with its prices.
        cash_flows: What was paid into the portfolio or out of it, as ``attribute_fills`` takes it.
        flows_at: Whether that came at the ``end`` of the period or at its ``start``.

    Returns:
        Columns of two levels, effect and group, ``cash`` the last of them; ``total`` is R - B.

    Raises:
        InvalidInputError: A symbol has no group, a group no weight or no price, the weights are more than 1, the
            frames have other rows, or :func:`jutsu_core.metrics.contributions.attribute_fills` refuses the rest.

    References:
        Brinson and Fachler (1985), Measuring Non-U.S. Equity Portfolio Performance; linked as Carino (1999).

    Examples:
        >>> from datetime import UTC, datetime
        >>> from decimal import Decimal
        >>> days = pd.date_range("2013-03-01", periods=2, tz="UTC")
        >>> bought = FillEvent(
        ...     symbol="IBM",
        ...     timestamp=datetime(2013, 3, 1, tzinfo=UTC),
        ...     direction="BUY",
        ...     quantity=Decimal(8),
        ...     fill_price=Decimal(100),
        ... )
        >>> own, other = (pd.DataFrame({name: [100.0, last]}, days) for name, last in (("IBM", 110.0), ("Tech", 105.0)))
        >>> found = attribute_groups([bought], own, {"IBM": "Tech"}, {"Tech": 0.5}, other, starting_equity=1000)
        >>> effects = found.linked.groupby(level="effect").sum().round(12).to_dict()
        >>> effects, round(found.total, 12)
        ({'allocation': 0.015, 'interaction': 0.015, 'selection': 0.025, 'trading': 0.0}, 0.055)
    """
    if shown(rebalanced) not in map(repr, get_args(Rebalanced)):
        refuse("rebalanced", f"one of {', '.join(get_args(Rebalanced))}", shown(rebalanced))
    earned = attribute_fills(fills, prices, starting_equity=starting_equity, cash_flows=cash_flows, flows_at=flows_at)
    names, weights, of = _groups(prices, groups, benchmark_weights)
    others = _returns(benchmark_prices, prices, names)
    shares = np.broadcast_to(weights, others.shape) if rebalanced == "every_period" else _drifting(weights, others)
    at_work = earned.at_work.to_numpy(np.float64)
    before = np.where(at_work > 0, at_work, np.inf)
    value = earned.held.to_numpy()
    own, gross = _summed(value, of, len(names)), _summed(np.abs(value), of, len(names))
    made, traded = (_amounts(earned.money, activity, groups, names, before) for activity in ("holding", "trading"))
    benchmark = (others * shares).sum(axis=1)
    allocation = np.hstack([own - shares, (shares.sum(axis=1) - own.sum(axis=1))[:, None]])
    allocation *= np.hstack([others, np.zeros((len(others), 1))]) - benchmark[:, None]
    is_told = np.abs(own) > _LEAST_NET * gross
    returned = np.divide(made, own, out=others.copy(), where=is_told)
    selection = shares * (returned - others)
    interaction = made - own * others - selection
    allocated = [(EFFECTS[0], name) for name in (*names, CASH)]
    others_of = [(effect, name) for effect in EFFECTS[1:] for name in names]
    columns = pd.MultiIndex.from_tuples([*allocated, *others_of], names=["effect", "group"])
    parts = np.hstack([allocation, selection, interaction, traded])
    whole = made.sum(axis=1) + traded.sum(axis=1)
    return linked(pd.DataFrame(parts, index=prices.index, columns=columns), parts, whole, benchmark)


def _groups(
    prices: pd.DataFrame, groups: Mapping[str, str], weights: Mapping[str, float]
) -> tuple[list[str], FloatArray, list[int]]:
    """Return the groups, their shares of the benchmark, and the group of each symbol by its place."""
    told: dict[str, object] = {"groups": groups, "benchmark_weights": weights}
    for name, given in told.items():
        if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
            refuse(name, "a mapping whose keys are texts", shown(given))
    names = list(weights)
    if CASH in names:
        refuse("benchmark_weights", f"without {CASH!r}, which is what they lack of 1", "with it")
    shares = np.array([require_number(f"benchmark_weights[{name!r}]", weights[name]) for name in weights])
    if not len(shares) or (shares < 0).any() or shares.sum() > 1 + _SUMS_TO_ONE:
        refuse("benchmark_weights", "shares from 0 that add up to 1 at most", dict(weights))
    for symbol in prices.columns:
        if groups.get(symbol) not in names:
            was = f"that of {groups[symbol]!r}" if symbol in groups else "without it"
            refuse("groups", f"with {symbol!r} in a group that has a weight", was, "add it to one")
    return names, shares, [names.index(groups[symbol]) for symbol in prices.columns]


def _returns(benchmark_prices: pd.DataFrame, prices: pd.DataFrame, names: list[str]) -> FloatArray:
    """Return what each group of the benchmark returned in each period; nothing in the first, which has no start."""
    told = checked_frame("benchmark_prices", benchmark_prices)
    if not benchmark_prices.index.equals(prices.index):
        refuse("the index of benchmark_prices", "that of prices", "another", "benchmark_prices.reindex(prices.index)")
    if list(benchmark_prices.columns) != names:
        refuse("the columns of benchmark_prices", f"the groups {names}", list(benchmark_prices.columns))
    if (told <= 0).any():
        refuse("benchmark_prices", "above 0", float(told.min()))
    returns = np.zeros_like(told)
    returns[1:] = told[1:] / told[:-1] - 1
    return returns


def _drifting(weights: FloatArray, returns: FloatArray) -> FloatArray:
    """Return the shares at the start of each period of what was bought at ``weights`` before the first."""
    grown = np.ones_like(returns)
    grown[1:] = np.cumprod(1 + returns, axis=0)[:-1]
    worth: FloatArray = weights * grown
    shares: FloatArray = worth / (1 - weights.sum() + worth.sum(axis=1))[:, None]
    return shares


def _summed(values: FloatArray, of: list[int], count: int) -> FloatArray:
    found = np.zeros((len(values), count))
    np.add.at(found.T, of, values.T)
    return found


def _amounts(
    money: pd.DataFrame, activity: str, groups: Mapping[str, str], names: list[str], before: FloatArray
) -> FloatArray:
    """Return what each group earned by an activity in each period, over the equity before it."""
    found = np.zeros((len(before), len(names)))
    those = money[money["activity"] == activity]
    columns = np.array([names.index(groups[symbol]) for symbol in those["symbol"]], dtype=np.int64)
    np.add.at(found, (those["row"].to_numpy(np.int64), columns), those["amount"].to_numpy(np.float64))
    return found / before[:, None]
