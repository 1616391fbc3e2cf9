"""Rows of a file of CSV, JSON or Parquet as they stand there, each with the number by which a reader finds it."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pandas as pd

from jutsu_core.errors import ConfigurationError

_MOST_BYTES = 256_000_000
_SHOWN = 80


class Row(NamedTuple):
    """One row of a file.

    Attributes:
        path: The file.
        number: Of the line in a CSV file, its header being line 1; in others of the row, from 1.
        cells: What it holds, by column.
    """

    path: Path
    number: int
    cells: Mapping[str, Any]

    def refuse(self, column: str, must_be: str, was: object, remedy: str = "correct it") -> NoReturn:
        """Raise the error that names file, row, column and value.

        Raises:
            ConfigurationError: Always.
        """
        said = repr(was) if not isinstance(was, str) or was else "empty"
        said = said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"
        message = f"{self.path}, row {self.number}, column {column!r}: must be {must_be}, was {said}; {remedy}"
        raise ConfigurationError(message)


def read_rows(path: Path) -> list[Row]:
    """Return the rows of the file at ``path``.

    Raises:
        ConfigurationError: It is missing, unreadable, or no file of that kind.
    """
    kind = path.suffix.lower()
    if kind not in _READERS:
        message = f"{path} must end in {', '.join(_READERS)}, ends in {kind or 'nothing'}; write it as one of them"
        raise ConfigurationError(message)
    return [Row(path, number, cells) for number, cells in _READERS[kind](path, content_of(path))]


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever the file says
    """Return what a JSON file says, numbers with a point exact.

    Raises:
        ConfigurationError: It is missing, unreadable or no JSON.
    """
    return _parsed(path, content_of(path))


def content_of(path: Path) -> bytes:
    """Return the bytes of the file at ``path``.

    Raises:
        ConfigurationError: It is no file that can be read, or larger than 256 MB.
    """
    try:
        if not path.is_file():
            message = f"{path} must be a file, and is {'none' if path.exists() else 'not there'}; correct the path"
            raise ConfigurationError(message)
        if path.stat().st_size > _MOST_BYTES:
            message = f"{path} must be smaller than {_MOST_BYTES:,} bytes; keep fewer columns, or a part of its time"
            raise ConfigurationError(message)
        return path.read_bytes()
    except OSError as error:
        message = f"{path} must be readable, and is not: {error.strerror}; grant its reading"
        raise ConfigurationError(message) from error


def _csv(path: Path, raw: bytes) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        reader = csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True)
        heads = [name.strip() for name in next(reader, [])]
        if not heads:
            message = f"{path}, row 1: must name the columns, is empty; write the file anew"
            raise ConfigurationError(message)
        if len(set(heads)) < len(heads):
            double = next(name for name in heads if heads.count(name) > 1)
            message = f"{path}, row 1: the header must name each column once, {double!r} is there twice; rename one"
            raise ConfigurationError(message)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(heads):
                message = (
                    f"{path}, row {reader.line_num}: must have {len(heads)} cells as the header has, has {len(cells)};"
                    " correct it"
                )
                raise ConfigurationError(message)
            yield reader.line_num, dict(zip(heads, (cell.strip() for cell in cells), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        message = f"{path} must be CSV in UTF-8 with commas, and is not: {error}; save it so"
        raise ConfigurationError(message) from error


def _json(path: Path, raw: bytes) -> Iterator[tuple[int, Mapping[str, Any]]]:
    found = _parsed(path, raw)
    if not isinstance(found, list):
        message = f"{path} must hold a list of rows, such as frame.to_json(orient='records') writes; write it so"
        raise ConfigurationError(message)
    for number, cells in enumerate(found, start=1):
        if not isinstance(cells, dict):
            message = f"{path}, row {number}: must be a group of keys, was {str(cells)[:_SHOWN]!r}; correct it"
            raise ConfigurationError(message)
        yield number, cells


def _parsed(path: Path, raw: bytes) -> Any:  # noqa: ANN401 - whatever the file says
    try:
        return json.loads(raw, parse_float=Decimal, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        message = f"{path} must be JSON in UTF-8, and is not: {error}; write it anew"
        raise ConfigurationError(message) from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a group of keys.

    Raises:
        ValueError: A key is there twice, and nobody knows which is meant.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        message = f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice in one group"
        raise ValueError(message)
    return found


def _parquet(path: Path, raw: bytes) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        frame = pd.read_parquet(io.BytesIO(raw))
    except (OSError, ValueError) as error:
        message = f"{path} must be Parquet, and is not: {error}; write it anew"
        raise ConfigurationError(message) from error
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    names = [str(name) for name in frame.columns]
    columns = ([None if cell is pd.NA else cell for cell in frame[name].tolist()] for name in frame.columns)
    rows = zip(*columns, strict=True)
    yield from ((number, dict(zip(names, cells, strict=True))) for number, cells in enumerate(rows, start=1))


_READERS: Mapping[str, Callable[[Path, bytes], Iterator[tuple[int, Mapping[str, Any]]]]] = {
    ".csv": _csv,
    ".json": _json,
    ".parquet": _parquet,
}
