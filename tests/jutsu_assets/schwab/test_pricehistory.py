"""What may be asked: the validity matrix before the call, and the fewest questions that cover a window."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_assets.schwab.pricehistory import (
    FREQUENCIES,
    FREQUENCY_TYPES,
    PERIODS,
    PriceHistoryQuestion,
    check_symbol,
    questions,
)
from jutsu_assets.simulator import pricehistory as served
from jutsu_core.bars import Timeframe
from jutsu_core.errors import InvalidInputError

START, END = datetime(2025, 1, 2, tzinfo=UTC), datetime(2025, 1, 3, tzinfo=UTC)
INTRADAY = (Timeframe.M1, Timeframe.M5, Timeframe.M10, Timeframe.M15, Timeframe.M30)


def question(**changes: Any) -> PriceHistoryQuestion:
    fields: dict[str, Any] = {"symbol": "AAPL", "period_type": "day", "period": 10, "frequency_type": "minute"}
    return PriceHistoryQuestion(**fields | {"frequency": 1, "start": START, "end": END} | changes)


def is_legal(**fields: Any) -> bool:
    try:
        question(**fields)
    except InvalidInputError:
        return False
    return True


def is_answered(period_type: str, period: int, frequency_type: str, frequency: int) -> bool:
    """Say what the simulator, which was built from Schwab's specification apart, makes of it."""
    asked = {"symbol": "AAPL", "periodType": period_type, "period": str(period)}
    try:
        served.parse(asked | {"frequencyType": frequency_type, "frequency": str(frequency)})
    except served.RefusedError:
        return False
    return True


def test_exactly_what_schwab_answers_may_be_asked() -> None:
    names = itertools.product(
        [*PERIODS, "week"], range(22), ["minute", "daily", "weekly", "monthly", "hourly"], [0, 1, 2, 5, 10, 15, 30, 60]
    )
    legal = 0
    for period_type, period, frequency_type, frequency in names:
        ours = is_legal(period_type=period_type, period=period, frequency_type=frequency_type, frequency=frequency)
        assert ours == is_answered(period_type, period, frequency_type, frequency)
        legal += ours
    expected = sum(
        len(PERIODS[period_type]) * len(FREQUENCIES[frequency_type])
        for period_type, types in FREQUENCY_TYPES.items()
        for frequency_type in types
    )
    assert legal == expected == 6 * 5 + 4 * 2 + 7 * 3 + 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"period": 7}, "period with period_type day must be one of 1, 2, 3, 4, 5, 10, was 7"),
        ({"frequency_type": "daily"}, "frequency_type with period_type day must be one of minute, was daily"),
        ({"frequency": 2}, "frequency with frequency_type minute must be one of 1, 5, 10, 15, 30, was 2"),
        ({"start": END}, "end must be after start"),
        ({"start": datetime(2025, 1, 2)}, "start must be timezone-aware"),  # noqa: DTZ001 - naive on purpose
        ({"symbol": "A B"}, "symbol must be a ticker"),
    ],
)
def test_what_schwab_would_refuse_is_refused_before_the_call(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        question(**changes)


@pytest.mark.parametrize("symbol", ["AAPL", "BRK/B", "$SPX", "$COMPX", "BF-B", "A", "/ESZ26", "TLT.1"])
def test_symbols_as_schwab_spells_them_pass(symbol: str) -> None:
    check_symbol(symbol)


@pytest.mark.parametrize("symbol", ["", " ", "aapl", "A,B", "A&B=1", "A\n", "É", "X" * 33, "?", "A#"])
def test_what_no_symbol_can_be_is_refused(symbol: str) -> None:
    with pytest.raises(InvalidInputError, match="share classes take a slash, indexes a dollar sign"):
        check_symbol(symbol)


@pytest.mark.parametrize("timeframe", [Timeframe.D1, Timeframe.W1, Timeframe.MO1])
def test_history_of_days_and_longer_takes_one_question_however_long(timeframe: Timeframe) -> None:
    (window,) = questions("AAPL", timeframe, datetime(1985, 1, 1, tzinfo=UTC), END)
    assert (window.question.period_type, window.question.period) == ("year", 20)
    assert window.question.start < window.start
    assert window.end < window.question.end


WINDOWS = st.tuples(
    st.datetimes(datetime(1971, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - as asked for
    st.timedeltas(timedelta(minutes=1), timedelta(days=900)),
)


@given(st.sampled_from(INTRADAY), WINDOWS, st.booleans())
def test_windows_of_minutes_join_without_gap_or_overlap_and_stay_short_enough(
    timeframe: Timeframe,
    window: tuple[datetime, timedelta],
    extended_hours: bool,  # noqa: FBT001 - drawn
) -> None:
    start, length = window
    parts = questions("AAPL", timeframe, start, start + length, extended_hours=extended_hours)
    assert parts[0].start == start
    assert parts[-1].end == start + length
    assert all(before.end == after.start for before, after in itertools.pairwise(parts))
    for part in parts:
        asked = part.question
        assert asked.start < part.start < part.end < asked.end
        assert asked.extended_hours == extended_hours
        minutes_a_day = 16 * 60 / asked.frequency
        assert (asked.end - asked.start) / timedelta(days=1) * minutes_a_day < 40_000 / 1.7
    longest = max(part.end - part.start for part in parts)
    assert (len(parts) - 1) * longest < length, "no more questions than it takes"


def test_a_window_before_1970_begins_there() -> None:
    (window,) = questions("AAPL", Timeframe.D1, datetime(1960, 1, 1, tzinfo=UTC), END)
    assert window.question.start == datetime(1970, 1, 1, tzinfo=UTC)
    assert window.start == datetime(1960, 1, 1, tzinfo=UTC)
