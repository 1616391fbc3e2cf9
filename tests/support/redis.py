"""A real Redis for tests: the server that is installed on this machine, on a port of its own."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_PATIENCE_SECONDS = 10.0


class RedisServer:
    """A Redis that keeps everything in memory, and can be stopped, started and made to hang.

    Args:
        folder: Where it works.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty."""
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(7) == b"+PONG\r\n":
                    return
            threading.Event().wait(0.01)
        pytest.fail("redis-server does not answer")

    def stop(self) -> None:
        """Stop it; what it kept is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """Yield a server that ends with the context."""
    pytest.importorskip("redis", reason='the client of Redis is not installed (pip install "jutsu[redis]")')
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed (the package redis-server of Debian brings it)")
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
