"""The catalogue of metrics: what each is called, its unit, and its one definition.

Reports print these sentences beside the numbers, so that no figure travels without its definition.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from jutsu_core.arguments import refuse, require_items

Unit = Literal["fraction", "ratio", "date", "count", "money"]

ANNUALISATION = (
    "A year is at least 364 days (52 weeks, the shortest distance between the last sessions of two "
    "consecutive years) from the base to the last value; a shorter period has no annualised figure."
)
RISK_FREE = "Annual effective rate, per period (1 + rate) ** (1 / periods_per_year) - 1."


@dataclass(frozen=True, slots=True)
class Metric:
    """What a reader must know of a metric.

    Attributes:
        name: Key in every report.
        title: Heading in a table.
        unit: ``fraction`` (0.05 is five per cent), ``ratio``, ``date``, ``count`` or ``money``
            (quote currency).
        definition: One sentence: formula, ddof, annualisation.
    """

    name: str
    title: str
    unit: Unit
    definition: str


_METRICS = (
    Metric(
        "total_return",
        "Total return",
        "fraction",
        "Last value over the base, less 1; not annualised.",
    ),
    Metric(
        "cagr",
        "CAGR",
        "fraction",
        "Growth per year: (last value / base) ** (365.25 / elapsed days) - 1.",
    ),
    Metric(
        "volatility",
        "Volatility",
        "fraction",
        "Standard deviation of the simple returns (ddof 1) times sqrt(periods_per_year).",
    ),
    Metric(
        "sharpe_ratio",
        "Sharpe",
        "ratio",
        "Mean excess return over its standard deviation (ddof 1), times sqrt(periods_per_year).",
    ),
    Metric(
        "sortino_ratio",
        "Sortino",
        "ratio",
        "Mean excess return over the root of the mean squared shortfall below the risk-free return "
        "(over all periods), times sqrt(periods_per_year).",
    ),
    Metric("calmar_ratio", "Calmar", "ratio", "CAGR over the size of the maximum drawdown of the same period."),
    Metric(
        "max_drawdown",
        "Max drawdown",
        "fraction",
        "Deepest fall below the highest value so far, the base included; at most 0, not annualised.",
    ),
    Metric("max_drawdown_peak", "Peak", "date", "Last date at the high before the maximum drawdown."),
    Metric("max_drawdown_trough", "Trough", "date", "Date of the bottom of the maximum drawdown."),
    Metric(
        "max_drawdown_recovery",
        "Recovery",
        "date",
        "First date after the trough, within the period, at least as high as the peak.",
    ),
    Metric("best_day", "Best day", "fraction", "Highest simple return of one period."),
    Metric("best_day_date", "Best day on", "date", "Date of the best day, the earliest of equals."),
    Metric("worst_day", "Worst day", "fraction", "Lowest simple return of one period."),
    Metric("worst_day_date", "Worst day on", "date", "Date of the worst day, the earliest of equals."),
    Metric(
        "positive_days",
        "Days up",
        "fraction",
        "Share of simple returns above 0.",
    ),
    Metric("sessions", "Sessions", "count", "Number of simple returns: values after the base."),
    Metric(
        "win_rate",
        "Win rate",
        "fraction",
        "Share of closed round trips (FIFO, long and short) with a profit above 0 after costs.",
    ),
    Metric(
        "profit_factor",
        "Profit factor",
        "ratio",
        "Sum of the net profits over the size of the sum of the net losses.",
    ),
    Metric("average_win", "Average win", "money", "Mean net profit of the round trips that won."),
    Metric("average_loss", "Average loss", "money", "Mean net loss of the round trips that lost; below 0."),
    Metric("expectancy", "Expectancy", "money", "Mean net profit of all closed round trips."),
    Metric("round_trips", "Round trips", "count", "Number of closed round trips."),
    Metric("net_profit", "Net profit", "money", "Sum of the net profits of all closed round trips."),
)

CATALOG = MappingProxyType({metric.name: metric for metric in _METRICS})

TRADE_METRICS = tuple(list(CATALOG)[list(CATALOG).index("win_rate") :])


def definitions_of(names: tuple[str, ...]) -> dict[str, str]:
    """Return the definition of each named metric.

    Raises:
        InvalidInputError: ``names`` is no tuple of names, or one is not in the catalogue.

    Examples:
        >>> definitions_of(("best_day",))
        {'best_day': 'Highest simple return of one period.'}
    """
    wanted = require_items("names", names, str, "a text")
    for row, name in enumerate(wanted):
        if name not in CATALOG:
            refuse(f"names[{row}]", f"one of {', '.join(CATALOG)}", repr(name))
    return {name: CATALOG[name].definition for name in wanted}
