"""Where the UI listens, and what is refused before anything starts."""

import socket

import pytest

from jutsu_assets.webserver.listener import listen
from jutsu_core.errors import ConfigurationError


def test_a_taken_port_is_refused() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"port {port} of 127.0.0.1 must be free.*choose another --port"):
            listen("127.0.0.1", port)
    with listen("127.0.0.1", port) as again:
        assert again.getsockname()[1] == port


def test_a_host_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1 an address of this machine"):
        listen("192.0.2.1", 0)


def test_whoever_connects_early_waits() -> None:
    with listen("localhost", 0) as listener, socket.create_connection(listener.getsockname()[:2], timeout=2) as early:
        assert early.getpeername() == listener.getsockname()
