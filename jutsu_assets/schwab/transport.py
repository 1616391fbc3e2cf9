"""What carries requests: to Schwab itself, or to a simulator on this machine.

Nothing here keeps the rate limit: whoever opens a transport puts it behind
:class:`jutsu_assets.schwab.throttle.ThrottledTransport`.
"""

import ssl
import time
from collections.abc import Callable, Iterator

import httpx

from jutsu_assets.settings import SCHWAB_ORIGIN

WHOLE_REPLY_SECONDS = 60.0
LARGEST_REPLY_BYTES = 32 * 2**20
"""A reply of 40,000 candles has a tenth of this."""


class BoundedTransport(httpx.BaseTransport):
    """Reads every reply to its end, within a deadline and a size.

    The timeouts of httpx bound each read: a reply that drips one byte a second would never end.

    Args:
        inner: What really sends.
        seconds: From the request to the end of its reply.
        largest: Bytes of a reply's body on the wire.
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
        """
        deadline = self._stopwatch() + self._seconds
        response = self._inner.handle_request(request)
        try:
            body = b"".join(self._within(deadline, response.stream, request))  # type: ignore[arg-type] # sync
        finally:
            response.close()
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(body))

    def _within(self, deadline: float, stream: Iterator[bytes], request: httpx.Request) -> Iterator[bytes]:
        size = 0
        for chunk in stream:
            yield chunk
            size += len(chunk)
            if self._stopwatch() > deadline:
                message = f"the reply must end within {self._seconds:.0f} s, {size:,} bytes came"
                raise httpx.ReadTimeout(message, request=request)
            if size > self._largest:
                message = f"the reply must be at most {self._largest:,} bytes, was larger"
                raise httpx.RemoteProtocolError(message, request=request)

    def close(self) -> None:
        """Close the inner transport."""
        self._inner.close()


class LoopbackTransport(httpx.BaseTransport):
    """Sends Schwab's requests to a simulator on this machine instead.

    Args:
        origin: Scheme, host and port of the simulator.
    """

    def __init__(self, origin: str) -> None:
        self._origin = httpx.URL(origin)
        # Plain HTTP needs no certificates, and to read those of the world takes 20 ms.
        is_plain = self._origin.scheme == "http"
        self._inner = httpx.HTTPTransport(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_plain else True)

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
    return httpx.HTTPTransport() if base_url == SCHWAB_ORIGIN else LoopbackTransport(base_url)
