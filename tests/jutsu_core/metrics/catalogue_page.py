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
    "market": ("With bars", "Under `market`, where bars were given; `trip_excursions` of round trips."),
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
_OTHERS = """## Beside other libraries

For the same returns (risk-free 0) these agree to nine digits with empyrical-reloaded 0.7.1 or quantstats 0.0.86:
historical and Gaussian VaR, historical CVaR (empyrical), skew, excess kurtosis, tail ratio, stability, Omega,
downside deviation, gain to pain, Kelly, geometric mean, runs, average up and down, beta, R squared, alpha
(quantstats), information ratio (times the root of the periods). The others, and why:

| figure | theirs | ours | why |
| --- | --- | --- | --- |
| `cvar_historical` | quantstats: below the Gaussian VaR | at or below the historical VaR | one distribution |
| `ulcer_index` | quantstats: over n - 1 | over n | Martin's; the drawdown has no mean that was estimated |
| `recovery_factor` | quantstats: sum of the returns | compounded total return | a sum is nobody's gain |
| `probabilistic_sharpe_ratio` | quantstats: moments of the sample | moments of the population | as published |
| `alpha` | empyrical: compounded over a year | times the periods of a year | as Jensen's regression has it |
| `up_capture`, `down_capture` | empyrical: of annualised returns | of geometric means of a period | Morningstar's |
| `treynor_ratio` | quantstats: total return over beta | mean excess return of a year over beta | as published |
| `cagr`, `calmar_ratio` | both: n / 252 years | elapsed days / 365.25 | holidays and holes are time too |

## Many portfolios at once

`many_figures` gives ten of the figures for a frame of prices or equity, one column a portfolio: a grid of parameters,
or every symbol of a universe. A thousand portfolios of 2,520 days beside the same figures of peers, from the same
prices (`make bench`; processor time, the best of some runs, November 2026):

| | figures | times `many_figures` |
| --- | ---: | ---: |
| vectorbt 1.2.0, as a matrix, compiled | 10 | 4.5 |
| empyrical-reloaded 0.7.1, in a loop | 9 | 49 |
| quantstats 0.0.86, in a loop | 10 | 700 |
"""


def page() -> str:
    """Return the page."""
    sections = (_section(*_HEADS[name], records) for name, records in FAMILIES.items())
    return "\n".join([_INTRODUCTION, *sections, _OTHERS])


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
