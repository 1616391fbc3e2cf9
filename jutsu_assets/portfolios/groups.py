"""Groups of symbols, as strategy and portfolio files name them, with the share of each in the benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import get_args

from jutsu_assets.portfolios.keys import Key, Unfit, Value, amount, choice, finding, said_of, text, texts
from jutsu_core.metrics.group_attribution import CASH, Rebalanced

_ONE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of symbols, and its place in the benchmark.

    Attributes:
        name: What it is called.
        symbols: Which are of it.
        weight: Its share of the benchmark, from 0 to 1.
        benchmark: The symbol whose return is that of the group in the benchmark; None for its symbols in equal shares.
    """

    name: str
    symbols: tuple[str, ...]
    weight: Decimal
    benchmark: str | None

    @property
    def priced_by(self) -> tuple[str, ...]:
        """Return the symbols of which its return in the benchmark is made."""
        return self.symbols if self.benchmark is None else (self.benchmark,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """The groups that a file names.

    Attributes:
        members: The groups; none if empty.
        rebalanced: Whether the benchmark holds them at their weights in ``every_period``, or bought them once and
            ``never`` again.
    """

    members: tuple[Group, ...] = ()
    rebalanced: Rebalanced = "every_period"

    @property
    def priced_by(self) -> list[str]:
        """Return the symbols of which the returns of the benchmark are made."""
        return sorted({symbol for group in self.members for symbol in group.priced_by})


_OF_A_GROUP: Mapping[str, Key] = {
    "symbols": Key("a list of different tickers such as [AAPL, IBM]", texts),
    "weight": Key("a share of the benchmark from 0 to 1, such as 0.6", amount(at_least=0)),
    "benchmark": Key("a ticker such as XLK", text, None),
}
_OF_ALL: Mapping[str, Key] = {
    "rebalanced": Key(f"one of {', '.join(get_args(Rebalanced))}", choice(get_args(Rebalanced)), "every_period"),
}


def _groups(value: Value) -> Grouping:
    """Return the groups that a file names.

    Raises:
        ValueError: It names none, or one is wrong.
    """
    if not isinstance(value.value, dict) or not value.value.keys() - _OF_ALL:
        raise ValueError
    of_all = {name: said for name, said in value.value.items() if name in _OF_ALL}
    whole_said = said_of(replace(value, value=of_all), _OF_ALL)
    found: list[Group] = []
    for name, said in value.value.items():
        if name in _OF_ALL:
            continue
        under = value.under(name, said)
        if not isinstance(name, str) or not name.strip() or name.lower() == CASH:
            must_be = f"called by a text other than {CASH!r}, which is what the weights lack of 1"
            raise Unfit(finding(under, must_be))
        if not isinstance(said, dict):
            raise Unfit(finding(under, "a group of keys such as {symbols: [AAPL, IBM], weight: 0.6}"))
        found.append(Group(name=name, **said_of(under, _OF_A_GROUP)))
    _require_once(value, found)
    whole = sum((group.weight for group in found), Decimal(0))
    if whole > _ONE:
        raise Unfit(finding(value, f"groups whose weights add up to 1 at most, not to {whole}"))
    return Grouping(members=tuple(found), **whole_said)


def _require_once(value: Value, groups: Sequence[Group]) -> None:
    seen: dict[str, str] = {}
    for group in groups:
        for symbol in group.symbols:
            if symbol in seen:
                must_be = f"groups that differ, but {symbol} is of {seen[symbol]} and of {group.name}"
                raise Unfit(finding(value, must_be))
            seen[symbol] = group.name


GROUPS = Key("groups such as {Tech: {symbols: [AAPL, IBM], weight: 0.6}}", _groups, Grouping())
"""The key of strategy and portfolio files."""
