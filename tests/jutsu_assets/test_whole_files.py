"""A file is written whole or not at all, whoever writes at the same time."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jutsu_assets.whole_files import write_whole


@pytest.mark.parametrize("is_durable", [False, True])
def test_a_file_takes_the_place_of_the_former_one_and_leaves_nothing_beside_it(
    tmp_path: Path, *, is_durable: bool
) -> None:
    target = tmp_path / "page"
    for raw in (b"one", b"two"):
        write_whole(target, raw, is_durable=is_durable)
        assert target.read_bytes() == raw
    assert list(tmp_path.iterdir()) == [target]


def test_what_cannot_be_written_leaves_the_former_one(tmp_path: Path) -> None:
    target = tmp_path / "page"
    target.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(target, b"one")
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "absent" / "page", b"one")


def test_its_mode_is_the_one_that_is_asked_for(tmp_path: Path) -> None:
    write_whole(tmp_path / "page", b"one", mode=0o640)
    assert stat.S_IMODE((tmp_path / "page").stat().st_mode) == 0o640


def test_threads_that_write_one_file_at_once_leave_that_of_one_of_them(tmp_path: Path) -> None:
    target, contents = tmp_path / "page", [bytes([number]) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda raw: write_whole(target, raw), contents * 5))
    assert target.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [target]
