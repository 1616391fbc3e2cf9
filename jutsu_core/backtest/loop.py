"""The event loop: bars in, fills and a portfolio history out.

At each instant, with the bars of all symbols that have one:

1. **Open.** Orders sent at an earlier instant fill at the open of this bar. A symbol without a bar now keeps its
   order waiting. Sales come before purchases, each by symbol, so that what is sold pays for what is bought.
2. **Close.** Every symbol with a bar is valued at its close, the others stay at their last one. A row of the
   history is written.
3. **Decide.** The strategy sees everything up to these bars and sends orders, which wait for step 1 of a
   later instant.

After the last bar nothing is sold: positions stand at their last closes, and what is still open is reported.

All money is exact. Only two things are rounded: costs, to the micro, half to even; and the quantity of a
:class:`~jutsu_core.backtest.orders.TargetWeight`, toward 0 to whole lots.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from jutsu_core.arguments import refuse, shown
from jutsu_core.backtest.book import OrderBook, Unfilled
from jutsu_core.backtest.exact import require_price
from jutsu_core.backtest.portfolio import NO_COSTS, Portfolio, TradingCosts
from jutsu_core.backtest.strategy import Strategy, Tape, View
from jutsu_core.bars import require_aware
from jutsu_core.errors import NoDataError
from jutsu_core.events import FillEvent, MarketDataEvent
from jutsu_core.ports import DataHandler

_IN_ORDER = "each bar once, in time order, ties by symbol: jutsu_core.ports.merge_in_time_order does it"


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    """What a run brought.

    Attributes:
        fills: Executed orders, oldest first; at one instant sales first, then by symbol.
        history: One row an instant: ``timestamp`` (UTC), ``total_value``, ``cash``, and ``positions``, the
            quantities held other than 0, by symbol, sorted. The first row is the starting cash.
            ``PerformanceAnalyzer.calculate_metrics`` takes both as they are.
        unfilled: What of the orders came to nothing, oldest first, and why.
    """

    fills: list[FillEvent]
    history: list[dict[str, Any]]
    unfilled: list[Unfilled]


class EventLoop:
    """Runs a strategy over the bars of a handler.

    Args:
        handler: Where the bars come from; all of one timeframe.
        strategy: Decides what to trade.
        cash: What the portfolio begins with, above 0.
        costs: What a fill costs beside its price.
        lot: Quantities are whole multiples of it.
        allows_short: Whether positions may fall below 0; :class:`~jutsu_core.backtest.portfolio.Portfolio` says
            what covers them.

    Raises:
        InvalidInputError: A parameter breaks its constraint.
    """

    def __init__(
        self,
        handler: DataHandler,
        strategy: Strategy,
        *,
        cash: Decimal,
        costs: TradingCosts = NO_COSTS,
        lot: Decimal = Decimal(1),
        allows_short: bool = False,
    ) -> None:
        if not isinstance(handler, DataHandler):
            refuse("handler", "a DataHandler", shown(handler))
        if not isinstance(strategy, Strategy):
            refuse("strategy", "a Strategy", shown(strategy), "make one of a class of your own")
        self._handler, self._strategy = handler, strategy
        self._begin: Mapping[str, Any] = {"cash": cash, "costs": costs, "lot": lot, "allows_short": allows_short}
        Portfolio(**self._begin)  # refuses now what would be refused when it runs

    def run(self) -> BacktestResult:
        """Return what the strategy would have done; each call begins anew.

        Raises:
            NoDataError: The handler has no bar.
            InvalidInputError: A bar comes twice, out of order or in another timeframe, has a price that is no
                whole number of micros, or an order breaks its contract.
        """
        portfolio, tape, book = Portfolio(**self._begin), Tape(), OrderBook()
        view = View(tape, portfolio, book)
        fills: list[FillEvent] = []
        history: list[dict[str, Any]] = []
        for now, bars in _instants(self._handler.get_next_bar()):
            for bar in bars:
                portfolio.mark(bar.symbol, bar.open)
            fills += book.execute(now, bars, portfolio)
            for bar in bars:
                portfolio.mark(bar.symbol, bar.close)
            tape.add(now, bars)
            history.append(_row(now, portfolio))
            orders = self._strategy.decide(view)
            if isinstance(orders, str | bytes | Mapping) or not isinstance(orders, Iterable):
                refuse(
                    f"what the strategy decides at {now.isoformat()}", "a list of orders", shown(orders), "[] for none"
                )
            book.accept(orders, now, tape.bars, portfolio)
        if tape.now is None:
            message = "handler must have at least one bar, has none; choose other symbols or another range"
            raise NoDataError(message)
        return BacktestResult(fills=fills, history=history, unfilled=book.end(tape.now, portfolio))


def _row(now: datetime, portfolio: Portfolio) -> dict[str, Any]:
    return {
        "timestamp": now,
        "total_value": portfolio.total_value,
        "cash": portfolio.cash,
        "positions": dict(sorted(portfolio.positions.items())),
    }


def _instants(stream: Iterable[object]) -> Iterator[tuple[datetime, list[MarketDataEvent]]]:
    """Yield the bars of each instant, checked."""
    now: datetime | None = None
    together: list[MarketDataEvent] = []
    first: MarketDataEvent | None = None
    for row, bar in enumerate(stream):
        if not isinstance(bar, MarketDataEvent):
            refuse(f"bar {row} of the handler", "a MarketDataEvent", shown(bar))
        first = first or bar
        if bar.timeframe is not first.timeframe:
            refuse(f"timeframe of bar {row} of the handler", first.timeframe.value, bar.timeframe.value, "one a run")
        for name in ("open", "close"):
            require_price(f"{name} of bar {row} of the handler", getattr(bar, name))
        stamp = bar.timestamp if bar.timestamp.tzinfo is UTC else require_aware("timestamp", bar.timestamp)
        if now is not None and (stamp, bar.symbol) <= (now, together[-1].symbol):
            last, was = f"{together[-1].symbol} at {now.isoformat()}", f"{bar.symbol} at {stamp.isoformat()}"
            refuse(f"bar {row} of the handler", f"after {last}", was, _IN_ORDER)
        if now is not None and stamp != now:
            yield now, together
            together = []
        now = stamp
        together.append(bar)
    if now is not None:
        yield now, together
