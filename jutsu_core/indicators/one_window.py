"""Averages of one window of numbers, with the bits that lines of windows have.

What does not belong here: averages of every window of a series (``lines``, ``averages``).
"""

from math import fsum

from jutsu_core.bars import MICROS_PER_UNIT
from jutsu_core.indicators.averages import whole_micros


def newest_half(period: int) -> int:
    """Return the largest power of two below ``period``, which is 2 or more.

    Examples:
        >>> newest_half(20), newest_half(16), newest_half(2)
        (16, 8, 1)
    """
    return 1 << ((period - 1).bit_length() - 1)


def mean_of(values: list[float]) -> float:
    """Return the mean of one window of floats, with the bits of ``Line.mean``.

    Examples:
        >>> mean_of([1 / 3] * 10) == 1 / 3
        True
    """
    return values[-1] if len(values) == 1 else values[-1] + distance_of(values) / len(values)


def start_of(values: list[float], *, is_price: bool) -> float:
    """Return the mean of the values that an exponential average starts with.

    Examples:
        >>> start_of([0.1] * 10, is_price=False)
        0.1
    """
    if is_price:
        micros = [whole_micros(value) for value in values]
        if None not in micros:
            return sum(filter(None, micros)) / (len(micros) * MICROS_PER_UNIT)
    # Measured from the last, so that equal values start with exactly that value.
    last = values[-1]
    return last + fsum(value - last for value in values) / len(values)


def distance_of(values: list[float]) -> float:
    """Return the sum of what two or more numbers differ from the last, with the bits of ``Line.mean``."""
    half = newest_half(len(values))
    rest = len(values) - half
    total = (values[rest - 1] - values[-1]) * rest
    if rest > 1:
        total = distance_of(values[:rest]) + total
    return distance_of(values[rest:]) + total if half > 1 else total


def ramp_of(values: list[float]) -> float:
    """Return what ``distance_of`` does, with weights 1 to the number of values, with the bits of ``Line``."""
    half = newest_half(len(values))
    rest = len(values) - half
    total = (values[rest - 1] - values[-1]) * (rest * (rest + 1) / 2)
    if rest > 1:
        total = ramp_of(values[:rest]) + total
    if half > 1:
        total = (ramp_of(values[rest:]) + distance_of(values[rest:]) * rest) + total
    return total
