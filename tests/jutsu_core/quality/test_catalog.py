"""The rules together: each finds what it says, on whatever a store may hold."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.bars import Bar, BarColumns, RejectedBar, Timeframe, session_timestamp
from jutsu_core.calendar import TradingCalendar
from jutsu_core.history import sessions_without_bar
from jutsu_core.ports import CoverageWindow
from jutsu_core.quality.catalog import RULES, Subject, judge, missing_sessions
from jutsu_core.quality.findings import LONGEST_FINDING, Finding, Severity
from tests.support.builders import SettableClock, bar, fetched
from tests.support.memory_store import MemoryBarStore

NYSE = TradingCalendar("XNYS", date(2012, 10, 1), date(2013, 12, 31))
SESSIONS = NYSE.sessions(date(2013, 2, 1), date(2013, 3, 1))
LATER = datetime(2013, 6, 3, tzinfo=UTC)
RULE_NAMES = [
    "bars_are_stored",
    "ohlc_is_consistent",
    "no_session_is_missing",
    "no_session_is_duplicated",
    "prices_are_on_one_scale",
    "no_price_is_a_spike",
    "no_bar_is_stale",
    "no_candle_is_quarantined",
]


def traded(session: date, close: float | None = None) -> Bar:
    """Return a bar that no rule minds: no two are alike."""
    return bar(session, str(close or 100 + session.day / 7)[:8], volume=1_000 + session.day)


def subject(
    bars: Sequence[Bar],
    *,
    expected: Sequence[date] = SESSIONS,
    coverage: Sequence[CoverageWindow] = (),
    quarantined: Sequence[RejectedBar] = (),
) -> Subject:
    dates = np.array(expected, dtype="datetime64[D]")
    return Subject(BarColumns.of(bars), dates, coverage, quarantined, NYSE)


def asked(first: date, last: date, *, at: datetime = LATER) -> CoverageWindow:
    return CoverageWindow(start=session_timestamp(first), end=session_timestamp(last), asked_at=at, bars=0)


def test_the_rules_have_names_that_are_truths_and_say_what_to_do() -> None:
    assert [rule.name for rule in RULES] == RULE_NAMES
    for rule in RULES:
        assert rule.description.endswith(".")
        assert any(remedy in rule.description for remedy in ("aterialize", "spelling")), rule.name


@pytest.mark.parametrize("count", [1, 2, 20])
def test_a_sound_history_has_no_findings(count: int) -> None:
    assert judge(subject([traded(day) for day in SESSIONS[:count]], expected=SESSIONS[:count])) == []


def test_a_symbol_without_a_bar_is_found_once_and_is_an_error() -> None:
    [finding] = judge(subject([], coverage=[asked(SESSIONS[0], SESSIONS[-1] + timedelta(days=1))]))
    assert finding == Finding("bars_are_stored", None, "no bar is stored")
    assert RULES[0].severity is Severity.ERROR


@pytest.mark.parametrize("where", [0, 1, 7, -1], ids=["the first", "the second", "inside", "the newest"])
def test_a_session_without_a_bar_is_missing(where: int) -> None:
    lost = SESSIONS[where]
    bars = [traded(day) for day in SESSIONS if day != lost]
    assert judge(subject(bars)) == [Finding("no_session_is_missing", lost, "no bar")]


def test_every_rule_about_bars_names_the_session() -> None:
    bars = {day: traded(day) for day in SESSIONS}
    again, broken, spiked = (SESSIONS[n] for n in (3, 6, 9))
    bars[again] = bars[SESSIONS[2]]._replace(timestamp=session_timestamp(again))
    bars[broken] = bars[broken]._replace(low=bars[broken].close + 1)
    bars[spiked] = bars[spiked]._replace(low=10_000)
    second = traded(SESSIONS[12], 103.777)._replace(timestamp=session_timestamp(SESSIONS[12]) + timedelta(hours=5))
    halved = [
        one._replace(**{name: getattr(one, name) // 2 for name in ("open", "high", "low", "close")})
        for day, one in bars.items()
        if day >= SESSIONS[15]
    ]
    kept = [one for day, one in bars.items() if day < SESSIONS[15]]
    assert [(finding.rule, finding.session) for finding in judge(subject(sorted([*kept, second, *halved])))] == [
        ("ohlc_is_consistent", broken),
        ("no_session_is_duplicated", SESSIONS[12]),
        ("prices_are_on_one_scale", SESSIONS[15]),
        ("no_price_is_a_spike", spiked),
        ("no_bar_is_stale", again),
    ]


def test_what_was_quarantined_is_found_with_and_without_a_time() -> None:
    rejected = [
        RejectedBar('{"high": 1}', "high must be at least open", session_timestamp(SESSIONS[4])),
        RejectedBar("\x00\ud800\n?", "unreadable"),
    ]
    bars = [traded(day) for day in SESSIONS]
    assert judge(subject(bars, quarantined=rejected)) == [
        Finding("no_candle_is_quarantined", SESSIONS[4], 'high must be at least open: {"high": 1}'),
        Finding("no_candle_is_quarantined", None, "unreadable:    ?"),
    ]


def test_two_long_candles_that_read_alike_are_one_finding_of_bounded_length() -> None:
    rejected = [RejectedBar("x" * 9_999 + end, "too long") for end in "ab"]
    [finding] = judge(subject([traded(day) for day in SESSIONS], quarantined=rejected))
    assert len(finding.text) == LONGEST_FINDING
    assert finding.text.endswith("…")


def test_sessions_before_the_listing_are_not_missing_once_the_source_said_so() -> None:
    bars = [traded(day) for day in SESSIONS[5:]]
    window = asked(SESSIONS[0], SESSIONS[-1] + timedelta(days=1))
    assert judge(subject(bars, coverage=[window])) == []
    assert len(missing_sessions(subject(bars))) == 5
    early = asked(SESSIONS[0], SESSIONS[-1], at=NYSE.close(SESSIONS[1]) + timedelta(days=7))
    assert missing_sessions(subject(bars, coverage=[early])).tolist() == SESSIONS[2:5]


def test_nothing_is_missing_where_nothing_is_expected() -> None:
    assert len(missing_sessions(subject([], expected=[]))) == 0
    assert len(missing_sessions(subject([traded(day) for day in SESSIONS], expected=[]))) == 0


moments = st.datetimes(datetime(2013, 1, 20), datetime(2013, 3, 20), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
windows = st.lists(st.tuples(moments, moments, moments | st.just(LATER)), max_size=4)


@given(
    held=st.sets(st.sampled_from([*SESSIONS, date(2013, 2, 2), date(2013, 1, 2), date(2013, 3, 4)])),
    expected=st.sets(st.sampled_from(SESSIONS)).map(sorted),
    asked_for=windows,
)
def test_what_is_missing_is_what_the_history_takes_for_missing(
    held: set[date], expected: list[date], asked_for: list[tuple[datetime, datetime, datetime]]
) -> None:
    """The arithmetic on arrays against the definition, session by session."""
    store = MemoryBarStore(SettableClock(LATER))
    store.write("AAPL", Timeframe.D1, fetched(*map(traded, held), asked_at=datetime(2000, 1, 3, tzinfo=UTC)))
    for one, other, at in asked_for:
        start, end = sorted((one, other))
        store.write("AAPL", Timeframe.D1, fetched(start=start, end=end, asked_at=at))
    found = missing_sessions(
        subject(store.read("AAPL", Timeframe.D1), expected=expected, coverage=store.coverage("AAPL", Timeframe.D1))
    )
    assert found.tolist() == sessions_without_bar(expected, store, "AAPL", NYSE)
