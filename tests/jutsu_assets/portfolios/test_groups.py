"""Groups in strategy and portfolio files: read as written, refused in one line, explained beside their benchmark."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jutsu_assets.portfolios.explaining import explained
from jutsu_assets.portfolios.groups import Group
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


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_groups_are_read_as_they_are_written_in_both_kinds_of_file(tmp_path: Path) -> None:
    assert load_portfolio_file(write(tmp_path, SOUND + GROUPS)).groups == (TECH, BANKS)
    assert load_portfolio_file(write(tmp_path, SOUND)).groups == ()
    strategy = "strategy: a:B\nsymbols: [A]\ncash: 1\n"
    assert load_strategy_file(write(tmp_path, strategy + GROUPS)).groups == (TECH, BANKS)


REFUSED = {
    "groups: [A]": "line 2: key 'groups' must be groups such as {Tech: {symbols: [AAPL, IBM], weight: 0.6}}, was ['A']",
    "groups: {}": "key 'groups' must be groups such as",
    "groups: {Tech: 0.6}": "key 'groups.Tech' must be a group of keys such as {symbols: [AAPL, IBM], weight: 0.6}",
    "groups: {Tech: {symbols: [A]}}": "key 'groups.Tech.weight' is missing; add it: a share of the benchmark from 0 to 1",
    "groups: {Tech: {weight: 1}}": "key 'groups.Tech.symbols' is missing; add it: a list of different tickers",
    "groups: {Tech: {symbols: A, weight: 1}}": "key 'groups.Tech.symbols' must be a list of different tickers",
    "groups: {Tech: {symbols: [A, A], weight: 1}}": "key 'groups.Tech.symbols' must be a list of different tickers",
    "groups: {Tech: {symbols: [A], weight: -1}}": "key 'groups.Tech.weight' must be a share of the benchmark from 0",
    "groups: {Tech: {symbols: [A], weight: half}}": "key 'groups.Tech.weight' must be a share of the benchmark",
    "groups: {Tech: {symbols: [A], weight: 1, etf: X}}": "line 2: key 'groups.Tech.etf' is not known (value 'X'); take it out or correct it",
    "groups: {Tech: {symbol: [A], weight: 1}}": "(did you mean symbols?); take it out or correct it; key 'groups.Tech.symbols' is",
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


def answer(groups: tuple[Group, ...], closes: dict[str, "pd.Series[float]"]) -> tuple[dict[str, Any], list[str]]:
    days = DAYS.to_pydatetime()
    history = [{"timestamp": day, "total_value": value} for day, value in zip(days[:3], EQUITY, strict=True)]
    report = PerformanceAnalyzer().calculate_metrics(FILLS, history)
    found = explained(FILLS, EQUITY, report, closes, None, groups)
    told = found["groups"]
    return {} if told is None else told, found["notes"]


def test_groups_are_explained_beside_the_benchmark_that_is_made_of_them() -> None:
    """Tech moves as A does, 10 %, then as A and B in equal shares, (-10 % + 10 %) / 2; Banks as XLF, 0 and 10 %."""
    told, notes = answer((TECH, BANKS), CLOSES)
    assert notes == []
    assert told["benchmark_return"] == pytest.approx(1.06 * (1 + 0.6 * 0 + 0.3 * 0.1) - 1)
    assert told["total"] == pytest.approx(0.006 - told["benchmark_return"])
    assert abs(told["residual"]) < 1e-12
    effects = told["effects"]
    assert list(effects["allocation"]) == ["Tech", "Banks", "cash"]
    assert sum(sum(parts.values()) for parts in effects.values()) == pytest.approx(told["total"])


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
    told, notes = answer(groups, closes)
    assert told == {}
    assert [note for note in notes if why in note]
