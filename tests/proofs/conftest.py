"""Proofs take minutes and install what a user installs: ``make proof`` runs them, ``make test`` does not.

A module runs in one process, in order: its tests may build on each other.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from filelock import FileLock

from tests.proofs.installed import ROOT, Installed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as slow."""
    here = Path(__file__).parent
    for item in items:
        if item.path.parent == here:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel of this tree, with its sample data, in an environment of its own: one for all workers of a session."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    environment, is_whole = shared / "installed", shared / "installed.whole"
    with FileLock(shared / "installed.lock"):
        if not is_whole.exists():
            _install(shared / "wheels", environment)
            is_whole.touch()
    return Installed(_commands(environment))


def _install(wheels: Path, environment: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = wheels.glob("jutsu-*.whl")
    venv.create(environment, with_pip=True)
    python = _commands(environment) / "python"
    constraint = ["--constraint", str(ROOT / "requirements.lock")]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *constraint, f"{wheel}[sample]"], check=True)


def _commands(environment: Path) -> Path:
    return environment / ("Scripts" if os.name == "nt" else "bin")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    made = tmp_path / "folder"
    made.mkdir()
    return made
