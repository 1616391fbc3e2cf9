"""The report folder over HTTP: its pages and nothing else."""

from html import escape
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jutsu_assets.reports.folder import OVERVIEW, REPORTS_ROUTE
from jutsu_assets.reports.template import content_policy

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # The next run replaces a page under the same name.
    "Cache-Control": "no-store",
}
_ABSENT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>No such report</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 15vh auto; padding: 0 1em; }}</style>
</head><body><h1>No such report</h1>
<p>There is no page <code>{name}</code> in the folder of reports, <code>{root}</code>. A page is written when
<code>symbol_performance</code> is materialized for its symbol; sample and live data have folders of their own.</p>
<p>{links}</p></body></html>
"""


class ReportPages:
    """Answers with pages of a folder; what is not a page in it, by name and by place, is not found.

    Args:
        root: The folder; it may come to be later.
        prefix: Path that the whole UI is served below, without a slash at its end; empty for none.
    """

    def __init__(self, root: Path, prefix: str) -> None:
        self._root = root
        self._prefix = prefix

    def page(self, request: Request) -> Response:
        """Return the page that the path parameter ``page`` names, or one that says what to do about its absence."""
        name = request.path_params["page"] or OVERVIEW
        content = self._read(name)
        if content is None:
            return HTMLResponse(self._absent(name), 404, _headers())
        return HTMLResponse(content, 200, _headers())

    def redirect(self, request: Request) -> Response:
        """Send the browser to the same page at its own place.

        A link in metadata is relative to the page of the UI that shows it, so that it works below a prefix,
        too; from deeper pages it ends too deep.
        """
        name = request.path_params.get("page", OVERVIEW)
        return RedirectResponse(f"{self._prefix}/{REPORTS_ROUTE}/{quote(name, safe='')}")

    def _read(self, name: str) -> bytes | None:
        # Not sent as a file: a run may replace it between the look at its size and the reading.
        if Path(name).name != name or "\\" in name or name.startswith(".") or not name.endswith(".html"):
            return None
        try:
            path = (self._root / name).resolve(strict=True)
            return path.read_bytes() if path.parent == self._root.resolve() else None
        except (OSError, ValueError):
            return None

    def _absent(self, name: str) -> str:
        links = f'<a href="{self._prefix}/">The Dagster UI</a>'
        if self._read(OVERVIEW) is not None and name != OVERVIEW:
            links = f'<a href="{self._prefix}/{REPORTS_ROUTE}/{OVERVIEW}">All reports</a>, {links}'
        return _ABSENT.format(name=escape(name), root=escape(str(self._root)), links=links)


def _headers() -> dict[str, str]:
    # A page carries all of it inside: what else it asks for, or runs, is not of our making.
    return {"Content-Security-Policy": f"{content_policy()}; frame-ancestors 'self'", **_HEADERS}
