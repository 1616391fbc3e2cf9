"""Named sets of indicators, as the universe file writes them.

An entry is the name of an indicator, or its name with parameters: ``rsi``, ``{sma: {period: 20}}``. What is
wrong with one is said in the catalogue's words, with the keys that lead to the value that is wrong.

What does not belong here: which indicators there are (``jutsu_core.indicators.definitions``).
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import PydanticCustomError

from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.catalog import DEFAULT_INDICATORS, IndicatorSpec, indicator
from jutsu_core.indicators.definitions import definition_of

STANDARD: Final = "standard"
"""The set that is used where none is chosen."""
REFUSED: Final = "indicator"
"""Type of the errors raised here; their context holds ``said``, and ``under``, the keys below the value's place."""
_FORM = "the name of an indicator, such as rsi, or one name with parameters, such as {sma: {period: 20}}"


def as_indicator(entry: object) -> IndicatorSpec:
    """Return the indicator that an entry of a set asks for.

    Raises:
        PydanticCustomError: Of the type ``REFUSED``: it is no such entry, or the catalogue refuses it.
    """
    if isinstance(entry, IndicatorSpec):
        return entry
    name, parameters = _parts(entry)
    under: list[str] = [name]
    try:
        definition = definition_of(name)
        known = {parameter.name: parameter for parameter in definition.parameters}
        for keyword, value in parameters.items():
            if keyword in known:
                under = [name, keyword]
                known[keyword].check(value)
        under = [name, *[keyword for keyword in parameters if keyword not in known][:1]]
        spec = indicator(name, **parameters)
    except InvalidInputError as error:
        raise refusal(str(error), under if isinstance(entry, dict) else []) from None
    return spec


def as_set(entries: tuple[IndicatorSpec, ...]) -> tuple[IndicatorSpec, ...]:
    """Return ``entries``.

    Raises:
        PydanticCustomError: Two of them fill the same column.
    """
    filled: dict[str, int] = {}
    for place, spec in enumerate(entries):
        for column in spec.column_names:
            if column in filled:
                said = f"indicators must fill different columns, was {column} twice, in no. {filled[column] + 1} too"
                raise refusal(said, [place])
            filled[column] = place
    return entries


def chosen_set(name: str, sets: Mapping[str, tuple[IndicatorSpec, ...]]) -> tuple[IndicatorSpec, ...]:
    """Return the set ``name``.

    Raises:
        KeyError: There is none.
    """
    return DEFAULT_INDICATORS if name == STANDARD else sets[name]


def refusal(said: str, under: list[Any]) -> PydanticCustomError:
    """Return the error that says ``said`` of what stands below a value, where ``under`` leads."""
    return PydanticCustomError(REFUSED, "refused", {"said": said, "under": under})


def _parts(entry: object) -> tuple[str, dict[str, Any]]:
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, dict) and len(entry) == 1:
        ((name, parameters),) = entry.items()
        if isinstance(name, str) and (parameters is None or isinstance(parameters, dict)):
            return name, parameters or {}
    said = f"an entry must be {_FORM}"
    raise refusal(said, [])
