"""The simulator on a loopback port, for clients in other processes and for real sockets.

Besides what Schwab has, the port has the paths of ``control``.
"""

import io
import math
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

from jutsu_assets.simulator import control
from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.faults import TransportErrorName, TransportFaultError
from jutsu_assets.simulator.replies import Reply
from jutsu_core.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LOOPBACK_HOSTS = ("127.0.0.1", "localhost")
_IDLE_SECONDS = 30.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class SimulatorServer:
    """A running server; leaving the context closes it.

    Attributes:
        port: The port that it listens on.
        url: Its address, for example ``http://127.0.0.1:8081``.
    """

    def __init__(self, simulator: SchwabSimulator, host: str, port: int) -> None:
        self.simulator = simulator
        try:
            self._server = _Server((host, port), simulator)
        except OSError as error:
            message = f"cannot listen on {host}:{port} ({error.strerror}); choose another port"
            raise ConfigurationError(message) from error
        self.port = int(self._server.server_address[1])
        self.url = f"http://{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self) -> None:
        """Block until the server is closed or the user interrupts."""
        self._thread.join()

    def close(self) -> None:
        """Stop listening and end the open connections."""
        self._server.stopping.set()
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join()


def serve(simulator: SchwabSimulator, host: str = "127.0.0.1", port: int = 8081) -> SimulatorServer:
    """Serve ``simulator`` in the background.

    Args:
        simulator: What to serve.
        host: A loopback name; the simulator hands out tokens to anybody who asks.
        port: The port, or 0 for any free one.

    Raises:
        ConfigurationError: ``host`` is no loopback name, or the port is taken.
    """
    if host not in LOOPBACK_HOSTS:
        message = f"the simulator serves this machine only: host must be 127.0.0.1 or localhost, was {host!r}"
        raise ConfigurationError(message)
    return SimulatorServer(simulator, host, port)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], simulator: SchwabSimulator) -> None:
        self.simulator = simulator
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # The standard class looks its own name up in DNS here, which can take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as inherited
        # A client that hangs up is everyday life here, and nobody reads this process's stderr.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def track(self, connection: socket.socket) -> Callable[[], None]:
        with self._guard:
            self._open.add(connection)
        return lambda: self._forget(connection)

    def _forget(self, connection: socket.socket) -> None:
        with self._guard:
            self._open.discard(connection)

    def end_connections(self) -> None:
        with self._guard:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


def _bytes_of(whole: bytes) -> Iterator[bytes]:
    return (whole[at : at + 1] for at in range(len(whole)))


class _StoppingError(Exception):
    """The server closes: what is being sent late is not sent at all."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "simulator"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = _IDLE_SECONDS
    server: _Server
    _headers_buffer: list[bytes]

    def handle(self) -> None:
        forget = self.server.track(self.connection)
        try:
            super().handle()
        finally:
            forget()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - as inherited
        """Stay quiet: the simulator keeps its own arrival log."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        environ = self._environ()
        try:
            reply = control.answer(self.server.simulator, environ) or self.server.simulator.answer(environ)
            self._send(reply)
        except TransportFaultError as fault:
            self._break(fault.kind)
        except _StoppingError:
            self.close_connection = True

    def _send(self, reply: Reply) -> None:
        switches = self.server.simulator.switches
        if reply.slow == "status":
            self._pause(switches.slow_seconds)
        if reply.slow == "continue":
            self._drip([_CONTINUE] * math.ceil(switches.slow_seconds / switches.drip_seconds), switches.drip_seconds)
        self.send_response_only(reply.status, HTTPStatus(reply.status).phrase)
        headers = dict(reply.wire_headers())
        # A date that a reply names itself wins, as the simulator's clock may have moved since.
        date = format_datetime(self.server.simulator.now(), usegmt=True)
        for name, value in ({"Date": date} | headers).items():
            self.send_header(name, value)
        # A reply that declares more than it holds is a connection cut in the middle.
        self.close_connection |= int(headers["Content-Length"]) != len(reply.body)
        if reply.slow == "header":
            self._drip(_bytes_of(b"".join(self._headers_buffer)), switches.drip_seconds)
            self._headers_buffer.clear()
        self.end_headers()
        if reply.slow == "body":
            self.wfile.flush()
            self._pause(switches.slow_seconds)
        if reply.slow == "drip":
            self._drip(_bytes_of(reply.body), switches.drip_seconds)
        else:
            self.wfile.write(reply.body)
        self.wfile.flush()

    def _drip(self, pieces: Iterable[bytes], seconds: float) -> None:
        for piece in pieces:
            self.wfile.write(piece)
            self.wfile.flush()
            self._pause(seconds)

    def _pause(self, seconds: float) -> None:
        if self.server.stopping.wait(seconds):
            raise _StoppingError

    def _break(self, kind: TransportErrorName) -> None:
        self.close_connection = True
        if kind == "ReadTimeout":
            # Silence for longer than the client may want to wait, or until the server stops.
            self.server.stopping.wait(self.server.simulator.switches.slow_seconds)
        if kind in ("ReadError", "ConnectError"):
            # Lingering for no time turns the close into a reset. A connection that is already
            # there cannot be refused any more, so a reset stands in for that too.
            layout = "hh" if sys.platform == "win32" else "ii"
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(layout, 1, 0))
            self.connection.close()

    def _environ(self) -> "WSGIEnvironment":
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(length),
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "REMOTE_ADDR": str(self.client_address[0]),
            "REMOTE_PORT": str(self.client_address[1]),
            "SERVER_NAME": self.server.server_name,
            "SERVER_PORT": str(self.server.server_port),
            "SERVER_PROTOCOL": self.request_version,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(self.rfile.read(length)),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        return environ
