"""The simulator in process: an httpx transport that needs no port.

Mount it for the origin ``https://api.schwabapi.com``; a request then reaches the simulator
with the path, query, headers and body that it would have live. Nothing is ever waited for: a
reply that would come later than the client waits is the client's timeout at once, and one
that drips is just there.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import httpx

from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.faults import TransportErrorName, TransportFaultError
from jutsu_assets.simulator.replies import Reply

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ORIGIN = "https://api.schwabapi.com"
"""The origin to mount the transport for."""

_ERRORS: dict[TransportErrorName, type[httpx.TransportError]] = {
    "ReadTimeout": httpx.ReadTimeout,
    "ConnectError": httpx.ConnectError,
    "ReadError": httpx.ReadError,
    "RemoteProtocolError": httpx.RemoteProtocolError,
}


class InProcessTransport(httpx.BaseTransport):
    """Hands requests to a simulator in this process; safe to share between threads."""

    def __init__(self, simulator: SchwabSimulator) -> None:
        self._simulator = simulator

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the simulator's reply.

        Raises:
            httpx.TransportError: A fault asks for a broken connection, or for a reply that
                comes later than the client waits.
        """

        def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
            reply = self._simulator.answer(environ)
            if self._is_too_late(reply, request):
                raise TransportFaultError("ReadTimeout")  # noqa: EM101 - the name of an error
            start_response(reply.reason, reply.wire_headers())
            return [reply.body]

        try:
            response = httpx.WSGITransport(app=application, remote_addr="in process").handle_request(request)
        except TransportFaultError as fault:
            raise _ERRORS[fault.kind](str(fault), request=request) from fault
        body = b"".join(response.iter_raw())
        declared = response.headers["Content-Length"]
        if len(body) < int(declared):
            message = f"peer closed connection: received {len(body)} bytes, expected {declared}"
            raise httpx.RemoteProtocolError(message, request=request)
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(body))

    def _is_too_late(self, reply: Reply, request: httpx.Request) -> bool:
        patience = request.extensions.get("timeout", {}).get("read")
        stuck = reply.slow in ("status", "body")
        return stuck and patience is not None and patience < self._simulator.switches.slow_seconds


def mount(simulator: SchwabSimulator) -> httpx.BaseTransport:
    """Return the transport to mount under a session for ``ORIGIN``."""
    return InProcessTransport(simulator)
