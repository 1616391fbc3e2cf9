"""The files that a folder begins with are those of the repository."""

from pathlib import Path

import pytest

from jutsu_assets.starter import STARTER_FILES, packaged

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", STARTER_FILES)
def test_the_package_holds_the_file_at_the_root_byte_for_byte(name: str) -> None:
    assert packaged(name).read_bytes() == (ROOT / name).read_bytes()
