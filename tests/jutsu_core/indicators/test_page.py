import re
from xml.etree import ElementTree as ET

import pytest

from jutsu_core.indicators.definitions import CATALOG
from jutsu_core.indicators.page import indicators_page
from tests.jutsu_core.indicators.docs_page import PAGE, PICTURES, pictures

MOST_BYTES = 300_000


def test_the_page_is_what_the_catalogue_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == indicators_page(), "write it again: make indicators-page"


def test_the_page_has_a_row_and_a_section_of_every_indicator() -> None:
    page = indicators_page()
    for definition in CATALOG.values():
        section = page.split(f"## {definition.name}\n", 1)[1].split("\n## ", 1)[0]
        assert f"| [`{definition.name}`](#{definition.name}) |" in page
        assert all(part in section for part in ("```text\n", "Warm-up: ", "Source: "))
        names = [one.name for one in definition.parameters] + [one.name for one in definition.results]
        assert all(f"| `{name}` |" in section for name in names)


def test_the_pictures_are_what_the_catalogue_draws() -> None:
    """But for a pixel, which the last bit of an average may turn."""
    drawn = pictures()
    assert sorted(file.name for file in PICTURES.iterdir()) == sorted(drawn)
    for name, text in drawn.items():
        kept = (PICTURES / name).read_text(encoding="utf-8")
        assert re.sub(r"[-\d.]+", "", kept) == re.sub(r"[-\d.]+", "", text), "draw it again: make indicators-page"
        assert [places(path) for path in paths(kept)] == [pytest.approx(places(path), abs=1) for path in paths(text)]


def test_the_pictures_are_small_and_show_every_result() -> None:
    sizes = [file.stat().st_size for file in PICTURES.iterdir()]
    assert sum(sizes) < MOST_BYTES
    for definition in CATALOG.values():
        text = (PICTURES / f"{definition.name}.svg").read_text(encoding="utf-8")
        assert len(paths(text)) == len(definition.results) + 1
        assert all(f">{result.name}</text>" in text for result in definition.results)
        assert f"(images/indicators/{definition.name}.svg)" in indicators_page()


def paths(text: str) -> list[str]:
    root = ET.fromstring(text)  # noqa: S314 - our own file
    return [path.attrib["d"] for path in root.iter("{http://www.w3.org/2000/svg}path")]


def places(path: str) -> list[int]:
    """Return the heights of a line's points."""
    first, *moves = (int(number) for number in re.findall(r"[ -]-?\d+", path.replace(" -", "-")))
    found = [abs(first)]
    for move in moves:
        found.append(found[-1] + move)
    return found
