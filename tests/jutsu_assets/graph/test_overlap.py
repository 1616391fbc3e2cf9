"""Asking ahead: order, bounds, failures, and an end that leaves nothing behind."""

import threading
from collections.abc import Iterator

import pytest

from jutsu_assets.graph.overlap import AHEAD, Arrived, overlapped

KEYS = [f"S{number:03d}" for number in range(50)]


def ahead_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_everything_arrives_in_order() -> None:
    assert [(came.key, came.result) for came in overlapped(KEYS, str.lower)] == [(key, key.lower()) for key in KEYS]


def test_nothing_asked_for_brings_nothing() -> None:
    assert list(overlapped([], str.lower)) == []


def test_the_next_is_asked_for_while_one_is_worked_on() -> None:
    """The second question begins although nobody has finished with the first answer."""
    begun = [threading.Event() for _ in KEYS]

    def ask(key: str) -> str:
        begun[KEYS.index(key)].set()
        return key

    arrivals = overlapped(KEYS, ask)
    next(arrivals)
    assert begun[1].wait(10)
    arrivals.close()


def test_no_more_than_the_bound_is_asked_ahead() -> None:
    asked: list[str] = []

    def ask(key: str) -> str:
        asked.append(key)
        return key

    for done, _ in enumerate(overlapped(KEYS, ask), start=1):
        assert len(asked) <= done + AHEAD


def test_a_failure_arrives_in_its_place_and_the_rest_goes_on() -> None:
    def ask(key: str) -> str:
        if key == "S001":
            raise KeyError(key)
        return key

    came = list(overlapped(KEYS[:3], ask))
    assert [arrival.result for arrival in came] == ["S000", None, "S002"]
    assert isinstance(came[1].error, KeyError)


@pytest.mark.parametrize("read", [0, 1, 3])
def test_who_stops_reading_stops_the_asking(read: int) -> None:
    asked: list[str] = []

    def ask(key: str) -> str:
        asked.append(key)
        return key

    def some() -> Iterator[Arrived[str]]:
        arrivals = overlapped(KEYS, ask)
        for _ in range(read):
            yield next(arrivals)
        arrivals.close()

    list(some())
    assert len(asked) <= read + AHEAD
    assert ahead_threads() == []


def test_an_error_that_would_meet_all_ends_the_asking_at_once() -> None:
    asked: list[str] = []

    def ask(key: str) -> str:
        asked.append(key)
        raise KeyError(key)

    came = list(overlapped(KEYS, ask, ends_with=lambda error: isinstance(error, KeyError)))
    assert [arrival.key for arrival in came] == asked == ["S000"]


def test_an_error_of_the_reader_leaves_no_thread() -> None:
    def read() -> None:
        for _ in overlapped(KEYS, str.lower):
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        read()
    assert ahead_threads() == []
