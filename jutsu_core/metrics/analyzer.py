"""The analyzer: every metric of a backtest from its fills and its equity, in one call."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import pandas as pd

from jutsu_core.arguments import refuse, require_flag, shown
from jutsu_core.errors import NoDataError
from jutsu_core.events import FillEvent
from jutsu_core.metrics import trades as trade_metrics
from jutsu_core.metrics.account import Account, FlowsAt, account_of, grown, money_weighted_return
from jutsu_core.metrics.catalog import ANNUALISATION, CATALOG, RISK_FREE, definitions_of
from jutsu_core.metrics.figures import Scale, figures_of, iso_time
from jutsu_core.metrics.kernels import DAYS_PER_YEAR, deepest_fall
from jutsu_core.metrics.reconciliation import Finding, disagreements
from jutsu_core.metrics.rhythm import REFUSED_FROM, Rhythm, disagreement, holes_in, rhythm_of
from jutsu_core.metrics.risk import sharpe_ratio
from jutsu_core.metrics.series import FloatArray, checked_values, elapsed_days_between
from jutsu_core.sessions import EXCHANGE_ZONE


class PerformanceAnalyzer:
    """Measures a backtest; assumes daily values unless told otherwise.

    Args:
        periods_per_year: Equity values in a year, at least 1; 252 for US daily bars.
        risk_free_rate: Annual effective rate as a fraction, above -1.
        annualize_partial_years: Whether ``calculate_metrics`` annualises less than a year.
        exchange_zone: Where the exchange's clocks are. Days are counted between the dates they show; a
            timestamp at 00:00 UTC is the session of that date.
        accept_other_periods: Whether ``calculate_metrics`` annualises by ``periods_per_year`` though the
            rows are of another period; it refuses otherwise.
        flows_at: Whether a ``cash_flow`` came at the end of its row's period or at its start.

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
        exchange_zone: str = EXCHANGE_ZONE,
        accept_other_periods: bool = False,
        flows_at: FlowsAt = "end",
    ) -> None:
        self._scale = Scale(
            periods_per_year=periods_per_year,
            risk_free_rate=risk_free_rate,
            annualize_partial_years=annualize_partial_years,
            label=iso_time,
            exchange_zone=exchange_zone,
        )
        self._accepts_other_periods = require_flag("accept_other_periods", accept_other_periods)
        if shown(flows_at) not in map(repr, get_args(FlowsAt)):
            refuse("flows_at", "'end' or 'start'", shown(flows_at))
        self._flows_at: FlowsAt = flows_at
        self._rates: dict[str, Any] = {
            "periods_per_year": periods_per_year,
            "risk_free_rate": float(risk_free_rate),
        }

    def calculate_metrics(self, trades: list[FillEvent], portfolio_history: list[dict[str, Any]]) -> dict[str, Any]:
        """Return all metrics of a backtest.

        Args:
            trades: Fills, oldest first.
            portfolio_history: One row a period, oldest first: ``timestamp`` (a timezone-aware
                datetime) and ``total_value`` (``Decimal``, ``float`` or ``int``). The first row is
                the starting equity, above 0. If there are: ``cash_flow`` (what was paid in, or out
                below 0; ``total_value`` has it already), ``cash``, and ``positions`` (their worth, in
                one amount or by symbol; of a symbol also a mapping with ``market_value``, or with
                ``quantity`` and ``price``). Other keys are not looked at.

        Returns:
            JSON-ready figures under the names of ``jutsu_core.metrics.catalog``, money as float,
            with ``definitions``, ``findings`` (what does not add up, see
            ``jutsu_core.metrics.reconciliation``) and ``notes`` (the same in words). With cash flows
            all returns are time-weighted, and the money-weighted return stands beside them.
            Undefined is ``None``. An equity that falls to 0
            or below has no returns from there on: only total return and drawdown remain, and a
            note says so.

        Raises:
            InvalidInputError: A trade or a row breaks its contract (the message names the first), or
                the rows are of another period than ``periods_per_year`` says.
        """
        fills = trade_metrics.checked_fills("trades", trades)
        account = account_of(portfolio_history)
        rhythm = rhythm_of(account.stamps)
        values = grown(account, self._flows_at)
        findings = self._findings(account, values, rhythm, fills)
        figures = self._equity_figures(account, values, rhythm)
        return {
            **figures,
            **_trade_figures(fills),
            "cash_flows": _cash_flow_figures(account, figures),
            "notes": [_note(finding) for finding in findings],
            "findings": [finding.as_row() for finding in findings],
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
            message = (
                f"a Sharpe ratio needs at least two returns that vary, got {len(returns)} that do not or too few;"
                " give a longer series"
            )
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
        return deepest_fall(checked_values("equity_curve", equity_curve, positive="first")).depth

    def calculate_win_rate(self, trades: list[FillEvent]) -> float:
        """Return the share of closed round trips with a profit after costs, from 0 to 1.

        Args:
            trades: Fills, oldest first; matched first in, first out, long and short.

        Raises:
            NoDataError: No round trip is closed, so the share is undefined.
            InvalidInputError: A trade is not a ``FillEvent`` or is older than the one before it.
        """
        fills = trade_metrics.checked_fills("trades", trades)
        rate = trade_metrics.win_rate(trade_metrics.match_fills(fills))
        if rate is None:
            message = f"a win rate needs at least one closed round trip, got none from {len(fills)} fills"
            raise NoDataError(message)
        return rate

    def _equity_figures(self, account: Account, values: FloatArray, rhythm: Rhythm) -> dict[str, Any]:
        if (values > 0).all():
            return figures_of("total_value", values, account.stamps, self._scale, rhythm)

        def at(row: int | None) -> str | None:
            return None if row is None else iso_time(account.at(row))

        # The first row alone tells which keys there are; what needs returns is undefined.
        keys = figures_of("total_value", values[:1], account.stamps[:1], self._scale, rhythm)
        fall = deepest_fall(values)
        return dict.fromkeys(keys) | {
            "base_date": at(0),
            "first_session": at(1),
            "last_session": at(-1),
            "sessions": len(values) - 1,
            "elapsed_days": elapsed_days_between(account.stamps, self._scale.exchange_zone),
            "is_annualised": False,
            "total_return": float(values[-1] / values[0] - 1),
            "max_drawdown": fall.depth,
            "max_drawdown_peak": at(fall.peak),
            "max_drawdown_trough": at(fall.trough),
            "max_drawdown_recovery": at(fall.recovery),
        }

    def _findings(
        self, account: Account, values: FloatArray, rhythm: Rhythm, fills: Sequence[FillEvent]
    ) -> list[Finding]:
        """Return what a reader must know first.

        Raises:
            InvalidInputError: The rows are of another period than was said.
        """
        refused_from = math.inf if self._accepts_other_periods else REFUSED_FROM
        off = disagreement("portfolio_history", rhythm, self._scale.periods_per_year, refused_from=refused_from)
        found = [] if off is None else [Finding("rows_are_of_the_period", None, off)]
        ruined = np.flatnonzero(values <= 0)
        if len(ruined):
            first = iso_time(account.at(int(ruined[0])))
            text = f"equity is 0 or below on {first}: returns are undefined from there on"
            found.append(Finding("equity_is_above_zero", first, text, len(ruined)))
        for row in holes_in(account.stamps, rhythm):
            first, last = iso_time(account.at(row - 1)), iso_time(account.at(row))
            found.append(Finding("no_hole", last, f"no row from {first} until {last}: no period's return"))
        return found + disagreements(account, fills, self._scale.exchange_zone)

    def _definitions(self) -> dict[str, Any]:
        return {
            **self._rates,
            "ddof": 1,
            "annualize_partial_years": self._scale.annualize_partial_years,
            "periods": "One period is one row of the portfolio history; the first row is the starting equity.",
            "risk_free": RISK_FREE,
            "annualisation": ANNUALISATION,
            "metrics": definitions_of(tuple(CATALOG)),
        }


def _note(finding: Finding) -> str:
    is_dated = finding.at is None or finding.at in finding.text
    more = f" (and in {finding.times - 1} more rows)" if finding.times > 1 and not is_dated else ""
    return finding.text if is_dated else f"{finding.at}: {finding.text}{more}"


def _cash_flow_figures(account: Account, figures: Mapping[str, Any]) -> dict[str, Any]:
    flows = np.zeros(1) if account.flows is None else account.flows
    earned = money_weighted_return(account)
    days, whole = figures["elapsed_days"], None if isinstance(earned, str) else earned
    annual = None if whole is None or not figures["is_annualised"] else (1 + whole) ** (DAYS_PER_YEAR / days) - 1
    return {
        "flows": int(np.count_nonzero(flows)),
        "net": float(flows.sum()),
        "time_weighted_return": figures["total_return"],
        "money_weighted_return": whole,
        "money_weighted_annual": annual,
    }


def _trade_figures(fills: Sequence[FillEvent]) -> dict[str, Any]:
    trips = trade_metrics.match_fills(fills)
    money = {
        "average_win": trade_metrics.average_win(trips),
        "average_loss": trade_metrics.average_loss(trips),
        "expectancy": trade_metrics.expectancy(trips),
    }
    return {
        "fills": len(fills),
        "round_trips": len(trips),
        "win_rate": trade_metrics.win_rate(trips),
        "profit_factor": trade_metrics.profit_factor(trips),
        **{name: None if amount is None else float(amount) for name, amount in money.items()},
        "net_profit": float(sum(trip.net_profit for trip in trips)) if trips else None,
    }
