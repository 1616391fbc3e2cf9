"""The commands that look after the system of record, as a user types them."""

from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from jutsu_assets.commands.cli import main
from jutsu_assets.store.market import MarketDatabase
from jutsu_core.bars import Timeframe
from tests.support.builders import SettableClock, bar, fetched
from tests.support.postgres import running_server

D1 = Timeframe.D1
DAY = date(2013, 3, 1)


def jutsu(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, arguments, input=typed)


def holds(url: str) -> int:
    database = MarketDatabase(url, source="simulator")
    version = database.bars.version("AAPL", D1)
    database.database.close()
    return version.rows if version else 0


@pytest.mark.usefixtures("url")
def test_revisions_lists_what_changed_and_when() -> None:
    result = jutsu("revisions", "AAPL")
    assert result.exit_code == 0, result.output
    lines = {line.split("│")[1].strip(): line for line in result.output.splitlines() if line.startswith("│ 2013")}
    assert "withdrawn" in lines["2013-02-28"]
    assert "2013-03-05 12:00:00.000000" in lines["2013-03-01"]
    assert lines["2013-03-01"].index("90 90.5 89.5 90") < lines["2013-03-01"].index("45 45.5 44.5 45")


def test_revisions_shows_a_change_of_the_last_digit(url: str) -> None:
    database = MarketDatabase(url, source="simulator", clock=SettableClock(datetime(2014, 1, 1, tzinfo=UTC)))
    for close in ("1.000001", "1.000002"):
        database.bars.write("IBM", D1, fetched(bar(DAY, close)))
    database.database.close()
    (line,) = (line for line in jutsu("revisions", "IBM").output.splitlines() if line.startswith("│ 2013"))
    assert "1.000001" in line
    assert "1.000002" in line
    assert "2014-01-01 00:00:00.000001" in line, "a time that can be read as_of"


@pytest.mark.usefixtures("url")
def test_revisions_as_csv_are_exact_and_complete() -> None:
    table = pd.read_csv(StringIO(jutsu("revisions", "AAPL", "--csv").output), dtype=str)
    assert list(table["timestamp"]) == ["2013-02-28T00:00:00+00:00", "2013-03-01T00:00:00+00:00"]
    assert list(table["superseded_at"]) == ["2013-03-05T12:00:00+00:00"] * 2
    assert list(table["close"]) == ["88.000000", "90.000000"]
    assert table["new_close"].fillna("").to_list() == ["", "45.000000"]
    assert table["new_volume"].fillna("").to_list() == ["", "1000"]


@pytest.mark.usefixtures("url")
def test_revisions_of_an_unknown_symbol_or_timeframe_are_refused() -> None:
    assert "symbol 'NOSUCH' must have stored 1d bars" in jutsu("revisions", "NOSUCH").output
    assert "timeframe must be one of" in jutsu("revisions", "AAPL", "--timeframe", "2d").output


def test_a_backup_can_be_restored(url: str, tmp_path: Path) -> None:
    target = tmp_path / "jutsu.bak"
    made = jutsu("backup", str(target))
    assert made.exit_code == 0, made.output
    assert "1 bars of 1 symbols" in made.output
    assert "exist" in jutsu("backup", str(target)).output
    assert jutsu("backup", str(target), "--overwrite").exit_code == 0
    database = MarketDatabase(url, source="simulator")
    database.bars.write("AAPL", D1, fetched(bar(date(2013, 3, 4))))
    database.database.close()
    assert holds(url) == 2
    assert jutsu("restore", str(target), typed="n\n").exit_code == 1
    assert holds(url) == 2
    restored = jutsu("restore", str(target), typed="y\n")
    assert restored.exit_code == 0, restored.output
    assert "held 2 bars and holds 1 bars" in restored.output
    assert holds(url) == 1


@pytest.mark.usefixtures("url")
def test_a_store_can_be_copied_to_postgres(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_server(tmp_path_factory.mktemp("pg")) as server, server.fresh_url() as target:
        result = jutsu("copy", target)
        assert result.exit_code == 0, result.output
        assert "(1 bars)" in result.output
        assert holds(target) == 1
        assert "must be empty to take a copy" in jutsu("copy", target).output
