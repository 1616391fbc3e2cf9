"""The map names nothing that is not there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAP = (ROOT / "docs" / "architecture.md").read_text("utf-8")
# Beneath its room's name a file is called by its own.
ROOMS = [ROOT, ROOT / "docs", *ROOT.glob("jutsu_*"), *ROOT.glob("jutsu_*/*")]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"(?<=[`(])[\w/]+(?:\.(?:py|md)|/)(?=[`)])", MAP))))
def test_every_file_and_folder_of_the_map_exists(name: str) -> None:
    assert any((room / name).exists() for room in ROOMS)


def test_every_room_is_on_the_map() -> None:
    rooms = [
        path.parent for package in ("jutsu_core", "jutsu_assets") for path in (ROOT / package).glob("*/__init__.py")
    ]
    assert rooms
    assert [room.name for room in rooms if f"{room.name}/`" not in MAP] == []
