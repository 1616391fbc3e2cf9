"""The faults by name: all there are, each of which can be made and strikes as often as it is told."""

import inspect
import re
from datetime import date

import pytest

from jutsu_assets.simulator import anomalies
from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.catalog import FAULTS, SETTINGS, named_plan, newest_session
from jutsu_assets.simulator.faults import Fault
from jutsu_assets.simulator.ids import FAULT_IDS
from jutsu_assets.simulator.market import MarketHistory
from jutsu_core.errors import InvalidInputError, JutsuError, MalformedResponseError
from tests.jutsu_assets.simulator.wire import reference
from tests.support.schwab import SESSIONS, THURSDAY, desk, small_market

BUILDERS = {"acting", "mixed", "replying", "wrong_candles", "wrong_envelope"}
IDS = {
    *(f"O{number}" for number in range(1, 22)),
    *(f"D{number}" for number in range(1, 6)),
    *(f"X{number}" for number in range(1, 13)),
    *(f"R{number}" for number in range(1, 17)),
}
"""The acceptance list's sections 2, 3, 6 and 7."""


def test_every_fault_has_its_name() -> None:
    wire = {name for name, member in vars(Fault).items() if isinstance(member, classmethod)}
    candles = {
        name
        for name, function in inspect.getmembers(anomalies, inspect.isfunction)
        if inspect.signature(function).return_annotation is Fault and not name.startswith("_")
    }
    assert len(candles) > 10
    assert set(FAULTS) - set(FAULT_IDS) == (wire - BUILDERS) | candles


@pytest.mark.parametrize("name", sorted(IDS))
def test_every_id_can_be_named(name: str) -> None:
    plan = named_plan([name], THURSDAY)
    assert len(plan.faults) == (name in FAULTS)
    assert (name in FAULTS) != (name in SETTINGS)
    for setting, value in plan.settings.items():
        assert getattr(SchwabSimulator(small_market(), faults=plan).switches, setting) == value


def test_every_variant_belongs_to_an_id() -> None:
    names = {name for name in (*FAULT_IDS, *SETTINGS) if not name.startswith("F7-")}
    assert {name.partition("-")[0] for name in names} == IDS
    assert not set(FAULTS) & set(SETTINGS)


def test_the_ids_are_those_of_the_list() -> None:
    sections = re.split(r"^## ", reference("simulator-behaviours.md").read_text("utf-8"), flags=re.MULTILINE)
    ours = "".join(section for section in sections if section[:2] in ("2 ", "3 ", "6 ", "7 "))
    assert set(re.findall(r"^\| ([A-Z]\d+) \|", ours, flags=re.MULTILINE)) == IDS


@pytest.mark.parametrize("name", FAULTS)
def test_every_named_fault_leaves_a_client_that_answers_or_refuses(name: str) -> None:
    (fault,) = named_plan([name], THURSDAY).faults
    assert fault.count == (1 if fault.act else None)
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


def test_a_setting_takes_no_count() -> None:
    plan = named_plan(["O10", "R6", "R7:2"], THURSDAY)
    assert plan.settings == {"rotate_refresh_tokens": True, "requests_per_second": 2, "refusals_before_block": 5}
    assert [(fault.name, fault.count) for fault in plan.faults] == [("500", 2)]
    with pytest.raises(InvalidInputError, match="O10 is a setting, not a fault"):
        named_plan(["O10:2"], THURSDAY)


def test_a_name_that_is_nearly_right_is_suggested() -> None:
    with pytest.raises(InvalidInputError, match=r"a name such as .*R5-soon.*, was 'R5-son'"):
        named_plan(["R5-son"], THURSDAY)


def test_the_newest_session_is_that_of_the_day_or_before() -> None:
    assert newest_session(small_market(), date(2013, 2, 24)) == SESSIONS[0]
    assert newest_session(small_market(), date(2020, 1, 1)) == THURSDAY
    with pytest.raises(InvalidInputError, match="today must be a day on which there are bars already, was 2013-02-21"):
        newest_session(small_market(), date(2013, 2, 21))
    with pytest.raises(InvalidInputError):
        newest_session(MarketHistory.from_bars({}), THURSDAY)
