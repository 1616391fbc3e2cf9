"""The figures of one period: one row of a report, from the values of that period.

Both reports (of a symbol, of a portfolio) are made of these rows, so that a figure means the
same in both.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from jutsu_core.metrics.drawdown import max_drawdown
from jutsu_core.metrics.returns import (
    best_return,
    cagr,
    elapsed_days,
    is_a_year,
    positive_share,
    simple_returns,
    total_return,
    worst_return,
)
from jutsu_core.metrics.risk import calmar_ratio, sharpe_ratio, sortino_ratio, volatility
from jutsu_core.metrics.series import session_date

Label = Callable[[Any], str]


def iso_date(label: pd.Timestamp) -> str:
    """Return the UTC date of a label as ISO text.

    Examples:
        >>> iso_date(pd.Timestamp("2013-03-01", tz="UTC"))
        '2013-03-01'
    """
    return session_date(label).isoformat()


def iso_time(label: pd.Timestamp) -> str:
    """Return a timezone-aware label as ISO text in UTC.

    Examples:
        >>> iso_time(pd.Timestamp("2013-03-01 16:00", tz="America/New_York"))
        '2013-03-01T21:00:00+00:00'
    """
    return label.tz_convert("UTC").isoformat()


def period_figures(
    values: "pd.Series[float]",
    *,
    periods_per_year: int,
    risk_free_rate: float,
    annualize_partial_years: bool = False,
    label: Label = iso_date,
) -> dict[str, Any]:
    """Return the figures of the period that ``values`` cover.

    Args:
        values: Prices or equity, all above 0, with timezone-aware timestamps, oldest first; the
            first is the base.
        periods_per_year: Values in a year, at least 1; ddof is 1 throughout.
        risk_free_rate: Annual effective rate as a fraction.
        annualize_partial_years: Whether to annualise less than a year.
        label: How a timestamp becomes text.

    Returns:
        JSON-ready figures under the names of ``jutsu_core.metrics.catalog``, with the base and
        the sessions they cover; ``None`` for what is undefined.

    Raises:
        InvalidInputError: ``values`` or a parameter breaks its contract.

    Examples:
        >>> days = pd.DatetimeIndex(["2012-12-31", "2013-01-02", "2013-01-03"], tz="UTC")
        >>> row = period_figures(pd.Series([4.0, 5.0, 4.0], days), periods_per_year=252, risk_free_rate=0.0)
        >>> row["total_return"], row["best_day"], row["cagr"]
        (0.0, 0.25, None)
    """
    returns = simple_returns(values)
    first, last = values.index[0], values.index[-1]
    days = elapsed_days(session_date(first), session_date(last))
    growth = cagr(values, annualize_partial_years=annualize_partial_years)
    fall = max_drawdown(values)
    is_short = {"elapsed_days": days, "annualize_partial_years": annualize_partial_years}
    scale: dict[str, Any] = {"periods_per_year": periods_per_year, **is_short}
    best, worst = best_return(returns), worst_return(returns)
    return {
        "base_date": label(first),
        "first_session": label(returns.index[0]) if len(returns) else None,
        "last_session": label(last),
        "sessions": len(returns),
        "elapsed_days": days,
        "is_annualised": annualize_partial_years or is_a_year(days),
        "total_return": total_return(values),
        "cagr": growth,
        "volatility": volatility(returns, **scale),
        "sharpe_ratio": sharpe_ratio(returns, risk_free_rate=risk_free_rate, **scale),
        "sortino_ratio": sortino_ratio(returns, risk_free_rate=risk_free_rate, **scale),
        "calmar_ratio": calmar_ratio(growth, fall),
        "max_drawdown": fall.depth if len(returns) else None,
        "max_drawdown_peak": label_text(fall.peak, label),
        "max_drawdown_trough": label_text(fall.trough, label),
        "max_drawdown_recovery": label_text(fall.recovery, label),
        "best_day": best.value if best else None,
        "best_day_date": label_text(best.label, label) if best else None,
        "worst_day": worst.value if worst else None,
        "worst_day_date": label_text(worst.label, label) if worst else None,
        "positive_days": positive_share(returns),
    }


def label_text(moment: object, label: Label) -> str | None:
    """Return ``moment`` as text, or ``None`` where there is none.

    Examples:
        >>> label_text(None, iso_date) is None
        True
    """
    return None if moment is None else label(moment)
