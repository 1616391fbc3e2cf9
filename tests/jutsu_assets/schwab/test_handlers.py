"""Bars straight from Schwab, through the interface that a backtesting engine reads."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from jutsu_assets.graph.resources.schwab import open_simulated
from jutsu_assets.schwab.handlers import Market, SchwabDataHandler, open_handler, open_live
from jutsu_assets.schwab.tokens import FileTokenStore, MemoryTokenStore
from jutsu_assets.settings import SCHWAB_ORIGIN, Credentials
from jutsu_assets.simulator import anomalies
from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.endpoints import PRICE_HISTORY
from jutsu_assets.simulator.faults import Fault
from jutsu_assets.simulator.server import serve
from jutsu_assets.simulator.transport import mount
from jutsu_core.bars import BAR_COLUMNS, Timeframe, session_timestamp
from jutsu_core.errors import AuthenticationError, InvalidInputError, NoDataError, SourceUnavailableError
from jutsu_core.events import MarketDataEvent
from jutsu_core.ports import DataHandler
from tests.support.data_handler_contract import BEGIN, FAR, DailyBoundsContract, History
from tests.support.schwab import (
    EVENING,
    FRIDAY,
    MONDAY,
    SESSIONS,
    THURSDAY,
    TUESDAY,
    WEEK_END,
    WEEK_START,
    FixedClock,
    MemoryLedger,
    RecordingSleeper,
    small_simulator,
)

MARKET = Market(symbols=("JTS", "BRK/B"), history_start=FRIDAY, calendar="XNYS")


def handler_of(simulator: SchwabSimulator, *, now: datetime = EVENING, market: Market = MARKET) -> SchwabDataHandler:
    return open_handler(
        market,
        MemoryLedger(),
        source="simulator",
        clock=FixedClock(now),
        transport=mount(simulator),
        api_key=simulator.key,
        app_secret=simulator.secret,
        tokens=MemoryTokenStore(simulator.issue_login()),
        sleeper=RecordingSleeper(),
    )


@pytest.fixture
def simulator() -> SchwabSimulator:
    return small_simulator()


@pytest.fixture
def handler(simulator: SchwabSimulator) -> SchwabDataHandler:
    return handler_of(simulator)


def dates(events: list[MarketDataEvent]) -> list[date]:
    return [event.timestamp.date() for event in events]


def test_it_is_a_data_handler(handler: SchwabDataHandler) -> None:
    assert isinstance(handler, DataHandler)
    assert handler.fetcher.name == "simulator"


def test_the_latest_bar_is_the_newest_final_one(handler: SchwabDataHandler) -> None:
    assert handler.get_latest_bar("JTS") == MarketDataEvent(
        symbol="JTS",
        timestamp=session_timestamp(THURSDAY),
        open=Decimal(104),
        high=Decimal("114.5"),
        low=Decimal(94),
        close=Decimal("109.0375"),
        volume=1005,
    )


def test_the_latest_bar_is_never_a_forming_one() -> None:
    """In the middle of Thursday the newest final bar is Wednesday's."""
    noon = datetime(2013, 2, 28, 17, tzinfo=UTC)
    simulator = small_simulator(anomalies.forming_bar())
    simulator.now = lambda: noon
    assert handler_of(simulator, now=noon).get_latest_bar("JTS").timestamp == session_timestamp(SESSIONS[3])


@pytest.mark.parametrize(("symbol", "days_later"), [("NONE", 0), ("JTS", 15)])
def test_without_a_bar_in_two_weeks_there_is_no_latest_one(
    simulator: SchwabSimulator, symbol: str, days_later: int
) -> None:
    late = handler_of(simulator, now=EVENING + timedelta(days=days_later))
    with pytest.raises(NoDataError, match=f"symbol '{symbol}' must have a daily bar.*simulator has none"):
        late.get_latest_bar(symbol)


def test_a_range_is_half_open_and_ascending(handler: SchwabDataHandler) -> None:
    events = handler.get_bars_range("JTS", session_timestamp(MONDAY), session_timestamp(THURSDAY))
    assert dates(events) == list(SESSIONS[1:4])
    assert {event.symbol for event in events} == {"JTS"}
    assert events[0].close == Decimal("106.0375")


def test_an_empty_range_asks_nothing_and_a_reversed_one_is_refused(
    handler: SchwabDataHandler, simulator: SchwabSimulator
) -> None:
    assert handler.get_bars_range("JTS", WEEK_START, WEEK_START) == []
    with pytest.raises(InvalidInputError, match="end must be at or after start"):
        handler.get_bars_range("JTS", WEEK_END, WEEK_START)
    with pytest.raises(InvalidInputError, match="start must be timezone-aware"):
        handler.get_bars_range("JTS", WEEK_START.replace(tzinfo=None), WEEK_END)
    assert simulator.requests == []


def test_a_range_without_bars_is_empty(handler: SchwabDataHandler) -> None:
    assert handler.get_bars_range("NONE", WEEK_START, WEEK_END) == []
    assert handler.get_bars_range("JTS", session_timestamp(date(2013, 2, 23)), session_timestamp(MONDAY)) == []


def test_a_batch_has_a_key_for_every_symbol(handler: SchwabDataHandler, simulator: SchwabSimulator) -> None:
    batch = handler.get_bars_batch(["BRK/B", "NONE", "JTS"], WEEK_START, WEEK_END)
    assert list(batch) == ["BRK/B", "NONE", "JTS"]
    assert {symbol: dates(events) for symbol, events in batch.items()} == {
        "BRK/B": list(SESSIONS),
        "NONE": [],
        "JTS": list(SESSIONS),
    }
    assert [arrival.param("symbol") for arrival in simulator.requests] == ["BRK/B", "NONE", "JTS"]


def test_a_frame_is_the_batch_as_columns(handler: SchwabDataHandler) -> None:
    frame = handler.get_frame(["JTS", "NONE", "BRK/B"], WEEK_START, session_timestamp(TUESDAY))
    expected = pd.DataFrame(
        {
            "symbol": pd.Series(["JTS", "JTS", "BRK/B", "BRK/B"], dtype="str"),
            "timestamp": pd.DatetimeIndex([session_timestamp(day) for day in (FRIDAY, MONDAY)] * 2).as_unit("us"),
            "open": [100.0, 101.0] * 2,
            "high": [110.5, 111.5] * 2,
            "low": [90.0, 91.0] * 2,
            "close": [105.0375, 106.0375] * 2,
            "volume": [1001, 1002] * 2,
        }
    )
    pd.testing.assert_frame_equal(frame, expected)


def test_a_symbol_asked_for_twice_is_in_the_frame_once(handler: SchwabDataHandler) -> None:
    frame = handler.get_frame(["JTS", "JTS"], WEEK_START, WEEK_END)
    assert len(frame) == 5


@pytest.mark.parametrize("symbols", [[], ["NONE"]])
def test_a_frame_without_bars_still_has_its_columns(handler: SchwabDataHandler, symbols: list[str]) -> None:
    frame = handler.get_frame(symbols, WEEK_START, WEEK_END)
    assert len(frame) == 0
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
        "symbol": "str",
        "timestamp": "datetime64[us, UTC]",
        **dict.fromkeys(("open", "high", "low", "close"), "float64"),
        "volume": "int64",
    }
    assert list(frame.columns) == list(BAR_COLUMNS)


def test_the_stream_is_in_order_of_time_then_symbol_and_ends(handler: SchwabDataHandler) -> None:
    stream = handler.get_next_bar()
    assert isinstance(stream, Iterator)
    events = list(stream)
    assert [(event.timestamp.date(), event.symbol) for event in events] == [
        (day, symbol) for day in SESSIONS for symbol in ("BRK/B", "JTS")
    ]
    with pytest.raises(StopIteration):
        next(stream)


def test_two_streams_are_independent(handler: SchwabDataHandler) -> None:
    first = handler.get_next_bar()
    next(first)
    assert next(handler.get_next_bar()).timestamp == session_timestamp(FRIDAY)


def test_faults_come_through_as_our_errors() -> None:
    with pytest.raises(SourceUnavailableError):
        handler_of(small_simulator(Fault.server_error().always())).get_latest_bar("JTS")


def test_the_demo_needs_no_port_no_credentials_and_no_file() -> None:
    """Over the sample package's bars, where "today" is the evening of their last session."""
    ledger = MemoryLedger()
    market = Market(symbols=("AAPL", "IBM"), history_start=date(2013, 2, 25), calendar="XNYS")
    handler = open_simulated(market, ledger)
    assert handler.fetcher.name == "simulator"
    assert handler.get_latest_bar("AAPL").close == Decimal("430.47")
    assert [event.symbol for event in handler.get_next_bar()] == ["AAPL", "IBM"] * 5
    assert ledger.claims == 3


class TestSchwabDataHandler(DailyBoundsContract):
    """Bounds mean the same to it as to every other handler; over the sample package's bars."""

    @pytest.fixture
    def handler(self) -> SchwabDataHandler:
        return open_simulated(Market(symbols=("AAPL",), history_start=SESSIONS[0], calendar="XNYS"), MemoryLedger())

    @pytest.fixture
    def history(self, handler: SchwabDataHandler) -> History:
        fetched = handler.fetcher.fetch("AAPL", Timeframe.D1, WEEK_START - timedelta(days=7), FAR)
        return {"AAPL": [bar for bar in fetched.bars if bar.timestamp >= BEGIN]}

    def test_without_bounds_it_is_the_history_of_the_market_until_today(self, handler: SchwabDataHandler) -> None:
        stream = list(handler.get_next_bar())
        assert handler.get_bars_range("AAPL") == handler.get_bars_batch("AAPL")["AAPL"] == stream
        assert list(handler.symbols().loc["AAPL"]) == [stream[0].timestamp, stream[-1].timestamp, len(stream)]
        assert [float(bar.close) for bar in stream] == list(handler.get_closes()["AAPL"])


def credentials_for(simulator: SchwabSimulator, path: Path) -> Credentials:
    return Credentials(
        api_key=simulator.key,
        app_secret=simulator.secret,
        callback_url=simulator.callback_url,
        token_path=path,
    )


def test_a_live_handler_can_be_pointed_at_a_simulator_on_this_machine(tmp_path: Path) -> None:
    """Its bars are marked as the simulator's, so that they never mix with real ones."""
    simulator = small_simulator()
    path = tmp_path / "token.json"
    FileTokenStore(path).write(simulator.issue_login())
    with serve(simulator, port=0) as server:
        handler = open_live(MARKET, MemoryLedger(), credentials_for(simulator, path), server.url)
        assert handler.fetcher.name == "simulator"
        assert dates(handler.get_bars_range("BRK/B", WEEK_START, WEEK_END)) == list(SESSIONS)
        handler.fetcher.close()
    (arrival,) = simulator.requests
    assert (arrival.path, arrival.param("symbol")) == (PRICE_HISTORY, "BRK/B")


def test_a_live_handler_without_a_login_names_the_remedy_and_sends_nothing(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    credentials = credentials_for(small_simulator(), tmp_path / "token.json")
    handler = open_live(MARKET, ledger, credentials, SCHWAB_ORIGIN)
    assert handler.fetcher.name == "schwab"
    with pytest.raises(AuthenticationError, match="must exist; log in again with `jutsu login`"):
        handler.get_latest_bar("JTS")
    assert ledger.claims == 0
