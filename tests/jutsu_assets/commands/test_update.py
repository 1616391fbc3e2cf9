"""``jutsu update``: what it does, says and returns, as a terminal or cron sees it."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from jutsu_assets.commands.cli import main
from jutsu_assets.commands.running import contiguous
from jutsu_assets.store.market import MarketDatabase

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

UNIVERSE = "symbols: [AAPL, FB, IBM, MSFT]\nhistory_start: 2012-12-03\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a universe of four symbols, and no credentials."""
    (tmp_path / "universe.yaml").write_text(UNIVERSE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with mock.patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith(("SCHWAB_", "JUTSU_", "DAGSTER_"))]:
            del os.environ[name]
        yield tmp_path


def update(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["update", *arguments])


def test_first_everything_then_nothing(folder: Path) -> None:
    first = update()
    assert first.exit_code == 0, first.output
    for symbol in ("AAPL", "FB", "IBM", "MSFT"):
        assert f"{symbol}: 61 bars, 61 new, 0 changed\n" in first.output
    assert "SAMPLE DATA, from the simulator: 4 of 4 symbols up to date, 4 changed, in " in first.output
    assert "4 requests, 244 bars inserted, 0 changed, 0 sessions missing" in first.output
    assert f"Report: {folder / 'var' / 'sample' / 'reports' / 'index.html'}" in first.output
    again = update()
    assert again.exit_code == 0
    assert "4 of 4 symbols up to date, 0 changed" in again.output
    assert "0 requests, 0 bars inserted" in again.output
    assert len(again.output.splitlines()) <= 10


def test_a_symbol_whose_indicators_were_chosen_anew_says_so(folder: Path) -> None:
    update("IBM", "MSFT")
    sets = "indicator_sets: {swing: [rsi, {sma: {period: 5}}]}\nindicators: {1d: swing}\n"
    (folder / "universe.yaml").write_text(UNIVERSE + sets, encoding="utf-8")
    said = "daily_indicators: written, because the indicators or their definitions changed"
    assert f"IBM: 61 bars, 0 new, 0 changed; {said}\n" in update("IBM").output
    rest = update("IBM", "MSFT").output
    assert f"MSFT: 61 bars, 0 new, 0 changed; {said}\n" in rest
    assert "IBM:" not in rest


@pytest.mark.slow
def test_portfolios_follow_an_update_of_everything_and_one_that_fails_is_named(folder: Path) -> None:
    (folder / "portfolios").mkdir()
    (folder / "portfolios" / "core.yaml").write_text("history: core.csv\n", encoding="utf-8")
    history = folder / "portfolios" / "core.csv"
    history.write_text("timestamp,total_value\n2013-02-28,100\n2013-03-01,101\n", encoding="utf-8")
    assert "backtests" not in update("IBM").output
    whole = update()
    assert whole.exit_code == 0, whole.output
    assert "1 of 1 backtests and portfolios up to date, 1 changed" in whole.output
    history.write_text("timestamp,total_value\n2013-02-28,none\n", encoding="utf-8")
    failed = update()
    assert failed.exit_code == 1
    assert "0 of 1 backtests and portfolios up to date" in failed.output
    assert "core: failed: " in failed.output


def test_symbols_with_a_gap_between_them_are_all_updated_and_no_other(folder: Path) -> None:
    result = update("MSFT", "AAPL")
    assert result.exit_code == 0, result.output
    assert "2 of 2 symbols up to date" in result.output
    database = MarketDatabase(f"sqlite:///{folder / 'var' / 'sample' / 'jutsu.db'}", source="simulator")
    assert {file.partition_key for file in database.manifest.all_current()} == {"AAPL", "MSFT"}
    database.database.close()
    with dg.DagsterInstance.from_config(str(folder / "var" / "dagster")) as instance:
        assert sorted(instance.get_materialized_partitions(dg.AssetKey("daily_bars"))) == ["AAPL", "MSFT"]


def test_one_that_fails_is_named_and_the_status_is_1(folder: Path) -> None:
    (folder / "universe.yaml").write_text(UNIVERSE.replace("FB", "FBB"), encoding="utf-8")
    result = update()
    assert result.exit_code == 1
    assert result.output.count("FBB: failed: ") == 1
    assert "check the spelling" in result.output
    assert "3 of 4 symbols up to date" in result.output
    assert "1 failed: FBB" in result.output


def test_wrong_use_is_2_and_says_what_was_meant(folder: Path) -> None:
    del folder
    result = update("NOPE")
    assert result.exit_code == 2
    assert "NOPE is not" in result.output
    assert update("--nope").exit_code == 2


def test_a_broken_universe_is_wrong_use(folder: Path) -> None:
    (folder / "universe.yaml").write_text("symbols: []\nhistory_start: 2012-12-03\n", encoding="utf-8")
    result = update()
    assert result.exit_code == 2
    assert "universe file" in result.output


@pytest.mark.parametrize("how", ["option", "variable"])
def test_sample_data_are_an_error_where_live_is_required(folder: Path, how: str) -> None:
    if how == "variable":
        os.environ["JUTSU_REQUIRE_LIVE"] = "1"
    result = update(*(["--require-live"] if how == "option" else []))
    assert result.exit_code == 2
    assert "SCHWAB_API_KEY" in result.output
    assert not (folder / "var").exists()


def test_ranges_are_as_few_as_the_gaps_allow() -> None:
    symbols = ["A", "B", "C", "D", "E"]
    assert list(contiguous(symbols, symbols)) == [("A", "E")]
    assert list(contiguous(symbols, ["A", "C", "E"])) == [("A", "A"), ("C", "C"), ("E", "E")]
    assert list(contiguous(symbols, [])) == []


@pytest.mark.parametrize("command", ["update", "demo", "init"])
@pytest.mark.parametrize(("home", "problem"), [("a_file", "Not a directory|File exists"), ("/dev/null/x", "Not a dir")])
def test_a_home_that_can_be_none_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str, home: str, problem: str
) -> None:
    (folder / "a_file").touch()
    monkeypatch.setenv("JUTSU_HOME", home)
    result = CliRunner().invoke(main, [command])
    assert result.exit_code != 0
    (said,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert re.search(problem, said)
    assert isinstance(result.exception, SystemExit), "and no traceback"


def test_a_history_that_cannot_be_written_is_one_line(folder: Path) -> None:
    """As where the disk is full: of the database of runs no page can be added."""
    (folder / "var" / "dagster" / "history").mkdir(parents=True)
    (folder / "var" / "dagster" / "history" / "runs.db").mkdir()
    result = update()
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit), result.exception
    assert "must be readable and writable, was not: OperationalError: unable to open database file" in result.output
