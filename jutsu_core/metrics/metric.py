"""The record of a metric: all that a reader must know of a number before believing it."""

from dataclasses import dataclass
from typing import Literal

Unit = Literal["fraction", "ratio", "date", "count", "money", "days"]
Annualisation = Literal["none", "root", "times", "growth"]


@dataclass(frozen=True, slots=True)
class Metric:
    """What a reader must know of a metric.

    Attributes:
        name: Key in every report.
        title: Heading in a table.
        unit: ``fraction`` (0.05 is five per cent), ``ratio``, ``date``, ``count``, ``money``
            (quote currency) or ``days``.
        definition: One sentence: formula, ddof, annualisation.
        formula: As one would compute it: ``r`` returns, ``f`` the risk-free return of a period, ``e`` = r - f,
            ``b`` the benchmark's returns, ``d`` drawdowns, ``p`` net profits, ``n`` how many, ``A`` periods a year.
        undefined: When there is no value.
        source: Who defined it, or whose choice it is.
        ddof: Delta degrees of freedom of its deviations; ``None`` without one.
        annualisation: ``none``, by the ``root`` of the periods a year, ``times`` them, or by ``growth`` over the
            elapsed time.
    """

    name: str
    title: str
    unit: Unit
    definition: str
    formula: str = ""
    undefined: str = ""
    source: str = ""
    ddof: int | None = None
    annualisation: Annualisation = "none"
