"""The simulator's clock, and what follows it: F2."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.clock import ClockSetting, SimulatorClock
from jutsu_assets.simulator.oauth import ACCESS_SECONDS, CODE_SECONDS, REFRESH_SECONDS
from tests.jutsu_assets.simulator.named import named
from tests.jutsu_assets.simulator.wire import EVENING, MONDAY, SESSIONS, THURSDAY, SettableClock, Wire, days

CLIENTS_PRESENT = 1_700_000_000.0


@pytest.fixture
def passing() -> SettableClock:
    """Seconds that really pass."""
    return SettableClock(500)


def clock_of(passing: SettableClock, **options: Any) -> SimulatorClock:
    return SimulatorClock(EVENING, monotonic=passing, epoch=lambda: CLIENTS_PRESENT, **options)


def wire_of(clock: SimulatorClock) -> Wire:
    return named(clock=clock)


@pytest.mark.parametrize("rate", [0, 1, 60])
def test_f2_the_clock_runs_at_its_rate(passing: SettableClock, rate: float) -> None:
    clock = clock_of(passing, rate=rate)
    assert (clock.now(), clock.token_seconds()) == (EVENING, CLIENTS_PRESENT)
    passing.seconds += 10
    assert clock.now() == EVENING + timedelta(seconds=10 * rate)
    assert clock.token_seconds() == CLIENTS_PRESENT + 10 * rate


def test_f2_the_clock_is_set_stopped_and_run_fast(passing: SettableClock) -> None:
    clock = clock_of(passing)
    passing.seconds += 5
    clock.change(ClockSetting(rate=0))
    passing.seconds += 100
    assert clock.now() == EVENING + timedelta(seconds=5)
    clock.change(ClockSetting(rate=3600))
    passing.seconds += 2
    assert clock.now() == EVENING + timedelta(seconds=7205)
    morning = datetime(2013, 3, 4, 14, 30, tzinfo=UTC)
    clock.change(ClockSetting(now=morning))
    assert clock.now() == morning
    clock.advance(timedelta(days=-1))
    assert clock.now() == morning - timedelta(days=1)
    assert clock.rate == 3600


def test_f2_the_clock_may_disagree_with_the_clients(passing: SettableClock) -> None:
    clock = clock_of(passing, skew=-30, rate=0)
    assert (clock.now(), clock.skew) == (EVENING, -30)
    assert clock.token_seconds() == CLIENTS_PRESENT - 30
    clock.change(ClockSetting(skew=90))
    assert clock.now() == EVENING + timedelta(seconds=120)
    clock.change(ClockSetting(now=EVENING))
    assert clock.now() == EVENING


def test_f2_a_token_file_is_written_by_the_clients_clock(passing: SettableClock) -> None:
    login = SchwabSimulator(named().simulator.history, clock=clock_of(passing, skew=4000)).issue_login()
    assert login["creation_timestamp"] == CLIENTS_PRESENT
    assert login["token"]["expires_at"] == CLIENTS_PRESENT + ACCESS_SECONDS


def test_f2_the_lives_of_tokens_follow_the_clock(passing: SettableClock) -> None:
    clock = clock_of(passing, rate=60)
    wire = wire_of(clock)
    passing.seconds += 29
    assert wire.history().status_code == 200
    passing.seconds += 1
    assert wire.history().status_code == 401
    clock.change(ClockSetting(rate=0))
    wire.token = wire.refresh().json()
    passing.seconds += 10 * REFRESH_SECONDS
    assert wire.history().status_code == 200
    code = wire.code()
    clock.advance(timedelta(seconds=CODE_SECONDS + 1))
    assert wire.exchange(code).status_code == 400
    clock.advance(timedelta(days=7))
    assert wire.refresh().status_code == 400


def test_f2_today_and_its_forming_bar_follow_the_clock(passing: SettableClock) -> None:
    clock = clock_of(passing, rate=60)
    wire = named("X1", clock=clock)
    volumes: list[int] = []
    for _ in range(3):
        clock.change(ClockSetting(now=datetime(2013, 2, 28, 15, 0, tzinfo=UTC) + timedelta(hours=len(volumes))))
        wire.token = wire.refresh().json()
        volumes.append(wire.candles()[-1]["volume"])
    assert volumes == sorted(set(volumes))
    clock.change(ClockSetting(now=datetime(2013, 2, 25, 23, 0, tzinfo=UTC), rate=1))
    assert days(wire.candles()) == [SESSIONS[0], MONDAY]
    clock.advance(timedelta(days=3))
    wire.token = wire.refresh().json()
    assert days(wire.candles())[-1] == THURSDAY


@pytest.mark.parametrize(
    "setting",
    [{"now": datetime(2013, 3, 1)}, {"rate": -1}, {"rate": float("nan")}, {"skew": 1e12}, {"speed": 2}],  # noqa: DTZ001
)
def test_a_clock_is_not_set_to_what_it_cannot_show(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ClockSetting.model_validate(setting)
