"""What a strategy may ask for: to trade a quantity, or to hold one, or to hold a share of what it is worth.

All are market orders: they fill at the open of the symbol's next bar (:mod:`jutsu_core.backtest.loop`).
"""

from dataclasses import dataclass
from decimal import Decimal

from jutsu_core.arguments import refuse, require_type
from jutsu_core.backtest.exact import require_amount


def _check_symbol(symbol: object) -> None:
    if not require_type("symbol", symbol, str, "a text such as 'AAPL'").strip():
        refuse("symbol", "a text such as 'AAPL'", repr(symbol))


@dataclass(frozen=True, slots=True)
class TradeQuantity:
    """Buys or sells a quantity, on top of what is open in the symbol already.

    Attributes:
        symbol: Ticker.
        quantity: Shares: above 0 to buy, below 0 to sell.

    Raises:
        InvalidInputError: A field breaks its contract.
    """

    symbol: str
    quantity: Decimal

    def __post_init__(self) -> None:
        _check_symbol(self.symbol)
        if not require_amount("quantity", self.quantity):
            refuse("quantity", "above 0 to buy or below 0 to sell", repr(self.quantity))


@dataclass(frozen=True, slots=True)
class TargetQuantity:
    """Trades what is missing to hold a quantity, instead of all that is open in the symbol.

    Attributes:
        symbol: Ticker.
        quantity: Shares to hold: 0 for none, below 0 to be short.

    Raises:
        InvalidInputError: A field breaks its contract.
    """

    symbol: str
    quantity: Decimal

    def __post_init__(self) -> None:
        _check_symbol(self.symbol)
        require_amount("quantity", self.quantity)


@dataclass(frozen=True, slots=True)
class TargetWeight:
    """Trades what is missing to hold a share of the total value, instead of all that is open in the symbol.

    It becomes a quantity when it is sent, at the last close: ``weight · total_value / close``, rounded
    toward 0 to whole lots. What a portfolio that is worth nothing or less targets is 0.

    Attributes:
        symbol: Ticker.
        weight: From -1 to 1; below 0 to be short.

    Raises:
        InvalidInputError: A field breaks its contract.
    """

    symbol: str
    weight: Decimal

    def __post_init__(self) -> None:
        _check_symbol(self.symbol)
        require_amount("weight", self.weight, at_least=-1, at_most=1)


Order = TradeQuantity | TargetQuantity | TargetWeight
