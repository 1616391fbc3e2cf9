"""A run that is killed at the command line is found dead and ended: it holds no place in the queue for ever."""

from pathlib import Path

from tests.proofs.installed import Installed
from tests.proofs.test_installed import MATERIALIZE


def test_a_killed_run_is_found_and_ended(installed: Installed, folder: Path) -> None:
    assert installed.run(folder, "jutsu", "init").returncode == 0
    run = installed.start(folder, *MATERIALIZE, "--partition-range", "AAPL...MSFT", DAGSTER_HOME=str(folder))
    assert run.stderr is not None
    assert any("STEP_START" in line for line in run.stderr)
    run.kill()  # at once: five symbols take no longer than it takes to ask the doctor before
    run.communicate()
    found = installed.run(folder, "jutsu", "doctor")
    assert found.returncode == 1
    assert "says STARTED, but its process is gone" in found.stdout
    mended = installed.run(folder, "jutsu", "doctor", "--mend")
    assert "it is ended" in mended.stdout
    assert "its process is gone, and it may hold" not in installed.run(folder, "jutsu", "doctor").stdout
