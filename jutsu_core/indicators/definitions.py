"""The records of the catalogue: what each indicator takes, returns and is called.

To add an indicator: write its function, add its record to ``CATALOG``, and where a stored
series must carry it, to ``DEFAULT_INDICATORS`` (``catalog``). To change what an existing one
computes: raise ``DEFINITIONS_REVISION``, so that stored series are known to be of the old kind.

What does not belong here: formulas (``trend``, ``momentum``, ``volatility``) and choices of
parameters (``catalog``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from jutsu_core.arguments import require_type
from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.inputs import (
    MAX_DEVIATIONS,
    MAX_PERIOD,
    FloatArray,
    require_number,
    require_period,
)
from jutsu_core.indicators.momentum import rsi
from jutsu_core.indicators.trend import ema, macd, sma
from jutsu_core.indicators.volatility import atr, bollinger_bands

DEFINITIONS_REVISION = 1
"""Raised whenever an indicator's formula, start or warm-up changes."""

InputName = Literal["open", "high", "low", "close", "volume"]

PRICE_UNIT = "quote currency"
INDEX_UNIT = "0 to 100"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterDefinition:
    """One parameter of an indicator and the values that it may take.

    Attributes:
        name: Keyword of the indicator's function.
        minimum: Smallest value; excluded where ``is_integer`` is false.
        maximum: Largest value.
        default: Value when none is given; ``None`` where one must be given.
        is_integer: Whether only integers are allowed.
        above: Another parameter of the indicator that this one must exceed.
    """

    name: str
    minimum: float
    maximum: float
    default: float | None = None
    is_integer: bool = True
    above: str | None = None

    def check(self, value: object) -> float:
        """Return ``value`` as ``int`` or ``float``, whichever the parameter is.

        Raises:
            InvalidInputError: It is not a number of that kind or lies outside the limits.
        """
        if self.is_integer:
            return require_period(self.name, value, minimum=int(self.minimum))
        return require_number(self.name, value, above=self.minimum, maximum=self.maximum)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultDefinition:
    """One series that an indicator returns.

    Attributes:
        name: First part of the column name.
        description: What the values mean, in which ``{parameter}`` stands for its value.
        unit: What the values are measured in.
    """

    name: str
    description: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorDefinition:
    """What an indicator is.

    Attributes:
        name: Key in the catalogue.
        inputs: Columns of the bars that the function takes, in its order.
        parameters: Its keywords, in the order in which column names list them.
        results: What it returns, in its order.
        warm_up_bars: Number of leading bars without a value, from the parameters.
        function: The indicator itself; returns one array, or a tuple of as many as ``results``.
    """

    name: str
    inputs: tuple[InputName, ...]
    parameters: tuple[ParameterDefinition, ...]
    results: tuple[ResultDefinition, ...]
    warm_up_bars: Callable[[Mapping[str, float]], int]
    function: Callable[..., FloatArray | tuple[FloatArray, ...]]


def _period(name: str = "period", *, default: int | None, minimum: int = 1) -> ParameterDefinition:
    """Return the definition of a whole number of bars."""
    return ParameterDefinition(name=name, minimum=minimum, maximum=MAX_PERIOD, default=default)


def _price(name: str, description: str) -> ResultDefinition:
    """Return the definition of a result in the unit of the prices."""
    return ResultDefinition(name=name, description=description, unit=PRICE_UNIT)


_DEFINITIONS = (
    IndicatorDefinition(
        name="sma",
        inputs=("close",),
        parameters=(_period(default=None),),
        results=(_price("sma", "Simple moving average of the last {period} closes"),),
        warm_up_bars=lambda chosen: int(chosen["period"]) - 1,
        function=sma,
    ),
    IndicatorDefinition(
        name="ema",
        inputs=("close",),
        parameters=(_period(default=None),),
        results=(_price("ema", "Exponential moving average of the closes, period {period}, SMA start"),),
        warm_up_bars=lambda chosen: int(chosen["period"]) - 1,
        function=ema,
    ),
    IndicatorDefinition(
        name="rsi",
        inputs=("close",),
        parameters=(_period(default=14),),
        results=(
            ResultDefinition(
                name="rsi",
                description="Wilder's relative strength index over {period} changes; 50 before any change",
                unit=INDEX_UNIT,
            ),
        ),
        warm_up_bars=lambda chosen: int(chosen["period"]),
        function=rsi,
    ),
    IndicatorDefinition(
        name="bollinger_bands",
        inputs=("close",),
        parameters=(
            _period(default=20),
            ParameterDefinition(name="deviations", minimum=0.0, maximum=MAX_DEVIATIONS, default=2.0, is_integer=False),
        ),
        results=(
            _price("bollinger_upper", "SMA of {period} closes plus {deviations} population standard deviations"),
            _price("bollinger_middle", "SMA of {period} closes, the middle of the Bollinger bands"),
            _price("bollinger_lower", "SMA of {period} closes less {deviations} population standard deviations"),
        ),
        warm_up_bars=lambda chosen: int(chosen["period"]) - 1,
        function=bollinger_bands,
    ),
    IndicatorDefinition(
        name="macd",
        inputs=("close",),
        parameters=(
            _period("fast", default=12, minimum=2),
            ParameterDefinition(name="slow", minimum=2, maximum=MAX_PERIOD, default=26, above="fast"),
            _period("signal", default=9),
        ),
        results=(
            _price("macd", "EMA {fast} less EMA {slow} of the closes, started together"),
            _price("macd_signal", "EMA {signal} of macd {fast}/{slow}"),
            _price("macd_histogram", "macd {fast}/{slow} less its signal {signal}"),
        ),
        warm_up_bars=lambda chosen: int(chosen["slow"] + chosen["signal"]) - 2,
        function=macd,
    ),
    IndicatorDefinition(
        name="atr",
        inputs=("high", "low", "close"),
        parameters=(_period(default=14),),
        results=(_price("atr", "Wilder's average true range over {period} bars"),),
        warm_up_bars=lambda chosen: int(chosen["period"]),
        function=atr,
    ),
)

CATALOG: Mapping[str, IndicatorDefinition] = MappingProxyType(
    {definition.name: definition for definition in _DEFINITIONS}
)


def definition_of(name: str) -> IndicatorDefinition:
    """Return the record of the indicator ``name``.

    Raises:
        InvalidInputError: The catalogue has none.

    Examples:
        >>> definition_of("atr").inputs
        ('high', 'low', 'close')
    """
    require_type("name", name, str, f"one of {', '.join(CATALOG)}")
    try:
        return CATALOG[name]
    except KeyError:
        message = f"name of the indicator must be one of {', '.join(CATALOG)}, was {name!r}"
        raise InvalidInputError(message) from None
