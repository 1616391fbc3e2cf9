"""The simulator in process: an httpx transport that needs no port.

Mount it for the origin ``https://api.schwabapi.com``; a request then reaches the simulator
with the path, query, headers and body that it would have live.
"""

import httpx

from jutsu_assets.schwab.simulator.app import SchwabSimulator
from jutsu_assets.schwab.simulator.faults import TransportErrorName, TransportFaultError

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
        self._wsgi = httpx.WSGITransport(app=simulator)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the simulator's reply.

        Raises:
            httpx.TransportError: A fault asks for a broken connection.
        """
        try:
            response = self._wsgi.handle_request(request)
        except TransportFaultError as fault:
            raise _ERRORS[fault.kind](str(fault), request=request) from fault
        body = b"".join(response.iter_raw())
        declared = response.headers["Content-Length"]
        if len(body) < int(declared):
            message = f"peer closed connection: received {len(body)} bytes, expected {declared}"
            raise httpx.RemoteProtocolError(message, request=request)
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(body))


def mount(simulator: SchwabSimulator) -> httpx.BaseTransport:
    """Return the transport to mount under a session for ``ORIGIN``."""
    return InProcessTransport(simulator)
