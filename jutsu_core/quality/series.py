"""Rules on a series of bars, as arithmetic on arrays: each returns where it is broken, and in which words.

Nothing here raises on bars that a store can hold, and nothing is changed. A rule about how prices
move can err; what each takes for a fault stands in its docstring, with what it leaves alone. Their
limits were chosen on real histories, in which every split that was left unadjusted is found.
"""

from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from jutsu_core.bars import MICROS_PER_UNIT, BarColumns, from_epoch, from_micros

Places = Iterable[tuple[int, str]]
"""Positions in a series, ascending, each with what is wrong there."""

SMALLEST_TICK = 100
"""In micros: Schwab serves four decimals."""
_CENT = 10_000
_EIGHTH = 130_000
"""As it is written in cents; no exchange had a larger tick."""
_FEWEST_TICKS = 20
"""A move of fewer ticks is the price's own coarseness, however large a share of it."""

_SPLIT_NAMES = (
    *((1 / n, f"{n}:1") for n in (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100)),
    *((float(n), f"1:{n}") for n in (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100)),
    (2 / 3, "3:2"),
    (3 / 2, "2:3"),
)
_LOG_RATIOS = np.log([ratio for ratio, _ in _SPLIT_NAMES])
_THREE_FOR_TWO = (np.log(1.385), np.log(1.625))
_FROM_TWO_ON = np.log(1.756)
_CERTAIN = np.log(10.0)
_AROUND = 20
_FEWEST_AROUND = 5
_NEWS_VOLUME = 4.0
_OWN_MOVES = 6.0

_SPIKE_FACTOR = 2
_STALE_TICKS = 10
_ROUND_LOTS = 1_000


def duplicated(bars: BarColumns) -> Places:
    """Yield the last bar of each session date that has more than one.

    A key cannot occur twice in a store, but two keys can fall on one date: that is what a writer
    with another idea of a session's timestamp leaves behind.
    """
    sessions = bars.sessions
    again = np.flatnonzero(sessions[1:] == sessions[:-1]) + 1
    for session in np.unique(sessions[again]):
        same = np.flatnonzero(sessions == session)
        stamps = ", ".join(from_epoch(int(bars.timestamps[place])).isoformat() for place in same)
        yield int(same[-1]), f"{len(same)} bars: {stamps}"


def rescaled(bars: BarColumns) -> Places:
    """Yield the bars at which the price scale seems to change, as where a split was applied to one side only.

    The open and the close, each against the close before, both moved the same way by at least
    43 % (down) or 76 % (up), or both to within a twelfth of 3:2 or 2:3. Left alone are

    - what :func:`spikes` finds, there and back;
    - moves of fewer than 20 ticks of 0.0001, which are the price's own coarseness;
    - moves of less than six times the median daily move of the 20 bars before and after: a stock
      that often doubles may double;
    - below a factor of ten, moves that came with so much volume that they are news: more than four
      times the median of the 20 bars before, times the shares that a split makes of one.

    A real move of that size without such volume is found too, and a split of less than 3:2 is not: on
    one day, prices alone do not tell it from news.
    """
    before, opened, closed = bars.close[:-1], bars.open[1:], bars.close[1:]
    sound = (before > 0) & (opened > 0) & (closed > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        at_open, at_close = (np.where(sound, np.log(now / before), 0.0) for now in (opened, closed))
    least = np.where(at_open * at_close > 0, np.minimum(np.abs(at_open), np.abs(at_close)), 0.0)
    most = np.maximum(np.abs(at_open), np.abs(at_close))
    is_large = (least >= _FROM_TWO_ON) | ((least >= _THREE_FOR_TWO[0]) & (most <= _THREE_FOR_TWO[1]))
    is_large &= np.minimum(np.abs(opened - before), np.abs(closed - before)) >= _FEWEST_TICKS * SMALLEST_TICK
    suspects = (np.flatnonzero(is_large) + 1).tolist()
    alone = {place for place, _ in spikes(bars)} if suspects else set()
    for place in suspects:
        if _is_excursion(bars, place, alone) or _is_usual(bars, place) or _is_news(bars, place):
            continue
        ratio = (at_open[place - 1] + at_close[place - 1]) / 2
        words = _SPLIT_NAMES[int(np.argmin(np.abs(_LOG_RATIOS - ratio)))][1]
        was, now = from_micros(int(before[place - 1])), from_micros(int(closed[place - 1]))
        yield place, f"close {was} became {now}: as if split {words} here and not before"


def spikes(bars: BarColumns) -> Places:
    """Yield the bars with a price far from everything around it.

    A high is one when it is more than twice the bar's own open and close and the highs of the bars
    before and after; a low, an open and a close alike (below half). An open or a close is judged by
    the bars around it alone, and only where there is one on either side: the newest may be news.
    """
    if not len(bars):
        return
    ceiling, floor = (_around(bars.high, np.maximum, 0), _around(bars.low, np.minimum, np.iinfo(np.int64).max))
    inner_top, inner_bottom = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    tests = [
        ("high", bars.high, np.maximum(ceiling, inner_top), np.minimum(floor, inner_bottom)),
        ("low", bars.low, np.maximum(ceiling, inner_top), np.minimum(floor, inner_bottom)),
        ("open", bars.open, ceiling, floor),
        ("close", bars.close, ceiling, floor),
    ]
    is_alone = np.zeros(len(bars), dtype=np.bool_)
    is_alone[[0, -1]] = True
    found: dict[int, str] = {}
    for name, prices, top, bottom in tests:
        above = prices // _SPIKE_FACTOR > top
        below = prices < bottom // _SPIKE_FACTOR
        off = np.where(above, prices - top, bottom - prices) >= _FEWEST_TICKS * SMALLEST_TICK
        judged = ~is_alone if name in {"open", "close"} else ceiling > 0
        for place in np.flatnonzero((above | below) & off & judged):
            limit = from_micros(int(top[place] if above[place] else bottom[place]))
            side = "above" if above[place] else "below"
            found.setdefault(
                int(place), f"{name} {from_micros(int(prices[place]))} is far {side} {limit}, the nearest around it"
            )
    yield from sorted(found.items())


def stale(bars: BarColumns) -> Places:
    """Yield the bars that repeat the bar before: all four prices, and what no chance repeats.

    That is the same volume, or a range of at least ten ticks. The tick is what prices around there
    moved by at least, and an eighth at most: an eighth before 2001, a cent or less since; of a few bars
    alone it cannot be known, and is a cent, or 0.0001 below 1. Left alone are bars without a range (nothing moved), but
    for more than ten round lots of the same volume, and bars that nobody traded.
    """
    values, volume = bars.values, bars.volume
    same = (values[1:, 1:5] == values[:-1, 1:5]).all(axis=1)
    for place in (np.flatnonzero(same) + 1).tolist():
        high, low = int(bars.high[place]), int(bars.low[place])
        least = 1 if high > low else _ROUND_LOTS + 1
        is_same_volume = least <= volume[place] == volume[place - 1]
        if is_same_volume or high - low >= _STALE_TICKS * _tick_around(bars, place):
            also = " and the volume" if is_same_volume else ""
            yield place, f"repeats the prices{also} of {bars.sessions[place - 1]}"


def _is_excursion(bars: BarColumns, place: int, alone: Collection[int]) -> bool:
    """Return whether the move into ``place`` leads to one bar that stands alone, or back from it."""
    for away in (place - 1, place):
        if away in alone and 0 < away < len(bars) - 1:
            before, now, after = np.log(bars.close[away - 1 : away + 2].clip(min=1).astype(np.float64)).tolist()
            if abs(after - before) < abs(now - before) / 2:
                return True
    return False


def _is_usual(bars: BarColumns, place: int) -> bool:
    """Return whether the stock moves like that by itself, to judge by the bars on both sides."""
    moves = [
        np.abs(np.diff(np.log(closes[closes > 0].astype(np.float64))))
        for closes in (bars.close[max(0, place - _AROUND) : place], bars.close[place : place + _AROUND])
    ]
    around = np.concatenate(moves)
    if len(around) < _FEWEST_AROUND:
        return False
    own = abs(np.log(float(bars.close[place]) / float(bars.close[place - 1])))
    return bool(own < _OWN_MOVES * float(np.median(around)))


def _is_news(bars: BarColumns, place: int) -> bool:
    base = bars.volume[max(0, place - _AROUND) : place]
    base = base[base > 0]
    if len(base) < _FEWEST_AROUND:
        return False
    ratio = float(bars.close[place]) / float(bars.close[place - 1])
    if abs(np.log(ratio)) >= _CERTAIN:
        return False
    return bool(bars.volume[place] > _NEWS_VOLUME * max(1.0, 1 / ratio) * float(np.median(base)))


def _tick_around(bars: BarColumns, place: int) -> int:
    """Return the smallest step between the prices of the bars around ``place``."""
    near = bars.values[max(0, place - _AROUND) : place + _AROUND + 1, 1:5]
    steps = np.diff(np.unique(near))
    if len(near) < _AROUND or not len(steps):
        return _CENT if bars.close[place] >= MICROS_PER_UNIT else SMALLEST_TICK
    return min(int(steps.min()), _EIGHTH)


def _around(values: NDArray[np.int64], choose: np.ufunc, nothing: int) -> NDArray[np.int64]:
    """Return, for each place, the extreme of the values before and after it."""
    edge = np.array([nothing], dtype=np.int64)
    before, after = np.concatenate([edge, values[:-1]]), np.concatenate([values[1:], edge])
    chosen: NDArray[np.int64] = choose(before, after)
    return chosen
