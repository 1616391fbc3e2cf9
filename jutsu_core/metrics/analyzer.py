"""The analyzer: every metric of a backtest from its fills and its equity, in one call."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from jutsu_core.errors import NoDataError
from jutsu_core.events import FillEvent
from jutsu_core.metrics import trades as trade_metrics
from jutsu_core.metrics.catalog import ANNUALISATION, CATALOG, RISK_FREE, definitions_of
from jutsu_core.metrics.drawdown import max_drawdown
from jutsu_core.metrics.figures import iso_time, label_text, period_figures
from jutsu_core.metrics.returns import total_return
from jutsu_core.metrics.risk import sharpe_ratio
from jutsu_core.metrics.series import checked_number, refuse, risk_free_per_period


class PerformanceAnalyzer:
    """Measures a backtest; assumes daily values unless told otherwise.

    Args:
        periods_per_year: Equity values in a year, at least 1; 252 for US daily bars.
        risk_free_rate: Annual effective rate as a fraction, above -1.
        annualize_partial_years: Whether ``calculate_metrics`` annualises less than a year.

    Raises:
        InvalidInputError: A parameter breaks its constraint.

    Examples:
        >>> PerformanceAnalyzer().calculate_max_drawdown(pd.Series([100.0, 75.0, 110.0]))
        -0.25
    """

    def __init__(
        self,
        *,
        periods_per_year: int = 252,
        risk_free_rate: float = 0.0,
        annualize_partial_years: bool = False,
    ) -> None:
        risk_free_per_period(risk_free_rate, periods_per_year=periods_per_year)
        self._rates: dict[str, Any] = {
            "periods_per_year": periods_per_year,
            "risk_free_rate": float(risk_free_rate),
        }
        self._annualize_partial_years = annualize_partial_years

    def calculate_metrics(self, trades: list[FillEvent], portfolio_history: list[dict[str, Any]]) -> dict[str, Any]:
        """Return all metrics of a backtest.

        Args:
            trades: Fills, oldest first.
            portfolio_history: One row a period, oldest first: ``timestamp`` (a timezone-aware
                datetime) and ``total_value`` (``Decimal``, ``float`` or ``int``); other keys are
                not looked at. The first row is the starting equity, above 0.

        Returns:
            JSON-ready figures under the names of ``jutsu_core.metrics.catalog``, money as float,
            with ``definitions`` and ``notes``. Undefined is ``None``. An equity that falls to 0
            or below has no returns from there on: only total return and drawdown remain, and a
            note says so.

        Raises:
            InvalidInputError: A trade or a row breaks its contract; the message names the first.
        """
        equity = _equity(portfolio_history)
        figures, notes = self._equity_figures(equity)
        return {
            **figures,
            **_trade_figures(trades),
            "notes": notes,
            "definitions": self._definitions(),
        }

    def calculate_sharpe_ratio(self, returns: pd.Series) -> float:
        """Return the annualised Sharpe ratio of ``returns``, however short (see ``sharpe_ratio``).

        Args:
            returns: Simple returns of one period each, as fractions, oldest first. A missing
                first value, which ``pct_change`` leaves, is refused: drop it.

        Raises:
            NoDataError: There are fewer than two returns, or they do not vary, so the ratio is
                undefined.
            InvalidInputError: ``returns`` is unsorted or not finite.

        Examples:
            >>> analyzer = PerformanceAnalyzer(periods_per_year=2)
            >>> round(analyzer.calculate_sharpe_ratio(pd.Series([0.01, 0.03])), 12)
            2.0
        """
        ratio = sharpe_ratio(returns, **self._rates, annualize_partial_years=True)
        if ratio is None:
            message = f"a Sharpe ratio needs at least two returns that vary, got {len(returns)}"
            raise NoDataError(message)
        return ratio

    def calculate_max_drawdown(self, equity_curve: pd.Series) -> float:
        """Return the deepest fall of ``equity_curve`` below an earlier high, at most 0.

        Args:
            equity_curve: Equity, oldest first; it starts with the starting equity, above 0.

        Returns:
            A fraction such as -0.25, not annualised; 0 when the curve never falls.

        Raises:
            InvalidInputError: ``equity_curve`` is empty, unsorted, not finite, or does not start
                above 0.
        """
        return max_drawdown(equity_curve).depth

    def calculate_win_rate(self, trades: list[FillEvent]) -> float:
        """Return the share of closed round trips with a profit after costs, from 0 to 1.

        Args:
            trades: Fills, oldest first; matched first in, first out, long and short.

        Raises:
            NoDataError: No round trip is closed, so the share is undefined.
            InvalidInputError: A trade is not a ``FillEvent`` or is older than the one before it.
        """
        rate = trade_metrics.win_rate(trade_metrics.round_trips(trades))
        if rate is None:
            message = f"a win rate needs at least one closed round trip, got none from {len(trades)} fills"
            raise NoDataError(message)
        return rate

    def _equity_figures(self, equity: "pd.Series[float]") -> tuple[dict[str, Any], list[str]]:
        ruined = np.flatnonzero(equity.to_numpy() <= 0)
        if not len(ruined):
            partial = self._annualize_partial_years
            return period_figures(equity, **self._rates, annualize_partial_years=partial, label=iso_time), []
        # The rows up to the last sound one tell which keys there are; what needs returns is undefined.
        keys = period_figures(equity.iloc[:1], **self._rates, label=iso_time)
        fall = max_drawdown(equity)
        figures = dict.fromkeys(keys) | {
            "base_date": iso_time(equity.index[0]),
            "first_session": iso_time(equity.index[1]),
            "last_session": iso_time(equity.index[-1]),
            "sessions": len(equity) - 1,
            "elapsed_days": (equity.index[-1].date() - equity.index[0].date()).days,
            "is_annualised": False,
            "total_return": total_return(equity),
            "max_drawdown": fall.depth,
            "max_drawdown_peak": label_text(fall.peak, iso_time),
            "max_drawdown_trough": label_text(fall.trough, iso_time),
            "max_drawdown_recovery": label_text(fall.recovery, iso_time),
        }
        when = iso_time(equity.index[int(ruined[0])])
        return figures, [f"equity is 0 or below on {when}: returns are undefined from there on"]

    def _definitions(self) -> dict[str, Any]:
        return {
            **self._rates,
            "ddof": 1,
            "annualize_partial_years": self._annualize_partial_years,
            "periods": "One period is one row of the portfolio history; the first row is the starting equity.",
            "risk_free": RISK_FREE,
            "annualisation": ANNUALISATION,
            "metrics": definitions_of(tuple(CATALOG)),
        }


def _equity(portfolio_history: Sequence[Mapping[str, Any]]) -> "pd.Series[float]":
    if not portfolio_history:
        refuse("portfolio_history", "at least one row long", "empty")
    stamps: list[datetime] = []
    values: list[float] = []
    for row, entry in enumerate(portfolio_history):
        for key in ("timestamp", "total_value"):
            if key not in entry:
                refuse(f"row {row} of portfolio_history", f"a mapping with {key!r}", f"without it: {entry!r}")
        stamp = entry["timestamp"]
        # NaT is a datetime to isinstance, but raises when asked for its offset.
        if not isinstance(stamp, datetime) or bool(pd.isna(stamp)) or stamp.utcoffset() is None:
            refuse(f"timestamp in row {row} of portfolio_history", "a timezone-aware datetime", repr(stamp))
        if stamps and stamp <= stamps[-1]:
            what = f"timestamp in row {row} of portfolio_history"
            refuse(what, f"after {stamps[-1].isoformat()}", stamp.isoformat())
        stamps.append(stamp)
        values.append(checked_number(f"total_value in row {row} of portfolio_history", entry["total_value"]))
    if values[0] <= 0:
        refuse("total_value in row 0 of portfolio_history", "above 0 (the starting equity)", values[0])
    return pd.Series(values, index=pd.to_datetime(stamps, utc=True), dtype=np.float64)


def _trade_figures(trades: Sequence[FillEvent]) -> dict[str, Any]:
    trips = trade_metrics.round_trips(trades)
    money = {
        "average_win": trade_metrics.average_win(trips),
        "average_loss": trade_metrics.average_loss(trips),
        "expectancy": trade_metrics.expectancy(trips),
    }
    return {
        "fills": len(trades),
        "round_trips": len(trips),
        "win_rate": trade_metrics.win_rate(trips),
        "profit_factor": trade_metrics.profit_factor(trips),
        **{name: None if amount is None else float(amount) for name, amount in money.items()},
        "net_profit": float(sum(trip.net_profit for trip in trips)) if trips else None,
    }
