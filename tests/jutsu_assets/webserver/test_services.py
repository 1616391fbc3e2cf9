"""What is stopped when."""

import subprocess
import sys

import uvicorn

from jutsu_assets.webserver.services import _stop_with


def test_the_end_of_the_daemon_ends_the_webserver() -> None:
    server = uvicorn.Server(uvicorn.Config("unused:app"))
    with subprocess.Popen([sys.executable, "-c", ""]) as daemon:
        _stop_with(daemon, server)
    assert server.should_exit
