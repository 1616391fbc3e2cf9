"""The real clock and the real sleeper; everything else takes them as arguments."""

import time
from datetime import UTC, datetime


class SystemClock:
    """A :class:`jutsu_core.ports.Clock` that reads the machine's clock."""

    def now(self) -> datetime:
        """Return the current instant, UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place that reads the clock


class SystemSleeper:
    """A :class:`jutsu_core.ports.Sleeper` that really waits."""

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        time.sleep(seconds)  # noqa: TID251 - the one place that waits
