"""The last value of an indicator, in decimal arithmetic.

For a caller that decides on one number, now: a float enters as the decimal that it prints
as, every step is decimal to ``DIGITS`` significant digits, and the caller's own decimal
context plays no part. The definitions are those of the series; whole series are the work of
``trend``, ``momentum`` and ``volatility``.
"""

from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    localcontext,
)
from itertools import accumulate, repeat
from operator import mul, sub
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from jutsu_core.arguments import is_integer, refuse, require_series, shown
from jutsu_core.bars import MICROS_PER_UNIT
from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.inputs import MAX_MAGNITUDE, as_floats, refuse_value, require_period

DIGITS = 34
"""Significant digits of every step: what IEEE 754 calls decimal128."""

_CONTEXT = Context(
    prec=DIGITS, rounding=ROUND_HALF_EVEN, traps=[DivisionByZero, InvalidOperation, Overflow], capitals=1
)
_ZERO, _ONE = Decimal(0), Decimal(1)
_FIFTEEN_DIGITS = 10**15
_MICRO_EXPONENT = -6
_MOST = Decimal(repr(MAX_MAGNITUDE))
_NEUTRAL_RSI = Decimal(50)


def calculate_sma(prices: pd.Series, period: int) -> Decimal:
    """Return the simple moving average of the last ``period`` prices.

    Formula:
        SMA = (price[-period] + … + price[-1]) / period

    Args:
        prices: Numbers (float, int or Decimal), oldest first, ``period`` or more. The
            last ``period`` tell the answer; all are checked.
        period: 1 or more.

    Returns:
        The average, in the unit of ``prices``.

    Raises:
        InvalidInputError: Too few prices, a price that is not a finite number, dates out of order, or a
            bad period.

    Warm-up:
        ``period`` prices; exact.

    References:
        John J. Murphy (1999), Technical Analysis of the Financial Markets, ch. 9.

    Examples:
        >>> calculate_sma(pd.Series([0.1, 0.2, 0.6]), 2)
        Decimal('0.4')
    """
    span = require_period("period", period)
    window = _last_prices(prices, read=span)
    with localcontext(_CONTEXT):
        return sum(window, _ZERO) / span


def calculate_ema(prices: pd.Series, period: int) -> Decimal:
    """Return the exponential moving average after the last price.

    Formula:
        EMA[period-1] = (price[0] + … + price[period-1]) / period
        EMA[t] = EMA[t-1] + (price[t] - EMA[t-1]) · 2 / (period + 1)

    Args:
        prices: Numbers (float, int or Decimal), oldest first, ``period`` or more; all are read.
        period: 1 or more.

    Returns:
        The average, in the unit of ``prices``.

    Raises:
        InvalidInputError: Too few prices, a price that is not a finite number, dates out of order, or a
            bad period.

    Warm-up:
        ``period`` prices; the start fades as ``trend.ema`` says.

    References:
        John J. Murphy (1999), Technical Analysis of the Financial Markets, ch. 9.

    Examples:
        >>> calculate_ema(pd.Series([10.0, 11.0, 12.0, 14.0]), 3)
        Decimal('12.5')
    """
    span = require_period("period", period)
    values, exponent = _all_prices(prices, at_least=span)
    with localcontext(_CONTEXT):
        average = sum(values[:span], _ZERO) / span
        kept, whole = Decimal(span - 1), Decimal(span + 1)
        for value in values[span:]:
            # Dividing last rounds once; a rounded weight would err in every step.
            average = (average * kept + value + value) / whole
        return average if not exponent else _short(average.scaleb(exponent))


def calculate_rsi(prices: pd.Series, period: int = 14) -> Decimal:
    """Return Wilder's relative strength index after the last price.

    Formula:
        G and L: Wilder's averages of gains and losses, started by the mean of the first ``period``
        RSI = 100 · G / (G + L), and 50 where both are 0

    Args:
        prices: Numbers (float, int or Decimal), oldest first, ``period + 1`` or more; all are read.
        period: 1 or more.

    Returns:
        From 0 (only losses) to 100 (only gains); 50 when no price ever changed.

    Raises:
        InvalidInputError: Too few prices, a price that is not a finite number, dates out of order, or a
            bad period.

    Warm-up:
        ``period + 1`` prices; the start fades as ``momentum.rsi`` says.

    References:
        J. Welles Wilder (1978), New Concepts in Technical Trading Systems, section VI.

    Examples:
        >>> calculate_rsi(pd.Series([10.0, 11.0, 10.0, 12.0, 10.0]), 2).quantize(Decimal("0.01"))
        Decimal('35.71')
    """
    span = require_period("period", period)
    values, _ = _all_prices(prices, at_least=span + 1)
    with localcontext(_CONTEXT):
        changes = list(map(sub, values[1:], values))
        # G and L as sums of weighted changes, which spares most steps a price: a change weighs
        # (1 - 1/period) for each one after it. What divides both of them cancels.
        first, later = changes[:span], changes[: span - 1 : -1]
        weights = list(accumulate(repeat(1 - _ONE / span, len(later)), mul, initial=_ONE))
        moved = [sum(first, _ZERO) * weights[-1], *map(mul, weights, later)]
        risen = [sum((change for change in first if change > 0), _ZERO) * weights[-1]]
        risen += [move for move in moved[1:] if move > _ZERO]
        gain = sum(risen, _ZERO)
        loss = gain - sum(moved, _ZERO)
        total = gain + loss
        # Dividing first keeps "only gains" at exactly 100.
        return gain / total * 100 if total else _NEUTRAL_RSI


def calculate_bollinger_bands(prices: pd.Series, period: int, std: float | Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """Return the Bollinger bands after the last price.

    Formula:
        middle = SMA; sd = √(Σ (price - middle)² / period)  (population, ddof 0)
        upper = middle + std · sd; lower = middle - std · sd

    Args:
        prices: Numbers (float, int or Decimal), oldest first, ``period`` or more. The
            last ``period`` tell the answer; all are checked.
        period: 1 or more.
        std: Half the width of the band in standard deviations, above 0.

    Returns:
        Upper, middle, lower, in the unit of ``prices``.

    Raises:
        InvalidInputError: Too few prices, a price that is not a finite number, dates out of order, a bad
            period or a bad ``std``.

    Warm-up:
        ``period`` prices; exact.

    References:
        John Bollinger (2001), Bollinger on Bollinger Bands, ch. 7.

    Examples:
        >>> [str(band) for band in calculate_bollinger_bands(pd.Series([1, 3]), 2, 2)]
        ['4', '2', '0']
    """
    span = require_period("period", period)
    factor = _factor(std)
    window = _last_prices(prices, read=span)
    with localcontext(_CONTEXT) as context:
        middle = sum(window, _ZERO) / span
        squares = sum(((value - middle) ** 2 for value in window), _ZERO)
        reach = factor * context.sqrt(squares / span)
        return middle + reach, middle, middle - reach


def _all_prices(prices: object, *, at_least: int) -> tuple[list[Any], int]:
    """Return the prices as decimals or integers of a unit, and the power of ten that this is.

    A float that is the nearest one to a decimal of at most 15 digits prints as that decimal: so prices
    that are whole micros need not become texts first, which takes most of the time.
    """
    values = _checked_prices(prices, at_least=at_least)
    if values.dtype == np.float64:
        micros = np.rint(values * MICROS_PER_UNIT)
        if bool((np.abs(micros) < _FIFTEEN_DIGITS).all()) and bool((micros / MICROS_PER_UNIT == values).all()):
            return micros.astype(np.int64).tolist(), _MICRO_EXPONENT
    return _decimals(values), 0


def _last_prices(prices: object, *, read: int) -> list[Decimal]:
    """Return the last ``read`` prices as exact decimals; those before are checked all the same."""
    return _decimals(_checked_prices(prices, at_least=read)[-read:])


def _checked_prices(prices: object, *, at_least: int) -> npt.NDArray[Any]:
    """Return the prices as an array of finite numbers: floats, integers, or decimals as objects."""
    series = require_series("prices", prices)
    if len(series) < at_least:
        message = f"prices must hold at least {at_least} values, was {len(series)}; give more, or take a shorter period"
        raise InvalidInputError(message)
    values = series.to_numpy()
    # Vectorised checks instead of one a value are what keeps a long series quick.
    if values.dtype.kind == "f":
        values = as_floats(values)
    if values.dtype.kind in "fiu" and bool((np.abs(values) <= MAX_MAGNITUDE).all()):
        return values
    plain = values.tolist()
    is_plain = set(map(type, plain)) == {Decimal} and all(map(Decimal.is_finite, plain))
    if is_plain and max(map(Decimal.copy_abs, plain)) <= _MOST:
        return values
    decimals = np.empty(len(values), dtype=object)
    decimals[:] = [_to_decimal(f"prices[{index}]", value) for index, value in enumerate(values)]
    return decimals


def _decimals(values: npt.NDArray[Any]) -> list[Decimal]:
    numbers: list[Any] = values.tolist()
    return numbers if values.dtype == np.object_ else list(map(Decimal, map(repr, numbers)))


def _short(number: Decimal) -> Decimal:
    """Return ``number`` without zeros at its end, and without an exponent."""
    short = number.normalize()
    return short if short.as_tuple().exponent <= 0 else short.quantize(_ONE)  # type: ignore[operator]  # finite


def _factor(std: object) -> Decimal:
    factor = _to_decimal("std", std)
    if factor <= 0:
        refuse("std", "above 0", shown(std))
    return factor


def _to_decimal(name: str, value: object) -> Decimal:
    """Return the number ``value`` exactly as it prints."""
    number: Decimal | None = None
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, float | np.floating):
        number = Decimal(repr(float(value)))
    elif is_integer(value):
        number = Decimal(int(value))
    is_finite = number is not None and number.is_finite()
    if number is None or not is_finite or number.copy_abs() > _MOST:
        refuse_value(name, value, is_finite=is_finite)
    return number
