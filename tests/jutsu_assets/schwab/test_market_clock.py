"""The market's clock is the machine's for Schwab, and its own for a simulator."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from jutsu_assets.clock import SystemClock
from jutsu_assets.schwab.market_clock import ToldClock, market_clock
from jutsu_assets.settings import SCHWAB_ORIGIN
from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.clock import ClockSetting, SimulatorClock
from jutsu_assets.simulator.market import MarketHistory
from jutsu_assets.simulator.server import serve
from tests.support.builders import SettableClock

EVENING = datetime(2013, 3, 1, 1, tzinfo=UTC)


def simulator() -> SchwabSimulator:
    return SchwabSimulator(MarketHistory.from_sample(), clock=SimulatorClock(EVENING, rate=0.0))


def test_schwab_goes_by_the_machines_clock() -> None:
    assert isinstance(market_clock(SCHWAB_ORIGIN), SystemClock)


def test_a_simulator_tells_its_clock_and_is_asked_once_a_second() -> None:
    app, seconds = simulator(), [0.0]
    assert app.clock is not None
    with serve(app, port=0) as server:
        clock = ToldClock(server.url, SettableClock(), stopwatch=lambda: seconds[0])
        assert clock.now() == EVENING
        app.clock.change(ClockSetting(now=EVENING + timedelta(days=1)))
        seconds[0] = 0.5
        assert clock.now() == EVENING
        seconds[0] = 1.5
        assert clock.now() == EVENING + timedelta(days=1)
    assert app.requests == []


def test_a_simulator_without_a_clock_that_can_be_set_tells_it_too() -> None:
    app = SchwabSimulator()
    with serve(app, port=0) as server:
        assert market_clock(server.url).now() == app.now().replace(microsecond=0)


def test_while_no_simulator_answers_the_machines_clock_is_good_enough() -> None:
    with serve(simulator(), port=0) as server:
        pass
    machine = SettableClock()
    assert ToldClock(server.url, machine).now() == machine.now()


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"])
def test_a_date_that_is_none_is_not_believed(date: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(_: object, __: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={} if date is None else {"Date": date}, stream=httpx.ByteStream(b""))

    monkeypatch.setattr("jutsu_assets.schwab.transport.LoopbackTransport.handle_request", answer)
    machine = SettableClock()
    assert ToldClock("http://127.0.0.1:8081", machine).now() == machine.now()
