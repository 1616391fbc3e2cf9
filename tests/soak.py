"""A soak: several processes fetch from a simulator that fails at random, for as long as you like.

``python -m tests.soak --seconds 600`` ends with 0 when the limit was kept at the simulator's port,
nothing leaked, and the store holds exactly the bars that the simulator holds.
"""

import multiprocessing
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import click

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.schwab.connection import SchwabConnection
from jutsu_assets.schwab.fetcher import SchwabDataFetcher
from jutsu_assets.schwab.throttle import Throttle
from jutsu_assets.schwab.tokens import FileTokenStore
from jutsu_assets.simulator.app import DEFAULT_KEY, DEFAULT_SECRET, SchwabSimulator
from jutsu_assets.simulator.catalog import named_fault
from jutsu_assets.simulator.faults import Fault, FaultPlan
from jutsu_assets.simulator.market import MarketHistory
from jutsu_assets.simulator.server import serve
from jutsu_assets.simulator.switches import Switches
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.coordination import RequestLedger
from jutsu_assets.store.engine import Database
from jutsu_core.bars import Bar, Timeframe, session_timestamp, to_micros
from jutsu_core.calendar import TradingCalendar
from jutsu_core.errors import CircuitOpenError, JutsuError
from jutsu_core.history import DailyHistory, HistoryRequest
from tests.support.schwab import NotedTransport, closest

SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
FIRST = date(2012, 6, 1)
BEGINNING = datetime(2012, 9, 4, 1, tzinfo=UTC)
END = datetime(2013, 3, 2, 1, tzinfo=UTC)
SESSION = date(2013, 3, 1)
PROCESSES = 4
CALENDAR_SPAN = date(2012, 1, 3), date(2013, 12, 31)
MIX = {
    "R2": 1,
    "R3": 2,
    "R7": 3,
    "R8": 1,
    "R10": 3,
    "R10-504": 1,
    "R12-reset": 2,
    "R12-closed": 2,
    "R13": 2,
    "R14-body": 1,
    "R15": 1,
    "R15-page": 1,
    "R15-cut": 2,
    "R15-gzip": 1,
    "X9-unsorted": 1,
    "X12": 1,
    "X6": 1,
}
"""What strikes price history, by weight. X6, a history that is far too short, is a lie that may be believed."""
AT_THE_TOKEN = {"O15": 1, "O17-503": 2, "O18": 1, "O19-dropped": 1}
SHARE = 0.2
LEAK = 5
"""Open files that may be more at the end: a pool grows to its size."""


class MarketClock:
    """Runs from BEGINNING to END in the time of the soak; alike in every process of this machine."""

    def __init__(self, began: float, seconds: float) -> None:
        self._began = began
        self._rate = (END - BEGINNING) / seconds

    def now(self) -> datetime:
        passed = max(0.0, time.monotonic() - self._began)
        return min(BEGINNING + passed * self._rate, END)


@dataclass(frozen=True)
class Plan:
    """What every process needs to know."""

    url: str
    database: str
    token_path: str
    began: float
    seconds: float


@contextmanager
def opened(plan: Plan, departures: list[float]) -> Iterator[tuple[DailyHistory, Database, Throttle]]:
    """Yield what brings the store up to the simulator, over the shared throttle and breaker."""
    clock = MarketClock(plan.began, plan.seconds)
    database = Database(plan.database, SystemSleeper())
    calendar = TradingCalendar("XNYS", *CALENDAR_SPAN)
    connection = SchwabConnection(
        api_key=DEFAULT_KEY,
        app_secret=DEFAULT_SECRET,
        tokens=FileTokenStore(Path(plan.token_path)),
        transport=NotedTransport(plan.url, departures),
        ledger=RequestLedger(database, SystemClock()),
        clock=clock,
        sleeper=SystemSleeper(),
        timeout_seconds=1.0,
        whole_reply_seconds=2.0,
    )
    fetcher = SchwabDataFetcher(connection, calendar=calendar, name="simulator")
    store = SqlBarStore(database, "simulator", clock)
    try:
        yield DailyHistory(fetcher, store, calendar, clock), database, connection.throttle
    finally:
        fetcher.close()
        database.close()


def work(plan: Plan, number: int, reports: Connection) -> None:
    """Bring symbols up to date until the time is over; report how each ended, and what leaked."""
    draw, outcomes = random.Random(number), Counter[str]()  # noqa: S311 - the same order in every run
    files: list[int] = []
    departures: list[float] = []
    with opened(plan, departures) as (history, _, throttle):
        while time.monotonic() < plan.began + plan.seconds:
            request = HistoryRequest(symbol=draw.choice(SYMBOLS), first=FIRST, verify=draw.random() < 0.5)
            try:
                update = history.update(request)
                outcomes["asked" if update.calls else "nothing to ask"] += 1
                time.sleep(0.0 if update.calls else 0.2)  # noqa: TID251 - this is no product
            except CircuitOpenError:
                outcomes["CircuitOpenError"] += 1
                time.sleep(1.0)  # noqa: TID251
            except JutsuError as error:
                outcomes[type(error).__name__] += 1
            files.append(open_files())
    let_go, few = throttle.let_go, files[min(10, len(files) - 1)]
    reports.send((outcomes, few, files[-1], threading.active_count(), departures, let_go))


def open_files() -> int:
    """Return how many files and sockets this process has open; 0 where nobody tells."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def simulator_of(plan_began: float, seconds: float) -> SchwabSimulator:
    """Return a simulator whose tokens rotate and die early, and whose replies fail at random."""
    clock = MarketClock(plan_began, seconds)
    faults = [
        Fault.mixed(SHARE, *((weight, named_fault(name, SESSION)) for name, weight in MIX.items())),
        Fault.mixed(SHARE, *((weight, named_fault(name, SESSION)) for name, weight in AT_THE_TOKEN.items())).on_path(
            "token"
        ),
        named_fault("D2", SESSION).at_random(0.05),
    ]
    switches = Switches(rotate_refresh_tokens=False, slow_seconds=3.0)
    return SchwabSimulator(
        MarketHistory.from_sample(), now=clock.now, faults=FaultPlan(faults, seed=1), switches=switches
    )


def truth(history: MarketHistory, symbol: str) -> list[Bar]:
    """Return what the simulator holds at the end."""
    bars = []
    for bar in history.daily(symbol, as_of=SESSION):
        if bar.session >= FIRST:
            open_, high, low, close = (to_micros(price) for price in bar[1:5])
            bars.append(Bar(session_timestamp(bar.session), open_, high, low, close, bar.volume))
    return bars


def soak(seconds: float, database: str, folder: Path) -> list[str]:
    """Run the soak; return what went wrong."""
    # A reply in the making must not keep an arrival from being noted.
    sys.setswitchinterval(0.0005)
    began = time.monotonic() + 1.0
    simulator = simulator_of(began, seconds)
    token_path = folder / "token.json"
    FileTokenStore(token_path).write(simulator.issue_login())
    context = multiprocessing.get_context("spawn")
    wrong: list[str] = []
    with serve(simulator, port=0) as server:
        plan = Plan(server.url, database, str(token_path), began, seconds)
        with opened(plan, []) as (_, first, _):
            RequestLedger(first, SystemClock()).state()  # one schema before all begin
        pairs = [context.Pipe(duplex=False) for _ in range(PROCESSES)]
        workers = [context.Process(target=work, args=(plan, n, ours[1])) for n, ours in enumerate(pairs)]
        for worker in workers:
            worker.start()
        for _, theirs in pairs:
            theirs.close()  # so that a process that dies is heard
        totals: Counter[str] = Counter()
        departures: list[float] = []
        let_go = 0
        for (reports, _), worker in zip(pairs, workers, strict=True):
            try:
                told = reports.recv() if reports.poll(seconds + 120) else _silence()
            except EOFError:
                wrong.append(f"process {worker.pid} died or did not end")
                worker.kill()
                continue
            outcomes, early, late, threads, left, gone = told
            totals += outcomes
            departures += left
            let_go += gone
            worker.join()
            click.echo(f"process {worker.pid}: {dict(outcomes)}, files {early} -> {late}, threads {threads}")
            if late > early + LEAK:
                wrong.append(f"process {worker.pid} had {early} files open, and {late} at the end")
        requests = simulator.requests
        span = requests[-1].monotonic - requests[0].monotonic
        rate = len(departures) / span
        click.echo(f"{len(requests)} requests in {span:.0f} s, {rate:.3f} a second, {let_go} let go, {dict(totals)}")
        arrived = closest([arrival.monotonic for arrival in requests])
        click.echo(
            f"shortest time for three: {closest(departures):.4f} s as they left, {arrived:.4f} s as they arrived"
        )
        # An arrival is noted when the simulator gets to run, which a busy machine may put off.
        if closest(departures) < 1.0:
            wrong.append("three requests left within one second")
        simulator.faults = FaultPlan()
        wrong += settled(plan, simulator.history)
    return wrong


def _silence() -> tuple[Counter[str], int, int, int, list[float], int]:
    raise EOFError


def settled(plan: Plan, held: MarketHistory) -> list[str]:
    """Verify every symbol without faults; return where the store and the simulator still differ."""
    time.sleep(max(0.0, plan.began + plan.seconds - time.monotonic()))  # noqa: TID251
    wrong = []
    with opened(plan, []) as (history, database, _):
        RequestLedger(database, SystemClock()).change(lambda state, _: type(state)())
        store = SqlBarStore(database, "simulator", SystemClock())
        for symbol in SYMBOLS:
            stored_before = set(store.read(symbol, Timeframe.D1))
            if not stored_before <= set(truth(held, symbol)):
                wrong.append(f"{symbol}: the store held bars that the simulator never had")
            history.update(HistoryRequest(symbol=symbol, first=FIRST, verify=True))
            if list(store.read(symbol, Timeframe.D1)) != truth(held, symbol):
                wrong.append(f"{symbol}: the store and the simulator differ")
    return wrong


@click.command()
@click.option("--seconds", type=float, default=600.0, show_default=True)
@click.option("--database", default="", help="SQLAlchemy URL of an empty database; a scratch SQLite file if not given.")
def main(seconds: float, database: str) -> None:
    """Soak for some time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wrong = soak(seconds, database or f"sqlite:///{folder / 'jutsu.db'}", folder)
    for finding in wrong:
        click.echo(f"WRONG: {finding}")
    click.echo("The limit was kept, nothing leaked, the store is exact." if not wrong else f"{len(wrong)} wrong.")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
