"""The port of a strategy, and what it is let to see."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from jutsu_core.arguments import refuse, require_integer, shown
from jutsu_core.backtest.book import OrderBook
from jutsu_core.backtest.orders import Order
from jutsu_core.backtest.portfolio import Portfolio
from jutsu_core.events import MarketDataEvent


class Tape:
    """The bars that have come so far."""

    __slots__ = ("bars", "closes", "now", "traded")

    def __init__(self) -> None:
        self.now: datetime | None = None
        self.traded: tuple[str, ...] = ()
        self.bars: dict[str, list[MarketDataEvent]] = {}
        self.closes: dict[str, list[Decimal]] = {}

    def add(self, now: datetime, bars: Iterable[MarketDataEvent]) -> None:
        """Keep the ``bars`` of one instant, ordered by symbol."""
        self.now = now
        self.traded = tuple(bar.symbol for bar in bars)
        for bar in bars:
            self.bars.setdefault(bar.symbol, []).append(bar)
            self.closes.setdefault(bar.symbol, []).append(bar.close)


class View:
    """What is known once the bars of one instant are complete; nothing in it can be changed, or is later.

    The loop makes one, and it shows what is known whenever it is asked.

    Args:
        tape: The bars so far.
        portfolio: Cash and positions.
        book: What is still to be filled.
    """

    __slots__ = ("_book", "_portfolio", "_tape")

    def __init__(self, tape: Tape, portfolio: Portfolio, book: OrderBook) -> None:
        self._tape, self._portfolio, self._book = tape, portfolio, book

    @property
    def now(self) -> datetime:
        """Return the timestamp of the newest bars, UTC: when they began, as everywhere."""
        if self._tape.now is None:
            refuse("now", "asked for after the first bar", "asked for before")
        return self._tape.now

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the symbols of which a bar has come so far, sorted."""
        return tuple(sorted(self._tape.bars))

    @property
    def traded(self) -> tuple[str, ...]:
        """Return the symbols that have a bar at :attr:`now`, sorted."""
        return self._tape.traded

    @property
    def cash(self) -> Decimal:
        """Return the cash."""
        return self._portfolio.cash

    @property
    def positions(self) -> Mapping[str, Decimal]:
        """Return the quantities held, other than 0, by symbol, sorted; a copy."""
        return dict(sorted(self._portfolio.positions.items()))

    @property
    def total_value(self) -> Decimal:
        """Return cash plus positions at their last closes."""
        return self._portfolio.total_value

    @property
    def open_orders(self) -> Mapping[str, Decimal]:
        """Return what is still to be bought (above 0) or sold, by symbol, sorted; a copy."""
        return self._book.remaining(self._portfolio)

    def position(self, symbol: str) -> Decimal:
        """Return how much is held of ``symbol``; 0 for none, below 0 when short.

        Raises:
            InvalidInputError: No bar of ``symbol`` has come.
        """
        self._require_known(symbol)
        return self._portfolio.position(symbol)

    def bars(self, symbol: str, count: int) -> tuple[MarketDataEvent, ...]:
        """Return the last ``count`` bars of ``symbol``, oldest first; fewer where there are fewer.

        Raises:
            InvalidInputError: No bar of ``symbol`` has come, or ``count`` is no integer of at least 1.
        """
        self._require_known(symbol)
        return tuple(self._tape.bars[symbol][-require_integer("count", count, minimum=1) :])

    def closes(self, symbol: str, count: int) -> tuple[Decimal, ...]:
        """Return the closes of the last ``count`` bars of ``symbol``, as :meth:`bars` does.

        Raises:
            InvalidInputError: No bar of ``symbol`` has come, or ``count`` is no integer of at least 1.
        """
        self._require_known(symbol)
        return tuple(self._tape.closes[symbol][-require_integer("count", count, minimum=1) :])

    def _require_known(self, symbol: object) -> None:
        if not isinstance(symbol, str) or symbol not in self._tape.bars:
            refuse("symbol", f"one of which a bar has come ({', '.join(self.symbols) or 'none yet'})", shown(symbol))


class Strategy(ABC):
    """Decides what to trade, from what is known alone.

    One that keeps nothing between two calls, and asks neither the clock nor chance, decides the same whenever it
    is asked: then truncating the future never changes the past.
    """

    @abstractmethod
    def decide(self, view: View) -> Iterable[Order]:
        """Return the orders to send now that the bars of ``view.now`` are complete; empty for none.

        They fill at the open of each symbol's next bar, never on a bar that ``view`` shows.
        """
