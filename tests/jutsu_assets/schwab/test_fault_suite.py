"""Every fault of the simulator, by its id, over a real socket and into a real store.

Each ends with the right error or the right recovery, and with nothing lost, doubled or made up:
what is stored while the fault lasts is what was stored before or what the source holds, and once
it is over one verification makes the store equal to the source, bar for bar.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from jutsu_assets.schwab.connection import SchwabConnection
from jutsu_assets.schwab.fetcher import SchwabDataFetcher
from jutsu_assets.schwab.tokens import FileTokenStore
from jutsu_assets.schwab.transport import LoopbackTransport
from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.catalog import named_plan
from jutsu_assets.simulator.ids import FAULT_IDS, SETTING_IDS
from jutsu_assets.simulator.market import MarketHistory
from jutsu_assets.simulator.server import serve
from jutsu_assets.simulator.switches import Switches
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.coordination import RequestLedger
from jutsu_assets.store.engine import Database
from jutsu_core.access import Limits
from jutsu_core.bars import Bar, Timeframe, session_timestamp, to_micros
from jutsu_core.calendar import TradingCalendar
from jutsu_core.errors import (
    AddressBlockedError,
    AuthenticationError,
    CircuitOpenError,
    JutsuError,
    MalformedResponseError,
    RateLimitedError,
    ReplyTooLargeError,
    RequestRefusedError,
    SourceError,
    SourceUnavailableError,
)
from jutsu_core.history import DailyHistory, HistoryRequest, HistoryUpdate
from tests.support.builders import SettableClock
from tests.support.schwab import RecordingSleeper, stale

pytestmark = pytest.mark.slow

D1 = Timeframe.D1
SYMBOL, FIRST = "AAPL", date(2012, 6, 1)
THURSDAY_EVENING = datetime(2013, 3, 1, 1, tzinfo=UTC)
FRIDAY_EVENING = datetime(2013, 3, 2, 1, tzinfo=UTC)
FRIDAY = date(2013, 3, 1)
CALENDAR = TradingCalendar("XNYS", date(2012, 1, 3), date(2013, 12, 31))
FREELY = Limits(requests=10**6, window=timedelta(seconds=1), daily_budget=10**6)
UNAVAILABLE, MALFORMED, DEAD = SourceUnavailableError, MalformedResponseError, AuthenticationError

ENDS: dict[str, type[JutsuError] | None] = {
    # The token endpoint; the access token at hand is stale.
    "O7": DEAD,
    "O11": None,
    "O11-expires_in": None,
    "O12": DEAD,
    "O13": DEAD,
    "O14": DEAD,
    "O15": RateLimitedError,
    "O15-401": DEAD,
    "O16": AddressBlockedError,
    **dict.fromkeys(("O17", "O17-502", "O17-503", "O17-504"), UNAVAILABLE),
    **dict.fromkeys(("O18", "O18-list", "O18-empty", "O18-bomb", "O19", "O19-dropped", "O19-lost"), UNAVAILABLE),
    **dict.fromkeys(("O19-continue", "O19-header"), UNAVAILABLE),
    "O18-babble": DEAD,
    # The authorization of data requests.
    "D2": None,
    "D3": DEAD,
    "D5": None,
    "D4": DEAD,
    "D4-empty": MALFORMED,
    # The candles.
    **dict.fromkeys(("X1", "X2", "X2-noon", "X3", "X4", "X4-saturday", "X5", "X5-low", "X5-crossed", "X6"), None),
    **dict.fromkeys(("X7", "X7-withdrawn", "X7-split", "X8", "X8-minutes", "X8-short"), None),
    **dict.fromkeys(("X9", "X9-conflicting", "X9-unsorted"), None),
    **{name: None for name in FAULT_IDS if name.startswith(("X10", "X11"))},
    "X12": MALFORMED,
    "X12-empty": None,
    "X12-null": MALFORMED,
    "X12-absent": MALFORMED,
    "X12-keys": None,
    # The wire.
    **dict.fromkeys(("R2", "R3", "R4", "R5", "R5-86400", "R5-soon", "R5-text"), RateLimitedError),
    **dict.fromkeys(("R7", "R8", "R10", "R10-retry", "R10-504"), UNAVAILABLE),
    "R9": ReplyTooLargeError,
    "R9-above": None,
    "R11": RequestRefusedError,
    **dict.fromkeys(("R12", "R12-reset", "R12-closed", "R13", "R14", "R14-body", "R14-drip"), UNAVAILABLE),
    **dict.fromkeys(("R14-continue", "R14-header"), UNAVAILABLE),
    **dict.fromkeys(("R15", "R15-page", "R15-cut", "R15-list"), MALFORMED),
    "R15-type": None,
    "R15-babble": RequestRefusedError,
    **dict.fromkeys(("R15-gzip", "R15-bomb", "R15-bomb-deflate", "R15-bomb-nested"), UNAVAILABLE),
    "R15-big": SourceError,
}
"""How an update ends while the fault lasts: with an error, or well."""

MENDED_BY_RETRYING = {
    *("O17", "O17-502", "O17-503", "O17-504", "O18", "O18-list", "O18-empty", "O19", "O19-dropped", "O19-lost"),
    *("R2", "R3", "R4", "R5", "R5-soon", "R5-text", "R7", "R8", "R10", "R10-retry", "R10-504"),
    *("R12", "R12-reset", "R12-closed", "R13", "R14", "R14-body", "R14-drip", "R15-gzip"),
}
"""What an update survives when it strikes one or two requests; each of them takes another attempt."""

AT_THE_TOKEN = {name for name in ENDS if name.startswith("O")} - {"O7"}
RESTATES = {"X7", "X7-split", "X7-withdrawn"}


@dataclass
class Bench:
    """A store of a simulator's bars, and the way from one to the other."""

    database: Database
    store: SqlBarStore
    clock: SettableClock
    tokens: FileTokenStore
    sleeper: RecordingSleeper

    @contextmanager
    def source(
        self, *names: str, now: datetime, is_stale: bool = False
    ) -> Iterator[tuple[SchwabSimulator, DailyHistory]]:
        """Serve the sample with faults; yield what brings the store up to it."""
        plan = named_plan(names, FRIDAY)
        switches = replace(Switches(**plan.settings), slow_seconds=5.0, drip_seconds=0.05)
        simulator = SchwabSimulator(_sample(), now=lambda: now, faults=plan, switches=switches)
        login = simulator.issue_login()
        self.tokens.write(stale(login) if is_stale else login)
        self.clock.moment = max(self.clock.moment, now)
        # Only what is waited for in vain is waited for briefly: a busy machine may take its time to answer.
        is_waited_for = any(name.startswith(("R14", "O19")) for name in names)
        with serve(simulator, port=0) as server:
            connection = SchwabConnection(
                api_key=simulator.key,
                app_secret=simulator.secret,
                tokens=self.tokens,
                transport=LoopbackTransport(server.url),
                ledger=RequestLedger(self.database, self.clock),
                clock=SettableClock(now),
                sleeper=self.sleeper,
                limits=FREELY,
                timeout_seconds=1.5 if is_waited_for else 20.0,
                whole_reply_seconds=1.9 if is_waited_for else 20.0,
            )
            fetcher = SchwabDataFetcher(connection, calendar=CALENDAR, name="simulator")
            try:
                yield simulator, DailyHistory(fetcher, self.store, CALENDAR, self.clock)
            finally:
                fetcher.close()

    def bars(self) -> list[Bar]:
        return list(self.store.read(SYMBOL, D1))


@cache
def _sample() -> MarketHistory:
    return MarketHistory.from_sample()


def truth(now: datetime) -> list[Bar]:
    """Return what the source holds, without asking it over the wire."""
    day = (now - timedelta(hours=5)).date()
    return [
        Bar(session_timestamp(bar.session), *(to_micros(price) for price in bar[1:5]), bar.volume)  # type: ignore[call-arg]
        for bar in _sample().daily(SYMBOL, as_of=day)
        if bar.session >= FIRST
    ]


def update(history: DailyHistory, *, verify: bool = False) -> HistoryUpdate:
    return history.update(HistoryRequest(symbol=SYMBOL, first=FIRST, verify=verify))


def opened(folder: Path) -> Bench:
    clock = SettableClock(THURSDAY_EVENING)
    database = Database(f"sqlite:///{folder / 'jutsu.db'}", RecordingSleeper())
    store = SqlBarStore(database, "simulator", clock)
    return Bench(database, store, clock, FileTokenStore(folder / "token.json"), RecordingSleeper(clock))


@pytest.fixture(scope="module")
def thursday(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that holds what the source held on Thursday evening."""
    folder = tmp_path_factory.mktemp("thursday")
    bench = opened(folder)
    with bench.source(now=THURSDAY_EVENING) as (_, history):
        update(history)
    assert bench.bars() == truth(THURSDAY_EVENING)
    bench.database.close()
    return folder / "jutsu.db"


@pytest.fixture
def table(thursday: Path, tmp_path: Path) -> Iterator[Bench]:
    shutil.copy(thursday, tmp_path)
    bench = opened(tmp_path)
    yield bench
    bench.database.close()


def test_every_fault_of_the_catalog_is_in_the_suite() -> None:
    left_out = {
        *("O2", "O3", "O6"),  # a person's login
        "R16",  # a mixture, which the soak runs
    }
    assert set(FAULT_IDS) - left_out == set(ENDS) - set(SETTING_IDS)
    assert len(ENDS) >= 90


SHORTEST_RETRY_SECONDS = 1.0


@pytest.mark.parametrize("name", ENDS)
def test_while_it_lasts_and_when_it_is_over(table: Bench, name: str) -> None:
    before = table.bars()
    with table.source(name, now=FRIDAY_EVENING, is_stale=name in AT_THE_TOKEN) as (simulator, history):
        ended = _end_of(history)
        expected = ENDS[name]
        if expected is None:
            assert ended is None, ended
        else:
            assert isinstance(ended, expected), ended
            assert table.bars() == before, "an error writes nothing"
        assert len(simulator.requests) <= 6
    _holds_only_what_was_said(table, name, before)
    _is_whole_again(table)


def _end_of(history: DailyHistory) -> JutsuError | None:
    try:
        update(history)
    except CircuitOpenError as error:
        return error
    except SourceError as error:
        return error
    return None


def _holds_only_what_was_said(table: Bench, name: str, before: list[Bar]) -> None:
    stored = table.bars()
    stamps = [bar.timestamp for bar in stored]
    assert stamps == sorted(set(stamps))
    if name not in RESTATES:
        assert set(stored) <= {*before, *truth(FRIDAY_EVENING)}
        assert set(before) <= set(stored)


def _is_whole_again(table: Bench) -> None:
    table.clock.advance(timedelta(days=31))
    with table.source(now=FRIDAY_EVENING) as (_, history):
        update(history, verify=True)
    assert table.bars() == truth(FRIDAY_EVENING)
    version = table.store.version(SYMBOL, D1)
    assert version is not None
    assert version.rows == len(truth(FRIDAY_EVENING))


@pytest.mark.parametrize("name", sorted(MENDED_BY_RETRYING))
def test_a_fault_that_passes_is_not_noticed(table: Bench, name: str) -> None:
    with table.source(f"{name}:2", now=FRIDAY_EVENING, is_stale=name in AT_THE_TOKEN) as (simulator, history):
        update(history)
        retries = [pause for pause in table.sleeper.pauses if pause >= SHORTEST_RETRY_SECONDS]
        assert len(retries) == 2, "the others are of the limit, which is waited for in short steps"
        assert len(simulator.requests) == 3 + (name in AT_THE_TOKEN)
    assert table.bars() == truth(FRIDAY_EVENING)
    assert not table.store.quarantined(SYMBOL, D1)


QUARANTINED = {
    name: 3 if name.startswith("X5") else 1
    for name in ENDS
    if name.startswith(("X5", "X10")) or name in {"X9", "X4-saturday"}
}


@pytest.mark.parametrize("name", QUARANTINED)
def test_what_was_sent_broken_is_kept_with_its_reason(table: Bench, name: str) -> None:
    with table.source(name, now=FRIDAY_EVENING) as (_, history):
        update(history)
    kept = table.store.quarantined(SYMBOL, D1)
    assert len(kept) == QUARANTINED[name]
    assert all(item.raw and item.reason for item in kept)
