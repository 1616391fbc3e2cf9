"""A file of bars, or a folder of them, as one stream."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from heapq import merge
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

from jutsu_assets.barfiles.bar_file import BarFile
from jutsu_assets.barfiles.folders import TEXT_SUFFIXES, files_in, left_out_as_a_whole, name_of, require_own_name
from jutsu_assets.barfiles.lines import BLOCK_BYTES, identity_of
from jutsu_assets.barfiles.reading import LeftOutRow, Reading
from jutsu_assets.barfiles.rows import Row
from jutsu_core.bars import Bar
from jutsu_core.errors import InvalidInputError, NoDataError

_LEAST_BLOCK = 4_096


class BarCollection:
    """The bars of one file, or of a folder of files, read as they are then.

    A file that did not change is looked at once. In a folder, who asks for some symbols is not disturbed by a
    file that cannot be of them: one that is named after another, or has no header of bars. Where rows that are
    no bar are left out, so are such files.

    Args:
        path: The file or the folder.
        reading: How to read them.
        suffixes: Which files of a folder are read.

    Raises:
        InvalidInputError: ``path`` is neither, or the reading says the symbol of a folder.
        NoDataError: There is no file of bars in the folder; raised by every method that reads.
    """

    def __init__(self, path: Path, reading: Reading, suffixes: tuple[str, ...] = TEXT_SUFFIXES) -> None:
        self._path, self._reading, self._suffixes = path, reading, suffixes
        self._is_folder, self._quarantines = path.is_dir(), reading.on_bad_row == "quarantine"
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

    def about(self) -> frozenset[str]:
        """Return the symbols that the files are about, as far as they can be read, perhaps without a bar."""
        found: set[str] = set()
        for path in self._paths(()):
            with suppress(InvalidInputError):
                found |= self._file(path).symbols
        return frozenset(found)

    def holding(self, wanted: Collection[str]) -> frozenset[str]:
        """Return those of ``wanted`` of which there are bars."""
        held = (file.symbols for file in self._files(wanted) if file.holds_bars)
        return frozenset(wanted).intersection(chain.from_iterable(held))

    def rows(self, wanted: Sequence[str] | None = None, end: datetime | None = None) -> Iterator[Row]:
        """Return the bars in time order, ties by symbol.

        Args:
            wanted: Symbols to return; all if None.
            end: First instant no longer wanted.

        Raises:
            InvalidInputError: A file cannot be read, a row of it is no bar, or two files have a bar of one
                symbol and time.
        """
        files = self._files(wanted)
        size = max(_LEAST_BLOCK, BLOCK_BYTES * 8 // max(8, len(files)))
        streams = [file.rows(wanted, end, block_bytes=size) for file in files]
        return streams[0] if len(streams) == 1 else self._merged(streams)

    def newest(self, symbol: str) -> Bar | None:
        """Return the newest bar of ``symbol``, None if there is none."""
        found = (file.newest(symbol) for file in self._files((symbol,)))
        return max((bar for bar in found if bar is not None), default=None)

    def left_out(self) -> Iterator[LeftOutRow]:
        """Yield the rows and the files that are left out, file by file; none unless the user said so."""
        for path in self._paths() if self._quarantines else ():
            try:
                yield from self._sound(path).left_out()
            except InvalidInputError as fault:
                if not self._is_folder:
                    raise
                yield left_out_as_a_whole(path, fault)

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

    def _files(self, wanted: Collection[str] | None = None) -> list[BarFile]:
        """Return the files that hold ``wanted``, all of them if None.

        Raises:
            InvalidInputError: One of them cannot be read, or all are left out.
        """
        found: list[BarFile] = []
        fault: InvalidInputError | None = None
        for path in self._paths(wanted):
            try:
                if wanted is None or self._may_hold(path, wanted):
                    found.append(self._sound(path))
            except InvalidInputError as error:
                if self._is_needed(path, wanted):
                    raise
                fault = fault or error
        if fault is not None and not found and wanted is None:
            raise fault
        return found

    def _may_hold(self, path: Path, wanted: Collection[str]) -> bool:
        is_named = self._is_folder and name_of(path) in wanted
        return not self._file(path).symbols.isdisjoint(wanted) or is_named

    def _is_needed(self, path: Path, wanted: Collection[str] | None) -> bool:
        """Return whether a file that cannot be read is an error of the question."""
        if not self._is_folder or (wanted is not None and name_of(path) in wanted):
            return True
        known = self._known.get(path)
        if wanted is None or known is None:  # without a header of bars, it is about nothing that is wanted
            return wanted is None and not self._quarantines
        # Of what its header says, or of several symbols and so perhaps of these.
        return not known.has_symbols or not self._quarantines

    def _paths(self, wanted: Collection[str] | None = None) -> Iterator[Path]:
        if not self._is_folder:
            yield self._path
            return
        is_empty = True
        for path in files_in(self._path, self._suffixes, wanted):
            is_empty = False
            yield path
        if is_empty:
            self._refuse_emptiness()

    def _refuse_emptiness(self) -> NoReturn:
        others = sorted({path.suffix for path in self._path.iterdir() if path.is_file() and path.suffix})
        has = f"; it has {', '.join(others)}: rename them, or read each by itself" if others else ""
        message = f"{self._path} must hold files of bars ({', '.join(self._suffixes)}), holds none{has}"
        raise NoDataError(message)

    def _sound(self, path: Path) -> BarFile:
        """Return a file whose name is true and, where whole files are left out, of which every row was looked at."""
        file = self._file(path)
        if self._is_folder:
            require_own_name(file)
            if self._quarantines:
                file.look()
        return file

    def _file(self, path: Path) -> BarFile:
        known = self._known.get(path)
        if known is None or known.identity != identity_of(path):
            self._known.pop(path, None)
            known = self._known[path] = BarFile(path, self._reading, name_of(path))
        return known


def _key(row: Row) -> tuple[datetime, str]:
    return row[1][0], row[0]
