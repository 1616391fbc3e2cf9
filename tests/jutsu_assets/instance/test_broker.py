"""Whether Celery's broker listens is told without a client of it, and without a password."""

import socket

import pytest

from jutsu_assets.instance.broker import broker_fault
from jutsu_core.errors import ConfigurationError


def test_where_none_is_named_or_somebody_listens_nothing_is_wrong() -> None:
    assert broker_fault({}) is None
    assert broker_fault({"JUTSU_CELERY_BROKER": ""}) is None
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        for scheme in ("redis", "amqp"):
            assert broker_fault({"JUTSU_CELERY_BROKER": f"{scheme}://me:S3CRET@{address}/0"}) is None


def test_where_nobody_listens_it_says_where() -> None:
    fault = broker_fault({"JUTSU_CELERY_BROKER": "amqp://me:S3CRET@127.0.0.1:1//"})
    assert fault is not None
    assert fault.startswith("Celery's broker must listen at 127.0.0.1:1, does not: ")
    assert "S3CRET" not in fault


@pytest.mark.parametrize("written", ["nonsense", "redis://", "redis://h:port/0", "memory://host", "redis://:S3CRET@/0"])
def test_what_is_none_is_refused_and_not_shown(written: str) -> None:
    with pytest.raises(ConfigurationError, match="JUTSU_CELERY_BROKER must be the address of Celery's broker") as told:
        broker_fault({"JUTSU_CELERY_BROKER": written})
    assert "S3CRET" not in str(told.value)
