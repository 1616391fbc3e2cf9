"""``jutsu doctor``, as a user types it."""

import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dagster._core.storage.sqlite import LAST_KNOWN_STAMPED_SQLITE_ALEMBIC_REVISION

from jutsu_assets.commands.cli import main
from jutsu_assets.instance.beginning import DATABASES
from jutsu_assets.lake.files import Lake
from jutsu_assets.monitoring.observed import Observed
from jutsu_assets.schwab.tokens import FileTokenStore
from jutsu_assets.starter import UNIVERSE, packaged
from jutsu_assets.store.failures import PartitionFailures
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.store.replica import Lag
from jutsu_core.access import FAILURES_TO_OPEN, Limits, after_failure
from jutsu_core.bars import Timeframe, bars_to_frame
from jutsu_core.quality.findings import Finding
from tests.support.builders import SettableClock, bar, fetched

D1 = Timeframe.D1
DAY = date(2013, 3, 1)


def jutsu(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, arguments, input=typed)


@pytest.mark.usefixtures("url")
def test_doctor_finds_a_sound_store_sound() -> None:
    result = jutsu("doctor")
    assert result.exit_code == 0, result.output
    for shown in ("SAMPLE store", "1 of 1 symbols", "(newest)", "wal", "none is needed", "Nothing to mend."):
        assert shown in result.output


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize(
    ("lag", "fact"),
    [
        (Lag(0, 0.0), "read replica: shows all that there is"),
        (Lag(12_000, 3.21), "read replica: 12,000 bytes and 3.2 s behind"),
        (Lag(12_000, None), "read replica: 12,000 bytes for an unknown time behind"),
    ],
)
def test_doctor_tells_how_far_a_replica_is_behind(lag: Lag, fact: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Observed, "replica_lag", lag)
    assert fact in jutsu("doctor").output


@pytest.mark.usefixtures("url")
def test_doctor_is_silent_about_a_replica_and_a_cache_that_nobody_named() -> None:
    output = jutsu("doctor").output
    assert "replica" not in output
    assert "Redis" not in output


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
    (home.parent / "universe.yaml").write_bytes(packaged(UNIVERSE).read_bytes())
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
def test_doctor_finds_a_run_history_with_two_heads_and_mends_it(home: Path) -> None:
    assert jutsu("init").exit_code == 0
    history = home / "dagster"
    with closing(sqlite3.connect(history / DATABASES[0])) as connection, connection:
        connection.execute("INSERT INTO alembic_version VALUES (?)", (LAST_KNOWN_STAMPED_SQLITE_ALEMBIC_REVISION,))
    found = jutsu("doctor")
    assert found.exit_code == 1
    assert f"run history: {history}" in found.output
    assert "more than one head" in found.output
    assert "`jutsu doctor --mend` mends it" in found.output
    mended = jutsu("doctor", "--mend")
    assert mended.exit_code == 0, mended.output
    assert f"mended: {history / DATABASES[0]} has one head again" in mended.output
    assert jutsu("doctor").exit_code == 0


def test_doctor_speaks_of_the_run_history_also_where_no_bar_is_stored(home: Path) -> None:
    (home / "dagster" / "history").mkdir(parents=True)
    (home / "dagster" / DATABASES[0]).write_text("no database, and long enough to be read" * 100, encoding="utf-8")
    found = jutsu("doctor")
    assert found.exit_code == 1
    assert "must be a whole SQLite database" in found.output
    assert "nothing is stored in" in found.output


def test_doctor_names_the_followed_symbols_that_failed_and_why(url: str) -> None:
    database = MarketDatabase(url, source="simulator")
    failures = PartitionFailures(database.database, SettableClock())
    failures.record(["IBM"], ["daily_bars", "daily_indicators"], "Schwab answered 503")
    failures.record(["UNFOLLOWED"], ["daily_bars"], "Schwab answered 404")
    database.database.close()
    found = jutsu("doctor")
    assert found.exit_code == 1
    assert re.search(r"- IBM: daily_bars, daily_indicators failed at \S+ \S+ UTC: Schwab answered 503", found.output)
    assert "UNFOLLOWED" not in found.output


@pytest.mark.parametrize(
    ("rule", "status", "said"),
    [
        ("no_bar_is_stale", 0, "to look at: no_bar_is_stale: 1 open (IBM 1)"),
        ("bars_are_stored", 1, "- bars_are_stored: 1"),
    ],
)
def test_doctor_asks_to_look_at_a_warning_and_to_mend_an_error(url: str, rule: str, status: int, said: str) -> None:
    database = MarketDatabase(url, source="simulator")
    database.findings.record("IBM", D1, basis="x", findings=[Finding(rule, None, "what was found")])
    database.database.close()
    found = jutsu("doctor")
    assert found.exit_code == status, found.output
    assert said in found.output


def test_doctor_says_once_what_met_many_symbols(url: str) -> None:
    database = MarketDatabase(url, source="simulator")
    database.failures.record(["AAPL", "FB", "IBM"], ["daily_bars"], "not tried: the login is dead")
    database.database.close()
    found = jutsu("doctor")
    assert found.output.count("the login is dead") == 1
    assert "- AAPL, FB, IBM: daily_bars failed at " in found.output


def test_doctor_names_a_universe_that_cannot_be_read(url: str, tmp_path: Path) -> None:
    del url
    (tmp_path / "universe.yaml").write_text("symbols: [aapl]\nhistory_start: 2011-01-03\n", encoding="utf-8")
    found = jutsu("doctor")
    assert found.exit_code == 1
    assert "'aapl'" in found.output
    assert "SAMPLE store" in found.output


def test_doctor_reads_every_bar_when_asked_to(url: str) -> None:
    database = MarketDatabase(url, source="simulator")
    with database.database.writing() as connection:
        connection.exec_driver_sql("update bars set volume = volume + 1")
    database.database.close()
    assert "counts and bounds (--deep reads every bar)" in jutsu("doctor").output
    found = jutsu("doctor", "--deep")
    assert found.exit_code == 1
    assert "every bar" in found.output
    assert "disagrees with its bars (content hash)" in found.output


def test_doctor_finds_a_file_of_the_lake_that_is_not_what_was_written(url: str, home: Path) -> None:
    database = MarketDatabase(url, source="simulator")
    lake = Lake(home / "sample" / "lake", database.manifest, SettableClock())
    frame = bars_to_frame("IBM", [bar(DAY)])
    file = lake.publish("daily_indicators", "IBM", frame, input_hash="x")
    database.database.close()
    found = jutsu("doctor")
    assert found.exit_code == 0, found.output
    assert "lake: 1 files in" in found.output
    (home / "sample" / "lake" / file.path).write_bytes(b"")
    for options in ([], ["--deep"]):
        found = jutsu("doctor", *options)
        assert found.exit_code == 1
        assert "daily_indicators of IBM: the file" in found.output
        assert "is empty; materialize daily_indicators of IBM again" in found.output


def test_doctor_speaks_json_to_monitoring(url: str) -> None:
    sound = json.loads(jutsu("doctor", "--json").stdout)
    assert sound["is_sound"] is True
    assert [problem["check"] for problem in sound["problems"]] == ["every_symbol_was_asked_for"]
    assert sound["source"] == "simulator"
    assert datetime.fromisoformat(sound["at"]).tzinfo is not None
    database = MarketDatabase(url, source="simulator")
    database.failures.record(["IBM"], ["daily_bars"], "Schwab answered 404")
    database.database.close()
    found = jutsu("doctor", "--json")
    assert found.exit_code == 1
    (problem,) = [one for one in json.loads(found.stdout)["problems"] if one["gravity"] == "error"]
    assert problem["check"] == "partitions_are_made"
    assert problem["gravity"] == "error"
    assert problem["remedy"] == "as the reason says; then `jutsu update`"
    assert "Schwab answered 404" in problem["said"]


def test_doctor_is_strict_when_told_to(url: str) -> None:
    database = MarketDatabase(url, source="simulator")
    database.findings.record("IBM", D1, basis="x", findings=[Finding("no_bar_is_stale", None, "what was found")])
    database.database.close()
    assert jutsu("doctor").exit_code == 0
    strict = jutsu("doctor", "--strict")
    assert strict.exit_code == 1
    assert "no_bar_is_stale" in strict.stdout


def test_doctor_says_that_the_settings_are_wrong_by_another_status(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    del url
    monkeypatch.setenv("JUTSU_LOG_LEVEL", "loud")
    result = jutsu("doctor")
    assert result.exit_code == 2
    assert "JUTSU_LOG_LEVEL must be one of debug, info, warning, error, was 'loud'" in result.output
