"""The records of the catalogue, by name, and the revision of what they compute.

To add an indicator: write its formula, its function and its record in the module of its family, and
name the record here; then its answers (``tests/jutsu_core/indicators/answers``) and the docs page,
which ``make indicators-page`` renews. To change what an existing one
computes: raise its record's ``revision``, so that stored series are known to be of the old kind.

What does not belong here: formulas and records (the families) and choices of parameters
(``catalog``).
"""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from jutsu_core.arguments import refuse, shown
from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators import (
    direction,
    historical,
    momentum,
    oscillators,
    relative,
    trend,
    volatility,
    volume,
)
from jutsu_core.indicators.records import IndicatorDefinition

DEFINITIONS_REVISION = 2
"""Raised whenever what all of them are built of changes: the sums and averages of lines."""

_DEFINITIONS: tuple[IndicatorDefinition, ...] = (
    *trend.RECORDS,
    *direction.RECORDS,
    *momentum.RECORDS,
    *oscillators.RECORDS,
    *volatility.RECORDS,
    *historical.RECORDS,
    *volume.RECORDS,
    *relative.RECORDS,
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
    # Asked with every series, so that the list of all names is only made for an error.
    if not isinstance(name, str):
        refuse("name", f"one of {', '.join(CATALOG)}", shown(name))
    try:
        return CATALOG[name]
    except KeyError:
        near = get_close_matches(name.lower(), CATALOG, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        message = f"name of the indicator must be one of {', '.join(CATALOG)}, was {name!r}{hint}"
        raise InvalidInputError(message) from None
