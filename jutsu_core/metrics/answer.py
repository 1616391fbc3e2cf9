"""A figure, or the reason why there is none: what every kernel of the catalogue returns.

Undefined is never a number that looks like one. Inside, an answer that is a text is such a reason; a report
has ``None`` in its place, and the reasons beside.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

Answer = float | str

_NOT_FINITE = "it is too large for a float"


class Measured(NamedTuple):
    """Figures by the names of the catalogue.

    Attributes:
        values: ``None`` where a figure is undefined.
        undefined: Why, for each of those.
    """

    values: dict[str, float | None]
    undefined: dict[str, str]


def measured(answers: Mapping[str, Answer]) -> Measured:
    """Return the answers as figures and reasons; what is not finite is undefined."""
    values: dict[str, float | None] = {}
    undefined: dict[str, str] = {}
    for name, answer in answers.items():
        values[name] = None
        if isinstance(answer, str):
            undefined[name] = answer
        elif not math.isfinite(answer):
            undefined[name] = _NOT_FINITE
        else:
            values[name] = answer
    return Measured(values, undefined)
