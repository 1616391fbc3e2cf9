"""``jutsu simulator --data``: how its files are read can be said, and what was left out is shown."""

from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from jutsu_assets.commands.simulator import simulator
from jutsu_assets.simulator.server import SimulatorServer

HEAD = "date;open;high;low;close\n"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[SimulatorServer]:
    """The servers that a command started; each ends at once instead of waiting."""
    servers: list[SimulatorServer] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(SimulatorServer, "wait", lambda server: servers.append(server))  # noqa: PLW0108 - to be bound
    return servers


def test_the_options_of_the_reader_are_those_of_the_command(tmp_path: Path, served: list[SimulatorServer]) -> None:
    (tmp_path / "bars").mkdir()
    rows = "".join(f"{day}/02/2024;1,5;2;1;2\n" for day in ("05", "06", "10"))
    (tmp_path / "bars" / "$SPX.csv").write_text(HEAD + rows + "Summe;;;;\n", encoding="utf-8")
    options = ["--date-order", "day_first", "--decimal", ",", "--no-volume", "zero", "--on-bad-row", "quarantine"]
    result = CliRunner().invoke(simulator, ["--port", "0", "--data", "bars", *options])
    assert result.exit_code == 0, result.output
    (server,) = served
    bars = server.simulator.history.daily("$SPX", as_of=date(2025, 1, 1))
    assert [(one.session.isoformat(), str(one.open), one.volume) for one in bars] == [
        ("2024-02-05", "1.5000", 0),
        ("2024-02-06", "1.5000", 0),
    ]
    assert "2 rows were left out:" in result.output
    assert (
        "$SPX.csv, line 4, column date: must be a day from Monday to Friday, was Saturday 2024-02-10" in result.output
    )
    assert "$SPX.csv, line 5, column date: must be a date" in result.output


def test_ten_rows_are_shown_and_the_others_counted(tmp_path: Path, served: list[SimulatorServer]) -> None:
    (tmp_path / "bars").mkdir()
    (tmp_path / "bars" / "X.csv").write_text(HEAD + "2024-02-05;1.5;2;1;2\n" + "junk;;;;\n" * 1_500, encoding="utf-8")
    options = ["--no-volume", "zero", "--on-bad-row", "quarantine", "--decimal", "."]
    result = CliRunner().invoke(simulator, ["--port", "0", "--data", "bars", *options])
    assert result.exit_code == 0, result.output
    assert len(served) == 1
    assert "1,500 rows were left out:" in result.output
    assert result.output.count("column date: must be a date") == 10
    assert "and 1,490 more" in result.output


def test_what_the_reader_refuses_starts_no_server(tmp_path: Path, served: list[SimulatorServer]) -> None:
    (tmp_path / "bars").mkdir()
    (tmp_path / "bars" / "X.csv").write_text(HEAD + "2024-02-05;1,5;2;1;2\n", encoding="utf-8")
    result = CliRunner().invoke(simulator, ["--port", "0", "--data", "bars"])
    assert result.exit_code == 1
    assert "X.csv, line 2, column open: must be a number such as" in str(result.exception)
    assert served == []
