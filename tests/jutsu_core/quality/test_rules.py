"""Rules of bars: each one kept and each one broken, with the exact finding."""

from datetime import date
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from jutsu_core.bars import MAX_VOLUME, Bar, BarColumns, Timeframe
from jutsu_core.errors import InvalidInputError
from jutsu_core.events import MarketDataEvent
from jutsu_core.quality.rules import bar_fault, inconsistent, split_suspects
from tests.support.builders import NOON, bar, days

SOUND = Bar(NOON, 438_000_000, 438_179_900, 429_980_000, 430_470_000, 19_730_300)
WEEK = days(date(2013, 2, 25), 5)


@pytest.mark.parametrize(
    "one",
    [
        SOUND,
        Bar(NOON, 1, 1, 1, 1, 0),  # nothing moved, nothing traded
        SOUND._replace(high=SOUND.open),
        SOUND._replace(low=SOUND.close),
        SOUND._replace(volume=0),
        SOUND._replace(volume=MAX_VOLUME),
    ],
)
def test_a_bar_that_keeps_every_rule_has_no_fault(one: Bar) -> None:
    assert bar_fault(one) is None


@pytest.mark.parametrize("field", ["open", "high", "low", "close"])
@pytest.mark.parametrize(("price", "shown"), [(0, Decimal("0.000000")), (-1, Decimal("-0.000001"))])
def test_a_price_must_be_above_zero(field: str, price: int, shown: Decimal) -> None:
    changes: dict[str, Any] = {field: price}
    assert bar_fault(SOUND._replace(**changes)) == f"{field} must be above 0, was {shown}"


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        (
            {"high": 437_999_999},
            "high must be at least open and close, was 437.999999 with open 438.000000, close 430.470000",
        ),
        (
            {"close": 438_179_901},
            "high must be at least open and close, was 438.179900 with open 438.000000, close 438.179901",
        ),
        (
            {"low": 430_470_001},
            "low must be at most open and close, was 430.470001 with open 438.000000, close 430.470000",
        ),
        (
            {"open": 429_979_999},
            "low must be at most open and close, was 429.980000 with open 429.979999, close 430.470000",
        ),
        ({"volume": -1}, "volume must be between 0 and 9223372036854775807, was -1"),
        (
            {"volume": MAX_VOLUME + 1},
            "volume must be between 0 and 9223372036854775807, was 9223372036854775808",
        ),
    ],
)
def test_one_step_beyond_a_rule_is_found(changes: dict[str, Any], finding: str) -> None:
    assert bar_fault(SOUND._replace(**changes)) == finding


def test_of_several_faults_the_first_is_named() -> None:
    assert bar_fault(Bar(NOON, 2_000_000, 1_000_000, 0, 1_000_000, -1)) == "low must be above 0, was 0.000000"
    upside_down = Bar(NOON, 2_000_000, 1_000_000, 3_000_000, 2_000_000, -1)
    assert str(bar_fault(upside_down)).startswith("high must be at least open and close, was 1.000000")


@pytest.mark.parametrize("volume", [-1, 0])
def test_the_rules_and_the_events_agree_on_what_is_sound(volume: int) -> None:
    """With every order of four prices, those that are not above 0 included."""
    for open_, high, low, close in product(range(4), repeat=4):
        one = Bar(NOON, open_, high, low, close, volume)
        try:
            MarketDataEvent.of_bar("AAPL", one, Timeframe.D1)
        except InvalidInputError:
            assert bar_fault(one) is not None
        else:
            assert bar_fault(one) is None


def test_the_bars_that_break_a_rule_are_found_with_what_is_wrong() -> None:
    bars = [bar(day) for day in WEEK]
    bars[0] = bars[0]._replace(low=bars[0].close + 1)
    bars[1] = bars[1]._replace(volume=-1)
    bars[3] = bars[3]._replace(low=0)
    assert list(inconsistent(BarColumns.of(bars))) == [
        (0, "low must be at most open and close, was 100.000001 with open 100.000000, close 100.000000"),
        (1, "volume must be between 0 and 9223372036854775807, was -1"),
        (3, "low must be above 0, was 0.000000"),
    ]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_of_sound_bars_none_is_found(count: int) -> None:
    assert list(inconsistent(BarColumns.of(bar(day) for day in WEEK[:count]))) == []


def test_a_rule_on_columns_finds_what_the_rule_on_a_bar_finds() -> None:
    """With every order of four prices, those that are not above 0 included."""
    every = [Bar(NOON, *values) for values in product(range(4), range(4), range(4), range(4), (-1, 0))]
    found = dict(inconsistent(BarColumns.of(every)))
    assert [found.get(place) for place in range(len(every))] == [bar_fault(one) for one in every]


@pytest.mark.parametrize(
    ("before", "after", "split"),
    [
        ("90", "45", "2:1"),
        ("90", "47.7", "2:1"),  # a split and a gain of 6 %
        ("90", "60", "3:2"),
        ("700", "100", "7:1"),
        ("700", "7", "100:1"),
        ("45", "90", "1:2"),
        ("60", "90", "2:3"),
        ("2", "50", "1:25"),
    ],
)
def test_a_change_of_scale_is_suspected_where_it_happens(before: str, after: str, split: str) -> None:
    bars = [bar(day, before if n < 3 else after) for n, day in enumerate(WEEK)]
    was, now = (f"{Decimal(close):.6f}" for close in (before, after))
    assert split_suspects(bars) == [(bars[3], f"close {was} became {now}: as if split {split} here and not before")]


@pytest.mark.parametrize(("before", "after"), [("90", "90"), ("90", "52"), ("90", "66"), ("90", "80"), ("90", "110")])
def test_an_ordinary_move_is_no_change_of_scale(before: str, after: str) -> None:
    assert split_suspects([bar(WEEK[0], before), bar(WEEK[1], after)]) == []


def test_a_crash_within_the_day_is_no_change_of_scale() -> None:
    crashed = Bar(bar(WEEK[1]).timestamp, 99_000_000, 99_000_000, 49_000_000, 50_000_000, 1)
    assert split_suspects([bar(WEEK[0], "100"), crashed]) == []


def test_fewer_than_two_bars_have_no_change_of_scale() -> None:
    assert split_suspects([]) == []
    assert split_suspects([bar(WEEK[0])]) == []


def test_a_bar_after_a_broken_one_is_judged_without_an_error() -> None:
    """A foreign writer may leave a price of 0 behind; another rule finds that."""
    broken = bar(WEEK[0])._replace(close=0)
    assert split_suspects([broken, bar(WEEK[1], "100"), bar(WEEK[2], "50")]) == [
        (bar(WEEK[2], "50"), "close 100.000000 became 50.000000: as if split 2:1 here and not before")
    ]
