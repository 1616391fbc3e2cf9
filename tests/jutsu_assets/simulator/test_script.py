"""Fault scripts: what they may say, how it strikes, and what is refused: F5."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.endpoints import PRICE_HISTORY, TOKEN
from jutsu_assets.simulator.script import Script, read_script
from jutsu_core.errors import ConfigurationError, InvalidInputError
from tests.jutsu_assets.simulator.wire import (
    EVENING,
    MONDAY,
    THURSDAY,
    SettableClock,
    Wire,
    days,
    small_market,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "faults.yaml"


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(0)


def scripted(path: Path, text: str, clock: SettableClock, *names: str) -> Wire:
    """Return a client in front of a simulator that follows a script."""
    path.write_text(text, encoding="utf-8")
    plan = read_script(path).plan(THURSDAY, names)
    return Wire(SchwabSimulator(small_market(), now=lambda: EVENING, faults=plan, monotonic=clock))


def statuses(wire: Wire, count: int, symbol: str = "JTS") -> list[int]:
    return [wire.history(symbol).status_code for _ in range(count)]


def test_f5_a_fault_strikes_from_the_nth_request_for_so_many_of_one_symbol(path: Path, clock: SettableClock) -> None:
    wire = scripted(path, "faults: [{fault: R7, symbol: JTS, from_request: 2, times: 2}]", clock)
    assert statuses(wire, 1, "BRK/B") == [200]
    assert statuses(wire, 4) == [200, 500, 500, 200]


def test_f5_a_fault_strikes_in_a_span_of_time(path: Path, clock: SettableClock) -> None:
    wire = scripted(path, "faults: [{fault: R10, after_seconds: 10, until_seconds: 20, times: 2}]", clock)
    seen = {}
    for seconds in (0, 9.9, 10, 19.9, 19.95, 20, 30):
        clock.seconds = seconds
        seen[seconds] = wire.history().status_code
    assert seen == {0: 200, 9.9: 200, 10: 503, 19.9: 503, 19.95: 200, 20: 200, 30: 200}


@pytest.mark.parametrize(
    ("path_key", "struck"),
    [
        ("pricehistory", [PRICE_HISTORY]),
        ("data", [PRICE_HISTORY]),
        ("token", [TOKEN]),
        (TOKEN, [TOKEN]),
        ("other", ["/elsewhere"]),
        ("/elsewhere", ["/elsewhere"]),
        ("any", [PRICE_HISTORY, TOKEN, "/elsewhere"]),
    ],
)
def test_f5_a_fault_strikes_one_path_or_every_path(
    path: Path, clock: SettableClock, path_key: str, struck: list[str]
) -> None:
    wire = scripted(path, f"faults: [{{fault: R8, path: {path_key}}}]", clock)
    replies = (wire.history(), wire.refresh(), wire.http.get("/elsewhere"))
    assert [reply.url.path for reply in replies if reply.status_code == 500] == struck


def run(path: Path, seed: int, requests: int = 60) -> list[int | str]:
    text = f"seed: {seed}\nfaults: [{{mix: {{R7: 3, R2: 1, R12-reset: 1}}, share: 0.5, times: 40}}]"
    wire = scripted(path, text, SettableClock(0))
    met: list[int | str] = []
    for _ in range(requests):
        try:
            met.append(wire.history().status_code)
        except httpx.ReadError:
            met.append("reset")
    return met


def test_f5_a_random_mix_repeats_with_its_seed(path: Path) -> None:
    assert run(path, 1) == run(path, 1) != run(path, 2)
    met = [item for seed in range(8) for item in run(path, seed, 40)]
    assert met.count(500) > met.count(429) > 10
    assert met.count("reset") > 10
    assert 120 < met.count(200) < 200
    assert set(run(path, 1)[40:]) == {200}


def test_f5_what_strikes_one_request_does_not_hang_on_other_faults(path: Path) -> None:
    def met(text: str) -> list[bool]:
        wire = scripted(path, text, SettableClock(0))
        return [status == 500 for status in statuses(wire, 40)]

    alone = "faults:\n- {fault: R7, share: 0.4}\n"
    assert met(alone) == met(alone + "- {fault: X9, share: 0.5, path: data}\n- {fault: O17, share: 0.5}\n")


def test_settings_switches_and_names_of_the_command_line_add_up(path: Path, clock: SettableClock) -> None:
    text = "switches: {block_seconds: 5, requests_per_second: 9}\nfaults: [{fault: O10}, {fault: R1}]"
    wire = scripted(path, text, clock, "R7:1", "F7-text")
    switches = wire.simulator.switches
    assert (switches.block_seconds, switches.rotate_refresh_tokens, switches.unknown_route_is_text) == (5, True, True)
    assert statuses(wire, 3) == [500, 200, 429]
    assert wire.simulator.faults.settings["requests_per_second"] == 2


def test_a_fault_may_be_about_another_bar_than_the_newest(path: Path, clock: SettableClock) -> None:
    wire = scripted(path, "faults: [{fault: X2, session: 2013-02-25}]", clock)
    assert MONDAY not in days(wire.candles())
    assert THURSDAY in days(wire.candles())


def test_f2_a_script_sets_the_clock() -> None:
    begin = datetime(2013, 3, 1, tzinfo=UTC)
    plain = Script().started_clock(begin)
    assert (plain.now(), plain.rate, plain.skew) == (begin, 0, 0)
    setting = {"now": "2005-02-28T09:30:00-05:00", "rate": 60, "skew": -30}
    told = Script.model_validate({"clock": setting}).started_clock(begin)
    assert (told.rate, told.skew) == (60, -30)
    assert told.now() >= datetime(2005, 2, 28, 14, 30, tzinfo=UTC)


def test_an_empty_script_does_nothing(path: Path, clock: SettableClock) -> None:
    wire = scripted(path, "{}", clock)
    assert (wire.simulator.faults.faults, wire.history().status_code) == ((), 200)


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (
            "faults: [{fault: R5-son}]",
            r"faults\[1\].fault must be a name that jutsu simulator --help lists, was 'R5-son'",
        ),
        ("faults: [{fault: 7}]", r"faults\[1\].fault must be a name that"),
        (
            "faults: [{fault: R2}, {fault: R2, share: 3}]",
            r"faults\[2\].share must be a number above 0, at most 1, was 3",
        ),
        ("faults: [{fault: R2, times: 0}]", r"faults\[1\].times must be a whole number from 1, was 0"),
        ("faults: [{fault: R2, times: yes}]", r"faults\[1\].times must be a whole number from 1, was True"),
        ("faults: [{fault: R2, from_request: 1.5}]", r"from_request must be a whole number from 1, was 1.5"),
        ("faults: [{fault: R2, path: quotations}]", r"faults\[1\].path must be one of authorize, token, pricehistory"),
        ("faults: [{fault: R2, symbol: 3}]", r"faults\[1\].symbol must be text such as AAPL, was 3"),
        ("faults: [{fault: R2, after_seconds: -1}]", r"after_seconds must be a number of seconds from 0, was -1"),
        (
            "faults: [{fault: R2, after_seconds: 5, until_seconds: 5}]",
            r"faults\[1\] must be an entry whose until_seconds is above its after_seconds",
        ),
        ("faults: [{fault: X2, session: soon}]", r"faults\[1\].session must be a date such as 2013-02-28, was 'soon'"),
        ("faults: [{fault: R2, tmes: 2}]", r"key faults\[1\].tmes is not known"),
        ("faults: [{symbol: AAPL}]", r"faults\[1\] must be an entry with either the key fault or the key mix"),
        ("faults: [{fault: R2, mix: {R7: 1}}]", r"faults\[1\] must be an entry with either"),
        ("faults: [{mix: {R7: 0}}]", r"faults\[1\].mix.R7 must be names of faults with their weights"),
        ("faults: [{mix: {O10: 1}}]", r"faults\[1\].mix must be names of faults with their weights"),
        ("faults: [{mix: {}}]", r"faults\[1\].mix must be names of faults"),
        ("faults: [{fault: O10, times: 2}]", r"faults\[1\] must be .* because O10 is a setting, which always holds"),
        ("faults: [R2]", r"faults\[1\] must be a list of faults such as - fault: R2, was 'R2'"),
        ("faults: R2", r"faults must be a list of faults such as - fault: R2, was 'R2'"),
        ("seed: x", "seed must be a whole number, was 'x'"),
        (
            "switches: {blok_seconds: 5}",
            "switches must be a group of switches, but 'blok_seconds' is none; they are .*block_seconds",
        ),
        ("switches: {block_seconds: long}", "switches must be a group of switches, but block_seconds must be float"),
        ("switches: {requests_per_second: yes}", "but requests_per_second must be int | None"),
        ("switches: 3", "switches must be a group of keys such as block_seconds: 5, was 3"),
        ("clock: {now: 2013-03-01 14:30:00}", "clock.now must be a moment with its offset such as"),
        ("clock: {rate: -1}", "clock.rate must be a number from 0, which stops the clock, to 1000000, was -1"),
        ("clock: {skew: .inf}", "which YAML reads as the number inf"),
        ("clock: {speed: 2}", "key clock.speed is not known"),
        ("fault: R2", "key fault is not known"),
        ("[R2]", "must hold keys such as faults, was"),
        ("", "must hold keys such as faults, was None"),
        ("faults: [", "must be readable YAML"),
        ("clock: {now: 2013-13-45}", "line 1 .* is no number and no date"),
        ("faults: []\nfaults: []", "line 2"),
        ("faults: &a [*a]", "line 1"),
    ],
)
def test_what_a_script_must_not_say_is_named(path: Path, text: str, finding: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=finding) as caught:
        read_script(path)
    assert str(caught.value).startswith(f"fault script {path}")


def test_a_missing_script_and_one_that_is_no_text_are_named(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must exist"):
        read_script(path)
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        read_script(path)
    with pytest.raises(ConfigurationError, match="must be a file, and is a folder"):
        read_script(path.parent)


def test_wrong_names_beside_a_script_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="was 'nonsense'"):
        Script().plan(THURSDAY, ["nonsense"])
