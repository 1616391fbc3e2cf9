"""Strategies worked out in full, to read and to begin from."""

from decimal import Decimal, localcontext

from jutsu_core.arguments import refuse, require_integer
from jutsu_core.backtest.exact import EXACT, ZERO, require_amount
from jutsu_core.backtest.orders import TargetWeight
from jutsu_core.backtest.strategy import Strategy, View


class MovingAverageCross(Strategy):
    """Buys when the fast average of closes rises above the slow one, and sells all when it is above no more.

    A symbol is looked at when it has a bar, and acted on when the averages have crossed with it: until the
    first crossing nothing is held. Averages are compared exactly.

    Args:
        fast: Bars of the fast average, at least 1.
        slow: Bars of the slow average, above ``fast``.
        weight: Share of the total value to hold of each symbol while it is above, from 0 to 1; of several
            symbols, the weights should not add up to more than 1.

    Raises:
        InvalidInputError: A parameter breaks its constraint.
    """

    def __init__(self, *, fast: int = 20, slow: int = 50, weight: Decimal = Decimal(1)) -> None:
        self._fast = require_integer("fast", fast, minimum=1)
        self._slow = require_integer("slow", slow, minimum=2)
        if self._slow <= self._fast:
            refuse("slow", f"above fast ({fast})", slow)
        self._weight = require_amount("weight", weight, at_least=0, at_most=1)

    def decide(self, view: View) -> list[TargetWeight]:
        """Return a target for every symbol whose averages crossed with the bar of now."""
        orders = []
        for symbol in view.traded:
            closes = view.closes(symbol, self._slow + 1)
            if len(closes) <= self._slow:
                continue
            before, after = self._is_above(closes[:-1]), self._is_above(closes[1:])
            if after and not before:
                orders.append(TargetWeight(symbol, self._weight))
            elif before and not after:
                orders.append(TargetWeight(symbol, ZERO))
        return orders

    def _is_above(self, closes: tuple[Decimal, ...]) -> bool:
        """Return whether the fast average is above the slow one, without dividing."""
        with localcontext(EXACT):
            return sum(closes[-self._fast :]) * self._slow > sum(closes) * self._fast
