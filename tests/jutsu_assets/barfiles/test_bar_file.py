"""One CSV file: every vendor's layout, and every way in which a row can be wrong."""

import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jutsu_assets.barfiles.bar_file import BarFile
from jutsu_assets.barfiles.folders import bar_file
from jutsu_assets.barfiles.layout import read_layout
from jutsu_assets.barfiles.lines import BLOCK_BYTES, LONGEST_LINE, Lines
from jutsu_assets.barfiles.reading import Reading
from jutsu_assets.barfiles.rows import Row, RowFaultError, RowReader
from jutsu_core.bars import Bar, Timeframe
from jutsu_core.errors import InvalidInputError

UTC_ZONE = ZoneInfo("UTC")
NEW_YORK = ZoneInfo("America/New_York")
PLAIN = "Date,Open,High,Low,Close,Volume\n"
WITH_SYMBOL = "symbol,timestamp,open,high,low,close,volume\n"


def write(folder: Path, content: str | bytes, name: str = "AAPL.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def opened(
    path: Path,
    timeframe: Timeframe = Timeframe.D1,
    zone: ZoneInfo = UTC_ZONE,
    symbol: str | None = None,
    **options: Any,
) -> BarFile:
    return bar_file(path, Reading(timeframe=timeframe, timezone=zone.key, symbol=symbol, **options))


def read(path: Path, timeframe: Timeframe = Timeframe.D1, zone: ZoneInfo = UTC_ZONE, **options: Any) -> list[Row]:
    return list(opened(path, timeframe, zone, **options).rows())


def price(cents: int) -> int:
    return cents * 10_000


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2013, 3, day, hour, minute, tzinfo=UTC)


FIRST = Bar(at(1), price(43800), price(43818), price(42998), price(43047), 19_730_300)
SECOND = Bar(at(4), price(42780), price(42820), price(41975), price(42005), 20_812_700)
BOTH = [("AAPL", FIRST), ("AAPL", SECOND)]

DAILY = {
    "yahoo": (
        "Date,Open,High,Low,Close,Adj Close,Volume\n"
        "2013-03-01,438.000000,438.180000,429.980000,430.470000,13.1,19730300\n"
        "2013-03-04,427.800000,428.200000,419.750000,420.050000,null,20812700\n"
    ),
    "stooq": PLAIN + "2013-03-01,438,438.18,429.98,430.47,19730300\n2013-03-04,427.8,428.2,419.75,420.05,20812700\n",
    "stooq bulk": (
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\r\n"
        "AAPL,D,20130301,000000,438,438.18,429.98,430.47,19730300,0\r\n"
        "AAPL,D,20130304,000000,427.8,428.2,419.75,420.05,20812700,0\r\n"
    ),
    "alpha vantage": (
        "timestamp,open,high,low,close,volume\r\n"
        "2013-03-04,427.8000,428.2000,419.7500,420.0500,20812700\r\n"
        "2013-03-01,438.0000,438.1800,429.9800,430.4700,19730300\r\n"
    ),
    "nasdaq": (
        "Date,Close/Last,Volume,Open,High,Low\n"
        '03/04/2013,$420.05,"20,812,700",$427.80,$428.20,$419.75\n'
        "03/01/2013, $430.47,19730300, $438.00, $438.18, $429.98\n"
    ),
    "metatrader": (
        "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\r\n"
        "2013.03.01\t438.00\t438.18\t429.98\t430.47\t7\t19730300\t2\r\n"
        "2013.03.04\t427.80\t428.20\t419.75\t420.05\t9\t20812700\t2\r\n"
    ),
    "epoch milliseconds": WITH_SYMBOL
    + ("AAPL,1362117600000,438,438.18,429.98,430.47,19730300\nAAPL,1362376800000,427.8,428.2,419.75,420.05,20812700\n"),
    "iso times": WITH_SYMBOL
    + (
        "AAPL,2013-03-01T00:00:00Z,438,438.18,429.98,430.47,19730300\n"
        "AAPL,2013-03-04T00:00:00-05:00,427.8,428.2,419.75,420.05,20812700\n"
    ),
    "quoted": '"Date","Open","High","Low","Close","Volume"\n'
    '"2013-03-01","438","438.18","429.98","430.47","19,730,300"\n'
    '"2013-03-04","427.8","428.2","419.75","420.05","20,812,700.0"\n',
    "semicolons, a byte order mark, blank lines at the end": (
        "\ufeffDATE;OPEN;HIGH;LOW;CLOSE;VOLUME\r\n"
        '2013/03/01;438;438.18;429.98;430.47;"19,730,300"\r\n'
        "2013/03/04;427.8;428.2;419.75;420.05;20812700.0\r\n\r\n\r\n"
    ),
    "yfinance": (
        "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n"
        "2013-03-01,430.47,438.18,429.98,438.0,19730300\n2013-03-04,420.05,428.2,419.75,427.8,20812700\n"
    ),
    "yfinance, by ticker": (
        "Ticker,AAPL,AAPL,AAPL,AAPL,AAPL\nPrice,Open,High,Low,Close,Volume\nDate,,,,,\n"
        "2013-03-01,438.0,438.18,429.98,430.47,19730300\n2013-03-04,427.8,428.2,419.75,420.05,20812700\n"
    ),
    "a first column of tickers": (
        "Ticker,Date,Open,High,Low,Close,Volume\n"
        "AAPL,2013-03-01,438,438.18,429.98,430.47,19730300\nAAPL,2013-03-04,427.8,428.2,419.75,420.05,20812700\n"
    ),
    "tradingview": (
        "time,open,high,low,close,Volume,Volume MA\n"
        "1362148200,438,438.18,429.98,430.47,19730300,NaN\n1362407400,427.8,428.2,419.75,420.05,20812700,1\n"
    ),
    "barchart": (
        "Time,Open,High,Low,Latest,Change,%Change,Volume\n"
        '03/04/2013,427.8,428.2,419.75,420.05,-10.42,"-2.42%",20812700\n'
        '2013-03-01,438,438.18,429.98,430.47,-10.93,"-2.48%",19730300\n'
        '"Downloaded from Barchart.com as of 03-04-2013 05:00pm CST"\n'
    ),
    "investing.com": (
        '\ufeff"Date","Price","Open","High","Low","Vol.","Change %"\n'
        '"03/04/2013","420.05","427.80","428.20","419.75","20812.7K","-2.42%"\n'
        '"03/01/2013","430.47","438.00","438.18","429.98","19.7303M","-2.48%"\n'
    ),
    "interactive brokers": (
        "date,open,high,low,close,volume,average,barCount\n"
        "20130301,438.0,438.18,429.98,430.47,19730300.0,433.1,5\n"
        "20130304,427.8,428.2,419.75,420.05,20812700.0,422.9,5\n"
    ),
    "polygon": (
        "ticker,volume,open,close,high,low,window_start,transactions\n"
        "AAPL,19730300,438,430.47,438.18,429.98,1362114000000000000,1\n"
        "AAPL,20812700,427.8,420.05,428.2,419.75,1362373200000000000,1\n"
    ),
    "no end of the last line": PLAIN
    + "2013-03-01,4.38e2,438.18,429.98,430.47,19730300\n2013-03-04,427.8,428.2,419.75,420.05,20812700",
    "newest first, no end of the last line": PLAIN
    + "2013-03-04,427.8,428.2,419.75,420.05,20812700\n2013-03-01,438,438.18,429.98,430.47,19730300",
}


@pytest.mark.parametrize("content", DAILY.values(), ids=DAILY)
def test_a_vendors_daily_file_is_understood(tmp_path: Path, content: str) -> None:
    path = write(tmp_path, content)
    assert read(path) == BOTH
    assert opened(path).newest("AAPL") == SECOND


def test_a_file_of_yfinance_is_about_the_symbol_that_its_header_names(tmp_path: Path) -> None:
    path = write(tmp_path, DAILY["yfinance"], "download.csv")
    assert read(path) == BOTH
    assert opened(path).newest("AAPL") == SECOND
    assert opened(path).newest("download") is None
    with pytest.raises(InvalidInputError, match="must be of MSFT, was of AAPL"):
        read(path, symbol="MSFT")
    several = DAILY["yfinance"].replace("Ticker,AAPL,AAPL", "Ticker,AAPL,MSFT")
    with pytest.raises(InvalidInputError, match="column AAPL: must be of the only symbol in the file, was beside MSFT"):
        read(write(tmp_path, several))
    with pytest.raises(InvalidInputError, match="column Price: must be followed by a line that begins with price or"):
        read(write(tmp_path, DAILY["yfinance"].replace("Ticker", "Source")))


@pytest.mark.parametrize("name", ["BRK%2FB.csv", "BRK%2FB"])
def test_a_symbol_with_a_slash_is_read_from_the_name_of_a_file(tmp_path: Path, name: str) -> None:
    assert {symbol for symbol, _ in read(write(tmp_path, DAILY["yahoo"], name))} == {"BRK/B"}


NOISE = "2013-03-01,438.0000001,438.18000793457031,429.98,430.470001220703125,19730300.5\n"


def test_what_a_vendor_has_too_exactly_is_refused_or_rounded_when_told_to(tmp_path: Path) -> None:
    """As yfinance has prices (float32 made float64), and Stooq volumes (before splits)."""
    path = write(tmp_path, PLAIN + NOISE)
    with pytest.raises(InvalidInputError, match=r"Open: price must have at most 6 decimals.*round_to_scale=True"):
        read(path)
    ((_, found),) = list(opened(path, round_to_scale=True).rows())
    assert found[1:] == (438_000_000, 438_180_008, price(42998), 430_470_001, 19_730_300)
    for row in ("2013-03-01,1,1,1,1,1e9999\n", "2013-03-01,1,1e9999,1,1,1\n", "2013-03-01,1,2,1e-9,1,1\n"):
        with pytest.raises(InvalidInputError, match="line 2, column"):
            list(opened(write(tmp_path, PLAIN + row), round_to_scale=True).rows())


INTRADAY = {
    "interactive brokers": (
        "date,open,high,low,close,volume\n"
        "20130301  09:30:00,438,438.18,429.98,430.47,19730300\n"
        "20130301-14:35:00,427.8,428.2,419.75,420.05,20812700\n"
    ),
    "interactive brokers, with zones": (
        "date,open,high,low,close,volume\n"
        "20130301 09:30:00 US/Eastern,438,438.18,429.98,430.47,19730300\n"
        "20130301 08:35:00 America/Chicago,427.8,428.2,419.75,420.05,20812700\n"
    ),
    "barchart": (
        "Time,Open,High,Low,Last,Change,%Chg,Volume\n"
        "03/01/2013 09:35,427.8,428.2,419.75,420.05,-10.42,-2.42%,20812700\n"
        "03/01/2013 09:30,438,438.18,429.98,430.47,-10.93,-2.48%,19730300\n"
    ),
    "tradingview": (
        "time,open,high,low,close,Volume\n"
        "1362148200,438,438.18,429.98,430.47,19730300\n"
        "2013-03-01T09:35:00-05:00,427.8,428.2,419.75,420.05,20812700\n"
    ),
    "stooq": (
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
        "AAPL,5,20130301,093000,438,438.18,429.98,430.47,19730300,0\n"
        "AAPL,5,20130301,093500,427.8,428.2,419.75,420.05,20812700,0\n"
    ),
    "metatrader": (
        "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\n"
        "2013.03.01\t09:30:00\t438.00\t438.18\t429.98\t430.47\t19730300\n"
        "2013.03.01\t09:35\t427.80\t428.20\t419.75\t420.05\t20812700\n"
    ),
    "alpha vantage": (
        "timestamp,open,high,low,close,volume\n"
        "2013-03-01 09:35:00,427.8,428.2,419.75,420.05,20812700\n"
        "2013-03-01 09:30:00,438,438.18,429.98,430.47,19730300\n"
    ),
    "with offsets": (
        "time,open,high,low,close,volume\n"
        "2013-03-01T14:30:00Z,438,438.18,429.98,430.47,19730300\n"
        "2013-03-01T09:35:00-05:00,427.8,428.2,419.75,420.05,20812700\n"
    ),
    "epoch milliseconds": (
        "datetime,open,high,low,close,volume\n"
        "1362148200000,438,438.18,429.98,430.47,19730300\n1362148500000,427.8,428.2,419.75,420.05,20812700\n"
    ),
}


@pytest.mark.parametrize("content", INTRADAY.values(), ids=INTRADAY)
def test_a_vendors_intraday_file_is_read_in_its_zone(tmp_path: Path, content: str) -> None:
    path = write(tmp_path, content)
    expected = [FIRST._replace(timestamp=at(1, 14, 30)), SECOND._replace(timestamp=at(1, 14, 35))]
    assert read(path, timeframe=Timeframe.M5, zone=NEW_YORK) == [("AAPL", bar) for bar in expected]


def test_the_same_time_of_day_is_another_instant_in_summer(tmp_path: Path) -> None:
    rows = "2013-03-08 09:30,1,1,1,1,1\n2013-03-11 09:30,1,1,1,1,1\n"
    found = read(write(tmp_path, PLAIN + rows), timeframe=Timeframe.M5, zone=NEW_YORK)
    assert [bar.timestamp for _, bar in found] == [at(8, 14, 30), at(11, 13, 30)]


def test_a_price_keeps_every_digit_whatever_the_callers_precision(tmp_path: Path) -> None:
    row = "2013-03-01,0.000001,9223372036854.775807,1e-6,900719925474.099201,+9223372036854775807.0\n"
    ((_, found),) = read(write(tmp_path, PLAIN + row))
    assert found[1:] == (1, 2**63 - 1, 1, 900_719_925_474_099_201, 2**63 - 1)


def test_ties_come_by_symbol_whichever_way_the_file_runs(tmp_path: Path) -> None:
    oldest_first = [f"{symbol},2013-03-0{day},1,1,1,1,1\n" for day in (4, 5) for symbol in ("MSFT", "AAPL", "IBM")]
    expected = [(day, symbol) for day in (4, 5) for symbol in ("AAPL", "IBM", "MSFT")]
    for rows in (oldest_first, oldest_first[::-1]):
        found = read(write(tmp_path, WITH_SYMBOL + "".join(rows)))
        assert [(bar.timestamp.day, symbol) for symbol, bar in found] == expected


@pytest.mark.parametrize("name", ["AAPL.csv", "AAPL"])
def test_a_file_without_a_symbol_column_is_about_the_symbol_it_is_named_after(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, DAILY["yahoo"], name)
    assert {symbol for symbol, _ in read(path)} == {"AAPL"}
    assert {symbol for symbol, _ in read(path, symbol="BRK/B")} == {"BRK/B"}
    assert list(opened(path).rows(("MSFT",))) == []


GOOD = "2013-03-01,1,2,1,2,5\n"
BROKEN = {
    "empty cell": ("2013-03-04,1,,1,2,5", "column High: must be a number", "was ''"),
    "no number": ("2013-03-04,1,2,1,null,5", "column Close: must be a number", "was 'null'"),
    "NaN": ("2013-03-04,NaN,2,1,2,5", "column Open: must be a number", "was 'NaN'"),
    "infinity": ("2013-03-04,1,inf,1,2,5", "column High: must be a number", "was 'inf'"),
    "underscore": ("2013-03-04,1,2,1,2,1_000", "column Volume: must be a number", "was '1_000'"),
    "decimal comma": ('2013-03-04,1,"2,5",1,2,5', "column High: must be a number", "was '2,5'"),
    "negative price": ("2013-03-04,1,2,-1,2,5", "column low: must be above 0", "was -1.000000"),
    "zero price": ("2013-03-04,1,2,0,2,5", "column low: must be above 0", "was 0.000000"),
    "high below low": ("2013-03-04,2,1,2,2,5", "column high: must be at least open and close", "was 1.000000"),
    "low above close": ("2013-03-04,2,3,2,1,5", "column low: must be at most open and close", "was 2.000000"),
    "too exact": ("2013-03-04,1,2,1,1.0000001,5", "column Close: price must have at most 6 decimals", "was 1.0000001"),
    "too large": ("2013-03-04,1,1e13,1,1,5", "column High: price must be below", "was 1E+13"),
    "half a share": ("2013-03-04,1,2,1,2,1234.5", "column Volume: must be a whole number", "was '1234.5'"),
    "negative volume": ("2013-03-04,1,2,1,2,-5", "column Volume: must be a whole number", "was '-5'"),
    "huge volume": ("2013-03-04,1,2,1,2,1e9999", "column Volume: must be a whole number", "was '1e9999'"),
    "volume beyond 64 bits": (
        "2013-03-04,1,2,1,2,9223372036854775808",
        "column Volume: must be a whole number",
        "75808",
    ),
    "cell missing": ("2013-03-04,1,2,1,2", "column Volume: must be in a row of 6 cells", "was in one of 5"),
    "cell too many": ("2013-03-04,1,2,1,2,5,6", "column beyond the last: must be in a row of 6 cells", "one of 7"),
    "open quote": ('2013-03-04,1,2,1,2,"5', "column any: must be a line with its quotes in pairs", "was not"),
    "ambiguous date": ("03/04/2013,1,2,1,2,5", "column Date: must be a date", "was '03/04/2013'"),
    "empty date": (",1,2,1,2,5", "column Date: must be a date", "was ''"),
    "no such date": ("2013-02-29,1,2,1,2,5", "column Date: must be a date", "was '2013-02-29'"),
    "time run together": ("201303040930,1,2,1,2,5", "column Date: must be a date", "was '201303040930'"),
    "hour run together": ("2013030409,1,2,1,2,5", "column Date: must be a date", "was '2013030409'"),
    "day of the year": ("2013063,1,2,1,2,5", "column Date: must be a date", "was '2013063'"),
    "repeated": ("2013-03-01,1,2,1,2,5", "column Date: must be of a time of its own", "was 2013-03-01T"),
}


@pytest.mark.parametrize(("row", "must_be", "was"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""], ids=["LF", "CRLF", "no end"])
def test_a_broken_row_is_refused_by_line_and_column(tmp_path: Path, row: str, must_be: str, was: str, end: str) -> None:
    path = write(tmp_path, PLAIN + GOOD + row + end)
    with pytest.raises(InvalidInputError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line 3, {must_be}")
    assert was in message
    assert "; " in message  # what to do


def test_undecodable_bytes_are_refused_by_line_and_column(tmp_path: Path) -> None:
    path = write(tmp_path, (PLAIN + GOOD).encode() + b"2013-03-04,1,2,1,\xe9,5\n")
    with pytest.raises(InvalidInputError, match=r"line 3, column Close: must be UTF-8 text, was b'\\xe9'; save"):
        read(path)


def test_undecodable_bytes_in_a_column_that_nobody_reads_are_refused_too(tmp_path: Path) -> None:
    path = write(tmp_path, b"Date,Open,High,Low,Close,Volume,Name\n2013-03-01,1,1,1,1,1,Soci\xe9t\xe9\n")
    with pytest.raises(InvalidInputError, match="line 2, column Name: must be UTF-8 text"):
        read(path)


def test_a_thousands_separator_counts_only_inside_quotes(tmp_path: Path) -> None:
    header = PLAIN.replace(",", ";")
    with pytest.raises(InvalidInputError, match=r"line 2, column Volume: must be a number .* was '1,234'"):
        read(write(tmp_path, header + "2013-03-01;1;1;1;1;1,234\n"))
    ((_, found),) = read(write(tmp_path, header + '2013-03-01;1;"1,234.5";1;1;"1,234"\n'))
    assert (found.high, found.volume) == (price(123450), 1234)


HEADERS = {
    "empty file": ("", "line 1, column timestamp: must be in the header, was not in ''"),
    "no header": ("2013-03-01,1,2,1,2,5\n", "line 1, column timestamp: must be in the header"),
    "no close": ("Date,Open,High,Low,Adj Close,Volume\n", "line 1, column close: must be in the header"),
    "two closes": ("Date,Open,High,Low,Close,Volume,close\n", "line 1, column close: must be the only close"),
    "two dates": ("Date,Timestamp,Open,High,Low,Close,Volume\n", "column Timestamp: must be the only timestamp"),
    "a web page": ("<!DOCTYPE html><html>\n", "line 1, column timestamp: must be in the header"),
    "a quote": ('"Date,Open\n', "line 1, column any: must be a line with its quotes in pairs"),
}


@pytest.mark.parametrize(("content", "problem"), HEADERS.values(), ids=HEADERS)
def test_a_header_that_says_too_little_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read(write(tmp_path, content))
    assert problem in str(caught.value)
    assert "AAPL.csv" in str(caught.value)


def test_a_file_in_utf_16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="line 1, column any: must be UTF-8 text"):
        read(write(tmp_path, PLAIN.encode("utf-16")))


def test_a_header_alone_holds_no_bars(tmp_path: Path) -> None:
    for content in (PLAIN, PLAIN.strip(), PLAIN + "\n\r\n"):
        bars = opened(write(tmp_path, content))
        assert list(bars.rows()) == []
        assert bars.newest("AAPL") is None


WEEK = [4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("order", "line", "words"),
    [
        ([4, 5, 6, 8, 7, 11], 6, "must be after 2013-03-08"),
        ([11, 8, 7, 5, 6, 4], 6, "must be before 2013-03-05"),
        ([4, 5, 6, 7, 8, 8], 7, "must be of a time of its own, after 2013-03-08.* of line 6, which says the same"),
        ([5, 6, 7, 8, 4], 6, "must be after 2013-03-08"),
        ([4, 5, 29, 6, 7, 8], 4, "must be before 2013-03-06"),
        ([4, 5, 1, 6, 7, 8], 4, "must be after 2013-03-05"),
        ([8, 7, 1, 6, 5, 4], 4, "must be after 2013-03-06"),
    ],
)
def test_the_row_that_is_out_of_order_is_named_and_no_other(
    tmp_path: Path, order: list[int], line: int, words: str
) -> None:
    path = write(tmp_path, PLAIN + "".join(f"2013-03-{day:02},1,1,1,1,1\n" for day in order))
    with pytest.raises(InvalidInputError, match=f"line {line}, column Date: {words}"):
        read(path)
    with pytest.raises(InvalidInputError, match=f"line {line}, column Date"):
        opened(path).newest("AAPL")
    kept = [bar.timestamp.day for _, bar in read(path, on_bad_row="quarantine")]
    (left_out,) = opened(path, on_bad_row="quarantine").left_out()
    assert left_out.line == line
    assert re.search(words, left_out.reason)
    assert sorted(order) == sorted([*kept, order[line - 2]])
    assert kept == sorted(kept)


def test_a_symbol_may_occur_once_a_time(tmp_path: Path) -> None:
    path = write(tmp_path, WITH_SYMBOL + "".join(f"{name},2013-03-01,1,1,1,1,1\n" for name in ("A", "B", "A")))
    with pytest.raises(InvalidInputError, match="line 4, column timestamp: must be of a time of its own"):
        read(path)


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("block_bytes", [LONGEST_LINE, 1])
def test_a_file_in_the_order_of_its_symbols_is_read_in_the_order_of_time(
    tmp_path: Path, step: int, block_bytes: int
) -> None:
    rows = "".join(f"{name},2013-03-0{day},1,1,1,1,{day}\n" for name in "BAC" for day in WEEK[::step])
    file = opened(write(tmp_path, WITH_SYMBOL + rows))
    found = [(bar.timestamp.day, name) for name, bar in file.rows(block_bytes=block_bytes)]
    assert found == [(day, name) for day in WEEK for name in "ABC"]
    assert [(bar.timestamp.day, name) for name, bar in file.rows(("C", "A"), at(6))] == [
        (day, name) for day in (4, 5) for name in "AC"
    ]
    newest = file.newest("A")
    assert newest is not None
    assert newest.volume == 8


def test_a_symbol_column_must_agree_with_the_symbol_that_was_said(tmp_path: Path) -> None:
    path = write(tmp_path, WITH_SYMBOL + "AAPL,2013-03-01,1,1,1,1,1\nMSFT,2013-03-04,1,1,1,1,1\n")
    with pytest.raises(InvalidInputError, match="line 3, column symbol: must be AAPL, was 'MSFT'"):
        read(path, symbol="AAPL")
    with pytest.raises(InvalidInputError, match="line 2, column symbol: must be a symbol, was ' '"):
        read(write(tmp_path, WITH_SYMBOL + " ,2013-03-01,1,1,1,1,1\n"))


CLOCKS = {
    "a date alone": ("2013-03-01", "column Date: must be a date and a time, was '2013-03-01'"),
    "a skipped hour": ("2013-03-10 02:30", "must be a time that America/New_York has exactly once"),
    "a repeated hour": ("2013-11-03 01:30", "must be a time that America/New_York has exactly once"),
    "before the first year": ("0001-01-01 00:00+12:00", "must be a time in the years 1 to 9999"),
}


CLOCKS_WITH_ZONES = {
    "a repeated hour": ("20241103  01:30:00 US/Eastern", "must be a time that US/Eastern has exactly once"),
    "a skipped hour": ("2024-03-10 02:30 America/New_York", "a time that America/New_York has exactly once"),
    "a skipped hour by its name": ("2024-03-10 02:30 EST", "has exactly once and calls EST"),
    "the winter's name in summer": ("2024-07-01 09:30 EST", "has exactly once and calls EST"),
    "another country's name": ("2024-07-01 09:30 CEST", "has exactly once and calls CEST"),
    "a word": ("2024-07-01 09:30 Eastern", "write its UTC offset, or leave the zone out and say timezone="),
    "an offset that nobody knows": ("2024-07-01 09:30 GMT+2", "write its UTC offset, or leave the zone out"),
    "both hours of a repeated one": ("2024-11-03 01:30 ET", "has exactly once and calls ET"),
    "no zone at all": ("2024-07-01 09:30 Mars/Phobos", "must be in a zone such as America/New_York, was '2024-07"),
}


@pytest.mark.parametrize(("text", "problem"), CLOCKS_WITH_ZONES.values(), ids=CLOCKS_WITH_ZONES)
def test_a_cell_that_names_its_zone_is_held_to_its_clocks(tmp_path: Path, text: str, problem: str) -> None:
    path = write(tmp_path, PLAIN + f"{text},1,1,1,1,1\n")
    with pytest.raises(InvalidInputError) as caught:
        read(path, timeframe=Timeframe.M5, zone=NEW_YORK)
    assert problem in str(caught.value)


@pytest.mark.parametrize("name", ["EST", "EDT", "EST5EDT", "CET", "CEST", "MST", "HST", "EET", "MET", "WET", "JST"])
def test_an_abbreviated_zone_is_no_guess_of_the_machine(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, PLAIN + f"2024-07-01 09:30 {name},1,1,1,1,1\n")
    with pytest.raises(InvalidInputError, match=f"since {name} means different ones.*timezone='America/New_York'"):
        list(bar_file(path, Reading(timeframe=Timeframe.M5)).rows())
    assert [bar.timestamp for _, bar in read(path)] == [datetime(2024, 7, 1, tzinfo=UTC)]  # a date needs no zone


NAMED = {
    "2024-11-03 01:30 EDT": datetime(2024, 11, 3, 5, 30, tzinfo=UTC),
    "2024-11-03 01:30 EST": datetime(2024, 11, 3, 6, 30, tzinfo=UTC),
    "2024-07-01 09:30 EDT": datetime(2024, 7, 1, 13, 30, tzinfo=UTC),
    "2024-07-01 09:30 (EDT)": datetime(2024, 7, 1, 13, 30, tzinfo=UTC),
    "2024-07-01 9:30 AM ET": datetime(2024, 7, 1, 13, 30, tzinfo=UTC),
    "2024-07-01 09:30 UTC": datetime(2024, 7, 1, 9, 30, tzinfo=UTC),
    "2024-07-01 09:30 gmt": datetime(2024, 7, 1, 9, 30, tzinfo=UTC),
    "2024-07-01 09:30 Asia/Tokyo": datetime(2024, 7, 1, 0, 30, tzinfo=UTC),
}


@pytest.mark.parametrize(("text", "instant"), NAMED.items())
def test_what_the_zone_that_was_said_calls_its_time_tells_which_one_is_meant(
    tmp_path: Path, text: str, instant: datetime
) -> None:
    path = write(tmp_path, PLAIN + f"{text},1,1,1,1,1\n")
    assert [bar.timestamp for _, bar in read(path, timeframe=Timeframe.M5, zone=NEW_YORK)] == [instant]


def test_the_day_of_an_epoch_and_a_time_of_day_are_held_to_the_clocks_too(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN.replace("Date", "Date,Time") + "1730606400,01:30,1,1,1,1,1\n")
    with pytest.raises(InvalidInputError, match="must be a time that America/New_York has exactly once"):
        read(path, timeframe=Timeframe.M5, zone=NEW_YORK)


@pytest.mark.parametrize(("text", "problem"), CLOCKS.values(), ids=CLOCKS)
def test_a_time_that_is_no_one_instant_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read(write(tmp_path, PLAIN + f"{text},1,1,1,1,1\n"), timeframe=Timeframe.M5, zone=NEW_YORK)
    assert problem in str(caught.value)


def intraday(minutes: Sequence[int], days: Sequence[int]) -> str:
    return PLAIN + "".join(
        f"2013-03-{day:02} {at // 60:02}:{at % 60:02}Z,1,1,1,1,1\n" for day in days for at in minutes
    )


LONGER = {
    "hours that begin at half past": (Timeframe.M30, range(14 * 60 + 30, 21 * 60, 60), 60),
    "half hours at a quarter past": (Timeframe.M15, range(14 * 60 + 15, 20 * 60, 30), 30),
    "quarters at five past": (Timeframe.M5, range(14 * 60 + 5, 20 * 60, 15), 15),
    "five minutes at one past": (Timeframe.M1, range(14 * 60 + 1, 20 * 60, 5), 5),
    "two hours": (Timeframe.M30, range(30, 24 * 60, 120), 120),
}


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(("timeframe", "minutes", "apart"), LONGER.values(), ids=LONGER)
def test_longer_bars_are_told_by_their_distances(
    tmp_path: Path, timeframe: Timeframe, minutes: range, apart: int, *, newest_first: bool
) -> None:
    header, *rows = intraday(minutes, (4, 5)).splitlines(keepends=True)
    path = write(tmp_path, header + "".join(rows[::-1] if newest_first else rows))
    with pytest.raises(InvalidInputError, match=f"must hold bars of {timeframe.value}, but .* {apart} minutes"):
        read(path, timeframe=timeframe)


HONEST = {
    "two neighbours": ((870, 930, 990, 1020, 1080), (4, 5)),
    "few rows": ((870, 930, 990), (4, 5)),
    "one day": (range(870, 1260, 60), (4,)),
    "holes of every length": ((870, 930, 1050, 1230), (4, 5, 6)),
}


@pytest.mark.parametrize(("minutes", "days"), HONEST.values(), ids=HONEST)
def test_half_hours_with_holes_are_half_hours(tmp_path: Path, minutes: Sequence[int], days: tuple[int, ...]) -> None:
    found = read(write(tmp_path, intraday(minutes, days)), timeframe=Timeframe.M30)
    assert len(found) == len(minutes) * len(days)


MISTYPED = {
    "the last row": ("2024-01-04 2024-01-05 2204-01-09", 4),
    "the last one of newest first": ("2024-01-05 2024-01-04 1924-01-03", 4),
    "the first row": ("1924-01-04 2024-01-05 2024-01-08 2024-01-09", 2),
    "the first one of newest first": ("2204-01-09 2024-01-08 2024-01-05 2024-01-04", 2),
    "one of two rows": ("2024-01-08 2204-01-09", 3),
    "one within": ("2024-01-04 2204-01-05 2024-01-08 2024-01-09", 3),
}


@pytest.mark.parametrize(("dates", "line"), MISTYPED.values(), ids=MISTYPED)
def test_a_date_a_lifetime_away_from_its_neighbours_was_mistyped(tmp_path: Path, dates: str, line: int) -> None:
    path = write(tmp_path, PLAIN + "".join(f"{date},1,1,1,1,1\n" for date in dates.split()))
    with pytest.raises(InvalidInputError, match=f"line {line}, column Date: must be within 50 years of .* of line"):
        read(path)
    kept = dates.split()[: line - 2] + dates.split()[line - 1 :]
    if len(kept) > 1:
        found = read(path, on_bad_row="quarantine")
        assert [f"{bar.timestamp:%Y-%m-%d}" for _, bar in found] == sorted(kept)
        assert [row.line for row in opened(path, on_bad_row="quarantine").left_out()] == [line]


def test_a_mistyped_date_of_one_symbol_is_found_among_the_rows_of_others(tmp_path: Path) -> None:
    rows = [f"{symbol},{year}-01-06,1,1,1,1,1\n" for year in range(1900, 2001) for symbol in ("A", "B", "C")]
    stray = [row for row in rows if not row.startswith("B,19") or row.startswith(("B,1900", "B,1901"))]
    sound = Reading(timeframe=Timeframe.MO1)
    assert len(list(bar_file(write(tmp_path, WITH_SYMBOL + "".join(rows)), sound).rows())) == 303
    with pytest.raises(InvalidInputError, match=r"column timestamp: must be within 50 years of 1901-01-06"):
        list(bar_file(write(tmp_path, WITH_SYMBOL + "".join(stray)), sound).rows())


CLOCK_CELL = st.builds(
    "{:02}:{:02}{}{}".format,
    st.integers(0, 25) | st.just(99),
    st.sampled_from([0, 30, 59, 60, 99]),
    st.sampled_from(["", ":00", ":59", ":60", ":99"]),
    st.sampled_from(["", "Z", "+05:30", "-23:59", "+24:00", "+05:99"]),
)
PRICE_CELL = st.sampled_from(["1", "1.5", "000001", "1.123456", "999999999.999999", "0", "2."])
PLAIN_ROW = st.builds(
    "{}{}{},{},{},{},{},{}".format,
    st.sampled_from(["2024-01-08", "2024-02-30", "0000-01-08", "2024-13-01", "2024-03-10", "2024-11-03"]),
    st.sampled_from([" ", "T"]),
    CLOCK_CELL,
    *[PRICE_CELL] * 4,
    st.sampled_from(["0", "5.0", "999999999999999999", "7.00"]),
)


@pytest.mark.parametrize("timeframe", [Timeframe.D1, Timeframe.M1])
@given(row=PLAIN_ROW)
@settings(max_examples=150)
def test_what_is_read_at_once_is_read_alike_one_by_one(timeframe: Timeframe, row: str) -> None:
    names = ("Date", "Open", "High", "Low", "Close", "Volume")
    layout = read_layout(iter([",".join(names)]).__next__)
    reader = RowReader(layout, Reading(timeframe=timeframe, timezone=NEW_YORK.key), lambda: "day_first", "AAPL")
    at_once, places = reader.rows(row.encode()), reader.places(row.encode())
    place: tuple[str, datetime] | None = None
    cells = reader.cells(row.encode())
    with suppress(RowFaultError):
        place = reader.place(cells)
    assert places is None or [place] == list(zip(*places, strict=True))
    if at_once is not None:
        assert place is not None
        assert at_once == [(place[0], reader.bar(place[1], cells))]


def test_a_time_of_day_must_be_one(tmp_path: Path) -> None:
    path = write(tmp_path, "Date,Time,Open,High,Low,Close,Volume\n2013-03-01,25:00,1,1,1,1,1\n")
    with pytest.raises(InvalidInputError, match="line 2, column Time: must be a time such as"):
        read(path, timeframe=Timeframe.M5)


def long_file(folder: Path, rows: int, *, newest_first: bool = False, end: str = "\n") -> Path:
    """Write a file of many blocks whose last row is broken, last in time that is."""
    first = datetime(2000, 1, 1, tzinfo=UTC)
    lines = [f"{first + timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ},1,2,1,2,{n}{end}" for n in range(rows)]
    lines.append(f"2040-01-01T00:00:00Z,1,broken,1,2,5{end}")
    return write(folder, PLAIN.replace("\n", end) + "".join(reversed(lines) if newest_first else lines))


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("newest_first", [False, True])
def test_every_row_of_many_blocks_comes_once_and_lines_are_counted_right(
    tmp_path: Path, end: str, *, newest_first: bool
) -> None:
    rows = 2 * BLOCK_BYTES // 30
    bars = opened(long_file(tmp_path, rows, newest_first=newest_first, end=end), Timeframe.M1).rows()
    assert [next(bars)[1].volume for _ in range(rows)] == list(range(rows))
    with pytest.raises(InvalidInputError, match=f"line {2 if newest_first else rows + 2}, column High"):
        next(bars)


def test_reading_stops_at_the_end_asked_for(tmp_path: Path) -> None:
    bars = opened(long_file(tmp_path, 10), Timeframe.M1)
    assert len(list(bars.rows(end=datetime(2040, 1, 1, tzinfo=UTC)))) == 10


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_file_that_was_looked_at_gives_its_newest_bar_by_one_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, newest_first: bool
) -> None:
    asked: list[int] = []
    reading = Lines._read

    def counted(self: Lines, offset: int, size: int) -> bytes:
        asked.append(offset)
        return reading(self, offset, size)

    monkeypatch.setattr(Lines, "_read", counted)
    rows = [f"{'MSFT' if n else 'IBM'},{1_400_000_040 + 60 * n},1,1,1,1,{n}\n" for n in range(5_000)]
    file = opened(write(tmp_path, WITH_SYMBOL + "".join(rows[::-1] if newest_first else rows)), Timeframe.M1)
    for symbol, volume in (("MSFT", 4_999), ("IBM", 0), ("MSFT", 4_999)):
        asked.clear()
        newest = file.newest(symbol)
        assert newest is not None
        assert newest.volume == volume
    assert len(asked) == 1


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, *, newest_first: bool) -> None:
    rows = ["2013-03-01,1,1,1,1,1\n", "2013-03-04,1,1,1,1,1\n"]
    junk = "x" * 10 * BLOCK_BYTES + "\n"
    path = write(tmp_path, PLAIN + "".join(reversed(rows) if newest_first else rows) + junk)
    with pytest.raises(InvalidInputError, match=f"line 4, column any: must end within {LONGEST_LINE} bytes"):
        read(path)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = long_file(tmp_path, 2 * BLOCK_BYTES // 30)
    bars = opened(path, Timeframe.M1).rows()
    next(bars)
    replacement = write(tmp_path, path.read_bytes() + b"2040-01-02T00:00:00Z,1,1,1,1,1\n", "new.csv")
    replacement.replace(path)
    with pytest.raises(InvalidInputError, match="must stay as it is while it is read"):
        list(bars)


def test_a_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="must be a readable file, was not"):
        opened(tmp_path / "AAPL.csv")


@given(at=st.integers(0, 600), junk=st.binary(max_size=12) | st.text(' ,;\t"\r\n$-.0123456789eEnN', max_size=12))
@settings(max_examples=150)
def test_damage_is_refused_in_one_way_only(at: int, junk: bytes | str) -> None:
    damage = junk if isinstance(junk, bytes) else junk.encode()
    with tempfile.TemporaryDirectory() as folder:
        for content in (DAILY["nasdaq"], DAILY["stooq bulk"], INTRADAY["with offsets"]):
            sound = content.encode()
            with suppress(InvalidInputError):
                read(write(Path(folder), sound[:at] + damage + sound[at + len(damage) :]), timeframe=Timeframe.M5)
