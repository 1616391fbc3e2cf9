"""Whatever happens to a file of the lake is known, costs its own symbol alone, and is mended by a run."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from jutsu_assets.lake import verification
from jutsu_assets.lake.files import Lake, Standing
from jutsu_assets.lake.tables import as_table, content_hash, from_parquet, to_parquet
from jutsu_assets.lake.verification import fault_of, faults_of, is_untouched, lake_findings
from jutsu_assets.lake.views import connect_to
from jutsu_assets.settings import Settings
from jutsu_assets.store.engine import Database
from jutsu_assets.store.manifest import SeriesFile
from jutsu_core.errors import StoreUnavailableError
from tests.jutsu_assets.lake.conftest import Publish, Series

INPUT = "bars at 100.1799"


def flip_a_bit(path: Path, _: Path) -> None:
    """Change one bit of a value, and leave length and footer as they were."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 4] ^= 1
    path.write_bytes(raw)


def cut_in_secret(path: Path, _: Path) -> None:
    """Cut the file, and leave the time of change as it was."""
    was = path.stat()
    os.truncate(path, was.st_size - 1)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def overwrite_with_other_values(path: Path, _: Path) -> None:
    zeros = pq.read_table(path)
    place = zeros.schema.get_field_index("sma")
    pq.write_table(zeros.set_column(place, "sma", [[0.0] * zeros.num_rows]), path)


def replace_by_folder(path: Path, _: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_pipe(path: Path, _: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no pipes here")
    path.unlink()
    os.mkfifo(path)


def lead_nowhere(path: Path, _: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


DAMAGE: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "other values": (overwrite_with_other_values, "is not what the manifest says"),
    "another symbol": (lambda path, other: shutil.copy(other, path), "is not what the manifest says"),
    "a bit": (flip_a_bit, "is not what the manifest says"),
    "garbage": (lambda path, _: path.write_bytes(b"\xa5" * path.stat().st_size), "no Parquet at all"),
    "cut": (lambda path, _: os.truncate(path, path.stat().st_size // 2), "is cut short"),
    "the last byte": (lambda path, _: os.truncate(path, path.stat().st_size - 1), "is cut short"),
    "the last byte, in secret": (cut_in_secret, "is cut short"),
    "longer": (lambda path, _: path.write_bytes(path.read_bytes() + b"\0"), "is cut short"),
    "emptied": (lambda path, _: path.write_bytes(b""), "is empty"),
    "deleted": (lambda path, _: path.unlink(), "is missing"),
    "a folder": (replace_by_folder, "is a folder"),
    "a pipe": (replace_by_pipe, "is no file"),
    "a link": (lead_nowhere, "is missing"),
}


@pytest.fixture(params=list(DAMAGE))
def damaged(request: pytest.FixtureRequest, lake: Lake, publish: Publish) -> tuple[SeriesFile, str]:
    """Series of AAPL and MSFT, and a file of AAPL's that something happened to, with what is to be said."""
    file, other = (publish(symbol=symbol, sma=[np.nan, 1.0, 2.5]) for symbol in ("AAPL", "MSFT"))
    damage, said = DAMAGE[request.param]
    damage(lake.root / file.path, lake.root / other.path)
    return file, said


def test_damage_is_found_and_named_with_a_remedy(lake: Lake, damaged: tuple[SeriesFile, str]) -> None:
    file, said = damaged
    for deep in (False, True):
        (finding,) = lake_findings(lake.root, lake.manifest.all_current(), deep=deep)
        assert f"daily of AAPL: the file {lake.root / file.path} " in finding
        assert said in finding
        assert finding.endswith("; materialize daily of AAPL again")


def test_a_run_does_what_is_not_what_was_written_again(
    lake: Lake, damaged: tuple[SeriesFile, str], publish: Publish
) -> None:
    file, said = damaged
    standing = lake.standing("daily", "AAPL", INPUT)
    assert standing.file is None
    assert said in str(standing.fault)
    assert publish(sma=[np.nan, 1.0, 2.5]) == file
    assert lake.standing("daily", "AAPL", INPUT) == Standing(file, None)
    assert lake_findings(lake.root, lake.manifest.all_current(), deep=True) == []


def test_damage_costs_its_own_symbol_alone(app_settings: Settings, lake: Lake, damaged: tuple[SeriesFile, str]) -> None:
    file, said = damaged
    warned: list[str] = []
    with connect_to(app_settings, warned.append) as connection:
        assert connection.execute("select symbol, count(sma) from daily group by 1").fetchall() == [("MSFT", 2)]
    (warning,) = warned
    for part in ("left out", "daily of AAPL", str(lake.root / file.path), said, "materialize daily of AAPL again"):
        assert part in warning


def test_a_sound_lake_has_nothing_to_mend(app_settings: Settings, lake: Lake, publish: Publish) -> None:
    for symbol in ("AAPL", "BRK/B"):
        publish(symbol=symbol, sma=[np.nan, 1.0, 2.5], side=[1, -1, 0], is_high=[True, False, True])
    for deep in (False, True):
        assert lake_findings(lake.root, lake.manifest.all_current(), deep=deep) == []
    connect_to(app_settings).close()  # a warning would be an error


def test_a_bit_behind_the_former_length_and_time_is_found_by_looking_deep(
    app_settings: Settings, lake: Lake, publish: Publish
) -> None:
    """Who only looks at the folder cannot know it; the remedy works all the same."""
    file = publish()
    path = lake.root / file.path
    was = path.stat()
    flip_a_bit(path, path)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    files = lake.manifest.all_current()
    assert lake_findings(lake.root, files) == []
    connect_to(app_settings).close()
    (finding,) = lake_findings(lake.root, files, deep=True)
    assert finding.endswith("is not what the manifest says; delete it, and materialize daily of AAPL again")
    path.unlink()
    assert publish() == file
    assert lake_findings(lake.root, files, deep=True) == []


def test_a_copy_that_lost_its_time_is_as_good_and_gets_it_back_by_a_run(
    app_settings: Settings, lake: Lake, publish: Publish
) -> None:
    file = publish()
    path = lake.root / file.path
    os.utime(path)
    assert not is_untouched(lake.root, file)
    assert lake_findings(lake.root, [file]) == []
    connect_to(app_settings).close()  # a warning would be an error
    assert lake.standing("daily", "AAPL", INPUT) == Standing(file, None)
    assert is_untouched(lake.root, file)


@pytest.mark.parametrize("change", ["content_hash = 'x'", "series_rows = 4", "path = 'daily/AAPL-0.parquet'"])
def test_a_manifest_that_says_something_else_is_found(
    lake: Lake, publish: Publish, database: Database, change: str
) -> None:
    publish()
    with database.writing() as connection:
        connection.execute(text(f"update lake_files set {change}"))  # noqa: S608
    (finding,) = lake_findings(lake.root, lake.manifest.all_current())
    assert "materialize daily of AAPL again" in finding
    assert lake.standing("daily", "AAPL", INPUT).file is None


def test_values_that_were_wrong_when_they_were_written_are_found_by_looking_deep(
    lake: Lake, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seal fits what was written, whatever that was; a run would leave it alone."""
    with monkeypatch.context() as patched:
        patched.setattr("jutsu_assets.lake.files.content_hash", lambda table: content_hash(table)[::-1])
        file = publish()
    files = lake.manifest.all_current()
    assert lake_findings(lake.root, files) == []
    (finding,) = lake_findings(lake.root, files, deep=True)
    assert f"the file {lake.root / file.path} holds other values than the manifest says; delete it, and" in finding


def test_many_faults_of_one_kind_are_one_line(lake: Lake, publish: Publish) -> None:
    for number in range(8):
        (lake.root / publish(symbol=f"S{number}").path).write_bytes(b"")
    (finding,) = lake_findings(lake.root, lake.manifest.all_current())
    subject = "daily of S0, S1, S2, S3, S4 and 3 more"
    place = f"each file in {lake.root / 'daily'}"
    assert finding == f"{subject}: {place} is empty; materialize {subject} again"


def test_a_lake_that_is_gone_is_one_line(app_settings: Settings, lake: Lake, publish: Publish) -> None:
    publish()
    publish("weekly")
    lake.root.rename(lake.root.with_name("elsewhere"))
    (finding,) = lake_findings(lake.root, lake.manifest.all_current())
    assert finding.startswith(f"the lake {lake.root} must hold 2 files, and is no folder: bring it back, or ")
    (finding,) = lake_findings(lake.root, lake.manifest.all_current()[:1])
    assert "must hold 1 file, and" in finding
    assert lake_findings(lake.root, []) == []
    with pytest.raises(StoreUnavailableError, match="must hold 2 files, and is no folder"):
        connect_to(app_settings)


def test_an_asset_without_a_sound_file_does_not_hide_the_others(
    app_settings: Settings, lake: Lake, publish: Publish
) -> None:
    (lake.root / publish().path).unlink()
    publish("weekly")
    warned: list[str] = []
    with connect_to(app_settings, warned.append) as connection:
        assert connection.execute("select count(*) from weekly").fetchall() == [(3,)]
        with pytest.raises(duckdb.CatalogException, match="daily"):
            connection.execute("select * from daily")
    assert len(warned) == 1


def test_a_file_that_may_not_be_read_is_named(lake: Lake, publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    file = publish()

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    monkeypatch.setattr(os, "access", lambda *_: False)  # who runs as root may read everything
    assert fault_of(lake.root, file) == "cannot be read (Permission denied)"
    assert lake.standing("daily", "AAPL", INPUT) == Standing(None, "cannot be read (Permission denied)")
    (finding,) = lake_findings(lake.root, [file])
    assert finding.endswith("(Permission denied); let this user read it, or materialize daily of AAPL again")


def test_no_file_is_read_that_looks_as_it_was_written_and_any_other_once(
    lake: Lake, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run pays for each unchanged partition is one look at the folder."""
    files = [publish(symbol=symbol) for symbol in ("AAPL", "MSFT")]
    read: list[Path] = []
    whole = Path.read_bytes

    def noted(path: Path) -> bytes:
        read.append(path)
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", noted)
    monkeypatch.setattr(verification, "from_parquet", lambda _: pytest.fail("no value is to be read"))
    assert faults_of(lake.root, files) == {}
    assert lake.standing("daily", "AAPL", INPUT) == Standing(files[0], None)
    assert read == []
    os.utime(lake.root / files[1].path)
    assert faults_of(lake.root, files) == {}
    assert read == [lake.root / files[1].path]


def test_the_same_values_give_the_same_bytes_and_come_back_with_the_same_hash(series: Series) -> None:
    for columns in ({}, {"sma": [np.nan, -0.0, 2.5]}, {"sma": [np.nan] * 3, "side": [1, -1, 0], "is_high": [True] * 3}):
        table = as_table(series(**columns))
        raw = to_parquet(table)
        assert to_parquet(as_table(series(**columns))) == raw
        assert content_hash(from_parquet(raw)) == content_hash(table)
    empty = as_table(series(rows=0))
    assert content_hash(from_parquet(to_parquet(empty))) == content_hash(empty)
