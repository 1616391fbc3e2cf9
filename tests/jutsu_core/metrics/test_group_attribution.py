"""What groups added beyond a benchmark: by hand, as the classic formula has it, and nothing left over."""

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.errors import InvalidInputError
from jutsu_core.metrics.attribution import brinson_fachler
from jutsu_core.metrics.group_attribution import CASH, Rebalanced, attribute_groups
from tests.jutsu_core.metrics.test_attribution import few, fill, frame, seeds

GROUPS = {"A": "Tech", "B": "Tech", "C": "Banks"}
WEIGHTS = {"Tech": 0.6, "Banks": 0.3}
BESIDE = ("Tech", "Banks")


def test_one_period_by_hand() -> None:
    """400 in A and 200 in C of 1,000: 40, 20 and 40 (cash) per cent against 60, 30 and 10."""
    prices = frame([[100, 50, 20], [110, 50, 19]])
    beside = frame([[10, 10], [10.5, 9.8]], BESIDE)
    fills = [fill(0, "BUY", 4, "100"), fill(0, "BUY", 10, "20", "C")]
    found = attribute_groups(fills, prices, GROUPS, WEIGHTS, beside, starting_equity=1000)
    effects, whole = found.periods.iloc[1], 0.6 * 0.05 + 0.3 * -0.02
    assert effects["allocation"].to_dict() == pytest.approx(
        {"Tech": -0.2 * (0.05 - whole), "Banks": -0.1 * (-0.02 - whole), CASH: 0.3 * (0 - whole)}
    )
    assert effects["selection"].to_dict() == pytest.approx({"Tech": 0.6 * 0.05, "Banks": 0.3 * -0.03})
    assert effects["interaction"].to_dict() == pytest.approx({"Tech": -0.2 * 0.05, "Banks": -0.1 * -0.03})
    assert not effects["trading"].any()
    assert found.total == pytest.approx((1000 + 40 - 10) / 1000 - (1 + whole))


def test_what_fills_gain_within_a_period_is_no_decision_between_groups() -> None:
    prices, beside = frame([[100, 50, 20]] * 3), frame([[10, 10]] * 3, BESIDE)
    fills = [fill(1, "BUY", 1, "90", cost="1"), fill(2, "SELL", 1, "95")]
    found = attribute_groups(fills, prices, GROUPS, WEIGHTS, beside, starting_equity=1000)
    assert found.periods["trading"]["Tech"].to_list() == pytest.approx([0, 9 / 1000, -5 / 1009])
    assert not found.periods[["allocation", "selection", "interaction"]].any(axis=None)
    assert found.total == pytest.approx(1004 / 1000 - 1)


def test_without_trades_within_periods_it_is_the_classic_formula() -> None:
    noise = np.random.default_rng(3)
    prices = frame(noise.uniform(50, 150, (12, 3)))
    beside = frame(noise.uniform(50, 150, (12, 2)), BESIDE)
    fills = [fill(0, "BUY", 3, str(prices["A"].iloc[0])), fill(0, "BUY", 2, str(prices["C"].iloc[0]), "C")]
    found = attribute_groups(fills, prices, GROUPS, WEIGHTS, beside, starting_equity=1000)
    equity = 1000 + 3 * (prices["A"] - prices["A"].iloc[0]) + 2 * (prices["C"] - prices["C"].iloc[0])
    own = pd.DataFrame({"Tech": 3 * prices["A"], "Banks": 2 * prices["C"]}).div(equity, axis=0).shift()[1:]
    made = pd.DataFrame({"Tech": prices["A"], "Banks": prices["C"]}).pct_change()[1:]
    others = beside.pct_change()[1:]
    shares = pd.DataFrame([WEIGHTS] * len(own), index=own.index)
    classic = brinson_fachler(
        own.assign(cash=1 - own.sum(axis=1)),
        made.assign(cash=0.0),
        shares.assign(cash=1 - shares.sum(axis=1)),
        others.assign(cash=0.0),
    )
    assert found.total == pytest.approx(classic.total, rel=1e-12)
    for name in classic.linked.index:
        assert found.linked.get(name, 0.0) == pytest.approx(classic.linked[name], rel=1e-9, abs=1e-14), name


@few
@given(seed=seeds, rebalanced=st.sampled_from(get_args(Rebalanced)))
def test_the_effects_of_any_fills_add_up_to_what_the_portfolio_made_beyond_the_benchmark(
    seed: int, rebalanced: Rebalanced
) -> None:
    noise = np.random.default_rng(seed)
    count = int(noise.integers(1, 30))
    prices, beside = frame(noise.uniform(50, 150, (count, 3))), frame(noise.uniform(50, 150, (count, 2)), BESIDE)
    fills = [
        fill(
            int(day),
            ["BUY", "SELL"][noise.integers(2)],
            int(noise.integers(1, 30)),
            f"{noise.uniform(50, 150):.2f}",
            "ABC"[noise.integers(3)],
            f"{noise.uniform(0, 2):.2f}",
        )
        for day in np.sort(noise.integers(0, count, 20))
    ]
    found = attribute_groups(fills, prices, GROUPS, WEIGHTS, beside, starting_equity=1e6, rebalanced=rebalanced)
    last = 1e6
    for item in fills:
        sign = 1 if item.direction == "BUY" else -1
        shares = sign * float(item.quantity)
        last += shares * (prices[item.symbol].iloc[-1] - float(item.fill_price)) - float(item.commission)
    moves = beside.pct_change().fillna(0.0)
    benchmark = np.prod(1 + 0.6 * moves["Tech"] + 0.3 * moves["Banks"]) - 1
    if rebalanced == "never":
        benchmark = 0.6 * (beside["Tech"].iloc[-1] / beside["Tech"].iloc[0] - 1)
        benchmark += 0.3 * (beside["Banks"].iloc[-1] / beside["Banks"].iloc[0] - 1)
    assert found.total == pytest.approx(last / 1e6 - 1 - benchmark, rel=1e-9, abs=1e-12)
    assert abs(found.residual) < 1e-12
    assert found.linked.sum() == pytest.approx(found.total, rel=1e-9, abs=1e-12)
    again = attribute_groups(
        fills,
        prices,
        GROUPS,
        dict(reversed(WEIGHTS.items())),
        beside[["Banks", "Tech"]],
        starting_equity=1e6,
        rebalanced=rebalanced,
    )
    assert again.linked[found.linked.index].to_numpy() == pytest.approx(found.linked.to_numpy(), rel=1e-9, abs=1e-13)


def test_weights_that_drift_by_hand() -> None:
    """0.6, 0.3 and 0.1 of cash become 0.66, 0.24 and 0.1, which are the shares of the second period."""
    prices, beside = frame([[100, 50, 20]] * 3), frame([[10, 10], [11, 8], [11, 10]], BESIDE)
    found = attribute_groups([], prices, GROUPS, WEIGHTS, beside, starting_equity=1000, rebalanced="never")
    whole = 0.24 * 0.25
    assert found.periods["allocation"].iloc[2].to_dict() == pytest.approx(
        {"Tech": -0.66 * (0 - whole), "Banks": -0.24 * (0.25 - whole), CASH: 0.9 * (0 - whole)}
    )
    assert found.total == pytest.approx(-(0.66 + 0.3 + 0.1 - 1))
    held = attribute_groups([], prices, GROUPS, WEIGHTS, beside, starting_equity=1000)
    assert held.total == pytest.approx(-(1.0 * (1 + 0.3 * 0.25) - 1))


def test_one_group_that_is_all_of_the_benchmark_cannot_drift() -> None:
    noise = np.random.default_rng(1)
    prices, beside = frame(noise.uniform(50, 150, (9, 3))), frame(noise.uniform(50, 150, (9, 1)), ("All",))
    fills = [fill(0, "BUY", 3, "100"), fill(4, "SELL", 9, "90", "C")]
    both = [
        attribute_groups(
            fills, prices, dict.fromkeys("ABC", "All"), {"All": 1.0}, beside, starting_equity=1000, rebalanced=how
        )
        for how in get_args(Rebalanced)
    ]
    assert both[0].linked.to_numpy() == pytest.approx(both[1].linked.to_numpy(), abs=1e-15)


def test_a_group_whose_long_and_short_cancel_has_no_return_of_its_own() -> None:
    """Nothing is held of it net, and a gain over nothing is no rate: it is all interaction."""
    prices, beside = frame([[100, 100, 20], [130, 100, 20]]), frame([[10, 10], [11, 10]], BESIDE)
    fills = [fill(0, "BUY", 1, "100"), fill(0, "SELL", 1, "100", "B")]
    found = attribute_groups(fills, prices, GROUPS, WEIGHTS, beside, starting_equity=1000)
    assert found.periods["selection"]["Tech"].to_list() == [0, 0]
    assert found.periods["interaction"]["Tech"].to_list() == pytest.approx([0, 0.03])
    assert found.total == pytest.approx(0.03 - 0.06)


PRICES, BESIDES = frame([[10.0, 11.0, 12.0]] * 3), frame([[10.0, 10.0]] * 3, BESIDE)
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a symbol without a group": ({"groups": {"A": "Tech", "B": "Tech"}}, "groups must be with 'C' in a group"),
    "a group without a weight": ({"groups": GROUPS | {"C": "Energy"}}, "was that of 'Energy'; add it to one"),
    "weights of more than all": ({"weights": {"Tech": 0.8, "Banks": 0.3}}, "add up to 1 at most"),
    "a weight below 0": ({"weights": {"Tech": -0.1, "Banks": 0.3}}, "shares from 0"),
    "a weight that is text": ({"weights": {"Tech": "0.1", "Banks": 0.3}}, r"benchmark_weights\['Tech'\] must be"),
    "no weights": ({"weights": {}}, "add up to 1 at most"),
    "weights that are a list": ({"weights": [0.6]}, "benchmark_weights must be a mapping"),
    "groups that are a list": ({"groups": ["A"]}, "groups must be a mapping"),
    "cash with a weight": ({"weights": {**WEIGHTS, "cash": 0.1}}, "without 'cash'"),
    "other rows": ({"beside": BESIDES[:2]}, "index of benchmark_prices must be that of prices"),
    "other columns": ({"beside": BESIDES[["Tech"]]}, "columns of benchmark_prices must be the groups"),
    "a price of 0": ({"beside": BESIDES * 0}, "benchmark_prices must be above 0"),
    "prices that are missing": ({"beside": BESIDES * np.nan}, "benchmark_prices"),
    "shares that are held otherwise": ({"rebalanced": "weekly"}, "rebalanced must be one of every_period, never"),
    "shares that are held by a list": ({"rebalanced": ["never"]}, "rebalanced must be one of every_period, never"),
    "no starting equity": ({"start": 0}, "starting_equity must be above 0"),
}


@pytest.mark.parametrize(("given", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_input_is_refused(given: dict[str, Any], said: str) -> None:
    call: Callable[..., object] = attribute_groups
    with pytest.raises(InvalidInputError, match=said):
        call(
            [],
            PRICES,
            given.get("groups", GROUPS),
            given.get("weights", WEIGHTS),
            given.get("beside", BESIDES),
            starting_equity=given.get("start", 1000),
            rebalanced=given.get("rebalanced", "never"),
        )
