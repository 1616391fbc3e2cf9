"""Where a browser lands after a login: an HTTPS server on this machine that hears one address.

Schwab redirects to the app's callback URL, which must be https. No authority signs for
127.0.0.1, so the certificate is made here, for this one login, and the browser warns of it once.
"""

import ipaddress
import queue
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from jutsu_core.errors import AuthenticationError, ConfigurationError

LOOPBACK = "127.0.0.1"
CERTIFICATE_LIFE = timedelta(days=1)
_LEAST_PORT = 1024
_SILENCE_SECONDS = 10.0
_MOST_CONNECTIONS = 32
_LARGEST_FORM_BYTES = 2**16
_PAGE = (
    "<!doctype html><meta charset=utf-8><title>Jutsu</title>"
    "<body style='font:1.1em sans-serif;max-width:32em;margin:4em auto'><h1>{title}</h1><p>{text}</p>"
)
_HEARD = _PAGE.format(title="Back to the terminal", text="Jutsu has the answer. This page can be closed.")
_OTHER = _PAGE.format(title="Not what Jutsu waits for", text="Jutsu goes on waiting for the login that it began.")

IsAnswer = Callable[[str], bool]
"""Whether the query of an address is where the login ends."""


def can_be_heard(callback_url: str) -> bool:
    """Return whether a server of ours can listen at ``callback_url``: on this machine, at an unprivileged port."""
    parts = urlsplit(callback_url)
    return parts.scheme == "https" and parts.hostname == LOOPBACK and (parts.port or 0) >= _LEAST_PORT


class CallbackServer:
    """Listens at a callback URL until a browser lands there; leaving the context closes it.

    Any page can send a browser here, and any process can connect: what is not the end of this
    login is answered and forgotten, however often and however slowly it comes.

    Args:
        callback_url: Callback URL of the app, for which :func:`can_be_heard` holds.
        now: When the certificate begins to be good.
        is_answer: Tells the end of this login from everything else.

    Raises:
        ConfigurationError: The port is taken.
    """

    def __init__(self, callback_url: str, now: datetime, is_answer: IsAnswer) -> None:
        parts = urlsplit(callback_url)
        self._heard: queue.Queue[str] = queue.Queue()
        try:
            self._server = _Server((LOOPBACK, parts.port or 0), _Handler)
        except OSError as error:
            message = (
                f"the port {parts.port} of SCHWAB_CALLBACK_URL must be free, but cannot be listened on"
                f" ({error.strerror}): end what uses it, or run `jutsu login --manual`"
            )
            raise ConfigurationError(message) from error
        self._server.prepare(f"https://{parts.netloc}", parts.path, self._heard, is_answer, _tls_context(now))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.end_connections()
        self._thread.join()

    def wait(self, seconds: float) -> str:
        """Return the whole address on which the browser landed, with a code or with a refusal in it.

        Raises:
            AuthenticationError: Nobody came in time.
        """
        try:
            return self._heard.get(timeout=seconds)
        except queue.Empty:
            message = (
                f"the browser must come back within {seconds:.0f} s of the login, and did not: run `jutsu login` again,"
                " or `jutsu login --manual` where no browser can reach this machine"
            )
            raise AuthenticationError(message) from None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def prepare(
        self, origin: str, path: str, heard: "queue.Queue[str]", is_answer: IsAnswer, context: ssl.SSLContext
    ) -> None:
        self.origin, self.path, self.heard, self.is_answer, self._context = origin, path, heard, is_answer, context
        self._open: dict[ssl.SSLSocket, None] = {}
        self._guard = threading.Lock()

    def server_bind(self) -> None:
        # The standard class looks its own name up in DNS here, which can take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = LOOPBACK, int(self.server_address[1])

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as inherited
        # In the thread of the request: a browser that only connects must not keep others out.
        request.settimeout(_SILENCE_SECONDS)
        with self._context.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as wrapped:
            self._let_in(wrapped)
            try:
                wrapped.do_handshake()
                super().finish_request(wrapped, client_address)
            finally:
                with self._guard:
                    self._open.pop(wrapped, None)

    def _let_in(self, newest: ssl.SSLSocket) -> None:
        """Let the oldest go where many are open: those who say nothing for long must not keep a browser out."""
        with self._guard:
            self._open[newest] = None
            too_many = list(self._open)[:-_MOST_CONNECTIONS]
        _end(too_many)

    def end_connections(self) -> None:
        with self._guard:
            still_open = list(self._open)
        _end(still_open)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as inherited
        """Stay quiet: a browser that refuses the certificate hangs up, and asks again once it is accepted."""


def _end(connections: list[ssl.SSLSocket]) -> None:
    for connection in connections:
        with suppress(OSError):
            # Of the socket beneath: to say goodbye in TLS would be to wait for an answer.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "jutsu"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - as inherited
        """Stay quiet: the address holds a secret."""

    def do_GET(self) -> None:
        query = self._callback_query()
        if query is None or not self.server.is_answer(query):
            self._show(HTTPStatus.NOT_FOUND, _OTHER)
            return
        self._show(HTTPStatus.OK, _HEARD)
        self.server.heard.put(f"{self.server.origin}/?{query}")

    def do_HEAD(self) -> None:
        self._show(HTTPStatus.NOT_FOUND, _OTHER)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Show the same page whatever is wrong; the standard one repeats what was asked."""
        del message, explain
        self._show(code, _OTHER)

    def _callback_query(self) -> str | None:
        try:
            parts = urlsplit(self.path)
        except ValueError:
            return None
        return parts.query if parts.path.rstrip("/") == self.server.path.rstrip("/") else None

    def _show(self, status: int, page: str) -> None:
        # What was sent and is not read would make the answer a broken connection.
        length = self.headers.get("Content-Length", "") if hasattr(self, "headers") else ""
        if length.isascii() and length.isdecimal():
            self.rfile.read(min(int(length[:9]), _LARGEST_FORM_BYTES))
        content = page.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _tls_context(now: datetime) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        # The standard library loads keys from files alone.
        path = Path(folder) / "callback.pem"
        path.touch(mode=0o600)
        path.write_bytes(_key_and_certificate(now))
        context.load_cert_chain(path)
    return context


def _key_and_certificate(now: datetime) -> bytes:
    from cryptography import x509  # noqa: PLC0415 - only a login needs it
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, LOOPBACK)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CERTIFICATE_LIFE)
        .not_valid_after(now + CERTIFICATE_LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
