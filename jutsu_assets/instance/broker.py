"""Whether somebody listens where Celery's broker should be; nothing here loads Celery or a client of a broker."""

import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from jutsu_core.errors import ConfigurationError

BROKER_VARIABLE = "JUTSU_CELERY_BROKER"
_PORTS = {"redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671, "pyamqp": 5672}
_PATIENCE_SECONDS = 2.0


def broker_fault(environment: Mapping[str, str]) -> str | None:
    """Return what keeps the broker from being reached, in one line without a secret; None if nothing does, or is named.

    Args:
        environment: Usually ``os.environ``.

    Raises:
        ConfigurationError: What is named is none of a broker.
    """
    written = environment.get(BROKER_VARIABLE)
    if not written:
        return None
    try:
        parts = urlsplit(written)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:  # a port that is no number
        host = port = None
    if host is None or port is None:
        message = (
            f"{BROKER_VARIABLE} must be the address of Celery's broker, such as redis://host:6379/0, was another text,"
            " which is not shown since it may hold a password; correct it"
        )
        raise ConfigurationError(message)
    try:
        socket.create_connection((host, port), _PATIENCE_SECONDS).close()
    except OSError as error:
        return f"Celery's broker must listen at {host}:{port}, does not: {error}"
    return None
