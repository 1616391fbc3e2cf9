"""Paths of the loopback port that Schwab does not have: the clock and the arrival log, for other processes.

==============================  =====================================================
``GET /simulator/clock``        where the clock stands, its rate and skew
``POST /simulator/clock``       sets any of the three: ``{"now": "2013-03-01T14:30:00Z",
                                "rate": 60, "skew": -30}``; a rate of 0 stops the clock
``GET /simulator/arrivals``     the arrival log, one line of JSON a request
``GET /simulator/counts``       how many requests there were: in all, in every second of
                                the monotonic clock, and in the busiest second
==============================  =====================================================

They are no requests to Schwab: no fault strikes them, and the arrival log leaves them out.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import ValidationError

from jutsu_assets.simulator import arrivals, replies
from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.clock import ClockSetting, SimulatorClock
from jutsu_assets.simulator.replies import Reply
from jutsu_assets.simulator.script import findings
from jutsu_core.errors import InvalidInputError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PREFIX = "/simulator/"


def answer(simulator: SchwabSimulator, environ: "WSGIEnvironment") -> Reply | None:
    """Return the reply to a request for one of these paths, or None if it is for Schwab."""
    if not environ["PATH_INFO"].startswith(PREFIX):
        return None
    action = _ACTIONS.get((environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix(PREFIX)))
    if action is None:
        return replies.text_reply(404, f"{PREFIX} has clock, arrivals and counts\n")
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    try:
        return action(simulator, body)
    except InvalidInputError as error:
        return replies.text_reply(400, f"{error}\n")


def _clock_of(simulator: SchwabSimulator) -> SimulatorClock:
    if simulator.clock is None:
        message = "this simulator was started without a clock that can be set"
        raise InvalidInputError(message)
    return simulator.clock


def _show_clock(simulator: SchwabSimulator, _: bytes) -> Reply:
    clock = _clock_of(simulator)
    return replies.json_reply(200, {"now": clock.now().isoformat(), "rate": clock.rate, "skew": clock.skew})


def _set_clock(simulator: SchwabSimulator, body: bytes) -> Reply:
    try:
        setting = ClockSetting.model_validate_json(body)
    except ValidationError as error:
        message = f"the clock cannot be set: {findings(error)}"
        raise InvalidInputError(message) from error
    _clock_of(simulator).change(setting)
    return _show_clock(simulator, body)


def _show_arrivals(simulator: SchwabSimulator, _: bytes) -> Reply:
    return replies.text_reply(200, "".join(f"{arrival.line()}\n" for arrival in simulator.requests))


def _show_counts(simulator: SchwabSimulator, _: bytes) -> Reply:
    seen = simulator.requests
    return replies.json_reply(
        200,
        {"requests": len(seen), "busiest_second": arrivals.busiest_second(seen), "seconds": arrivals.per_second(seen)},
    )


_ACTIONS: MappingProxyType[tuple[str, str], Callable[[SchwabSimulator, bytes], Reply]] = MappingProxyType(
    {
        ("GET", "clock"): _show_clock,
        ("POST", "clock"): _set_clock,
        ("GET", "arrivals"): _show_arrivals,
        ("GET", "counts"): _show_counts,
    }
)
