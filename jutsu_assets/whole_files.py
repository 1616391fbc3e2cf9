"""Files that are written whole or not at all: a reader sees the former one, or the new one."""

import os
import uuid
from contextlib import suppress
from pathlib import Path


def write_whole(target: Path, raw: bytes, *, mode: int | None = None, is_durable: bool = False) -> None:
    """Make ``target``, in a folder that is there, a file that holds ``raw``.

    Args:
        target: The file.
        raw: What it is to hold.
        mode: Who may read and write it; what the process gives its files if None.
        is_durable: Whether to wait until the disk has it, so that it outlasts a machine that loses its power.

    Raises:
        OSError: It cannot be written; what was there is kept, and nothing is left beside it.
    """
    # A process id would not do: threads share one, and processes in two containers may have the same.
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.write(raw)
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(target)
    finally:
        with suppress(OSError):
            temporary.unlink()
