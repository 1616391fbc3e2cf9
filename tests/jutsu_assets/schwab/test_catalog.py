"""The faults by name: all there are, each of which can be made and strikes as often as it is told."""

import inspect
from datetime import date

import pytest

from jutsu_assets.schwab.simulator import anomalies
from jutsu_assets.schwab.simulator.catalog import FAULTS, named_plan, newest_session
from jutsu_assets.schwab.simulator.faults import Fault
from jutsu_assets.schwab.simulator.market import MarketHistory
from jutsu_core.errors import InvalidInputError, JutsuError, MalformedResponseError
from tests.support.schwab import SESSIONS, THURSDAY, desk, small_market

BUILDERS = {"replying", "wrong_candles", "wrong_envelope"}


def test_every_fault_has_its_name() -> None:
    wire = {name for name, member in vars(Fault).items() if isinstance(member, classmethod)}
    candles = {
        name
        for name, function in inspect.getmembers(anomalies, inspect.isfunction)
        if inspect.signature(function).return_annotation is Fault and not name.startswith("_")
    }
    assert len(candles) > 10
    assert set(FAULTS) == (wire - BUILDERS) | candles


@pytest.mark.parametrize("name", FAULTS)
def test_every_named_fault_leaves_a_client_that_answers_or_refuses(name: str) -> None:
    (fault,) = named_plan([name], THURSDAY).faults
    assert fault.count is None
    under_test = desk(fault, expired=fault.on == "token")
    try:
        bars = under_test.fetch()
    except JutsuError:
        bars = []
    assert len(bars) <= len(SESSIONS)


def test_a_fault_strikes_as_often_as_it_is_told() -> None:
    (twice,) = named_plan(["server_error:2"], THURSDAY).faults
    assert twice.count == 2
    under_test = desk(twice)
    assert len(under_test.fetch()) == len(SESSIONS)
    assert under_test.history_calls == 3
    (ever,) = named_plan(["candles_are"], THURSDAY).faults
    with pytest.raises(MalformedResponseError):
        desk(ever).fetch()


@pytest.mark.parametrize("text", ["nonsense", "server_error:", "server_error:0", "server_error:x", ":3"])
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="fault must be"):
        named_plan([text], THURSDAY)


def test_the_newest_session_is_that_of_the_day_or_before() -> None:
    assert newest_session(small_market(), date(2013, 2, 24)) == SESSIONS[0]
    assert newest_session(small_market(), date(2020, 1, 1)) == THURSDAY
    with pytest.raises(InvalidInputError, match="today must be a day on which there are bars already, was 2013-02-21"):
        newest_session(small_market(), date(2013, 2, 21))
    with pytest.raises(InvalidInputError):
        newest_session(MarketHistory.from_bars({}), THURSDAY)
