"""Asking for the next symbol while the last one is computed.

The source allows two requests a second; what is made of a symbol's bars takes less than the
half second between them. So one thread asks, one key after another, and its caller works on
what came: a run costs what the source's limit costs.
"""

from collections.abc import Callable, Generator, Sequence
from queue import Queue
from threading import Event, Thread
from typing import Generic, NamedTuple, TypeVar

_T = TypeVar("_T")

AHEAD = 2
"""So many results may wait to be worked on: an interrupted run has asked for no more than that in vain."""


class Arrived(NamedTuple, Generic[_T]):
    """What asking for one key brought.

    Attributes:
        key: What was asked for.
        result: What came; None where asking failed.
        error: Why asking failed; None where it did not.
    """

    key: str
    result: _T | None
    error: Exception | None


def overlapped(
    keys: Sequence[str], ask: Callable[[str], _T], *, ends_with: Callable[[Exception], bool] = lambda _: False
) -> Generator[Arrived[_T]]:
    """Yield what ``ask`` brings for each of ``keys``, in their order, asking ahead in a thread of its own.

    Whoever stops reading stops the asking: the question under way is finished, no other begins.

    Args:
        keys: What to ask for.
        ask: Brings one; may wait, and may raise.
        ends_with: Whether an error would meet every other key too: nothing is asked, and nothing comes, after it.

    Examples:
        >>> [(came.key, came.result) for came in overlapped(["a", "b"], str.upper)]
        [('a', 'A'), ('b', 'B')]
    """
    arrived: Queue[Arrived[_T]] = Queue()
    wanted: Queue[str | None] = Queue()
    stopped = Event()

    def work() -> None:
        while (key := wanted.get()) is not None and not stopped.is_set():
            try:
                arrived.put(Arrived(key, ask(key), None))
            except Exception as error:  # noqa: BLE001 - it is raised, or recorded, where results are read
                if ends_with(error):
                    stopped.set()
                arrived.put(Arrived(key, None, error))

    thread = Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        for key in keys[:AHEAD]:
            wanted.put(key)
        for position in range(len(keys)):
            came = arrived.get()
            if position + AHEAD < len(keys):
                wanted.put(keys[position + AHEAD])
            yield came
            if came.error is not None and ends_with(came.error):
                return
    finally:
        stopped.set()
        wanted.put(None)
        thread.join()
