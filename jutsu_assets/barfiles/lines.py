"""The lines of a file in blocks, in either direction, and the errors that name them by number.

A compressed file, or one of Parquet, is first spelled out as text in a temporary file, since neither
can be read backwards.
"""

import csv
import gzip
import io
import os
import shutil
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import IO

from jutsu_core.errors import InvalidInputError

BLOCK_BYTES = 65_536
"""What is read at once, unless less is asked for."""
LONGEST_LINE = 16_384
"""No line may be longer: a file without line ends must not fill the memory."""
_PARQUET_ROWS = 5_000

Identity = tuple[int, int, int, int]


class Lines:
    """The lines of one file.

    The file is opened anew for each block, and checked to be the same: so a folder of more files than
    one process may hold open can be merged.

    Args:
        path: The file; text, text that gzip compressed (``.gz``), or Parquet (``.parquet``).

    Attributes:
        path: The file.
        first: Where the lines after the header begin, in bytes of its text.
        identity: Changes when the file does.

    Raises:
        InvalidInputError: The file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first = 0
        self.identity = identity_of(path)
        self._text = path
        self._counted = (0, 1)
        spell = next((spell for suffix, spell in _SPELLED.items() if path.name.lower().endswith(suffix)), None)
        if spell is not None:
            self._text = self._spelled(spell)
        self._text_identity = identity_of(self._text)
        self.size = self._text_identity[0]

    def header(self) -> bytes:
        """Return the next line of the header; the other lines begin after it."""
        block = self._read(self.first, LONGEST_LINE)
        line = block[: block.find(b"\n") + 1 or len(block)]
        self.first += len(line)
        return line

    def blocks(
        self, start: int, end: int, *, backwards: bool = False, size: int = BLOCK_BYTES
    ) -> Iterator[tuple[int, bytes]]:
        """Yield whole lines, many at once, with the offset of the first of them.

        Args:
            start: Offset of the first line.
            end: Offset after the last one.
            backwards: Whether the last block comes first; within a block lines stand as in the file.
            size: About how many bytes at once.
        """
        return self._backwards(start, end, size) if backwards else self._forwards(start, end, size)

    def number(self, offset: int) -> int:
        """Return the number of the line that begins at ``offset``; it is counted only now, from the last one on."""
        position, number = self._counted if self._counted[0] <= offset else (0, 1)
        while position < offset:
            block = self._read(position, min(BLOCK_BYTES, offset - position))
            position, number = position + len(block), number + block.count(b"\n")
        self._counted = (offset, number)
        return number

    def fault(self, offset: int, problem: str) -> InvalidInputError:
        """Return the error of the line at ``offset``."""
        message = f"{self.path}, line {self.number(offset)}, {problem}"
        return InvalidInputError(message)

    def _forwards(self, start: int, end: int, size: int) -> Iterator[tuple[int, bytes]]:
        rest, position = b"", start
        while position < end:
            chunk = self._read(position, min(size, end - position))
            if not chunk:
                break
            position += len(chunk)
            whole = len(chunk) if position >= end else chunk.rfind(b"\n") + 1
            if whole:
                yield position - len(chunk) - len(rest), rest + chunk[:whole]
                rest = b""
            rest = self._checked(rest + chunk[whole:], position - len(chunk) + whole)

    def _backwards(self, start: int, end: int, size: int) -> Iterator[tuple[int, bytes]]:
        rest, position = b"", end
        while position > start:
            begin = max(start, position - size)
            chunk = self._read(begin, position - begin) + rest
            # What stands before the first line end is the end of a line that begins further ahead.
            cut = 0 if begin == start else chunk.find(b"\n") + 1
            if cut or begin == start:
                if chunk[cut:]:
                    yield begin + cut, chunk[cut:]
                rest = chunk[:cut]
            else:
                rest = chunk
            self._checked(rest, begin)
            position = begin

    def _checked(self, line: bytes, offset: int) -> bytes:
        if len(line) < max(LONGEST_LINE, 1):
            return line
        problem = f"column any: must end within {LONGEST_LINE} bytes, was longer; end the lines with \\n or \\r\\n"
        raise self.fault(offset, problem)

    def _read(self, offset: int, size: int) -> bytes:
        try:
            with self._text.open("rb") as file:
                status = os.fstat(file.fileno())
                file.seek(offset)
                block = file.read(size)
        except OSError as error:
            raise _unreadable(self.path, error.strerror) from None
        known = getattr(self, "_text_identity", None)
        if known not in (None, _identity(status)):
            message = f"{self.path}: must stay as it is while it is read, was changed meanwhile; read it again"
            raise InvalidInputError(message)
        return block

    def _spelled(self, spell: Callable[[Path, IO[bytes]], None]) -> Path:
        handle, name = tempfile.mkstemp(prefix="jutsu-bars-", suffix=".csv")
        weakref.finalize(self, _remove, name)
        try:
            with os.fdopen(handle, "wb") as text:
                spell(self.path, text)
        except (OSError, EOFError, zlib.error) as error:
            raise _unreadable(self.path, getattr(error, "strerror", None) or str(error)) from None
        return Path(name)


def lines_of(offset: int, block: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a block with where they begin."""
    for raw in block.split(b"\n"):
        if raw:
            yield offset, raw
        offset += len(raw) + 1


def identity_of(path: Path) -> Identity:
    """Return what changes when the file at ``path`` does.

    Raises:
        InvalidInputError: There is no file.
    """
    try:
        return _identity(path.stat())
    except OSError as error:
        raise _unreadable(path, error.strerror) from None


def _identity(status: os.stat_result) -> Identity:
    return (status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)


def _unreadable(path: Path, why: str | None) -> InvalidInputError:
    message = f"{path}: must be a readable file, was not ({why}); check that it is there, and whole"
    return InvalidInputError(message)


def _remove(name: str) -> None:
    with suppress(OSError):
        Path(name).unlink()


def _spell_gzip(path: Path, text: IO[bytes]) -> None:
    with gzip.open(path, "rb") as file:
        shutil.copyfileobj(file, text)


def _spell_parquet(path: Path, text: IO[bytes]) -> None:
    import pyarrow as pa  # noqa: PLC0415 - it takes longer to import than most files to read
    from pyarrow import parquet  # noqa: PLC0415 - as above

    lines = io.TextIOWrapper(text, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(lines, lineterminator="\n")
    try:
        with parquet.ParquetFile(path) as file:
            writer.writerow(file.schema_arrow.names)
            for batch in file.iter_batches(_PARQUET_ROWS):
                columns = [[_cell(value) for value in column.to_pylist()] for column in batch.columns]
                writer.writerows(zip(*columns, strict=True))
    except (pa.ArrowException, ValueError) as error:
        raise OSError(0, str(error).splitlines()[0]) from None
    lines.flush()
    lines.detach()


def _cell(value: object) -> object:
    if isinstance(value, date):  # and a datetime
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value


_SPELLED = {".gz": _spell_gzip, ".parquet": _spell_parquet}
