"""Indicators that the kernel makes of several averages in one pass, and the same bar by bar, to the bit.

TA-Lib's RSI and MACD take the time of one average, where made of lines they take that of three. Each stands
here twice: as steps of a state, which is its definition, and as the kernel's call with what that leaves out
put right. The kernel is only called where it was seen, once in a process, to give the bits of the steps.

What does not belong here: averages by themselves (``averages``).
"""

from collections.abc import Callable
from functools import cache, lru_cache
from operator import truediv
from typing import NamedTuple

import numpy as np

from jutsu_core.indicators.averages import MultiplyAdd, fused, probe_values, rounded_twice
from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.kernels import require_kernel_defaults, ta_lib
from jutsu_core.indicators.lines import State
from jutsu_core.indicators.programs import scanned

NEUTRAL_RSI = 50.0
"""The RSI of a price that has never changed: no gain, no loss, and so no direction."""

_FADED = 1_000
# Periods whose inverse is no float, so that the ways to round differ.
_PROBED_PERIOD = 19
_PROBED_MACD = (11, 26, 7)

_Steps = tuple[Callable[..., State], Callable[..., State]]


class Rounding(NamedTuple):
    """How a kernel does what has more than one way to be rounded.

    Attributes:
        multiply_add: Multiplies and adds.
        mean: Divides a sum by the period, or multiplies it by the period's inverse.
    """

    multiply_add: MultiplyAdd
    mean: Callable[[float, float], float]


def _by_inverse(total: float, period: float) -> float:
    return total * (1.0 / period)


_PLAIN = Rounding(rounded_twice, truediv)
_ROUNDINGS = tuple(Rounding(add, mean) for add in (rounded_twice, fused) for mean in (truediv, _by_inverse))


class Composite(NamedTuple):
    """An indicator of closes as steps, and as a kernel that gives the same bits; None where none does.

    Attributes:
        begin: Makes the state of the first bar from its close.
        step: Makes the next from the state and the close of its bar.
        kernel: Takes all closes and returns all results.
    """

    begin: Callable[..., State]
    step: Callable[..., State]
    kernel: Callable[..., tuple[FloatArray, ...]] | None


@lru_cache(maxsize=256)
def rsi_composite(period: int) -> Composite:
    """Return Wilder's RSI: its state is the RSI, the average gain and loss, the changes so far and the close."""
    rounding = _rsi_rounding()
    begin, step = _rsi_steps(period, rounding or _PLAIN)

    def kernel(closes: FloatArray) -> tuple[FloatArray, ...]:
        if len(closes) <= period:
            return (np.empty(len(closes)),)
        found = _rsi_of_one(closes) if period == 1 else ta_lib("RSI")(closes, timeperiod=period)
        # The kernel says 0 where there was neither gain nor loss, and also where both have all but faded.
        if np.minimum.reduce(found[period:]) == 0.0 and not _put_right(found, closes, period):
            return scanned(begin, step, [closes], 1)
        return (found,)

    return Composite(begin, step, None if rounding is None else kernel)


@lru_cache(maxsize=256)
def macd_composite(fast: int, slow: int, signal: int) -> Composite:
    """Return the MACD: its state is the line, its signal, their difference, both averages, the bar and the first close.

    Averages are made of what closes differ from the first one, so that equal closes give exactly 0.
    """
    rounding = _macd_rounding()
    begin, step = _macd_steps(fast, slow, signal, rounding or _PLAIN)

    def kernel(closes: FloatArray) -> tuple[FloatArray, ...]:
        if len(closes) < slow + signal - 1:
            return (np.empty(len(closes)), np.empty(len(closes)), np.empty(len(closes)))
        lines: tuple[FloatArray, ...] = ta_lib("MACD")(closes - closes[0], fast, slow, signal)
        return lines

    return Composite(begin, step, None if rounding is None else kernel)


def _rsi_steps(period: int, rounding: Rounding) -> _Steps:
    multiply_add, shrunk, kept = rounding.multiply_add, rounding.mean, float(period - 1)

    def begin(close: float) -> State:
        return (NEUTRAL_RSI, 0.0, 0.0, 0.0, close)

    def step(state: State, close: float) -> State:
        _, gain, loss, seen, before = state
        change = close - before
        rise, fall = (0.0, -change) if change < 0 else (change, 0.0)
        seen += 1
        if seen <= period:
            gain, loss = gain + rise, loss + fall
        else:
            gain, loss = multiply_add(gain, kept, rise), multiply_add(loss, kept, fall)
        if seen >= period:
            gain, loss = shrunk(gain, period), shrunk(loss, period)
        total = gain + loss
        return (100.0 * (gain / total) if total else NEUTRAL_RSI, gain, loss, seen, close)

    return begin, step


def _rsi_of_one(closes: FloatArray) -> FloatArray:
    """Return the RSI of single changes, of which the kernel makes none."""
    found = np.empty(len(closes))
    found[1:] = NEUTRAL_RSI + NEUTRAL_RSI * np.sign(closes[1:] - closes[:-1])
    return found


def _put_right(found: FloatArray, closes: FloatArray, period: int) -> bool:
    """Write 50 where the price has never changed; return whether every other 0 is one of losses alone."""
    changes = closes[1:] - closes[:-1]
    rises, falls = np.flatnonzero(changes > 0), np.flatnonzero(changes < 0)
    first_rise = int(rises[0]) + 1 if len(rises) else len(closes)
    first_fall = int(falls[0]) + 1 if len(falls) else len(closes)
    found[period : min(first_rise, first_fall)] = NEUTRAL_RSI
    if period == 1:
        return True
    # So many bars after the last loss an average may be too small for any float, and then there is no loss either.
    is_lasting = first_rise - first_fall < _FADED
    return is_lasting and bool(np.logical_and.reduce(found[max(first_rise, period) :]))


def _macd_steps(fast: int, slow: int, signal: int, rounding: Rounding) -> _Steps:
    multiply_add, shrunk = rounding
    quick_weight, calm_weight, signal_weight = 2.0 / (fast + 1), 2.0 / (slow + 1), 2.0 / (signal + 1)

    def begin(close: float) -> State:
        return step((0.0, 0.0, 0.0, 0.0, 0.0, -1.0, close), close)

    def step(state: State, close: float) -> State:
        _, average, _, quick, calm, bar, first = state
        value = close - first
        bar += 1
        # Until an average begins, its place in the state holds the sum that it begins with.
        if bar < slow:
            quick, calm = quick + value if bar >= slow - fast else quick, calm + value
            if bar < slow - 1:
                return (0.0, 0.0, 0.0, quick, calm, bar, first)
            quick, calm = shrunk(quick, fast), shrunk(calm, slow)
        else:
            quick = multiply_add(value - quick, quick_weight, quick)
            calm = multiply_add(value - calm, calm_weight, calm)
        line, begun = quick - calm, slow + signal - 2
        if signal == 1:
            average = line
        else:
            average = average + line if bar <= begun else multiply_add(line - average, signal_weight, average)
        if bar == begun:
            average = shrunk(average, signal)
        return (line, average, line - average, quick, calm, bar, first)

    return begin, step


@cache
def _rsi_rounding() -> Rounding | None:
    require_kernel_defaults("RSI")
    made = ta_lib("RSI")(probe_values(), _PROBED_PERIOD)
    return _rounding_of((made,), _PROBED_PERIOD, lambda rounding: _rsi_steps(_PROBED_PERIOD, rounding))


@cache
def _macd_rounding() -> Rounding | None:
    require_kernel_defaults("EMA")
    fast, slow, signal = _PROBED_MACD
    values = probe_values()
    made = ta_lib("MACD")(values - values[0], fast, slow, signal)
    return _rounding_of(made, slow + signal - 2, lambda rounding: _macd_steps(fast, slow, signal, rounding))


def _rounding_of(made: tuple[FloatArray, ...], warm_up: int, steps: Callable[[Rounding], _Steps]) -> Rounding | None:
    """Return the rounding with which ``steps`` have every bit of what the kernel made; None if none has."""
    for rounding in _ROUNDINGS:
        by_hand = scanned(*steps(rounding), [probe_values()], len(made))
        if all(np.array_equal(one[warm_up:], two[warm_up:]) for one, two in zip(made, by_hand, strict=True)):
            return rounding
    return None
