"""``jutsu portfolios`` and ``jutsu verify-report``: what they show, and with which status they end."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jutsu_assets.commands.cli import main
from jutsu_assets.portfolios.report_files import ReportFiles
from jutsu_core.errors import StoreUnavailableError
from jutsu_core.metrics.stored_report import stored_report

UNIVERSE = "symbols: [IBM]\nhistory_start: 2012-01-03\n"
HISTORY = "timestamp,total_value\n2013-03-01,100\n2013-03-04,101\n"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def _portfolio(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del home
    for name in ("DAGSTER_HOME", "JUTSU_UNIVERSE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "universe.yaml").write_text(UNIVERSE, encoding="utf-8")
    folder = tmp_path / "portfolios"
    folder.mkdir()
    (folder / "core.yaml").write_text("history: core.csv\nannualize_partial_years: true\n", encoding="utf-8")
    (folder / "core.csv").write_text(HISTORY, encoding="utf-8")


@pytest.mark.usefixtures("_portfolio")
def test_a_portfolio_is_measured_shown_and_verified(home: Path, tmp_path: Path) -> None:
    done = run("portfolios")
    assert done.exit_code == 0, done.output
    page = home / "sample" / "reports" / "portfolio@core.html"
    assert "core" in done.output
    assert "+1.0%" in done.output
    assert f"Tear sheet: {page}" in done.output
    assert page.is_file()
    same = run("verify-report", str(page.with_suffix(".json")))
    assert (same.exit_code, "every figure is what its data give" in same.output) == (0, True)
    (tmp_path / "portfolios" / "core.csv").write_text(HISTORY.replace("101", "many"), encoding="utf-8")
    failed = run("portfolios", "core")
    assert failed.exit_code == 1
    assert "core: failed: " in failed.output
    assert "row 3, column 'total_value'" in failed.output
    assert f"Tear sheet: {page}" in failed.output


@pytest.mark.usefixtures("_portfolio")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nosuch",), "NAME must be a file in the folders strategies or portfolios without its suffix, nosuch is not"),
        (("core", "other"), "without its suffix, other is not; there are core"),
    ],
)
def test_a_name_that_is_not_there_is_wrong_use(arguments: tuple[str, ...], said: str) -> None:
    refused = run("portfolios", *arguments)
    assert refused.exit_code == 2
    assert said in refused.output


def stored(path: Path) -> dict[str, object]:
    history = [{"timestamp": datetime(2013, 3, day, tzinfo=UTC), "total_value": 100 + day} for day in (1, 4, 5)]
    ReportFiles(path, ".json").write("core", stored_report([], history), made_of="it")
    told: dict[str, object] = json.loads((path / "portfolio@core.json").read_text("utf-8"))
    return told


def test_a_report_that_was_changed_differs_and_each_figure_is_named(tmp_path: Path) -> None:
    told = stored(tmp_path)
    report = told["report"]
    assert isinstance(report, dict)
    report["total_return"] = 9.0
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    done = run("verify-report", str(path))
    assert done.exit_code == 1
    assert "total_return: the report says 9.0, its data give 0.0396039603960396" in done.output
    assert "1 figures are not what its data give" in done.output


def test_data_and_figures_that_were_edited_together_are_known_by_the_digest(tmp_path: Path) -> None:
    honest, other = (
        stored(tmp_path),
        stored_report([], [{"timestamp": datetime(2013, 3, 1, tzinfo=UTC), "total_value": 9}]),
    )
    path = tmp_path / "forged.json"
    path.write_text(json.dumps({**honest, **other}), encoding="utf-8")
    done = run("verify-report", str(path))
    assert (done.exit_code, "but the file was edited: its digest is another" in done.output) == (1, True)
    path.write_text(json.dumps(other), encoding="utf-8")  # as the core makes it, without a digest
    assert run("verify-report", str(path)).exit_code == 0


def test_a_report_of_other_definitions_says_so(tmp_path: Path) -> None:
    told: Any = stored(tmp_path)
    told["report"]["fingerprint"]["code"] = "older"
    path = tmp_path / "older.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    done = run("verify-report", str(path))
    assert done.exit_code == 1
    assert "fingerprint.code: the report was made by other definitions than these" in done.output


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"kind": "jutsu portfolio report"}', "[" * 100_000, "\x00"])
def test_a_file_that_is_no_report_is_wrong_use_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "none.json"
    path.write_text(text, encoding="utf-8")
    done = run("verify-report", str(path))
    assert done.exit_code == 2
    assert "FILE must be a report that portfolio_performance wrote" in done.output
    assert done.output.count("\n") == 1


@pytest.mark.parametrize("name", ["absent.json", "."])
def test_a_file_that_is_not_there_is_wrong_use(tmp_path: Path, name: str) -> None:
    assert run("verify-report", str(tmp_path / name)).exit_code == 2


def test_the_same_report_is_written_as_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        stored(tmp_path / folder)
    one, other = (tmp_path / folder / "portfolio@core.json" for folder in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()


def test_a_report_that_was_cut_or_edited_is_not_current(tmp_path: Path) -> None:
    stored(tmp_path)
    files, path = ReportFiles(tmp_path, ".json"), tmp_path / "portfolio@core.json"
    assert files.current("core", "it") is not None
    assert files.current("core", "other") is None
    sound = path.read_bytes()
    for harmed in (b"", sound[:-9], sound.replace(b"104", b"109", 1), b"[]"):
        path.write_bytes(harmed)
        assert files.current("core", "it") is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailableError, match=r"the report folder .*file must be writable"):
        ReportFiles(tmp_path / "file", ".json").write("core", {}, made_of="it")
