"""What carries requests: to Schwab itself, or to a simulator on this machine.

Nothing here keeps the rate limit: whoever opens a transport puts it behind
:class:`jutsu_assets.schwab.throttle.ThrottledTransport`.
"""

import httpx

from jutsu_assets.settings import SCHWAB_ORIGIN


class LoopbackTransport(httpx.BaseTransport):
    """Sends Schwab's requests to a simulator on this machine instead.

    Args:
        origin: Scheme, host and port of the simulator.
    """

    def __init__(self, origin: str) -> None:
        self._origin = httpx.URL(origin)
        self._inner = httpx.HTTPTransport()

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
