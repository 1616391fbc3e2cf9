"""Dagster's webserver, with the report folder on the same port."""

from collections.abc import Callable
from pathlib import Path

from dagster._core.workspace.context import IWorkspaceProcessContext, WorkspaceRequestContext
from dagster_webserver.webserver import DagsterWebserver
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from jutsu_assets.monitoring.metrics import CONTENT_TYPE
from jutsu_assets.reports.folder import REPORTS_ROUTE
from jutsu_assets.webserver.pages import ReportPages

_POLL_MILLISECONDS = 2000
METRICS_ROUTE = "metrics"


Context = IWorkspaceProcessContext[WorkspaceRequestContext]


class JutsuWebserver(DagsterWebserver[Context, WorkspaceRequestContext]):
    """Serves the Dagster UI, and every page of the report folder below ``/reports/``.

    Args:
        process_context: The workspace that the UI shows.
        reports: The report folder; it may come to be later.
        path_prefix: Path that everything is served below, such as ``/jutsu``; empty for none.
        metrics: Returns the page of metrics, which is served at ``/metrics``; there is none if None.
    """

    def __init__(
        self,
        process_context: Context,
        *,
        reports: Path,
        path_prefix: str = "",
        metrics: Callable[[], str] | None = None,
    ) -> None:
        super().__init__(process_context, path_prefix, _POLL_MILLISECONDS)
        self._metrics = metrics
        self._pages = ReportPages(reports, path_prefix)

    def build_routes(self) -> list[BaseRoute]:
        """Return Dagster's routes behind our own, because its last one takes every path."""
        prefix = self._app_path_prefix
        watched = [] if self._metrics is None else [Route(f"{prefix}/{METRICS_ROUTE}", self._metrics_page)]
        return [
            *watched,
            Route(f"{prefix}/{REPORTS_ROUTE}", self._pages.redirect),
            Route(f"{prefix}/{REPORTS_ROUTE}/{{page:path}}", self._pages.page),
            Route(f"{prefix}/{{above:path}}/{REPORTS_ROUTE}/{{page}}", self._pages.redirect),
            *super().build_routes(),  # type: ignore[no-untyped-call]
        ]

    def _metrics_page(self, _: Request) -> Response:
        assert self._metrics is not None  # noqa: S101 - there is no route without it
        return PlainTextResponse(self._metrics(), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})
