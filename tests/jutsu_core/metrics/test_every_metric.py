"""Every metric of the catalogue has a record, a case worked by hand, its laws, and what it refuses.

A metric that lacks one of them fails here, so that nothing comes in on trust. The hand-worked values are
plain arithmetic with the numbers of the sample; nothing of the product computes them.
"""

import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jutsu_core.errors import InvalidInputError
from jutsu_core.events import FillEvent
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from jutsu_core.metrics.benchmark import benchmark_measures
from jutsu_core.metrics.catalog import CATALOG, FAMILIES
from jutsu_core.metrics.figures import period_figures
from jutsu_core.metrics.market import trip_excursions
from jutsu_core.metrics.measures import Context, Trials, measures_of, return_measures
from jutsu_core.metrics.series import FloatArray
from jutsu_core.metrics.trade_measures import trade_measures
from jutsu_core.metrics.trades import average_loss, average_win, expectancy, profit_factor, round_trips, win_rate
from tests.jutsu_core.metrics.catalogue_page import page

START = datetime(2012, 3, 1, tzinfo=UTC)
PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
Figures = dict[str, Any]

R = (0.10, -0.05, 0.02, -0.10, 0.04)
B = (0.04, -0.02, 0.01, -0.06, 0.05)
A, DAYS = 4, 731
VALUES = (100.0, 110.0, 104.5, 106.59, 95.931, 99.76824)


def series(values: Any) -> "pd.Series[float]":
    return pd.Series(list(values), index=pd.date_range("2012-03-01", periods=len(values), tz="UTC"), dtype=float)


def of_returns(own: Any = R, **options: Any) -> Figures:
    usual: dict[str, Any] = {"risk_free_rate": 0.0, "periods_per_year": A, "elapsed_days": DAYS}
    given = own if isinstance(own, pd.Series) else series(own)
    return return_measures(given, **(usual | {"trials": Trials(10, 0.01)} | options))[0]


def of_both(own: Any = R, other: Any = B, **options: Any) -> Figures:
    options = {"risk_free_rate": 0.0, "periods_per_year": A, "elapsed_days": DAYS} | options
    first, second = (item if isinstance(item, pd.Series) else series(item) for item in (own, other))
    return benchmark_measures(first, second, **options)[0]


def of_values(values: Any = VALUES) -> Figures:
    given = values if isinstance(values, pd.Series) else series(values)
    return period_figures(given, periods_per_year=A, risk_free_rate=0.0, annualize_partial_years=True)


def fill(hour: int, side: Any, quantity: int, price: str, cost: str = "0", symbol: str = "AAPL") -> FillEvent:
    return FillEvent(
        symbol=symbol,
        timestamp=START + timedelta(hours=hour),
        direction=side,
        quantity=Decimal(quantity),
        fill_price=Decimal(price),
        commission=Decimal(cost),
    )


# Profits +30, -10, 0, -21 (after costs of 1) and +8.
FILLS = [
    *(fill(0, "BUY", 10, "10"), fill(24, "SELL", 10, "13")),
    *(fill(30, "BUY", 10, "10"), fill(36, "SELL", 10, "9")),
    *(fill(40, "BUY", 10, "10"), fill(41, "SELL", 10, "10")),
    *(fill(48, "SELL", 10, "10"), fill(60, "BUY", 10, "12", "1")),
    *(fill(61, "SELL", 2, "10"), fill(62, "BUY", 2, "6")),
]


def of_trades(fills: Any = None) -> Figures:
    trips = round_trips(FILLS if fills is None else fills)
    money = {"average_win": average_win, "average_loss": average_loss, "expectancy": expectancy}
    return (
        trade_measures(trips)[0]
        | {"win_rate": win_rate(trips), "profit_factor": profit_factor(trips), "round_trips": len(trips)}
        | {name: float(figure(trips) or 0) for name, figure in money.items()}
        | {"net_profit": float(sum(trip.net_profit for trip in trips))}
    )


def of_activity(fills: Any = None) -> Figures:
    rows = [{"timestamp": START + timedelta(hours=hour), "total_value": 100.0} for hour in (0, 100)]
    report = PerformanceAnalyzer().calculate_metrics(FILLS if fills is None else fills, rows)
    figures: Figures = report["activity"]
    return figures


def bars_of(*lows_and_highs: tuple[float, float, float]) -> pd.DataFrame:
    times = pd.date_range(START, periods=len(lows_and_highs), tz="UTC")
    return pd.DataFrame(lows_and_highs, columns=["low", "high", "close"]).assign(symbol="AAPL", timestamp=times)


BARS = bars_of((8.0, 14.0, 12.0), (1.0, 90.0, 10.0), (1.0, 90.0, 10.0))


def of_market(fills: Any = None, bars: Any = BARS) -> Figures:
    rows = [{"timestamp": START + timedelta(hours=hour), "total_value": 100.0} for hour in (0, 100)]
    report = PerformanceAnalyzer(bars=bars).calculate_metrics(FILLS if fills is None else fills, rows)
    figures: Figures = report["market"]
    return figures


SAMPLES: dict[str, Callable[[], Figures]] = {
    "summary": of_values,
    "top_trades": of_trades,
    "returns": of_returns,
    "benchmark": of_both,
    "trades": of_trades,
    "activity": of_activity,
    "market": of_market,
}

# The sample's moments: distances from the mean 0.002 and what they sum to.
AWAY = (0.098, -0.052, 0.018, -0.102, 0.038)
M2, M3, M4 = (sum(x**k for x in AWAY) / 5 for k in (2, 3, 4))
SD = math.sqrt(0.02448 / 4)
SKEW, KURTOSIS = M3 / M2**1.5, M4 / M2**2 - 3
Z = -1.6448536269514722
PHI = math.exp(-Z * Z / 2) / math.sqrt(2 * math.pi) / 0.05
ULCER = math.sqrt((0.05**2 + 0.031**2 + 0.1279**2 + 0.093016**2) / 5)
GROWTH = 0.9976824 ** (365.25 / 731) - 1
LOGS = [math.log(value / 100) for value in VALUES[1:]]
SHARPE = 0.002 / SD
WIDTH = math.sqrt(1 - SKEW * SHARPE + (KURTOSIS + 2) / 4 * SHARPE**2)
NORMAL = statistics.NormalDist()
BEST_OF_TEN = 0.1 * (
    (1 - 0.5772156649015329) * NORMAL.inv_cdf(0.9) + 0.5772156649015329 * NORMAL.inv_cdf(1 - 1 / (10 * math.e))
)
BETA = 0.01316 / 0.00812  # sums of products and of squares of distances; the means are 0.002 and 0.004
ACTIVE = (0.06, -0.03, 0.01, -0.04, -0.01)  # mean -0.002
ACTIVE_SD = math.sqrt((0.062**2 + 0.028**2 + 0.012**2 + 0.038**2 + 0.008**2) / 4)


def corrected(first: float, second: float, third: float) -> float:
    skewed = (second - 1) * SKEW / 6 - (2 * third - 5 * first) * SKEW**2 / 36
    return float(0.002 + SD * (first + skewed + (third - 3 * first) * KURTOSIS / 24))


PROFITS = (30, -10, 0, -21, 8)  # mean 1.4
PROFIT_SD = math.sqrt(sum((profit - 1.4) ** 2 for profit in PROFITS) / 4)

BY_HAND: dict[str, Any] = {
    "total_return": -0.0023176,
    "cagr": 0.9976824 ** (365.25 / 5) - 1,
    "volatility": SD * 2,
    "sharpe_ratio": 0.002 / SD * 2,
    "sortino_ratio": 0.002 / math.sqrt(0.0125 / 5) * 2,
    "calmar_ratio": (0.9976824 ** (365.25 / 5) - 1) / 0.1279,
    "max_drawdown": -0.1279,  # 95.931 / 110
    "max_drawdown_peak": "2012-03-02",
    "max_drawdown_trough": "2012-03-05",
    "max_drawdown_recovery": None,
    "best_day": 0.10,
    "best_day_date": "2012-03-02",
    "worst_day": -0.10,
    "worst_day_date": "2012-03-05",
    "positive_days": 0.6,
    "sessions": 5,
    "win_rate": 0.4,
    "profit_factor": 38 / 31,
    "average_win": 19,
    "average_loss": -15.5,
    "expectancy": 1.4,
    "round_trips": 5,
    "net_profit": 7,
    "mean_return": 0.002,
    "geometric_mean_return": 0.9976824**0.2 - 1,
    "average_up": 0.16 / 3,
    "average_down": -0.075,
    "longest_up": 1,
    "longest_down": 1,
    "downside_deviation": 0.1,  # sqrt((0.0025 + 0.01) / 5 * 4)
    "var_historical": -0.09,  # a fifth of the way from -0.10 to -0.05
    "var_gaussian": 0.002 + Z * SD,
    "var_cornish_fisher": corrected(Z, Z**2, Z**3),
    "cvar_historical": -0.10,
    "cvar_gaussian": 0.002 - PHI * SD,
    "cvar_cornish_fisher": corrected(-PHI, 1 - Z * PHI, -(Z**2 + 2) * PHI),
    "skewness": SKEW * math.sqrt(20) / 3,
    "excess_kurtosis": 4 / 6 * (6 * KURTOSIS + 6),
    "tail_ratio": 0.088 / 0.09,
    "stability": statistics.correlation(range(5), LOGS) ** 2,
    "ulcer_index": ULCER,
    "average_drawdown": -0.1279,
    "omega_ratio": 0.16 / 0.15,
    "martin_ratio": GROWTH / ULCER,
    "sterling_ratio": GROWTH / 0.2279,
    "recovery_factor": -0.0023176 / 0.1279,
    "gain_to_pain": 0.01 / 0.15,
    "kelly_fraction": 0.6 - 0.4 * 0.075 / (0.16 / 3),
    "probabilistic_sharpe_ratio": NORMAL.cdf(SHARPE * 2 / WIDTH),
    "deflated_sharpe_ratio": NORMAL.cdf((SHARPE - BEST_OF_TEN) * 2 / WIDTH),
    "alpha": (0.002 - BETA * 0.004) * 4,
    "beta": BETA,
    "r_squared": 0.01316**2 / (0.00812 * 0.02448),
    "correlation": 0.01316 / math.sqrt(0.00812 * 0.02448),
    "tracking_error": ACTIVE_SD * 2,
    "information_ratio": -0.002 / ACTIVE_SD * 2,
    "treynor_ratio": 0.002 * 4 / BETA,
    "m_squared": 0.002 / SD * math.sqrt(0.00812 / 4) * 4,
    "up_capture": ((1.10 * 1.02 * 1.04) ** (1 / 3) - 1) / ((1.04 * 1.01 * 1.05) ** (1 / 3) - 1),
    "down_capture": (math.sqrt(0.95 * 0.90) - 1) / (math.sqrt(0.98 * 0.94) - 1),
    "relative_return": 0.9976824 / (1.04 * 0.98 * 1.01 * 0.94 * 1.05) - 1,
    "outperforming_share": 0.4,
    "average_win_share": (0.3 + 0.4) / 2,
    "average_loss_share": (-0.1 - 0.21) / 2,
    "expectancy_share": (0.3 - 0.1 - 0.21 + 0.4) / 5,
    "largest_win": 30,
    "largest_loss": -21,
    "payoff_ratio": 19 / 15.5,
    "system_quality": math.sqrt(5) * 1.4 / PROFIT_SD,
    "trade_kelly_fraction": 0.5 - 0.5 * 15.5 / 19,
    "average_holding_days": (24 + 6 + 1 + 12 + 1) / 5 / 24,
    "longest_holding_days": 1,
    "longest_winning_streak": 1,
    "longest_losing_streak": 1,
    "total_costs": 1,
    "long_trips": 3,
    "short_trips": 2,
    # bought and sold: 230 + 190 + 200 + 220 + 32, over 100 and 100 hours
    "turnover": 872 / 2 / 100 / (100 / 24 / 365.25),
    "exposure": 0.44,
    # The first trip has the first bar, 8 to 14; the others begin and end within a session, and have their prices.
    "average_adverse_excursion": (-0.2 - 0.1 + 0 - 0.2 + 0) / 5,
    "largest_adverse_excursion": -0.2,
    "average_favourable_excursion": (0.4 + 0 + 0 + 0 + 0.4) / 5,
    "largest_favourable_excursion": 0.4,
    # Ten shares at 12 of 100 in the first of two rows.
    "average_leverage": 0.6,
    "largest_leverage": 1.2,
}

# By family what a change does: the power of two by which a figure grows, ``"+"`` if it moves along, ``0`` if
# it stays, ``None`` if no law holds (and then the sample shows that it does not).
#             returns doubled | 0.01 added to each | another order
Law = tuple[int | str | None, int | str | None, int | str | None]
LAWS: dict[str, Law] = {
    "mean_return": (1, "+", 0),
    "geometric_mean_return": (None, None, 0),
    "average_up": (1, "+", 0),
    "average_down": (1, "+", 0),
    "longest_up": (0, 0, None),
    "longest_down": (0, 0, None),
    "downside_deviation": (1, None, 0),
    "var_historical": (1, "+", 0),
    "var_gaussian": (1, "+", 0),
    "var_cornish_fisher": (1, "+", 0),
    "cvar_historical": (1, "+", 0),
    "cvar_gaussian": (1, "+", 0),
    "cvar_cornish_fisher": (1, "+", 0),
    "skewness": (0, 0, 0),
    "excess_kurtosis": (0, 0, 0),
    "tail_ratio": (0, None, 0),
    "stability": (None, None, None),
    "ulcer_index": (None, None, None),
    "average_drawdown": (None, None, None),
    "omega_ratio": (0, None, 0),
    "martin_ratio": (None, None, None),
    "sterling_ratio": (None, None, None),
    "recovery_factor": (None, None, None),
    "gain_to_pain": (0, None, 0),
    "kelly_fraction": (0, None, 0),
    "probabilistic_sharpe_ratio": (0, None, 0),
    "deflated_sharpe_ratio": (0, None, 0),
    "alpha": (1, None, 0),
    "beta": (0, 0, 0),
    "r_squared": (0, 0, 0),
    "correlation": (0, 0, 0),
    "tracking_error": (1, 0, 0),
    "information_ratio": (0, 0, 0),
    "treynor_ratio": (1, None, 0),
    "m_squared": (1, None, 0),
    "up_capture": (None, None, 0),
    "down_capture": (None, None, 0),
    "relative_return": (None, None, 0),
    "outperforming_share": (0, 0, 0),
}
# The figures of values, and of trades: what they do when all prices and costs are doubled.
MONEY: dict[str, int] = {
    **dict.fromkeys((metric.name for metric in FAMILIES["summary"]), 0),
    **dict.fromkeys(("average_win", "average_loss", "expectancy", "net_profit"), 1),
    **dict.fromkeys(("win_rate", "profit_factor", "round_trips"), 0),
    **dict.fromkeys((metric.name for metric in FAMILIES["trades"]), 0),
    **dict.fromkeys(("largest_win", "largest_loss", "total_costs"), 1),
    "turnover": 1,
    "exposure": 0,
    **dict.fromkeys((metric.name for metric in FAMILIES["market"]), 0),
    **dict.fromkeys(("average_leverage", "largest_leverage"), 1),
}

NAN_AT_2 = (0.1, -0.05, math.nan, 0.1, 0.04)
WRONG: Any = "lifo"
NO_TRIPS: Any = [1]
BAD: dict[str, list[Callable[[], object]]] = {
    "summary": [
        lambda: of_values([100.0, math.nan]),
        lambda: of_values([100.0, -1.0]),
        lambda: of_values(series(VALUES)[::-1]),
        lambda: of_values(pd.Series(VALUES)),
    ],
    "returns": [
        lambda: of_returns(NAN_AT_2),
        lambda: of_returns([0.1, -1.0]),
        lambda: of_returns(series(R)[::-1]),
        lambda: of_returns(series(R), risk_free_rate=series(R)[1:]),
        lambda: of_returns(series(R), risk_free_rate="1"),
        lambda: of_returns(series(R), trials=(10, 0.1)),
        lambda: of_returns(series(R), elapsed_days=-1),
        lambda: Trials(1, 0.1),
        lambda: Trials(10, -0.1),
        lambda: of_returns(series(R), risk_free_rate=-1.0),
    ],
    "benchmark": [
        lambda: of_both(R, NAN_AT_2),
        lambda: of_both(NAN_AT_2, B),
        lambda: of_both(series(R), series(B)[1:]),
        lambda: of_both(series(R)[::-1], series(B)[::-1]),
        lambda: of_both(R, [*B[:4], -1.5]),
    ],
    "trades": [
        lambda: trade_measures(NO_TRIPS),
        lambda: of_trades(FILLS[::-1]),
        lambda: round_trips(FILLS, matching=WRONG),
    ],
    "top_trades": [lambda: win_rate(NO_TRIPS), lambda: of_trades(FILLS[::-1])],
    "activity": [lambda: of_activity(FILLS[::-1]), lambda: of_activity("AAPL")],
    "market": [
        lambda: of_market(bars=[1]),
        lambda: of_market(bars=BARS[["symbol", "timestamp", "high", "low"]]),
        lambda: of_market(bars=BARS[::-1]),
        lambda: of_market(bars=BARS.assign(low=0.0)),
        lambda: of_market(bars=BARS.assign(high=math.nan)),
        lambda: of_market(bars=BARS.assign(high=7.0)),
        lambda: of_market(bars=BARS.assign(timestamp=BARS["timestamp"].dt.tz_localize(None))),
    ],
}


@pytest.mark.parametrize("name", CATALOG)
def test_a_metric_has_its_record_its_case_its_laws_and_what_it_refuses(name: str) -> None:
    record = CATALOG[name]
    (family,) = [known for known, records in FAMILIES.items() if record in records]
    assert record.name == name
    assert record.definition.endswith(".")
    assert all((record.title, record.formula, record.undefined, record.source))
    # A deviation says over how many it is taken, and what is annual says how it became so.
    assert (record.ddof is not None) or "std(" not in record.formula
    assert (record.annualisation == "root") == ("sqrt(A)" in record.formula and "* A" not in record.formula)
    assert name in BY_HAND
    assert (name in LAWS) != (name in MONEY)
    assert BAD[family]
    assert name in SAMPLES[family]()


@pytest.mark.parametrize("name", BY_HAND)
def test_a_metric_is_what_one_works_out_by_hand(name: str) -> None:
    (family,) = [known for known, records in FAMILIES.items() if CATALOG[name] in records]
    found, expected = SAMPLES[family]()[name], BY_HAND[name]
    if isinstance(expected, str | None):
        assert found == expected
    else:
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-14)


CHANGED = {
    0: (of_returns([2 * r for r in R]), of_both([2 * r for r in R], [2 * b for b in B])),
    1: (of_returns([r + 0.01 for r in R]), of_both([r + 0.01 for r in R], [b + 0.01 for b in B])),
    2: (
        of_returns([R[i] for i in (0, 2, 4, 1, 3)]),
        of_both([R[i] for i in (0, 2, 4, 1, 3)], [B[i] for i in (0, 2, 4, 1, 3)]),
    ),
}


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("change", CHANGED)
def test_a_metric_of_returns_keeps_its_law(name: str, change: int) -> None:
    law = LAWS[name][change]
    before = (of_returns() | of_both())[name]
    after = (CHANGED[change][0] | CHANGED[change][1])[name]
    expected = {None: None, 1: 2 * before, 0: before, "+": before + 0.01}.get(law)
    if expected is None:
        assert after != pytest.approx(before, rel=1e-6)
    else:
        assert after == pytest.approx(expected, rel=1e-9, abs=1e-12)


def dearer(item: FillEvent) -> FillEvent:
    return replace(item, fill_price=2 * item.fill_price, commission=2 * item.commission)


@pytest.mark.parametrize("name", MONEY)
def test_a_metric_of_money_keeps_its_law(name: str) -> None:
    before = of_values() | of_trades() | of_activity() | of_market()
    dear = [dearer(item) for item in FILLS]
    after = of_values([2 * value for value in VALUES]) | of_trades(dear) | of_activity(dear)
    after |= of_market(dear, BARS.assign(**{name: 2 * BARS[name] for name in ("low", "high", "close")}))
    if isinstance(before[name], str | None):
        assert after[name] == before[name]
    else:
        assert after[name] == pytest.approx(before[name] * 2 ** MONEY[name], rel=1e-12)


@pytest.mark.parametrize(
    ("family", "row"), [(family, row) for family, calls in BAD.items() for row in range(len(calls))]
)
def test_bad_input_is_refused(family: str, row: int) -> None:
    with pytest.raises(InvalidInputError, match=r" must .*, was "):
        BAD[family][row]()


@pytest.mark.parametrize("own", [(), (0.1,), (0.1, 0.1), (0.0, 0.0, 0.0), (0.1, 0.2, 0.3, 0.4, 0.5)])
def test_what_is_undefined_has_a_reason(own: tuple[float, ...]) -> None:
    for found in (
        return_measures(series(own), risk_free_rate=0.0, periods_per_year=A),
        benchmark_measures(series(own), series(own), risk_free_rate=0.0, periods_per_year=A),
    ):
        assert set(found.undefined) == {name for name, value in found[0].items() if value is None}
        assert all(math.isfinite(value) for value in found[0].values() if value is not None)
    family = {metric.name for metric in FAMILIES["returns"]}
    assert set(return_measures(series(own), risk_free_rate=0.0, periods_per_year=A)[0]) == family


def test_a_risk_free_series_is_each_period_s() -> None:
    assert of_returns(risk_free_rate=series([0.0] * 5)) == of_returns()
    rates = (0.01, 0.0, 0.02, 0.0, 0.01)
    found = of_returns(risk_free_rate=series(rates))
    excess = [r - f for r, f in zip(R, rates, strict=True)]
    assert found["omega_ratio"] == pytest.approx(sum(max(e, 0) for e in excess) / sum(max(-e, 0) for e in excess))
    both = of_both(risk_free_rate=series(rates))
    others = [b - f for b, f in zip(B, rates, strict=True)]
    assert both["beta"] == pytest.approx(statistics.linear_regression(others, excess).slope)


def test_a_mirrored_trip_goes_against_it_as_far_as_the_other_went_for_it() -> None:
    """A long trip in bars and a short one in the same bars: what the one fears the other hopes for."""
    sides = {"long": ("BUY", "SELL"), "short": ("SELL", "BUY")}
    told = {}
    for side, (first, second) in sides.items():
        trips = round_trips([fill(0, first, 1, "10"), fill(48, second, 1, "11")])
        (told[side],) = trip_excursions(trips, bars_of((8.0, 14.0, 12.0), (7.5, 13.0, 10.0), (1.0, 90.0, 10.0)))
    assert told["long"] is not None
    assert told["short"] is not None
    assert tuple(told["long"]) == pytest.approx((-0.25, 0.4))
    assert tuple(told["short"]) == pytest.approx((-0.4, 0.25))


def test_without_the_bars_of_a_trip_nothing_is_told_of_excursions_and_leverage() -> None:
    report = PerformanceAnalyzer(bars=BARS[1:]).calculate_metrics(FILLS[:2], [{"timestamp": START, "total_value": 100}])
    assert set(report["market"].values()) == {None}
    assert report["undefined"]["largest_adverse_excursion"] == "no bars of AAPL when it was held"
    assert report["undefined"]["largest_leverage"] == "no bars of AAPL when it was held"
    bare = PerformanceAnalyzer().calculate_metrics(FILLS[:2], [{"timestamp": START, "total_value": 100}])
    assert bare["undefined"]["largest_leverage"] == "no bars were given"
    assert bare["fingerprint"]["parameters"] != report["fingerprint"]["parameters"]


def test_published_values_of_empyrical() -> None:
    """Of its own tests, empyrical-reloaded at efe60664: the mixed returns."""
    mixed = (0.01, 0.1, -0.04, 0.02, 0.03, 0.02, 0.01, -0.1)
    daily: dict[str, Any] = {"periods_per_year": 252, "annualize_partial_years": True}
    found = of_returns(mixed, **daily)
    assert found["stability"] == pytest.approx(0.1529973665111273, rel=1e-12)
    # there the missing first return counts as 0
    assert of_returns((0.0, *mixed))["tail_ratio"] == pytest.approx(0.9473684210526313, rel=1e-12)
    assert found["downside_deviation"] == pytest.approx(0.6044832503882965, rel=1e-12)
    # there a required return of 1,000 per cent a year, and a risk-free return of one per cent a day
    assert of_returns(mixed, risk_free_rate=10.0, **daily)["omega_ratio"] == pytest.approx(
        0.8335426349755793, rel=1e-12
    )
    each = series([0.01] * 8)
    assert of_returns(mixed, risk_free_rate=each, **daily)["omega_ratio"] == pytest.approx(0.8125, rel=1e-12)


def test_the_page_is_the_catalogue() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it again: python -m tests.jutsu_core.metrics.catalogue_page"


def test_many_portfolios_have_the_same_figures_as_one() -> None:
    noise = np.random.default_rng(3).normal(0.001, 0.02, (5, 60))
    for own in noise:
        found = of_returns(own)
        assert found["skewness"] == pytest.approx(pd.Series(own).skew(), rel=1e-10)
        assert found["excess_kurtosis"] == pytest.approx(pd.Series(own).kurt(), rel=1e-10)
        assert found["var_historical"] == pytest.approx(np.percentile(own, 5), rel=1e-12)
        assert found["tail_ratio"] == pytest.approx(abs(np.percentile(own, 95) / np.percentile(own, 5)), rel=1e-12)


def measures(returns: FloatArray) -> dict[str, float | str]:
    return measures_of(Context(returns, np.cumprod(np.append(1.0, 1 + returns)), 0.0, 252, 0.0, None))


def test_a_value_at_risk_is_no_gain() -> None:
    """One day of 40 per cent among many of nearly nothing: the expansion would say that five per cent gain 18."""
    noise = np.random.default_rng(3).normal(0, 0.003, 650)
    noise[300:302] = 0.4, -0.28
    found = measures(noise)
    for name in ("var_cornish_fisher", "cvar_cornish_fisher"):
        assert found[name] == "skew and kurtosis are too large for the expansion"


@example(seed=4125421, tails=2.5)
@given(seed=st.integers(0, 2**32 - 1), tails=st.sampled_from([2.5, 3, 5, 30]))
def test_whatever_the_tails_what_is_beyond_is_worse(seed: int, tails: float) -> None:
    returns = np.clip(np.random.default_rng(seed).standard_t(tails, 400) / 100, -0.9, 0.9)
    found = measures(returns)
    for how in ("historical", "gaussian", "cornish_fisher"):
        value, beyond = found[f"var_{how}"], found[f"cvar_{how}"]
        assert isinstance(value, str) == isinstance(beyond, str)
        if not isinstance(value, str) and not isinstance(beyond, str):
            assert beyond <= value <= float(returns.mean() if how != "historical" else np.median(returns))
