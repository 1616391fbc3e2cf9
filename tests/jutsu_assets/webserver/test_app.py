"""The report folder beside the UI: what is served, what is not, and where links lead."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import dagster as dg
import httpx
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget

from jutsu_assets.reports.folder import ReportFolder
from jutsu_assets.webserver.app import Context, JutsuWebserver

SYMBOLS = ("AAPL", "BRK/B", "$SPX")
PREFIXES = ("", "/behind/a/proxy")


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    home = str(tmp_path_factory.mktemp("dagster"))
    with (
        dg.DagsterInstance.local_temp(home) as instance,
        WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as made,
    ):
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> ReportFolder:
    """Pages of three symbols and an overview, and beside them what must not be seen."""
    reports = ReportFolder(tmp_path / "reports", "schwab")
    reports.write_overview({})
    for symbol in SYMBOLS:
        reports.page(symbol).write_text(f"<!doctype html><title>{symbol}</title>", encoding="utf-8")
    (tmp_path / "secret.html").write_text("secret", encoding="utf-8")
    (tmp_path / "reports" / "notes.txt").write_text("secret", encoding="utf-8")
    (tmp_path / "reports" / ".AAPL.html").write_text("secret", encoding="utf-8")
    (tmp_path / "reports" / "below").mkdir()
    (tmp_path / "reports" / "below" / "AAPL.html").write_text("secret", encoding="utf-8")
    (tmp_path / "reports" / "linked.html").symlink_to(tmp_path / "secret.html")
    return reports


class Browser:
    """Asks one application, without a port; knows no more of it than its address."""

    def __init__(self, context: Context, root: Path, prefix: str = "") -> None:
        app = JutsuWebserver(context, reports=root, path_prefix=prefix).create_asgi_app()
        self._transport = httpx.ASGITransport(app=app)

    def ask(self, path: str, method: str = "GET") -> httpx.Response:
        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, follow_redirects=True) as client:
                return await client.request(method, urljoin("http://elsewhere:3000", path))

        return asyncio.run(asked())


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_link_of_a_symbol_opens_its_page_from_every_page_of_the_ui(
    context: Context, folder: ReportFolder, symbol: str, prefix: str
) -> None:
    browser = Browser(context, folder.root, prefix)
    for shown_by in ("/assets/symbol_performance?partition=AAPL", "/runs/4b0e", "/locations/jutsu/jobs/daily_update"):
        reply = browser.ask(urljoin(f"http://elsewhere:3000{prefix}{shown_by}", folder.href(symbol)))
        assert (reply.status_code, f"<title>{symbol}</title>" in reply.text) == (200, True)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("path", ["/reports", "/reports/", "/reports/index.html"])
def test_the_folder_itself_shows_the_overview(context: Context, folder: ReportFolder, path: str, prefix: str) -> None:
    assert "No symbol has a report yet." in Browser(context, folder.root, prefix).ask(prefix + path).text


@pytest.mark.parametrize(
    "path",
    [
        "notes.txt",
        ".AAPL.html",
        "below/AAPL.html",
        "below%2fAAPL.html",
        "linked.html",
        "..%2fsecret.html",
        "%2e%2e/secret.html",
        "..%5csecret.html",
        "%2fetc%2fpasswd",
        "AAPL.html%00.html",
        "a" * 300 + ".html",
        "below.html/",
    ],
)
def test_nothing_but_pages_of_the_folder_is_served(context: Context, folder: ReportFolder, path: str) -> None:
    reply = Browser(context, folder.root).ask(f"/reports/{path}")
    assert (reply.status_code, "secret" in reply.text.replace("secret.html", "")) == (404, False)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_an_absent_page_says_what_to_do(context: Context, folder: ReportFolder, prefix: str) -> None:
    browser = Browser(context, folder.root, prefix)
    text = browser.ask(f"{prefix}/reports/%3Cb%3E.html").text
    assert "&lt;b&gt;.html" in text
    assert "<b>" not in text
    assert "symbol_performance" in text
    assert str(folder.root) in text
    assert f'<a href="{prefix}/reports/index.html">' in text
    folder.overview.unlink()
    assert 'index.html">' not in browser.ask(f"{prefix}/reports/NVDA.html").text


def test_a_folder_that_is_not_there_yet_is_no_fault(context: Context, tmp_path: Path) -> None:
    assert Browser(context, tmp_path / "later").ask("/reports/AAPL.html").status_code == 404


def test_a_page_may_load_nothing_and_run_our_scripts_alone(context: Context, folder: ReportFolder) -> None:
    browser = Browser(context, folder.root)
    for path in ("AAPL.html", "absent.html"):
        headers = browser.ask(f"/reports/{path}").headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'sha256-")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-type"] == "text/html; charset=utf-8"
    assert browser.ask("/reports/AAPL.html", "POST").status_code == 405


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_rest_is_dagsters(context: Context, folder: ReportFolder, prefix: str) -> None:
    browser = Browser(context, folder.root, prefix)
    assert "dagster_webserver_version" in browser.ask(f"{prefix}/server_info").json()
    assert "Dagster" in browser.ask(f"{prefix}/assets/symbol_performance").text


@pytest.mark.parametrize("prefix", PREFIXES)
def test_metrics_are_served_beside_the_ui(context: Context, tmp_path: Path, prefix: str) -> None:
    app = JutsuWebserver(context, reports=tmp_path, path_prefix=prefix, metrics=lambda: "jutsu_bars 1.0\n")

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=app.create_asgi_app())
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.get(f"http://elsewhere:3000{prefix}/metrics")

    answer = asyncio.run(asked())
    assert answer.status_code == 200
    assert answer.text == "jutsu_bars 1.0\n"
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
