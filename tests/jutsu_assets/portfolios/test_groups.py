"""Groups in strategy and portfolio files: read as written, refused in one line, explained beside their benchmark."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jutsu_assets.portfolios.explaining import explained
from jutsu_assets.portfolios.groups import Group, Grouping
from jutsu_assets.portfolios.portfolio_file import load_portfolio_file
from jutsu_assets.portfolios.strategy_file import load_strategy_file
from jutsu_core.errors import ConfigurationError
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from tests.jutsu_core.metrics.test_attribution import DAYS, fill

SOUND = "history: h.csv\n"
GROUPS = """groups:
  Tech: {symbols: [A, B], weight: 0.6}
  Banks: {symbols: [C], weight: 0.3, benchmark: XLF}
"""
TECH = Group(name="Tech", symbols=("A", "B"), weight=Decimal("0.6"), benchmark=None)
BANKS = Group(name="Banks", symbols=("C",), weight=Decimal("0.3"), benchmark="XLF")
BOTH = Grouping(members=(TECH, BANKS))


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_groups_are_read_as_they_are_written_in_both_kinds_of_file(tmp_path: Path) -> None:
    assert load_portfolio_file(write(tmp_path, SOUND + GROUPS)).groups == BOTH
    assert load_portfolio_file(write(tmp_path, SOUND)).groups == Grouping()
    strategy = "strategy: a:B\nsymbols: [A]\ncash: 1\n"
    assert load_strategy_file(write(tmp_path, strategy + GROUPS)).groups == BOTH


def test_a_benchmark_may_drift_from_the_first_day(tmp_path: Path) -> None:
    found = load_portfolio_file(write(tmp_path, f"{SOUND}{GROUPS}  rebalanced: never\n")).groups
    assert found == Grouping(members=(TECH, BANKS), rebalanced="never")
    assert load_portfolio_file(write(tmp_path, f"{SOUND}{GROUPS}  rebalanced: every_period\n")).groups == BOTH


REFUSED = {
    "groups: {rebalanced: never}": "key 'groups' must be groups such as {Tech:",
    "groups: {Tech: {symbols: [A], weight: 1}, rebalanced: weekly}": "'groups.rebalanced' must be one of every_period,",
    "groups: {Tech: {symbols: [A], weight: 1}, rebalanced: {symbols: [B], weight: 0}}": "'groups.rebalanced' must be",
    "groups: [A]": "line 2: key 'groups' must be groups such as {Tech: {symbols: [AAPL, IBM], weight: 0.6}}, was ['A']",
    "groups: {}": "key 'groups' must be groups such as",
    "groups: {Tech: 0.6}": "key 'groups.Tech' must be a group of keys such as {symbols: [AAPL, IBM], weight: 0.6}",
    "groups: {Tech: {symbols: [A]}}": "key 'groups.Tech.weight' is missing; add it: a share of the benchmark",
    "groups: {Tech: {weight: 1}}": "key 'groups.Tech.symbols' is missing; add it: a list of different tickers",
    "groups: {Tech: {symbols: A, weight: 1}}": "key 'groups.Tech.symbols' must be a list of different tickers",
    "groups: {Tech: {symbols: [A, A], weight: 1}}": "key 'groups.Tech.symbols' must be a list of different tickers",
    "groups: {Tech: {symbols: [A], weight: -1}}": "key 'groups.Tech.weight' must be a share of the benchmark from 0",
    "groups: {Tech: {symbols: [A], weight: half}}": "key 'groups.Tech.weight' must be a share of the benchmark",
    "groups: {Tech: {symbols: [A], weight: 1, etf: X}}": "key 'groups.Tech.etf' is not known (value 'X'); take",
    "groups: {Tech: {symbol: [A], weight: 1}}": "(did you mean symbols?); take it out or",
    "groups: {Tech: {symbols: [A], weight: 1.1}}": "must be groups whose weights add up to 1 at most, not to 1.1",
    "groups: {T: {symbols: [A], weight: 0.5}, U: {symbols: [A], weight: 0.5}}": "but A is of T and of U",
    "groups: {Cash: {symbols: [A], weight: 0.5}}": "must be called by a text other than 'cash'",
    "groups: {Tech: {symbols: [A], weight: 0.5, benchmark: 3}}": "key 'groups.Tech.benchmark' must be a ticker such as",
}


@pytest.mark.parametrize(("text", "said"), REFUSED.items())
def test_bad_groups_are_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_portfolio_file(write(tmp_path, SOUND + text))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


CLOSES = {
    "A": pd.Series([100.0, 110, 99], DAYS[:3]),
    "B": pd.Series([50.0, 55], DAYS[1:3]),
    "C": pd.Series([20.0, 20, 21], DAYS[:3]),
    "XLF": pd.Series([10.0, 10, 11], DAYS[:3]),
}
FILLS = [fill(0, "BUY", 4, "100"), fill(0, "BUY", 10, "20", "C")]
EQUITY = pd.Series([1000.0, 1040, 1006], DAYS[:3])


def answer(groups: Grouping, closes: dict[str, "pd.Series[float]"]) -> tuple[dict[str, Any], list[str]]:
    days = DAYS.to_pydatetime()
    history = [{"timestamp": day, "total_value": value} for day, value in zip(days[:3], EQUITY, strict=True)]
    report = PerformanceAnalyzer().calculate_metrics(FILLS, history)
    found = explained(FILLS, EQUITY, report, closes, None, groups)
    told = found["groups"]
    return {} if told is None else told, found["notes"]


def test_groups_are_explained_beside_the_benchmark_that_is_made_of_them() -> None:
    """Tech moves as A does, 10 %, then as A and B in equal shares, (-10 % + 10 %) / 2; Banks as XLF, 0 and 10 %."""
    told, notes = answer(BOTH, CLOSES)
    assert notes == []
    assert told["benchmark_return"] == pytest.approx(1.06 * (1 + 0.6 * 0 + 0.3 * 0.1) - 1)
    assert told["total"] == pytest.approx(0.006 - told["benchmark_return"])
    assert abs(told["residual"]) < 1e-12
    effects = told["effects"]
    assert list(effects["allocation"]) == ["Tech", "Banks", "cash"]
    assert sum(sum(parts.values()) for parts in effects.values()) == pytest.approx(told["total"])


def test_a_benchmark_that_drifts_has_what_its_shares_became() -> None:
    """Tech is 0.66 of 1.06 after it rose by 10 %."""
    told, notes = answer(Grouping(members=(TECH, BANKS), rebalanced="never"), CLOSES)
    assert notes == []
    assert told["benchmark_return"] == pytest.approx(0.6 * 1.1 + 0.3 * 1.1 + 0.1 - 1)
    assert abs(told["residual"]) < 1e-12


def test_what_was_paid_in_is_at_work_and_no_return() -> None:
    """1,000 are paid in before 10 more of C are bought: 1,040 and 1,000 of cash carry the loss and the gain after."""
    days = DAYS.to_pydatetime()[:3]
    values, flows = [1000.0, 2040.0, 2016.0], [0.0, 1000.0, 0.0]
    history = [
        {"timestamp": day, "total_value": value, "cash_flow": flow}
        for day, value, flow in zip(days, values, flows, strict=True)
    ]
    fills = [*FILLS, fill(1, "BUY", 10, "20", "C")]
    report = PerformanceAnalyzer().calculate_metrics(fills, history)
    growth = pd.Series([1000.0, 1040.0, 1040 * 2016 / 2040], DAYS[:3])
    paid = pd.Series(flows, DAYS[:3])
    found = explained(fills, growth, report, CLOSES, None, BOTH, cash_flows=paid)
    assert found["notes"] == []
    assert found["explained"] == pytest.approx(report["total_return"], abs=1e-14)
    assert abs(found["unexplained"]) < 1e-12
    assert abs(found["groups"]["residual"]) < 1e-12


@pytest.mark.parametrize(
    ("groups", "closes", "why"),
    [
        ((TECH,), CLOSES, "nothing is attributed to the groups: C is of none"),
        ((TECH, BANKS), {k: v for k, v in CLOSES.items() if k != "XLF"}, "the groups: no stored prices of XLF"),
        ((TECH, BANKS), CLOSES | {"XLF": CLOSES["XLF"] * [1, 0, 0]}, "nothing is attributed to the groups: "),
    ],
)
def test_where_groups_cannot_be_explained_it_is_said(
    groups: tuple[Group, ...], closes: dict[str, "pd.Series[float]"], why: str
) -> None:
    told, notes = answer(Grouping(members=groups), closes)
    assert told == {}
    assert [note for note in notes if why in note]
