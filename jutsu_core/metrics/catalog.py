"""The catalogue of metrics: what each is called, its unit, and its one definition.

Reports print these sentences beside the numbers, so that no figure travels without its definition.
"""

from collections.abc import Iterable
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from jutsu_core.arguments import refuse, require_items
from jutsu_core.metrics.benchmark_records import BENCHMARK_RECORDS
from jutsu_core.metrics.metric import Metric
from jutsu_core.metrics.return_records import RETURN_RECORDS
from jutsu_core.metrics.summary_records import SUMMARY_RECORDS
from jutsu_core.metrics.trade_records import ACTIVITY_RECORDS, MARKET_RECORDS, TOP_TRADE_RECORDS, TRADE_RECORDS

ANNUALISATION = (
    "A year is at least 364 days (52 weeks, the shortest distance between the last sessions of two "
    "consecutive years) from the base to the last value; a shorter period has no annualised figure."
)
RISK_FREE = "Annual effective rate, per period (1 + rate) ** (1 / periods_per_year) - 1."

FAMILIES = MappingProxyType(
    {
        "summary": SUMMARY_RECORDS,
        "top_trades": TOP_TRADE_RECORDS,
        "returns": RETURN_RECORDS,
        "benchmark": BENCHMARK_RECORDS,
        "trades": TRADE_RECORDS,
        "activity": ACTIVITY_RECORDS,
        "market": MARKET_RECORDS,
    }
)
"""The records by where a report has them: ``summary`` and ``top_trades`` at its top, the others under their name."""

CATALOG = MappingProxyType({metric.name: metric for records in FAMILIES.values() for metric in records})

PERIOD_METRICS = tuple(metric.name for metric in SUMMARY_RECORDS)
_FIELDS = tuple(field.name for field in fields(Metric))
BENCHMARK_METRICS = tuple(metric.name for metric in BENCHMARK_RECORDS)
TRADE_METRICS = tuple(metric.name for metric in TOP_TRADE_RECORDS)


def definitions_of(names: tuple[str, ...]) -> dict[str, str]:
    """Return the definition of each named metric.

    Raises:
        InvalidInputError: ``names`` is no tuple of names, or one is not in the catalogue.

    Examples:
        >>> definitions_of(("best_day",))
        {'best_day': 'Highest simple return of one period.'}
    """
    return {name: CATALOG[name].definition for name in _known(names)}


def records_of(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the whole record of each named metric as JSON-ready data.

    Raises:
        InvalidInputError: ``names`` are no names, or one is not in the catalogue.

    Examples:
        >>> records_of(["volatility"])["volatility"]["ddof"]
        1
    """
    return {name: {field: getattr(CATALOG[name], field) for field in _FIELDS} for name in _known(names)}


def _known(names: object) -> list[str]:
    wanted = require_items("names", names, str, "a text")
    for row, name in enumerate(wanted):
        if name not in CATALOG:
            refuse(f"names[{row}]", f"one of {', '.join(CATALOG)}", repr(name))
    return wanted
