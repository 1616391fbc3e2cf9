"""The commands that look after the system of record, as a user types them."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from jutsu_assets.commands.cli import main
from jutsu_assets.schwab.tokens import FileTokenStore
from jutsu_assets.store.market import MarketDatabase
from jutsu_core.access import FAILURES_TO_OPEN, Limits, after_failure
from jutsu_core.bars import Timeframe
from tests.support.builders import SettableClock, bar, fetched
from tests.support.postgres import running_server

D1 = Timeframe.D1
DAY = date(2013, 3, 1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home in the environment."""
    for name in ("JUTSU_DATABASE_URL", "SCHWAB_API_KEY", "SCHWAB_APP_SECRET", "SCHWAB_BASE_URL", "SCHWAB_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUTSU_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "home"


@pytest.fixture
def url(home: Path) -> str:
    """A store with one bar that was restated and one that was withdrawn."""
    url = f"sqlite:///{home / 'sample' / 'jutsu.db'}"
    clock = SettableClock()
    database = MarketDatabase(url, source="simulator", clock=clock)
    first, after = datetime(2013, 2, 28, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC)
    database.bars.write("AAPL", D1, fetched(bar(date(2013, 2, 28), "88"), bar(DAY, "90")))
    clock.advance(timedelta(days=1))
    database.bars.write("AAPL", D1, fetched(bar(DAY, "45"), start=first, end=after), replace=True)
    database.database.close()
    return url


def jutsu(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, arguments, input=typed)


def holds(url: str) -> int:
    database = MarketDatabase(url, source="simulator")
    version = database.bars.version("AAPL", D1)
    database.database.close()
    return version.rows if version else 0


@pytest.mark.usefixtures("url")
def test_doctor_finds_a_sound_store_sound() -> None:
    result = jutsu("doctor")
    assert result.exit_code == 0, result.output
    for shown in ("SAMPLE store", "1 of 1 symbols", "(newest)", "wal", "none is needed", "Nothing to mend."):
        assert shown in result.output


def test_doctor_names_what_is_wrong_and_fails(url: str) -> None:
    database = MarketDatabase(url, source="simulator")
    with database.database.writing() as connection:
        connection.exec_driver_sql("delete from bars")
    database.database.close()
    result = jutsu("doctor")
    assert result.exit_code == 1
    assert "to mend." in result.output
    assert "AAPL" in result.output


def test_doctor_tells_that_the_source_is_left_alone_and_why(url: str) -> None:
    database = MarketDatabase(url, source="simulator")
    limits = Limits(requests=9, window=timedelta(seconds=1), daily_budget=9)
    for _ in range(3):
        database.ledger.claim(limits, "me")
    assert "simulator: is asked; 3 of 20,000 requests today, 10 retries in the quota" in jutsu("doctor").output
    for _ in range(FAILURES_TO_OPEN):
        database.ledger.change(lambda state, now: after_failure(state, now, "me", "Schwab answered 503"))
    database.database.close()
    result = jutsu("doctor")
    assert result.exit_code == 1
    assert "simulator: is left alone until 20" in result.output
    assert "5 requests failed in a row (the last: Schwab answered 503)" in result.output


def test_doctor_tells_that_the_day_s_requests_are_spent(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = MarketDatabase(url, source="simulator")
    database.ledger.claim(Limits(requests=9, window=timedelta(seconds=1), daily_budget=9), "me")
    database.database.close()
    monkeypatch.setenv("JUTSU_DAILY_REQUESTS", "1")
    result = jutsu("doctor")
    assert result.exit_code == 1
    assert "1 of 1 requests today" in result.output
    assert "the day's requests are spent" in result.output


def test_doctor_creates_nothing_where_nothing_is(home: Path) -> None:
    result = jutsu("doctor")
    assert result.exit_code == 1
    assert "nothing is stored in" in result.output
    assert not home.exists()


@pytest.mark.parametrize(
    ("age", "said", "code"),
    [(timedelta(days=1), "6.0 days left", 0), (timedelta(days=6), "dies at", 1), (timedelta(days=8), "is dead", 1)],
    ids=["fresh", "nearly dead", "dead"],
)
def test_doctor_counts_the_days_of_the_login(
    home: Path, monkeypatch: pytest.MonkeyPatch, age: timedelta, said: str, code: int
) -> None:
    monkeypatch.setenv("SCHWAB_API_KEY", "key")
    monkeypatch.setenv("SCHWAB_APP_SECRET", "very-secret")
    created = int((datetime.now(UTC) - age).timestamp())  # noqa: TID251 - the command asks the machine's clock
    token = {"access_token": "a-token", "refresh_token": "r-token", "expires_at": created + 1800}
    FileTokenStore(home / "schwab_token.json").write({"creation_timestamp": created, "token": token})
    database = MarketDatabase(f"sqlite:///{home / 'live' / 'jutsu.db'}", source="schwab")
    database.bars.write("AAPL", D1, fetched(bar(DAY)))
    database.database.close()
    result = jutsu("doctor")
    assert result.exit_code == code, result.output
    assert said in result.output
    assert "Live store" in result.output
    for secret in ("very-secret", "a-token", "r-token"):
        assert secret not in result.output


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
