"""Bars from CSV files: the questions of an engine, whose answers must agree whatever the layout."""

import os
import tempfile
import tracemalloc
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jutsu_assets.barfiles.bar_file import BarFile
from jutsu_assets.barfiles.folders import name_of
from jutsu_assets.barfiles.reading import OnBadRow
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_assets.store.handlers import CSVDataHandler, DatabaseDataHandler
from jutsu_core.bars import BAR_COLUMNS, Bar, Timeframe, bars_to_frame, from_micros, session_timestamp
from jutsu_core.errors import InvalidInputError, NoDataError
from jutsu_core.events import MarketDataEvent
from tests.support.builders import SettableClock, bar, days, fetched

DAY = timedelta(days=1)
BEGIN, FAR = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
HEADER = "symbol,timestamp,open,high,low,close,volume\n"
WEEK = days(date(2013, 3, 4), 5)
WEEKDAYS = [day for day in days(date(2001, 8, 20), 42) if day.weekday() < 5]

History = dict[str, list[Bar]]


def in_time_order(history: History) -> list[tuple[str, Bar]]:
    return sorted(((symbol, one) for symbol, bars in history.items() for one in bars), key=lambda row: (row[1][0], row))


def prices(one: Bar) -> tuple[str, ...]:
    return tuple(str(from_micros(micros)) for micros in one[1:5])


def plain(rows: Sequence[tuple[str, Bar]]) -> str:
    return HEADER + "".join(
        f"{symbol},{one.timestamp.isoformat()},{','.join(prices(one))},{one.volume}\n" for symbol, one in rows
    )


def newest_first(rows: Sequence[tuple[str, Bar]]) -> str:
    return plain(rows[::-1])


def metatrader(rows: Sequence[tuple[str, Bar]]) -> str:
    cells = [
        (symbol, f"{one.timestamp:%Y.%m.%d}", "00:00", *prices(one), str(min(1, one.volume)), f"{one.volume}.0")
        for symbol, one in rows
    ]
    header = "<TICKER>\t<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\r\n"
    return header + "".join("\t".join(row) + "\r\n" for row in cells)


def nasdaq(rows: Sequence[tuple[str, Bar]]) -> str:
    lines = [
        f'"{symbol}",{one.timestamp:%m/%d/%Y},"${from_micros(one.close):,}","{one.volume:,}",'
        + ",".join(f'"${from_micros(micros):,}"' for micros in one[1:4])
        for symbol, one in rows[::-1]
    ]
    return "\n".join(["Symbol,Date,Close/Last,Volume,Open,High,Low", *lines])


def epochs(rows: Sequence[tuple[str, Bar]]) -> str:
    lines = [
        ";".join((symbol, f"{one.timestamp.timestamp():.0f}000", *prices(one), str(one.volume))) for symbol, one in rows
    ]
    return "\ufeff" + "\r\n".join([HEADER.strip().replace(",", ";"), *lines, "", ""])


LAYOUTS = [plain, newest_first, metatrader, nasdaq, epochs]
Layout = Callable[[Sequence[tuple[str, Bar]]], str]

PRICE = st.integers(1, 10**13)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Return random bars of a few symbols, on random weekdays that overlap."""
    history: History = {}
    for symbol in draw(st.lists(st.sampled_from(["AAPL", "BRK/B", "$SPX", "ON", "Ünie"]), unique=True, min_size=1)):
        first = draw(st.integers(0, len(WEEKDAYS) - 2))  # and the next day, since rows a week apart are no days
        dates = draw(st.sets(st.sampled_from(WEEKDAYS), max_size=10)) | set(WEEKDAYS[first : first + 2])
        bars = []
        for session in sorted(dates):
            low, one, other, high = sorted(draw(st.tuples(PRICE, PRICE, PRICE, PRICE)))
            open_, close = draw(st.permutations([one, other]))
            bars.append(Bar(session_timestamp(session), open_, high, low, close, draw(st.integers(0, 2**63 - 1))))
        history[symbol] = bars
    return history


def event(symbol: str, one: Bar) -> MarketDataEvent:
    open_, high, low, close = map(from_micros, one[1:5])
    return MarketDataEvent(
        symbol=symbol, timestamp=one.timestamp, open=open_, high=high, low=low, close=close, volume=one.volume
    )


def answers_are(handler: CSVDataHandler, history: History, start: datetime, end: datetime) -> None:
    """Assert that every method answers as ``history`` says."""
    assert list(handler.get_next_bar()) == [event(symbol, one) for symbol, one in in_time_order(history)]
    asked = [*sorted(history, reverse=True), "MISSING"]
    inside = {symbol: [one for one in history.get(symbol, []) if start <= one.timestamp < end] for symbol in asked}
    events = {symbol: [event(symbol, one) for one in bars] for symbol, bars in inside.items()}
    assert handler.get_bars_batch(asked, start, end, missing="skip") == events
    for symbol in asked:
        assert handler.get_bars_range(symbol, start, end, missing="skip") == events[symbol]
    for symbol, bars in history.items():
        assert handler.get_latest_bar(symbol) == event(symbol, bars[-1])
    frames = [bars_to_frame(symbol, bars) for symbol, bars in inside.items()]
    expected = pd.concat(frames, ignore_index=True)
    pd.testing.assert_frame_equal(handler.get_frame(asked, start, end, missing="skip"), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(history=histories(), first=st.integers(-1, 42), length=st.integers(0, 42))
@settings(max_examples=12)
def test_every_answer_agrees_with_what_was_written(layout: Layout, history: History, first: int, length: int) -> None:
    start = datetime(2001, 8, 20, tzinfo=UTC) + first * DAY
    with tempfile.TemporaryDirectory() as folder:
        one_file = Path(folder, "all.csv")
        one_file.write_bytes(layout(in_time_order(history)).encode())
        answers_are(CSVDataHandler(one_file), history, start, start + length * DAY)
        one_file.unlink()
        for symbol, bars in history.items():
            content = layout([(symbol, one) for one in bars])
            Path(folder, f"{quote(symbol, safe='')}.csv").write_bytes(content.encode())
        answers_are(CSVDataHandler(folder), history, start, start + length * DAY)


@pytest.fixture
def history() -> History:
    return {
        "AAPL": [bar(day, f"{430 + n}.125") for n, day in enumerate(WEEK)],
        "MSFT": [bar(day, f"{28 + n}.000001", volume=n) for n, day in enumerate(WEEK[1:4])],
    }


@pytest.fixture
def folder(tmp_path: Path, history: History) -> Path:
    path = tmp_path / "bars"
    path.mkdir()
    for symbol, bars in history.items():
        (path / f"{symbol}.csv").write_text(plain([(symbol, one) for one in bars]))
    return path


@pytest.fixture
def one_file(tmp_path: Path, history: History) -> Path:
    path = tmp_path / "bars.csv"
    path.write_text(plain(in_time_order(history)))
    return path


@pytest.fixture(params=["folder", "one_file"])
def handler(request: pytest.FixtureRequest) -> CSVDataHandler:
    return CSVDataHandler(request.getfixturevalue(request.param))


def test_it_answers_as_the_database_does(
    handler: CSVDataHandler, history: History, url: str, database: Database, clock: SettableClock
) -> None:
    for symbol, bars in history.items():
        SqlBarStore(database, "scripted", clock).write(symbol, Timeframe.D1, fetched(*bars))
    sibling = DatabaseDataHandler(url)
    assert list(handler.get_next_bar()) == list(sibling.get_next_bar())
    assert [str(one.close) for one in handler.get_next_bar()] == [str(one.close) for one in sibling.get_next_bar()]
    for symbols in (["MSFT", "AAPL"], ["NONE", "AAPL", "AAPL"], ["NONE"], []):
        batch = handler.get_bars_batch(symbols, BEGIN, FAR, missing="skip")
        assert batch == sibling.get_bars_batch(symbols, BEGIN, FAR, missing="skip")
        frame = handler.get_frame(symbols, BEGIN, FAR, missing="skip")
        pd.testing.assert_frame_equal(frame, sibling.get_frame(symbols, BEGIN, FAR, missing="skip"))
    sibling.database.close()


def test_a_frame_written_with_to_csv_is_read_back(tmp_path: Path, history: History) -> None:
    for index in (True, False):
        path = tmp_path / "frame.csv"
        bars_to_frame("AAPL", history["AAPL"]).to_csv(path, index=index)
        answers_are(CSVDataHandler(path), {"AAPL": history["AAPL"]}, BEGIN, FAR)


def test_symbols_choose_what_streams_and_nothing_else(folder: Path, one_file: Path, history: History) -> None:
    for path in (folder, one_file):
        chosen = CSVDataHandler(path, symbols=["MSFT", "NONE"])
        assert list(chosen.get_next_bar(missing="skip")) == [event("MSFT", one) for one in history["MSFT"]]
        assert chosen.get_latest_bar("AAPL") == event("AAPL", history["AAPL"][-1])


def test_nothing_stored_is_said_with_file_and_symbol(handler: CSVDataHandler) -> None:
    with pytest.raises(NoDataError, match=r"symbol 'NONE' must have 1d bars, has none in .*bars"):
        handler.get_latest_bar("NONE")
    with pytest.raises(NoDataError, match=r"symbol 'NONE' must have 1d bars, has none in .*bars"):
        handler.get_bars_range("NONE", BEGIN, FAR)


@pytest.mark.parametrize("beside", ["", "MSFT.csv"])
def test_a_header_alone_holds_no_bars_in_a_folder_or_by_itself(tmp_path: Path, beside: str) -> None:
    path = tmp_path / "AAPL.csv"
    path.write_text(HEADER.removeprefix("symbol,"))
    if beside:
        (tmp_path / beside).write_text(HEADER + "MSFT,2024-01-08,1,1,1,1,1\n")
        path = tmp_path
    handler = CSVDataHandler(path)
    assert len(list(handler.get_next_bar())) == bool(beside)
    assert list(handler.get_frame(["AAPL"], BEGIN, FAR, missing="skip").columns) == list(BAR_COLUMNS)
    for ask in (
        lambda: handler.get_latest_bar("AAPL"),
        lambda: handler.get_bars_range("AAPL", BEGIN, FAR),
        lambda: next(CSVDataHandler(path, symbols=["AAPL"]).get_next_bar()),
    ):
        with pytest.raises(NoDataError, match="symbol 'AAPL' must have 1d bars, has none"):
            ask()


def test_a_folder_without_a_file_of_bars_is_not_taken_for_one_without_bars(tmp_path: Path) -> None:
    handler = CSVDataHandler(tmp_path)
    with pytest.raises(NoDataError, match=r"must hold files of bars \(\.csv, \.csv\.gz\), holds none$"):
        next(handler.get_next_bar())
    (tmp_path / "aapl.us.txt").write_text("as Stooq calls them")
    for ask in (
        lambda: next(handler.get_next_bar()),
        lambda: handler.get_latest_bar("AAPL"),
        lambda: handler.get_bars_range("AAPL", BEGIN, FAR),
        lambda: handler.get_frame(["AAPL"], BEGIN, FAR, missing="skip"),
    ):
        with pytest.raises(NoDataError, match=r"holds none; it has \.txt: rename them, or read each by itself"):
            ask()


STRANGE = {
    "README.csv": b"just notes\n",
    "IBM.csv": b"",
    "GE.csv": (HEADER + "GE,2024-01-08,1,1,1,1,1\n").encode("utf-16"),
    "T.csv.gz": b"no gzip",
    "months.csv": HEADER.encode() + b"X,2024-01-08,1,1,1,1,1\nX,2024-02-08,1,1,1,1,1\nX,2024-03-08,1,1,1,1,1\n"
    b"X,2024-04-08,1,1,1,1,1\n",
    "F.csv": HEADER.encode() + b"GM,2024-01-08,1,1,1,1,1\n",
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_file_keeps_nobody_from_the_others(folder: Path, history: History, name: str) -> None:
    (folder / name).write_bytes(STRANGE[name])
    symbol, bars = next(iter(history.items()))
    expected = [event(symbol, one) for one in bars]
    strict, lenient = CSVDataHandler(folder), CSVDataHandler(folder, on_bad_row="quarantine")
    is_of_symbols = name == "months.csv"  # and might be of this one
    for handler in (lenient,) if is_of_symbols else (lenient, strict):
        assert handler.get_bars_range(symbol, BEGIN, FAR) == expected
        assert handler.get_latest_bar(symbol) == expected[-1]
        assert list(CSVDataHandler(folder, symbols=[symbol], on_bad_row="quarantine").get_next_bar()) == expected
        with pytest.raises(NoDataError):
            handler.get_bars_range("MISSING", BEGIN, FAR)
    assert list(lenient.get_next_bar()) == [event(symbol, one) for symbol, one in in_time_order(history)]
    assert [(row.path.name, row.line, row.row) for row in lenient.left_out] == [(name, 0, "")]
    assert "must " in lenient.left_out[0].reason
    with pytest.raises(InvalidInputError, match=name):
        list(strict.get_next_bar())
    if is_of_symbols:
        with pytest.raises(InvalidInputError, match=name):
            strict.get_bars_range(symbol, BEGIN, FAR)
    else:
        for handler in (lenient, strict):
            with pytest.raises(InvalidInputError, match=name):  # it is named after what is asked for
                handler.get_bars_range(name_of(Path(name)), BEGIN, FAR)


def test_what_is_in_a_file_of_another_name_is_refused_to_those_who_ask_for_it(folder: Path) -> None:
    (folder / "F.csv").write_bytes(STRANGE["F.csv"])
    with pytest.raises(InvalidInputError, match="column symbol: must be F, was 'GM'"):
        CSVDataHandler(folder).get_bars_range("GM", BEGIN, FAR)


@pytest.mark.parametrize("on_bad_row", ["error", "quarantine"])
def test_a_file_whose_header_names_what_is_asked_for_must_be_sound(folder: Path, on_bad_row: OnBadRow) -> None:
    header = "Price,Close,High,Low,Open,Volume\nTicker,KO,KO,KO,KO,KO\nDate,,,,,\n"
    (folder / "download.csv").write_text(header + "2024-01-08,1,1,1,1,1\n2224-01-08,1,1,1,1,1\n")
    with pytest.raises(InvalidInputError, match=r"download\.csv, line [45], column Date: must be within 50 years"):
        CSVDataHandler(folder, on_bad_row=on_bad_row).get_bars_range("KO", BEGIN, FAR)


def test_two_files_of_one_symbol_disturb_only_those_who_ask_for_it(folder: Path, history: History) -> None:
    symbol, *_ = history
    for name in ("ZZZ.csv", "ZZZ.csv.gz"):
        (folder / name).write_text(HEADER)
    assert len(CSVDataHandler(folder).get_bars_range(symbol, BEGIN, FAR)) == len(history[symbol])
    with pytest.raises(InvalidInputError, match=r"ZZZ\.csv\.gz must be the only file of ZZZ"):
        CSVDataHandler(folder).get_latest_bar("ZZZ")


def test_a_folder_of_strange_files_alone_is_refused_however_rows_are_treated(tmp_path: Path) -> None:
    (tmp_path / "README.csv").write_text("just notes\n")
    with pytest.raises(InvalidInputError, match=r"README\.csv, line 1, column timestamp: must be in the header"):
        list(CSVDataHandler(tmp_path, on_bad_row="quarantine").get_next_bar())


def test_the_timeframe_and_the_zone_reach_the_events(tmp_path: Path) -> None:
    path = tmp_path / "AAPL.csv"
    path.write_text("timestamp,open,high,low,close,volume\n2013-03-01 09:30,1,1,1,1,1\n")
    handler = CSVDataHandler(path, timeframe=Timeframe.M5, timezone="America/New_York")
    latest = handler.get_latest_bar("AAPL")
    assert (latest.timeframe, latest.timestamp) == (Timeframe.M5, datetime(2013, 3, 1, 14, 30, tzinfo=UTC))
    assert CSVDataHandler(path, symbol="BRK/B").get_latest_bar("BRK/B").timestamp == datetime(2013, 3, 1, tzinfo=UTC)


METATRADER = "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\n"
TERMINAL = "time,open,high,low,close,tick_volume,spread,real_volume\n"


@pytest.mark.parametrize(
    ("content", "ticks"),
    [
        (METATRADER + "2024.01.08\t1\t1\t1\t1\t7\t0\n2024.01.09\t1\t1\t1\t1\t9\t0\n", "<TICKVOL>"),
        (TERMINAL + "2024-01-08,1,1,1,1,7,2,0\n2024-01-09,1,1,1,1,9,2,0\n", "tick_volume"),
    ],
)
def test_ticks_are_no_shares_unless_that_is_said(tmp_path: Path, content: str, ticks: str) -> None:
    path = tmp_path / "EURUSD.csv"
    path.write_text(content)
    with pytest.raises(InvalidInputError, match=rf"line 2, .* was 0 in every row, beside {ticks}.*no_volume='zero'"):
        list(CSVDataHandler(path).get_next_bar())
    assert [event.volume for event in CSVDataHandler(path, no_volume="zero").get_next_bar()] == [0, 0]
    assert [event.volume for event in CSVDataHandler(path, columns={"volume": ticks}).get_next_bar()] == [7, 9]
    path.write_text(content.replace("0\n2024", "5\n2024"))
    assert [event.volume for event in CSVDataHandler(path).get_next_bar()] == [5, 0]


def test_other_files_in_a_folder_are_not_read(folder: Path, history: History) -> None:
    for name in ("notes.txt", "._AAPL.csv", ".~lock.MSFT.csv#"):
        (folder / name).write_text("not bars")
    answers_are(CSVDataHandler(folder), history, BEGIN, FAR)


def test_a_folder_within_is_not_read_whatever_its_name(folder: Path, history: History) -> None:
    (folder / "X.csv").mkdir()
    assert {event.symbol for event in CSVDataHandler(folder).get_next_bar()} == set(history)
    with pytest.raises(NoDataError):
        CSVDataHandler(folder).get_latest_bar("X")


def test_rounding_is_asked_for_once_for_all_methods(tmp_path: Path) -> None:
    for name in ("AAPL", "MSFT"):
        (tmp_path / f"{name}.csv").write_text("Date,Open,High,Low,Close,Volume\n2013-03-01,1.0000001,2,1,2,5.5\n")
    with pytest.raises(InvalidInputError, match="round_to_scale"):
        CSVDataHandler(tmp_path).get_latest_bar("AAPL")
    for path in (tmp_path, tmp_path / "MSFT.csv"):
        latest = CSVDataHandler(path, round_to_scale=True).get_latest_bar("MSFT")
        assert (str(latest.open), latest.volume) == ("1.000000", 6)


def test_two_files_of_one_symbol_are_refused(folder: Path) -> None:
    (folder / "%41APL.csv").write_text(HEADER)
    with pytest.raises(InvalidInputError, match=r"AAPL\.csv must be the only file of AAPL, was beside %41APL\.csv"):
        CSVDataHandler(folder).get_latest_bar("AAPL")


def test_a_file_of_another_symbol_than_its_name_is_refused(folder: Path) -> None:
    (folder / "AAPL.csv").rename(folder / "IBM.csv")
    with pytest.raises(InvalidInputError, match="line 2, column symbol: must be IBM, was 'AAPL'"):
        list(CSVDataHandler(folder).get_next_bar())


def test_arguments_that_cannot_be_meant_are_refused(folder: Path, one_file: Path) -> None:
    with pytest.raises(InvalidInputError, match="path must be a CSV file or a folder of them, was '/no/where'"):
        CSVDataHandler("/no/where")
    with pytest.raises(InvalidInputError, match="symbol must be None for a folder, was 'AAPL'"):
        CSVDataHandler(folder, symbol="AAPL")
    with pytest.raises(InvalidInputError, match=r"symbols\[0\] must be a text such as 'AAPL', was 7"):
        CSVDataHandler(one_file, symbols=[7])  # type: ignore[list-item]  # the point
    for zone in ("Mars/Phobos", "", "../UTC", "America"):
        with pytest.raises(InvalidInputError, match="timezone must be an IANA name"):
            CSVDataHandler(one_file, timezone=zone)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"symbol": 5}, "symbol must be a text such as 'AAPL', was 5"),
        ({"symbol": " "}, "symbol must be a text such as 'AAPL', was ' '"),
        ({"path": None}, "path must be that of a file or of a folder, was None"),
        ({"timeframe": "1d"}, "timeframe must be a Timeframe, was '1d'"),
        ({"columns": {"volume": 5}}, r"columns\['volume'\] must be a text such as 'Zeit', was 5"),
        ({"columns": {"shares": "Vol"}}, "columns must be of symbol, time, open, .*volume, was of 'shares'"),
        ({"symbols": 5}, "symbols must be a list"),
    ],
)
def test_an_argument_of_another_type_is_refused(one_file: Path, arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        CSVDataHandler(**{"path": one_file, **arguments})


def test_bounds_that_mean_no_range_are_refused(handler: CSVDataHandler) -> None:
    naive = BEGIN.replace(tzinfo=None)
    for start, end, problem in (
        (naive, FAR, "start must be timezone-aware"),
        (BEGIN, naive, "end must be timezone-aware"),
        (FAR, BEGIN, "end must be at or after start"),
    ):
        with pytest.raises(InvalidInputError, match=problem):
            handler.get_bars_range("AAPL", start, end)
        with pytest.raises(InvalidInputError, match=problem):
            handler.get_bars_batch(["AAPL"], start, end)
        with pytest.raises(InvalidInputError, match=problem):
            handler.get_frame(["AAPL"], start, end)


def test_a_broken_row_disturbs_only_those_who_come_to_it(one_file: Path, history: History) -> None:
    with one_file.open("a") as file:
        file.write("AAPL,2013-04-01,1,1,1,broken,1\n")
    handler = CSVDataHandler(one_file)
    assert next(handler.get_next_bar()) == event("AAPL", history["AAPL"][0])
    april = datetime(2013, 4, 1, tzinfo=UTC)
    assert len(handler.get_bars_batch(["AAPL", "MSFT"], BEGIN, april)["MSFT"]) == 3
    assert handler.get_latest_bar("MSFT") == event("MSFT", history["MSFT"][-1])
    for ask in (
        lambda: list(handler.get_next_bar()),
        lambda: handler.get_latest_bar("AAPL"),
        lambda: handler.get_bars_range("MSFT", BEGIN, april + DAY),
    ):
        with pytest.raises(InvalidInputError, match="line 10, column close: must be a number"):
            ask()


def test_a_batch_of_one_file_is_one_pass(one_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[Path] = []
    reading = BarFile.rows

    def counted(self: BarFile, *arguments: Any, **options: Any) -> Any:
        passes.append(self.path)
        return reading(self, *arguments, **options)

    monkeypatch.setattr(BarFile, "rows", counted)
    handler = CSVDataHandler(one_file)
    handler.get_bars_batch(["AAPL", "MSFT", "IBM"], BEGIN, FAR, missing="skip")
    handler.get_frame(["AAPL", "MSFT", "IBM"], BEGIN, FAR, missing="skip")
    assert passes == [one_file, one_file]


def big_file(path: Path, rows: int, *, reverse: bool) -> Path:
    """Write ``rows`` sound minute bars, and one in 2040 that is broken."""
    first = datetime(2000, 1, 1, tzinfo=UTC)
    numbers = range(rows - 1, -1, -1) if reverse else range(rows)
    broken = "2040-01-01T00:00:00Z,1,1,1,broken,1\n"
    with path.open("w") as file:
        file.write("timestamp,open,high,low,close,volume\n" + (broken if reverse else ""))
        file.writelines(f"{first + timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ},1.5,2.5,1,2,{n}\n" for n in numbers)
        file.write("" if reverse else broken)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("reverse", [False, True])
def test_a_file_of_any_length_streams_in_constant_memory(tmp_path: Path, *, reverse: bool) -> None:
    rows = 10_000
    path = big_file(tmp_path / "AAPL.csv", rows, reverse=reverse)
    stream = CSVDataHandler(path, timeframe=Timeframe.M1).get_next_bar()
    assert [next(stream).volume for _ in range(3)] == [0, 1, 2]
    last: deque[MarketDataEvent] = deque(maxlen=1)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInputError, match=f"line {2 if reverse else rows + 2}, column close"):
            last.extend(stream)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert last[0].volume == rows - 1
    assert peak < 3_000_000 < rows * 400  # what all events together would take


@pytest.mark.skipif(os.name != "posix", reason="only POSIX limits how many files a process holds open")
def test_more_files_than_one_process_may_hold_open_are_merged(tmp_path: Path) -> None:
    import resource  # noqa: PLC0415 - there is no such module elsewhere

    for n in range(150):
        (tmp_path / f"S{n:03}.csv").write_text(plain([(f"S{n:03}", bar(day)) for day in WEEK]))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        merged = [(one.timestamp, one.symbol) for one in CSVDataHandler(tmp_path).get_next_bar()]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(merged) == 150 * len(WEEK)
    assert merged == sorted(merged)
