"""A market out of a folder: the one reader's rules, and what is the simulator's own."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jutsu_assets.barfiles.reading import Reading
from jutsu_assets.simulator.folder import BarFolder, history_from_folder
from jutsu_assets.simulator.intraday import regular_hours
from jutsu_assets.simulator.market import MarketHistory
from jutsu_assets.simulator.minutes import derived_minutes
from jutsu_assets.simulator.pricehistory import NEW_YORK
from jutsu_assets.store.handlers import CSVDataHandler
from jutsu_core.bars import BarColumns, columns_to_frame
from jutsu_core.errors import ConfigurationError, InvalidInputError
from tests.support.builders import bar

HEAD = "date,open,high,low,close,volume\n"
FAR = date(2100, 1, 1)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files into a folder; a name's content is text, bytes or a frame."""

    def written(**files: str | bytes | pd.DataFrame) -> Path:
        for name, content in files.items():
            path = tmp_path / name.replace("__", ".")
            if isinstance(content, pd.DataFrame):
                content.to_parquet(path, index=False)
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path

    return written


def closes(history: MarketHistory) -> dict[str, list[tuple[str, str]]]:
    return {
        symbol: [(one.session.isoformat(), f"{one.close.normalize():f}") for one in history.daily(symbol, as_of=FAR)]
        for symbol in history.symbols
    }


MONDAY, TUESDAY = "2024-01-08,1,2,1,2,5\n", "2024-01-09,1,3,1,3,5\n"
BOTH = [("2024-01-08", "2"), ("2024-01-09", "3")]
SAID_ALIKE = {
    "dates": HEAD + MONDAY + TUESDAY,
    "00:00 UTC": HEAD + MONDAY.replace(",1,2,", "T00:00:00Z,1,2,", 1) + TUESDAY.replace(",1,3,", "T00:00:00Z,1,3,", 1),
    "midnight in New York": HEAD + "2024-01-08 00:00:00-05:00,1,2,1,2,5\n2024-01-09 00:00:00-05:00,1,3,1,3,5\n",
    "midnight in Chicago": HEAD + "2024-01-08T06:00:00Z,1,2,1,2,5\n2024-01-09T06:00:00Z,1,3,1,3,5\n",
    "newest first": HEAD + TUESDAY + MONDAY,
    "grouped": "symbol," + HEAD + f"X,{MONDAY}X,{TUESDAY}",
}


@pytest.mark.parametrize("content", SAID_ALIKE.values(), ids=SAID_ALIKE)
def test_a_daily_bar_is_of_its_date_as_written_for_both_readers(write: Write, content: str) -> None:
    folder = write(X__csv=content)
    assert closes(history_from_folder(folder)) == {"X": BOTH}
    assert [f"{event.timestamp:%Y-%m-%d}" for event in CSVDataHandler(folder).get_next_bar()] == [
        day for day, _ in BOTH
    ]


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_our_own_frames_come_back_whatever_the_file(write: Write, suffix: str) -> None:
    bars = [bar(date(2024, 1, day), f"{430 + day}.125") for day in (8, 9)]
    frame = columns_to_frame("BRK/B", BarColumns.of(bars))
    text = frame.to_csv(index=False).encode()
    content = {"csv": text, "csv.gz": gzip.compress(text), "parquet": frame}[suffix]
    history = history_from_folder(write(**{f"brk__{suffix.replace('.', '__')}": content}))
    assert closes(history) == {"BRK/B": [("2024-01-08", "438.125"), ("2024-01-09", "439.125")]}


def test_the_columns_of_the_lake_come_back(write: Write) -> None:
    table = pd.DataFrame(
        {
            "symbol": ["AAPL", "AAPL"],
            "timestamp": pd.to_datetime(["2024-01-08", "2024-01-09"], utc=True),
            **{name: [Decimal("1.500001"), Decimal("2.500002")] for name in ("open", "high", "low", "close")},
            "volume": [7, 8],
            "sma_20": [None, 1.5],
        }
    )
    assert closes(history_from_folder(write(part__parquet=table))) == {
        "AAPL": [("2024-01-08", "1.500001"), ("2024-01-09", "2.500002")]
    }


REFUSED = {
    "a date twice": (HEAD + MONDAY + "2024-01-08,5,6,5,6,5\n", "line 3, column date: must be of a time of its own"),
    "a price missing": (HEAD + "2024-01-08,1,2,,2,5\n", "line 2, column low: must be a number"),
    "a volume below 0": (HEAD + "2024-01-08,1,2,1,2,-5\n", "line 2, column volume: must be a whole number"),
    "no volume": (HEAD + "2024-01-08,1,2,1,2,\n", "line 2, column volume: must be a number of shares, was ''"),
    "two orders": (HEAD + "03/04/2024,1,2,1,2,5\n13/05/2024,1,2,1,2,5\n05/14/2024,1,2,1,2,5\n", "lines 3 and 4 differ"),
    "five minutes": (
        HEAD + "".join(f"2024-01-08 10:{minute:02},1,2,1,2,5\n" for minute in (0, 5, 10, 15)),
        "must hold bars of 1m, but all rows begin on a grid of 5 minutes",
    ),
    "seconds": (HEAD + "2024-01-08 10:00:30,1,2,1,2,5\n", "must be the start of a bar of 1m"),
    "a Sunday": (HEAD + "2024-01-07,1,2,1,2,5\n" + MONDAY, "line 2, column date: must be a day from Monday to Friday"),
}


@pytest.mark.parametrize(("content", "problem"), REFUSED.values(), ids=REFUSED)
def test_what_the_reader_refuses_is_refused_with_file_and_line(write: Write, content: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        history_from_folder(write(X__csv=content))
    assert "X.csv" in str(caught.value)


BROKEN = {
    "high below close": "1,2,1,3,5",
    "high below low": "10,9,11,10,100",
    "below 0": "-200,700,-900,100,0",
    "nothing but 0": "0,0,0,0,0",
}


@pytest.mark.parametrize("row", BROKEN.values(), ids=BROKEN)
def test_a_candle_that_contradicts_itself_is_served_as_brokers_do_and_is_no_bar_for_anyone_else(
    write: Write, row: str
) -> None:
    folder = write(X__csv=HEAD + MONDAY + f"2024-01-09,{row}\n")
    served = history_from_folder(folder).daily("X", as_of=FAR)[1]
    assert [served.open, served.high, served.low, served.close, served.volume] == list(map(Decimal, row.split(",")))
    with pytest.raises(InvalidInputError, match=r"X\.csv, line 3, column (open|high)"):
        list(CSVDataHandler(folder).get_next_bar())
    with pytest.raises(ConfigurationError, match=r"X\.csv, line 3, column (open|high)"):
        history_from_folder(folder, reading=Reading())


def test_a_file_that_is_no_parquet_or_holds_no_price_is_refused(write: Write) -> None:
    with pytest.raises(ConfigurationError, match=r"X\.parquet: must be a readable file, was not \("):
        history_from_folder(write(X__parquet=b"PAR1 and nothing else"))
    hole = pd.DataFrame({"date": [date(2024, 1, 8)], "open": [1.5], "high": [None], "low": [1.5], "close": [1.5]})
    with pytest.raises(ConfigurationError, match=r"X\.parquet, line 2, column high: must be a number"):
        history_from_folder(write(X__parquet=hole.assign(volume=7)))


def test_symbols_that_read_like_nothing_are_symbols(write: Write) -> None:
    rows = "".join(f"{symbol},{MONDAY}" for symbol in ("NA", "NULL", "nan", "TRUE", "AAPL"))
    assert set(closes(history_from_folder(write(m__csv="symbol," + HEAD + rows)))) == {
        "NA",
        "NULL",
        "nan",
        "TRUE",
        "AAPL",
    }


def test_a_file_is_about_its_whole_name(write: Write) -> None:
    names = ("BRK__A__csv", "BRK__B__csv", "BRK-B__csv", "BRK%2FB__csv__gz", "aapl__csv")
    gzipped = {name: gzip.compress(HEAD.encode() + MONDAY.encode()) for name in names if name.endswith("gz")}
    folder = write(**dict.fromkeys(names, HEAD + MONDAY) | gzipped)
    assert history_from_folder(folder).symbols == ("BRK-B", "BRK.A", "BRK.B", "BRK/B", "aapl")


def test_an_index_has_no_volume_where_that_is_said(write: Write) -> None:
    folder = write(**{"$SPX__csv": "date,open,high,low,close\n2024-01-08,1,2,1,2\n"})
    (one,) = history_from_folder(folder, reading=Reading(no_volume="zero")).daily("$SPX", as_of=FAR)
    assert one.volume == 0


def test_every_decimal_is_kept_until_a_split_divides(write: Write) -> None:
    rows = "2024-01-08,1.123456,2.654321,1.000001,2.000049,10\n2024-01-09,1,2,1,2,10\n"
    folder = write(X__csv=HEAD + rows, splits__csv="symbol,ex_date,ratio\nX,2024-01-09,2\n")
    history = history_from_folder(folder)
    before, after = (history.daily("X", as_of=date(2024, 1, day))[0] for day in (8, 9))
    assert [str(price) for price in before[1:5]] == ["1.123456", "2.654321", "1.000001", "2.000049"]
    assert [str(price) for price in after[1:5]] == ["0.5617", "1.3272", "0.5000", "1.0000"]
    made_up = derived_minutes("X", before, *regular_hours(before.session))
    assert min(row.low for row in made_up) == before.low
    assert max(row.high for row in made_up) == before.high


MINUTES = HEAD + "".join(
    f"2024-01-08 {clock},{price},{price},{price},{price},10\n"
    for clock, price in (("08:00", 9), ("09:30", 2), ("09:31", 3.000049), ("15:59", 4), ("16:00", 5), ("19:59", 1))
)


def test_a_day_made_of_minutes_is_of_regular_hours(write: Write) -> None:
    history = history_from_folder(write(X__csv=MINUTES))
    (day,) = history.daily("X", as_of=FAR)
    assert tuple(map(str, day[1:])) == ("2.0000", "4.0000", "2.0000", "4.0000", "30")
    minutes = history.real_minutes("X", date(2024, 1, 8), as_of=FAR)
    assert minutes is not None
    assert [datetime.fromtimestamp(row.start / 1000, NEW_YORK).hour for row in minutes] == [8, 9, 9, 15, 16, 19]
    assert str(minutes[2].close) == "3.000049"


def test_a_half_day_ends_early_and_a_holiday_is_no_day(write: Write) -> None:
    rows = "".join(
        f"{day} {clock},{price},{price},{price},{price},10\n"
        for day, clock, price in (
            ("2024-11-28", "10:01", 9),
            ("2024-11-29", "12:59", 2),
            ("2024-11-29", "13:00", 3),
        )
    )
    assert closes(history_from_folder(write(X__csv=HEAD + rows))) == {"X": [("2024-11-29", "2")]}


def test_a_day_of_its_own_stands_before_one_made_of_minutes(write: Write) -> None:
    minutes = "symbol," + HEAD + "".join(f"X,{row}\n" for row in MINUTES.splitlines()[1:])
    assert closes(history_from_folder(write(X__csv=HEAD + MONDAY, m__csv=minutes))) == {"X": [("2024-01-08", "2")]}


def test_two_files_with_one_session_of_a_symbol_are_refused(write: Write) -> None:
    folder = write(X__csv=HEAD + MONDAY, all__csv="symbol," + HEAD + f"X,{MONDAY}X,{TUESDAY}")
    with pytest.raises(ConfigurationError, match=r"must be the only file with 1d bars of X on 2024-01-08, was beside"):
        history_from_folder(folder)
    with pytest.raises(InvalidInputError, match="must hold one bar of X at 2024-01-08"):
        list(CSVDataHandler(folder).get_next_bar())


def test_parts_of_a_symbol_in_several_files_are_one_history(write: Write) -> None:
    parts = {f"part{n}__csv": "symbol," + HEAD + f"X,{row}" for n, row in enumerate((TUESDAY, MONDAY))}
    folder = write(**parts)
    assert closes(history_from_folder(folder)) == {"X": BOTH}
    assert [event.volume for event in CSVDataHandler(folder).get_next_bar()] == [5, 5]


def test_what_was_left_out_can_be_asked_for(write: Write) -> None:
    folder = write(X__csv=HEAD + MONDAY + "Total,,,,,5\n", Y__csv=HEAD + "2024-01-08,1,2,,2,5\n" + TUESDAY)
    market = BarFolder(folder, Reading(on_bad_row="quarantine"))
    assert closes(market.history) == {"X": BOTH[:1], "Y": BOTH[1:]}
    assert [(row.path.name, row.line, row.row) for row in market.left_out] == [
        ("X.csv", 3, "Total,,,,,5"),
        ("Y.csv", 2, "2024-01-08,1,2,,2,5"),
    ]
    assert all("must be a" in row.reason for row in market.left_out)


def test_a_strange_file_is_left_out_and_said(write: Write) -> None:
    folder = write(README__csv="just notes", X__csv=HEAD + MONDAY, IBM__csv="")
    with pytest.raises(ConfigurationError, match=r"IBM\.csv, line 1, column timestamp: must be in the header"):
        BarFolder(folder, Reading())
    market = BarFolder(folder, Reading(on_bad_row="quarantine"))
    assert closes(market.history) == {"X": BOTH[:1]}
    assert [(row.path.name, row.line) for row in market.left_out] == [("IBM.csv", 0), ("README.csv", 0)]
    (folder / "X.csv").unlink()
    with pytest.raises(ConfigurationError, match=r"holds none; .*IBM\.csv: line 1, column timestamp"):
        BarFolder(folder, Reading(on_bad_row="quarantine"))


@pytest.mark.parametrize(
    "options",
    [
        {"columns": {"time": "when", "close": "settle", "symbol": "what"}},
        {"reading": replace(Reading(), columns={"time": "when", "close": "settle", "symbol": "what"})},
    ],
)
def test_columns_may_be_called_anything(write: Write, options: dict[str, Any]) -> None:
    folder = write(a__csv="what,when,open,high,low,settle,close,volume\nX,2024-01-08,1,2,1,2,9,5\n")
    assert closes(history_from_folder(folder, **options)) == {"X": BOTH[:1]}


@pytest.mark.parametrize(
    "content", ["symbol,date\n", "symbol,ex_date,ratio\nX,soon,2\n", "symbol,ex_date,ratio\nX,2024-01-09,0\n"]
)
def test_splits_that_say_nothing_are_refused(write: Write, content: str) -> None:
    folder = write(X__csv=HEAD + MONDAY, splits__csv=content)
    if content == "symbol,date\n":
        assert closes(history_from_folder(folder)) == {"X": BOTH[:1]}
        return
    with pytest.raises(InvalidInputError, match="ratio"):
        history_from_folder(folder)


def test_a_folder_without_bars_is_refused(write: Write) -> None:
    with pytest.raises(
        ConfigurationError, match=r"must hold files of bars \(\.csv, \.csv\.gz, \.parquet\), holds none"
    ):
        history_from_folder(write(notes__txt="nothing"))
