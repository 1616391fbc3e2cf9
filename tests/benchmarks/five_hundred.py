"""The daily run at scale: many symbols of twenty years, from a simulator on loopback, with its split.

A program, not a test: ``make scale`` runs it. The limit is scaled by ``--rate`` so that a run need
not take four minutes; everything is reported as a ratio to what that limit alone takes.
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg

from jutsu_assets.clock import SystemSleeper
from jutsu_assets.definitions import build_defs
from jutsu_assets.graph.jobs import daily_update
from jutsu_assets.graph.partitions import RANGE_END, RANGE_START
from jutsu_assets.schwab.handlers import Market, SchwabDataHandler, open_handler
from jutsu_assets.schwab.tokens import FileTokenStore
from jutsu_assets.schwab.transport import transport_to
from jutsu_assets.settings import Settings
from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.market import DailyBar, MarketHistory
from jutsu_assets.simulator.server import serve
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.universe import Universe
from jutsu_core.access import Limits
from jutsu_core.calendar import TradingCalendar
from tests.support.builders import SettableClock

FIRST, LAST = date(2004, 1, 2), date(2024, 1, 12)
_SHAPES = 10


def market(symbols: list[str], last: date) -> MarketHistory:
    """Return random walks on the exchange's sessions; a tenth of the symbols share each."""
    sessions = TradingCalendar("XNYS", FIRST, LAST).sessions(FIRST, last)
    shapes = [_walk(sessions, seed) for seed in range(_SHAPES)]
    return MarketHistory({symbol: shapes[number % _SHAPES] for number, symbol in enumerate(symbols)})


def _walk(sessions: list[date], seed: int) -> list[DailyBar]:
    draw, cents, bars = random.Random(seed), 5_000, []  # noqa: S311 - the same bars in every run
    for session in sessions:
        opened = max(100, cents + draw.randrange(-40, 41))
        cents = max(100, opened + draw.randrange(-60, 62))
        low, high = min(opened, cents) - draw.randrange(1, 30), max(opened, cents) + draw.randrange(1, 30)
        prices = [Decimal(price).scaleb(-2) for price in (opened, high, low, cents)]
        volume = draw.randrange(10**5, 10**7)
        bars.append(DailyBar(session, prices[0], prices[1], prices[2], prices[3], volume))
    return bars


def serve_market(symbols: int, last: date) -> None:
    """Serve the market until standard input ends; the first line printed is the address."""
    names = names_of(symbols)
    history = market(names, last)
    simulator = SchwabSimulator(history, now=lambda: evening_of(last))
    for name in names[:_SHAPES]:
        history.daily(name, as_of=last)
    token = Path(tempfile.mkdtemp()) / "token.json"
    FileTokenStore(token).write(simulator.issue_login())
    with serve(simulator, port=0) as server:
        sys.stdout.write(f"{server.url} {simulator.key} {simulator.secret} {token}\n")
        sys.stdout.flush()
        sys.stdin.read()


def evening_of(session: date) -> datetime:
    """Return when the bars of ``session`` are final."""
    return datetime(session.year, session.month, session.day, tzinfo=UTC) + timedelta(days=1, hours=1)


def names_of(count: int) -> list[str]:
    """Return so many tickers."""
    return [f"S{number:04d}" for number in range(count)]


@contextmanager
def served(symbols: int, last: date) -> Iterator[tuple[str, str, str, Path]]:
    """Yield the address, key, secret and token of a simulator in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.five_hundred", "--serve", str(last), "--symbols", str(symbols)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url, key, secret, token = process.stdout.readline().split()
            yield url, key, secret, Path(token)
        finally:
            process.kill()


def run(folder: Path, symbols: int, last: date, rate: float, *, only: str | None = None) -> dict[str, float]:
    """Run the daily job once, over all symbols or only one, and return its figures."""
    names = names_of(symbols)
    settings = Settings.from_environment({"JUTSU_HOME": str(folder)}, folder=folder)
    universe = Universe(symbols=tuple(names), history_start=FIRST)
    clock = SettableClock(evening_of(last))
    limits = Limits(requests=2, window=timedelta(seconds=2 / rate), daily_budget=10**6)
    with served(symbols, last) as (url, key, secret, token):
        database = MarketDatabase(settings.database_url, source=settings.source)
        schwab: SchwabDataHandler = open_handler(
            Market(symbols=tuple(names), history_start=FIRST, calendar="XNYS"),
            database.ledger,
            source=settings.source,
            clock=clock,
            transport=transport_to(url),
            api_key=key,
            app_secret=secret,
            tokens=FileTokenStore(token),
            sleeper=SystemSleeper(),
            limits=limits,
        )
        definitions = build_defs(settings, universe=universe, resources={"database": database, "schwab": schwab})
        os.environ["DAGSTER_HOME"] = str(folder)
        with dg.DagsterInstance.get() as instance:
            before, cpu, began = _size(folder / "dagster"), time.process_time(), time.perf_counter()
            result = definitions.resolve_job_def(daily_update.name).execute_in_process(
                instance=instance,
                tags={RANGE_START: only or names[0], RANGE_END: only or names[-1]},
                run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
                raise_on_error=False,
            )
            wall, used = time.perf_counter() - began, time.process_time() - cpu
            assert result.success, result
        events = _size(folder / "dagster") - before  # closed, so that nothing waits beside the files
        throttle = schwab.fetcher.connection.throttle
        return {
            "wall s": wall,
            "cpu s": used,
            "requests": throttle.requests,
            "limit alone s": max(0, throttle.requests - 2) / rate,
            "events MB": events / 1e6,
            "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Run the cases and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=60)
    parser.add_argument("--rate", type=float, default=2.0, help="requests a second")
    parser.add_argument("--serve", type=date.fromisoformat)
    parser.add_argument("--case", choices=["all", "first"], default="all")
    parser.add_argument(
        "--keep", type=Path, help="a folder for the stores, which stay there; a temporary one if not given"
    )
    given = parser.parse_args()
    if given.serve:
        serve_market(given.symbols, given.serve)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = (given.keep or Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "dagster.yaml").write_bytes(Path("dagster.yaml").read_bytes())
        os.environ["JUTSU_HOME"] = str(folder)
        eve = TradingCalendar("XNYS", FIRST, LAST).sessions(FIRST, LAST)[-2]
        cases: dict[str, Any] = {
            "from nothing": lambda: run(folder, given.symbols, eve, given.rate),
            "one new bar each": lambda: run(folder, given.symbols, LAST, given.rate),
            "nothing to ask": lambda: run(folder, given.symbols, LAST, given.rate),
            "one symbol": lambda: run(folder, given.symbols, LAST, given.rate, only=names_of(given.symbols)[-1]),
        }
        for case, work in cases.items():
            figures = work()
            sys.stdout.write(
                "  ".join([f"{case:<18}", *(f"{name} {value:.1f}" for name, value in figures.items())]) + "\n"
            )
            sys.stdout.flush()
            if given.case == "first":
                break


if __name__ == "__main__":
    main()
