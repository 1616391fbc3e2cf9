"""Child processes of tests.

A child is forked from a server process that imported everything once, which takes a hundredth of
the time of a fresh interpreter. A test process has one such server, so there is one list of what
it imports. Where the system cannot fork, every child imports for itself.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

CHILD_SECONDS = 60.0
_PRELOADED = [
    *("pytest", "psycopg", "sqlalchemy.dialects.postgresql.psycopg", "pysqlite3.dbapi2"),
    *("alembic.command", "alembic.config"),
    *("tests.support.writers", "tests.support.schwab", "tests.support.graph"),
]


@dataclass
class Child:
    """A process that works, and reports; ``said`` is what it reported so far."""

    process: Any
    _reports: Connection
    said: list[Any] = field(default_factory=list)

    def hear(self) -> None:
        """Wait for one more report."""
        assert self._reports.poll(CHILD_SECONDS), "the child is silent"
        self.said.append(self._reports.recv())

    def hear_all(self) -> None:
        """Wait for every report until the child ends, and for its end."""
        with suppress(EOFError):
            while True:
                self.hear()
        self.process.join(CHILD_SECONDS)

    def kill(self) -> None:
        """End it by SIGKILL; take in what it still said."""
        self.process.kill()
        self.hear_all()


@contextmanager
def started(work: Callable[..., None], *arguments: object) -> Iterator[Child]:
    """Yield a child that does ``work(reports, *arguments)``; it does not outlive the context."""
    context = _context()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(theirs, *arguments))
    process.start()
    theirs.close()
    try:
        yield Child(process, ours)
    finally:
        process.kill()
        process.join()
        ours.close()


@contextmanager
def started_together(work: Callable[..., None], *of_each: tuple[object, ...]) -> Iterator[list[Child]]:
    """Yield one child for each of ``of_each`` that does ``work(reports, barrier, *arguments)``."""
    barrier = _context().Barrier(len(of_each))
    with ExitStack() as stack:
        yield [stack.enter_context(started(work, barrier, *arguments)) for arguments in of_each]


def _context() -> Any:
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context: Any = multiprocessing.get_context(method)
    context.set_forkserver_preload(_PRELOADED)
    return context
