"""Attribution: parts that add up to the whole to 1e-12, and by hand where one can."""

import math
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jutsu_core.errors import InvalidInputError
from jutsu_core.events import FillEvent
from jutsu_core.metrics.account import FlowsAt
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from jutsu_core.metrics.attribution import brinson_fachler, link_contributions
from jutsu_core.metrics.contributions import attribute_fills
from jutsu_core.metrics.regression import factor_regression

DAYS = pd.date_range("2013-03-01", periods=30, tz="UTC")
seeds = st.integers(min_value=0, max_value=2**32 - 1)
few = settings(max_examples=40)


def frame(values: Any, columns: Any = ("A", "B", "C")) -> pd.DataFrame:
    return pd.DataFrame(np.asarray(values, dtype=float), index=DAYS[: len(values)], columns=list(columns))


def fill(day: int, side: Any, quantity: int, price: str, symbol: str = "A", cost: str = "0") -> FillEvent:
    return FillEvent(
        symbol=symbol,
        timestamp=DAYS[day].to_pydatetime() + timedelta(hours=15),
        direction=side,
        quantity=Decimal(quantity),
        fill_price=Decimal(price),
        commission=Decimal(cost),
    )


@few
@given(seed=seeds, size=st.sampled_from([1e-9, 1e-4, 0.02, 0.3]))
def test_linked_parts_add_up_to_the_compounded_return(seed: int, size: float) -> None:
    noise = np.random.default_rng(seed)
    parts = np.clip(noise.normal(0, size, (noise.integers(1, 30), 3)), -0.3, 0.3)
    parts[noise.random(len(parts)) < 0.2] = 0.0
    found = link_contributions(frame(parts))
    assert found.total == pytest.approx(np.prod(1 + parts.sum(axis=1)) - 1, rel=1e-9, abs=1e-12)
    assert abs(found.residual) < 1e-12
    assert found.linked.sum() == pytest.approx(found.total, rel=1e-12, abs=1e-12)
    assert found.by_period.sum() == pytest.approx(found.total, rel=1e-12, abs=1e-12)


def test_two_periods_by_hand() -> None:
    found = link_contributions(frame([[0.06, 0.04], [0.0, -0.05]], "AB"))
    whole = 1.1 * 0.95 - 1
    scale = math.log(1 + whole) / whole
    first, second = math.log(1.1) / 0.1 / scale, math.log(0.95) / -0.05 / scale
    assert found.linked["A"] == pytest.approx(0.06 * first, rel=1e-12)
    assert found.linked["B"] == pytest.approx(0.04 * first - 0.05 * second, rel=1e-12)


def test_a_whole_return_of_nothing_is_still_attributed() -> None:
    found = link_contributions(frame([[0.25, 0.0], [0.0, -0.2]], "AB"))
    assert found.total == pytest.approx(0.0, abs=1e-15)
    assert found.linked["A"] == pytest.approx(math.log(1.25), rel=1e-9)
    assert found.linked.sum() == pytest.approx(0.0, abs=1e-12)


def shares(noise: Any, count: int) -> Any:
    drawn = noise.random((count, 3)) + 0.05
    return drawn / drawn.sum(axis=1, keepdims=True)


@few
@given(seed=seeds)
def test_brinson_fachler_has_no_residual(seed: int) -> None:
    noise = np.random.default_rng(seed)
    count = int(noise.integers(1, 30))
    own, other = shares(noise, count), shares(noise, count)
    made, others = (noise.normal(0, 0.05, (count, 3)).clip(-0.5, 0.5) for _ in range(2))
    found = brinson_fachler(frame(own), frame(made), frame(other), frame(others))
    active = (own * made).sum(axis=1) - (other * others).sum(axis=1)
    assert np.abs(found.periods.sum(axis=1) - active).max() < 1e-12
    whole = np.prod(1 + (own * made).sum(axis=1)) - np.prod(1 + (other * others).sum(axis=1))
    assert found.total == pytest.approx(whole, rel=1e-9, abs=1e-12)
    assert abs(found.residual) < 1e-12


def test_brinson_fachler_by_hand() -> None:
    """Bacon's example: 40, 30, 30 against 40, 20, 40 per cent in three markets."""
    found = brinson_fachler(
        frame([[0.4, 0.3, 0.3]]), frame([[0.2, -0.05, 0.06]]), frame([[0.4, 0.2, 0.4]]), frame([[0.1, -0.04, 0.08]])
    )
    effects = found.periods.iloc[0]
    assert effects["allocation"].to_list() == pytest.approx([0.0, -0.0104, -0.0016])
    assert effects["selection"].to_list() == pytest.approx([0.04, -0.002, -0.008])
    assert effects["interaction"].to_list() == pytest.approx([0.0, -0.001, 0.002])
    assert found.total == pytest.approx(0.083 - 0.064)


@few
@given(seed=seeds)
def test_factors_explain_the_mean_and_leave_nothing(seed: int) -> None:
    noise = np.random.default_rng(seed)
    factors = frame(noise.normal(0, 0.01, (30, 3)))
    returns = pd.Series(noise.normal(0.001, 0.01, 30) + factors.to_numpy() @ [1.0, -0.5, 0.2], index=DAYS)
    found = factor_regression(returns, factors, risk_free_returns=0.0001)
    assert found.contributions.sum() == pytest.approx(found.mean, rel=1e-12, abs=1e-12)
    design = np.column_stack((np.ones(30), factors))
    error = returns.to_numpy() - 0.0001 - design @ found.coefficients.to_numpy()
    assert np.abs(design.T @ error).max() < 1e-12
    # the textbook's formula, with an inverse that the product does not take
    expected = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * (error @ error) / 26)
    assert found.standard_errors.to_numpy() == pytest.approx(expected, rel=1e-9)


def test_one_factor_by_hand() -> None:
    """Of x = 1..5 and y = 1, 3, 2, 5, 4: slope 0.8, error sum 3.6, se = sqrt(1.2 / 10)."""
    found = factor_regression(
        pd.Series([1.0, 3, 2, 5, 4], index=DAYS[:5]), frame([[1], [2], [3], [4], [5]], ["market"])
    )
    assert found.coefficients.to_dict() == pytest.approx({"alpha": 0.6, "market": 0.8})
    assert found.standard_errors["market"] == pytest.approx(math.sqrt(0.12))
    assert found.standard_errors["alpha"] == pytest.approx(math.sqrt(1.2 * (1 / 5 + 9 / 10)))
    assert found.t_values["market"] == pytest.approx(0.8 / math.sqrt(0.12))
    assert found.r_squared == pytest.approx(0.64)
    assert found.residual_deviation == pytest.approx(math.sqrt(1.2))


def test_what_fills_earned_by_hand() -> None:
    prices = frame([[10, 100], [12, 100], [11, 90], [11, 95]], "AB")
    fills = [
        fill(0, "BUY", 10, "9", cost="1"),  # trading 10 * (10 - 9) - 1 = 9
        fill(1, "SELL", 2, "101", "B"),  # short 2: trading 2
        fill(2, "SELL", 15, "12"),  # closes 10 long at 12 (+10), opens 5 short (+5)
    ]
    found = attribute_fills(fills, prices, starting_equity=1000)
    money = found.money.groupby(["symbol", "side", "activity"])["amount"].sum().to_dict()
    assert money == {
        ("A", "long", "trading"): pytest.approx(9 + 10),
        ("A", "long", "holding"): pytest.approx(20 - 10),
        ("A", "short", "trading"): pytest.approx(5),
        ("A", "short", "holding"): pytest.approx(0),
        ("B", "short", "trading"): pytest.approx(2),
        ("B", "short", "holding"): pytest.approx(20 - 10),
    }
    assert found.equity.to_list() == pytest.approx([1009, 1031, 1056, 1046])


@few
@given(seed=seeds)
def test_what_fills_earned_is_cash_and_positions(seed: int) -> None:
    noise = np.random.default_rng(seed)
    prices = frame(noise.uniform(50, 150, (20, 3)).round(2))
    days = np.sort(noise.integers(0, 20, 25))
    fills = [
        fill(
            int(day),
            ["BUY", "SELL"][noise.integers(2)],
            int(noise.integers(1, 20)),
            f"{noise.uniform(50, 150):.2f}",
            "ABC"[noise.integers(3)],
            f"{noise.uniform(0, 2):.2f}",
        )
        for day in days
    ]
    found = attribute_fills(fills, prices, starting_equity=1e6)
    cash, held = 1e6, dict.fromkeys("ABC", 0.0)
    for item in fills:
        sign = 1 if item.direction == "BUY" else -1
        cash -= sign * float(item.quantity * item.fill_price) + float(item.commission)
        held[item.symbol] += sign * float(item.quantity)
    last = cash + sum(held[symbol] * prices[symbol].iloc[-1] for symbol in "ABC")
    assert found.equity.iloc[-1] == pytest.approx(last, rel=1e-12)
    for part in (found.by_symbol, found.by_side, found.by_activity):
        assert part.total == pytest.approx(last / 1e6 - 1, rel=1e-9, abs=1e-12)
        assert abs(part.residual) < 1e-12


@few
@given(seed=seeds, flows_at=st.sampled_from(get_args(FlowsAt)))
def test_what_was_paid_in_and_out_is_at_work_and_no_part_of_the_return(seed: int, flows_at: FlowsAt) -> None:
    noise = np.random.default_rng(seed)
    prices = frame(noise.uniform(50, 150, (15, 3)).round(2))
    fills = [
        fill(int(day), ["BUY", "SELL"][noise.integers(2)], int(noise.integers(1, 20)), "100", "ABC"[noise.integers(3)])
        for day in np.sort(noise.integers(0, 15, 20))
    ]
    flows = pd.Series(np.where(noise.uniform(size=15) < 0.3, noise.uniform(-1e4, 1e6, 15), 0.0), prices.index)
    flows.iloc[0] = 0.0
    found = attribute_fills(fills, prices, starting_equity=1e6, cash_flows=flows, flows_at=flows_at)
    history = [
        {"timestamp": day.to_pydatetime(), "total_value": value, "cash_flow": flow}
        for day, value, flow in zip(prices.index, found.equity, flows, strict=True)
    ]
    report = PerformanceAnalyzer(flows_at=flows_at).calculate_metrics(fills, history)
    first = found.equity.iloc[0] / 1e6 - 1  # of the first row, which the history begins with
    for part in (found.by_symbol, found.by_side, found.by_activity):
        assert part.total == pytest.approx((1 + first) * (1 + report["total_return"]) - 1, rel=1e-9, abs=1e-12)
        assert abs(part.residual) < 1e-12


def test_nothing_is_earned_of_nothing() -> None:
    prices = frame([[10.0], [11.0], [12.0], [12.0], [15.0]], "A")
    fills = [fill(0, "BUY", 10, "10"), fill(1, "SELL", 10, "11"), fill(3, "BUY", 1, "12")]
    paid = pd.Series([0.0, -110.0, 0.0, 24.0, 0.0], prices.index)
    found = attribute_fills(fills, prices, starting_equity=100, cash_flows=paid)
    assert found.at_work.to_list() == pytest.approx([100, 100, 0, 0, 24])
    assert found.by_symbol.total == pytest.approx(1.1 * 27 / 24 - 1)
    with pytest.raises(InvalidInputError, match="the index of cash_flows must be that of prices"):
        attribute_fills(fills, prices, starting_equity=100, cash_flows=paid[1:])
    with pytest.raises(InvalidInputError, match="flows_at must be 'end' or 'start', was 'middle'"):
        attribute_fills(fills, prices, starting_equity=100, flows_at="middle")  # type: ignore[arg-type]  # that is it


SOUND = frame([[0.2, 0.3, 0.5]])
HALF = frame([[0.2, 0.3, 0.1]])
PRICES = frame([[10.0, 11.0, 12.0]] * 3)
RETURNS = pd.Series([0.1, 0.2, 0.0, 0.1, 0.3, 0.1], index=DAYS[:6])
FACTORS = frame(np.random.default_rng(0).normal(0, 1, (6, 2)), "MS")
WRONG: Any = [[1.0]]
REFUSED: dict[str, Callable[[], object]] = {
    "contributions that are a list": lambda: link_contributions(WRONG),
    "contributions that are missing": lambda: link_contributions(frame([[math.nan, 0, 0]])),
    "no contributions": lambda: link_contributions(frame(np.empty((0, 3)))),
    "contributions newest first": lambda: link_contributions(frame([[0, 0, 0.1]] * 3)[::-1]),
    "a column twice": lambda: link_contributions(frame([[0, 0, 0.1]], "AAB")),
    "a loss of all": lambda: link_contributions(frame([[-0.5, -0.5, 0]])),
    "weights of less than all": lambda: brinson_fachler(HALF, SOUND, SOUND, SOUND),
    "benchmark weights of less than all": lambda: brinson_fachler(SOUND, SOUND, HALF, SOUND),
    "other groups": lambda: brinson_fachler(SOUND, SOUND, frame([[0.2, 0.3, 0.5]], "ABD"), SOUND),
    "other periods": lambda: brinson_fachler(SOUND, frame([[0.2, 0.3, 0.5]] * 2), SOUND, SOUND),
    "too few returns": lambda: factor_regression(RETURNS[:3], FACTORS[:3]),
    "one factor twice": lambda: factor_regression(RETURNS, FACTORS.assign(S=2 * FACTORS["M"])),
    "a factor called as the rest is": lambda: factor_regression(RETURNS, FACTORS.rename(columns={"M": "alpha"})),
    "factors of one name as text": lambda: factor_regression(RETURNS, FACTORS.set_axis([1, "1"], axis=1)),
    "a factor that stays": lambda: factor_regression(RETURNS, FACTORS.assign(S=1.0)),
    "factors of other days": lambda: factor_regression(RETURNS[1:], FACTORS),
    "a risk-free text": lambda: factor_regression(RETURNS, FACTORS, risk_free_returns=WRONG),
    "risk-free returns of other days": lambda: factor_regression(RETURNS, FACTORS, risk_free_returns=RETURNS[1:]),
    "no fills": lambda: attribute_fills(WRONG, PRICES, starting_equity=1),
    "fills out of order": lambda: attribute_fills(
        [fill(1, "BUY", 1, "9"), fill(0, "BUY", 1, "9")], PRICES, starting_equity=1
    ),
    "fills after the prices": lambda: attribute_fills([fill(5, "BUY", 1, "9")], PRICES, starting_equity=1),
    "fills without a price": lambda: attribute_fills([fill(0, "BUY", 1, "9", "Z")], PRICES, starting_equity=1),
    "prices below 0": lambda: attribute_fills([], -PRICES, starting_equity=1),
    "nothing to start with": lambda: attribute_fills([], PRICES, starting_equity=0),
    "a loss of more than there was": lambda: attribute_fills([fill(0, "BUY", 1, "90")], PRICES, starting_equity=1),
    "naive prices": lambda: attribute_fills([], PRICES.tz_localize(None), starting_equity=1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_attributed_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r" must .*, was "):
        REFUSED[name]()


def test_fills_of_the_evening_belong_to_their_session() -> None:
    """At 01:00 UTC it is still the evening before in New York."""
    evening = DAYS[1].to_pydatetime() + timedelta(hours=1)
    late = FillEvent(symbol="A", timestamp=evening, direction="BUY", quantity=Decimal(1), fill_price=Decimal(9))
    found = attribute_fills([late], frame([[10.0], [10.0]], "A"), starting_equity=100)
    assert found.equity.to_list() == [101.0, 101.0]
