"""Everything that can be wrong is found, is one line, and names its remedy."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace

import dagster as dg
import pytest
from sqlalchemy import Engine

from jutsu_assets.clock import SystemSleeper
from jutsu_assets.instance.beginning import DATABASES
from jutsu_assets.instance.home import HistoryPlace
from jutsu_assets.instance.mending import mend_history
from jutsu_assets.instance.outcomes import outcomes_of
from jutsu_assets.instance.processes import BEGAN_TAG, HOST_TAG, PID_TAG, RunProcess
from jutsu_assets.lake.files import Lake
from jutsu_assets.monitoring.checks import CHECKS, problems_of
from jutsu_assets.monitoring.observed import Observed, Place
from jutsu_assets.schwab.tokens import FileTokenStore
from jutsu_assets.store.engine import Database
from jutsu_assets.store.manifest import input_hash_of
from jutsu_assets.store.replica import Lag
from jutsu_assets.store.reports import StoredReport
from jutsu_core.access import FAILURES_TO_OPEN, MOST_CREDITS, RETRY_COST, after_failure, after_retry
from jutsu_core.bars import Timeframe, bars_to_frame
from jutsu_core.quality.findings import Finding
from tests.jutsu_assets.instance.histories import instance_of
from tests.jutsu_assets.monitoring.conftest import SYMBOLS, Installation
from tests.support.builders import bar

D1 = Timeframe.D1


def found(installation: Installation) -> dict[str, str]:
    """Return what is wrong by the check that found it."""
    with installation.look() as observed:
        return {problem.check: problem.said for problem in problems_of(observed)}


def test_a_sound_installation_has_no_problem(installation: Installation) -> None:
    assert found(installation) == {}


def dead_run(at: Installation) -> None:
    gone = RunProcess.current().tags | {PID_TAG: "999999", BEGAN_TAG: "1.0"}
    with instance_of(at.home) as instance:
        instance.add_run(
            dg.DagsterRun(job_name="daily_update", run_id="dead-run", status=dg.DagsterRunStatus.STARTED, tags=gone)
        )
    assert gone[HOST_TAG]


def two_heads(at: Installation) -> None:
    with instance_of(at.home):
        pass
    with closing(sqlite3.connect(at.home / DATABASES[0])) as connection, connection:
        connection.execute("INSERT INTO alembic_version VALUES ('another')")


def waiting_run(at: Installation) -> None:
    with instance_of(at.home) as instance:
        instance.add_run(dg.DagsterRun(job_name="daily_update", run_id="queued", status=dg.DagsterRunStatus.STARTING))
    at.clock.moment = at.clock.moment.replace(year=2100)


def held_slot(at: Installation) -> None:
    with instance_of(at.home) as instance:
        instance.add_run(dg.DagsterRun(job_name="daily_update", run_id="ended", status=dg.DagsterRunStatus.SUCCESS))
        instance.event_log_storage.set_concurrency_slots("schwab", 1)
        instance.event_log_storage.claim_concurrency_slot("schwab", "ended", "daily")


def open_breaker(at: Installation) -> None:
    for _ in range(FAILURES_TO_OPEN):
        at.market.ledger.change(lambda state, now: after_failure(state, now, "me", "Schwab answered 503"))


def spent_requests(at: Installation) -> None:
    with at.market.database.writing() as connection:
        connection.exec_driver_sql("insert into api_days (day, requests) values ('2013-03-04', 20000)")


def spent_retries(at: Installation) -> None:
    for _ in range(MOST_CREDITS // RETRY_COST):
        at.market.ledger.change(after_retry)


def failed_partition(at: Installation) -> None:
    at.market.failures.record(["IBM", "UNFOLLOWED"], ["daily_bars"], "Schwab answered 404")


def finding(rule: str) -> Callable[[Installation], None]:
    def spoil(at: Installation) -> None:
        at.market.findings.record("IBM", D1, basis="x", findings=[Finding(rule, None, "found")])

    return spoil


def lake(at: Installation) -> Lake:
    return Lake(at.settings.lake_path, at.market.manifest, at.clock)


def publish(at: Installation, *symbols: str) -> None:
    for symbol in symbols:
        version = at.market.bars.version(symbol, D1)
        assert version is not None
        basis = input_hash_of(version.content_hash, "definitions")
        lake(at).publish("daily_indicators", symbol, bars_to_frame(symbol, [bar(date(2013, 3, 1))]), input_hash=basis)


def stale_series(at: Installation) -> None:
    publish(at, "AAPL", "IBM")
    at.write("IBM", day=date(2013, 2, 28))


def stale_report(at: Installation) -> None:
    for symbol in SYMBOLS:
        version = at.market.bars.version(symbol, D1)
        assert version is not None
        content = version.content_hash if symbol != "MSFT" else "of other bars"
        at.market.reports.save(symbol, StoredReport(input_hash_of(content, "settings"), {}))


def emptied_file(at: Installation) -> None:
    publish(at, *SYMBOLS)
    path = at.settings.lake_path / at.market.manifest.all_current()[0].path
    path.write_bytes(b"")


def stray_file(at: Installation) -> None:
    publish(at, *SYMBOLS)
    stray = at.settings.lake_path / "daily_indicators" / ".AAPL.left"
    stray.write_bytes(b"left")
    then = (at.clock.now() - timedelta(days=2)).timestamp()
    os.utime(stray, (then, then))


def broken_universe(at: Installation) -> None:
    (at.folder / "universe.yaml").write_text("symbols: [aapl]\nhistory_start: 2011-01-03\n", encoding="utf-8")


def lost_bars(at: Installation) -> None:
    with at.market.database.writing() as connection:
        connection.exec_driver_sql("delete from bars")


def symbol_behind(at: Installation) -> None:
    at.clock.advance(timedelta(days=2))
    at.write("AAPL", "IBM", day=date(2013, 3, 5))


def nothing_stored(at: Installation) -> None:
    with at.market.database.writing() as connection:
        for table in ("bars", "partition_versions", "coverage"):
            connection.exec_driver_sql(f"delete from {table}")  # noqa: S608 - names of ours


def added_symbol(at: Installation) -> None:
    text = (at.folder / "universe.yaml").read_text(encoding="utf-8")
    (at.folder / "universe.yaml").write_text(text.replace("AAPL", "NVDA, AAPL", 1), encoding="utf-8")


def replica_of_a_file(at: Installation) -> None:
    at.settings = replace(at.settings, read_url="postgresql://me:S3CRET@replica/jutsu")


def cache_of_a_file(at: Installation) -> None:
    at.settings = replace(at.settings, cache_url="redis://me:S3CRET@cache.example/0")


def broker_that_is_gone(at: Installation) -> None:
    at.environment["JUTSU_CELERY_BROKER"] = "redis://me:S3CRET@127.0.0.1:1/0"


WRONG = {
    "the_broker_listens": (
        broker_that_is_gone,
        "Celery's broker must listen at 127.0.0.1:1, does not: [Errno 111] Connection refused; start it, or correct",
    ),
    "something_is_stored": (nothing_stored, "none of the 3 symbols that are followed has a bar; run `jutsu update`"),
    "every_symbol_was_asked_for": (added_symbol, "NVDA: nothing was ever asked of what the universe file follows; run"),
    "run_history_is_whole": (two_heads, "more than one head"),
    "no_run_is_dead": (dead_run, "run dead-run says STARTED"),
    "no_slot_is_held": (held_slot, "run ended has ended and holds a slot of schwab; `jutsu doctor --mend` frees it"),
    "the_queue_moves": (waiting_run, "1 runs have been waiting for more than an hour, such as queued; see that"),
    "the_universe_can_be_read": (broken_universe, "'aapl'"),
    "the_replica_serves": (
        replica_of_a_file,
        "JUTSU_DATABASE_URL must be PostgreSQL where JUTSU_DATABASE_READ_URL is set, since a replica",
    ),
    "the_cache_answers": (
        cache_of_a_file,
        "JUTSU_CACHE_URL must be unset where the store is SQLite, was set: a file answers sooner",
    ),
    "the_store_is_sound": (lost_bars, "disagrees with its bars (number of bars"),
    "the_breaker_is_closed": (open_breaker, "5 requests failed in a row (the last: Schwab answered 503); the next"),
    "requests_are_left": (spent_requests, "the day's requests are spent; wait until tomorrow"),
    "retries_are_left": (spent_retries, "the retries that all processes share are spent"),
    "partitions_are_made": (failed_partition, "IBM: daily_bars failed at 2013-03-04 22:00 UTC: Schwab answered 404"),
    "bars_are_sound": (finding("bars_are_stored"), "bars_are_stored: 1 open (IBM 1); see `jutsu quality list"),
    "bars_are_usual": (finding("no_bar_is_stale"), "no_bar_is_stale: 1 open (IBM 1); see `jutsu quality list"),
    "bars_are_fresh": (symbol_behind, "MSFT 2 lack so many of the newest sessions; run `jutsu update`"),
    "series_follow_their_bars": (
        stale_series,
        "daily_indicators of IBM, MSFT is not made of the bars that are stored; run `jutsu update`",
    ),
    "the_lake_is_whole": (emptied_file, "is empty; materialize daily_indicators of AAPL again"),
    "the_lake_is_swept": (stray_file, "1 files that nothing names lie in"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found_by_its_check_alone(installation: Installation, name: str) -> None:
    spoil, said = WRONG[name]
    spoil(installation)
    problems = found(installation)
    assert said in problems.pop(name)
    assert problems == {}


def test_a_report_of_other_bars_is_stale(installation: Installation) -> None:
    stale_report(installation)
    assert found(installation) == {
        "series_follow_their_bars": "symbol_performance of MSFT is not made of the bars that are stored; run `jutsu"
        " update`"
    }


def test_a_portfolio_that_failed_is_named_as_long_as_it_is_there(installation: Installation) -> None:
    installation.market.failures.record(["mine"], ["portfolio_performance"], "fills.csv, row 3: no number")
    assert found(installation) == {}
    file = installation.folder / "portfolios" / "mine.yaml"
    file.parent.mkdir()
    file.write_text("fills: fills.csv\nhistory: history.csv\n", encoding="utf-8")
    assert found(installation) == {
        "partitions_are_made": "mine: portfolio_performance failed at 2013-03-04 22:00 UTC: fills.csv, row 3: no number"
    }


def test_live_bars_lag_behind_the_exchange(live: Installation) -> None:
    token = {"access_token": "a", "refresh_token": "r", "expires_at": 1}
    assert live.settings.credentials is not None
    store = FileTokenStore(live.settings.credentials.token_path, clock=live.clock)
    store.write({"creation_timestamp": int(live.clock.now().timestamp()), "token": token})
    assert "bars_are_fresh" not in found(live)
    live.clock.advance(timedelta(hours=1))
    assert found(live)["bars_are_fresh"].startswith("AAPL 1, IBM 1, MSFT 1 lack so many of the newest sessions")
    live.clock.advance(timedelta(days=5, hours=12))
    problems = found(live)
    assert problems["bars_are_fresh"].startswith("AAPL 5, ")
    assert "jutsu login" in problems["the_login_is_alive"]


def test_a_full_disk_and_a_library_with_a_bug_are_found(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    assert "has room for 1,048,576 bytes alone; make room" in found(installation)["the_disk_has_room"]
    store = SimpleNamespace(has_wal_reset_bug=True, findings=("SQLite (its WAL-reset bug): pip install", "other"))
    with installation.look() as observed:
        observed.__dict__["store"] = store
        problems = {problem.check: problem.said for problem in problems_of(observed)}
    assert problems["the_sqlite_library_is_sound"] == "SQLite (its WAL-reset bug): pip install"
    assert problems["the_store_is_sound"] == "other"


@pytest.mark.parametrize(
    ("lag", "said"),
    [
        (None, None),
        (Lag(0, 0.0), None),
        (Lag(10_000, 59.0), None),
        (Lag(10_000, 3_600.4), "the read replica is 10,000 bytes and 3,600 s behind; see pg_stat_replication"),
        (Lag(10_000, None), "the read replica is 10,000 bytes for an unknown time behind; see pg_stat_replication"),
    ],
)
def test_a_replica_that_does_not_follow_is_found(installation: Installation, lag: Lag | None, said: str | None) -> None:
    with installation.look() as observed:
        observed.__dict__["replica_lag"] = lag
        lines = [problem.said for problem in problems_of(observed) if problem.check == "replica_is_close"]
    assert len(lines) == (said is not None)
    assert all(line.startswith(said or "") for line in lines)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("", None),
        ("%20-cdefault_transaction_read_only%3Don", "takes no writes (default_transaction_read_only)"),
        ("%20-crole%3Dpg_read_all_data", "does not let pg_read_all_data write"),
    ],
)
def test_a_server_that_takes_no_writes_is_found(
    installation: Installation, postgres_url: str, change: str, said: str | None
) -> None:
    schema = postgres_url.rpartition("%3D")[2]
    with closing(Database(postgres_url, SystemSleeper())) as database, database.writing() as connection:
        connection.exec_driver_sql(f"grant usage on schema {schema} to pg_read_all_data")
    installation.settings = replace(installation.settings, database_url=f"{postgres_url}{change}")
    with installation.look() as observed:
        lines = [problem.said for problem in problems_of(observed) if problem.check == "the_store_takes_writes"]
    assert len(lines) == (said is not None)
    assert all(f"must be writable, but the server {said}; name the server that takes writes" in line for line in lines)


def test_a_clock_that_differs_from_the_servers_is_found(installation: Installation) -> None:
    with installation.look() as observed:
        observed.__dict__["clock_ahead_seconds"] = -61.0
        (problem,) = problems_of(observed)
    assert problem.check == "the_clock_is_right"
    assert problem.said.startswith("this machine's clock is 61 s behind the database's; set the clock")


def test_nothing_stored_is_one_problem_and_not_one_of_each_check(installation: Installation) -> None:
    installation.market.database.close()
    (installation.settings.home / "jutsu.db").unlink()
    problems = found(installation)
    assert list(problems) == ["there_is_a_store"]
    assert "nothing is stored in" in problems["there_is_a_store"]


def test_every_check_is_tried_here_and_has_a_remedy() -> None:
    elsewhere = {
        "the_login_is_alive",
        "the_sqlite_library_is_sound",
        "the_disk_has_room",
        "the_clock_is_right",
        "replica_is_close",
        "the_store_takes_writes",
        "there_is_a_store",
    }
    assert {check.name for check in CHECKS} == WRONG.keys() | elsewhere
    assert all(check.remedy for check in CHECKS)


def test_what_holds_a_slot_is_mended(installation: Installation) -> None:
    held_slot(installation)
    dead_run(installation)
    with installation.look() as observed:
        done = mend_history(observed.history, observed.outcomes.held_slots)
    assert any("dead-run" in line and line.endswith("it is ended") for line in done)
    assert "the slot of schwab that run ended held is free" in done
    assert found(installation) == {}


def test_outcomes_are_the_same_told_by_dagster(installation: Installation) -> None:
    """A history that another class than ours keeps is read through Dagster's own interfaces."""
    held_slot(installation)
    waiting_run(installation)
    now = installation.clock.now()
    ours = outcomes_of(HistoryPlace(home=installation.home, folder=installation.home), {}, now)
    assert ours == outcomes_of(HistoryPlace(home=installation.home), {}, now)
    assert ours.counts == {"SUCCESS": 1, "STARTING": 1}
    assert ours.held_slots == {"ended": "schwab"}
    assert ours.waiting == {"queued": "STARTING"}


def test_the_quick_ones_count_no_bar_and_open_no_file(installation: Installation) -> None:
    publish(installation, *SYMBOLS)
    with installation.look() as observed:
        problems_of(observed, only_quick=True)
        assert not observed.__dict__.keys() & {"store", "strays"}


def test_an_older_store_is_one_problem(installation: Installation) -> None:
    with installation.market.database.writing() as connection:
        connection.exec_driver_sql("update jutsu_schema_version set version_num = '0004'")
    installation.market.database.close()
    assert list(found(installation)) == ["the_store_is_sound"]


def test_a_server_that_does_not_answer_is_asked_once(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    engine_of = Database._ready_engine

    def counted(database: Database) -> Engine:
        asked.append(database.shown_url)
        return engine_of(database)

    monkeypatch.setattr(Database, "_ready_engine", counted)
    monkeypatch.setattr(SystemSleeper, "sleep", lambda *_: None)
    url = "postgresql+psycopg://me:secret-word@127.0.0.1:1/jutsu"
    place = Place(replace(installation.settings, database_url=url), installation.environment, installation.folder)
    with Observed.opened(place, installation.clock) as observed:
        (problem,) = problems_of(observed)
    assert problem.check == "there_is_a_store"
    assert "must be reachable" in problem.said
    assert "secret-word" not in problem.said
    assert len(asked) == 1
