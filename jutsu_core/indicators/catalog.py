"""The catalogue: which indicator is wanted, what its columns are called, and their values.

An ``IndicatorDefinition`` (``definitions``) says what an indicator is, an ``IndicatorSpec``
which one is wanted, and ``compute_indicators`` turns bars into columns. Whatever stores,
describes or checks indicator columns takes their names from here.

What does not belong here: formulas (``trend``, ``momentum``, ``volatility``).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from jutsu_core.arguments import refuse, require_flag, require_items, require_type, shown
from jutsu_core.bars import BAR_COLUMNS
from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.definitions import DEFINITIONS_REVISION, definition_of
from jutsu_core.indicators.inputs import (
    FloatArray,
    benchmark_closes,
    require_bars,
    require_equal_lengths,
    row_name,
    session_numbers,
)
from jutsu_core.indicators.programs import Program
from jutsu_core.indicators.records import IndicatorDefinition, InputName, plan_of
from jutsu_core.sessions import EXCHANGE_ZONE, zone_of

_SPEC_OR_NAME = 'an IndicatorSpec such as indicator("rsi"), or the name of one, such as "rsi"'


class IndicatorColumn(NamedTuple):
    """One column of a frame of indicators, as a column schema describes it."""

    name: str
    description: str
    warm_up_bars: int
    unit: str


@dataclass(frozen=True, slots=True)
class IndicatorSpec:
    """One indicator with its parameters chosen; made by ``indicator``.

    Attributes:
        name: Key in the catalogue.
        arguments: Values of the parameters, in the definition's order.

    Raises:
        InvalidInputError: The catalogue has no such indicator, or a parameter is out of limits.
    """

    name: str
    arguments: tuple[float, ...]

    def __post_init__(self) -> None:
        definition = definition_of(self.name)
        require_items("arguments", self.arguments, object, "a number")
        if len(self.arguments) != len(definition.parameters):
            message = f"{self.name} must have {len(definition.parameters)} arguments, was {self.arguments!r}"
            raise InvalidInputError(message)
        names = (parameter.name for parameter in definition.parameters)
        chosen = definition.checked(dict(zip(names, self.arguments, strict=True)))
        # 2 and 2.0 deviations are one configuration, with one name and one fingerprint.
        object.__setattr__(self, "arguments", tuple(chosen.values()))

    @property
    def definition(self) -> IndicatorDefinition:
        """Return the catalogue's record."""
        return definition_of(self.name)

    @property
    def parameters(self) -> dict[str, float]:
        """Return the keywords for the indicator's function."""
        names = (parameter.name for parameter in self.definition.parameters)
        return dict(zip(names, self.arguments, strict=True))

    @property
    def warm_up_bars(self) -> int:
        """Return the number of leading bars without a value."""
        return _warm_up_bars(self)

    @property
    def columns(self) -> tuple[IndicatorColumn, ...]:
        """Return the columns that it fills, in order."""
        texts = {name: _parameter_text(value) for name, value in self.parameters.items()}
        warm_up = self.warm_up_bars
        return tuple(
            IndicatorColumn(name, result.description.format_map(texts), warm_up, result.unit)
            for name, result in zip(self.column_names, self.definition.results, strict=True)
        )

    @property
    def column_names(self) -> tuple[str, ...]:
        """Return the names of the columns that it fills, in order."""
        return _column_names(self)


# A schema is asked for again with every symbol.
@lru_cache(maxsize=1024)
def _warm_up_bars(spec: IndicatorSpec) -> int:
    return spec.definition.warm_up_bars(spec.parameters)


@lru_cache(maxsize=1024)
def _column_names(spec: IndicatorSpec) -> tuple[str, ...]:
    suffix = "".join(f"_{_parameter_text(value).replace('.', 'p')}" for value in spec.arguments)
    return tuple(f"{result.name}{suffix}" for result in spec.definition.results)


def indicator(name: str, **parameters: float) -> IndicatorSpec:
    """Return the indicator ``name`` with ``parameters``, and defaults for those not given.

    A column is called after the result and the parameters; a point in a parameter becomes a
    ``p``, so that the name needs no quotes in SQL.

    Args:
        name: Key in the catalogue.
        parameters: Keywords of the indicator's function.

    Raises:
        InvalidInputError: The indicator or a parameter is unknown, missing or out of limits.

    Examples:
        >>> [column.name for column in indicator("macd").columns]
        ['macd_12_26_9', 'macd_signal_12_26_9', 'macd_histogram_12_26_9']
        >>> indicator("bollinger_bands", deviations=2.5).columns[0].name
        'bollinger_upper_20_2p5'
    """
    definition = definition_of(name)
    known = {parameter.name: parameter.default for parameter in definition.parameters}
    unknown = sorted(parameters.keys() - known.keys())
    if unknown:
        demand = f"among {', '.join(known)}" if known else "left out, as it has none"
        message = f"parameters of {name} must be {demand}, was {unknown[0]!r}"
        raise InvalidInputError(message)
    chosen = known | parameters
    values = []
    for keyword, value in chosen.items():
        if value is None:
            message = f"{keyword} of {name} must be given, was missing"
            raise InvalidInputError(message)
        values.append(value)
    return IndicatorSpec(name, tuple(values))


DEFAULT_INDICATORS = (
    indicator("sma", period=20),
    indicator("sma", period=50),
    indicator("sma", period=200),
    indicator("ema", period=12),
    indicator("ema", period=26),
    indicator("rsi", period=14),
    indicator("bollinger_bands", period=20, deviations=2.0),
    indicator("macd", fast=12, slow=26, signal=9),
    indicator("atr", period=14),
)
"""What a stored series of daily indicators carries."""


def require_indicators(indicators: object) -> list[IndicatorSpec]:
    """Return ``indicators`` as a list, a name as the indicator with its defaults.

    Raises:
        InvalidInputError: They are no list, an item is neither an :class:`IndicatorSpec` nor a text, or the
            catalogue refuses the name.

    Examples:
        >>> require_indicators(["rsi", indicator("sma", period=5)])[0].column_names
        ('rsi_14',)
    """
    if isinstance(indicators, tuple) and set(map(type, indicators)) == {IndicatorSpec}:  # nearly always
        return list(indicators)
    items = require_items("indicators", indicators, object, _SPEC_OR_NAME)
    named = [indicator(item) if isinstance(item, str) else item for item in items]
    return require_items("indicators", named, IndicatorSpec, _SPEC_OR_NAME)


def indicator_columns(indicators: Sequence[IndicatorSpec | str] = DEFAULT_INDICATORS) -> list[IndicatorColumn]:
    """Return the columns that ``indicators`` fill, in order.

    Raises:
        InvalidInputError: Two of them fill the same column, or as ``require_indicators`` says.

    Examples:
        >>> indicator_columns(["atr"])[0].name
        'atr_14'
    """
    specs = require_indicators(indicators)
    _plan(tuple(specs))
    return [column for spec in specs for column in spec.columns]


def compute_indicators(
    bars: pd.DataFrame,
    indicators: Sequence[IndicatorSpec | str] = DEFAULT_INDICATORS,
    *,
    benchmark: "pd.Series[float] | None" = None,
    allow_benchmark_gaps: bool = False,
    allow_no_volume: bool = False,
    exchange_zone: str = EXCHANGE_ZONE,
) -> pd.DataFrame:
    """Return the bars of one symbol with a float64 column for every result of ``indicators``.

    A value at a bar depends on that bar and those before it, never on later ones, so a series
    computed over a longer history begins with the same bits.

    Args:
        bars: Columns ``BAR_COLUMNS``, one symbol, oldest first; further columns are kept.
        indicators: What to compute, a name with its defaults; the order is that of the columns.
        benchmark: Closes of the benchmark, labelled with aware times, for indicators that compare with one; those
            at times without a bar are left out.
        allow_benchmark_gaps: Whether there may be bars that the benchmark has no close for. What compares is then
            computed of the bars that both have, one after another, and NaN at the others.
        allow_no_volume: Whether there may be no volume in any bar, as an index has none. What needs it is NaN then.
        exchange_zone: Where the exchange's clocks are, which say what session a bar belongs to.

    Returns:
        A new frame with the rows, index and columns of ``bars``, then ``indicator_columns``;
        values are NaN until an indicator's warm-up is over.

    Raises:
        InvalidInputError: A column is missing or in the way, or a row breaks a rule of
            ``require_bars``; the first such row is named. An indicator needs a benchmark, and there is none
            or no close of it for a bar.

    Examples:
        >>> from datetime import UTC, datetime
        >>> from jutsu_core.bars import Bar, bars_to_frame
        >>> bar = Bar(datetime(2013, 3, 1, tzinfo=UTC), 1_500_000, 2_000_000, 1_000_000, 1_750_000, 7)
        >>> frame = compute_indicators(bars_to_frame("AAPL", [bar]), [indicator("sma", period=1)])
        >>> float(frame["sma_1"].iloc[0])
        1.75
    """
    inputs = require_bars(bars)
    specs = require_indicators(indicators)
    zone_of(exchange_zone)
    require_flag("allow_benchmark_gaps", allow_benchmark_gaps)
    require_flag("allow_no_volume", allow_no_volume)
    if benchmark is not None:
        require_type("benchmark", benchmark, pd.Series, "a pandas Series of closes", "label them with their times")
    plan = _plan(tuple(specs))
    # No result is called as a column of bars is; to ask for the names of columns costs as much as an average.
    held = set(bars.columns.tolist()) if len(bars.columns) > len(BAR_COLUMNS) else set()
    if taken := [name for name in plan.names if name in held]:
        message = f"bars must not have the columns to be computed, was with {taken[0]}"
        raise InvalidInputError(message)
    if "session" in plan.readers:
        inputs["session"] = session_numbers(bars, exchange_zone)
    if "benchmark" in plan.readers:
        reader = plan.readers["benchmark"]
        inputs["benchmark"] = benchmark_closes(bars, benchmark, reader, allow_gaps=allow_benchmark_gaps)
    for spec in plan.specs:
        spec.definition.require_inputs(
            inputs, lambda name, row: f"{name} of {row_name(bars, row)}", allow_no_volume=allow_no_volume
        )
    # One block, which a frame takes over as it is.
    table = np.empty((len(plan.names), len(bars)))
    plan.compute(inputs, list(table))
    computed = pd.DataFrame(table.T, index=bars.index, columns=plan.labels, copy=False)
    return pd.concat([bars, computed], axis="columns")


def compute_arrays(
    columns: Mapping[str, FloatArray], indicators: Sequence[IndicatorSpec | str] = DEFAULT_INDICATORS
) -> dict[str, FloatArray]:
    """Return an array for every result of ``indicators``, by column name: what ``compute_indicators`` is a frame of.

    Args:
        columns: Opens, highs, lows, closes and volumes of the bars of one symbol by ``open``, ``high``, ``low``,
            ``close`` and ``volume``, and where an indicator reads them, ``session`` and ``benchmark``: float64 of
            one length, oldest first, that were checked before, as ``require_bars`` and
            ``IndicatorDefinition.require_inputs`` do. ``benchmark`` is NaN where there is no such bar: what
            compares is then computed of the bars that both have, one after another, and NaN at the others. Where
            ``volume`` is 0 in every bar there is none, and what needs it is NaN.
        indicators: What to compute, a name with its defaults.

    Raises:
        InvalidInputError: A column that is read is missing, is not of float64 or of another length than the rest,
            ``indicators`` are not what ``require_indicators`` takes, or TA-Lib's process-wide settings were changed.

    Examples:
        >>> import numpy as np
        >>> compute_arrays({"close": np.array([1.0, 2.0, 6.0])}, [indicator("sma", period=2)])
        {'sma_2': array([nan, 1.5, 4. ])}
    """
    plan = _plan(tuple(require_indicators(indicators)))
    if not hasattr(columns, "values"):
        refuse("columns", "arrays by name", shown(columns), "such as {'close': closes}")
    arrays: dict[str, FloatArray] = {name: _float_array(columns, name, reader) for name, reader in plan.readers.items()}
    length = len(next(iter(arrays.values()), ()))
    if arrays:
        require_equal_lengths(**arrays)
    made = {name: np.empty(length) for name in plan.names}
    plan.compute(arrays, list(made.values()))
    return made


class _Part(NamedTuple):
    """What is computed of the same bars.

    Attributes:
        program: Computes it.
        inputs: What the program reads.
        places: Which rows of the set its results are.
        compares: Whether it is of the bars that the benchmark has too.
    """

    program: Program
    inputs: tuple[InputName, ...]
    places: tuple[int, ...]
    compares: bool


@dataclass(frozen=True)
class _Plan:
    """What is the same for every symbol that a set of indicators is computed of.

    Attributes:
        specs: The set.
        names: Those of all columns.
        labels: The same, as a frame has them.
        readers: For each input that is read, which indicator is the first to do so.
    """

    specs: tuple[IndicatorSpec, ...]
    names: tuple[str, ...]
    labels: "pd.Index[str]"
    readers: dict[InputName, str]

    # Who asks for names alone need not wait for what is computed.
    @cached_property
    def parts(self) -> tuple[_Part, ...]:
        """Return what is computed of all bars, and what of those that the benchmark has too."""
        return tuple(part for compares in (False, True) if (part := self._part(compares=compares)).places)

    def compute(self, columns: Mapping[str, FloatArray], rows: Sequence[FloatArray]) -> None:
        """Write every result into its row."""
        for part in self.parts:
            inputs = [columns[name] for name in part.inputs]
            own = [rows[place] for place in part.places]
            is_shared = ~np.isnan(columns["benchmark"]) if part.compares else None
            if is_shared is None or is_shared.all():
                part.program.run(inputs, own)
                continue
            among = np.flatnonzero(is_shared)
            made = [np.empty(len(among)) for _ in own]
            part.program.run([values[among] for values in inputs], made)
            for row, values in zip(own, made, strict=True):
                row[:] = np.nan
                row[among] = values
        if "volume" in self.readers and not columns["volume"].any():
            for row, definition in zip(rows, self._definitions(), strict=True):
                if definition.needs_volume:
                    row[:] = np.nan

    def _definitions(self) -> list[IndicatorDefinition]:
        """Return what each column is a result of."""
        return [spec.definition for spec in self.specs for _ in spec.column_names]

    def _part(self, *, compares: bool) -> _Part:
        chosen = [spec for spec in self.specs if spec.definition.compares == compares]
        inputs = tuple(dict.fromkeys(name for spec in chosen for name in spec.definition.inputs))
        plan = plan_of(inputs)
        for spec in chosen:
            for line in spec.definition.lines(plan.lines, spec.parameters):
                plan.result(line)
        places = [place for place, one in enumerate(self._definitions()) if one.compares == compares]
        return _Part(plan.program(), inputs, tuple(places), compares)


@lru_cache(maxsize=64)
def _plan(indicators: tuple[IndicatorSpec, ...]) -> _Plan:
    """Return the plan of ``indicators``; refuse two that fill the same column."""
    names = tuple(name for spec in indicators for name in spec.column_names)
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        message = f"indicators must fill different columns, was {twice} twice"
        raise InvalidInputError(message)
    readers = {name: spec.name for spec in reversed(indicators) for name in spec.definition.inputs}
    return _Plan(indicators, names, pd.Index(names, dtype="str"), readers)


def _float_array(columns: Mapping[str, object], name: str, reader: str) -> FloatArray:
    if name not in columns:
        refuse("columns", f"with {name}, which {reader} reads", f"with {', '.join(map(str, columns)) or 'none'}")
    values, remedy = columns[name], "compute_indicators takes other kinds too"
    # A masked array shows what is masked.
    if not isinstance(values, np.ndarray) or isinstance(values, np.ma.MaskedArray):
        refuse(f"column {name}", "a one-dimensional array of float64", shown(values), remedy)
    if values.dtype != np.float64 or values.ndim != 1:
        was = f"{values.ndim}-dimensional of {values.dtype}"
        refuse(f"column {name}", "a one-dimensional array of float64", was, remedy)
    return values


def catalog_fingerprint(indicators: Sequence[IndicatorSpec | str] = DEFAULT_INDICATORS) -> str:
    """Return a short hash of what is computed: indicators, parameters, order and definitions.

    A stored series with the same fingerprint has the same columns by the same formulas. The
    hash is the same in every process and on every machine.

    Raises:
        InvalidInputError: As ``require_indicators`` says.

    Examples:
        >>> catalog_fingerprint(["rsi"]) == catalog_fingerprint([indicator("rsi", period=14)])
        True
    """
    content = [DEFINITIONS_REVISION, [_identity(spec) for spec in require_indicators(indicators)]]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _identity(spec: IndicatorSpec) -> list[object]:
    return [spec.name, spec.definition.revision, spec.parameters]


def _parameter_text(value: float) -> str:
    """Return ``value`` as short as it can be written without loss."""
    # Through Decimal, as repr alone would write small numbers with an exponent.
    return str(int(value)) if value == int(value) else f"{Decimal(repr(value)):f}"
