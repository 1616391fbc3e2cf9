from pathlib import Path

from jutsu_core.indicators.definitions import CATALOG
from jutsu_core.indicators.page import indicators_page

PAGE = Path(__file__).parents[3] / "docs" / "indicators.md"


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
