"""What vendors write, in every spelling: read right, or refused with line, cell and the option that says how."""

import gzip
import pickle
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jutsu_assets.barfiles.events import events_of, stream_of
from jutsu_assets.barfiles.folders import bar_file
from jutsu_assets.barfiles.layout import read_layout
from jutsu_assets.barfiles.reading import LeftOutRow, Reading
from jutsu_assets.barfiles.rows import RowReader
from jutsu_assets.store.handlers import CSVDataHandler
from jutsu_core.bars import Bar, Timeframe
from jutsu_core.errors import InvalidInputError
from jutsu_core.events import MarketDataEvent

H = "Date,Open,High,Low,Close,Volume\n"
SEMICOLONS = H.replace(",", ";")
GOOD = "2024-01-02,1,2,1,2,10\n"
MINUTES = {"timeframe": Timeframe.M1, "timezone": "America/New_York"}
GERMAN = "Datum;Eröffnung;Hoch;Tief;Schluss;Volumen\n02.01.2024;1.234,56;1.240,00;1.230,00;1.235,10;1.000\n"
Options = dict[str, Any]
Found = tuple[str, str, str, int]


def handler(folder: Path, content: str | bytes, **options: Any) -> CSVDataHandler:
    path = folder / "X.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return CSVDataHandler(path, **options)


def found(bars: CSVDataHandler) -> list[Found]:
    return [
        (f"{one.timestamp:%m-%d %H:%M}".removesuffix(" 00:00"), f"{one.open:f}", f"{one.close:f}", one.volume)
        for one in bars.get_next_bar()
    ]


def bar(day: int, opened: str = "1.000000", close: str = "2.000000", volume: int = 10) -> Found:
    return f"01-{day:02}", opened, close, volume


READ: dict[str, tuple[str, Options, list[Found]]] = {
    "a byte order mark and tabs": ("\ufeff" + (H + GOOD).replace(",", "\t"), {}, [bar(2)]),
    "bars between cells": ((H + GOOD).replace(",", "|"), {}, [bar(2)]),
    "Excel's first line": ("sep=;\n" + (H + "2024-01-02,1.5,2,1,2,10\n").replace(",", ";"), {}, [bar(2, "1.500000")]),
    "blank lines before": ("\n\r\n" + H + GOOD, {}, [bar(2)]),
    "blank rows": (H + "\n" + GOOD + ",,,,,\n\n2024-01-03,1,2,1,2,10\n , , , , , \n", {}, [bar(2), bar(3)]),
    "a comma after each row": (H.replace("\n", ",\n") + GOOD.replace("\n", ",\n"), {}, [bar(2)]),
    "quotes and CRLF": (
        '"Date","Open","High","Low","Close","Volume"\r\n"2024-01-02","1","2","1","2","10"\r\n',
        {},
        [bar(2)],
    ),
    "headers of a letter": ("t,o,h,l,c,v\n" + GOOD, {}, [bar(2)]),
    "numbered headers": ("timestamp,1. open,2. high,3. low,4. close,5. volume\n" + GOOD, {}, [bar(2)]),
    "prices by name": ("Date,Open Price,high_price,Low Price,close_price,Volume\n" + GOOD, {}, [bar(2)]),
    "a frame's unnamed dates": (",Open,High,Low,Close,Volume\n" + GOOD, {}, [bar(2)]),
    "groups of thousands": (
        H + '2024-01-02,"1,234.50","1,240.25","1,230.00","1,234.00","1,234"\n',
        {},
        [bar(2, "1234.500000", "1234.000000", 1234)],
    ),
    "groups, said": (
        H + '2024-01-02,"1,234","1,240","1,230","1,236","1,234"\n',
        {"decimal": "."},
        [bar(2, "1234.000000", "1236.000000", 1234)],
    ),
    "German": (GERMAN, {"decimal": ",", "date_order": "day_first"}, [bar(2, "1234.560000", "1235.100000", 1000)]),
    "quoted decimal commas": (
        '"Date";"Open";"High";"Low";"Close";"Volume"\n"2024-01-02";"12,345";"12,400";"12,300";"12,350";"1000"\n',
        {"decimal": ","},
        [bar(2, "12.345000", "12.350000", 1000)],
    ),
    "Swiss": (
        SEMICOLONS + "2024-01-02;1'234.56;1'240.00;1'230.00;1'235.10;1'000\n",
        {},
        [bar(2, "1234.560000", "1235.100000", 1000)],
    ),
    "French": (
        SEMICOLONS + "2024-01-02;1 234,56;1\u202f240,00;1\u00a0230,00;1 235,10;1 000\n",
        {"decimal": ","},
        [bar(2, "1234.560000", "1235.100000", 1000)],
    ),
    "months by name": (
        H + '"Jan 2, 2024",1,2,1,2,10\n3 January 2024,1,2,1,2,10\n04-Jan-2024,1,2,1,2,10\n',
        {},
        [bar(2), bar(3), bar(4)],
    ),
    "dates in digits": (
        H + "20240102,1,2,1,2,10\n2024/01/03,1,2,1,2,10\n2024.1.4,1,2,1,2,10\n",
        {},
        [bar(2), bar(3), bar(4)],
    ),
    "epochs": (
        H + "1704153600,1,2,1,2,10\n1704240000000,1,2,1,2,10\n1704326400.0,1,2,1,2,10\n",
        {},
        [bar(2), bar(3), bar(4)],
    ),
    "offsets": (
        H + "2024-01-02 00:00:00-05:00,1,2,1,2,10\n2024-01-03T00:00:00+01:00,1,2,1,2,10\n",
        {},
        [bar(2), bar(3)],
    ),
    "an order that one date proves": (H + "10/01/2024,1,2,1,2,10\n15/01/2024,1,2,1,2,10\n", {}, [bar(10), bar(15)]),
    "an order that weekends and gaps prove": (
        H + "".join(f"0{day}/01/2024,1,2,1,2,10\n" for day in (4, 3, 2)),
        {},
        [bar(2), bar(3), bar(4)],
    ),
    "an order that was said": (H + "01/02/2024,1,2,1,2,10\n", {"date_order": "month_first"}, [bar(2)]),
    "Nasdaq's order": ("Date,Close/Last,Volume,Open,High,Low\n01/02/2024,2,10,1,2,1\n", {}, [bar(2)]),
    "shorthand": (
        H + "2024-01-02,1,2,1,2,1.2M\n2024-01-03,1,2,1,2,15k\n2024-01-04,1,2,1,2,10.0\n",
        {},
        [bar(2, volume=1_200_000), bar(3, volume=15_000), bar(4)],
    ),
    "no volume": (
        H + "".join(f"2024-01-0{day},1,2,1,2,{cell}\n" for day, cell in ((2, ""), (3, "-"), (4, "N/A"), (5, "--"))),
        {"no_volume": "zero"},
        [bar(day, volume=0) for day in (2, 3, 4, 5)],
    ),
    "no column of volume": (
        "Date,Open,High,Low,Close\n2024-01-02,1,2,1,2\n",
        {"no_volume": "zero"},
        [bar(2, volume=0)],
    ),
    "less than a penny": (H + "2024-01-02,1.5E-4,0.0002,1e-4,0.000123,10\n", {}, [bar(2, "0.000150", "0.000123")]),
    "wide numbers": (
        H + "2024-01-02,123456789012.123456,123456789012.2,1,123456789012.123456,9000000000000000000\n",
        {},
        [bar(2, "123456789012.123456", "123456789012.123456", 9_000_000_000_000_000_000)],
    ),
    "half a day on a clock": (
        "Date,Time,Open,High,Low,Close,Volume\n"
        + "".join(f"01/30/2024,{clock},1,2,1,2,10\n" for clock in ("9:30 AM", "12:59 PM", "04:01 PM")),
        MINUTES,
        [(f"01-30 {clock}", "1.000000", "2.000000", 10) for clock in ("14:30", "17:59", "21:01")],
    ),
    "Saturdays before 1952": (
        H + "1951-01-05,1,2,1,2,10\n1951-01-06,1,2,1,2,10\n1951-01-08,1,2,1,2,10\n",
        {},
        [bar(5), bar(6), bar(8)],
    ),
    "a market that never closes": (
        H + "".join(f"2024-01-{day:02},1,2,1,2,10\n" for day in range(3, 22)),
        {},
        [bar(day) for day in range(3, 22)],
    ),
    "Sundays, said": (H + "2024-01-05,1,2,1,2,10\n2024-01-07,1,2,1,2,10\n", {"weekends": "keep"}, [bar(5), bar(7)]),
}


@pytest.mark.parametrize(("content", "options", "expected"), READ.values(), ids=READ)
def test_it_is_read(tmp_path: Path, content: str, options: Options, expected: list[Found]) -> None:
    bars = handler(tmp_path, content, **options)
    assert found(bars) == expected
    assert bars.left_out == ()
    assert bars.get_latest_bar("X").volume == expected[-1][-1]


REFUSED: dict[str, tuple[str | bytes, Options, str]] = {
    "a comma that may be either": (
        H + '2024-01-02,"12,345","12,400","12,300","12,350",10\n',
        {},
        "line 2, column Open: .*'12,345'.* decimal=",
    ),
    "a point that may be either": (
        SEMICOLONS + "2024-01-02;12.345;12.400;12.300;12.350;10\n",
        {},
        "line 2, column Open: .*'12.345'.* decimal=",
    ),
    "a volume that may be either": (
        H + '2024-01-02,1,2,1,2,"1,234"\n',
        {},
        "line 2, column Volume: .*'1,234'.* decimal=",
    ),
    "a decimal comma": (
        SEMICOLONS + "2024-01-02;12,5;13;12;12,5;10\n",
        {},
        r"line 2, column Open: .*'12,5'; say decimal=','",
    ),
    "a decimal point in a file of commas": (
        SEMICOLONS + "2024-01-02;12.5;13;12;12;1\n",
        {"decimal": ","},
        r"'12.5'; say decimal='\.'",
    ),
    "one date of either order": (
        H + "03/04/2024,1,2,1,2,10\n",
        {},
        "line 2, column Date: .*'03/04/2024'; say date_order=",
    ),
    "an index of Cboe": (
        "DATE,OPEN,HIGH,LOW,CLOSE\n01/02/1990,1,1,1,1\n",
        {},
        "line 2, column DATE: .*'01/02/1990'; say date_order=",
    ),
    "two orders": (H + "13/03/2024,1,2,1,2,10\n03/14/2024,1,2,1,2,10\n", {}, "and lines 2 and 3 differ in it"),
    "a month 13": (
        H + "01/13/2024,1,2,1,2,10\n",
        {"date_order": "day_first"},
        "line 2.*'01/13/2024'; it was read with date_order='day_first'",
    ),
    "the wrong order": (
        H + "".join(f"0{day}/01/2018,1,2,1,2,10\n" for day in (5, 4, 3, 2)),
        {"date_order": "month_first"},
        "rows are a month or more apart",
    ),
    "a year of two digits": (H + "03-Jan-24,1,2,1,2,10\n", {}, "line 2, column Date: .*four digits"),
    "months": (
        H + "2024-01-02,1,2,1,2,10\n2024-02-01,1,2,1,2,10\n2024-03-01,1,2,1,2,10\n",
        {},
        "must hold bars of 1d, but all rows are a month",
    ),
    "weeks": (
        H + "".join(f"2024-01-{day:02},1,2,1,2,10\n" for day in (1, 8, 15, 22, 29)),
        {},
        "all rows are a week or more apart",
    ),
    "days as weeks": (
        H + "".join(f"2024-01-{day:02},1,2,1,2,10\n" for day in (2, 3, 4, 5)),
        {"timeframe": Timeframe.W1},
        "its rows are days apart",
    ),
    "five minutes": (
        H + "".join(f"2024-01-02 09:{minute},1,2,1,2,10\n" for minute in (30, 35, 40)),
        MINUTES,
        "grid of 5 minutes",
    ),
    "hours": (
        H + "".join(f"2024-01-02 {hour}:00,1,2,1,2,10\n" for hour in (10, 11, 12)),
        {**MINUTES, "timeframe": Timeframe.M30},
        "grid of 60 minutes",
    ),
    "minutes as five": (
        H + "2024-01-02 09:31,1,2,1,2,10\n",
        {**MINUTES, "timeframe": Timeframe.M5},
        "line 2, .*must be the start of a bar of 5m",
    ),
    "seconds": (H + "2024-01-02 09:30:30,1,2,1,2,10\n", MINUTES, "line 2, .*must be the start of a bar of 1m"),
    "no zone": (
        H + "2024-01-02 09:30,1,2,1,2,10\n",
        {"timeframe": Timeframe.M1},
        "line 2, .*timezone='America/New_York'",
    ),
    "a weekend": (
        H + "".join(f"2024-01-{day:02},1,2,1,2,10\n" for day in (5, 6, 7, 8)),
        {},
        "line 3, .*was Saturday 2024-01-06; .* weekends='keep'",
    ),
    "no volume": (H + "2024-01-02,1,2,1,2,\n", {}, "line 2, column Volume: .*no_volume='zero'"),
    "no column of volume": (
        "Date,Open,High,Low,Close\n2024-01-02,1,2,1,2\n",
        {},
        "line 2, column volume: .*no_volume='zero'",
    ),
    "a total": (H + GOOD + "Total,,,,,10\n", {}, "line 3, column Date: must be a date"),
    "a comment": ("# of a vendor\n" + H + GOOD, {}, "line 1, column timestamp: must be in the header"),
    "old line ends": ((H + GOOD).replace("\n", "\r"), {}, r"line 1, column any: must be of lines that end with"),
    "a cell too many in a row": (H + GOOD.replace("\n", ",\n"), {}, "line 2, column beyond the last"),
    "an invisible symbol": (
        "symbol," + H + "A\x00B," + GOOD,
        {},
        r"line 2, column symbol: must be a symbol, was 'A\\x00B'",
    ),
    "a row among thousands": (
        H
        + "".join(
            f"{date(1990, 1, 1) + timedelta(days=n)},1,2,1,{'x' if n == 2_500 else 2},10\n" for n in range(3_000)
        ),
        {},
        "line 2502, column Close",
    ),
}


@pytest.mark.parametrize(("content", "options", "problem"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused(tmp_path: Path, content: str | bytes, options: Options, problem: str) -> None:
    bars = handler(tmp_path, content, **options)
    with pytest.raises(InvalidInputError, match=problem) as caught:
        found(bars)
    assert "X.csv" in str(caught.value)


LEFT_OUT: dict[str, tuple[str, list[int], list[int]]] = {
    "a null row and a total": (GOOD + "2024-01-03,null,NA,-,,\n2024-01-04,1,2,1,2,10\nTotal,,,,,20\n", [2, 4], [3, 5]),
    "today again, the same": (
        "2024-01-02 00:00:00-05:00,1,2,1,2,10\n2024-01-02 16:00:01-05:00,1.0,2,1,2,10\n",
        [2],
        [3],
    ),
    "today again, otherwise": (
        GOOD + "2024-01-03,1,2,1,2,10\n2024-01-03,1.5,2,1,2,10\n2024-01-03,1,2,1,2,10\n",
        [2],
        [3, 4, 5],
    ),
    "a bar and a null row of one day": ("2024-01-02,null,,,,\n" + GOOD, [2], [2]),
    "a mistyped year": (GOOD + "2042-01-03,1,2,1,2,10\n2024-01-04,1,2,1,2,10\n2024-01-05,1,2,1,2,10\n", [2, 4, 5], [3]),
    "a mistyped first year": ("2042-01-02,1,2,1,2,10\n2024-01-03,1,2,1,2,10\n2024-01-04,1,2,1,2,10\n", [3, 4], [2]),
    "two last rows that contradict each other": (GOOD + "2024-01-04,1,2,1,2,10\n2024-01-03,1,2,1,2,10\n", [2], [3, 4]),
    "a mistyped year, newest first": (
        "".join(
            f"{day},1,2,1,2,10\n" for day in ("2024-01-05", "2024-01-04", "2004-01-02", "2024-01-02", "2024-01-01")
        ),
        [1, 2, 4, 5],
        [4],
    ),
    "a day otherwise, newest first": (
        "2024-01-05,1,2,1,2,10\n2024-01-04,1,2,1,2,9\n2024-01-04,1,2,1,2,10\n" + GOOD,
        [2, 5],
        [3, 4],
    ),
    "a Saturday": ("2024-01-05,1,2,1,2,10\n2024-01-06,1,2,1,2,10\n2024-01-08,1,2,1,2,10\n", [5, 8], [3]),
    "an open quote": (GOOD + '2024-01-03,1,2,1,2,"10\n2024-01-04,1,2,1,2,10\n', [2, 4], [3]),
}


@pytest.mark.parametrize(("rows", "days", "lines"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_bad_rows_are_left_out_and_remembered(tmp_path: Path, rows: str, days: list[int], lines: list[int]) -> None:
    bars = handler(tmp_path, H + rows, on_bad_row="quarantine")
    assert [one.timestamp.day for one in bars.get_next_bar()] == days
    assert bars.get_latest_bar("X").timestamp.day == days[-1]
    assert [row.line for row in bars.left_out] == lines
    for row in bars.left_out:
        assert isinstance(row, LeftOutRow)
        assert re.search("must be .*, was .*; ", row.reason)
        assert row.row == (H + rows).splitlines()[row.line - 1]
    with pytest.raises(InvalidInputError):
        found(handler(tmp_path, H + rows))


def test_a_file_of_which_nothing_would_be_left_is_refused(tmp_path: Path) -> None:
    rows = SEMICOLONS + "".join(f"2024-01-0{day};1,5;2,5;1,5;2,5;10\n" for day in (2, 3))
    with pytest.raises(InvalidInputError, match=r"line 2, column Open: .*decimal=','.*; and no other row is a bar"):
        found(handler(tmp_path, rows, on_bad_row="quarantine"))


def test_a_file_in_no_order_is_refused_however_bad_rows_are_treated(tmp_path: Path) -> None:
    days = [day for n in range(60) if (day := date(2024, 1, 1) + timedelta(days=n)).weekday() < 5]
    rows = [f"{day},1,2,1,2,10\n" for day in (*days[20:], *days[:20])]
    for on_bad_row, problem in (
        ("error", "line 26, column Date: must be after"),
        ("quarantine", "a tenth of its rows"),
    ):
        with pytest.raises(InvalidInputError, match=problem):
            found(handler(tmp_path, H + "".join(rows), on_bad_row=on_bad_row))


def test_a_compressed_file_is_read_and_a_broken_one_refused(tmp_path: Path) -> None:
    path, whole = tmp_path / "BRK.B.csv.gz", gzip.compress((H + GOOD).encode())
    path.write_bytes(whole)
    for bars in (CSVDataHandler(path), CSVDataHandler(tmp_path)):
        assert [one.symbol for one in bars.get_next_bar()] == ["BRK.B"]
    for content in (whole[:-9], whole[:20], b"no gzip", whole[:-6] + b"\0\0\0\0\0\0"):
        path.write_bytes(content)
        with pytest.raises(InvalidInputError, match=r"BRK\.B\.csv\.gz: must be a readable file, was not \("):
            list(CSVDataHandler(path).get_next_bar())


def test_a_folder_holds_files_by_name_and_by_column(tmp_path: Path) -> None:
    for name in ("BRK.A", "BRK.B", "BRK-B", "aapl"):
        (tmp_path / f"{name}.csv").write_text(H + GOOD)
    (tmp_path / "others.csv").write_text("symbol," + H + "NA," + GOOD + "NULL," + GOOD)
    bars = CSVDataHandler(tmp_path)
    assert [one.symbol for one in bars.get_next_bar()] == ["BRK-B", "BRK.A", "BRK.B", "NA", "NULL", "aapl"]
    assert bars.get_latest_bar("NULL").symbol == "NULL"
    sent = pickle.loads(pickle.dumps(bars))  # noqa: S301 - our own
    assert next(sent.get_next_bar()).symbol == "BRK-B"


def test_a_file_that_changed_is_looked_at_again(tmp_path: Path) -> None:
    bars = handler(tmp_path, H + GOOD)
    assert found(bars) == [bar(2)]
    (tmp_path / "X.csv").write_text(H + "2024-01-03,1,2,1,2,10\n" + GOOD)
    assert found(bars) == [bar(2), bar(3)]


def test_options_that_are_none_are_refused() -> None:
    for options, problem in (
        ({"date_order": "year"}, "date_order must be 'day_first' or 'month_first', was 'year'"),
        ({"decimal": ";"}, r"decimal must be '\.' or ',', was ';'"),
        ({"on_bad_row": "skip"}, "on_bad_row must be 'error' or 'quarantine', was 'skip'"),
        ({"no_volume": None}, "no_volume must be 'error' or 'zero', was None"),
        ({"weekends": True}, "weekends must be 'error' or 'keep', was True"),
        ({"timezone": "Mars/Phobos"}, "timezone must be an IANA name"),
        ({"round_to_scale": 1}, "round_to_scale must be True or False, was 1"),
        ({"timeframe": "1d"}, "timeframe must be a Timeframe, was '1d'"),
    ):
        with pytest.raises(InvalidInputError, match=problem):
            Reading(**options)
    assert Reading(date_order="DMY").date_order == "day_first"  # type: ignore[arg-type]  # as people call it


def test_before_an_error_comes_what_was_read_until_then() -> None:
    rows = [("A", Bar(datetime(2024, 1, 2, tzinfo=UTC), 1, 2, 1, 2, volume)) for volume in range(300)]

    def broken() -> Any:
        yield from rows
        message = "here"
        raise InvalidInputError(message)

    stream = stream_of(broken(), Timeframe.D1)
    assert [next(stream).volume for _ in rows] == list(range(300))
    with pytest.raises(InvalidInputError, match="here"):
        next(stream)
    assert [one.volume for one in stream_of(iter(rows), Timeframe.D1)] == list(range(300))


PRICE = st.integers(1, 10**15 - 1)


@given(
    prices=st.lists(st.tuples(PRICE, PRICE, PRICE, PRICE), min_size=1, max_size=5), volume=st.integers(0, 10**18 - 1)
)
@settings(max_examples=60)
def test_rows_read_together_are_those_read_one_by_one(prices: Sequence[tuple[int, ...]], volume: int) -> None:
    """And an event of a bar is the same, however it is made."""
    reader = RowReader(read_layout(lambda: H), Reading(), lambda: "day_first", "X")
    lines = []
    for day, values in enumerate(prices, start=1):
        low, opened, close, high = (Decimal(value).scaleb(-6) for value in sorted(values))
        lines.append(f"2024-01-0{day},{opened:f},{high:f},{low:f},{close:f},{volume}")
    together = reader.rows("\n".join(lines).encode())
    split = [reader.cells(line.encode()) for line in lines]
    apart = [(symbol, reader.bar(stamp, cells)) for cells in split for symbol, stamp in (reader.place(cells),)]
    assert together == apart
    for symbol, one in apart:
        (made,) = events_of([symbol], [one], Timeframe.D1)
        assert made == MarketDataEvent.of_bar(symbol, one, Timeframe.D1)
        assert str(made.close) == str(MarketDataEvent.of_bar(symbol, one, Timeframe.D1).close)


def test_what_is_doubtful_is_not_read_together() -> None:
    reader = RowReader(read_layout(lambda: H), Reading(), lambda: "day_first", "X")
    for row in (
        "2024-01-02,1,2,0,2,10",
        "2024-01-02,1,2,1,3,10",
        "2024-02-30,1,2,1,2,10",
        "2024-01-02,1,2,1,-2,10",
        "",
    ):
        assert reader.rows(f"{GOOD}{row}\n".encode()) is None


def test_a_file_of_one_symbol_is_known_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "X.csv"
    path.write_text(H + "broken\n")
    assert bar_file(path, Reading()).symbols == {"X"}
