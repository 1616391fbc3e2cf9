"""A portfolio beside a benchmark: alpha, beta, capture, and the years that one was ahead.

Each formula stands in the record of the same name (``jutsu_core.metrics.benchmark_records``). Both series
must have the same periods: a return of the one without its partner would be compared with nothing.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from jutsu_core.arguments import refuse, require_flag, require_integer
from jutsu_core.metrics.answer import Answer, Measured, measured
from jutsu_core.metrics.benchmark_records import BENCHMARK_RECORDS
from jutsu_core.metrics.kernels import deviation, mean_of
from jutsu_core.metrics.measures import NO_VARIATION, TOO_FEW, UNDER_A_YEAR, checked_returns, risk_free_of
from jutsu_core.metrics.returns import is_a_year
from jutsu_core.metrics.rhythm import Rhythm, calendar_spans
from jutsu_core.metrics.series import FloatArray, IntArray

_STILL = "the benchmark does not vary"


def benchmark_measures(
    returns: "pd.Series[float]",
    benchmark: "pd.Series[float]",
    *,
    risk_free_rate: "float | pd.Series[float]",
    periods_per_year: int,
    elapsed_days: int | None = None,
    annualize_partial_years: bool = False,
) -> Measured:
    """Return every measure of ``returns`` beside ``benchmark``, as the catalogue's family ``benchmark`` defines it.

    Args:
        returns: Simple returns of one period each, above -1, oldest first.
        benchmark: Those of the benchmark, with the same labels.
        risk_free_rate: Annual effective rate, or the risk-free returns of the same periods.
        periods_per_year: Periods in a year, at least 1.
        elapsed_days: Days from the base to the last return.
        annualize_partial_years: Whether to annualise less than a year too.

    Returns:
        All names of the family; ``None`` where undefined, with the reason.

    Raises:
        InvalidInputError: A series is unsorted, not finite or not above -1, their labels differ, or a
            parameter breaks its constraint.

    Examples:
        >>> found = benchmark_measures(
        ...     pd.Series([0.02, -0.02, 0.04]), pd.Series([0.01, -0.01, 0.02]), risk_free_rate=0.0, periods_per_year=252
        ... )
        >>> round(found.values["beta"], 12), found.undefined["alpha"]
        (2.0, 'less than a year')
    """
    own, other = checked_returns("returns", returns), checked_returns("benchmark", benchmark)
    require_same_labels(returns, "benchmark", benchmark)
    risk_free, _ = risk_free_of(risk_free_rate, returns, periods_per_year)
    if elapsed_days is not None:
        require_integer("elapsed_days", elapsed_days, minimum=0)
    is_annualised = require_flag("annualize_partial_years", annualize_partial_years) or is_a_year(elapsed_days)
    return measured(beside(own, other, risk_free, periods_per_year, is_annualised=is_annualised))


def require_same_labels(returns: "pd.Series[float]", name: str, other: "pd.Series[float] | pd.DataFrame") -> None:
    """Check that two series have the same periods.

    Raises:
        InvalidInputError: One lacks a label that the other has.
    """
    if returns.index.equals(other.index):
        return
    odd = returns.index.symmetric_difference(other.index)
    first = f"{odd[0]} is in one of them alone" if len(odd) else "the order differs"
    refuse(f"the index of {name}", "that of returns", f"another: {first}", f"{name}.reindex(returns.index)")


def beside(
    returns: FloatArray,
    benchmark: FloatArray,
    risk_free: float | FloatArray,
    periods_per_year: int,
    *,
    is_annualised: bool,
) -> dict[str, Answer]:
    """Return every measure of the family ``benchmark``; what is too large for a float is not finite.

    Args:
        returns: Simple returns, checked.
        benchmark: Those of the benchmark.
        risk_free: Risk-free return of a period, or of each.
        periods_per_year: Periods in a year.
        is_annualised: Whether annual figures are defined.
    """
    with np.errstate(all="ignore"):
        return _beside(returns, benchmark, risk_free, periods_per_year, is_annualised=is_annualised)


def _beside(
    returns: FloatArray,
    benchmark: FloatArray,
    risk_free: float | FloatArray,
    periods_per_year: int,
    *,
    is_annualised: bool,
) -> dict[str, Answer]:
    n = len(returns)
    found = _captures(returns, benchmark)
    excess, others = returns - risk_free, benchmark - risk_free
    if n < 2:  # noqa: PLR2004 - a spread needs two
        return {record.name: TOO_FEW for record in BENCHMARK_RECORDS} | found
    mean, other = mean_of(excess), mean_of(others)
    spread, still = deviation(excess), deviation(others)
    covariance = float(np.dot(excess - mean, others - other)) / (n - 1)
    variance = still * still  # no float of Python's, which would raise what NumPy's lets be infinite
    beta: Answer = covariance / variance if variance else _STILL
    correlation: Answer = _STILL if not still else NO_VARIATION
    if spread and still:
        correlation = max(-1.0, min(1.0, covariance / (spread * still)))
    squared: Answer = correlation if isinstance(correlation, str) else correlation**2
    found |= {"beta": beta, "r_squared": squared, "correlation": correlation}
    active = returns - benchmark
    free = risk_free if isinstance(risk_free, float) else mean_of(np.asarray(risk_free, np.float64))
    apart = deviation(active)
    yearly: dict[str, Answer] = {
        "alpha": beta if isinstance(beta, str) else (mean - beta * other) * periods_per_year,
        "tracking_error": apart * math.sqrt(periods_per_year),
        "information_ratio": mean_of(active) / apart * math.sqrt(periods_per_year)
        if apart
        else "the portfolio does not deviate from its benchmark",
        "treynor_ratio": beta if isinstance(beta, str) else mean * periods_per_year / beta if beta else "the beta is 0",
        "m_squared": (mean / spread * still + free) * periods_per_year if spread else NO_VARIATION,
    }
    return found | (yearly if is_annualised else dict.fromkeys(yearly, UNDER_A_YEAR))


def relative_years(values: FloatArray, benchmark: FloatArray, stamps: IntArray, rhythm: Rhythm) -> list[dict[str, Any]]:
    """Return for each calendar year what both returned, and the one beyond the other.

    Args:
        values: Values, above 0.
        benchmark: Those of the benchmark.
        stamps: When each was, microseconds since 1970 UTC.
        rhythm: Of the whole history: what both did over a hole within a year is of that year, and over one that a year
            begins with of none.
    """
    spans = calendar_spans(stamps, rhythm, "Y")
    rows = []
    for year, base, last in zip(spans.labels, spans.bases.tolist(), spans.lasts.tolist(), strict=True):
        with np.errstate(over="ignore"):
            own, other = (float(series[last] / series[base]) for series in (values, benchmark))
        found = {"portfolio": own - 1, "benchmark": other - 1, "relative": own / other - 1 if other else math.inf}
        rows.append({"year": int(year), **measured(found)[0]})
    return rows


def _captures(returns: FloatArray, benchmark: FloatArray) -> dict[str, Answer]:
    n = len(returns)
    grown, other = float(np.multiply.reduce(1 + returns)), float(np.multiply.reduce(1 + benchmark))
    none: Answer = "no return"
    is_up, is_down = benchmark > 0, benchmark < 0
    logs = None
    if n and returns.min() > -1 and benchmark.min() > -1:
        logs = np.log1p(returns), np.log1p(benchmark)
    return {
        "up_capture": _capture((returns, benchmark), logs, is_up, "the benchmark never rises"),
        "down_capture": _capture((returns, benchmark), logs, is_down, "the benchmark never falls"),
        "relative_return": (grown / other - 1 if other else "the benchmark lost all") if n else none,
        "outperforming_share": float(np.count_nonzero(returns > benchmark)) / n if n else none,
    }


def _capture(
    both: tuple[FloatArray, FloatArray],
    logs: tuple[FloatArray, FloatArray] | None,
    when: npt.NDArray[np.bool_],
    otherwise: str,
) -> Answer:
    """Return the capture in the periods ``when``; ``logs`` of the growth of both, where nothing was lost whole."""
    count = int(np.count_nonzero(when))
    if not count:
        return otherwise
    if logs is None:
        chosen = [series[when] for series in both]
        if min(float(series.min()) for series in chosen) <= -1:
            return "all was lost"
        own, other = (float(np.add.reduce(np.log1p(series))) for series in chosen)
    else:
        own, other = (float(np.add.reduce(series * when)) for series in logs)
    moved = math.expm1(other / count)
    return math.expm1(own / count) / moved if moved else otherwise
