"""The blocks of a portfolio's report: nested, ready for JSON, the same bytes for the same input."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal, Inexact, localcontext
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jutsu_core.errors import InvalidInputError
from jutsu_core.events import FillEvent
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from jutsu_core.metrics.benchmark import benchmark_measures
from jutsu_core.metrics.catalog import CATALOG, FAMILIES
from jutsu_core.metrics.drawdown import worst_drawdowns
from jutsu_core.metrics.figures import period_figures
from jutsu_core.metrics.measures import Trials, return_measures
from jutsu_core.metrics.rolling import rolling_measures

DAYS = pd.bdate_range("2011-12-30", "2013-06-28", tz="UTC")
NOISE = np.random.default_rng(5).normal(0.002, 0.01, (2, len(DAYS)))
EQUITY, INDEX = (pd.Series(100 * np.cumprod(1 + row), index=DAYS) for row in NOISE)
SETTINGS: dict[str, Any] = {"periods_per_year": 261, "risk_free_rate": 0.02}
RETURNS, OTHER = EQUITY.pct_change().dropna(), INDEX.pct_change().dropna()


def rows_of(equity: "pd.Series[float]") -> list[dict[str, Any]]:
    return [{"timestamp": day.to_pydatetime(), "total_value": value} for day, value in equity.items()]  # type: ignore[attr-defined]


def fills() -> list[FillEvent]:
    start = datetime(2012, 1, 3, 15, tzinfo=UTC)
    told = [("BUY", 10, "10"), ("SELL", 10, "11"), ("SELL", 5, "20"), ("BUY", 5, "21")]
    return [
        FillEvent(
            symbol="AB"[place // 2],
            timestamp=start + timedelta(days=200 * (place // 2) + place),
            direction=side,  # type: ignore[arg-type]
            quantity=Decimal(quantity),
            fill_price=Decimal(price),
        )
        for place, (side, quantity, price) in enumerate(told)
    ]


def report(**options: Any) -> dict[str, Any]:
    return PerformanceAnalyzer(**(SETTINGS | {"benchmark": INDEX} | options)).calculate_metrics(
        fills(), rows_of(EQUITY)
    )


REPORT = report()


def agree(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == (value if value is None else pytest.approx(value, rel=1e-9)), name


def test_each_family_is_under_its_name_and_whole() -> None:
    for family in ("returns", "benchmark", "trades", "activity"):
        assert set(REPORT[family]) == {metric.name for metric in FAMILIES[family]}
    assert set(REPORT["definitions"]["records"]) == set(CATALOG)
    assert REPORT["definitions"]["records"]["volatility"]["ddof"] == 1


def test_a_block_is_what_the_call_of_its_own_returns() -> None:
    days = (DAYS[-1] - DAYS[0]).days
    alone = return_measures(RETURNS, elapsed_days=days, **SETTINGS)
    agree(REPORT["returns"], alone[0])
    assert REPORT["undefined"]["deflated_sharpe_ratio"] == alone.undefined["deflated_sharpe_ratio"]
    beside = benchmark_measures(RETURNS, OTHER, elapsed_days=days, **SETTINGS)[0]
    agree(REPORT["benchmark"], beside)
    trials = Trials(20, 0.001)
    assert report(trials=trials)["returns"]["deflated_sharpe_ratio"] == pytest.approx(
        return_measures(RETURNS, elapsed_days=days, trials=trials, **SETTINGS)[0]["deflated_sharpe_ratio"], rel=1e-9
    )


def test_the_old_figures_are_what_they_were() -> None:
    told = period_figures(EQUITY, **SETTINGS)
    dates = {name for name, value in told.items() if isinstance(value, str)}
    assert {name: REPORT[name] for name in told.keys() - dates} == {name: told[name] for name in told.keys() - dates}


def test_the_same_input_gives_the_same_bytes() -> None:
    first, second = (json.dumps(item, allow_nan=False, sort_keys=True) for item in (REPORT, report()))
    assert first == second


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"risk_free_rate": 0.03}, "parameters"),
        ({"matching": "flat_to_flat"}, "parameters"),
        ({"benchmark": None}, "parameters"),
        ({"trials": Trials(3, 0.1)}, "parameters"),
        ({"flows_at": "start"}, "parameters"),
    ],
)
def test_a_fingerprint_tells_what_changed(changed: dict[str, Any], part: str) -> None:
    other = report(**changed)["fingerprint"]
    assert [name for name in other if other[name] != REPORT["fingerprint"][name]] == [part]


def test_a_fingerprint_is_of_every_row_and_fill() -> None:
    analyzer = PerformanceAnalyzer(**SETTINGS)
    data = {
        analyzer.calculate_metrics(trades, rows_of(equity))["fingerprint"]["data"]
        for trades, equity in ((fills(), EQUITY), (fills()[:2], EQUITY), (fills(), EQUITY[:-1]))
    }
    assert len(data) == 3


def test_what_is_undefined_says_why() -> None:
    bare = PerformanceAnalyzer().calculate_metrics([], rows_of(EQUITY[:3]))
    assert bare["undefined"]["alpha"] == "no benchmark was given"
    assert bare["undefined"]["win_rate"] == "no closed round trip"
    assert bare["undefined"]["cagr"] == "less than a year"
    families = ("returns", "benchmark", "trades", "activity", "market")
    nested = {name: value for family in families for name, value in bare[family].items()}
    top = {name: bare[name] for name in CATALOG if name in bare}
    assert set(bare["undefined"]) == {name for name, value in (nested | top).items() if value is None}


def test_a_ruined_account_keeps_its_shape() -> None:
    ruined = PerformanceAnalyzer(**SETTINGS).calculate_metrics(
        fills(), rows_of(EQUITY.where(DAYS.isin(DAYS[:9]), -1.0))
    )
    assert set(ruined) == set(REPORT)
    assert ruined["undefined"]["omega_ratio"].startswith("the equity is 0 or below")
    json.dumps(ruined, allow_nan=False)


def test_the_worst_drawdowns_do_not_overlap_and_begin_with_the_deepest() -> None:
    spans = REPORT["drawdowns"]
    assert len(spans) == 10
    assert (spans[0]["depth"], spans[0]["peak"]) == (REPORT["max_drawdown"], REPORT["max_drawdown_peak"])
    assert [span["depth"] for span in spans] == sorted(span["depth"] for span in spans)
    by_time = sorted((span["peak"], span["trough"], span["recovery"] or "9") for span in spans)
    assert all(peak < trough < recovery for peak, trough, recovery in by_time)
    assert all(before[2] <= after[0] for before, after in pairwise(by_time))


def test_drawdowns_by_hand() -> None:
    days = pd.date_range("2013-03-01", periods=8, tz="UTC")
    values = pd.Series([100.0, 90, 95, 100, 120, 60, 66, 72], index=days)
    first, second = worst_drawdowns(values)
    assert (first.depth, first.peak, first.trough, first.recovery) == (-0.5, days[4], days[5], None)
    assert (first.periods, first.days) == (3, 3.0)
    assert second.depth == pytest.approx(-0.1)
    assert (second.peak, second.recovery, second.days) == (days[0], days[3], 3.0)
    assert worst_drawdowns(values, count=1) == [first]


def test_months_and_years_compound_to_the_whole() -> None:
    for name in ("months", "years"):
        table = REPORT["periods"][name]
        assert np.prod([1 + row["return"] for row in table]) - 1 == pytest.approx(REPORT["total_return"])
    assert [row["period"] for row in REPORT["periods"]["years"]] == ["2012", "2013"]
    assert REPORT["periods"]["months"][0]["period"] == "2012-01"
    years = {row["year"]: row for row in REPORT["relative_years"]}
    assert years[2012]["portfolio"] == pytest.approx(REPORT["periods"]["years"][0]["return"])
    assert years[2012]["relative"] == pytest.approx((1 + years[2012]["portfolio"]) / (1 + years[2012]["benchmark"]) - 1)


def test_a_year_with_a_hole_is_the_same_in_every_table() -> None:
    holed = INDEX.drop(INDEX.index[100:160])
    told = PerformanceAnalyzer(benchmark=INDEX * 2).calculate_metrics([], rows_of(holed))
    beside = {str(row["year"]): row["portfolio"] for row in told["relative_years"]}
    assert beside == pytest.approx({row["period"]: row["return"] for row in told["periods"]["years"]}, abs=1e-15)
    assert {row["relative"] for row in told["relative_years"]} == {0.0}


def test_the_net_profit_is_attributed() -> None:
    assert REPORT["attribution"] == {
        "by_symbol": {"A": 10.0, "B": -5.0},
        "by_side": {"long": 10.0, "short": -5.0},
        "by_year": {"2012": 5.0},
    }
    assert REPORT["net_profit"] == 5.0


def test_a_benchmark_of_other_days_is_taken_as_it_was_known() -> None:
    weekly = INDEX[::5]
    beside = report(benchmark=weekly)["benchmark"]
    filled = weekly.reindex(DAYS).ffill().pct_change().dropna()
    assert beside["beta"] == pytest.approx(RETURNS.cov(filled - 0) / filled.var(), rel=1e-6)
    with pytest.raises(InvalidInputError, match="benchmark must be known at the first row"):
        report(benchmark=INDEX[1:])


def test_risk_free_returns_of_each_period() -> None:
    each = pd.Series(1.02 ** (1 / 261) - 1, index=DAYS)
    assert report(risk_free_returns=each, risk_free_rate=0.0)["sharpe_ratio"] == pytest.approx(REPORT["sharpe_ratio"])
    varying = pd.Series(np.linspace(0, 0.001, len(DAYS)), index=DAYS)
    excess = RETURNS - varying[1:]
    found = report(risk_free_returns=varying)
    assert found["sharpe_ratio"] == pytest.approx(excess.mean() / excess.std() * 261**0.5)
    with pytest.raises(InvalidInputError, match="risk_free_returns must be one for each row after the first"):
        report(risk_free_returns=each[:-1])


def test_every_window_has_the_figures_of_its_returns_alone() -> None:
    window = 40
    frame = rolling_measures(RETURNS[:120], window=window, benchmark=OTHER[:120], **SETTINGS)
    assert frame.iloc[: window - 1].isna().all(axis=None)
    assert frame.iloc[window - 1 :].notna().all(axis=None)
    for end in (window, 77, 120):
        own, other = RETURNS[end - window : end], OTHER[end - window : end]
        equity = pd.Series([1.0, *(1 + own).cumprod()], index=DAYS[end - window : end + 1])
        told = period_figures(equity, annualize_partial_years=True, **SETTINGS)
        beside = benchmark_measures(own, other, annualize_partial_years=True, **SETTINGS)[0]
        for name, value in frame.iloc[end - 1].items():
            assert value == pytest.approx((told | beside)[str(name)], rel=1e-9, abs=1e-12)


def test_a_window_that_is_too_long_has_no_figure() -> None:
    assert rolling_measures(RETURNS[:3], window=4, **SETTINGS).isna().all(axis=None)
    still = pd.Series([0.0] * 5, index=DAYS[:5])
    frame = rolling_measures(still, window=3, benchmark=still, **SETTINGS)
    assert frame["beta"].isna().all()
    assert frame["volatility"][2:].to_list() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "values", [[1e-300, 1e-299, 1e-300], [1e300, 1.7e308, 1e300], [1.0, 1e90, 1.0], [1.0, -1.0, 0.0]]
)
@pytest.mark.parametrize("price", ["1e-20", "1", "1e300"])
def test_what_is_hardly_a_float_is_undefined_or_refused(values: list[float], price: str) -> None:
    equity = pd.Series(values, index=DAYS[:3])
    trades = [
        FillEvent(
            symbol="A",
            timestamp=DAYS[row].to_pydatetime(),
            direction="BUY" if row == 1 else "SELL",
            quantity=Decimal("1e25"),
            fill_price=Decimal(price),
        )
        for row in (1, 2)
    ]
    analyzer = PerformanceAnalyzer(annualize_partial_years=True, benchmark=equity.abs() + 1e-320)
    json.dumps(analyzer.calculate_metrics(trades, rows_of(equity)), allow_nan=False)


def test_whatever_precision_the_caller_calculates_with_the_report_is_the_same() -> None:
    uneven = [
        FillEvent(
            symbol="A",
            timestamp=datetime(2012, 1, day, 15, tzinfo=UTC),
            direction=side,  # type: ignore[arg-type]
            quantity=Decimal("1234.567891"),
            fill_price=Decimal(price),
            commission=Decimal("1.234567"),
        )
        for day, side, price in ((3, "BUY", "87.654321"), (9, "SELL", "88.123457"))
    ]

    def told() -> str:
        return json.dumps(PerformanceAnalyzer(**SETTINGS).calculate_metrics(uneven, rows_of(EQUITY * 2_000)))

    expected = told()
    for precision in (3, 9):
        with localcontext() as own:
            own.prec = precision
            own.traps[Inexact] = True
            assert told() == expected
