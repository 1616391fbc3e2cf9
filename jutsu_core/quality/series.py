"""Rules on a series of bars, as arithmetic on arrays: each returns where it is broken, and in which words.

Nothing here raises on bars that a store can hold, and nothing is changed. A rule about how prices
move can err; what each takes for a fault stands in its docstring, with what it leaves alone.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from jutsu_core.bars import Bar, BarColumns, from_epoch, from_micros
from jutsu_core.quality.rules import bar_fault

Places = Iterable[tuple[int, str]]
"""Positions in a series, ascending, each with what is wrong there."""

SMALLEST_TICK = 100
"""In micros: Schwab serves four decimals."""
CENT = 10_000
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
_BASE_BARS = 20
_FEWEST_BASE_BARS = 5
_NEWS_VOLUME = 4.0

_SPIKE_FACTOR = 2
_STALE_TICKS = 5


def inconsistent(bars: BarColumns) -> Places:
    """Yield the bars that break a rule of :func:`jutsu_core.quality.rules.bar_fault`."""
    opens, highs, lows, closes = bars.open, bars.high, bars.low, bars.close
    broken = (
        (np.minimum(np.minimum(opens, closes), np.minimum(highs, lows)) <= 0)
        | (highs < np.maximum(opens, closes))
        | (lows > np.minimum(opens, closes))
        | (bars.volume < 0)
    )
    for place in np.flatnonzero(broken).tolist():
        fault = bar_fault(_bar(bars, place))
        if fault is not None:
            yield place, fault


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
    43 % (down) or 76 % (up), or both to within a twentieth of 3:2 or 2:3; and the next close did not
    go back half the way. Left alone are moves of fewer than 20 ticks, and, below a factor of ten,
    those that came with so much volume that they are news: more than four times the median of the
    20 bars before, where a split of that ratio by itself explains the ratio. A real move of that
    size without such volume is found too.
    """
    before, opened, closed = bars.close[:-1], bars.open[1:], bars.close[1:]
    sound = (before > 0) & (opened > 0) & (closed > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        at_open, at_close = (np.where(sound, np.log(now / before), 0.0) for now in (opened, closed))
    least = np.where(at_open * at_close > 0, np.minimum(np.abs(at_open), np.abs(at_close)), 0.0)
    most = np.maximum(np.abs(at_open), np.abs(at_close))
    is_large = (least >= _FROM_TWO_ON) | ((least >= _THREE_FOR_TWO[0]) & (most <= _THREE_FOR_TWO[1]))
    is_large &= np.minimum(np.abs(opened - before), np.abs(closed - before)) >= _FEWEST_TICKS * SMALLEST_TICK
    for place in (np.flatnonzero(is_large) + 1).tolist():
        if _goes_back(bars, place) or _is_news(bars, place):
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
    """Yield the bars that repeat the bar before: all four prices, and the volume too or a range no chance repeats.

    A bar without a range (open, high, low and close are one price) repeats by itself where nothing
    trades; it counts only with the same volume above 0. A range counts from five ticks on.
    """
    values = bars.values
    same = (values[1:, 1:5] == values[:-1, 1:5]).all(axis=1)
    volume = bars.volume[1:]
    tick = np.where(bars.close[1:] >= 100 * CENT, CENT, SMALLEST_TICK)
    is_wide = bars.high[1:] - bars.low[1:] >= _STALE_TICKS * tick
    same &= is_wide | ((volume == bars.volume[:-1]) & (volume > 0))
    for place in np.flatnonzero(same) + 1:
        yield int(place), f"repeats the prices of {bars.sessions[place - 1]}"


def _goes_back(bars: BarColumns, place: int) -> bool:
    if place + 1 >= len(bars) or bars.close[place + 1] <= 0:
        return False
    before, now, after = (float(bars.close[at]) for at in (place - 1, place, place + 1))
    return bool(abs(np.log(after / before)) < abs(np.log(now / before)) / 2)


def _is_news(bars: BarColumns, place: int) -> bool:
    base = bars.volume[max(0, place - _BASE_BARS) : place]
    base = base[base > 0]
    if len(base) < _FEWEST_BASE_BARS:
        return False
    ratio = float(bars.close[place]) / float(bars.close[place - 1])
    if abs(np.log(ratio)) >= _CERTAIN:
        return False
    return bool(bars.volume[place] > _NEWS_VOLUME * max(1.0, 1 / ratio) * float(np.median(base)))


def _around(values: NDArray[np.int64], choose: np.ufunc, nothing: int) -> NDArray[np.int64]:
    """Return, for each place, the extreme of the values before and after it."""
    edge = np.array([nothing], dtype=np.int64)
    before, after = np.concatenate([edge, values[:-1]]), np.concatenate([values[1:], edge])
    chosen: NDArray[np.int64] = choose(before, after)
    return chosen


def _bar(bars: BarColumns, place: int) -> Bar:
    stamp, opened, high, low, closed, volume = bars.values[place].tolist()
    return Bar(from_epoch(stamp), opened, high, low, closed, volume)
