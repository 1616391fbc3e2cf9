"""The market's clock: the machine's for Schwab, its own for a simulator, whose today may lie in the past."""

import threading
import time
from collections.abc import Callable
from datetime import datetime

import httpx

from jutsu_assets.clock import SystemClock
from jutsu_assets.schwab.session import http_date
from jutsu_assets.schwab.transport import BoundedTransport, LoopbackTransport
from jutsu_assets.settings import SCHWAB_ORIGIN
from jutsu_core.ports import Clock

_ASKED_PATH = "/simulator/clock"  # of the paths of a simulator, one that no fault strikes
_GOOD_FOR_SECONDS = 1.0
_TIMEOUT_SECONDS = 5.0


def market_clock(base_url: str) -> Clock:
    """Return the clock of the market behind ``base_url``."""
    return SystemClock() if base_url == SCHWAB_ORIGIN else ToldClock(base_url, SystemClock())


class ToldClock:
    """A :class:`jutsu_core.ports.Clock` that a simulator on this machine tells by the dates of its replies.

    Safe to use from several threads.

    Args:
        base_url: Origin of the simulator.
        otherwise: The clock while the simulator does not answer.
        stopwatch: Seconds of a clock that nobody sets.
    """

    def __init__(self, base_url: str, otherwise: Clock, *, stopwatch: Callable[[], float] = time.monotonic) -> None:
        self._base_url = base_url
        self._otherwise = otherwise
        self._stopwatch = stopwatch
        self._told: tuple[float, datetime] | None = None
        self._turn = threading.Lock()

    def now(self) -> datetime:
        """Return what the simulator's clock shows, UTC; it is asked once a second at most."""
        with self._turn:
            if self._told is None or self._stopwatch() - self._told[0] >= _GOOD_FOR_SECONDS:
                told = self._ask()
                if told is None:
                    return self._otherwise.now()
                self._told = (self._stopwatch(), told)
            return self._told[1]

    def _ask(self) -> datetime | None:
        transport = BoundedTransport(LoopbackTransport(self._base_url), seconds=_TIMEOUT_SECONDS)
        try:
            response = transport.handle_request(httpx.Request("GET", f"{self._base_url}{_ASKED_PATH}"))
            return http_date(response.headers.get("Date", ""))
        except httpx.HTTPError:
            return None
        finally:
            transport.close()
