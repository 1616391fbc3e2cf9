"""Jutsu as a user has it: installed from its wheel, run in a folder of the user's own."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 300


@dataclass(frozen=True)
class Installed:
    """An environment into which the wheel was installed.

    Attributes:
        commands: The folder of its commands.
    """

    commands: Path

    def run(self, folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment in ``folder``, with nothing of ours in its variables."""
        done = self.start(folder, *command, **variables)
        out, err = done.communicate(timeout=_SECONDS)
        return subprocess.CompletedProcess(command, done.returncode, out, err)

    def start(self, folder: Path, *command: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command of the environment in ``folder``."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return subprocess.Popen(
            [self.commands / command[0], *command[1:]],
            cwd=folder,
            env=kept | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def ended(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Return what each process ended with, and the end of what it said."""
    return [(process.wait(_SECONDS), said[-3000:]) for process in processes for said in [_said(process)]]


def _said(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=_SECONDS)
    return out + err


_OURS = ("JUTSU_", "SCHWAB_", "DAGSTER_", "PYTEST_", "PYTHON", "VIRTUAL_ENV")
