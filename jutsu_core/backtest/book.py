"""The orders that wait for the next bar of their symbol."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from jutsu_core.arguments import refuse, shown
from jutsu_core.backtest.exact import EXACT, ZERO
from jutsu_core.backtest.orders import Order, TargetQuantity, TargetWeight, TradeQuantity
from jutsu_core.backtest.portfolio import Portfolio
from jutsu_core.events import FillEvent, MarketDataEvent

_ORDERS = (TradeQuantity, TargetQuantity, TargetWeight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfilled:
    """What of an order came to nothing.

    Attributes:
        symbol: Ticker.
        sent_at: When the order, or the last of those that were netted into it, was sent.
        ended_at: When it was cut, or the bars ended.
        quantity: Shares that were not traded: above 0 to buy, below 0 to sell.
        reason: ``cash``: it could not be paid, or what is short not covered; ``holding``: it would have sold more
            than was held; ``end``: no further bar of its symbol came.
    """

    symbol: str
    sent_at: datetime
    ended_at: datetime
    quantity: Decimal
    reason: Literal["cash", "holding", "end"]


@dataclass(slots=True)
class _Open:
    """All that is open in one symbol: a position to reach, if there is one, and a quantity on top of it."""

    sent_at: datetime
    target: Decimal | None
    quantity: Decimal

    def remaining(self, held: Decimal) -> Decimal:
        """Return what is still to be traded by who holds ``held``."""
        return self.quantity if self.target is None else EXACT.add(EXACT.subtract(self.target, held), self.quantity)


class OrderBook:
    """One open order a symbol: what comes later is added to it, or takes its place.

    A quantity to trade is added to what is open. A target takes the place of all that is open. So one
    symbol fills once a bar, and what cancels itself out costs nothing.
    """

    __slots__ = ("_open", "_unfilled")

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._unfilled: list[Unfilled] = []

    def remaining(self, portfolio: Portfolio) -> dict[str, Decimal]:
        """Return what is still to be bought (above 0) or sold, by symbol, sorted."""
        if not self._open:
            return {}
        wanted = {symbol: order.remaining(portfolio.position(symbol)) for symbol, order in self._open.items()}
        return {symbol: quantity for symbol, quantity in sorted(wanted.items()) if quantity}

    def accept(self, orders: Iterable[object], now: datetime, known: Iterable[str], portfolio: Portfolio) -> None:
        """Take ``orders``, sent at ``now`` by who has seen bars of the symbols ``known``.

        Raises:
            InvalidInputError: One is no order, is for a symbol of which no bar has come, or for no whole lots.
        """
        for row, order in enumerate(orders):
            if not isinstance(order, _ORDERS):
                names = ", ".join(kind.__name__ for kind in _ORDERS)
                refuse(f"order {row} of {now.isoformat()}", f"one of {names}", shown(order))
            if order.symbol not in known:
                seen = ", ".join(sorted(known))
                refuse(
                    f"symbol of order {row} of {now.isoformat()}",
                    f"one of which a bar has come ({seen})",
                    repr(order.symbol),
                )
            self._take(order, now, portfolio)

    def execute(self, now: datetime, bars: Iterable[MarketDataEvent], portfolio: Portfolio) -> list[FillEvent]:
        """Fill what is open in the symbols of ``bars``, at their opens: sales first, then by symbol."""
        if not self._open:
            return []
        wanted = []
        for bar in bars:
            order = self._open.pop(bar.symbol, None)
            if order is not None and (quantity := order.remaining(portfolio.position(bar.symbol))):
                wanted.append((quantity > 0, bar.symbol, quantity, bar.open, order.sent_at))
        fills = []
        for _, symbol, quantity, price, sent_at in sorted(wanted):
            traded, limit = portfolio.bearable(symbol, quantity, price)
            if limit is not None:
                rest = EXACT.subtract(quantity, traded)
                self._unfilled.append(
                    Unfilled(symbol=symbol, sent_at=sent_at, ended_at=now, quantity=rest, reason=limit)
                )
            if traded:
                fills.append(portfolio.fill(symbol, now, traded, price))
        return fills

    def end(self, now: datetime, portfolio: Portfolio) -> list[Unfilled]:
        """Return everything that came to nothing, oldest first; what is still open did so ``now``."""
        for symbol, quantity in self.remaining(portfolio).items():
            sent_at = self._open[symbol].sent_at
            self._unfilled.append(
                Unfilled(symbol=symbol, sent_at=sent_at, ended_at=now, quantity=quantity, reason="end")
            )
        self._open.clear()
        return self._unfilled

    def _take(self, order: Order, now: datetime, portfolio: Portfolio) -> None:
        symbol = order.symbol
        if isinstance(order, TargetWeight):
            self._open[symbol] = _Open(now, portfolio.quantity_worth(order.weight, symbol), ZERO)
            return
        if EXACT.remainder(order.quantity, portfolio.lot):
            refuse(
                f"quantity of {symbol}",
                f"whole lots of {portfolio.lot}",
                order.quantity,
                "lot says how small a part trades",
            )
        if isinstance(order, TargetQuantity):
            self._open[symbol] = _Open(now, order.quantity, ZERO)
        elif symbol in self._open:
            former = self._open[symbol]
            self._open[symbol] = _Open(now, former.target, EXACT.add(former.quantity, order.quantity))
        else:
            self._open[symbol] = _Open(now, None, order.quantity)
