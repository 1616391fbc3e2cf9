"""Schwab's candles → bars: every rule that keeps a candle out, and nothing lost on the way."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_assets.schwab.candles import ParsedCandles, parse_candles, read_envelope
from jutsu_assets.schwab.grid import grid_of
from jutsu_core.bars import Bar, Timeframe, session_timestamp
from jutsu_core.calendar import TradingCalendar
from jutsu_core.errors import MalformedResponseError
from tests.support.schwab import FRIDAY, MONDAY, SESSIONS, THURSDAY, TUESDAY, WEDNESDAY, WEEK_END, WEEK_START

CHICAGO = ZoneInfo("America/Chicago")
NEW_YORK = ZoneInfo("America/New_York")
FIELDS = {"open": "100", "high": "110.5", "low": "90", "close": "105.0375", "volume": "1001"}
SUNDAY = date(2013, 2, 24)
CALENDAR = TradingCalendar("XNYS", date(2013, 1, 2), date(2013, 12, 31))
LONG_AFTER = datetime(2013, 12, 1, tzinfo=UTC)


def midnight(day: date, zone: ZoneInfo = CHICAGO) -> int:
    """Return midnight in ``zone`` as epoch milliseconds."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1000


def candle(day: date = TUESDAY, /, *, without: str = "", **fields: str) -> str:
    """Return the JSON text of a sound final candle of ``day``, with ``fields`` as raw JSON instead."""
    texts = FIELDS | {"datetime": str(midnight(day))} | fields
    return "{" + ",".join(f'"{name}":{text}' for name, text in texts.items() if name != without) + "}"


def reply(*candles: str, symbol: str = "JTS") -> str:
    return f'{{"candles":[{",".join(candles)}],"symbol":{json.dumps(symbol)},"empty":false}}'


def parsed(
    *candles: str, start: datetime = WEEK_START, end: datetime = WEEK_END, now: datetime = LONG_AFTER
) -> ParsedCandles:
    grid = grid_of(Timeframe.D1, start, end, CALENDAR, now)
    return parse_candles(read_envelope(reply(*candles), "JTS"), grid)


def test_prices_are_exact_and_the_key_is_the_session_date() -> None:
    (bar,) = parsed(candle(open="0.1", high="110.000001", low="0.1", close="100.07", volume="12345678901")).bars
    assert bar == Bar(session_timestamp(TUESDAY), 100_000, 110_000_001, 100_000, 100_070_000, 12_345_678_901)


def test_numbers_pass_no_float() -> None:
    """A price whose nearest float is another micro price stays what it was."""
    (bar,) = parsed(candle(high="9007199254.740993")).bars
    assert bar.high == 9_007_199_254_740_993


def test_a_whole_price_needs_no_point_and_a_whole_volume_may_have_one() -> None:
    (bar,) = parsed(candle(open="100.0000", close="1.05e2", volume="1001.0")).bars
    assert (bar.open, bar.close, bar.volume) == (100_000_000, 105_000_000, 1001)


def test_a_session_without_trades_is_a_bar() -> None:
    (bar,) = parsed(candle(volume="0")).bars
    assert bar.volume == 0


PRICE_FAULTS = {
    "null": "must be a number, was None",
    '"101.5"': "must be a number, was '101.5'",
    "NaN": "must be a number, was nan",
    "Infinity": "must be a number, was inf",
    "true": "must be a number, was True",
    "[]": "must be a number, was []",
    "-101.5": "above 0, was -101.5",
    "0": "above 0, was 0",
    "101.12345678": "at most 6 decimals, was 101.12345678",
    "101.00000000000000000000000000001": "at most 6 decimals",
    "1e15": "must be below",
}


@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
@pytest.mark.parametrize("text", list(PRICE_FAULTS))
def test_a_malformed_price_keeps_the_candle_out(name: str, text: str) -> None:
    result = parsed(candle(**{name: text}))
    assert result.bars == ()
    (rejected,) = result.rejected
    assert PRICE_FAULTS[text] in rejected.reason
    assert rejected.timestamp == session_timestamp(TUESDAY)
    assert json.loads(rejected.raw).keys() == {*FIELDS, "datetime"}


@pytest.mark.parametrize("text", ["1e400", "1e5000", "1e999999", "-1e999999"])
@pytest.mark.parametrize("name", ["open", "close", "volume"])
def test_an_astronomical_number_keeps_the_candle_out_and_nothing_else(name: str, text: str) -> None:
    result = parsed(candle(**{name: text}), candle(WEDNESDAY))
    assert [bar.timestamp for bar in result.bars] == [session_timestamp(WEDNESDAY)]
    (rejected,) = result.rejected
    assert name in rejected.reason
    assert len(rejected.reason) < 200


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"high": "105"}, "high must be at least open and close"),
        ({"low": "101"}, "low must be at most open and close"),
        ({"high": "89"}, "high must be at least open and close"),
        ({"volume": "-1"}, "volume must be between 0 and"),
        ({"volume": "10.5"}, "volume must be a whole number, was 10.5"),
        ({"volume": "9223372036854775808"}, "volume must be between 0 and"),
        ({"volume": "null"}, "volume must be a number, was None"),
        ({"volume": "false"}, "volume must be a number, was False"),
        ({"volume": "NaN"}, "volume must be a number, was nan"),
        ({"volume": '"5"'}, "volume must be a number, was '5'"),
    ],
)
def test_a_broken_bar_keeps_the_candle_out(fields: dict[str, str], reason: str) -> None:
    result = parsed(candle(**fields))
    assert result.bars == ()
    (rejected,) = result.rejected
    assert reason in rejected.reason


def test_the_largest_volume_is_kept() -> None:
    (bar,) = parsed(candle(volume="9223372036854775807")).bars
    assert bar.volume == 2**63 - 1


@pytest.mark.parametrize("name", list(FIELDS))
def test_a_missing_field_keeps_the_candle_out(name: str) -> None:
    result = parsed(candle(without=name))
    assert result.bars == ()
    (rejected,) = result.rejected
    assert rejected.reason == f"{name} must be a number, was None"
    assert name not in json.loads(rejected.raw)


@pytest.mark.parametrize(
    "text",
    ["null", '"1361858400000"', "1361858400000.5", "true", "-1", "253402300800000", "NaN", "1e9999999999999999999"],
)
def test_a_wrong_stamp_keeps_the_candle_out(text: str) -> None:
    result = parsed(candle(datetime=text), candle(without="datetime"))
    assert result.bars == ()
    assert len(result.rejected) == 2
    assert {rejected.reason for rejected in result.rejected} == {
        "datetime must be an integer of milliseconds since 1970"
    }
    assert {rejected.timestamp for rejected in result.rejected} == {None}


@pytest.mark.parametrize("text", ["null", "1", '"a candle"', "[1,2]", "true", "NaN", "{}"])
def test_what_is_no_candle_is_rejected(text: str) -> None:
    result = parsed(text, candle())
    assert len(result.bars) == 1
    assert [rejected.raw for rejected in result.rejected] == [text.replace(",", ", ")]


def test_a_candle_of_no_session_is_rejected() -> None:
    result = parsed(candle(SUNDAY), candle(MONDAY))
    assert [bar.timestamp for bar in result.bars] == [session_timestamp(MONDAY)]
    (rejected,) = result.rejected
    assert rejected.reason == "session date must be a session of the exchange"
    assert rejected.timestamp == session_timestamp(SUNDAY)


@pytest.mark.parametrize("day", [date(2013, 2, 26), date(2013, 7, 9)], ids=["winter", "summer"])
def test_a_forming_bar_is_never_a_bar(day: date) -> None:
    """Schwab stamps today's unfinished bar at midnight New York, a final one an hour later."""
    key = session_timestamp(day)
    forming = candle(day, datetime=str(midnight(day, NEW_YORK)))
    result = parsed(forming, start=key, end=key + timedelta(days=1))
    assert result.bars == ()
    (rejected,) = result.rejected
    assert rejected.reason == "bar must be final, was stamped as still forming"
    final = parsed(candle(day), start=key, end=key + timedelta(days=1))
    assert [bar.timestamp for bar in final.bars] == [key]


def test_a_forming_bar_does_not_harm_the_final_one_of_the_same_session() -> None:
    forming = candle(TUESDAY, datetime=str(midnight(TUESDAY, NEW_YORK)), close="101")
    result = parsed(forming, candle(TUESDAY))
    assert [bar.close for bar in result.bars] == [105_037_500]
    assert len(result.rejected) == 1


def test_the_phantom_monday_is_rejected() -> None:
    """On a Sunday evening Schwab serves Friday's prices again, stamped Monday, midnight New York."""
    phantom = candle(MONDAY, datetime=str(midnight(MONDAY, NEW_YORK)))
    result = parsed(candle(FRIDAY), phantom)
    assert [bar.timestamp for bar in result.bars] == [session_timestamp(FRIDAY)]
    assert [rejected.timestamp for rejected in result.rejected] == [session_timestamp(MONDAY)]


@pytest.mark.parametrize(
    ("day", "hour"),
    [(date(2013, 7, 8), 5), (date(2013, 2, 25), 6), (date(2013, 3, 8), 6), (date(2013, 3, 11), 5)],
)
def test_the_session_date_is_the_utc_date_of_a_final_stamp(day: date, hour: int) -> None:
    """Midnight Chicago is 05Z in summer and 06Z in winter, on both sides of a clock change."""
    assert datetime.fromtimestamp(midnight(day) / 1000, tz=UTC).hour == hour
    key = session_timestamp(day)
    (bar,) = parsed(candle(day), start=key, end=key + timedelta(days=1)).bars
    assert bar.timestamp == key


@pytest.mark.parametrize(("day", "hour"), [(date(2013, 7, 8), 4), (date(2013, 2, 25), 5)])
def test_the_session_date_of_a_forming_stamp_is_its_utc_date_too(day: date, hour: int) -> None:
    stamp = midnight(day, NEW_YORK)
    assert datetime.fromtimestamp(stamp / 1000, tz=UTC).hour == hour
    key = session_timestamp(day)
    result = parsed(candle(day, datetime=str(stamp)), start=key, end=key + timedelta(days=1))
    assert [rejected.timestamp for rejected in result.rejected] == [key]


def test_equal_duplicates_are_one_bar_and_one_rejection_each() -> None:
    result = parsed(candle(), candle(), candle(close="105.03750"))
    assert len(result.bars) == 1
    assert [rejected.reason for rejected in result.rejected] == ["bar must occur once, repeats an equal candle"] * 2


def test_of_conflicting_duplicates_none_is_believed() -> None:
    result = parsed(candle(), candle(close="105"), candle(), candle(WEDNESDAY))
    assert [bar.timestamp for bar in result.bars] == [session_timestamp(WEDNESDAY)]
    assert [rejected.reason for rejected in result.rejected] == ["bar must occur once, came with different values"] * 3
    assert [json.loads(rejected.raw)["close"] for rejected in result.rejected] == ["105.0375", 105, "105.0375"]


def test_unsorted_candles_come_out_sorted() -> None:
    days = (WEDNESDAY, FRIDAY, THURSDAY, MONDAY, TUESDAY)
    result = parsed(*[candle(day) for day in days])
    assert [bar.timestamp.date() for bar in result.bars] == sorted(days)
    assert result.rejected == ()


def test_candles_outside_the_window_are_ignored_sound_or_not() -> None:
    result = parsed(
        *[candle(day, open=price) for day in SESSIONS for price in ("100", "null")],
        start=session_timestamp(MONDAY),
        end=session_timestamp(WEDNESDAY),
    )
    assert [bar.timestamp.date() for bar in result.bars] == [MONDAY, TUESDAY]
    assert [rejected.timestamp.date() for rejected in result.rejected if rejected.timestamp] == [MONDAY, TUESDAY]


def test_the_raw_form_is_kept() -> None:
    (rejected,) = parsed(candle(close="0.00000001", unheardOf='"of"')).rejected
    assert json.loads(rejected.raw) == {
        "open": 100,
        "high": "110.5",
        "low": 90,
        "close": "0.00000001",
        "volume": 1001,
        "datetime": midnight(TUESDAY),
        "unheardOf": "of",
    }


def test_unknown_keys_are_harmless() -> None:
    result = parsed(candle(datetimeISO8601='"2013-02-26"'))
    assert (len(result.bars), result.rejected) == (1, ())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<HTML></HTML>",
        '{"candles":[',
        "[" * 100_000,
        "[1]",
        "null",
        "17",
        "{}",
        '{"candles":null,"symbol":"JTS"}',
        '{"candles":{},"symbol":"JTS"}',
        '{"candles":"none","symbol":"JTS"}',
    ],
    ids=lambda text: text[:20] or "empty",
)
def test_an_envelope_without_candles_is_malformed(text: str) -> None:
    with pytest.raises(MalformedResponseError, match="JTS: Schwab's price history must") as caught:
        read_envelope(text, "JTS")
    assert len(str(caught.value)) < 200


def test_a_reply_about_another_symbol_is_malformed() -> None:
    with pytest.raises(MalformedResponseError, match="must be about JTS, was about 'IBM'"):
        read_envelope(reply(candle(), symbol="IBM"), "JTS")


def test_a_reply_without_symbol_is_taken() -> None:
    assert read_envelope('{"candles":[]}', "JTS") == []


def test_an_empty_reply_has_no_candles() -> None:
    assert read_envelope('{"candles":[],"symbol":"JTS","empty":true}', "JTS") == []


PRICE_TEXT = st.sampled_from(["100", "100", "100", "101.25", "0", "-1", "null", '"5"', "NaN", "1e400", "0.12345678"])
VOLUME_TEXT = st.sampled_from(["1001", "1001", "0", "-1", "1.5", "null", "1e5000", "true"])
DAYS = st.dates(date(2013, 2, 18), date(2013, 3, 5))
STAMP_TEXT = st.one_of(
    DAYS.map(lambda day: str(midnight(day))),
    DAYS.map(lambda day: str(midnight(day, NEW_YORK))),
    st.integers(-(10**18), 10**18).map(str),
    st.sampled_from(["null", '"x"', "1.5"]),
)


@st.composite
def candle_texts(draw: st.DrawFn) -> str:
    fields = {name: draw(PRICE_TEXT) for name in ("open", "high", "low", "close")}
    fields |= {"volume": draw(VOLUME_TEXT), "datetime": draw(STAMP_TEXT)}
    return candle(without=draw(st.sampled_from(["", "", "", *fields])), **fields)


def is_outside(item: Any) -> bool:
    """Say whether a candle is dated, and dated outside the week."""
    stamp = item.get("datetime") if isinstance(item, dict) else None
    if isinstance(stamp, bool) or not isinstance(stamp, int) or not 0 <= stamp < 253_402_300_800_000:
        return False
    days = timedelta(milliseconds=stamp).days
    return (
        not (WEEK_START - datetime(1970, 1, 1, tzinfo=UTC)).days
        <= days
        < (WEEK_END - datetime(1970, 1, 1, tzinfo=UTC)).days
    )


@given(st.lists(st.one_of(candle_texts(), st.sampled_from(["null", "7", "[]", '"x"'])), max_size=12))
def test_nothing_is_lost_and_what_is_kept_is_sound(texts: list[str]) -> None:
    """Whatever comes is a bar, or rejected with its raw form and a reason, or outside the window."""
    candles = read_envelope(reply(*texts), "JTS")
    result = parse_candles(candles, grid_of(Timeframe.D1, WEEK_START, WEEK_END, CALENDAR, LONG_AFTER))
    assert len(result.bars) + len(result.rejected) + sum(map(is_outside, candles)) == len(candles)
    keys = [bar.timestamp for bar in result.bars]
    assert keys == sorted(set(keys))
    assert {key.date() for key in keys} <= set(SESSIONS)
    assert all(0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in result.bars)
    assert all(rejected.reason and rejected.raw for rejected in result.rejected)


@given(
    st.lists(st.decimals("0.000001", "99999", places=6, allow_nan=False), min_size=4, max_size=4),
    st.integers(0, 2**63 - 1),
)
def test_sound_candles_come_out_to_the_last_digit(prices: list[Decimal], volume: int) -> None:
    low, open_, close, high = sorted(prices)
    fields = {"open": open_, "high": high, "low": low, "close": close}
    (bar,) = parsed(candle(volume=str(volume), **{name: f"{price:f}" for name, price in fields.items()})).bars
    assert [Decimal(micros) for micros in bar[1:5]] == [price * 10**6 for price in fields.values()]
    assert bar.volume == volume
