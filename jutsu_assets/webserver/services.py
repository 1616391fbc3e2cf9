"""What ``jutsu ui`` starts, and stops: code server, daemon and webserver of one Dagster instance.

It is what ``dagster dev`` does, with our webserver, which runs in this process; the parts are Dagster's own.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import uvicorn
import yaml
from dagster import DagsterInstance
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.instance import InstanceRef
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget, WorkspaceFileTarget, WorkspaceLoadTarget
from dagster._utils.log import configure_loggers
from dagster_shared.ipc import get_ipc_shutdown_pipe, open_ipc_subprocess, send_ipc_shutdown_message
from dagster_shared.serdes import serialize_value
from dagster_webserver.version import __version__

from jutsu_assets.clock import SystemClock
from jutsu_assets.monitoring.metrics import MetricsPage
from jutsu_assets.monitoring.observed import Place
from jutsu_assets.settings import Settings
from jutsu_assets.webserver.app import JutsuWebserver

WORKSPACE = "workspace.yaml"
_MODULE = "jutsu_assets.definitions"
_LOG_LEVEL = "info"
_STATEMENT_MILLISECONDS, _RECYCLE_SECONDS, _MOST_OVERFLOW = 15_000, 3600, 20
_STOP_SECONDS = 60
_OPEN_CONNECTIONS_SECONDS = 3


def run_services(
    listener: socket.socket, *, folder: Path, home: Path, settings: Settings, path_prefix: str = ""
) -> int:
    """Run everything until Ctrl-C, SIGTERM, or the end of the daemon, then stop what was started.

    Args:
        listener: Where the UI is served; closed at the end.
        folder: Its ``workspace.yaml`` says what is loaded; our own module if there is none.
        home: Dagster's home.
        settings: Where reports are, and what the metrics are of.
        path_prefix: Path that the UI is served below, such as ``/jutsu``; empty for none.

    Returns:
        0 if it was stopped, 1 if the daemon ended by itself.
    """
    configure_loggers(formatter="colored", log_level=_LOG_LEVEL.upper())
    logger = logging.getLogger("dagster")
    # uvicorn passes the signal on when it has stopped; by default SIGTERM would end us before the others, and whoever
    # is started in the background of a script inherits that SIGINT is ignored.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            stack.enter_context(closing(listener))
            instance = stack.enter_context(DagsterInstance.from_ref(InstanceRef.from_dir(str(home))))
            workspace = stack.enter_context(_code_server(instance, folder))
            daemon = stack.enter_context(_daemon(instance, workspace))
            instance.optimize_for_webserver(_STATEMENT_MILLISECONDS, _RECYCLE_SECONDS, _MOST_OVERFLOW)
            context = stack.enter_context(
                WorkspaceProcessContext(
                    instance, version=__version__, workspace_load_target=WorkspaceFileTarget([str(workspace)])
                )
            )
            page = MetricsPage(Place(settings, os.environ, folder), SystemClock())
            app = JutsuWebserver(
                context, reports=settings.reports_path, path_prefix=path_prefix, metrics=page.text
            ).create_asgi_app()
            server = uvicorn.Server(
                uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_OPEN_CONNECTIONS_SECONDS)
            )
            threading.Thread(target=_stop_with, args=(daemon, server), daemon=True).start()
            logger.info("The UI is up; Ctrl-C ends it.")
            server.run(sockets=[listener])
            # Reached without a signal only: the daemon has ended.
            return 1
    except KeyboardInterrupt:
        logger.info("Everything was stopped.")
        return 0


@contextmanager
def _code_server(instance: DagsterInstance, folder: Path) -> Iterator[Path]:
    """Start the code server that webserver and daemon share; yield the workspace file that names it."""
    written = folder / WORKSPACE
    target: WorkspaceLoadTarget = (
        WorkspaceFileTarget([str(written)])
        if written.is_file()
        else ModuleTarget(_MODULE, attribute=None, working_directory=str(folder), location_name=None)
    )
    with (
        ProxyServerManager(instance, target, code_server_log_level="warning") as servers,
        tempfile.TemporaryDirectory() as temporary,
    ):
        workspace = Path(temporary) / WORKSPACE
        workspace.write_text(yaml.safe_dump({"load_from": list(servers.get_code_server_specs())}), encoding="utf-8")
        yield workspace


@contextmanager
def _daemon(instance: DagsterInstance, workspace: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Start the daemon; at the end ask it to stop, and make it."""
    heard, said = get_ipc_shutdown_pipe()
    arguments = {
        "--log-level": _LOG_LEVEL,
        "--shutdown-pipe": str(heard),
        "--instance-ref": serialize_value(instance.get_ref()),
        "--workspace": str(workspace),
    }
    command = [sys.executable, "-m", "dagster._daemon", "run", *(word for pair in arguments.items() for word in pair)]
    process = open_ipc_subprocess(command, pass_fds=[heard])
    try:
        yield process
    finally:
        try:
            send_ipc_shutdown_message(said)
            process.wait(timeout=_STOP_SECONDS)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()


def _stop_with(daemon: "subprocess.Popen[bytes]", server: uvicorn.Server) -> None:
    """Stop the webserver when the daemon ends: without one, schedules and backfills would silently wait."""
    daemon.wait()
    server.should_exit = True
