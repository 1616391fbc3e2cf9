"""The market that the simulator plays back: real daily bars, and the splits inside them.

The bars are kept **raw**, as they were traded. Schwab serves history adjusted for every
split up to its own today, so the same session reads differently before and after a split;
``MarketHistory.daily`` does that arithmetic for whatever today the simulator stands at.
"""

import bisect
import csv
import gzip
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from jutsu_core.errors import ConfigurationError, InvalidInputError

PRICE_DECIMALS = 4
"""How many decimals of a price Schwab serves."""


class DailyBar(NamedTuple):
    """One session's bar."""

    session: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


class MinuteRow(NamedTuple):
    """One minute, or some minutes together; ``start`` in milliseconds since 1970."""

    start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int

    @classmethod
    def flat(cls, start: int, price: Decimal, volume: int) -> "MinuteRow":
        """Return a bar with one price."""
        return cls(start, price, price, price, price, volume)


@dataclass(frozen=True)
class Split:
    """A share of ``symbol`` became ``ratio`` shares on the morning of ``ex_date``.

    Examples:
        >>> Split("AAPL", date(2005, 2, 28), 2).ratio
        2
    """

    symbol: str
    ex_date: date
    ratio: Fraction | int

    def __post_init__(self) -> None:
        if self.ratio <= 0:
            message = f"the ratio of a split must be positive, was {self.ratio}"
            raise InvalidInputError(message)


SAMPLE_SPLITS = (
    Split("AAPL", date(2000, 6, 21), 2),
    Split("MSFT", date(2003, 2, 18), 2),
    Split("AAPL", date(2005, 2, 28), 2),
)
"""The splits inside the sample package's bars, which are unadjusted."""


class MarketHistory:
    """Raw daily bars of some symbols, their splits, and real minutes where there are some.

    Args:
        bars: Raw bars by symbol, in any order, one a session.
        splits: Splits of those symbols.
        minutes: Raw minutes by symbol and session, ascending.

    Raises:
        InvalidInputError: A symbol has two bars for one session.
    """

    def __init__(
        self,
        bars: Mapping[str, Iterable[DailyBar]],
        splits: Iterable[Split] = (),
        minutes: Mapping[str, Mapping[date, Sequence[MinuteRow]]] | None = None,
    ) -> None:
        self._raw = {symbol: sorted(rows) for symbol, rows in bars.items()}
        self._sessions = {symbol: [bar.session for bar in rows] for symbol, rows in self._raw.items()}
        for symbol, sessions in self._sessions.items():
            if len(set(sessions)) != len(sessions):
                message = f"{symbol} must have one bar a session, has two for one"
                raise InvalidInputError(message)
        self._splits = tuple(sorted(splits, key=lambda split: split.ex_date))
        self._minutes = {symbol: dict(rows) for symbol, rows in (minutes or {}).items()}
        self._adjusted: dict[tuple[str, tuple[Split, ...]], list[DailyBar]] = {}

    @classmethod
    def from_bars(
        cls,
        bars: Mapping[str, Iterable[tuple[date, Decimal, Decimal, Decimal, Decimal, int]]],
        splits: Iterable[Split] = (),
    ) -> "MarketHistory":
        """Return a market of the given raw bars.

        Args:
            bars: By symbol, tuples of session, open, high, low, close, volume.
            splits: The splits inside them.

        Raises:
            InvalidInputError: A symbol has two bars for one session.
        """
        return cls({symbol: [DailyBar(*row) for row in rows] for symbol, rows in bars.items()}, splits)

    @classmethod
    def from_sample(cls) -> "MarketHistory":
        """Return the real bars of the package ``bokeh_sampledata``.

        AAPL, IBM and MSFT from 2000-03-01, GOOG from 2004-08-19, FB from 2012-05-18, all
        to 2013-03-01.

        Raises:
            ConfigurationError: The package is not installed, or not the one expected.
        """
        try:
            import bokeh_sampledata  # noqa: PLC0415 - an optional package, read only when asked for
        except ModuleNotFoundError as error:
            message = 'the sample bars need the package bokeh_sampledata; run: pip install "jutsu[sample]"'
            raise ConfigurationError(message) from error
        path = bokeh_sampledata.package_path("stocks.csv.gz")
        try:
            return _sample(path)
        except (OSError, KeyError, ArithmeticError, ValueError) as error:
            message = f"cannot read the sample bars in {path}; install bokeh_sampledata>=2026.1"
            raise ConfigurationError(message) from error

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that have bars, sorted."""
        return tuple(sorted(self._raw))

    @property
    def last_session(self) -> date | None:
        """The newest session of any symbol."""
        return max((sessions[-1] for sessions in self._sessions.values() if sessions), default=None)

    def daily(self, symbol: str, *, as_of: date) -> list[DailyBar]:
        """Return the bars of ``symbol`` up to ``as_of``, adjusted for the splits up to ``as_of``.

        A split of ratio r divides the prices of all earlier sessions by r and multiplies
        their volume by r; what is divided is rounded to four decimals. An unknown symbol has no bars.

        Examples:
            >>> rows = [(date(2000, 6, 20), *[Decimal("101.25")] * 4, 10)]
            >>> market = MarketHistory.from_bars({"AAPL": rows}, SAMPLE_SPLITS)
            >>> market.daily("AAPL", as_of=date(2000, 6, 20))[0].close
            Decimal('101.2500')
            >>> market.daily("AAPL", as_of=date(2000, 6, 21))[0].close
            Decimal('50.6250')
        """
        if symbol not in self._raw:
            return []
        splits = tuple(s for s in self._splits if s.symbol == symbol and s.ex_date <= as_of)
        key = (symbol, splits)
        if key not in self._adjusted:
            self._adjusted[key] = [_adjusted(bar, splits) for bar in self._raw[symbol]]
        return self._adjusted[key][: bisect.bisect_right(self._sessions[symbol], as_of)]

    def real_minutes(self, symbol: str, session: date, *, as_of: date) -> list[MinuteRow] | None:
        """Return the real minutes of a session, adjusted for the splits up to ``as_of``.

        None where the symbol has daily bars alone.
        """
        if symbol not in self._minutes:
            return None
        splits = tuple(s for s in self._splits if s.symbol == symbol and session < s.ex_date <= as_of)
        rows = self._minutes[symbol].get(session, [])
        if not splits:
            return list(rows)
        ratio = Fraction(math.prod(Fraction(split.ratio) for split in splits))
        adjusted = []
        for row in rows:
            opened, high, low, close = (divided(price, ratio) for price in row[1:5])
            adjusted.append(MinuteRow(row.start, opened, high, low, close, round(row.volume * ratio)))
        return adjusted


@lru_cache(maxsize=1)  # nothing in a history changes, and many simulators serve this one
def _sample(path: Path) -> MarketHistory:
    bars: dict[str, list[DailyBar]] = {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            bars.setdefault(row["Ticker"], []).append(_parsed(row))
    return MarketHistory(bars, SAMPLE_SPLITS)


def _parsed(row: Mapping[str, str]) -> DailyBar:
    opened, high, low, close = (Decimal(row[name]) for name in ("Open", "High", "Low", "Close"))
    return DailyBar(date.fromisoformat(row["Date"]), opened, high, low, close, int(row["Volume"]))


def _adjusted(bar: DailyBar, splits: Iterable[Split]) -> DailyBar:
    ratio = Fraction(1)
    for split in splits:
        if bar.session < split.ex_date:
            ratio *= split.ratio
    opened, high, low, close = (divided(price, ratio) for price in bar[1:5])
    return DailyBar(bar.session, opened, high, low, close, round(bar.volume * ratio))


def divided(price: Decimal, ratio: Fraction) -> Decimal:
    """Return ``price / ratio`` as Schwab serves it; a price that nothing divides keeps all its decimals.

    Examples:
        >>> divided(Decimal("1.5"), Fraction(1)), divided(Decimal("1.000049"), Fraction(1))
        (Decimal('1.5000'), Decimal('1.000049'))
        >>> divided(Decimal("1.000049"), Fraction(2))
        Decimal('0.5000')
    """
    result = rounded(Fraction(price) / ratio)
    return price if ratio == 1 and result != price else result


def rounded(price: Fraction) -> Decimal:
    """Return ``price`` to four decimals, half to even, from its exact value.

    Rounding is monotone, so it never breaks the order low ≤ open, close ≤ high.

    Examples:
        >>> rounded(Fraction("0.00005")), rounded(Fraction("0.00015"))
        (Decimal('0.0000'), Decimal('0.0002'))
    """
    return Decimal(round(price * 10**PRICE_DECIMALS)).scaleb(-PRICE_DECIMALS)
