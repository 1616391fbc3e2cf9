"""What the README promises to who installs the wheel and has nothing else."""

from pathlib import Path

import pytest

from tests.proofs.installed import Installed

MATERIALIZE = (
    *("dagster", "asset", "materialize", "-m", "jutsu_assets.definitions"),
    *("--select", "daily_bars,daily_indicators,symbol_performance"),
)


def test_the_demo_runs_in_an_empty_folder_and_twice_changes_nothing(installed: Installed, folder: Path) -> None:
    first = installed.run(folder, "jutsu", "demo")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "No universe.yaml here" in first.stderr
    assert [path.name for path in folder.iterdir()] == ["var"]
    second = installed.run(folder, "jutsu", "demo")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "0 bars inserted, 0 changed" in second.stdout
    for command in (["report", "IBM"], ["sql", "select count(*) from daily_indicators"], ["doctor"]):
        shown = installed.run(folder, "jutsu", *command)
        assert shown.returncode == 0, shown.stdout + shown.stderr
        assert "\x1b" not in shown.stdout


def test_a_folder_is_begun_and_materialized_by_dagster_alone(installed: Installed, folder: Path) -> None:
    begun = installed.run(folder, "jutsu", "init")
    assert begun.returncode == 0, begun.stdout + begun.stderr
    names = {path.name for path in folder.iterdir()}
    assert names == {"universe.yaml", "dagster.yaml", "workspace.yaml", ".env.example", "strategies", "var"}
    done = installed.run(folder, *MATERIALIZE, "--partition", "IBM", DAGSTER_HOME=str(folder))
    assert done.returncode == 0, done.stderr[-3000:]
    assert (folder / "var" / "dagster" / "history" / "runs.db").is_file()
    assert installed.run(folder, "jutsu", "report", "IBM").returncode == 0
    assert "kept" in installed.run(folder, "jutsu", "init").stdout


@pytest.mark.parametrize("kind", ["jutsu init", "jutsu demo"])
def test_live_bars_without_a_universe_are_refused_and_the_remedy_works(
    installed: Installed, folder: Path, kind: str
) -> None:
    live = {"SCHWAB_API_KEY": "key", "SCHWAB_APP_SECRET": "hush"}
    refused = installed.run(folder, "jutsu", "report", **live)
    assert refused.returncode == 1
    done = installed.run(folder, *kind.split(), **live)
    assert done.returncode == 0, done.stdout + done.stderr
