"""Minute bars: real ones where there are some, else derived from the daily bar of their session.

The sample package holds daily bars alone. So that minutes can be asked for all the same, they
are **made up**: a walk that is seeded by symbol and session, begins at the day's open, ends at its
close, touches its high and its low and nothing beyond, and shares out at most its volume.
They are good for trying things, and say nothing about what was traded when.
"""

import hashlib
from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from jutsu_assets.simulator.market import PRICE_DECIMALS, DailyBar, MinuteRow

NEW_YORK = ZoneInfo("America/New_York")
MS_PER_MINUTE = 60_000
EXTENDED_OPEN, EXTENDED_CLOSE = time(4), time(20)

_AUCTION_SHARE, _BESIDE_SHARE = 0.06, 0.02
_TRADED_BESIDE = 0.4
"""The share of minutes outside regular hours that see a trade."""
_KEPT_SESSIONS = 2048

Integers = npt.NDArray[np.int64]


@lru_cache(maxsize=_KEPT_SESSIONS)
def derived_minutes(symbol: str, bar: DailyBar, opens: int, closes: int) -> tuple[MinuteRow, ...]:
    """Return made-up minutes of a session, extended hours included, ascending.

    Args:
        symbol: Whose bar it is; two symbols differ in their walk.
        bar: The day that the regular minutes add up to.
        opens: Start of regular hours, milliseconds since 1970.
        closes: End of regular hours; the closing auction prints in the minute that begins there.
    """
    seed = hashlib.sha256(f"{symbol} {bar.session}".encode()).digest()
    draw = np.random.default_rng(int.from_bytes(seed[:8], "big"))
    decimals = max(PRICE_DECIMALS, *(-int(price.as_tuple().exponent) for price in bar[1:5]))
    day = [int(price.scaleb(decimals)) for price in bar[1:5]]
    regular = np.arange(opens, closes, MS_PER_MINUTE, dtype=np.int64)
    minutes = _regular(draw, regular, day, decimals, int(bar.volume * (1 - _AUCTION_SHARE - _BESIDE_SHARE)))
    before = np.arange(_local(bar.session, EXTENDED_OPEN), opens, MS_PER_MINUTE, dtype=np.int64)
    after = np.arange(closes + MS_PER_MINUTE, _local(bar.session, EXTENDED_CLOSE), MS_PER_MINUTE, dtype=np.int64)
    beside = int(bar.volume * _BESIDE_SHARE)
    auction = MinuteRow.flat(closes, bar.close, int(bar.volume * _AUCTION_SHARE))
    return (
        *_beside(draw, before, bar.open, beside // 2),
        *minutes,
        *([auction] if auction.volume else []),
        *_beside(draw, after, bar.close, beside // 2),
    )


def together(minutes: Iterable[MinuteRow], length: int) -> list[MinuteRow]:
    """Return bars of ``length`` minutes, on the grid of the hour, from ascending ``minutes``."""
    bars: list[MinuteRow] = []
    step = length * MS_PER_MINUTE
    for minute in minutes:
        start = minute.start - minute.start % step
        if bars and bars[-1].start == start:
            bar = bars[-1]
            bars[-1] = MinuteRow(
                start,
                bar.open,
                max(bar.high, minute.high),
                min(bar.low, minute.low),
                minute.close,
                bar.volume + minute.volume,
            )
        else:
            bars.append(minute._replace(start=start))
    return bars


def _regular(
    draw: np.random.Generator, starts: Integers, day: list[int], decimals: int, volume: int
) -> list[MinuteRow]:
    open_, high, low, close = day
    count = len(starts)
    steps = draw.standard_normal(count)
    walk = np.concatenate([[0.0], np.cumsum(steps)])
    bridge = walk - np.linspace(0.0, walk[-1], count + 1)
    spread = max(float(np.abs(bridge).max()), 1e-9)
    path = np.linspace(open_, close, count + 1) + bridge / spread * (high - low) / 2
    points = np.clip(np.rint(path), low, high).astype(np.int64)
    points[0], points[-1] = open_, close
    first, last = points[:-1], points[1:]
    noise = draw.integers(0, max((high - low) // 50, 1) + 1, size=(2, count))
    highs = np.minimum(np.maximum(first, last) + noise[0], high)
    lows = np.maximum(np.minimum(first, last) - noise[1], low)
    highs[np.argmax(highs)], lows[np.argmin(lows)] = high, low
    # Much is traded at the open and at the close.
    weights = draw.gamma(4.0, size=count) * (1 + 2 * np.linspace(-1, 1, count) ** 2)
    volumes = np.floor(weights / weights.sum() * volume).astype(np.int64)
    opened, high_prices, low_prices, closed = (
        [Decimal(n).scaleb(-decimals) for n in ticks.tolist()] for ticks in (first, highs, lows, last)
    )
    return list(map(MinuteRow, starts.tolist(), opened, high_prices, low_prices, closed, volumes.tolist()))


def _beside(draw: np.random.Generator, starts: Integers, around: Decimal, volume: int) -> list[MinuteRow]:
    traded = starts[draw.random(len(starts)) < _TRADED_BESIDE]
    each = volume // max(len(traded), 1)
    return [MinuteRow.flat(start, around, each) for start in traded.tolist()] if each else []


def _local(session: date, moment: time) -> int:
    return int(datetime.combine(session, moment, tzinfo=NEW_YORK).timestamp()) * 1000
