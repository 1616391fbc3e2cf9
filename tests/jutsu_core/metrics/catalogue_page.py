"""Write ``docs/metrics.md`` from the catalogue: ``python -m tests.jutsu_core.metrics.catalogue_page``."""

from pathlib import Path

from jutsu_core.metrics.catalog import ANNUALISATION, FAMILIES, RISK_FREE
from jutsu_core.metrics.metric import Metric
from jutsu_core.metrics.rhythm import HOLES

_PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
_HEADS = {
    "summary": ("Every period", "At the top of a portfolio's report, and in every row of a symbol's."),
    "top_trades": ("Trades", "At the top of a portfolio's report."),
    "returns": (
        "The distribution of returns",
        "Under `returns` of a portfolio's report; `return_measures` of a series.",
    ),
    "benchmark": ("Beside a benchmark", "Under `benchmark`; `benchmark_measures` of two series."),
    "trades": ("Round trips", "Under `trades`; `trade_measures` of round trips."),
    "activity": ("How much was done", "Under `activity`."),
}
_INTRODUCTION = f"""# Metrics

What each figure is, when it is undefined, and whose definition it is. This page is written from the catalogue
(`jutsu_core.metrics.catalog`); a test compares the two.

In the formulas `v` are values, `r` simple returns of single periods, `f` the risk-free return of a period,
`e` = r - f, `F` the annual risk-free rate, `b` the benchmark's returns, `d` drawdowns, `p` net profits of round
trips, `n` how many there are and `A` the periods of a year. `std` has the ddof that the table names. A deviation
below 1e-14 is rounding and counts as 0.

- **A year.** {ANNUALISATION}
- **Risk-free.** {RISK_FREE} Or a return for each period.
- **Holes.** {HOLES}
- **Undefined** is `None` with a reason under `undefined`, never 0 and never infinite.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([_INTRODUCTION, *(_section(*_HEADS[name], records) for name, records in FAMILIES.items())])


def _section(title: str, where: str, records: tuple[Metric, ...]) -> str:
    rows = ["| name | unit | what it is | formula | ddof | annualised | undefined | source |", "|" + " --- |" * 8]
    rows += [
        f"| `{record.name}` | {record.unit} | {record.definition} | `{_cell(record.formula)}` |"
        f" {'' if record.ddof is None else record.ddof} | {record.annualisation} | {record.undefined} |"
        f" {record.source} |"
        for record in records
    ]
    return "\n".join([f"## {title}", "", where, "", *rows, ""])


def _cell(formula: str) -> str:
    """Return a formula whose bars end no cell."""
    return formula.replace("|", "\\|")


if __name__ == "__main__":
    _PAGE.write_text(page(), "utf-8")
