"""Strategies that do what a test wrote down, and one that does whatever chance says."""

import random
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal

from jutsu_core.backtest.orders import Order, TargetQuantity, TargetWeight, TradeQuantity
from jutsu_core.backtest.strategy import Strategy, View


class Plan(Strategy):
    """Sends what is written down for a session."""

    def __init__(self, orders: Mapping[date, Iterable[Order]]) -> None:
        self._orders = orders

    def decide(self, view: View) -> list[Order]:
        return list(self._orders.get(view.now.date(), ()))


class Calls(Strategy):
    """Does what a function does."""

    def __init__(self, function: Callable[[View], object]) -> None:
        self._function = function

    def decide(self, view: View) -> Iterable[Order]:
        return self._function(view)  # type: ignore[return-value]  # the point


class Whim(Strategy):
    """Draws its orders by a chance that is seeded by everything it sees: whatever leaks in, changes them."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def decide(self, view: View) -> list[Order]:
        seen = [view.bars(symbol, 2) for symbol in view.symbols]
        known = (self._seed, view.now, view.cash, view.total_value, view.positions, view.open_orders, seen)
        draw = random.Random(repr(known))  # noqa: S311 - the same in every run
        orders: list[Order] = []
        for symbol in view.symbols:
            kind = draw.randrange(8)
            if kind == 0:
                orders.append(TradeQuantity(symbol, Decimal(draw.choice([-40, -3, 1, 2, 50]))))
            elif kind == 1:
                orders.append(TargetQuantity(symbol, Decimal(draw.randrange(-20, 60))))
            elif kind == 2:
                orders.append(TargetWeight(symbol, Decimal(draw.randrange(-100, 101)) / 100))
        return orders
