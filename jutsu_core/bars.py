"""What a bar is: its timeframe, its exact prices, and the columns of a frame of bars.

Prices are exact everywhere they are kept: a price is an integer number of
**micros** (10⁻⁶ of the quote currency) in stores and a ``Decimal`` in events. Only
frames for numerical work hold ``float64``, and the conversion loses nothing that the
kernels could see: every micro price below 3·10⁹ survives the round trip.

What does not belong here: how bars are fetched (``jutsu_assets.schwab``), stored
(``jutsu_assets.store``) or judged (``jutsu_core.quality``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, Inexact
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jutsu_core.arguments import refuse, require_date, require_integer, require_items, require_type, shown
from jutsu_core.errors import InvalidInputError

MICROS_PER_UNIT = 1_000_000
MAX_MICROS = 2**63 - 1
MAX_VOLUME = 2**63 - 1

BAR_COLUMNS = ("symbol", "timestamp", "open", "high", "low", "close", "volume")
PRICE_COLUMNS = ("open", "high", "low", "close")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EXACT = Context(prec=40)  # whatever precision the caller's own context has
_exactly_scaled = Context(prec=40, traps=[Inexact]).scaleb
_MAX_PRICE = Decimal(MAX_MICROS).scaleb(-6, _EXACT)


class Timeframe(StrEnum):
    """How long one bar lasts; the values are the spelling used in stores and on the command line."""

    M1 = "1m"
    M5 = "5m"
    M10 = "10m"
    M15 = "15m"
    M30 = "30m"
    D1 = "1d"
    W1 = "1w"
    MO1 = "1mo"

    @classmethod
    def parse(cls, text: str) -> "Timeframe":
        """Return the timeframe spelled ``text``.

        Raises:
            InvalidInputError: ``text`` is not one of the known spellings.

        Examples:
            >>> Timeframe.parse("1d")
            <Timeframe.D1: '1d'>
        """
        try:
            return cls(text)
        except ValueError:
            known = ", ".join(frame.value for frame in cls)
            message = f"timeframe must be one of {known}, was {text!r}"
            raise InvalidInputError(message) from None


class Bar(NamedTuple):
    """One bar as stores keep it: UTC start and prices in micros.

    A daily bar's ``timestamp`` is 00:00 UTC of its session date.
    """

    timestamp: datetime
    open: int
    high: int
    low: int
    close: int
    volume: int


@dataclass(frozen=True, slots=True)
class BarColumns:
    """Bars of one symbol as arrays, oldest first: what rules and kernels work on.

    Attributes:
        values: int64 of shape (n, 6): microseconds since 1970 UTC, open, high, low and close in
            micros, volume.

    Examples:
        >>> bar = Bar(datetime(2013, 3, 1, tzinfo=UTC), 1_500_000, 2_000_000, 1_000_000, 1_750_000, 7)
        >>> columns = BarColumns.of([bar])
        >>> len(columns), int(columns.close[0]), str(columns.sessions[0])
        (1, 1750000, '2013-03-01')
    """

    values: NDArray[np.int64]

    @classmethod
    def of(cls, bars: Iterable[Bar]) -> "BarColumns":
        """Return ``bars`` as arrays.

        Raises:
            InvalidInputError: ``bars`` is no list of :class:`Bar`, or a price or a volume is no 64-bit integer.
        """
        checked = require_items("bars", bars, Bar, "a Bar")
        try:
            rows = [((bar[0] - _EPOCH) // _MICROSECOND, *bar[1:]) for bar in checked]
        except (TypeError, AttributeError):
            rows = [(to_epoch(bar.timestamp), *bar[1:]) for bar in checked]  # which says what is wrong
        # Without a type said, so that what is no integer shows instead of being cut to one.
        values = np.array(rows or np.empty((0, len(Bar._fields)), dtype=np.int64))
        if values.dtype != np.int64:
            row = next((n for n, bar in enumerate(checked) if not set(map(type, bar[1:])) <= {int}), 0)
            refuse(f"bars[{row}]", "of whole micros and a whole volume, of 64 bits each", repr(checked[row]))
        return cls(values)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def timestamps(self) -> NDArray[np.int64]:
        """Return when each bar starts, microseconds since 1970 UTC."""
        return self.values[:, 0]

    @property
    def open(self) -> NDArray[np.int64]:
        """Return the first prices, in micros."""
        return self.values[:, 1]

    @property
    def high(self) -> NDArray[np.int64]:
        """Return the highest prices, in micros."""
        return self.values[:, 2]

    @property
    def low(self) -> NDArray[np.int64]:
        """Return the lowest prices, in micros."""
        return self.values[:, 3]

    @property
    def close(self) -> NDArray[np.int64]:
        """Return the last prices, in micros."""
        return self.values[:, 4]

    @property
    def volume(self) -> NDArray[np.int64]:
        """Return the traded volumes."""
        return self.values[:, 5]

    @property
    def sessions(self) -> NDArray[np.datetime64]:
        """Return the UTC date of each bar: of a daily bar, its session."""
        return self.timestamps.astype("datetime64[us]").astype("datetime64[D]")


@dataclass(frozen=True, slots=True)
class RejectedBar:
    """A bar that came from the source and broke a rule: its raw form, and why it was kept out."""

    raw: str
    reason: str
    timestamp: datetime | None = None


def to_micros(price: Decimal) -> int:
    """Return ``price`` in micros, exactly.

    Raises:
        InvalidInputError: ``price`` is not finite, has more than six decimals or does not
            fit into 64 bits.

    Examples:
        >>> to_micros(Decimal("190.0375"))
        190037500
    """
    require_type("price", price, Decimal, "a Decimal", 'write it in quotes: Decimal("1.5")')
    if not price.is_finite():
        message = f"price must be a finite number, was {price}"
        raise InvalidInputError(message)
    if price.copy_abs() > _MAX_PRICE:  # a minus sign or abs() would round
        message = f"price must be below {MAX_MICROS // MICROS_PER_UNIT}, was {price}"
        raise InvalidInputError(message)
    micros = int(price.scaleb(6, _EXACT))
    if from_micros(micros) != price:  # a comparison does not round, as arithmetic does
        message = f"price must have at most 6 decimals, was {price}"
        raise InvalidInputError(message)
    return micros


def from_micros(micros: int) -> Decimal:
    """Return the exact price that ``micros`` stands for.

    Raises:
        InvalidInputError: ``micros`` is no integer, or has more than 40 digits.

    Examples:
        >>> from_micros(190037500)
        Decimal('190.037500')
    """
    if type(micros) is not int:
        micros = require_integer("micros", micros)
    try:
        return _exactly_scaled(micros, -6)
    except Inexact:
        return refuse("micros", "of at most 40 digits", f"of {len(str(micros))}")


def session_timestamp(session: date) -> datetime:
    """Return the key of the daily bar of ``session``: 00:00 UTC of that date.

    Raises:
        InvalidInputError: ``session`` is no date, or is a time.

    Examples:
        >>> session_timestamp(date(2013, 3, 1)).isoformat()
        '2013-03-01T00:00:00+00:00'
    """
    require_date("session", session)
    return datetime(session.year, session.month, session.day, tzinfo=UTC)


def to_epoch(moment: datetime) -> int:
    """Return an aware ``moment`` as microseconds since 1970 UTC, exactly.

    Raises:
        InvalidInputError: ``moment`` is no aware datetime.

    Examples:
        >>> to_epoch(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
        1000000
    """
    if type(moment) is not datetime or moment.tzinfo is None:
        moment = require_aware("moment", moment)
    return (moment - _EPOCH) // _MICROSECOND


def from_epoch(microseconds: int) -> datetime:
    """Return the UTC instant that many ``microseconds`` after 1970.

    Raises:
        InvalidInputError: ``microseconds`` is no integer, or that instant lies outside the years 1 to 9999.

    Examples:
        >>> from_epoch(1_000_000).isoformat()
        '1970-01-01T00:00:01+00:00'
    """
    if type(microseconds) is not int:
        microseconds = require_integer("microseconds", microseconds)
    return _instant(microseconds)


@lru_cache(maxsize=2**13)  # the sessions of one symbol are those of the next
def _instant(microseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return refuse("microseconds", "those of a time in the years 1 to 9999", microseconds)


def require_aware(name: str, moment: object) -> datetime:
    """Return ``moment`` in UTC.

    Raises:
        InvalidInputError: ``moment`` is not a datetime, or has no timezone (a naive time means
            a different instant on every machine), or UTC has no such year.
    """
    if type(moment) is datetime and moment.tzinfo is UTC:  # nearly always
        return moment
    if moment is pd.NaT or not isinstance(moment, datetime):  # NaT says that it is a datetime
        refuse(name, "a timezone-aware datetime", shown(moment))
    if moment.utcoffset() is None:
        message = f"{name} must be timezone-aware, was the naive {moment.isoformat()}; add tzinfo=datetime.UTC"
        raise InvalidInputError(message)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        message = f"{name} must lie in the years 1 to 9999 of UTC, was {moment.isoformat()}"
        raise InvalidInputError(message) from None


def bars_to_frame(symbol: str, bars: Iterable[Bar]) -> pd.DataFrame:
    """Return ``bars`` as a frame with the columns ``BAR_COLUMNS``.

    Raises:
        InvalidInputError: ``symbol`` is no text, or ``bars`` no list of :class:`Bar`.

    Returns:
        One row a bar in the given order: ``timestamp`` datetime64[us, UTC], prices
        float64 in quote currency, ``volume`` int64.

    Examples:
        >>> bar = Bar(datetime(2013, 3, 1, tzinfo=UTC), 1_500_000, 2_000_000, 1_000_000, 1_750_000, 7)
        >>> frame = bars_to_frame("AAPL", [bar])
        >>> float(frame["close"].iloc[0]), int(frame["volume"].iloc[0])
        (1.75, 7)
    """
    return columns_to_frame(symbol, BarColumns.of(bars))


def columns_to_frame(symbol: str, columns: BarColumns) -> pd.DataFrame:
    """Return ``columns`` as a frame with the columns ``BAR_COLUMNS``, as :func:`bars_to_frame` does.

    Raises:
        InvalidInputError: ``symbol`` is no text, or ``columns`` no :class:`BarColumns`.
    """
    require_type("symbol", symbol, str, "a text such as 'AAPL'")
    require_type("columns", columns, BarColumns, "a BarColumns", "BarColumns.of makes one of bars")
    count = len(columns)
    frame: dict[str, object] = {
        "symbol": pd.Series([symbol] * count, dtype="str"),
        "timestamp": pd.DatetimeIndex(columns.timestamps.astype("datetime64[us]")).tz_localize(UTC),
    }
    frame |= {name: getattr(columns, name) / MICROS_PER_UNIT for name in PRICE_COLUMNS}
    frame["volume"] = columns.volume.copy()
    return pd.DataFrame(frame, columns=list(BAR_COLUMNS))
