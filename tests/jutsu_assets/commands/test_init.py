"""``jutsu init``: a folder with what it needs, and nothing of the user's touched."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jutsu_assets.commands.cli import main
from jutsu_assets.instance.beginning import DATABASES
from jutsu_assets.starter import STARTER_FILES, packaged


def init(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["init", *arguments])


@pytest.fixture(autouse=True)
def _no_names(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del home
    for name in ("DAGSTER_HOME", "JUTSU_HOME", "JUTSU_UNIVERSE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("arguments", [(), ("mine",)])
def test_a_folder_holds_the_files_the_store_and_the_run_history(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    folder = tmp_path.joinpath(*arguments)
    done = init(*arguments)
    assert done.exit_code == 0, done.output
    for name in STARTER_FILES:
        assert (folder / name).read_bytes() == packaged(name).read_bytes()
    assert (folder / "var" / "sample" / "jutsu.db").is_file()
    assert all((folder / "var" / "dagster" / name).is_file() for name in DATABASES)
    assert {path.name for path in folder.iterdir()} == {*(Path(name).parts[0] for name in STARTER_FILES), "var"}


def test_what_is_there_is_kept_and_named(tmp_path: Path) -> None:
    mine = tmp_path / "universe.yaml"
    mine.write_text("symbols: [IBM]\nhistory_start: 2011-01-03\n", encoding="utf-8")
    done = init()
    assert done.exit_code == 0, done.output
    assert "kept    universe.yaml" in done.output
    assert "written dagster.yaml" in done.output
    assert "IBM" in mine.read_text(encoding="utf-8")
    again = init()
    assert "written" not in again.output
    assert again.output.count("kept    ") == len(STARTER_FILES)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = init("file/within")
    assert refused.exit_code == 1
    assert "FOLDER must be a folder that can be written, file/within is not" in refused.output
