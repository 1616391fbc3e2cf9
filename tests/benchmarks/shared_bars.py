"""What a Redis of newest bars is worth: questions for the newest bar, over lines of several lengths.

Run it by ``python -m tests.benchmarks.shared_bars``. A line is a proxy that hands on every byte late; SQLite,
PostgreSQL and Redis are real, and on this machine.
"""

import logging
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from jutsu_assets.store.handlers import DatabaseDataHandler
from jutsu_assets.store.market import MarketDatabase
from jutsu_core.bars import Timeframe
from tests.support.builders import bar, days, fetched
from tests.support.postgres import running_server
from tests.support.redis import RedisServer

SYMBOLS = [f"S{number}" for number in range(50)]
ROUND_TRIPS = (0.0, 0.001, 0.005, 0.020, 0.080)
READERS = 8
_QUESTIONS = 200
_CHUNK = 65_536


def main() -> None:
    """Measure, and print a table."""
    logging.getLogger("jutsu").setLevel(logging.ERROR)  # of restatements there are many here
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp")))
        folder.chmod(0o755)
        (folder / "pg").mkdir()
        redis = RedisServer(folder)
        redis.start()
        stack.callback(redis.stop)
        server = stack.enter_context(running_server(folder / "pg"))
        url = stack.enter_context(server.fresh_url())
        file = f"sqlite:///{folder / 'jutsu.db'}"
        for place in (url, file):
            fill(place)
        say(f"newest bar, median of {_QUESTIONS} questions, one reader; and questions a second of {READERS} readers")
        told("SQLite", DatabaseDataHandler(file), lambda: DatabaseDataHandler(file))
        for seconds in ROUND_TRIPS:
            with late(url, seconds) as distant:
                name = f"PostgreSQL, {seconds * 1000:g} ms away"
                told(name, DatabaseDataHandler(distant), lambda at=distant: DatabaseDataHandler(at))  # type: ignore[misc]
                shared: Callable[[], DatabaseDataHandler] = lambda at=distant: DatabaseDataHandler(  # type: ignore[misc] # noqa: E731
                    at, cache_url=redis.url
                )
                told(f"{name}, Redis here", shared(), shared)
        told_writes(url, redis.url)


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def fill(url: str) -> None:
    """Put a hundred bars of each symbol into the store at ``url``."""
    with MarketDatabase(url, source="simulator") as database:
        for symbol in SYMBOLS:
            database.bars.write(symbol, Timeframe.D1, fetched(*map(bar, days(date(2013, 1, 1), 100))))


def told(name: str, one: DatabaseDataHandler, opened: Callable[[], DatabaseDataHandler]) -> None:
    """Print how long a question takes, and how many readers side by side ask in a second."""
    with one:
        for symbol in SYMBOLS:
            one.get_latest_bar(symbol)
        spent = [asked(one, SYMBOLS[number % len(SYMBOLS)]) for number in range(_QUESTIONS)]
    say(f"{name:36} {statistics.median(spent) * 1000:8.3f} ms {rate(opened):9.0f} a second")


def asked(bars: DatabaseDataHandler, symbol: str) -> float:
    """Return how long one question takes."""
    began = time.perf_counter()
    bars.get_latest_bar(symbol)
    return time.perf_counter() - began


def rate(opened: Callable[[], DatabaseDataHandler]) -> float:
    """Return how many questions readers in threads ask in a second."""
    counts, is_done, begin = [0] * READERS, threading.Event(), threading.Barrier(READERS + 1)

    def read(number: int) -> None:
        with opened() as bars:
            for symbol in SYMBOLS:
                bars.get_latest_bar(symbol)
            begin.wait()
            while not is_done.is_set():
                bars.get_latest_bar(SYMBOLS[counts[number] % len(SYMBOLS)])
                counts[number] += 1

    readers = [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
    for reader in readers:
        reader.start()
    begin.wait()
    began = time.perf_counter()
    time.sleep(2.0)  # noqa: TID251 - a measurement takes time
    is_done.set()
    spent = time.perf_counter() - began
    for reader in readers:
        reader.join()
    return sum(counts) / spent


def told_writes(url: str, cache_url: str) -> None:
    """Print what a write of one restated bar takes with and without Redis."""
    for name, told_of in (("a write of one bar", None), ("a write of one bar, Redis", cache_url)):
        with MarketDatabase(url, source="simulator", cache_url=told_of) as database:
            spent = []
            for number in range(_QUESTIONS):
                came = fetched(bar(date(2013, 3, 1), str(200 + number)))
                began = time.perf_counter()
                database.bars.write("S0", Timeframe.D1, came)
                spent.append(time.perf_counter() - began)
        say(f"{name:36} {statistics.median(spent) * 1000:8.3f} ms")


@contextmanager
def late(url: str, round_trip: float) -> Iterator[str]:
    """Yield a URL of the same server, behind a line that takes ``round_trip`` seconds there and back."""
    if not round_trip:
        yield url
        return
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    target = f"{query['host'][0]}/.s.PGSQL.5432"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, target, round_trip / 2), daemon=True).start()
        here = f"postgres@127.0.0.1:{listener.getsockname()[1]}"
        yield parts._replace(netloc=here, query=f"options={query['options'][0].replace('=', '%3D')}").geturl()


def _serve(listener: socket.socket, target: str, delay: float) -> None:
    with suppress(OSError):
        while True:
            one, _ = listener.accept()
            other = socket.socket(socket.AF_UNIX)
            other.connect(target)
            for ends in ((one, other), (other, one)):
                threading.Thread(target=_hand_on, args=(ends, delay), daemon=True).start()


def _hand_on(ends: Sequence[socket.socket], delay: float) -> None:
    source, target = ends
    source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _CHUNK)
    with suppress(OSError):
        while piece := source.recv(_CHUNK):
            time.sleep(delay)  # noqa: TID251 - the line is late
            target.sendall(piece)
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    main()
