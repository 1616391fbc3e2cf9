"""Splits between fills: carried over where they are given, named where fills look like one that is not.

Without them a hundred shares bought at 89 and two hundred sold at 44.50 after a split would be a loss of
half and a short position that nobody has.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, localcontext

from jutsu_core.arguments import refuse, require_items, require_type, shown
from jutsu_core.bars import require_aware
from jutsu_core.events import FillEvent
from jutsu_core.metrics.money import EXACT

_ZERO = Decimal(0)
_PLAIN_SPLITS = (2, 3, 4, 5, 7, 10, 20)
_SAME_PRICE = Decimal("0.02")
_LIKE_PRICE = Decimal("0.2")
_MOST_LEFT = (1 + _LIKE_PRICE) / _PLAIN_SPLITS[0] + Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """That one share became several, or several one.

    Attributes:
        symbol: Ticker.
        timestamp: When; a fill at this time is already of the new shares.
        ratio: New shares for an old one, above 0: 2 for 2:1, 0.1 for 1:10.

    Raises:
        InvalidInputError: A field breaks its contract.
    """

    symbol: str
    timestamp: datetime
    ratio: Decimal

    def __post_init__(self) -> None:
        require_type("symbol", self.symbol, str, "a text")
        require_aware("timestamp", self.timestamp)
        require_type("ratio", self.ratio, Decimal, "a finite Decimal above 0")
        if not self.ratio.is_finite() or self.ratio <= 0:
            refuse("ratio", "a finite Decimal above 0", shown(self.ratio))


def checked_splits(splits: object) -> list[Split]:
    """Return ``splits`` as a list.

    Raises:
        InvalidInputError: They are no list of :class:`Split`.
    """
    return require_items("splits", splits, Split, "a Split")


def restated(fills: Sequence[FillEvent], splits: Sequence[Split]) -> list[FillEvent]:
    """Return the fills as if all had been made after all splits; the money that each moved is the same."""
    if not splits:
        return list(fills)
    with localcontext(EXACT):
        return [_restated(fill, splits) for fill in fills]


def split_suspects(fills: Sequence[FillEvent]) -> list[str]:
    """Return, in words, which fills look like those of a split that nobody told of.

    One is a fill against the position, of so many times the shares at about so many times less, or at a price that
    is to two hundredths the last one over 2, 3, 4, 5, 7, 10 or 20.
    """
    with localcontext(EXACT):
        return list(_suspects(fills))


def _suspects(fills: Sequence[FillEvent]) -> Iterator[str]:
    held: dict[str, Decimal] = {}
    last: dict[str, Decimal] = {}
    for fill in fills:
        before = held.get(fill.symbol, _ZERO)
        change = fill.quantity if fill.direction == "BUY" else -fill.quantity
        # No split that is looked for leaves more of the price.
        if before and (before > 0) != (change > 0) and fill.fill_price < last[fill.symbol] * _MOST_LEFT:
            for ratio in _PLAIN_SPLITS:
                off = abs(fill.fill_price * ratio / last[fill.symbol] - 1)
                if off <= _SAME_PRICE or (fill.quantity == abs(before) * ratio and off <= _LIKE_PRICE):
                    text = (
                        f"{fill.symbol} was last traded at {last[fill.symbol]} and on {fill.timestamp.isoformat()} at"
                    )
                    yield f"{text} {fill.fill_price}: if it was split {ratio}:1, give the split"
                    break
        held[fill.symbol] = before + change
        last[fill.symbol] = fill.fill_price


def _restated(fill: FillEvent, splits: Sequence[Split]) -> FillEvent:
    ratio = Decimal(1)
    for split in splits:
        if split.symbol == fill.symbol and split.timestamp > fill.timestamp:
            ratio *= split.ratio
    return replace(fill, quantity=fill.quantity * ratio, fill_price=fill.fill_price / ratio) if ratio != 1 else fill
