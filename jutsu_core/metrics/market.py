"""What bars tell of round trips and of a portfolio: how far a position went on its way, and how much was at work.

**Which bars a round trip has.** From the one in which it was entered to the one before that in which it was left: a
bar's extremes after the exit are nobody's. Entry and exit prices count too. What a daily bar did before an entry
within it cannot be told apart, and counts.

Each formula stands in the record of the same name (``jutsu_core.metrics.trade_records``).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pandas as pd

from jutsu_core.arguments import refuse, require_type, shown
from jutsu_core.events import FillEvent
from jutsu_core.metrics.account import Account
from jutsu_core.metrics.answer import Answer, Measured, measured
from jutsu_core.metrics.reconciliation import rows_of_fills, sessions_of, signed
from jutsu_core.metrics.series import FloatArray, IntArray, checked_stamps, checked_values
from jutsu_core.metrics.trade_records import MARKET_RECORDS
from jutsu_core.metrics.trades import RoundTrip, checked_trips
from jutsu_core.sessions import EXCHANGE_ZONE, zone_of

NO_BARS = "no bars were given"
_NO_TRIP = "no closed round trip"
_COLUMNS = ("symbol", "timestamp", "high", "low", "close")


class BarArrays(NamedTuple):
    """The bars of one symbol, checked.

    Attributes:
        stamps: When each begins, microseconds since 1970 UTC.
        high: Highest prices.
        low: Lowest prices.
        close: Last prices.
    """

    stamps: IntArray
    high: FloatArray
    low: FloatArray
    close: FloatArray


Bars = Mapping[str, BarArrays]


class Excursion(NamedTuple):
    """How far a round trip went, as fractions of its entry price.

    Attributes:
        adverse: Farthest against it, at most 0.
        favourable: Farthest for it, at least 0.
    """

    adverse: float
    favourable: float


def checked_bars(bars: object) -> Bars:
    """Return the bars of a frame by symbol.

    Raises:
        InvalidInputError: It lacks a column, its times are naive or out of order within a symbol, or a price is not
            finite and above 0.
    """
    frame = require_type("bars", bars, pd.DataFrame, "a pandas DataFrame such as a handler's get_frame gives")
    for name in _COLUMNS:
        if name not in frame.columns:
            refuse("bars", f"with the columns {', '.join(_COLUMNS)}", f"without {name!r}")
    if not frame.columns.is_unique:
        refuse("bars", "of columns that differ", f"with {shown(frame.columns[frame.columns.duplicated()][0])} twice")
    found = {}
    for symbol, of_symbol in frame.groupby("symbol", observed=True, sort=True):
        index = pd.Index(of_symbol["timestamp"])
        prices = {name: pd.Series(of_symbol[name].to_numpy(), index=index) for name in ("high", "low", "close")}
        values = {name: checked_values(f"{name} of bars", series, positive="all") for name, series in prices.items()}
        if (values["high"] < values["low"]).any():
            refuse(f"bars of {symbol}", "with a high of at least the low", "with one below")
        found[str(symbol)] = BarArrays(checked_stamps("bars", prices["close"]), **values)
    return found


def trip_excursions(
    trips: Sequence[RoundTrip], bars: pd.DataFrame, *, exchange_zone: str = EXCHANGE_ZONE
) -> list[Excursion | None]:
    """Return how far each round trip went against and for it; ``None`` for one without bars.

    Args:
        trips: Round trips.
        bars: Their bars: ``symbol``, ``timestamp``, ``high``, ``low`` and ``close``, as a handler's ``get_frame`` gives
            them.
        exchange_zone: Where the exchange's clocks are: a time within a session belongs to its daily bar.

    Raises:
        InvalidInputError: A parameter breaks its constraint.

    Examples:
        >>> trip_excursions([], pd.DataFrame(columns=["symbol", "timestamp", "high", "low", "close"]))
        []
    """
    checked, zone = checked_trips(trips), zone_of(exchange_zone).key
    known = checked_bars(bars)
    return [_excursion(trip, known.get(trip.symbol), zone) for trip in checked]


def market_measures(
    account: Account, fills: Sequence[FillEvent], trips: Sequence[RoundTrip], bars: Bars | None, exchange_zone: str
) -> Measured:
    """Return every measure of the catalogue's family ``market``; why not, where there are no bars."""
    if bars is None:
        return measured({record.name: NO_BARS for record in MARKET_RECORDS})
    return measured(_excursions(trips, bars, exchange_zone) | _leverage(account, fills, bars, exchange_zone))


def _excursions(trips: Sequence[RoundTrip], bars: Bars, zone: str) -> dict[str, Answer]:
    names = [record.name for record in MARKET_RECORDS if "excursion" in record.name]
    if not trips:
        return dict.fromkeys(names, _NO_TRIP)
    told = [_excursion(trip, bars.get(trip.symbol), zone) for trip in trips]
    absent = sorted({trip.symbol for trip, one in zip(trips, told, strict=True) if one is None})
    if absent:
        return dict.fromkeys(names, f"no bars of {', '.join(absent)} when it was held")
    adverse, favourable = (np.array([one[side] for one in told if one is not None]) for side in (0, 1))
    return {
        "average_adverse_excursion": float(adverse.mean()),
        "largest_adverse_excursion": float(adverse.min()),
        "average_favourable_excursion": float(favourable.mean()),
        "largest_favourable_excursion": float(favourable.max()),
    }


def _excursion(trip: RoundTrip, bars: BarArrays | None, zone: str) -> Excursion | None:
    if bars is None:
        return None
    first, last = (_place(bars.stamps, moment, zone) for moment in (trip.entry_time, trip.exit_time))
    if first < 0:
        return None
    entry = float(trip.entry_price)
    prices = (entry, float(trip.exit_price))
    low = min(*prices, *bars.low[first:last].tolist())
    high = max(*prices, *bars.high[first:last].tolist())
    if trip.side == "long":
        return Excursion(low / entry - 1, high / entry - 1)
    return Excursion(1 - high / entry, 1 - low / entry)


def _place(stamps: IntArray, moment: datetime, zone: str) -> int:
    """Return which bar has ``moment``; below 0 for what is before the first."""
    return int(stamps.searchsorted(sessions_of(stamps, [moment], zone)[0], side="right")) - 1


def _leverage(account: Account, fills: Sequence[FillEvent], bars: Bars, zone: str) -> dict[str, Answer]:
    names = [record.name for record in MARKET_RECORDS if "leverage" in record.name]
    symbols = sorted({fill.symbol for fill in fills})
    if (account.equity <= 0).any():
        return dict.fromkeys(names, "the equity is 0 or below on one of the rows")
    if not symbols:
        return dict.fromkeys(names, "there are no fills")
    rows = rows_of_fills(account.stamps, fills, zone)
    gross = np.zeros(len(account.stamps))
    for symbol in symbols:
        changes = np.zeros(len(account.stamps) + 1)
        for fill, row in zip(fills, rows, strict=True):
            if fill.symbol == symbol:
                changes[row] += float(signed(fill))
        held = np.cumsum(changes[:-1])
        held[np.abs(held) < np.abs(changes).max() * 1e-12] = 0.0
        if not held.any():
            continue
        known = bars.get(symbol)
        places = None if known is None else known.stamps.searchsorted(account.stamps, side="right") - 1
        if known is None or places is None or (places[held != 0] < 0).any():
            return dict.fromkeys(names, f"no bars of {symbol} when it was held")
        gross += np.abs(held) * known.close[np.maximum(places, 0)]
    shares = gross / account.equity
    return {"average_leverage": float(shares.mean()), "largest_leverage": float(shares.max())}


def require_bars(bars: object) -> Bars | None:
    """Return checked bars, or None where there are none.

    Raises:
        InvalidInputError: They are something else.
    """
    return None if bars is None else checked_bars(bars)
