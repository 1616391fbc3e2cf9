"""Bar by bar has the bits of the series: over made and real bars, with bars that were restated."""

import copy
import pickle
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jutsu_core.bars import Bar, bars_to_frame
from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.accumulators import Accumulator
from jutsu_core.indicators.catalog import DEFAULT_INDICATORS, IndicatorSpec, compute_indicators, indicator
from tests.jutsu_core.indicators.answers.arithmetic import CHOICES
from tests.jutsu_core.indicators.references import need, random_walk

EVERY = [indicator(name, **chosen) for name, chosen in CHOICES.items()]
every_indicator = pytest.mark.parametrize("spec", EVERY, ids=CHOICES)
FIRST = datetime(2013, 1, 2, tzinfo=UTC)


def random_bars(count: int, *, seed: int = 7, cents: bool = True) -> list[Bar]:
    rng = np.random.default_rng(seed)
    unit = 10_000 if cents else 1
    closes = (random_walk(count, seed=seed) * 1e6 / unit).astype(np.int64) * unit
    opens = closes + rng.integers(-100, 100, count) * unit
    highs = np.maximum(opens, closes) + rng.integers(0, 100, count) * unit
    lows = np.minimum(opens, closes) - rng.integers(0, 100, count) * unit
    volumes = rng.integers(0, 9, count) * 100 + 1
    columns = (column.tolist() for column in (opens, highs, lows, closes, volumes))
    return [Bar(FIRST + timedelta(day), *row) for day, row in enumerate(zip(*columns, strict=True))]


def beside(bar: Bar) -> Bar:
    """Return the bar of a benchmark at the same time."""
    close = 150_000_000 + bar.timestamp.toordinal() ** 3 % 9_001 * 10_000
    return bar._replace(close=close)


def updated(accumulator: Accumulator, bars: Sequence[Bar]) -> list[tuple[float, ...]]:
    return [accumulator.update(bar, beside(bar)) for bar in bars]


def series(bars: Sequence[Bar], specs: Sequence[IndicatorSpec]) -> bytes:
    benchmark = bars_to_frame("SPY", [beside(bar) for bar in bars]).set_index("timestamp")["close"]
    frame = compute_indicators(bars_to_frame("WALK", bars), specs, benchmark=benchmark)
    return frame.iloc[:, 7:].to_numpy(dtype=np.float64).tobytes()


def rows(values: list[tuple[float, ...]]) -> bytes:
    return np.array(values).tobytes()


@every_indicator
@pytest.mark.parametrize("cents", [True, False])
def test_bar_by_bar_has_the_bits_of_the_series(spec: IndicatorSpec, *, cents: bool) -> None:
    bars = random_bars(120, cents=cents)
    accumulator = Accumulator([spec], remembered=3)
    assert rows(updated(accumulator, bars)) == series(bars, [spec])
    assert accumulator.columns == tuple(column.name for column in spec.columns)


def test_a_long_history_of_the_default_set_has_the_bits_of_the_series() -> None:
    """Longer than what is remembered, so that lines are trimmed; and wide windows beside narrow ones."""
    bars = random_bars(1_500)
    specs = (*DEFAULT_INDICATORS, indicator("wma", period=600), indicator("rolling_vwap", period=33))
    accumulator = Accumulator(specs, remembered=5)
    assert rows(updated(accumulator, bars)) == series(bars, specs)


def test_real_bars_have_the_bits_of_the_series() -> None:
    """Prices in sixteenths of a dollar, as exchanges had them."""
    table = pd.read_csv(need("daily/SPY_D.csv"), parse_dates=["date"]).iloc[:400]
    prices = (table[["open", "high", "low", "close"]] * 1e6).round().astype(np.int64)
    columns = (prices[name].tolist() for name in ("open", "high", "low", "close"))
    times = (moment.to_pydatetime().replace(tzinfo=UTC) for moment in table["date"])
    bars = [Bar._make(row) for row in zip(times, *columns, table["volume"].astype(np.int64).tolist(), strict=True)]
    accumulator = Accumulator(EVERY)
    assert rows(updated(accumulator, bars)) == series(bars, EVERY)


@pytest.mark.parametrize("factor", [10**6, 7_000_000_001])
def test_prices_beyond_whole_micros_have_the_bits_of_the_series(factor: int) -> None:
    """So large that a window of them is summed in floats, or is none of floats, and too wide for a whole variance."""
    factors = [factor if 40 < day < 60 else 7_001 for day in range(120)]
    bars = [
        Bar(bar.timestamp, bar.open * by, bar.high * by, bar.low * by, bar.close * by, bar.volume)
        for bar, by in zip(random_bars(120), factors, strict=True)
    ]
    specs = [indicator("wma", period=5), indicator("bollinger_bands", period=7), indicator("ema", period=50)]
    accumulator = Accumulator(specs)
    assert rows(updated(accumulator, bars)) == series(bars, specs)


@settings(max_examples=60)
@given(data=st.data(), name=st.sampled_from(sorted(CHOICES)))
def test_restated_bars_leave_no_trace(data: st.DataObject, name: str) -> None:
    """Bars are taken back and given again with other prices, more than once, also all of them."""
    spec = indicator(name, **CHOICES[name])
    bars, other = random_bars(60, seed=1), random_bars(60, seed=2)
    accumulator = Accumulator([spec], remembered=20)
    held: list[Bar] = []
    values: list[tuple[float, ...]] = []
    for bar in bars:
        held.append(bar)
        values.append(accumulator.update(bar, beside(bar)))
        if data.draw(st.integers(0, 9), label="restates") == 0:
            count = data.draw(st.integers(1, min(20, len(held))), label="bars")
            held[-count:] = other[len(held) - count : len(held)]
            values[-count:] = accumulator.restate(held[-count:], map(beside, held[-count:]))
    assert rows(values) == series(held, [spec])


def test_what_was_rolled_back_comes_again() -> None:
    bars = random_bars(90)
    accumulator = Accumulator(EVERY[:6], remembered=30)
    values = updated(accumulator, bars)
    accumulator.rollback(0)
    accumulator.rollback(30)
    assert rows(updated(accumulator, bars[60:])) == rows(values[60:])


def test_no_more_is_rolled_back_than_is_remembered() -> None:
    accumulator = Accumulator([indicator("rsi")], remembered=3)
    for bar in random_bars(2):
        accumulator.update(bar)
    with pytest.raises(InvalidInputError, match="bars must be at most 2, as so many are remembered, was 3"):
        accumulator.rollback(3)
    for bar in random_bars(9)[2:]:
        accumulator.update(bar)
    with pytest.raises(
        InvalidInputError, match="bars must be at most 3, as so many are remembered, was 4; make an Acc"
    ):
        accumulator.rollback(4)
    with pytest.raises(InvalidInputError, match="bars must be an integer"):
        accumulator.rollback(-1)
    assert accumulator.restate([]) == []


@pytest.mark.parametrize("steps", [(3, 1), (1, 3), (2, 2), (1, 1, 1, 1)])
def test_no_more_is_rolled_back_in_several_steps_than_in_one(steps: tuple[int, ...]) -> None:
    """What was forgotten does not come back; what is refused changes nothing."""
    bars = random_bars(300)
    accumulator = Accumulator([indicator("sma", period=20)], remembered=3)
    expected = updated(accumulator, bars)
    *first, last = steps
    for step in first:
        accumulator.rollback(step)
    left = 3 - sum(first)
    with pytest.raises(InvalidInputError, match=f"bars must be at most {left}, as so many are remembered, was {last}"):
        accumulator.rollback(last)
    accumulator.rollback(left)
    with pytest.raises(InvalidInputError, match="timestamp of bar must be after"):
        accumulator.update(bars[296])
    assert rows(updated(accumulator, bars[297:])) == rows(expected[297:])
    assert accumulator.restate(bars[297:]) == expected[297:]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"timestamp": FIRST}, "timestamp of bar must be after 2013-01-02T00:00:00.00:00, was 2013-01-02T00:00:00"),
        ({"timestamp": FIRST.replace(tzinfo=None)}, "timestamp of bar must be timezone-aware"),
        ({"close": 0}, "close of the bar 2013-01-03T00:00:00.* must be above 0, was 0; roc divides by prices"),
        ({"volume": -1}, "volume of the bar 2013-01-03T00:00:00.* must be 0 or more, was -1; correct the bar"),
    ],
)
def test_a_bar_that_cannot_be_is_refused_and_changes_nothing(change: dict[str, object], said: str) -> None:
    specs = [indicator("roc", period=1), indicator("obv")]
    bars = random_bars(2)
    accumulator = Accumulator(specs)
    accumulator.update(bars[0])
    with pytest.raises(InvalidInputError, match=said):
        accumulator.update(bars[1]._replace(**change))  # type: ignore[arg-type]  # on purpose
    assert rows([accumulator.update(bars[1])]) == series(bars, specs)[24 - 8 :]


def test_what_is_no_bar_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="bar must be a Bar, its prices in micros, was list"):
        Accumulator([indicator("rsi")]).update([1.0])  # type: ignore[arg-type]  # on purpose


INTRADAY = [
    Bar(datetime(2013, 3, 8, 20, 0, tzinfo=UTC) + timedelta(minutes=30 * place), *bar[1:])
    for place, bar in enumerate(random_bars(150))
]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_sessions_of_bars_within_days_are_those_of_the_exchange_s_clocks(zone: str) -> None:
    """Over a change of the clocks, in the bits of the series; every session is averaged from its first bar."""
    spec = indicator("session_vwap")
    accumulator = Accumulator([spec], exchange_zone=zone)
    values = rows([accumulator.update(bar) for bar in INTRADAY])
    frame = compute_indicators(bars_to_frame("WALK", INTRADAY), [spec], exchange_zone=zone)
    assert values == frame["session_vwap"].to_numpy().tobytes()
    days = frame["timestamp"].dt.tz_convert(zone).dt.date
    assert len(set(days)) > 2
    money = (frame["high"] + frame["low"] + frame["close"]) / 3 * frame["volume"]
    expected = money.groupby(days).cumsum() / frame["volume"].groupby(days).cumsum()
    np.testing.assert_allclose(frame["session_vwap"], expected, rtol=1e-14)


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/London", "Asia/Tokyo"])
def test_labels_of_sessions_are_sessions_of_their_own(zone: str) -> None:
    """Each daily bar of a year, over both changes of the clocks."""
    bars = random_bars(365)
    spec = indicator("session_vwap")
    frame = compute_indicators(bars_to_frame("WALK", bars), [spec], exchange_zone=zone)
    alone = [Accumulator([spec], exchange_zone=zone).update(bar) for bar in bars]
    assert frame["session_vwap"].to_numpy().tobytes() == rows(alone)


def test_a_session_vwap_of_daily_bars_is_the_typical_price() -> None:
    bars = random_bars(20)
    frame = compute_indicators(bars_to_frame("WALK", bars), [indicator("session_vwap")])
    typical = frame["close"] + ((frame["high"] - frame["close"]) + (frame["low"] - frame["close"])) / 3
    assert frame["session_vwap"].to_numpy().tobytes() == typical.to_numpy().tobytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (None, "benchmark must be the benchmark's bar of 2013-01-02T00:00:00.*, was None; rolling_beta compares"),
        (
            {"timestamp": FIRST + timedelta(1)},
            "timestamp of benchmark must be that of bar, 2013-01-02T.*, was 2013-01-03",
        ),
        ({"close": 0}, "close of the benchmark's bar 2013-01-02T.* must be above 0, was 0; rolling_beta divides by it"),
    ],
)
def test_a_benchmark_s_bar_that_cannot_be_is_refused(change: dict[str, object] | None, said: str) -> None:
    (bar,) = random_bars(1)
    other = None if change is None else beside(bar)._replace(**change)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(InvalidInputError, match=said):
        Accumulator([indicator("rolling_beta")]).update(bar, other)


def test_restated_bars_need_as_many_of_the_benchmark() -> None:
    bars = random_bars(2)
    with pytest.raises(InvalidInputError, match="benchmarks must be as many as bars, 2, was 1; give the one of each"):
        Accumulator([indicator("rolling_beta")]).restate(bars, [beside(bars[0])])


COMPARING = [spec for spec in EVERY if "benchmark" in spec.definition.inputs]


def with_gaps(bars: Sequence[Bar], gaps: set[int]) -> list[Bar | None]:
    return [None if place in gaps else beside(bar) for place, bar in enumerate(bars)]


@given(gaps=st.sets(st.integers(0, 119)), restated_from=st.integers(100, 119), filled=st.booleans())
@settings(max_examples=25)
def test_bars_without_a_benchmark_have_the_bits_of_the_series(
    gaps: set[int], restated_from: int, *, filled: bool
) -> None:
    """Also after bars were restated, and where the benchmark's came meanwhile."""
    specs = [indicator("sma", period=3), *COMPARING, indicator("obv")]
    bars = random_bars(120)
    accumulator = Accumulator(specs, remembered=30, allow_benchmark_gaps=True)
    values = [accumulator.update(bar, other) for bar, other in zip(bars, with_gaps(bars, gaps), strict=True)]
    assert rows(values) == _gapped(bars, specs, gaps)
    corrected = [*bars[:restated_from], *random_bars(120, seed=11)[restated_from:]]
    gaps = {gap for gap in gaps if gap < restated_from or not filled}
    again = accumulator.restate(corrected[restated_from:], with_gaps(corrected, gaps)[restated_from:])
    assert rows([*values[:restated_from], *again]) == _gapped(corrected, specs, gaps)


def _gapped(bars: Sequence[Bar], specs: Sequence[IndicatorSpec], gaps: set[int]) -> bytes:
    closes = bars_to_frame("SPY", [bar for bar in with_gaps(bars, gaps) if bar is not None])
    benchmark = closes.set_index(pd.DatetimeIndex(closes["timestamp"]))["close"].astype(float)
    frame = compute_indicators(bars_to_frame("WALK", bars), specs, benchmark=benchmark, allow_benchmark_gaps=True)
    return frame.iloc[:, 7:].to_numpy(dtype=np.float64).tobytes()


def test_what_is_no_bar_of_a_benchmark_is_refused_by_its_place() -> None:
    bars = random_bars(2)
    with pytest.raises(InvalidInputError, match=r"benchmarks\[1\] must be a Bar, its prices in micros, was 3"):
        Accumulator(COMPARING, allow_benchmark_gaps=True).restate(bars, [None, 3])  # type: ignore[list-item]  # on purpose


SOME = [
    indicator(name, **CHOICES[name]) for name in ("sma", "macd", "kama", "adx", "session_vwap", "obv", "rolling_beta")
]
"""One of each kind of line: windows, averages, states, sums and comparisons."""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"close": 10.5}, r"close of the bar 2013-01-03T.* must be a whole number of micros, of 64 bits, was 10.5; pr"),
        ({"high": 1e7}, r"high of the bar .* prices are in micros: round\(high \* 1_000_000\)"),
        ({"low": float("nan")}, "low of the bar .* was nan"),
        ({"open": None}, "open of the bar .* was None"),
        ({"high": "5"}, "high of the bar .* was '5'"),
        ({"low": Decimal("9.5")}, r"low of the bar .* was Decimal\('9.5'\)"),
        ({"close": True}, "close of the bar .* was True"),
        ({"close": np.float64(9e6)}, "close of the bar .* was 9000000.0"),
        ({"high": 2**63}, "high of the bar .* was 9223372036854775808"),
        ({"volume": 3.5}, "volume of the bar .* must be a whole number of shares, of 64 bits, was 3.5"),
        ({"volume": 10**400}, "volume of the bar .* was 1000"),
    ],
)
@pytest.mark.parametrize("is_benchmark", [False, True])
def test_a_bar_that_is_not_of_whole_numbers_is_refused_and_changes_nothing(
    change: dict[str, object], said: str, *, is_benchmark: bool
) -> None:
    bars = random_bars(30)
    accumulator = Accumulator(SOME)
    expected = updated(accumulator, bars[:29])
    other = beside(bars[29])
    bad = (other if is_benchmark else bars[29])._replace(timestamp=FIRST + timedelta(29), **change)  # type: ignore[arg-type]  # on purpose
    said = said.replace("01-03", "01-31").replace("the bar", "the benchmark's bar" if is_benchmark else "the bar")
    with pytest.raises(InvalidInputError, match=said):
        accumulator.update(*((bars[29], bad) if is_benchmark else (bad, other)))
    assert rows([*expected, *updated(accumulator, bars[29:])]) == series(bars, SOME)


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    bars = random_bars(30)
    accumulator = Accumulator(SOME)
    values = [accumulator.update(Bar(bar[0], *np.array(bar[1:])), beside(bar)) for bar in bars]
    assert rows(values) == series(bars, SOME)


@pytest.mark.parametrize("stamp", [None, "2013-01-02", 5, FIRST.replace(tzinfo=None)])
def test_a_benchmark_s_bar_without_an_aware_time_is_refused(stamp: object) -> None:
    (bar,) = random_bars(1)
    with pytest.raises(InvalidInputError, match="timestamp of benchmark must be"):
        Accumulator(COMPARING).update(bar, bar._replace(timestamp=stamp))  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("place", [0, 2, 4])
def test_bars_that_cannot_be_restated_change_nothing(place: int) -> None:
    """Neither those before the one that is refused, nor those that it would have replaced."""
    bars, other = random_bars(60, seed=1), random_bars(60, seed=2)
    accumulator = Accumulator(SOME, remembered=30)
    updated(accumulator, bars[:50])
    restated = other[45:50]
    restated[place] = restated[place]._replace(volume=-1)
    with pytest.raises(InvalidInputError, match=r"volume of the bar .* must be 0 or more"):
        accumulator.restate(restated, map(beside, restated))
    restated[place] = restated[0]._replace(timestamp=FIRST)
    with pytest.raises(InvalidInputError, match=r"timestamp of bar must be after|bars to take back must be at most 30"):
        accumulator.restate(restated, map(beside, restated))
    assert rows(updated(accumulator, bars[50:])) == series(bars, SOME)[-10 * 8 * len(accumulator.columns) :]


def pickled(one: Accumulator) -> Accumulator:
    made: Accumulator = pickle.loads(pickle.dumps(one))  # noqa: S301 - its own
    return made


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize("came", [0, 1, 30])
def test_a_copy_goes_on_by_itself(copied: Callable[[Accumulator], Accumulator], came: int) -> None:
    """With the same memory, and neither it nor the first one is moved by what the other is given."""
    bars, other = random_bars(40, seed=1), random_bars(40, seed=2)
    first = Accumulator(SOME, remembered=8, exchange_zone="Asia/Tokyo")
    before = updated(first, bars[:came])
    second = copied(first)
    assert second.columns == first.columns
    taken = min(came, 8)
    second.rollback(taken)
    first.rollback(0)
    held = [*bars[: came - taken], *other[came - taken :]]
    behind = series(held, SOME)[8 * len(first.columns) * (came - taken) :]
    assert rows(updated(second, other[came - taken :])) == behind
    assert rows([*before, *updated(first, bars[came:])]) == series(bars, SOME)


def test_what_was_pickled_by_other_definitions_is_refused() -> None:
    accumulator = Accumulator(["rsi"])
    state = accumulator.__getstate__() | {"fingerprint": "of another release"}
    with pytest.raises(InvalidInputError, match="must be defined as here, was by other definitions; make a new one"):
        accumulator.__setstate__(state)


FADING = [
    indicator("adx", period=3),
    indicator("adx", period=2),
    indicator("tsi", slow=2, fast=3, signal=2),
    indicator("rsi", period=2),
    indicator("rsi", period=3),
    indicator("stochastic_rsi", period=3),
    indicator("macd", fast=2, slow=5, signal=2),
    indicator("natr", period=2),
    indicator("force_index", period=3),
]


def test_averages_that_fade_have_the_bits_of_the_series() -> None:
    """Down to the least float that there is."""
    bars = standing_still(2_600)
    assert rows(updated(Accumulator(FADING), bars)) == series(bars, FADING)


def test_a_ratio_of_averages_stays_while_a_price_stands_still_and_is_0_when_they_have_faded() -> None:
    """Never both directions at 100, nor another strength than there was."""
    bars = standing_still(2_600)
    frame = compute_indicators(bars_to_frame("STILL", bars), FADING[:4])
    for name in ("plus_di_3", "minus_di_3", "plus_di_2", "minus_di_2", "tsi_2_3_2", "rsi_2"):
        values = frame[name].to_numpy()[140:]
        has_stayed = np.isclose(values, values[0], rtol=1e-9, atol=0.0)
        until = int(np.argmin(has_stayed))
        assert until > 800
        assert (values[until:] == (50.0 if name == "rsi_2" else 0.0)).all()


@pytest.mark.parametrize("still", [400, 700, 1_100])
@pytest.mark.parametrize("period", [1, 2, 3])
@pytest.mark.parametrize("fall", [1, 10_000])
def test_an_rsi_of_a_single_fall_and_a_long_rest_has_the_bits_of_the_series(still: int, period: int, fall: int) -> None:
    closes = [5_000_000, 5_000_000, *[5_000_000 - fall] * still, 5_000_001, 5_000_000]
    bars = [Bar._make((FIRST + timedelta(day), *[close] * 4, 1)) for day, close in enumerate(closes)]
    specs = [indicator("rsi", period=period)]
    assert rows(updated(Accumulator(specs), bars)) == series(bars, specs)


def standing_still(count: int) -> list[Bar]:
    """Return bars of which all but the first 40 are of one price."""
    first = random_bars(40)
    price = first[-1].close
    return [*first, *(Bar._make((FIRST + timedelta(40 + day), *[price] * 4, 100)) for day in range(count - 40))]
