"""The analyzer: every metric of a backtest from its fills and its equity, in one call."""

from collections.abc import Iterable
from decimal import localcontext
from typing import Any, get_args

import pandas as pd

from jutsu_core.arguments import refuse, require_flag, require_type, shown, times_of
from jutsu_core.errors import NoDataError
from jutsu_core.events import FillEvent
from jutsu_core.metrics import trades as trade_metrics
from jutsu_core.metrics.account import FlowsAt, account_of
from jutsu_core.metrics.figures import Scale, iso_time
from jutsu_core.metrics.kernels import deepest_fall
from jutsu_core.metrics.market import require_bars
from jutsu_core.metrics.measures import Trials, checked_returns
from jutsu_core.metrics.money import EXACT
from jutsu_core.metrics.options import Options
from jutsu_core.metrics.portfolio import report_of
from jutsu_core.metrics.rhythm import change_in, disagreement, rhythm_of
from jutsu_core.metrics.risk import sharpe_ratio
from jutsu_core.metrics.series import FloatArray, IntArray, checked_stamps, checked_values, require_finite
from jutsu_core.metrics.splits import Split, checked_splits, restated
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
        flows_at: Whether a ``cash_flow`` came at the ``end`` of its row's period or at its ``start``.
        matching: What one round trip is: ``fifo``, ``closing_order`` or ``flat_to_flat``.
        splits: Splits of the symbols between the fills.
        benchmark: Values of a benchmark by aware times; each row is compared with the last one then.
        risk_free_returns: Risk-free return of each row's period, instead of ``risk_free_rate``.
        trials: The trials of which the backtest is the best one, for the deflated Sharpe ratio.
        bars: Bars of the symbols, for excursions and leverage: ``symbol``, ``timestamp``, ``high``, ``low`` and
            ``close``, as a handler's ``get_frame`` gives them.

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
        matching: trade_metrics.Matching = "fifo",
        splits: Iterable[Split] = (),
        benchmark: "pd.Series[float] | None" = None,
        risk_free_returns: "pd.Series[float] | None" = None,
        trials: Trials | None = None,
        bars: pd.DataFrame | None = None,
    ) -> None:
        scale = Scale(
            periods_per_year=periods_per_year,
            risk_free_rate=risk_free_rate,
            annualize_partial_years=annualize_partial_years,
            label=iso_time,
            exchange_zone=exchange_zone,
        )
        if shown(flows_at) not in map(repr, get_args(FlowsAt)):
            refuse("flows_at", "'end' or 'start'", shown(flows_at))
        self._options = Options(
            scale=scale,
            accepts_other_periods=require_flag("accept_other_periods", accept_other_periods),
            flows_at=flows_at,
            matching=trade_metrics.checked_matching(matching),
            splits=tuple(checked_splits(splits)),
            benchmark=None
            if benchmark is None
            else _stamped(
                "benchmark", benchmark, checked_values("benchmark", benchmark, positive="all", may_be_empty=True)
            ),
            risk_free=None
            if risk_free_returns is None
            else _stamped(
                "risk_free_returns", risk_free_returns, checked_returns("risk_free_returns", risk_free_returns)
            ),
            trials=None if trials is None else require_type("trials", trials, Trials, "Trials(count, variance)"),
            bars=require_bars(bars),
        )
        self._rates: dict[str, Any] = {
            "periods_per_year": int(periods_per_year),
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
                one amount or by symbol; or numbers of shares by symbol; or of a symbol a mapping with
                ``market_value``, or with ``quantity`` and ``price``). Other keys are not looked at.

        Returns:
            JSON-ready figures under the names of ``jutsu_core.metrics.catalog``, money as float: those of
            every report at the top, and under ``returns``, ``benchmark``, ``trades``, ``activity`` and ``market`` the
            families of the catalogue; ``drawdowns`` (the ten worst), ``periods`` (months and years),
            ``relative_years``, ``cash_flows`` and ``attribution`` (of the net profit); ``findings`` (what
            does not add up, see ``jutsu_core.metrics.reconciliation``), ``notes`` (the same in words),
            ``definitions`` and ``fingerprint``. With cash flows all returns are time-weighted, and the
            money-weighted return stands beside them. Undefined is ``None``, and ``undefined`` says why. An
            equity that falls to 0 or below has no returns from there on: only total return and drawdown
            remain, and a note says so. The same input gives the same bytes.

        Raises:
            InvalidInputError: A trade or a row breaks its contract (the message names the first), or
                the rows are of another period than ``periods_per_year`` says.
        """
        fills = trade_metrics.checked_fills("trades", trades)
        with localcontext(EXACT):
            return report_of(account_of(portfolio_history), fills, self._options)

    def calculate_sharpe_ratio(self, returns: pd.Series) -> float:
        """Return the annualised Sharpe ratio of ``returns``, however short (see ``sharpe_ratio``).

        Args:
            returns: Simple returns of one period each, as fractions, oldest first. A missing
                first value, which ``pct_change`` leaves, is refused: drop it.

        Raises:
            NoDataError: There are fewer than two returns, or they do not vary, so the ratio is
                undefined.
            InvalidInputError: ``returns`` is unsorted or not finite, or its dates are of another period
                than ``periods_per_year`` says.

        Examples:
            >>> analyzer = PerformanceAnalyzer(periods_per_year=2)
            >>> round(analyzer.calculate_sharpe_ratio(pd.Series([0.01, 0.03])), 12)
            2.0
        """
        ratio = sharpe_ratio(returns, **self._rates, annualize_partial_years=True)
        times = times_of(returns.index)
        if times is not None and not self._options.accepts_other_periods:
            stamps = times.as_unit("us").asi8
            disagreement("returns", rhythm_of(stamps), self._rates["periods_per_year"], change=change_in(stamps))
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
        fall = deepest_fall(checked_values("equity_curve", equity_curve, positive="first"))
        return require_finite("fall", "equity_curve", fall.depth)

    def calculate_win_rate(self, trades: list[FillEvent]) -> float:
        """Return the share of closed round trips with a profit after costs, from 0 to 1.

        Args:
            trades: Fills, oldest first; matched as the analyzer was told, long and short.

        Raises:
            NoDataError: No round trip is closed, so the share is undefined.
            InvalidInputError: A trade is not a ``FillEvent`` or is older than the one before it.
        """
        fills = trade_metrics.checked_fills("trades", trades)
        trips = trade_metrics.match_fills(restated(fills, self._options.splits), self._options.matching)
        rate = trade_metrics.win_rate(trips)
        if rate is None:
            message = f"a win rate needs at least one closed round trip, got none from {len(fills)} fills"
            raise NoDataError(message)
        return rate


def _stamped(name: str, series: "pd.Series[float]", values: FloatArray) -> tuple[IntArray, FloatArray]:
    return checked_stamps(name, series), values
