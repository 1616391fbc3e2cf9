"""The templates of pages, and the scripts that stand in them.

A page may run the scripts that came with Jutsu, known by their hashes, and load nothing: its own policy says so,
and the web server says it again.
"""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

SIMULATOR = "simulator"

CHARTS_SCRIPT, TABLES_SCRIPT = "charts.js", "tables.js"

_PACKAGE, _FOLDER = "jutsu_assets.reports", "templates"


def render(template: str, /, *, source: str, **values: Any) -> str:  # noqa: ANN401 - what a template shows
    """Return the page that the template makes of ``values``; texts are escaped.

    Args:
        template: Its file.
        source: Shown at the foot; ``simulator`` puts a warning on top of the page.
        **values: What the template shows.
    """
    return (
        _environment()
        .get_template(template)
        .render(
            source=source,
            is_sample=source == SIMULATOR,
            policy=content_policy(),
            charts_script=_script(CHARTS_SCRIPT),
            tables_script=_script(TABLES_SCRIPT),
            **values,
        )
    )


@cache
def content_policy() -> str:
    """Return what a page may do, as a Content-Security-Policy: show itself, run our scripts, ask for nothing."""
    hashes = (b64encode(sha256(_script(name).encode()).digest()).decode() for name in (CHARTS_SCRIPT, TABLES_SCRIPT))
    scripts = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data:; base-uri 'none';"
        " form-action 'none'"
    )


@cache
def _script(name: str) -> Markup:
    # It comes with the package, as the templates do.
    return Markup(files(_PACKAGE).joinpath(_FOLDER, name).read_text("utf-8"))  # noqa: S704


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader(_PACKAGE, _FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
