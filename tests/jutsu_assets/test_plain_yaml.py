"""A file is composed once while it says the same, and anew as soon as it says something else."""

import os
from pathlib import Path

import pytest

from jutsu_assets import plain_yaml
from jutsu_assets.plain_yaml import read_document
from jutsu_core.errors import ConfigurationError


def read(path: Path) -> object:
    return read_document(path, "a file", "make it").content


def test_a_file_that_says_the_same_is_composed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    for path in (one, other):
        path.write_text("composed: once\n", "utf-8")
    assert read(one) == {"composed": "once"}
    monkeypatch.setattr(plain_yaml, "_Composer", lambda _: pytest.fail("it was composed again"))
    assert read(one) == read(other) == {"composed": "once"}


def test_a_change_shows_at_once_even_where_length_and_time_stay(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("a: 1\n", "utf-8")
    was = path.stat()
    assert read(path) == {"a": 1}
    path.write_text("a: 2\n", "utf-8")
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert read(path) == {"a": 2}


def test_what_is_refused_is_refused_again_with_the_file_that_holds_it(tmp_path: Path) -> None:
    for name in ("one.yaml", "one.yaml", "other.yaml"):
        path = tmp_path / name
        path.write_text("a: [1\n", "utf-8")
        with pytest.raises(ConfigurationError, match=f"a file {path} must be readable YAML, but line 2 is not"):
            read(path)
