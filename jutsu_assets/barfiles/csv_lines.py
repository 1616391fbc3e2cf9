"""The lines of a text file in either direction, and the errors that name them by number."""

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from jutsu_core.errors import InvalidInputError

BLOCK_BYTES = 16_384
"""What is read at once. No line may be longer: a file without line ends must not fill the memory."""


class Lines:
    """The lines of one file, in either direction, in constant memory.

    The file is opened anew for each block, and checked to be the same: so a folder of more files than
    one process may hold open can be merged. ``offset`` is where the line given last begins, in bytes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self._first = 0
        self._identity: tuple[int, ...] = ()

    def header(self) -> bytes:
        """Return the next line of the header; the other lines begin after it."""
        block = self._read(self._first, BLOCK_BYTES)
        line = block[: block.find(b"\n") + 1 or len(block)]
        self._first += len(line)
        return line

    def forwards(self) -> Iterator[bytes]:
        """Return the lines after the header, first to last."""
        self.offset = position = self._first
        rest = b""
        while chunk := self._read(position, BLOCK_BYTES):
            position += len(chunk)
            end = chunk.rfind(b"\n") + 1
            if end:
                for line in BytesIO(rest + chunk[:end]):
                    yield line
                    self.offset += len(line)
                rest = b""
            rest = self._checked(rest + chunk[end:])
        if rest:
            yield rest

    def backwards(self) -> Iterator[bytes]:
        """Return the lines after the header, last to first."""
        rest = b""
        position = self.offset = self._identity[0]
        while position > self._first:
            start = max(self._first, position - BLOCK_BYTES)
            rest, *lines = (self._read(start, position - start) + rest).split(b"\n")
            for line in reversed(lines):
                self.offset -= len(line)
                yield line
                self.offset -= 1  # the line end before it
            position = start
            self._checked(rest)
        self.offset = self._first
        if rest:
            yield rest

    def fault(self, problem: str) -> InvalidInputError:
        """Return the error of the line given last; its number is counted only now that somebody asks for it."""
        number = 1
        for position in range(0, self.offset, BLOCK_BYTES):
            number += self._read(position, min(BLOCK_BYTES, self.offset - position)).count(b"\n")
        message = f"{self.path}, line {number}, {problem}"
        return InvalidInputError(message)

    def _checked(self, line: bytes) -> bytes:
        if len(line) < BLOCK_BYTES:
            return line
        message = f"column any: must end within {BLOCK_BYTES} bytes, was longer; end the lines with \\n or \\r\\n"
        raise self.fault(message)

    def _read(self, offset: int, size: int) -> bytes:
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                file.seek(offset)
                block = file.read(size)
        except OSError as error:
            message = f"{self.path}: must be a readable file, was not ({error.strerror}); check that it is there"
            raise InvalidInputError(message) from None
        identity = (status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)
        if self._identity not in ((), identity):
            message = f"{self.path}: must stay as it is while it is read, was changed meanwhile; read it again"
            raise InvalidInputError(message)
        self._identity = identity
        return block
