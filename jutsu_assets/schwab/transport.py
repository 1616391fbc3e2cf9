"""What carries requests: to Schwab itself, or to a simulator on this machine.

Nothing here keeps the rate limit: whoever opens a transport puts it behind
:class:`jutsu_assets.schwab.throttle.ThrottledTransport`.
"""

import ssl
import time
from collections.abc import Callable, Mapping

import httpx

from jutsu_assets.schwab.allowance import Allowance, SocketTransport
from jutsu_assets.schwab.server_text import shown
from jutsu_assets.schwab.unpacking import ACCEPTED, unpacked
from jutsu_assets.settings import SCHWAB_ORIGIN

WHOLE_REPLY_SECONDS = 60.0
LARGEST_REPLY_BYTES = 8 * 2**20
"""A reply of 40,000 candles has two fifths of this; what JSON's brackets become in memory is twenty times as large."""
_LEFT_OUT = ("content-encoding", "content-length", "transfer-encoding", "set-cookie")
"""What says how the body came, and what a client would keep and send back for ever; the API knows no cookies."""


class BoundedTransport(httpx.BaseTransport):
    """Reads every reply to its end and unpacks it, within a deadline and a size.

    What it returns is plain and has no charset of the server's choice: JSON is UTF-8. What went
    wrong is told without what is long, unprintable or secret in it.

    Args:
        inner: What really sends; a :class:`jutsu_assets.schwab.allowance.SocketTransport` keeps
            the deadline in all that it waits for.
        seconds: From the request to the end of its reply.
        largest: Bytes of a reply's body, packed and unpacked.
        stopwatch: Seconds of a clock that nobody sets.
    """

    def __init__(
        self,
        inner: httpx.BaseTransport,
        *,
        seconds: float = WHOLE_REPLY_SECONDS,
        largest: int = LARGEST_REPLY_BYTES,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._seconds = seconds
        self._largest = largest
        self._stopwatch = stopwatch

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request`` and return its whole reply.

        Raises:
            httpx.ReadTimeout: The reply did not end in time.
            httpx.RemoteProtocolError: The reply is too large.
            httpx.DecodingError: The reply cannot be unpacked.
        """
        allowance = Allowance(self._seconds, self._largest, self._stopwatch)
        request.headers["Accept-Encoding"] = ACCEPTED
        _leave_out_waiting(request, allowance)
        try:
            with allowance.in_force():
                return self._whole(request, allowance)
        except httpx.TimeoutException as error:
            kind, said = (httpx.ReadTimeout, allowance.message) if allowance.is_over else (type(error), str(error))
            raise kind(said, request=request) from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise type(error)(shown(error), request=request) from None

    def _whole(self, request: httpx.Request, allowance: Allowance) -> httpx.Response:
        response = self._inner.handle_request(request)
        try:
            encoding = response.headers.get("Content-Encoding", "")
            body = b"".join(unpacked(response.stream, encoding, allowance.watched))  # type: ignore[arg-type] # sync
        finally:
            response.close()
        headers = [(name, value) for name, value in response.headers.raw if name.lower().decode() not in _LEFT_OUT]
        whole = httpx.Response(response.status_code, headers=headers, stream=httpx.ByteStream(body))
        if "Content-Type" in whole.headers:
            whole.headers["Content-Type"] = whole.headers["Content-Type"].partition(";")[0]
        return whole

    def close(self) -> None:
        """Close the inner transport."""
        self._inner.close()


def _leave_out_waiting(request: httpx.Request, allowance: Allowance) -> None:
    """Let ``allowance`` pause while whoever follows ``request`` on its way lets it wait for its turn."""
    follow = request.extensions.get("trace")
    if follow is None:
        return

    def on_event(name: str, info: Mapping[str, object]) -> None:
        with allowance.paused():
            follow(name, info)

    request.extensions = {**request.extensions, "trace": on_event}


class LoopbackTransport(httpx.BaseTransport):
    """Sends Schwab's requests to a simulator on this machine instead.

    Args:
        origin: Scheme, host and port of the simulator.
    """

    def __init__(self, origin: str) -> None:
        self._origin = httpx.URL(origin)
        # Plain HTTP needs no certificates, and to read those of the world takes 20 ms.
        is_plain = self._origin.scheme == "http"
        self._inner = SocketTransport(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_plain else None)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request`` with its origin replaced; path, query and body stay as they are."""
        request.url = request.url.copy_with(scheme=self._origin.scheme, host=self._origin.host, port=self._origin.port)
        request.headers["Host"] = self._origin.netloc.decode()
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections to the simulator."""
        self._inner.close()


def transport_to(base_url: str) -> httpx.BaseTransport:
    """Return what carries requests to ``base_url``: Schwab itself, or a simulator on this machine."""
    return SocketTransport() if base_url == SCHWAB_ORIGIN else LoopbackTransport(base_url)
