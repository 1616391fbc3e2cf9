"""Our own cost of one request to Schwab, outside the throttle's wait, beside the plain way of doing it.

The plain way parses with ``Decimal`` and judges candle by candle. No absolute time is asserted;
``make bench`` prints medians. What is aimed for: 5,000 bars planned, asked for, parsed, validated
and stored in 60 ms, of which parsing and validating 15 ms.
"""

import gzip
import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.schwab.candles import parse_candles, read_envelope
from jutsu_assets.schwab.connection import SchwabConnection
from jutsu_assets.schwab.fetcher import SchwabDataFetcher
from jutsu_assets.schwab.grid import grid_of
from jutsu_assets.schwab.tokens import MemoryTokenStore
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.coordination import RequestLedger
from jutsu_assets.store.engine import Database
from jutsu_core.access import Limits
from jutsu_core.bars import Bar, Timeframe, session_timestamp, to_micros
from jutsu_core.calendar import TradingCalendar
from jutsu_core.history import DailyHistory, HistoryRequest
from jutsu_core.quality.rules import bar_fault
from tests.support.builders import SettableClock
from tests.support.postgres import running_server

CALENDAR = TradingCalendar("XNYS", date(2003, 1, 2), date(2024, 12, 31))
NOW = datetime(2024, 11, 20, tzinfo=UTC)
START, END = datetime(2003, 1, 2, tzinfo=UTC), datetime(2024, 11, 20, tzinfo=UTC)
FREELY = Limits(requests=10**6, window=timedelta(seconds=1), daily_budget=10**9)
CHICAGO = ZoneInfo("America/Chicago")


@pytest.fixture(scope="module")
def sessions(request: pytest.FixtureRequest) -> list[date]:
    """Five thousand sessions, or few where nothing is timed."""
    wanted = 200 if request.config.getoption("benchmark_disable") else 5_000
    return CALENDAR.sessions(date(2004, 1, 2), date(2024, 11, 19))[-wanted:]


@pytest.fixture(scope="module")
def reply(sessions: list[date]) -> str:
    draw = random.Random(1)  # noqa: S311 - the same bars in every run
    candles = []
    for session in sessions:
        low = draw.randrange(100_000, 2_000_000)
        open_, close = low + draw.randrange(1000), low + draw.randrange(1000)
        prices = {"open": open_, "high": max(open_, close) + 7, "low": low, "close": close}
        stamp = datetime(session.year, session.month, session.day, tzinfo=CHICAGO)
        candles.append(
            {name: price / 10_000 for name, price in prices.items()}
            | {"volume": draw.randrange(10**8), "datetime": int(stamp.timestamp()) * 1000}
        )
    return json.dumps({"candles": candles, "symbol": "JTS", "empty": False})


def quick(text: str) -> tuple[Bar, ...]:
    return parse_candles(read_envelope(text, "JTS"), grid_of(Timeframe.D1, START, END, CALENDAR, NOW)).bars


def plain(text: str) -> tuple[Bar, ...]:
    """Parse as one would write it first: exact numbers, then candle by candle."""
    known = set(CALENDAR.sessions(CALENDAR.first, CALENDAR.last))
    bars = []
    for candle in json.loads(text, parse_float=Decimal)["candles"]:
        key = session_timestamp(datetime.fromtimestamp(candle["datetime"] / 1000, tz=UTC).date())
        open_, high, low, close = (to_micros(Decimal(candle[name])) for name in ("open", "high", "low", "close"))
        bar = Bar(key, open_, high, low, close, candle["volume"])
        if START <= key < END and key.date() in known and bar_fault(bar) is None:
            bars.append(bar)
    return tuple(sorted(bars))


@pytest.mark.benchmark(group="parse and validate one reply of 5,000 bars")
@pytest.mark.parametrize("way", [quick, plain], ids=["ours", "plain"])
def test_parsing(benchmark: Any, reply: str, sessions: list[date], way: Callable[[str], tuple[Bar, ...]]) -> None:
    bars = benchmark(way, reply)
    assert len(bars) == len(sessions)
    assert bars == quick(reply)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder: Path = tmp_path_factory.mktemp("requests")
    if request.param == "sqlite":
        opened = Database(f"sqlite:///{folder / 'jutsu.db'}", SystemSleeper())
        yield opened
        opened.close()
        return
    with running_server(folder) as server, server.fresh_url() as url:
        opened = Database(url, SystemSleeper())
        yield opened
        opened.close()


class Canned(httpx.BaseTransport):
    """Answers every request with the same reply, as Schwab would send it, about the symbol asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._bodies: dict[str, bytes] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        symbol = request.url.params["symbol"]
        body = gzip.compress(self._text.replace('"JTS"', f'"{symbol}"').encode(), compresslevel=1)
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(body))


def fetcher_over(reply: str, database: Database) -> SchwabDataFetcher:
    token = {"access_token": "A", "refresh_token": "R", "expires_at": 4_000_000_000}
    connection = SchwabConnection(
        api_key="KEY",
        app_secret="SECRET",  # noqa: S106 - opens nothing
        tokens=MemoryTokenStore({"creation_timestamp": 1, "token": token}),
        transport=Canned(reply),
        ledger=RequestLedger(database, SystemClock()),
        clock=SettableClock(NOW),
        sleeper=SystemSleeper(),
        limits=FREELY,
    )
    return SchwabDataFetcher(connection, calendar=CALENDAR, name="schwab")


@pytest.mark.benchmark(group="one symbol of 5,000 bars: planned, asked for, parsed, validated, stored")
def test_a_whole_request(benchmark: Any, reply: str, sessions: list[date], database: Database) -> None:
    clock = SettableClock(NOW)
    store = SqlBarStore(database, "schwab", clock)
    history = DailyHistory(fetcher_over(reply, database), store, CALENDAR, clock)
    names = count()

    def update() -> None:
        history.update(HistoryRequest(symbol=f"S{next(names)}", first=sessions[0]))

    benchmark.pedantic(update, rounds=15 if len(sessions) > 1000 else 2, iterations=1, warmup_rounds=1)
    version = store.version("S0", Timeframe.D1)
    assert version is not None
    assert version.rows == len(sessions)


@pytest.mark.benchmark(group="the throttle's bookkeeping of one request")
def test_a_claim(benchmark: Any, database: Database) -> None:
    ledger = RequestLedger(database, SystemClock())
    assert benchmark(ledger.claim, FREELY, "me").wait_seconds == 0
