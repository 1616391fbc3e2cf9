"""Sockets that keep a deadline: connecting, the TLS handshake, every write and every read of one request share it.

The timeouts of httpx bound each wait by itself: a server that says a little now and then (of a
header, ``100 Continue`` after ``100 Continue``, a byte of the body) holds them for ever.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

_KEPT_OPEN_SECONDS = 5.0
_MOST_CONNECTIONS, _MOST_KEPT_OPEN = 100, 20


class Allowance:
    """What one request may still take.

    Args:
        seconds: How long it may take in all.
        largest: Bytes that its reply may have, packed and unpacked alike.
        stopwatch: Seconds of a clock that nobody sets.
    """

    def __init__(self, seconds: float, largest: int, stopwatch: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._largest = largest
        self._stopwatch = stopwatch
        self._deadline = stopwatch() + seconds

    @property
    def message(self) -> str:
        """Return what there is to say once it is over."""
        return f"the reply must end within {self._seconds:g} s, and did not"

    @property
    def is_over(self) -> bool:
        """Return whether the time has passed."""
        return self._stopwatch() > self._deadline

    def within(self, timeout: float | None) -> float:
        """Return how long to wait at most, if ``timeout`` bounds this wait.

        Raises:
            httpcore.ReadTimeout: There is no time left.
        """
        left = self._deadline - self._stopwatch()
        if left <= 0:
            raise httpcore.ReadTimeout(self.message)
        return left if timeout is None else min(timeout, left)

    def watched(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield ``pieces`` while there is time for them, and not more bytes than allowed.

        Raises:
            httpx.ReadTimeout: They did not end in time.
            httpx.RemoteProtocolError: They are too many bytes.
        """
        size = 0
        for piece in pieces:
            size += len(piece)
            if self.is_over:
                raise httpx.ReadTimeout(self.message)
            if size > self._largest:
                message = f"the reply must be at most {self._largest:,} bytes, was larger"
                raise httpx.RemoteProtocolError(message)
            yield piece

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Bound what the calling thread waits for on sockets of a :class:`SocketTransport`."""
        token = _in_force.set(self)
        try:
            yield
        finally:
            _in_force.reset(token)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the time inside not count: it is ours, not the server's."""
        began = self._stopwatch()
        try:
            yield
        finally:
            self._deadline += self._stopwatch() - began


_in_force: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


def _within(timeout: float | None) -> float | None:
    allowance = _in_force.get()
    return timeout if allowance is None else allowance.within(timeout)


class SocketTransport(httpx.HTTPTransport):
    """Sends requests as httpx does, within the allowance that is in force.

    Args:
        context: Whose certificates are believed; those of the world if None.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        context = context or httpx.create_ssl_context()
        super().__init__(verify=context)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=_MOST_CONNECTIONS,
            max_keepalive_connections=_MOST_KEPT_OPEN,
            keepalive_expiry=_KEPT_OPEN_SECONDS,
            network_backend=_Sockets(),
        )


class _Sockets(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        # Tried here one by one: together, each of many addresses would get the whole timeout.
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in _addresses(host, port):
            try:
                plain = self._plain.connect_tcp(address, port, _within(timeout), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(plain)
        raise failure


class _Stream(httpcore.NetworkStream):
    def __init__(self, plain: httpcore.NetworkStream) -> None:
        self._plain = plain

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._plain.read(max_bytes, _within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._plain.write(buffer, _within(timeout))

    def close(self) -> None:
        self._plain.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        # Python holds a whole handshake to one timeout, however many reads it takes.
        return _Stream(self._plain.start_tls(ssl_context, server_hostname, _within(timeout)))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as inherited
        return self._plain.get_extra_info(info)


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
