"""Stores that may be read and not written, files with nothing in them, and streams that are left open."""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import text

from jutsu_assets.store import handlers
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database, sqlite_library
from jutsu_assets.store.handlers import DatabaseDataHandler
from jutsu_assets.store.health import examine
from jutsu_assets.store.unwritable import reading_uri
from jutsu_core.bars import Timeframe
from jutsu_core.errors import NoDataError, StoreUnavailableError
from tests.support.builders import RecordingSleeper, SettableClock, bar, days, fetched
from tests.support.data_handler_contract import BEGIN, FAR, SESSIONS, contract_history, events_of

D1 = Timeframe.D1
NOBODY = 65_534
AAPL = contract_history()["AAPL"]

needs_posix = pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter, as pytest's own are closed to others."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    path.chmod(0o755)
    shutil.rmtree(path)


@pytest.fixture
def file(folder: Path) -> Path:
    """A store of AAPL that nobody has open."""
    path = folder / "jutsu.db"
    with closing(Database(f"sqlite:///{path}", RecordingSleeper())) as database:
        SqlBarStore(database, "scripted", SettableClock()).write("AAPL", D1, fetched(*AAPL))
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(tmp_path)], check=False, capture_output=True, text=True
    ).returncode
    if mounted != 0:
        pytest.skip("no disk can be mounted here")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def fill(disk: Path) -> Path:
    """Fill ``disk``; return the file that does."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(2**12))
    return filler


@contextmanager
def without_leave_to_write(folder: Path) -> Iterator[None]:
    """Take every leave to write ``folder`` away, from root too, who is somebody else meanwhile."""
    paths = [*folder.iterdir(), folder]
    modes = [stat.S_IMODE(path.stat().st_mode) for path in paths]
    for path, mode in zip(paths, modes, strict=True):
        path.chmod(mode & ~0o222)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for path, mode in zip(paths, modes, strict=True):
            path.chmod(mode)


def hold_something(database: Database) -> None:
    SqlBarStore(database, "scripted", SettableClock()).write("MSFT", D1, fetched(*AAPL))


def read_something(database: Database) -> None:
    with database.reading():
        pass


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def expected() -> list[object]:
    return list(events_of(contract_history(), "AAPL"))


@needs_posix
@pytest.mark.parametrize("as_of", [None, SettableClock().now() + timedelta(days=1)])
def test_a_store_that_may_only_be_read_is_read_and_left_as_it_is(file: Path, as_of: object) -> None:
    before = contents(file.parent)
    with (
        without_leave_to_write(file.parent),
        DatabaseDataHandler(f"sqlite:///{file}", as_of=as_of) as handler,  # type: ignore[arg-type]  # None or a time
    ):
        assert list(handler.get_next_bar()) == expected()
        assert handler.get_bars_range("AAPL", BEGIN, FAR) == expected()
        assert handler.get_latest_bar("AAPL") == expected()[-1]
        assert len(handler.get_frame(["AAPL"], BEGIN, FAR)) == len(AAPL)
        with pytest.raises(NoDataError, match="nearest that has: 'AAPL'"):
            handler.get_frame(["APPL"], BEGIN, FAR)
    assert contents(file.parent) == before


@needs_posix
@pytest.mark.parametrize("deep", [False, True])
def test_a_store_that_may_only_be_read_is_examined(file: Path, *, deep: bool) -> None:
    before = contents(file.parent)
    with without_leave_to_write(file.parent):
        health = examine(Database(f"sqlite:///{file}", RecordingSleeper(), create=False), deep=deep)
        assert health.contents is not None
        assert (health.contents.bars, health.findings) == (len(AAPL), ())
        with closing(sqlite_library().connect(reading_uri(file), uri=True)) as connection:
            assert connection.execute("select count(*) from bars").fetchone() == (len(AAPL),)
    assert contents(file.parent) == before


@needs_posix
def test_a_file_of_somebody_else_in_a_folder_of_ours_gets_no_files_beside_it(file: Path) -> None:
    """They would be ours, and keep the other one from writing."""
    file.chmod(0o444)
    is_root = os.geteuid() == 0
    file.parent.chmod(0o777)
    try:
        if is_root:
            os.seteuid(NOBODY)
        with DatabaseDataHandler(f"sqlite:///{file}") as handler:
            assert handler.get_bars_range("AAPL", BEGIN, FAR) == expected()
            assert list(file.parent.iterdir()) == [file]
    finally:
        if is_root:
            os.seteuid(0)


@needs_posix
def test_what_a_writer_keeps_open_is_read_with_what_is_not_in_the_file_yet(file: Path) -> None:
    with closing(Database(f"sqlite:///{file}", RecordingSleeper())) as database:
        store = SqlBarStore(database, "scripted", SettableClock())
        store.write("MSFT", D1, fetched(*AAPL))
        assert file.with_name("jutsu.db-wal").stat().st_size > 0
        with without_leave_to_write(file.parent), DatabaseDataHandler(f"sqlite:///{file}") as handler:
            assert len(handler.get_bars_range("MSFT", BEGIN, FAR)) == len(AAPL)


@needs_posix
def test_a_log_that_was_copied_without_its_index_is_not_left_out_in_silence(file: Path) -> None:
    with closing(Database(f"sqlite:///{file}", RecordingSleeper())) as database:
        hold_something(database)
        copies = file.parent / "copies"
        copies.mkdir(mode=0o755)
        for name in ("jutsu.db", "jutsu.db-wal"):
            shutil.copy(file.with_name(name), copies)
    sleeper = RecordingSleeper()
    reader = Database(f"sqlite:///{copies / 'jutsu.db'}", sleeper, create=False)
    with without_leave_to_write(copies):
        with pytest.raises(StoreUnavailableError, match=r"jutsu\.db-wal must be in the database file, .*jutsu backup"):
            read_something(reader)
        assert sleeper.pauses == [], "no waiting helps"
    read_something(reader)
    reader.close()


@needs_posix
def test_a_store_that_somebody_begins_to_write_is_opened_again(file: Path) -> None:
    with DatabaseDataHandler(f"sqlite:///{file}") as handler:
        with without_leave_to_write(file.parent):
            assert len(handler.get_bars_range("AAPL", BEGIN, FAR)) == len(AAPL)
        with closing(Database(f"sqlite:///{file}", RecordingSleeper())) as database:
            hold_something(database)
        with without_leave_to_write(file.parent):
            assert len(handler.get_bars_range("MSFT", BEGIN, FAR)) == len(AAPL)


@needs_posix
def test_what_was_written_while_it_was_read_is_not_believed(file: Path) -> None:
    reader = Database(f"sqlite:///{file}", RecordingSleeper(), create=False)
    with without_leave_to_write(file.parent), reader.reading():
        pass

    def read_while_it_is_written() -> None:
        with reader.reading() as connection:
            assert connection.scalar(text("select count(*) from bars")) == len(AAPL)
            with closing(Database(f"sqlite:///{file}", RecordingSleeper())) as database:
                hold_something(database)

    with pytest.raises(StoreUnavailableError, match=r"must not change while it is read, was written meanwhile .*again"):
        read_while_it_is_written()
    reader.close()


@needs_posix
def test_a_store_that_may_only_be_read_is_not_written(file: Path) -> None:
    with without_leave_to_write(file.parent):
        database = Database(f"sqlite:///{file}", RecordingSleeper(), create=False)
        with pytest.raises(StoreUnavailableError, match="readonly"):
            hold_something(database)
        database.close()


@pytest.mark.parametrize("create", [True, False])
def test_a_file_with_nothing_in_it_is_no_store_to_begin_with(tmp_path: Path, *, create: bool) -> None:
    path = tmp_path / "jutsu.db"
    path.touch()
    database = Database(f"sqlite:///{path}", RecordingSleeper(), create=create)
    expected_message = (
        rf"^there must be a store at {path}: .* empty \(0 bytes\): .* \(jutsu restore FILE\), or remove it"
    )
    with pytest.raises(StoreUnavailableError if create else NoDataError, match=expected_message), database.reading():
        pass
    assert [(one.name, one.stat().st_size) for one in tmp_path.iterdir()] == [("jutsu.db", 0)]


def test_a_store_that_was_cut_off_while_it_was_closed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jutsu.db"
    with closing(Database(f"sqlite:///{path}", RecordingSleeper())) as database:
        SqlBarStore(database, "scripted", SettableClock()).write("AAPL", D1, fetched(*AAPL))
        database.close()
        os.truncate(path, 0)
        with pytest.raises(StoreUnavailableError, match="restore a backup"), database.reading():
            pass


def test_a_new_store_is_never_seen_with_nothing_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a second process that starts at the same moment would refuse it."""
    sizes: list[int] = []
    link = os.link

    def linked(source: Path, target: Path) -> None:
        sizes.append(source.stat().st_size)
        link(source, target)

    monkeypatch.setattr(os, "link", linked)
    with closing(Database(f"sqlite:///{tmp_path / 'jutsu.db'}", RecordingSleeper())) as database, database.reading():
        assert sizes == [4096]
        assert not [path for path in tmp_path.iterdir() if ".new-" in path.name]


def test_a_file_system_without_second_names_holds_a_store_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refused)
    with closing(Database(f"sqlite:///{tmp_path / 'jutsu.db'}", RecordingSleeper())) as database:
        SqlBarStore(database, "scripted", SettableClock()).write("AAPL", D1, fetched(*AAPL))
        assert not [path for path in tmp_path.iterdir() if ".new-" in path.name]


def test_a_stream_that_is_left_open_keeps_no_writer_s_log_from_being_emptied(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "_STREAMED_ROWS", 0)
    monkeypatch.setattr(handlers, "_LEAST_STREAMED_ROWS", 2)
    with closing(Database(sqlite_url, RecordingSleeper())) as database, DatabaseDataHandler(sqlite_url) as handler:
        store = SqlBarStore(database, "scripted", SettableClock())
        store.write("AAPL", D1, fetched(*AAPL))
        stream = handler.get_next_bar()
        seen = [next(stream)]
        for level in range(3):
            restated = [bar(day, str(level + 1)) for day in days(SESSIONS[0], 400)]
            store.write("AAPL", D1, fetched(*restated))
            with closing(sqlite_library().connect(tmp_path / "jutsu.db")) as plain:
                is_held, *_ = plain.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            assert not is_held
            assert (tmp_path / "jutsu.db-wal").stat().st_size == 0
            seen += list(islice(stream, 1))
        assert [*seen, *stream] == expected(), "of the state in which it began"


def test_more_streams_may_be_open_than_there_are_connections(sqlite_url: str) -> None:
    with closing(Database(sqlite_url, RecordingSleeper())) as database, DatabaseDataHandler(sqlite_url) as handler:
        SqlBarStore(database, "scripted", SettableClock()).write("AAPL", D1, fetched(*AAPL))
        streams = [handler.get_next_bar() for _ in range(12)]
        assert {next(stream) for stream in streams} == {expected()[0]}
        assert handler.get_latest_bar("AAPL") == expected()[-1]


@pytest.mark.skipif(not shutil.which("mount"), reason="a disk is mounted by mount")
def test_a_store_on_a_full_disk_is_read_and_says_what_keeps_it_from_being_written(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk / 'jutsu.db'}"
    with closing(Database(url, RecordingSleeper())) as database:
        SqlBarStore(database, "scripted", SettableClock()).write("AAPL", D1, fetched(*AAPL))
    filler = fill(small_disk)
    with closing(DatabaseDataHandler(url)) as handler:
        assert handler.get_bars_range("AAPL", BEGIN, FAR) == events_of(contract_history(), "AAPL")
    with (
        closing(Database(url, RecordingSleeper())) as database,
        pytest.raises(StoreUnavailableError, match=rf"the disk of {small_disk} must have room, is full: .*; make room"),
    ):
        SqlBarStore(database, "scripted", SettableClock()).write("IBM", D1, fetched(*AAPL))
    filler.unlink()
    with closing(Database(url, RecordingSleeper())) as database:
        assert tuple(SqlBarStore(database, "scripted", SettableClock()).read("AAPL", D1)) == tuple(AAPL)
