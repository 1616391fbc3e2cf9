"""Splits between fills: carried over where they are given, named where fills look like one that is not.

Without them a hundred shares bought at 89 and two hundred sold at 44.50 after a split would be a loss of
half and a short position that nobody has.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, localcontext
from fractions import Fraction

from jutsu_core.arguments import refuse, require_items, require_type, shown
from jutsu_core.bars import require_aware
from jutsu_core.events import FillEvent
from jutsu_core.metrics.money import EXACT

_ZERO = Decimal(0)
_MOST_DIGITS = 6
_PLAIN_SPLITS = (2, 3, 4, 5, 7, 10, 20)
# A fill that closes all of a position tells more: of these, and of so many old shares for a new one.
_SPLITS = (*_PLAIN_SPLITS, 6, 8, 12, 15, 25, 30, 40, 50, 100, Decimal("1.5"))
_REVERSE_SPLITS = (5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 35, 40, 50, 60, 75, 80, 100)
_SAME_PRICE = Decimal("0.02")
_LIKE_PRICE = Decimal("0.2")
# Between these a price moved too little for any of them.
_NO_SPLIT = ((1 + _LIKE_PRICE) / _REVERSE_SPLITS[0], _SPLITS[-1] / (1 + _LIKE_PRICE))
# A ratio that was written with six digits or more is that of so few shares.
_MOST_SHARES = 100
_SAME_RATIO = Fraction(2, 10**6)


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
        if not -_MOST_DIGITS <= self.ratio.adjusted() <= _MOST_DIGITS:
            refuse("ratio", f"between 1e-{_MOST_DIGITS} and 1e{_MOST_DIGITS}", shown(self.ratio))


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

    One is a fill that closes the position and has so many times its shares at about so many times less, or so many
    times fewer at so many times more; or a fill at a price that is to two hundredths the last one over 2, 3, 4, 5, 7,
    10 or 20.
    """
    with localcontext(EXACT):
        return list(_suspects(fills))


def _suspects(fills: Sequence[FillEvent]) -> Iterator[str]:
    held: dict[str, Decimal] = {}
    last: dict[str, Decimal] = {}
    for fill in fills:
        before = held.get(fill.symbol, _ZERO)
        change = fill.quantity if fill.direction == "BUY" else -fill.quantity
        if before:
            is_closing = (before > 0) != (change > 0)
            told = _split_between(last[fill.symbol], fill, abs(before) if is_closing else None)
            if told is not None:
                text = f"{fill.symbol} was last traded at {last[fill.symbol]} and on {fill.timestamp.isoformat()} at"
                yield f"{text} {fill.fill_price}: if it was split {told}, give the split"
        held[fill.symbol] = before + change
        last[fill.symbol] = fill.fill_price


def _split_between(before: Decimal, fill: FillEvent, closed: Decimal | None) -> str | None:
    """Return which split lies before a fill, as far as prices tell, and ``closed``, the position that it closes."""
    fell = before / fill.fill_price
    if _NO_SPLIT[0] < fell < _NO_SPLIT[1]:  # nearly always
        return None
    if closed is not None:
        for ratio in _SPLITS:
            if fill.quantity == closed * ratio and abs(ratio / fell - 1) <= _LIKE_PRICE:
                return "3:2" if ratio == _SPLITS[-1] else f"{ratio}:1"
        for ratio in _REVERSE_SPLITS:
            if fill.quantity * ratio == closed and abs(fell * ratio - 1) <= _LIKE_PRICE:
                return f"1:{ratio}"
    return next((f"{ratio}:1" for ratio in _PLAIN_SPLITS if abs(ratio / fell - 1) <= _SAME_PRICE), None)


def _restated(fill: FillEvent, splits: Sequence[Split]) -> FillEvent:
    ratio = Fraction(1)
    for split in splits:
        if split.symbol == fill.symbol and split.timestamp > fill.timestamp:
            ratio *= _shares(split.ratio)
    if ratio == 1:
        return fill
    new, old = Decimal(ratio.numerator), Decimal(ratio.denominator)
    return replace(fill, quantity=fill.quantity * new / old, fill_price=fill.fill_price * old / new)


def _shares(ratio: Decimal) -> Fraction:
    """Return a ratio as new shares over old ones: 0.3333333333 is 1:3, whose thirds leave no position behind."""
    told = Fraction(ratio)
    plain = told.limit_denominator(_MOST_SHARES)
    return plain if abs(plain / told - 1) <= _SAME_RATIO else told
