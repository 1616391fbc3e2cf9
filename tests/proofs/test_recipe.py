"""The recipe of deploy/ci for who has no machine: its own steps, each run in a clean folder, against the simulator."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.clock import SimulatorClock
from jutsu_assets.simulator.market import MarketHistory
from jutsu_assets.simulator.server import serve
from tests.proofs.installed import ROOT, Installed
from tests.support.live_dagster import LAST, START, sample_bars
from tests.support.workflow import Ended, Runners

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

RECIPE = ROOT / "deploy" / "ci" / "update-bars.yaml"
FOLLOWED = ("AAPL", "IBM")
DAY_BEFORE = date(2013, 2, 28)
A_MONTH_BEFORE = datetime(2013, 2, 1, tzinfo=UTC).timestamp() * 1000
KEEPING = ("Back up", "Keep the backup for the next run", "Keep the backup for a month", "Publish the reports")
"""What is done whether or not some symbols failed."""


def repository(folder: Path, symbols: Sequence[str]) -> Path:
    """Write what a user would have committed."""
    folder.mkdir(exist_ok=True)
    listed = ", ".join(symbols)
    (folder / "universe.yaml").write_text(f"symbols: [{listed}]\nhistory_start: {START}\n", encoding="utf-8")
    (folder / "requirements.txt").write_text(f"jutsu=={version('jutsu')}\n", encoding="utf-8")
    return folder


@contextmanager
def evening(
    installed: Installed, folder: Path, session: date = LAST, symbols: Sequence[str] = FOLLOWED
) -> Iterator[tuple[Runners, SchwabSimulator]]:
    """Yield runners, in the evening of a session, and the source that they ask."""
    history = MarketHistory({symbol: sample_bars(symbol) for symbol in FOLLOWED})
    after = datetime.combine(session, datetime.min.time(), UTC) + timedelta(days=1, hours=1)
    simulator = SchwabSimulator(history, clock=SimulatorClock(after, rate=0.0))
    with serve(simulator, port=0) as server:
        secrets = {
            "secrets.SCHWAB_API_KEY": simulator.key,
            "secrets.SCHWAB_APP_SECRET": simulator.secret,
            "secrets.SCHWAB_TOKEN": json.dumps(simulator.issue_login()),
        }
        # A simulator is not live: the one thing that is not as the recipe has it.
        theirs = {"JUTSU_REQUIRE_LIVE": "0", "SCHWAB_BASE_URL": server.url}
        kept = repository(folder / "repository", symbols)
        yield Runners(RECIPE, kept, folder / "kept", installed.commands, secrets, theirs), simulator


def pages(runners: Runners, number: int) -> set[str]:
    return {path.stem for path in runners.artifact(number, "reports").glob("*.html")}


def assert_done(ended: Ended) -> None:
    assert ended.conclusion == "success", {name: ended.said.get(name, "")[-1500:] for name in ended.outcomes}


def test_a_day_goes_on_from_the_backup_of_the_day_before_in_a_folder_where_nothing_is(
    installed: Installed, folder: Path
) -> None:
    with evening(installed, folder, DAY_BEFORE) as (runners, _):
        first = runners.run(1)
        assert_done(first)
        assert "every history is fetched whole" in first.said["Restore the store"]
        assert pages(runners, 1) == {*FOLLOWED, "index"}
    with evening(installed, folder) as (runners, simulator):
        second = runners.run(2)
        assert_done(second)
        assert "2 symbols now" in second.said["Restore the store"]
        assert "2 bars inserted" in second.said["Update"]
        # The last days, and no history.
        assert all(int(asked.param("startDate") or 0) > A_MONTH_BEFORE for asked in simulator.requests)
        assert len(simulator.requests) == len(FOLLOWED)
        assert pages(runners, 2) == {*FOLLOWED, "index"}
        # A day on which nothing is new: what is derived is not in the backup, and is made all the same.
        third = runners.run(3, backup_of_run="2")
        assert_done(third)
        assert third.outcomes["Fetch the newest backup"] == "skipped"
        assert "0 bars inserted" in third.said["Update"]
        assert "lake: 2 files" in third.said["Check"]
        assert pages(runners, 3) == {*FOLLOWED, "index"}


def test_one_symbol_that_fails_makes_the_run_red_and_the_rest_is_kept_and_published(
    installed: Installed, folder: Path
) -> None:
    with evening(installed, folder, symbols=("AAPL", "APPL", "IBM")) as (runners, _):
        ended = runners.run(1)
        assert ended.conclusion == "failure"
        failed = {name for name, outcome in ended.outcomes.items() if outcome == "failure"}
        assert failed == {"Update", "Check"}
        assert "APPL: failed: symbol 'APPL' must be one that simulator knows" in ended.said["Update"]
        assert "APPL" in ended.said["Check"]
        assert all(ended.outcomes[name] == "success" for name in KEEPING)
        assert pages(runners, 1) == {*FOLLOWED, "index"}
        assert "2 symbols" in ended.said["Back up"]


def test_a_forgotten_secret_is_an_error_and_nothing_is_kept(installed: Installed, folder: Path) -> None:
    with evening(installed, folder) as (runners, _):
        forgetful = Runners(RECIPE, runners.repository, runners.kept, runners.commands, {}, {})
        ended = forgetful.run(1)
    assert ended.outcomes["Update"] == "failure"
    assert "bars must come from Schwab" in ended.said["Update"]
    assert not forgetful.cache.exists()
    assert not forgetful.artifact(1, "backup").exists()
    assert not forgetful.artifact(1, "reports").exists()
