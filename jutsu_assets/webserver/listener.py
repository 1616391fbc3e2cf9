"""Where the UI is served; nothing here loads Dagster, so that a taken port is told of at once."""

import socket

from jutsu_core.errors import ConfigurationError


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; whoever connects waits until the UI is up.

    Args:
        host: Name or address of this machine.
        port: 0 takes a free one.

    Raises:
        ConfigurationError: The host is not this machine's, or the port is taken or reserved.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        message = (
            f"port {port} of {host} must be free, and {host} an address of this machine: {error};"
            " stop the other program, or choose another --port or --host"
        )
        raise ConfigurationError(message) from error
