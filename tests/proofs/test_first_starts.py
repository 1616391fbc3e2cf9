"""Many first starts at once, in a folder where nothing ran before."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tests.proofs.installed import Installed, ended
from tests.proofs.test_installed import MATERIALIZE

SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")


def start_ten(installed: Installed, folder: Path, *commands: Sequence[str], home: Path | None = None) -> None:
    """Start ten processes that take turns with ``commands``; all must succeed, and every database be whole."""
    variables = {} if home is None else {"DAGSTER_HOME": str(home)}
    started = [installed.start(folder, *commands[number % len(commands)], **variables) for number in range(10)]
    for status, said in ended(started):
        assert status == 0, said
    databases = list((folder / "var").rglob("*.db"))
    assert databases
    for path in databases:
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_ten_first_materializations_at_once(installed: Installed, folder: Path) -> None:
    # The settings alone: what `jutsu init` begins is left to the ten.
    (folder / "dagster.yaml").write_bytes((Path(__file__).parents[2] / "dagster.yaml").read_bytes())
    start_ten(installed, folder, *[[*MATERIALIZE, "--partition", symbol] for symbol in SYMBOLS], home=folder)


def test_ten_first_commands_of_jutsu_at_once(installed: Installed, folder: Path) -> None:
    start_ten(installed, folder, ["jutsu", "demo"], ["jutsu", "init"])
