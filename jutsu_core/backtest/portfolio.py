"""Cash and positions, what trading costs, and how much of an order they can bear."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

from jutsu_core.arguments import refuse, require_flag, require_type
from jutsu_core.backtest.exact import EXACT, ZERO, require_amount, to_micro
from jutsu_core.events import FillEvent

Limit = Literal["cash", "holding"]
"""Why an order was cut: it cannot be paid, or it sells what is not held."""

_FRACTIONS = ("commission_rate", "slippage_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingCosts:
    """What a fill costs beside its price.

    Formula:
        commission = max(minimum, per_fill + per_share · quantity + commission_rate · quantity · price);
        slippage = slippage_rate · quantity · price; each rounded to the micro, half to even.

    Attributes:
        per_fill: Commission of every fill, in quote currency.
        per_share: Commission of every share.
        commission_rate: Commission as a fraction of the value traded, at most 1.
        minimum: Least commission of a fill.
        slippage_rate: How much worse than the open one trades, as a fraction of the value traded, at most 1.

    Raises:
        InvalidInputError: A field is no finite ``Decimal`` of at least 0, or a rate is above 1.

    Examples:
        >>> costs = TradingCosts(per_share=Decimal("0.005"), minimum=Decimal(1), slippage_rate=Decimal("0.0005"))
        >>> costs.commission(Decimal(300), Decimal("20.5")), costs.slippage(Decimal(300), Decimal("20.5"))
        (Decimal('1.500000'), Decimal('3.075000'))
    """

    per_fill: Decimal = ZERO
    per_share: Decimal = ZERO
    commission_rate: Decimal = ZERO
    minimum: Decimal = ZERO
    slippage_rate: Decimal = ZERO

    def __post_init__(self) -> None:
        for field in fields(self):
            at_most = 1 if field.name in _FRACTIONS else None
            require_amount(field.name, getattr(self, field.name), at_least=0, at_most=at_most)

    def commission(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Return the commission of a fill of ``quantity``, above 0, at ``price``."""
        traded = EXACT.multiply(quantity, price)
        by_share = EXACT.fma(self.per_share, quantity, self.per_fill)
        return to_micro(max(self.minimum, EXACT.fma(self.commission_rate, traded, by_share)))

    def slippage(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Return the slippage of a fill of ``quantity``, above 0, at ``price``."""
        return to_micro(EXACT.multiply(self.slippage_rate, EXACT.multiply(quantity, price)))


NO_COSTS = TradingCosts()


class Portfolio:
    """Cash and positions; every change goes through :meth:`fill`, and is exact.

    **What an order may do.** Cash never falls below 0. Without ``allows_short`` no more is sold than is
    held. With it, what is short is covered twice over: a fill that opens or adds to a position must leave
    ``cash - 2 · value of what is short`` at 0 or above (the proceeds, and as much again). A fill that only
    closes needs nothing but the cash. An order that goes beyond is cut down to the most whole lots that do
    not; the rest is dropped.

    Args:
        cash: What it begins with, above 0, in quote currency.
        costs: What a fill costs.
        lot: Quantities are whole multiples of it, above 0; a fraction for what trades in fractions.
        allows_short: Whether positions may fall below 0. Borrowing costs nothing, and nobody calls for margin.

    Raises:
        InvalidInputError: A parameter breaks its constraint.
    """

    def __init__(
        self,
        cash: Decimal,
        *,
        costs: TradingCosts = NO_COSTS,
        lot: Decimal = Decimal(1),
        allows_short: bool = False,
    ) -> None:
        for name, value in (("cash", cash), ("lot", lot)):
            if not require_amount(name, value, at_least=0):
                refuse(name, "above 0", repr(value))
        self._cash = cash
        self._costs = require_type("costs", costs, TradingCosts, "a TradingCosts")
        self._lot = lot
        self._allows_short = require_flag("allows_short", allows_short)
        self._positions: dict[str, Decimal] = {}
        self._marks: dict[str, Decimal] = {}

    @property
    def cash(self) -> Decimal:
        """Return the cash, at least 0."""
        return self._cash

    @property
    def lot(self) -> Decimal:
        """Return what quantities are multiples of."""
        return self._lot

    @property
    def positions(self) -> Mapping[str, Decimal]:
        """Return the quantities held, other than 0, as they are from now on; it cannot be changed."""
        return MappingProxyType(self._positions)

    def position(self, symbol: str) -> Decimal:
        """Return how much is held of ``symbol``; 0 for none, below 0 when short."""
        return self._positions.get(symbol, ZERO)

    @property
    def total_value(self) -> Decimal:
        """Return cash plus every position at the price it was last marked with."""
        total = self._cash
        for symbol, held in self._positions.items():
            total = EXACT.fma(held, self._marks[symbol], total)
        return total

    def mark(self, symbol: str, price: Decimal) -> None:
        """Value ``symbol`` at ``price`` from now on."""
        self._marks[symbol] = price

    def quantity_worth(self, weight: Decimal, symbol: str) -> Decimal:
        """Return the whole lots of ``symbol`` that are worth ``weight`` of the total value, rounded toward 0."""
        wanted = EXACT.multiply(weight, max(self.total_value, ZERO))
        return EXACT.multiply(EXACT.divide_int(wanted, EXACT.multiply(self._marks[symbol], self._lot)), self._lot)

    def bearable(self, symbol: str, quantity: Decimal, price: Decimal) -> tuple[Decimal, Limit | None]:
        """Return how much of an order for ``quantity`` can be filled at ``price``, and what sets the limit."""
        held = self.position(symbol)
        limit: Limit | None = None
        if quantity < 0 and not self._allows_short and -quantity > held:
            quantity, limit = -held, "holding"
        collateral = self._collateral_of_others(symbol)
        if self._bears(held, quantity, price, collateral):
            return quantity, limit
        step = self._lot.copy_sign(quantity)
        most = int(EXACT.divide_int(quantity, step))
        closing = int(EXACT.divide_int(held.copy_abs(), self._lot)) if held * quantity < 0 else 0
        least = closing if closing < most and self._bears(held, EXACT.multiply(step, closing), price, collateral) else 0
        while most - least > 1:
            middle = (least + most) // 2
            if self._bears(held, EXACT.multiply(step, middle), price, collateral):
                least = middle
            else:
                most = middle
        return EXACT.multiply(step, least), "cash"

    def fill(self, symbol: str, timestamp: datetime, quantity: Decimal, price: Decimal) -> FillEvent:
        """Trade ``quantity``, other than 0 and :meth:`bearable`, at ``price``, and return the fill."""
        shares = quantity.copy_abs()
        fill = FillEvent(
            symbol=symbol,
            timestamp=timestamp,
            direction="BUY" if quantity > 0 else "SELL",
            quantity=shares,
            fill_price=price,
            commission=self._costs.commission(shares, price),
            slippage=self._costs.slippage(shares, price),
        )
        self._cash = self._cash_after(quantity, price)
        held = EXACT.add(self.position(symbol), quantity)
        if held:
            self._positions[symbol] = held
        else:
            del self._positions[symbol]
        return fill

    def _cash_after(self, quantity: Decimal, price: Decimal) -> Decimal:
        shares = quantity.copy_abs()
        costs = EXACT.add(self._costs.commission(shares, price), self._costs.slippage(shares, price))
        return EXACT.subtract(EXACT.subtract(self._cash, EXACT.multiply(quantity, price)), costs)

    def _collateral_of_others(self, symbol: str) -> Decimal:
        collateral = ZERO
        for other, held in self._positions.items():
            if held < 0 and other != symbol:
                collateral = EXACT.fma(EXACT.multiply(held, -2), self._marks[other], collateral)
        return collateral

    def _bears(self, held: Decimal, quantity: Decimal, price: Decimal, collateral: Decimal) -> bool:
        if not quantity:
            return True
        cash, after = self._cash_after(quantity, price), EXACT.add(held, quantity)
        closes_only = held * quantity < 0 and after * held >= 0
        if after < 0:
            collateral = EXACT.fma(EXACT.multiply(after, -2), price, collateral)
        return cash >= 0 and (closes_only or cash >= collateral)
