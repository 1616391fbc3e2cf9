"""The arrival log: every request that reached the simulator, and nothing secret about it."""

import json
import threading
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from jutsu_assets.simulator.faults import Incoming

_LOGGED_FORM_FIELDS = ("grant_type", "redirect_uri", "response_type")


@dataclass(frozen=True)
class Arrival:
    """One request as it arrived, without secrets.

    Attributes:
        monotonic: When, by the simulator's monotonic clock.
        method: Its HTTP method.
        path: Its path.
        params: Its parameters; of a form only what is no secret.
        status: What was answered; None where no reply was made, or none yet.
        process: Who asked: the name that the client gave itself, or its address.
    """

    monotonic: float
    method: str
    path: str
    params: tuple[tuple[str, str], ...]
    status: int | None
    process: str = ""

    def param(self, name: str) -> str | None:
        """Return one parameter, or None."""
        return dict(self.params).get(name)

    def line(self) -> str:
        """Return the arrival as one line of JSON."""
        return json.dumps(asdict(self) | {"params": dict(self.params)})


class ArrivalLog:
    """Keeps the arrivals; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[Arrival] = []

    def open(self, incoming: Incoming, monotonic: float, process: str) -> int:
        """Log a request that is not answered yet, and return its number."""
        # A client may send a token to a wrong path, so only data requests are told in full.
        params = tuple(
            (name, value)
            for name, value in incoming.params.items()
            if incoming.asks_for_data or name in _LOGGED_FORM_FIELDS
        )
        with self._lock:
            self._kept.append(Arrival(monotonic, incoming.method, incoming.path, params, None, process))
            return len(self._kept) - 1

    def close(self, number: int, status: int) -> None:
        """Log what was answered."""
        with self._lock:
            self._kept[number] = replace(self._kept[number], status=status)

    def all(self) -> list[Arrival]:
        """Return all requests so far, in the order of their arrival."""
        with self._lock:
            return sorted(self._kept, key=lambda arrival: arrival.monotonic)


def busiest_second(arrivals: Iterable[Arrival]) -> int:
    """Return the largest number of requests that arrived within any one second."""
    most = 0
    window: deque[float] = deque()
    for arrival in arrivals:
        window.append(arrival.monotonic)
        while window[0] <= arrival.monotonic - 1:
            window.popleft()
        most = max(most, len(window))
    return most


def per_second(arrivals: Iterable[Arrival]) -> dict[int, int]:
    """Return how many requests arrived in every second of the monotonic clock that saw any."""
    return dict(Counter(int(arrival.monotonic) for arrival in arrivals))
