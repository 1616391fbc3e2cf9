"""What a record of the catalogue says of an indicator: what it takes, what it returns, what it is called.

The records themselves stand beside their functions (``trend``, ``direction``, ``momentum``, …) and
are collected in ``definitions``.

What does not belong here: formulas, and choices of parameters (``catalog``).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from jutsu_core.arguments import refuse
from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.inputs import (
    MAX_PERIOD,
    FloatArray,
    require_equal_lengths,
    require_number,
    require_period,
    require_series,
)
from jutsu_core.indicators.lines import Line
from jutsu_core.indicators.programs import Plan, Program

InputName = Literal["open", "high", "low", "close", "volume", "session", "benchmark"]
Move = Literal["moves", "stays", "changes"]

PRICE_UNIT = "quote currency"
INDEX_UNIT = "0 to 100"
PERCENT_UNIT = "percent"
PLAIN_UNIT = "ratio"
VOLUME_UNIT = "shares"
MONEY_UNIT = "quote currency times shares"

PRICE_INPUTS: tuple[InputName, ...] = ("open", "high", "low", "close")
"""Prices of a bar."""

PRICES: tuple[InputName, ...] = (*PRICE_INPUTS, "benchmark")
"""All that are prices, the benchmark's close too."""


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
        least: Smallest value that there can be; ``None`` where there is none.
        most: Largest value that there can be; ``None`` where there is none.
        when_prices_move: What becomes of the values when every price rises by the same amount: a level
            moves with them, a distance stays, anything else changes.
    """

    name: str
    description: str
    unit: str
    least: float | None = None
    most: float | None = None
    when_prices_move: Move = "changes"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorDefinition:
    """What an indicator is.

    Attributes:
        name: Key in the catalogue, and name of the function.
        title: What people call it.
        inputs: What it takes of a bar, in the order of the function: its columns; ``session``, a number that the
            bars of one exchange session have in common; ``benchmark``, the close of the benchmark's bar.
        parameters: Its keywords, in the order in which column names list them.
        results: What it returns, in its order.
        formula: The indicator itself, of lines.
        function: The indicator as a function of arrays, which says formula, warm-up and source.
        needs_positive_prices: Whether it divides by prices or takes their logarithm.
        revision: Raised whenever this formula, its start or its warm-up changes; series that carry it are then
            computed again, and no others.
    """

    name: str
    title: str
    inputs: tuple[InputName, ...]
    parameters: tuple[ParameterDefinition, ...]
    results: tuple[ResultDefinition, ...]
    formula: Callable[..., Line | tuple[Line, ...]]
    function: Callable[..., FloatArray | tuple[FloatArray, ...]]
    needs_positive_prices: bool = False
    revision: int = 1

    @property
    def compares(self) -> bool:
        """Return whether it reads the bars of a benchmark too."""
        return "benchmark" in self.inputs

    @property
    def needs_volume(self) -> bool:
        """Return whether it reads what was traded."""
        return "volume" in self.inputs

    def checked(self, parameters: Mapping[str, object]) -> dict[str, float]:
        """Return ``parameters`` in their order, each an ``int`` or a ``float``.

        Raises:
            InvalidInputError: One of them is out of its limits, or not above the one that it must exceed.
        """
        chosen = {parameter.name: parameter.check(parameters[parameter.name]) for parameter in self.parameters}
        for parameter in self.parameters:
            if parameter.above is not None and chosen[parameter.name] <= chosen[parameter.above]:
                message = (
                    f"{parameter.name} must be greater than {parameter.above} "
                    f"({chosen[parameter.above]}), was {chosen[parameter.name]}"
                )
                raise InvalidInputError(message)
        return chosen

    def lines(self, inputs: Mapping[str, Line], parameters: Mapping[str, float]) -> tuple[Line, ...]:
        """Return the results as lines that begin together.

        Args:
            inputs: A line for every one of ``self.inputs``.
            parameters: As ``checked`` returns them.
        """
        return _beginning_together(self.formula(*[inputs[name] for name in self.inputs], **parameters))

    def warm_up_bars(self, parameters: Mapping[str, float]) -> int:
        """Return the number of leading bars without a value."""
        return self.lines(plan_of(self.inputs).lines, parameters)[0].start

    def require_inputs(
        self, series: Mapping[str, FloatArray], what: Callable[[str, int], str], *, allow_no_volume: bool = False
    ) -> None:
        """Check what this indicator demands of its inputs beyond numbers that are finite.

        Args:
            series: Columns of bars; NaN where the benchmark has no close for a bar.
            what: Names the place of a value in an error, from the column and the row.
            allow_no_volume: Whether there may be no volume at all.

        Raises:
            InvalidInputError: A price is not above 0 where it must be, a volume is below 0, or there is no
                volume at all and has to be some.
        """
        if not (self.needs_positive_prices or self.needs_volume):
            return
        for name in self.inputs:
            values = series[name]
            if name == "volume":
                _require_volume(self.name, values, what, allow_none=allow_no_volume)
            elif self.needs_positive_prices and name in PRICES and (is_refused := values <= 0).any():
                row = int(np.argmax(is_refused))
                remedy = f"{self.name} divides by prices: leave it out, or shift the prices"
                refuse(what(name, row), "above 0", f"{values[row]:g}", remedy)

    def values(self, *series: object, **parameters: object) -> tuple[FloatArray, ...]:
        """Return the results for ``series``, after checking everything.

        Raises:
            InvalidInputError: A parameter or a series breaks its contract, or TA-Lib's process-wide settings
                were changed.
        """
        chosen = self.checked(parameters)
        columns: dict[str, FloatArray] = {
            name: require_series(f"{name}s", values) for name, values in zip(self.inputs, series, strict=True)
        }
        length = len(columns[self.inputs[0]])
        if len(columns) > 1:
            require_equal_lengths(**{f"{name}s": values for name, values in columns.items()})
        self.require_inputs(columns, lambda name, row: f"{name}s[{row}]")
        rows = tuple([np.empty(length) for _ in self.results])
        _program(self.formula, self.inputs, tuple(chosen.items())).run(list(columns.values()), rows)
        return rows


def plan_of(inputs: Iterable[InputName]) -> Plan:
    """Return a plan that reads ``inputs``, prices as prices."""
    return Plan({name: name in PRICES for name in inputs})


def period_of(
    default: int | None, name: str = "period", *, minimum: int = 1, above: str | None = None
) -> ParameterDefinition:
    """Return the definition of a whole number of bars."""
    return ParameterDefinition(name=name, minimum=minimum, maximum=MAX_PERIOD, default=default, above=above)


def number_of(name: str, default: float | None, *, maximum: float) -> ParameterDefinition:
    """Return the definition of a number above 0."""
    return ParameterDefinition(name=name, minimum=0.0, maximum=maximum, default=default, is_integer=False)


def level(name: str, description: str) -> ResultDefinition:
    """Return the definition of a price, which moves as prices do."""
    return ResultDefinition(name=name, description=description, unit=PRICE_UNIT, when_prices_move="moves")


def distance(name: str, description: str, *, least: float | None = None) -> ResultDefinition:
    """Return the definition of a difference of prices, which stays where all prices move."""
    return ResultDefinition(name=name, description=description, unit=PRICE_UNIT, least=least, when_prices_move="stays")


def index(name: str, description: str, *, least: float = 0.0, most: float = 100.0) -> ResultDefinition:
    """Return the definition of an index between two numbers that compares differences of prices."""
    unit = f"{least:g} to {most:g}"
    return ResultDefinition(
        name=name, description=description, unit=unit, least=least, most=most, when_prices_move="stays"
    )


def _beginning_together(made: Line | tuple[Line, ...]) -> tuple[Line, ...]:
    lines = (made,) if isinstance(made, Line) else made
    start = max(line.start for line in lines)
    return tuple(line if line.start == start else line.skip(start - line.start) for line in lines)


@lru_cache(maxsize=1024)
def _program(
    formula: Callable[..., Line | tuple[Line, ...]],
    inputs: tuple[InputName, ...],
    parameters: tuple[tuple[str, float], ...],
) -> Program:
    """Return what one indicator computes of ``inputs``."""
    plan = plan_of(inputs)
    for line in _beginning_together(formula(*[plan.lines[name] for name in inputs], **dict(parameters))):
        plan.result(line)
    return plan.program()


def _require_volume(indicator: str, volumes: FloatArray, what: Callable[[str, int], str], *, allow_none: bool) -> None:
    if not len(volumes):
        return
    if not (volumes >= 0).all():
        row = int(np.argmax(volumes < 0))
        refuse(what("volume", row), "0 or more", f"{volumes[row]:g}", "correct the bar")
    if not allow_none and not volumes.any():
        remedy = f"{indicator} needs volume, which an index has none of: choose indicators without it,"
        remedy += " or say allow_no_volume=True of a frame"
        refuse("volume", "above 0 in some bar", f"0 in all {len(volumes):,}", remedy)
