"""Which process a run lives in, and whether that process is certainly gone.

A process is known by its machine, its number and the second it began in: numbers are given
again, most of all after a restart of the machine or of a container.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import psutil

HOST_TAG = "jutsu/host"
PID_TAG = "jutsu/pid"
BEGAN_TAG = "jutsu/process_began"

# The system tells the begin from its uptime: when its clock is set, so is what it tells.
_CLOCK_MAY_BE_SET_BY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RunProcess:
    """The process of a run.

    Attributes:
        host: Name of the machine, or of the container.
        pid: Number of the process there.
        began: When it began, epoch seconds.
    """

    host: str
    pid: int
    began: float

    @classmethod
    def current(cls) -> Self:
        """Return this process."""
        return cls(socket.gethostname(), os.getpid(), psutil.Process().create_time())

    @classmethod
    def of_tags(cls, tags: Mapping[str, str]) -> Self | None:
        """Return the process that a run's ``tags`` name, None if they name none."""
        try:
            return cls(tags[HOST_TAG], int(tags[PID_TAG]), float(tags[BEGAN_TAG]))
        except (KeyError, ValueError):
            return None

    @property
    def tags(self) -> dict[str, str]:
        """Return what a run's tags say of this process."""
        return {HOST_TAG: self.host, PID_TAG: str(self.pid), BEGAN_TAG: f"{self.began:.2f}"}

    def is_gone(self) -> bool:
        """Return whether the process is certainly gone: on this machine, and not, or no longer, under its number."""
        if self.host != socket.gethostname():
            return False
        try:
            found = psutil.Process(self.pid)
            is_another = abs(float(found.create_time()) - self.began) > _CLOCK_MAY_BE_SET_BY_SECONDS
            return is_another or bool(found.status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:  # there is one, and it is another user's
            return False
