"""The analyzer: every metric of a backtest from its fills and its equity, in one call."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from jutsu_core.arguments import refuse, require_number, shown
from jutsu_core.bars import from_epoch, require_aware, to_epoch
from jutsu_core.errors import NoDataError
from jutsu_core.events import FillEvent
from jutsu_core.metrics import trades as trade_metrics
from jutsu_core.metrics.catalog import ANNUALISATION, CATALOG, RISK_FREE, definitions_of
from jutsu_core.metrics.figures import Scale, figures_of, iso_time
from jutsu_core.metrics.kernels import DAYS_PER_YEAR, deepest_fall, whole_return
from jutsu_core.metrics.risk import sharpe_ratio
from jutsu_core.metrics.series import FloatArray, IntArray, checked_values, elapsed_days_between, require_finite
from jutsu_core.sessions import EXCHANGE_ZONE

_TELLING_DAYS = 28
_FAR_OFF = 2.0


class PerformanceAnalyzer:
    """Measures a backtest; assumes daily values unless told otherwise.

    Args:
        periods_per_year: Equity values in a year, at least 1; 252 for US daily bars.
        risk_free_rate: Annual effective rate as a fraction, above -1.
        annualize_partial_years: Whether ``calculate_metrics`` annualises less than a year.
        exchange_zone: Where the exchange's clocks are. Days are counted between the dates they show; a
            timestamp at 00:00 UTC is the session of that date.

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
    ) -> None:
        self._scale = Scale(
            periods_per_year=periods_per_year,
            risk_free_rate=risk_free_rate,
            annualize_partial_years=annualize_partial_years,
            label=iso_time,
            exchange_zone=exchange_zone,
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
                datetime) and ``total_value`` (``Decimal``, ``float`` or ``int``); other keys are
                not looked at. The first row is the starting equity, above 0.

        Returns:
            JSON-ready figures under the names of ``jutsu_core.metrics.catalog``, money as float,
            with ``definitions`` and ``notes``. Undefined is ``None``. An equity that falls to 0
            or below has no returns from there on: only total return and drawdown remain, and a
            note says so. So does one of rows that are not nearly ``periods_per_year`` a year.

        Raises:
            InvalidInputError: A trade or a row breaks its contract; the message names the first.
        """
        fills = trade_metrics.checked_fills("trades", trades)
        values, stamps = _equity(portfolio_history)
        figures, notes = self._equity_figures(values, stamps)
        notes += self._spacing_notes(len(values) - 1, figures["elapsed_days"])
        return {
            **figures,
            **_trade_figures(fills),
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

    def _equity_figures(self, values: FloatArray, stamps: IntArray) -> tuple[dict[str, Any], list[str]]:
        ruined = np.flatnonzero(values <= 0)
        if not len(ruined):
            return figures_of("total_value", values, stamps, self._scale), []

        def at(row: int | None) -> str | None:
            return None if row is None else iso_time(from_epoch(int(stamps[row])))

        # The first row alone tells which keys there are; what needs returns is undefined.
        keys = figures_of("total_value", values[:1], stamps[:1], self._scale)
        fall = deepest_fall(values)
        figures = dict.fromkeys(keys) | {
            "base_date": at(0),
            "first_session": at(1),
            "last_session": at(-1),
            "sessions": len(values) - 1,
            "elapsed_days": elapsed_days_between(stamps, self._scale.exchange_zone),
            "is_annualised": False,
            "total_return": require_finite("total return", "total_value", whole_return(values)),
            "max_drawdown": require_finite("fall", "total_value", fall.depth),
            "max_drawdown_peak": at(fall.peak),
            "max_drawdown_trough": at(fall.trough),
            "max_drawdown_recovery": at(fall.recovery),
        }
        return figures, [f"equity is 0 or below on {at(int(ruined[0]))}: returns are undefined from there on"]

    def _spacing_notes(self, periods: int, days: int) -> list[str]:
        """Return that the rows are not those of ``periods_per_year``, if they lie that far apart or together."""
        said = self._scale.periods_per_year
        rate = periods * DAYS_PER_YEAR / days if days else 0.0
        # A day or a week has too few rows to tell: minutes are dense in a session, and sessions in a week.
        if days < _TELLING_DAYS or said / _FAR_OFF <= rate <= said * _FAR_OFF:
            return []
        note = (
            f"the rows are about {rate:,.0f} a year and were measured with periods_per_year={said}: what is annualised"
            f" from single periods is of another kind of row; say periods_per_year={max(1, round(rate))} or the like"
        )
        return [note]

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


def _equity(portfolio_history: object) -> tuple[FloatArray, IntArray]:
    """Return the total values and their times, microseconds since 1970 UTC."""
    if isinstance(portfolio_history, str | Mapping | pd.DataFrame) or not isinstance(portfolio_history, Iterable):
        must_be = "a list of rows with 'timestamp' and 'total_value'"
        refuse("portfolio_history", must_be, shown(portfolio_history), 'of a frame: frame.to_dict("records")')
    rows = list(portfolio_history)
    if not rows:
        refuse("portfolio_history", "at least one row long", "empty", "begin with the starting equity")
    equity = _columns_of(rows) or _columns_by_row(rows)
    values, _ = equity
    if values[0] <= 0:
        refuse("total_value in row 0 of portfolio_history", "above 0 (the starting equity)", values[0])
    return equity


def _columns_of(rows: Sequence[Any]) -> tuple[FloatArray, IntArray] | None:
    """Return what :func:`_columns_by_row` does, in less time; None where a row is not as nearly all are."""
    try:
        times = [row["timestamp"] for row in rows]
        amounts = [row["total_value"] for row in rows]
        if set(map(type, times)) == {datetime} and set(map(type, amounts)) <= {float, int, Decimal}:
            stamps = np.fromiter(map(to_epoch, times), np.int64, len(times))
            values = np.fromiter(map(float, amounts), np.float64, len(amounts))
            is_sound = bool((stamps[1:] > stamps[:-1]).all()) and bool(np.isfinite(values).all())
            return (values, stamps) if is_sound else None
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    return None


def _columns_by_row(rows: Sequence[object]) -> tuple[FloatArray, IntArray]:
    """Return the values and the times of rows that are looked at one by one; an error names the first bad one."""
    stamps, values = np.empty(len(rows), dtype=np.int64), np.empty(len(rows))
    previous: datetime | None = None
    for row, entry in enumerate(rows):
        stamp, value = _row_of(entry, row)
        if previous is not None and stamp <= previous:
            what = f"timestamp in row {row} of portfolio_history"
            refuse(what, f"after {previous.isoformat()}", stamp.isoformat(), "one row a period, oldest first")
        stamps[row], values[row], previous = to_epoch(stamp), value, stamp
    return values, stamps


def _row_of(entry: object, row: int) -> tuple[datetime, float]:
    """Return the time, UTC, and the total value of one row of a history."""
    where = f"row {row} of portfolio_history"
    if not isinstance(entry, Mapping):
        refuse(where, "a mapping with 'timestamp' and 'total_value'", shown(entry))
    for key in ("timestamp", "total_value"):
        if key not in entry:
            refuse(where, f"a mapping with {key!r}", f"without it: {entry!r}")
    stamp, value = entry["timestamp"], entry["total_value"]
    if stamp is pd.NaT or not isinstance(stamp, datetime) or stamp.utcoffset() is None:
        refuse(f"timestamp in {where}", "a timezone-aware datetime", repr(stamp))
    return require_aware("timestamp", stamp), require_number(f"total_value in {where}", value)


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
