"""A file of bars, or a folder of them, as one stream."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from heapq import merge
from pathlib import Path
from typing import Any

from jutsu_assets.barfiles.bar_file import BarFile
from jutsu_assets.barfiles.folders import TEXT_SUFFIXES, bar_file, files_in
from jutsu_assets.barfiles.lines import BLOCK_BYTES, identity_of
from jutsu_assets.barfiles.reading import LeftOutRow, Reading
from jutsu_assets.barfiles.rows import Row
from jutsu_core.bars import Bar
from jutsu_core.errors import InvalidInputError

_LEAST_BLOCK = 4_096


class BarCollection:
    """The bars of one file, or of a folder of files, read as they are then.

    A file that did not change is looked at once.

    Args:
        path: The file or the folder.
        reading: How to read them.
        suffixes: Which files of a folder are read.

    Raises:
        InvalidInputError: ``path`` is neither, or the reading says the symbol of a folder.
    """

    def __init__(self, path: Path, reading: Reading, suffixes: tuple[str, ...] = TEXT_SUFFIXES) -> None:
        self._path, self._reading, self._suffixes = path, reading, suffixes
        self._is_folder = path.is_dir()
        self._known: dict[Path, BarFile] = {}
        if not self._is_folder and not path.is_file():
            message = f"path must be a CSV file or a folder of them, was {str(path)!r}, which is neither"
            raise InvalidInputError(message)
        if self._is_folder and (symbol := reading.symbol) is not None:
            message = f"symbol must be None for a folder, was {symbol!r}; choose with symbols=[{symbol!r}]"
            raise InvalidInputError(message)

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs, which looks at the files itself."""
        return {**self.__dict__, "_known": {}}

    def symbols(self) -> frozenset[str]:
        """Return the symbols of which there are bars."""
        return frozenset().union(*(file.symbols for file in self._files() if self._is_folder or file.holds_bars))

    def rows(self, wanted: Sequence[str] | None = None, end: datetime | None = None) -> Iterator[Row]:
        """Return the bars in time order, ties by symbol.

        Args:
            wanted: Symbols to return; all if None.
            end: First instant no longer wanted.

        Raises:
            InvalidInputError: A file cannot be read, a row of it is no bar, or two files have a bar of one
                symbol and time.
        """
        files = [file for file in self._files() if wanted is None or not file.symbols.isdisjoint(wanted)]
        size = max(_LEAST_BLOCK, BLOCK_BYTES * 8 // max(8, len(files)))
        streams = [file.rows(wanted, end, block_bytes=size) for file in files]
        return streams[0] if len(streams) == 1 else self._merged(streams)

    def newest(self, symbol: str) -> Bar | None:
        """Return the newest bar of ``symbol``, None if there is none."""
        found = (file.newest(symbol) for file in self._files() if symbol in file.symbols)
        return max((bar for bar in found if bar is not None), default=None)

    def left_out(self) -> Iterator[LeftOutRow]:
        """Yield the rows that are left out, file by file."""
        for file in self._files():
            yield from file.left_out()

    def _merged(self, streams: Sequence[Iterator[Row]]) -> Iterator[Row]:
        last: tuple[datetime, str] | None = None
        for symbol, bar in merge(*streams, key=_key):
            if (bar[0], symbol) == last:
                message = (
                    f"{self._path} must hold one bar of {symbol} at {bar[0].isoformat()}, holds two, in two files;"
                    " remove one"
                )
                raise InvalidInputError(message)
            last = (bar[0], symbol)
            yield symbol, bar

    def _files(self) -> list[BarFile]:
        if not self._is_folder:
            return [self._file(self._path)]
        return [self._file(path) for path in files_in(self._path, self._suffixes)]

    def _file(self, path: Path) -> BarFile:
        known = self._known.get(path)
        if known is None or known.identity != identity_of(path):
            known = self._known[path] = bar_file(path, self._reading, is_in_folder=self._is_folder)
        return known


def _key(row: Row) -> tuple[datetime, str]:
    return row[1][0], row[0]
