"""What other programs write of a portfolio, read exactly; what is wrong is named with file, row, column and remedy."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jutsu_assets.portfolios.formats import FORMATS
from jutsu_assets.portfolios.portfolio_file import PortfolioFile, load_portfolio_file
from jutsu_core.errors import ConfigurationError
from jutsu_core.events import FillEvent
from jutsu_core.metrics.analyzer import PerformanceAnalyzer

DAYS = [datetime(2013, 3, day, tzinfo=UTC) for day in (1, 4, 5)]
PAIR = [
    ("SPY", DAYS[1], "BUY", Decimal(10), Decimal("150.25"), Decimal(1)),
    ("SPY", DAYS[2], "SELL", Decimal(10), Decimal("151.5"), Decimal(1)),
]
VALUES = [Decimal(10_000), Decimal("9999.0"), Decimal("10010.5")]

OWN_FILLS = (
    "symbol,timestamp,direction,quantity,fill_price,commission,slippage\n"
    "SPY,2013-03-04,BUY,10,150.25,1,0\nSPY,2013-03-05,SELL,10,151.5,1,0\n"
)
OWN_HISTORY = (
    "timestamp,total_value,cash\n2013-03-01,10000,10000\n2013-03-04,9999.0,8496.5\n2013-03-05,10010.5,10010.5\n"
)
ORIGIN_HISTORY = json.dumps(
    [
        {"timestamp": str(day), "total_value": str(value), "drawdown": 0.1}
        for day, value in zip(DAYS, VALUES, strict=True)
    ]
)
ORIGIN_FILLS = json.dumps(
    [
        {
            "event_type": "FILL",
            "symbol": "SPY",
            "timestamp": day,
            "direction": side,
            "quantity": 10,
            "fill_price": price,
            "commission": "1",
            "slippage": "0",
            "strategy_name": "x",
        }
        for day, side, price in (("2013-03-04T00:00:00Z", "buy", "150.25"), ("2013-03-05T00:00:00Z", "sell", "151.5"))
    ]
)
ZIPLINE_FILLS = (
    ",amount,commission,dt,order_id,price,sid\n"
    "0,10,1,2013-03-04 00:00:00+00:00,a1,150.25,Equity(0 [SPY])\n"
    "1,-10,1,2013-03-05 00:00:00+00:00,a2,151.5,Equity(0 [SPY])\n"
)
ZIPLINE_HISTORY = (
    ",period_open,portfolio_value,ending_cash\n2013-03-01 21:00:00+00:00,x,10000,10000\n"
    "2013-03-04 21:00:00+00:00,x,9999.0,8496.5\n2013-03-05 21:00:00+00:00,x,10010.5,10010.5\n"
)
BACKTESTING_FILLS = (
    ",Size,EntryBar,ExitBar,EntryPrice,ExitPrice,SL,TP,PnL,Commission,ReturnPct,EntryTime,ExitTime,Duration,Tag\n"
    "0,10,1,2,150.25,151.5,,,10.5,2,0.0069,2013-03-04,2013-03-05,1 days,\n"
)
BACKTESTING_HISTORY = (
    ",Equity,DrawdownPct,DrawdownDuration\n2013-03-01,10000,0,\n2013-03-04,9999.0,0.0001,\n2013-03-05,10010.5,0,\n"
)
PYFOLIO_FILLS = (
    "date,amount,price,symbol,commission\n2013-03-04 00:00:00+00:00,10,150.25,SPY,1\n"
    "2013-03-05 00:00:00+00:00,-10,151.5,SPY,1\n"
)
PYFOLIO_HISTORY = ",Equity(1 [SPY]),cash\n2013-03-01,0,10000\n2013-03-04,1502.5,8496.5\n2013-03-05,0,10010.5\n"
LEAN = json.dumps(
    {
        "Orders": {
            "1": {
                "Symbol": {"Value": "SPY", "ID": "SPY R735QTJ8XC9X"},
                "Quantity": 10.0,
                "Price": 150.25,
                "Status": 3,
                "LastFillTime": "2013-03-04T00:00:00Z",
                "Fee": 1,
            },
            "2": {
                "Symbol": {"Value": "SPY"},
                "Quantity": 5.0,
                "Price": 0.0,
                "Status": 5,
                "Time": "2013-03-04T00:00:00Z",
            },
            "3": {
                "Symbol": {"Value": "SPY"},
                "Quantity": -10.0,
                "Price": 151.5,
                "Status": 3,
                "LastFillTime": "2013-03-05T00:00:00Z",
                "Fee": 1,
            },
        },
        "Charts": {
            "Strategy Equity": {
                "Series": {
                    "Equity": {
                        "Values": [
                            {"x": int(day.timestamp()), "y": float(value)}
                            for day, value in zip(DAYS, VALUES, strict=True)
                        ]
                    }
                }
            }
        },
    }
)
QUANTCONNECT_TABLE = (
    "Time,Symbol,Price,Quantity,Type,Status,Value,Tag,Fee\n2013-03-04T00:00:00Z,SPY,150.25,10,Market,Filled,1502.5,,1\n"
    "2013-03-04T00:00:00Z,SPY,0,10,Limit,Canceled,0,,0\n2013-03-05T00:00:00Z,SPY,151.5,-10,Market,Filled,-1515,,1\n"
)


def lean_order(number: int, day: int, quantity: float, price: float, status: int = 3) -> dict[str, Any]:
    """Return an order as Lean writes it since 2023: names in lower case, no fee."""
    when = DAYS[day].isoformat().replace("+00:00", "Z")
    ticker = {"value": "SPY", "id": "SPY R735QTJ8XC9X", "permtick": "SPY"}
    times = {"time": when, "createdTime": when, "lastFillTime": when}
    return {"type": 0, "id": number, "symbol": ticker, "price": price, "quantity": quantity, "status": status, **times}


def lean_event(order: int, number: int, day: int, status: str, quantity: float, price: float) -> dict[str, Any]:
    """Return an order event as Lean writes it: what was filled then, and its fee."""
    told = {
        "orderId": order,
        "orderEventId": number,
        "symbol": "SPY R735QTJ8XC9X",
        "symbolValue": "SPY",
        "time": DAYS[day].timestamp(),
        "status": status,
        "fillPrice": price,
        "fillQuantity": quantity,
        "quantity": 10.0 if order == 1 else -10.0,
    }
    return told | ({"orderFeeAmount": abs(quantity) / 10} if quantity else {})


LEAN_POINTS = [
    [int(day.timestamp()), float(value), 1e6, 1.0, float(value)] for day, value in zip(DAYS, VALUES, strict=True)
]
LEAN_TODAY = json.dumps(
    {
        "orders": {
            "1": lean_order(1, 1, 10.0, 150.25),
            "2": lean_order(2, 2, -10.0, 151.5),
            "3": lean_order(3, 2, 5, 0, 5),
        },
        "charts": {"Strategy Equity": {"name": "Strategy Equity", "series": {"Equity": {"values": LEAN_POINTS}}}},
    }
)
LEAN_EVENTS = json.dumps(
    [
        lean_event(1, 1, 1, "submitted", 0.0, 0.0),
        lean_event(1, 2, 1, "partiallyFilled", 4.0, 150.25),
        lean_event(1, 3, 1, "filled", 6.0, 150.25),
        lean_event(2, 1, 2, "submitted", 0.0, 0.0),
        lean_event(2, 2, 2, "filled", -10.0, 151.5),
    ]
)

CASES: dict[str, tuple[str, tuple[str, str], tuple[str, str]]] = {
    "jutsu": ("", ("fills.csv", OWN_FILLS), ("history.csv", OWN_HISTORY)),
    "origin": ("", ("fills.json", ORIGIN_FILLS), ("history.json", ORIGIN_HISTORY)),
    "pyfolio": ("format: pyfolio", ("transactions.csv", PYFOLIO_FILLS), ("positions.csv", PYFOLIO_HISTORY)),
    "zipline": ("format: zipline", ("transactions.csv", ZIPLINE_FILLS), ("perf.csv", ZIPLINE_HISTORY)),
    "backtesting.py": (
        "format: backtesting.py\nsymbol: SPY",
        ("trades.csv", BACKTESTING_FILLS),
        ("equity.csv", BACKTESTING_HISTORY),
    ),
    "quantconnect": ("format: quantconnect", ("lean.json", LEAN), ("lean.json", LEAN)),
    "quantconnect, events": ("format: quantconnect", ("events.json", LEAN_EVENTS), ("lean.json", LEAN_TODAY)),
    "quantconnect, a table": ("format: quantconnect", ("orders.csv", QUANTCONNECT_TABLE), ("lean.json", LEAN)),
}


def written(
    folder: Path, more: str, fills: tuple[str, str] | None, history: tuple[str, str] = ("history.csv", OWN_HISTORY)
) -> PortfolioFile:
    text = f"history: {history[0]}\n{more}\n"
    for file in filter(None, (fills, history)):
        (folder / file[0]).write_text(file[1], encoding="utf-8")
    if fills is not None:
        text += f"fills: {fills[0]}\n"
    (folder / "core.yaml").write_text(text, encoding="utf-8")
    return load_portfolio_file(folder / "core.yaml")


def told(fill: FillEvent) -> tuple[object, ...]:
    return (fill.symbol, fill.timestamp, fill.direction, fill.quantity, fill.fill_price, fill.commission)


def in_whole(fills: list[FillEvent]) -> list[tuple[object, ...]]:
    """Return fills as :func:`told` does, those of one order together."""
    found: list[tuple[Any, ...]] = []
    for fill in map(told, fills):
        if found and found[-1][:3] == fill[:3]:
            last = found.pop()
            found.append((*last[:3], last[3] + fill[3], last[4], last[5] + fill[5]))
        else:
            found.append(fill)
    return found


@pytest.mark.parametrize("case", CASES)
def test_every_format_gives_the_same_fills_and_values(tmp_path: Path, case: str) -> None:
    fills, history = written(tmp_path, *CASES[case]).read()
    assert in_whole(fills) == PAIR
    assert [row["total_value"] for row in history] == VALUES
    assert [row["timestamp"].date() for row in history] == [day.date() for day in DAYS]
    report = PerformanceAnalyzer().calculate_metrics(fills, history)
    assert report["findings"] == []
    assert report["net_profit"] == 10.5


@pytest.mark.parametrize("wrong", ["[pyfolio]", "{pyfolio: 1}", "3", "Pyfolio"])
def test_a_choice_is_one_of_the_words(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="key 'format' must be one of jutsu, pyfolio,"):
        written(tmp_path, f"format: {wrong}", None)


def test_what_lean_writes_today_is_read_from_its_orders_too(tmp_path: Path) -> None:
    fills, history = written(
        tmp_path, "format: quantconnect", ("lean.json", LEAN_TODAY), ("lean.json", LEAN_TODAY)
    ).read()
    # an order has no fee
    assert [told(fill) for fill in fills] == [(*fill[:5], Decimal(0)) for fill in PAIR]
    assert [row["total_value"] for row in history] == VALUES


def test_an_order_that_was_partly_filled_does_not_say_how_far(tmp_path: Path) -> None:
    orders = json.dumps([lean_order(1, 1, 10.0, 150.25, 2)])
    with pytest.raises(
        ConfigurationError, match=r"row 1, column 'status': must be filled, .* the file of order events"
    ):
        written(tmp_path, "format: quantconnect", ("lean.json", orders), ("e.json", LEAN_TODAY)).read()


def test_every_format_is_tried() -> None:
    assert {case.partition(",")[0] for case in CASES} == {*FORMATS, "origin"}


def test_parquet_and_json_are_read_as_csv_is(tmp_path: Path) -> None:
    written(tmp_path, "", ("fills.csv", OWN_FILLS))
    frame = pd.read_csv(tmp_path / "history.csv", parse_dates=["timestamp"]).set_index("timestamp")
    frame.to_parquet(tmp_path / "history.parquet")
    trades = pd.read_csv(tmp_path / "fills.csv")
    trades.to_json(tmp_path / "fills.json", orient="records")
    text = "history: history.parquet\nfills: fills.json\n"
    (tmp_path / "other.yaml").write_text(text, encoding="utf-8")
    fills, history = load_portfolio_file(tmp_path / "other.yaml").read()
    assert [told(fill) for fill in fills] == PAIR
    assert [row["total_value"] for row in history] == VALUES


def test_a_cell_that_parquet_leaves_open_is_empty(tmp_path: Path) -> None:
    frame = pd.DataFrame({"timestamp": DAYS, "total_value": pd.array([1, 2, 3]), "cash": pd.array([1, None, 3])})
    frame.to_parquet(tmp_path / "history.parquet")
    (tmp_path / "core.yaml").write_text("history: history.parquet\n", encoding="utf-8")
    _, history = load_portfolio_file(tmp_path / "core.yaml").read()
    assert [row.get("cash") for row in history] == [1, None, 3]
    frame.assign(total_value=pd.array([1, None, 3])).to_parquet(tmp_path / "history.parquet")
    with pytest.raises(
        ConfigurationError, match=r"row 2, column 'total_value': must be an amount, such as 12\.5, was None"
    ):
        load_portfolio_file(tmp_path / "core.yaml").read()


def test_short_trades_of_backtesting_py_are_sold_first_and_interleave(tmp_path: Path) -> None:
    trades = (
        "Size,EntryPrice,ExitPrice,EntryTime,ExitTime\n-5,20,18,2013-03-01,2013-03-05\n3,19,18,2013-03-04,2013-03-05\n"
    )
    fills, _ = written(
        tmp_path, "format: backtesting.py\nsymbol: A", ("t.csv", trades), ("e.csv", BACKTESTING_HISTORY)
    ).read()
    assert [f"{fill.direction} {fill.quantity} {fill.timestamp.day}" for fill in fills] == [
        "SELL 5 1",
        "BUY 3 4",
        "BUY 5 5",
        "SELL 3 5",
    ]


def test_times_without_an_offset_are_meant_where_the_file_says(tmp_path: Path) -> None:
    naive = OWN_FILLS.replace("2013-03-04", "2013-03-04 10:30:00")
    with pytest.raises(ConfigurationError, match=r"say in the portfolio file where it is: timezone: America/New_York"):
        written(tmp_path, "", ("fills.csv", naive)).read()
    fills, _ = written(tmp_path, "timezone: America/New_York", ("fills.csv", naive)).read()
    assert fills[0].timestamp == datetime(2013, 3, 4, 15, 30, tzinfo=UTC)


@pytest.mark.parametrize("when", ["2013-03-10 02:30:00", "2013-11-03 01:30:00"])
def test_a_time_that_clocks_never_showed_or_showed_twice_is_refused(tmp_path: Path, when: str) -> None:
    naive = "\n".join(OWN_FILLS.replace("2013-03-04", when).splitlines()[:2])
    said = rf"must be a time that America/New_York has exactly once, was '{when}'; write it with its UTC offset"
    with pytest.raises(ConfigurationError, match=said):
        written(tmp_path, "timezone: America/New_York", ("fills.csv", naive)).read()
    fills, _ = written(tmp_path, "timezone: America/Phoenix", ("fills.csv", naive)).read()
    assert fills[0].timestamp.strftime("%H:%M") == f"{int(when[11:13]) + 7:02}:30"


BAD_FILLS = {
    "no such column": ("symbol,", "ticket,", "row 2, column 'symbol': must be a column, was 'none'; or say in the"),
    "no direction": ("BUY", "HOLD", "fills.csv, row 2, column 'direction': must be BUY or SELL, was 'HOLD'"),
    "a price of nothing": (
        ",150.25,",
        ",0,",
        "row 2, column 'fill_price': must be an amount above 0, such as 12.5, was '0'",
    ),
    "NaN": (",150.25,", ",nan,", "column 'fill_price': must be an amount above 0, such as 12.5, was 'nan'"),
    "infinity": (",150.25,", ",inf,", "column 'fill_price': must be an amount above 0, such as 12.5, was 'inf'"),
    "too large": (",150.25,", ",1e300,", "column 'fill_price': must be an amount above 0, such as 12.5, was '1e300'"),
    "a word": (
        ",10,",
        ",ten,",
        "row 2, column 'quantity': must be an amount above 0, such as 12.5, was 'ten'; write it",
    ),
    "a decimal comma": (
        ",10,",
        ',"1,5",',
        "row 2, column 'quantity': must be an amount above 0, such as 12.5, was '1,5'",
    ),
    "an underscore": (",10,", ",1_0,", "column 'quantity': must be an amount above 0, such as 12.5, was '1_0'"),
    "digits of another script": (
        ",10,",
        ",\u0661\u0660,",
        "column 'quantity': must be an amount above 0, such as 12.5",
    ),
    "a time that UTC cannot have": (
        "2013-03-04",
        "9999-12-31T23:00:00-05:00",
        "column 'timestamp': must be a time in the years 1 to 9999, UTC, was '9999-12-31T23:00:00-05:00'",
    ),
    "below 0": (",10,", ",-10,", "column 'quantity': must be an amount above 0, such as 12.5, was '-10'"),
    "an empty symbol": (
        "SPY,2013-03-04",
        ",2013-03-04",
        "row 2, column 'symbol': must be a symbol such as AAPL, was empty",
    ),
    "no time": ("2013-03-04", "yesterday", "row 2, column 'timestamp': must be a time such as 2013-03-01 or"),
    "a day that is none": ("2013-03-04", "2013-02-30", "column 'timestamp': must be a time such as 2013-03-01 or"),
    "day first": ("2013-03-04", "04/03/2013", "column 'timestamp': must be a time such as 2013-03-01 or"),
    "newest first": (
        "2013-03-04",
        "2013-03-06",
        "row 3, column 'timestamp': must be at or after the row before, 2013-03-06",
    ),
    "a refund": (
        ",1,0\nSPY",
        ",-1,0\nSPY",
        "row 2, column 'commission': must be an amount of at least 0, such as 12.5, was",
    ),
    "a cell too many": (",1,0\nSPY", ",1,0,9\nSPY", "row 2: must have 7 cells as the header has, has 8"),
    "a column twice": ("commission,slippage", "commission,commission", "row 1: the header must name each column once"),
    "no text": ("SPY", "\0", "must be CSV in UTF-8"),
}


@pytest.mark.parametrize("case", BAD_FILLS)
def test_a_bad_fill_is_refused_with_file_row_column_and_remedy(tmp_path: Path, case: str) -> None:
    former, latter, said = BAD_FILLS[case]
    changed = OWN_FILLS.replace(former, latter, 1)
    assert changed != OWN_FILLS
    if case == "no text":
        changed = OWN_FILLS.replace("SPY", '"SPY', 1)
        said = "must be CSV in UTF-8 with commas, and is not"
    with pytest.raises(ConfigurationError) as error:
        written(tmp_path, "", ("fills.csv", changed)).read()
    assert said in str(error.value)
    assert "fills.csv" in str(error.value)


BAD_HISTORIES: dict[str, tuple[str, str, str]] = {
    "no rows": ("history.csv", "timestamp,total_value\n", "must have a row for each period, has none"),
    "nothing": ("history.csv", "", "history.csv, row 1: must name the columns, is empty; write the file anew"),
    "a key twice": ("history.json", '[{"timestamp": "2013-03-01", "timestamp": 1}]', "'timestamp' stands twice in one"),
    "twice": (
        "history.csv",
        OWN_HISTORY.replace("03-05", "03-04"),
        "row 4, column 'timestamp': must be after the row before",
    ),
    "nothing to begin with": (
        "history.csv",
        OWN_HISTORY.replace("2013-03-01,10000", "2013-03-01,0"),
        "row 2, column 'total_value': must be above 0 in the first row",
    ),
    "no JSON": ("history.json", "[{", "must be JSON in UTF-8, and is not"),
    "JSON of another form": ("history.json", '{"timestamp": {}}', "must hold a list of rows"),
    "a row that is none": ("history.json", "[1]", "row 1: must be a group of keys, was '1'"),
    "true": (
        "history.json",
        '[{"timestamp": "2013-03-01", "total_value": true}]',
        "column 'total_value': must be an amount",
    ),
    "a list": ("history.json", '[{"timestamp": [1], "total_value": 1}]', "column 'timestamp': must be a time"),
    "a year": ("history.json", '[{"timestamp": 2013, "total_value": 1}]', "column 'timestamp': must be a time"),
    "no Parquet": ("history.parquet", "PAR1", "must be Parquet, and is not"),
    "an unknown kind": ("history.xlsx", "", "must end in .csv, .json, .parquet, ends in .xlsx"),
}


@pytest.mark.parametrize("case", BAD_HISTORIES)
def test_a_bad_history_is_refused(tmp_path: Path, case: str) -> None:
    name, text, said = BAD_HISTORIES[case]
    with pytest.raises(ConfigurationError) as error:
        written(tmp_path, "", None, (name, text)).read()
    assert said in str(error.value)
    assert name in str(error.value)


BAD_FILES = {
    "unknown key": ("histories: a.csv", "line 2: key 'histories' is not known (value 'a.csv') (did you mean history?)"),
    "unknown format": ("format: excel", "line 2: key 'format' must be one of jutsu, pyfolio, backtesting.py, zipline"),
    "no zone": ("timezone: Mars/Base", "key 'timezone' must be a time zone such as America/New_York, was 'Mars/Base'"),
    "a path as zone": ("timezone: ../etc", "key 'timezone' must be a time zone such as America/New_York"),
    "no matching": ("matching: lifo", "key 'matching' must be one of fifo, closing_order, flat_to_flat, was 'lifo'"),
    "periods": (
        "periods_per_year: 0",
        "key 'periods_per_year' must be a whole number of at least 1, such as 252, was 0",
    ),
    "rate": ("risk_free_rate: 2", "key 'risk_free_rate' must be a number above -1 and below 1, was 2"),
    "flag": ("annualize_partial_years: 1", "key 'annualize_partial_years' must be true or false, was 1"),
    "list": ("fills: [a.csv]", "key 'fills' must be a file beside this one, such as fills.csv, was ['a.csv']"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_portfolio_file_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    text, said = BAD_FILES[case]
    path = tmp_path / "core.yaml"
    path.write_text(f"history: history.csv\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        load_portfolio_file(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("case", ["absent", "folder"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, case: str) -> None:
    file = written(tmp_path, "", ("fills.csv", OWN_FILLS))
    (tmp_path / "fills.csv").unlink()
    if case == "folder":
        (tmp_path / "fills.csv").mkdir()
    for ask in (file.read, file.fingerprint):
        with pytest.raises(ConfigurationError, match=r"fills.csv must be a file, and is"):
            ask()


def test_the_fingerprint_is_that_of_all_three_files(tmp_path: Path) -> None:
    prints: list[Any] = [written(tmp_path, "", ("fills.csv", OWN_FILLS)).fingerprint()]
    prints.append(written(tmp_path, "", ("fills.csv", OWN_FILLS + "\n")).fingerprint())
    prints.append(written(tmp_path, "matching: fifo", ("fills.csv", OWN_FILLS)).fingerprint())
    prints.append(written(tmp_path, "", ("fills.csv", OWN_FILLS), ("history.csv", OWN_HISTORY + "\n")).fingerprint())
    assert len(set(prints)) == 4
    assert written(tmp_path, "", ("fills.csv", OWN_FILLS)).fingerprint() == prints[0]
