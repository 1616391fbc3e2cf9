"""A fetcher over a simulator of the test's own: what crosses the wire is real, what waits is not."""

import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import httpx

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.schwab.connection import SchwabConnection
from jutsu_assets.schwab.fetcher import SchwabDataFetcher
from jutsu_assets.schwab.throttle import DEPARTURE, LIMITS, Throttle, ThrottledTransport
from jutsu_assets.schwab.tokens import FileTokenStore, MemoryTokenStore, TokenStore
from jutsu_assets.schwab.transport import LoopbackTransport
from jutsu_assets.simulator.app import DEFAULT_KEY, DEFAULT_SECRET, SchwabSimulator
from jutsu_assets.simulator.endpoints import PRICE_HISTORY, TOKEN
from jutsu_assets.simulator.faults import Fault, FaultPlan
from jutsu_assets.simulator.market import DailyBar, MarketHistory
from jutsu_assets.simulator.transport import mount
from jutsu_assets.store.coordination import RequestLedger
from jutsu_assets.store.engine import Database
from jutsu_core.access import AccessLedger, AccessState, Change, Claim, Limits, admit, is_admitted
from jutsu_core.calendar import TradingCalendar
from jutsu_core.ports import Clock, Sleeper
from tests.support.builders import SettableClock
from tests.support.processes import CHILD_SECONDS

FRIDAY = date(2013, 2, 22)
MONDAY = date(2013, 2, 25)
TUESDAY = date(2013, 2, 26)
WEDNESDAY = date(2013, 2, 27)
THURSDAY = date(2013, 2, 28)
SESSIONS = (FRIDAY, MONDAY, TUESDAY, WEDNESDAY, THURSDAY)
WEEK_START = datetime(2013, 2, 22, tzinfo=UTC)
WEEK_END = datetime(2013, 3, 1, tzinfo=UTC)
EVENING = datetime(2013, 3, 1, 1, tzinfo=UTC)
"""Thursday evening in New York: its bar is final."""


class MemoryLedger:
    """An access ledger of one process: a real breaker, a real quota, and everybody may leave at once."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.claims = 0
        self._clock = clock or SystemClock()
        self._state = AccessState()
        self._lock = threading.RLock()

    def claim(self, limits: Limits, holder: str, lead_seconds: float = 0.0) -> Claim:
        del limits, lead_seconds
        with self._lock:
            known, now = self._state, self._clock.now()
            self._state, wait_until = admit(known, now, holder)
            self.claims += wait_until is None
            return Claim(
                wait_seconds=0.0 if wait_until is None else (wait_until - now).total_seconds(),
                taken_at=time.monotonic(),
                state=known,
                sent_today=self.claims,
                day=now.date(),
                reservation=self.claims if wait_until is None else None,
            )

    def confirms(self, claim: Claim, holder: str) -> bool:
        del claim
        return is_admitted(self._state, self._clock.now(), holder)

    def cancel(self, claim: Claim) -> None:
        del claim
        with self._lock:
            self.claims -= 1

    def left_late(self, claim: Claim, limits: Limits, by_seconds: float) -> None:
        del claim, limits, by_seconds

    def state(self) -> AccessState:
        return self._state

    def change(self, change: Change) -> bool:
        with self._lock:
            state = change(self._state, self._clock.now())
            self._state = state or self._state
        return state is not None

    def sent_on(self, day: date) -> int:
        del day
        return self.claims


class RecordingSleeper:
    """Remembers what it was asked to wait, and does not; a clock of the test's moves on instead."""

    def __init__(self, clock: SettableClock | None = None) -> None:
        self.pauses: list[float] = []
        self._clock = clock

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if self._clock is not None:
            self._clock.advance(timedelta(seconds=seconds))


class FixedClock:
    """Stands still."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


@dataclass
class Desk:
    """A fetcher under test, with everything around it."""

    simulator: SchwabSimulator
    fetcher: SchwabDataFetcher
    tokens: TokenStore
    ledger: MemoryLedger
    sleeper: RecordingSleeper
    clock: SettableClock

    def fetch(self, symbol: str = "JTS") -> list[dict[str, Any]]:
        return self.fetcher.fetch_bars(symbol, "1d", WEEK_START, WEEK_END)

    @property
    def token_calls(self) -> int:
        return sum(arrival.path == TOKEN for arrival in self.simulator.requests)

    @property
    def history_calls(self) -> int:
        return sum(arrival.path == PRICE_HISTORY for arrival in self.simulator.requests)


def small_market() -> MarketHistory:
    """Five sessions of JTS and of BRK/B."""
    rows = [
        DailyBar(day, Decimal(100 + n), Decimal("110.5") + n, Decimal(90 + n), Decimal("105.0375") + n, 1001 + n)
        for n, day in enumerate(SESSIONS)
    ]
    return MarketHistory.from_bars({"JTS": rows, "BRK/B": rows})


def small_simulator(*faults: Fault, seed: int = 0, **options: Any) -> SchwabSimulator:
    return SchwabSimulator(small_market(), now=lambda: EVENING, faults=FaultPlan(faults, seed=seed), **options)


def fetcher_of(
    simulator: SchwabSimulator,
    tokens: TokenStore,
    *,
    transport: httpx.BaseTransport | None = None,
    ledger: AccessLedger | None = None,
    sleeper: Sleeper | None = None,
    clock: Clock | None = None,
    limits: Limits = LIMITS,
) -> SchwabDataFetcher:
    connection = SchwabConnection(
        api_key=simulator.key,
        app_secret=simulator.secret,
        tokens=tokens,
        transport=transport or mount(simulator),
        ledger=ledger or MemoryLedger(),
        clock=clock or FixedClock(EVENING),
        sleeper=sleeper or RecordingSleeper(),
        limits=limits,
    )
    calendar = TradingCalendar("XNYS", date(2000, 1, 3), date(2013, 12, 31))
    return SchwabDataFetcher(connection, calendar=calendar, name="simulator")


def desk(
    *faults: Fault,
    expired: bool = False,
    path: Path | None = None,
    transport: Callable[[SchwabSimulator], httpx.BaseTransport] = mount,
    **options: Any,
) -> Desk:
    """Return a fetcher in front of a small simulator.

    Args:
        faults: What goes wrong.
        expired: Whether the token at hand counts as expired, so that it is refreshed first.
        path: Keeps the token in this file; in memory if None.
        transport: What carries requests to the simulator.
        options: Further arguments of :func:`small_simulator`.
    """
    simulator = small_simulator(*faults, **options)
    login = simulator.issue_login()
    wrapped = stale(login) if expired else login
    tokens: TokenStore
    if path is None:
        tokens = MemoryTokenStore(wrapped)
    else:
        tokens = FileTokenStore(path)
        tokens.write(wrapped)
    clock = SettableClock(datetime(2013, 3, 1, 1, tzinfo=UTC))
    ledger, sleeper = MemoryLedger(clock), RecordingSleeper(clock)
    fetcher = fetcher_of(simulator, tokens, transport=transport(simulator), ledger=ledger, sleeper=sleeper)
    return Desk(simulator, fetcher, tokens, ledger, sleeper, clock)


def stale(wrapped: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same login with an access token that its owner must think expired."""
    return {**wrapped, "token": {**wrapped["token"], "expires_at": 1}}


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def traceback_text(error: BaseException) -> str:
    """Return what a log would show of ``error``: its text, its chain, its frames."""
    return "".join(traceback.format_exception(error))


def secrets_of(*wrapped: Mapping[str, Any]) -> set[str]:
    """Return every text that must never be shown to anybody."""
    tokens = [entry["token"] for entry in wrapped]
    named = {token[name] for token in tokens for name in ("access_token", "refresh_token", "id_token") if name in token}
    return named | {DEFAULT_KEY, DEFAULT_SECRET}


def fetch_in_child(reports: Connection, barrier: Barrier, url: str, token_path: str, threads: int) -> None:
    """Fetch once in each thread from the simulator at ``url``, with the shared token file; report how many bars."""
    fetcher = fetcher_of(small_simulator(), FileTokenStore(Path(token_path)), transport=LoopbackTransport(url))
    barrier.wait(CHILD_SECONDS)
    with ThreadPoolExecutor(threads) as pool:
        asked = [pool.submit(fetcher.fetch_bars, "JTS", "1d", WEEK_START, WEEK_END) for _ in range(threads)]
        reports.send([len(done.result()) for done in asked])
    fetcher.close()


def pause_in_child(reports: Connection, url: str, database_url: str) -> None:
    """Report to be ready, reserve an instant, be paused before the request can leave, go on when somebody says so."""
    database = Database(database_url, SystemSleeper())
    ledger = RequestLedger(database, SystemClock())
    ledger.state()

    class Paused(LoopbackTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            os.kill(os.getpid(), signal.SIGSTOP)
            return super().handle_request(request)

    transport = ThrottledTransport(Paused(url), Throttle(ledger, SystemSleeper()))
    reports.send("ready")
    transport.handle_request(httpx.Request("GET", "https://api.schwabapi.com/marketdata/v1/pricehistory")).close()
    transport.close()
    database.close()


class NotedTransport(LoopbackTransport):
    """Notes when each request leaves; what comes after that, no client can help."""

    def __init__(self, origin: str, departures: list[float]) -> None:
        super().__init__(origin)
        self._departures = departures

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        throttled = request.extensions["trace"]

        def on_event(name: str, info: Mapping[str, object]) -> None:
            throttled(name, info)
            if name == DEPARTURE:
                self._departures.append(time.monotonic())

        request.extensions = {**request.extensions, "trace": on_event}
        return super().handle_request(request)


def closest(times: list[float]) -> float:
    """Return the shortest time in which three requests lie."""
    ordered = sorted(times)
    return min((late - early for early, late in zip(ordered, ordered[2:], strict=False)), default=0.0)


def ask_in_child(reports: Connection, barrier: Barrier, url: str, database_url: str, threads: int) -> None:
    """Send one request from each of some threads through the throttle that processes share; report the waits."""
    database = Database(database_url, SystemSleeper())
    ledger = RequestLedger(database, SystemClock())
    ledger.state()  # opens the database before the race
    throttle = Throttle(ledger, SystemSleeper())
    departures: list[float] = []
    transport = ThrottledTransport(NotedTransport(url, departures), throttle)
    barrier.wait(CHILD_SECONDS)

    def ask() -> None:
        transport.handle_request(httpx.Request("GET", "https://api.schwabapi.com/marketdata/v1/pricehistory")).close()

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(ask) for _ in range(threads)]:
            done.result()
    transport.close()
    database.close()
    reports.send(
        {
            "requests": throttle.requests,
            "let go": throttle.let_go,
            "waited": throttle.waited_seconds,
            "left": departures,
        }
    )
