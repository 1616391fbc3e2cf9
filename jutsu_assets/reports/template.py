"""The templates of pages."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

SIMULATOR = "simulator"


def render(template: str, /, *, source: str, **values: Any) -> str:  # noqa: ANN401 - what a template shows
    """Return the page that the template makes of ``values``; texts are escaped.

    Args:
        template: Its file.
        source: Shown at the foot; ``simulator`` puts a warning on top of the page.
        **values: What the template shows.
    """
    return _environment().get_template(template).render(source=source, is_sample=source == SIMULATOR, **values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("jutsu_assets.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
