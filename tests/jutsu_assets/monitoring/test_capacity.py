"""What a universe takes, against counts made by hand and against a store that was measured."""

import json
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from jutsu_assets.commands.cli import main
from jutsu_assets.monitoring.capacity import COSTS, capacity_of
from jutsu_core.bars import Timeframe
from jutsu_core.errors import InvalidInputError

ROOT = Path(__file__).parents[3]
FIRST, LAST = date(2006, 12, 1), date(2026, 11, 25)


def test_500_symbols_of_twenty_years_are_the_store_that_was_measured() -> None:
    found = capacity_of(Timeframe.D1, 500, "XNYS", FIRST, LAST, indicator_columns=18)
    assert found.rows == 2_513_500
    assert found.store_bytes == pytest.approx(184_283_136, rel=0.001)
    assert found.load_requests == found.daily_requests == 500
    assert found.load_minutes == pytest.approx(500 * 1.025 / 2 / 60)
    assert found.disk_bytes > found.store_bytes + found.lake_bytes


def test_minutes_take_their_windows_and_the_exchange_s_own_hours() -> None:
    week = capacity_of(Timeframe.M30, 1, "XNYS", date(2024, 11, 25), date(2024, 11, 29), indicator_columns=0)
    assert week.rows == 3 * 13 + 7, "Thanksgiving has none, the day after a half"
    month = capacity_of(Timeframe.M1, 2, "XNYS", date(2024, 11, 1), date(2024, 11, 29), indicator_columns=0)
    assert month.load_requests == 2 * 3, "29 days in windows of 10"
    assert month.daily_requests == 2


@pytest.mark.parametrize(("symbols", "last"), [(0, LAST), (1, FIRST)])
def test_nothing_is_refused(symbols: int, last: date) -> None:
    with pytest.raises(InvalidInputError, match="there must be a symbol and a history"):
        capacity_of(Timeframe.D1, symbols, "XNYS", FIRST, last, indicator_columns=0)


def test_the_command_prints_it_for_the_universe_or_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(main, ["capacity", "--timeframe", "1d", "--timeframe", "1m", "--years", "1"])
    assert shown.exit_code == 0, shown.output
    for said in ("first load, requests", "disk after a year, MB", "two in a window"):
        assert said in shown.output
    asked = CliRunner().invoke(main, ["capacity", "--symbols", "500", "--years", "20", "--json"])
    (found,) = json.loads(asked.stdout)
    assert found["symbols"] == found["load_requests"] == 500
    assert not list(tmp_path.iterdir()), "nothing is made"


@pytest.mark.parametrize("years", ["nan", "inf", "-inf", "0", "60", "x"])
@pytest.mark.parametrize("timeframe", ["1m", "1d"])
def test_years_that_are_none_are_a_wrong_use(years: str, timeframe: str) -> None:
    shown = CliRunner().invoke(main, ["capacity", "--years", years, "--timeframe", timeframe])
    assert (shown.exit_code, type(shown.exception)) == (2, SystemExit)
    assert "Invalid value for '--years'" in shown.output


def test_the_page_shows_the_costs_that_are_computed_with() -> None:
    page = (ROOT / "docs" / "scale.md").read_text("utf-8")
    for name, cost in COSTS.items():
        assert f"| {name} | {cost.value:,g} | {cost.unit} | {cost.source} |" in page
