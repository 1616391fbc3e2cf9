"""Rules on a series: what each takes for a fault, and what looks like one and is none."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jutsu_core.bars import MAX_MICROS, MAX_VOLUME, Bar, BarColumns, session_timestamp, to_epoch
from jutsu_core.quality.rules import inconsistent
from jutsu_core.quality.series import Places, duplicated, rescaled, spikes, stale
from tests.support.builders import bar, days

FIRST = date(2013, 1, 7)
EVERY_RULE = (inconsistent, duplicated, rescaled, spikes, stale)

OHLC = tuple[float, float, float, float]


def columns(rows: Sequence[OHLC], volumes: Sequence[int] | int = 1_000_000) -> BarColumns:
    """Return daily bars of these prices, one a day."""
    traded = [volumes] * len(rows) if isinstance(volumes, int) else volumes
    values = np.empty((len(rows), 6), dtype=np.int64)
    values[:, 0] = [to_epoch(session_timestamp(day)) for day in days(FIRST, len(rows))]
    values[:, 1:5] = np.round(np.array(rows, dtype=np.float64).reshape(-1, 4) * 1_000_000)
    values[:, 5] = traded
    return BarColumns(values)


def moved(opened: float, closed: float) -> OHLC:
    return opened, max(opened, closed), min(opened, closed), closed


def walk(count: int, *, start: float = 100.0, step: float = 0.01) -> list[OHLC]:
    """Return a stock that moves by ``step`` a day, up and down in turns of different lengths."""
    signs = np.array([1, -1, -1, 1, 1, -1, 1, -1, 1, -1])
    closes = start * np.exp(np.cumsum(step * np.resize(signs, count)) + step / 5 * np.sin(7 * np.arange(count)))
    return [moved(close * (1 - step / 3), close) for close in closes.tolist()]


def scaled(rows: Sequence[OHLC], factor: float) -> list[OHLC]:
    return [(opened * factor, high * factor, low * factor, closed * factor) for opened, high, low, closed in rows]


def places(found: Places) -> list[int]:
    return [place for place, _ in found]


# Duplicated


def test_two_bars_of_one_date_are_found_at_the_last_of_them() -> None:
    week = days(FIRST, 5)
    second = [bar(datetime(2013, 1, day, 5, tzinfo=UTC)) for day in (7, 9)]  # midnight in New York
    bars = BarColumns.of(sorted([*(bar(day) for day in week), *second]))
    assert list(duplicated(bars)) == [
        (1, "2 bars: 2013-01-07T00:00:00+00:00, 2013-01-07T05:00:00+00:00"),
        (4, "2 bars: 2013-01-09T00:00:00+00:00, 2013-01-09T05:00:00+00:00"),
    ]


def test_bars_a_moment_apart_on_two_dates_are_no_duplicate() -> None:
    midnight = bar(FIRST)
    assert list(duplicated(BarColumns.of([bar(midnight.timestamp - timedelta(microseconds=1)), midnight]))) == []


# Rescaled

RATIOS = [(1 / n, f"{n}:1") for n in (2, 3, 4, 5, 7, 10, 20)] + [(n, f"1:{n}") for n in (2, 3, 8, 10, 20)]


@pytest.mark.parametrize(("ratio", "words"), [*RATIOS, (2 / 3, "3:2"), (3 / 2, "2:3")])
@pytest.mark.parametrize("step", [0.002, 0.02])
@pytest.mark.parametrize(("count", "place"), [(2, 1), (40, 1), (40, 20), (40, 39)], ids=str)
def test_a_split_is_found_wherever_it_is(ratio: float, words: str, step: float, count: int, place: int) -> None:
    rows = walk(count, step=step)
    [(found, text)] = rescaled(columns([*rows[:place], *scaled(rows[place:], ratio)]))
    assert (found, text.split(": as if split ")[1]) == (place, f"{words} here and not before")


@pytest.mark.parametrize(
    ("before", "opened", "closed"),
    [
        (1.13, 19.70, 18.08),
        (354.94, 109.63, 124.50),
        (100.50, 53.00, 53.00),
        (100.00, 51.00, 53.00),
        (100.00, 46.00, 47.00),
        (100.00, 67.50, 70.50),
        (4.00, 45.00, 44.00),
    ],
    ids=["1:20, -20 %", "3:1, +13 % in the day", "2:1, +6 %", "2:1, +6 % by the close", "2:1, -6 %", "3:2", "1:10"],
)
def test_a_split_is_found_whatever_else_moved_that_day(before: float, opened: float, closed: float) -> None:
    assert places(rescaled(columns([moved(before, before), moved(opened, closed)]))) == [1]


@pytest.mark.parametrize("volumes", [0, 1_000_000])
def test_a_stock_below_a_cent_that_bounces_by_a_tick_is_on_one_scale(volumes: int) -> None:
    rows = [moved(price, price) for price in (2e-4, 1e-4, 2e-4, 1e-4, 1e-4, 3e-4, 2e-4, 4e-4, 2e-4)]
    assert list(rescaled(columns(rows, volumes))) == []


def test_what_the_stock_does_by_itself_is_no_change_of_scale() -> None:
    """One that moves by an eighth on a usual day halves some day, and does not come back."""
    wild, calm = walk(40, step=0.125), walk(40, step=0.02)
    assert list(rescaled(columns([*wild[:20], *scaled(wild[20:], 0.5)]))) == []
    assert places(rescaled(columns([*calm[:20], *scaled(calm[20:], 0.5)]))) == [20]


def test_a_crash_on_which_everybody_trades_is_news() -> None:
    rows = walk(40)
    halved = [*rows[:30], *scaled(rows[30:], 0.48)]
    crowd, usual = ([1_000_000] * 30 + [volume] + [2_000_000] * 9 for volume in (20_000_000, 2_000_000))
    assert list(rescaled(columns(halved, crowd))) == []
    assert places(rescaled(columns(halved, usual))) == [30]


def test_no_news_makes_a_price_ten_times_the_one_before() -> None:
    rows = walk(40)
    crowd = [1_000_000] * 30 + [90_000_000] + [1_000_000] * 9
    assert places(rescaled(columns([*rows[:30], *scaled(rows[30:], 10)], crowd))) == [30]


@pytest.mark.parametrize("move", [0.8, 0.74, 0.6, 1.3, 1.7])
def test_other_moves_are_no_change_of_scale(move: float) -> None:
    rows = walk(40)
    assert list(rescaled(columns([*rows[:30], *scaled(rows[30:], move)]))) == []


def test_a_crash_within_the_day_is_no_change_of_scale() -> None:
    assert list(rescaled(columns([*walk(30), (99.0, 99.0, 49.0, 50.0), moved(50.0, 50.5)]))) == []


@pytest.mark.parametrize("factor", [100, 3, 1 / 3, 0.01])
def test_one_bar_far_away_is_a_spike_and_no_change(factor: float) -> None:
    rows = walk(40)
    bars = columns([*rows[:20], *scaled(rows[20:21], factor), *rows[21:]])
    assert list(rescaled(bars)) == []
    assert places(spikes(bars)) == [20]


@pytest.mark.parametrize("factor", [0.5, 1.9, 0.52])
def test_one_bar_at_half_or_double_is_found_there_and_back(factor: float) -> None:
    """It is not far enough for a spike."""
    rows = walk(40)
    bars = columns([*rows[:20], *scaled(rows[20:21], factor), *rows[21:]])
    assert places(rescaled(bars)) == [20, 21]
    assert list(spikes(bars)) == []


@pytest.mark.parametrize("factor", [1.96, 1.98, 2, 2.02, 2.04, 0.49, 0.51])
def test_between_a_spike_and_a_change_of_scale_nothing_gets_lost(factor: float) -> None:
    rows = walk(40)
    bars = columns([*rows[:20], *scaled(rows[20:21], factor), *rows[21:]])
    assert 20 in {*places(rescaled(bars)), *places(spikes(bars))}


def test_a_low_out_of_line_hides_no_split_of_the_next_day() -> None:
    rows = walk(40)
    rows[19] = (100.0, 101.0, 1.0, 100.0)
    bars = columns([*rows[:20], *scaled(rows[20:], 0.5)])
    assert places(spikes(bars)) == [19]
    assert places(rescaled(bars)) == [20]


# Spikes


def at(place: int, row: OHLC, count: int = 40) -> BarColumns:
    """Return a usual stock around 100, with one other bar."""
    rows = walk(count)
    rows[place] = row
    return columns(rows)


@pytest.mark.parametrize("place", [0, 1, 20, 38, 39])
@pytest.mark.parametrize(
    ("row", "words"),
    [
        ((100.0, 101.0, 0.01, 100.0), "low 0.010000 is far below"),
        ((100.0, 101.0, 40.0, 100.0), "low 40.000000 is far below"),
        ((100.0, 10_100.0, 99.0, 100.0), "high 10100.000000 is far above"),
    ],
)
def test_a_high_or_a_low_that_nothing_else_reaches_is_a_spike(place: int, row: OHLC, words: str) -> None:
    [(found, text)] = spikes(at(place, row))
    assert found == place
    assert text.startswith(words)
    assert text.endswith(", the nearest around it")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ((100.0, 10_000.0, 99.0, 10_000.0), "close 10000.000000 is far above 10"),
        ((100.0, 101.0, 1.0, 1.0), "close 1.000000 is far below 9"),
        ((1.0, 101.0, 1.0, 100.0), "open 1.000000 is far below 9"),
        ((1.0, 1.01, 0.99, 1.0), "open 1.000000 is far below 9"),
    ],
    ids=["high and close", "close and low", "open and low", "all"],
)
def test_a_price_that_comes_back_is_a_spike(row: OHLC, words: str) -> None:
    [(found, text)] = spikes(at(20, row))
    assert found == 20
    assert text.startswith(words)


def test_what_may_be_news_is_no_spike_yet() -> None:
    """The newest close stands alone until the next one."""
    assert list(spikes(at(39, moved(100.0, 45.0)))) == []
    assert list(spikes(at(0, moved(45.0, 45.0)))) == []


@pytest.mark.parametrize(
    "row",
    [(100.0, 101.0, 55.0, 100.0), (100.0, 190.0, 99.0, 100.0), (95.0, 96.0, 60.0, 62.0)],
    ids=["a flash crash", "a squeeze", "a crash"],
)
def test_less_than_half_or_double_is_no_spike(row: OHLC) -> None:
    assert list(spikes(at(20, row))) == []


def test_a_level_that_stays_is_no_spike() -> None:
    rows = walk(40)
    assert list(spikes(columns([*rows[:20], *scaled(rows[20:], 0.1)]))) == []


def test_ticks_of_a_stock_below_a_cent_are_no_spikes() -> None:
    assert list(spikes(columns([moved(price, price) for price in (2e-4, 9e-4, 2e-4, 1e-4, 6e-4, 1e-4)]))) == []


# Stale


def repeating(row: OHLC, *, around: list[OHLC] | None = None, volumes: tuple[int, int] = (900, 1_100)) -> BarColumns:
    """Return a usual stock, in which ``row`` stands at 20 and at 21."""
    rows = around or [tuple(round(price, 2) for price in one) for one in walk(40)]  # type: ignore[misc]
    return columns([*rows[:20], row, row, *rows[20:]], [5_000] * 20 + list(volumes) + [5_000] * (len(rows) - 20))


def test_a_range_that_comes_again_to_the_cent_is_stale() -> None:
    [(place, text)] = stale(repeating((14.24, 14.69, 14.16, 14.58)))
    assert (place, text) == (21, "repeats the prices of 2013-01-27")


def test_a_volume_that_comes_again_too_is_named() -> None:
    [(place, text)] = stale(repeating((14.24, 14.26, 14.24, 14.25), volumes=(4_321, 4_321)))
    assert (place, text) == (21, "repeats the prices and the volume of 2013-01-27")


def test_every_repetition_is_found() -> None:
    rows = walk(30)
    assert places(stale(columns([*rows, rows[-1], rows[-1]], list(range(1_000, 1_032))))) == [30, 31]


def test_a_few_ticks_that_come_again_are_chance() -> None:
    assert list(stale(repeating((14.24, 14.28, 14.24, 14.25)))) == []


def test_in_eighths_a_quarter_that_comes_again_is_chance() -> None:
    """As on many days of 1981: 27.88 28.00 27.88 27.88, with other volumes."""
    eighths: list[OHLC] = [moved(28 + n % 5 / 8, 28 + (n + 2) % 7 / 8) for n in range(40)]
    assert list(stale(repeating((28.0, 28.25, 28.0, 28.0), around=eighths))) == []
    assert places(stale(repeating((28.0, 29.5, 27.5, 28.0), around=eighths))) == [21]


def test_where_nothing_trades_nothing_is_stale() -> None:
    flat = (14.24, 14.24, 14.24, 14.24)
    for volumes in ((0, 0), (100, 100), (1_000, 1_000), (4_000, 5_000)):
        assert list(stale(repeating(flat, volumes=volumes))) == []
    assert places(stale(repeating(flat, volumes=(4_321, 4_321)))) == [21]


def test_a_range_on_a_day_without_volume_is_judged_as_any_other() -> None:
    assert places(stale(repeating((14.24, 14.69, 14.16, 14.58), volumes=(0, 0)))) == [21]


def test_of_two_bars_the_tick_is_a_cent() -> None:
    assert places(stale(columns([(14.0, 14.1, 14.0, 14.0)] * 2, [1, 2]))) == [1]
    assert list(stale(columns([(14.0, 14.09, 14.0, 14.0)] * 2, [1, 2]))) == []
    assert places(stale(columns([(0.05, 0.051, 0.05, 0.05)] * 2, [1, 2]))) == [1]


# All


@pytest.mark.parametrize("rule", EVERY_RULE)
@pytest.mark.parametrize("count", [0, 1, 2, 60])
def test_a_usual_stock_is_sound_however_short(rule: Callable[[BarColumns], Places], count: int) -> None:
    assert list(rule(columns(walk(count)))) == []


prices = st.sampled_from([1, 2, 100, 10_000, 20_000, 1_000_000, 2_000_000, MAX_MICROS - 1, MAX_MICROS])
volumes = st.sampled_from([0, 1, 1_000, MAX_VOLUME])
rows_that_keep = st.lists(st.tuples(prices, prices, prices, prices, volumes), max_size=30)


def as_columns(rows: list[tuple[int, int, int, int, int]]) -> BarColumns:
    """Return bars that a store takes."""
    return BarColumns.of(
        Bar(session_timestamp(day), a, max(a, b, c, d), min(a, b, c, d), d, volume)
        for day, (a, b, c, d, volume) in zip(days(FIRST, len(rows)), rows, strict=True)
    )


@given(rows_that_keep)
def test_no_rule_raises_or_changes_what_a_store_may_hold(rows: list[tuple[int, int, int, int, int]]) -> None:
    bars = as_columns(rows)
    before: NDArray[np.int64] = bars.values.copy()
    for rule in EVERY_RULE:
        found = list(rule(bars))
        assert [place for place, _ in found] == sorted({place for place, _ in found})
        assert all(0 <= place < len(bars) and text for place, text in found)
    assert (bars.values == before).all()
    assert list(inconsistent(bars)) == []


@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 5), max_size=12))
def test_no_rule_raises_on_what_another_program_left_behind(rows: list[tuple[int, int, int, int, int]]) -> None:
    bars = BarColumns.of(Bar(session_timestamp(day), *row) for day, row in zip(days(FIRST, 12), rows, strict=False))
    for rule in EVERY_RULE:
        assert all(text for _, text in rule(bars))
