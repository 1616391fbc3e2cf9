"""SQLite files that this process can read and not write: on a read-only mount, another user's, on a full disk.

SQLite reads a file in WAL mode with the help of files beside it, which it makes where they are not. Where
it may not, a file that nobody has open can still be read as one that does not change; and since others
may write it meanwhile, each transaction looks before and after whether it has stayed as it was.
"""

import os
import shutil
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from sqlalchemy import URL

from jutsu_core.errors import StoreUnavailableError

_LEAST_ROOM_BYTES = 2**20
"""What SQLite makes beside a file takes 32 kB at first, and a page or two of the log."""
_AS_WHO_RUNS = os.access in os.supports_effective_ids


class Seen(NamedTuple):
    """What tells whether a file was written: when, how large, which one, and whether somebody has it open."""

    written_at: int
    size: int
    inode: int
    has_log: bool


class UnwritableFile:
    """A SQLite file that is read as one that does not change.

    Args:
        file: The file.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._seen = _look_at(file)

    @property
    def url(self) -> URL:
        """Return how SQLAlchemy opens it without locks and files beside it."""
        name, _, _ = self.uri.partition("?")
        return URL.create("sqlite", database=name, query={"mode": "ro", "immutable": "1", "uri": "true"})

    @property
    def uri(self) -> str:
        """Return how SQLite itself does."""
        return f"file:{quote(str(self.file.absolute()))}?mode=ro&immutable=1"

    @property
    def is_as_it_was(self) -> bool:
        """Return whether nobody has written it, or begun to, since it was opened."""
        return _look_at(self.file) == self._seen

    def require_unchanged(self) -> None:
        """Raise if what was just read may be half of one state and half of another.

        Raises:
            StoreUnavailableError: Somebody wrote the file meanwhile.
        """
        if not self.is_as_it_was:
            message = (
                f"the database file {self.file} must not change while it is read, was written meanwhile by one who"
                " may; read again"
            )
            raise StoreUnavailableError(message)


def unwritable(file: Path) -> UnwritableFile | None:
    """Return ``file`` where it must be read as one that does not change; None where SQLite reads it as usual.

    As usual it is also read where somebody has it open: then the files beside it are there.

    Raises:
        StoreUnavailableError: What belongs to the file stands in a log beside it that cannot be read here.
    """
    if not file.exists() or (_may_be_written(file) and has_room(file.parent)):
        return None
    log, index = (file.with_name(f"{file.name}{suffix}") for suffix in ("-wal", "-shm"))
    if log.exists() and index.exists():
        return None
    if log.exists() and log.stat().st_size:
        message = (
            f"the log {log} must be in the database file, or have its index {index.name} beside it, to be read where"
            f" nothing may be written, was without it: open the store once where it may be (jutsu doctor), or copy it"
            " with jutsu backup"
        )
        raise StoreUnavailableError(message)
    return UnwritableFile(file)


def reading_uri(file: Path) -> str:
    """Return how SQLite opens ``file`` to read it, whether or not it may be written."""
    still = unwritable(file)
    return f"file:{quote(str(file.absolute()))}" if still is None else still.uri


def is_cut_off(file: Path) -> bool:
    """Return whether there is a file and nothing in it: a store is never that small, whatever becomes of it."""
    return file.is_file() and not file.stat().st_size


def has_room(folder: Path) -> bool:
    """Return whether the disk of ``folder`` has room for what is made beside a database, and a little more."""
    return shutil.disk_usage(folder).free >= _LEAST_ROOM_BYTES


def _may_be_written(file: Path) -> bool:
    return all(os.access(path, os.W_OK, effective_ids=_AS_WHO_RUNS) for path in (file, file.parent))


def _look_at(file: Path) -> Seen:
    state = file.stat()
    log = file.with_name(f"{file.name}-wal")
    return Seen(state.st_mtime_ns, state.st_size, state.st_ino, log.exists() and log.stat().st_size > 0)
