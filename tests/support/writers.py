"""What processes of their own do that write bars, for tests that stop them, starve them or let them meet."""

import itertools
import os
import random
from datetime import date
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from sqlalchemy import make_url

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.content import content_of, to_hex
from jutsu_assets.store.engine import Database
from jutsu_core.bars import Bar, Timeframe, to_epoch
from jutsu_core.errors import StoreUnavailableError
from jutsu_core.ports import BarStore, PartitionVersion
from tests.support.builders import RecordingSleeper, bar, days, fetched
from tests.support.processes import CHILD_SECONDS

D1 = Timeframe.D1
SOURCE = "scripted"
BARS = 500
CHUNK = 25
_NOBODY = 65534


def state(number: int) -> tuple[Bar, ...]:
    """Return one of many states of a whole partition; any two differ in every bar."""
    return tuple(bar(day, str(100 + number), volume=n) for n, day in enumerate(days(date(2010, 1, 1), BARS)))


A, B = state(0), state(1)


def version_of(bars: tuple[Bar, ...]) -> PartitionVersion:
    """Return the version of a partition that holds exactly ``bars``."""
    content = content_of([(to_epoch(one.timestamp), *one[1:]) for one in bars])
    return PartitionVersion(
        content_hash=to_hex(content), rows=len(bars), first=bars[0].timestamp, last=bars[-1].timestamp
    )


def open_store(url: str) -> tuple[Database, SqlBarStore]:
    database = Database(url, SystemSleeper())
    return database, SqlBarStore(database, SOURCE, SystemClock())


def named(url: str, name: str) -> str:
    """Return ``url`` such that a server shows its connections under ``name``; of a file, as it is."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return url
    return parsed.update_query_dict({"application_name": name}).render_as_string(hide_password=False)


def states_held(store: BarStore, symbol: str) -> list[tuple[Bar, ...]]:
    """Return every state that a partition ever held, oldest first.

    Fails where bars, revisions, version and coverage do not tell of the same whole states.
    """
    bars, version = tuple(store.read(symbol, D1)), store.version(symbol, D1)
    revisions = store.revisions(symbol, D1)
    if not bars:
        assert (version, revisions, store.coverage(symbol, D1)) == (None, [], [])
        return []
    assert version == version_of(bars)
    assert [window.bars for window in store.coverage(symbol, D1)] == [len(bars)]
    groups = [list(group) for _, group in itertools.groupby(revisions, key=lambda one: one.superseded_at)]
    held = [*(tuple(one.former for one in group) for group in groups), bars]
    since = None
    for group, successor in zip(groups, held[1:], strict=True):
        assert tuple(one.successor for one in group) == successor
        (recorded_at,) = {one.recorded_at for one in group}
        assert since in (None, recorded_at), "a state must begin when the one before it ended"
        since = group[0].superseded_at
    return held


def alternate(reports: Connection, url: str, symbols: tuple[str, ...], done: int) -> None:
    """Bring ``symbols`` from one state to the other in turn, for ever; report every write before and after."""
    _, store = open_store(url)
    for number in itertools.count(done):
        symbol, content = write_number(number, symbols)
        reports.send(("begun", number))
        store.write(symbol, D1, fetched(*content))
        reports.send(("done", number))


def write_number(number: int, symbols: tuple[str, ...]) -> tuple[str, tuple[Bar, ...]]:
    """Return what the write of that ``number`` writes: the symbols in turn, to A and to B in turn."""
    turn, place = divmod(number, len(symbols))
    return symbols[place], (A, B)[turn % 2]


def write_own_and_shared(reports: Connection, barrier: Barrier, url: str, number: int, shared: str | None) -> None:
    """Build a partition of one's own piece by piece; write one that others share, whole, after every piece.

    Report how many bars of the shared one were inserted and changed.
    """
    database, store = open_store(url)
    own = state(number)
    pieces = [own[start : start + CHUNK] for start in range(0, BARS, CHUNK)]
    random.Random(number).shuffle(pieces)  # noqa: S311 - the same order in every run
    barrier.wait(CHILD_SECONDS)
    inserted = changed = 0
    for piece in pieces:
        store.write(f"OWN{number}", D1, fetched(*piece))
        if shared is not None:
            result = store.write(shared, D1, fetched(*own))
            inserted, changed = inserted + result.inserted, changed + result.changed
    database.close()
    reports.send((inserted, changed))


def start_fresh(reports: Connection, barrier: Barrier, url: str, number: int) -> None:
    """Be among the first to use a database."""
    database, store = open_store(url)
    barrier.wait(CHILD_SECONDS)
    reports.send(store.write(f"OWN{number}", D1, fetched(*A[:1])).inserted)
    database.close()


def write_under_limits(reports: Connection, url: str, limits: list[int]) -> None:
    """Turn A into B while no file may grow beyond each of ``limits``, bytes, and then without one; report each end."""
    import resource  # noqa: PLC0415 - not on every system

    database, store = open_store(url)
    store.read("AAPL", D1)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (*limits, hard):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))  # Python ignores SIGXFSZ, so that writes fail
        reports.send(_attempt(store))
    database.close()


def write_as_nobody(reports: Connection, url: str) -> None:
    """Try to read and to turn A into B as a user whom permissions bind; report both ends."""
    database = Database(url, RecordingSleeper())
    store = SqlBarStore(database, SOURCE, SystemClock())
    store.read("NONE", D1)  # imports what a user without rights may be unable to
    database.close()
    if os.getuid() == 0:
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    try:
        reports.send(f"read {len(store.read('AAPL', D1))}")
    except StoreUnavailableError as error:
        reports.send(str(error))
    reports.send(_attempt(store))


def _attempt(store: BarStore) -> str:
    try:
        store.write("AAPL", D1, fetched(*B))
    except StoreUnavailableError as error:
        return str(error)
    return "written"
