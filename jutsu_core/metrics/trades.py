"""Round trips: which fills closed which, and what each earned after all costs.

**Matching** is first in, first out, per symbol. A fill in the direction of the position (or from
flat) opens a lot; a fill against it closes the oldest lots first, and every lot it touches, wholly or
in part, makes one round trip. What is left of the fill after the last lot opens a position the
other way. A short position is opened by a ``SELL`` and closed by a ``BUY``.

**Costs** are commission plus slippage of both fills, each shared out by quantity; the last piece of
a fill takes what is left, so that the pieces add up to the whole. Lots still open are no round trip.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, localcontext
from operator import attrgetter
from typing import Literal, NamedTuple, get_args

import pandas as pd

from jutsu_core.arguments import refuse, require_items, shown
from jutsu_core.events import FillEvent
from jutsu_core.metrics.money import EXACT
from jutsu_core.metrics.splits import Split, checked_splits, restated

Matching = Literal["fifo", "closing_order", "flat_to_flat"]

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """A quantity that was opened and closed again.

    Attributes:
        symbol: Ticker.
        side: ``long`` (bought, then sold) or ``short`` (sold, then bought).
        quantity: Shares, above 0.
        entry_time: When the lot was opened.
        exit_time: When it was closed.
        entry_price: Price per share of the opening fill.
        exit_price: Price per share of the closing fill.
        costs: Share of commission and slippage of both fills, at least 0, in quote currency.
        net_profit: Profit after costs, in quote currency; negative for a loss.
    """

    symbol: str
    side: Literal["long", "short"]
    quantity: Decimal
    entry_time: datetime
    exit_time: datetime
    entry_price: Decimal
    exit_price: Decimal
    costs: Decimal
    net_profit: Decimal


class _Closed(NamedTuple):
    """A round trip of one lot, with the place of the fill that closed it and of the stay it belongs to."""

    trip: RoundTrip
    fill: int
    stay: tuple[str, int]


@dataclass(slots=True)
class _Piece:
    """What is still unmatched of a fill, and the costs that go with it."""

    fill: FillEvent
    quantity: Decimal
    costs: Decimal

    def take(self, quantity: Decimal) -> Decimal:
        """Remove ``quantity`` and return its share of the costs."""
        share = self.costs if quantity == self.quantity else self.costs * quantity / self.quantity
        self.quantity -= quantity
        self.costs -= share
        return share


def round_trips(
    fills: Iterable[FillEvent], *, matching: Matching = "fifo", splits: Iterable[Split] = ()
) -> list[RoundTrip]:
    """Return the closed round trips of ``fills``, in the order in which they were closed.

    Formula:
        long: (exit_price - entry_price) * quantity - costs;
        short: (entry_price - exit_price) * quantity - costs

    Args:
        fills: Executed orders of any symbols, oldest first; equal times keep the given order.
        matching: What one round trip is: ``fifo``, ``closing_order`` or ``flat_to_flat``.
        splits: Splits of the symbols between the fills.

    Returns:
        One record for every round trip; exact ``Decimal`` money, prices and quantities after all splits.

    Raises:
        InvalidInputError: An item is not a ``FillEvent``, or is older than the one before it, or the matching
            is unknown, or a split is no :class:`Split`.

    Examples:
        >>> from datetime import UTC
        >>> def fill(day: int, direction: str, price: str) -> FillEvent:
        ...     return FillEvent(
        ...         symbol="AAPL",
        ...         timestamp=datetime(2013, 3, day, tzinfo=UTC),
        ...         direction=direction,
        ...         quantity=Decimal(10),
        ...         fill_price=Decimal(price),
        ...         commission=Decimal(1),
        ...     )
        >>> [str(trip.net_profit) for trip in round_trips([fill(1, "BUY", "5"), fill(4, "SELL", "7")])]
        ['18']
    """
    return match_fills(restated(checked_fills("fills", fills), checked_splits(splits)), checked_matching(matching))


def checked_matching(matching: object) -> Matching:
    """Return ``matching``.

    Raises:
        InvalidInputError: It is none.
    """
    for known in get_args(Matching):
        if isinstance(matching, str) and matching == known:
            return known  # type: ignore[no-any-return]  # one of the literals
    return refuse("matching", f"one of {', '.join(get_args(Matching))}", shown(matching))


def checked_fills(name: str, fills: object) -> list[FillEvent]:
    """Return ``fills`` as a list.

    Args:
        name: What the caller calls them.
        fills: Executed orders of any symbols, oldest first.

    Raises:
        InvalidInputError: ``fills`` is no list, an item of it is not a ``FillEvent``, or is older than the
            one before it.
    """
    # A mapping and a frame would give their names, and a set has no order.
    if isinstance(fills, str | bytes | Mapping | AbstractSet | pd.DataFrame) or not isinstance(fills, Iterable):
        refuse(name, "a list of FillEvent", shown(fills), "an empty list where nothing was traded")
    checked: list[FillEvent] = []
    for row, fill in enumerate(fills):
        if not isinstance(fill, FillEvent):
            refuse(f"{name}: trade {row}", "a FillEvent", shown(fill))
        if row and fill.timestamp < checked[-1].timestamp:
            before, was = checked[-1].timestamp.isoformat(), fill.timestamp.isoformat()
            refuse(f"{name}: trade {row}", f"at or after {before}", was, "sort them by timestamp, oldest first")
        checked.append(fill)
    return checked


def match_fills(fills: Iterable[FillEvent], matching: Matching = "fifo") -> list[RoundTrip]:
    """Return what :func:`round_trips` does, of fills that :func:`checked_fills` has passed."""
    open_lots: dict[str, deque[_Piece]] = {}
    stays: dict[str, int] = {}
    closed: list[_Closed] = []
    with localcontext(EXACT):
        for place, fill in enumerate(fills):
            lots = open_lots.setdefault(fill.symbol, deque())
            stay = stays.setdefault(fill.symbol, 0)
            trips = _match(fill, lots)
            closed.extend(_Closed(trip, place, (fill.symbol, stay)) for trip in trips)
            # What is left of a fill that closed everything opens the next stay.
            if trips and (not lots or lots[0].fill is fill):
                stays[fill.symbol] = stay + 1
        if matching == "fifo":
            return [item.trip for item in closed]
        groups: dict[object, list[RoundTrip]] = {}
        for item in closed:
            groups.setdefault(item.fill if matching == "closing_order" else item.stay, []).append(item.trip)
        if matching == "flat_to_flat":
            groups = {key: trips for key, trips in groups.items() if _is_over(key, stays)}
        merged = [_merged(trips) for trips in groups.values()]
    return sorted(merged, key=attrgetter("exit_time"))


def win_rate(trips: Sequence[RoundTrip]) -> float | None:
    """Return the share of round trips with a net profit above 0.

    Returns:
        A fraction from 0 to 1; a net profit of exactly 0 is no win. ``None`` without round trips.

    Raises:
        InvalidInputError: ``trips`` is no list of :class:`RoundTrip`.

    Examples:
        >>> win_rate([]) is None
        True
    """
    checked = checked_trips(trips)
    return sum(trip.net_profit > 0 for trip in checked) / len(checked) if checked else None


def profit_factor(trips: Sequence[RoundTrip]) -> float | None:
    """Return the sum of all wins over the sum of all losses.

    Formula:
        sum(net_profit where above 0) / |sum(net_profit where below 0)|

    Returns:
        A ratio of at least 0; ``None`` without a loss.

    Raises:
        InvalidInputError: ``trips`` is no list of :class:`RoundTrip`.

    Examples:
        >>> profit_factor([]) is None
        True
    """
    checked = checked_trips(trips)
    with localcontext(EXACT):
        lost = sum(_losses(checked), _ZERO)
        return float(sum(_wins(checked), _ZERO) / -lost) if lost else None


def average_win(trips: Sequence[RoundTrip]) -> Decimal | None:
    """Return the mean net profit of the round trips that won; ``None`` without one.

    Raises:
        InvalidInputError: ``trips`` is no list of :class:`RoundTrip`.

    Examples:
        >>> average_win([]) is None
        True
    """
    return _mean(_wins(checked_trips(trips)))


def average_loss(trips: Sequence[RoundTrip]) -> Decimal | None:
    """Return the mean net profit of the round trips that lost, below 0; ``None`` without one.

    Raises:
        InvalidInputError: ``trips`` is no list of :class:`RoundTrip`.

    Examples:
        >>> average_loss([]) is None
        True
    """
    return _mean(_losses(checked_trips(trips)))


def expectancy(trips: Sequence[RoundTrip]) -> Decimal | None:
    """Return the mean net profit of a round trip, in quote currency; ``None`` without one.

    Formula:
        sum(net_profit) / n, which is win_rate * average_win + loss_rate * average_loss

    Raises:
        InvalidInputError: ``trips`` is no list of :class:`RoundTrip`.

    Examples:
        >>> expectancy([]) is None
        True
    """
    return _mean([trip.net_profit for trip in checked_trips(trips)])


def _match(fill: FillEvent, lots: deque[_Piece]) -> list[RoundTrip]:
    rest = _Piece(fill, fill.quantity, fill.commission + fill.slippage)
    trips = []
    while rest.quantity > 0 and lots and lots[0].fill.direction != fill.direction:
        lot = lots[0]
        quantity = min(rest.quantity, lot.quantity)
        costs = lot.take(quantity) + rest.take(quantity)
        trips.append(_trip(lot.fill, fill, quantity, costs))
        if lot.quantity == 0:
            lots.popleft()
    if rest.quantity > 0:
        lots.append(rest)
    return trips


def _trip(entry: FillEvent, leave: FillEvent, quantity: Decimal, costs: Decimal) -> RoundTrip:
    gain = leave.fill_price - entry.fill_price
    is_long = entry.direction == "BUY"
    return RoundTrip(
        symbol=entry.symbol,
        side="long" if is_long else "short",
        quantity=quantity,
        entry_time=entry.timestamp,
        exit_time=leave.timestamp,
        entry_price=entry.fill_price,
        exit_price=leave.fill_price,
        costs=costs,
        net_profit=(gain if is_long else -gain) * quantity - costs,
    )


def _is_over(stay: object, stays: dict[str, int]) -> bool:
    return isinstance(stay, tuple) and stay[1] < stays[stay[0]]


def _merged(trips: Sequence[RoundTrip]) -> RoundTrip:
    quantity = sum((trip.quantity for trip in trips), _ZERO)

    def mean(prices: Iterable[Decimal]) -> Decimal:
        return sum((price * trip.quantity for price, trip in zip(prices, trips, strict=True)), _ZERO) / quantity

    return replace(
        trips[-1],
        quantity=quantity,
        entry_time=min(trip.entry_time for trip in trips),
        entry_price=mean(trip.entry_price for trip in trips),
        exit_price=mean(trip.exit_price for trip in trips),
        costs=sum((trip.costs for trip in trips), _ZERO),
        net_profit=sum((trip.net_profit for trip in trips), _ZERO),
    )


def checked_trips(trips: object) -> list[RoundTrip]:
    """Return ``trips`` as a list.

    Raises:
        InvalidInputError: They are no list of :class:`RoundTrip`.
    """
    return require_items("trips", trips, RoundTrip, "a RoundTrip")


def _wins(trips: Sequence[RoundTrip]) -> list[Decimal]:
    return [trip.net_profit for trip in trips if trip.net_profit > 0]


def _losses(trips: Sequence[RoundTrip]) -> list[Decimal]:
    return [trip.net_profit for trip in trips if trip.net_profit < 0]


def _mean(amounts: Sequence[Decimal]) -> Decimal | None:
    with localcontext(EXACT):
        return sum(amounts, _ZERO) / len(amounts) if amounts else None
