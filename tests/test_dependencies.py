"""The review of dependencies names each of them once, with the licence that it has."""

import re
import tomllib
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_LONGEST_NAME = 60  # of a licence; some packages put its whole text where its name belongs


def required() -> dict[str, str]:
    """Every package of pyproject.toml, with its extra; an empty one for what everybody installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    named = [(re.split(r"[\[<>=~!; ]", line)[0], extra) for extra, lines in groups.items() for line in lines]
    return {name: extra for name, extra in named if name != project["name"]}


def rows() -> list[dict[str, str]]:
    """The rows of all tables, by the headings above them."""
    found: list[dict[str, str]] = []
    heads: list[str] = []
    for line in (ROOT / "docs" / "dependencies.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if cells and cells[0] == "package":
            heads = cells
        elif cells and not cells[0].startswith("---"):
            found.append(dict(zip(heads, cells, strict=True)))
    return found


def stated_licence(of: PackageMetadata) -> str | None:
    """What the metadata call the licence; None where they are silent."""
    names = [name for key in ("License-Expression", "License") for name in of.get_all(key) or []]
    kinds = [line for line in of.get_all("Classifier") or [] if line.startswith("License ::")]
    said = [*names, *(line.rsplit(" :: ", 1)[1] for line in kinds)]
    return next((name for name in said if name and len(name) <= _LONGEST_NAME and "\n" not in name), None)


ROWS = rows()


def test_every_dependency_has_one_row_and_no_row_is_without_one() -> None:
    told = [(row["package"].strip("`"), row.get("extra", "")) for row in ROWS]
    assert sorted(told) == sorted(required().items())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["package"]).strip("`"))
def test_a_row_says_everything_and_the_licence_is_the_packages_own(row: dict[str, str]) -> None:
    assert all(row.values())
    try:
        said = stated_licence(metadata(row["package"].strip("`")))
    except PackageNotFoundError:
        pytest.skip("not installed here")
    assert row["licence"] == said if said else re.fullmatch(r"\(.+\)", row["licence"])
